//! A part of a frame that knows where it lies.

use std::ops::{Deref, Range};

use polars::prelude::DataFrame;

/// A part of the input, as a chunk closure's argument: the rows, and where in the input they lie.
///
/// It dereferences to the part's `DataFrame`.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["x" => [1, 2, 3, 4, 5]]?;
/// let places = df
///     .par_apply()
///     .partitions(2)
///     .chunks(|part: Chunk| (part.index() as u32, part.row_offset() as u64, part.height() as u64))?;
/// assert_eq!(
///     places,
///     df!["column_0" => [0u32, 1], "column_1" => [0u64, 3], "column_2" => [3u64, 2]]?
/// );
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chunk {
    frame: DataFrame,
    index: usize,
    row_offset: usize,
    core: Range<usize>,
}

impl Chunk {
    pub(crate) fn new(frame: DataFrame, index: usize, row_offset: usize) -> Self {
        let core = 0..frame.height();
        Chunk {
            frame,
            index,
            row_offset,
            core,
        }
    }

    /// Where the part's own rows are in the frame.
    pub(crate) fn with_core(self, core: Range<usize>) -> Self {
        Chunk { core, ..self }
    }

    /// The part's position among the parts, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The positions of the part's own rows in its frame: all, unless the call has an [`overlap`](crate::Apply::overlap), and
    /// the rows before and after these are those of its neighbours.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 2, 3, 4, 5]]?;
    /// let cores = df
    ///     .par_apply()
    ///     .partitions(2)
    ///     .overlap(1, 1)
    ///     .chunks(|part: Chunk| (part.height() as u64, part.core().start as u64, part.core().end as u64))?;
    /// assert_eq!(
    ///     cores,
    ///     df!["column_0" => [4u64, 3], "column_1" => [0u64, 1], "column_2" => [3u64, 3]]?
    /// );
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[must_use]
    pub fn core(&self) -> Range<usize> {
        self.core.clone()
    }

    /// The number of the input row that the part begins with, [overlap](crate::Apply::overlap) included. The rows after it have the numbers after it, unless the call was
    /// given [`row_numbers`](crate::Apply::row_numbers): then select that column too, and give it to a call within the part.
    #[must_use]
    pub fn row_offset(&self) -> usize {
        self.row_offset
    }

    /// The part's rows.
    #[must_use]
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// The part's rows, by value.
    #[must_use]
    pub fn into_frame(self) -> DataFrame {
        self.frame
    }
}

impl Deref for Chunk {
    type Target = DataFrame;

    fn deref(&self) -> &DataFrame {
        &self.frame
    }
}
