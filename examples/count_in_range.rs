//! A function that takes each row as an array: how many of its five digits are in 4..=8.
//!
//! `cargo run --release --example count_in_range`
//!
//! Prints the counts for the first ten of 200,000 rows of random digits (PCG64, seed 100: the same everywhere), then the
//! time of `par_apply_rows` and that of a plain loop, which gives the same counts. Without `--release`, the times mean
//! little.
//!
//! ```text
//! [3, 3, 1, 1, 4, 1, 3, 2, 4, 2]
//! par_apply_rows: TIME, N workers
//! plain loop: TIME
//! ```

use std::io::{self, Write};
use std::time::Instant;

use polars_par_apply::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const ROWS: usize = 200_000;
const SEED: u64 = 100;

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let mut random = Pcg64::seed_from_u64(SEED);
    let rows: Vec<[i64; 5]> = (0..ROWS)
        .map(|_| std::array::from_fn(|_| random.random_range(0..10)))
        .collect();
    let digits = |column: usize| rows.iter().map(|row| row[column]).collect::<Vec<_>>();
    let df = df![
        "a" => digits(0), "b" => digits(1), "c" => digits(2), "d" => digits(3), "e" => digits(4),
    ]?;

    let in_range = |row: [i64; 5]| row.iter().filter(|n| (4..=8).contains(*n)).count() as u32;

    // Starts the workers. Otherwise the first call of the program would start them, and the measured time would include it.
    let workers = Pool::default().workers();

    let start = Instant::now();
    let counts = df.par_apply_rows(in_range)?;
    let parallel = start.elapsed();

    let start = Instant::now();
    let expected: Vec<u32> = rows.iter().map(|row| in_range(*row)).collect();
    let plain = start.elapsed();

    let counts: Vec<u32> = counts.u32()?.into_no_null_iter().collect();
    assert_eq!(counts, expected);

    writeln!(out, "{:?}", &counts[..10])?;
    writeln!(out, "par_apply_rows: {parallel:.1?}, {workers} workers")?;
    writeln!(out, "plain loop: {plain:.1?}")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
