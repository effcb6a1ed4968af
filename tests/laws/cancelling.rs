//! Cancelling: a run stops within one row for each worker, reports how many rows were done, and on request returns exactly these.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::frames::{assert_same_frame, counting, cut, each_column, held_back, watched};

/// The fields of the error of a cancelled call: done, total, deadline.
#[track_caller]
fn cancelled(error: &Error) -> (usize, usize, Option<Duration>) {
    let ErrorKind::Cancelled {
        done,
        total,
        deadline,
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!((error.row(), error.column()), (None, None));
    (*done, *total, *deadline)
}

fn cut_free<'a>(apply: Apply<'a, 'static>, way: usize) -> Apply<'a, 'static> {
    match way {
        0 => apply,
        1 => apply.partitions(13),
        2 => apply.chunk_rows(1),
        _ => apply.chunk_rows(1000),
    }
}

#[test]
fn a_token_cancelled_before_the_call() {
    let token = CancelToken::new();
    assert!(!token.is_cancelled());
    token.clone().cancel();
    assert!(token.is_cancelled());
    token.cancel();
    let df = counting(1000);
    for way in 0..4 {
        for workers in [1, 4] {
            let apply = || cut_free(df.par_apply().workers(workers).cancel_token(&token), way);
            let rows = apply()
                .rows(|_: i64| -> i64 { panic!("called") })
                .unwrap_err();
            assert_eq!(cancelled(&rows), (0, 1000, None));
            let parts = apply()
                .chunks(|_: DataFrame| -> i64 { panic!("called") })
                .unwrap_err();
            assert_eq!(cancelled(&parts), (0, 1000, None));
            let columns = apply()
                .columns(|_: &Column| -> i64 { panic!("called") })
                .unwrap_err();
            assert_eq!(cancelled(&columns), (0, 1, None));
            for error in [rows, parts] {
                assert!(
                    error.to_string().contains("cancelled: 0 of 1000 were done"),
                    "{error}"
                );
            }
            let partial = apply()
                .on_cancel(OnCancel::Partial)
                .rows(|i: i64| (i, i.to_string()))
                .unwrap();
            assert_eq!(partial.output.shape(), (0, 2));
            assert_eq!(partial.output.dtypes(), [DataType::Int64, DataType::String]);
            assert_eq!(partial.kept_rows().len(), 0);
            assert_eq!(partial.kept_mask().num_trues(), 0);
            assert!(partial.stats.cancelled && !partial.is_complete());
        }
    }
    // Faults of the call are reported first.
    let error = df
        .par_apply()
        .cancel_token(&token)
        .workers(0)
        .rows(|i: i64| i)
        .unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Option {
            option: "workers",
            ..
        }
    ));
    // Nothing was left undone.
    let empty = counting(0);
    assert_eq!(
        empty
            .par_apply()
            .cancel_token(&token)
            .rows(|i: i64| i)
            .unwrap()
            .len(),
        0
    );
}

/// After the cancel, each other worker may finish the row that it was about to begin, and none begins another.
#[test]
fn each_other_worker_calls_one_more_row_at_most() {
    watched(|| {
        let rows = 50_000usize;
        let df = counting(rows);
        for workers in [1, 2, 4] {
            for way in 0..4 {
                for at in [0, 1, 777, 30_000, 49_999] {
                    for _ in 0..5 {
                        let token = CancelToken::new();
                        let (gone, after, calls) = (
                            AtomicBool::new(false),
                            AtomicUsize::new(0),
                            AtomicUsize::new(0),
                        );
                        let apply = df.par_apply().workers(workers).cancel_token(&token);
                        let result = cut_free(apply, way).rows(|i: i64| {
                            if gone.load(SeqCst) {
                                after.fetch_add(1, SeqCst);
                            }
                            calls.fetch_add(1, SeqCst);
                            if i == at {
                                token.cancel();
                                gone.store(true, SeqCst);
                            }
                            i
                        });
                        let after = after.into_inner();
                        assert!(after < workers, "{after} after, {workers} workers");
                        let calls = calls.into_inner();
                        match result {
                            Err(error) => {
                                assert_eq!(cancelled(&error), (calls, rows, None));
                                assert!(calls < rows);
                            }
                            // It was the last row.
                            Ok(column) => assert_eq!((column.len(), calls), (rows, rows)),
                        }
                        if workers == 1 {
                            assert_eq!(calls as i64, at + 1);
                        }
                    }
                }
            }
        }
    });
}

#[test]
fn among_nulls_it_stops_as_soon() {
    let x: Vec<Option<i64>> = (0..1000).map(|i| (i % 3 > 0).then_some(i)).collect();
    let df = df!["x" => x].unwrap();
    let df = each_column(&df, |_, column| {
        cut(column, std::iter::repeat_n([3, 0, 5], 40).flatten())
    });
    let token = CancelToken::new();
    let calls = AtomicUsize::new(0);
    let outcome = df
        .par_apply()
        .sequential()
        .cancel_token(&token)
        .on_cancel(OnCancel::Partial)
        .rows(|x: i64| {
            calls.fetch_add(1, SeqCst);
            if x == 500 {
                token.cancel();
            }
            x
        })
        .unwrap();
    assert_eq!(calls.into_inner(), 334);
    assert_eq!(outcome.output.len(), 501);
    assert_eq!(outcome.output.null_count(), 167);
}

#[test]
fn from_another_thread() {
    watched(|| {
        let df = counting(100_000);
        let wide = (0..2000i64).map(|c| Column::new(format!("c{c}").into(), [c]));
        let wide = DataFrame::new(1, wide.collect()).unwrap();
        for workers in [1, 3] {
            for verb in 0..3 {
                let token = CancelToken::new();
                let begun = AtomicUsize::new(0);
                // Before the cancel, rows wait for it; after it, they take no time.
                let call = || {
                    if begun.fetch_add(1, SeqCst) >= 300 {
                        while !token.is_cancelled() {
                            thread::yield_now();
                        }
                    }
                };
                let error = thread::scope(|scope| {
                    scope.spawn(|| {
                        while begun.load(SeqCst) < 300 {
                            thread::yield_now();
                        }
                        token.cancel();
                    });
                    let apply = |df| {
                        DataFrame::par_apply(df)
                            .workers(workers)
                            .cancel_token(&token)
                    };
                    match verb {
                        0 => apply(&df).rows(|_: i64| call()).map(drop),
                        1 => apply(&df)
                            .chunk_rows(50)
                            .chunks(|_: DataFrame| call())
                            .map(drop),
                        _ => apply(&wide).columns(|_: &Column| call()).map(drop),
                    }
                    .unwrap_err()
                });
                let (done, total, _) = cancelled(&error);
                let begun = begun.into_inner();
                // A row that is being run when the token is cancelled ends as usual.
                match verb {
                    0 => assert_eq!((done, total), (begun, 100_000)),
                    1 => assert_eq!((done, total), (50 * begun, 100_000)),
                    _ => assert_eq!((done, total), (begun, 2000)),
                }
                // Each worker was in such a row, or about to begin one, when the token was cancelled; none began one afterwards.
                assert!((300..=300 + workers).contains(&begun), "{begun}");
            }
        }
    });
}

#[test]
fn one_token_cancels_every_call_that_has_it() {
    watched(|| {
        let df = counting(10_000);
        let token = CancelToken::new();
        let begun = AtomicUsize::new(0);
        let errors = thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|n| {
                    let (token, begun, df) = (&token, &begun, &df);
                    scope.spawn(move || {
                        let error = df
                            .par_apply()
                            .workers(1 + n % 2)
                            .cancel_token(&token.clone())
                            .rows(|i: i64| {
                                if i == 5 {
                                    begun.fetch_add(1, SeqCst);
                                }
                                while i == 5 && !token.is_cancelled() {
                                    thread::yield_now();
                                }
                            })
                            .unwrap_err();
                        // A nested call, and a later call, are cancelled as well.
                        let again = df.par_apply().cancel_token(token).rows(|_: i64| ());
                        (error, again.unwrap_err())
                    })
                })
                .collect();
            while begun.load(SeqCst) < 3 {
                thread::yield_now();
            }
            token.cancel();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        for (error, again) in errors {
            assert!(cancelled(&error).0 < 10_000);
            assert_eq!(cancelled(&again).0, 0);
        }
        // A call without the token, or with its own token, is not affected.
        assert_eq!(df.par_apply().rows(|i: i64| i).unwrap().len(), 10_000);
        let other = CancelToken::new();
        assert_eq!(
            df.par_apply()
                .cancel_token(&other)
                .rows(|i: i64| i)
                .unwrap()
                .len(),
            10_000
        );
    });
}

#[test]
fn a_token_may_be_used_for_one_call_after_another() {
    let df = counting(2000);
    let token = CancelToken::new();
    for workers in [1, 2, 4] {
        for _ in 0..20 {
            let apply = || df.par_apply().workers(workers).cancel_token(&token);
            assert_eq!(apply().rows(|i: i64| i).unwrap().len(), 2000);
            let error = apply().rows(|i: i64| {
                if i == 9 {
                    Err(anyhow::anyhow!("nine"))
                } else {
                    Ok(())
                }
            });
            assert_eq!(error.unwrap_err().row(), Some(9));
        }
    }
    // A cancel after the end changes nothing.
    let outcome = df
        .par_apply()
        .cancel_token(&token)
        .outcome()
        .rows(|i: i64| i)
        .unwrap();
    token.cancel();
    assert!(outcome.is_complete());
    assert!(!outcome.stats.cancelled);
}

#[test]
fn a_call_that_is_cancelled_in_its_last_row_is_done() {
    for workers in [1, 3] {
        for policy in [OnCancel::Error, OnCancel::Partial] {
            let df = counting(1);
            let token = CancelToken::new();
            let ticks = Mutex::new(Vec::new());
            let outcome = df
                .par_apply()
                .workers(workers)
                .cancel_token(&token)
                .on_cancel(policy)
                .progress(|tick: Tick| ticks.lock().unwrap().push(tick))
                .rows(|i: i64| {
                    token.cancel();
                    i
                })
                .unwrap();
            assert!(outcome.is_complete() && !outcome.stats.cancelled);
            assert_eq!(outcome.kept_rows().len(), 1);
            let last = *ticks.lock().unwrap().last().unwrap();
            assert_eq!((last.state, last.done), (TickState::Finished, 1));
        }
    }
}

#[test]
fn deadlines() {
    watched(|| {
        let df = counting(1000);
        for workers in [1, 3] {
            let apply = || df.par_apply().workers(workers);
            let error = apply()
                .deadline(Duration::ZERO)
                .rows(|_: i64| -> i64 { panic!("called") })
                .unwrap_err();
            assert_eq!(cancelled(&error), (0, 1000, Some(Duration::ZERO)));
            assert!(
                error
                    .to_string()
                    .contains("the deadline of 0ns passed: 0 of 1000"),
                "{error}"
            );
            for far in [
                Duration::MAX,
                Duration::from_secs(u64::MAX / 2),
                Duration::from_secs(1 << 50),
                Duration::from_secs(3600),
            ] {
                // A call waits for the thread that waits for its deadline. So either this call ends early, or `watched` ends it.
                let outcome = apply().deadline(far).outcome().rows(|i: i64| i).unwrap();
                assert!(outcome.is_complete());
                assert_eq!(outcome.output.len(), 1000);
            }
        }
    });
}

#[test]
fn a_deadline_that_passes_on_the_way() {
    watched(|| {
        let df = counting(100_000);
        let wide = (0..3000i64).map(|c| Column::new(format!("c{c}").into(), [c]));
        let wide = DataFrame::new(1, wide.collect()).unwrap();
        let deadline = Duration::from_millis(20);
        for workers in [1, 3] {
            for verb in 0..3 {
                let began = Instant::now();
                let calls = AtomicUsize::new(0);
                // By then at least ten rows are done. Each later row waits until the deadline has passed,
                // so all of them would take long if the call were not stopped.
                let call = || {
                    if calls.fetch_add(1, SeqCst) >= 10 {
                        while began.elapsed() < 2 * deadline {
                            thread::yield_now();
                        }
                        thread::sleep(Duration::from_millis(10));
                    }
                };
                let apply = |df| DataFrame::par_apply(df).workers(workers).deadline(deadline);
                let error = match verb {
                    0 => apply(&df).rows(|_: i64| call()).map(drop),
                    1 => apply(&df)
                        .chunk_rows(10)
                        .chunks(|_: DataFrame| call())
                        .map(drop),
                    _ => apply(&wide).columns(|_: &Column| call()).map(drop),
                }
                .unwrap_err();
                let (done, total, told) = cancelled(&error);
                assert_eq!(told, Some(deadline));
                let calls = calls.into_inner();
                let done = if verb == 1 { done / 10 } else { done };
                assert_eq!(done, calls);
                assert!(calls < total, "{calls}");
            }
        }
    });
}

#[test]
fn what_comes_first_of_a_token_and_a_deadline_is_told() {
    let df = counting(100);
    let token = CancelToken::new();
    let apply = || df.par_apply().sequential().cancel_token(&token);
    let error = apply()
        .deadline(Duration::from_secs(3600))
        .rows(|i: i64| {
            if i == 3 {
                token.cancel();
            }
        })
        .unwrap_err();
    assert_eq!(cancelled(&error), (4, 100, None));
}

#[derive(Clone, Debug, IntoRow)]
struct Out {
    number: Option<i64>,
    texts: Vec<String>,
}

/// Cancels at a random row in a random way, and compares the output with the rows that were called.
fn partial<O>(
    df: &DataFrame,
    good: impl Fn(i64) -> O + Sync + Copy,
    whole: fn(O::Output) -> DataFrame,
) where
    O: IntoRow<Output: std::fmt::Debug>,
{
    let rows = df.height();
    let expected = whole(
        df.par_apply()
            .sequential()
            .rows(move |i: i64| good(i))
            .unwrap(),
    );
    for workers in [1, 2, 4] {
        for way in 0..4 {
            for at in [3, 40, 555] {
                for policy in [
                    OnError::Fail,
                    OnError::Null,
                    OnError::Skip,
                    OnError::Collect,
                ] {
                    let what = format!("{workers} workers, way {way}, at {at}, {policy:?}");
                    let token = CancelToken::new();
                    let called = Mutex::new(BTreeSet::new());
                    let fails = |i: i64| policy != OnError::Fail && i % 9 == 4;
                    let apply = df.par_apply().workers(workers);
                    let outcome = cut_free(apply, way)
                        .cancel_token(&token)
                        .on_error(policy)
                        .on_cancel(OnCancel::Partial)
                        .rows(|i: i64| {
                            called.lock().unwrap().insert(i as usize);
                            match i.cmp(&at) {
                                Ordering::Less => {}
                                Ordering::Equal => token.cancel(),
                                Ordering::Greater => held_back(&token),
                            }
                            if fails(i) {
                                Err(anyhow::anyhow!("no {i}"))
                            } else {
                                Ok(good(i))
                            }
                        })
                        .unwrap();
                    let called = called.into_inner().unwrap();
                    let stats = &outcome.stats;
                    assert!(stats.cancelled && !outcome.is_complete(), "{what}");
                    assert_eq!(stats.rows, called.len(), "{what}");
                    let failed = |row: &usize| fails(*row as i64);
                    assert_eq!(
                        stats.failures,
                        called.iter().filter(|row| failed(row)).count()
                    );
                    let told = outcome.failures.column("row").unwrap().idx().unwrap();
                    let told = told.into_no_null_iter().map(|row| row as usize);
                    assert!(
                        told.eq(called.iter().copied().filter(|row| failed(row))),
                        "{what}"
                    );
                    let skips = policy == OnError::Skip;
                    let kept: Vec<usize> = called
                        .iter()
                        .copied()
                        .filter(|row| !skips || !failed(row))
                        .collect();
                    let is = outcome.kept_rows();
                    assert!(
                        is.into_no_null_iter()
                            .map(|row| row as usize)
                            .eq(kept.iter().copied()),
                        "{what}"
                    );
                    let mask = outcome.kept_mask();
                    assert_eq!((mask.len(), mask.num_trues()), (rows, kept.len()), "{what}");
                    // The kept rows, null where a row failed.
                    let at: IdxCa = kept
                        .iter()
                        .map(|row| (!failed(row)).then_some(*row as IdxSize))
                        .collect();
                    let expected = expected
                        .columns()
                        .iter()
                        .map(|column| column.as_materialized_series().take(&at).unwrap().into());
                    let expected = DataFrame::new(kept.len(), expected.collect()).unwrap();
                    assert_same_frame(&whole(outcome.output), &expected, &what);
                }
            }
        }
    }
}

#[test]
fn the_finished_part_is_what_was_called() {
    watched(|| {
        let df = counting(1000);
        let column = |column: Column| column.into_frame();
        partial(&df, |i| i, column);
        partial(&df, |i| i % 3 == 0, column);
        partial(&df, |i| "text ".repeat(i as usize % 5), column);
        partial(&df, |i| vec![i; i as usize % 3], column);
        partial(
            &df,
            // Some of the rows that are done in any case have a dtype.
            |i| match i % 3 {
                0 if i > 10 => AnyValue::Null,
                _ => AnyValue::Int64(i),
            },
            column,
        );
        partial(&df, |i| Struct((i, i.to_string())), column);
        partial(&df, |i| (i, i.to_string(), vec![i % 2 == 0]), |df| df);
        partial(&df, |i| [Some(i), None], |df| df);
        let out = |i: i64| Out {
            number: (i % 2 > 0).then_some(i),
            texts: vec![i.to_string()],
        };
        partial(&df, out, |df| df);
    });
}

#[test]
fn the_finished_parts_and_columns() {
    watched(|| {
        let df = counting(500);
        let wide = (0..50i64).map(|c| Column::new(format!("c{c}").into(), [c, c]));
        let wide = DataFrame::new(2, wide.collect()).unwrap();
        for workers in [1, 2, 4] {
            for policy in [
                OnError::Fail,
                OnError::Skip,
                OnError::Null,
                OnError::Collect,
            ] {
                let fails = |index: usize| policy != OnError::Fail && index % 5 == 1;
                let token = Mutex::new(CancelToken::new());
                let called = Mutex::new(BTreeSet::new());
                let f = |index: usize| -> anyhow::Result<u64> {
                    called.lock().unwrap().insert(index);
                    let token = token.lock().unwrap().clone();
                    match index {
                        20 => token.cancel(),
                        21.. => held_back(&token),
                        _ => {}
                    }
                    anyhow::ensure!(!fails(index), "no");
                    Ok(index as u64)
                };
                let apply = |df| {
                    *token.lock().unwrap() = CancelToken::new();
                    called.lock().unwrap().clear();
                    DataFrame::par_apply(df)
                        .workers(workers)
                        .cancel_token(&token.lock().unwrap().clone())
                        .on_error(policy)
                        .on_cancel(OnCancel::Partial)
                };
                let taken = || called.lock().unwrap().clone();
                let skips = policy == OnError::Skip;
                let of_rows = |parts: &[usize]| -> Vec<IdxSize> {
                    let rows = parts.iter().flat_map(|part| 10 * part..10 * part + 10);
                    rows.map(|row| row as IdxSize).collect()
                };

                let cells = apply(&df)
                    .partitions(50)
                    .chunks(|part: Chunk| f(part.index()))
                    .unwrap();
                let called_now = taken();
                let kept: Vec<usize> = called_now
                    .iter()
                    .copied()
                    .filter(|part| !(skips && fails(*part)))
                    .collect();
                let expected: Vec<Option<u64>> = kept
                    .iter()
                    .map(|part| (!fails(*part)).then_some(*part as u64))
                    .collect();
                assert_eq!(cells.output.u64().unwrap().to_vec(), expected);
                assert!(cells.kept_rows().into_no_null_iter().eq(of_rows(&kept)));
                assert_eq!(cells.stats.rows, 10 * called_now.len());
                assert!(cells.stats.cancelled && called_now.len() < 50);

                let cells = apply(&wide)
                    .columns(|column: &Column| f(column.i64().unwrap().get(0).unwrap() as usize))
                    .unwrap();
                let called_now = taken();
                let kept = called_now.iter().filter(|c| !(skips && fails(**c)));
                let expected: Vec<(String, Option<u64>)> = kept
                    .map(|c| (format!("c{c}"), (!fails(*c)).then_some(*c as u64)))
                    .collect();
                let is: Vec<(String, Option<u64>)> = cells
                    .output
                    .columns()
                    .iter()
                    .map(|column| (column.name().to_string(), column.u64().unwrap().get(0)))
                    .collect();
                assert_eq!(is, expected);
                assert_eq!(cells.stats.rows, called_now.len());

                if policy == OnError::Null {
                    continue;
                }
                let whole = apply(&df)
                    .partitions(50)
                    .chunks(|part: Chunk| f(part.index()).map(|_| part.into_frame()))
                    .unwrap();
                let kept: Vec<usize> = taken().into_iter().filter(|part| !fails(*part)).collect();
                let rows = IdxCa::from_vec("".into(), of_rows(&kept));
                assert_same_frame(&whole.output, &df.take(&rows).unwrap(), "whole");
                assert!(
                    whole
                        .kept_rows()
                        .into_no_null_iter()
                        .eq(rows.into_no_null_iter())
                );

                let whole = apply(&wide)
                    .columns(|column: &Column| {
                        f(column.i64().unwrap().get(0).unwrap() as usize).map(|_| column.clone())
                    })
                    .unwrap();
                let kept = taken()
                    .into_iter()
                    .filter(|c| !fails(*c))
                    .map(|c| format!("c{c}"));
                assert_same_frame(&whole.output, &wide.select(kept).unwrap(), "columns");
            }
        }
    });
}

#[test]
fn a_call_cancelled_before_its_first_part_or_column() {
    let token = CancelToken::new();
    token.cancel();
    let df = counting(10);
    let apply = || {
        df.par_apply()
            .cancel_token(&token)
            .on_cancel(OnCancel::Partial)
    };
    let parts = apply()
        .partitions(3)
        .chunks(|part: Chunk| part.index() as u64)
        .unwrap();
    assert_eq!(
        (parts.output.len(), parts.output.dtype()),
        (0, &DataType::UInt64)
    );
    let whole = apply()
        .partitions(3)
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_eq!(whole.output.height(), 0);
    assert_eq!(whole.kept_rows().len(), 0);
    let columns = apply()
        .columns(|v: Values<'_, i64>| v.iter().sum::<i64>())
        .unwrap();
    assert_eq!(columns.output.width(), 0);
}

/// The failure that was met may not be the lowest, so it is not returned.
#[test]
fn a_failure_above_rows_that_were_not_done() {
    watched(|| {
        let df = counting(10);
        for on_cancel in [OnCancel::Error, OnCancel::Partial] {
            let token = CancelToken::new();
            let error = df
                .par_apply()
                .sequential()
                .cancel_token(&token)
                .retry(Retry::attempts(2).min_delay(Duration::from_secs(100_000)))
                .on_cancel(on_cancel)
                .rows(|i: i64| {
                    if i == 7 {
                        token.cancel();
                        panic!("not tried again")
                    }
                    if i == 2 {
                        Err(anyhow::anyhow!("busy"))
                    } else {
                        Ok(i)
                    }
                })
                .unwrap_err();
            // Row 2 waits for a retry, and was not done; rows 8 and 9 do not matter.
            assert_eq!(cancelled(&error).1, 10);
        }
        // Every lower row is done, so it is the lowest failure.
        let token = CancelToken::new();
        let error = df
            .par_apply()
            .sequential()
            .cancel_token(&token)
            .rows(|i: i64| {
                if i == 7 {
                    token.cancel();
                    return Err(anyhow::anyhow!("seven"));
                }
                Ok(i)
            })
            .unwrap_err();
        assert_eq!(error.row(), Some(7));
    });
}

#[test]
fn progress_is_told_of_the_cancel() {
    watched(|| {
        let df = counting(5000);
        for workers in [1, 3] {
            for on_cancel in [OnCancel::Error, OnCancel::Partial] {
                for late in [false, true] {
                    let token = CancelToken::new();
                    let ticks = Mutex::new(Vec::new());
                    let calls = AtomicUsize::new(0);
                    let apply = df
                        .par_apply()
                        .workers(workers)
                        .cancel_token(&token)
                        .progress(|tick: Tick| ticks.lock().unwrap().push(tick));
                    let apply = if late {
                        apply.deadline(Duration::ZERO)
                    } else {
                        apply
                    };
                    let result = apply.on_cancel(on_cancel).rows(|i: i64| {
                        calls.fetch_add(1, SeqCst);
                        match i {
                            100 => token.cancel(),
                            101.. => held_back(&token),
                            _ => {}
                        }
                        i
                    });
                    assert_eq!(result.is_err(), on_cancel == OnCancel::Error);
                    let ticks = ticks.into_inner().unwrap();
                    let (last, before) = ticks.split_last().unwrap();
                    assert_eq!(last.state, TickState::Cancelled);
                    assert_eq!((last.done, last.total), (calls.into_inner(), 5000));
                    assert!(before.iter().all(|tick| tick.state == TickState::Running));
                }
            }
        }
    });
}

#[test]
fn a_call_within_a_call_with_one_token() {
    watched(|| {
        let (df, small) = (counting(200), counting(50));
        for workers in [1, 2, 3] {
            let token = CancelToken::new();
            let error = df
                .par_apply()
                .workers(workers)
                .partitions(50)
                .cancel_token(&token)
                .rows(|i: i64| -> anyhow::Result<i64> {
                    if i > 30 {
                        held_back(&token);
                    }
                    let inner = small.par_apply().cancel_token(&token).rows(|j: i64| {
                        match (i, j) {
                            (30, 5) => token.cancel(),
                            (30, 6..) => held_back(&token),
                            _ => {}
                        }
                        j
                    });
                    Ok(inner?.i64()?.sum().unwrap())
                })
                .unwrap_err();
            match error.kind() {
                // Either the inner call's error is the outer row's, or the outer call sees the cancel first.
                ErrorKind::Closure { cause, .. } => {
                    assert!(
                        cancelled(cause.downcast_ref().unwrap()).1 == 50,
                        "{error:?}"
                    );
                }
                _ => assert_eq!(cancelled(&error).1, 200),
            }
        }
    });
}

/// A row that ended with the error of the token, or of a nested cancelled call, is not done. Any other error is a failure.
#[test]
fn rows_that_are_cut_off_are_not_done() {
    watched(|| {
        let (df, small) = (counting(100), counting(50));
        for workers in [1, 2, 4] {
            for policy in [
                OnError::Fail,
                OnError::Null,
                OnError::Skip,
                OnError::Collect,
            ] {
                for within in [false, true] {
                    let token = CancelToken::new();
                    let outcome = df
                        .par_apply()
                        .workers(workers)
                        .cancel_token(&token)
                        .on_cancel(OnCancel::Partial)
                        .on_error(policy)
                        .rows(|i: i64| -> anyhow::Result<String> {
                            if i == 40 {
                                token.cancel();
                            }
                            if within {
                                small.par_apply().cancel_token(&token).rows(|j: i64| j)?;
                            } else {
                                token.check()?;
                            }
                            Ok(i.to_string())
                        })
                        .unwrap();
                    let what = format!("{workers} workers, {policy:?}, within: {within}");
                    assert!(outcome.stats.cancelled, "{what}");
                    assert_eq!(outcome.stats.failures, 0, "{what}");
                    let kept: Vec<u32> = outcome.kept_rows().into_no_null_iter().collect();
                    assert!(!kept.contains(&40), "{what}");
                    assert_eq!(outcome.stats.rows, kept.len(), "{what}");
                    let texts: Vec<Option<&str>> = outcome.output.str().unwrap().iter().collect();
                    let expected: Vec<String> = kept.iter().map(u32::to_string).collect();
                    let expected: Vec<Option<&str>> =
                        expected.iter().map(|text| Some(&**text)).collect();
                    assert_eq!(texts, expected, "{what}");
                    if workers == 1 {
                        assert_eq!(kept, (0..40).collect::<Vec<u32>>(), "{what}");
                    }
                }
            }
        }
        let token = CancelToken::new();
        let error = df
            .par_apply()
            .cancel_token(&token)
            .rows(|i: i64| {
                token.cancel();
                token.check().map(|()| i)
            })
            .unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Cancelled {
                done: 0,
                total: 100,
                ..
            }
        ));
        // The error of a token of another call is an error like any other.
        let error = df.par_apply().rows(|i: i64| token.check().map(|()| i));
        assert_eq!(error.unwrap_err().row(), Some(0));
    });
}
