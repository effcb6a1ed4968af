//! `flat_map_rows`: closures of rows that return any number of rows; in lazy queries too.

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use chrono::{DateTime, NaiveDate, Utc};
use polars::prelude::{AnyValue, DataFrame, DataType, PlSmallStr};
use polars_par_apply::prelude::{OnError, Row, RowFn};
use polars_par_apply::{IntoRows, Many, Registry};
use rust_decimal::Decimal;

use crate::arguments::{Argument, Taken};
use crate::call::call;
use crate::expect::{Fate, is_column};
use crate::frame::NAMES;
use crate::options::rarely;
use crate::results::{MadeRow, MadeRows, some_rows};
use crate::row_call::{
    Closure, Done, Gave, Returns, RowCall, RowVerb, Run, closures, draw_of, has_columns, known,
};
use crate::value::Value;

/// A call of `flat_map_rows`.
#[derive(Clone, Debug)]
pub struct FlatMapRows(RowCall);

const TYPED: &[Closure] = closures! { make MadeRows:
    result () -> Vec<i64>;
    plain () -> Option<f64>;
    result (x: i64) -> Vec<i64>;
    plain (x: Option<i64>) -> [i16; 2];
    result (x: f64) -> Vec<Option<f64>>;
    result (x: &str) -> Vec<String>;
    plain (x: Option<&str>) -> Many<std::vec::IntoIter<Option<PlSmallStr>>>;
    result (x: Option<NaiveDate>) -> Vec<NaiveDate>;
    result (x: u8) -> Option<DateTime<Utc>>;
    result (x: Vec<i64>) -> Vec<Vec<i64>>;
    result (x: Option<Decimal>) -> Vec<bool>;
    plain (x: AnyValue<'_>) -> Vec<()>;
    result (x: bool) -> Option<AnyValue<'static>>;
    result (x: i64, y: &str) -> Vec<(i64, Option<String>)>;
    plain (x: Option<f64>, y: Option<String>) -> [(PlSmallStr, u8); 3];
    result (x: Option<i32>, y: bool, z: &str) -> Many<std::vec::IntoIter<(Vec<i64>, Option<f64>, bool)>>;
};

type Pair = (i64, Option<String>);

/// Returns the rows that are drawn for a row.
pub fn drawn<T: MadeRow>(run: &Run<'_>, row: usize) -> Vec<Vec<Value>> {
    MadeRows::rows(&some_rows::<T>(&mut draw_of(run.case.seed, row)))
}

static OTHERS: [Closure; 3] = [
    Closure {
        text: "|id: u32, x: Option<i64>| -> Many<items of result<(i64, Option<String>)>>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || known::<Pair>(Pair::dtypes()),
        names: Pair::names,
        rows: drawn::<Pair>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(run, move |id: u32, x: Option<i64>| {
                let mut left = some_rows::<Pair>(&mut draw_of(seed, id as usize));
                // It fails or does not fail after half of them.
                let rest = left.split_off(left.len() / 2);
                let error = body.enter(id as usize, &[x.seen()]).err();
                let items = left.into_iter().map(Ok).chain(error.map(Err));
                Many(items.chain(rest.into_iter().map(Ok)))
            })
        },
    },
    Closure {
        text: "|row: Row| -> result<Vec<(i64, Option<String>)>>",
        arguments: || vec![Taken::Any, Taken::Any],
        of_row: true,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || known::<Pair>(Pair::dtypes()),
        names: Pair::names,
        rows: drawn::<Pair>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(run, move |row: Row<'_>| -> anyhow::Result<Vec<Pair>> {
                let id = row.get::<u32>("id").map_or(usize::MAX, |id| id as usize);
                let seen = row.iter().filter(|(name, _)| NAMES.contains(name));
                let seen: Vec<Value> = seen.map(|(_, value)| Value::of(&value)).collect();
                body.enter(id, &seen)?;
                Ok(some_rows(&mut draw_of(seed, id)))
            })
        },
    },
    Closure {
        text: "|count: &mut usize, id: u32, x: Option<i64>| -> result<Vec<i64>>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: false,
        counts: true,
        dtypes: || vec![Some(DataType::Int64)],
        names: <i64 as MadeRow>::names,
        rows: drawn::<i64>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            let f = move |count: &mut usize, id: u32, x: Option<i64>| -> anyhow::Result<Vec<i64>> {
                *count += 1;
                body.enter(id as usize, &[x.seen()])?;
                Ok(some_rows(&mut draw_of(seed, id as usize)))
            };
            let (made, finished) = run.states.counters();
            let apply = run.apply().state(made).finish(finished);
            let (in_background, outcome) = (run.in_background(), run.case.options.outcome);
            Gave::Call(Box::new(
                call!(apply, in_background, outcome, run.df, flat_map_rows or spawn_flat_map_rows (f)),
            ))
        },
    },
];

fn make<M, F>(run: &Run<'_>, f: F) -> Gave
where
    F: RowFn<M> + Send + 'static,
    F::Out: IntoRows,
{
    if run.by_name() {
        return run.named(&Registry::new().flat_map_rows("f", f));
    }
    if let Some(lazy) = run.lazy() {
        return run.collect(lazy.flat_map_rows(f));
    }
    let (apply, in_background, outcome) =
        (run.apply(), run.in_background(), run.case.options.outcome);
    Gave::Call(Box::new(
        call!(apply, in_background, outcome, run.df, flat_map_rows or spawn_flat_map_rows (f)),
    ))
}

impl FlatMapRows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut case = RowCall::arbitrary(u, &[(TYPED, 1), (&OTHERS, 2)])?;
        if case.closure.text.contains("items of result") {
            // If there are an error and an item that does not fit, the first is reported.
            case.returns = Returns::Default;
        }
        with_sources(u, case).map(FlatMapRows)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(&ManyRows)
    }
}

/// Returns the case with the options that say which input row each output row comes from.
pub fn with_sources(u: &mut Unstructured<'_>, mut case: RowCall) -> Result<RowCall> {
    let options = &mut case.options;
    if options.on_error == OnError::Null && !rarely(u, 20)? {
        options.on_error = OnError::Skip;
    }
    options.overlap = options.overlap.filter(|_| options.keep.is_none());
    options.keep = match rarely(u, 2)? {
        true => {
            let names = ["id", "a", "b", "other", "line", "nowhere", "id"];
            let most = if rarely(u, 8)? { names.len() } else { 2 };
            let width = u.int_in_range(0..=2)?;
            Some(
                (0..width)
                    .map(|_| Ok(names[u.choose_index(most)?]))
                    .collect::<Result<_>>()?,
            )
        }
        false => None,
    };
    options.source_rows = match rarely(u, 3)? {
        true => Some(*u.choose(&["row", "row", "id", "par_apply", "column_1"])?),
        false => None,
    };
    Ok(case)
}

/// The properties of the verbs that give any number of rows for each row.
#[derive(Debug)]
pub struct ManyRows;

impl ManyRows {
    /// The columns before the closure's.
    fn before(case: &RowCall) -> Vec<&'static str> {
        let options = &case.options;
        let keep = options.keep.iter().flatten();
        options.source_rows.iter().chain(keep).copied().collect()
    }
}

impl RowVerb for ManyRows {
    fn drops(&self) -> bool {
        true
    }

    fn faults(&self, case: &RowCall, faults: &mut BTreeSet<String>) {
        let options = &case.options;
        faults.remove("option keep");
        faults.remove("option source_rows");
        if options.on_error == OnError::Null {
            faults.insert("option on_error".into());
        }
        let df = options.with_more_columns(case.frame.frame());
        for name in options.keep.iter().flatten() {
            if df.column(name).is_err() {
                faults.insert(format!("column_not_found {name}"));
            }
        }
        let mut names: BTreeSet<&str> = BTreeSet::new();
        let own = case.output_names();
        let own: BTreeSet<&str> = own.iter().map(PlSmallStr::as_str).collect();
        for name in ManyRows::before(case).into_iter().chain(own) {
            if !names.insert(name) {
                faults.insert(format!("duplicate_name {name}"));
            }
        }
    }

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        let case = done.case;
        let before = ManyRows::before(case);
        let mut names: Vec<PlSmallStr> = before
            .iter()
            .map(|name| PlSmallStr::from_str(name))
            .collect();
        names.extend(case.output_names());
        has_columns(output, &names)?;
        let is_done = |row: &&usize| matches!(done.fates[**row], Fate::Done { .. });
        let sources = done.kept.iter().filter(is_done);
        let sources = sources.flat_map(|row| std::iter::repeat_n(*row, done.rows[*row].len()));
        let sources: Vec<usize> = sources.collect();
        let (before, results) = output.columns().split_at(before.len());
        for (position, column) in before.iter().enumerate() {
            match (position, case.options.source_rows) {
                (0, Some(name)) => {
                    let numbers = sources
                        .iter()
                        .map(|row| Value::Int(case.options.number(*row) as i128));
                    is_column(column, name, None, &numbers.collect::<Vec<Value>>())?;
                }
                _ => done.is_input(column, column.name(), &sources)?,
            }
        }
        done.is_results(results, false)
    }
}
