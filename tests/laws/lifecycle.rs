//! The life of a pool: how it is made, closed, waited for and terminated, and what is still possible afterwards.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use polars_core::runtime::RAYON;
use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result};

use crate::frames::{alone, counting, faults, watched};
use crate::jobs::{Busy, Drops, Heard, Latch, cancelled, word, word_of};

/// Returns the number of threads of this process that have this name.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let named = tasks.filter(|task| {
        // A thread that has ended meanwhile has no name.
        let task = task.as_ref().unwrap().path();
        std::fs::read_to_string(task.join("comm")).is_ok_and(|is| is.trim_end() == name)
    });
    named.count()
}

/// Waits until there are this many.
#[cfg(target_os = "linux")]
fn until_threads_named(name: &str, threads: usize) {
    while threads_named(name) != threads {
        thread::sleep(Duration::from_millis(1));
    }
}

fn named(name: &'static str, workers: usize) -> Pool {
    let pool = Pool::builder().workers(workers);
    pool.thread_name(move |_| name.into()).build().unwrap()
}

#[test]
fn closures_see_their_threads_names() {
    watched(|| {
        for (pool, prefix) in [
            (Pool::new(3), "par-apply-"),
            (
                Pool::builder()
                    .workers(3)
                    .thread_name(|worker| format!("parser {worker}"))
                    .build(),
                "parser ",
            ),
        ] {
            let pool = pool.unwrap();
            assert_eq!(pool.workers(), 3);
            let met = Arc::new(Barrier::new(3));
            let jobs: Vec<_> = (0..3)
                .map(|_| {
                    let met = met.clone();
                    pool.apply_async(move || {
                        met.wait();
                        thread::current().name().unwrap().to_string()
                    })
                })
                .collect();
            let names: BTreeSet<_> = jobs.into_iter().map(|job| job.get().unwrap()).collect();
            assert!(
                names
                    .into_iter()
                    .eq((0..3).map(|worker| format!("{prefix}{worker}")))
            );
        }
    });
}

/// Uses `pages` times 4 KiB of stack.
fn deep(pages: usize) -> usize {
    let page = black_box([pages as u8; 4096]);
    match pages {
        0 => usize::from(page[7]),
        _ => deep(pages - 1) + usize::from(black_box(&page)[9] == pages as u8),
    }
}

#[test]
fn the_stack_is_as_large_as_asked_for() {
    alone("lifecycle::a_stack_of_64_mib", |command| command);
}

#[test]
#[ignore = "run by the_stack_is_as_large_as_asked_for, in a process of its own"]
fn a_stack_of_64_mib() {
    watched(|| {
        let pool = Pool::builder()
            .workers(2)
            .stack_size(64 << 20)
            .build()
            .unwrap();
        let pages = (16 << 20) / 4096;
        assert_eq!(pool.apply(|| deep(pages)).unwrap(), pages);
        assert_eq!(pool.map([pages; 4], deep).unwrap(), [pages; 4]);
        let df = counting(2);
        let parts = df.par_apply().pool(&pool).partitions(2);
        let depth = parts.spawn_chunks(move |_: DataFrame| deep(pages) as u64);
        assert_eq!(
            depth.get().unwrap().u64().unwrap().sum(),
            Some(2 * pages as u64)
        );
    });
}

#[test]
fn a_pool_that_cannot_be_made() {
    let of = |workers| Pool::builder().workers(workers);
    for (builder, says) in [
        (of(0), "0 workers cannot run anything; give 1 or more"),
        (
            of(4097),
            "4097 workers are more than the 4096 that a pool can have; give fewer",
        ),
        (of(usize::MAX), "give fewer"),
        (of(2).thread_name(|worker| format!("w\0{worker}")), "NUL"),
        (of(2).stack_size(usize::MAX / 2), "cannot be started"),
    ] {
        let error = builder.build().unwrap_err();
        let ErrorKind::Option {
            option, message, ..
        } = error.kind()
        else {
            panic!("{error:?}")
        };
        let of_name = says == "NUL";
        assert_eq!(*option, if of_name { "thread_name" } else { "Pool::new" });
        assert!(message.contains(says), "{message}");
    }
    assert!(Pool::new(0).is_err());
}

#[test]
fn by_default_a_pool_is_as_wide_as_there_are_cpus() {
    assert!(available_workers() >= 1);
    assert_eq!(
        Pool::builder().build().unwrap().workers(),
        available_workers()
    );
    assert_eq!(Pool::default().workers(), RAYON.current_num_threads());
}

fn called<A, R>(_: A) -> R {
    panic!("called")
}

/// Calls every verb; none of them may call its closure.
#[track_caller]
fn refuses_everything(pool: &Pool, says: &str) {
    let drops = Drops::of(9);
    let items = |number| vec![drops.value(number)];
    let is_refused = |result: Result<()>| assert_eq!(word(&result), says);
    is_refused(pool.apply(|| called::<_, ()>(())));
    is_refused(pool.map(items(0), called::<_, ()>).map(drop));
    is_refused(
        pool.starmap([(1, 2)], |_: i32, _: i32| called::<_, ()>(()))
            .map(drop),
    );
    is_refused(pool.for_each(items(1), called::<_, ()>));
    let state = || called::<_, ()>(());
    is_refused(
        pool.map_with_state(items(2), state, |(): &mut (), item| called::<_, ()>(item))
            .map(drop),
    );
    is_refused(pool.imap(items(3), called::<_, ()>).next().unwrap());
    is_refused(
        pool.imap_unordered(items(4), called::<_, ()>)
            .next()
            .unwrap(),
    );
    let heard = Heard::default();
    is_refused(heard.of(pool.apply_async(|| called::<_, ()>(()))).get());
    is_refused(
        heard
            .of(pool.map_async(items(5), called::<_, ()>))
            .get()
            .map(drop),
    );
    let job = pool.starmap_async([(1, 2)], |_: i32, _: i32| called::<_, ()>(()));
    is_refused(heard.of(job).get().map(drop));

    let df = counting(100);
    let given = || df.par_apply().pool(pool);
    is_refused(given().rows(|_: i64| called::<_, i64>(())).map(drop));
    is_refused(
        given()
            .sequential()
            .rows(|_: i64| called::<_, i64>(()))
            .map(drop),
    );
    is_refused(given().columns(|_: &Column| called::<_, i64>(())).map(drop));
    is_refused(
        given()
            .chunks(|_: DataFrame| called::<_, i64>(()))
            .map(drop),
    );
    let prepared = || {
        let prepared = given()
            .state(|| called::<_, i32>(()))
            .finish(called::<i32, ()>);
        prepared
            .progress(|_: Tick| called(()))
            .on_error(OnError::Null)
    };
    is_refused(
        prepared()
            .rows(|_: &mut i32, _: i64| called::<_, i64>(()))
            .map(drop),
    );
    let rows = prepared().spawn_rows(|_: &mut i32, _: i64| called::<_, i64>(()));
    is_refused(rows.get().map(drop));
    is_refused(
        heard
            .of(given().spawn_rows(|_: i64| called::<_, i64>(())))
            .get()
            .map(drop),
    );
    is_refused(
        given()
            .spawn_columns(|_: &Column| called::<_, i64>(()))
            .get()
            .map(drop),
    );
    is_refused(
        given()
            .spawn_chunks(|_: DataFrame| called::<_, i64>(()))
            .get()
            .map(drop),
    );
    assert_eq!(heard.words(), [says; 4]);
    // It is one of the faults if there are others.
    let error = given()
        .select(["j"])
        .rows(|_: i64| called::<_, i64>(()))
        .unwrap_err();
    let words: Vec<_> = faults(&error).iter().map(word_of).collect();
    assert!(words.len() == 2 && words.contains(&says), "{error}");
    assert_eq!(drops.made(says), [1, 1, 1, 1, 1, 1, 0, 0, 0]);
}

#[test]
fn a_closed_pool_refuses_every_verb() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(3).unwrap(),
            Pool::default(),
        ] {
            let clone = pool.clone();
            pool.close();
            pool.close();
            refuses_everything(&clone, "closed");
            clone.terminate();
            refuses_everything(&pool, "terminated");
            pool.close();
            refuses_everything(&pool, "terminated");
            pool.join().unwrap();
            refuses_everything(&pool, "terminated");
        }
    });
}

#[test]
fn what_was_given_before_a_close_goes_on() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let busy = Busy::all_of(&pool);
        let df = counting(5000);
        let map = pool.map_async(0..5000, |i| i);
        let rows = df.par_apply().pool(&pool).spawn_rows(|i: i64| i);
        let parts = df.par_apply().pool(&pool).partitions(40);
        let parts = parts.spawn_chunks(|part: DataFrame| part);
        pool.close();
        drop(busy);
        assert_eq!(map.get().unwrap().len(), 5000);
        assert_eq!(rows.get().unwrap().len(), 5000);
        assert_eq!(parts.get().unwrap(), df);
        pool.join().unwrap();
    });
}

#[test]
fn what_comes_from_within_a_closed_pool_is_let_in() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(3).unwrap(),
            Pool::default(),
        ] {
            let (begun, go, heard) = (Latch::default(), Latch::default(), Heard::default());
            let (began, wait, inner, told) =
                (begun.clone(), go.clone(), pool.clone(), heard.clone());
            let all = move || {
                let df = counting(300);
                assert_eq!(inner.apply(|| 5).unwrap(), 5);
                assert_eq!(inner.map(0..9, |i| i).unwrap().len(), 9);
                assert_eq!(inner.imap(0..9, |i| i).count(), 9);
                let rows = df.par_apply().pool(&inner).partitions(30);
                assert_eq!(rows.clone().rows(|i: i64| i).unwrap().len(), 300);
                assert_eq!(rows.spawn_rows(|i: i64| i).get().unwrap().len(), 300);
                // From an item of a map, and from a job of a job that nobody waits for.
                let innermost = inner.clone();
                let items = inner.map_async(0..9, move |i| innermost.apply(|| i).unwrap());
                assert_eq!(items.get().unwrap().len(), 9);
                let (innermost, told) = (inner.clone(), told.clone());
                let job = inner.apply_async(move || {
                    told.of(innermost.map_async(0..9, |i| i)).detach();
                });
                job.detach();
            };
            let job = pool.apply_async(move || {
                began.open();
                wait.wait();
                all();
            });
            begun.wait();
            pool.close();
            refuses_everything(&pool, "closed");
            go.open();
            job.get().unwrap();
            pool.join().unwrap();
            // The join waited for the work that nobody else waited for.
            assert_eq!(heard.words(), ["value"]);
        }
    });
}

#[test]
fn what_comes_from_within_a_terminated_pool_is_refused() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(3).unwrap(),
            Pool::default(),
        ] {
            let (begun, go) = (Latch::default(), Latch::default());
            let (began, wait, inner) = (begun.clone(), go.clone(), pool.clone());
            let job = pool.apply_async(move || {
                began.open();
                wait.wait();
                refuses_everything(&inner, "terminated");
            });
            begun.wait();
            pool.terminate();
            go.open();
            job.get().unwrap();
            pool.join().unwrap();
        }
    });
}

#[test]
fn a_way_into_polars_pool_is_closed_alone() {
    watched(|| {
        let (pool, other) = (Pool::default(), Pool::default());
        let go = Latch::default();
        let wait = go.clone();
        let before = other.apply_async(move || wait.wait());
        pool.terminate();
        refuses_everything(&pool.clone(), "terminated");
        pool.join().unwrap();
        go.open();
        before.get().unwrap();
        let df = counting(3000);
        assert_eq!(other.map(0..5, |i| i).unwrap().len(), 5);
        assert_eq!(df.par_apply_rows(|i: i64| i).unwrap().len(), 3000);
        assert_eq!(
            df.par_apply().pool(&other).rows(|i: i64| i).unwrap().len(),
            3000
        );
        assert_eq!(
            df.par_apply().spawn_rows(|i: i64| i).get().unwrap().len(),
            3000
        );
        // Its drop ends nothing.
        let go = Latch::default();
        let wait = go.clone();
        let job = Pool::default().apply_async(move || wait.wait());
        go.open();
        job.get().unwrap();
    });
}

#[test]
fn a_join_waits_for_jobs_and_their_callbacks() {
    watched(|| {
        for pool in [
            Pool::new(1).unwrap(),
            Pool::new(3).unwrap(),
            Pool::default(),
        ] {
            for _ in 0..20 {
                let (called, told) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
                for n in 0..60 {
                    let (called, first, second) = (called.clone(), told.clone(), told.clone());
                    let job: Job<usize> = pool.apply_async(move || {
                        called.fetch_add(1, SeqCst);
                        if n % 3 == 0 {
                            Err(std::io::Error::other("no"))
                        } else {
                            Ok(n)
                        }
                    });
                    let add = |to: &AtomicUsize| {
                        to.fetch_add(1, SeqCst);
                    };
                    job.on_success(move |_| add(&first))
                        .on_error(move |_| add(&second))
                        .detach();
                }
                pool.join().unwrap();
                assert_eq!((called.load(SeqCst), told.load(SeqCst)), (60, 60));
            }
            assert_eq!(pool.apply(|| 5).unwrap(), 5, "a join closes nothing");
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_join_of_a_closed_pool_waits_for_its_threads() {
    watched(|| {
        for round in 0..20 {
            let pool = named("law-join", 3);
            until_threads_named("law-join", 3);
            pool.map(0..100, |i| i).unwrap();
            pool.join().unwrap();
            assert_eq!(pool.map([1], |i| i).unwrap(), [1]);
            assert_eq!(threads_named("law-join"), 3);
            if round % 2 == 0 {
                pool.close();
            } else {
                pool.terminate();
            }
            // From several threads at the same time, too.
            thread::scope(|scope| {
                for _ in 0..round % 3 {
                    scope.spawn(|| pool.join().unwrap());
                }
                pool.join().unwrap();
            });
            // A thread that is gone may still be listed for a moment.
            until_threads_named("law-join", 0);
            pool.join().unwrap();
        }
    });
}

#[test]
fn terminated_it_ends_what_it_was_given() {
    watched(|| {
        for workers in [1, 2] {
            let pool = Pool::new(workers).unwrap();
            let other = Pool::new(1).unwrap();
            let busy = Busy::all_of(&pool);
            let (drops, heard) = (Drops::of(2), Heard::default());
            let (first, second) = (drops.value(0), drops.value(1));
            let job = pool.apply_async(move || -> i32 { panic!("{}", first.number()) });
            let job = heard.of(job);
            let detached = heard.of(pool.map_async(0..10, move |_| assert_eq!(second.number(), 9)));
            detached.detach();
            let go = Latch::default();
            let wait = go.clone();
            let elsewhere = other.apply_async(move || wait.wait());
            pool.terminate();
            assert_eq!(drops.made("terminated"), [1, 1]);
            assert_eq!(heard.words(), ["cancelled"; 2]);
            assert_eq!(cancelled(&job.get().unwrap_err()), (0, 1));
            drop(busy);
            pool.join().unwrap();
            go.open();
            elsewhere.get().unwrap();
        }
    });
}

/// A call of another thread that has begun when the pool is terminated.
fn terminated_amid(
    workers: usize,
    call: impl FnOnce(&Pool, &(dyn Fn() + Sync)) -> Error + Send,
) -> (usize, usize) {
    let pool = Pool::new(workers).unwrap();
    let (begun, go) = (Latch::default(), Latch::default());
    let calls = AtomicUsize::new(0);
    let item = || {
        calls.fetch_add(1, SeqCst);
        begun.open();
        go.wait();
    };
    let error = thread::scope(|scope| {
        let caller = scope.spawn(|| call(&pool, &item));
        begun.wait();
        pool.terminate();
        go.open();
        caller.join().unwrap()
    });
    let (done, total) = cancelled(&error);
    assert!(calls.into_inner() <= workers.max(1) + 1);
    pool.join().unwrap();
    (done, total)
}

#[test]
fn terminated_amid_a_call_of_another_thread() {
    watched(|| {
        for workers in [1, 3] {
            let (done, total) = terminated_amid(workers, |pool, item| {
                pool.map(0..1000, |_| item()).unwrap_err()
            });
            assert!((1..=workers).contains(&done) && total == 1000);
            let (done, total) = terminated_amid(workers, |pool, item| {
                pool.for_each(0..1000, |_| item()).unwrap_err()
            });
            assert!((1..=workers).contains(&done) && total == 1000);
            let df = counting(1000);
            let (done, total) = terminated_amid(workers, |pool, item| {
                df.par_apply().pool(pool).rows(|_: i64| item()).unwrap_err()
            });
            assert!((1..=workers + 1).contains(&done) && total == 1000, "{done}");
            let (done, total) = terminated_amid(workers, |pool, item| {
                let parts = df.par_apply().pool(pool).chunk_rows(10);
                parts.chunks(|_: DataFrame| item()).unwrap_err()
            });
            assert!(
                (10..=10 * workers).contains(&done) && total == 1000,
                "{done}"
            );
            let wide = (0..50)
                .map(|c| Column::new(format!("{c}").into(), [c]))
                .collect();
            let wide = DataFrame::new(1, wide).unwrap();
            let (done, total) = terminated_amid(workers, |pool, item| {
                wide.par_apply()
                    .pool(pool)
                    .columns(|_: &Column| item())
                    .unwrap_err()
            });
            assert!((1..=workers).contains(&done) && total == 50, "{done}");
        }
    });
}

#[test]
fn terminated_before_a_blocking_call_has_its_turn() {
    watched(|| {
        let pool = Pool::new(1).unwrap();
        let busy = Busy::all_of(&pool);
        let (waiting, come) = mpsc::channel();
        thread::scope(|scope| {
            let calls: Vec<_> = (0..4)
                .map(|verb| {
                    let (pool, waiting) = (&pool, waiting.clone());
                    scope.spawn(move || {
                        waiting.send(()).unwrap();
                        match verb {
                            0 => pool.apply(|| called::<_, ()>(())),
                            1 => pool.map(0..10, called::<i32, ()>).map(drop),
                            2 => pool.for_each(0..10, called::<i32, ()>),
                            _ => {
                                let pair = |_: i32, _: i32| called::<_, ()>(());
                                pool.starmap([(1, 2)], pair).map(drop)
                            }
                        }
                    })
                })
                .collect();
            come.iter().take(4).for_each(drop);
            pool.terminate();
            drop(busy);
            for call in calls {
                // The call may have come too late.
                let result: Result<()> = call.join().unwrap();
                assert!(
                    ["cancelled", "terminated"].contains(&word(&result)),
                    "{result:?}"
                );
            }
        });
    });
}

#[test]
fn terminated_while_jobs_are_given() {
    watched(|| {
        for round in 0..3000u64 {
            let pool = if round % 2 == 0 {
                Pool::default()
            } else {
                Pool::new(1).unwrap()
            };
            let heard = Heard::default();
            let given = thread::scope(|scope| {
                let givers: Vec<_> = (0..2)
                    .map(|_| {
                        scope.spawn(|| {
                            for given in 1.. {
                                let job = heard.of(pool.apply_async(|| ()));
                                match word(&job.get()) {
                                    "value" | "cancelled" => {}
                                    "terminated" => return given,
                                    other => panic!("{other}"),
                                }
                            }
                            0
                        })
                    })
                    .collect();
                thread::sleep(Duration::from_micros(round % 50));
                pool.terminate();
                givers
                    .into_iter()
                    .map(|giver| giver.join().unwrap())
                    .sum::<usize>()
            });
            pool.join().unwrap();
            assert_eq!(heard.words().len(), given);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_last_clone_ends_the_pool() {
    watched(|| {
        for workers in [1, 4] {
            let pool = named("law-last", workers);
            until_threads_named("law-last", workers);
            let clone = pool.clone();
            let busy = Busy::all_of(&pool);
            drop(pool);
            let heard = Heard::default();
            let queued = heard.of(clone.apply_async(|| 5));
            heard.of(clone.map_async(0..5, |i| i)).detach();
            // The clone keeps all of it alive.
            assert!(heard.words().is_empty());
            drop(clone);
            assert_eq!(heard.words(), ["cancelled"; 2]);
            assert_eq!(word(&queued.get()), "cancelled");
            // The drop has not waited.
            assert_eq!(threads_named("law-last"), workers);
            drop(busy);
            until_threads_named("law-last", 0);
        }
        let pools: Vec<Pool> = (0..50).map(|_| named("law-many", 3)).collect();
        for pool in &pools {
            pool.map(0..50, |i| i).unwrap();
            pool.apply_async(|| ()).detach();
        }
        drop(pools);
        until_threads_named("law-many", 0);
    });
}

#[test]
fn a_closure_that_runs_outlives_its_pool() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let (begun, go) = (Latch::default(), Latch::default());
        let (began, wait) = (begun.clone(), go.clone());
        let token = CancelToken::new();
        let job = pool
            .apply_async(move || {
                began.open();
                wait.wait();
                5
            })
            .cancels(&token);
        begun.wait();
        drop(pool);
        assert!(token.is_cancelled());
        go.open();
        assert_eq!(job.get().unwrap(), 5);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_last_clone_may_go_within_the_pool() {
    watched(|| {
        for workers in [1, 2] {
            // In a job, in its callback, with a closure that is never called, and in a map.
            for place in 0..4 {
                let pool = named("law-within", workers);
                let (go, gone) = (Latch::default(), Latch::default());
                let (wait, last, left) = (go.clone(), pool.clone(), gone.clone());
                match place {
                    0 => pool
                        .apply_async(move || {
                            wait.wait();
                            drop(last);
                            left.open();
                        })
                        .detach(),
                    1 => pool
                        .apply_async(move || wait.wait())
                        .on_success(move |()| {
                            drop(last);
                            left.open();
                        })
                        .detach(),
                    2 => {
                        let never = pool.clone();
                        let blocked = Busy::all_of(&pool);
                        pool.apply_async(move || drop(never)).detach();
                        pool.terminate();
                        drop((blocked, last));
                        left.open();
                    }
                    _ => {
                        let last = std::sync::Mutex::new(Some(last));
                        pool.map_async(0..10, move |i| {
                            wait.wait();
                            if i == 5 {
                                drop(last.lock().unwrap().take());
                                left.open();
                            }
                        })
                        .detach();
                    }
                }
                drop(pool);
                go.open();
                gone.wait();
                until_threads_named("law-within", 0);
            }
        }
    });
}

#[track_caller]
fn refused(joined: Result<()>) {
    let error = joined.unwrap_err();
    let option = matches!(
        error.kind(),
        ErrorKind::Option {
            option: "Pool::join",
            ..
        }
    );
    assert!(option, "{error}");
}

/// Each of a pool's verbs, with a closure that joins the pool.
fn joins_within(pool: &Pool) {
    let pool = pool.clone();
    watched(move || {
        let df = counting(64);
        refused(pool.apply(|| Ok::<_, Error>(pool.join())).unwrap());
        pool.for_each(0..64, |_| refused(pool.join())).unwrap();
        let given = || df.par_apply().pool(&pool).partitions(16);
        given().rows(|_: i64| refused(pool.join())).unwrap();
        given().chunks(|_: DataFrame| refused(pool.join())).unwrap();
        given().columns(|_: &Column| refused(pool.join())).unwrap();
        let inner = pool.clone();
        let join = move || refused(inner.join());
        pool.apply_async(join.clone()).get().unwrap();
        let items = join.clone();
        pool.map_async(0..64, move |_| items()).get().unwrap();
        let rows = join.clone();
        given().spawn_rows(move |_: i64| rows()).get().unwrap();
        let parts = join.clone();
        given()
            .spawn_chunks(move |_: DataFrame| parts())
            .get()
            .unwrap();
        let (callback, inner) = (mpsc::channel(), pool.clone());
        let (go, wait) = mpsc::channel();
        // It is called by the job's thread: the job does not end before it is registered.
        pool.apply_async(move || wait.recv())
            .on_success(move |()| callback.0.send(inner.join()).unwrap())
            .detach();
        go.send(()).unwrap();
        refused(callback.1.recv().unwrap());
        pool.join().unwrap();
    });
}

#[test]
fn a_join_within_what_the_pool_runs_is_an_error() {
    alone("lifecycle::joins_within_pools", |command| command);
    alone("lifecycle::joins_within_polars_pool", |command| command);
}

#[test]
#[ignore = "run by a_join_within_what_the_pool_runs_is_an_error, in a process of its own"]
fn joins_within_pools() {
    for workers in [1, 2, 4] {
        joins_within(&Pool::new(workers).unwrap());
    }
}

#[test]
#[ignore = "run by a_join_within_what_the_pool_runs_is_an_error, in a process of its own"]
fn joins_within_polars_pool() {
    joins_within(&Pool::default());
}
