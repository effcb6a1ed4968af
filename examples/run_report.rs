//! A picture of a run in which few rows take most of the time.
//!
//! `cargo run --release --example run_report --features report`
//!
//! The destination of each flight of `data/flights.parquet` is given by its airport's name. Most names are spelt as in
//! `data/airports.csv`, and are found in a map. The last 6,776 were typed by hand: each lacks a letter, and is compared with the name of every
//! airport that was flown to. One in five hundred of them is not a name at all, and fails. The workers share the slow rows, although these all
//! stand at the end of the frame. The picture, `target/run_report.svg`, shows it.
//!
//! Prints what is the same in each run:
//!
//! ```text
//! found by spelling: 330000
//! found by likeness: 6762
//! failed: 14
//! ```
//!
//! and to standard error what is not: the rate, and what each worker did.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use polars_par_apply::prelude::*;

/// The first row that was typed by hand.
const TYPED: usize = 330_000;

/// The destinations of the flights, as a code and as a name that was typed.
fn destinations(data: &Path, names: &HashMap<String, String>) -> anyhow::Result<DataFrame> {
    let flights = ParquetReader::new(File::open(data.join("flights.parquet"))?)
        .with_columns(Some(vec!["dest".into()]))
        .finish()?;
    let codes = flights.column("dest")?.str()?;
    let typed = codes.iter().enumerate().map(|(row, code)| {
        let name = names.get(code?)?;
        Some(match row {
            _ if row < TYPED => name.clone(),
            // Not a name at all.
            _ if row % 500 == 0 => "?".repeat(10),
            // Without its third letter.
            _ => name
                .chars()
                .enumerate()
                .filter(|(at, _)| *at != 2)
                .map(|(_, letter)| letter)
                .collect(),
        })
    });
    let typed: StringChunked = typed.collect();
    Ok(df!["typed" => typed.into_series()]?)
}

/// The names of the airports by their codes; of those without a name, the code.
fn airports(data: &Path) -> anyhow::Result<HashMap<String, String>> {
    let airports = CsvReadOptions::default()
        .try_into_reader_with_file_path(Some(data.join("airports.csv")))?
        .finish()?;
    let (codes, names) = (
        airports.column("faa")?.str()?,
        airports.column("name")?.str()?,
    );
    let mut by_code: HashMap<String, String> = codes
        .iter()
        .zip(names.iter())
        .filter_map(|(code, name)| Some((code?.into(), name?.into())))
        .collect();
    // Flown to, and not in the table.
    for code in ["BQN", "SJU", "STT", "PSE"] {
        by_code
            .entry(code.into())
            .or_insert_with(|| format!("{code} in the Caribbean"));
    }
    Ok(by_code)
}

/// Runs over all destinations of the files in `data`, and returns how many were found by spelling and by likeness, and what happened.
pub fn run(data: &Path, report: &Report) -> anyhow::Result<(usize, usize, Stats)> {
    let names = airports(data)?;
    let typed = destinations(data, &names)?;
    let spelt = typed.column("typed")?.str()?.head(Some(TYPED));
    let flown_to: BTreeSet<&str> = spelt.iter().flatten().collect();
    let outcome = typed
        .par_apply()
        .on_error(OnError::Null)
        .report(report)
        .names(["name", "is_spelt"])
        .rows(|typed: &str| -> anyhow::Result<(String, bool)> {
            if let Some(name) = flown_to.get(typed) {
                return Ok((name.to_string(), true));
            }
            let is_near = |name: &&&str| name.len().abs_diff(typed.len()) <= 1;
            let near = flown_to.iter().filter(is_near);
            let distances = near.map(|name| (strsim::levenshtein(name, typed), name));
            let (_, name) = distances
                .min()
                .filter(|(distance, _)| *distance <= 2)
                .with_context(|| format!("no airport is called {typed:?}"))?;
            Ok((name.to_string(), false))
        })?;
    let spelt = outcome.output.column("is_spelt")?.bool()?;
    let by_spelling = spelt.sum().unwrap_or_default() as usize;
    let found = spelt.len() - spelt.null_count();
    Ok((by_spelling, found - by_spelling, outcome.stats))
}

fn main() -> anyhow::Result<()> {
    let report = Report::new("Airports by the name that was typed");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (spelt, alike, stats) = run(&root.join("data"), &report)?;
    println!("found by spelling: {spelt}");
    println!("found by likeness: {alike}");
    println!("failed: {}", stats.failures);
    eprintln!("{stats}");
    report.save(root.join("target/run_report.svg"))?;
    Ok(())
}
