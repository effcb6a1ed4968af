//! A run over a frame in the background: its progress, and the rows that are kept when it is cancelled.
//!
//! `cargo run --example background_report`
//!
//! The closure takes a millisecond for each of 100,000 rows, as a request to a server might. Meanwhile the main thread
//! counts primes, and reports the progress of both. When 1,000 rows are done, it cancels the run, which keeps the rows that
//! are done. The numbers differ from run to run:
//!
//! ```text
//! 163 of 100000 rows, 17993 primes
//! 352 of 100000 rows, 28549 primes
//! …
//! 1066 of 100000 rows, 59226 primes
//! cancelled: true
//! kept: 1082 rows, the last of them row 1084
//! ```

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use polars_par_apply::prelude::*;

const ROWS: i64 = 100_000;
const ENOUGH: usize = 1_000;
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// Runs the example and prints to `out`.
pub fn run(out: &mut impl Write) -> anyhow::Result<()> {
    let df = df!["n" => (0..ROWS).collect::<Vec<_>>()]?;
    let job = df
        .par_apply()
        .names(["square"])
        .on_cancel(OnCancel::Partial)
        .spawn_rows(|n: i64| {
            thread::sleep(Duration::from_millis(1));
            n * n
        });

    let mut primes: Vec<u64> = Vec::new();
    let mut numbers = 2..;
    loop {
        let start = Instant::now();
        while start.elapsed() < REPORT_EVERY {
            primes.extend(numbers.by_ref().take(100).filter(|n| is_prime(*n)));
        }
        let tick = job.progress();
        let (done, total) = (tick.done, tick.total);
        writeln!(out, "{done} of {total} rows, {} primes", primes.len())?;
        if done >= ENOUGH {
            break;
        }
    }

    job.cancel();
    let outcome = job.get()?;

    let kept = df.take(&outcome.kept_rows())?;
    let numbers = kept.column("n")?.i64()?;
    let squares = outcome.output.i64()?;
    for (n, square) in numbers.iter().zip(squares.iter()) {
        anyhow::ensure!(square == n.map(|n| n * n), "{square:?} beside {n:?}");
    }
    writeln!(out, "cancelled: {}", outcome.stats.cancelled)?;
    writeln!(
        out,
        "kept: {} rows, the last of them row {}",
        squares.len(),
        numbers.last().unwrap_or_default(),
    )?;
    Ok(())
}

fn is_prime(n: u64) -> bool {
    (2..)
        .take_while(|d| d * d <= n)
        .all(|d| !n.is_multiple_of(d))
}

fn main() -> anyhow::Result<()> {
    run(&mut io::stdout().lock())
}
