//! `emit_rows`: closures of rows that push any number of rows; if the row fails, none of them are left.

use std::borrow::Cow;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use polars::prelude::{AnyValue, DataType, PlSmallStr};
use polars_par_apply::prelude::{Emit, RowRng};
use polars_par_apply::{EmitFn, IntoRow};
use rand::RngExt;

use crate::arguments::Argument;
use crate::call::call;
use crate::results::{MadeRow, some_rows};
use crate::row_call::{Closure, Gave, RowCall, Run, draw_of, known, random};
use crate::value::Value;
use crate::verbs::flat_map_rows::{ManyRows, drawn, with_sources};

/// A call of `emit_rows`.
#[derive(Clone, Debug)]
pub struct EmitRows(RowCall);

/// The type that is pushed, the type that is drawn, and how one is made from the other. Half of a row's rows are pushed before it
/// fails or does not fail.
macro_rules! emitters {
    ($($fails:ident ($($a:ident: $A:ty),*) -> $Row:ty, of $Owned:ty, |$row:ident| $made:expr;)*) => {
        &[$(Closure {
            text: concat!("|out: &mut Emit<", stringify!($Row), ">, id: u32", $(", ", stringify!($a), ": ", stringify!($A),)* "| -> ", stringify!($fails)),
            arguments: || vec![$(<$A as Argument>::taken()),*],
            of_row: false,
            fails: emitters!(@fails $fails),
            in_queries: false,
            counts: false,
            dtypes: || known::<$Owned>(<$Owned as MadeRow>::dtypes()),
            names: <$Owned as MadeRow>::names,
            rows: drawn::<$Owned>,
            call: |run| {
                let (body, seed) = (Arc::clone(&run.body), run.case.seed);
                emitters!(@make $fails, run, body, seed, ($($a: $A),*) -> $Row, $Owned, |$row| $made)
            },
        }),*]
    };
    (@fails result) => { true };
    (@fails plain) => { false };
    (@make result, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*) -> $Row:ty, $Owned:ty, |$row:ident| $made:expr) => {
        make($run, move |out: &mut Emit<$Row>, id: u32 $(, $a: $A)*| -> anyhow::Result<()> {
            let rows = some_rows::<$Owned>(&mut draw_of($seed, id as usize));
            let (first, rest) = rows.split_at(rows.len() / 2);
            first.iter().for_each(|$row| out.push($made));
            $body.enter(id as usize, &[$($a.seen()),*])?;
            rest.iter().for_each(|$row| out.push($made));
            Ok(())
        })
    };
    (@make plain, $run:ident, $body:ident, $seed:ident, ($($a:ident: $A:ty),*) -> $Row:ty, $Owned:ty, |$row:ident| $made:expr) => {
        make($run, move |out: &mut Emit<$Row>, id: u32 $(, $a: $A)*| {
            let rows = some_rows::<$Owned>(&mut draw_of($seed, id as usize));
            let (first, rest) = rows.split_at(rows.len() / 2);
            first.iter().for_each(|$row| out.push($made));
            $body.enter_surely(id as usize, &[$($a.seen()),*]);
            rest.iter().for_each(|$row| out.push($made));
        })
    };
}

const TYPED: &[Closure] = emitters! {
    result () -> &str, of String, |row| row;
    plain () -> u16, of u16, |row| *row;
    result (x: &str) -> &str, of PlSmallStr, |row| row;
    result (x: Option<&str>) -> Option<&str>, of Option<String>, |row| row.as_deref();
    result (x: i64) -> Option<i64>, of Option<i64>, |row| *row;
    plain (x: Option<f64>) -> &[u8], of Vec<u8>, |row| row;
    result (x: Vec<i64>) -> Vec<i64>, of Vec<i64>, |row| row.clone();
    result (x: AnyValue<'_>) -> Cow<'_, str>, of String, |row| Cow::from(row);
    result (x: bool) -> AnyValue<'static>, of AnyValue<'static>, |row| row.clone();
    result (x: i32, y: &str) -> (&str, i64), of (String, i64), |row| (&row.0, row.1);
    plain (x: Option<u8>, y: Option<&str>) -> (Option<&str>, Vec<u8>), of (Option<String>, Vec<u8>), |row| (row.0.as_deref(), row.1.clone());
    result (x: Option<i64>, y: i16) -> (bool, Option<f64>, &str), of (bool, Option<f64>, PlSmallStr), |row| (row.0, row.1, &row.2);
    result (x: u32) -> [i64; 2], of (i64, i64), |row| [row.0, row.1];
    result (x: Option<bool>) -> Made, of (i64, Option<String>), |row| Made { whole: row.0, word: row.1.clone() };
};

/// A row whose fields name its columns; the tuple that is drawn for it has the same values.
#[derive(IntoRow)]
struct Made {
    #[par_apply(rename = "column_0")]
    whole: i64,
    #[par_apply(rename = "column_1")]
    word: Option<String>,
}

/// The random stream says how many rows there are.
static SEEDED: [Closure; 1] = [Closure {
    text: "|count: &mut usize, rng: &mut RowRng, out: &mut Emit<u64>, id: u32, x: Option<i64>| -> result",
    arguments: || vec![Option::<i64>::taken()],
    of_row: false,
    fails: true,
    in_queries: false,
    counts: true,
    dtypes: || vec![Some(DataType::UInt64)],
    names: <u64 as MadeRow>::names,
    rows: |run, row| {
        let drawn = random(run.case.seed, run.case.options.number(row));
        vec![vec![Value::Int(drawn.into())]; (drawn % 3) as usize]
    },
    call: |run| {
        let body = Arc::clone(&run.body);
        let f = move |count: &mut usize,
                      rng: &mut RowRng,
                      out: &mut Emit<u64>,
                      id: u32,
                      x: Option<i64>|
              -> anyhow::Result<()> {
            *count += 1;
            let drawn = rng.random::<u64>();
            (0..drawn % 3).for_each(|_| out.push(drawn));
            body.enter(id as usize, &[x.seen()])
        };
        let (made, finished) = run.states.counters();
        let apply = run.apply().seed(run.case.seed.into());
        let apply = apply.state(made).finish(finished);
        let (in_background, outcome) = (run.in_background(), run.case.options.outcome);
        Gave::Call(Box::new(
            call!(apply, in_background, outcome, run.df, emit_rows or spawn_emit_rows (f)),
        ))
    },
}];

fn make<M, F>(run: &Run<'_>, f: F) -> Gave
where
    F: EmitFn<M> + Send + 'static,
{
    let (apply, in_background, outcome) =
        (run.apply(), run.in_background(), run.case.options.outcome);
    Gave::Call(Box::new(
        call!(apply, in_background, outcome, run.df, emit_rows or spawn_emit_rows (f)),
    ))
}

impl EmitRows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        let case = RowCall::arbitrary(u, &[(TYPED, 1), (&SEEDED, 2)])?;
        with_sources(u, case).map(EmitRows)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(&ManyRows)
    }
}
