//! Groups on real data: how much of a minute's delay at the departure is left at the arrival, by carrier and month; and the three
//! latest flights of each carrier.
//!
//! `cargo run --example carriers`
//!
//! The first is computed by a typed closure, which returns cells for each group. The second is computed by a closure that takes
//! each group as a frame, and returns three of its rows by means of Polars. The example prints:
//!
//! ```text
//! carriers and months: 185
//! least of a minute's delay left, of 100 flights or more: 0.450, of VX in month 1 (314 flights)
//! most of a minute's delay left, of 100 flights or more: 1.208, of US in month 4 (1675 flights)
//! latest three of each carrier: 48
//! UA372 of 26/7, LGA to CLE: 455 minutes
//! UA479 of 18/4, LGA to IAH: 435 minutes
//! UA1543 of 25/6, LGA to ORD: 424 minutes
//! ```
//!
//! Flights that did not leave or did not arrive have no delay, and are left out of the slopes.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use polars_par_apply::prelude::*;

/// A slope, and the number of flights that it was computed from.
#[derive(Clone, Copy, Debug, IntoRow)]
pub struct Slope {
    /// The flights with both delays.
    pub flights: u64,
    /// Minutes of delay at the arrival for each minute at the departure; null if all flights left equally late.
    pub slope: Option<f64>,
}

/// The slope of `y` on `x`, which a few outliers cannot change much.
///
/// Theil's incomplete method (H. Theil, "A rank-invariant method of linear and polynomial regression analysis, I", Proceedings of
/// the Koninklijke Nederlandse Akademie van Wetenschappen 53, 1950, pp. 386–392): with the points in the order of `x`, each of the
/// lower half is paired with the one that has the same place in the upper half, and the slope is the median of the pairs' slopes.
/// If there is an odd number of points, the middle one is left out. Pairs of equal `x` have no slope, and points of equal `x`
/// stay in the order in which they are given. Returns `None` if no pair has a slope.
pub fn slope(points: impl IntoIterator<Item = (i64, i64)>) -> Option<f64> {
    let mut points: Vec<(i64, i64)> = points.into_iter().collect();
    points.sort_by_key(|(x, _)| *x);
    let half = points.len() / 2;
    let upper = &points[points.len() - half..];
    let pairs = points.iter().zip(upper);
    let rises = pairs.filter(|(low, high)| low.0 < high.0);
    let mut slopes: Vec<f64> = rises
        .map(|(low, high)| (high.1 - low.1) as f64 / (high.0 - low.0) as f64)
        .collect();
    slopes.sort_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    match slopes.len() % 2 {
        1 => Some(slopes[middle]),
        _ => Some((slopes.get(middle.checked_sub(1)?)? + slopes[middle]) / 2.0),
    }
}

/// Returns the slope for each carrier and month, in the order in which they first appear: `carrier`, `month`, `flights`, `slope`.
pub fn slopes(flights: &DataFrame) -> polars_par_apply::Result<DataFrame> {
    flights
        .par_apply()
        .by(["carrier", "month"])
        .select(["dep_delay", "arr_delay"])
        // A flight with a null delay is left out of the rows.
        .groups(|delays: Rows<'_, (i64, i64)>| Slope {
            flights: delays.len() as u64,
            slope: slope(delays),
        })
}

/// Returns the three flights of each carrier that arrived latest, the latest first.
pub fn latest(flights: &DataFrame) -> polars_par_apply::Result<DataFrame> {
    flights
        .par_apply()
        .by(["carrier"])
        .select(["month", "day", "flight", "origin", "dest", "arr_delay"])
        .groups(|flights: &DataFrame| -> PolarsResult<DataFrame> {
            let order = SortMultipleOptions::default()
                .with_order_descending(true)
                .with_nulls_last(true)
                .with_maintain_order(true);
            Ok(flights.sort(["arr_delay"], order)?.head(Some(3)))
        })
}

/// Runs the example on the files in `data` and prints to `out`.
pub fn run(data: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let path = data.join("flights.parquet");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let flights = ParquetReader::new(file).finish()?;

    let slopes = slopes(&flights)?;
    writeln!(out, "carriers and months: {}", slopes.height())?;
    let of_many = slopes.filter(&slopes.column("flights")?.u64()?.gt_eq(100))?;
    let order = SortMultipleOptions::default().with_maintain_order(true);
    let of_many = of_many.sort(["slope"], order)?;
    for (which, row) in [("least", 0), ("most", of_many.height().saturating_sub(1))] {
        let cell = |name: &str| of_many.column(name)?.get(row);
        writeln!(
            out,
            "{which} of a minute's delay left, of 100 flights or more: {:.3}, of {} in month {} ({} flights)",
            cell("slope")?.try_extract::<f64>()?,
            cell("carrier")?.str_value(),
            cell("month")?,
            cell("flights")?,
        )?;
    }

    let lines = latest(&flights)?.par_apply().rows(
        |carrier: &str, month: i64, day: i64, flight: i64, from: &str, to: &str, late: i64| {
            format!("{carrier}{flight} of {day}/{month}, {from} to {to}: {late} minutes")
        },
    )?;
    writeln!(out, "latest three of each carrier: {}", lines.len())?;
    for line in lines.str()?.iter().flatten().take(3) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    run(&data, &mut io::stdout().lock())
}
