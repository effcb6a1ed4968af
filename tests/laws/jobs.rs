//! Jobs: how each ends, which callbacks it calls, and what it keeps alive.

use std::any::Any;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result};

use crate::frames::watched;

/// Longer than any test may take.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// A gate at which threads wait until it is opened.
#[derive(Clone, Default)]
pub(crate) struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
    }
}

/// Keeps every worker of an owned pool busy, until it is dropped.
pub(crate) struct Busy(Latch);

impl Busy {
    pub(crate) fn all_of(pool: &Pool) -> Self {
        let go = Latch::default();
        let (begun, all) = mpsc::channel();
        for _ in 0..pool.workers() {
            let (go, begun) = (go.clone(), begun.clone());
            pool.apply_async(move || {
                begun.send(()).unwrap();
                go.wait();
            })
            .detach();
        }
        all.iter().take(pool.workers()).for_each(drop);
        Busy(go)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Counts how often each of some values was made, and how often it was dropped.
#[derive(Clone)]
pub(crate) struct Drops(Arc<Vec<[AtomicUsize; 2]>>);

impl Drops {
    pub(crate) fn of(values: usize) -> Self {
        Drops(Arc::new((0..values).map(|_| Default::default()).collect()))
    }

    pub(crate) fn value(&self, number: usize) -> Counted {
        self.0[number][0].fetch_add(1, SeqCst);
        Counted(number, self.clone())
    }

    /// Returns how often each was made, and checks that it was dropped as often.
    #[track_caller]
    pub(crate) fn made(&self, what: &str) -> Vec<usize> {
        let count = |[made, dropped]: &[AtomicUsize; 2]| (made.load(SeqCst), dropped.load(SeqCst));
        let counts = self.0.iter().map(count).enumerate();
        counts
            .map(|(number, (made, dropped))| {
                assert_eq!(dropped, made, "{what}: value {number} was not dropped once");
                made
            })
            .collect()
    }
}

pub(crate) struct Counted(usize, Drops);

impl Counted {
    /// A closure that calls this captures the value, and not only its number.
    pub(crate) fn number(&self) -> usize {
        self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.0[self.0][1].fetch_add(1, SeqCst);
    }
}

/// Its drop panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "dropped");
    }
}

/// Returns what a result is, as a word.
pub(crate) fn word<T>(result: &Result<T>) -> &'static str {
    result.as_ref().map_or_else(word_of, |_| "value")
}

pub(crate) fn word_of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Closure { .. } => "error",
        ErrorKind::Panic { .. } => "panic",
        ErrorKind::Cancelled { .. } => "cancelled",
        ErrorKind::PoolClosed { terminated, .. } if *terminated => "terminated",
        ErrorKind::PoolClosed { .. } => "closed",
        ErrorKind::Timeout { .. } => "timeout",
        ErrorKind::Taken => "taken",
        _ => "other",
    }
}

/// What a job's callbacks were called with, as words.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<&'static str>>>);

impl Heard {
    /// Returns the job with a callback of each kind.
    pub(crate) fn of<T: 'static>(&self, job: Job<T>) -> Job<T> {
        let (value, error) = (self.clone(), self.clone());
        job.on_success(move |_| value.0.lock().unwrap().push("value"))
            .on_error(move |told| error.0.lock().unwrap().push(word_of(told)))
    }

    pub(crate) fn words(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }
}

/// The fields of the error of something that was cancelled: how many items were done, of how many.
#[track_caller]
pub(crate) fn cancelled(error: &Error) -> (usize, usize) {
    let ErrorKind::Cancelled { done, total, .. } = error.kind() else {
        panic!("{error:?}")
    };
    (*done, *total)
}

/// A pool of one worker, one of three, and Polars' own.
pub(crate) fn pools() -> [Pool; 3] {
    [
        Pool::new(1).unwrap(),
        Pool::new(3).unwrap(),
        Pool::default(),
    ]
}

#[test]
fn a_job_can_go_anywhere() {
    fn anywhere<T: Send + Sync + Unpin + 'static>() {}
    anywhere::<Job<std::cell::Cell<i32>>>();
    watched(|| {
        let job = Pool::default().apply_async(|| 5);
        assert_eq!(thread::spawn(|| job.get().unwrap()).join().unwrap(), 5);
    });
}

#[test]
fn the_result_is_what_the_closure_returns() {
    watched(|| {
        for pool in pools() {
            assert_eq!(pool.apply_async(|| "text").get().unwrap(), "text");
            pool.apply_async(|| ()).get().unwrap();
            assert_eq!(pool.apply_async(|| [7u8; 4096]).get().unwrap(), [7; 4096]);
            let parse = |text: &'static str| move || text.parse::<i32>();
            let value: i32 = pool.apply_async(parse("5")).get().unwrap();
            assert_eq!(value, 5);
            // The value, or the `Result` itself, depending on the type.
            let failed: Result<i32> = pool.apply_async(parse("x")).get();
            assert_eq!(word(&failed), "error");
            let each: Job<Result<i32, std::num::ParseIntError>> = pool.apply_async(parse("x"));
            assert!(each.get().unwrap().is_err());

            let doubled = pool.map_async(vec![1, 2, 3], |i| i * 2).get().unwrap();
            assert_eq!(doubled, [2, 4, 6]);
            let none = pool.map_async(Vec::<i32>::new(), |i| i).get().unwrap();
            assert!(none.is_empty());
            let many = pool.map_async(0..10_000u32, |i| i + 1).get().unwrap();
            assert!(many.into_iter().eq(1..10_001));
            let powers = pool.starmap_async(vec![(2u64, 10u32), (3, 4)], u64::pow);
            assert_eq!(powers.get().unwrap(), [1024, 81]);
        }
    });
}

#[test]
fn an_error_has_its_place_and_its_cause() {
    watched(|| {
        for pool in pools() {
            let job: Job<()> = pool.apply_async(|| Err(io::Error::other("no disk")));
            let error = job.get().unwrap_err();
            let at_job = |kind: &ErrorKind| {
                matches!(
                    kind,
                    ErrorKind::Closure {
                        place: Place::Job,
                        ..
                    }
                )
            };
            assert!(at_job(error.kind()));
            let message = "the closure returned an error: no disk";
            assert_eq!(error.to_string(), message);
            assert!(error.cause().unwrap().is::<io::Error>());
            assert_eq!((error.index(), error.row()), (None, None));

            let even = |i: i32| match i % 2 {
                0 => Ok(i),
                _ => Err(io::Error::other(format!("odd: {i}"))),
            };
            for _ in 0..20 {
                let job: Job<Vec<i32>> = pool.map_async((0..500).map(|i| 2 * i + i / 300), even);
                let error = job.get().unwrap_err();
                assert_eq!(error.index(), Some(300));
                assert!(error.cause().unwrap().is::<io::Error>());
            }
            let sum = |a: i32, b: i32| a.checked_add(b).ok_or(io::Error::other("too much"));
            let job: Job<Vec<i32>> = pool.starmap_async([(1, 2), (i32::MAX, 1)], sum);
            assert_eq!(job.get().unwrap_err().index(), Some(1));
        }
    });
}

#[test]
fn a_panic_is_the_job_s_error() {
    struct Payload {
        _drops: Bomb,
    }
    type Panics = fn();
    let panics: [(Panics, &str); 4] = [
        (|| panic!("a text"), "a text"),
        (|| panic!("a number, {}", 5), "a number, 5"),
        (|| std::panic::panic_any(5), "its payload is not text"),
        (
            || std::panic::panic_any(Payload { _drops: Bomb }),
            "its payload is not text",
        ),
    ];
    watched(move || {
        for pool in pools() {
            for (panic, message) in panics {
                let error = pool.apply_async(panic).get().unwrap_err();
                let ErrorKind::Panic {
                    place, message: is, ..
                } = error.kind()
                else {
                    panic!("{error:?}")
                };
                assert_eq!((place, is.as_str()), (&Place::Job, message));
                let map = pool.map_async(0..100, move |i| {
                    if i == 42 {
                        panic();
                    }
                });
                let error = map.get().unwrap_err();
                assert_eq!((word_of(&error), error.index()), ("panic", Some(42)));
            }
            assert_eq!(pool.apply_async(|| 5).get().unwrap(), 5);
        }
    });
}

#[test]
fn in_time_or_later() {
    watched(|| {
        for pool in pools() {
            let (begun, go) = (Latch::default(), Latch::default());
            let (begins, wait) = (begun.clone(), go.clone());
            let mut job = pool.apply_async(move || {
                begins.open();
                wait.wait();
                5
            });
            for timeout in [Duration::ZERO, Duration::from_millis(1)] {
                let early = job.get_timeout(timeout).unwrap_err();
                assert!(
                    matches!(early.kind(), ErrorKind::Timeout { waited, .. } if *waited == timeout)
                );
                assert!(!job.wait_timeout(timeout));
            }
            assert!(!job.is_ready());
            assert_eq!(job.successful(), None);
            begun.wait();
            assert_eq!(job.progress().state, TickState::Running);
            assert!(format!("{job:?}").contains("Running"));
            go.open();
            job.wait();
            assert!(job.wait_timeout(Duration::ZERO) && job.wait_timeout(Duration::MAX));
            assert!(job.is_ready());
            assert_eq!(job.successful(), Some(true));
            assert_eq!(job.get_timeout(Duration::ZERO).unwrap(), 5);
            // The result is taken, and was a success.
            assert_eq!(word(&job.get_timeout(LONG)), "taken");
            assert_eq!((job.is_ready(), job.successful()), (true, Some(true)));
            assert_eq!(job.progress().state, TickState::Finished);
            assert_eq!(word(&job.get()), "taken");

            let mut failed: Job<()> = pool.apply_async(|| Err(io::Error::other("no")));
            assert_eq!(word(&failed.get_timeout(Duration::MAX)), "error");
            assert_eq!(failed.successful(), Some(false));
            let tick = failed.progress();
            assert_eq!((tick.done, tick.total, tick.failures), (1, 1, 1));
            assert_eq!(tick.state, TickState::Failed);
            assert_eq!(word(&failed.get()), "taken");
        }
    });
}

#[test]
fn cancelled_before_it_has_begun() {
    watched(|| {
        for workers in [1, 2] {
            let pool = Pool::new(workers).unwrap();
            let busy = Busy::all_of(&pool);
            let (drops, heard) = (Drops::of(1), Heard::default());
            let held = drops.value(0);
            let called_by = Arc::new(Mutex::new(None));
            let by = called_by.clone();
            let job = pool
                .apply_async(move || -> i32 { panic!("called, with {}", held.number()) })
                .on_error(move |_| *by.lock().unwrap() = Some(thread::current().id()));
            let job = heard.of(job);
            job.cancel();
            // The job ends at once, although no worker is free.
            assert_eq!(drops.made("cancelled"), [1]);
            assert_eq!(heard.words(), ["cancelled"]);
            assert_eq!(*called_by.lock().unwrap(), Some(thread::current().id()));
            assert_eq!((job.is_ready(), job.successful()), (true, Some(false)));
            assert_eq!(job.progress().state, TickState::Cancelled);
            job.cancel();
            assert_eq!(cancelled(&job.get().unwrap_err()), (0, 1));
            assert_eq!(heard.words(), ["cancelled"]);

            let items = Drops::of(100);
            let values: Vec<Counted> = (0..100).map(|i| items.value(i)).collect();
            let map = pool.map_async(values, |item| item.number());
            map.cancel();
            assert_eq!(items.made("cancelled"), [1; 100]);
            assert_eq!(cancelled(&map.get().unwrap_err()), (0, 100));
            drop(busy);
            assert_eq!(pool.apply_async(|| 5).get().unwrap(), 5);
        }
    });
}

#[test]
fn cancelled_after_its_end() {
    watched(|| {
        for pool in pools() {
            let heard = Heard::default();
            let job = heard.of(pool.apply_async(|| 5));
            job.wait();
            job.cancel();
            assert_eq!(job.successful(), Some(true));
            assert_eq!(heard.words(), ["value"]);
            assert_eq!(job.get().unwrap(), 5);
        }
    });
}

/// A map has items on all workers when `end` cancels it.
fn ends_early(pool: &Pool, end: impl FnOnce(&Pool, Job<Vec<()>>) -> Option<Job<Vec<()>>>) {
    let (go, calls) = (Latch::default(), Arc::new(AtomicUsize::new(0)));
    let (begun, all) = mpsc::channel();
    let heard = Heard::default();
    let job = {
        let (go, calls) = (go.clone(), calls.clone());
        heard.of(pool.map_async(0..100_000, move |_: i32| {
            calls.fetch_add(1, SeqCst);
            begun.send(()).unwrap();
            go.wait();
        }))
    };
    // As many workers as possible are in an item.
    all.iter().take(pool.workers()).for_each(drop);
    let job = end(pool, job);
    go.open();
    if let Some(job) = job {
        let error = job.get().unwrap_err();
        assert_eq!(cancelled(&error), (calls.load(SeqCst), 100_000));
    }
    pool.join().unwrap();
    assert_eq!(calls.load(SeqCst), pool.workers());
    assert_eq!(heard.words(), ["cancelled"]);
}

#[test]
fn a_map_ends_with_the_items_that_it_is_in() {
    watched(|| {
        for workers in [1, 3] {
            let pool = Pool::new(workers).unwrap();
            ends_early(&pool, |_, job| {
                job.cancel();
                job.cancel();
                Some(job)
            });
            ends_early(&pool, |_, job| {
                drop(job);
                None
            });
            ends_early(&pool, |pool, job| {
                pool.terminate();
                Some(job)
            });
            assert_eq!(word(&pool.apply_async(|| 5).get()), "terminated");
        }
    });
}

#[test]
fn the_value_of_a_closure_that_runs_is_kept() {
    watched(|| {
        for pool in pools() {
            let (begun, go, heard) = (Latch::default(), Latch::default(), Heard::default());
            let (began, wait) = (begun.clone(), go.clone());
            let job = heard.of(pool.apply_async(move || {
                began.open();
                wait.wait();
                5
            }));
            begun.wait();
            job.cancel();
            assert!(!job.is_ready());
            go.open();
            assert_eq!(job.get().unwrap(), 5);
            assert_eq!(heard.words(), ["value"]);
        }
    });
}

#[test]
fn a_token_is_cancelled_with_its_job() {
    watched(|| {
        let give = |pool: &Pool, begun: &Latch, token: &CancelToken| -> Job<()> {
            let (began, wanted) = (begun.clone(), token.clone());
            pool.apply_async(move || {
                began.open();
                loop {
                    wanted
                        .check()
                        .map_err(|error| anyhow::Error::new(error).context("cut off"))?;
                    thread::yield_now();
                    if false {
                        return Ok::<_, anyhow::Error>(());
                    }
                }
            })
        };
        for pool in pools() {
            for early in [true, false] {
                let (token, other, begun) =
                    (CancelToken::new(), CancelToken::new(), Latch::default());
                let mut job = give(&pool, &begun, &token);
                if early {
                    begun.wait();
                    job = job.cancels(&other).cancels(&token);
                    job.cancel();
                } else {
                    begun.wait();
                    job.cancel();
                    // A token that is given after the cancel cancels it at once.
                    job = job.cancels(&other).cancels(&token);
                }
                assert_eq!(cancelled(&job.get().unwrap_err()), (0, 1));
                assert!(other.is_cancelled());
            }
            let (token, begun) = (CancelToken::new(), Latch::default());
            let (heard, job) = (
                Heard::default(),
                give(&pool, &begun, &token).cancels(&token),
            );
            let job = heard.of(job);
            begun.wait();
            drop(job);
            pool.join().unwrap();
            assert_eq!(heard.words(), ["cancelled"]);
            // A job that ends by itself does not cancel the token.
            let token = CancelToken::new();
            assert_eq!(pool.apply_async(|| 5).cancels(&token).get().unwrap(), 5);
            assert!(!token.is_cancelled());
            // The job was not cancelled itself. It failed, with the error of another token.
            let (token, begun) = (CancelToken::new(), Latch::default());
            token.cancel();
            assert_eq!(word(&give(&pool, &begun, &token).get()), "error");
            // Any other error of a cancelled job is not lost either.
            let (token, begun) = (CancelToken::new(), Latch::default());
            let (began, wanted) = (begun.clone(), token.clone());
            let job: Job<()> = pool.apply_async(move || {
                began.open();
                while !wanted.is_cancelled() {
                    thread::yield_now();
                }
                Err(io::Error::other("no disk"))
            });
            let job = job.cancels(&token);
            begun.wait();
            job.cancel();
            assert_eq!(word(&job.get()), "error");
        }
        let (pool, token, begun) = (Pool::new(1).unwrap(), CancelToken::new(), Latch::default());
        let job = give(&pool, &begun, &token).cancels(&token);
        begun.wait();
        pool.terminate();
        assert_eq!(word(&job.get()), "cancelled");
    });
}

#[test]
fn a_token_cancels_the_jobs_that_have_it() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let token = CancelToken::new();
        let (begun, go) = (Latch::default(), Latch::default());
        let (began, wait) = (begun.clone(), go.clone());
        let runs = pool.apply_async(move || {
            began.open();
            wait.wait();
            5
        });
        let (heard, runs) = (Heard::default(), runs.cancel_token(&token));
        begun.wait();
        let done = heard.of(pool.apply_async(|| 5)).cancel_token(&token);
        done.wait();
        // One of them keeps the other worker.
        let (begun, busy) = (Latch::default(), Latch::default());
        let (began, wait) = (begun.clone(), busy.clone());
        pool.apply_async(move || {
            began.open();
            wait.wait();
        })
        .detach();
        begun.wait();
        let drops = Drops::of(10);
        let queued: Vec<Job<usize>> = (0..10)
            .map(|i| {
                let held = drops.value(i);
                let job = pool.apply_async(move || held.number());
                heard.of(job).cancel_token(&token).cancel_token(&token)
            })
            .collect();
        let spared = pool.apply_async(|| 5);
        token.cancel();
        assert_eq!(drops.made("cancelled by a token"), [1; 10]);
        assert_eq!(heard.words()[..2], ["value", "cancelled"]);
        assert_eq!(heard.words().len(), 11);
        for job in queued {
            assert_eq!(cancelled(&job.get().unwrap_err()), (0, 1));
        }
        // A token that is already cancelled does so at once.
        let late = heard.of(pool.map_async(0..7, |i| i)).cancel_token(&token);
        assert_eq!(cancelled(&late.get().unwrap_err()), (0, 7));
        go.open();
        busy.open();
        assert_eq!((runs.get().unwrap(), done.get().unwrap()), (5, 5));
        assert_eq!(spared.get().unwrap(), 5);

        // Tokens may be linked in a circle.
        let (one, two) = (CancelToken::new(), CancelToken::new());
        let busy = Busy::all_of(&pool);
        let first = pool.apply_async(|| 5).cancel_token(&one).cancels(&two);
        let second = pool.apply_async(|| 5).cancel_token(&two).cancels(&one);
        let own = pool.apply_async(|| 5).cancel_token(&two).cancels(&two);
        second.cancel();
        assert!(one.is_cancelled() && two.is_cancelled());
        for job in [first, second, own] {
            assert_eq!(word(&job.get()), "cancelled");
        }
        drop(busy);
    });
}

#[test]
fn a_map_ends_by_a_token_too() {
    watched(|| {
        for workers in [1, 3] {
            let pool = Pool::new(workers).unwrap();
            for early in [true, false] {
                let token = CancelToken::new();
                ends_early(&pool, |_, job| {
                    if early {
                        let job = job.cancel_token(&token);
                        token.cancel();
                        Some(job)
                    } else {
                        token.cancel();
                        Some(job.cancel_token(&token))
                    }
                });
            }
        }
    });
}

#[test]
fn detached_it_goes_on() {
    watched(|| {
        for pool in pools() {
            let (go, heard, drops) = (Latch::default(), Heard::default(), Drops::of(2));
            let (wait, value) = (go.clone(), drops.clone());
            let job = pool.apply_async(move || {
                wait.wait();
                value.value(0)
            });
            heard.of(job).detach();
            let value = drops.clone();
            let done = pool.apply_async(move || value.value(1));
            go.open();
            done.wait();
            done.detach();
            pool.join().unwrap();
            assert_eq!(heard.words(), ["value"]);
            assert_eq!(drops.made("detached"), [1, 1]);
        }
        let pool = Pool::new(1).unwrap();
        let (busy, heard) = (Busy::all_of(&pool), Heard::default());
        heard.of(pool.apply_async(|| 5)).detach();
        heard.of(pool.map_async(0..5, |i| i)).detach();
        assert!(heard.words().is_empty());
        drop(busy);
        pool.join().unwrap();
        assert_eq!(heard.words(), ["value", "value"]);
    });
}

#[test]
fn callbacks_come_before_the_result() {
    watched(|| {
        for pool in pools() {
            let (go, order) = (Latch::default(), Arc::new(Mutex::new(Vec::new())));
            let (wait, note) = (go.clone(), |what: &'static str| {
                let order = order.clone();
                move || order.lock().unwrap().push(what)
            });
            let (first, second, third, never) = (note("1"), note("2"), note("3"), note("never"));
            let (telling, told) = (Latch::default(), Latch::default());
            let (tells, tell) = (telling.clone(), told.clone());
            let mut job = pool
                .apply_async(move || {
                    wait.wait();
                    5
                })
                .on_success(move |value| {
                    assert_eq!(*value, 5);
                    tells.open();
                    tell.wait();
                    first();
                })
                .on_error(move |_| never())
                .on_success(move |_| second());
            go.open();
            telling.wait();
            // A job is done when its callbacks are.
            assert_eq!(word(&job.get_timeout(Duration::from_millis(1))), "timeout");
            assert_eq!((job.is_ready(), job.successful()), (false, None));
            // A callback that is registered meanwhile is called in its turn.
            job = job.on_success(move |_| third());
            told.open();
            assert_eq!(job.get_timeout(LONG).unwrap(), 5);
            assert_eq!(*order.lock().unwrap(), ["1", "2", "3"]);
        }
    });
}

#[test]
fn callbacks_after_the_end_are_called_here() {
    watched(|| {
        for pool in pools() {
            let here = thread::current().id();
            let job = pool.apply_async(|| 5);
            job.wait();
            let heard = Heard::default();
            let job = heard.of(job.on_success(move |_| assert_eq!(thread::current().id(), here)));
            let job = heard.of(job);
            assert_eq!(heard.words(), ["value", "value"]);
            // A panic in a callback only reaches the panic hook.
            let job = heard.of(job.on_success(|_| panic!("a callback's")));
            assert_eq!(heard.words(), ["value"; 3]);
            assert_eq!(job.get().unwrap(), 5);

            let job = pool.apply_async(|| -> i32 { panic!("the job's") });
            job.wait();
            let heard = Heard::default();
            let job = heard.of(job.on_error(|_| panic!("a callback's")));
            assert_eq!(heard.words(), ["panic"]);
            assert_eq!(word(&job.get()), "panic");
        }
    });
}

#[test]
fn a_callback_s_panic_harms_nothing_else() {
    watched(|| {
        for pool in pools() {
            for _ in 0..5 {
                let (go, heard) = (Latch::default(), Heard::default());
                let wait = go.clone();
                let job = pool
                    .apply_async(move || {
                        wait.wait();
                        5
                    })
                    .on_success(|_| panic!("a callback's"))
                    .on_success(|_| std::panic::panic_any(Bomb));
                let job = heard.of(job).on_success(|_| panic!("another's"));
                let bombs = [Bomb, Bomb];
                let (first, second) = (Bomb, Bomb);
                let job = job
                    .on_error(move |_| drop(bombs))
                    .on_error(move |_| drop(first))
                    .on_error(move |_| drop(second));
                go.open();
                assert_eq!(job.get().unwrap(), 5);
                assert_eq!(heard.words(), ["value"]);
            }
            let met = Arc::new(Barrier::new(pool.workers()));
            if matches!(format!("{pool:?}"), own if own.contains("Own")) {
                let all: Vec<_> = (0..pool.workers())
                    .map(|_| {
                        let met = met.clone();
                        pool.apply_async(move || met.wait().is_leader())
                    })
                    .collect();
                // No worker was lost.
                let leaders = all.into_iter().map(|job| usize::from(job.get().unwrap()));
                assert_eq!(leaders.sum::<usize>(), 1);
            }
        }
    });
}

#[test]
fn a_callback_may_use_the_pool() {
    watched(|| {
        for pool in pools() {
            let (told, tell) = mpsc::channel();
            let inner = pool.clone();
            pool.apply_async(|| 5)
                .on_success(move |value| {
                    let value = *value;
                    let squared = inner.apply_async(move || value * value).get().unwrap();
                    let map = inner.map(0..3, |i| i + squared).unwrap();
                    told.send(map).unwrap();
                })
                .detach();
            assert_eq!(tell.recv().unwrap(), [25, 26, 27]);
        }
    });
}

/// What becomes of a job in a pool of one worker, depending on how it is given, what its closure does, and what its holder does.
struct Way {
    name: &'static str,
    waits: bool,
    closed: bool,
    returns: fn(Counted) -> anyhow::Result<Counted>,
    holder: fn(&Pool, Job<Counted>, &Latch, &Latch),
    hears: &'static str,
}

const RUNS: Way = Way {
    name: "got",
    waits: false,
    closed: false,
    returns: Ok,
    holder: |_, job, _, go| {
        go.open();
        assert_eq!(job.get().unwrap().number(), 1);
    },
    hears: "value",
};

const ENDS: fn(&Pool, Job<Counted>, &Latch, &Latch) = |_, job, _, go| {
    go.open();
    assert!(job.get().is_err());
};

const WAYS: [Way; 15] = [
    RUNS,
    Way {
        name: "got in time",
        holder: |_, mut job, _, go| {
            go.open();
            job.get_timeout(LONG).unwrap();
            assert_eq!(word(&job.get()), "taken");
        },
        ..RUNS
    },
    Way {
        name: "an error",
        returns: |_| anyhow::bail!("no"),
        holder: ENDS,
        hears: "error",
        ..RUNS
    },
    Way {
        name: "a panic",
        returns: |_| panic!("no"),
        holder: ENDS,
        hears: "panic",
        ..RUNS
    },
    Way {
        name: "dropped after its end",
        holder: |_, job, _, go| {
            go.open();
            job.wait();
        },
        ..RUNS
    },
    Way {
        name: "dropped while it runs",
        holder: |_, job, begun, go| {
            begun.wait();
            drop(job);
            go.open();
        },
        ..RUNS
    },
    Way {
        name: "detached",
        holder: |_, job, _, go| {
            job.detach();
            go.open();
        },
        ..RUNS
    },
    Way {
        name: "cancelled while it runs",
        holder: |_, job, begun, go| {
            begun.wait();
            job.cancel();
            go.open();
            assert_eq!(job.get().unwrap().number(), 1);
        },
        ..RUNS
    },
    Way {
        name: "terminated while it runs",
        holder: |pool, job, begun, go| {
            begun.wait();
            pool.terminate();
            go.open();
            assert_eq!(job.get().unwrap().number(), 1);
        },
        ..RUNS
    },
    Way {
        name: "cancelled before",
        waits: true,
        holder: |_, job, _, _| {
            job.cancel();
            assert_eq!(word(&job.get()), "cancelled");
        },
        hears: "cancelled",
        ..RUNS
    },
    Way {
        name: "dropped before",
        waits: true,
        holder: |_, job, _, _| drop(job),
        hears: "cancelled",
        ..RUNS
    },
    Way {
        name: "terminated before",
        waits: true,
        holder: |pool, job, _, _| {
            pool.terminate();
            assert_eq!(word(&job.get()), "cancelled");
        },
        hears: "cancelled",
        ..RUNS
    },
    Way {
        name: "detached and terminated before",
        waits: true,
        holder: |pool, job, _, _| {
            job.detach();
            pool.terminate();
        },
        hears: "cancelled",
        ..RUNS
    },
    Way {
        name: "closed",
        closed: true,
        holder: ENDS,
        hears: "closed",
        ..RUNS
    },
    Way {
        name: "closed, and dropped",
        closed: true,
        holder: |_, job, _, _| drop(job),
        hears: "closed",
        ..RUNS
    },
];

#[test]
fn in_every_way_everything_is_dropped_once_and_one_callback_called() {
    watched(|| {
        for way in WAYS {
            for panics in [false, true] {
                let pool = Pool::new(1).unwrap();
                let busy = way.waits.then(|| Busy::all_of(&pool));
                if way.closed {
                    pool.close();
                }
                // The values that are held by the closure and by each callback, and the result.
                let (drops, heard) = (Drops::of(4), Heard::default());
                let (begun, go) = (Latch::default(), Latch::default());
                let job = {
                    let (begun, go, drops) = (begun.clone(), go.clone(), drops.clone());
                    let held = drops.value(0);
                    pool.apply_async(move || {
                        begun.open();
                        go.wait();
                        let _held = &held;
                        (way.returns)(drops.value(1))
                    })
                };
                let (success, error) = (drops.value(2), drops.value(3));
                let job: Job<Counted> = job
                    .on_success(move |_| assert!(!panics, "{}", success.number()))
                    .on_error(move |_| assert!(!panics, "{}", error.number()));
                let job = heard.of(job);
                (way.holder)(&pool, job, &begun, &go);
                drop(busy);
                pool.join().unwrap();
                let runs = usize::from(!way.waits && !way.closed);
                assert_eq!(drops.made(way.name), [1, runs, 1, 1], "{}", way.name);
                assert_eq!(heard.words(), [way.hears], "{}", way.name);
            }
        }
    });
}

#[test]
fn items_and_results_are_dropped_once() {
    /// What becomes of a map of 1,000 items.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Ends {
        Well,
        WithAnError,
        WithAPanic,
        Cancelled,
        Dropped,
        Terminated,
        CancelledBefore,
        DroppedBefore,
        Refused,
    }
    use Ends::*;
    watched(|| {
        for ends in [
            Well,
            WithAnError,
            WithAPanic,
            Cancelled,
            Dropped,
            Terminated,
            CancelledBefore,
            DroppedBefore,
            Refused,
        ] {
            for workers in [1, 3] {
                let pool = Pool::new(workers).unwrap();
                let waits = matches!(ends, CancelledBefore | DroppedBefore);
                let busy = waits.then(|| Busy::all_of(&pool));
                if ends == Refused {
                    pool.close();
                }
                let (items, results) = (Drops::of(1000), Drops::of(1000));
                let (begun, go) = (Latch::default(), Latch::default());
                let job: Job<Vec<Counted>> = {
                    let (begun, go, results) = (begun.clone(), go.clone(), results.clone());
                    let items: Vec<Counted> = (0..1000).map(|i| items.value(i)).collect();
                    pool.map_async(items, move |item: Counted| {
                        let result = results.value(item.number());
                        if item.number() == 500 {
                            begun.open();
                            go.wait();
                            anyhow::ensure!(ends != WithAnError, "no");
                            assert_ne!(ends, WithAPanic, "no");
                        }
                        Ok(result)
                    })
                };
                let what = format!("{ends:?}, {workers} workers");
                match ends {
                    Well => {
                        go.open();
                        let results = job.get().unwrap();
                        assert!(results.iter().map(Counted::number).eq(0..1000));
                    }
                    WithAnError | WithAPanic => {
                        go.open();
                        assert_eq!(job.get().err().unwrap().index(), Some(500));
                    }
                    Cancelled => {
                        begun.wait();
                        job.cancel();
                        go.open();
                        drop(job.get());
                    }
                    Dropped => {
                        begun.wait();
                        drop(job);
                        go.open();
                    }
                    Terminated => {
                        begun.wait();
                        pool.terminate();
                        go.open();
                        drop(job.get());
                    }
                    CancelledBefore => {
                        job.cancel();
                        assert_eq!(items.made(&what), [1; 1000]);
                    }
                    DroppedBefore => {
                        drop(job);
                        assert_eq!(items.made(&what), [1; 1000]);
                    }
                    Refused => assert_eq!(word(&job.get()), "closed"),
                }
                drop(busy);
                pool.join().unwrap();
                assert_eq!(items.made(&what), [1; 1000], "{what}");
                let made = results.made(&what);
                assert!(made.iter().all(|made| *made <= 1), "{what}");
                assert_eq!(
                    made.iter().sum::<usize>() == 1000,
                    ends == Well || made.iter().all(|made| *made == 1),
                    "{what}"
                );
            }
        }
    });
}

#[test]
fn drops_that_panic_cost_no_worker() {
    watched(|| {
        for workers in [1, 2] {
            let pool = Pool::new(workers).unwrap();
            for _ in 0..5 {
                // The result, if nobody takes it.
                pool.apply_async(|| Bomb).detach();
                pool.map_async(0..10, |i| (i == 3).then_some(Bomb)).detach();
                // The values that the closure holds, if it is called and if it is not.
                let held = Bomb;
                let job = pool.apply_async(move || {
                    let _held = &held;
                    5
                });
                assert_eq!(word(&job.get()), "panic");
                let busy = Busy::all_of(&pool);
                let held = Bomb;
                let job = pool.apply_async(move || drop(held));
                job.cancel();
                assert_eq!(word(&job.get()), "cancelled");
                let bombs = vec![Some(Bomb), None, Some(Bomb)];
                drop(pool.map_async(bombs, |bomb| bomb.is_some()));
                drop(busy);
                // The items that were never reached, and the results of those that were.
                let bombs = vec![None, Some(Bomb), None, Some(Bomb), Some(Bomb)];
                let failed: Job<Vec<Option<Bomb>>> = pool.map_async(bombs, |bomb| match bomb {
                    Some(bomb) => {
                        std::mem::forget(bomb);
                        Err(io::Error::other("a bomb"))
                    }
                    None => Ok(None),
                });
                assert_eq!(failed.get().err().unwrap().index(), Some(1));
                let results: Job<Vec<Bomb>> = pool.map_async(0..20, |i| match i {
                    19 => Err(io::Error::other("the last")),
                    _ => Ok(Bomb),
                });
                assert_eq!(results.get().err().unwrap().index(), Some(19));
            }
            pool.join().unwrap();
            drop(Busy::all_of(&pool));
        }
    });
}

#[test]
fn jobs_begin_in_the_order_they_were_given() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let busy = Busy::all_of(&pool);
        let order = Arc::new(Mutex::new(Vec::new()));
        for i in 0..100 {
            let order = order.clone();
            let note = move || order.lock().unwrap().push(i);
            if i % 3 == 0 {
                pool.map_async(0..1, move |_| note()).detach();
            } else {
                pool.apply_async(note).detach();
            }
            drop(pool.apply_async(|| -> i32 { panic!("called") }));
        }
        drop(busy);
        pool.join().unwrap();
        assert!(order.lock().unwrap().iter().copied().eq(0..100));
    });
}

#[test]
fn a_payload_may_be_anything() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let payload: Box<dyn Any + Send> = Box::new(String::from("carried on"));
        let job = pool.apply_async(move || -> i32 { std::panic::resume_unwind(payload) });
        assert!(job.get().unwrap_err().to_string().ends_with("carried on"));
    });
}
