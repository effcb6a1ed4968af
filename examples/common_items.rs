//! A function of two List columns: the items that each row's lists share.
//!
//! `cargo run --example common_items`
//!
//! Prints one line per row:
//!
//! ```text
//! [1, 2, 3] and [2, 3, 4, 5] share [2, 3]
//! [5, 6, 7, 8] and [6, 9, 10] share [6]
//! [10, 11, 12] and [11, 12, 13, 14] share [11, 12]
//! [20, 21] and [21, 24, 25] share [21]
//! ```

use std::io::{self, Write};

use polars_par_apply::prelude::*;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let mut df = df![
        "left" => lists(&[&[1, 2, 3], &[5, 6, 7, 8], &[10, 11, 12], &[20, 21]]),
        "right" => lists(&[&[2, 3, 4, 5], &[6, 9, 10], &[11, 12, 13, 14], &[21, 24, 25]]),
    ]?;

    // A `Vec` argument takes the cell of a List column, and a `Vec` that is returned becomes one.
    let shared = df
        .par_apply()
        .names(["shared"])
        .rows(|mut left: Vec<i64>, right: Vec<i64>| {
            left.retain(|item| right.contains(item));
            left
        })?;
    df.with_column(shared)?;

    let lines = df.par_apply_rows(|left: Vec<i64>, right: Vec<i64>, shared: Vec<i64>| {
        format!("{left:?} and {right:?} share {shared:?}")
    })?;
    for line in lines.str()?.iter().flatten() {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Returns the values of a List column.
fn lists(rows: &[&[i64]]) -> Vec<Series> {
    rows.iter().copied().map(Series::from_iter).collect()
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
