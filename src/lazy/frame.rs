//! A closure on a `LazyFrame`: over its rows, its chunks, and what streams out of it.

use polars::prelude::{
    DataFrame, DataType, Expr, LazyFrame, PlSmallStr, all, as_struct, by_name, col,
};

use super::batches::Batches;
use super::call::OneColumn;
use super::chunks::{self, OutputSchema};
use super::expr::rows;
use super::failures::Failures;
use super::item::IntoBatch;
use super::settings::{Settings, settings};
use crate::cancel::CancelToken;
use crate::context::{IntoState, NoContext, NoFinish, NoState, State, WithState};
use crate::function::{ChunkFn, RowFn};
use crate::options::{Casts, Nulls, OnError};
use crate::progress::Progress;
use crate::write::{IntoRow, IntoStack};

/// The Struct that a row's several results are, before its fields are taken out.
const RESULTS: &str = "__par_apply_results";

/// The rows' numbers, as long as errors may need them.
const NUMBERS: &str = "__par_apply_row";

/// Calls your own closure in a lazy query: for each row, for each chunk, or for each batch that comes out of it.
///
/// The trait is sealed: it is implemented for `LazyFrame`. The page [in a lazy pipeline](crate::guide::in_a_lazy_pipeline)
/// shows which is for what.
pub trait ParApplyLazy: sealed::Sealed {
    /// Starts a call with options, which one of the verbs [`rows`](LazyApply::rows), [`chunks`](LazyApply::chunks),
    /// [`batches`](LazyApply::batches) and [`row_batches`](LazyApply::row_batches) ends.
    fn par_apply(self) -> LazyApply;

    /// Adds the closure's results to the frame's columns, or replaces those of the same names. The closure takes all columns,
    /// or, if it takes a derived struct, those of its fields; [`select`](LazyApply::select) says others.
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
    /// As for [`LazyApply::rows`].
    fn par_apply_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>;

    /// Replaces the frame by what a closure makes of it, whose schema is given, since a query is planned before the closure
    /// is called: a [`Schema`](polars::prelude::Schema), or a closure that makes one of the input's.
    ///
    /// The closure is called once, with the whole frame; one that looks at each row by itself can be called for chunks, as
    /// they come, if it is said to be [`row_wise`](LazyApply::row_wise).
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
    /// As for [`LazyApply::chunks`].
    fn par_apply_chunks<M, S, F>(self, schema: S, f: F) -> LazyFrame
    where
        S: OutputSchema,
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>;

    /// Runs the query in the streaming engine, and gives what a closure makes of each batch that comes out of it, in
    /// order, as an iterator: for sinks that Polars does not have. See [`LazyApply::batches`].
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["x" => (0..1000).collect::<Vec<i32>>()]?.lazy().filter(col("x").gt(lit(9)));
    /// let heights = lf.par_apply_batches(|batch: DataFrame| batch.height());
    /// assert_eq!(heights.sum::<Result<usize>>()?, 990);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    fn par_apply_batches<M, F>(self, f: F) -> Batches<<F::Out as IntoBatch>::Item>
    where
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoBatch;
}

impl ParApplyLazy for LazyFrame {
    fn par_apply(self) -> LazyApply {
        LazyApply {
            frame: self,
            settings: Settings::new(),
            numbered: None,
            row_wise: false,
            state: NoState,
        }
    }

    fn par_apply_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
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

mod sealed {
    pub trait Sealed {}

    impl Sealed for polars::prelude::LazyFrame {}
}

/// A call on a `LazyFrame` in the making: options, then one of the verbs [`rows`](LazyApply::rows),
/// [`chunks`](LazyApply::chunks), [`batches`](LazyApply::batches) and [`row_batches`](LazyApply::row_batches). Made by
/// [`ParApplyLazy::par_apply`].
///
/// With a [`state`](LazyApply::state), only the last two are there.
#[must_use = "a builder does nothing before one of its verbs"]
#[derive(Clone)]
pub struct LazyApply<S = NoState> {
    frame: LazyFrame,
    settings: Settings,
    numbered: Option<bool>,
    row_wise: bool,
    state: S,
}

impl<S> std::fmt::Debug for LazyApply<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazyApply")
            .field("settings", &self.settings)
            .field("numbered", &self.numbered)
            .field("row_wise", &self.row_wise)
            .finish_non_exhaustive()
    }
}

impl<S> LazyApply<S> {
    settings!();

    fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The columns that the closure takes, in the order of its arguments. Of the scan's columns, Polars then reads these and
    /// those that the rest of the query uses. Chunks and batches have these columns only.
    pub fn select<I, N>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = N>,
        N: Into<PlSmallStr>,
    {
        self.settings.options.select = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The names of the columns that [`rows`](LazyApply::rows) and [`row_batches`](LazyApply::row_batches) add or replace.
    pub fn names<I, N>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = N>,
        N: Into<PlSmallStr>,
    {
        self.settings.options.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The frame, with the columns that are asked for alone.
    fn selected(&mut self) -> LazyFrame {
        let frame = self.frame.clone();
        match self.settings.options.select.take() {
            Some(names) => frame.select(names.into_iter().map(col).collect::<Vec<Expr>>()),
            None => frame,
        }
    }
}

impl LazyApply {
    /// Whether [`rows`](LazyApply::rows) numbers the frame's rows, so that errors and [`failures`](LazyApply::failures) name
    /// the row of the whole frame: the one that the call is made on, from 0. By default it does where the closure returns a
    /// `Result`, where failures are collected, and with [`Nulls::Error`].
    ///
    /// Numbers are counted before any filter that comes after the call, also where Polars moves it to the scan. Without
    /// numbers, an error names the row in its batch and says so.
    pub fn numbered(mut self, numbered: bool) -> Self {
        self.numbered = Some(numbered);
        self
    }

    /// The closure of [`chunks`](LazyApply::chunks) makes of each row what it would make of it alone: it may be called for any
    /// cut of the frame, on several workers, and its results be put one below the other. So the streaming engine need not
    /// wait for the whole frame. A closure that sorts, counts or looks at neighbours is not of this kind.
    pub fn row_wise(mut self) -> Self {
        self.row_wise = true;
        self
    }

    /// A state for the closure of [`batches`](LazyApply::batches) or [`row_batches`](LazyApply::row_batches), which takes it as
    /// its first argument `&mut S`: one state for the whole stream, whose batches (and rows) are then done in order, one
    /// after the other, on the thread that asks for them. For what depends on the rows before: a running total, a session
    /// number, the last price seen.
    ///
    /// `init` returns the state, or a `Result` of it; it is called once, at the first batch, and the state is dropped at the
    /// end of the stream.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["gain" => (0..250_000).map(|n| n % 3).collect::<Vec<i64>>()]?.lazy();
    /// let batches = lf
    ///     .par_apply()
    ///     .state(|| 0)
    ///     .names(["total"])
    ///     .row_batches(|total: &mut i64, gain: i64| {
    ///         *total += gain;
    ///         *total
    ///     });
    /// let mut last = 0;
    /// for batch in batches {
    ///     last = batch?.column("total")?.i64()?.last().unwrap();
    /// }
    /// assert_eq!(last, 249_999);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn state<I, O>(self, init: I) -> LazyApply<State<I, NoFinish>>
    where
        I: Fn() -> O + Send + Sync + 'static,
    {
        LazyApply {
            frame: self.frame,
            settings: self.settings,
            numbered: self.numbered,
            row_wise: self.row_wise,
            state: State {
                init,
                finish: NoFinish,
            },
        }
    }

    /// Adds the closure's results to the frame's columns; see [`ParApplyLazy::par_apply_rows`].
    ///
    /// # Errors
    /// Those of [`RowsExpr::apply`](crate::RowsExpr::apply), when the query is planned and when it runs; of the row,
    /// [`numbered`](LazyApply::numbered) says how it is named.
    pub fn rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let LazyApply {
            mut frame,
            mut settings,
            numbered,
            ..
        } = self;
        let numbered = numbered.unwrap_or(
            <F::Out as IntoRow>::FALLIBLE
                || settings.failures.is_some()
                || settings.options.nulls == Nulls::Error,
        );
        let select = settings.options.select.take().or_else(|| {
            let names = F::NAMES?.iter().map(|name| PlSmallStr::from_static(name));
            Some(names.collect())
        });
        let names = settings.options.names.clone();
        let names = names.unwrap_or_else(|| F::Out::names().numbered("column"));

        let mut call = rows(Vec::<Expr>::new());
        call.settings = settings;
        let mut temporary = Vec::new();
        if numbered {
            frame = frame.with_row_index(NUMBERS, None);
            call.row_numbers = Some(col(NUMBERS));
            temporary.push(NUMBERS);
        }
        match select {
            Some(names) => call.arguments = names.into_iter().map(col).collect(),
            None => {
                let columns = all() - by_name(temporary.clone(), false, false);
                call.arguments = vec![as_struct(vec![columns.as_expr()])];
                call.whole = true;
            }
        }
        let results = call.apply(f);
        frame = if <F::Out as IntoRow>::Output::IS_FRAME {
            temporary.push(RESULTS);
            let field = |name: &PlSmallStr| {
                let field = col(RESULTS).struct_().field_by_name(name);
                field.alias(name.clone())
            };
            frame
                .with_columns([results.alias(RESULTS)])
                .with_columns(names.iter().map(field).collect::<Vec<Expr>>())
        } else {
            frame.with_columns([results])
        };
        match temporary.is_empty() {
            true => frame,
            false => frame.drop(by_name(temporary, true, false)),
        }
    }

    /// Replaces the frame by what the closure makes of it; see [`ParApplyLazy::par_apply_chunks`].
    ///
    /// Without [`row_wise`](LazyApply::row_wise), the closure is called once with the whole frame, which the streaming engine
    /// therefore gathers in memory. With it, it is called for each batch in the streaming engine, and in memory for
    /// a part for each worker; a frame of no rows is then none.
    ///
    /// Neither projections nor filters are moved past it: of the scan, the columns that [`select`](LazyApply::select) names
    /// are read, or all.
    ///
    /// # Errors
    /// When the query runs: the closure's error or panic, as a `ComputeError`; a result whose columns' names or dtypes are not
    /// those of the schema.
    pub fn chunks<M, S, F>(mut self, schema: S, f: F) -> LazyFrame
    where
        S: OutputSchema,
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        let frame = self.selected();
        chunks::map(frame, self.settings, self.row_wise, schema, f)
    }

    /// Runs the query in the streaming engine, and gives what the closure makes of each batch as an iterator.
    ///
    /// The closure is called on several workers at once, and the results come in the order of the query's rows, unless they
    /// are wanted [unordered](Batches::unordered). A [`Chunk`](crate::Chunk) argument knows its place: its index among all
    /// batches, and the row that it begins with in the whole stream. What the closure may return, [`IntoBatch`] says. A query that gives no rows is one batch of no rows, from
    /// which a sink learns the columns.
    ///
    /// # Errors
    /// See [`Batches`].
    pub fn batches<M, F>(mut self, f: F) -> Batches<<F::Out as IntoBatch>::Item>
    where
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoBatch,
    {
        let frame = self.selected();
        Batches::of_chunks(frame, self.settings, f)
    }

    /// Runs the query in the streaming engine, and gives its batches as an iterator, each with the closure's results added to
    /// its columns: [`rows`](LazyApply::rows) for sinks that Polars does not have.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["text" => ["1", "2", "x"]]?.lazy();
    /// let mut batches = lf.par_apply().row_batches(|text: &str| text.parse::<i32>());
    /// let error = batches.next().unwrap().unwrap_err();
    /// assert_eq!(error.row(), Some(2)); // of the whole stream
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Batches`]. The checks of a call over a frame are made before the query begins.
    pub fn row_batches<M, F>(self, f: F) -> Batches<DataFrame>
    where
        F: RowFn<M, NoContext> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        Batches::of_rows(self.frame, self.settings, f)
    }
}

impl<I> LazyApply<State<I, NoFinish>> {
    /// As [`batches`](LazyApply::batches), with the state: the closure takes `&mut S` first, and is called for one batch after
    /// the other, in order, on the thread that asks for the next.
    ///
    /// # Errors
    /// See [`Batches`]; and of the kind [`State`](crate::ErrorKind::State), if the state cannot be made.
    pub fn batches<S, O, M, F>(mut self, f: F) -> Batches<<F::Out as IntoBatch>::Item>
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: ChunkFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoBatch,
    {
        let frame = self.selected();
        Batches::of_chunks_in_order(frame, self.settings, self.state.init, f)
    }

    /// As [`row_batches`](LazyApply::row_batches), with the state: the closure takes `&mut S` first, and is called for one row
    /// after the other, in order, on the thread that asks for the next batch.
    ///
    /// # Errors
    /// See [`Batches`]; and of the kind [`State`](crate::ErrorKind::State), if the state cannot be made.
    pub fn row_batches<S, O, M, F>(self, f: F) -> Batches<DataFrame>
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        Batches::of_rows_in_order(self.frame, self.settings, self.state.init, f)
    }
}
