//! What was measured, as the part of `benches/README.md` between two markers.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::DateTime;

use super::run::Run;
use crate::groups::workers::Workers;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// One line of the bars.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What was measured, with its number of workers; and, after a colon, against what.
    pub(crate) name: String,
    pub(crate) measured: String,
    pub(crate) limit: String,
    pub(crate) is_missed: bool,
    pub(crate) time: Option<String>,
}

/// One row of the table: the same on one worker and on all.
#[derive(Debug, Default)]
struct Row {
    what: String,
    against: String,
    one: String,
    all: String,
    limit: String,
    time: String,
}

/// Replaces the figures of a bench (`bars`, say) by these.
pub(crate) fn write(bench: &str, allocator: &str, run: &Run, figures: &[Figure]) {
    let text = fs::read_to_string(README).expect("benches/README.md can be read");
    let text = replaced(&text, bench, &section(bench, allocator, run, figures));
    fs::write(README, text).expect("benches/README.md can be written");
    println!("written to benches/README.md");
}

/// The text, with another part between the markers of a bench.
fn replaced(text: &str, bench: &str, section: &str) -> String {
    let [begin, end] =
        ["begin", "end"].map(|side| format!("<!-- {side} of the figures of {bench} -->"));
    let (before, rest) = text.split_once(&begin).expect("there is the first marker");
    let (_, after) = rest.split_once(&end).expect("there is the second marker");
    format!("{before}{begin}\n\n{section}\n{end}{after}")
}

fn section(bench: &str, allocator: &str, run: &Run, figures: &[Figure]) -> String {
    let features = if cfg!(feature = "rolling") {
        " --features rolling"
    } else {
        ""
    };
    let all = Workers::All.label();
    let mut text = format!(
        "Measured on {} by `cargo bench -p polars-par-apply-benches{features} --bench {bench} -- --write`: medians of {} rounds, \
         with {allocator}.\n\n{}\n\n| what | against | 1 worker | {all} | limit | our time, {all} |\n|---|---|--:|--:|--:|--:|\n",
        today(),
        run.rounds,
        machine(),
    );
    for row in rows(figures) {
        let Row {
            what,
            against,
            one,
            all,
            limit,
            time,
        } = row;
        writeln!(
            text,
            "| {what} | {against} | {one} | {all} | {limit} | {time} |"
        )
        .expect("a String takes all");
    }
    text
}

/// The lines that differ in the number of workers alone are one row.
fn rows(figures: &[Figure]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for figure in figures {
        let (name, against) = match figure.name.split_once(": ") {
            Some((name, against)) => (name, against.strip_prefix("against ").unwrap_or(against)),
            None => (figure.name.as_str(), ""),
        };
        let one = without(name, &Workers::One.label());
        let what = one.clone().or_else(|| without(name, &Workers::All.label()));
        let what = what.unwrap_or_else(|| name.to_owned());
        let known = |row: &Row| row.what == what && row.against == against;
        let place = rows.iter().position(known).unwrap_or_else(|| {
            rows.push(Row {
                what: what.clone(),
                against: against.to_owned(),
                ..Row::default()
            });
            rows.len() - 1
        });
        let row = &mut rows[place];
        let missed = if figure.is_missed { " (missed)" } else { "" };
        let measured = format!("{}{missed}", figure.measured);
        if one.is_some() {
            row.one = measured;
        } else {
            row.all = measured;
            row.time = figure.time.clone().unwrap_or_default();
        }
        if !figure.limit.is_empty() {
            row.limit.clone_from(&figure.limit);
        }
    }
    rows
}

/// The name without a label that stands between commas or at its end; none where it does not.
fn without(name: &str, label: &str) -> Option<String> {
    let parts: Vec<&str> = name.split(", ").collect();
    let others: Vec<&str> = parts
        .iter()
        .copied()
        .filter(|part| *part != label)
        .collect();
    (others.len() < parts.len()).then(|| others.join(", "))
}

fn today() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.map_or(0, |now| now.as_secs());
    let today = DateTime::from_timestamp(seconds as i64, 0);
    today.map_or_else(String::new, |today| today.date_naive().to_string())
}

/// Of what there is to be read on this system.
fn machine() -> String {
    let line = |file: &str, field: &str, separator: char| -> Option<String> {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(field))?;
        let (_, value) = line.split_once(separator)?;
        Some(value.trim().trim_matches('"').to_owned())
    };
    let memory = || -> Option<String> {
        let kilobytes = line("/proc/meminfo", "MemTotal", ':')?;
        let kilobytes: f64 = kilobytes.strip_suffix(" kB")?.parse().ok()?;
        Some(format!(
            "{:.0} GiB of memory",
            kilobytes / f64::from(1 << 20)
        ))
    };
    let rustc = || -> Option<String> {
        let output = Command::new("rustc").arg("--version").output().ok()?;
        let version = String::from_utf8(output.stdout).ok()?;
        Some(version.split(" (").next()?.trim().to_owned())
    };
    let pages = || -> Option<String> {
        let pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
        let (_, pages) = pages.split_once('[')?;
        Some(format!(
            "transparent huge pages \"{}\"",
            pages.split_once(']')?.0
        ))
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let parts = [
        line("/proc/cpuinfo", "model name", ':'),
        Some(format!("{cores} cores")),
        memory(),
        line("/etc/os-release", "PRETTY_NAME", '='),
        pages(),
        rustc(),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("Machine: {}.", parts.join(", "))
}
