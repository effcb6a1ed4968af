//! A part of a frame that knows where it lies.

use std::ops::{Deref, Range};

use polars::prelude::DataFrame;

/// A chunk closure's argument that has the rows of one part and knows their position in the input.
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

    /// Sets where the part's own rows are in the frame.
    pub(crate) fn with_core(self, core: Range<usize>) -> Self {
        Chunk { core, ..self }
    }

    /// Returns the part's position among the parts, counted from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the positions of the part's own rows in its frame.
    ///
    /// These are all rows of the frame, unless the call has an [`overlap`](crate::Apply::overlap). Then the rows before and
    /// after them belong to the neighbouring parts.
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

    /// Returns the number of the part's first input row, [overlap](crate::Apply::overlap) included.
    ///
    /// The rows after it have consecutive numbers, unless the call was given [`row_numbers`](crate::Apply::row_numbers). In
    /// that case, select that column too, and give it to a call within the part.
    #[must_use]
    pub fn row_offset(&self) -> usize {
        self.row_offset
    }

    /// Returns the part's rows.
    #[must_use]
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// Returns the part's rows by value.
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
