//! The verbs that look at several rows at once, in a lazy query. They are called once in a run, over the whole frame.
//!
//! A verb that replaces the frame is a function of it, which Polars gathers. A verb that adds columns is an expression of the
//! columns that the closure takes, so Polars reads only those and the ones that the rest of the query uses. To Polars this function
//! is not elementwise. So it is not called for parts, and no filter, slice or change of the rows' order that comes after it is
//! moved before it.

use std::time::Instant;

use polars::prelude::{
    Column, DataFrame, Expr, Field, LazyFrame, PlSmallStr, PolarsResult, Schema, all,
};
use polars_plan::prelude::FunctionOptions;

use super::beside::{AddedColumns, beside};
use super::map::{Mapping, map};
use super::marker::named;
use super::one_column::{column_dtype, results_column};
use super::query_rows::{empty_columns, empty_frame, no_dtype, output_name};
use super::run_link::{QueryRun, linked};
use super::settings::{QueryOptions, Settings};
use super::unused_name::unused_name;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{CallOptions, OnError, Options};
use crate::outcome::Outcome;
use crate::read::{Given, SpanArgs};
use crate::row_numbers::RowNumbers;
use crate::sync::Arc;
use crate::verbs::{Kind, Over};
use crate::write::OneColumn;

/// What the type of a closure's results says about them.
pub(super) struct ResultType {
    /// The names of the columns that they become, unless others are given.
    pub(super) names: Vec<PlSmallStr>,
    /// Whether the type determines the dtypes of the columns.
    pub(super) is_fixed: bool,
    /// Whether each result is a whole column, whose dtype the type does not determine.
    pub(super) is_whole: bool,
}

/// Returns the columns that a call needs: its keys, the one that its windows go over, and those of its closure. Returns `None`
/// where the closure takes all others.
pub(super) fn needed<A: SpanArgs>(
    options: &CallOptions,
    order: Option<&PlSmallStr>,
    verb: Kind,
) -> Option<Vec<PlSmallStr>> {
    let own = match &options.select {
        Some(names) => names.clone(),
        None => own_columns::<A>(verb)?,
    };
    let keys = options.by.iter().flatten();
    let mut needed: Vec<PlSmallStr> = Vec::new();
    for name in keys.chain(order).chain(&own) {
        if !needed.contains(name) {
            needed.push(name.clone());
        }
    }
    Some(needed)
}

/// Returns the columns that a closure's arguments name; this is empty if they need none, and `None` where they take columns by
/// position.
fn own_columns<A: SpanArgs>(verb: Kind) -> Option<Vec<PlSmallStr>> {
    let mut arguments = Vec::new();
    A::describe(&mut arguments);
    // In windows, a cell is the current row's; elsewhere it is a key.
    let mut others = arguments
        .iter()
        .filter(|argument| verb == Kind::Windows || !argument.is_cell);
    match others.next() {
        None if A::WHOLE => None,
        None => Some(Vec::new()),
        Some(argument) => {
            let names = argument.names?.iter();
            Some(names.map(|name| PlSmallStr::from_static(name)).collect())
        }
    }
}

/// Returns expressions for columns by exact names, which are not read as patterns.
fn columns(names: Vec<PlSmallStr>) -> Vec<Expr> {
    names.into_iter().map(Expr::Column).collect()
}

/// A verb over the whole frame of a query.
struct QuerySpans<V> {
    shared: QueryOptions,
    results: ResultType,
    /// The verb's method, as the user calls it.
    method: &'static str,
    verb: V,
}

impl<V> QuerySpans<V> {
    /// Returns the output for a frame without rows, which makes every check and does not call the closure.
    fn plan<K, T>(&self, columns: &[Column]) -> Result<T>
    where
        K: Default,
        V: Fn(Given<'_>, &Options<'_>, &K) -> Result<Outcome<T>>,
    {
        self.shared.check()?;
        if self.results.is_whole {
            let message = "the closure returns a whole Column or Series, whose dtype is not known when the query is planned; return \
                           cells, or call .chunks(schema, f), whose closure can make the eager call";
            return Err(ErrorKind::Option {
                option: self.method,
                message: message.into(),
            }
            .into());
        }
        let options = &self.shared.options;
        let outcome = self.call(columns, 0, options, &K::default());
        let output = outcome.map_err(Error::in_query)?.output;
        match self.results.is_fixed || options.call.returns.is_some() {
            true => Ok(output),
            false => Err(no_dtype()),
        }
    }

    fn run<K, T>(&self, columns: &[Column], rows: usize, kept: &K) -> Result<Outcome<T>>
    where
        V: Fn(Given<'_>, &Options<'_>, &K) -> Result<Outcome<T>>,
    {
        // As with any function of the whole frame, a deadline is counted from its own call.
        self.shared.call(rows, Instant::now(), |options| {
            self.call(columns, rows, options, kept)
        })
    }

    fn call<K, T>(
        &self,
        columns: &[Column],
        rows: usize,
        options: &Options<'_>,
        kept: &K,
    ) -> Result<Outcome<T>>
    where
        V: Fn(Given<'_>, &Options<'_>, &K) -> Result<Outcome<T>>,
    {
        // All rows of the frame are there, so they are numbered from 0.
        let numbers = RowNumbers::default();
        let given = Given {
            columns,
            rows,
            numbers: Some(&numbers),
        };
        (self.verb)(given, options, kept)
    }
}

/// Replaces the frame by what the verb makes of it.
pub(super) fn replace<K, V>(
    frame: LazyFrame,
    settings: Settings,
    needed: Option<Vec<PlSmallStr>>,
    results: ResultType,
    verb: V,
) -> LazyFrame
where
    K: Default + Send + Sync + 'static,
    V: Fn(Given<'_>, &Options<'_>, &K) -> Result<Outcome<DataFrame>> + Send + Sync + 'static,
{
    let frame = match needed {
        Some(names) => frame.select(columns(names)),
        None => frame,
    };
    let mapping = Mapping {
        name: settings.name_or("par_apply_groups"),
        numbers: None,
        row_wise: false,
    };
    let spans = Arc::new(QuerySpans {
        shared: settings.share(Kind::Groups, Over::LazyFrame),
        results,
        method: "groups",
        verb,
    });
    let planned = spans.clone();
    let schema = move |input: &Schema| {
        let output = planned.plan::<K, DataFrame>(empty_frame(input)?.columns())?;
        Ok(output.schema().clone())
    };
    let run = move |frame: &DataFrame, _: &Schema, kept: &K, _: Instant| {
        let outcome = spans.run(frame.columns(), frame.height(), kept)?;
        Ok(outcome.output)
    };
    map(frame, mapping, schema, run)
}

/// Adds the verb's results to the frame's columns.
pub(super) fn add<K, T, V>(
    mut frame: LazyFrame,
    settings: Settings,
    verb_kind: Kind,
    needed: Option<Vec<PlSmallStr>>,
    results: ResultType,
    verb: V,
) -> LazyFrame
where
    K: Default + Send + Sync + 'static,
    T: OneColumn,
    V: Fn(Given<'_>, &Options<'_>, &K) -> Result<Outcome<T>> + Send + Sync + 'static,
{
    let (method, plan_name) = match verb_kind {
        Kind::Windows => ("windows", "par_apply_windows"),
        _ => ("transform", "par_apply_transform"),
    };
    let plan_name = settings.name_or(plan_name);
    let name = output_name(&settings);
    let names = match T::IS_FRAME {
        false => vec![name.clone()],
        true => {
            let names = settings.options.call.names.as_ref();
            names.unwrap_or(&results.names).clone()
        }
    };
    let skips = settings.options.on_error() == OnError::Skip;
    let kept = skips.then(|| unused_name("kept"));
    let mut temporary = Vec::new();
    let arguments = match needed {
        None => vec![all().as_expr()],
        Some(names) if names.is_empty() => {
            // Without other columns, the numbers say how many rows there are.
            let numbers = unused_name("row");
            frame = frame.with_row_index(numbers.clone(), None);
            temporary.push(numbers.clone());
            columns(vec![numbers])
        }
        Some(names) => columns(names),
    };
    let hidden = temporary.len();
    let spans = Arc::new(QuerySpans {
        shared: settings.share(verb_kind, Over::LazyFrame),
        results,
        method,
        verb,
    });

    let (planned, planned_name, planned_kept) = (spans.clone(), name.clone(), kept.clone());
    let plan = move |_: &Schema, fields: &[Field]| -> PolarsResult<Field> {
        let given = &fields[..fields.len() - hidden];
        let empty = empty_columns(given.iter().cloned())?;
        let output = planned.plan::<K, T>(&empty)?;
        let dtype = column_dtype(output, &planned_name, planned_kept.as_ref());
        Ok(Field::new(planned_name.clone(), dtype))
    };
    let (run_name, run_kept) = (name.clone(), kept.clone());
    let run = move |run: &Arc<QueryRun>, states: &Arc<K>, all: &mut [Column]| {
        let rows = all.first().map_or(0, Column::len);
        let given = &all[..all.len() - hidden];
        run.call(|| {
            let outcome = spans.run(given, rows, &**states)?;
            Ok(results_column(
                outcome,
                run_name.clone(),
                run_kept.as_ref(),
            )?)
        })
    };
    let options = FunctionOptions::length_preserving();
    let results = named(linked(options, run, arguments, plan), plan_name).alias(name);
    let columns = AddedColumns {
        names,
        is_frame: T::IS_FRAME,
        kept,
        temporary,
    };
    beside(frame, results, columns)
}
