//! A pool's `imap` and `imap_unordered` are lazy, bounded and in order, and end with the lowest failure.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, mpsc};

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::frames::watched;

fn pools() -> Vec<Pool> {
    vec![
        Pool::default(),
        Pool::new(1).unwrap(),
        Pool::new(4).unwrap(),
    ]
}

#[test]
fn results_come_in_order() {
    watched(|| {
        for pool in pools() {
            for items in [0, 1, 5, 1000] {
                for chunk_size in [1, 3, 1000, 5000] {
                    for look_ahead in [1, 2, 100] {
                        let imap = pool.imap(0..items, |n| n * 2);
                        let imap = imap.chunk_size(chunk_size).look_ahead(look_ahead);
                        let results: Vec<i32> = imap.map(Result::unwrap).collect();
                        assert!(results.into_iter().eq((0..items).map(|n| n * 2)));
                    }
                }
            }
        }
    });
}

#[test]
fn each_result_comes_once_in_some_order() {
    watched(|| {
        for pool in pools() {
            for (items, chunk_size, look_ahead) in
                [(0, 1, 1), (1, 5, 1), (1000, 1, 7), (1000, 30, 3)]
            {
                let imap = pool.imap_unordered(0..items, |n| n * 2);
                let imap = imap.chunk_size(chunk_size).look_ahead(look_ahead);
                let mut results: Vec<i32> = imap.map(Result::unwrap).collect();
                results.sort_unstable();
                assert!(results.into_iter().eq((0..items).map(|n| n * 2)));
            }
        }
    });
}

/// Results that are ready do not wait for one that is not.
#[test]
fn unordered_results_overtake() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let mut imap = pool.imap_unordered(0..10, move |n| {
            if n == 0 {
                gate.lock().unwrap().recv().unwrap();
            }
            n
        });
        let first: Vec<i32> = imap.by_ref().take(9).map(Result::unwrap).collect();
        assert!(!first.contains(&0));
        open.send(()).unwrap();
        assert_eq!(imap.next().unwrap().unwrap(), 0);
        assert!(imap.next().is_none());
    });
}

/// This is also so if the reader is a worker of the pool.
#[test]
fn unordered_results_overtake_within_the_pool() {
    watched(|| {
        // One worker reads, one waits for it, and one goes on.
        for workers in [3, 5] {
            let pool = Pool::new(workers).unwrap();
            let own = pool.clone();
            let seen = pool.apply_async(move || {
                let (open, gate) = mpsc::channel::<()>();
                let gate = Mutex::new(gate);
                let mut results = own.imap_unordered(0..10, move |n| {
                    if n == 0 {
                        gate.lock().unwrap().recv().unwrap();
                    }
                    n
                });
                let mut seen: Vec<i32> = results.by_ref().take(9).map(Result::unwrap).collect();
                open.send(()).unwrap();
                seen.extend(results.map(Result::unwrap));
                seen
            });
            assert_eq!(seen.get().unwrap()[9], 0);
        }
    });
}

/// No item is taken before it is needed, and never more than `look_ahead` allows; the iterator need not be `Send`.
#[test]
fn an_endless_iterator_is_taken_bit_by_bit() {
    watched(|| {
        for pool in pools() {
            for (chunk_size, look_ahead) in [(1, 3), (10, 1), (7, 4)] {
                let taken = Rc::new(AtomicUsize::new(0));
                let items = {
                    let taken = taken.clone();
                    (0u64..).inspect(move |_| {
                        taken.fetch_add(1, SeqCst);
                    })
                };
                let imap = pool.imap(items, |n| n);
                let mut imap = imap.chunk_size(chunk_size).look_ahead(look_ahead);
                assert_eq!(taken.load(SeqCst), 0);
                for expected in 0..500u64 {
                    assert_eq!(imap.next().unwrap().unwrap(), expected);
                    // The chunk that is being read does not count as ahead.
                    let most = (expected as usize / chunk_size + 1 + look_ahead) * chunk_size;
                    assert!(
                        taken.load(SeqCst) <= most,
                        "{} of {most}",
                        taken.load(SeqCst)
                    );
                }
                let mut imap = pool
                    .imap_unordered(0u64.., |n| n)
                    .chunk_size(chunk_size)
                    .look_ahead(look_ahead);
                let seen: HashSet<u64> = imap.by_ref().take(500).map(Result::unwrap).collect();
                assert_eq!(seen.len(), 500);
            }
        }
    });
}

/// Workers run items while earlier results are being read: while nobody asks for a result, an item that was begun before is done.
///
/// The iterator gives a result that is ready before it takes more items. So the second item waits here until the third is taken.
#[test]
fn it_works_ahead() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let (third_begins, third_began) = mpsc::channel();
        let (second_is_read, second_was_read) = mpsc::channel();
        let (third_is_done, third_was_done) = mpsc::channel();
        let (third_began, second_was_read) = (Mutex::new(third_began), Mutex::new(second_was_read));
        let mut imap = pool
            .imap(0..100, move |n| {
                match n {
                    1 => third_began.lock().unwrap().recv().unwrap(),
                    2 => {
                        third_begins.send(()).unwrap();
                        second_was_read.lock().unwrap().recv().unwrap();
                        third_is_done.send(()).unwrap();
                    }
                    _ => {}
                }
                n
            })
            .look_ahead(8);
        assert_eq!(imap.next().unwrap().unwrap(), 0);
        assert_eq!(imap.next().unwrap().unwrap(), 1);
        second_is_read.send(()).unwrap();
        third_was_done.recv().unwrap();
        assert!(imap.map(Result::unwrap).eq(2..100));
    });
}

/// A slow item keeps back no more results than `look_ahead` allows.
#[test]
fn a_result_is_given_while_the_iterator_waits_for_more() {
    watched(|| {
        for unordered in [false, true] {
            for look_ahead in [1, 2, 3] {
                let pool = Pool::new(2).unwrap();
                let (send, receive) = mpsc::channel();
                let work = |n: i32| n;
                let mut results: Box<dyn Iterator<Item = Result<i32>>> = if unordered {
                    Box::new(pool.imap_unordered(receive, work).look_ahead(look_ahead))
                } else {
                    Box::new(pool.imap(receive, work).look_ahead(look_ahead))
                };
                let mut sent = 0;
                let mut seen = HashSet::new();
                while sent < 50 {
                    while sent < seen.len() as i32 + look_ahead as i32 {
                        send.send(sent).unwrap();
                        sent += 1;
                    }
                    let result = results.next().unwrap().unwrap();
                    assert!(unordered || result == seen.len() as i32);
                    assert!(seen.insert(result));
                }
                drop(send);
                seen.extend(results.map(Result::unwrap));
                assert_eq!(seen.len() as i32, sent);
            }
        }
    });
}

#[test]
fn the_lowest_failure_is_the_last_item() {
    watched(|| {
        for pool in pools() {
            for chunk_size in [1, 4, 100] {
                for panics in [false, true] {
                    let work = move |n: i32| {
                        if n % 50 == 37 {
                            assert!(!panics, "not {n}");
                            anyhow::bail!("no {n}");
                        }
                        Ok(n)
                    };
                    let mut results = pool.imap(0.., work).chunk_size(chunk_size);
                    for expected in 0..37 {
                        let result: i32 = results.next().unwrap().unwrap();
                        assert_eq!(result, expected);
                    }
                    let error = results.next().unwrap().unwrap_err();
                    assert_eq!(error.index(), Some(37));
                    assert_eq!(matches!(error.kind(), ErrorKind::Panic { .. }), panics);
                    assert!(results.next().is_none() && results.next().is_none());

                    let results = pool.imap_unordered(0.., work).chunk_size(chunk_size);
                    let results: Vec<Result<i32>> = results.collect();
                    let (last, before) = results.split_last().unwrap();
                    assert_eq!(last.as_ref().unwrap_err().index(), Some(37));
                    let before: HashSet<i32> =
                        before.iter().map(|n| *n.as_ref().unwrap()).collect();
                    assert!((0..37).all(|n| before.contains(&n)));
                }
            }
        }
    });
}

#[test]
fn errors_may_be_kept_as_results() {
    let pool = Pool::new(2).unwrap();
    let each = pool.imap(["1", "x", "3"], str::parse::<i32>);
    let each: Vec<Result<i32, std::num::ParseIntError>> = each.map(Result::unwrap).collect();
    assert_eq!((&each[0], &each[2]), (&Ok(1), &Ok(3)));
    assert!(each[1].is_err());
}

/// A closed pool begins no `imap`, and does not end one that was begun; a terminated pool ends it.
#[test]
fn the_end_of_a_pool() {
    watched(|| {
        for pool in pools() {
            let mut begun = pool.imap(0..1000, |n| n);
            let mut unordered = pool.imap_unordered(0..1000, |n| n);
            let mut never = pool.imap(0..1000, |n| n);
            let mut never_unordered = pool.imap_unordered(0..1000, |n| n);
            assert_eq!(begun.next().unwrap().unwrap(), 0);
            assert!(unordered.next().unwrap().is_ok());
            pool.close();
            let error = never.next().unwrap().unwrap_err();
            assert!(matches!(
                error.kind(),
                ErrorKind::PoolClosed {
                    terminated: false,
                    ..
                }
            ));
            assert!(never.next().is_none());
            let error = never_unordered.next().unwrap().unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::PoolClosed { .. }),
                "{error}"
            );
            assert!(never_unordered.next().is_none());
            assert!(begun.by_ref().take(500).map(Result::unwrap).eq(1..501));
            assert!(unordered.by_ref().take(500).all(|result| result.is_ok()));
            pool.terminate();
            pool.join().unwrap();
            for results in [begun.collect::<Vec<_>>(), unordered.collect()] {
                let (last, before) = results.split_last().unwrap();
                assert!(before.iter().all(Result::is_ok));
                let error = last.as_ref().unwrap_err();
                let ended = matches!(
                    error.kind(),
                    ErrorKind::PoolClosed { .. } | ErrorKind::Cancelled { .. }
                );
                assert!(ended, "{error}");
            }
        }
    });
}

/// It can be read on a worker of the same pool, even if that is the only one.
#[test]
fn within_a_job_of_the_pool() {
    watched(|| {
        for pool in pools() {
            let own = pool.clone();
            let sum = pool.apply_async(move || {
                let ordered: i32 = own.imap(0..100, |n| n).map(Result::unwrap).sum();
                let unordered: i32 = own.imap_unordered(0..100, |n| n).map(Result::unwrap).sum();
                ordered + unordered
            });
            assert_eq!(sum.get().unwrap(), 2 * 4950);
            let sums = pool.map(0..3, |_| -> i32 {
                pool.imap(0..100, |n| n).map(Result::unwrap).sum()
            });
            assert_eq!(sums.unwrap(), [4950; 3]);
            let sums = pool.map(0..3, |_| -> i32 {
                pool.imap_unordered(0..100, |n| n).map(Result::unwrap).sum()
            });
            assert_eq!(sums.unwrap(), [4950; 3]);
        }
    });
}

/// An iterator that is dropped halfway leaves nothing behind.
#[test]
fn dropped_half_way() {
    watched(|| {
        for pool in pools() {
            let alive = Arc::new(());
            for unordered in [false, true] {
                let items = std::iter::repeat_with({
                    let alive = alive.clone();
                    move || alive.clone()
                });
                let work = |item: Arc<()>| item;
                if unordered {
                    let mut results = pool.imap_unordered(items, work).chunk_size(3);
                    assert!(results.by_ref().take(10).all(|result| result.is_ok()));
                } else {
                    let mut results = pool.imap(items, work).chunk_size(3);
                    assert!(results.by_ref().take(10).all(|result| result.is_ok()));
                }
            }
            pool.join().unwrap();
            assert_eq!(Arc::strong_count(&alive), 1);
        }
    });
}

/// What reading a result gave: a value, an error, or a panic.
#[derive(Debug, PartialEq)]
enum Met {
    Value(i32),
    Error(Option<usize>),
    Panic(String),
}

use Met::{Panic, Value};

/// Reads on after every panic, up to the end.
fn read_on(mut results: impl Iterator<Item = Result<i32>>) -> Vec<Met> {
    let mut met = Vec::new();
    loop {
        match catch_unwind(AssertUnwindSafe(|| results.next())) {
            Ok(Some(Ok(value))) => met.push(Met::Value(value)),
            Ok(Some(Err(error))) => met.push(Met::Error(error.index())),
            Ok(None) => break,
            Err(payload) => met.push(Met::Panic(match payload.downcast::<String>() {
                Ok(message) => *message,
                Err(payload) => (*payload.downcast::<&str>().unwrap()).to_string(),
            })),
        }
        assert!(met.len() < 1000, "no end: {met:?}");
    }
    assert!(results.next().is_none());
    met
}

fn values(met: &[Met]) -> Vec<i32> {
    let values = met.iter().filter_map(|met| match met {
        Met::Value(value) => Some(*value),
        _ => None,
    });
    values.collect()
}

/// Numbers up to an end, where some calls of `next` panic instead of returning a number.
struct Panicky {
    next: i32,
    end: i32,
    panics: Vec<i32>,
    /// Whether `size_hint` panics.
    hides_its_size: bool,
}

impl Iterator for Panicky {
    type Item = i32;

    fn next(&mut self) -> Option<i32> {
        let number = self.next;
        self.next += 1;
        assert!(!self.panics.contains(&number), "at {number}");
        (number < self.end).then_some(number)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        assert!(!self.hides_its_size, "of what size");
        (0, None)
    }
}

/// Sources that panic: at every place of a chunk, several times in a row, at the end, after the end.
fn panicky(hides_its_size: bool) -> impl Iterator<Item = (Vec<i32>, impl Fn() -> Panicky)> {
    let panics: [&[i32]; 10] = [
        &[],
        &[0],
        &[3],
        &[4],
        &[5],
        &[7],
        &[0, 1, 2],
        &[3, 4, 5, 6],
        &[8, 9],
        &[0, 1, 2, 3, 4, 5, 6, 7, 8],
    ];
    panics.into_iter().map(move |panics| {
        let source = move || Panicky {
            next: 0,
            end: 8,
            panics: panics.to_vec(),
            hides_its_size,
        };
        (panics.to_vec(), source)
    })
}

/// As with `map`, the items that were taken before are returned, then comes the panic, and then the items after it.
#[test]
fn a_source_that_panics_loses_nothing() {
    watched(|| {
        let pool = Pool::new(2).unwrap();
        let source = || (0..8).inspect(|n| assert!(*n != 5, "at {n}"));
        let met = read_on(pool.imap(source(), |n| n).chunk_size(4));
        let panic = || Panic("at 5".into());
        let before = [0, 1, 2, 3, 4].map(Value);
        let expected: Vec<Met> = before
            .into_iter()
            .chain([panic(), Value(6), Value(7)])
            .collect();
        assert_eq!(met, expected);

        for pool in pools() {
            for hides_its_size in [false, true] {
                for (panics, source) in panicky(hides_its_size) {
                    let expected = read_on(source().map(Ok));
                    for (chunk_size, look_ahead) in [(1, 1), (1, 100), (4, 1), (4, 3), (100, 2)] {
                        let results = pool.imap(source(), |n| n);
                        let results = results.chunk_size(chunk_size).look_ahead(look_ahead);
                        assert_eq!(read_on(results), expected, "{panics:?}, {chunk_size}");

                        let results = pool.imap_unordered(source(), |n| n);
                        let results = results.chunk_size(chunk_size).look_ahead(look_ahead);
                        let met = read_on(results);
                        assert_eq!(met.len(), expected.len());
                        // A panic comes after all items that were taken before it, and before all that were taken after it.
                        let is_panic = |met: &Met| matches!(met, Panic(_));
                        let met = met.split(is_panic).map(|met| {
                            let mut values = values(met);
                            values.sort_unstable();
                            values
                        });
                        assert!(met.eq(expected.split(is_panic).map(values)));
                    }
                }
            }
        }
    });
}

/// The payload is that of the source, of whatever type.
#[test]
fn the_panic_of_a_source_is_its_own() {
    struct Mine(u8);
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(std::iter::repeat_with(|| panic_any(Mine(7))), |n: i32| n);
    let caught = catch_unwind(AssertUnwindSafe(|| results.next()));
    let payload = caught.expect_err("it panics");
    assert_eq!(payload.downcast_ref::<Mine>().map(|mine| mine.0), Some(7));
}

/// Items are numbered as by `enumerate`, and an item that fails before the panic ends the iterator.
#[test]
fn items_behind_a_panic_of_the_source_have_their_numbers() {
    watched(|| {
        for pool in pools() {
            for (panics, source) in panicky(false) {
                for chunk_size in [1, 4, 100] {
                    for bad in 0..8 {
                        for closure_panics in [false, true] {
                            let work = move |n: i32| {
                                assert!(!(closure_panics && n == bad), "not {n}");
                                anyhow::ensure!(n != bad, "no {n}");
                                anyhow::Ok(n)
                            };
                            let mut given = Vec::new();
                            for met in read_on(source().map(Ok)) {
                                if met == Value(bad) {
                                    given.push(Met::Error(Some(values(&given).len())));
                                    break;
                                }
                                given.push(met);
                            }
                            let results = pool.imap(source(), work).chunk_size(chunk_size);
                            assert_eq!(read_on(results), given, "{panics:?}, {bad}");
                            let results = pool.imap_unordered(source(), work);
                            let met = read_on(results.chunk_size(chunk_size));
                            if let Some(Met::Error(_)) = given.last() {
                                assert_eq!(met.last(), given.last(), "{panics:?}, {bad}");
                            }
                            let met = values(&met);
                            assert!(values(&given).iter().all(|value| met.contains(value)));
                        }
                    }
                }
            }
        }
    });
}

/// Results that wait to be read are neither lost nor returned twice if the source panics meanwhile.
#[test]
fn results_that_are_ready_survive_a_panic_of_the_source() {
    watched(|| {
        for unordered in [false, true] {
            let pool = Pool::new(2).unwrap();
            let done = Arc::new((Mutex::new(0), Condvar::new()));
            let (own, seen) = (done.clone(), done);
            // It panics when all items that it gave before are done.
            let source = (0..9).inspect(move |n| {
                if *n == 6 {
                    let all = own.1.wait_while(own.0.lock().unwrap(), |done| *done < 6);
                    drop(all.unwrap());
                    panic!("at 6");
                }
            });
            let work = move |n: i32| {
                *seen.0.lock().unwrap() += 1;
                seen.1.notify_all();
                n
            };
            let mut met = if unordered {
                read_on(pool.imap_unordered(source, work))
            } else {
                read_on(pool.imap(source, work))
            };
            if unordered {
                assert_eq!(met.remove(6), Panic("at 6".into()));
                let mut values = values(&met);
                values.sort_unstable();
                assert_eq!(values, [0, 1, 2, 3, 4, 5, 7, 8]);
            } else {
                assert_eq!(met.remove(6), Panic("at 6".into()));
                assert_eq!(values(&met), [0, 1, 2, 3, 4, 5, 7, 8]);
            }
        }
    });
}

/// If a source's drop panics, the panic comes after the results if the source has ended, and not at all if an item has failed.
#[test]
fn a_source_that_panics_when_dropped_loses_nothing() {
    struct Dropped(std::ops::Range<i32>);
    impl Iterator for Dropped {
        type Item = i32;
        fn next(&mut self) -> Option<i32> {
            self.0.next()
        }
    }
    impl Drop for Dropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    watched(|| {
        for pool in pools() {
            for chunk_size in [1, 3, 4, 100] {
                for bad in [0, 5, 7, 8] {
                    let work = move |n: i32| (n != bad).then_some(n).ok_or(std::fmt::Error);
                    let results = pool.imap::<i32, _, _, _>(Dropped(0..8), work);
                    let met = read_on(results.chunk_size(chunk_size));
                    let last = if bad < 8 {
                        Met::Error(Some(bad as usize))
                    } else {
                        Panic("dropped".into())
                    };
                    let expected: Vec<Met> = (0..bad).map(Value).chain([last]).collect();
                    assert_eq!(met, expected);

                    let results = pool.imap_unordered::<i32, _, _, _>(Dropped(0..8), work);
                    let met = read_on(results.chunk_size(chunk_size));
                    assert_eq!(met.last(), expected.last());
                    assert!((0..bad).all(|n| met.contains(&Value(n))));
                }
            }
        }
    });
}

/// Items and results that are no longer needed may all panic when they are dropped.
#[test]
fn drops_that_panic_end_nothing() {
    struct Loud(i32);
    impl Drop for Loud {
        fn drop(&mut self) {
            assert!(self.0 % 10 == 0, "dropped");
        }
    }
    watched(|| {
        for pool in pools() {
            for chunk_size in [1, 30] {
                let work = |loud: Loud| {
                    anyhow::ensure!(loud.0 != 20, "no");
                    Ok(loud)
                };
                let source = || (0..100).map(Loud);
                let results = pool.imap::<Loud, _, _, _>(source(), work);
                let mut results = results.chunk_size(chunk_size);
                for expected in 0..20 {
                    let loud = results.next().unwrap().unwrap();
                    assert_eq!(loud.0, expected);
                    std::mem::forget(loud);
                }
                assert_eq!(results.next().unwrap().err().unwrap().index(), Some(20));
                assert!(results.next().is_none());

                let results = pool.imap_unordered::<Loud, _, _, _>(source(), work);
                let mut last = None;
                for result in results.chunk_size(chunk_size) {
                    last = result.map(std::mem::forget).err();
                }
                assert_eq!(last.unwrap().index(), Some(20));

                let mut half = pool.imap(source(), |loud| loud).chunk_size(chunk_size);
                std::mem::forget(half.next());
                drop(half);
                pool.imap(source(), |loud| loud).for_each(std::mem::forget);
            }
        }
    });
}
