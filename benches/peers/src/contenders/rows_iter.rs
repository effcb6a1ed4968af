//! polars-rows-iter: typed rows, on one core. It has no groups and no windows; a slope is made of sums, for which rows will do.

use polars::prelude::*;
use polars_rows_iter::*;

use super::{column, slopes};
use crate::functions::{self, SumsByKey};

pub(crate) fn hypotenuse(frame: &DataFrame) -> PolarsResult<Column> {
    let rows = df_rows_iter!(frame, "x" => f64, "y" => f64)?;
    let hypotenuses = rows.map(|row| row.map(|(x, y)| functions::hypotenuse(x, y)));
    let hypotenuses: Vec<f64> = hypotenuses.collect::<PolarsResult<_>>()?;
    Ok(column::<Float64Type>(hypotenuses))
}

pub(crate) fn count_in_range(frame: &DataFrame) -> PolarsResult<Column> {
    let rows = df_rows_iter!(frame, "a" => i64, "b" => i64, "c" => i64, "d" => i64, "e" => i64)?;
    let counts =
        rows.map(|row| row.map(|(a, b, c, d, e)| functions::count_in_range([a, b, c, d, e])));
    let counts: Vec<i64> = counts.collect::<PolarsResult<_>>()?;
    Ok(column::<Int64Type>(counts))
}

pub(crate) fn clean_up(frame: &DataFrame) -> PolarsResult<Column> {
    let mut clean = StringChunkedBuilder::new("result".into(), frame.height());
    for row in df_rows_iter!(frame, "text" => &str, "number" => i64)? {
        let (text, number) = row?;
        clean.append_value(functions::clean_up(text, number));
    }
    Ok(clean.finish().into_column())
}

pub(crate) fn slope(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let mut sums = SumsByKey::default();
    for row in df_rows_iter!(frame, "key" => i64, "x" => f64, "y" => f64)? {
        let (key, x, y) = row?;
        sums.entry(key).or_default().add(x, y);
    }
    slopes(sums)
}
