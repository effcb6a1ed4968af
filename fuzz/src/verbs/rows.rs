//! `rows`, compared with a loop over the rows' values; in the background and in lazy queries too.

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars::prelude::{AnyValue, Column, DataFrame, DataType, IntoLazy, PlSmallStr, Series};
use polars_par_apply::prelude::{IntoRow, OnError, Row, RowFn, RowRng};
use polars_par_apply::{FromRow, OneColumn, Registry, Struct};
use rand::RngExt;
use rust_decimal::Decimal;

use crate::arguments::{Argument, Taken};
use crate::call::{IntoFrame, call};
use crate::frame::NAMES;
use crate::results::MadeRow;
use crate::row_call::{
    Closure, Done, Gave, How, RowCall, RowVerb, Run, closures, draw_of, known, random,
};
use crate::value::Value;

/// A call of `rows`.
#[derive(Clone, Debug)]
pub struct Rows(RowCall);

impl Rows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut case = RowCall::arbitrary(u, &[(CELLS, 1), (&OTHERS, 3)])?;
        if let How::Lazy { streaming } = case.how {
            match u.int_in_range(0..=3)? {
                0 => {
                    let rows = u.int_in_range(1..=20)?;
                    case.how = How::Batches { rows };
                    // A separate batch for each of many rows takes long.
                    case.frame.rows = case.frame.rows.min(60);
                }
                1 => {
                    case.how = How::Expression { streaming };
                    let options = &mut case.options;
                    // An expression has a result for every row, and replaces no column.
                    if options.on_error == OnError::Skip {
                        options.on_error = OnError::Null;
                    }
                    options.keep = None;
                    options.source_rows = None;
                }
                _ => {}
            }
        }
        case.with_more_after(u).map(Rows)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

impl RowVerb for Rows {
    fn faults(&self, _: &RowCall, _: &mut BTreeSet<String>) {}

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        match done.case.how {
            How::Call | How::Job => done.is_results(output.columns(), true),
            How::Lazy { .. } | How::Batches { .. } => done.is_frame_with_results(output),
            How::Expression { .. } if done.case.output_names().len() == 1 => {
                done.is_results(output.columns(), true)
            }
            How::Expression { .. } => {
                let fields = output.columns()[0]
                    .struct_()
                    .map_err(|error| error.to_string())?;
                let fields = fields.fields_as_series().into_iter();
                done.is_results(&fields.map(Column::from).collect::<Vec<Column>>(), true)
            }
        }
    }
}

/// Makes the call over a frame, with `rows` or `with_columns`.
macro_rules! eager {
    ($run:expr, $apply:expr, $f:expr) => {{
        let (run, apply, f) = ($run, $apply, $f);
        let (in_background, outcome) = (run.in_background(), run.case.options.outcome);
        Gave::Call(Box::new(match run.case.beside {
            true => {
                call!(apply, in_background, outcome, run.df, with_columns or spawn_with_columns (f))
            }
            false => call!(apply, in_background, outcome, run.df, rows or spawn_rows (f)),
        }))
    }};
}

/// Makes a call without leading arguments.
fn make<M, F>(run: &Run<'_>, f: F) -> Gave
where
    F: RowFn<M> + Send + 'static,
    F::Out: IntoRow,
    <F::Out as IntoRow>::Output: IntoFrame + OneColumn + Send + 'static,
{
    match (run.lazy(), run.case.how) {
        (Some(lazy), How::Batches { rows }) => run.gather(lazy.row_batches(f), rows),
        (Some(_), How::Expression { .. }) => {
            run.collect(run.df.clone().lazy().select([run.expression().apply(f)]))
        }
        _ if run.by_name() => run.named(&Registry::new().rows("f", f)),
        (Some(lazy), _) => run.collect(lazy.rows(f)),
        (None, _) => eager!(run, run.apply(), f),
    }
}

/// Returns what a closure gives for a row.
fn draw<O: MadeRow>(seed: u8, row: usize) -> O {
    O::draw_row(&mut draw_of(seed, row))
}

fn drawn<O: MadeRow>(run: &Run<'_>, row: usize) -> Vec<Vec<Value>> {
    draw::<O>(run.case.seed, row).rows()
}

fn random_row(run: &Run<'_>, row: usize) -> Vec<Vec<Value>> {
    let drawn = random(run.case.seed, run.case.options.number(row));
    vec![vec![Value::Int(drawn.into())]]
}

/// Each type that closures take, and each that they return, is in at least one closure. A new type needs only another row here.
pub const CELLS: &[Closure] = closures! { make MadeRow:
    result () -> i64;
    plain () -> f64;
    result (x: i8) -> i8;
    result (x: i16) -> Option<i16>;
    result (x: i32) -> i32;
    plain (x: i64) -> i64;
    result (x: Option<i64>) -> Option<i64>;
    result (x: i128) -> i128;
    result (x: u8) -> u8;
    result (x: u16) -> u16;
    result (x: Option<u32>) -> u32;
    result (x: u64) -> u64;
    result (x: f32) -> f32;
    plain (x: f64) -> f64;
    result (x: Option<f64>) -> Option<bool>;
    result (x: bool) -> bool;
    result (x: Option<bool>) -> char;
    result (x: &str) -> String;
    plain (x: Option<&str>) -> Option<&'static str>;
    result (x: String) -> PlSmallStr;
    result (x: PlSmallStr) -> Option<String>;
    result (x: &[u8]) -> Vec<u8>;
    result (x: Option<Vec<u8>>) -> Option<Vec<u8>>;
    result (x: NaiveDate) -> NaiveDate;
    result (x: NaiveTime) -> Option<NaiveTime>;
    result (x: NaiveDateTime) -> NaiveDateTime;
    result (x: DateTime<Utc>) -> DateTime<Utc>;
    result (x: TimeDelta) -> TimeDelta;
    result (x: Option<NaiveDate>) -> ();
    result (x: Decimal) -> Vec<NaiveDate>;
    result (x: Decimal) -> Decimal;
    plain (x: i64) -> Option<Decimal>;
    result (x: Option<Decimal>) -> Vec<u16>;
    result (x: Vec<i64>) -> Vec<i64>;
    result (x: Vec<Option<i64>>) -> Option<Vec<i64>>;
    plain (x: Option<Vec<i64>>) -> Vec<Option<String>>;
    result (x: Vec<Option<String>>) -> Vec<Vec<u16>>;
    result (x: Series) -> Vec<Option<f64>>;
    result (x: Struct<(i64, Option<String>)>) -> Option<DateTime<Utc>>;
    result (x: Option<Struct<(Option<i64>, &str)>>) -> Option<NaiveDateTime>;
    result (x: AnyValue<'_>) -> AnyValue<'static>;
    result (x: Option<i64>) -> Struct<(i64, Option<String>)>;
    plain (x: &str) -> Option<Struct<(i64, Option<String>)>>;
    result (x: i64, y: &str) -> (i64, Option<String>);
    plain (x: Option<f64>, y: i32) -> (PlSmallStr, u8);
    result (x: Option<&str>, y: NaiveDate, z: bool) -> (Vec<i64>, Option<f64>, bool);
};

/// A row that binds by name.
#[derive(FromRow)]
struct Named<'a> {
    id: u32,
    a: Option<i64>,
    #[par_apply(rename = "b")]
    word: &'a str,
}

/// A row whose fields name its columns.
#[derive(IntoRow)]
struct Made {
    whole: i64,
    word: Option<String>,
}

/// Closures of another shape.
pub static OTHERS: [Closure; 7] = [
    Closure {
        text: "|row: Named<'_>| -> result<Made>",
        arguments: || vec![Option::<i64>::taken(), <&str>::taken()],
        of_row: false,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || vec![Some(DataType::Int64), Some(DataType::String)],
        names: || vec!["whole", "word"],
        rows: drawn::<(i64, Option<String>)>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(run, move |row: Named<'_>| -> anyhow::Result<Made> {
                body.enter(row.id as usize, &[row.a.seen(), row.word.seen()])?;
                let (whole, word) = draw(seed, row.id as usize);
                Ok(Made { whole, word })
            })
        },
    },
    Closure {
        text: "|[id, x, y]: [u32; 3]| -> result<[i64; 2]>",
        arguments: || vec![u32::taken(), u32::taken()],
        of_row: false,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || known::<(i64, i64)>(<(i64, i64)>::dtypes()),
        names: <(i64, i64) as MadeRow>::names,
        rows: drawn::<(i64, i64)>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(
                run,
                move |[id, x, y]: [u32; 3]| -> anyhow::Result<[i64; 2]> {
                    body.enter(id as usize, &[x.seen(), y.seen()])?;
                    let (one, other) = draw(seed, id as usize);
                    Ok([one, other])
                },
            )
        },
    },
    Closure {
        text: "|row: Row| -> result<(i64, Option<String>)>",
        arguments: || vec![Taken::Any, Taken::Any],
        of_row: true,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || vec![Some(DataType::Int64), Some(DataType::String)],
        names: <(i64, Option<String>) as MadeRow>::names,
        rows: drawn::<(i64, Option<String>)>,
        call: |run| {
            let (body, case) = (Arc::clone(&run.body), run.case.clone());
            make(
                run,
                move |row: Row<'_>| -> anyhow::Result<(i64, Option<String>)> {
                    let id = row.get::<u32>("id").map_or(usize::MAX, |id| id as usize);
                    let seen = row.iter().filter(|(name, _)| NAMES.contains(name));
                    let seen: Vec<Value> = seen.map(|(_, value)| Value::of(&value)).collect();
                    // Without the option, the rows of a query are numbered from 0 too.
                    if row.index() != case.options.number(id) {
                        body.finding(format!("row {id} says that its index is {}", row.index()));
                    }
                    body.enter(id, &seen)?;
                    Ok(draw(case.seed, id))
                },
            )
        },
    },
    Closure {
        text: "|(id, x): (u32, Option<i64>)| -> result<i32>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || vec![Some(DataType::Int32)],
        names: <i32 as MadeRow>::names,
        rows: drawn::<i32>,
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(
                run,
                move |(id, x): (u32, Option<i64>)| -> anyhow::Result<i32> {
                    body.enter(id as usize, &[x.seen()])?;
                    Ok(draw(seed, id as usize))
                },
            )
        },
    },
    Closure {
        text: "|count: &mut usize, id: u32, x: Option<i64>| -> result<i64>",
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
            let (made, finished) = run.states.counters();
            let f = move |count: &mut usize, id: u32, x: Option<i64>| -> anyhow::Result<i64> {
                *count += 1;
                body.enter(id as usize, &[x.seen()])?;
                Ok(draw(seed, id as usize))
            };
            eager!(run, run.apply().state(made).finish(finished), f)
        },
    },
    Closure {
        text: "|rng: &mut RowRng, id: u32, x: Option<i64>| -> result<u64>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: false,
        counts: false,
        dtypes: || vec![Some(DataType::UInt64)],
        names: <u64 as MadeRow>::names,
        rows: random_row,
        call: |run| {
            let body = Arc::clone(&run.body);
            let f = move |rng: &mut RowRng, id: u32, x: Option<i64>| -> anyhow::Result<u64> {
                body.enter(id as usize, &[x.seen()])?;
                Ok(rng.random::<u64>())
            };
            eager!(run, run.apply().seed(run.case.seed.into()), f)
        },
    },
    Closure {
        text: "|count: &mut usize, rng: &mut RowRng, id: u32, x: Option<i64>| -> result<u64>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: false,
        counts: false,
        dtypes: || vec![Some(DataType::UInt64)],
        names: <u64 as MadeRow>::names,
        rows: random_row,
        call: |run| {
            let body = Arc::clone(&run.body);
            let f = move |count: &mut usize,
                          rng: &mut RowRng,
                          id: u32,
                          x: Option<i64>|
                  -> anyhow::Result<u64> {
                *count += 1;
                body.enter(id as usize, &[x.seen()])?;
                Ok(rng.random::<u64>())
            };
            let apply = run.apply().seed(run.case.seed.into());
            eager!(run, apply.state(|| 0usize), f)
        },
    },
];
