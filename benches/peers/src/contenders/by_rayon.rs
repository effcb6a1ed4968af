//! Loops by hand, on all cores: rayon over slices of the columns, into one buffer.

use polars::prelude::*;
use rayon::prelude::*;

use super::{column, slopes};
use crate::functions::{self, DIGITS, SumsByKey, WINDOW};

/// Rows that a thread takes at a time.
const PART: usize = 1 << 14;

pub(crate) fn hypotenuse(frame: &DataFrame) -> PolarsResult<Column> {
    let (x, y) = (floats(frame, "x")?, floats(frame, "y")?);
    let mut hypotenuses = vec![0.0; frame.height()];
    let parts = hypotenuses
        .par_chunks_mut(PART)
        .zip(x.par_chunks(PART))
        .zip(y.par_chunks(PART));
    parts.for_each(|((out, x), y)| {
        for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
            *out = functions::hypotenuse(*x, *y);
        }
    });
    Ok(column::<Float64Type>(hypotenuses))
}

pub(crate) fn count_in_range(frame: &DataFrame) -> PolarsResult<Column> {
    let mut digits: [&[i64]; 5] = [&[]; 5];
    for (digits, name) in digits.iter_mut().zip(DIGITS) {
        *digits = frame.column(name)?.i64()?.cont_slice()?;
    }
    let mut counts = vec![0; frame.height()];
    counts
        .par_chunks_mut(PART)
        .enumerate()
        .for_each(|(part, out)| {
            let start = part * PART;
            let digits = digits.map(|digits| &digits[start..start + out.len()]);
            for (row, out) in out.iter_mut().enumerate() {
                *out = functions::count_in_range(digits.map(|digits| digits[row]));
            }
        });
    Ok(column::<Int64Type>(counts))
}

pub(crate) fn clean_up(frame: &DataFrame) -> PolarsResult<Column> {
    let (text, number) = (frame.column("text")?.str()?, frame.column("number")?.i64()?);
    let number = number.cont_slice()?;
    let starts: Vec<usize> = (0..frame.height()).step_by(PART).collect();
    let parts: Vec<StringChunked> = starts
        .into_par_iter()
        .map(|start| {
            let numbers = &number[start..number.len().min(start + PART)];
            let texts = text.slice(start as i64, numbers.len());
            let mut clean = StringChunkedBuilder::new("result".into(), numbers.len());
            for (text, number) in texts.iter().zip(numbers) {
                match text {
                    Some(text) => clean.append_value(functions::clean_up(text, *number)),
                    None => clean.append_null(),
                }
            }
            clean.finish()
        })
        .collect();
    let mut parts = parts.into_iter();
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        all.append_owned(part)?;
    }
    Ok(all.into_column())
}

/// A slope is made of sums, so that no rows need be put together: each part has sums of its own, which are merged.
pub(crate) fn slope(frame: &DataFrame) -> PolarsResult<DataFrame> {
    let key = frame.column("key")?.i64()?.cont_slice()?;
    let (x, y) = (floats(frame, "x")?, floats(frame, "y")?);
    let part = frame.height().div_ceil(rayon::current_num_threads()).max(1);
    let parts = key
        .par_chunks(part)
        .zip(x.par_chunks(part))
        .zip(y.par_chunks(part));
    let sums = parts.map(|((key, x), y)| {
        let mut sums = SumsByKey::default();
        for ((key, x), y) in key.iter().zip(x).zip(y) {
            sums.entry(*key).or_default().add(*x, *y);
        }
        sums
    });
    let sums = sums.reduce(SumsByKey::default, |mut all, part| {
        if all.is_empty() {
            return part;
        }
        for (key, sums) in part {
            all.entry(key).or_default().merge(sums);
        }
        all
    });
    slopes(sums)
}

pub(crate) fn trimmed_mean(frame: &DataFrame) -> PolarsResult<Column> {
    let x = floats(frame, "x")?;
    let mut means = vec![f64::NAN; x.len()];
    let whole = means.get_mut(WINDOW - 1..).unwrap_or_default();
    let windows = whole
        .par_iter_mut()
        .with_min_len(PART)
        .zip(x.par_windows(WINDOW));
    windows.for_each(|(out, window)| *out = functions::trimmed_mean(window));
    Ok(column::<Float64Type>(means))
}

fn floats<'a>(frame: &'a DataFrame, name: &str) -> PolarsResult<&'a [f64]> {
    frame.column(name)?.f64()?.cont_slice()
}
