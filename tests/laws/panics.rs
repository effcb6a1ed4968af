//! Promise 8: a panic becomes an error with the row; nothing is poisoned; the values of the run are dropped.

use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Place};

use crate::frames::{counting, watched};

#[track_caller]
fn assert_panic(error: &Error, place: &Place, message: &str) {
    let ErrorKind::Panic {
        place: is,
        message: text,
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!((is, text.as_str()), (place, message));
}

#[test]
fn the_row_and_the_message() {
    let df = counting(20_000);
    for workers in [1, 2, 8] {
        for row in [0, 1, 5000, 19_999] {
            let apply = || df.par_apply().workers(workers);
            let error = apply()
                .rows(|i: i64| if i >= row { panic!("no {i}") } else { i })
                .unwrap_err();
            assert_panic(&error, &Place::Row(row as usize), &format!("no {row}"));
            assert_eq!(error.row(), Some(row as usize));
            let error = apply()
                .partitions(7)
                .rows(|i: i64| {
                    assert!(i < row, "a literal");
                    i
                })
                .unwrap_err();
            assert_panic(&error, &Place::Row(row as usize), "a literal");
        }
    }
    let error = df
        .par_apply_rows(|i: i64| if i == 9 { panic_any(9) } else { i })
        .unwrap_err();
    assert_eq!(error.row(), Some(9));
}

#[test]
fn the_row_where_there_are_nulls() {
    let x: Vec<Option<i64>> = (0..10_000).map(|i| (i % 3 > 0).then_some(i)).collect();
    let df = df!["x" => x].unwrap();
    let error = df
        .par_apply_rows(|x: i64| {
            assert!(x < 7000);
            x
        })
        .unwrap_err();
    assert_eq!(error.row(), Some(7000));
    let error = df
        .par_apply_rows(|x: Option<i64>| {
            assert!(x < Some(7000));
            x
        })
        .unwrap_err();
    assert_eq!(error.row(), Some(7000));
}

#[test]
fn the_lower_of_a_panic_and_an_error() {
    let df = counting(10_000);
    for workers in [1, 4] {
        let f = |panics: i64, fails: i64| {
            move |i: i64| {
                assert!(i != panics, "panicked");
                anyhow::ensure!(i != fails, "failed");
                Ok(i)
            }
        };
        let error = df
            .par_apply()
            .workers(workers)
            .rows(f(6000, 7000))
            .unwrap_err();
        assert_panic(&error, &Place::Row(6000), "panicked");
        let error = df
            .par_apply()
            .workers(workers)
            .rows(f(7000, 6000))
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Closure { .. }));
        assert_eq!(error.row(), Some(6000));
    }
}

#[test]
fn parts_and_columns() {
    let df = counting(100);
    for workers in [1, 4] {
        let error = df
            .par_apply()
            .workers(workers)
            .partitions(10)
            .chunks(|part: Chunk| {
                assert!(part.index() < 3, "part");
                part.into_frame()
            })
            .unwrap_err();
        let ErrorKind::Panic {
            place:
                Place::Part {
                    index: 3,
                    row_offset: 30,
                    ..
                },
            message,
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!(message, "part");
        let error = df
            .par_apply()
            .workers(workers)
            .columns(|_: &Column| -> i64 { panic!("column") })
            .unwrap_err();
        assert_panic(&error, &Place::Column("i".into()), "column");
        let error = df
            .par_apply()
            .workers(workers)
            .columns(|_: Values<'_, i64>| -> i64 { panic!("typed") })
            .unwrap_err();
        assert_panic(&error, &Place::Column("i".into()), "typed");
        assert_eq!(error.column(), Some("i"));
    }
}

#[test]
fn the_pool_is_usable_afterwards() {
    watched(|| {
        let df = counting(50_000);
        let own = Pool::new(3).unwrap();
        for _ in 0..20 {
            for apply in [
                df.par_apply(),
                df.par_apply().pool(&own),
                df.par_apply().workers(8),
            ] {
                let again = apply.clone();
                apply
                    .rows(|i: i64| -> i64 {
                        if i > 20_000 { panic!("{i}") } else { i }
                    })
                    .unwrap_err();
                let sum = again.rows(|i: i64| i).unwrap().i64().unwrap().sum();
                assert_eq!(sum, Some(50_000 * 49_999 / 2));
            }
        }
        // Polars itself works as before.
        let sorted = df
            .sort(
                ["i"],
                SortMultipleOptions::default().with_order_descending(true),
            )
            .unwrap();
        assert_eq!(
            sorted.column("i").unwrap().i64().unwrap().get(0),
            Some(49_999)
        );
    });
}

/// Counts the values that are alive.
#[derive(Debug)]
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Alive(Arc::clone(count))
    }
}

impl Clone for Alive {
    fn clone(&self) -> Self {
        Alive::new(&self.0)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl std::fmt::Display for Alive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("alive")
    }
}

impl std::error::Error for Alive {}

#[test]
fn results_are_dropped_once() {
    let df = counting(5000);
    let kept = Series::new("kept".into(), [1i64, 2, 3]);
    let owners = || Arc::strong_count(&kept.0);
    for workers in [1, 4] {
        let apply = || df.par_apply().workers(workers);
        for fails in [0i64, 1, 100, 4999] {
            let series = apply().rows(|i: i64| {
                assert!(i != fails);
                kept.clone()
            });
            assert!(series.is_err());
            assert_eq!(owners(), 1, "series, {workers} workers, row {fails}");
            let tuple = apply().rows(|i: i64| {
                (
                    kept.clone(),
                    {
                        assert!(i != fails);
                        i
                    },
                    kept.clone(),
                )
            });
            assert!(tuple.is_err());
            assert_eq!(owners(), 1, "tuple, {workers} workers, row {fails}");
            let array = apply().rows(|i: i64| {
                if i == fails {
                    Err(Alive::new(&Arc::default()))
                } else {
                    Ok([kept.clone(), kept.clone()])
                }
            });
            assert!(array.is_err());
            assert_eq!(owners(), 1, "array, {workers} workers, row {fails}");
            let any = apply().rows(|i: i64| {
                assert!(i != fails);
                Some(AnyValue::List(kept.clone()))
            });
            assert!(any.is_err());
            assert_eq!(owners(), 1, "any value, {workers} workers, row {fails}");
            let structs = apply().rows(|i: i64| {
                assert!(i != fails);
                Struct((kept.clone(), i))
            });
            assert!(structs.is_err());
            assert_eq!(owners(), 1, "struct, {workers} workers, row {fails}");
        }
        let parts = apply().partitions(20).chunks(|part: Chunk| {
            assert!(part.index() != 17);
            kept.clone()
        });
        assert!(parts.is_err());
        assert_eq!(owners(), 1, "parts, {workers} workers");
        // Without a failure too.
        drop(apply().rows(|_: i64| (kept.clone(), kept.clone())).unwrap());
        drop(
            apply()
                .partitions(20)
                .chunks(|_: DataFrame| kept.clone())
                .unwrap(),
        );
        assert_eq!(owners(), 1, "no failure, {workers} workers");
    }
}

#[test]
fn errors_panics_and_the_closure_are_dropped_once() {
    let df = counting(5000);
    let count = Arc::new(AtomicUsize::new(0));
    for workers in [1, 4] {
        let captured = Alive::new(&count);
        let error = df
            .par_apply()
            .workers(workers)
            .rows(move |i: i64| {
                if i > 100 {
                    Err(captured.clone())
                } else {
                    Ok(i)
                }
            })
            .unwrap_err();
        // The one in the error.
        assert_eq!(count.load(SeqCst), 1);
        drop(error);
        assert_eq!(count.load(SeqCst), 0);
        let local = Arc::clone(&count);
        df.par_apply()
            .workers(workers)
            .rows(move |i: i64| {
                let _held = Alive::new(&local);
                if i > 100 {
                    panic_any(Alive::new(&local))
                } else {
                    i
                }
            })
            .unwrap_err();
        assert_eq!(count.load(SeqCst), 0);
    }
}

#[test]
fn everything_is_dropped_once_under_a_lenient_policy() {
    let df = counting(3000);
    let kept = Series::new("kept".into(), [1i64, 2, 3]);
    let owners = || Arc::strong_count(&kept.0);
    let count = Arc::new(AtomicUsize::new(0));
    for workers in [1, 4] {
        for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
            for limit in [10, usize::MAX] {
                let what = format!("{workers} workers, {policy:?}, {limit}");
                let apply = || {
                    let apply = df.par_apply().workers(workers).on_error(policy);
                    apply.max_failures(limit)
                };
                // Some rows panic, some fail when a value is already made, and some are good.
                let f = |i: i64| -> anyhow::Result<(Series, i64, Series)> {
                    let (_local, first) = (Alive::new(&count), kept.clone());
                    match i % 5 {
                        1 => panic_any(Alive::new(&count)),
                        3 => Err(Alive::new(&count).into()),
                        _ => Ok((first, i, kept.clone())),
                    }
                };
                let result = apply().rows(f);
                assert_eq!(result.is_ok(), limit > 10, "{what}");
                // The error is the failure after the limit.
                let last = result.as_ref().err().map(|error| match error.kind() {
                    ErrorKind::TooManyFailures { last, .. } => {
                        matches!(last.kind(), ErrorKind::Closure { .. })
                    }
                    _ => panic!("{error:?}"),
                });
                assert_eq!(
                    count.load(SeqCst),
                    usize::from(last == Some(true)),
                    "{what}"
                );
                drop(result);
                assert_eq!((count.load(SeqCst), owners()), (0, 1), "{what}");

                let any = |i: i64| f(i).map(|(series, ..)| AnyValue::List(series));
                drop(apply().rows(any));
                assert_eq!((count.load(SeqCst), owners()), (0, 1), "{what}, any values");
                let parts = |part: Chunk| f(part.index() as i64);
                drop(apply().partitions(100).chunks(parts));
                assert_eq!((count.load(SeqCst), owners()), (0, 1), "{what}, parts");
                let parts = |part: Chunk| f(part.index() as i64).map(|(series, ..)| series);
                drop(apply().partitions(100).chunks(parts));
                assert_eq!(
                    (count.load(SeqCst), owners()),
                    (0, 1),
                    "{what}, whole parts"
                );

                // The run is cancelled while rows wait to be tried again.
                let token = CancelToken::new();
                let cancelled = apply()
                    .cancel_token(&token)
                    .on_cancel(OnCancel::Partial)
                    .retry(Retry::attempts(3).min_delay(std::time::Duration::from_millis(1)))
                    .rows(|i: i64| {
                        if i == 1234 {
                            token.cancel();
                        }
                        f(i)
                    });
                drop(cancelled);
                assert_eq!((count.load(SeqCst), owners()), (0, 1), "{what}, cancelled");
            }
        }
    }
}

#[test]
fn the_input_is_not_held_on_to() {
    let series = Series::new("x".into(), (0..5000i64).collect::<Vec<_>>());
    let df = DataFrame::new(5000, vec![series.clone().into()]).unwrap();
    let before = Arc::strong_count(&series.0);
    df.par_apply()
        .workers(4)
        .rows(|x: i64| {
            assert!(x < 4000);
            x
        })
        .unwrap_err();
    df.par_apply()
        .workers(4)
        .partitions(9)
        .chunks(|part: DataFrame| {
            assert!(part.height() > 9999);
            part
        })
        .unwrap_err();
    df.par_apply()
        .workers(4)
        .columns(|_: Values<'_, i64>| -> i64 { panic!() })
        .unwrap_err();
    assert_eq!(Arc::strong_count(&series.0), before);
}

/// The payload of a closure's panic may panic when it is dropped.
#[test]
fn a_payload_or_an_error_that_panics_when_dropped() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[derive(Debug)]
    struct BombError(#[allow(dead_code)] usize);
    impl std::fmt::Display for BombError {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a bomb")
        }
    }
    impl std::error::Error for BombError {}
    impl Drop for BombError {
        fn drop(&mut self) {
            if self.0 > 0 {
                panic!("dropped");
            }
        }
    }

    let df = counting(5_000);
    let error = df
        .par_apply()
        .workers(2)
        .rows(|i: i64| -> i64 {
            if i == 17 {
                panic_any(Bomb);
            }
            i
        })
        .unwrap_err();
    assert_eq!(error.row(), Some(17));

    // Every part fails; all but the lowest failure are dropped.
    let error = df
        .par_apply()
        .workers(2)
        .chunk_rows(1)
        .rows(|i: i64| Err::<i64, _>(BombError(i as usize)))
        .unwrap_err();
    assert_eq!(error.row(), Some(0));
    assert!(df.par_apply_rows(|i: i64| i).is_ok());
}
