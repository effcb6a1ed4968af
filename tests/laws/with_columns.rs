//! `with_columns` puts the results of `rows` beside the frame's own columns, and both have the same rows.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use polars_par_apply::prelude::*;
use rand::RngExt;

use crate::engines::{ENGINES, collected};
use crate::frames::{
    assert_same_frame, counting, every_dtype, faults, held_back, layouts, refuse_unless, watched,
    ways,
};

/// Adds or replaces the columns of another frame, with Polars.
fn beside(df: &DataFrame, columns: &DataFrame) -> DataFrame {
    let mut df = df.clone();
    for column in columns.columns() {
        df.with_column(column.clone()).unwrap();
    }
    df
}

fn numbers(rows: &IdxCa) -> Vec<usize> {
    rows.into_no_null_iter().map(|row| row as usize).collect()
}

fn only(df: &DataFrame, keeps: impl Fn(usize) -> bool) -> DataFrame {
    let mask: BooleanChunked = (0..df.height()).map(|row| Some(keeps(row))).collect();
    match mask.any() {
        true => df.filter(&mask).unwrap(),
        false => df.clear(),
    }
}

/// Rows keep their order, the closure is called once for each, the answer is the same for any layout and any number of workers, and all
/// other columns are unchanged.
#[test]
fn the_results_beside_the_columns() {
    watched(|| {
        let df = every_dtype(701).with_row_index("at".into(), None).unwrap();
        let f = |at: u32, text: Option<&str>| {
            let length = text.map(|text| text.len() as u64);
            (at % 7, length, text.map(|text| format!("{at}: {text}")))
        };
        let of = |apply: Apply<'_, 'static>| {
            apply.select(["at", "str"]).names(["a", "i32", "c"]).rows(f)
        };
        let expected = beside(&df, &of(df.par_apply()).unwrap());
        assert_eq!(expected.width(), df.width() + 2);
        for (layout, df) in layouts(&df) {
            for (way, apply) in ways(&df.par_apply(), 7, 11) {
                let calls = AtomicUsize::new(0);
                let out = apply
                    .select(["at", "str"])
                    .names(["a", "i32", "c"])
                    .with_columns(|at: u32, text: Option<&str>| {
                        calls.fetch_add(1, SeqCst);
                        f(at, text)
                    });
                assert_same_frame(&out.unwrap(), &expected, &format!("{layout}, {way}"));
                assert_eq!(calls.load(SeqCst), 701);
            }
        }
    });
}

#[derive(IntoRow)]
struct Half {
    i: i64,
    rest: Option<u32>,
}

#[test]
fn names_are_those_of_rows() {
    let df = df!["id" => ["a", "b"], "i" => [Some(7i64), None]].unwrap();
    let call = || df.par_apply().select(["i"]);
    let names = |df: DataFrame| -> Vec<String> {
        df.get_column_names()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        names(call().with_columns(|i: i64| i).unwrap()),
        ["id", "i", "par_apply"]
    );
    assert_eq!(
        names(call().with_columns(|i: i64| (i, 2 * i)).unwrap()),
        ["id", "i", "column_0", "column_1"]
    );
    assert_eq!(
        names(call().with_columns(|i: i64| [i; 2]).unwrap()),
        ["id", "i", "column_0", "column_1"]
    );
    assert_eq!(
        names(call().names(["id"]).with_columns(|i: i64| i).unwrap()),
        ["id", "i"]
    );
    // A field with the name of a column replaces the column in its place.
    let half = call()
        .with_columns(|i: i64| Half {
            i: i / 2,
            rest: Some(1),
        })
        .unwrap();
    let expected =
        df!["id" => ["a", "b"], "i" => [Some(3i64), None], "rest" => [Some(1u32), None]].unwrap();
    assert_same_frame(&half, &expected, "a derived struct");
    // Its dtype may be another.
    let text = call()
        .names(["i"])
        .with_columns(|i: Option<i64>| format!("{i:?}"))
        .unwrap();
    assert_eq!(
        text.column("i").unwrap().str().unwrap().get(1),
        Some("None")
    );
    let cast = call()
        .names(["i"])
        .returns([DataType::Int8])
        .with_columns(|i: i64| i)
        .unwrap();
    assert_eq!(cast.column("i").unwrap().dtype(), &DataType::Int8);
    // The frame itself is unchanged.
    assert_eq!(df.dtypes(), [DataType::String, DataType::Int64]);
}

#[test]
fn empty_frames_and_such_without_columns() {
    let df = every_dtype(0);
    let out = df
        .par_apply()
        .select(["i64"])
        .names(["z"])
        .with_columns(|_: i64| 1.5)
        .unwrap();
    assert_eq!((out.height(), out.width()), (0, df.width() + 1));
    assert_eq!(out.column("z").unwrap().dtype(), &DataType::Float64);
    let bare = DataFrame::new(3, Vec::new()).unwrap();
    let out = bare
        .par_apply()
        .with_columns(|row: Row<'_>| row.index() as u32)
        .unwrap();
    assert_eq!(out, df!["par_apply" => [0u32, 1, 2]].unwrap());
    let mut df = counting(5);
    df.with_column(Column::new_scalar("s".into(), Scalar::from(2i64), 5))
        .unwrap();
    let out = df
        .par_apply()
        .names(["z"])
        .with_columns(|i: i64, s: i64| i * s)
        .unwrap();
    assert_eq!(
        out.column("z").unwrap(),
        &Column::new("z".into(), [0i64, 2, 4, 6, 8])
    );
}

fn fails(i: i64) -> bool {
    i % 5 == 2 || i % 17 == 0
}

fn twice(i: i64) -> anyhow::Result<i64> {
    if fails(i) {
        assert!(i % 2 == 1, "panic {i}");
        anyhow::bail!("error {i}");
    }
    Ok(2 * i)
}

/// `Null` and `Collect` leave nulls; `Skip` drops the row of every column.
#[test]
fn policies() {
    watched(|| {
        for rows in [0, 1, 60, 20_000] {
            let df = beside(
                &counting(rows),
                &df!["text" => (0..rows).map(|i| format!("text {i}")).collect::<Vec<_>>()].unwrap(),
            );
            let failed: Vec<usize> = (0..rows).filter(|row| fails(*row as i64)).collect();
            let results = (0..rows as i64).map(|i| (!fails(i)).then_some(2 * i));
            let whole = beside(&df, &df!["z" => results.collect::<Vec<_>>()].unwrap());
            let ways = match rows {
                20_000 => vec![("default".to_string(), df.par_apply())],
                _ => ways(&df.par_apply(), 7, 11),
            };
            for (way, apply) in ways {
                let call = || apply.clone().select(["i"]).names(["z"]);
                if let Some(lowest) = failed.first() {
                    let error = call().with_columns(twice).unwrap_err();
                    assert_eq!(error.row(), Some(*lowest), "{way}");
                }
                for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                    let what = format!("{rows} rows, {way}, {policy:?}");
                    let outcome = call().on_error(policy).with_columns(twice).unwrap();
                    let expected = match policy {
                        OnError::Skip => only(&whole, |row| !fails(row as i64)),
                        _ => whole.clone(),
                    };
                    assert_same_frame(&outcome.output, &expected, &what);
                    let told = outcome.failures.column("row").unwrap().idx().unwrap();
                    assert_eq!(numbers(told), failed, "{what}");
                    assert_eq!(outcome.kept_rows().len(), expected.height(), "{what}");
                    if rows > 0 {
                        let own = df.filter(&outcome.kept_mask()).unwrap();
                        assert_same_frame(&outcome.output.drop("z").unwrap(), &own, &what);
                    }
                }
            }
        }
    });
}

/// A cancelled run returns the rows that were done, with all columns.
#[test]
fn cancelled() {
    watched(|| {
        let df = counting(300);
        let token = CancelToken::new();
        let done = Mutex::new(Vec::new());
        let call = df
            .par_apply()
            .chunk_rows(5)
            .cancel_token(&token)
            .names(["z"]);
        let outcome = call.on_cancel(OnCancel::Partial).with_columns(|i: i64| {
            match i {
                100 => token.cancel(),
                101.. => held_back(&token),
                _ => {}
            }
            done.lock().unwrap().push(i as usize);
            i + 1
        });
        let outcome = outcome.unwrap();
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert!(done.len() < 300);
        assert_eq!(numbers(&outcome.kept_rows()), done);
        let z = counting(300)
            .par_apply()
            .names(["z"])
            .rows(|i: i64| i + 1)
            .unwrap();
        let whole = beside(&df, &z.into_frame());
        let expected = only(&whole, |row| done.binary_search(&row).is_ok());
        assert_same_frame(&outcome.output, &expected, "partial");
        assert_eq!(outcome.rest(&df).unwrap().height(), 300 - done.len());
        let late = df
            .par_apply()
            .deadline(Duration::ZERO)
            .with_columns(|i: i64| i);
        assert!(matches!(
            late.unwrap_err().kind(),
            ErrorKind::Cancelled { done: 0, .. }
        ));
    });
}

#[test]
fn retries_progress_states_and_seeds() {
    let df = counting(100);
    let tried: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
    let ticks = Mutex::new(Vec::new());
    let mut seen = 0;
    let outcome = df
        .par_apply()
        .retry(Retry::attempts(2).min_delay(Duration::from_millis(1)))
        .progress(|tick: Tick| ticks.lock().unwrap().push(tick))
        .state(|| 0)
        .finish(|count: usize| seen += count)
        .outcome()
        .with_columns(|count: &mut usize, i: i64| {
            *count += 1;
            let before = tried[i as usize].fetch_add(1, SeqCst);
            refuse_unless(i % 10 != 3 || before == 1, "busy").map(|()| 2 * i)
        })
        .unwrap();
    assert_eq!(
        (outcome.stats.retries, seen, outcome.is_complete()),
        (10, 110, true)
    );
    let last = *ticks.into_inner().unwrap().last().unwrap();
    assert_eq!(
        (last.done, last.total, last.state),
        (100, 100, TickState::Finished)
    );
    let expected = df.par_apply().rows(|i: i64| 2 * i).unwrap().into_frame();
    assert_same_frame(&outcome.output, &beside(&df, &expected), "retried");

    let draw = |rng: &mut RowRng, i: i64| rng.random_range(0..1_000) + i;
    let expected = beside(
        &df,
        &df.par_apply().seed(9).rows(draw).unwrap().into_frame(),
    );
    for (way, apply) in ways(&df.par_apply(), 7, 11) {
        assert_same_frame(&apply.seed(9).with_columns(draw).unwrap(), &expected, &way);
    }
}

/// All faults are reported together, before the closure is called.
#[test]
fn faults_are_those_of_rows() {
    let df = counting(3);
    let calls = AtomicUsize::new(0);
    let f = |i: i64| {
        calls.fetch_add(1, SeqCst);
        (i, i)
    };
    let error = df
        .par_apply()
        .names(["a", "a", "b"])
        .workers(0)
        .with_columns(f)
        .unwrap_err();
    assert_eq!(faults(&error).len(), 3, "{error}");
    let error = df
        .par_apply()
        .nulls(Nulls::Error)
        .with_columns(|row: Row<'_>| row.len() as u32);
    assert!(error.unwrap_err().to_string().starts_with(".nulls(…): "));
    assert_eq!(calls.load(SeqCst), 0);
}

/// A job, and a lazy call of `rows`, give the same as the call.
#[test]
fn in_the_background_and_lazily() {
    watched(|| {
        let df = counting(3_000);
        let call = || df.par_apply().names(["z"]).on_error(OnError::Skip);
        let expected = call().with_columns(twice).unwrap();
        let outcome = call().spawn_with_columns(twice).get().unwrap();
        assert_same_frame(&outcome.output, &expected.output, "a job");
        assert_same_frame(&outcome.failures, &expected.failures, "a job");
        let job = df.par_apply().spawn_with_columns(twice);
        assert_eq!(job.get().unwrap_err().row(), Some(0));
        for engine in ENGINES {
            let lazy = df.clone().lazy().par_apply().names(["z"]);
            let lazy = lazy.on_error(OnError::Skip).rows(twice);
            assert_same_frame(
                &collected(&lazy, engine).unwrap(),
                &expected.output,
                "lazily",
            );
        }
    });
}
