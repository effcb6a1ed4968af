//! `filter_rows`: closures that say whether a row is kept; in lazy queries too.

use std::collections::BTreeSet;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use chrono::NaiveDateTime;
use polars::prelude::{AnyValue, DataFrame, DataType};
use polars_par_apply::prelude::{Row, RowFn, RowRng};
use polars_par_apply::{IntoMask, Registry};
use rand::RngExt;
use rust_decimal::Decimal;

use crate::arguments::{Argument, Taken};
use crate::call::call;
use crate::frame::NAMES;
use crate::options::Names;
use crate::results::MadeRow;
use crate::row_call::{
    Closure, Done, Gave, Returns, RowCall, RowVerb, Run, closures, draw_of, has_columns, known,
    random,
};
use crate::value::Value;

/// A call of `filter_rows`.
#[derive(Clone, Debug)]
pub struct FilterRows(RowCall);

const TYPED: &[Closure] = closures! { make MadeRow:
    plain () -> bool;
    result () -> bool;
    result (x: i64) -> bool;
    plain (x: Option<i64>) -> Option<bool>;
    result (x: Option<f64>) -> Option<bool>;
    result (x: &str) -> bool;
    plain (x: NaiveDateTime) -> bool;
    result (x: AnyValue<'_>) -> Option<bool>;
    result (x: Vec<Option<i64>>) -> bool;
    result (x: Decimal, y: Option<&str>) -> bool;
    plain (x: bool, y: u8, z: Option<String>) -> Option<bool>;
};

static OTHERS: [Closure; 2] = [
    Closure {
        text: "|row: Row| -> result<Option<bool>>",
        arguments: || vec![Taken::Any, Taken::Any],
        of_row: true,
        fails: true,
        in_queries: true,
        counts: false,
        dtypes: || known::<bool>(vec![DataType::Boolean]),
        names: <bool as MadeRow>::names,
        rows: |run, row| Option::<bool>::draw_row(&mut draw_of(run.case.seed, row)).rows(),
        call: |run| {
            let (body, seed) = (Arc::clone(&run.body), run.case.seed);
            make(run, move |row: Row<'_>| -> anyhow::Result<Option<bool>> {
                let id = row.get::<u32>("id").map_or(usize::MAX, |id| id as usize);
                let seen = row.iter().filter(|(name, _)| NAMES.contains(name));
                let seen: Vec<Value> = seen.map(|(_, value)| Value::of(&value)).collect();
                body.enter(id, &seen)?;
                Ok(Option::<bool>::draw_row(&mut draw_of(seed, id)))
            })
        },
    },
    Closure {
        text: "|count: &mut usize, rng: &mut RowRng, id: u32, x: Option<i64>| -> result<bool>",
        arguments: || vec![Option::<i64>::taken()],
        of_row: false,
        fails: true,
        in_queries: false,
        counts: false,
        dtypes: || known::<bool>(vec![DataType::Boolean]),
        names: <bool as MadeRow>::names,
        rows: |run, row| {
            let drawn = random(run.case.seed, run.case.options.number(row));
            vec![vec![Value::Bool(drawn.is_multiple_of(2))]]
        },
        call: |run| {
            let body = Arc::clone(&run.body);
            let f = move |count: &mut usize,
                          rng: &mut RowRng,
                          id: u32,
                          x: Option<i64>|
                  -> anyhow::Result<bool> {
                *count += 1;
                body.enter(id as usize, &[x.seen()])?;
                Ok(rng.random::<u64>().is_multiple_of(2))
            };
            let apply = run.apply().seed(run.case.seed.into()).state(|| 0usize);
            let (in_background, outcome) = (run.in_background(), run.case.options.outcome);
            Gave::Call(Box::new(
                call!(apply, in_background, outcome, run.df, filter_rows or spawn_filter_rows (f)),
            ))
        },
    },
];

fn make<M, F>(run: &Run<'_>, f: F) -> Gave
where
    F: RowFn<M> + Send + 'static,
    F::Out: IntoMask,
{
    if run.by_name() {
        return run.named(&Registry::new().filter_rows("f", f));
    }
    if let Some(lazy) = run.lazy() {
        return run.collect(lazy.filter_rows(f));
    }
    let (apply, in_background, outcome) =
        (run.apply(), run.in_background(), run.case.options.outcome);
    Gave::Call(Box::new(
        call!(apply, in_background, outcome, run.df, filter_rows or spawn_filter_rows (f)),
    ))
}

impl FilterRows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let case = RowCall::arbitrary(u, &[(TYPED, 1), (&OTHERS, 2)])?;
        case.with_more_after(u).map(FilterRows)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

impl RowVerb for FilterRows {
    /// A null is not kept, whatever the policy is.
    fn drops(&self) -> bool {
        true
    }

    /// There are no columns of results.
    fn faults(&self, case: &RowCall, faults: &mut BTreeSet<String>) {
        faults.remove("name_count");
        if case.options.names != Names::Default {
            faults.insert("option names".into());
        }
        if case.returns != Returns::Default {
            faults.insert("option returns".into());
        }
    }

    fn keeps(&self, rows: &[Vec<Value>]) -> bool {
        rows == [[Value::Bool(true)]]
    }

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        let names = done.df.get_column_names_owned();
        has_columns(output, &names)?;
        let mut columns = output.columns().iter().zip(&names);
        columns.try_for_each(|(column, name)| done.is_input(column, name, done.kept))
    }
}
