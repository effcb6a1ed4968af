//! Parts of a frame: NumPy's `array_split`, and parts of so many rows.

use std::ops::Range;

use polars::prelude::DataFrame;

use crate::error::{ErrorKind, Result};

/// Cuts `frame` into `parts` parts, the first `height % parts` of them one row longer.
pub(crate) fn array_split(frame: &DataFrame, parts: usize) -> Result<Vec<DataFrame>> {
    if parts == 0 {
        return Err(ErrorKind::Option {
            option: "array_split",
            message: "0 parts cannot hold the rows; give 1 or more".into(),
        }
        .into());
    }
    Ok(part_bounds(frame.height(), parts)
        .map(|rows| slice(frame, &rows))
        .collect())
}

/// The rows of each of `parts` parts.
pub(crate) fn part_bounds(
    rows: usize,
    parts: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> {
    let (short, longer) = (rows / parts, rows % parts);
    let start = move |part: usize| part * short + part.min(longer);
    (0..parts).map(move |part| start(part)..start(part + 1))
}

/// The rows of each part of `chunk_rows` rows; the last may be shorter. One empty part where there are no rows.
pub(crate) fn chunk_bounds(
    rows: usize,
    chunk_rows: usize,
) -> impl ExactSizeIterator<Item = Range<usize>> {
    let parts = rows.div_ceil(chunk_rows).max(1);
    (0..parts).map(move |part| {
        let start = part * chunk_rows;
        start..start.saturating_add(chunk_rows).min(rows)
    })
}

/// The rows of one part as a frame that shares the input's memory.
pub(crate) fn slice(frame: &DataFrame, rows: &Range<usize>) -> DataFrame {
    // A row number fits an i64: no buffer is longer than isize::MAX bytes, and a scalar column's length is an IdxSize.
    frame.slice(rows.start as i64, rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_as_numpy_cuts_them() {
        let lengths = |rows, parts| -> Vec<usize> {
            part_bounds(rows, parts).map(|part| part.len()).collect()
        };
        assert_eq!(lengths(15, 8), [2, 2, 2, 2, 2, 2, 2, 1]);
        assert_eq!(lengths(9, 4), [3, 2, 2, 2]);
        assert_eq!(lengths(3, 5), [1, 1, 1, 0, 0]);
        assert_eq!(lengths(0, 2), [0, 0]);
    }

    #[test]
    fn parts_cover_every_row_once() {
        for rows in 0..40 {
            for n in 1..12 {
                let parts: Vec<usize> = part_bounds(rows, n).flatten().collect();
                assert_eq!(parts, (0..rows).collect::<Vec<_>>());
                let chunks: Vec<usize> = chunk_bounds(rows, n).flatten().collect();
                assert_eq!(chunks, (0..rows).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn no_rows_are_one_empty_chunk() {
        assert_eq!(chunk_bounds(0, 5).collect::<Vec<_>>(), [0..0]);
    }
}
