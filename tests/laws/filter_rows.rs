//! `filter_rows` keeps the rows for which the closure is true, with all columns and in order, whatever became of the others.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result};
use rand::RngExt;

use crate::engines::{ENGINES, collected};
use crate::frames::{
    assert_same, assert_same_frame, counting, every_dtype, faults, held_back, layouts,
    refuse_unless, watched, ways,
};

const LENIENT: [OnError; 3] = [OnError::Null, OnError::Skip, OnError::Collect];

/// The rows of a frame, gathered by Polars.
fn rows_of(df: &DataFrame, keeps: impl Fn(usize) -> bool) -> DataFrame {
    let mask: BooleanChunked = (0..df.height()).map(|row| Some(keeps(row))).collect();
    let kept: Vec<IdxSize> = (0..df.height())
        .filter(|row| keeps(*row))
        .map(|row| row as IdxSize)
        .collect();
    if kept.is_empty() {
        return df.clear();
    }
    assert_eq!(mask.num_trues(), kept.len());
    df.take(&IdxCa::from_vec("".into(), kept)).unwrap()
}

fn numbers(rows: &IdxCa) -> Vec<usize> {
    rows.into_no_null_iter().map(|row| row as usize).collect()
}

/// Rows keep their order, the closure is called once for each, the result is the same for any layout and any number of workers, and
/// every dtype and its nulls are kept.
#[test]
fn the_true_rows_with_all_columns() {
    watched(|| {
        let all = every_dtype(2_003);
        let df = all.with_row_index("at".into(), None).unwrap();
        let keeps = |row: usize| row % 3 == 1 || row.is_multiple_of(11);
        let expected = rows_of(&df, keeps);
        for (layout, df) in layouts(&df) {
            for (way, apply) in ways(&df.par_apply().select(["at"]), 7, 11) {
                let what = format!("{layout}, {way}");
                let calls: Vec<AtomicUsize> = (0..2_003).map(|_| AtomicUsize::new(0)).collect();
                let out = apply.filter_rows(|at: u32| {
                    calls[at as usize].fetch_add(1, SeqCst);
                    keeps(at as usize)
                });
                assert_same_frame(&out.unwrap(), &expected, &what);
                assert!(calls.iter().all(|calls| calls.load(SeqCst) == 1), "{what}");
            }
        }
    });
}

/// Large enough that the columns are filtered on several workers.
#[test]
fn many_rows_are_filtered_on_any_pool() {
    watched(|| {
        let rows = 40_000_i64;
        let df = df![
            "i" => (0..rows).collect::<Vec<_>>(),
            "text" => (0..rows).map(|i| (i % 5 > 0).then(|| format!("text of row {i}"))).collect::<Vec<_>>(),
            "x" => (0..rows).map(|i| i as f64).collect::<Vec<_>>(),
        ]
        .unwrap();
        let keeps = |i: i64| i * i % 7 < 3;
        let expected = rows_of(&df, |row| keeps(row as i64));
        let pool = Pool::new(3).unwrap();
        let call = || df.par_apply().select(["i"]);
        for (what, call) in [
            ("as it is", call()),
            ("a pool", call().pool(&pool)),
            ("one worker", call().workers(1)),
            ("many workers", call().workers(9)),
            ("sequential", call().sequential()),
        ] {
            assert_same_frame(&call.filter_rows(keeps).unwrap(), &expected, what);
        }
        // Nested calls, on the threads of either pool.
        for pool in [&Pool::default(), &pool] {
            let heights = counting(8)
                .par_apply()
                .pool(pool)
                .chunk_rows(1)
                .rows(|_: i64| {
                    let out = call().filter_rows(keeps).unwrap();
                    assert!(out.equals_missing(&expected));
                    out.height() as u64
                });
            let heights = heights.unwrap();
            assert!(
                heights
                    .u64()
                    .unwrap()
                    .into_no_null_iter()
                    .all(|height| height == expected.height() as u64)
            );
        }
    });
}

#[test]
fn all_or_none_of_every_dtype() {
    let df = every_dtype(100);
    let call = || df.par_apply().select(["i64"]);
    let all = call().filter_rows(|_: Option<i64>| true).unwrap();
    assert_same_frame(&all, &df, "all");
    let none = call().filter_rows(|_: Option<i64>| false).unwrap();
    assert_same_frame(&none, &df.clear(), "none");
    let one = df.par_apply().filter_rows(|row: Row<'_>| row.index() == 98);
    assert_same_frame(&one.unwrap(), &df.slice(98, 1), "one");
    // Without rows the closure is not called, and the columns are those of the frame.
    let empty = df.clear();
    let out = empty.par_apply().select(["i64"]).outcome();
    let out = out
        .filter_rows(|_: i64| -> bool { unreachable!("there is no row") })
        .unwrap();
    assert_same_frame(&out.output, &empty, "empty");
    assert!(out.kept_rows().is_empty() && out.is_complete());
}

#[test]
fn a_scalar_column_and_a_frame_without_columns() {
    let mut df = counting(100);
    df.with_column(Column::new_scalar("s".into(), Scalar::from(7i64), 100))
        .unwrap();
    let out = df
        .par_apply()
        .filter_rows(|i: i64, s: i64| i % s == 3)
        .unwrap();
    assert_same_frame(&out, &rows_of(&df, |row| row % 7 == 3), "a scalar column");
    let bare = DataFrame::new(9, Vec::new()).unwrap();
    let out = bare
        .par_apply()
        .filter_rows(|row: Row<'_>| row.index().is_multiple_of(2))
        .unwrap();
    assert_eq!(out.shape(), (5, 0));
}

/// A null is false, wherever it comes from.
#[test]
fn nulls_are_false() {
    let df =
        df!["x" => [Some(1i64), None, Some(3), None, Some(5)], "y" => ["a", "b", "c", "d", "e"]]
            .unwrap();
    let ys = |out: DataFrame| -> String {
        out.column("y")
            .unwrap()
            .str()
            .unwrap()
            .no_null_iter()
            .collect()
    };
    let calls = AtomicUsize::new(0);
    let call = || df.par_apply().select(["x"]);
    let plain = call().filter_rows(|_: i64| {
        calls.fetch_add(1, SeqCst);
        true
    });
    assert_eq!(
        (ys(plain.unwrap()).as_str(), calls.load(SeqCst)),
        ("ace", 3)
    );
    let seen = call().filter_rows(|x: Option<i64>| x.is_none());
    assert_eq!(ys(seen.unwrap()), "bd");
    let maybe = call().filter_rows(|x: Option<i64>| x.map(|x| x > 1));
    assert_eq!(ys(maybe.unwrap()), "ce");
    let both = call().filter_rows(|x: Option<i64>| Ok::<_, Error>(x.map(|x| x < 5)));
    assert_eq!(ys(both.unwrap()), "ac");
    let outcome = call().outcome().filter_rows(|x: i64| x != 3).unwrap();
    assert_eq!(numbers(&outcome.kept_rows()), [0, 4]);
    assert!(outcome.is_complete() && outcome.failures.height() == 0);
    let error = call()
        .nulls(Nulls::Error)
        .filter_rows(|_: i64| true)
        .unwrap_err();
    assert_eq!((error.column(), error.row()), (Some("x"), Some(1)));
}

fn fails(i: i64) -> bool {
    i % 5 == 2 || i % 17 == 0
}

/// Odd rows are kept. Of the failing rows, those of even number panic.
fn odd(i: i64) -> anyhow::Result<bool> {
    if fails(i) {
        assert!(i % 2 == 1, "panic {i}");
        anyhow::bail!("error {i}");
    }
    Ok(i % 2 == 1)
}

/// The error is that of the lowest failing row, even if another was met before.
#[test]
fn the_lowest_failure() {
    watched(|| {
        let df = counting(3_000);
        for (way, apply) in ways(&df.par_apply(), 7, 11) {
            let error = apply.clone().filter_rows(|i: i64| odd(i + 1)).unwrap_err();
            assert_eq!(error.row(), Some(1), "{way}");
            assert!(matches!(error.kind(), ErrorKind::Panic { .. }), "{way}");
            let error = apply
                .first_row(100)
                .filter_rows(|i: i64| odd(i + 7))
                .unwrap_err();
            assert_eq!(error.row(), Some(100), "{way}");
            assert!(error.to_string().contains("error 7"), "{way}");
        }
        let error = counting(4)
            .par_apply()
            .filter_rows(|i: i64| refuse_unless(i < 2, "too far").map(|()| Some(true)));
        let error = error.unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 2: the closure returned an error: too far"
        );
    });
}

/// Every policy drops a row that fails, and reports it.
#[test]
fn policies_drop_what_fails() {
    watched(|| {
        for rows in [0, 1, 40, 3_000] {
            let df = counting(rows);
            let expected = rows_of(&df, |row| row % 2 == 1 && !fails(row as i64));
            let failed: Vec<usize> = (0..rows).filter(|row| fails(*row as i64)).collect();
            for (way, apply) in ways(&df.par_apply(), 7, 11) {
                for policy in LENIENT {
                    let what = format!("{rows} rows, {way}, {policy:?}");
                    let outcome = apply.clone().on_error(policy).filter_rows(odd).unwrap();
                    assert_same_frame(&outcome.output, &expected, &what);
                    let kept = outcome.kept_rows();
                    assert_eq!(df.take(&kept).unwrap(), expected, "{what}");
                    let masked = df.filter(&outcome.kept_mask()).unwrap();
                    assert_same_frame(&masked, &expected, &what);
                    assert_eq!(outcome.kept_mask().null_count(), 0);
                    let told = outcome.failures.column("row").unwrap().idx().unwrap();
                    assert_eq!(numbers(told), failed, "{what}");
                    assert_eq!(outcome.stats.failures, failed.len(), "{what}");
                    assert_eq!(outcome.stats.rows, rows, "{what}");
                    assert_eq!(outcome.is_complete(), failed.is_empty(), "{what}");
                    let given = outcome.failures.column("i").unwrap();
                    assert_eq!(given.len(), failed.len());
                }
            }
        }
        let df = counting(100);
        let few = df.par_apply().on_error(OnError::Skip).max_failures(3);
        let error = few.filter_rows(odd).unwrap_err();
        let ErrorKind::TooManyFailures {
            limit, failures, ..
        } = error.kind()
        else {
            panic!("{error:?}");
        };
        assert_eq!(
            (
                *limit,
                numbers(failures.column("row").unwrap().idx().unwrap())
            ),
            (3, vec![0, 2, 7, 12])
        );
    });
}

/// The output's rows have the numbers of the call's rows.
#[test]
fn kept_rows_have_the_rows_numbers() {
    let df = df!["line" => [7u32, 3, 9, 4], "x" => [1i64, 2, 3, 4]].unwrap();
    let call = || df.par_apply().outcome();
    let outcome = call()
        .row_numbers("line")
        .filter_rows(|x: i64| x != 2)
        .unwrap();
    assert_eq!(numbers(&outcome.kept_rows()), [7, 9, 4]);
    // The column of row numbers is a column of the frame.
    assert_eq!(outcome.output, rows_of(&df, |row| row != 1));
    let outcome = call()
        .select(["x"])
        .first_row(10)
        .filter_rows(|x: i64| x != 2)
        .unwrap();
    assert_eq!(numbers(&outcome.kept_rows()), [10, 12, 13]);
    assert_same_frame(
        &df.filter(&outcome.kept_mask()).unwrap(),
        &outcome.output,
        "the mask",
    );
}

#[test]
fn a_row_is_tried_again() {
    let df = counting(50);
    let tried: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
    let outcome = df
        .par_apply()
        .retry(Retry::attempts(3).min_delay(Duration::from_millis(1)))
        .on_error(OnError::Skip)
        .filter_rows(|i: i64| {
            let before = tried[i as usize].fetch_add(1, SeqCst);
            refuse_unless(i % 10 != 3 || before == 2 && i != 33, "busy").map(|()| i % 3 == 0)
        })
        .unwrap();
    assert_eq!(
        outcome.output,
        rows_of(&df, |row| row % 3 == 0 && row != 33)
    );
    assert_eq!((outcome.stats.retries, outcome.stats.failures), (10, 1));
    let attempts = outcome.failures.column("attempts").unwrap();
    assert_eq!(attempts.u32().unwrap().to_vec(), [Some(3)]);
}

/// A cancelled run returns an error, or the kept rows of those that were done; `rest` returns the rows that are left to do.
#[test]
fn cancelled() {
    watched(|| {
        let df = counting(400);
        for workers in [1, 2, 4] {
            let run = |on_cancel: OnCancel| {
                let token = CancelToken::new();
                let done = Mutex::new(Vec::new());
                let call = df
                    .par_apply()
                    .workers(workers)
                    .chunk_rows(5)
                    .cancel_token(&token);
                let outcome = call.on_cancel(on_cancel).filter_rows(|i: i64| {
                    match i {
                        100 => token.cancel(),
                        101.. => held_back(&token),
                        _ => {}
                    }
                    done.lock().unwrap().push(i as usize);
                    i % 3 > 0
                });
                let mut done = done.into_inner().unwrap();
                done.sort_unstable();
                (outcome, done)
            };
            let (error, done) = run(OnCancel::Error);
            let error = error.unwrap_err();
            let ErrorKind::Cancelled { done: told, .. } = error.kind() else {
                panic!("{error:?}");
            };
            assert_eq!(*told, done.len());

            let (outcome, done) = run(OnCancel::Partial);
            let outcome = outcome.unwrap();
            assert!(outcome.stats.cancelled && done.len() < 400);
            let is_done = |row: &usize| done.binary_search(row).is_ok();
            let kept: Vec<usize> = done.iter().copied().filter(|row| row % 3 > 0).collect();
            assert_eq!(numbers(&outcome.kept_rows()), kept);
            assert_eq!(
                outcome.output,
                rows_of(&df, |row| row % 3 > 0 && is_done(&row))
            );
            let rest = outcome.rest(&df).unwrap();
            assert_eq!(rest.height(), 400 - done.len());
            let others = rest.par_apply().row_numbers("row").outcome();
            let others = others.filter_rows(|i: i64| i % 3 > 0).unwrap();
            let mut all = numbers(&others.kept_rows());
            all.extend(kept);
            all.sort_unstable();
            assert!(all.into_iter().eq((0..400).filter(|row| row % 3 > 0)));
        }
        let late = df.par_apply().deadline(Duration::ZERO);
        let late = late
            .on_cancel(OnCancel::Partial)
            .filter_rows(|_: i64| true)
            .unwrap();
        assert_same_frame(&late.output, &df.clear(), "late");
        assert_eq!(late.kept_rows().len(), 0);
    });
}

#[test]
fn watched_and_with_leading_arguments() {
    let df = counting(1_000);
    let ticks = Mutex::new(Vec::new());
    let out = df
        .par_apply()
        .progress(|tick: Tick| ticks.lock().unwrap().push(tick))
        .filter_rows(|i: i64| i < 10);
    assert_eq!(out.unwrap().height(), 10);
    let last = *ticks.into_inner().unwrap().last().unwrap();
    assert_eq!(
        (last.done, last.total, last.state),
        (1_000, 1_000, TickState::Finished)
    );

    let mut seen = 0;
    let out = df
        .par_apply()
        .state(|| 0)
        .finish(|count: usize| seen += count)
        .filter_rows(|count: &mut usize, i: i64| {
            *count += 1;
            i % 2 == 0
        });
    assert_eq!((out.unwrap().height(), seen), (500, 1_000));

    let drawn = |apply: Apply<'_, 'static>| {
        let out = apply
            .seed(3)
            .filter_rows(|rng: &mut RowRng, _: i64| rng.random_bool(0.5));
        out.unwrap()
    };
    let expected = drawn(df.par_apply().sequential());
    assert!((400..600).contains(&expected.height()));
    for (way, apply) in ways(&df.par_apply(), 7, 11) {
        assert_same_frame(&drawn(apply), &expected, &way);
    }
}

/// All faults of a call are reported together, before the closure is called.
#[test]
fn names_and_returns_are_refused() {
    let df = counting(3);
    let calls = AtomicUsize::new(0);
    let keep = |_: i64| {
        calls.fetch_add(1, SeqCst);
        true
    };
    let error = df
        .par_apply()
        .names(["a", "b"])
        .returns([DataType::Int8])
        .filter_rows(keep)
        .unwrap_err();
    let options: Vec<&str> = faults(&error)
        .iter()
        .map(|fault| match fault.kind() {
            ErrorKind::Option { option, .. } => *option,
            _ => panic!("{fault:?}"),
        })
        .collect();
    assert_eq!(options, ["names", "returns"]);
    for call in [
        df.par_apply().names(["i"]),
        df.par_apply().returns([DataType::Boolean]),
    ] {
        assert!(matches!(
            call.filter_rows(keep).unwrap_err().kind(),
            ErrorKind::Option { .. }
        ));
    }
    let error = df
        .par_apply()
        .select(["j"])
        .workers(0)
        .filter_rows(keep)
        .unwrap_err();
    assert_eq!(faults(&error).len(), 2, "{error}");
    assert_eq!(calls.load(SeqCst), 0);
}

/// A job gives the same as the call.
#[test]
fn in_the_background() {
    watched(|| {
        let df = counting(3_000);
        let expected = df
            .par_apply()
            .on_error(OnError::Skip)
            .filter_rows(odd)
            .unwrap();
        let job = df
            .par_apply()
            .on_error(OnError::Skip)
            .spawn_filter_rows(odd);
        let outcome = job.get().unwrap();
        assert_same_frame(&outcome.output, &expected.output, "a job");
        assert_same_frame(&outcome.failures, &expected.failures, "a job");
        assert_eq!(
            numbers(&outcome.kept_rows()),
            numbers(&expected.kept_rows())
        );
        let job = df.par_apply().spawn_filter_rows(odd);
        assert_eq!(job.get().unwrap_err().row(), Some(0));
        let (stopped, wait) = (CancelToken::new(), CancelToken::new());
        let (inside, waits) = (Arc::new(AtomicUsize::new(0)), wait.clone());
        let job = {
            let inside = inside.clone();
            df.par_apply()
                .cancel_token(&stopped)
                .spawn_filter_rows(move |_: i64| {
                    inside.fetch_add(1, SeqCst);
                    held_back(&waits);
                    true
                })
        };
        while inside.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        job.cancel();
        wait.cancel();
        assert!(matches!(
            job.get().unwrap_err().kind(),
            ErrorKind::Cancelled { .. }
        ));
    });
}

/// A lazy call gives the eager answer in both engines, and the closure is called once for each row that reaches it.
#[test]
fn lazily_as_eagerly() {
    watched(|| {
        let rows = 250_000;
        let df = counting(rows);
        let df = df
            .lazy()
            .with_columns([(col("i") * lit(2)).alias("j")])
            .collect()
            .unwrap();
        let expected = rows_of(&df, |row| row % 3 == 1);
        for engine in ENGINES {
            let calls = Arc::new(AtomicUsize::new(0));
            let keep = {
                let calls = calls.clone();
                move |i: i64| {
                    calls.fetch_add(1, SeqCst);
                    i % 3 == 1
                }
            };
            let query = df
                .clone()
                .lazy()
                .par_apply()
                .select(["i"])
                .filter_rows(keep.clone());
            assert_same_frame(&collected(&query, engine).unwrap(), &expected, "lazily");
            assert_eq!(calls.swap(0, SeqCst), rows, "{engine:?}");
            let schema = query.clone().collect_schema().unwrap();
            assert_eq!(schema.as_ref(), df.schema().as_ref());
            // The closure is not called for rows that an earlier filter drops, and the query may ask for other columns only.
            let half = df.clone().lazy().filter(col("i").lt(lit(100_000)));
            let query = half
                .par_apply()
                .select(["i"])
                .filter_rows(keep)
                .select([col("j")]);
            let out = collected(&query, engine).unwrap();
            assert_eq!(
                out.height(),
                (0..100_000).filter(|row| row % 3 == 1).count()
            );
            assert_eq!(calls.swap(0, SeqCst), 100_000, "{engine:?}");
            // Nulls are false.
            let lf = df![
                "x" => [Some(1i64), None, Some(2)],
                "y" => [1, 2, 3],
            ]
            .unwrap()
            .lazy();
            let query = lf
                .clone()
                .par_apply()
                .select(["x"])
                .filter_rows(|_: i64| true);
            assert_eq!(collected(&query, engine).unwrap().height(), 2);
            let query = lf
                .par_apply()
                .filter_rows(|row: Row<'_>| (row.index() > 0).then_some(true));
            assert_eq!(collected(&query, engine).unwrap().height(), 2);
            // Without rows, and with a limit that comes after it.
            let none = df
                .clear()
                .lazy()
                .par_apply()
                .filter_rows(|i: i64, j: i64| i == j);
            assert_same_frame(&collected(&none, engine).unwrap(), &df.clear(), "none");
            let few = df
                .clone()
                .lazy()
                .par_apply()
                .select(["i"])
                .filter_rows(|i: i64| i >= 1_000);
            let few = collected(&few.limit(2), engine).unwrap();
            assert_same_frame(&few, &df.slice(1_000, 2), "a limit");
        }
    });
}

/// A lazy call on a scan of a file, and after a join, among filters of Polars.
#[test]
fn lazily_wherever_the_rows_come_from() {
    watched(|| {
        let rows = 10_000;
        let texts = (0..rows).map(|i| format!("text {i}")).collect::<Vec<_>>();
        let df = df!["i" => (0..rows).collect::<Vec<i64>>(), "text" => texts].unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frame.parquet");
        let file = std::fs::File::create(&path).unwrap();
        let writer = ParquetWriter::new(file).with_row_group_size(Some(700));
        writer.finish(&mut df.clone()).unwrap();
        let path = PlRefPath::try_from_path(&path).unwrap();
        let scan = LazyFrame::scan_parquet(path, ScanArgsParquet::default()).unwrap();
        let keys = counting(rows as usize).lazy();
        let joined = df.clone().lazy().join(
            keys,
            [col("i")],
            [col("i")],
            JoinArgs {
                maintain_order: MaintainOrderJoin::Left,
                ..JoinArgs::new(JoinType::Inner)
            },
        );
        let expected = rows_of(&df, |row| row % 3 == 1 && row >= 100 && row % 2 == 0);
        for (what, lf) in [
            ("a frame", df.clone().lazy()),
            ("a scan", scan),
            ("a join", joined),
        ] {
            for engine in ENGINES {
                for numbered in [None, Some(true), Some(false)] {
                    let what = format!("{what}, {engine:?}, {numbered:?}");
                    let call = lf
                        .clone()
                        .filter(col("i").gt_eq(lit(100)))
                        .par_apply()
                        .select(["text"]);
                    let call = match numbered {
                        Some(numbered) => call.numbered(numbered),
                        None => call,
                    };
                    let kept = call.filter_rows(|text: &str| {
                        let i: i64 = text[5..].parse()?;
                        refuse_unless(i >= 100, "it was dropped")?;
                        Ok::<_, anyhow::Error>(i % 3 == 1)
                    });
                    let kept = kept.filter((col("i") % lit(2)).eq(lit(0)));
                    assert_same_frame(&collected(&kept, engine).unwrap(), &expected, &what);
                    let counted = kept.select([col("i").sum()]);
                    let sum = collected(&counted, engine).unwrap();
                    let sum = sum.column("i").unwrap().i64().unwrap().get(0);
                    assert_eq!(
                        sum,
                        expected.column("i").unwrap().i64().unwrap().sum(),
                        "{what}"
                    );
                }
            }
        }
    });
}

/// In a lazy call, errors have the frame's row numbers, and failing rows are dropped and collected.
#[test]
fn lazily_what_fails() {
    watched(|| {
        let rows = 250_000;
        let df = counting(rows);
        let expected = rows_of(&df, |row| row % 2 == 1 && !fails(row as i64));
        let failed: Vec<usize> = (0..rows).filter(|row| fails(*row as i64)).collect();
        let call = || df.clone().lazy().par_apply();
        for engine in ENGINES {
            let one =
                call().filter_rows(|i: i64| refuse_unless(i != 123_456, "no good").map(|()| true));
            let said = collected(&one, engine).unwrap_err().to_string();
            assert!(
                said.contains("row 123456: the closure returned an error: no good"),
                "{said}"
            );
            for policy in [OnError::Null, OnError::Skip] {
                let out = collected(&call().on_error(policy).filter_rows(odd), engine).unwrap();
                assert_same_frame(&out, &expected, "lenient");
                let failures = Failures::new();
                let told = call().on_error(policy).failures(&failures).filter_rows(odd);
                assert_same_frame(&collected(&told, engine).unwrap(), &expected, "told");
                let told = failures.take();
                assert_eq!(numbers(told.column("row").unwrap().idx().unwrap()), failed);
            }
            // A collector without a policy lets failures pass.
            let failures = Failures::new();
            let told = call().failures(&failures).filter_rows(odd);
            assert_same_frame(&collected(&told, engine).unwrap(), &expected, "told");
            assert_eq!(failures.len(), failed.len());
            let few = Failures::new().max_failures(5);
            let stopped = call().failures(&few).filter_rows(odd);
            assert!(collected(&stopped, engine).is_err());
            let token = CancelToken::new();
            token.cancel();
            let stopped = call().cancel_token(&token).filter_rows(|_: i64| true);
            assert!(
                collected(&stopped, engine)
                    .unwrap_err()
                    .to_string()
                    .contains("cancelled")
            );
        }
    });
}

/// Options that a lazy call cannot follow are refused when the query is planned.
#[test]
fn lazily_refused() {
    let call = || counting(3).lazy().par_apply();
    let keep = |_: i64| -> bool { unreachable!("it is refused") };
    for (option, call) in [
        ("names", call().names(["a"])),
        ("returns", call().returns([DataType::Boolean])),
        ("on_error", call().on_error(OnError::Collect)),
        ("row_wise", call().row_wise()),
    ] {
        let error = call
            .filter_rows(keep)
            .collect_schema()
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(&format!(".{option}(…): ")), "{error}");
    }
    let lf = call().filter_rows(|_: &str| true);
    let error = lf.clone().collect_schema().unwrap_err().to_string();
    assert!(error.contains("column \"i\""), "{error}");
}

/// A lazy call with a state for each worker.
#[test]
fn lazily_with_a_state() {
    watched(|| {
        for engine in ENGINES {
            let made = Arc::new(AtomicUsize::new(0));
            let init = {
                let made = made.clone();
                move || {
                    made.fetch_add(1, SeqCst);
                    String::new()
                }
            };
            let even = |text: &mut String, i: i64| {
                use std::fmt::Write;
                text.clear();
                write!(text, "{i}").map(|()| text.ends_with('7'))
            };
            let query = counting(1_000)
                .lazy()
                .par_apply()
                .state(init)
                .filter_rows(even);
            let out = collected(&query, engine).unwrap();
            assert_same_frame(
                &out,
                &rows_of(&counting(1_000), |row| row % 10 == 7),
                "a state",
            );
            assert!(made.load(SeqCst) >= 1);
        }
    });
}

/// The printed plan has the call's name.
#[test]
fn lazily_named() {
    let lf = counting(3).lazy();
    let plan = lf
        .clone()
        .par_apply()
        .filter_rows(|i: i64| i > 1)
        .explain(true)
        .unwrap();
    assert!(plan.contains("filter_rows"), "{plan}");
    let plan = lf
        .par_apply()
        .plan_name("mine")
        .filter_rows(|i: i64| i > 1)
        .explain(true)
        .unwrap();
    assert!(
        plan.contains("mine") && !plan.contains("filter_rows"),
        "{plan}"
    );
}

/// The types that a closure may return, checked by a bound.
#[test]
fn the_bound_can_be_written() {
    fn kept<M, F>(df: &DataFrame, f: F) -> Result<usize>
    where
        F: RowFn<M>,
        F::Out: IntoMask,
    {
        Ok(df.par_apply().filter_rows(f)?.height())
    }
    let df = counting(10);
    assert_eq!(kept(&df, |i: i64| i > 6).unwrap(), 3);
    assert_eq!(kept(&df, |i: i64| (i > 6).then_some(i > 8)).unwrap(), 1);
    assert_eq!(kept(&df, |i: i64| Ok::<_, Error>(i > 6)).unwrap(), 3);
    assert_same(&df["i"], &counting(10)["i"], "it is not changed");
}
