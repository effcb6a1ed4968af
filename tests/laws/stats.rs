//! `Outcome::stats` counts what happened, and a small call runs on the calling thread alone.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use polars_par_apply::prelude::*;

use crate::frames::{counting, held_back, watched};

/// Checks what must be true of every run over `rows` rows on at most `workers` workers.
#[track_caller]
fn add_up(stats: &Stats, rows: usize, workers: usize, took: Duration, what: &str) {
    assert_eq!(stats.rows, rows, "{what}");
    assert!(stats.workers.len() <= workers, "{what}: {stats:?}");
    let sum = |of: fn(&polars_par_apply::WorkerStats) -> usize| -> usize {
        stats.workers.iter().map(of).sum()
    };
    assert_eq!(sum(|worker| worker.rows), stats.rows, "{what}");
    assert_eq!(sum(|worker| worker.runs), stats.runs, "{what}");
    // One clock, and each worker's runs one after the other within the wall time.
    assert!(stats.wall <= took, "{what}: {stats:?}");
    for worker in &stats.workers {
        assert!(worker.busy <= stats.wall, "{what}: {stats:?}");
        if worker.runs == 0 {
            assert_eq!((worker.rows, worker.busy), (0, Duration::ZERO), "{what}");
        }
    }
    match &stats.longest_run {
        Some(longest) => {
            let busiest = stats.workers.iter().map(|worker| worker.busy).max();
            assert!(longest.time <= busiest.unwrap(), "{what}: {stats:?}");
            assert!(!longest.rows.is_empty(), "{what}: {stats:?}");
        }
        None => assert_eq!(stats.runs, 0, "{what}: {stats:?}"),
    }
    assert!(!stats.cancelled, "{what}");
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    (work(), began.elapsed())
}

#[test]
fn every_run_adds_up() {
    watched(|| {
        for rows in [1, 100, 70_000] {
            let df = counting(rows);
            for workers in [1, 2, 5] {
                let pool = Pool::new(workers).unwrap();
                let on = |df| ParApply::par_apply(df).workers(workers);
                for (what, apply) in [
                    ("as it comes", on(&df)),
                    ("a pool", df.par_apply().pool(&pool)),
                    ("partitions", on(&df).partitions(20)),
                    ("chunks", on(&df).chunk_rows(rows.div_ceil(9))),
                ] {
                    let calls = AtomicUsize::new(0);
                    let call = || calls.fetch_add(1, SeqCst) as u64;
                    let (outcome, took) =
                        timed(|| apply.clone().outcome().rows(|_: i64| call()).unwrap());
                    add_up(&outcome.stats, rows, workers, took, what);
                    assert_eq!(calls.swap(0, SeqCst), rows, "once for each row");
                    assert_eq!((outcome.stats.failures, outcome.stats.retries), (0, 0));
                    assert!(outcome.is_complete());

                    let (outcome, took) =
                        timed(|| apply.outcome().chunks(|_: DataFrame| call()).unwrap());
                    assert_eq!(outcome.stats.rows, rows);
                    assert!(outcome.stats.wall <= took);
                    assert!(outcome.stats.workers.len() <= workers);
                    assert_eq!(
                        calls.into_inner(),
                        outcome.output.len(),
                        "once for each part"
                    );
                }
            }
        }
    });
}

#[test]
fn columns_are_counted_as_columns() {
    watched(|| {
        let columns = (0..40i64).map(|i| Column::new(format!("{i}").into(), [i, i, i]));
        let df = DataFrame::new(3, columns.collect()).unwrap();
        for workers in [1, 3] {
            let apply = df.par_apply().workers(workers).outcome();
            let (outcome, took) = timed(|| apply.columns(|_: &Column| 1).unwrap());
            add_up(&outcome.stats, 40, workers, took, "columns");
            let longest = outcome.stats.longest_run.unwrap();
            assert!(longest.rows.end <= 40);
        }
    });
}

#[test]
fn parts_are_counted_by_their_rows() {
    watched(|| {
        let df = counting(1003);
        for workers in [1, 3] {
            let apply = df.par_apply().workers(workers).chunk_rows(10).outcome();
            let (outcome, took) = timed(|| {
                apply
                    .chunks(|part: Chunk| {
                        if part.index() == 70 {
                            sleep(Duration::from_millis(40));
                        }
                    })
                    .unwrap()
            });
            add_up(&outcome.stats, 1003, workers, took, "parts");
            assert_eq!(outcome.stats.runs, 101);
            // It slept, and no other part took as long, unless the machine was slow.
            let longest = outcome.stats.longest_run.unwrap();
            assert!(longest.time >= Duration::from_millis(40));
        }
    });
}

#[test]
fn no_rows_are_no_runs() {
    let df = counting(0);
    let outcome = df
        .par_apply()
        .workers(3)
        .outcome()
        .rows(|i: i64| i)
        .unwrap();
    assert_eq!((outcome.stats.rows, outcome.stats.runs), (0, 0));
    assert_eq!(outcome.stats.longest_run, None);
    assert!(outcome.stats.workers.iter().all(|worker| worker.runs == 0));
}

#[test]
fn failures_and_retries_are_counted() {
    watched(|| {
        let df = counting(5000);
        for workers in [1, 3] {
            for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
                let calls = AtomicUsize::new(0);
                let (outcome, took) = timed(|| {
                    df.par_apply()
                        .workers(workers)
                        .on_error(policy)
                        .retry(Retry::attempts(4).min_delay(Duration::from_micros(30)))
                        .rows(|i: i64| {
                            let nth = calls.fetch_add(1, SeqCst);
                            anyhow::ensure!(i % 500 != 7, "never");
                            assert!(i % 500 != 9, "not once");
                            Ok(nth as u64)
                        })
                        .unwrap()
                });
                add_up(&outcome.stats, 5000, workers, took, "failures");
                assert_eq!(outcome.stats.failures, 20);
                assert_eq!(outcome.failures.height(), 20);
                assert_eq!(outcome.stats.retries, 30);
                assert_eq!(calls.into_inner(), 5030);
                assert!(!outcome.is_complete());
            }
        }
    });
}

#[test]
fn the_first_good_attempt_is_the_last() {
    watched(|| {
        let df = counting(300);
        let calls: Vec<AtomicUsize> = (0..300).map(|_| AtomicUsize::new(0)).collect();
        let outcome = df
            .par_apply()
            .workers(3)
            .retry(Retry::attempts(9).min_delay(Duration::from_micros(30)))
            .outcome()
            .rows(|i: i64| {
                let before = calls[i as usize].fetch_add(1, SeqCst);
                anyhow::ensure!(before >= i as usize % 3, "not yet");
                Ok(i)
            })
            .unwrap();
        assert!(outcome.output.i64().unwrap().into_no_null_iter().eq(0..300));
        assert!(
            calls
                .iter()
                .enumerate()
                .all(|(i, calls)| calls.load(SeqCst) == i % 3 + 1)
        );
        assert_eq!((outcome.stats.failures, outcome.stats.retries), (0, 300));
    });
}

#[test]
fn a_partial_run_counts_what_it_did() {
    watched(|| {
        let df = counting(5000);
        for workers in [1, 3] {
            let token = CancelToken::new();
            let outcome = df
                .par_apply()
                .workers(workers)
                .chunk_rows(50)
                .cancel_token(&token)
                .on_cancel(OnCancel::Partial)
                .rows(|i: i64| {
                    match i {
                        99 => token.cancel(),
                        100.. => held_back(&token),
                        _ => {}
                    }
                    i
                })
                .unwrap();
            assert!(outcome.stats.cancelled && !outcome.is_complete());
            assert_eq!(outcome.stats.rows, outcome.output.len());
            assert!((1..5000).contains(&outcome.stats.rows));
            let rows: usize = outcome.stats.workers.iter().map(|worker| worker.rows).sum();
            assert_eq!(rows, outcome.stats.rows);
        }
    });
}

#[test]
fn time_at_work_is_told() {
    let df = counting(10);
    let outcome = df
        .par_apply()
        .sequential()
        .outcome()
        .rows(|i: i64| sleep(Duration::from_millis(if i == 6 { 30 } else { 2 })))
        .unwrap();
    let stats = outcome.stats;
    assert_eq!(stats.workers.len(), 1);
    assert!(
        stats.workers[0].busy >= Duration::from_millis(48),
        "{stats:?}"
    );
    let longest = stats.longest_run.unwrap();
    assert!(longest.time >= Duration::from_millis(30));
    assert!(longest.time <= stats.workers[0].busy);
}

/// With one worker, nothing depends on time: the calling thread does everything.
#[test]
fn one_worker_is_the_calling_thread() {
    let here = thread::current().id();
    for rows in [1, 1000, 100_000] {
        let df = counting(rows);
        for apply in [
            df.par_apply().sequential(),
            df.par_apply().workers(1),
            df.par_apply().workers(1).partitions(10),
        ] {
            let outcome = apply
                .outcome()
                .rows(|_: i64| assert_eq!(thread::current().id(), here))
                .unwrap();
            assert_eq!(outcome.stats.workers.len(), 1);
            assert_eq!(outcome.stats.workers[0].rows, rows);
        }
    }
}

#[test]
fn one_row_is_the_calling_thread_s_however_slow() {
    let here = thread::current().id();
    let df = counting(1);
    for apply in [df.par_apply(), df.par_apply().workers(4)] {
        let outcome = apply
            .outcome()
            .rows(|_: i64| {
                sleep(Duration::from_millis(5));
                assert_eq!(thread::current().id(), here);
            })
            .unwrap();
        assert_eq!(outcome.stats.workers.len(), 1);
        assert_eq!((outcome.stats.workers[0].rows, outcome.stats.runs), (1, 1));
    }
}

/// Other workers are woken only if a run of rows took so long that the rest would take a tenth of a millisecond. The stats have the
/// time of each run. So, however slow the machine is, a call of `n` rows that was distributed has a run whose time, multiplied by the
/// number of rows after the first, is at least that.
#[test]
fn few_rows_of_a_cheap_closure_wake_nobody() {
    watched(|| {
        let here = thread::current().id();
        for rows in [2, 3, 10, 100] {
            let df = counting(rows);
            for call in 0..1000 {
                let elsewhere = AtomicUsize::new(0);
                let outcome = df
                    .par_apply()
                    .workers(4)
                    .outcome()
                    .rows(|i: i64| {
                        elsewhere.fetch_add(usize::from(thread::current().id() != here), SeqCst);
                        i
                    })
                    .unwrap();
                let stats = outcome.stats;
                let longest = stats.longest_run.as_ref().unwrap().time;
                let is_shared_out = stats.workers.len() > 1 || elsewhere.into_inner() > 0;
                assert!(
                    !is_shared_out || longest * (rows as u32 - 1) >= Duration::from_micros(100),
                    "call {call} of {rows} rows was shared out: {stats:?}"
                );
            }
        }
    });
}

/// The first row takes time, so the rest is distributed. This is certain, since each of two rows waits for a row of another worker.
#[test]
fn rows_of_a_slow_closure_are_shared_out() {
    watched(|| {
        let df = counting(40);
        let pool = Pool::new(3).unwrap();
        let (threads, more) = (Mutex::new(HashSet::new()), Condvar::new());
        let outcome = df
            .par_apply()
            .pool(&pool)
            .outcome()
            .rows(|i: i64| {
                sleep(Duration::from_millis(20));
                if i == 0 {
                    return;
                }
                let mut threads = threads.lock().unwrap();
                threads.insert(thread::current().id());
                more.notify_all();
                let limit = Duration::from_secs(60);
                let (threads, _) = more
                    .wait_timeout_while(threads, limit, |threads| threads.len() < 2)
                    .unwrap();
                assert!(threads.len() > 1, "row {i} waits alone");
            })
            .unwrap();
        assert!((2..=3).contains(&outcome.stats.workers.len()));
        assert_eq!(outcome.stats.rows, 40);
    });
}

#[test]
fn a_call_without_an_outcome_gives_what_it_gave() {
    let df = counting(5);
    let plain: Column = df.par_apply().rows(|i: i64| i).unwrap();
    let told: Outcome<Column> = df.par_apply().outcome().rows(|i: i64| i).unwrap();
    assert_eq!(plain, told.output);
    assert_eq!(told.failures.height(), 0);
    assert_eq!(told.kept_rows().len(), 5);
    let told: Outcome<DataFrame> = df
        .par_apply()
        .outcome()
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_eq!(told.output, df);
}
