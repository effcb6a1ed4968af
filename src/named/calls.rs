//! Calls of named functions: over a frame, in the background, in a query.

use polars::prelude::DataFrame;
#[cfg(feature = "lazy")]
use polars::prelude::LazyFrame;

use super::function::Function;
use crate::apply::{Apply, Gives};
#[cfg(feature = "rand")]
use crate::context::Seed;
use crate::context::{Leading, NoSeed, NoState};
use crate::error::Result;
use crate::job::Job;
#[cfg(feature = "lazy")]
use crate::lazy::LazyApply;
use crate::sealed::Sealed;

/// A marker trait that says whether a call has a seed: [`NoSeed`], or the type that `seed` sets.
///
/// The trait is sealed: it cannot be implemented outside this crate.
pub trait CallSeed: Sealed + Send + 'static {
    #[doc(hidden)]
    fn seed(&self) -> Option<u64>;
}

impl Sealed for NoSeed {}

impl CallSeed for NoSeed {
    fn seed(&self) -> Option<u64> {
        None
    }
}

#[cfg(feature = "rand")]
impl Sealed for Seed {}

#[cfg(feature = "rand")]
impl CallSeed for Seed {
    fn seed(&self) -> Option<u64> {
        Some(self.seed)
    }
}

impl<D: CallSeed, G: Gives> Apply<'_, '_, Leading<NoState, D>, G> {
    /// Calls a function of a [`Registry`](crate::Registry) as its verb would call its closure, and gives a `DataFrame`.
    ///
    /// The verb is [`rows`](Apply::rows), [`chunks`](Apply::chunks) and so on. Where it would give a `Column`, the frame has one
    /// column.
    ///
    /// The verb determines which options can be used. A [state](crate::FunctionBuilder::state) belongs to the function; a random
    /// stream for each row needs a `seed` on the call.
    ///
    /// ```
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let functions = Registry::new().rows("parsed", |text: &str| text.parse::<i64>());
    /// let parsed = functions.get("parsed")?;
    ///
    /// let df = df!["text" => ["7", "x", "9"]]?;
    /// let outcome = df.par_apply().names(["number"]).on_error(OnError::Null).call(&parsed)?;
    /// assert_eq!(outcome.output, df!["number" => [Some(7i64), None, Some(9)]]?);
    /// assert_eq!(outcome.stats.failures, 1);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of its verb. [`ErrorKind::Function`](crate::ErrorKind::Function), before the closure is called: a seed is missing, or
    /// is given to a function that draws no numbers. For `chunks`, also a frame that does not have the schema that the function
    /// promises.
    pub fn call(self, function: &Function) -> Result<G::Of<DataFrame>> {
        let (frame, options, lead) = self.parts()?;
        function.call(frame, options, lead.seed.seed()).map(G::give)
    }

    /// Calls a function of rows, and adds its results to the frame's columns.
    ///
    /// It adds them as [`with_columns`](Apply::with_columns) does, and as
    /// [`LazyApply::call`](https://docs.rs/polars-par-apply/latest/polars_par_apply/struct.LazyApply.html#method.call) does in a
    /// query.
    ///
    /// ```
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let functions = Registry::new().rows("twice", |x: i64| 2 * x);
    /// let df = df!["x" => [1i64, 2]]?;
    /// let wider = df.par_apply().names(["twice"]).call_with_columns(&functions.get("twice")?)?;
    /// assert_eq!(wider, df!["x" => [1i64, 2], "twice" => [2i64, 4]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`with_columns`](Apply::with_columns) and of [`call`](Apply::call), and an error if it is a function of another
    /// verb.
    pub fn call_with_columns(self, function: &Function) -> Result<G::Of<DataFrame>> {
        let (frame, options, lead) = self.parts()?;
        function
            .call_with_columns(frame, options, lead.seed.seed())
            .map(G::give)
    }
}

impl<D: CallSeed, G: Gives> Apply<'_, 'static, Leading<NoState, D>, G> {
    /// Calls a function of a [`Registry`](crate::Registry) in the background: [`call`](Apply::call) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let functions = Registry::new().filter_rows("odd", |x: i64| x % 2 == 1);
    /// let df = df!["x" => [1i64, 2, 3]]?;
    /// let job = df.par_apply().spawn_call(&functions.get("odd")?);
    /// assert_eq!(job.get()?, df!["x" => [1i64, 3]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_call(self, function: &Function) -> Job<G::Of<DataFrame>>
    where
        G::Of<DataFrame>: Send + 'static,
    {
        let function = function.clone();
        self.spawn_over_rows(move |frame, options, lead| {
            function.call(frame, options, lead.seed.seed()).map(G::give)
        })
    }

    /// Calls a function of rows in the background, and adds its results to the frame's columns:
    /// [`call_with_columns`](Apply::call_with_columns) as a [`Job`].
    ///
    /// See [`spawn_rows`](Apply::spawn_rows).
    ///
    /// ```
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let functions = Registry::new().rows("twice", |x: i64| 2 * x);
    /// let df = df!["x" => [1i64, 2]]?;
    /// let job = df.par_apply().names(["twice"]).spawn_call_with_columns(&functions.get("twice")?);
    /// assert_eq!(job.get()?, df!["x" => [1i64, 2], "twice" => [2i64, 4]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn spawn_call_with_columns(self, function: &Function) -> Job<G::Of<DataFrame>>
    where
        G::Of<DataFrame>: Send + 'static,
    {
        let function = function.clone();
        self.spawn_over_rows(move |frame, options, lead| {
            function
                .call_with_columns(frame, options, lead.seed.seed())
                .map(G::give)
        })
    }
}

#[cfg(feature = "lazy")]
impl LazyApply {
    /// Calls a function of a [`Registry`](crate::Registry) in a query, as its verb does.
    ///
    /// A function of `rows` adds columns, as [`rows`](LazyApply::rows) does; one of `filter_rows` keeps rows; one of
    /// `flat_map_rows`, `chunks` or `groups` replaces the frame.
    ///
    /// ```
    /// use polars_par_apply::{Registry, prelude::*};
    ///
    /// let functions = Registry::new().rows("length", f64::hypot);
    /// let lf = df!["x" => [3.0, 6.0], "y" => [4.0, 8.0]]?.lazy();
    /// let longer = lf.par_apply().select(["x", "y"]).names(["length"]).call(&functions.get("length")?);
    /// let longer = longer.filter(col("length").gt(lit(6.0))).collect()?;
    /// assert_eq!(longer, df!["x" => [6.0], "y" => [8.0], "length" => [10.0]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the verb, when the query is planned and when it runs. A function that draws random numbers is an error when the
    /// query is planned, since a query has no seed.
    pub fn call(self, function: &Function) -> LazyFrame {
        function.query(self)
    }
}
