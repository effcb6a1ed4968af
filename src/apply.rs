//! The builder: options, then one verb.

use polars::prelude::{DataFrame, PlSmallStr};

use crate::error::Result;
use crate::function::{ChunkFn, ColumnFn, RowFn};
use crate::options::{Casts, Nulls, Options};
use crate::pool::Pool;
use crate::verbs;
use crate::write::{IntoColumns, IntoRow, IntoStack};

/// A call in the making: options, then one verb ([`rows`](Apply::rows), [`columns`](Apply::columns) or
/// [`chunks`](Apply::chunks)). Made by [`ParApply::par_apply`](crate::ParApply::par_apply).
///
/// An option given twice holds as given last. Nothing is checked before the verb, which then reports every fault of
/// the call at once, before it calls the closure.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["id" => [1, 2], "x" => [3.0, 6.0], "y" => [4.0, 8.0]]?;
/// let length = df.par_apply().select(["x", "y"]).names(["length"]).workers(2).rows(f64::hypot)?;
/// assert_eq!(length, Column::new("length".into(), [5.0, 10.0]));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[must_use = "a builder does nothing until a verb is called: `.rows(f)`, `.columns(f)` or `.chunks(f)`"]
#[derive(Clone, Debug)]
pub struct Apply<'a> {
    frame: &'a DataFrame,
    options: Options,
}

impl<'a> Apply<'a> {
    pub(crate) fn new(frame: &'a DataFrame) -> Self {
        Apply {
            frame,
            options: Options::default(),
        }
    }

    /// The columns used, in the order of the closure's arguments; all of them by default.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["a" => [1, 2], "b" => [10, 20], "c" => [0, 0]]?;
    /// let difference = df.par_apply().select(["b", "a"]).rows(|b: i32, a: i32| b - a)?;
    /// assert_eq!(difference.i32()?.to_vec(), [Some(9), Some(18)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn select<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.select = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The output columns' names. Where the closure returns a `DataFrame`, how many there are shows after the run only.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [7, 9]]?;
    /// let parts = df.par_apply().names(["quotient", "rest"]).rows(|x: i32| (x / 4, x % 4))?;
    /// assert_eq!(parts, df!["quotient" => [1, 2], "rest" => [3, 1]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The pool that runs the call; Polars' own by default.
    pub fn pool(mut self, pool: &Pool) -> Self {
        self.options.pool = Some(pool.clone());
        self
    }

    /// How many workers call the closure at the same time, at most; the pool's width by default.
    ///
    /// One worker is the calling thread. More than Polars' pool has are made for this call, when it comes to need them,
    /// which suits closures that wait more than they compute; more than a pool given by [`pool`](Apply::pool) has, or
    /// more than 4,096, are an error.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = Some(workers);
        self
    }

    /// Runs the call on the calling thread alone, in order. The answer is the same.
    pub fn sequential(mut self) -> Self {
        self.options.sequential = true;
        self
    }

    /// Cuts the rows into so many partitions, as NumPy's `array_split` does: the first `height % n` are one row longer,
    /// and those past the height empty. A partition is what a worker takes at a time, and what [`chunks`](Apply::chunks)
    /// calls the closure with.
    ///
    /// By default `chunks` has a part for each worker, but no empty ones, and `rows` is cut as it runs. Columns are not
    /// cut.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.options.partitions = Some(partitions);
        self
    }

    /// Cuts the rows into chunks of so many; the last may be shorter. It excludes [`partitions`](Apply::partitions).
    pub fn chunk_rows(mut self, rows: usize) -> Self {
        self.options.chunk_rows = Some(rows);
        self
    }

    /// What nulls do to arguments of a plain type; by default, the row's output is null.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [Some(1), None]]?;
    /// let plain = df.par_apply_rows(|x: i32| x + 1)?;
    /// assert_eq!(plain.i32()?.to_vec(), [Some(2), None]);
    /// let error = df.par_apply().nulls(Nulls::Error).rows(|x: i32| x + 1).unwrap_err();
    /// assert_eq!((error.column(), error.row()), (Some("x"), Some(1)));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        self.options.nulls = nulls;
        self
    }

    /// Which conversions are made; by default, only those that keep every value.
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["x" => [1.75, -0.5]]?;
    /// assert!(df.par_apply_rows(|x: i32| x).is_err());
    /// let cut = df.par_apply().casts(Casts::Lossy).rows(|x: i32| x)?;
    /// assert_eq!(cut.i32()?.to_vec(), [Some(1), Some(0)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn casts(mut self, casts: Casts) -> Self {
        self.options.casts = casts;
        self
    }

    /// Calls the closure for each row; see [`ParApply::par_apply_rows`](crate::ParApply::par_apply_rows).
    ///
    /// # Errors
    /// As there; and an option that cannot be followed.
    pub fn rows<M, F>(self, f: F) -> Result<<F::Out as IntoRow>::Output>
    where
        F: RowFn<M>,
        F::Out: IntoRow,
    {
        verbs::rows(self.frame, &self.options, &f)
    }

    /// Calls the closure for each column; see [`ParApply::par_apply_columns`](crate::ParApply::par_apply_columns).
    ///
    /// # Errors
    /// As there; and an option that cannot be followed.
    pub fn columns<M, F>(self, f: F) -> Result<DataFrame>
    where
        F: ColumnFn<M>,
        F::Out: IntoColumns,
    {
        verbs::columns(self.frame, &self.options, &f)
    }

    /// Calls the closure for each part of the rows; see
    /// [`ParApply::par_apply_chunks`](crate::ParApply::par_apply_chunks).
    ///
    /// # Errors
    /// As there; and an option that cannot be followed.
    pub fn chunks<M, F>(self, f: F) -> Result<<F::Out as IntoStack>::Output>
    where
        F: ChunkFn<M>,
        F::Out: IntoStack,
    {
        verbs::chunks(self.frame, &self.options, &f)
    }
}
