//! `filter_rows` on a `LazyFrame`: a row function and a filter by its results.

use polars::prelude::{Expr, LazyFrame};

use super::apply::LazyApply;
use super::beside::without;
use super::lends::Lends;
use super::unused_name::unused_name;
use crate::context::{Context, IntoState, NoContext, NoFinish, State, WithState};
use crate::function::RowFn;
use crate::options::OnError;
use crate::verbs::Kind;
use crate::write::IntoMask;

impl LazyApply {
    /// Keeps the frame's rows for which the closure returns true.
    ///
    /// The closure returns `bool`, `Option<bool>`, or a `Result` of one of these; see
    /// [`Apply::filter_rows`](crate::Apply::filter_rows). The rows have all columns of the frame, whatever
    /// [`select`](LazyApply::select) gives to the closure, and a null counts as false. The call streams.
    ///
    /// With [`OnError::Null`] or [`OnError::Skip`], a row that fails is dropped, and reported to [`failures`](LazyApply::failures).
    /// Rows are numbered as those of [`rows`](LazyApply::rows) are, before they are filtered. As there, Polars may move a filter
    /// that comes after the call before it. It does not move a filter that comes before the call, so the closure is not called for
    /// rows that such a filter has dropped. Within a larger condition, use the expression [`rows([…]).apply(f)`](crate::rows).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["id" => [1, 2, 3], "text" => ["7", "x", "-7"]]?.lazy();
    /// let failures = Failures::new();
    /// let positive = lf
    ///     .par_apply()
    ///     .select(["text"])
    ///     .failures(&failures)
    ///     .filter_rows(|text: &str| text.parse::<i64>().map(|number| number > 0));
    /// assert_eq!(positive.collect()?, df!["id" => [1], "text" => ["7"]]?);
    /// assert_eq!(failures.take().column("row")?.idx()?.to_vec(), [Some(1)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`rows`](LazyApply::rows).
    pub fn filter_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoMask,
    {
        self.keep_rows::<M, NoContext, F>(f)
    }
}

impl<I> LazyApply<State<I, NoFinish>> {
    /// Filters as [`filter_rows`](LazyApply::filter_rows) does, with the state as the closure's first argument, `&mut S`.
    ///
    /// There is a state for each worker, as with [`RowsExpr::state`](crate::RowsExpr::state).
    ///
    /// # Errors
    /// Those of the call without a state, and, when it runs, an error if a state cannot be made.
    pub fn filter_rows<S, O, M, F>(self, f: F) -> LazyFrame
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoMask,
    {
        self.keep_rows::<M, WithState<S>, F>(f)
    }
}

impl<L> LazyApply<L> {
    pub(crate) fn keep_rows<M, C, F>(mut self, f: F) -> LazyFrame
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoMask,
    {
        let settings = self.settings();
        if settings.options.on_error() == OnError::Skip {
            // A row whose result is null is dropped.
            settings.options.call.on_error = Some(OnError::Null);
        }
        let (frame, mut call, mut temporary) = self.of_columns::<M, C, F>();
        call.verb = Kind::FilterRows;
        let mask = unused_name("mask");
        temporary.push(mask.clone());
        let results = call.expression::<M, C, F>(f);
        let frame = frame.with_columns([results.alias(mask.clone())]);
        without(frame.filter(Expr::Column(mask)), temporary)
    }
}
