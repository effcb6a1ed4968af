//! A pipeline over more data than memory holds: scan, row functions, join, aggregate and sink, streamed from Parquet to Parquet.
//!
//! `cargo run --release --example etl --features lazy,progress -- [OUTPUT] [--rows N] [--engine streaming|memory]`
//!
//! The example repeats the flights of `data/flights.parquet` in a temporary folder until there are N rows; by default 20 million
//! rows in 60 files. The query parses each flight's scheduled hour, which is text; joins the places of its two airports; computes
//! the great-circle distance, and grades the delays; and sums all of it up by carrier and month, into the Parquet file OUTPUT, by
//! default `target/flights_by_month.parquet` beside `Cargo.toml`. A bar shows the progress.
//!
//! OUTPUT is either complete or as it was before: the query writes to a temporary name beside it, which is renamed at the end. If
//! a text is not a time, the query fails with the row's number, counted over all files. Ctrl-C stops the query. In both cases
//! nothing is left behind, not even the temporary folder.
//!
//! It prints the results, which are the same in each run,
//!
//! ```text
//! rows: 20000000
//! carriers and months: 185
//! scheduled: 2013-01-01 10:00:00 to 2014-01-01 04:00:00 UTC
//! great-circle miles: 20049828741
//! without coordinates: 451426
//! cancelled: 490197
//! no arrival: 69654
//! on time: 14685004
//! late: 3075956
//! very late: 1679189
//! written: OUTPUT
//! ```
//!
//! and to standard error what differs between runs: the bar, the time, the rows per second, and the peak of resident memory.
//!
//! In a release build, the memory does not grow with the rows. In a debug build it does: on two cores from 390 MiB at five
//! million rows to 790 MiB at twenty million. The calls of this crate are not the reason: with Polars' own `map` in place of the
//! closures, and nothing of this crate in the query, it was 420 MiB and more than 900 MiB.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use chrono::NaiveDateTime;
use clap::{Parser, ValueEnum};
use polars_par_apply::prelude::*;

mod flight;
use flight::{GRADES, grade, great_circle};

/// The rows of `data/flights.parquet`.
const YEAR: usize = 336_776;

/// Runs the example on the files in `data`, writes the file `output` and prints to `out`.
pub fn run(
    data: &Path,
    rows: usize,
    engine: Engine,
    output: &Path,
    token: &CancelToken,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let temporary = beside(output)?;
    let half = temporary.path().join("half.parquet");
    let input = tempfile::tempdir()?;
    repeat(&data.join("flights.parquet"), rows, input.path(), token)?;
    let flights = scan(&input.path().join("*.parquet"))?;
    let airports = LazyCsvReader::new(path(&data.join("airports.csv"))?).finish()?;

    let began = Instant::now();
    let report = by_month(flights, airports, rows, token);
    write(report, engine, &half)?;
    let took = began.elapsed();
    token.check()?;
    fs::rename(&half, output).with_context(|| format!("cannot write {}", output.display()))?;

    summarise(&scan(output)?.collect()?, out)?;
    writeln!(out, "written: {}", output.display())?;
    let per_second = rows as f64 / took.as_secs_f64();
    eprintln!(
        "took {took:.1?}: {:.2} million rows per second",
        per_second / 1e6
    );
    match peak_memory() {
        Some(bytes) => eprintln!("peak memory: {} MiB", bytes >> 20),
        None => eprintln!("peak memory: not known on this system"),
    }
    Ok(())
}

/// Returns the query, which computes the totals of each carrier in each month.
fn by_month(
    flights: LazyFrame,
    airports: LazyFrame,
    total: usize,
    token: &CancelToken,
) -> LazyFrame {
    // A closure may fail: the first text that is not a time fails the query, with the number of its row.
    let scheduled = flights
        .par_apply()
        .select(["time_hour"])
        .names(["scheduled_utc"])
        .plan_name("parse_hour")
        .cancel_token(token)
        .progress(ProgressBar::new("flights").lines_every(Duration::from_secs(10)))
        .total_rows(total)
        .rows(|text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ"));

    // These are expressions over the columns that the joins have added. If a coordinate is null, the distance is null.
    let distance = rows(["origin_lat", "origin_lon", "dest_lat", "dest_lon"])
        .plan_name("great_circle")
        .cancel_token(token)
        .apply(|lat: f64, lon: f64, to_lat: f64, to_lon: f64| {
            great_circle((lat, lon), (to_lat, to_lon))
        });
    let graded = rows(["dep_delay", "arr_delay"])
        .plan_name("grade")
        .cancel_token(token)
        .apply(grade);
    let joined = with_places(
        with_places(scheduled, &airports, "origin"),
        &airports,
        "dest",
    )
    .with_columns([distance.alias("great_circle"), graded.alias("grade")]);

    let mut columns = vec![
        len().alias("flights"),
        col("scheduled_utc").min().alias("first_utc"),
        col("scheduled_utc").max().alias("last_utc"),
        col("great_circle").sum().alias("miles"),
        col("great_circle")
            .null_count()
            .alias("without coordinates"),
    ];
    columns.extend(GRADES.map(|grade| col("grade").eq(lit(grade)).sum().alias(grade)));
    joined
        .group_by([col("carrier"), col("month")])
        .agg(columns)
        .sort(["carrier", "month"], SortMultipleOptions::default())
}

/// Adds the coordinates of the airport at one end; they are null if the airport is not in the list.
fn with_places(flights: LazyFrame, airports: &LazyFrame, end: &str) -> LazyFrame {
    let places = airports.clone().select([
        col("faa"),
        col("lat").alias(format!("{end}_lat")),
        col("lon").alias(format!("{end}_lon")),
    ]);
    flights.left_join(places, col(end), col("faa"))
}

/// A folder beside the final file, which is written there and moved out of it when it is whole. It is removed, whatever happens.
fn beside(output: &Path) -> anyhow::Result<tempfile::TempDir> {
    let folder = match output.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    tempfile::tempdir_in(folder).with_context(|| format!("cannot write to {}", folder.display()))
}

fn write(query: LazyFrame, engine: Engine, file: &Path) -> PolarsResult<()> {
    let target = SinkTarget::Path(path(file)?);
    let parquet = FileWriteFormat::Parquet(Default::default());
    let sink = query.sink(
        SinkDestination::File { target },
        parquet,
        UnifiedSinkArgs::default(),
    )?;
    sink.collect_with_engine(engine).map(drop)
}

/// Writes `rows` flights to a folder: the year again and again, a file for each.
fn repeat(year: &Path, rows: usize, folder: &Path, token: &CancelToken) -> anyhow::Result<()> {
    let (years, rest) = (rows / YEAR, rows % YEAR);
    for copy in 0..years {
        token.check()?;
        fs::copy(year, folder.join(format!("{copy:06}.parquet")))
            .with_context(|| format!("cannot copy {}", year.display()))?;
    }
    if rest > 0 || rows == 0 {
        let last = folder.join(format!("{years:06}.parquet"));
        write(scan(year)?.limit(rest as IdxSize), Engine::Streaming, &last)?;
    }
    Ok(())
}

fn scan(file: &Path) -> PolarsResult<LazyFrame> {
    LazyFrame::scan_parquet(path(file)?, ScanArgsParquet::default())
}

fn path(path: &Path) -> PolarsResult<PlRefPath> {
    PlRefPath::try_from_path(path)
}

fn summarise(report: &DataFrame, out: &mut impl Write) -> anyhow::Result<()> {
    let count = |name: &str| -> PolarsResult<u64> {
        Ok(report
            .column(name)?
            .cast(&DataType::UInt64)?
            .u64()?
            .sum()
            .unwrap_or(0))
    };
    writeln!(out, "rows: {}", count("flights")?)?;
    writeln!(out, "carriers and months: {}", report.height())?;
    let first = report.column("first_utc")?.min_reduce()?;
    let last = report.column("last_utc")?.max_reduce()?;
    writeln!(out, "scheduled: {} to {} UTC", first.value(), last.value())?;
    let miles = report.column("miles")?.f64()?.sum().unwrap_or(0.0);
    writeln!(out, "great-circle miles: {miles:.0}")?;
    for name in ["without coordinates"].into_iter().chain(GRADES) {
        writeln!(out, "{name}: {}", count(name)?)?;
    }
    Ok(())
}

/// Returns the peak of this process's resident memory in bytes, as Linux counts it.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

/// Streams flights from Parquet to Parquet.
#[derive(Parser)]
struct Arguments {
    /// The Parquet file that is written [default: `target/flights_by_month.parquet`].
    output: Option<PathBuf>,
    /// The number of flights.
    #[arg(long, default_value_t = 20_000_000)]
    rows: usize,
    /// The engine that runs the query.
    #[arg(long, value_enum, default_value_t = Runs::Streaming)]
    engine: Runs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Runs {
    Streaming,
    Memory,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = match arguments.output {
        Some(output) => output,
        None => {
            fs::create_dir_all(root.join("target"))?;
            root.join("target/flights_by_month.parquet")
        }
    };
    let engine = match arguments.engine {
        Runs::Streaming => Engine::Streaming,
        Runs::Memory => Engine::InMemory,
    };
    // From here on, Ctrl-C does not end the program at once. It makes the query fail, and the temporary files are removed.
    let token = CancelToken::new();
    let cancelled = token.clone();
    ctrlc::set_handler(move || cancelled.cancel())?;
    let data = root.join("data");
    run(
        &data,
        arguments.rows,
        engine,
        &output,
        &token,
        &mut io::stdout().lock(),
    )
}
