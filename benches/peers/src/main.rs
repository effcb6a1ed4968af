//! The contenders in Rust: `polars-par-apply-peers CONTENDER DATA RESULTS`, as `python/measure.py` is for those in Python.
//!
//! DATA is the folder of the data, RESULTS the one into which results are written, for comparison. Prints a line of JSON for each
//! function that the contender has: the function, the way, and the time of each round.

mod contenders;
mod functions;
mod measure;

use std::path::PathBuf;

use polars::prelude::*;

use contenders::{by_rayon, ours, rows_iter, serial};
use measure::Measure;

/// The names of the functions, which are those of the data files and of the lines that are printed.
const HYPOTENUSE: &str = "hypotenuse";
const COUNT_IN_RANGE: &str = "count_in_range";
const CLEAN_UP: &str = "clean_up";
const SLOPE: &str = "slope";
const TRIMMED_MEAN: &str = "trimmed_mean";

fn main() -> PolarsResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [contender, data, results] = arguments.as_slice() else {
        polars_bail!(ComputeError: "usage: polars-par-apply-peers CONTENDER DATA RESULTS");
    };
    let measure = Measure {
        contender: contender.clone(),
        data: PathBuf::from(data),
        results: PathBuf::from(results),
    };
    match contender.as_str() {
        "ours" => {
            measure.column(HYPOTENUSE, "rows", ours::hypotenuse)?;
            measure.column(COUNT_IN_RANGE, "rows", ours::count_in_range)?;
            measure.column(CLEAN_UP, "rows", ours::clean_up)?;
            measure.groups(SLOPE, "groups", ours::slope)?;
            measure.column(TRIMMED_MEAN, "windows", ours::trimmed_mean)
        }
        "by_rayon" => {
            measure.column(HYPOTENUSE, "slices", by_rayon::hypotenuse)?;
            measure.column(COUNT_IN_RANGE, "slices", by_rayon::count_in_range)?;
            measure.column(CLEAN_UP, "parts", by_rayon::clean_up)?;
            measure.groups(SLOPE, "fold", by_rayon::slope)?;
            measure.column(TRIMMED_MEAN, "slices", by_rayon::trimmed_mean)
        }
        "serial" => {
            measure.column(HYPOTENUSE, "zip", serial::hypotenuse)?;
            measure.column(COUNT_IN_RANGE, "zip", serial::count_in_range)?;
            measure.column(CLEAN_UP, "zip", serial::clean_up)?;
            measure.groups(SLOPE, "fold", serial::slope)?;
            measure.column(TRIMMED_MEAN, "windows", serial::trimmed_mean)
        }
        "rows_iter" => {
            measure.column(HYPOTENUSE, "rows_iter", rows_iter::hypotenuse)?;
            measure.column(COUNT_IN_RANGE, "rows_iter", rows_iter::count_in_range)?;
            measure.column(CLEAN_UP, "rows_iter", rows_iter::clean_up)?;
            measure.groups(SLOPE, "rows_iter", rows_iter::slope)
        }
        other => polars_bail!(ComputeError: "there is no contender {other:?}"),
    }
}
