//! Parts with rows of their neighbours: a moving median of the delays of all flights out of New York in 2013.
//!
//! `cargo run --example smooth`
//!
//! The median of a flight is that of the 30 flights before it, the flight itself and the 30 flights after it, without those that
//! did not leave. It is computed part by part, each with 30 rows of its neighbours on either side, and once over the whole
//! frame, which gives the same:
//!
//! ```text
//! flights: 336776 in 34 parts
//! without a median: 2373
//! latest: 334.0 minutes, around row 174544
//! as over the whole: true
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use polars_par_apply::prelude::*;

/// How many flights on either side belong to a median.
const SIDE: usize = 30;

/// Returns the median of each row and its neighbours in a column of delays, without nulls.
fn moving_median(delays: &Column) -> PolarsResult<Column> {
    let delays: Vec<Option<i64>> = delays.i64()?.iter().collect();
    let mut window: Vec<i64> = Vec::with_capacity(2 * SIDE + 1);
    let mut medians = Vec::with_capacity(delays.len());
    // The neighbours after the first row.
    for delay in delays.iter().take(SIDE).flatten() {
        insert(&mut window, *delay);
    }
    for row in 0..delays.len() {
        if let Some(Some(comes)) = delays.get(row + SIDE) {
            insert(&mut window, *comes);
        }
        let goes = row.checked_sub(SIDE + 1).and_then(|row| delays[row]);
        if let Some(Ok(place)) = goes.map(|goes| window.binary_search(&goes)) {
            window.remove(place);
        }
        medians.push(median(&window));
    }
    Ok(Column::new("median".into(), medians))
}

/// Keeps the window sorted.
fn insert(window: &mut Vec<i64>, delay: i64) {
    let place = window.partition_point(|other| *other < delay);
    window.insert(place, delay);
}

fn median(sorted: &[i64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some((lower + upper) as f64 / 2.0)
}

/// Runs the example on the files in `data` and prints to `out`.
pub fn run(data: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let path = data.join("flights.parquet");
    let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let flights = ParquetReader::new(file).finish()?;

    // The result has a row for each row that the closure is given. The results of the neighbours' rows are cut off.
    let medians = flights
        .par_apply()
        .select(["dep_delay"])
        .chunk_rows(10_000)
        .overlap(SIDE, SIDE)
        .chunks(|part: &DataFrame| moving_median(&part["dep_delay"]))?;
    let parts = flights.height().div_ceil(10_000);
    writeln!(out, "flights: {} in {parts} parts", medians.len())?;

    writeln!(out, "without a median: {}", medians.null_count())?;
    let rows = medians.f64()?.iter().enumerate();
    let rows = rows.filter_map(|(row, median)| Some((row, median?)));
    if let Some((row, median)) = rows.max_by(|(_, a), (_, b)| a.total_cmp(b)) {
        writeln!(out, "latest: {median:.1} minutes, around row {row}")?;
    }
    let whole = moving_median(flights.column("dep_delay")?)?;
    writeln!(out, "as over the whole: {}", whole.equals_missing(&medians))?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    run(&data, &mut io::stdout().lock())
}
