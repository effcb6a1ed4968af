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
    /// The keys: columns whose values say which rows belong together, as those of [`Apply::by`](crate::Apply::by).
    /// [`groups`](LazyApply::groups) and [`transform`](LazyApply::transform) need them; [`windows`](LazyApply::windows) stays within
    /// the groups where they are given. The other verbs refuse them.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["carrier" => ["UA", "AA", "UA"], "month" => [1, 1, 1], "delay" => [3.0, 5.0, 4.0]]?.lazy();
    /// let mean = lf
    ///     .par_apply()
    ///     .by(["carrier", "month"])
    ///     .names(["mean"])
    ///     .groups(|delay: Values<'_, f64>| delay.iter().sum::<f64>() / delay.len() as f64);
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

    /// What becomes of rows with a null in a key: by default they are groups like others, see [`NullKeys`].
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
    /// Replaces the frame by a row for each group of rows that have the same [keys](LazyApply::by): the keys, and then what the
    /// closure makes of the group, as [`Apply::groups`](crate::Apply::groups). The groups stand in the order of their first rows.
    ///
    /// The closure takes what that of [`Apply::groups`](crate::Apply::groups) takes. It returns what a closure of
    /// [`rows`](LazyApply::rows) does: a cell, a tuple, an array or a derived struct, or a `Result` of one. Their types are the output's
    /// schema, which is known when the query is planned; `AnyValue` needs [`returns`](LazyApply::returns). What has no schema
    /// before the closure is called is refused: a `Series` when the query is planned, and a `DataFrame` or `Column` when the
    /// program is compiled.
    ///
    /// ```compile_fail,E0277
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["k" => ["a", "b"], "x" => [1, 2]].unwrap().lazy();
    /// let first = lf.par_apply().by(["k"]).groups(|group: DataFrame| group.head(Some(1)));
    /// ```
    ///
    /// # In the query
    /// The closure is given the groups of the whole frame, so both engines gather the frame in memory first: this does not
    /// stream. Of a scan, only the keys and the columns that [`select`](LazyApply::select) or a derived struct names are read; of a closure
    /// that takes nothing but keys, only the keys; otherwise all. No filter, `head` or `slice` that comes after the call is moved
    /// before it, since the groups would have other rows. What comes before the call is optimised as usual.
    ///
    /// Rows are numbered in the whole frame, from 0. With [`OnError::Null`](crate::OnError) the results of a group that fails
    /// are null, and with [`OnError::Skip`](crate::OnError) it has no row. [`failures`](LazyApply::failures) has the columns that
    /// [`Apply::groups`](crate::Apply::groups) has: `group`, `row` (the first one's number), the keys, and `rows`.
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

    /// Adds a result for each row to the frame's columns, or replaces those of the same names: the closure is called for each
    /// group of rows that have the same [keys](LazyApply::by), as that of [`Apply::transform`](crate::Apply::transform).
    ///
    /// The closure takes what that of `groups` takes. It returns a `Vec` with a result for each row that it is given, or
    /// [`Each(value)`](crate::Each) with one for all of them; a result is what a closure of [`rows`](LazyApply::rows) returns, and
    /// so are the columns. A `Column` or `Series`, which has no dtype before the closure is called, is refused when the query is planned.
    ///
    /// Keys are needed: a query has no parts to call the closure for. For each batch, whatever its rows, there is
    /// [`.row_wise().chunks(schema, f)`](LazyApply::chunks).
    ///
    /// # In the query
    /// The closure is given the groups of the whole frame, so both engines gather the columns first: this does not
    /// stream. Of a scan, the columns that the call takes, as [`groups`](LazyApply::groups) does, and those that the rest of the query
    /// uses are read. No filter, `head` or `slice` that comes after the call is moved before it. A call whose results nobody uses is
    /// not made.
    ///
    /// With [`OnError::Null`](crate::OnError) the results of a group that fails are null; with
    /// [`OnError::Skip`](crate::OnError) its rows are dropped from the frame.
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
    /// As [`groups`](LazyApply::groups); and a result that has not one value for each row.
    pub fn transform<M, F>(self, f: F) -> LazyFrame
    where
        F: GroupFn<M> + Send + 'static,
        F::Out: IntoTransform<Output: OneColumn>,
    {
        self.of_transform::<M, NoContext, F>(f)
    }

    /// Adds a result for each row to the frame's columns, or replaces those of the same names: the closure is called for the
    /// [window](Window) around each row, as that of [`Apply::windows`](crate::Apply::windows). With [keys](LazyApply::by), a window has
    /// rows of its own group only.
    ///
    /// The columns are those of [`rows`](LazyApply::rows). The rows stand in the order that the query gives them: sort them before, if
    /// the window goes over a column.
    ///
    /// # In the query
    /// As of [`transform`](LazyApply::transform): it does not stream, and nothing that comes after it is moved before it. Of a
    /// scan, the keys, the column that the window goes over, the closure's columns, and those that the rest of the query uses
    /// are read.
    ///
    /// With [`OnError::Null`](crate::OnError) the results of a row that fails are null; with
    /// [`OnError::Skip`](crate::OnError) it is dropped from the frame. It is in the windows of other rows all the same.
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
    /// When the query is planned: what of the window does not go together or does not suit its column, and those that
    /// [`rows`](LazyApply::rows) finds then. When it runs, as a `ComputeError`: a null in the window's column, or a value smaller than the
    /// one before it (in its group), with the row, before the closure is called; the error or panic of the closure in the lowest failing row.
    pub fn windows<M, F>(self, window: Window, f: F) -> LazyFrame
    where
        F: WindowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        self.of_windows::<M, NoContext, F>(window, f)
    }
}

impl<I> LazyApply<State<I, NoFinish>> {
    /// As [`groups`](LazyApply::groups), with the state: the closure takes `&mut S` first. There is a state for each worker, which
    /// is made in a run of the query when it is needed, and dropped after the call.
    ///
    /// # Errors
    /// Those of the call without a state; and, when it runs, that a state cannot be made.
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

    /// As [`transform`](LazyApply::transform), with the state: the closure takes `&mut S` first. There is a state for each worker.
    ///
    /// # Errors
    /// Those of the call without a state; and, when it runs, that a state cannot be made.
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

    /// As [`windows`](LazyApply::windows), with the state: the closure takes `&mut S` first. There is a state for each worker.
    ///
    /// # Errors
    /// Those of the call without a state; and, when it runs, that a state cannot be made.
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
            // Of groups, a series is stacked.
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
