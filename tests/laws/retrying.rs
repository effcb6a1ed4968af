//! Retries: only rows that have failed are called again, as often as asked, and no worker sleeps for that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use polars_core::runtime::RAYON;
use polars_par_apply::prelude::*;

use crate::frames::{self, assert_same, assert_same_frame, counting, watched};

/// A delay that is over at once.
const SOON: Duration = Duration::from_micros(20);

fn at_once(attempts: usize) -> Retry {
    Retry::attempts(attempts).min_delay(SOON).max_delay(SOON)
}

/// How often each row was called.
struct Calls(Vec<AtomicU32>);

impl Calls {
    fn new(rows: usize) -> Self {
        Calls((0..rows).map(|_| AtomicU32::new(0)).collect())
    }

    /// Counts a call, and returns how many there were before.
    fn call(&self, row: usize) -> u32 {
        self.0[row].fetch_add(1, SeqCst)
    }

    fn taken(&self) -> Vec<u32> {
        self.0.iter().map(|calls| calls.swap(0, SeqCst)).collect()
    }
}

/// All ways to run a call that must give the same result.
fn ways<'a>(apply: &Apply<'a, 'static>) -> Vec<(String, Apply<'a, 'static>)> {
    frames::ways(apply, 5, 3)
}

fn numbers(failures: &DataFrame, column: &str) -> Vec<u64> {
    let numbers = failures
        .column(column)
        .unwrap()
        .cast(&DataType::UInt64)
        .unwrap();
    numbers.u64().unwrap().into_no_null_iter().collect()
}

#[test]
fn good_rows_run_once_and_failing_ones_as_often_as_asked() {
    watched(|| {
        let rows = 200;
        let df = counting(rows);
        let calls = Calls::new(rows);
        // Row i fails i % 6 times before it succeeds; if i % 25 == 7, it never succeeds.
        let f = |i: i64| {
            let before = calls.call(i as usize);
            if i % 25 == 7 || i64::from(before) < i % 6 {
                Err(anyhow::anyhow!("row {i}, call {}", before + 1))
            } else {
                Ok(i * 2)
            }
        };
        for attempts in [1, 2, 4, 10] {
            let fails = |i: usize| i % 25 == 7 || i % 6 >= attempts;
            let failed: Vec<u64> = (0..rows).filter(|i| fails(*i)).map(|i| i as u64).collect();
            let expected_calls = (0..rows).map(|i| {
                if fails(i) {
                    attempts as u32
                } else {
                    i as u32 % 6 + 1
                }
            });
            let expected_calls: Vec<u32> = expected_calls.collect();
            let output: Vec<Option<i64>> = (0..rows)
                .map(|i| (!fails(i)).then_some(2 * i as i64))
                .collect();
            for (way, apply) in ways(&df.par_apply().retry(at_once(attempts))) {
                let what = format!("{attempts} attempts, {way}");
                let outcome = apply.on_error(OnError::Null).rows(f).unwrap();
                assert_eq!(calls.taken(), expected_calls, "{what}");
                assert_eq!(outcome.output.i64().unwrap().to_vec(), output, "{what}");
                assert_eq!(numbers(&outcome.failures, "row"), failed, "{what}");
                let all = vec![attempts as u64; failed.len()];
                assert_eq!(numbers(&outcome.failures, "attempts"), all, "{what}");
                // The error that is reported is the last one.
                let errors = outcome.failures.column("error").unwrap().str().unwrap();
                for (error, row) in errors.iter().zip(&failed) {
                    assert_eq!(
                        error.unwrap(),
                        format!("row {row}, call {attempts}"),
                        "{what}"
                    );
                }
                let again: u32 = expected_calls.iter().map(|calls| calls - 1).sum();
                assert_eq!(outcome.stats.retries, again as usize, "{what}");
                assert_eq!(
                    (outcome.stats.rows, outcome.stats.failures),
                    (rows, failed.len()),
                    "{what}"
                );
            }
        }
    });
}

#[test]
fn the_predicate_is_asked_of_every_error() {
    let df = counting(30);
    let calls = Calls::new(30);
    for (way, apply) in ways(&df.par_apply()) {
        let retry = at_once(5).when(|error| error.to_string().starts_with("busy"));
        let outcome = apply
            .retry(retry)
            .on_error(OnError::Skip)
            .rows(|i: i64| {
                let before = calls.call(i as usize);
                match i % 3 {
                    0 => Ok(i),
                    1 => Err(anyhow::anyhow!("broken")),
                    // Busy twice, then broken.
                    _ if before < 2 => Err(anyhow::anyhow!("busy")),
                    _ => Err(anyhow::anyhow!("broken after all")),
                }
            })
            .unwrap();
        let expected: Vec<u32> = (0..30).map(|i| if i % 3 == 2 { 3 } else { 1 }).collect();
        assert_eq!(calls.taken(), expected, "{way}");
        let attempts: Vec<u64> = (0..30)
            .filter(|i| i % 3 > 0)
            .map(|i| 1 + i % 3 / 2 * 2)
            .collect();
        assert_eq!(numbers(&outcome.failures, "attempts"), attempts, "{way}");
        assert_eq!(outcome.stats.retries, 20, "{way}");
        assert_eq!(outcome.output.len(), 10);
    }
}

#[test]
fn a_predicate_that_panics_ends_the_call() {
    watched(|| {
        let df = counting(100);
        for workers in [1, 3] {
            let retry = at_once(3).when(|_| panic!("no idea"));
            let error = df
                .par_apply()
                .workers(workers)
                .retry(retry)
                .on_error(OnError::Null)
                .rows(|i: i64| {
                    if i == 50 {
                        Err(anyhow::anyhow!("x"))
                    } else {
                        Ok(i)
                    }
                })
                .unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Option {
                        option: "retry",
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    });
}

#[test]
fn panics_and_values_that_cannot_be_written_are_not_tried_again() {
    let df = counting(40);
    let calls = Calls::new(40);
    for (way, apply) in ways(&df.par_apply().retry(at_once(4))) {
        let outcome = apply
            .on_error(OnError::Null)
            .rows(|i: i64| -> anyhow::Result<chrono::NaiveDateTime> {
                let before = calls.call(i as usize);
                assert!(i % 4 != 1, "panic");
                // An error first, then a panic.
                anyhow::ensure!(i % 4 != 2 || before > 0, "error");
                assert!(i % 4 != 2, "panic after an error");
                let nanoseconds = if i % 4 == 3 { 1 } else { 1000 };
                Ok(chrono::DateTime::from_timestamp_nanos(nanoseconds).naive_utc())
            })
            .unwrap();
        let expected: Vec<u32> = (0..40).map(|i| if i % 4 == 2 { 2 } else { 1 }).collect();
        assert_eq!(calls.taken(), expected, "{way}");
        let failed: Vec<u64> = (0..40).filter(|i| i % 4 > 0).collect();
        assert_eq!(numbers(&outcome.failures, "row"), failed, "{way}");
        let panics = outcome.failures.column("panic").unwrap().bool().unwrap();
        let expected = failed.iter().map(|row| row % 4 < 3);
        assert!(panics.no_null_iter().eq(expected), "{way}");
        let attempts: Vec<u64> = failed
            .iter()
            .map(|row| 1 + u64::from(row % 4 == 2))
            .collect();
        assert_eq!(numbers(&outcome.failures, "attempts"), attempts, "{way}");
        assert_eq!(outcome.stats.retries, 10);
    }
}

#[test]
fn the_lowest_failing_row_with_retries() {
    watched(|| {
        let rows = 400;
        let df = counting(rows);
        let calls = Calls::new(rows);
        for first in [0usize, 1, 3, 57, 399] {
            // The rows before it succeed at the third call; those after it mostly fail at the first.
            let f = |i: i64| {
                let before = calls.call(i as usize);
                let i = i as usize;
                if (i < first && i.is_multiple_of(2) && before < 2)
                    || i == first
                    || (i > first && !i.is_multiple_of(3))
                {
                    Err(anyhow::anyhow!(
                        "{} {i}",
                        if i > first { "hopeless" } else { "busy" }
                    ))
                } else {
                    Ok(i as i64)
                }
            };
            for (way, apply) in ways(&df.par_apply()) {
                let retry = at_once(4).when(|error| error.to_string().starts_with("busy"));
                let error = apply.retry(retry).rows(f).unwrap_err();
                assert_eq!(error.row(), Some(first), "{way}");
                let calls = calls.taken();
                assert_eq!(calls[first], 4, "{way}");
                for (row, calls) in calls[..first].iter().enumerate() {
                    assert_eq!(*calls, if row % 2 == 0 { 3 } else { 1 }, "{way}, row {row}");
                }
            }
        }
    });
}

/// Rows that wait when the failure that ends the run is found are not called again, and are not waited for.
#[test]
fn what_waits_behind_the_failure_that_ends_the_run_is_forgotten() {
    watched(|| {
        let df = counting(50);
        let wide: Vec<Column> = (0..9i64)
            .map(|c| Column::new(format!("c{c}").into(), [c]))
            .collect();
        let wide = DataFrame::new(1, wide).unwrap();
        let never = Duration::from_secs(100_000);
        for workers in [1, 3] {
            // All fail, and all are due at once.
            for retry in [at_once(2), at_once(2).min_delay(Duration::ZERO), at_once(5)] {
                let rows = df
                    .par_apply()
                    .workers(workers)
                    .retry(retry.clone())
                    .rows(|i: i64| -> anyhow::Result<i64> { anyhow::bail!("no {i}") });
                assert_eq!(rows.unwrap_err().row(), Some(0));
                let parts = df
                    .par_apply()
                    .workers(workers)
                    .retry(retry.clone())
                    .partitions(10)
                    .chunks(|_: DataFrame| -> anyhow::Result<i64> { anyhow::bail!("no") });
                let error = parts.unwrap_err();
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::Closure {
                            place: Place::Part { index: 0, .. },
                            ..
                        }
                    ),
                    "{error:?}"
                );
                let columns = wide
                    .par_apply()
                    .workers(workers)
                    .retry(retry.clone())
                    .columns(|_: &Column| -> anyhow::Result<i64> { anyhow::bail!("no") });
                assert_eq!(columns.unwrap_err().column(), Some("c0"));
                let many = wide
                    .par_apply()
                    .workers(workers)
                    .retry(retry)
                    .on_error(OnError::Null)
                    .max_failures(3)
                    .columns(|_: &Column| -> anyhow::Result<i64> { anyhow::bail!("no") });
                assert_eq!(many.unwrap_err().column(), Some("c3"));
            }
            // The later attempts would be due in a day.
            let patient = Retry::attempts(2)
                .min_delay(never)
                .max_delay(never)
                .when(|error| error.to_string() == "busy");
            let error = df
                .par_apply()
                .workers(workers)
                .retry(patient)
                .rows(|i: i64| {
                    let text = if i == 20 { "broken" } else { "busy" };
                    if i >= 20 {
                        Err(anyhow::anyhow!(text))
                    } else {
                        Ok(i)
                    }
                })
                .unwrap_err();
            assert_eq!(error.row(), Some(20));
        }
    });
}

#[derive(Clone, Debug, PartialEq, IntoRow)]
struct Out {
    number: Option<i64>,
    text: String,
}

/// A row that waits leaves a hole in the rows that its worker writes.
#[test]
fn the_output_is_whole_around_rows_that_waited() {
    fn check<O>(
        df: &DataFrame,
        good: impl Fn(i64) -> O + Sync + Copy,
        whole: fn(O::Output) -> DataFrame,
    ) where
        O: IntoRow<Output: std::fmt::Debug>,
    {
        let expected = whole(
            df.par_apply()
                .sequential()
                .rows(move |i: i64| good(i))
                .unwrap(),
        );
        // Which rows fail at first: the first of all, the last, neighbours, all.
        let patterns: [fn(i64) -> bool; 4] = [
            |i| i == 0 || i % 64 == 63,
            |i| i % 10 < 2,
            |i| i % 7 == 6,
            |_| true,
        ];
        for fails in patterns {
            for (way, apply) in ways(&df.par_apply().retry(at_once(3))) {
                let calls = Calls::new(df.height());
                let f = |i: i64| {
                    if fails(i) && calls.call(i as usize) < 2 {
                        Err(anyhow::anyhow!("busy"))
                    } else {
                        Ok(good(i))
                    }
                };
                let plain = whole(apply.clone().rows(f).unwrap());
                assert_same_frame(&plain, &expected, &way);
                calls.taken();
                let outcome = apply.on_error(OnError::Null).rows(f).unwrap();
                assert!(outcome.is_complete());
                assert_same_frame(&whole(outcome.output), &expected, &way);
            }
        }
    }
    watched(|| {
        for rows in [1, 2, 9, 64, 200] {
            let df = counting(rows);
            let column = |column: Column| column.into_frame();
            check(&df, |i| i * 7, column);
            check(&df, |i| i % 3 == 0, column);
            check(&df, |i| (i % 5 > 0).then_some(i as f32), column);
            check(&df, |i| "text ".repeat(i as usize % 5), column);
            check(&df, |i| (i % 3 > 0).then(|| i.to_string()), column);
            check(&df, |i| vec![i; i as usize % 4], column);
            check(&df, |i| vec![Some(i.to_string()), None], column);
            check(&df, |i| Series::new("".into(), [i]), column);
            check(
                &df,
                |i| match i % 3 {
                    0 => AnyValue::Null,
                    _ => AnyValue::Int64(i),
                },
                column,
            );
            check(&df, |i| Struct((i, i.to_string())), column);
            check(&df, |_| (), column);
            check(&df, |i| (i, i.to_string(), vec![i]), |df| df);
            check(&df, |i| [Some(i), None], |df| df);
            let out = |i: i64| Out {
                number: (i % 2 > 0).then_some(i),
                text: i.to_string(),
            };
            check(&df, out, |df| df);
        }
    });
}

#[test]
fn rows_that_wait_among_nulls() {
    let x: Vec<Option<i64>> = (0..300).map(|i| (i % 4 > 0).then_some(i)).collect();
    let df = df!["x" => &x].unwrap();
    let expected: Vec<Option<String>> = x.iter().map(|x| x.map(|x| x.to_string())).collect();
    let expected = Column::new("par_apply".into(), expected);
    for (way, apply) in ways(&df.par_apply().retry(at_once(2))) {
        let calls = Calls::new(300);
        let output = apply
            .rows(|x: i64| {
                if calls.call(x as usize) == 0 && x % 3 == 0 {
                    Err(anyhow::anyhow!("busy"))
                } else {
                    Ok(x.to_string())
                }
            })
            .unwrap();
        assert_same(&output, &expected, &way);
    }
}

#[test]
fn parts_and_columns_are_tried_again() {
    watched(|| {
        let df = counting(100);
        let wide: Vec<Column> = (0..10i64)
            .map(|c| Column::new(format!("c{c}").into(), [c]))
            .collect();
        let wide = DataFrame::new(1, wide).unwrap();
        let calls = Calls::new(10);
        let f = |index: usize| {
            let before = calls.call(index);
            if index == 7 || (before as usize) < index % 3 {
                Err(anyhow::anyhow!("call {}", before + 1))
            } else {
                Ok(index as u64)
            }
        };
        let expected: Vec<u32> = (0..10)
            .map(|i| if i == 7 { 4 } else { i % 3 + 1 })
            .collect();
        let output: Vec<Option<u64>> = (0..10).map(|i| (i != 7).then_some(i)).collect();
        for workers in 1..=4 {
            let parts = df
                .par_apply()
                .workers(workers)
                .partitions(10)
                .retry(at_once(4))
                .on_error(OnError::Null)
                .chunks(|part: Chunk| f(part.index()))
                .unwrap();
            assert_eq!(calls.taken(), expected);
            assert_eq!(parts.output.u64().unwrap().to_vec(), output);
            let number = |column: &str| numbers(&parts.failures, column);
            assert_eq!((number("part"), number("attempts")), (vec![7], vec![4]));
            let again: u32 = expected.iter().map(|calls| calls - 1).sum();
            assert_eq!(
                (parts.stats.retries, parts.stats.rows),
                (again as usize, 100)
            );

            let columns = wide
                .par_apply()
                .workers(workers)
                .retry(at_once(4))
                .on_error(OnError::Null)
                .columns(|column: &Column| f(column.i64().unwrap().get(0).unwrap() as usize))
                .unwrap();
            assert_eq!(calls.taken(), expected);
            for (column, output) in columns.output.columns().iter().zip(&output) {
                assert_eq!(column.u64().unwrap().get(0), *output);
            }
            assert_eq!(numbers(&columns.failures, "attempts"), [4]);
            assert_eq!(
                (columns.stats.retries, columns.stats.rows),
                (again as usize, 10)
            );

            let whole = df
                .par_apply()
                .workers(workers)
                .partitions(10)
                .retry(at_once(4))
                .on_error(OnError::Skip)
                .chunks(|part: Chunk| f(part.index()).map(|_| part.into_frame()))
                .unwrap();
            assert_eq!(calls.taken(), expected);
            let kept = df.filter(&whole.kept_mask()).unwrap();
            assert_same_frame(&whole.output, &kept, "whole");
            assert_eq!(kept.height(), 90);
        }
    });
}

#[test]
fn bad_policies_are_refused() {
    let df = counting(10);
    let bad = [
        Retry::attempts(0),
        Retry::attempts(2).factor(0.5),
        Retry::attempts(2).factor(-1.0),
        Retry::attempts(2).factor(f32::NAN),
        Retry::attempts(2).factor(f32::INFINITY),
    ];
    for retry in bad {
        let error = df
            .par_apply()
            .retry(retry)
            .rows(|_: i64| -> i64 { panic!("called") })
            .unwrap_err();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Option {
                    option: "retry",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    for retry in [
        Retry::attempts(1),
        Retry::attempts(usize::MAX),
        Retry::attempts(2).factor(1.0),
    ] {
        assert_eq!(
            df.par_apply().retry(retry).rows(|i: i64| i).unwrap().len(),
            10
        );
    }
}

#[test]
fn delays_grow_and_are_waited_for() {
    watched(|| {
        let delay = Duration::from_millis(4);
        let times = std::sync::Mutex::new(Vec::new());
        let outcome = counting(1)
            .par_apply()
            .retry(Retry::attempts(4).min_delay(delay).factor(2.0))
            .on_error(OnError::Null)
            .rows(|_: i64| -> anyhow::Result<i64> {
                times.lock().unwrap().push(Instant::now());
                anyhow::bail!("busy")
            })
            .unwrap();
        assert_eq!(numbers(&outcome.failures, "attempts"), [4]);
        let times = times.into_inner().unwrap();
        assert_eq!(times.len(), 4);
        for (wait, factor) in times.windows(2).zip([1, 2, 4]) {
            // It takes at least this long; how much longer depends on the machine.
            assert!(wait[1] - wait[0] >= delay * factor);
        }
    });
}

#[test]
fn delays_without_bounds_do_not_overflow_and_a_cancel_ends_the_waiting() {
    watched(|| {
        let df = counting(200);
        for (way, apply) in ways(&df.par_apply()) {
            for retry in [
                Retry::attempts(9)
                    .min_delay(Duration::MAX)
                    .max_delay(Duration::MAX),
                Retry::attempts(9)
                    .min_delay(Duration::from_secs(1 << 40))
                    .factor(f32::MAX)
                    .max_delay(Duration::MAX),
                Retry::attempts(9).min_delay(Duration::from_secs(100_000)),
            ] {
                let token = CancelToken::new();
                let (busy, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
                let apply = apply.clone().retry(retry).cancel_token(&token);
                let outcome = std::thread::scope(|scope| {
                    scope.spawn(|| {
                        // Every row is called once, and the failed ones wait. The call is cancelled now, or when it begins to wait.
                        while busy.load(SeqCst) + good.load(SeqCst) < 200 {
                            std::thread::yield_now();
                        }
                        token.cancel();
                    });
                    apply
                        .on_cancel(OnCancel::Partial)
                        .rows(|i: i64| {
                            if i % 10 == 3 {
                                busy.fetch_add(1, SeqCst);
                                Err(anyhow::anyhow!("busy"))
                            } else {
                                good.fetch_add(1, SeqCst);
                                Ok(i.to_string())
                            }
                        })
                        .unwrap()
                });
                assert!(outcome.stats.cancelled, "{way}");
                assert_eq!(
                    (outcome.stats.rows, outcome.stats.retries),
                    (180, 0),
                    "{way}"
                );
                let expected: Vec<u32> = (0..200).filter(|i| i % 10 != 3).collect();
                assert!(
                    outcome
                        .kept_rows()
                        .into_no_null_iter()
                        .eq(expected.iter().copied()),
                    "{way}"
                );
                let texts: Vec<String> = expected.iter().map(u32::to_string).collect();
                assert_same(
                    &outcome.output,
                    &Column::new("par_apply".into(), texts),
                    &way,
                );
                assert_eq!(outcome.failures.height(), 0);
                assert_eq!((busy.into_inner(), good.into_inner()), (20, 180));
            }
        }
    });
}

/// Rows that wait when the call is cancelled are not done, under any policy, and have not failed: they might have succeeded.
#[test]
fn what_waits_when_the_call_is_cancelled_is_not_done() {
    watched(|| {
        let df = counting(200);
        for (way, apply) in ways(&df.par_apply()) {
            for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                let token = CancelToken::new();
                let called = AtomicUsize::new(0);
                let last = std::sync::Mutex::new(None);
                let outcome = std::thread::scope(|scope| {
                    scope.spawn(|| {
                        while called.load(SeqCst) < 200 {
                            std::thread::yield_now();
                        }
                        token.cancel();
                    });
                    apply
                        .clone()
                        .retry(Retry::attempts(9).min_delay(Duration::from_secs(100_000)))
                        .cancel_token(&token)
                        .on_cancel(OnCancel::Partial)
                        .on_error(policy)
                        .max_failures(3)
                        .progress(|tick: Tick| *last.lock().unwrap() = Some(tick))
                        .rows(|i: i64| {
                            called.fetch_add(1, SeqCst);
                            anyhow::ensure!(i % 10 != 3, "busy {i}");
                            Ok(i.to_string())
                        })
                        .unwrap()
                });
                let what = format!("{way}, {policy:?}");
                assert_eq!(outcome.failures.height(), 0, "{what}");
                assert!(outcome.stats.cancelled, "{what}");
                assert_eq!((outcome.stats.rows, outcome.stats.failures), (180, 0));
                let last = last.lock().unwrap().unwrap();
                assert_eq!((last.done, last.failures), (180, 0), "{what}");
                assert_eq!(last.state, TickState::Cancelled, "{what}");
                let done = (0..200u32).filter(|i| i % 10 != 3);
                let kept = outcome.kept_rows();
                assert!(kept.into_no_null_iter().eq(done.clone()), "{what}");
                let texts: Vec<String> = done.map(|i| i.to_string()).collect();
                let expected = Column::new("par_apply".into(), texts);
                assert_same(&outcome.output, &expected, &what);
            }
        }
    });
}

#[test]
fn a_deadline_ends_the_waiting() {
    watched(|| {
        let error = counting(20)
            .par_apply()
            .deadline(Duration::from_millis(30))
            .retry(Retry::attempts(2).min_delay(Duration::from_secs(100_000)))
            .rows(|i: i64| {
                if i == 5 {
                    Err(anyhow::anyhow!("busy"))
                } else {
                    Ok(i)
                }
            })
            .unwrap_err();
        // Row 5 is never done, even on a slow machine.
        let ErrorKind::Cancelled {
            done,
            total: 20,
            deadline: Some(_),
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert!(*done <= 19);
    });
}

#[test]
fn within_calls_on_polars_pool() {
    watched(|| {
        let df = counting(60);
        let small = counting(20);
        let f = |i: i64| -> anyhow::Result<i64> {
            let calls = Calls::new(20);
            let inner = small.par_apply().retry(at_once(3)).rows(|j: i64| {
                if calls.call(j as usize) < 2 && j % 5 == 0 {
                    Err(anyhow::anyhow!("busy"))
                } else {
                    Ok(i + j)
                }
            })?;
            Ok(inner.i64()?.sum().unwrap())
        };
        let expected = (0..60).map(|i| 20 * i + 190);
        for workers in [1, 2, 3] {
            let sums = df
                .par_apply()
                .workers(workers)
                .partitions(20)
                .rows(f)
                .unwrap();
            assert!(sums.i64().unwrap().into_no_null_iter().eq(expected.clone()));
            // The outer call waits for rows too.
            let outer = Calls::new(60);
            let sums = df
                .par_apply()
                .workers(workers)
                .retry(at_once(2))
                .rows(|i: i64| {
                    let sum = f(i)?;
                    anyhow::ensure!(outer.call(i as usize) > 0 || i % 3 > 0, "busy");
                    Ok(sum)
                })
                .unwrap();
            assert!(sums.i64().unwrap().into_no_null_iter().eq(expected.clone()));
        }
        let sum = RAYON.install(|| f(1).unwrap());
        assert_eq!(sum, 210);
    });
}

/// Row 1 succeeds when the pool's one thread has done other work, which it was given before.
#[test]
fn a_pool_of_one_thread_goes_on_while_a_row_waits() {
    watched(|| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        for way in 0..2 {
            let done = Arc::new(AtomicBool::new(false));
            let says = Arc::clone(&done);
            let output = pool.install(move || {
                rayon::spawn(move || says.store(true, SeqCst));
                let df = counting(3);
                let apply = match way {
                    0 => df.par_apply().workers(2).partitions(2),
                    _ => df.par_apply().workers(2),
                };
                apply
                    .retry(at_once(usize::MAX))
                    .rows(|i: i64| {
                        anyhow::ensure!(i != 1 || done.load(SeqCst), "not yet");
                        Ok(i)
                    })
                    .unwrap()
            });
            assert_eq!(output.i64().unwrap().to_vec(), [Some(0), Some(1), Some(2)]);
        }
    });
}

/// A call that runs only on its own thread runs no other work there: callers on the same stack may hold what that work needs.
#[test]
fn a_sequential_call_that_waits_runs_nothing_of_its_pool() {
    watched(|| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        let lock = std::sync::Mutex::new(0);
        pool.scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|_| {
                    let mut sum = lock.lock().unwrap();
                    let df = counting(3);
                    for apply in [df.par_apply().sequential(), df.par_apply().workers(1)] {
                        let calls = Calls::new(3);
                        let column = apply
                            .retry(Retry::attempts(3).min_delay(Duration::from_millis(1)))
                            .rows(|i: i64| {
                                anyhow::ensure!(i != 1 || calls.call(1) > 0, "not yet");
                                Ok(i)
                            })
                            .unwrap();
                        *sum += column.i64().unwrap().sum().unwrap();
                    }
                });
            }
        });
        assert_eq!(*lock.lock().unwrap(), 20 * 2 * 3);
    });
}

/// Many calls of one pool that wait at the same time are not nested on one stack.
#[test]
fn waiting_calls_do_not_nest_without_bound() {
    watched(|| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .build()
            .unwrap();
        pool.scope(|scope| {
            for _ in 0..1500 {
                scope.spawn(|_| {
                    let calls = Calls::new(3);
                    let column = counting(3)
                        .par_apply()
                        .retry(Retry::attempts(3).min_delay(Duration::from_millis(1)))
                        .rows(|i: i64| {
                            anyhow::ensure!(i != 1 || calls.call(1) > 0, "not yet");
                            Ok(i)
                        })
                        .unwrap();
                    assert_eq!(column.len(), 3);
                });
            }
        });
    });
}

/// A worker that has left is called back when a delay has passed, although another is still busy: here with a row that ends
/// only when the others have succeeded.
#[test]
fn what_is_due_does_not_wait_for_the_slowest_row() {
    watched(|| {
        let df = counting(40);
        for apply in [
            df.par_apply().workers(2).chunk_rows(1),
            df.par_apply().workers(3).partitions(40),
        ] {
            let succeeded = AtomicUsize::new(0);
            let calls = Calls::new(40);
            let outcome = apply
                .retry(Retry::attempts(2).min_delay(Duration::from_millis(20)))
                .outcome()
                .rows(|i: i64| {
                    if i == 0 {
                        while succeeded.load(SeqCst) < 39 {
                            std::thread::yield_now();
                        }
                        return Ok(i);
                    }
                    anyhow::ensure!(calls.call(i as usize) > 0, "busy");
                    succeeded.fetch_add(1, SeqCst);
                    Ok(i)
                })
                .unwrap();
            assert_eq!(outcome.output.i64().unwrap().sum(), Some(780));
            assert_eq!(outcome.stats.retries, 39);
        }
    });
}

/// The same if the calling thread works, because no worker of Polars' pool was free when the call began.
#[test]
fn what_is_due_does_not_wait_for_the_calling_thread() {
    watched(|| {
        let released = AtomicBool::new(false);
        let held = AtomicUsize::new(0);
        let wait_until = |so: &dyn Fn() -> bool| {
            while !so() {
                std::thread::yield_now();
            }
        };
        let width = Pool::default().workers();
        std::thread::scope(|scope| {
            // Every worker of Polars' pool is busy.
            scope.spawn(|| {
                let rows = counting(width);
                let call = rows.par_apply().workers(width).chunk_rows(1);
                call.rows(|i: i64| {
                    held.fetch_add(1, SeqCst);
                    wait_until(&|| released.load(SeqCst));
                    i
                })
                .unwrap();
            });
            if width > 1 {
                wait_until(&|| held.load(SeqCst) >= width);
            }
            let succeeded = AtomicUsize::new(0);
            let calls = Calls::new(40);
            let df = counting(40);
            let call = df.par_apply().workers(2).chunk_rows(1).outcome();
            let outcome = call
                .retry(Retry::attempts(2).min_delay(Duration::from_millis(20)))
                .rows(|i: i64| {
                    if i == 0 {
                        // Now a worker may come.
                        released.store(true, SeqCst);
                        wait_until(&|| succeeded.load(SeqCst) == 39);
                        return Ok(i);
                    }
                    anyhow::ensure!(calls.call(i as usize) > 0, "busy");
                    succeeded.fetch_add(1, SeqCst);
                    Ok(i)
                })
                .unwrap();
            assert_eq!(outcome.stats.retries, 39);
        });
    });
}

/// An error whose drop panics: the row succeeds later, or the error is kept to the end.
#[test]
fn errors_that_panic_when_dropped_are_dropped_quietly() {
    #[derive(Debug)]
    struct Grenade;

    impl std::fmt::Display for Grenade {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("grenade")
        }
    }

    impl std::error::Error for Grenade {}

    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    watched(|| {
        let df = counting(50);
        for (way, apply) in ways(&df.par_apply()) {
            let calls = Calls::new(50);
            let mut finished = 0;
            let column = apply
                .clone()
                .retry(at_once(3))
                .state(|| ())
                .finish(|()| finished += 1)
                .rows(|(): &mut (), i: i64| match calls.call(i as usize) {
                    0 if i % 7 == 0 => Err(Grenade),
                    _ => Ok(i),
                })
                .unwrap();
            assert_eq!(column.i64().unwrap().sum(), Some(1225), "{way}");
            assert!(finished > 0, "{way}");
            let error = apply
                .retry(Retry::attempts(2).min_delay(Duration::from_millis(1)))
                .rows(|i: i64| {
                    if i % 7 == 3 {
                        return Err(Grenade);
                    }
                    Ok(i)
                })
                .unwrap_err();
            assert_eq!(error.row(), Some(3), "{way}");
            std::mem::forget(error);
        }
    });
}

/// A part that waits when the call is cancelled is not done, and neither are its rows.
#[test]
fn a_part_that_waits_is_not_done() {
    watched(|| {
        let token = CancelToken::new();
        let failed = AtomicBool::new(false);
        let outcome = counting(10)
            .par_apply()
            .workers(2)
            .partitions(2)
            .retry(Retry::attempts(9).min_delay(Duration::from_secs(100_000)))
            .cancel_token(&token)
            .on_cancel(OnCancel::Partial)
            .on_error(OnError::Null)
            .chunks(|part: Chunk| {
                if part.index() == 1 {
                    failed.store(true, SeqCst);
                    anyhow::bail!("busy");
                }
                while !failed.load(SeqCst) {
                    std::thread::yield_now();
                }
                token.cancel();
                Ok(part.height() as u32)
            });
        let outcome = outcome.unwrap();
        assert_eq!((outcome.stats.rows, outcome.stats.failures), (5, 0));
        assert!(outcome.kept_rows().into_no_null_iter().eq(0..5));
        assert_eq!(outcome.output.u32().unwrap().to_vec(), [Some(5)]);
    });
}
