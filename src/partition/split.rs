//! Parts of a frame: NumPy's `array_split`, and parts with a fixed number of rows.

use std::ops::Range;

use polars::prelude::DataFrame;

use crate::error::{ErrorKind, Result};

/// Cuts `frame` into `parts` parts; the first `height % parts` of them have one row more.
pub(crate) fn array_split(frame: &DataFrame, parts: usize) -> Result<Vec<DataFrame>> {
    if parts == 0 {
        return Err(ErrorKind::Option {
            option: "array_split",
            message: "0 parts cannot hold the rows; give 1 or more".into(),
        }
        .into());
    }
    let cut = Cut::Partitions(parts);
    let mut frames = room_for(parts, "array_split")?;
    frames.extend((0..parts).map(|part| slice(frame, &cut.rows_of(part, frame.height()))));
    Ok(frames)
}

/// Makes a vector with room for one item for each part; see [`room_for_all`].
pub(crate) fn room_for<T>(parts: usize, option: &'static str) -> Result<Vec<T>> {
    room_for_all(parts, "parts", option)
}

/// Makes a vector with room for this many of something, or returns an error if the memory cannot be allocated.
pub(crate) fn room_for_all<T>(
    count: usize,
    noun: &'static str,
    option: &'static str,
) -> Result<Vec<T>> {
    let mut room = Vec::new();
    room.try_reserve_exact(count).map_err(|_| {
        let message = format!("{count} {noun} are more than memory can hold; give fewer");
        ErrorKind::Option { option, message }
    })?;
    Ok(room)
}

/// How rows are cut into parts; the numbers are at least 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// This many parts; the first `rows % parts` of them have one row more, as NumPy's `array_split` cuts.
    Partitions(usize),
    /// Parts of this many rows; the last may be shorter. If there are no rows, there is one empty part.
    ChunkRows(usize),
}

impl Cut {
    /// Returns the name of the option for this cut.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Cut::Partitions(_) => "partitions",
            Cut::ChunkRows(_) => "chunk_rows",
        }
    }

    /// Returns how many parts `rows` rows have.
    pub(crate) fn parts(self, rows: usize) -> usize {
        match self {
            Cut::Partitions(parts) => parts,
            Cut::ChunkRows(chunk_rows) => rows.div_ceil(chunk_rows).max(1),
        }
    }

    /// Returns where the part that a row is in ends.
    pub(crate) fn end_of_part_at(self, row: usize, rows: usize) -> usize {
        let part = match self {
            Cut::Partitions(parts) => {
                let (short, longer) = (rows / parts, rows % parts);
                let in_longer = longer * (short + 1);
                if row < in_longer {
                    row / (short + 1)
                } else {
                    longer + (row - in_longer) / short.max(1)
                }
            }
            Cut::ChunkRows(chunk_rows) => row / chunk_rows,
        };
        self.rows_of(part, rows).end
    }

    /// Returns the rows of a part.
    pub(crate) fn rows_of(self, part: usize, rows: usize) -> Range<usize> {
        match self {
            Cut::Partitions(parts) => {
                let (short, longer) = (rows / parts, rows % parts);
                let start = |part: usize| part * short + part.min(longer);
                start(part)..start(part + 1)
            }
            Cut::ChunkRows(chunk_rows) => {
                let start = part * chunk_rows;
                start..start.saturating_add(chunk_rows).min(rows)
            }
        }
    }
}

/// Returns the rows of one part as a frame that shares the input's memory.
pub(crate) fn slice(frame: &DataFrame, rows: &Range<usize>) -> DataFrame {
    // A row number fits an i64: no buffer is longer than isize::MAX bytes, and the length of a scalar column is an IdxSize.
    frame.slice(rows.start as i64, rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(cut: Cut, rows: usize) -> Vec<Range<usize>> {
        let parts = 0..cut.parts(rows);
        parts.map(|part| cut.rows_of(part, rows)).collect()
    }

    #[test]
    fn parts_are_cut_as_numpy_cuts_them() {
        let lengths = |rows, parts| -> Vec<usize> {
            let parts = cut(Cut::Partitions(parts), rows);
            parts.iter().map(Range::len).collect()
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
                for how in [Cut::Partitions(n), Cut::ChunkRows(n)] {
                    let covered: Vec<usize> = cut(how, rows).into_iter().flatten().collect();
                    assert_eq!(covered, (0..rows).collect::<Vec<_>>(), "{how:?}");
                    for part in cut(how, rows) {
                        for row in part.clone() {
                            assert_eq!(how.end_of_part_at(row, rows), part.end, "{how:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn no_rows_are_one_empty_chunk() {
        assert_eq!(cut(Cut::ChunkRows(5), 0), vec![0..0; 1]);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let last = Cut::Partitions(usize::MAX).rows_of(usize::MAX - 1, 10);
        assert_eq!(last, 10..10);
        assert_eq!(cut(Cut::ChunkRows(usize::MAX), 3), vec![0..3; 1]);
    }
}
