//! How a call in a query is controlled: states, deadlines, and rows that are dropped when they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use polars_par_apply::ErrorKind;
use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected, stacked};
use crate::frames::{counting, cut, each_column, refuse_unless, watched};

/// Counts the copies of it that are alive.
struct Counted(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    alive: AtomicUsize,
    most: AtomicUsize,
}

impl Counted {
    fn new(counts: &Arc<Counts>) -> Self {
        counts.made.fetch_add(1, SeqCst);
        let alive = counts.alive.fetch_add(1, SeqCst) + 1;
        counts.most.fetch_max(alive, SeqCst);
        Counted(counts.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

/// A state goes from batch to batch, no two calls have it at the same time, and none is left after a run.
#[test]
fn a_state_for_each_worker() {
    watched(|| {
        const ROWS: usize = 1_000_000;
        for engine in ENGINES {
            for way in ["rows", "expression", "chunks"] {
                let counts = Arc::<Counts>::default();
                let counter = counts.clone();
                let init = move || (Counted::new(&counter), 0_usize);
                let lf = counting(ROWS).lazy();
                let count = |(_, seen): &mut (Counted, usize), i: i64| {
                    *seen += 1;
                    (i, *seen as u64)
                };
                let query = match way {
                    "rows" => {
                        let call = lf.par_apply().names(["same", "seen"]);
                        call.state(init).rows(count)
                    }
                    "expression" => {
                        let call = rows(["i"]).names(["same", "seen"]);
                        let counted = call.state(init).apply(count).alias("both");
                        lf.with_columns([counted])
                            .unnest(by_name(["both"], true, false), None)
                    }
                    _ => {
                        let names = ["i", "same", "seen"];
                        let dtypes = [DataType::Int64, DataType::Int64, DataType::UInt64];
                        let fields = names.iter().zip(dtypes);
                        let fields = fields.map(|(name, dtype)| Field::new((*name).into(), dtype));
                        let schema = Schema::from_iter(fields);
                        let call = lf.par_apply().state(init).row_wise();
                        call.chunks(schema, |(_, seen): &mut (Counted, usize), df: DataFrame| {
                            let i = df.column("i").unwrap().clone();
                            let same = i.clone().with_name("same".into());
                            let numbers = (*seen + 1..=*seen + df.height()).map(|n| n as u64);
                            let numbers = Column::new("seen".into(), numbers.collect::<Vec<_>>());
                            *seen += df.height();
                            DataFrame::new(df.height(), vec![i, same, numbers])
                        })
                    }
                };
                for run in 1..=2 {
                    let frame = collected(&query, engine).unwrap();
                    let same = frame.column("same").unwrap().clone().with_name("i".into());
                    assert_eq!(&same, frame.column("i").unwrap());
                    // Each state has counted its rows from 1 on, so there are as many rows with 1 as there were states.
                    let seen = frame.column("seen").unwrap().u64().unwrap();
                    let firsts = seen.iter().filter(|seen| *seen == Some(1)).count();
                    let made = counts.made.swap(0, SeqCst);
                    assert_eq!(firsts, made, "{engine:?} {way} {run}");
                    assert_eq!(counts.alive.load(SeqCst), 0, "{engine:?} {way} {run}");
                    let workers = available_workers();
                    assert!(counts.most.load(SeqCst) <= 2 * workers, "{engine:?} {way}");
                }
            }
        }
    });
}

#[test]
fn a_state_that_cannot_be_made_fails_the_query() {
    watched(|| {
        let init = || refuse_unless(false, "no state").map(|()| 0);
        for engine in ENGINES {
            let call = counting(10).lazy().par_apply().state(init);
            let by_rows = call.clone().rows(|_: &mut i32, i: i64| i);
            let schema = |input: &Schema| input.clone();
            let by_chunks = call.chunks(schema, |_: &mut i32, df: DataFrame| df);
            let expression = rows(["i"]).state(init).apply(|_: &mut i32, i: i64| i);
            let by_expression = counting(10).lazy().select([expression]);
            for query in [by_rows, by_chunks, by_expression] {
                let error = collected(&query, engine).unwrap_err().to_string();
                assert!(error.contains("no state"), "{engine:?}: {error}");
            }
        }
    });
}

/// Rows that fail are dropped in the way of each policy.
#[test]
fn rows_that_fail_are_dropped() {
    watched(|| {
        const EVERY: i64 = 97;
        let parse = |i: i64| refuse_unless(i % EVERY != 1, "bad").map(|()| i * 10);
        let both = move |i: i64| parse(i).map(|tens| (tens, i.to_string()));
        for rows in [0, 1, 2, 9, 250_000] {
            let df = counting(rows);
            let df = each_column(&df, |_, column| cut(column, [rows / 3, 1]));
            let kept = df
                .clone()
                .lazy()
                .filter((col("i") % lit(EVERY)).neq(lit(1)));
            let tens = (col("i") * lit(10)).alias("tens");
            let expected = kept.clone().with_columns([tens.clone()]).collect().unwrap();
            let text = col("i").cast(DataType::String).alias("text");
            let expected_both = kept.with_columns([tens, text]).collect().unwrap();
            for engine in ENGINES {
                let failures = Failures::new();
                let call = || df.clone().lazy().par_apply().on_error(OnError::Skip);
                let one = call().failures(&failures).names(["tens"]).rows(parse);
                assert_eq!(
                    collected(&one, engine).unwrap(),
                    expected,
                    "{rows} {engine:?}"
                );
                let bad = (1..rows as IdxSize).step_by(EVERY as usize);
                let bad: Vec<Option<IdxSize>> = bad.map(Some).collect();
                if rows > 0 {
                    let failures = failures.take();
                    let rows = failures.column("row").unwrap().idx().unwrap();
                    assert_eq!(rows.to_vec(), bad);
                }
                let two = call().names(["tens", "text"]).rows(both);
                assert_eq!(collected(&two, engine).unwrap(), expected_both);
                // A later filter and `head` work on the rows that are left.
                let head = two.filter(col("i").gt(lit(0))).limit(2);
                let seen = collected(&head, engine).unwrap();
                let seen = seen.column("i").unwrap().i64().unwrap().to_vec();
                let left: Vec<_> = (2..rows as i64).take(2).map(Some).collect();
                assert_eq!(seen, left);
            }
            let call = df.clone().lazy().par_apply().on_error(OnError::Skip);
            let stream = call.names(["tens"]).row_batches(parse).chunk_rows(1000);
            assert_eq!(stacked(stream).unwrap(), expected);
        }
        // All rows; and a case in which only the mask says how many results there are.
        let none = counting(5).lazy().par_apply().on_error(OnError::Skip);
        let none = none.rows(|_: i64| refuse_unless(false, "no").map(|()| [1_i64; 3]));
        assert_eq!(none.collect().unwrap().shape(), (0, 4));
    });
}

#[test]
fn too_many_dropped_rows_fail_the_query() {
    let failures = Failures::new().max_failures(2);
    let call = counting(10).lazy().par_apply().on_error(OnError::Skip);
    let call = call.failures(&failures);
    let query = call.rows(|i: i64| refuse_unless(i % 3 == 0, "no third").map(|()| i));
    let error = query.collect().unwrap_err().to_string();
    assert!(error.contains("no third"), "{error}");
    assert_eq!(failures.len(), 3);
}

/// A deadline makes the query fail: at once if it is zero, otherwise while the query runs.
#[test]
fn a_deadline_ends_the_query() {
    watched(|| {
        let schema = |input: &Schema| input.clone();
        for deadline in [Duration::ZERO, Duration::from_millis(20)] {
            let says = format!("the deadline of {deadline:?} passed");
            let wait = move || {
                if !deadline.is_zero() {
                    thread::sleep(Duration::from_millis(1));
                }
            };
            let call = || counting(3_000).lazy().par_apply().deadline(deadline);
            for engine in ENGINES {
                let by_rows = call().rows(move |i: i64| {
                    wait();
                    i
                });
                // The chunks run one after the other, and the second finds that the time is over.
                let first = counting(10).lazy().par_apply().row_wise();
                let first = first.chunks(schema, |df: DataFrame| {
                    thread::sleep(Duration::from_millis(30));
                    df
                });
                let by_chunks = first.par_apply().row_wise().deadline(deadline);
                let by_chunks = by_chunks.chunks(schema, |df: DataFrame| df);
                // A deadline counts from the first call of a run, and starts again in the next run.
                for query in [&by_rows, &by_chunks, &by_rows] {
                    let error = collected(query, engine).unwrap_err().to_string();
                    assert!(error.contains(&says), "{engine:?}: {error}");
                }
            }
            let slow = call().row_batches(move |i: i64| {
                wait();
                i
            });
            let slow = slow.map(|batch| batch.map(|df| df.height()));
            let waiting = call().batches(move |df: DataFrame| {
                wait();
                df.height()
            });
            let state = call()
                .state(|| 0)
                .batches(move |_: &mut i32, df: DataFrame| {
                    wait();
                    df.height()
                });
            let streams: [Box<dyn Iterator<Item = Result<usize>>>; 3] = [
                Box::new(slow),
                Box::new(waiting.chunk_rows(1).look_ahead(1)),
                Box::new(state.chunk_rows(1)),
            ];
            for stream in streams {
                let error = stream.last().unwrap().unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::Cancelled { .. }),
                    "{error}"
                );
                assert!(error.to_string().contains(&says), "{error}");
            }
        }
    });
}

/// A stream that waits for its query ends too.
#[test]
fn a_deadline_wakes_who_waits_for_the_query() {
    watched(|| {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let schema = |input: &Schema| input.clone();
        let lf = counting(10)
            .lazy()
            .par_apply_chunks(schema, move |df: DataFrame| {
                held.lock().unwrap().recv().unwrap_err();
                df
            });
        let call = lf.par_apply().deadline(Duration::from_millis(10));
        let mut batches = call.batches(|df: DataFrame| df);
        let error = batches.next().unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Cancelled { .. }),
            "{error}"
        );
        drop(release);
    });
}

/// A time beyond the clock's range is no deadline, and a query that is in time is not affected.
#[test]
fn a_deadline_that_does_not_pass_does_nothing() {
    watched(|| {
        for deadline in [Duration::from_secs(3600), Duration::MAX] {
            let call = || counting(10).lazy().par_apply().deadline(deadline);
            for engine in ENGINES {
                let query = call().names(["i"]).rows(|i: i64| i);
                assert_eq!(collected(&query, engine).unwrap(), counting(10));
            }
            let batches = call().names(["i"]).row_batches(|i: i64| i);
            assert_eq!(stacked(batches).unwrap(), counting(10));
            let heights = call().batches(|df: DataFrame| df.height());
            assert_eq!(heights.map(Result::unwrap).sum::<usize>(), 10);
        }
    });
}
