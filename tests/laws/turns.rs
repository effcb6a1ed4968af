//! Turns in a pool that has more work than workers: no call waits until the long ones before it have ended.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::frames::{counting, watched};
use crate::jobs::{Busy, cancelled};

/// How long a row of a long call takes.
const STEP: Duration = Duration::from_millis(1);

/// More rows than any law can wait for.
const ENDLESS: usize = 1 << 22;

/// A call that goes on until it is stopped.
struct Long {
    begun: Arc<AtomicUsize>,
    end: Box<dyn FnOnce()>,
}

impl Long {
    /// Begins a call, and returns when its first row, item or part runs.
    fn begin(pool: &Pool, call: LongCall) -> Self {
        let begun = Arc::new(AtomicUsize::new(0));
        let counter = begun.clone();
        let end = call(
            pool,
            Arc::new(move || {
                counter.fetch_add(1, SeqCst);
                thread::sleep(STEP);
            }),
        );
        while begun.load(SeqCst) == 0 {
            thread::yield_now();
        }
        Long { begun, end }
    }
}

type Step = Arc<dyn Fn() + Send + Sync>;
type LongCall = fn(&Pool, Step) -> Box<dyn FnOnce()>;

/// Stops a job.
fn cancels<T: Send + 'static>(job: Job<T>) -> Box<dyn FnOnce()> {
    Box::new(move || {
        job.cancel();
        cancelled(&job.get().err().unwrap());
    })
}

/// Stops a call that blocks a thread.
fn blocks(pool: &Pool, call: fn(&Pool, Step, &CancelToken), step: Step) -> Box<dyn FnOnce()> {
    let (pool, token) = (pool.clone(), CancelToken::new());
    let given = token.clone();
    let caller = thread::spawn(move || call(&pool, step, &given));
    Box::new(move || {
        token.cancel();
        caller.join().unwrap();
    })
}

/// Every kind of call that gives way.
const LONG_CALLS: [(&str, LongCall); 8] = [
    ("spawn_rows", |pool, step| {
        let df = counting(ENDLESS);
        cancels(df.par_apply().pool(pool).spawn_rows(move |_: i64| step()))
    }),
    ("spawn_rows, sequential", |pool, step| {
        let df = counting(ENDLESS);
        let apply = df.par_apply().pool(pool).sequential();
        cancels(apply.spawn_rows(move |_: i64| step()))
    }),
    ("spawn_rows, one worker, chunks", |pool, step| {
        let df = counting(ENDLESS);
        let apply = df.par_apply().pool(pool).workers(1).chunk_rows(2);
        cancels(apply.spawn_rows(move |_: i64| step()))
    }),
    ("spawn_rows, chunks", |pool, step| {
        let df = counting(ENDLESS);
        let apply = df.par_apply().pool(pool).chunk_rows(2);
        cancels(apply.spawn_rows(move |_: i64| step()))
    }),
    ("spawn_chunks", |pool, step| {
        let df = counting(ENDLESS);
        let apply = df.par_apply().pool(pool).chunk_rows(100);
        cancels(apply.spawn_chunks(move |_: DataFrame| step()))
    }),
    ("map_async", |pool, step| {
        cancels(pool.map_async(0..ENDLESS, move |_| step()))
    }),
    ("rows", |pool, step| {
        let call = |pool: &Pool, step: Step, token: &CancelToken| {
            let df = counting(ENDLESS);
            let apply = df.par_apply().pool(pool).cancel_token(token);
            cancelled(&apply.rows(move |_: i64| step()).unwrap_err());
        };
        blocks(pool, call, step)
    }),
    ("map", |pool, step| {
        let call = |pool: &Pool, step: Step, token: &CancelToken| {
            let mapped: Result<Vec<()>> = pool.map(0..ENDLESS, |_| {
                step();
                token.check()
            });
            assert!(mapped.unwrap_err().to_string().contains("cancelled"));
        };
        blocks(pool, call, step)
    }),
];

type ShortCall = fn(&Pool);

/// Every kind of call that may be short.
const SHORT_CALLS: [(&str, ShortCall); 9] = [
    ("spawn_rows", |pool| {
        let df = counting(10);
        let job = df.par_apply().pool(pool).spawn_rows(|i: i64| {
            thread::sleep(STEP);
            i
        });
        assert_eq!(job.get().unwrap().i64().unwrap().sum(), Some(45));
    }),
    ("spawn_rows, sequential", |pool| {
        let df = counting(10);
        let job = df.par_apply().pool(pool).sequential();
        let job = job.spawn_rows(|i: i64| i);
        assert_eq!(job.get().unwrap().i64().unwrap().sum(), Some(45));
    }),
    ("spawn_chunks", |pool| {
        let df = counting(10);
        let job = df.par_apply().pool(pool).partitions(4);
        let job = job.spawn_chunks(|part: DataFrame| part);
        assert_eq!(job.get().unwrap(), df);
    }),
    ("spawn_columns", |pool| {
        let df = counting(10);
        let job = df.par_apply().pool(pool);
        let job = job.spawn_columns(|i: Values<'_, i64>| i.iter().sum::<i64>());
        assert_eq!(job.get().unwrap(), df!["i" => [45i64]].unwrap());
    }),
    ("map_async", |pool| {
        let job: Job<Vec<i64>> = pool.map_async(0..10, |i| i);
        assert_eq!(job.get().unwrap().iter().sum::<i64>(), 45);
    }),
    ("apply_async", |pool| {
        assert_eq!(pool.apply_async(|| 45).get().unwrap(), 45);
    }),
    ("rows", |pool| {
        let df = counting(10);
        let rows = df.par_apply().pool(pool).rows(|i: i64| {
            thread::sleep(STEP);
            i
        });
        assert_eq!(rows.unwrap().i64().unwrap().sum(), Some(45));
    }),
    ("map", |pool| {
        let mapped: Vec<i64> = pool.map(0..10, |i| i).unwrap();
        assert_eq!(mapped.iter().sum::<i64>(), 45);
    }),
    ("imap", |pool| {
        let mapped = pool.imap(0..10, |i: i64| i);
        assert_eq!(mapped.map(Result::unwrap).sum::<i64>(), 45);
    }),
];

/// A short call of each kind ends although there are long ones of each kind before it, at least one for each worker, and the long ones
/// go on.
#[test]
fn a_short_call_ends_while_long_ones_go_on() {
    for (_, long) in LONG_CALLS {
        watched(move || {
            for (workers, calls) in [(1, 1), (1, 3), (2, 2), (2, 5)] {
                let pool = Pool::new(workers).unwrap();
                let long_calls: Vec<Long> = (0..calls).map(|_| Long::begin(&pool, long)).collect();
                for (_, short) in SHORT_CALLS {
                    short(&pool);
                    for long in &long_calls {
                        let before = long.begun.load(SeqCst);
                        while long.begun.load(SeqCst) == before {
                            thread::yield_now();
                        }
                    }
                }
                long_calls.into_iter().for_each(|long| (long.end)());
                pool.close();
                pool.join().unwrap();
            }
        });
    }
}

/// In Polars' pool, the short call's own thread helps if all workers are busy.
#[test]
fn a_short_call_over_rows_ends_while_long_ones_keep_polars_workers() {
    watched(|| {
        let pool = Pool::default();
        for long in [0, 3, 4, 6] {
            let (_, long) = LONG_CALLS[long];
            let calls = pool.workers() + 1;
            let long_calls: Vec<Long> = (0..calls).map(|_| Long::begin(&pool, long)).collect();
            for short in [0, 1, 2, 3, 6] {
                let (_, short) = SHORT_CALLS[short];
                short(&pool);
            }
            long_calls.into_iter().for_each(|long| (long.end)());
        }
    });
}

/// Even if calls give way to each other, each row runs once and in its order, and no more threads run than there are workers.
#[test]
fn rows_run_once_while_calls_give_way() {
    const ROWS: usize = 400;
    watched(|| {
        for workers in 1..=3 {
            let pool = Pool::new(workers).unwrap();
            let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let df = counting(ROWS);
            let jobs: Vec<_> = (0..12)
                .map(|n| {
                    let calls: Arc<Vec<AtomicU32>> =
                        Arc::new((0..ROWS).map(|_| AtomicU32::new(0)).collect());
                    let counts = calls.clone();
                    let (inside, most) = (inside.clone(), most.clone());
                    let row = move |i: i64| {
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        counts[i as usize].fetch_add(1, SeqCst);
                        thread::sleep(Duration::from_micros(300));
                        inside.fetch_sub(1, SeqCst);
                        i * n
                    };
                    let apply = df.par_apply().pool(&pool);
                    let job = match n % 3 {
                        0 => apply.spawn_rows(row),
                        1 => apply.chunk_rows(7).spawn_rows(row),
                        _ => apply.sequential().spawn_rows(row),
                    };
                    (n, calls, job)
                })
                .collect();
            for (n, calls, job) in jobs {
                let column = job.get().unwrap();
                let expected = (0..ROWS as i64).map(|i| i * n);
                assert!(column.i64().unwrap().into_no_null_iter().eq(expected));
                assert!(calls.iter().all(|calls| calls.load(SeqCst) == 1));
            }
            assert!(most.load(SeqCst) <= workers, "{}", most.load(SeqCst));
        }
    });
}

/// The lowest failure ends a call, and at most one state is made for each worker, even if workers come and go.
#[test]
fn failures_and_states_are_those_of_a_call_that_is_alone() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let long: Vec<Long> = (0..3)
            .map(|_| Long::begin(&pool, LONG_CALLS[0].1))
            .collect();
        let df = counting(500);
        for _ in 0..3 {
            let job = df.par_apply().pool(&pool).spawn_rows(|i: i64| {
                thread::sleep(Duration::from_micros(100));
                anyhow::ensure!(i % 100 != 99, "no {i}");
                Ok(i)
            });
            assert_eq!(job.get().unwrap_err().row(), Some(99));
            let made = Arc::new(AtomicUsize::new(0));
            let counter = made.clone();
            let job = df
                .par_apply()
                .pool(&pool)
                .state(move || counter.fetch_add(1, SeqCst))
                .spawn_rows(|_: &mut usize, i: i64| {
                    thread::sleep(Duration::from_micros(100));
                    i
                });
            assert_eq!(job.get().unwrap().i64().unwrap().sum(), Some(124_750));
            assert!((1..=2).contains(&made.load(SeqCst)));
        }
        long.into_iter().for_each(|long| (long.end)());
    });
}

/// If a pool is terminated, calls that have given way end too.
#[test]
fn calls_that_have_given_way_end_with_their_pool() {
    watched(|| {
        for workers in 1..=2 {
            let pool = Pool::new(workers).unwrap();
            let df = counting(ENDLESS);
            let jobs: Vec<Job<Column>> = (0..8)
                .map(|_| {
                    let apply = df.par_apply().pool(&pool);
                    apply.spawn_rows(|_: i64| thread::sleep(STEP))
                })
                .collect();
            while jobs.iter().any(|job| job.progress().done == 0) {
                thread::yield_now();
            }
            pool.terminate();
            pool.join().unwrap();
            for job in jobs {
                cancelled(&job.get().unwrap_err());
            }
        }
    });
}

/// A deadline counts from the call: a job that waits for slow closures ends without having begun.
#[test]
fn a_deadline_covers_the_time_in_the_queue() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(2).unwrap(),
            Pool::default(),
        ] {
            let busy = Busy::all_of(&pool);
            let called = Arc::new(AtomicUsize::new(0));
            let df = counting(10);
            let apply = |deadline: Duration| df.par_apply().pool(&pool).deadline(deadline);
            let count = || {
                let called = called.clone();
                move || called.fetch_add(1, SeqCst) as u32
            };
            for deadline in [Duration::ZERO, Duration::from_millis(20)] {
                let row = count();
                let rows = apply(deadline).spawn_rows(move |_: i64| row());
                let partial = count();
                let partial = apply(deadline)
                    .on_cancel(OnCancel::Partial)
                    .spawn_rows(move |_: i64| partial());
                let part = count();
                let parts = apply(deadline).spawn_chunks(move |_: DataFrame| part());
                let column = count();
                let columns = apply(deadline).spawn_columns(move |_: &Column| column());
                let (told, heard) = std::sync::mpsc::channel();
                let rows = rows.on_error(move |error| told.send(error.to_string()).unwrap());
                for error in [
                    rows.get().unwrap_err(),
                    partial.get().unwrap_err(),
                    parts.get().unwrap_err(),
                    columns.get().unwrap_err(),
                ] {
                    let ErrorKind::Cancelled {
                        deadline: passed,
                        done: 0,
                        ..
                    } = error.kind()
                    else {
                        panic!("{error:?}")
                    };
                    assert_eq!(*passed, Some(deadline));
                }
                assert!(heard.recv().unwrap().contains("deadline"));
            }
            drop(busy);
            // A job that has begun in time has the rest of its time.
            let job = apply(Duration::from_secs(3600)).spawn_rows(|i: i64| i);
            assert_eq!(job.get().unwrap().len(), 10);
            assert_eq!(called.load(SeqCst), 0);
        }
    });
}

/// A job reports that it waits in the queue.
#[test]
fn a_job_that_has_not_begun_is_queued() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let busy = Busy::all_of(&pool);
        let df = counting(10);
        let job = df.par_apply().pool(&pool).spawn_rows(|i: i64| i);
        let map: Job<Vec<i32>> = pool.map_async(0..10, |i| i);
        for tick in [job.progress(), map.progress()] {
            assert_eq!(
                (tick.done, tick.total, tick.state),
                (0, 10, TickState::Queued)
            );
        }
        drop(busy);
        job.wait();
        assert_eq!(job.progress().state, TickState::Finished);
        map.get().unwrap();
        let busy = Busy::all_of(&pool);
        let job = df.par_apply().pool(&pool).spawn_rows(|i: i64| i);
        job.cancel();
        assert_eq!(job.progress().state, TickState::Cancelled);
        drop(busy);
    });
}

/// While only a second attempt is left, the progress shows that all other rows are done.
#[test]
fn progress_goes_on_while_retries_wait() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(2).unwrap(),
            Pool::default(),
        ] {
            let df = counting(1000);
            for way in 0..4 {
                let (first, seen) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
                let watched = seen.clone();
                let apply = df
                    .par_apply()
                    .pool(&pool)
                    .retry(Retry::attempts(2).min_delay(Duration::from_millis(20)))
                    .progress(move |tick: Tick| watched.store(tick.done, SeqCst));
                let apply = match way {
                    0 => apply,
                    1 => apply.sequential(),
                    2 => apply.chunk_rows(10),
                    _ => apply.partitions(2),
                };
                let progress = seen.clone();
                let job = apply.spawn_rows(move |i: i64| {
                    if i == 500 {
                        anyhow::ensure!(first.fetch_add(1, SeqCst) > 0, "busy");
                        // It would wait for ever if the rows that are done were not reported before.
                        while progress.load(SeqCst) < 999 {
                            thread::yield_now();
                        }
                    }
                    Ok(i)
                });
                assert_eq!(job.get().unwrap().len(), 1000);
                assert_eq!(seen.load(SeqCst), 1000);
            }
        }
    });
}

/// A closure that holds a lock may call its pool: calls that wait for the lock do not take its turn for ever.
#[test]
fn a_call_within_a_closure_that_holds_a_lock_ends() {
    watched(|| {
        for workers in 1..=2 {
            let pool = Pool::new(workers).unwrap();
            let lock = Arc::new(Mutex::new(0));
            let df = counting(3);
            let locks = |lock: &Arc<Mutex<i64>>| {
                let (inner, lock) = (pool.clone(), lock.clone());
                move |i: i64| {
                    let mut sum = lock.lock().unwrap();
                    // Long enough for many turns.
                    let slow = |n: i64| {
                        thread::sleep(STEP);
                        n
                    };
                    let items: Vec<i64> = inner.map(0..20, slow).unwrap();
                    let numbers = counting(20);
                    let numbers = numbers.par_apply().pool(&inner).rows(slow).unwrap();
                    *sum += items.iter().sum::<i64>() + numbers.i64().unwrap().sum().unwrap();
                    i
                }
            };
            for _ in 0..3 {
                let rows: Vec<Job<Column>> = (0..3)
                    .map(|_| df.par_apply().pool(&pool).spawn_rows(locks(&lock)))
                    .collect();
                let alone: Vec<Job<i64>> = (0..3)
                    .map(|i| {
                        let f = locks(&lock);
                        pool.apply_async(move || f(i))
                    })
                    .collect();
                rows.into_iter().for_each(|job| drop(job.get().unwrap()));
                for job in alone {
                    job.get().unwrap();
                }
            }
            assert_eq!(*lock.lock().unwrap(), 3 * (9 + 3) * 2 * 190);
        }
    });
}

/// A call that has given way to a slow closure still notices a cancel and a deadline.
#[test]
fn a_call_that_has_given_way_ends_when_it_is_cancelled() {
    watched(|| {
        for workers in 1..=2 {
            let pool = Pool::new(workers).unwrap();
            for way in 0..4 {
                let df = counting(ENDLESS);
                let token = CancelToken::new();
                let apply = df.par_apply().pool(&pool).cancel_token(&token);
                let apply = match way {
                    0 => apply.deadline(Duration::from_millis(200)),
                    1 => apply.sequential(),
                    _ => apply,
                };
                let job = apply.spawn_rows(|_: i64| thread::sleep(STEP));
                // When all workers are in these closures, the call waits for its turn.
                let busy = Busy::all_of(&pool);
                match way {
                    0 => {}
                    3 => job.cancel(),
                    _ => token.cancel(),
                }
                cancelled(&job.get().unwrap_err());
                drop(busy);
            }
        }
    });
}

/// Callbacks of a job whose checks fail may hold a lock and call the pool.
#[test]
fn callbacks_that_hold_a_lock_may_call_the_pool() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let lock = Arc::new(Mutex::new(()));
        let df = counting(10);
        for round in 0..3 {
            let (inner, held) = (pool.clone(), lock.clone());
            let busy = Busy::all_of(&pool);
            let apply = df.par_apply().pool(&pool);
            let job = match round {
                // The column is not text.
                0 => apply.spawn_rows(|_: &str| 0),
                1 => apply.select(["none"]).spawn_rows(|_: &str| 0),
                _ => apply.names(["a", "b"]).spawn_rows(|_: &str| 0),
            };
            let job = job.on_error(move |_| {
                let _held = held.lock().unwrap();
                let slow = |_: usize| thread::sleep(STEP);
                inner.map(0..20, slow).map(|_: Vec<()>| ()).unwrap();
            });
            let wanted = lock.clone();
            let locks = pool.apply_async(move || drop(wanted.lock().unwrap()));
            drop(busy);
            locks.get().unwrap();
            job.get().unwrap_err();
        }
    });
}
