//! A function of a whole column, called for each column: the sum of its squares.
//!
//! `cargo run --example sum_of_squares`
//!
//! Prints one sum for each column: `[163, 147]`

use std::io::{self, Write};

use polars_par_apply::prelude::*;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;

    // Typed: the closure takes the values as i64, although the columns are i32.
    let sums =
        df.par_apply_columns(|values: Values<'_, i64>| values.iter().map(|x| x * x).sum::<i64>())?;

    // Untyped: the closure takes the column, and downcasts it itself.
    let same = df.par_apply_columns(|column: &Column| -> PolarsResult<i64> {
        let values = column.i32()?.iter().flatten().map(i64::from);
        Ok(values.map(|x| x * x).sum())
    })?;
    assert_eq!(sums, same);

    // One cell for each column gives a frame of one row, with the input's names.
    let sums = sums
        .columns()
        .iter()
        .map(|sum| sum.get(0)?.try_extract::<i64>())
        .collect::<PolarsResult<Vec<_>>>()?;
    writeln!(out, "{sums:?}")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
