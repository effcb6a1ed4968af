//! A row function as an expression of a lazy query.

use std::fmt;
use std::time::Instant;

use polars::prelude::{
    Column, DataType, Expr, Field, PlSmallStr, PlanCallback, PolarsError, PolarsResult, Schema,
};
use polars_plan::prelude::FunctionOptions;

use super::failures::Failures;
use super::lends::Lends;
use super::marker::{may_fail, named, refuse_statistics, stays};
use super::query_rows::{QueryRows, empty_columns};
use super::run_link::{QueryRun, linked};
use super::settings::{Settings, settings};
use crate::cancel::CancelToken;
use crate::context::{Context, IntoState, NoContext, NoFinish, NoState, State, WithState};
use crate::error::{Error, ErrorKind, Result, counted};
use crate::function::RowFn;
use crate::options::{Casts, Nulls, OnError};
use crate::progress::Progress;
use crate::read::Given;
use crate::row_numbers::{RowNumbers, UNKNOWN};
use crate::sync::Arc;
use crate::verbs::{Kind, Over, check_duplicates};
use crate::write::{IntoRow, Sinks};

/// Begins an expression that calls a closure for each row: names or expressions, one for each argument, then
/// [`apply`](RowsExpr::apply).
///
/// The expression goes wherever an elementwise one of Polars goes: `select`, `with_columns`, `filter`, within
/// `group_by().agg` and `over`. Polars reads the columns that it names, and no others for its sake. A selector (`all()`,
/// `cols([…])`) stands for as many arguments as it selects columns.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["name" => ["a", "b"], "x" => [3.0, 5.0], "y" => [4.0, 12.0]]?;
/// let out = df
///     .lazy()
///     .filter(rows(["name"]).apply(|name: &str| name != "a"))
///     .select([rows([col("x"), col("y") + lit(0.0)]).apply(f64::hypot).alias("h")])
///     .collect()?;
/// assert_eq!(out, df!["h" => [13.0]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub fn rows<I, E>(arguments: I) -> RowsExpr
where
    I: IntoIterator<Item = E>,
    E: Into<Expr>,
{
    RowsExpr {
        arguments: arguments.into_iter().map(Into::into).collect(),
        row_numbers: None,
        settings: Settings::new(),
        verb: Kind::Rows,
        of_frame: false,
        kept: None,
        pinned: None,
        state: NoState,
    }
}

/// An expression in the making: options, then [`apply`](RowsExpr::apply). Made by [`rows`].
///
/// `S` says what the closure's first argument is: [`NoState`], or that of [`state`](RowsExpr::state).
#[must_use = "a builder is no expression before `.apply(f)`"]
#[derive(Clone)]
pub struct RowsExpr<S = NoState> {
    pub(super) arguments: Vec<Expr>,
    pub(super) row_numbers: Option<Expr>,
    pub(super) settings: Settings,
    /// What is made of the results: columns, or a filter.
    pub(super) verb: Kind,
    /// Whether it adds columns to a `LazyFrame`: it is never within a filter then.
    pub(super) of_frame: bool,
    /// Where rows that fail are dropped: the field of the results that says which are kept.
    pub(super) kept: Option<PlSmallStr>,
    /// Whether Polars may not move it, if it was said.
    pinned: Option<bool>,
    state: S,
}

impl<S> fmt::Debug for RowsExpr<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowsExpr")
            .field("arguments", &self.arguments)
            .field("row_numbers", &self.row_numbers)
            .field("settings", &self.settings)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

impl<L> RowsExpr<L> {
    settings!();

    fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The names of the Struct's fields, where the closure returns several cells; where it returns one, the output's.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.settings.options.call.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Numbers for the rows that errors, [`failures`](RowsExpr::failures) and [`Row::index`](crate::Row::index) report: an expression of integers, such as the
    /// column that `with_row_index` makes. Without it, rows are counted in the batch that the expression is given; so is a
    /// row whose number is null or negative; and [`Row::index`](crate::Row::index) ends such a row with an error.
    ///
    /// On a `LazyFrame`, [`numbered`](crate::LazyApply::numbered) makes the numbers itself.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["text" => ["1", "2", "x"]]?.lazy().with_row_index("line", Some(1));
    /// let parsed = rows(["text"]).row_numbers(col("line")).apply(|text: &str| text.parse::<i32>());
    /// let error = lf.slice(1, 2).select([parsed]).collect().unwrap_err();
    /// assert!(error.to_string().contains("row 3: the closure returned an error"));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn row_numbers(mut self, numbers: impl Into<Expr>) -> Self {
        self.row_numbers = Some(numbers.into());
        self
    }

    /// Whether Polars leaves the expression where it is written, and moves nothing past it. By default it is pinned if its
    /// closure returns `bool`, since it is then most often a filter's; see [`apply`](RowsExpr::apply) for what that means.
    ///
    /// A filter that compares a closure's results, right on a scan of files, needs `pinned(true)`:
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/data/flights.parquet");
    /// let flights = LazyFrame::scan_parquet(PlRefPath::new(path), ScanArgsParquet::default())?;
    /// let far = rows(["distance"]).pinned(true).apply(|miles: i64| miles / 1000).gt(lit(4));
    /// assert_eq!(flights.filter(far).collect()?.height(), 0);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// A key of a join must be free to move, as Polars requires of every join key: if its closure returns `bool`, it is given
    /// `pinned(false)`.
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = Some(pinned);
        self
    }

    /// With a state, or without one.
    pub(super) fn with_state<S>(self, state: S) -> RowsExpr<S> {
        RowsExpr {
            arguments: self.arguments,
            row_numbers: self.row_numbers,
            settings: self.settings,
            verb: self.verb,
            of_frame: self.of_frame,
            kept: self.kept,
            pinned: self.pinned,
            state,
        }
    }
}

impl RowsExpr {
    /// A state for each worker, which the closure takes as its first argument `&mut S`: a buffer, a compiled pattern, a
    /// connection. As [`Apply::state`](crate::Apply::state): which rows see which state is chance, so no result should
    /// depend on it. What depends on the rows before is for [a stream](crate::LazyApply::state).
    ///
    /// `init` returns the state, or a `Result` of it. In a run of the query it is called when a worker needs a state and none is
    /// free: a state goes from batch to batch, and there are as many as were needed at one time. They are dropped at the end of
    /// the run.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let lf = df!["x" => [1, 20, 300]]?.lazy();
    /// let digits = rows(["x"]).state(String::new).apply(|text: &mut String, x: i32| {
    ///     use std::fmt::Write;
    ///     text.clear();
    ///     write!(text, "{x}").map(|()| text.len() as u32)
    /// });
    /// assert_eq!(lf.select([digits]).collect()?, df!["par_apply" => [1u32, 2, 3]]?);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn state<I, O>(self, init: I) -> RowsExpr<State<I, NoFinish>>
    where
        I: Fn() -> O + Send + Sync + 'static,
    {
        let finish = NoFinish;
        self.with_state(State { init, finish })
    }

    /// The expression. Its name is `par_apply`, or that of [`names`](RowsExpr::names) where the closure returns one cell: not
    /// the name of the first argument, as of Polars' own functions, so two of them in one `select` need an alias. Several
    /// cells are a Struct, which `unnest` takes apart.
    ///
    /// A closure takes the arguments by position, and a derived struct by their names, of which no two may be the same. A
    /// [`Row`](crate::Row) has them all, by the names that the expressions have: of two of one name, `get` finds the
    /// first, and `value` and `iter` reach both. An argument of one row (a literal, a mean) is repeated for all.
    ///
    /// # Where it goes
    /// Wherever an elementwise expression of Polars goes, a key of a join included: there, and of no other keys, Polars
    /// forbids an alias, so two keys that are closures' get their names by [`names`](RowsExpr::names), and a closure that
    /// returns `bool` needs [`pinned(false)`](RowsExpr::pinned).
    ///
    /// # Where it runs
    /// In memory the rows are shared out among Polars' workers. In the streaming engine each thread has a batch, of 100,000
    /// rows as Polars aims at, and the call runs on that thread: a frame that is one batch runs on one. Few rows of a slow
    /// closure are quicker in memory, or in small batches of a [stream](crate::LazyApply::row_batches).
    ///
    /// Within `agg`, the rows of all groups are one call; but where an argument is an aggregate among others that are not,
    /// or is filtered, Polars calls it for one group after the other.
    ///
    /// # Filters
    /// A filter by a closure that returns `bool` is called for the rows that the filters and joins before it have left, and for
    /// no others. Within one condition, both sides of an `and` or `or` and the branches of a `when` may be evaluated for all
    /// rows: to keep rows from the closure, give it a filter of its own, after theirs.
    ///
    /// So Polars never moves an expression whose closure returns `bool`, nor a later filter or `limit` before it. If it only
    /// adds a column, [`par_apply_rows`](crate::ParApplyLazy::par_apply_rows) leaves Polars more freedom.
    ///
    /// A closure whose results are compared within a filter (`rows([…]).apply(f).gt(lit(5))`) is not called for rows that a
    /// filter right before it, or a join, drops. But Polars may move such a filter before a `concat` or a `group_by`, whose
    /// own inputs may have dropped rows, and to a scan of files. There it would be tried on the files' statistics, and the
    /// query is refused, unless the columns are floats, categories or nested. [`pinned(true)`](RowsExpr::pinned) keeps it
    /// where it is, as if the closure returned `bool`.
    ///
    /// Within `list().eval(…)`, either may be called for rows that an earlier filter drops.
    ///
    /// # Errors
    /// When the query is planned: an argument whose type does not take its column, by column and argument, and whatever else
    /// a call over a frame checks first.
    ///
    /// When it runs, as a `ComputeError`, which has the text alone:
    /// - the error of a closure that fails or panics. Of several, it is the first that is met: of batches, or chunks of a
    ///   frame in memory, that run side by side, not always that of the lowest row;
    /// - arguments of different lengths, none of which is one row.
    ///
    /// The row that it names is that of [`row_numbers`](RowsExpr::row_numbers). Without them it is counted in the batch that
    /// the expression was given, and the error says so:
    /// - in the streaming engine, a part of the frame;
    /// - in memory, the column or one of its chunks;
    /// - within `agg`, the rows of the groups.
    pub fn apply<M, F>(self, f: F) -> Expr
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        self.expression::<M, NoContext, F>(f)
    }
}

impl<I> RowsExpr<State<I, NoFinish>> {
    /// As [`apply`](RowsExpr::apply), with the state: the closure takes `&mut S` first.
    ///
    /// # Errors
    /// Those of the expression without a state; and, when it runs, that a state cannot be made.
    pub fn apply<S, O, M, F>(self, f: F) -> Expr
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRow,
    {
        self.expression::<M, WithState<S>, F>(f)
    }
}

impl<L> RowsExpr<L> {
    pub(super) fn expression<M, C, F>(self, f: F) -> Expr
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C> + Send + 'static,
        F::Out: IntoRow,
    {
        let plan_name = self.settings.name_or(match self.verb {
            Kind::FilterRows => "filter_rows",
            _ => "par_apply_rows",
        });
        let mut arguments = self.arguments;
        let is_pinned = self
            .pinned
            .unwrap_or_else(|| is_boolean::<F::Out>(&self.settings));
        let marker = match (self.of_frame, is_pinned) {
            (true, _) => None,
            (false, true) => Some(stays()),
            (false, false) => Some(may_fail()),
        };
        let may_meet_statistics = !self.of_frame && !is_pinned;
        let over = match self.of_frame {
            true => Over::LazyFrame,
            false => Over::Expression,
        };
        let mut call = QueryRows::new(f, self.settings, self.verb, over);
        call.kept = self.kept;
        let batches = Arc::new(OfBatches {
            call,
            state: self.state,
            of_frame: self.of_frame,
            numbered: self.row_numbers.is_some(),
            hidden: usize::from(marker.is_some()),
        });
        arguments.extend(self.row_numbers);
        arguments.extend(marker);

        let output_name = batches.call.name.clone();
        let planned = batches.clone();
        let run = move |run: &Arc<QueryRun>, kept: &Arc<L::Kept>, columns: &mut [Column]| {
            run.call(|| batches.run::<M, C>(columns, kept, run.began()))
        };
        let plan = move |schema: &Schema, fields: &[Field]| -> PolarsResult<Field> {
            if may_meet_statistics {
                refuse_statistics(schema, planned.given(fields).0)?;
            }
            Ok(planned.plan::<M, C>(fields)?)
        };
        let function = linked(FunctionOptions::elementwise(), run, arguments, plan);
        let function = named(function, plan_name);
        // Not `alias`, which Polars refuses in a join's key; to the rest of the plan it is the same.
        let rename = PlanCallback::new(move |_: PlSmallStr| Ok(output_name.clone()));
        function.name().map(rename)
    }
}

fn is_boolean<Out: IntoRow>(settings: &Settings) -> bool {
    <Out::Sink as Sinks>::BOOLEAN
        || matches!(
            settings.options.call.returns.as_deref(),
            Some([DataType::Boolean])
        )
}

/// A call over whatever columns the query gives it.
struct OfBatches<F, L> {
    call: QueryRows<F>,
    state: L,
    of_frame: bool,
    /// Whether the rows' numbers come after the arguments.
    numbered: bool,
    /// How many columns come last that the closure is not given.
    hidden: usize,
}

impl<F, L> OfBatches<F, L> {
    /// What the closure is given, and the rows' numbers, of all that Polars gives.
    fn given<'g, T>(&self, all: &'g [T]) -> (&'g [T], Option<&'g T>) {
        let given = &all[..all.len() - self.hidden];
        match given.split_last() {
            Some((numbers, given)) if self.numbered => (given, Some(numbers)),
            _ => (given, None),
        }
    }

    fn plan<M, C>(&self, fields: &[Field]) -> Result<Field>
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        let (fields, numbers) = self.given(fields);
        if fields.is_empty() && !self.of_frame {
            return Err(anyhow::anyhow!("rows([…]) is given no argument").into());
        }
        if let Some(numbers) = numbers
            && !numbers.dtype().is_integer()
        {
            let message = format!(
                "{:?} is {}, and no integer",
                numbers.name(),
                numbers.dtype()
            );
            let option = "row_numbers";
            return Err(ErrorKind::Option { option, message }.into());
        }
        if F::NAMES.is_some() {
            let names = fields.iter().map(Field::name);
            let names: Vec<PlSmallStr> = names.cloned().collect();
            no_duplicates(&names)?;
        }
        let columns = empty_columns(fields.iter().cloned())?;
        let given = Given {
            columns: &columns,
            rows: 0,
            numbers: Some(&UNKNOWN),
        };
        let kept = L::Kept::default();
        let dtype = self.call.plan::<M, C>(given, self.state.lead(&kept));
        let dtype = dtype.map_err(|error| self.of_arguments(error))?;
        Ok(Field::new(self.call.name.clone(), dtype))
    }

    fn run<M, C>(&self, columns: &[Column], kept: &L::Kept, since: Instant) -> PolarsResult<Column>
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        let rows = height(&columns[..columns.len() - self.hidden])?;
        let stretched = |column: &Column| match column.len() == rows {
            true => column.clone(),
            false => column.new_from_index(0, rows),
        };
        let (columns, numbers) = self.given(columns);
        let columns: Vec<Column> = columns.iter().map(stretched).collect();
        let numbers = numbers.map(|numbers| RowNumbers::listed(&stretched(numbers)));
        let numbers = numbers.unwrap_or_else(|| Ok(RowNumbers::unknown()))?;
        let given = Given {
            columns: &columns,
            rows,
            numbers: Some(&numbers),
        };
        let lead = self.state.lead(kept);
        let output = self.call.run::<M, C>(given, lead, since);
        output.map_err(|error| match numbers.has_missed() {
            true => of_batch(error, rows),
            false => error.into(),
        })
    }

    /// In an expression, its arguments are the columns.
    fn of_arguments(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::ArgumentCount { arguments, columns } if !self.of_frame => {
                anyhow::anyhow!(
                    "the closure takes {}, and rows([…]) gives it {}: {}; give one name or expression for each argument",
                    counted(*arguments, "argument"),
                    columns.len(),
                    columns.join(", "),
                )
                .into()
            }
            _ => error,
        }
    }
}

/// A derived struct finds its fields by name.
fn no_duplicates(names: &[PlSmallStr]) -> Result<()> {
    let mut faults = Vec::new();
    check_duplicates(names, &mut faults);
    Error::of_all(faults)
}

/// How many rows the columns have, those of one row aside, which are repeated.
fn height(columns: &[Column]) -> PolarsResult<usize> {
    let mut many = columns.iter().filter(|column| column.len() != 1);
    let Some(first) = many.next() else {
        return Ok(usize::from(!columns.is_empty()));
    };
    match many.find(|column| column.len() != first.len()) {
        None => Ok(first.len()),
        Some(other) => Err(PolarsError::ShapeMismatch(
            format!(
                "the arguments of a row function have {} (\"{}\") and {} (\"{}\"); give them as many rows, or one",
                counted(first.len(), "row"),
                first.name(),
                counted(other.len(), "row"),
                other.name(),
            )
            .into(),
        )),
    }
}

/// An error of a run, which counts rows in its batch: it says so, since the query has more.
pub(super) fn of_batch(error: Error, rows: usize) -> PolarsError {
    error.into_compute_error(&format!("in a batch of {}: ", counted(rows, "row")))
}
