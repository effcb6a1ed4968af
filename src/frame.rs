//! The extension trait on `DataFrame`.

#[cfg(feature = "arrow")]
use arrow_array::RecordBatch;
use polars::prelude::{DataFrame, PlSmallStr};

use crate::apply::Apply;
#[cfg(feature = "arrow")]
use crate::arrow::FromArrow;
#[cfg(feature = "arrow2")]
use crate::arrow::{Arrow2Chunk, FromArrow2};
use crate::error::Result;
use crate::function::{ChunkFn, ColumnFn, GroupFn, RowFn, WindowFn};
use crate::partition;
use crate::sealed::Sealed;
use crate::windows::Window;
use crate::write::{IntoColumns, IntoGroups, IntoRow, IntoStack};

/// Maps your own closure over a `DataFrame`'s rows, columns, partitions, groups or windows, on all cores.
///
/// Row `i` of the output comes from row `i` of the input, and the closure is called once for it, whatever the workers
/// and the frame's chunks. The [crate's documentation](crate) has the promises in full.
///
/// The trait is sealed. It is implemented for `DataFrame`. With the feature `arrow` it is also implemented for `RecordBatch` and
/// `[RecordBatch]`, and with the feature `arrow2` for `Arrow2Chunk` and `[Arrow2Chunk]`. A call on batches first makes a frame of
/// them, which shares the memory that Polars need not copy; where that fails, the verb returns the error. The guide's page
/// [Arrow](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/arrow/) has more.
pub trait ParApply: Sealed {
    /// Starts a call with options, which ends with one of the verbs of [`Apply`], such as [`rows`](Apply::rows),
    /// [`filter_rows`](Apply::filter_rows), [`with_columns`](Apply::with_columns), [`columns`](Apply::columns) or
    /// [`chunks`](Apply::chunks).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 2, 3], "y" => [4, 5, 6]]?;
    /// let sum = df.par_apply().select(["x", "y"]).workers(2).rows(|x: i32, y: i32| x + y)?;
    /// assert_eq!(sum.i32()?.to_vec(), [Some(5), Some(7), Some(9)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    fn par_apply(&self) -> Apply<'_, 'static>;

    /// Calls `f` with each row's values, and gives the results as a `Column` or a `DataFrame` of the same height.
    ///
    /// `f` takes 1 to 12 [cells](crate::Cell), to which the columns are bound by position, or one [row](crate::FromRow). It returns
    /// a [cell, a tuple, an array or a derived struct](crate::IntoRow), or a `Result` of one. A row in which an argument of a plain
    /// type (not an `Option`) is null is not given to `f`; its output is null.
    ///
    /// The first rows run on the calling thread, whatever thread that is. Other workers are woken once these rows have shown that
    /// the rest takes long enough. So the call's fixed cost is a few microseconds, or one row where a row takes longer.
    ///
    /// # Errors
    /// Before `f` is called: a column that is missing; a column of a dtype that the argument does not take without loss; a number
    /// of columns that differs from the number of arguments. From the run: the error or panic of `f` in the lowest failing row,
    /// with the row's number; a value that does not fit its Rust type or its output column.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;
    /// let hypotenuse = df.par_apply_rows(|a: i32, b: i32| f64::from(a * a + b * b).sqrt())?;
    /// assert_eq!(hypotenuse.f64()?.get(2), Some(5.0));
    ///
    /// let df = df!["name" => ["oak", "ash"], "height" => [Some(20.5), None]]?;
    /// let label = df.par_apply_rows(|name: &str, height: Option<f64>| match height {
    ///     Some(metres) => format!("{name}: {metres} m"),
    ///     None => format!("{name}: unknown"),
    /// })?;
    /// assert_eq!(label.str()?.get(1), Some("ash: unknown"));
    ///
    /// let df = df!["text" => ["1.5", "x"]]?;
    /// let error = df.par_apply_rows(|text: &str| text.parse::<f64>()).unwrap_err();
    /// assert_eq!(error.row(), Some(1));
    /// assert_eq!(
    ///     error.to_string(),
    ///     "row 1: the closure returned an error: invalid float literal"
    /// );
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// A closure whose arguments have no known type does not compile:
    /// ```compile_fail,E0282
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1.0]].unwrap();
    /// let _ = df.par_apply_rows(|x| x);
    /// ```
    /// A closure that takes or returns a type that cannot be a column's value does not compile either:
    /// ```compile_fail,E0277
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => ["a"]].unwrap();
    /// let _ = df.par_apply_rows(|x: &str| x.len());
    /// ```
    fn par_apply_rows<M, F>(&self, f: F) -> Result<<F::Out as IntoRow>::Output>
    where
        F: RowFn<M>,
        F::Out: IntoRow,
    {
        self.par_apply().rows(f)
    }

    /// Calls `f` with each column, and gives the results as a `DataFrame` with the same names.
    ///
    /// `f` takes a `&Column`, or the column's typed [`Values`](crate::Values). It returns a cell, which gives a frame of one row,
    /// or a `Column` or `Series`, which gives a frame of that height, or a `Result` of one of these.
    ///
    /// Each column is one piece of work: a frame of two columns keeps two workers busy.
    ///
    /// # Errors
    /// Before `f` is called: a column of a dtype that the values' type does not take without loss. From the run: the
    /// error or panic of `f` in the first failing column, with the column's name; results of different heights.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;
    /// let squares = df.par_apply_columns(|v: Values<'_, i64>| v.iter().map(|x| x * x).sum::<i64>())?;
    /// assert_eq!(squares, df!["a" => [163i64], "b" => [147i64]]?);
    ///
    /// let sorted = df.par_apply_columns(|column: &Column| column.sort(SortOptions::default()))?;
    /// assert_eq!(sorted, df!["a" => [3, 4, 5, 7, 8], "b" => [3, 4, 4, 5, 9]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    fn par_apply_columns<M, F>(&self, f: F) -> Result<DataFrame>
    where
        F: ColumnFn<M>,
        F::Out: IntoColumns,
    {
        self.par_apply().columns(f)
    }

    /// Calls `f` with each of the frame's partitions, one for each worker, and stacks the results in order.
    ///
    /// `f` takes a `DataFrame`, a `&DataFrame`, or a [`Chunk`](crate::Chunk), which knows its index and row offset. The parts are
    /// cut as [`array_split`](ParApply::array_split) cuts, and share the frame's memory; [`partitions`](Apply::partitions) and
    /// [`chunk_rows`](Apply::chunk_rows) set another cut. A frame without rows is one empty part, so the output has the right
    /// schema.
    ///
    /// Frames and columns are stacked below each other; a cell, a tuple, an array or a derived struct gives one row per part.
    ///
    /// # Errors
    /// The error or panic of `f` in the first failing part; a part whose result has other columns or dtypes than those of the parts
    /// before it.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 2, 3, 4, 5]]?;
    /// let heights = df.par_apply().partitions(2).chunks(|part: DataFrame| part.height() as u64)?;
    /// assert_eq!(heights.u64()?.to_vec(), [Some(3), Some(2)]);
    ///
    /// let same = df.par_apply_chunks(|part: DataFrame| part)?;
    /// assert_eq!(same, df);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    fn par_apply_chunks<M, F>(&self, f: F) -> Result<<F::Out as IntoStack>::Output>
    where
        F: ChunkFn<M>,
        F::Out: IntoStack,
    {
        self.par_apply().chunks(f)
    }

    /// Calls `f` with each group of rows that have the same `keys`, and gives the keys and the results as a `DataFrame`.
    ///
    /// See [`Apply::groups`].
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["k" => ["a", "b", "a"], "x" => [1i64, 2, 3]]?;
    /// let sums = df.par_apply_groups(["k"], |x: Values<'_, i64>| x.iter().sum::<i64>())?;
    /// assert_eq!(sums, df!["k" => ["a", "b"], "par_apply" => [4i64, 2]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Apply::groups`].
    fn par_apply_groups<I, S, M, F>(&self, keys: I, f: F) -> Result<DataFrame>
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
        F: GroupFn<M>,
        F::Out: IntoGroups,
    {
        self.par_apply().by(keys).groups(f)
    }

    /// Calls `f` with the window around each row, and gives the results as a `Column` or a `DataFrame` of the same height.
    ///
    /// See [`Apply::windows`].
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1.0, 4.0, 9.0]]?;
    /// let sums = df.par_apply_windows(Window::rows(2), |x: Values<'_, f64>| x.iter().sum::<f64>())?;
    /// assert_eq!(sums.f64()?.to_vec(), [None, Some(5.0), Some(13.0)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Apply::windows`].
    fn par_apply_windows<M, F>(&self, window: Window, f: F) -> Result<<F::Out as IntoRow>::Output>
    where
        F: WindowFn<M>,
        F::Out: IntoRow,
    {
        self.par_apply().windows(window, f)
    }

    /// Cuts the frame into `n` parts, as NumPy's `array_split` does.
    ///
    /// The first `height % n` parts are one row longer than the others. Where there are more parts than rows, the last ones are
    /// empty. The parts share the frame's memory.
    ///
    /// # Errors
    /// An error is returned if `n` is 0.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 2, 3, 4, 5]]?;
    /// let heights: Vec<usize> = df.array_split(3)?.iter().map(DataFrame::height).collect();
    /// assert_eq!(heights, [2, 2, 1]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    fn array_split(&self, n: usize) -> Result<Vec<DataFrame>>;
}

impl ParApply for DataFrame {
    fn par_apply(&self) -> Apply<'_, 'static> {
        Apply::new(self)
    }

    fn array_split(&self, n: usize) -> Result<Vec<DataFrame>> {
        partition::array_split(self, n)
    }
}

/// Implements the traits for batches, of which the call makes a frame.
#[cfg(any(feature = "arrow", feature = "arrow2"))]
macro_rules! par_apply_batches {
    ($($Batches:ty),*) => {$(
        impl ParApply for $Batches {
            fn par_apply(&self) -> Apply<'_, 'static> {
                Apply::of_made(self.to_frame())
            }

            fn array_split(&self, n: usize) -> Result<Vec<DataFrame>> {
                partition::array_split(&self.to_frame()?, n)
            }
        }
    )*};
}

#[cfg(feature = "arrow")]
par_apply_batches!(RecordBatch, [RecordBatch]);
#[cfg(feature = "arrow2")]
par_apply_batches!(Arrow2Chunk, [Arrow2Chunk]);
