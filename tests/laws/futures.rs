//! Jobs as futures: with tokio, with pollster, and polled by hand.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::frames::{counting, watched};
use crate::jobs::{Busy, Drops, Heard, LONG, Latch, cancelled, pools, word};

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize, Latch);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        self.1.open();
    }
}

fn poll<T>(job: &mut Job<T>, waker: &Waker) -> Poll<Result<T>> {
    Pin::new(job).poll(&mut Context::from_waker(waker))
}

fn runtimes() -> [tokio::runtime::Runtime; 3] {
    use tokio::runtime::Builder;
    [
        Builder::new_current_thread().enable_time().build().unwrap(),
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap(),
        Builder::new_multi_thread()
            .worker_threads(3)
            .enable_time()
            .build()
            .unwrap(),
    ]
}

/// Awaits jobs of every kind.
async fn every_kind(pool: &Pool) {
    let heard = Heard::default();
    assert_eq!(heard.of(pool.apply_async(|| 5)).await.unwrap(), 5);
    assert_eq!(heard.words(), ["value"]);
    let squares = pool.map_async(0..1000, |i: i64| i * i).await.unwrap();
    assert!(squares.into_iter().eq((0..1000).map(|i| i * i)));
    let powers = pool.starmap_async([(2u64, 3u32)], u64::pow).await;
    assert_eq!(powers.unwrap(), [8]);
    let df = counting(2000);
    let rows = df.par_apply().pool(pool).partitions(20);
    let rows = rows.spawn_rows(|i: i64| i + 1).await.unwrap();
    assert!(rows.i64().unwrap().into_no_null_iter().eq(1..2001));
    let failed: Result<()> = pool.apply_async(|| Err(std::io::Error::other("no"))).await;
    assert_eq!(word(&failed), "error");
    let panicked = pool.apply_async(|| -> i32 { panic!("no") }).await;
    assert_eq!(word(&panicked), "panic");
    let job = pool.map_async(0..10, |i| i);
    job.wait();
    job.cancel();
    assert_eq!(job.await.unwrap().len(), 10);
    let closed = Pool::default();
    closed.close();
    assert_eq!(word(&closed.apply_async(|| 5).await), "closed");
}

#[test]
fn under_pollster() {
    watched(|| {
        for pool in pools() {
            pollster::block_on(every_kind(&pool));
        }
    });
}

#[test]
fn under_tokio() {
    watched(|| {
        for runtime in runtimes() {
            for pool in pools() {
                runtime.block_on(async {
                    every_kind(&pool).await;
                    let tasks: Vec<_> = (0..50)
                        .map(|_| {
                            let pool = pool.clone();
                            tokio::spawn(async move { every_kind(&pool).await })
                        })
                        .collect();
                    for task in tasks {
                        task.await.unwrap();
                    }
                });
            }
        }
    });
}

#[test]
fn in_a_worker_of_the_pool() {
    watched(|| {
        for pool in pools() {
            let inner = pool.clone();
            let job = pool.apply_async(move || {
                pollster::block_on(every_kind(&inner));
                let (first, second) = (inner.apply_async(|| 1), inner.apply_async(|| 2));
                // In reverse order.
                pollster::block_on(async { second.await.unwrap() * 10 + first.await.unwrap() })
            });
            assert_eq!(job.get().unwrap(), 21);
            let inner = pool.clone();
            let chained = pool.map_async(0..20, move |i| {
                let deeper = inner.clone();
                let job = inner.apply_async(move || {
                    pollster::block_on(deeper.apply_async(move || i + 1)).unwrap()
                });
                pollster::block_on(job).unwrap()
            });
            assert!(chained.get().unwrap().into_iter().eq(1..21));
        }
    });
}

#[test]
fn many_at_once_on_one_thread_of_tokio() {
    watched(|| {
        let [runtime, ..] = runtimes();
        let pool = Pool::new(2).unwrap();
        let sum = runtime.block_on(async {
            let jobs: Vec<_> = (0..2000u64).map(|i| pool.apply_async(move || i)).collect();
            let mut sum = 0;
            for job in jobs {
                sum += job.await.unwrap();
            }
            sum
        });
        assert_eq!(sum, 1_999_000);
    });
}

#[test]
fn out_of_time_it_is_dropped_and_cancelled() {
    watched(|| {
        for runtime in runtimes() {
            let pool = Pool::new(1).unwrap();
            let (heard, drops) = (Heard::default(), Drops::of(1));
            let busy = Busy::all_of(&pool);
            let held = drops.value(0);
            let job = heard.of(pool.apply_async(move || held.number()));
            let late = runtime
                .block_on(async { tokio::time::timeout(Duration::from_millis(1), job).await });
            assert!(late.is_err());
            assert_eq!(
                (heard.words(), drops.made("late")),
                (vec!["cancelled"], vec![1])
            );
            drop(busy);
            let in_time = runtime
                .block_on(async { tokio::time::timeout(LONG, pool.apply_async(|| 5)).await });
            assert_eq!(in_time.unwrap().unwrap(), 5);
        }
    });
}

#[test]
fn what_loses_a_race_is_cancelled() {
    watched(|| {
        for runtime in runtimes() {
            let (slow, fast) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
            let (heard, token, begun) = (Heard::default(), CancelToken::new(), Latch::default());
            let (wanted, began) = (token.clone(), begun.clone());
            let job: Job<()> = slow
                .apply_async(move || {
                    began.open();
                    while !wanted.is_cancelled() {
                        std::thread::yield_now();
                    }
                    wanted.check()
                })
                .cancels(&token);
            let job = heard.of(job);
            begun.wait();
            let winner = runtime.block_on(async {
                tokio::select! {
                    _ = job => 0,
                    winner = fast.apply_async(|| 5) => winner.unwrap(),
                }
            });
            assert_eq!(winner, 5);
            slow.join().unwrap();
            assert_eq!(heard.words(), ["cancelled"]);
        }
    });
}

#[test]
fn an_aborted_task_cancels_its_job() {
    watched(|| {
        for runtime in runtimes() {
            let pool = Pool::new(1).unwrap();
            let heard = Heard::default();
            let busy = Busy::all_of(&pool);
            let job = heard.of(pool.apply_async(|| 5));
            runtime.block_on(async {
                let task = tokio::spawn(job);
                task.abort();
                assert!(task.await.unwrap_err().is_cancelled());
            });
            assert_eq!(heard.words(), ["cancelled"]);
            drop(busy);
        }
    });
}

#[test]
fn the_last_waker_is_woken() {
    watched(|| {
        for pool in pools() {
            let go = Latch::default();
            let wait = go.clone();
            let mut job = pool.apply_async(move || {
                wait.wait();
                5
            });
            let (first, last) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
            for _ in 0..3 {
                assert!(poll(&mut job, &first.clone().into()).is_pending());
            }
            assert!(poll(&mut job, &last.clone().into()).is_pending());
            assert_eq!(Arc::strong_count(&first), 1, "it is held no more");
            go.open();
            last.1.wait();
            assert_eq!((first.0.load(SeqCst), last.0.load(SeqCst)), (0, 1));
            let waker = last.clone().into();
            let Poll::Ready(Ok(5)) = poll(&mut job, &waker) else {
                panic!("it was woken")
            };
            // Afterwards the result is gone, as after `get`.
            for _ in 0..2 {
                let Poll::Ready(taken) = poll(&mut job, &waker) else {
                    panic!("it is over")
                };
                assert_eq!(word(&taken), "taken");
            }
            assert_eq!(word(&job.get_timeout(LONG)), "taken");
            assert_eq!(word(&pollster::block_on(job)), "taken");
            assert_eq!(last.0.load(SeqCst), 1);
        }
    });
}

#[test]
fn a_cancel_wakes() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let busy = Busy::all_of(&pool);
        let mut job = pool.map_async(0..10, |i| i);
        let woken = Arc::new(Woken::default());
        assert!(poll(&mut job, &woken.clone().into()).is_pending());
        job.cancel();
        assert_eq!(woken.0.load(SeqCst), 1);
        let error = pollster::block_on(job).unwrap_err();
        assert_eq!(cancelled(&error), (0, 10));
        let mut job = pool.apply_async(|| 5);
        let woken = Arc::new(Woken::default());
        assert!(poll(&mut job, &woken.clone().into()).is_pending());
        pool.terminate();
        assert_eq!(woken.0.load(SeqCst), 1);
        assert_eq!(word(&pollster::block_on(job)), "cancelled");
        drop(busy);
    });
}

/// Panics when it is woken.
struct Startled;

impl Wake for Startled {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn a_waker_that_panics_harms_nothing() {
    watched(|| {
        for pool in pools() {
            let go = Latch::default();
            let wait = go.clone();
            let heard = Heard::default();
            let mut job = heard.of(pool.apply_async(move || {
                wait.wait();
                5
            }));
            assert!(poll(&mut job, &Arc::new(Startled).into()).is_pending());
            go.open();
            assert_eq!(job.get().unwrap(), 5);
            assert_eq!(heard.words(), ["value"]);
            pool.join().unwrap();
            assert_eq!(pool.apply(|| 5).unwrap(), 5);
        }
    });
}

#[test]
fn a_future_that_was_polled_is_dropped() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let (begun, go, drops) = (Latch::default(), Latch::default(), Drops::of(2));
        let (began, wait, made) = (begun.clone(), go.clone(), drops.clone());
        let token = CancelToken::new();
        let held = drops.value(0);
        let mut job = pool
            .apply_async(move || {
                let _held = &held;
                began.open();
                wait.wait();
                made.value(1)
            })
            .cancels(&token);
        let woken = Arc::new(Woken::default());
        begun.wait();
        assert!(poll(&mut job, &woken.clone().into()).is_pending());
        drop(job);
        assert!(token.is_cancelled());
        go.open();
        pool.join().unwrap();
        assert_eq!(drops.made("dropped"), [1, 1]);
        assert_eq!(Arc::strong_count(&woken), 1, "its waker is held no more");
    });
}

#[test]
fn one_that_is_pinned_elsewhere() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        pollster::block_on(async {
            let mut job = pin!(pool.apply_async(|| 5));
            assert_eq!(job.as_mut().await.unwrap(), 5);
            assert_eq!(word(&job.await), "taken");
        });
    });
}
