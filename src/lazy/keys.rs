//! `groups`, `transform` and `windows` on a `LazyFrame`: the verbs that look at several rows at once.

use polars::prelude::{LazyFrame, PlSmallStr};

use super::apply::LazyApply;
use super::lends::Lends;
use super::spans::{ResultType, add, needed, replace};
use crate::context::{Context, IntoState, NoContext, NoFinish, State, WithState};
use crate::function::{GroupFn, WindowFn};
use crate::options::{NullKeys, Options};
use crate::read::Given;
use crate::verbs::{self, Kind};
use crate::windows::Window;
use crate::write::{IntoGroups, IntoRow, IntoTransform, OneColumn, Sinks};

impl<S> LazyApply<S> {
    /// Sets the keys: columns whose values say which rows belong to one group, as in [`Apply::by`](crate::Apply::by).
    ///
    /// [`groups`](LazyApply::groups) and [`transform`](LazyApply::transform) need keys. With keys, [`windows`](LazyApply::windows)
    /// stays within the groups. The other verbs refuse them.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["carrier" => ["UA", "AA", "UA"], "month" => [1, 1, 1], "delay" => [3.0, 5.0, 4.0]]?.lazy();
    /// let mean = lf
    ///     .par_apply()
    ///     .by(["carrier", "month"])
    ///     .names(["mean"])
    ///     .groups(|delay: Values<'_, f64>| (!delay.is_empty()).then(|| delay.iter().sum::<f64>() / delay.len() as f64));
    /// assert_eq!(mean.collect()?, df!["carrier" => ["UA", "AA"], "month" => [1, 1], "mean" => [3.5, 5.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn by<I, N>(mut self, keys: I) -> Self
    where
        I: IntoIterator<Item = N>,
        N: Into<PlSmallStr>,
    {
        self.settings().options.call.by = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves the keys out of the output of [`groups`](LazyApply::groups).
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let lf = df!["k" => ["a", "b", "a"], "x" => [1i64, 2, 3]]?.lazy();
    /// let sums = lf.par_apply().by(["k"]).without_keys().groups(|x: Values<'_, i64>| x.iter().sum::<i64>());
    /// assert_eq!(sums.collect()?, df!["par_apply" => [4i64, 2]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn without_keys(mut self) -> Self {
        self.settings().options.call.without_keys = Some(true);
        self
    }

    /// Sets what becomes of rows with a null in a key; by default they form groups like others.
    ///
    /// See [`NullKeys`].
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let lf = df!["k" => [Some("a"), None, Some("a")], "x" => [1i64, 2, 3]]?.lazy();
    /// let known = lf.par_apply().by(["k"]).null_keys(NullKeys::Drop);
    /// let sums = known.groups(|x: Values<'_, i64>| x.iter().sum::<i64>());
    /// assert_eq!(sums.collect()?, df!["k" => ["a"], "par_apply" => [4i64]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn null_keys(mut self, null_keys: NullKeys) -> Self {
        self.settings().options.call.null_keys = Some(null_keys);
        self
    }
}

impl LazyApply {
    /// Replaces the frame by a row for each group of rows that have the same [keys](LazyApply::by), as
    /// [`Apply::groups`](crate::Apply::groups) does.
    ///
    /// A row has the keys, and then what the closure makes of the group. The groups stand in the order of their first rows.
    ///
    /// The closure takes the same arguments as that of [`Apply::groups`](crate::Apply::groups). It returns what a closure of
    /// [`rows`](LazyApply::rows) does: a cell, a tuple, an array or a derived struct, or a `Result` of one. Their types determine
    /// the output's schema, which is known when the query is planned; `AnyValue` needs [`returns`](LazyApply::returns). A result
    /// without a schema before the closure is called is refused: a `Series` when the query is planned, and a `DataFrame` or
    /// `Column` when the program is compiled.
    ///
    /// ```compile_fail,E0277
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["k" => ["a", "b"], "x" => [1, 2]].unwrap().lazy();
    /// let first = lf.par_apply().by(["k"]).groups(|group: DataFrame| group.head(Some(1)));
    /// ```
    ///
    /// # In the query
    /// The closure is given the groups of the whole frame, so both engines gather the frame in memory first: the call does not
    /// stream. From a scan, only the keys and the columns that [`select`](LazyApply::select) or a derived struct names are read. For
    /// a closure that takes only keys, only the keys are read; otherwise all columns. No filter, `head` or `slice` that comes after
    /// the call is moved before it, since the groups would have other rows. The part of the query before the call is optimised as
    /// usual.
    ///
    /// Rows are numbered in the whole frame, from 0. With [`OnError::Null`](crate::OnError), the results of a group that fails are
    /// null, and with [`OnError::Skip`](crate::OnError) the group has no row. [`failures`](LazyApply::failures) has the columns
    /// that [`Apply::groups`](crate::Apply::groups) has: `group`, `row` (the first row's number), the keys, and `rows`.
    /// [`progress`](LazyApply::progress) counts rows.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df![
    ///     "shop" => ["north", "south", "north", "south"],
    ///     "price" => [2.0, 3.0, 4.0, 5.0],
    ///     "count" => [1.0, 1.0, 3.0, 1.0],
    /// ]?
    /// .lazy();
    /// let mut weighted = lf.par_apply().by(["shop"]).names(["price"]).groups(
    ///     |price: Values<'_, f64>, count: Values<'_, f64>| {
    ///         let total: f64 = price.iter().zip(count.iter()).map(|(price, count)| price * count).sum();
    ///         total / count.iter().sum::<f64>()
    ///     },
    /// );
    /// assert_eq!(weighted.collect_schema()?.get("price"), Some(&DataType::Float64));
    /// let dear = weighted.filter(col("price").gt(lit(3.5))).collect()?;
    /// assert_eq!(dear, df!["shop" => ["south"], "price" => [4.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the query is planned: those that [`Apply::groups`](crate::Apply::groups) finds before it calls the closure. When it runs, as
    /// a `ComputeError`: the error or panic of the closure in the lowest failing group, with its keys and the number of its first
    /// row; a value that its Rust type cannot hold, with its row.
    pub fn groups<M, F>(self, f: F) -> LazyFrame
    where
        F: GroupFn<M> + Send + 'static,
        F::Out: IntoGroups + IntoRow,
    {
        self.of_groups::<M, NoContext, F>(f)
    }

    /// Calls the closure for each group of rows that have the same [keys](LazyApply::by), and adds a result for each row to the
    /// frame's columns.
    ///
    /// It replaces columns of the same names. It does what [`Apply::transform`](crate::Apply::transform) does.
    ///
    /// The closure takes the same arguments as that of `groups`. It returns a `Vec` with a result for each row that it is given, or
    /// [`Each(value)`](crate::Each) with one result for all of them. A result is one of the types that a closure of
    /// [`rows`](LazyApply::rows) returns, and gives the same columns. A `Column` or `Series`, which has no dtype before the closure
    /// is called, is refused when the query is planned.
    ///
    /// Keys are needed, since a query has no parts for which the closure could be called. To call a closure for each batch,
    /// whatever its rows, use [`.row_wise().chunks(schema, f)`](LazyApply::chunks).
    ///
    /// # In the query
    /// The closure is given the groups of the whole frame, so both engines gather the columns first: the call does not stream. From a
    /// scan, Polars reads the columns that the call takes, as for [`groups`](LazyApply::groups), and those that the rest of the
    /// query uses. No filter, `head` or `slice` that comes after the call is moved before it. A call whose results are not used is
    /// not made.
    ///
    /// With [`OnError::Null`](crate::OnError), the results of a group that fails are null; with [`OnError::Skip`](crate::OnError),
    /// its rows are dropped from the frame.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["k" => ["a", "b", "a"], "x" => [1.0, 5.0, 3.0], "y" => [7, 8, 9]]?.lazy();
    /// let centred = lf.par_apply().by(["k"]).select(["x"]).names(["x"]).transform(|x: Values<'_, f64>| {
    ///     let mean = x.iter().sum::<f64>() / x.len() as f64;
    ///     x.iter().map(|x| x - mean).collect::<Vec<f64>>()
    /// });
    /// assert_eq!(centred.collect()?, df!["k" => ["a", "b", "a"], "x" => [-1.0, 0.0, 1.0], "y" => [7, 8, 9]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`groups`](LazyApply::groups), and a result that does not have one value for each row.
    pub fn transform<M, F>(self, f: F) -> LazyFrame
    where
        F: GroupFn<M> + Send + 'static,
        F::Out: IntoTransform<Output: OneColumn>,
    {
        self.of_transform::<M, NoContext, F>(f)
    }

    /// Calls the closure for the [window](Window) around each row, and adds a result for each row to the frame's columns.
    ///
    /// It replaces columns of the same names. It does what [`Apply::windows`](crate::Apply::windows) does. With
    /// [keys](LazyApply::by), a window has only rows of its own group.
    ///
    /// The result columns are those of [`rows`](LazyApply::rows). The rows have the order in which the query gives them. If the
    /// window goes over a column, sort the frame by it before.
    ///
    /// # In the query
    /// As with [`transform`](LazyApply::transform), the call does not stream, and nothing that comes after it is moved before it.
    /// From a scan, Polars reads the keys, the column that the window goes over, the closure's columns, and those that the rest of
    /// the query uses.
    ///
    /// With [`OnError::Null`](crate::OnError), the results of a row that fails are null; with [`OnError::Skip`](crate::OnError),
    /// the row is dropped from the frame. It still is in the windows of other rows.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["id" => ["a", "b", "a", "a"], "t" => [5, 1, 0, 1], "x" => [8.0, 2.0, 1.0, 4.0]]?.lazy();
    /// let sums = lf
    ///     .sort(["t"], SortMultipleOptions::default().with_maintain_order(true))
    ///     .par_apply()
    ///     .by(["id"])
    ///     .names(["sum"])
    ///     .windows(Window::over("t", 2), |x: Values<'_, f64>| x.iter().sum::<f64>());
    /// let out = sums.select([col("t"), col("sum")]).collect()?;
    /// assert_eq!(out, df!["t" => [0, 1, 1, 5], "sum" => [1.0, 2.0, 5.0, 8.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the query is planned: settings of the window that contradict each other or do not suit its column, and the errors that
    /// [`rows`](LazyApply::rows) finds then. When it runs, as a `ComputeError`: before the closure is called, a null in the
    /// window's column, or a value smaller than the one before it (in its group), with the row; the error or panic of the closure
    /// in the lowest failing row.
    pub fn windows<M, F>(self, window: Window, f: F) -> LazyFrame
    where
        F: WindowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        self.of_windows::<M, NoContext, F>(window, f)
    }
}

impl<I> LazyApply<State<I, NoFinish>> {
    /// Calls the closure as [`groups`](LazyApply::groups) does, with the state as its first argument, `&mut S`.
    ///
    /// There is a state for each worker. In a run of the query it is made when it is needed, and dropped after the call.
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn groups<S, O, M, F>(self, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: GroupFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoGroups + IntoRow,
    {
        self.of_groups::<M, WithState<S>, F>(f)
    }

    /// Calls the closure as [`transform`](LazyApply::transform) does, with the state as its first argument, `&mut S`.
    ///
    /// There is a state for each worker.
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn transform<S, O, M, F>(self, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: GroupFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoTransform<Output: OneColumn>,
    {
        self.of_transform::<M, WithState<S>, F>(f)
    }

    /// Calls the closure as [`windows`](LazyApply::windows) does, with the state as its first argument, `&mut S`.
    ///
    /// There is a state for each worker.
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn windows<S, O, M, F>(self, window: Window, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: WindowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRow,
    {
        self.of_windows::<M, WithState<S>, F>(window, f)
    }
}

impl<L> LazyApply<L> {
    pub(crate) fn of_groups<M, C, F>(self, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        F: GroupFn<M, C> + Send + 'static,
        F::Out: IntoGroups + IntoRow,
    {
        let (frame, settings, state) = self.into_parts();
        let columns = needed::<F::Arguments>(&settings.options.call, None, Kind::Groups);
        let results = ResultType {
            names: <F::Out as IntoRow>::names().numbered("column"),
            is_fixed: <<F::Out as IntoRow>::Sink as Sinks>::FIXED,
            // For groups, a series counts as a whole column, and is stacked.
            is_whole: <F::Out as IntoRow>::WHOLE,
        };
        let verb = move |given: Given<'_>, options: &Options<'_>, kept: &L::Kept| {
            verbs::groups::<M, C, _, F>(given, options, state.lead(kept), &f)
        };
        replace(frame, settings, columns, results, verb)
    }

    fn of_transform<M, C, F>(self, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        F: GroupFn<M, C> + Send + 'static,
        F::Out: IntoTransform<Output: OneColumn>,
    {
        let (frame, settings, state) = self.into_parts();
        let columns = needed::<F::Arguments>(&settings.options.call, None, Kind::Transform);
        let results = ResultType {
            names: <TransformRow<F::Out> as IntoRow>::names().numbered("column"),
            is_fixed: <<TransformRow<F::Out> as IntoRow>::Sink as Sinks>::FIXED,
            is_whole: <F::Out as IntoTransform>::IS_COLUMN,
        };
        let verb = move |given: Given<'_>, options: &Options<'_>, kept: &L::Kept| {
            verbs::transform::<M, C, _, F>(given, options, state.lead(kept), &f)
        };
        add(frame, settings, Kind::Transform, columns, results, verb)
    }

    fn of_windows<M, C, F>(self, window: Window, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        F: WindowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
    {
        let (frame, settings, state) = self.into_parts();
        let order = window.order_column();
        let columns = needed::<F::Arguments>(&settings.options.call, order, Kind::Windows);
        let results = ResultType {
            names: <F::Out as IntoRow>::names().numbered("column"),
            is_fixed: <<F::Out as IntoRow>::Sink as Sinks>::FIXED,
            is_whole: false,
        };
        let verb = move |given: Given<'_>, options: &Options<'_>, kept: &L::Kept| {
            verbs::windows::<M, C, _, F>(given, options, state.lead(kept), &window, &f)
        };
        add(frame, settings, Kind::Windows, columns, results, verb)
    }
}

type TransformRow<T> = <T as IntoTransform>::Row;
