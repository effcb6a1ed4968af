//! A function of a part of the frame: the shape of each part, stacked.
//!
//! `cargo run --example chunk_shapes`
//!
//! Prints how many parts a frame of 500 rows is cut into, which is one for each worker, and a table with one row per
//! part. On two workers: `rows: 500, parts: 2`, and twice a height of 250 and a width of 2.

use std::io::{self, Write};

use polars_par_apply::prelude::*;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let numbers = 0..500i64;
    let df = df![
        "number" => numbers.clone().collect::<Vec<_>>(),
        "square" => numbers.map(|n| n * n).collect::<Vec<_>>(),
    ]?;

    // `usize` is no column's type; hence `u64`.
    let shapes = df
        .par_apply()
        .names(["height", "width"])
        .chunks(|part: DataFrame| (part.height() as u64, part.width() as u64))?;

    // Every row is in one part.
    assert_eq!(shapes.column("height")?.u64()?.sum(), Some(500));

    writeln!(out, "rows: {}, parts: {}", df.height(), shapes.height())?;
    writeln!(out, "{shapes}")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
