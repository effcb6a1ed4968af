//! A long run under control: progress, a state for each worker, a report of bad rows, Ctrl-C and a deadline.
//!
//! `cargo run --example long_run --features progress -- [--times N] [--deadline SECONDS]`
//!
//! The example parses the scheduled hour of all flights of `data/flights.parquet`, which is text in UTC, and compares it with
//! the local hour in the same row: New York is five hours behind in winter and four in summer. Three of the texts are spoilt
//! first. A bar shows the progress. Ctrl-C or the deadline stops the run, and the rows that are done are kept. `--times N`
//! stacks the year N times; with 100, the run takes long enough to be stopped by hand.
//!
//! It prints the results, which are the same in each run:
//!
//! ```text
//! rows done: 336776 of 336776
//! five hours behind: 113955
//! four hours behind: 222818
//! no result: 3
//! row 1000: "2013-01-02T??:00:00Z": input contains invalid characters
//! row 100000: "": premature end of input
//! and 1 more
//! ```
//!
//! and to standard error what differs between runs: the bar, the wall time, and what each worker did.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use chrono::{NaiveDateTime, Timelike};
use polars_par_apply::prelude::*;

/// The texts that are spoilt, by row.
const SPOILT: [(u32, &str); 3] = [
    (1_000, "2013-01-02T??:00:00Z"),
    (100_000, ""),
    (300_000, "2013-08-23"),
];

/// How many failures are printed.
const SHOWN: usize = 2;

/// Runs the example on the file in `data`, with its rows stacked `times` times, and prints to `out`.
pub fn run(
    data: &Path,
    times: usize,
    deadline: Option<Duration>,
    token: &CancelToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let flights = read(data, times)?;

    let mut total = Parser::default();
    let mut call = flights
        .par_apply()
        .select(["time_hour", "hour"])
        .names(["hours_behind"])
        // The output of a bad row is null, and the row is reported. With more than a hundred, something else must be wrong.
        .on_error(OnError::Collect)
        .max_failures(100)
        // If the run is stopped, it keeps the rows that are done.
        .cancel_token(token)
        .on_cancel(OnCancel::Partial)
        .progress(ProgressBar::new("parsing").lines_every(Duration::from_secs(10)));
    if let Some(deadline) = deadline {
        call = call.deadline(deadline);
    }
    let outcome = call
        // Each worker has its own parser. Their counts are added up when the rows are done.
        .state(Parser::default)
        .finish(|parser: Parser| total.add(&parser))
        .rows(Parser::hours_behind)?;

    let Outcome {
        output,
        failures,
        stats,
        ..
    } = &outcome;
    let stopped = if stats.cancelled { ", stopped" } else { "" };
    writeln!(
        out,
        "rows done: {} of {}{stopped}",
        stats.rows,
        flights.height()
    )?;
    writeln!(out, "five hours behind: {}", total.five)?;
    writeln!(out, "four hours behind: {}", total.four)?;
    writeln!(out, "no result: {}", output.null_count())?;
    let rows = failures.column("row")?.idx()?.iter();
    let texts = failures.column("time_hour")?.str()?.iter();
    let errors = failures.column("error")?.str()?.iter();
    for ((row, text), error) in rows.zip(texts).zip(errors).take(SHOWN) {
        if let (Some(row), Some(text), Some(error)) = (row, text, error) {
            writeln!(out, "row {row}: {text:?}: {error}")?;
        }
    }
    if stats.failures > SHOWN {
        writeln!(out, "and {} more", stats.failures - SHOWN)?;
    }

    eprintln!("wall time: {:.1?}", stats.wall);
    for (number, worker) in stats.workers.iter().enumerate() {
        eprintln!(
            "worker {number}: {} rows, busy {:.1?}",
            worker.rows, worker.busy
        );
    }
    eprintln!("texts parsed: {}", total.parsed);
    Ok(())
}

/// A worker's state: the last text and its hour, which the next flight often shares, and the worker's counts.
#[derive(Default)]
struct Parser {
    text: String,
    hour: u32,
    parsed: usize,
    five: usize,
    four: usize,
}

impl Parser {
    /// Returns how many hours New York is behind UTC.
    fn hours_behind(&mut self, text: &str, local: i64) -> anyhow::Result<u32> {
        if self.text != text || text.is_empty() {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ")?;
            self.hour = time.hour();
            self.text.clear();
            self.text.push_str(text);
            self.parsed += 1;
        }
        let behind = (i64::from(self.hour) - local).rem_euclid(24);
        match behind {
            5 => self.five += 1,
            4 => self.four += 1,
            _ => anyhow::bail!("{text} is {behind} hours from {local} o'clock"),
        }
        Ok(behind as u32)
    }

    fn add(&mut self, other: &Parser) {
        self.parsed += other.parsed;
        self.five += other.five;
        self.four += other.four;
    }
}

/// Reads the flights, spoils some of their texts, and stacks the year again below them.
fn read(data: &Path, times: usize) -> anyhow::Result<DataFrame> {
    let path = data.join("flights.parquet");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let year = ParquetReader::new(file).finish()?;

    let mut texts = year.column("time_hour")?.str()?.clone();
    for (row, text) in SPOILT {
        texts = texts.scatter_single([row], Some(text))?;
    }
    let mut flights = year.clone();
    flights.with_column(texts.into_column())?;
    for _ in 1..times {
        flights.vstack_mut(&year)?;
    }
    Ok(flights)
}

fn main() -> anyhow::Result<()> {
    let mut times = 1;
    let mut deadline = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        let value = value.with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--times" => times = value.parse::<usize>().context("--times")?,
            "--deadline" => {
                let seconds = value.parse::<f64>().context("--deadline")?;
                deadline = Some(Duration::try_from_secs_f64(seconds).context("--deadline")?);
            }
            _ => anyhow::bail!("unknown argument {argument}; use --times N or --deadline SECONDS"),
        }
    }

    // From here on, Ctrl-C does not end the program. It stops the run, and the program goes on with the rows that are done.
    let token = CancelToken::new();
    let cancelled = token.clone();
    ctrlc::set_handler(move || cancelled.cancel())?;

    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    run(&data, times, deadline, &token, &mut io::stdout().lock())
}
