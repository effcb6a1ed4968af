//! A function of a part of the frame, called for each part: its shape.
//!
//! `cargo run --example chunk_shapes`
//!
//! Prints how many parts a frame of 500 rows is cut into, which is one for each worker, and a table with one row for each
//! part. With two workers, it prints `rows: 500, parts: 2`, and two rows with a height of 250 and a width of 2.

use std::io::{self, Write};

use polars_par_apply::prelude::*;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let numbers = 0..500i64;
    let df = df![
        "number" => numbers.clone().collect::<Vec<_>>(),
        "square" => numbers.map(|n| n * n).collect::<Vec<_>>(),
    ]?;

    // A column cannot have values of `usize`, so they are converted to `u64`.
    let shapes = df
        .par_apply()
        .names(["height", "width"])
        .chunks(|part: DataFrame| (part.height() as u64, part.width() as u64))?;

    // Each row is in exactly one part.
    assert_eq!(shapes.column("height")?.u64()?.sum(), Some(500));

    writeln!(out, "rows: {}, parts: {}", df.height(), shapes.height())?;
    writeln!(out, "{shapes}")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
