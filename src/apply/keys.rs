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
    /// The keys: columns whose values say which rows belong together. [`groups`](Apply::groups) needs them;
    /// [`transform`](Apply::transform) and [`windows`](Apply::windows) stay within their groups where they are given, and the other verbs refuse
    /// them.
    ///
    /// Rows are in one group where their keys are equal: as in Polars, `-0.0` is equal to `0.0` and NaN to NaN, and a null to a
    /// null unless [`null_keys`](Apply::null_keys) says otherwise. Keys may have any dtype that Polars groups by. Whether the
    /// frame is sorted by them makes no difference, other than in speed: values are looked at, never the sorted flag. By default
    /// the closure is given all columns but the keys; [`select`](Apply::select) may name a key too.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["carrier" => ["UA", "AA", "UA"], "month" => [1, 1, 1], "delay" => [3.0, 5.0, 4.0]]?;
    /// let mean = df
    ///     .par_apply()
    ///     .by(["carrier", "month"])
    ///     .names(["mean"])
    ///     .groups(|delay: Values<'_, f64>| delay.iter().sum::<f64>() / delay.len() as f64)?;
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

    /// What becomes of rows with a null in a key: by default they are groups like others, see [`NullKeys`].
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
    /// Calls the closure for each group of rows that have the same [keys](Apply::by), and gives a `DataFrame`: the keys, and then
    /// the results.
    ///
    /// The closure takes a whole group, as a `DataFrame`, `&DataFrame` or [`Group`](crate::Group); or 1 to 12
    /// [arguments](crate::GroupArg): the keys as cells, all of them or none; and then the selected columns, by position, as
    /// [`Values`](crate::Values) (one column's values) and [`Rows`](crate::Rows) (several columns', row by row).
    ///
    /// It returns what a closure of [`rows`](Apply::rows) does, which gives one row for each group under the names that `rows`
    /// gives, and the groups stand in the order of their first rows; or a `DataFrame`, `Column` or `Series`, which are stacked in
    /// that order, with the keys repeated in front. No result may have the name of a key.
    ///
    /// # Nulls
    /// A row that is null in an argument of a plain type is not among the rows that the closure is given, of no argument: so
    /// `x.iter().zip(y.iter())` pairs the values of a row. [`Values::len`](crate::Values::len) counts the rows that it is given.
    /// `Option<T>` sees nulls, and a whole group has all of its rows. A group that has no rows left is still given. A group
    /// whose key is null is not given to a closure that takes that key as a plain type: its results are null.
    ///
    /// # Order, and speed
    /// Within a group, rows are in the order of the input. Each group is claimed by the worker that does it, and groups with more than
    /// a quarter of a worker's share of the rows are begun before all others, so that all workers are busy wherever the large ones
    /// stand; but one group is one call, on one worker.
    /// [`Stats::slowest_group`](crate::Stats) names the one that took longest.
    ///
    /// A group's `seed` stream is that of its first row, and [`progress`](Apply::progress) counts rows.
    ///
    /// # Errors
    /// Before the closure is called: no keys, a key that is missing or given twice; a column that an argument does not take
    /// without loss; other than one column for each argument; a result that is named as a key; more rows than Polars' row index
    /// can number. From the run: the error or panic of the closure in the lowest failing group, with its keys and the number of
    /// its first row ([`Place::Group`](crate::Place)); a value that its Rust type cannot hold, with its row; frames that do not
    /// stack.
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
    /// // Typed: the key, and the columns.
    /// let weighted = df.par_apply().by(["shop"]).names(["price"]).groups(
    ///     |shop: &str, price: Values<'_, f64>, count: Values<'_, f64>| {
    ///         assert!(shop.ends_with("th"));
    ///         let total: f64 = price.iter().zip(count.iter()).map(|(price, count)| price * count).sum();
    ///         total / count.iter().sum::<f64>()
    ///     },
    /// )?;
    /// assert_eq!(weighted, df!["shop" => ["north", "south"], "price" => [3.5, 4.0]]?);
    ///
    /// // Whole: any number of rows for each group.
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

    /// Calls the closure for each group of rows that have the same [keys](Apply::by), and gives a result for each of its rows, in
    /// the order and of the height of the input. Without keys, the closure is called for parts of the frame, as
    /// [`chunks`](Apply::chunks) cuts it: so it is given typed batches.
    ///
    /// The closure takes what that of [`groups`](Apply::groups) does. It returns a `Vec` with a result for each row that it is
    /// given, [`Each(value)`](crate::Each) with one for all of them, or a `Column` or `Series` of that length. A result is what
    /// [`rows`](Apply::rows) takes as one, and so is the output: a `Column`, or a `DataFrame` for tuples, arrays and derived
    /// structs. A row that is null in an argument of a plain type is not given, and has a null.
    ///
    /// With [`OnError::Null`](crate::OnError) and `Collect` the rows of a group that fails are null; with `Skip` they are left out,
    /// and [`kept_rows`](crate::Outcome::kept_rows) says which rows there are.
    ///
    /// # Errors
    /// As [`groups`](Apply::groups), but that it needs no keys; and a result that has not one value for each row.
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
    /// // Batches.
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
    /// With [keys](Apply::by), a window has rows of its own group only.
    ///
    /// The closure takes 1 to 12 [arguments](crate::GroupArg), to which the selected columns bind by position (by default all but
    /// the keys and the column that the window goes over): [`Values`](crate::Values), a column's values in the window;
    /// [`Rows`](crate::Rows), several columns' row by row; and cells, which are **the current row's** values. It returns what a
    /// closure of `rows` does, and so is the output: a `Column`, or a `DataFrame` for tuples, arrays and derived structs.
    ///
    /// # Nulls
    /// A row that is null in a `Values` or `Rows` argument of a plain type is in no window, of no argument: so
    /// `x.iter().zip(y.iter())` pairs the values of a row. It has a window of its own all the same. `Option<T>` sees nulls. Where
    /// a window has fewer rows that are seen than [`min_rows`](Window::min_rows), the closure is not called and the result is null;
    /// so it is where a cell argument of a plain type is null.
    ///
    /// # Errors
    /// As [`rows`](Apply::rows), with [`Place::Window`](crate::Place). Before the closure is called: what of the window does not go
    /// together or does not suit its column; a null in that column, or a value smaller than the one before it (in its group), with
    /// the row.
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
    /// // The current row, and the rows of the two seconds before it, of its own group.
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
    /// Calls the closure for each group of rows, in the background: [`groups`](Apply::groups) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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

    /// Calls the closure for each group of rows, in the background: [`transform`](Apply::transform) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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

    /// Calls the closure for the window around each row, in the background: [`windows`](Apply::windows) as a [`Job`]; see
    /// [`spawn_rows`](Apply::spawn_rows).
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
