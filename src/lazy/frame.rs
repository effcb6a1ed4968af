//! The extension trait on `LazyFrame`.

use polars::prelude::{DataFrame, LazyFrame};

use super::apply::LazyApply;
use super::batches::Batches;
use super::item::IntoBatch;
use crate::function::{ChunkFn, RowFn};
use crate::sealed::Sealed;
use crate::write::{IntoRow, IntoStack, OutputSchema};

/// Calls your own closure in a lazy query: for each row, for each chunk, or for each batch that comes out of it.
///
/// The trait is sealed: it is implemented for `LazyFrame`. The page [in a lazy pipeline](crate::guide::in_a_lazy_pipeline) shows
/// what each method is for.
pub trait ParApplyLazy: Sealed {
    /// Starts a call with options, which ends with one of the verbs of [`LazyApply`].
    ///
    /// They are [`rows`](LazyApply::rows), [`filter_rows`](LazyApply::filter_rows), [`flat_map_rows`](LazyApply::flat_map_rows),
    /// [`groups`](LazyApply::groups), [`transform`](LazyApply::transform), [`windows`](LazyApply::windows),
    /// [`chunks`](LazyApply::chunks), [`batches`](LazyApply::batches) and [`row_batches`](LazyApply::row_batches).
    fn par_apply(self) -> LazyApply;

    /// Adds the closure's results to the frame's columns, or replaces the columns of the same names.
    ///
    /// The closure takes all columns, or, if it takes a derived struct, those of its fields; [`select`](LazyApply::select) selects
    /// others.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["x" => [3.0, 5.0], "y" => [4.0, 12.0]]?.lazy();
    /// let out = lf.par_apply_rows(f64::hypot).collect()?;
    /// assert_eq!(out, df!["x" => [3.0, 5.0], "y" => [4.0, 12.0], "par_apply" => [5.0, 13.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`LazyApply::rows`].
    fn par_apply_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow;

    /// Replaces the frame by what a closure makes of it, which has the given schema.
    ///
    /// The schema is needed because a query is planned before the closure is called. It is a [`Schema`](polars::prelude::Schema),
    /// or a closure that makes it from the input's.
    ///
    /// The closure is called once, with the whole frame. A closure that looks at each row separately can be called for chunks as
    /// they come, if the call is declared [`row_wise`](LazyApply::row_wise).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["x" => [3, 1, 2]]?.lazy();
    /// let out = lf
    ///     .par_apply_chunks(
    ///         |input: &Schema| input.clone(),
    ///         |frame: DataFrame| frame.sort(["x"], Default::default()),
    ///     )
    ///     .collect()?;
    /// assert_eq!(out, df!["x" => [1, 2, 3]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`LazyApply::chunks`].
    fn par_apply_chunks<M, S, F>(self, schema: S, f: F) -> LazyFrame
    where
        S: OutputSchema,
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>;

    /// Runs the query in the streaming engine, and returns an iterator over what a closure makes of each batch, in order.
    ///
    /// It is for sinks that Polars does not have. See [`LazyApply::batches`].
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["x" => (0..1000).collect::<Vec<i32>>()]?.lazy().filter(col("x").gt(lit(9)));
    /// let heights = lf.par_apply_batches(|batch: DataFrame| batch.height());
    /// assert_eq!(heights.sum::<polars_par_apply::Result<usize>>()?, 990);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Errors are items of the iterator: see [`Batches`].
    fn par_apply_batches<M, F>(self, f: F) -> Batches<<F::Out as IntoBatch>::Item>
    where
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoBatch;
}

impl Sealed for LazyFrame {}

impl ParApplyLazy for LazyFrame {
    fn par_apply(self) -> LazyApply {
        LazyApply::new(self)
    }

    fn par_apply_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        self.par_apply().rows(f)
    }

    fn par_apply_chunks<M, S, F>(self, schema: S, f: F) -> LazyFrame
    where
        S: OutputSchema,
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        self.par_apply().chunks(schema, f)
    }

    fn par_apply_batches<M, F>(self, f: F) -> Batches<<F::Out as IntoBatch>::Item>
    where
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoBatch,
    {
        self.par_apply().batches(f)
    }
}
