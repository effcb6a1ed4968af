//! The verbs that look at several rows at once: groups, transforms and windows.

use polars::prelude::{DataFrame, PlSmallStr};

use super::{Apply, Gives};
use crate::context::{Context, Lead};
use crate::error::Result;
use crate::function::{GroupFn, WindowFn};
use crate::job::Job;
use crate::options::NullKeys;
use crate::read::Given;
use crate::verbs;
use crate::windows::Window;
use crate::write::{IntoGroups, IntoRow, IntoTransform};

impl<'a, 'p, L, G> Apply<'a, 'p, L, G> {
    /// Sets the keys: columns whose values say which rows belong to one group.
    ///
    /// [`groups`](Apply::groups) needs keys. With keys, [`transform`](Apply::transform) and [`windows`](Apply::windows) stay within
    /// their groups. The other verbs refuse them.
    ///
    /// Rows are in one group where their keys are equal. As in Polars, `-0.0` is equal to `0.0` and NaN to NaN, and a null to a
    /// null unless [`null_keys`](Apply::null_keys) says otherwise. Keys may have any dtype that Polars groups by. A frame that is
    /// sorted by them gives the same result and differs only in speed; the values are compared, and the sorted flag is never used.
    /// By default the closure is given all columns except the keys; [`select`](Apply::select) may name a key too.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["carrier" => ["UA", "AA", "UA"], "month" => [1, 1, 1], "delay" => [3.0, 5.0, 4.0]]?;
    /// let mean = df
    ///     .par_apply()
    ///     .by(["carrier", "month"])
    ///     .names(["mean"])
    ///     .groups(|delay: Values<'_, f64>| (!delay.is_empty()).then(|| delay.iter().sum::<f64>() / delay.len() as f64))?;
    /// assert_eq!(mean, df!["carrier" => ["UA", "AA"], "month" => [1, 1], "mean" => [3.5, 5.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn by<I, S>(mut self, keys: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.options.call = self.options.call.by(keys);
        self
    }

    /// Leaves the keys out of the output of [`groups`](Apply::groups).
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["k" => ["a", "b", "a"], "x" => [1i64, 2, 3]]?;
    /// let sums = df.par_apply().by(["k"]).without_keys().groups(|x: Values<'_, i64>| x.iter().sum::<i64>())?;
    /// assert_eq!(sums, df!["par_apply" => [4i64, 2]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn without_keys(mut self) -> Self {
        self.options.call = self.options.call.without_keys();
        self
    }

    /// Sets what becomes of rows with a null in a key; by default they form groups like others.
    ///
    /// See [`NullKeys`].
    ///
    /// ```
    /// # use polars_par_apply::prelude::*;
    /// let df = df!["k" => [Some("a"), None, Some("a")], "x" => [1i64, 2, 3]]?;
    /// let sum = |x: Values<'_, i64>| x.iter().sum::<i64>();
    /// let all = df.par_apply().by(["k"]).groups(sum)?;
    /// assert_eq!(all, df!["k" => [Some("a"), None], "par_apply" => [4i64, 2]]?);
    /// let known = df.par_apply().by(["k"]).null_keys(NullKeys::Drop).groups(sum)?;
    /// assert_eq!(known, df!["k" => ["a"], "par_apply" => [4i64]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn null_keys(mut self, null_keys: NullKeys) -> Self {
        self.options.call = self.options.call.null_keys(null_keys);
        self
    }
}

impl<L, G: Gives> Apply<'_, '_, L, G> {
    /// Calls the closure for each group of rows that have the same [keys](Apply::by), and gives a `DataFrame` of the keys and the
    /// results.
    ///
    /// The closure takes a whole group, as a `DataFrame`, `&DataFrame` or [`Group`](crate::Group). Or it takes 1 to 12
    /// [arguments](crate::GroupArg): first the keys as cells, all of them or none, and then the selected columns, by position, as
    /// [`Values`](crate::Values) (one column's values) and [`Rows`](crate::Rows) (several columns' values, row by row).
    ///
    /// It may return what a closure of [`rows`](Apply::rows) returns. That gives one row for each group, in columns named as `rows`
    /// names them, and the groups stand in the order of their first rows. Or it returns a `DataFrame`, `Column` or `Series`; these
    /// are stacked in the same order, with the keys repeated in front. No result may have the name of a key.
    ///
    /// # Nulls
    /// A row in which an argument of a plain type is null is left out of every argument, so `x.iter().zip(y.iter())` pairs the
    /// values of one row. [`Values::len`](crate::Values::len) counts the rows that are left. `Option<T>` sees nulls, and a whole
    /// group has all of its rows. The closure is called even for a group that has no rows left. It is not called for a group whose
    /// key is null if it takes that key as a plain type: the results of that group are null.
    ///
    /// # Order and speed
    /// Within a group, rows are in the order of the input. One group is one call, on one worker, and each worker claims the next
    /// group when it is free. Groups with more than a quarter of a worker's share of the rows are begun before all others, so that
    /// all workers stay busy wherever the large groups stand. [`Stats::slowest_group`](crate::Stats) names the one that took
    /// longest.
    ///
    /// With `seed`, a group has the random stream of its first row. [`progress`](Apply::progress) counts rows.
    ///
    /// # Errors
    /// Before the closure is called: no keys; a key that is missing or given twice; a column that an argument does not take without
    /// loss; a number of columns that differs from the number of arguments; a result with the name of a key; more rows than Polars'
    /// row index can number. From the run: the error or panic of the closure in the lowest failing group, with its keys and the
    /// number of its first row ([`Place::Group`](crate::Place)); a value that its Rust type cannot hold, with its row; frames that
    /// cannot be stacked.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df![
    ///     "shop" => ["north", "south", "north", "south"],
    ///     "price" => [2.0, 3.0, 4.0, 5.0],
    ///     "count" => [1.0, 1.0, 3.0, 1.0],
    /// ]?;
    /// // Typed arguments: the key, and the columns.
    /// let weighted = df.par_apply().by(["shop"]).names(["price"]).groups(
    ///     |shop: &str, price: Values<'_, f64>, count: Values<'_, f64>| {
    ///         assert!(shop.ends_with("th"));
    ///         let total: f64 = price.iter().zip(count.iter()).map(|(price, count)| price * count).sum();
    ///         total / count.iter().sum::<f64>()
    ///     },
    /// )?;
    /// assert_eq!(weighted, df!["shop" => ["north", "south"], "price" => [3.5, 4.0]]?);
    ///
    /// // A whole group, with any number of rows in the result.
    /// let first = df.par_apply().by(["shop"]).groups(|group: DataFrame| group.head(Some(1)))?;
    /// assert_eq!(first, df!["shop" => ["north", "south"], "price" => [2.0, 3.0], "count" => [1.0, 1.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn groups<M, C, F>(self, f: F) -> Result<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: GroupFn<M, C>,
        F::Out: IntoGroups,
    {
        verbs::groups(Given::of(self.frame.get()?), &self.options, self.lead, &f).map(G::give)
    }

    /// Calls the closure for each group of rows that have the same [keys](Apply::by), and gives a result for each row of the input,
    /// in its order.
    ///
    /// Without keys, the closure is called for parts of the frame, cut as for [`chunks`](Apply::chunks), and so takes typed
    /// batches.
    ///
    /// The closure takes the same arguments as that of [`groups`](Apply::groups). It returns a `Vec` with a result for each row
    /// that it is given, [`Each(value)`](crate::Each) with one result for all of them, or a `Column` or `Series` of that length. A
    /// result is one of the types that a closure of [`rows`](Apply::rows) returns, and the output is the same too: a `Column`, or a
    /// `DataFrame` for tuples, arrays and derived structs. A row in which an argument of a plain type is null is not given to the
    /// closure, and has a null result.
    ///
    /// With [`OnError::Null`](crate::OnError) and `Collect`, the rows of a group that fails are null. With `Skip` they are left
    /// out, and [`kept_rows`](crate::Outcome::kept_rows) says which rows are left.
    ///
    /// # Errors
    /// Those of [`groups`](Apply::groups), except that no keys are needed; and a result that does not have one value for each row.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["k" => ["a", "b", "a"], "x" => [1.0, 5.0, 3.0]]?;
    /// let centred = df.par_apply().by(["k"]).transform(|x: Values<'_, f64>| {
    ///     let mean = x.iter().sum::<f64>() / x.len() as f64;
    ///     x.iter().map(|x| x - mean).collect::<Vec<f64>>()
    /// })?;
    /// assert_eq!(centred.f64()?.to_vec(), [Some(-1.0), Some(0.0), Some(1.0)]);
    ///
    /// // Once for each distinct value.
    /// let lengths = df.par_apply().by(["k"]).transform(|k: &str| Each(k.len() as u64))?;
    /// assert_eq!(lengths.u64()?.to_vec(), [Some(1); 3]);
    ///
    /// // In batches.
    /// let halves = df.par_apply().chunk_rows(2).select(["x"]).transform(|x: Values<'_, f64>| -> Vec<f32> {
    ///     assert!(x.len() <= 2);
    ///     x.iter().map(|x| x as f32 / 2.0).collect()
    /// })?;
    /// assert_eq!(halves.f32()?.to_vec(), [Some(0.5), Some(2.5), Some(1.5)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn transform<M, C, F>(self, f: F) -> Result<G::Of<<F::Out as IntoTransform>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: GroupFn<M, C>,
        F::Out: IntoTransform,
    {
        verbs::transform(Given::of(self.frame.get()?), &self.options, self.lead, &f).map(G::give)
    }

    /// Calls the closure for the [window](Window) around each row, and gives a result for each row, as [`rows`](Apply::rows) does.
    ///
    /// With [keys](Apply::by), a window has only rows of its own group.
    ///
    /// The closure takes 1 to 12 [arguments](crate::GroupArg), to which the selected columns are bound by position (by default all
    /// except the keys and the column that the window goes over). They are [`Values`](crate::Values), a column's values in the
    /// window; [`Rows`](crate::Rows), several columns' values row by row; and cells, which are **the current row's** values. The
    /// closure returns what a closure of `rows` returns, and the output is the same too: a `Column`, or a `DataFrame` for tuples,
    /// arrays and derived structs.
    ///
    /// # Nulls
    /// A row in which a `Values` or `Rows` argument of a plain type is null is left out of every argument of every window, so
    /// `x.iter().zip(y.iter())` pairs the values of one row. It still has its own window. `Option<T>` sees nulls. Where a window
    /// has fewer remaining rows than [`min_rows`](Window::min_rows), the closure is not called and the result is null. The same
    /// holds where a cell argument of a plain type is null.
    ///
    /// # Errors
    /// Those of [`rows`](Apply::rows), with [`Place::Window`](crate::Place). Before the closure is called: settings of the window
    /// that contradict each other or do not suit its column; a null in that column, or a value smaller than the one before it (in
    /// its group), with the row.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1.0, 4.0, 9.0, 16.0]]?;
    /// let change = df
    ///     .par_apply()
    ///     .windows(Window::rows(2), |x: Values<'_, f64>| Some(x.get(1)? - x.get(0)?))?;
    /// assert_eq!(change.f64()?.to_vec(), [None, Some(3.0), Some(5.0), Some(7.0)]);
    ///
    /// // The current row, and the rows of its own group from the two seconds before it.
    /// let df = df!["id" => ["a", "b", "a", "a"], "t" => [0, 1, 1, 5], "x" => [1.0, 2.0, 4.0, 8.0]]?;
    /// let above = df.par_apply().by(["id"]).select(["x", "x"]).windows(
    ///     Window::over("t", 2).closed(Closed::Both),
    ///     |now: f64, window: Values<'_, f64>| now - window.iter().sum::<f64>() / window.len() as f64,
    /// )?;
    /// assert_eq!(above.f64()?.to_vec(), [Some(0.0), Some(0.0), Some(1.5), Some(0.0)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn windows<M, C, F>(
        self,
        window: Window,
        f: F,
    ) -> Result<G::Of<<F::Out as IntoRow>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: WindowFn<M, C>,
        F::Out: IntoRow,
    {
        verbs::windows(
            Given::of(self.frame.get()?),
            &self.options,
            self.lead,
            &window,
            &f,
        )
        .map(G::give)
    }
}

impl<L, G: Gives> Apply<'_, 'static, L, G>
where
    L: Send + 'static,
{
    /// Calls the closure for each group of rows, in the background: [`groups`](Apply::groups) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["k" => ["a", "b", "a"], "x" => [1i64, 2, 3]]?;
    /// let job = df.par_apply().by(["k"]).spawn_groups(|x: Values<'_, i64>| x.iter().sum::<i64>());
    /// assert_eq!(job.get()?, df!["k" => ["a", "b"], "par_apply" => [4i64, 2]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_groups<M, C, F>(self, f: F) -> Job<G::Of<DataFrame>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: GroupFn<M, C> + Send + 'static,
        F::Out: IntoGroups,
        G::Of<DataFrame>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::groups(Given::of(frame), options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for each group of rows, in the background: [`transform`](Apply::transform) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["k" => ["a", "b", "a"], "x" => [1i64, 2, 3]]?;
    /// let job = df.par_apply().by(["k"]).spawn_transform(|x: Values<'_, i64>| Each(x.iter().sum::<i64>()));
    /// assert_eq!(job.get()?.i64()?.to_vec(), [Some(4), Some(2), Some(4)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_transform<M, C, F>(self, f: F) -> Job<G::Of<<F::Out as IntoTransform>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: GroupFn<M, C> + Send + 'static,
        F::Out: IntoTransform,
        G::Of<<F::Out as IntoTransform>::Output>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::transform(Given::of(frame), options, lead, &f).map(G::give)
        })
    }

    /// Calls the closure for the window around each row, in the background: [`windows`](Apply::windows) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1i64, 2, 3]]?;
    /// let job = df.par_apply().spawn_windows(Window::expanding(), |x: Values<'_, i64>| x.iter().sum::<i64>());
    /// assert_eq!(job.get()?.i64()?.to_vec(), [Some(1), Some(3), Some(6)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_windows<M, C, F>(
        self,
        window: Window,
        f: F,
    ) -> Job<G::Of<<F::Out as IntoRow>::Output>>
    where
        L: Lead<C>,
        C: Context + Send,
        F: WindowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
        G::Of<<F::Out as IntoRow>::Output>: Send + 'static,
    {
        let rows = self.frame.height();
        self.spawn(rows, move |frame, options, lead| {
            verbs::windows(Given::of(frame), options, lead, &window, &f).map(G::give)
        })
    }
}
