//! Rows folded into one map: the flights, miles and delays of each carrier out of New York in 2013.
//!
//! `cargo run --example totals`
//!
//! Prints a line for each carrier, by its code:
//!
//! ```text
//! 9E: 18460 flights, 9788152 miles, 7.4 minutes late
//! AA: 32729 flights, 43864584 miles, 0.4 minutes late
//! …
//! ```
//!
//! Polars' `group_by` gives the same, and is the right tool if each total can be written as an expression. A fold is for what
//! cannot: a sketch, a state machine, a type of your own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use polars_par_apply::prelude::*;

/// The totals of a carrier.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// How many flights there are.
    pub flights: u64,
    /// How far they went, in statute miles.
    pub miles: i64,
    /// How many flights have a delay at their arrival.
    pub arrived: u64,
    /// How many minutes all flights together were late at the arrival; a flight that was early counts negative.
    pub late: i64,
}

impl Total {
    fn add(&mut self, other: Total) {
        self.flights += other.flights;
        self.miles += other.miles;
        self.arrived += other.arrived;
        self.late += other.late;
    }
}

/// The totals of some of the flights, by carrier.
pub type Totals = BTreeMap<String, Total>;

/// Adds up the flights of each carrier.
pub fn totals(flights: &DataFrame) -> anyhow::Result<Totals> {
    let call = flights
        .par_apply()
        .select(["carrier", "distance", "arr_delay"]);
    let totals = call.fold_rows(
        Totals::new,
        |totals: &mut Totals, carrier: &str, miles: i64, late: Option<i64>| {
            // The name is copied only for a carrier's first flight.
            if !totals.contains_key(carrier) {
                totals.insert(carrier.to_owned(), Total::default());
            }
            if let Some(total) = totals.get_mut(carrier) {
                total.add(Total {
                    flights: 1,
                    miles,
                    arrived: u64::from(late.is_some()),
                    late: late.unwrap_or(0),
                });
            }
        },
        |mut totals, others| {
            for (carrier, other) in others {
                totals.entry(carrier).or_default().add(other);
            }
            totals
        },
    )?;
    Ok(totals)
}

/// Runs the example on the files in `data` and prints to `out`.
pub fn run(data: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let path = data.join("flights.parquet");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let flights = ParquetReader::new(file).finish()?;
    for (carrier, total) in totals(&flights)? {
        let Total {
            flights,
            miles,
            arrived,
            late,
        } = total;
        let late = late as f64 / arrived as f64;
        writeln!(
            out,
            "{carrier}: {flights} flights, {miles} miles, {late:.1} minutes late"
        )?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    run(&data, &mut io::stdout().lock())
}
