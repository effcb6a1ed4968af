//! Row functions on real data: all flights out of New York's three airports in 2013, with the places of the airports.
//!
//! `cargo run --example flights [OUTPUT]`
//!
//! The example computes each flight's great-circle distance, parses its scheduled hour and grades its delays. It writes the
//! results to the Parquet file OUTPUT, by default `target/flights_graded.parquet` beside `Cargo.toml`, and prints a summary:
//!
//! ```text
//! flights: 336776 rows
//! scheduled: 2013-01-01 10:00:00 to 2014-01-01 04:00:00 UTC
//! without coordinates: 7602
//! worst relative difference from `distance`: 2.53 % (EWR-LGA, 16.57 for 17 miles)
//! cancelled: 8255
//! no arrival: 1175
//! on time: 247246
//! late: 51783
//! very late: 28317
//! written: OUTPUT
//! ```
//!
//! `data/README.md` describes the files. The worst difference is due to rounding: `distance` is in whole miles, and that
//! route is short. On every other route the difference is below 0.6 %, due to rounding and because the Earth is not a
//! sphere.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use chrono::NaiveDateTime;
use polars_par_apply::prelude::*;

mod flight;
use flight::{GRADES, grade, great_circle};

/// Runs the example on the files in `data`, writes the file `output` and prints to `out`.
pub fn run(data: &Path, output: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let flights = read(data)?;

    // Columns by position: the selected columns are the arguments, in this order. If one of them is null, the result is null.
    let distances = flights
        .par_apply()
        .select([
            "origin_lat",
            "origin_lon",
            "dest_lat",
            "dest_lon",
            "distance",
        ])
        .names(["great_circle", "relative_difference"])
        .rows(
            |lat: f64, lon: f64, to_lat: f64, to_lon: f64, distance: i64| {
                let miles = great_circle((lat, lon), (to_lat, to_lon));
                (miles, (miles - distance as f64).abs() / distance as f64)
            },
        )?;

    // A closure may fail: the first text that is not a time would end the call with an error that has its row's number.
    let scheduled = flights
        .par_apply()
        .select(["time_hour"])
        .names(["scheduled_utc"])
        .rows(|text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ"))?;

    // Columns by name: a derived struct's fields take columns, and another's become columns.
    let grades = flights.par_apply_rows(graded)?;

    let mut graded = flights
        .hstack(distances.columns())?
        .hstack(&[scheduled])?
        .hstack(grades.columns())?;
    let file =
        File::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    ParquetWriter::new(file).finish(&mut graded)?;

    summarise(&graded, out)?;
    writeln!(out, "written: {}", output.display())?;
    Ok(())
}

/// Reads the flights, each with the coordinates of its two airports; they are null if the airport is not in the list.
fn read(data: &Path) -> anyhow::Result<DataFrame> {
    let open = |name: &str| {
        let path = data.join(name);
        File::open(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut flights = ParquetReader::new(open("flights.parquet")?).finish()?;
    let airports = CsvReader::new(open("airports.csv")?).finish()?;
    for end in ["origin", "dest"] {
        let mut places = airports.select(["faa", "lat", "lon"])?;
        places.set_column_names(&[end, &format!("{end}_lat"), &format!("{end}_lon")])?;
        let mut left = JoinArgs::new(JoinType::Left);
        left.maintain_order = MaintainOrderJoin::Left;
        flights = flights.join(&places, [end], [end], left, None)?;
    }
    Ok(flights)
}

/// The columns that a grade depends on. The delays, in minutes, are null if the flight did not leave, or did not arrive.
#[derive(FromRow)]
struct Flight<'a> {
    carrier: &'a str,
    #[par_apply(rename = "flight")]
    number: i64,
    dep_delay: Option<i64>,
    arr_delay: Option<i64>,
}

#[derive(IntoRow)]
struct Grade {
    designator: String,
    grade: &'static str,
    /// The minutes of delay that were made up on the way.
    made_up: Option<i64>,
}

/// Grades a flight by its delays.
fn graded(flight: Flight<'_>) -> Grade {
    let delays = flight.dep_delay.zip(flight.arr_delay);
    Grade {
        designator: format!("{}{}", flight.carrier, flight.number),
        grade: grade(flight.dep_delay, flight.arr_delay),
        made_up: delays.map(|(departure, arrival)| departure - arrival),
    }
}

fn summarise(graded: &DataFrame, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "flights: {} rows", graded.height())?;

    let scheduled = graded.column("scheduled_utc")?;
    let (first, last) = (scheduled.min_reduce()?, scheduled.max_reduce()?);
    writeln!(out, "scheduled: {} to {} UTC", first.value(), last.value())?;

    let great_circle = graded.column("great_circle")?.f64()?;
    writeln!(out, "without coordinates: {}", great_circle.null_count())?;

    let differences = graded.column("relative_difference")?.f64()?;
    let worst = differences
        .iter()
        .enumerate()
        .filter_map(|(row, difference)| Some((row, difference?)))
        .max_by(|(_, a), (_, b)| a.total_cmp(b));
    if let Some((row, difference)) = worst {
        let cell = |name: &str| graded.column(name)?.get(row);
        writeln!(
            out,
            "worst relative difference from `distance`: {:.2} % ({}-{}, {:.2} for {} miles)",
            difference * 100.0,
            cell("origin")?.str_value(),
            cell("dest")?.str_value(),
            cell("great_circle")?.try_extract::<f64>()?,
            cell("distance")?,
        )?;
    }

    let grades = graded.column("grade")?.str()?;
    for grade in GRADES {
        let flights = grades.iter().filter(|of| *of == Some(grade)).count();
        writeln!(out, "{grade}: {flights}")?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = match std::env::args_os().nth(1) {
        Some(output) => PathBuf::from(output),
        None => {
            fs::create_dir_all(root.join("target"))?;
            root.join("target/flights_graded.parquet")
        }
    };
    run(&root.join("data"), &output, &mut io::stdout().lock())
}
