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

/// Begins an expression that calls a closure for each row of these arguments, and that [`apply`](RowsExpr::apply) completes.
///
/// The arguments are names or expressions, one for each argument of the closure.
///
/// The expression can stand wherever an elementwise expression of Polars can: in `select`, `with_columns`, `filter`, and within
/// `group_by().agg` and `over`. For it, Polars reads only the columns that it names. A selector (`all()`, `cols([…])`) stands for
/// as many arguments as it selects columns.
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

/// A builder for an expression that calls a closure: set options, then call [`apply`](RowsExpr::apply).
///
/// [`rows`] makes it.
///
/// `S` says what the closure's first argument is: none ([`NoState`]), or the state that [`state`](RowsExpr::state) sets.
#[must_use = "a builder is not an expression until `.apply(f)` is called"]
#[derive(Clone)]
pub struct RowsExpr<S = NoState> {
    pub(super) arguments: Vec<Expr>,
    pub(super) row_numbers: Option<Expr>,
    pub(super) settings: Settings,
    /// What is made of the results: columns, or a filter.
    pub(super) verb: Kind,
    /// Whether it adds columns to a `LazyFrame`; then it is never within a filter.
    pub(super) of_frame: bool,
    /// The field of the results that says which rows are kept, where rows that fail are dropped.
    pub(super) kept: Option<PlSmallStr>,
    /// Whether Polars must not move it, if that was set.
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

    /// Sets the names of the Struct's fields where the closure returns several cells, or the output's name where it returns one.
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.settings.options.call.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the numbers of the rows that errors, [`failures`](RowsExpr::failures) and [`Row::index`](crate::Row::index) report.
    ///
    /// `numbers` is an expression of integers, such as the column that `with_row_index` makes. Without it, rows are counted in the
    /// batch that the expression is given, and so is a row whose number is null or negative. [`Row::index`](crate::Row::index) ends
    /// such a row with an error.
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

    /// Sets whether Polars leaves the expression where it is written, and moves nothing past it.
    ///
    /// By default the expression is pinned if its closure returns `bool`, since it is then most often a filter.
    /// [`apply`](RowsExpr::apply) describes what that means.
    ///
    /// A filter that compares a closure's results, directly on a scan of files, needs `pinned(true)`:
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// # let file = tempfile::NamedTempFile::new().unwrap();
    /// # ParquetWriter::new(&file).finish(&mut df!["distance" => [200i64, 1400]]?)?;
    /// # let path = file.path().to_str().unwrap();
    /// let flights = LazyFrame::scan_parquet(PlRefPath::new(path), ScanArgsParquet::default())?;
    /// let far = rows(["distance"]).pinned(true).apply(|miles: i64| miles / 1000).gt(lit(4));
    /// assert_eq!(flights.filter(far).collect()?.height(), 0);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// A key of a join must be free to move, as Polars requires of every join key. If its closure returns `bool`, give it
    /// `pinned(false)`.
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = Some(pinned);
        self
    }

    /// Returns the expression with another state, or without one.
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
    /// Gives each worker a state, which the closure takes as its first argument `&mut S`: a buffer, a compiled pattern, a
    /// connection.
    ///
    /// As with [`Apply::state`](crate::Apply::state), which rows see which state is not defined, so no result should depend on it.
    /// For results that depend on earlier rows, use [a stream](crate::LazyApply::state).
    ///
    /// `init` returns the state, or a `Result` of it. In a run of the query it is called when a worker needs a state and none is
    /// free. A state goes from batch to batch, and there are as many as were needed at one time. They are dropped at the end of the
    /// run.
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

    /// Completes the expression, which calls the closure for each row.
    ///
    /// Its name is `par_apply`, or that of [`names`](RowsExpr::names) where the closure returns one cell. It does not have the name
    /// of the first argument, as Polars' own functions do, so two of them in one `select` need an alias. Several cells become a
    /// Struct, which `unnest` takes apart.
    ///
    /// A closure takes the arguments by position, and a derived struct takes them by their names, of which no two may be the same.
    /// A [`Row`](crate::Row) has all of them, with the names of the expressions. If two have one name, `get` finds the first, and
    /// `value` and `iter` reach both. An argument of one row (a literal, a mean) is repeated for all rows.
    ///
    /// # Where it goes
    /// It can stand wherever an elementwise expression of Polars can, including a key of a join. In a join's keys, and only there,
    /// Polars forbids an alias. So two keys that are closures' get their names by [`names`](RowsExpr::names), and a closure that
    /// returns `bool` needs [`pinned(false)`](RowsExpr::pinned).
    ///
    /// # Where it runs
    /// In memory the rows are shared out among Polars' workers. In the streaming engine each thread has a batch, for which Polars
    /// aims at 100,000 rows, and the call runs on that thread; so a frame of one batch runs on one thread. A small number of rows
    /// with a slow closure is faster in memory, or in small batches of a [stream](crate::LazyApply::row_batches).
    ///
    /// Within `agg`, the rows of all groups are one call. But where some arguments are aggregates and others are not, or where an
    /// argument is filtered, Polars makes one call for each group.
    ///
    /// # Filters
    /// A filter by a closure that returns `bool` is called only for the rows that the filters and joins before it have left. Within
    /// one condition, both sides of an `and` or `or` and the branches of a `when` may be evaluated for all rows. To keep rows from
    /// the closure, give it a separate filter after those conditions.
    ///
    /// For this, Polars never moves an expression whose closure returns `bool`, and never moves a later filter or `limit` before
    /// it. If the expression only adds a column, [`par_apply_rows`](crate::ParApplyLazy::par_apply_rows) leaves Polars more
    /// freedom.
    ///
    /// A closure whose results are compared within a filter (`rows([…]).apply(f).gt(lit(5))`) is not called for rows that a filter
    /// directly before it, or a join, drops. But Polars may move such a filter before a `concat` or a `group_by`, whose own inputs
    /// may have dropped rows, and to a scan of files. At the scan it would be tried on the files' statistics, and the query is
    /// refused, unless the columns are floats, categories or nested. [`pinned(true)`](RowsExpr::pinned) keeps it where it is, as if
    /// the closure returned `bool`.
    ///
    /// Within `list().eval(…)`, both kinds may be called for rows that an earlier filter drops.
    ///
    /// # Errors
    /// When the query is planned: an argument whose type does not take its column, with column and argument, and everything else
    /// that a call over a frame checks first.
    ///
    /// When it runs, as a `ComputeError`, which has the text alone:
    /// - The error of a closure that fails or panics. If several rows fail, it is the first error that is met. Where batches, or chunks of a
    ///   frame in memory, run side by side, that is not always the error of the lowest row.
    /// - Arguments of different lengths, none of which is one row.
    ///
    /// The row that it names is that of [`row_numbers`](RowsExpr::row_numbers). Without them, it is counted in the batch that the
    /// expression was given, and the error says so:
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
    /// Completes the expression as [`apply`](RowsExpr::apply) does, with the state as the closure's first argument, `&mut S`.
    ///
    /// # Errors
    /// Those of the expression without a state, and, when it runs, an error if a state cannot be made.
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
        // This is not `alias`, which Polars refuses in a join's key; to the rest of the plan it is the same.
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

/// A call over the columns that the query gives it.
struct OfBatches<F, L> {
    call: QueryRows<F>,
    state: L,
    of_frame: bool,
    /// Whether the rows' numbers come after the arguments.
    numbered: bool,
    /// How many columns at the end the closure is not given.
    hidden: usize,
}

impl<F, L> OfBatches<F, L> {
    /// Splits what Polars gives into the closure's arguments and the rows' numbers.
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
            return Err(anyhow::anyhow!("rows([…]) has no arguments; give one name or expression for each argument of the closure").into());
        }
        if let Some(numbers) = numbers
            && !numbers.dtype().is_integer()
        {
            let message = format!(
                "column {:?} is {}, but row numbers must be integers",
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

    /// Rewords an error about the number of columns for an expression, where the columns are the arguments of `rows`.
    fn of_arguments(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::ArgumentCount { arguments, columns } if !self.of_frame => {
                anyhow::anyhow!(
                    "the closure takes {}, but rows([…]) gives it {}: {}; give one name or expression for each argument",
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

/// Checks that no two arguments have one name, since a derived struct finds its fields by name.
fn no_duplicates(names: &[PlSmallStr]) -> Result<()> {
    let mut faults = Vec::new();
    check_duplicates(names, &mut faults);
    Error::of_all(faults)
}

/// Returns how many rows the columns have. Columns of one row do not count, since they are repeated.
fn height(columns: &[Column]) -> PolarsResult<usize> {
    let mut many = columns.iter().filter(|column| column.len() != 1);
    let Some(first) = many.next() else {
        return Ok(usize::from(!columns.is_empty()));
    };
    match many.find(|column| column.len() != first.len()) {
        None => Ok(first.len()),
        Some(other) => Err(PolarsError::ShapeMismatch(
            format!(
                "the arguments of a row function have {} (\"{}\") and {} (\"{}\"); give all of them the same number of rows, or one row",
                counted(first.len(), "row"),
                first.name(),
                counted(other.len(), "row"),
                other.name(),
            )
            .into(),
        )),
    }
}

/// Returns the error of a run that counts rows in its batch. The message says so, since the query has more rows.
pub(super) fn of_batch(error: Error, rows: usize) -> PolarsError {
    error.into_compute_error(&format!("in a batch of {}: ", counted(rows, "row")))
}
