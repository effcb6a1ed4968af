//! A pool's `apply`, `map`, `starmap`, `for_each` and `map_with_state`: results in order, each item once, the lowest failure, nothing
//! lost.

use std::collections::{BTreeMap, HashSet, LinkedList};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result};

use crate::frames::watched;

/// A value that counts how many such values are alive.
struct Counted {
    number: u32,
    alive: Arc<AtomicUsize>,
}

impl Counted {
    fn counter() -> Arc<AtomicUsize> {
        Arc::default()
    }

    fn new(number: u32, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, SeqCst);
        let alive = alive.clone();
        Counted { number, alive }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

/// Polars' pool, and owned pools.
fn pools() -> Vec<(&'static str, Pool)> {
    vec![
        ("Polars'", Pool::default()),
        ("of 1", Pool::new(1).unwrap()),
        ("of 2", Pool::new(2).unwrap()),
        ("of 5", Pool::new(5).unwrap()),
    ]
}

#[test]
fn results_come_in_the_order_of_the_items() {
    watched(|| {
        for (name, pool) in pools() {
            for items in [0, 1, 2, 3, 31, 32, 33, 4095, 4097, 100_003] {
                let numbers: Vec<u64> = (0..items).collect();
                let expected: Vec<u64> = numbers.iter().map(|n| n * 3).collect();
                let results = pool.map(&numbers, |n| n * 3).unwrap();
                assert_eq!(results, expected, "{items} lent items, pool {name}");
                let results = pool.map(numbers, |n| n * 3).unwrap();
                assert_eq!(results, expected, "{items} owned items, pool {name}");
                let results = pool.map(0..items, |n| n * 3).unwrap();
                assert_eq!(results, expected, "a range of {items}, pool {name}");
            }
        }
    });
}

#[test]
fn items_of_any_collection() {
    watched(|| {
        for (_, pool) in pools() {
            let words = ["a", "bc", "", "def"];
            assert_eq!(pool.map(words, str::len).unwrap(), [1, 2, 0, 3]);
            assert_eq!(pool.map(&words, |word| word.len()).unwrap(), [1, 2, 0, 3]);
            let owned = words.map(String::from);
            assert_eq!(pool.map(&owned, String::len).unwrap(), [1, 2, 0, 3]);
            assert_eq!(
                pool.map(owned.iter().rev(), String::len).unwrap(),
                [3, 0, 2, 1]
            );
            assert_eq!(
                pool.map(owned, |word| word + "!").unwrap(),
                ["a!", "bc!", "!", "def!"]
            );
            let list: LinkedList<i32> = (0..100).collect();
            assert_eq!(pool.map(list, |n| n).unwrap(), (0..100).collect::<Vec<_>>());
            let map: BTreeMap<i32, char> = ('a'..='z')
                .enumerate()
                .map(|(i, c)| (i as i32, c))
                .collect();
            let letters = pool.map(&map, |(i, c)| (*c, *i)).unwrap();
            assert_eq!(letters[25], ('z', 25));
            // The iterator itself need not be `Send`.
            let shared = Rc::new(5);
            let items = (0..10).map(|n| n + *shared);
            assert_eq!(pool.map(items, |n| n).unwrap(), (5..15).collect::<Vec<_>>());
            let boxed: Box<dyn Iterator<Item = u8>> = Box::new([1u8, 2].into_iter());
            assert_eq!(pool.map(boxed, |n| n).unwrap(), [1, 2]);
            // Items of size 0, and a closure without results.
            assert_eq!(pool.map([(); 1000], |()| ()).unwrap().len(), 1000);
            // Items that the closure changes.
            let mut cells = vec![1u64; 5000];
            pool.for_each(&mut cells, |cell| *cell += 1).unwrap();
            assert_eq!(cells, vec![2; 5000]);
        }
    });
}

/// Every type whose slices are read in place, from a slice that begins in the middle of its memory.
#[test]
fn slices_of_every_number() {
    macro_rules! check {
        ($pool:ident, $($Number:ty)*) => {$(
            let all: Vec<$Number> = (0..100u8).map(|n| n as $Number).collect();
            for part in [&all[..], &all[3..], &all[7..8], &all[5..5]] {
                assert_eq!($pool.map(part, |n| *n).unwrap(), part);
                assert_eq!($pool.map(part.iter(), |n| std::ptr::from_ref(n) as usize).unwrap(),
                    part.iter().map(|n| std::ptr::from_ref(n) as usize).collect::<Vec<_>>());
            }
        )*};
    }
    watched(|| {
        let pool = Pool::new(2).unwrap();
        check!(pool, i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 char);
        let flags = [true, false, true];
        assert_eq!(
            pool.map(&flags, |flag| !*flag).unwrap(),
            [false, true, false]
        );
    });
}

#[test]
fn each_item_is_called_once() {
    watched(|| {
        for (name, pool) in pools() {
            let calls: Vec<AtomicUsize> = (0..50_000).map(|_| AtomicUsize::new(0)).collect();
            pool.for_each(&calls, |call| {
                call.fetch_add(1, SeqCst);
            })
            .unwrap();
            assert!(
                calls.iter().all(|call| call.load(SeqCst) == 1),
                "pool {name}"
            );
        }
    });
}

#[test]
fn starmap_takes_up_to_twelve_fields() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.starmap([(1,), (2,)], |a: i32| a).unwrap(), [1, 2]);
        assert_eq!(pool.starmap([(2.0, 3.0)], f64::powf).unwrap(), [8.0]);
        let twelve = [(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)];
        let sum = pool.starmap(
            twelve,
            |a: i32,
             b: i32,
             c: i32,
             d: i32,
             e: i32,
             f: i32,
             g: i32,
             h: i32,
             i: i32,
             j: i32,
             k: i32,
             l: i32| { a + b + c + d + e + f + g + h + i + j + k + l },
        );
        assert_eq!(sum.unwrap(), [78]);
        let names = [String::from("x")];
        let pairs = names.iter().zip([4usize]);
        let repeated = pool.starmap(pairs, |name: &String, times: usize| name.repeat(times));
        assert_eq!(repeated.unwrap(), ["xxxx"]);
        let failed: Result<Vec<i32>> = pool
            .starmap([("1", 10), ("z", 10)], |text: &str, radix: u32| {
                i32::from_str_radix(text, radix)
            });
        assert_eq!(failed.unwrap_err().index(), Some(1));
    });
}

/// Borrowed values are the caller's again when the call is over.
#[test]
fn closures_and_items_may_borrow() {
    watched(|| {
        for (_, pool) in pools() {
            let seen = Mutex::new(HashSet::new());
            let texts: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
            let lengths: Vec<usize> = pool
                .map(&texts, |text: &String| {
                    seen.lock().unwrap().insert(text.as_str());
                    text.len()
                })
                .unwrap();
            assert_eq!(seen.into_inner().unwrap().len(), 1000);
            assert_eq!(lengths.len(), texts.len());
            let text = &texts[7];
            let borrowed: &str = pool.apply(|| text.as_str()).unwrap();
            assert_eq!(borrowed, "7");
        }
    });
}

#[test]
fn the_lowest_error_ends_a_map() {
    watched(|| {
        for (name, pool) in pools() {
            for (first, step) in [(0, 1), (7, 100), (9_999, 1), (5_000, 1)] {
                let calls = AtomicUsize::new(0);
                let failed: Result<Vec<u32>> = pool.map(0..10_000u32, |n| {
                    calls.fetch_add(1, SeqCst);
                    if n >= first && (n - first) % step == 0 {
                        Err(std::io::Error::other(format!("no {n}")))
                    } else {
                        Ok(n)
                    }
                });
                let error = failed.unwrap_err();
                assert_eq!(error.index(), Some(first as usize), "pool {name}");
                assert_eq!(
                    error.to_string(),
                    format!("item {first}: the closure returned an error: no {first}")
                );
                assert!(error.cause().unwrap().is::<std::io::Error>());
                assert!(calls.into_inner() > first as usize);
                assert_eq!((error.row(), error.column()), (None, None));
            }
        }
    });
}

#[test]
fn an_early_failure_stops_the_rest() {
    watched(|| {
        for (_, pool) in pools() {
            let (calls, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
            let failed = pool.for_each(0..10_000_000u64, |n| {
                calls.fetch_add(1, SeqCst);
                if n == 100 {
                    has_failed.store(true, SeqCst);
                    return Err(anyhow::anyhow!("early"));
                }
                // The other items wait for the failure, and then take a millisecond each: hours, if they were not stopped.
                if n > 100 {
                    while !has_failed.load(SeqCst) {
                        std::thread::yield_now();
                    }
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                Ok(())
            });
            assert_eq!(failed.unwrap_err().index(), Some(100));
            assert!(calls.into_inner() < 9_000_000);
        }
    });
}

#[test]
fn the_lowest_panic_is_an_error() {
    watched(|| {
        for (name, pool) in pools() {
            let failed = pool.map(0..1000, |n| {
                assert!(n % 100 != 55, "not {n}");
                n
            });
            let error = failed.unwrap_err();
            assert_eq!(error.index(), Some(55), "pool {name}");
            assert_eq!(error.to_string(), "item 55: the closure panicked: not 55");
            let error = pool.apply(|| -> i32 { panic!("no") }).unwrap_err();
            assert!(matches!(
                error.kind(),
                ErrorKind::Panic {
                    place: Place::Job,
                    ..
                }
            ));
            assert_eq!(pool.map([1, 2], |n| n).unwrap(), [1, 2], "it stays usable");
        }
    });
}

/// The type that is asked for decides what becomes of a `Result`.
#[test]
fn results_may_be_kept() {
    let pool = Pool::new(2).unwrap();
    let each: Vec<Result<i32, std::num::ParseIntError>> =
        pool.map(["1", "x"], str::parse::<i32>).unwrap();
    assert_eq!(each[0], Ok(1));
    assert!(each[1].is_err());
    let number: i32 = pool.apply(|| "12".parse::<i32>()).unwrap();
    assert_eq!(number, 12);
    let error = pool.apply::<i32, _, _>(|| "x".parse::<i32>()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the closure returned an error: invalid digit found in string"
    );
}

/// Every item and every result is dropped once, however a call ends.
#[test]
fn nothing_is_leaked_or_dropped_twice() {
    watched(|| {
        for (name, pool) in pools() {
            for ending in ["well", "error", "panic"] {
                let alive = Counted::counter();
                let items: Vec<Counted> = (0..20_000).map(|n| Counted::new(n, &alive)).collect();
                let results = pool.map(items, |item| {
                    if item.number == 12_345 {
                        match ending {
                            "error" => anyhow::bail!("no"),
                            "panic" => panic!("no"),
                            _ => {}
                        }
                    }
                    Ok(Counted::new(item.number * 2, &item.alive))
                });
                let results: Result<Vec<Counted>> = results;
                match (ending, results) {
                    ("well", Ok(results)) => {
                        assert!(
                            (0..20_000)
                                .map(|n| n * 2)
                                .eq(results.iter().map(|r| r.number))
                        );
                    }
                    (_, results) => assert_eq!(results.err().unwrap().index(), Some(12_345)),
                }
                assert_eq!(alive.load(SeqCst), 0, "{ending}, pool {name}");
            }
            // Items that were never reached.
            let alive = Counted::counter();
            let items: Vec<Counted> = (0..100).map(|n| Counted::new(n, &alive)).collect();
            pool.close();
            assert!(pool.map(items, |item| item.number).is_err());
            let items: Vec<Counted> = (0..100).map(|n| Counted::new(n, &alive)).collect();
            assert!(pool.map_async(items, |item| item.number).get().is_err());
            assert_eq!(alive.load(SeqCst), 0, "closed, pool {name}");
        }
    });
}

/// An item whose drop panics does not prevent the call's end, and does not harm the pool.
#[test]
fn a_drop_that_panics_is_survived() {
    struct Bomb(u32);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 == 900 {
                panic!("dropped {}", self.0);
            }
        }
    }
    watched(|| {
        for (_, pool) in pools() {
            let items: Vec<Bomb> = (0..1000).map(Bomb).collect();
            let failed: Result<Vec<u32>> = pool.map(items, |bomb| {
                let number = bomb.0;
                std::mem::forget(bomb);
                if number == 10 {
                    Err(anyhow::anyhow!("no"))
                } else {
                    Ok(number)
                }
            });
            assert_eq!(failed.unwrap_err().index(), Some(10));
            let results = pool.map(0..1000, |n| {
                if n == 950 {
                    panic!("no");
                }
                Bomb(n)
            });
            assert_eq!(results.err().unwrap().index(), Some(950));
            assert_eq!(pool.map([1], |n| n).unwrap(), [1]);
        }
    });
}

/// A few slow items run at the same time from the start.
#[test]
fn items_run_side_by_side() {
    watched(|| {
        let pool = Pool::new(3).unwrap();
        let meeting = Barrier::new(3);
        let threads = Mutex::new(HashSet::new());
        pool.for_each(0..3, |_: i32| {
            meeting.wait();
            threads.lock().unwrap().insert(std::thread::current().id());
        })
        .unwrap();
        let threads = threads.into_inner().unwrap();
        assert_eq!(threads.len(), 3);
        assert!(
            !threads.contains(&std::thread::current().id()),
            "not on the calling thread"
        );
    });
}

#[test]
fn one_state_for_each_worker() {
    watched(|| {
        for (name, pool) in pools() {
            let made = AtomicUsize::new(0);
            let alive = Counted::counter();
            let init = || {
                made.fetch_add(1, SeqCst);
                Counted::new(0, &alive)
            };
            let seen = pool.map_with_state(0..10_000u32, init, |state: &mut Counted, n| {
                state.number += 1;
                assert!(state.number > 0);
                n
            });
            assert_eq!(seen.unwrap(), (0..10_000).collect::<Vec<_>>());
            assert!(
                (1..=pool.workers()).contains(&made.into_inner()),
                "pool {name}"
            );
            assert_eq!(alive.load(SeqCst), 0);
            let refused = || Err::<u8, _>(std::io::Error::other("no state"));
            let error = pool
                .map_with_state(0..10, refused, |_: &mut u8, n| n)
                .unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::State { .. }), "{error}");
            assert_eq!(
                pool.map_with_state(0..0, refused, |_: &mut u8, n| n)
                    .unwrap(),
                [0; 0]
            );
        }
    });
}

/// Nested calls, on one pool and across pools, and with calls over frames between them.
#[test]
fn calls_nest() {
    watched(|| {
        for (name, pool) in pools() {
            let other = Pool::new(1).unwrap();
            let sums = pool.map(0..20u64, |n| {
                let inner: Vec<u64> = pool.map(0..50, |m| n * m)?;
                let across: u64 = other.apply(|| inner.iter().sum::<u64>())?;
                let df = df!["x" => inner]?;
                let doubled = df.par_apply().pool(&pool).rows(|x: u64| x * 2)?;
                let sorted = df
                    .par_apply_rows(|x: u64| x)?
                    .sort(SortOptions::default())?;
                Ok::<_, anyhow::Error>(
                    across + doubled.u64()?.sum().unwrap_or(0)
                        - 2 * sorted.u64()?.sum().unwrap_or(0),
                )
            });
            let sums: Vec<u64> = sums.unwrap();
            assert_eq!(sums[19], 19 * (0..50).sum::<u64>(), "pool {name}");
        }
    });
}

/// Work of a pool cannot wait for the pool: neither a closure, nor a callback or a hook, nor the drop of a value in them.
#[test]
fn a_join_within_a_call_is_an_error() {
    /// Joins when it is dropped.
    struct Joins(Pool, mpsc::Sender<bool>);
    impl Drop for Joins {
        fn drop(&mut self) {
            self.1.send(self.0.join().is_err()).unwrap();
        }
    }
    watched(|| {
        for (name, pool) in pools() {
            let df = df!["x" => [1, 2, 3]].unwrap();
            let own = pool.clone();
            let joined = move |_: i32| own.join().is_err();
            let all = |joined: Vec<bool>| {
                assert!(
                    !joined.is_empty() && joined.iter().all(|refused| *refused),
                    "pool {name}"
                );
            };
            let bools =
                |column: Column| -> Vec<bool> { column.bool().unwrap().iter().flatten().collect() };
            all(pool.map(0..10, &joined).unwrap());
            all(vec![pool.apply(|| joined(0)).unwrap()]);
            all(pool.map_async(0..10, joined.clone()).get().unwrap());
            all(vec![
                pool.apply_async({
                    let joined = joined.clone();
                    move || joined(0)
                })
                .get()
                .unwrap(),
            ]);
            let on_pool = || df.par_apply().pool(&pool).chunk_rows(1);
            all(bools(on_pool().rows(joined.clone()).unwrap()));
            all(bools(on_pool().spawn_rows(joined.clone()).get().unwrap()));
            let mut finished = Vec::new();
            on_pool()
                .state(|| 0)
                .finish(|_: i32| finished.push(joined(0)))
                .rows(|_: &mut i32, x: i32| x)
                .unwrap();
            all(finished);

            let (send, receive) = mpsc::channel();
            let joins = || Joins(pool.clone(), send.clone());
            pool.map_with_state(0..10, joins, |_: &mut Joins, n| n)
                .unwrap();
            all(receive.try_iter().collect());
            let failed: Result<Vec<()>> =
                pool.map([joins(), joins()], |_| Err(std::io::Error::other("no")));
            assert!(failed.is_err());
            all(receive.try_iter().collect());
            let (tell, dropped) = (send.clone(), joins());
            let callback = joined.clone();
            let never = pool.clone();
            pool.apply(move || {
                let job = never
                    .apply_async(move || drop(dropped))
                    .on_error(move |_| tell.send(callback(0)).unwrap());
                job.cancel();
                // It may have been quicker.
                let ended = job.get();
                let was_cancelled =
                    |error: &Error| matches!(error.kind(), ErrorKind::Cancelled { .. });
                assert!(ended.as_ref().err().is_none_or(was_cancelled), "{ended:?}");
            })
            .unwrap();
            pool.join().unwrap();
            all(receive.try_iter().collect());
        }
    });
}

/// A call in a destructor does all of its work, even while its thread unwinds.
#[test]
fn a_call_while_the_thread_unwinds() {
    struct Calls<'p>(&'p Pool, &'p Mutex<Vec<bool>>);
    impl Drop for Calls<'_> {
        fn drop(&mut self) {
            let texts = self.0.map(0..100, |n: i32| n.to_string()).unwrap();
            let df = df!["x" => (0..1000i64).collect::<Vec<_>>()].unwrap();
            let rows = df
                .par_apply()
                .pool(self.0)
                .partitions(5)
                .rows(|x: i64| x)
                .unwrap();
            let right = [
                texts[99] == "99",
                self.0.apply(|| 5).unwrap() == 5,
                self.0.apply_async(|| 6).get().unwrap() == 6,
                rows.i64().unwrap().sum() == Some(499_500),
            ];
            self.1.lock().unwrap().extend(right);
        }
    }
    watched(|| {
        for (name, pool) in pools() {
            let right = Mutex::new(Vec::new());
            // The job behind which the calls have to wait.
            let busy: Vec<Job<()>> = (0..pool.workers())
                .map(|_| {
                    pool.apply_async(|| std::thread::sleep(std::time::Duration::from_millis(5)))
                })
                .collect();
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let _calls = Calls(&pool, &right);
                panic!("first");
            }));
            assert!(caught.is_err());
            assert_eq!(*right.lock().unwrap(), [true; 4], "pool {name}");
            drop(busy);
        }
    });
}

/// Even if jobs wait, no more jobs are begun than there are workers.
#[test]
fn no_more_jobs_begin_than_there_are_workers() {
    watched(|| {
        for pool in [
            Pool::default(),
            Pool::new(1).unwrap(),
            Pool::new(3).unwrap(),
        ] {
            let (begun, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let df = df!["x" => (0..100i64).collect::<Vec<_>>()].unwrap();
            let jobs: Vec<Job<i64>> = (0..200)
                .map(|_| {
                    let (begun, most) = (begun.clone(), most.clone());
                    let (df, own) = (df.clone(), pool.clone());
                    pool.apply_async(move || {
                        most.fetch_max(begun.fetch_add(1, SeqCst) + 1, SeqCst);
                        // They wait for Polars' workers, and for their own pool.
                        let rows = df
                            .par_apply()
                            .partitions(4)
                            .rows(|x: i64| own.apply(|| x))?;
                        let ones: Vec<i64> = own.map(0..3, |_| own.apply_async(|| 1).get())?;
                        begun.fetch_sub(1, SeqCst);
                        Ok::<_, anyhow::Error>(rows.i64()?.sum().unwrap_or(0) + ones.len() as i64)
                    })
                })
                .collect();
            for job in jobs {
                assert_eq!(job.get().unwrap(), 4953);
            }
            assert!(most.load(SeqCst) <= pool.workers());
        }
    });
}

/// Work may give its pool more work as long as it runs itself, even if the pool takes no other work any more.
#[test]
fn a_closed_pool_lets_in_what_comes_from_within() {
    watched(|| {
        for (name, pool) in pools() {
            let (close, closed) = mpsc::channel::<()>();
            let own = pool.clone();
            let job: Job<i32> = pool.apply_async(move || {
                closed.recv()?;
                let squares: Vec<i32> = own.map(0..4, |n| own.apply(|| n * n))?;
                let job = own.apply_async(|| 1);
                let df = df!["x" => squares]?;
                let rows = df.par_apply().pool(&own).spawn_rows(|x: i32| x + 1).get()?;
                let all: Result<Vec<i32>> = own.imap(0..3, |n| n).collect();
                Ok::<_, anyhow::Error>(
                    rows.i32()?.sum().unwrap_or(0) + job.get()? + all?.len() as i32,
                )
            });
            pool.close();
            assert!(pool.apply(|| 1).is_err());
            close.send(()).unwrap();
            assert_eq!(job.get().unwrap(), 14 + 4 + 1 + 3, "pool {name}");
            pool.join().unwrap();
        }
    });
}

/// Errors that cannot become an `anyhow::Error` can be kept, or converted. Without a type that asks for it, they do not count as values.
#[test]
fn texts_as_errors() {
    let pool = Pool::new(2).unwrap();
    let work = |n: i32| {
        if n == 3 {
            Err(format!("no {n}"))
        } else {
            Ok(n)
        }
    };
    let each: Vec<Result<i32, String>> = pool.map(0..5, work).unwrap();
    assert_eq!(each[3], Err("no 3".into()));
    let values: Result<Vec<i32>> = pool.map(0..5, |n| work(n).map_err(anyhow::Error::msg));
    assert_eq!(
        values.unwrap_err().to_string(),
        "item 3: the closure returned an error: no 3"
    );
}

/// An error of this crate within another says nothing twice.
#[test]
fn nested_errors_say_everything_once() {
    let pool = Pool::new(1).unwrap();
    let df = df!["x" => ["1", "z"]].unwrap();
    let inner = |_: i32| -> anyhow::Result<Column> {
        use anyhow::Context;
        df.par_apply_rows(|x: &str| x.parse::<i32>())
            .context("file 0")
    };
    let error = pool.map(0..1, inner).map(|_: Vec<Column>| ()).unwrap_err();
    let text = "item 0: the closure returned an error: file 0: row 1: the closure returned an error: invalid digit found in string";
    assert_eq!(format!("{error:#}"), text);
    assert_eq!(format!("{:#}", anyhow::Error::from(error)), text);
}

#[test]
fn many_threads_share_a_pool() {
    watched(|| {
        let pool = Pool::new(3).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let pool = &pool;
                scope.spawn(move || {
                    for round in 0..50u64 {
                        let results = pool.map(0..round * 20, |n| n + thread).unwrap();
                        assert!(results.iter().copied().eq(thread..thread + round * 20));
                    }
                });
            }
        });
    });
}

/// More items than memory can hold the results of are an error before the first one is begun.
#[test]
fn a_range_without_end_is_refused() {
    for (_, pool) in pools() {
        for end in [u64::MAX, 1 << 60] {
            let all: Result<Vec<u64>> =
                pool.map(0..end, |n: u64| -> u64 { panic!("{n} is called") });
            let error = all.unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    ErrorKind::Option {
                        option: "Pool::map",
                        ..
                    }
                ),
                "{error:?}"
            );
        }
        // The results need no memory here.
        let none: Result<Vec<()>> = pool.map(0..1 << 20, |_| ());
        assert_eq!(none.unwrap().len(), 1 << 20);
    }
}
