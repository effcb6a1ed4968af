//! Windows on real data: how much of a flight's delay comes from its aeroplane's earlier flights.
//!
//! `cargo run --example inherited_delay`
//!
//! For each flight out of New York in 2013, the example looks at the flights that were scheduled for the same aeroplane in the 24
//! hours before. The minutes by which the aeroplane's last landing was late are the inherited part of the delay at departure; the
//! rest is the flight's own. The example prints:
//!
//! ```text
//! flights: 327346, of 4037 aeroplanes
//! flights whose aeroplane flew in the 24 hours before: 157629, 2456179 minutes late, 741786 of them inherited (30.2 %)
//! those an hour late or more whose aeroplane flew in the 24 hours before: 13495, 1611704 minutes late, 434158 of them inherited (26.9 %)
//! ```
//!
//! The aeroplane's flights to New York are not in the data, so the minutes that they add or make up count as the flight's own.
//! Flights that did not leave or did not arrive, and flights whose aeroplane is not known, are left out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use chrono::{NaiveDateTime, ParseResult, TimeDelta};
use polars_par_apply::prelude::*;

/// How long before a flight its aeroplane's earlier flights may be.
const SPAN: TimeDelta = TimeDelta::hours(24);

/// Runs the example on the files in `data` and prints to `out`.
pub fn run(data: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let flights = read(&data.join("flights.parquet"))?;

    // A window has only flights of the same aeroplane. A plain argument is the flight's own value, and `Values` are those of its window.
    let inherited = flights
        .par_apply()
        .by(["tailnum"])
        .select(["dep_delay", "arr_delay"])
        .names(["inherited"])
        .windows(
            Window::over("time", SPAN).closed(Closed::Left),
            |delay: i64, before: Values<'_, i64>| inherited(delay, before.iter().last()),
        )?;

    ensure!(
        inherited.i64()?.iter().eq(by_hand(&flights)?),
        "a plain loop gives something else"
    );
    summarise(&flights, &inherited, out)
}

/// Returns the minutes of a delay that the aeroplane already had when it last landed.
fn inherited(delay: i64, landed: Option<i64>) -> Option<i64> {
    Some(landed?.clamp(0, delay.max(0)))
}

/// Reads the flights that took place, in the order of their scheduled departures.
fn read(file: &Path) -> anyhow::Result<DataFrame> {
    let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let columns = ["tailnum", "time_hour", "minute", "dep_delay", "arr_delay"];
    let flights = ParquetReader::new(open)
        .with_columns(Some(columns.map(String::from).into()))
        .finish()?
        .drop_nulls::<String>(None)?;
    let timed = flights
        .par_apply()
        .select(["time_hour", "minute"])
        .names(["time"])
        .with_columns(|hour: &str, minute: i64| -> ParseResult<NaiveDateTime> {
            let hour = NaiveDateTime::parse_from_str(hour, "%Y-%m-%dT%H:%M:%SZ")?;
            Ok(hour + TimeDelta::minutes(minute))
        })?;
    // The order column of a window must ascend, here within each aeroplane's flights.
    Ok(timed.sort(
        ["time"],
        SortMultipleOptions::default().with_maintain_order(true),
    )?)
}

/// Computes the same with a plain loop.
fn by_hand(flights: &DataFrame) -> anyhow::Result<Vec<Option<i64>>> {
    let column = |name: &str| flights.column(name)?.i64();
    let (departures, arrivals) = (column("dep_delay")?, column("arr_delay")?);
    let times = flights.column("time")?.datetime()?.physical();
    let span = SPAN.num_microseconds().context("the span is short")?;

    let mut flown: HashMap<&str, Vec<(i64, i64)>> = HashMap::new();
    let mut inherited_minutes = Vec::new();
    let tails = flights.column("tailnum")?.str()?;
    for (row, tail) in tails.iter().enumerate() {
        let cells = (tail, times.get(row), departures.get(row), arrivals.get(row));
        let (Some(tail), Some(time), Some(delay), Some(arrival)) = cells else {
            anyhow::bail!("row {row} has a null");
        };
        let flown = flown.entry(tail).or_default();
        let in_window = |before: &&(i64, i64)| time - span <= before.0 && before.0 < time;
        // This is the last row in the window, and not the latest: two rows may have the same time.
        let landed = flown.iter().rev().find(in_window).map(|before| before.1);
        inherited_minutes.push(inherited(delay, landed));
        flown.push((time, arrival));
    }
    Ok(inherited_minutes)
}

fn summarise(flights: &DataFrame, inherited: &Column, out: &mut impl Write) -> anyhow::Result<()> {
    let aeroplanes = flights.column("tailnum")?.n_unique()?;
    writeln!(
        out,
        "flights: {}, of {aeroplanes} aeroplanes",
        flights.height()
    )?;
    let delays = flights.column("dep_delay")?.i64()?;
    for (least, which) in [(i64::MIN, "flights"), (60, "those an hour late or more")] {
        let (mut count, mut minutes, mut brought) = (0, 0, 0);
        for (delay, inherited) in delays.iter().zip(inherited.i64()?.iter()) {
            let (Some(delay), Some(inherited)) = (delay, inherited) else {
                continue;
            };
            if delay >= least {
                count += 1;
                minutes += delay.max(0);
                brought += inherited;
            }
        }
        let share = brought as f64 / minutes as f64 * 100.0;
        writeln!(
            out,
            "{which} whose aeroplane flew in the 24 hours before: {count}, {minutes} minutes late, \
             {brought} of them inherited ({share:.1} %)"
        )?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    run(&data, &mut io::stdout().lock())
}
