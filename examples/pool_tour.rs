//! One problem, solved by each method of a pool: how many of each row's five digits are in 4..=8.
//!
//! `cargo run --release --example pool_tour`
//!
//! The rows are those of the example `count_in_range`: 200,000 rows of random digits (PCG64, seed 100: the same everywhere).
//! The example prints the counts for the first ten, then the time of each method; all of them give the same counts. `apply` and
//! `apply_async` are called once for each row, so their times are those of the way to a worker and back, some microseconds. They
//! are for work that takes longer than that. Counting five digits takes nanoseconds, so the maps hand out many rows at a time.
//!
//! ```text
//! [3, 3, 1, 1, 4, 1, 3, 2, 4, 2]
//! plain loop                   TIME
//! apply, row by row            TIME
//! map                          TIME
//! starmap                      TIME
//! apply_async with a callback  TIME
//! apply_async and get          TIME
//! starmap_async                TIME
//! all equal
//! ```

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use polars_par_apply::{Result, available_workers, prelude::*};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const ROWS: usize = 200_000;
const SEED: u64 = 100;
const LOW: i64 = 4;
const HIGH: i64 = 8;

type Digits = [i64; 5];

/// Returns how many of the digits are in `low..=high`.
fn count(digits: Digits, low: i64, high: i64) -> u32 {
    digits.iter().filter(|n| (low..=high).contains(*n)).count() as u32
}

type Way = fn(&Pool, &[Digits]) -> Result<Vec<u32>>;

const WAYS: [(&str, Way); 7] = [
    ("plain loop", plain_loop),
    ("apply, row by row", apply),
    ("map", map),
    ("starmap", starmap),
    ("apply_async with a callback", apply_async_with_a_callback),
    ("apply_async and get", apply_async_and_get),
    ("starmap_async", starmap_async),
];

fn plain_loop(_: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    Ok(rows.iter().map(|row| count(*row, LOW, HIGH)).collect())
}

/// Runs one row at a time, and waits for each.
fn apply(pool: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    let one = |row: &Digits| pool.apply(|| count(*row, LOW, HIGH));
    rows.iter().map(one).collect()
}

fn map(pool: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    pool.map(rows, |row| count(*row, LOW, HIGH))
}

fn starmap(pool: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    pool.starmap(rows.iter().map(|row| (*row, LOW, HIGH)), count)
}

/// Callbacks are called when the jobs end, in any order, so each result has its row's number.
fn apply_async_with_a_callback(pool: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    let results = Arc::new(Mutex::new(Vec::with_capacity(rows.len())));
    for (i, row) in rows.iter().copied().enumerate() {
        let results = results.clone();
        pool.apply_async(move || (i, count(row, LOW, HIGH)))
            .on_success(move |result| results.lock().unwrap().push(*result))
            .detach();
    }
    pool.join()?;
    let mut results = results.lock().unwrap();
    results.sort_unstable();
    Ok(results.iter().map(|(_, count)| *count).collect())
}

fn apply_async_and_get(pool: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    let start = |row: Digits| pool.apply_async(move || count(row, LOW, HIGH));
    // All jobs are begun before the result of the first is asked for.
    let jobs: Vec<Job<u32>> = rows.iter().copied().map(start).collect();
    jobs.into_iter().map(Job::get).collect()
}

fn starmap_async(pool: &Pool, rows: &[Digits]) -> Result<Vec<u32>> {
    let job = pool.starmap_async(rows.iter().map(|row| (*row, LOW, HIGH)), count);
    job.get()
}

/// Runs the example on `rows` rows and prints to `out`.
pub fn run(rows: usize, out: &mut impl Write) -> anyhow::Result<()> {
    let mut random = Pcg64::seed_from_u64(SEED);
    let rows: Vec<Digits> = (0..rows)
        .map(|_| std::array::from_fn(|_| random.random_range(0..10)))
        .collect();
    let pool = Pool::new(available_workers())?;

    let expected = plain_loop(&pool, &rows)?;
    writeln!(out, "{:?}", &expected[..10])?;
    for (name, way) in WAYS {
        let start = Instant::now();
        let counts = way(&pool, &rows)?;
        let time = start.elapsed();
        anyhow::ensure!(counts == expected, "{name} gives other counts");
        writeln!(out, "{name:<29}{time:.1?}")?;
    }
    writeln!(out, "all equal")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    run(ROWS, &mut io::stdout().lock())
}
