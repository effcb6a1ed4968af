//! The chunks of a column, which are read by the row numbers of the whole column.

use std::ops::Range;

use polars::prelude::Series;
use polars_arrow::array::Array;

/// The chunks of a column, as arrays of one type.
#[derive(Debug)]
pub(super) struct ArrayChunks<'a, A> {
    arrays: Vec<&'a A>,
    /// The row at which each chunk begins, and the row at which the last one ends.
    starts: Vec<usize>,
}

impl<'a, A: Array + 'static> ArrayChunks<'a, A> {
    /// Returns `None` if the chunks are of another type.
    pub(super) fn of(column: &'a Series) -> Option<Self> {
        let mut arrays = Vec::with_capacity(column.n_chunks());
        let mut starts = vec![0];
        let mut end = 0;
        for chunk in column.chunks() {
            let array = chunk.as_any().downcast_ref::<A>()?;
            if array.len() > 0 {
                end += array.len();
                arrays.push(array);
                starts.push(end);
            }
        }
        Some(ArrayChunks { arrays, starts })
    }

    /// Returns the parts of the arrays that these rows are in, in order.
    #[inline]
    pub(super) fn pieces(&self, rows: Range<usize>) -> impl Iterator<Item = (&'a A, Range<usize>)> {
        let first = self
            .starts
            .partition_point(|start| *start <= rows.start)
            .saturating_sub(1);
        let arrays = self.arrays.iter().zip(self.starts.windows(2)).skip(first);
        let arrays = arrays.take_while(move |(_, ends)| ends[0] < rows.end);
        arrays.map(move |(array, ends)| {
            let start = rows.start.max(ends[0]) - ends[0];
            (*array, start..rows.end.min(ends[1]) - ends[0])
        })
    }
}
