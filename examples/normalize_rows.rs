//! A function from a row to a row: each row scaled to 0…1 by its minimum and maximum.
//!
//! `cargo run --example normalize_rows`
//!
//! Prints one line for each row, rounded to two digits:
//!
//! ```text
//! [0.00, 0.33, 0.67, 1.00]
//! [0.00, 0.50, 0.67, 1.00]
//! [0.00, 0.33, 0.67, 1.00]
//! [0.00, 0.60, 0.80, 1.00]
//! ```

use std::io::{self, Write};

use polars_par_apply::prelude::*;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    // The rows are [2, 3, 4, 5], [6, 9, 10, 12], [11, 12, 13, 14] and [21, 24, 25, 26].
    let df = df![
        "a" => [2, 6, 11, 21],
        "b" => [3, 9, 12, 24],
        "c" => [4, 10, 13, 25],
        "d" => [5, 12, 14, 26],
    ]?;

    // An array that is returned becomes one column for each value. Here the columns get the input's names.
    let scaled = df
        .par_apply()
        .names(df.get_column_names_owned())
        .rows(min_max)?;

    let lines = scaled.par_apply_rows(|row: [f64; 4]| format!("{row:.2?}"))?;
    for line in lines.str()?.iter().flatten() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Scales a row to 0…1, or to NaN if all of its values are equal.
fn min_max(row: [f64; 4]) -> [f64; 4] {
    let least = row.into_iter().fold(f64::INFINITY, f64::min);
    let greatest = row.into_iter().fold(f64::NEG_INFINITY, f64::max);
    row.map(|x| (x - least) / (greatest - least))
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
