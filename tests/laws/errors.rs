//! Promise 7: the error is that of the lowest failing row, with its row and cause; the run stops early; errors can be converted.

use std::error::Error as _;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Place, Result};

use crate::frames::{counting, layouts};

#[derive(Debug, PartialEq)]
struct Odd(i64);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is odd", self.0)
    }
}

impl std::error::Error for Odd {}

#[track_caller]
fn assert_odd(error: &Error, row: usize) {
    assert_eq!(error.row(), Some(row), "{error}");
    let ErrorKind::Closure { place, cause, .. } = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(*place, Place::Row(row));
    assert_eq!(cause.downcast_ref(), Some(&Odd(row as i64)));
    assert_eq!(error.cause().unwrap().to_string(), format!("{row} is odd"));
    assert!(error.cause().unwrap().is::<Odd>());
    assert!(
        error.source().is_none(),
        "what the message says is not its source"
    );
    assert_eq!(error.column(), None);
}

#[test]
fn the_lowest_failing_row_is_told_whoever_meets_it_first() {
    let rows = 30_000;
    let df = counting(rows);
    // From the first failing row on, every second row fails, and the first takes longest to fail.
    for first in [1, 2, 4097, 15_001, 29_999] {
        let f = |i: i64| {
            if i as usize == first {
                std::thread::sleep(Duration::from_millis(1));
            }
            if i as usize >= first && i % 2 == first as i64 % 2 {
                Err(Odd(i))
            } else {
                Ok(i)
            }
        };
        for workers in [1, 2, 4, 16] {
            for _ in 0..5 {
                let error = df.par_apply().workers(workers).rows(f).unwrap_err();
                assert_odd(&error, first);
            }
            for n in [1, 2, 64, 30_000] {
                assert_odd(
                    &df.par_apply()
                        .workers(workers)
                        .partitions(n)
                        .rows(f)
                        .unwrap_err(),
                    first,
                );
                assert_odd(
                    &df.par_apply()
                        .workers(workers)
                        .chunk_rows(n)
                        .rows(f)
                        .unwrap_err(),
                    first,
                );
            }
        }
    }
}

#[test]
fn the_row_is_counted_in_the_whole_input_in_any_layout() {
    for (layout, df) in layouts(&counting(5000)) {
        let error = df
            .par_apply()
            .workers(3)
            .rows(|i: i64| if i == 4321 { Err(Odd(i)) } else { Ok(()) })
            .unwrap_err();
        assert_odd(&error, 4321);
        let sliced = df.slice(4000, 500);
        let error = sliced
            .par_apply_rows(|i: i64| if i == 4321 { Err(Odd(321)) } else { Ok(()) })
            .unwrap_err();
        assert_eq!(error.row(), Some(321), "{layout}");
    }
}

#[test]
fn errors_of_every_kind_of_result() {
    let df = counting(100);
    let odd = |i: i64| if i == 77 { Err(Odd(i)) } else { Ok(i) };
    assert_odd(
        &df.par_apply_rows(move |i: i64| odd(i).map(Some))
            .unwrap_err(),
        77,
    );
    assert_odd(
        &df.par_apply_rows(move |i: i64| odd(i).map(|i| (i, i.to_string())))
            .unwrap_err(),
        77,
    );
    assert_odd(
        &df.par_apply_rows(move |i: i64| odd(i).map(|i| [i, i]))
            .unwrap_err(),
        77,
    );
    assert_odd(
        &df.par_apply_rows(move |i: i64| odd(i).map(|i| vec![i]))
            .unwrap_err(),
        77,
    );
    assert_odd(
        &df.par_apply_rows(move |i: i64| odd(i).map(|i| Struct((i,))))
            .unwrap_err(),
        77,
    );
    assert_odd(
        &df.par_apply_rows(move |i: i64| -> anyhow::Result<i64> { Ok(odd(i)?) })
            .unwrap_err(),
        77,
    );
    let polars = df
        .par_apply_rows(|i: i64| -> PolarsResult<i64> {
            polars_ensure_below(i, 77)?;
            Ok(i)
        })
        .unwrap_err();
    assert_eq!(polars.row(), Some(77));
    assert!(polars.cause().unwrap().is::<PolarsError>());
    let own = df
        .par_apply_rows(|row: Row<'_>| row.get::<i64>("j"))
        .unwrap_err();
    assert_eq!(own.row(), Some(0));
    assert!(own.cause().unwrap().is::<Error>());
}

fn polars_ensure_below(i: i64, limit: i64) -> PolarsResult<()> {
    if i < limit {
        Ok(())
    } else {
        Err(PolarsError::ComputeError("too high".into()))
    }
}

#[test]
fn one_worker_stops_at_the_row_that_fails() {
    let df = counting(100_000);
    let calls = AtomicUsize::new(0);
    let f = |i: i64| {
        calls.fetch_add(1, Relaxed);
        if i == 50_001 { Err(Odd(i)) } else { Ok(i) }
    };
    assert_odd(&df.par_apply().sequential().rows(f).unwrap_err(), 50_001);
    assert_eq!(calls.swap(0, Relaxed), 50_002);
    assert_odd(
        &df.par_apply().workers(1).partitions(7).rows(f).unwrap_err(),
        50_001,
    );
    assert_eq!(calls.swap(0, Relaxed), 50_002);
    // The first row is tried before other workers are woken.
    df.par_apply_rows(|i: i64| {
        calls.fetch_add(1, Relaxed);
        Err::<i64, _>(Odd(i))
    })
    .unwrap_err();
    assert_eq!(calls.into_inner(), 1);
}

#[test]
fn many_workers_stop_soon_after_a_row_fails() {
    let rows = 400_000;
    let df = counting(rows);
    let (failed, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let error = df
        .par_apply()
        .workers(4)
        .partitions(4000)
        .rows(|i: i64| {
            if i == 150 {
                failed.store(true, SeqCst);
                return Err(Odd(i));
            }
            // The other workers wait for the failure, and then take a millisecond for each row: minutes, if they were not stopped.
            if i > 150 {
                while !failed.load(SeqCst) {
                    std::thread::yield_now();
                }
                assert!(calls.fetch_add(1, Relaxed) < 100_000, "not stopped");
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(i)
        })
        .unwrap_err();
    assert_odd(&error, 150);
    assert!(calls.into_inner() < rows / 4);
}

#[test]
fn parts_and_columns_tell_the_lowest_too() {
    let df = counting(1000);
    for workers in [1, 2, 8] {
        let error = df
            .par_apply()
            .workers(workers)
            .partitions(40)
            .chunks(|part: Chunk| {
                if part.index() >= 7 {
                    Err(Odd(part.index() as i64))
                } else {
                    Ok(part.into_frame())
                }
            })
            .unwrap_err();
        let ErrorKind::Closure {
            place: Place::Part {
                index, row_offset, ..
            },
            cause,
            ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        assert_eq!(
            (*index, *row_offset, cause.downcast_ref()),
            (7, 175, Some(&Odd(7)))
        );
        assert_eq!((error.row(), error.column()), (None, None));

        let wide: Vec<Column> = (0..40i64)
            .map(|i| Column::new(format!("c{i}").into(), [i]))
            .collect();
        let wide = DataFrame::new(1, wide).unwrap();
        let typed = wide
            .par_apply()
            .workers(workers)
            .columns(|v: Values<'_, i64>| {
                v.iter()
                    .map(|i| if i >= 7 { Err(Odd(i)) } else { Ok(i) })
                    .sum::<Result<i64, _>>()
            })
            .unwrap_err();
        let whole = wide
            .par_apply()
            .workers(workers)
            .columns(|c: &Column| {
                if c.name().len() > 2 {
                    Err(Odd(10))
                } else {
                    Ok(c.clone())
                }
            })
            .unwrap_err();
        for (error, column, odd) in [(typed, "c7", 7), (whole, "c10", 10)] {
            assert_eq!((error.column(), error.row()), (Some(column), None));
            assert!(error.cause().unwrap().downcast_ref() == Some(&Odd(odd)));
        }
    }
}

#[test]
fn polars_errors_come_in_and_go_out() {
    fn inside(df: &DataFrame) -> polars_par_apply::Result<Column> {
        df.column("nowhere")?;
        df.par_apply_rows(|i: i64| i)
    }
    fn outside(df: &DataFrame) -> PolarsResult<Column> {
        inside(df)?;
        Ok(df.par_apply_rows(|i: i64| i)?)
    }
    let df = counting(1);
    let error = inside(&df).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Polars(PolarsError::ColumnNotFound(_))
    ));
    // The variant is kept on the way back.
    assert!(matches!(
        outside(&df).unwrap_err(),
        PolarsError::ColumnNotFound(_)
    ));
    let closure = df
        .par_apply_rows(|i: i64| Err::<i64, _>(Odd(i)))
        .unwrap_err();
    let message = closure.to_string();
    let PolarsError::ComputeError(text) = PolarsError::from(closure) else {
        panic!()
    };
    assert_eq!(text.to_string(), message);
}

#[test]
fn anyhow_errors_come_in_and_go_out() {
    let df = counting(3);
    let closure = || {
        df.par_apply_rows(|i: i64| if i == 2 { Err(Odd(i)) } else { Ok(i) })
            .unwrap_err()
    };
    let out = anyhow::Error::from(closure());
    assert!(out.is::<Error>());
    let own = out.downcast_ref::<Error>().unwrap();
    assert!(own.cause().unwrap().is::<Odd>());
    let back = Error::from(out);
    assert_eq!(back.row(), Some(2));

    let other = Error::from(anyhow::Error::new(Odd(1)).context("while counting"));
    assert!(matches!(other.kind(), ErrorKind::Other(_)));
    assert_eq!(other.to_string(), "while counting");
    // A context that was added to an error of this crate is not lost.
    let context = Error::from(anyhow::Error::from(closure()).context("while counting"));
    assert!(context.to_string().contains("while counting"), "{context}");

    fn question_mark(df: &DataFrame) -> anyhow::Result<Column> {
        Ok(df.par_apply_rows(|i: i64| i)?)
    }
    question_mark(&df).unwrap();
}

#[test]
fn errors_are_for_threads_and_boxes() {
    fn assert_bounds<T: std::error::Error + Send + Sync + 'static>() {}
    assert_bounds::<Error>();
    let boxed: Box<dyn std::error::Error + Send + Sync> =
        Box::new(Error::from(anyhow::anyhow!("x")));
    assert_eq!(boxed.to_string(), "x");
}
