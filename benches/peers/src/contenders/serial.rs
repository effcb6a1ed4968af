//! Loops as they are usually written: iterators over `ChunkedArray`s, on one core.

use polars::prelude::*;

use super::slopes;
use crate::functions::{self, SumsByKey, WINDOW};

pub(crate) fn hypotenuse(frame: &DataFrame) -> PolarsResult<Column> {
    let (x, y) = (frame.column("x")?.f64()?, frame.column("y")?.f64()?);
    let hypotenuses: Float64Chunked = x
        .iter()
        .zip(y.iter())
        .map(|(x, y)| Some(functions::hypotenuse(x?, y?)))
        .collect();
    Ok(hypotenuses.into_column())
}

pub(crate) fn count_in_range(frame: &DataFrame) -> PolarsResult<Column> {
    let digits = |name| -> PolarsResult<&Int64Chunked> { frame.column(name)?.i64() };
    let counts: Int64Chunked = digits("a")?
        .iter()
        .zip(digits("b")?.iter())
        .zip(digits("c")?.iter())
        .zip(digits("d")?.iter())
        .zip(digits("e")?.iter())
        .map(|((((a, b), c), d), e)| Some(functions::count_in_range([a?, b?, c?, d?, e?])))
        .collect();
    Ok(counts.into_column())
}

pub(crate) fn clean_up(frame: &DataFrame) -> PolarsResult<Column> {
    let (text, number) = (frame.column("text")?.str()?, frame.column("number")?.i64()?);
    let clean: StringChunked = text
        .iter()
        .zip(number.iter())
        .map(|(text, number)| Some(functions::clean_up(text?, number?)))
        .collect();
    Ok(clean.into_column())
}

pub(crate) fn slope(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let key = frame.column("key")?.i64()?;
    let (x, y) = (frame.column("x")?.f64()?, frame.column("y")?.f64()?);
    let mut sums = SumsByKey::default();
    for ((key, x), y) in key.iter().zip(x.iter()).zip(y.iter()) {
        if let (Some(key), Some(x), Some(y)) = (key, x, y) {
            sums.entry(key).or_default().add(x, y);
        }
    }
    slopes(sums)
}

pub(crate) fn trimmed_mean(frame: &DataFrame) -> PolarsResult<Column> {
    let x: Vec<f64> = frame.column("x")?.f64()?.iter().flatten().collect();
    let short = std::iter::repeat_n(None, WINDOW - 1);
    let whole = x
        .windows(WINDOW)
        .map(|window| Some(functions::trimmed_mean(window)));
    let means: Float64Chunked = short.chain(whole).collect();
    Ok(means.into_column())
}
