//! A row function on a `LazyFrame`, whose columns it adds to.

use polars::prelude::{Expr, LazyFrame, PlSmallStr, all, as_struct, by_name, col};

use super::expr::{OneColumn, RowsExpr, rows};
use crate::cancel::CancelToken;
use crate::function::RowFn;
use crate::options::{Casts, Nulls};
use crate::write::IntoRow;

/// The Struct that a row's several results are, before its fields are taken out.
const RESULTS: &str = "__par_apply_results";

/// Calls your own closure for each row of a lazy query.
///
/// The trait is sealed: it is implemented for `LazyFrame`.
pub trait ParApplyLazy: sealed::Sealed {
    /// Starts a call with options, which [`rows`](LazyApply::rows) ends.
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
    /// Those of [`RowsExpr::apply`], when the query is planned and when it runs.
    fn par_apply_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>;
}

impl ParApplyLazy for LazyFrame {
    fn par_apply(self) -> LazyApply {
        LazyApply {
            frame: self,
            select: None,
            call: rows(Vec::<Expr>::new()),
        }
    }

    fn par_apply_rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        self.par_apply().rows(f)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for polars::prelude::LazyFrame {}
}

/// A call on a `LazyFrame` in the making: options, then [`rows`](LazyApply::rows). Made by
/// [`ParApplyLazy::par_apply`].
#[must_use = "a builder does nothing before `.rows(f)`"]
#[derive(Clone)]
pub struct LazyApply {
    frame: LazyFrame,
    select: Option<Vec<PlSmallStr>>,
    call: RowsExpr,
}

impl std::fmt::Debug for LazyApply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LazyApply")
            .field("select", &self.select)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

impl LazyApply {
    /// The columns that the closure takes, in the order of its arguments. Of the scan's columns, Polars then reads these and
    /// those that the rest of the query uses.
    pub fn select<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.select = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// The names of the columns that are added or replaced.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.call = self.call.names(names);
        self
    }

    /// The name of the function in `explain()`; `par_apply_rows` by default.
    pub fn name(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.call = self.call.name(name);
        self
    }

    /// What nulls do to arguments of a plain type; as [`Apply::nulls`](crate::Apply::nulls).
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        self.call = self.call.nulls(nulls);
        self
    }

    /// Which conversions are made; as [`Apply::casts`](crate::Apply::casts).
    pub fn casts(mut self, casts: Casts) -> Self {
        self.call = self.call.casts(casts);
        self
    }

    /// Gives the query's calls a token that cancels them; the query then fails.
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.call = self.call.cancel_token(token);
        self
    }

    /// Adds the closure's results to the frame's columns; see [`ParApplyLazy::par_apply_rows`].
    pub fn rows<M, F>(self, f: F) -> LazyFrame
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let select = self.select.or_else(|| {
            let names = F::NAMES?.iter().map(|name| PlSmallStr::from_static(name));
            Some(names.collect())
        });
        let mut call = self.call;
        match select {
            Some(names) => call.arguments = names.into_iter().map(col).collect(),
            None => {
                call.arguments = vec![as_struct(vec![all().as_expr()])];
                call.whole = true;
            }
        }
        let names = call.options.names.clone();
        let names = names.unwrap_or_else(|| F::Out::names().numbered("column"));
        let results = call.apply(f);
        if !<F::Out as IntoRow>::Output::IS_FRAME {
            return self.frame.with_columns([results]);
        }
        let field = |name: &PlSmallStr| {
            let field = col(RESULTS).struct_().field_by_name(name);
            field.alias(name.clone())
        };
        self.frame
            .with_columns([results.alias(RESULTS)])
            .with_columns(names.iter().map(field).collect::<Vec<Expr>>())
            .drop(by_name([RESULTS], true, false))
    }
}
