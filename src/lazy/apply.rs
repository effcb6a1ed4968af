//! The builder of a call on a `LazyFrame`.

use polars::prelude::{
    DataFrame, DataType, DslPlan, Expr, LazyFrame, PlSmallStr, PlanCallback, SchemaRef, all,
    by_name,
};

use super::batches::Batches;
use super::beside::{AddedColumns, beside};
use super::chunks;
use super::expr::{RowsExpr, rows};
use super::failures::Failures;
use super::flat_map::flat_map;
use super::item::IntoBatch;
use super::lends::Lends;
use super::query_rows::output_name;
use super::settings::{Settings, settings};
use super::unused_name::unused_name;
use crate::cancel::CancelToken;
use crate::context::{
    Context, Finish, Hook, IntoState, NoContext, NoFinish, NoState, State, WithState,
};
use crate::error::Error;
use crate::function::{ChunkFn, RowFn};
use crate::options::{Casts, Nulls, OnError};
use crate::progress::Progress;
use crate::read::Cells;
use crate::write::{IntoRow, IntoRows, IntoStack, OneColumn, OutputSchema};

/// A builder for one call on a `LazyFrame`: set options, then call one verb.
///
/// The verbs are [`rows`](LazyApply::rows), [`filter_rows`](LazyApply::filter_rows), [`flat_map_rows`](LazyApply::flat_map_rows),
/// [`groups`](LazyApply::groups), [`transform`](LazyApply::transform), [`windows`](LazyApply::windows),
/// [`chunks`](LazyApply::chunks), [`batches`](LazyApply::batches) and [`row_batches`](LazyApply::row_batches), and
/// [`call`](LazyApply::call) for a function that has a name. [`par_apply`](crate::ParApplyLazy::par_apply) makes the builder.
///
/// With a [`state`](LazyApply::state), a verb's closure takes the state first. With a [`finish`](LazyApply::finish) too, only
/// `batches` and `row_batches` can be called, since the calls on a frame have no end at which the hook could run.
#[must_use = "a builder does nothing before one of its verbs"]
#[derive(Clone)]
pub struct LazyApply<S = NoState> {
    frame: LazyFrame,
    settings: Settings,
    state: S,
}

impl<S> std::fmt::Debug for LazyApply<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazyApply")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<S> LazyApply<S> {
    settings!();

    pub(super) fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Selects the columns that the closure takes, in the order of its arguments.
    ///
    /// From a scan, Polars then reads these columns and those that the rest of the query uses. For
    /// [`row_batches`](LazyApply::row_batches), whose batches have all columns, it reads all of the query's. The chunks and batches
    /// that closures are given have only the selected columns.
    pub fn select<I, N>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = N>,
        N: Into<PlSmallStr>,
    {
        self.settings.options.call.select = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the names of the result columns.
    ///
    /// They are the columns that [`rows`](LazyApply::rows), [`transform`](LazyApply::transform), [`windows`](LazyApply::windows)
    /// and [`row_batches`](LazyApply::row_batches) add or replace, and those that [`flat_map_rows`](LazyApply::flat_map_rows) and
    /// [`groups`](LazyApply::groups) make of the results.
    pub fn names<I, N>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = N>,
        N: Into<PlSmallStr>,
    {
        self.settings.options.call.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Names columns of the frame that stand before the output's columns, for [`flat_map_rows`](LazyApply::flat_map_rows).
    ///
    /// Each output row has the values of its input row, as with [`Apply::keep`](crate::Apply::keep).
    pub fn keep<I, N>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = N>,
        N: Into<PlSmallStr>,
    {
        self.settings.options.call.keep = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a column of this name, before all others, with the number of the input row that each output row comes from, for
    /// [`flat_map_rows`](LazyApply::flat_map_rows).
    ///
    /// Rows are counted over the whole frame that the call is made on. The option is like
    /// [`Apply::source_rows`](crate::Apply::source_rows).
    pub fn source_rows(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.settings.options.call.source_rows = Some(name.into());
        self
    }

    /// Sets whether the frame's rows are numbered, so that errors and [`failures`](LazyApply::failures) name the row of the whole
    /// frame.
    ///
    /// The frame is the one that the call is made on, and its rows are numbered from 0. The option is for
    /// [`rows`](LazyApply::rows), [`filter_rows`](LazyApply::filter_rows) and [`flat_map_rows`](LazyApply::flat_map_rows). By
    /// default they number the rows where the closure takes [`Row`](crate::Row) or returns a `Result`, where failures are
    /// collected, with [`Nulls::Error`], and with [`returns`](LazyApply::returns). (The rows of [`groups`](LazyApply::groups),
    /// [`transform`](LazyApply::transform) and [`windows`](LazyApply::windows), which have the whole frame, are always numbered.)
    /// Without numbers, an error names the row in its batch and says so, and [`Row::index`](crate::Row::index) ends the row with an
    /// error.
    ///
    /// Numbers are counted before any filter that comes after the call. On a scan of files they are the reader's, and such a filter
    /// can still be moved to the scan. Elsewhere (after a join, for example) it is moved before the call, and no further.
    ///
    /// A frame without an order, such as the output of a join that does not keep it, has the order of the current run, and so do
    /// its numbers. Polars' numbers are 32 bits wide, unless it is built with `bigidx`. For a query over more than 4,294,967,295
    /// rows, use `numbered(false)`, or a [stream](LazyApply::row_batches), whose rows are counted with 64 bits.
    ///
    /// In the streaming engine, once a call of this crate has failed in a run of a query, no other call of the run is made, so no
    /// call counts over the missing rows. It is different where an operator of Polars before the call fails in the streaming engine
    /// (a strict cast, for example). The engine may then call the closure for later batches before it ends the query with the
    /// error, and their numbers are counted as if the missing rows did not exist.
    pub fn numbered(mut self, numbered: bool) -> Self {
        self.settings.numbered = Some(numbered);
        self
    }

    /// Declares that the closure of [`chunks`](LazyApply::chunks) treats each row independently, so that any cut of the frame gives
    /// the same result.
    ///
    /// The closure may then be called for parts of the frame, on several workers, and the streaming engine need not wait for the
    /// whole frame. A closure that sorts, counts or looks at neighbouring rows is not of this kind.
    ///
    /// A [`Chunk`](crate::Chunk) argument knows the row of the whole frame at which it begins. Its index, and the part that an
    /// error names, are counted within the engine's batch.
    pub fn row_wise(mut self) -> Self {
        self.settings.row_wise = true;
        self
    }

    /// Returns the frame that the call is made on, its options, and the state for its closure.
    pub(super) fn into_parts(self) -> (LazyFrame, Settings, S) {
        (self.frame, self.settings, self.state)
    }

    /// Returns the frame with the selected columns only.
    fn selected(&mut self) -> LazyFrame {
        let frame = self.frame.clone();
        match self.settings.options.call.select.take() {
            Some(names) => frame.select(names.into_iter().map(Expr::Column).collect::<Vec<Expr>>()),
            None => frame,
        }
    }
}

impl<L> LazyApply<L> {
    /// Makes an expression of a call of a row function on the frame's columns. Returns it with the frame and the names of the
    /// temporary columns: where the rows are numbered, the frame has one more column.
    pub(super) fn of_columns<M, C, F>(self) -> (LazyFrame, RowsExpr<L>, Vec<PlSmallStr>)
    where
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        let LazyApply {
            mut frame,
            mut settings,
            state,
        } = self;
        let select = settings.options.call.select.take().or_else(|| {
            let names = F::NAMES?.iter().map(|name| PlSmallStr::from_static(name));
            Some(names.collect::<Vec<PlSmallStr>>())
        });
        let numbered = settings.numbered.unwrap_or(
            F::Cells::arguments().is_none()
                || settings.options.call.returns.is_some()
                || <F::Out as IntoRow>::FALLIBLE
                || settings.failures.is_some()
                || settings.options.nulls() == Nulls::Error,
        );
        // Without other columns, the numbers say how many rows there are.
        let numbered = numbered || select.as_ref().is_some_and(Vec::is_empty);
        let mut call = rows(Vec::<Expr>::new()).with_state(state);
        call.settings = settings;
        call.of_frame = true;
        let mut temporary = Vec::new();
        if numbered {
            // The rows' numbers, which are kept as long as errors may need them.
            let numbers = unused_name("row");
            frame = frame.with_row_index(numbers.clone(), None);
            call.row_numbers = Some(Expr::Column(numbers.clone()));
            temporary.push(numbers);
        }
        call.arguments = match select {
            Some(names) => names.into_iter().map(Expr::Column).collect(),
            None => vec![(all() - by_name(temporary.clone(), false, false)).as_expr()],
        };
        (frame, call, temporary)
    }

    /// Returns the same call with a closure that takes leading arguments from `state`.
    pub(crate) fn with_state<T>(self, state: T) -> LazyApply<T> {
        LazyApply {
            frame: self.frame,
            settings: self.settings,
            state,
        }
    }

    /// Returns a frame whose plan fails with this error.
    pub(crate) fn refused<E>(self, error: E) -> LazyFrame
    where
        E: Fn() -> Error + Send + Sync + 'static,
    {
        self.frame.pipe_with_schema(PlanCallback::new(
            move |_: (Vec<DslPlan>, Vec<SchemaRef>)| Err::<DslPlan, _>(error().into()),
        ))
    }

    pub(crate) fn many_rows<M, C, F>(self, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRows,
    {
        flat_map::<M, C, _, F>(self.frame, self.settings, self.state, f)
    }

    pub(crate) fn map_chunks<M, C, S, F>(mut self, schema: S, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        S: OutputSchema,
        F: ChunkFn<M, C> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        let frame = self.selected();
        chunks::map::<M, C, _, _, F>(frame, self.settings, self.state, schema, f)
    }

    pub(crate) fn add_rows<M, C, F>(self, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
    {
        let settings = &self.settings;
        let names = settings.options.call.names.clone();
        let names = names.unwrap_or_else(|| <F::Out as IntoRow>::names().numbered("column"));
        let name = output_name(settings);
        let skips = settings.options.on_error() == OnError::Skip;
        let (frame, mut call, temporary) = self.of_columns::<M, C, F>();
        call.kept = skips.then(|| unused_name("kept"));
        let kept = call.kept.clone();
        let results = call.expression::<M, C, F>(f);
        let is_frame = <F::Out as IntoRow>::Output::IS_FRAME;
        let names = match is_frame {
            true => names,
            false => vec![name],
        };
        let columns = AddedColumns {
            names,
            is_frame,
            kept,
            temporary,
        };
        beside(frame, results, columns)
    }
}

impl LazyApply {
    pub(super) fn new(frame: LazyFrame) -> Self {
        LazyApply {
            frame,
            settings: Settings::new(),
            state: NoState,
        }
    }

    /// Gives the closure a state, which it takes as its first argument `&mut S`.
    ///
    /// For [`batches`](LazyApply::batches) and [`row_batches`](LazyApply::row_batches), it is one state for the whole stream, whose
    /// batches (and rows) are then done in order, one after the other, on the thread that asks for them. Use it for results that
    /// depend on earlier rows: a running total, a session number, the last price seen. `init` is called once, at the first batch,
    /// and the state is dropped at the end of the stream.
    ///
    /// For the other verbs there is a state for each worker, as with [`RowsExpr::state`](crate::RowsExpr::state): a buffer, a
    /// connection. The order in which it sees rows (or groups) is not defined.
    ///
    /// `init` returns the state, or a `Result` of it.
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
            state: State {
                init,
                finish: NoFinish,
            },
        }
    }

    /// Adds the closure's results to the frame's columns; see [`par_apply_rows`](crate::ParApplyLazy::par_apply_rows).
    ///
    /// # Errors
    /// Those of [`RowsExpr::apply`](crate::RowsExpr::apply), when the query is planned and when it runs;
    /// [`numbered`](LazyApply::numbered) says how the row is named.
    pub fn rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        self.add_rows::<M, NoContext, F>(f)
    }

    /// Replaces the frame by the rows that the closure gives, any number of them for each of the frame's rows.
    ///
    /// It does what [`Apply::flat_map_rows`](crate::Apply::flat_map_rows) does. The columns are the closure's own;
    /// [`keep`](LazyApply::keep) and [`source_rows`](LazyApply::source_rows) put others before them. The output's schema follows
    /// from the closure's type when the query is planned; a closure that returns `AnyValue` or `Series` needs
    /// [`returns`](LazyApply::returns).
    ///
    /// In the streaming engine, the closure is called for batches, and the engine need not wait for the whole frame. From a scan,
    /// only the columns that [`select`](LazyApply::select) and `keep` name are read; without `select`, all. No filter that comes
    /// after the call is moved before it.
    ///
    /// With [`OnError::Skip`], which [`failures`](LazyApply::failures) implies, a row that fails gives no rows. [`OnError::Null`]
    /// is refused.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["id" => [7, 8], "tags" => ["a,b", "c"]]?.lazy();
    /// let tags = lf
    ///     .par_apply()
    ///     .select(["tags"])
    ///     .keep(["id"])
    ///     .names(["tag"])
    ///     .flat_map_rows(|tags: &str| tags.split(',').map(PlSmallStr::from_str).collect::<Vec<_>>())
    ///     .filter(col("tag").neq(lit("b")))
    ///     .collect()?;
    /// assert_eq!(tags, df!["id" => [7, 8], "tag" => ["a", "c"]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the query is planned: those that a call over a frame finds before it calls the closure. When it runs: those of
    /// [`rows`](LazyApply::rows).
    pub fn flat_map_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRows,
    {
        self.many_rows::<M, NoContext, F>(f)
    }

    /// Replaces the frame by what the closure makes of it; see [`par_apply_chunks`](crate::ParApplyLazy::par_apply_chunks).
    ///
    /// Without [`row_wise`](LazyApply::row_wise), the closure is called once with the whole frame, which the streaming engine
    /// therefore gathers in memory. With it, the closure is called for each batch in the streaming engine, and in memory with one
    /// part for each worker. It is not called for a batch without rows.
    ///
    /// Neither projections nor filters are moved before the call. From a scan, only the columns that [`select`](LazyApply::select)
    /// names are read; without it, all.
    ///
    /// # Errors
    /// When the query is planned: an option that only functions of rows have. When it runs, as a `ComputeError`: the closure's
    /// error or panic; a result whose column names, order or dtypes differ from the schema.
    pub fn chunks<M, S, F>(self, schema: S, f: F) -> LazyFrame
    where
        S: OutputSchema,
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        self.map_chunks::<M, NoContext, S, F>(schema, f)
    }

    /// Runs the query in the streaming engine, and returns an iterator over what the closure makes of each batch.
    ///
    /// The closure is called on several workers at once, and the results come in the order of the query's rows, unless they are
    /// requested [unordered](Batches::unordered). A [`Chunk`](crate::Chunk) argument knows its place: its index among all batches,
    /// and the row of the whole stream at which it begins. [`IntoBatch`] lists what the closure may return. A query that gives no
    /// rows is one batch without rows, from which a sink learns the columns.
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

    /// Runs the query in the streaming engine, and returns an iterator over its batches, each with the closure's results added to
    /// its columns.
    ///
    /// It is [`rows`](LazyApply::rows) for sinks that Polars does not have.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["text" => ["1", "2", "x"]]?.lazy();
    /// let mut batches = lf.par_apply().row_batches(|text: &str| text.parse::<i32>());
    /// let error = batches.next().unwrap().unwrap_err();
    /// assert_eq!(error.row(), Some(2)); // counted over the whole stream
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Batches`]. The checks of a call over a frame are made before the query begins.
    pub fn row_batches<M, F>(self, f: F) -> Batches<DataFrame>
    where
        F: RowFn<M, NoContext> + Send + 'static,
        F::Out: IntoRow,
    {
        Batches::of_rows(self.frame, self.settings, f)
    }
}

impl<I> LazyApply<State<I, NoFinish>> {
    /// Calls the closure as [`rows`](LazyApply::rows) does, with the state as its first argument, `&mut S`.
    ///
    /// There is a state for each worker, as with [`RowsExpr::state`](crate::RowsExpr::state).
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn rows<S, O, M, F>(self, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRow,
    {
        self.add_rows::<M, WithState<S>, F>(f)
    }

    /// Calls the closure as [`flat_map_rows`](LazyApply::flat_map_rows) does, with the state as its first argument, `&mut S`.
    ///
    /// There is a state for each worker, as with [`RowsExpr::state`](crate::RowsExpr::state).
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn flat_map_rows<S, O, M, F>(self, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRows,
    {
        self.many_rows::<M, WithState<S>, F>(f)
    }

    /// Calls the closure as [`chunks`](LazyApply::chunks) does, with the state as its first argument, `&mut S`.
    ///
    /// With [`row_wise`](LazyApply::row_wise), there is a state for each worker, as with
    /// [`RowsExpr::state`](crate::RowsExpr::state). Without it, the closure is called once in a run of the query, with a new state.
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn chunks<S, O, M, Sch, F>(self, schema: Sch, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        Sch: OutputSchema,
        F: ChunkFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoStack<Output = DataFrame>,
    {
        self.map_chunks::<M, WithState<S>, Sch, F>(schema, f)
    }

    /// Sets a hook that is called with the [`state`](LazyApply::state) when the stream is over.
    ///
    /// It is called on the thread that asked for the last item, to write what the state still holds, or to keep a total.
    ///
    /// It is called after the last batch; or before an error of the stream's own closure, or the error of a cancellation, is given.
    /// It is not called if the query fails, since the state may then have seen batches [beyond a
    /// gap](Batches#when-the-query-fails). (If the closure fails, or the stream is cancelled, before the query's own failure is
    /// known, the state may have seen such batches too.) It is not called either if the iterator is dropped before the end. It may
    /// return a `Result`. Its error is then the stream's last item, of the kind [`Finish`](crate::ErrorKind::Finish), unless the
    /// stream ended with another error.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// use polars_par_apply::prelude::*;
    ///
    /// let (send, receive) = mpsc::channel();
    /// let lf = df!["gain" => (0..250_000).map(|n| n % 3).collect::<Vec<i64>>()]?.lazy();
    /// let batches = lf
    ///     .par_apply()
    ///     .state(|| 0)
    ///     .finish(move |total: i64| Ok::<(), polars_par_apply::Error>(send.send(total).map_err(anyhow::Error::from)?))
    ///     .row_batches(|total: &mut i64, gain: i64| {
    ///         *total += gain;
    ///         *total
    ///     });
    /// assert_eq!(batches.map(|batch| batch.unwrap().height()).sum::<usize>(), 250_000);
    /// assert_eq!(receive.recv()?, 249_999);
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    pub fn finish<H>(self, hook: H) -> LazyApply<State<I, Hook<H>>>
    where
        H: Send + 'static,
    {
        LazyApply {
            frame: self.frame,
            settings: self.settings,
            state: State {
                init: self.state.init,
                finish: Hook(hook),
            },
        }
    }
}

impl<I, G> LazyApply<State<I, G>> {
    /// Calls the closure as [`batches`](LazyApply::batches) does, with the state as its first argument, `&mut S`.
    ///
    /// It is called for one batch after the other, in order, on the thread that asks for the next.
    ///
    /// # Errors
    /// See [`Batches`]. Also one of the kind [`State`](crate::ErrorKind::State), if the state cannot be made.
    pub fn batches<S, O, M, F>(mut self, f: F) -> Batches<<F::Out as IntoBatch>::Item>
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        G: Finish<S> + Send + 'static,
        S: Send + 'static,
        F: ChunkFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoBatch,
    {
        let frame = self.selected();
        Batches::of_chunks_in_order(frame, self.settings, self.state, f)
    }

    /// Calls the closure as [`row_batches`](LazyApply::row_batches) does, with the state as its first argument, `&mut S`.
    ///
    /// It is called for one row after the other, in order, on the thread that asks for the next batch.
    ///
    /// # Errors
    /// See [`Batches`]. Also one of the kind [`State`](crate::ErrorKind::State), if the state cannot be made.
    pub fn row_batches<S, O, M, F>(self, f: F) -> Batches<DataFrame>
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        G: Finish<S> + Send + 'static,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRow,
    {
        Batches::of_rows_in_order(self.frame, self.settings, self.state, f)
    }
}
