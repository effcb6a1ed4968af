//! A frame's verbs in the background give the same answer as the blocking ones, and a job that can be controlled.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use polars_core::runtime::RAYON;
use polars_par_apply::Result;
use polars_par_apply::prelude::*;
use rand::RngExt;

use crate::frames::{assert_same, assert_same_frame, counting, every_dtype, watched};
use crate::jobs::{Heard, LONG, Latch, cancelled, word};

/// The results of two calls that must be the same.
trait Alike {
    fn alike(&self, other: &Self, what: &str);
}

impl Alike for Column {
    fn alike(&self, other: &Self, what: &str) {
        assert_same(self, other, what);
    }
}

impl Alike for DataFrame {
    fn alike(&self, other: &Self, what: &str) {
        assert_same_frame(self, other, what);
    }
}

impl<T: Alike> Alike for Outcome<T> {
    fn alike(&self, other: &Self, what: &str) {
        self.output.alike(&other.output, what);
        assert_same_frame(&self.failures, &other.failures, what);
        assert!(self.kept_rows().iter().eq(other.kept_rows().iter()));
        let counts = |stats: &Stats| (stats.rows, stats.failures, stats.retries, stats.cancelled);
        assert_eq!(counts(&self.stats), counts(&other.stats), "{what}");
    }
}

impl<T: Alike> Alike for Result<T> {
    fn alike(&self, other: &Self, what: &str) {
        match (self, other) {
            (Ok(one), Ok(other)) => one.alike(other, what),
            (one, other) => {
                assert_eq!(word(one), word(other), "{what}");
                let message = |result: &Self| result.as_ref().err().map(ToString::to_string);
                assert_eq!(message(one), message(other), "{what}");
            }
        }
    }
}

/// Checks that the verb and its background variant give the same.
macro_rules! alike {
    ($apply:expr, rows, $f:expr) => {
        alike!($apply, rows, spawn_rows, $f)
    };
    ($apply:expr, filter_rows, $f:expr) => {
        alike!($apply, filter_rows, spawn_filter_rows, $f)
    };
    ($apply:expr, with_columns, $f:expr) => {
        alike!($apply, with_columns, spawn_with_columns, $f)
    };
    ($apply:expr, columns, $f:expr) => {
        alike!($apply, columns, spawn_columns, $f)
    };
    ($apply:expr, chunks, $f:expr) => {
        alike!($apply, chunks, spawn_chunks, $f)
    };
    ($apply:expr, $verb:ident, $spawn:ident, $f:expr) => {
        $apply.$spawn($f).get().alike(
            &$apply.$verb($f),
            concat!(stringify!($apply), ", ", stringify!($verb)),
        )
    };
}

/// Every verb behaves in the same way.
macro_rules! verbs_alike {
    ($apply:expr) => {{
        alike!($apply, rows, |row: Row<'_>| row.len() as u64);
        alike!($apply, filter_rows, |row: Row<'_>| row
            .index()
            .is_multiple_of(3));
        alike!($apply, with_columns, |row: Row<'_>| row.len() as u64);
        alike!($apply, columns, |column: &Column| column.null_count()
            as u64);
        alike!($apply, columns, |column: &Column| column.clone());
        alike!($apply, chunks, |part: DataFrame| part);
        alike!($apply, chunks, |part: Chunk| part.row_offset() as u64);
    }};
}

fn table() -> DataFrame {
    let a = (0..3000i64).map(|i| (i % 7 > 0).then_some(i));
    let b = (0..3000).map(f64::from);
    df!["a" => a.collect::<Vec<_>>(), "b" => b.collect::<Vec<_>>()].unwrap()
}

#[test]
fn options_hold_as_for_the_verbs_that_block() {
    watched(|| {
        let (df, pool) = (table(), Pool::new(2).unwrap());
        let one = Pool::new(1).unwrap();
        verbs_alike!(every_dtype(300).par_apply());
        verbs_alike!(counting(0).par_apply());
        verbs_alike!(df.par_apply().sequential());
        verbs_alike!(df.par_apply().workers(1));
        verbs_alike!(df.par_apply().workers(2));
        verbs_alike!(df.par_apply().pool(&pool));
        verbs_alike!(df.par_apply().pool(&one).sequential());
        verbs_alike!(df.par_apply().pool(&pool).workers(2).partitions(31));
        verbs_alike!(df.par_apply().pool(&pool).chunk_rows(17));
        verbs_alike!(df.par_apply().partitions(5).select(["b"]));
        verbs_alike!(df.par_apply().select(["b"]).names(["c"]));
        verbs_alike!(df.par_apply().outcome());
        verbs_alike!(df.par_apply().deadline(LONG).on_cancel(OnCancel::Partial));
        alike!(df.par_apply(), rows, |a: i64, b: f64| (
            a as f64 + b,
            a % 2 == 0
        ));
        alike!(df.par_apply(), rows, |a: Option<i64>, b: f64| a
            .map_or(b, |a| a as f64));
        alike!(
            df.par_apply().select(["b", "a"]).names(["c"]),
            rows,
            |b: f64, a: i64| b - a as f64
        );
        alike!(df.par_apply().nulls(Nulls::Error), rows, |a: i64, _: f64| a);
        alike!(
            df.par_apply().casts(Casts::Lossy),
            rows,
            |a: f32, b: i8| f64::from(a) + f64::from(b)
        );
        alike!(df.par_apply(), rows, |a: f32, _: f64| f64::from(a));
        alike!(df.par_apply(), columns, |v: Values<'_, f64>| v
            .iter()
            .sum::<f64>());
        alike!(df.par_apply().select(["b"]), columns, |v: Values<
            '_,
            f64,
        >| v
            .iter()
            .sum::<f64>(
        ));
    });
}

#[test]
fn policies_hold_as_for_the_verbs_that_block() {
    watched(|| {
        let (df, pool) = (table(), Pool::new(3).unwrap());
        let sieve = |a: i64, _: f64| -> anyhow::Result<i64> {
            anyhow::ensure!(a % 100 != 1, "{a} is one too many");
            assert_ne!(a % 1000, 500, "five hundred");
            Ok(a)
        };
        let given = || df.par_apply().pool(&pool).partitions(30);
        alike!(given(), rows, sieve);
        for policy in [
            OnError::Fail,
            OnError::Null,
            OnError::Skip,
            OnError::Collect,
        ] {
            alike!(given().on_error(policy), rows, sieve);
            alike!(df.par_apply().on_error(policy), rows, sieve);
            alike!(given().on_error(policy), chunks, |part: Chunk| {
                anyhow::ensure!(part.index() % 10 != 3, "three");
                Ok(part.index() as u64)
            });
            alike!(given().on_error(policy), columns, |column: &Column| {
                anyhow::ensure!(column.name() != "a", "a");
                Ok(1)
            });
            if policy != OnError::Fail {
                alike!(given().on_error(policy).max_failures(2), rows, sieve);
                let soon = Retry::attempts(2).min_delay(Duration::from_micros(100));
                alike!(given().on_error(policy).retry(soon.clone()), rows, sieve);
            }
        }
        alike!(given().max_failures(2), rows, sieve);
    });
}

#[test]
fn states_and_seeds_hold_as_for_the_verbs_that_block() {
    watched(|| {
        let (df, pool) = (table(), Pool::new(2).unwrap());
        for apply in [
            df.par_apply(),
            df.par_apply().sequential(),
            df.par_apply().pool(&pool).partitions(40),
        ] {
            let (made, finished) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let prepared = || {
                let (made, finished) = (made.clone(), finished.clone());
                let prepared = apply.clone().state(move || {
                    made.fetch_add(1, SeqCst);
                    0
                });
                prepared.finish(move |rows: usize| {
                    finished.fetch_add(rows, SeqCst);
                })
            };
            alike!(prepared(), rows, |rows: &mut usize, row: Row<'_>| {
                *rows += 1;
                row.index() as u64
            });
            assert!(made.load(SeqCst) >= 2);
            assert_eq!(finished.swap(0, SeqCst), 6000);
            let draw = |rng: &mut RowRng, _: Row<'_>| rng.random::<u64>();
            alike!(apply.clone().seed(7), rows, draw);
            alike!(apply.clone().seed(7).first_row(100), rows, draw);
            alike!(
                prepared().seed(7),
                rows,
                |rows: &mut usize, rng: &mut RowRng, _: Row<'_>| {
                    *rows += 1;
                    rng.random::<u64>()
                }
            );
            assert_eq!(finished.load(SeqCst), 6000);
            let failing = apply
                .clone()
                .state(|| Err::<i32, _>(std::io::Error::other("no")));
            let job = failing.spawn_rows(|_: &mut i32, _: Row<'_>| 1);
            assert!(matches!(
                job.get().unwrap_err().kind(),
                ErrorKind::State { .. }
            ));
        }
    });
}

#[test]
fn more_workers_than_polars_pool_has() {
    watched(|| {
        let workers = RAYON.current_num_threads() + 2;
        let df = counting(2000);
        let apply = || df.par_apply().workers(workers).partitions(100);
        alike!(apply(), rows, |i: i64| i * 2);
        alike!(apply(), chunks, |part: DataFrame| part);
        // With a pool that was given, it is an error, and the same one.
        let pool = Pool::new(2).unwrap();
        alike!(df.par_apply().pool(&pool).workers(3), rows, |i: i64| i);
        let polars = Pool::default();
        alike!(
            df.par_apply().pool(&polars).workers(workers),
            rows,
            |i: i64| i
        );
    });
}

#[test]
fn faults_are_the_job_s_error() {
    watched(|| {
        let df = table();
        fn called<A>(_: A) -> i64 {
            panic!("called")
        }
        alike!(df.par_apply().select(["c"]), rows, |c: i64| called(c));
        alike!(df.par_apply(), rows, |a: i64| called(a));
        alike!(
            df.par_apply().workers(0).partitions(0).select(["c"]),
            rows,
            |c: i64| called(c)
        );
        alike!(df.par_apply().names(["x", "x"]), rows, |a: i64, _: f64| (
            called(a),
            1
        ));
        alike!(
            df.par_apply().partitions(2).chunk_rows(2),
            chunks,
            |part: DataFrame| called(part)
        );
        alike!(df.par_apply().select(["c"]), columns, |c: &Column| called(
            c
        ));
        alike!(df.par_apply().max_failures(2), rows, |a: i64, _: f64| {
            called(a)
        });
        let job = df.par_apply().select(["c"]).spawn_rows(|c: i64| called(c));
        job.wait();
        let tick = job.progress();
        assert_eq!(
            (tick.done, tick.total, tick.state),
            (0, 3000, TickState::Failed)
        );
        assert_eq!(job.successful(), Some(false));
    });
}

#[test]
fn the_frame_may_be_changed_or_dropped() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let go = Latch::default();
        let wait = go.clone();
        let first = pool.apply_async(move || wait.wait());
        let mut df = counting(2000);
        let rows = df.par_apply().pool(&pool).spawn_rows(|i: i64| i);
        let parts = df
            .par_apply()
            .pool(&pool)
            .spawn_chunks(|part: DataFrame| part);
        let polars = df.par_apply().spawn_rows(|i: i64| i);
        df.with_column(Column::new("i".into(), vec!["changed"; 2000]))
            .unwrap();
        df.with_column(Column::new("j".into(), vec![1; 2000]))
            .unwrap();
        drop(df);
        go.open();
        first.get().unwrap();
        for rows in [rows, polars] {
            assert!(
                rows.get()
                    .unwrap()
                    .i64()
                    .unwrap()
                    .into_no_null_iter()
                    .eq(0..2000)
            );
        }
        assert_eq!(parts.get().unwrap(), counting(2000));
    });
}

#[test]
fn its_data_is_shared_and_not_copied() {
    fn at(column: &Column) -> u64 {
        column.i64().unwrap().cont_slice().unwrap().as_ptr() as u64
    }
    watched(|| {
        let df = counting(5000);
        let expected = at(df.column("i").unwrap());
        for apply in [df.par_apply(), df.par_apply().pool(&Pool::new(2).unwrap())] {
            let columns = apply.clone().spawn_columns(at).get().unwrap();
            assert_eq!(
                columns.column("i").unwrap().u64().unwrap().get(0),
                Some(expected)
            );
            let parts = apply.partitions(10).spawn_chunks(|part: Chunk| {
                at(part.column("i").unwrap()) - 8 * part.row_offset() as u64
            });
            let parts = parts.get().unwrap();
            assert!(parts.u64().unwrap().into_no_null_iter().eq([expected; 10]));
        }
        let text = "a text too long to lie in its view";
        let df = df!["s" => vec![text; 100]].unwrap();
        let held = df
            .column("s")
            .unwrap()
            .str()
            .unwrap()
            .get(7)
            .unwrap()
            .as_ptr() as u64;
        let job = df.par_apply().spawn_rows(|s: &str| s.as_ptr() as u64);
        assert_eq!(job.get().unwrap().u64().unwrap().get(7), Some(held));
        // The job holds it only as long as it runs.
        let (begun, go) = (Latch::default(), Latch::default());
        let (began, wait, held) = (begun.clone(), go.clone(), Arc::new(()));
        let weak = Arc::downgrade(&held);
        let job = df.par_apply().sequential().spawn_rows(move |_: &str| {
            let _held = &held;
            began.open();
            wait.wait();
        });
        begun.wait();
        go.open();
        job.wait();
        assert!(weak.upgrade().is_none());
        job.get().unwrap();
    });
}

/// How another thread ends a job over 1,000 rows within a row, and how many rows are done then.
fn ended_amid<T: Send + 'static>(
    spawn: impl FnOnce(Box<dyn Fn(i64) -> i64 + Send + Sync>) -> Job<T>,
    end: impl FnOnce(Job<T>) -> Option<Job<T>>,
) -> Option<(Result<T>, Tick, usize)> {
    let (begun, go, calls) = (
        Latch::default(),
        Latch::default(),
        Arc::new(AtomicUsize::new(0)),
    );
    let (began, wait, count) = (begun.clone(), go.clone(), calls.clone());
    let job = spawn(Box::new(move |i| {
        count.fetch_add(1, SeqCst);
        if i == 5 {
            began.open();
            wait.wait();
        }
        i
    }));
    begun.wait();
    let job = end(job);
    go.open();
    job.map(|job| {
        job.wait();
        let tick = job.progress();
        (job.get(), tick, calls.load(SeqCst))
    })
}

#[test]
fn cancelled_amid_a_run() {
    watched(|| {
        let (df, pool, token) = (counting(1000), Pool::new(2).unwrap(), CancelToken::new());
        let sequential = || df.par_apply().pool(&pool).sequential().cancel_token(&token);
        let other = CancelToken::new();
        let cancel = |job: Job<Column>| {
            let job = job.cancels(&other);
            job.cancel();
            Some(job)
        };
        let (result, tick, calls) = ended_amid(|f| sequential().spawn_rows(f), cancel).unwrap();
        assert_eq!(cancelled(&result.unwrap_err()), (calls, 1000));
        // Rows that take nanoseconds are done 32 at a time.
        assert!((6..=6 + 31).contains(&calls), "{calls}");
        assert_eq!(
            (tick.done, tick.total, tick.state),
            (calls, 1000, TickState::Cancelled)
        );
        assert!(other.is_cancelled() && !token.is_cancelled());

        let partial = || sequential().on_cancel(OnCancel::Partial);
        let cancel = |job: Job<Outcome<Column>>| {
            job.cancel();
            Some(job)
        };
        let (result, tick, calls) = ended_amid(|f| partial().spawn_rows(f), cancel).unwrap();
        let outcome = result.unwrap();
        assert!(outcome.stats.cancelled && !outcome.is_complete());
        assert_eq!((outcome.stats.rows, outcome.output.len()), (calls, calls));
        assert!(
            outcome
                .kept_rows()
                .into_no_null_iter()
                .eq(0..calls as IdxSize)
        );
        assert_eq!((tick.done, tick.state), (calls, TickState::Cancelled));

        // The user's own token does the same, and does not change the job's token.
        let untouched = CancelToken::new();
        let cancel = |job: Job<Column>| {
            token.cancel();
            Some(job.cancels(&untouched))
        };
        let (result, _, calls) = ended_amid(|f| sequential().spawn_rows(f), cancel).unwrap();
        assert_eq!(cancelled(&result.unwrap_err()), (calls, 1000));
        assert!(!untouched.is_cancelled());

        // A job that is cancelled before it has begun has reached no row, and has no finished rows to return.
        let busy = crate::jobs::Busy::all_of(&pool);
        let job = df
            .par_apply()
            .pool(&pool)
            .on_cancel(OnCancel::Partial)
            .spawn_rows(|i: i64| i);
        job.cancel();
        assert_eq!(cancelled(&job.get().unwrap_err()), (0, 1000));
        drop(busy);
    });
}

#[test]
fn dropped_or_terminated_amid_a_run() {
    watched(|| {
        let df = counting(1000);
        let heard = Heard::default();
        let pool = Pool::new(1).unwrap();
        let given = |f| heard.of(df.par_apply().pool(&pool).spawn_rows(f));
        let dropped = ended_amid(given, |job| {
            drop(job);
            None
        });
        assert!(dropped.is_none());
        pool.join().unwrap();
        assert_eq!(heard.words(), ["cancelled"]);
        let (result, ..) = ended_amid(given, |job| {
            pool.terminate();
            Some(job)
        })
        .unwrap();
        assert!(cancelled(&result.unwrap_err()).0 < 1000);
        assert_eq!(heard.words(), ["cancelled"; 2]);

        // Terminated with the last clone of its pool.
        let mut last = Some(Pool::new(1).unwrap());
        let apply = df.par_apply().pool(last.as_ref().unwrap());
        let (result, ..) = ended_amid(
            |f| apply.spawn_rows(f),
            |job| {
                last = None;
                Some(job)
            },
        )
        .unwrap();
        assert!(cancelled(&result.unwrap_err()).0 < 1000);
    });
}

#[test]
fn parts_and_columns_are_cancelled_too() {
    watched(|| {
        let df = counting(1000);
        let wide = (0..50)
            .map(|c| Column::new(format!("{c}").into(), [c]))
            .collect();
        let wide = DataFrame::new(1, wide).unwrap();
        for workers in [1, 3] {
            let pool = Pool::new(workers).unwrap();
            let (begun, go) = (Latch::default(), Latch::default());
            let item = || {
                let (began, wait) = (begun.clone(), go.clone());
                move || {
                    began.open();
                    wait.wait();
                }
            };
            let part = item();
            let parts = df.par_apply().pool(&pool).chunk_rows(10);
            let parts = parts.spawn_chunks(move |_: DataFrame| part());
            begun.wait();
            parts.cancel();
            go.open();
            let (done, total) = cancelled(&parts.get().unwrap_err());
            assert!(
                (10..=10 * workers).contains(&done) && total == 1000,
                "{done}"
            );
            let (begun, go) = (Latch::default(), Latch::default());
            let (began, wait) = (begun.clone(), go.clone());
            let columns = wide
                .par_apply()
                .pool(&pool)
                .spawn_columns(move |_: &Column| {
                    began.open();
                    wait.wait();
                });
            begun.wait();
            columns.cancel();
            go.open();
            let (done, total) = cancelled(&columns.get().unwrap_err());
            assert!((1..=workers).contains(&done) && total == 50, "{done}");
        }
    });
}

#[test]
fn a_deadline_ends_it() {
    watched(|| {
        let df = counting(1000);
        let late = df
            .par_apply()
            .deadline(Duration::ZERO)
            .spawn_rows(|i: i64| i);
        let error = late.get().unwrap_err();
        let ErrorKind::Cancelled { deadline, .. } = error.kind() else {
            panic!("{error:?}")
        };
        assert_eq!(*deadline, Some(Duration::ZERO));
        // The time in the queue behind another job counts, and is long enough.
        let pool = Pool::new(1).unwrap();
        let slow = pool.apply_async(|| thread::sleep(Duration::from_millis(50)));
        let apply = df.par_apply().pool(&pool).deadline(LONG);
        let job = apply.spawn_rows(|i: i64| i);
        assert_eq!(job.get().unwrap().len(), 1000);
        slow.get().unwrap();
        let job = df
            .par_apply()
            .deadline(Duration::from_millis(10))
            .spawn_rows(|_: i64| {
                thread::sleep(Duration::from_millis(20));
            });
        assert_eq!(cancelled(&job.get().unwrap_err()).1, 1000);
    });
}

#[test]
fn progress_goes_up_to_the_end() {
    watched(|| {
        let df = counting(1000);
        let wide = (0..5)
            .map(|c| Column::new(format!("{c}").into(), [c; 4]))
            .collect();
        let wide = DataFrame::new(4, wide).unwrap();
        let pool = Pool::new(2).unwrap();
        let go = Latch::default();
        let wait = go.clone();
        let ticks = Arc::new(Mutex::new(Vec::new()));
        let seen = ticks.clone();
        let apply = df.par_apply().pool(&pool).sequential();
        let apply = apply.progress(move |tick: Tick| seen.lock().unwrap().push(tick));
        let job = apply.spawn_rows(move |i: i64| {
            if i == 500 {
                wait.wait();
            }
        });
        let early = job.progress();
        assert_eq!(early.total, 1000);
        assert!(matches!(
            early.state,
            TickState::Queued | TickState::Running
        ));
        assert!(early.done <= 500);
        go.open();
        // Seen from here, the progress never decreases.
        let mut before = early.done;
        while !job.is_ready() {
            let done = job.progress().done;
            assert!(before <= done);
            before = done;
        }
        let end = job.progress();
        assert_eq!((end.done, end.total, end.failures), (1000, 1000, 0));
        assert_eq!(end.state, TickState::Finished);
        job.get().unwrap();
        // The progress callback is called as well.
        let ticks = ticks.lock().unwrap();
        assert_eq!((ticks[0].done, ticks.last().unwrap().done), (0, 1000));
        assert_eq!(ticks.last().unwrap().state, TickState::Finished);
        assert!(ticks.is_sorted_by_key(|tick| tick.done));

        let columns = wide.par_apply().spawn_columns(|_: &Column| 1);
        columns.wait();
        assert_eq!((columns.progress().done, columns.progress().total), (5, 5));
        columns.get().unwrap();
        let parts = df.par_apply().partitions(7).spawn_chunks(|_: DataFrame| 1);
        parts.wait();
        assert_eq!(
            (parts.progress().done, parts.progress().total),
            (1000, 1000)
        );
        parts.get().unwrap();
        let apply = df.par_apply().on_error(OnError::Null);
        let failing = apply.spawn_rows(|i: i64| {
            if i % 10 == 3 {
                anyhow::bail!("no")
            } else {
                Ok(i)
            }
        });
        failing.wait();
        let tick = failing.progress();
        assert_eq!(
            (tick.done, tick.failures, tick.state),
            (1000, 100, TickState::Finished)
        );
        assert_eq!(failing.get().unwrap().stats.failures, 100);
        let failed = df
            .par_apply()
            .spawn_rows(|i: i64| if i == 3 { anyhow::bail!("no") } else { Ok(i) });
        failed.wait();
        let tick = failed.progress();
        assert_eq!((tick.failures, tick.state), (1, TickState::Failed));
        assert_eq!(failed.get().unwrap_err().row(), Some(3));
        let map = pool.map_async(0..1000, |i| i);
        map.wait();
        let tick = map.progress();
        assert_eq!(
            (tick.done, tick.total, tick.state),
            (1000, 1000, TickState::Finished)
        );
        map.get().unwrap();
    });
}

#[test]
fn closures_run_on_the_pool_s_threads() {
    watched(|| {
        let name = |i: i64| (i, thread::current().name().unwrap_or("").to_string());
        let pool = Pool::builder()
            .workers(2)
            .thread_name(|_| "law-rows".into())
            .build()
            .unwrap();
        let df = counting(500);
        for apply in [
            df.par_apply().pool(&pool),
            df.par_apply().pool(&pool).sequential(),
            df.par_apply().pool(&pool).partitions(50),
        ] {
            let names = apply.spawn_rows(name).get().unwrap();
            let names = names.columns()[1].str().unwrap().clone();
            assert!(names.iter().all(|name| name == Some("law-rows")));
        }
        let here = thread::current().id();
        let elsewhere = df
            .par_apply()
            .spawn_rows(move |_: i64| thread::current().id() != here);
        assert!(elsewhere.get().unwrap().bool().unwrap().all());
    });
}

#[test]
fn spawned_within_closures_and_jobs() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(3).unwrap(),
            Pool::default(),
        ] {
            let (df, small) = (counting(60), counting(500));
            let inner = |pool: &Pool| {
                let rows = small
                    .par_apply()
                    .pool(pool)
                    .partitions(5)
                    .spawn_rows(|i: i64| i);
                let parts = small.par_apply().spawn_chunks(|part: DataFrame| part);
                assert_eq!(parts.get().unwrap().height(), 500);
                rows.get().unwrap().i64().unwrap().sum().unwrap()
            };
            let rows = df.par_apply().pool(&pool).partitions(20);
            let sums = rows.rows(|_: i64| inner(&pool)).unwrap();
            assert_eq!(sums.i64().unwrap().sum(), Some(60 * 124_750));
            let (given, other) = (pool.clone(), small.clone());
            let job = df
                .par_apply()
                .pool(&pool)
                .partitions(20)
                .spawn_rows(move |_: i64| {
                    let job = other
                        .par_apply()
                        .pool(&given)
                        .partitions(5)
                        .spawn_rows(|i: i64| i);
                    job.get().unwrap().i64().unwrap().sum().unwrap()
                });
            assert_eq!(job.get().unwrap().i64().unwrap().sum(), Some(60 * 124_750));
            let (given, other) = (pool.clone(), small.clone());
            let job = pool.apply_async(move || {
                let job = other.par_apply().pool(&given).spawn_rows(|i: i64| i);
                job.get().unwrap().len()
            });
            assert_eq!(job.get().unwrap(), 500);
        }
    });
}

/// A job says from its beginning how many columns or values there are to do, whichever are selected.
#[test]
fn the_total_is_of_what_is_selected() {
    let df = df!["id" => [7, 8], "a" => [1, 2], "b" => [3, 4]].unwrap();
    let call = || df.par_apply().row_numbers("id");
    let totals = |columns: Job<DataFrame>, values: Job<DataFrame>| {
        let totals = (columns.progress().total, values.progress().total);
        columns.wait();
        values.wait();
        assert_eq!(totals, (columns.progress().total, values.progress().total));
        totals
    };
    let width = |values: Values<'_, i32>| values.len() as u32;
    assert_eq!(
        totals(
            call().spawn_columns(width),
            call().spawn_elements(|x: i32| x)
        ),
        (2, 4)
    );
    let call = || df.par_apply().select(["b"]);
    assert_eq!(
        totals(
            call().spawn_columns(width),
            call().spawn_elements(|x: i32| x)
        ),
        (1, 2)
    );
}
