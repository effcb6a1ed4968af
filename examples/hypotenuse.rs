//! A function of two columns, called for each row: the hypotenuse of each pair.
//!
//! `cargo run --example hypotenuse`
//!
//! Prints one length for each row, rounded to two digits: `[9.43, 5.83, 5.0, 5.66, 11.4]`

use std::io::{self, Write};

use polars_par_apply::prelude::*;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;

    let lengths = df.par_apply_rows(|a: i32, b: i32| f64::from(a * a + b * b).sqrt())?;

    let rounded: Vec<f64> = lengths
        .f64()?
        .into_no_null_iter()
        .map(|length| (length * 100.0).round() / 100.0)
        .collect();
    writeln!(out, "{rounded:?}")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
