//! A named function gives what its closure gives, however it is called, and says what it takes and returns.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use polars::prelude::{Categories, FrozenCategories};
use polars_par_apply::prelude::*;
use polars_par_apply::{Call, Error, Result, around};
use rand::RngExt;
use rust_decimal::Decimal;

use crate::engines::{ENGINES, collected};
use crate::frames::{
    assert_same, assert_same_frame, counting, every_dtype, faults, layouts, watched, ways,
};

/// The results of a call by name, and of the call of its closure.
trait Same<T> {
    fn same(&self, closure: &T, what: &str);
}

impl Same<Column> for DataFrame {
    #[track_caller]
    fn same(&self, closure: &Column, what: &str) {
        assert_eq!(self.width(), 1, "{what}");
        assert_same(&self.columns()[0], closure, what);
    }
}

impl Same<DataFrame> for DataFrame {
    #[track_caller]
    fn same(&self, closure: &DataFrame, what: &str) {
        assert_same_frame(self, closure, what);
    }
}

impl<T> Same<Outcome<T>> for Outcome<DataFrame>
where
    DataFrame: Same<T>,
{
    #[track_caller]
    fn same(&self, closure: &Outcome<T>, what: &str) {
        self.output.same(&closure.output, what);
        assert_same_frame(&self.failures, &closure.failures, what);
        let (rows, kept) = (self.kept_rows(), closure.kept_rows());
        assert!(rows.iter().eq(kept.iter()), "{what}");
        assert!(
            self.kept_mask().iter().eq(closure.kept_mask().iter()),
            "{what}"
        );
        let counts = |stats: &Stats| (stats.rows, stats.failures, stats.retries, stats.cancelled);
        assert_eq!(counts(&self.stats), counts(&closure.stats), "{what}");
        assert_eq!(self.is_complete(), closure.is_complete(), "{what}");
    }
}

impl<A, T> Same<Result<T>> for Result<A>
where
    A: Same<T>,
{
    #[track_caller]
    fn same(&self, closure: &Result<T>, what: &str) {
        match (self, closure) {
            (Ok(named), Ok(closure)) => named.same(closure, what),
            (Err(named), Err(closure)) => same_error(named, closure, what),
            (named, closure) => panic!(
                "{what}: by name {:?}, by its closure {:?}",
                named.as_ref().err(),
                closure.as_ref().err()
            ),
        }
    }
}

#[track_caller]
fn same_error(named: &Error, closure: &Error, what: &str) {
    assert_eq!(named.to_string(), closure.to_string(), "{what}");
    let kind = |error: &Error| std::mem::discriminant(error.kind());
    assert_eq!(kind(named), kind(closure), "{what}: {named}");
    assert_eq!(named.row(), closure.row(), "{what}");
    assert_eq!(named.column(), closure.column(), "{what}");
    let cause = |error: &Error| error.cause().map(ToString::to_string);
    assert_eq!(cause(named), cause(closure), "{what}");
}

/// Returns a function of a registry that has no other.
macro_rules! function {
    ($verb:ident, $($closure:tt)+) => {
        Registry::new().$verb("f", $($closure)+).get("f").unwrap()
    };
}

/// Calls a function by name, and its closure, over every layout of the frame, in every way, blocking and in the background, with
/// these options.
macro_rules! alike {
    ($df:expr, [$($option:tt)*], $verb:ident, $f:expr) => {
        alike!($df, [$($option)*], $verb, $f, function!($verb, $f))
    };
    ($df:expr, [$($option:tt)*], $verb:ident, $f:expr, $function:expr) => {{
        let function: Function = $function;
        for (layout, df) in layouts(&$df) {
            for (way, apply) in ways(&df.par_apply(), 7, 11) {
                let what = format!("{function} {layout}, {way}, {}", stringify!($($option)*));
                let closure = apply.clone()$($option)*.$verb($f);
                apply.clone()$($option)*.call(&function).same(&closure, &what);
                apply$($option)*.spawn_call(&function).get().same(&closure, &what);
            }
        }
    }};
}

/// Does the same for results beside the frame's columns.
macro_rules! alike_beside {
    ($df:expr, [$($option:tt)*], $f:expr) => {{
        let function = function!(rows, $f);
        for (layout, df) in layouts(&$df) {
            for (way, apply) in ways(&df.par_apply(), 7, 11) {
                let what = format!("{function} {layout}, {way}, {}", stringify!($($option)*));
                let closure = apply.clone()$($option)*.with_columns($f);
                apply.clone()$($option)*.call_with_columns(&function).same(&closure, &what);
                apply$($option)*.spawn_call_with_columns(&function).get().same(&closure, &what);
            }
        }
    }};
}

/// Calls a function by name, and its closure, in a query, and compares the plans and the results.
macro_rules! alike_in_queries {
    ($df:expr, [$($option:tt)*], $verb:ident, $($closure:expr),+) => {{
        let function = function!($verb, $($closure),+);
        for (layout, df) in layouts(&$df) {
            for engine in ENGINES {
                let what = format!("{function} {layout}, {engine:?}, {}", stringify!($($option)*));
                let call = || df.clone().lazy().par_apply()$($option)*;
                let mut named = call().call(&function);
                let mut closure = call().$verb($($closure),+);
                let text = |error: PolarsError| error.to_string();
                let schema = named.collect_schema().map_err(text);
                assert_eq!(schema, closure.collect_schema().map_err(text), "{what}");
                match (collected(&named, engine), collected(&closure, engine)) {
                    (Ok(named), Ok(closure)) => {
                        assert_same_frame(&named, &closure, &what);
                        assert_eq!(Ok(named.schema()), schema.as_ref(), "{what}");
                    }
                    (Err(named), Err(closure)) => {
                        assert_eq!(named.to_string(), closure.to_string(), "{what}");
                    }
                    (named, closure) => panic!("{what}: {named:?} and {closure:?}"),
                }
            }
        }
    }};
}

#[derive(FromRow)]
struct Taken {
    i64: i64,
    #[par_apply(rename = "str")]
    text: Option<String>,
}

#[derive(IntoRow)]
struct Given {
    half: f64,
    text: Option<String>,
}

fn parsed(i: i64) -> anyhow::Result<i64> {
    anyhow::ensure!(i % 20 != 3, "{i} is one too many");
    assert_ne!(i % 50, 17, "never {i}");
    Ok(2 * i)
}

#[test]
fn rows_by_every_way() {
    watched(|| {
        for rows in [0, 1, 60] {
            let df = every_dtype(rows);
            alike!(df, [.select(["i64"])], rows, |i: i64| i * 2);
            alike!(df, [.select(["i64", "str"]).names(["n"])], rows, |i: i64, text: &str| {
                text.len() as i64 + i
            });
            alike!(df, [.select(["str", "f64"])], rows, |text: Option<&str>, x: f64| {
                (text.map(str::len).map(|len| len as u64), x, text.map(str::to_string))
            });
            alike!(df, [], rows, |taken: Taken| Given {
                half: taken.i64 as f64 / 2.0,
                text: taken.text,
            });
            alike!(df, [.select(["bool", "i8"])], rows, |yes: bool, i: i8| yes.then_some(i));
            alike!(df, [.select(["cat", "binary"])], rows, |text: &str, bytes: &[u8]| {
                [text.len() as u32, bytes.len() as u32]
            });
            alike!(df, [.select(["i64"])], rows, parsed);
            alike!(df, [], rows, |row: Row<'_>| row.index() as u64
                + row.len() as u64);
            alike!(df, [.select(["decimal"]).returns([DataType::Decimal(20, 3)])], rows, |d: Decimal| d);
        }
    });
}

#[test]
fn options_hold_for_rows() {
    watched(|| {
        let df = every_dtype(80);
        alike!(df, [.select(["i64"]).nulls(Nulls::Error)], rows, |i: i64| i);
        alike!(df, [.select(["f64"]).casts(Casts::Lossy)], rows, |i: i32| i);
        alike!(df, [.select(["f64"])], rows, |i: i32| i);
        alike!(df, [.select(["i64", "none"]).workers(0)], rows, |i: i64, j: i64| i + j);
        alike!(df, [.select(["i64"]).returns([DataType::Int8])], rows, |i: i64| i);
        alike!(df, [.select(["i64"]).first_row(1000)], rows, parsed);
        alike!(df, [.select_where(|field| field.dtype() == &DataType::Int64)], rows, |i: i64| i);
        alike!(df, [.with(&CallOptions::new().select(["i64"]).names(["x"]))], rows, |i: i64| i);
        let numbered = df.with_row_index("line".into(), Some(7)).unwrap();
        alike!(numbered, [.select(["i64"]).row_numbers("line")], rows, parsed);
        // Functions refuse what their verb refuses.
        alike!(df, [.select(["i64"]).keep(["str"]).by(["cat"])], rows, |i: i64| i);
        for policy in [
            OnError::Fail,
            OnError::Null,
            OnError::Skip,
            OnError::Collect,
        ] {
            alike!(df, [.select(["i64"]).on_error(policy)], rows, parsed);
            alike!(df, [.select(["i64"]).on_error(policy).max_failures(1)], rows, parsed);
            alike!(df, [.with(&CallOptions::new().select(["i64"]).on_error(policy))], rows, parsed);
        }
        let soon = Retry::attempts(2).min_delay(Duration::from_micros(10));
        alike!(
            df,
            [.select(["i64"]).on_error(OnError::Null).retry(soon.clone())],
            rows,
            parsed
        );
    });
}

#[test]
fn results_beside_the_columns() {
    watched(|| {
        for rows in [0, 50] {
            let df = every_dtype(rows);
            alike_beside!(df, [.select(["i64"])], |i: i64| i * 2);
            alike_beside!(df, [.select(["str"]).names(["i64", "new"])], |text: &str| {
                (text.len() as u32, text.to_string())
            });
            for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                alike_beside!(df, [.select(["i64"]).on_error(policy)], parsed);
            }
            alike_beside!(df, [.select(["i64"])], parsed);
        }
        // In a query, `rows` adds columns, as this call does.
        let df = every_dtype(50);
        let function = function!(rows, |i: i64| (i, i as f64));
        let eager = df.par_apply().select(["i64"]).names(["a", "f64"]);
        let eager = eager.call_with_columns(&function).unwrap();
        for engine in ENGINES {
            let lf = df
                .clone()
                .lazy()
                .par_apply()
                .select(["i64"])
                .names(["a", "f64"]);
            let lazy = collected(&lf.call(&function), engine).unwrap();
            assert_same_frame(&lazy, &eager, "in a query");
        }
        // The results of other verbs cannot be put beside the columns.
        for function in [
            function!(filter_rows, |i: i64| i > 1),
            function!(flat_map_rows, |i: i64| vec![i]),
            function!(chunks, |input: &Schema| input.clone(), |part: DataFrame| {
                part
            }),
            function!(groups, |i: Values<'_, i64>| i.len() as u64),
        ] {
            let call = || df.par_apply().select(["i64"]);
            refused(
                &call().call_with_columns(&function).unwrap_err(),
                &format!("function \"f\": it is a function of {}, ", function.verb()),
            );
            let options = CallOptions::new().select(["i64"]);
            let schema = function.output_schema_with_columns(df.schema(), &options);
            refused(&schema.unwrap_err(), "use .call(&function)");
        }
    });
}

#[track_caller]
fn refused(error: &Error, message: &str) {
    assert!(
        matches!(error.kind(), ErrorKind::Function { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(message), "{error}");
}

fn odd(i: i64) -> anyhow::Result<Option<bool>> {
    Ok((parsed(i)? % 7 != 2).then_some(i % 2 == 1))
}

#[test]
fn filter_rows_by_every_way() {
    watched(|| {
        for rows in [0, 1, 60] {
            let df = every_dtype(rows);
            alike!(df, [.select(["i64"])], filter_rows, |i: i64| i % 3 == 0);
            alike!(df, [.select(["str"])], filter_rows, |text: Option<&str>| text.is_none());
            alike!(df, [], filter_rows, |row: Row<'_>| row.index() % 4 == 1);
            alike!(df, [.select(["i64"])], filter_rows, odd);
            alike!(df, [.select(["i64"]).names(["x"])], filter_rows, odd);
            for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                alike!(df, [.select(["i64"]).on_error(policy)], filter_rows, odd);
            }
        }
    });
}

fn pieces(i: i64, text: &str) -> anyhow::Result<Vec<(i64, String)>> {
    let i = parsed(i)?;
    Ok((0..i % 3).map(|n| (n, format!("{text} {n}"))).collect())
}

#[test]
fn flat_map_rows_by_every_way() {
    watched(|| {
        for rows in [0, 1, 60] {
            let df = every_dtype(rows);
            let names = ["n", "piece"];
            alike!(df, [.select(["i64"])], flat_map_rows, |i: i64| vec![i; i as usize % 4]);
            alike!(df, [.select(["str"])], flat_map_rows, |text: Option<&str>| {
                text.map(str::to_string)
            });
            alike!(df, [.select(["i64", "str"])], flat_map_rows, pieces);
            alike!(
                df,
                [.select(["i64", "str"]).names(names).keep(["cat"]).source_rows("row").on_error(OnError::Skip)],
                flat_map_rows,
                pieces
            );
            alike!(df, [.select(["i64", "str"]).on_error(OnError::Collect)], flat_map_rows, pieces);
            alike!(df, [.select(["i64", "str"]).on_error(OnError::Null)], flat_map_rows, pieces);
        }
    });
}

fn same_schema(input: &Schema) -> Schema {
    input.clone()
}

fn counted(part: Chunk) -> anyhow::Result<DataFrame> {
    anyhow::ensure!(part.index() % 5 != 3, "part {}", part.index());
    Ok(df!["from" => [part.row_offset() as u64], "rows" => [part.height() as u64]]?)
}

fn counted_schema() -> Schema {
    Schema::from_iter([
        Field::new("from".into(), DataType::UInt64),
        Field::new("rows".into(), DataType::UInt64),
    ])
}

#[test]
fn chunks_by_every_way() {
    watched(|| {
        for rows in [0, 1, 60] {
            let df = every_dtype(rows);
            let whole = || function!(chunks, same_schema, |part: DataFrame| part);
            alike!(df, [], chunks, |part: DataFrame| part, whole());
            alike!(df, [.select(["i64", "list"])], chunks, |part: DataFrame| part, whole());
            alike!(df, [.select(["i64"]).names(["x"])], chunks, |part: DataFrame| part, whole());
            alike!(df, [.overlap(2, 1)], chunks, |part: DataFrame| part, whole());
            alike!(df, [.select(["no"]).keep(["i64"])], chunks, |part: DataFrame| part, whole());
            let parts = || function!(chunks, counted_schema(), counted);
            alike!(df, [], chunks, counted, parts());
            for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                alike!(df, [.on_error(policy)], chunks, counted, parts());
            }
            let numbered = df.with_row_index("line".into(), Some(7)).unwrap();
            alike!(numbered, [.row_numbers("line")], chunks, |part: DataFrame| part, whole());
            alike!(
                numbered,
                [.row_numbers("line").select(["line", "i64"])],
                chunks,
                |part: DataFrame| part,
                whole()
            );
        }
    });
}

#[test]
fn groups_by_every_way() {
    watched(|| {
        for rows in [0, 1, 60] {
            let df = every_dtype(rows);
            let sum = |x: Values<'_, i64>| x.iter().sum::<i64>();
            alike!(df, [.by(["cat"]).select(["i64"])], groups, sum);
            alike!(df, [.by(["bool", "str"]).select(["i64"]).names(["sum"])], groups, sum);
            alike!(df, [.by(["cat"]).select(["i64"]).null_keys(NullKeys::Drop)], groups, sum);
            alike!(df, [.by(["cat"]).select(["i64"]).without_keys()], groups, sum);
            alike!(df, [.select(["i64"])], groups, sum);
            let keyed = |key: Option<&str>, x: Rows<'_, (Option<i64>,)>| {
                anyhow::ensure!(key != Some("bb"), "no bb");
                Ok((key.map(str::to_string), x.len() as u64))
            };
            alike!(df, [.by(["cat"]).select(["i64"])], groups, keyed);
            for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                alike!(df, [.by(["cat"]).select(["i64"]).on_error(policy)], groups, keyed);
            }
            let whole = |group: Group| group.height() as u64;
            alike!(df, [.by(["cat"]).select(["i64"])], groups, whole);
        }
    });
}

#[test]
fn in_queries_as_the_verb() {
    watched(|| {
        for rows in [0, 60] {
            let df = every_dtype(rows);
            alike_in_queries!(df, [.select(["i64"])], rows, |i: i64| i * 2);
            alike_in_queries!(df, [.select(["i64", "str"]).names(["i64", "text"])], rows, |i: i64, text: Option<&str>| {
                (i, text.map(str::to_string))
            });
            alike_in_queries!(df, [], rows, |taken: Taken| Given {
                half: taken.i64 as f64,
                text: taken.text,
            });
            alike_in_queries!(df, [.select(["i64"]).on_error(OnError::Null)], rows, parsed);
            alike_in_queries!(df, [.select(["i64"]).on_error(OnError::Skip)], rows, parsed);
            alike_in_queries!(df, [.select(["i64"])], filter_rows, |i: i64| i % 3 == 0);
            alike_in_queries!(df, [.select(["i64"]).on_error(OnError::Skip)], filter_rows, odd);
            alike_in_queries!(df, [.select(["i64"]).keep(["str"])], flat_map_rows, |i: i64| {
                vec![i; i as usize % 4]
            });
            alike_in_queries!(df, [], chunks, same_schema, |part: DataFrame| part);
            alike_in_queries!(df, [.row_wise()], chunks, same_schema, |part: DataFrame| part);
            alike_in_queries!(df, [.select(["str", "i64"]).row_wise()], chunks, same_schema, |part: DataFrame| part);
            alike_in_queries!(df, [], chunks, counted_schema(), counted);
            alike_in_queries!(df, [.by(["cat"]).select(["i64"])], groups, |x: Values<'_, i64>| {
                x.iter().sum::<i64>()
            });
            // The faults are those of the verb.
            alike_in_queries!(df, [.select(["str"])], rows, |i: i64| i);
            alike_in_queries!(df, [.select(["i64"]).row_wise()], rows, |i: i64| i);
            alike_in_queries!(df, [.names(["x"])], chunks, same_schema, |part: DataFrame| part);
            alike_in_queries!(df, [.select(["i64"])], groups, |x: Values<'_, i64>| x.len() as u64);
        }
        // One row fails, and has its number in the whole frame.
        let df = counting(150_000);
        let fails = |i: i64| {
            anyhow::ensure!(i != 140_003, "no good");
            Ok(i)
        };
        let function = function!(rows, fails);
        for engine in ENGINES {
            let said = collected(&df.clone().lazy().par_apply().call(&function), engine);
            let said = said.unwrap_err().to_string();
            assert!(
                said.starts_with("row 140003: the closure returned an error: no good"),
                "{said}"
            );
        }
    });
}

#[test]
fn cancelled_and_late() {
    watched(|| {
        let df = counting(500);
        let done = CancelToken::new();
        done.cancel();
        alike!(df, [.cancel_token(&done)], rows, |i: i64| i);
        // If a job's deadline passes while it waits, its message differs from that of a call.
        let late = df.par_apply().deadline(Duration::ZERO);
        let function = function!(rows, |i: i64| i);
        late.clone()
            .call(&function)
            .same(&late.clone().rows(|i: i64| i), "late");
        let job = late.spawn_call(&function).get().unwrap_err();
        assert!(matches!(job.kind(), ErrorKind::Cancelled { .. }), "{job}");
        alike!(df, [.cancel_token(&done).on_cancel(OnCancel::Partial)], rows, |i: i64| i);
        alike!(df, [.cancel_token(&done).on_cancel(OnCancel::Partial)], filter_rows, |i: i64| i > 3);
        alike!(
            df,
            [.cancel_token(&done).on_cancel(OnCancel::Partial)],
            flat_map_rows,
            |i: i64| vec![i]
        );
        // During the run, on one thread, all rows up to the one that cancels are done.
        for policy in [OnCancel::Error, OnCancel::Partial] {
            let cancels = |token: &CancelToken| {
                let token = token.clone();
                move |i: i64| {
                    if i == 321 {
                        token.cancel();
                    }
                    2 * i
                }
            };
            let (one, other) = (CancelToken::new(), CancelToken::new());
            let function = function!(rows, cancels(&one));
            let call = || df.par_apply().sequential().on_cancel(policy);
            let named = call().cancel_token(&one).call(&function);
            let closure = call().cancel_token(&other).rows(cancels(&other));
            named.same(&closure, "cancelled within");
            assert_eq!(named.is_ok(), policy == OnCancel::Partial);
        }
        // A job of a named function is cancelled like any other.
        let (begun, go) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let (at, after) = (begun.clone(), go.clone());
        let function = function!(rows, move |i: i64| {
            if i == 3 {
                at.wait();
                after.wait();
            }
            i
        });
        let job = df.par_apply().sequential().spawn_call(&function);
        begun.wait();
        job.cancel();
        go.wait();
        let error = job.get().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Cancelled { .. }),
            "{error}"
        );
    });
}

#[test]
fn each_call_makes_its_states_anew() {
    watched(|| {
        let made = Arc::new(AtomicUsize::new(0));
        let init = || {
            let made = made.clone();
            move || {
                made.fetch_add(1, SeqCst);
                0u64
            }
        };
        let seen = |count: &mut u64, _: i64| {
            *count += 1;
            *count
        };
        let functions = Registry::new()
            .function("rows")
            .state(init())
            .rows(seen)
            .function("filter")
            .state(init())
            .filter_rows(move |count: &mut u64, i: i64| seen(count, i) % 3 == 1)
            .function("flat_map")
            .state(init())
            .flat_map_rows(move |count: &mut u64, i: i64| vec![seen(count, i); 2])
            .function("chunks")
            .state(init())
            .chunks(counted_schema(), |count: &mut u64, part: DataFrame| {
                *count += 1;
                df!["from" => [*count], "rows" => [part.height() as u64]]
            })
            .function("groups")
            .state(init())
            .groups(move |count: &mut u64, x: Values<'_, i64>| (seen(count, 0), x.len() as u64));
        functions.check().unwrap();
        let df = counting(90);
        let expected: Vec<u64> = (1..=90).collect();
        for _ in 0..3 {
            // On one thread there is one state, and each call begins with a new one.
            let call = || df.par_apply().sequential();
            let out = call().call(&functions.get("rows").unwrap()).unwrap();
            assert_eq!(out.columns()[0], Column::new("par_apply".into(), &expected));
            let kept = call().call(&functions.get("filter").unwrap()).unwrap();
            assert_eq!(kept.height(), 30);
            let many = call().call(&functions.get("flat_map").unwrap()).unwrap();
            assert_eq!(many.columns()[0].u64().unwrap().last(), Some(90));
            let parts = call().partitions(9).call(&functions.get("chunks").unwrap());
            let from = parts.unwrap().column("from").unwrap().clone();
            assert_eq!(from, Column::new("from".into(), &expected[..9]));
            let groups = call().by(["i"]).select(["i"]);
            let groups = groups.call(&functions.get("groups").unwrap()).unwrap();
            assert_eq!(groups.columns()[1].u64().unwrap().last(), Some(90));
            assert_eq!(made.swap(0, SeqCst), 5);
            let beside = call().call_with_columns(&functions.get("rows").unwrap());
            assert_eq!(
                beside.unwrap().column("par_apply").unwrap(),
                &out.columns()[0]
            );
            assert_eq!(made.swap(0, SeqCst), 1);
            // On several threads there is at most one for each.
            for (way, apply) in ways(&df.par_apply(), 7, 11) {
                let out = apply.call(&functions.get("rows").unwrap()).unwrap();
                assert_eq!(out.height(), 90);
                let states = made.swap(0, SeqCst);
                assert!((1..=4).contains(&states), "{way}: {states}");
            }
        }
        // In a query, each run begins with a new state; the types are those of the closure.
        let large = counting(150_000);
        for engine in ENGINES {
            for name in ["rows", "filter", "flat_map", "chunks"] {
                let call = large.clone().lazy().par_apply();
                let lf = call.call(&functions.get(name).unwrap());
                for _ in 0..2 {
                    collected(&lf, engine).unwrap();
                    assert!(made.swap(0, SeqCst) > 0, "{name}");
                }
            }
            let call = df.clone().lazy().par_apply().by(["i"]).select(["i"]);
            let lf = call.call(&functions.get("groups").unwrap());
            assert_eq!(collected(&lf, engine).unwrap().height(), 90);
            assert!(made.swap(0, SeqCst) > 0);
        }
        // No state is made if there is nothing to do.
        let schema = functions.get("rows").unwrap();
        schema
            .output_schema(df.schema(), &CallOptions::new())
            .unwrap();
        assert_eq!(made.load(SeqCst), 0);
    });
}

#[test]
fn a_state_that_cannot_be_made() {
    watched(|| {
        fn init() -> anyhow::Result<u64> {
            anyhow::bail!("no connection")
        }
        let f = |_: &mut u64, i: i64| i;
        let functions = Registry::new().function("f").state(init).rows(f);
        let function = functions.get("f").unwrap();
        let df = counting(5);
        let closure = df.par_apply().state(init).rows(f);
        df.par_apply()
            .call(&function)
            .same(&closure, "a state that cannot be made");
        for engine in ENGINES {
            let lf = || df.clone().lazy().par_apply();
            let named = collected(&lf().call(&function), engine).unwrap_err();
            let closure = collected(&lf().state(init).rows(f), engine).unwrap_err();
            assert_eq!(named.to_string(), closure.to_string());
        }
    });
}

fn jitter(rng: &mut RowRng, x: i64) -> u64 {
    rng.random_range(0..1_000_000) + x as u64
}

#[test]
fn seeds_are_the_calls() {
    watched(|| {
        let df = counting(200);
        let seeded = |function: fn(polars_par_apply::FunctionBuilder) -> Registry| {
            function(Registry::new().function("f")).get("f").unwrap()
        };
        let rows = seeded(|f| f.seeded().rows(jitter));
        let filter = |rng: &mut RowRng, x: i64| jitter(rng, x).is_multiple_of(2);
        let many = |rng: &mut RowRng, x: i64| vec![jitter(rng, x); 2];
        let part = |rng: &mut RowRng, part: DataFrame| -> PolarsResult<DataFrame> {
            df!["from" => [jitter(rng, 0)], "rows" => [part.height() as u64]]
        };
        let group = |rng: &mut RowRng, x: Values<'_, i64>| jitter(rng, x.len() as i64);
        let functions = Registry::new()
            .function("filter")
            .seeded()
            .filter_rows(filter)
            .function("many")
            .seeded()
            .flat_map_rows(many)
            .function("part")
            .seeded()
            .chunks(counted_schema(), part)
            .function("group")
            .seeded()
            .groups(group);
        let get = |name| functions.get(name).unwrap();
        assert!(rows.is_seeded() && get("part").is_seeded());
        for seed in [0, 7, u64::MAX] {
            for (way, apply) in ways(&df.par_apply(), 7, 11) {
                let call = || apply.clone().seed(seed);
                call().call(&rows).same(&call().rows(jitter), &way);
                call()
                    .spawn_call(&rows)
                    .get()
                    .same(&call().rows(jitter), &way);
                call()
                    .call_with_columns(&rows)
                    .same(&call().with_columns(jitter), &way);
                call()
                    .call(&get("filter"))
                    .same(&call().filter_rows(filter), &way);
                call()
                    .call(&get("many"))
                    .same(&call().flat_map_rows(many), &way);
                call().call(&get("part")).same(&call().chunks(part), &way);
                let grouped = || call().by(["i"]).select(["i"]);
                grouped()
                    .call(&get("group"))
                    .same(&grouped().groups(group), &way);
            }
        }
        let one = df.par_apply().seed(1).call(&rows).unwrap();
        assert!(!one.equals(&df.par_apply().seed(2).call(&rows).unwrap()));
        // A state comes before the random stream, in whichever order the two were asked for.
        let both = |count: &mut u64, rng: &mut RowRng, x: i64| {
            *count += 1;
            (*count, jitter(rng, x))
        };
        let call = || df.par_apply().sequential().seed(3);
        let closure = call().state(|| 0u64).rows(both);
        let builder = || Registry::new().function("f");
        for functions in [
            builder().state(|| 0u64).seeded().rows(both),
            builder().seeded().state(|| 0u64).rows(both),
        ] {
            call()
                .call(&functions.get("f").unwrap())
                .same(&closure, "both");
        }
    });
}

/// Before the closure is called.
#[test]
fn seeds_that_are_missing_or_too_many() {
    watched(|| {
        let df = counting(9);
        let functions = Registry::new()
            .function("seeded")
            .seeded()
            .rows(|_: &mut RowRng, _: i64| -> i64 { unreachable!("it is refused") })
            .function("both")
            .state(|| -> u64 { unreachable!("it is refused") })
            .seeded()
            .filter_rows(|_: &mut u64, _: &mut RowRng, _: i64| -> bool {
                unreachable!("it is refused")
            })
            .rows("plain", |_: i64| -> i64 { unreachable!("it is refused") });
        let [seeded, both, plain] =
            ["seeded", "both", "plain"].map(|name| functions.get(name).unwrap());
        for function in [&seeded, &both] {
            let missing = "it draws random numbers; give the call .seed(n)";
            refused(&df.par_apply().call(function).unwrap_err(), missing);
            refused(
                &df.par_apply().spawn_call(function).get().unwrap_err(),
                missing,
            );
            for engine in ENGINES {
                let mut lf = df.clone().lazy().par_apply().call(function);
                let in_query = "calls in a query have no seed";
                let said = lf.collect_schema().unwrap_err().to_string();
                assert!(said.contains(in_query), "{said}");
                let said = collected(&lf, engine).unwrap_err().to_string();
                assert!(said.contains(in_query), "{said}");
            }
        }
        refused(
            &df.par_apply().call_with_columns(&seeded).unwrap_err(),
            "give the call .seed(n)",
        );
        let call = || df.par_apply().seed(1);
        refused(
            &call().call(&plain).unwrap_err(),
            "it draws no random numbers",
        );
        refused(
            &call().spawn_call(&plain).get().unwrap_err(),
            "it draws no random numbers",
        );
        refused(
            &call().call_with_columns(&plain).unwrap_err(),
            "it draws no random numbers",
        );
        // Its schema needs no seed.
        let schema = seeded.output_schema(df.schema(), &CallOptions::new());
        assert_eq!(schema.unwrap().get("par_apply"), Some(&DataType::Int64));
    });
}

/// Counts the calls of the closures of [`promises`].
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The schema is that of the output. The closure is not called when it is asked for, or if there are no rows.
#[track_caller]
fn promises(function: &Function, df: &DataFrame, options: &CallOptions) {
    let what = format!("{function}, {options:?}");
    let call = |df: &DataFrame| {
        let output = df.par_apply().with(options).outcome().call(function);
        let output = output.unwrap_or_else(|error| panic!("{what}: {error}"));
        output.output.schema().clone()
    };
    let expected = call(df);
    let beside = df.par_apply().with(options).outcome();
    let beside = beside.call_with_columns(function);
    let before = CALLS.load(SeqCst);
    assert!(before > 0, "{what}");
    let schema = function.output_schema(df.schema(), options);
    assert_eq!(schema.unwrap(), expected, "{what}");
    assert_eq!(call(&df.clear()), expected, "{what}");
    if function.verb() == "rows" {
        let schema = function.output_schema_with_columns(df.schema(), options);
        assert_eq!(&schema.unwrap(), beside.unwrap().output.schema(), "{what}");
    }
    assert_eq!(CALLS.load(SeqCst), before, "{what}");
    CALLS.store(0, SeqCst);
}

/// A closure that counts its calls.
macro_rules! promises {
    ($df:expr, $options:expr, $verb:ident, ($($x:ident: $T:ty),+) -> $Out:ty, $body:expr) => {{
        let function = function!($verb, |$($x: $T),+| -> $Out {
            CALLS.fetch_add(1, SeqCst);
            $body
        });
        promises(&function, &$df, &$options);
    }};
}

#[test]
fn schemas_are_those_of_the_output() {
    watched(|| {
        let df = every_dtype(40);
        let of = |name: &str| CallOptions::new().select([name.to_string()]);
        macro_rules! each {
            ($($name:literal: $T:ty),+ $(,)?) => {
                $(
                    promises!(df, of($name).names(["y", "z"]), rows, (x: Option<$T>) -> (u8, Option<$T>), (1, x));
                )+
            };
        }
        each! {
            "i8": i8, "i16": i16, "i32": i32, "i64": i64, "i128": i128, "u8": u8, "u16": u16, "u32": u32, "u64": u64,
            "f32": f32, "f64": f64, "bool": bool, "str": String, "cat": String, "enum": String,
            "date": chrono::NaiveDate, "time": chrono::NaiveTime, "datetime ms": chrono::NaiveDateTime,
            "datetime us": chrono::NaiveDateTime, "zoned us": chrono::DateTime<chrono::Utc>,
            "duration us": chrono::TimeDelta, "list": Vec<i64>, "list of str": Vec<String>, "array": Vec<Option<i64>>,
        }
        promises!(df, of("i64"), rows, (x: i64) -> i64, x);
        promises!(df, of("str"), filter_rows, (x: Option<&str>) -> bool, x.is_some());
        promises!(df, of("list").keep(["cat"]), flat_map_rows, (x: Vec<i64>) -> Vec<Vec<i64>>, vec![x]);
        promises!(df, of("datetime us").keep(["enum"]), flat_map_rows, (x: chrono::NaiveDateTime) -> Option<chrono::NaiveDateTime>, Some(x));
        // Dtypes other than those of the types.
        let words = FrozenCategories::new(["a", "bb", "a category of some length"]).unwrap();
        for dtype in [
            DataType::from_frozen_categories(words),
            DataType::from_categories(Categories::global()),
        ] {
            promises!(df, of("cat").returns([dtype]), rows, (x: String) -> String, x);
        }
        let zoned = DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC));
        type Utc = chrono::DateTime<chrono::Utc>;
        promises!(df, of("zoned ns").returns([zoned]), rows, (x: Utc) -> Utc, x);
        for dtype in [
            DataType::Datetime(TimeUnit::Milliseconds, None),
            DataType::Datetime(TimeUnit::Nanoseconds, None),
        ] {
            let options = of("datetime ms").returns([dtype]);
            promises!(df, options, rows, (x: chrono::NaiveDateTime) -> chrono::NaiveDateTime, x);
        }
        for dtype in [DataType::Decimal(30, 4), DataType::Decimal(38, 2)] {
            promises!(df, of("decimal").returns([dtype]), rows, (x: Decimal) -> Decimal, x);
        }
        let fixed = DataType::Array(Box::new(DataType::Int64), 2);
        promises!(df, of("array").returns([fixed]), rows, (x: Vec<Option<i64>>) -> Vec<Option<i64>>, x);
        promises!(
            df,
            of("list of str").returns([DataType::List(Box::new(DataType::String))]),
            rows,
            (x: Series) -> Series,
            x
        );
        for column in df.columns() {
            let options = of(column.name()).returns([column.dtype().clone()]);
            if !column.dtype().is_null() {
                promises!(df, options, rows, (x: AnyValue<'_>) -> AnyValue<'static>, x.into_static());
            }
        }
        promises!(df, CallOptions::new(), rows, (taken: Taken) -> Given, Given {
            half: taken.i64 as f64,
            text: taken.text
        });
        // Options that change the columns or their order.
        let sparse = CallOptions::new()
            .select(["i64"])
            .first_row(7)
            .workers(2)
            .chunk_rows(3);
        let late = sparse
            .deadline(Duration::from_secs(600))
            .on_error(OnError::Skip);
        promises!(df, late, rows, (x: i64) -> [i64; 3], [x; 3]);
        let many = late
            .source_rows("row")
            .keep(["str", "date"])
            .names(["a", "b"]);
        promises!(df, many, flat_map_rows, (x: i64) -> Option<(i64, f32)>, Some((x, 1.0)));
        let by = |keys: &[&str]| CallOptions::new().select(["i64"]).by(keys.iter().copied());
        for options in [
            by(&["cat"]),
            by(&["enum", "zoned ns"]).names(["n"]),
            by(&["struct", "list"]),
            by(&["decimal"]).without_keys().on_error(OnError::Null),
            by(&["bool"])
                .null_keys(NullKeys::Drop)
                .returns([DataType::Int8])
                .casts(Casts::Lossy),
        ] {
            promises!(df, options, groups, (x: Values<'_, i64>) -> u64, x.len() as u64);
        }
    });
}

#[test]
fn schemas_of_parts_are_those_promised() {
    watched(|| {
        let df = every_dtype(40);
        let numbered = df.with_row_index("line".into(), Some(7)).unwrap();
        let function = function!(chunks, same_schema, |part: DataFrame| part);
        let uncallable = function!(chunks, same_schema, |_: DataFrame| -> DataFrame {
            unreachable!("for a schema")
        });
        let expected = |df: &DataFrame, options: &CallOptions| {
            let output = df.par_apply().with(options).outcome().call(&function);
            output.unwrap().output.schema().clone()
        };
        let options = CallOptions::new;
        for options in [
            options(),
            options().partitions(3),
            options().chunk_rows(7).workers(2),
            options().overlap(1, 1).partitions(2),
            options().select(["str", "i64"]).partitions(3),
            options().select(["str"]).names(["text"]),
            options().on_error(OnError::Skip).row_numbers("line"),
            options().row_numbers("line").partitions(3),
            options().row_numbers("line").select(["line", "list"]),
        ] {
            for function in [&function, &uncallable] {
                let schema = function.output_schema(numbered.schema(), &options).unwrap();
                assert_eq!(schema, expected(&numbered, &options), "{options:?}");
            }
        }
        // A schema that is given, in each form.
        let schema = Arc::new(counted_schema());
        for function in [
            function!(chunks, counted_schema(), counted),
            function!(chunks, schema.clone(), counted),
            function!(chunks, |_: &Schema| counted_schema(), counted),
            function!(
                chunks,
                |input: &Schema| input.try_get("i64").map(|_| counted_schema()),
                counted
            ),
        ] {
            let is = function
                .output_schema(df.schema(), &CallOptions::new())
                .unwrap();
            assert_eq!(is, schema);
        }
        // As many names as columns.
        let names = CallOptions::new().names(["a"]);
        let function = function!(chunks, counted_schema(), counted);
        let error = function.output_schema(df.schema(), &names).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::NameCount { .. }),
            "{error}"
        );
        let call = df.par_apply().with(&names).call(&function).unwrap_err();
        same_error(&error, &call, "names");
    });
}

/// The closure that returns the schema may fail or panic. Then the closure of parts is not called.
#[test]
fn a_schema_that_cannot_be_made() {
    watched(|| {
        let df = counting(4);
        let never = |_: DataFrame| -> DataFrame { unreachable!("there is no schema") };
        let missing = |input: &Schema| input.try_get("x").map(|_| Schema::default());
        let panics = |_: &Schema| -> Schema { panic!("not today") };
        for (function, message) in [
            (function!(chunks, missing, never), "x"),
            (
                function!(chunks, panics, never),
                "the closure that makes the output's schema panicked: not today",
            ),
        ] {
            let schema = function.output_schema(df.schema(), &CallOptions::new());
            let error = schema.unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            same_error(
                &df.par_apply().call(&function).unwrap_err(),
                &error,
                "a call",
            );
            let job = df.par_apply().spawn_call(&function).get();
            same_error(&job.unwrap_err(), &error, "a job");
            for engine in ENGINES {
                let lf = df.clone().lazy().par_apply().call(&function);
                let said = collected(&lf, engine).unwrap_err().to_string();
                assert!(said.contains(message), "{said}");
            }
        }
    });
}

#[test]
fn parts_that_break_their_promise() {
    watched(|| {
        let df = df!["x" => [1i64, 2, 3], "y" => ["a", "b", "c"]].unwrap();
        let x = Schema::from_iter([Field::new("x".into(), DataType::Int64)]);
        type Part = fn(DataFrame) -> PolarsResult<DataFrame>;
        let cases: [(Part, &str); 4] = [
            (
                |part| Ok(part),
                "the closure's frame has 2 columns (x, y), but the schema has 1; return the columns of the schema",
            ),
            (
                |part| part.select(["y"]),
                r#"column 0 of the closure's frame is "y" (String), but in the schema it is "x" (Int64)"#,
            ),
            (
                |part| df!["x" => vec![1i32; part.height()]],
                r#""x" (Int32)"#,
            ),
            (
                |part| df!["x" => vec![1.5; part.height()]],
                r#""x" (Float64)"#,
            ),
        ];
        for (part, message) in cases {
            let function = function!(chunks, x.clone(), part);
            for (way, apply) in ways(&df.par_apply(), 2, 1) {
                let error = apply.clone().call(&function).unwrap_err();
                assert!(error.to_string().contains(message), "{way}: {error}");
                let lenient = apply.clone().on_error(OnError::Skip).call(&function);
                assert!(lenient.unwrap_err().to_string().contains(message), "{way}");
                let job = apply.spawn_call(&function).get().unwrap_err();
                assert!(job.to_string().contains(message), "{way}: {job}");
            }
            for engine in ENGINES {
                for row_wise in [false, true] {
                    let call = df.clone().lazy().par_apply();
                    let call = if row_wise { call.row_wise() } else { call };
                    let said = collected(&call.call(&function), engine).unwrap_err();
                    assert!(said.to_string().contains(message), "{said}");
                }
            }
        }
        // A column without a type takes the schema's dtype, whichever it is.
        for dtype in [
            DataType::Int64,
            DataType::String,
            DataType::List(Box::new(DataType::Int8)),
            DataType::Datetime(TimeUnit::Nanoseconds, Some(TimeZone::UTC)),
            DataType::from_categories(Categories::global()),
        ] {
            let schema = Schema::from_iter([Field::new("x".into(), dtype.clone())]);
            let function = function!(chunks, schema.clone(), |part: DataFrame| {
                let null = Series::full_null("x".into(), part.height(), &DataType::Null);
                DataFrame::new(part.height(), vec![null.into_column()])
            });
            let expected =
                DataFrame::new(3, vec![Column::full_null("x".into(), 3, &dtype)]).unwrap();
            for (way, apply) in ways(&df.par_apply(), 2, 1) {
                assert_same_frame(&apply.call(&function).unwrap(), &expected, &way);
            }
            for engine in ENGINES {
                let lf = df.clone().lazy().par_apply().call(&function);
                assert_same_frame(&collected(&lf, engine).unwrap(), &expected, "in a query");
            }
        }
        // The columns are known even if every part is dropped.
        let function = function!(
            chunks,
            x.clone(),
            |_: DataFrame| -> anyhow::Result<DataFrame> { anyhow::bail!("none") }
        );
        let outcome = df.par_apply().partitions(3).on_error(OnError::Skip);
        let outcome = outcome.call(&function).unwrap();
        assert_eq!(outcome.stats.failures, 3);
        assert_eq!(
            (outcome.output.height(), &**outcome.output.schema()),
            (0, &x)
        );
    });
}

/// Each fault of the options and the schema is the one that the call reports.
#[test]
fn faults_are_those_of_the_call() {
    watched(|| {
        let df = every_dtype(10);
        let new = CallOptions::new;
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let uncalled = || CALLS.fetch_add(1, SeqCst) as i64;
        let functions = [
            function!(rows, move |_: i64, _: &str| uncalled()),
            function!(rows, move |_: Taken| uncalled()),
            function!(rows, move |_: Row<'_>| uncalled()),
            function!(filter_rows, move |_: i64| uncalled() > 0),
            function!(flat_map_rows, move |_: i64| vec![uncalled()]),
            function!(chunks, same_schema, move |part: DataFrame| {
                uncalled();
                part
            }),
            function!(groups, move |_: Values<'_, i64>| uncalled()),
        ];
        let options = [
            new().select(["i64", "none"]),
            new().select(["list"]),
            new().select(["i64", "i64"]).workers(0),
            new()
                .select(["i64", "str"])
                .names(["a", "b", "c", "d", "e"]),
            new().select(["i64", "str"]).partitions(2).chunk_rows(3),
            new().select(["i64", "str"]).partitions(0).max_failures(3),
            new()
                .select(["f64", "bool"])
                .casts(Casts::Lossless)
                .returns([DataType::List(Box::new(DataType::Null))]),
            new().select(["str", "i64"]).row_numbers("none"),
            new()
                .select(["i64", "str"])
                .by(["none"])
                .without_keys()
                .null_keys(NullKeys::Drop),
            new()
                .select(["i64"])
                .keep(["none"])
                .source_rows("i64")
                .overlap(1, 2),
            new().by(["i64"]).nulls(Nulls::Error).row_numbers("str"),
        ];
        let (mut kinds, mut refusals) = (BTreeSet::new(), 0);
        for function in &functions {
            for options in &options {
                let what = format!("{function}, {options:?}");
                let schema = function.output_schema(df.schema(), options);
                assert_eq!(CALLS.load(SeqCst), 0, "{what}");
                let call = df.par_apply().with(options).outcome().call(function);
                let Err(error) = call else {
                    // Some verbs can follow it.
                    assert!(schema.is_ok() && CALLS.swap(0, SeqCst) > 0, "{what}");
                    continue;
                };
                assert_eq!(CALLS.load(SeqCst), 0, "{what}");
                same_error(&schema.expect_err(&what), &error, &what);
                kinds.insert(error.kind().name());
                refusals += 1;
                if function.verb() == "rows" {
                    let schema = function.output_schema_with_columns(df.schema(), options);
                    let call = df.par_apply().with(options).outcome();
                    let error = call.call_with_columns(function).unwrap_err();
                    same_error(&schema.unwrap_err(), &error, &what);
                }
            }
        }
        assert!(refusals > 60, "{refusals}");
        for kind in ["several", "dtype", "column_not_found", "option"] {
            assert!(kinds.contains(kind), "{kinds:?}");
        }
        // Several faults at once.
        let function = function!(rows, |x: i64| x);
        let two = new().select(["none"]).workers(0);
        let error = function.output_schema(df.schema(), &two).unwrap_err();
        assert_eq!(faults(&error).len(), 2, "{error}");
        // A part's random numbers depend on its first row, so a function of parts needs a cut.
        let part = |_: &mut RowRng, part: DataFrame| part;
        let function = Registry::new()
            .function("f")
            .seeded()
            .chunks(same_schema, part);
        let function = function.get("f").unwrap();
        let error = function.output_schema(df.schema(), &new()).unwrap_err();
        same_error(
            &df.par_apply().seed(1).call(&function).unwrap_err(),
            &error,
            "uncut",
        );
        let cut = new().partitions(2);
        assert_eq!(
            &function.output_schema(df.schema(), &cut).unwrap(),
            df.schema()
        );
    });
}

#[test]
fn a_dtype_that_no_type_tells() {
    watched(|| {
        let df = counting(3);
        let any = function!(rows, |x: AnyValue<'_>| x.into_static());
        let list = function!(rows, |_: i64| Series::new("".into(), [1, 2]));
        let many = function!(flat_map_rows, |x: AnyValue<'_>| vec![x.into_static()]);
        let groups = function!(groups, |x: Values<'_, i64>| AnyValue::Int64(x.len() as i64));
        for function in [&any, &list, &many, &groups] {
            let options = match function.verb() {
                "groups" => CallOptions::new().select(["i"]).by(["i"]),
                _ => CallOptions::new(),
            };
            let schema = function.output_schema(df.schema(), &options);
            refused(&schema.unwrap_err(), "give it with .returns([dtype])");
            // The call's own faults come first.
            let none = function.output_schema(df.schema(), &options.clone().workers(0));
            let call = df
                .par_apply()
                .with(&options.clone().workers(0))
                .call(function);
            same_error(&none.unwrap_err(), &call.unwrap_err(), "no workers");
            // For rows that exist, it is known.
            df.par_apply().with(&options).call(function).unwrap();
            let dtype = match function.name() == "f" && function.signature().contains("Series") {
                true => DataType::List(Box::new(DataType::Int32)),
                false => DataType::Int64,
            };
            let options = options.returns([dtype]);
            let schema = function.output_schema(df.schema(), &options).unwrap();
            let output = df.par_apply().with(&options).call(function).unwrap();
            assert_eq!(&schema, output.schema());
        }
    });
}

#[test]
fn names() {
    let twice = |x: i64| 2 * x;
    let functions = Registry::new()
        .rows("length", f64::hypot)
        .rows("longest", twice)
        .filter_rows("Odd", |x: i64| x % 2 == 1);
    functions.check().unwrap();
    let names = functions
        .functions()
        .map(|function| function.name().to_string());
    let names: Vec<String> = names.collect();
    assert_eq!(names, ["Odd", "length", "longest"]);
    for (name, message) in [
        (
            "lenght",
            r#"function "lenght": it is not registered; did you mean "length"?"#,
        ),
        (
            "odd",
            r#"function "odd": it is not registered; did you mean "Odd"?"#,
        ),
        (
            "",
            r#"function "": it is not registered; the registered functions: "Odd", "length", "longest""#,
        ),
        (
            "altogether",
            r#"function "altogether": it is not registered; the registered functions: "Odd", "length", "longest""#,
        ),
    ] {
        let error = functions.get(name).unwrap_err();
        let ErrorKind::Function { function, .. } = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(
            (function.as_str(), error.to_string().as_str()),
            (name, message)
        );
    }
    let none = Registry::new().get("f").unwrap_err();
    assert_eq!(
        none.to_string(),
        r#"function "f": it is not registered; the registry has no functions"#
    );
    // A fault of the registry is reported for every function in it, so that it is found early.
    for (functions, message) in [
        (
            functions
                .clone()
                .chunks("length", same_schema, |part: DataFrame| part),
            r#"function "length": it is registered twice; give one of the two another name"#,
        ),
        (
            functions.clone().rows("", twice),
            r#"function "": the name is empty; give each function a name"#,
        ),
    ] {
        assert_eq!(functions.check().unwrap_err().to_string(), message);
        for name in ["length", "Odd", "none"] {
            let error = functions.get(name).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Function { .. }));
            assert_eq!(error.to_string(), message);
        }
    }
    // The registry that it was made from is unchanged.
    functions.check().unwrap();
}

#[test]
fn what_functions_say_of_themselves() {
    let functions = Registry::new()
        .version("7")
        .rows("a row", |row: Row<'_>| row.len() as u64)
        .rows(
            "cells",
            |x: Option<f64>, text: &str, bytes: &[u8], list: Vec<i64>| {
                (x, text.len() as u64, bytes.len() as u64, list.len() as u64)
            },
        )
        .rows("parsed", |text: &str| text.parse::<i64>())
        .rows("taken", |taken: Taken| Given {
            half: taken.i64 as f64,
            text: taken.text,
        })
        .rows("tuple", |(x, y): (f64, i32)| [x, f64::from(y)])
        .rows("shared", Arc::new(f64::hypot))
        .rows(
            "wrapped",
            around(f64::hypot, |call: Call<'_, f64>| call.run() as f32),
        )
        .filter_rows("kept", |x: i64| Some(x > 1))
        .flat_map_rows("many", |x: i64| vec![(x, true)])
        .chunks("parts", same_schema, |part: DataFrame| anyhow::Ok(part))
        .groups(
            "sums",
            |key: &str, x: Values<'_, f64>, rows: Rows<'_, (i64, Option<String>)>| {
                (key.len() as u64, x.len() as u64, rows.len() as u64)
            },
        )
        .function("state")
        .state(|| 0u64)
        .rows(|_: &mut u64, x: i64| x)
        .function("seeded")
        .seeded()
        .filter_rows(|_: &mut RowRng, x: i64| x > 0)
        .function("both")
        .seeded()
        .state(|| 0u64)
        .flat_map_rows(|_: &mut u64, _: &mut RowRng, x: i64| vec![x]);
    // Compilers differ in whether they print lifetimes.
    let signatures = functions
        .signatures()
        .replace("<'_>", "")
        .replace("'_, ", "");
    assert_eq!(
        signatures,
        "version 7\n\
        a row: rows(Row) -> u64\n\
        both: flat_map_rows(i64) -> Vec<i64>, seeded\n\
        cells: rows(Option<f64>, &str, &[u8], Vec<i64>) -> (Option<f64>, u64, u64, u64)\n\
        kept: filter_rows(i64) -> Option<bool>\n\
        many: flat_map_rows(i64) -> Vec<(i64, bool)>\n\
        parsed: rows(&str) -> Result<i64, ParseIntError>\n\
        parts: chunks(DataFrame) -> Result<DataFrame, Error>\n\
        seeded: filter_rows(i64) -> bool, seeded\n\
        shared: rows(f64, f64) -> f64\n\
        state: rows(i64) -> i64\n\
        sums: groups(&str, Values<f64>, Rows<(i64, Option<String>)>) -> (u64, u64, u64)\n\
        taken: rows(Taken) -> Given\n\
        tuple: rows((f64, i32)) -> [f64; 2]\n\
        wrapped: rows(f64, f64) -> f32\n"
    );
    let parsed = functions.get("parsed").unwrap();
    assert_eq!(
        (parsed.name(), parsed.verb(), parsed.is_seeded()),
        ("parsed", "rows", false)
    );
    assert_eq!(parsed.signature(), "(&str) -> Result<i64, ParseIntError>");
    assert_eq!(parsed.version(), "7");
    assert_eq!(
        parsed.to_string(),
        "parsed: rows(&str) -> Result<i64, ParseIntError>"
    );
    assert!(functions.get("both").unwrap().is_seeded());
    assert_eq!(Registry::new().signatures(), "version \n");
    // The order of registration does not matter.
    let one = Registry::new().rows("a", f64::sqrt).rows("b", f64::sin);
    let other = Registry::new().rows("b", f64::sin).rows("a", f64::sqrt);
    assert_eq!(one.signatures(), other.signatures());
    assert!(format!("{one:?}").contains("rows(f64) -> f64"));
}

#[test]
fn functions_go_anywhere() {
    fn goes<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    goes::<Registry>();
    goes::<Function>();
    watched(|| {
        // A function pointer, a wrapper, and a path to a function.
        let df = df!["x" => [3.0, 6.0], "y" => [4.0, 8.0]].unwrap();
        let expected = df!["par_apply" => [5.0, 10.0]].unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let seen = calls.clone();
        let watched = around(Arc::new(f64::hypot), move |call: Call<'_, f64>| {
            seen.fetch_add(1, SeqCst);
            call.run()
        });
        let boxed: Box<dyn Fn(f64, f64) -> f64 + Send + Sync> = Box::new(f64::hypot);
        let named: Arc<dyn Fn(f64, f64) -> f64 + Send + Sync> = Arc::new(f64::hypot);
        for function in [
            function!(rows, f64::hypot),
            function!(rows, Arc::new(f64::hypot)),
            function!(rows, watched),
            function!(rows, boxed),
            function!(rows, move |x: f64, y: f64| named(x, y)),
        ] {
            assert_eq!(df.par_apply().call(&function).unwrap(), expected);
            for engine in ENGINES {
                let lf = df.clone().lazy().par_apply().call(&function);
                let out = collected(&lf, engine).unwrap();
                assert_eq!(out.column("par_apply").unwrap(), &expected.columns()[0]);
            }
        }
        assert_eq!(calls.load(SeqCst), 6);
        // The values that it holds live as long as a call needs them.
        let held = Arc::new(());
        let holder = held.clone();
        let functions = Registry::new().rows("f", move |x: f64, _: f64| {
            let _ = &holder;
            x
        });
        let lf = df
            .clone()
            .lazy()
            .par_apply()
            .call(&functions.get("f").unwrap());
        let job = df.par_apply().spawn_call(&functions.get("f").unwrap());
        drop(functions);
        assert_eq!(job.get().unwrap().height(), 2);
        assert_eq!(collected(&lf, Engine::Streaming).unwrap().height(), 2);
        drop(lf);
        assert_eq!(Arc::strong_count(&held), 1);
    });
}

#[test]
fn many_threads_call_one_function() {
    watched(|| {
        let df = counting(2_000);
        let functions = Registry::new()
            .rows("twice", |i: i64| 2 * i)
            .function("seeded")
            .seeded()
            .filter_rows(|rng: &mut RowRng, i: i64| jitter(rng, i).is_multiple_of(2))
            .function("state")
            .state(Vec::<i64>::new)
            .rows(|seen: &mut Vec<i64>, i: i64| {
                assert!(!seen.contains(&i));
                seen.push(i);
                i
            });
        let [twice, seeded, state] =
            ["twice", "seeded", "state"].map(|name| functions.get(name).unwrap());
        let kept = df.par_apply().seed(7).call(&seeded).unwrap();
        let doubled = df.par_apply().rows(|i: i64| 2 * i).unwrap();
        let start = Barrier::new(16);
        thread::scope(|scope| {
            for worker in 0..16 {
                let (df, start) = (&df, &start);
                let (twice, seeded, state) = (&twice, &seeded, &state);
                let (kept, doubled) = (&kept, &doubled);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..5 {
                        let call = || df.par_apply().workers(worker % 4 + 1);
                        let out = call().call(twice).unwrap();
                        assert_eq!(&out.columns()[0], doubled);
                        assert_eq!(&call().seed(7).call(seeded).unwrap(), kept);
                        assert_eq!(call().call(state).unwrap().height(), 2_000);
                        assert_eq!(call().spawn_call(twice).get().unwrap(), out);
                        let lazy = df.clone().lazy().par_apply().call(twice);
                        let lazy = collected(&lazy, Engine::Streaming).unwrap();
                        assert_eq!(lazy.column("par_apply").unwrap(), doubled);
                    }
                });
            }
        });
    });
}

/// Each option by itself.
fn single_options() -> Vec<(&'static str, CallOptions)> {
    let new = CallOptions::new;
    let mut options = vec![
        (r#""select":["x","y"]"#, new().select(["x", "y"])),
        (r#""select":[]"#, new().select(Vec::<String>::new())),
        (
            r#""names":["a \"quoted\" näme"]"#,
            new().names(["a \"quoted\" näme"]),
        ),
        (r#""nulls":"propagate""#, new().nulls(Nulls::Propagate)),
        (r#""nulls":"error""#, new().nulls(Nulls::Error)),
        (r#""casts":"lossless""#, new().casts(Casts::Lossless)),
        (r#""casts":"lossy""#, new().casts(Casts::Lossy)),
        (r#""workers":3"#, new().workers(3)),
        (
            r#""workers":18446744073709551615"#,
            new().workers(usize::MAX),
        ),
        (r#""sequential":true"#, new().sequential()),
        (r#""partitions":7"#, new().partitions(7)),
        (r#""chunk_rows":100"#, new().chunk_rows(100)),
        (r#""overlap":[1,2]"#, new().overlap(1, 2)),
        (
            r#""numbering":{"first_row":18446744073709551615}"#,
            new().first_row(u64::MAX),
        ),
        (
            r#""numbering":{"row_numbers":"line"}"#,
            new().row_numbers("line"),
        ),
        (r#""on_error":"fail""#, new().on_error(OnError::Fail)),
        (r#""on_error":"null""#, new().on_error(OnError::Null)),
        (r#""on_error":"skip""#, new().on_error(OnError::Skip)),
        (r#""on_error":"collect""#, new().on_error(OnError::Collect)),
        (r#""max_failures":0"#, new().max_failures(0)),
        (
            r#""deadline":{"secs":1,"nanos":500}"#,
            new().deadline(Duration::new(1, 500)),
        ),
        (r#""on_cancel":"error""#, new().on_cancel(OnCancel::Error)),
        (
            r#""on_cancel":"partial""#,
            new().on_cancel(OnCancel::Partial),
        ),
        (r#""keep":["x"]"#, new().keep(["x"])),
        (r#""source_rows":"row""#, new().source_rows("row")),
        (r#""by":["k"]"#, new().by(["k"])),
        (r#""without_keys":true"#, new().without_keys()),
        (r#""null_keys":"group""#, new().null_keys(NullKeys::Group)),
        (r#""null_keys":"drop""#, new().null_keys(NullKeys::Drop)),
        (
            r#""returns":["#,
            new().returns([DataType::Int64, DataType::String]),
        ),
    ];
    options.push(("", new()));
    options
}

#[test]
fn options_are_written_and_read() {
    let mut written = BTreeSet::new();
    for (text, options) in single_options() {
        let json = serde_json::to_string(&options).unwrap();
        assert!(json.contains(text), "{json}");
        let read: CallOptions = serde_json::from_str(&json).unwrap();
        assert_eq!(read, options, "{json}");
        assert!(written.insert(json), "{options:?}");
        // By itself, and not in a list of dtypes, it is written in the same way.
        if !text.ends_with('[') {
            let read: CallOptions = serde_json::from_str(&format!("{{{text}}}")).unwrap();
            assert_eq!(read, options);
        }
        let value = serde_json::to_value(&options).unwrap();
        assert_eq!(
            serde_json::from_value::<CallOptions>(value).unwrap(),
            options
        );
    }
    // Together.
    let all = CallOptions::new()
        .select(["x"])
        .names(["y"])
        .nulls(Nulls::Error)
        .workers(2);
    let all = all
        .chunk_rows(5)
        .first_row(3)
        .on_error(OnError::Null)
        .max_failures(9);
    let json = serde_json::to_string_pretty(&all).unwrap();
    assert_eq!(serde_json::from_str::<CallOptions>(&json).unwrap(), all);
    // Every option has a place here.
    let fields = serde_json::to_value(CallOptions::new()).unwrap();
    let alone = single_options();
    for field in fields.as_object().unwrap().keys() {
        let key = format!("\"{field}\":");
        assert!(
            alone.iter().any(|(text, _)| text.starts_with(&key)),
            "{field}"
        );
    }
}

#[test]
fn options_that_there_are_not() {
    let read = |json: &str| serde_json::from_str::<CallOptions>(json);
    assert_eq!(read("{}").unwrap(), CallOptions::default());
    assert_eq!(read(r#"{"nulls":null}"#).unwrap(), CallOptions::default());
    for (json, message) in [
        (r#"{"worker":2}"#, "unknown field `worker`"),
        (r#"{"first_row":2}"#, "unknown field `first_row`"),
        (r#"{"on_error":"Null"}"#, "unknown variant `Null`"),
        (r#"{"on_error":"ignore"}"#, "unknown variant `ignore`"),
        (r#"{"numbering":{"from":2}}"#, "unknown variant `from`"),
        (r#"{"workers":-1}"#, "invalid value"),
        (r#"{"select":"x"}"#, "invalid type"),
    ] {
        let said = read(json).unwrap_err().to_string();
        assert!(said.contains(message), "{json}: {said}");
    }
    // A verb refuses what it cannot follow, as usual.
    let options = read(r#"{"workers":0}"#).unwrap();
    let error = counting(1).par_apply().with(&options).rows(|i: i64| i);
    assert!(matches!(
        error.unwrap_err().kind(),
        ErrorKind::Option { .. }
    ));
}

#[test]
fn dtypes_are_written_and_read() {
    let df = every_dtype(3);
    let mut dtypes = df.dtypes();
    let zone = TimeZone::opt_try_new(Some("Europe/Berlin")).unwrap();
    dtypes.extend([
        DataType::Datetime(TimeUnit::Microseconds, zone),
        DataType::Decimal(38, 0),
        DataType::List(Box::new(DataType::List(Box::new(DataType::Null)))),
        DataType::Array(Box::new(DataType::Array(Box::new(DataType::Float32), 3)), 2),
        DataType::from_frozen_categories(FrozenCategories::new(["b", "a", ""]).unwrap()),
        DataType::from_frozen_categories(FrozenCategories::new([]).unwrap()),
        DataType::Struct(vec![
            Field::new("d".into(), df.column("enum").unwrap().dtype().clone()),
            Field::new("n".into(), DataType::Struct(vec![])),
            Field::new("z".into(), df.column("zoned ns").unwrap().dtype().clone()),
        ]),
    ]);
    for dtype in &dtypes {
        let options = CallOptions::new().returns([dtype.clone()]);
        let json = serde_json::to_string(&options).unwrap();
        let read = serde_json::from_str::<CallOptions>(&json);
        let read = read.unwrap_or_else(|error| panic!("{dtype:?}: {error}: {json}"));
        assert_eq!(read, options, "{json}");
    }
    let options = CallOptions::new().returns(dtypes);
    let json = serde_json::to_string(&options).unwrap();
    assert_eq!(serde_json::from_str::<CallOptions>(&json).unwrap(), options);
}

#[test]
fn retries_are_written_and_read() {
    let retry = Retry::attempts(3)
        .factor(1.5)
        .min_delay(Duration::from_millis(7));
    let retry = retry.max_delay(Duration::from_secs(9));
    let json = serde_json::to_string(&retry).unwrap();
    let read: Retry = serde_json::from_str(&json).unwrap();
    assert_eq!(format!("{read:?}"), format!("{retry:?}"), "{json}");
    let said = serde_json::to_string(&retry.when(|_| true)).unwrap_err();
    assert!(said.to_string().contains("`Retry::when`"), "{said}");
    let more = json.replace('{', r#"{"more":1,"#);
    let said = serde_json::from_str::<Retry>(&more).unwrap_err();
    assert!(said.to_string().contains("unknown field"), "{said}");
}

/// Options that were read from JSON have the effect of those that were written.
#[test]
fn a_call_with_options_that_were_read() {
    let df = every_dtype(60);
    let words = df.column("enum").unwrap().dtype().clone();
    let options = CallOptions::new()
        .select(["cat"])
        .names(["word"])
        .returns([words]);
    let options = options.on_error(OnError::Skip).first_row(100).workers(2);
    let json = serde_json::to_string(&options).unwrap();
    let read: CallOptions = serde_json::from_str(&json).unwrap();
    let function = function!(rows, |text: &str| {
        anyhow::ensure!(text != "bb", "no bb");
        Ok(text.to_string())
    });
    let call = |options| df.par_apply().with(options).outcome().call(&function);
    let (named, closure) = (call(&read), call(&options));
    named.same(&closure, "options that were read");
    assert_eq!(
        function.output_schema(df.schema(), &read).unwrap(),
        function.output_schema(df.schema(), &options).unwrap()
    );
}
