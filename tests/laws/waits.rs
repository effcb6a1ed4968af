//! Jobs, calls and pools that wait for each other: none hangs.

use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use polars_par_apply::prelude::*;

use crate::frames::{alone, counting, watched};
use crate::jobs::{LONG, pools, word_of};

fn fibonacci(pool: &Pool, n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let job = |n| {
        let inner = pool.clone();
        pool.apply_async(move || fibonacci(&inner, n))
    };
    let (one, two) = (job(n - 1), job(n - 2));
    one.get().unwrap() + two.get().unwrap()
}

#[test]
fn jobs_that_wait_for_jobs_within() {
    watched(|| {
        for pool in pools() {
            let inner = pool.clone();
            let job = pool.apply_async(move || fibonacci(&inner, 11));
            assert_eq!(job.get().unwrap(), 89);
        }
    });
}

#[test]
fn a_map_within_a_map_in_the_background_within_a_job() {
    watched(|| {
        for pool in pools() {
            let inner = pool.clone();
            let job = pool.apply_async(move || {
                let innermost = inner.clone();
                let maps = inner.map_async(0..10u64, move |i| {
                    let sums = innermost.map(0..100, |j| i * j).unwrap();
                    sums.into_iter().sum::<u64>()
                });
                maps.get().unwrap().into_iter().sum::<u64>()
            });
            assert_eq!(job.get().unwrap(), 45 * 4950);
        }
    });
}

/// Jobs by their number, so that jobs that were begun before can wait for them.
#[derive(Clone, Default)]
struct Chain(Arc<(Mutex<Links>, Condvar)>);

type Links = Vec<Option<Job<u64>>>;

impl Chain {
    fn take(&self, number: usize) -> Job<u64> {
        let jobs = self.0.0.lock().unwrap();
        let mut jobs = self
            .0
            .1
            .wait_while(jobs, |jobs| jobs[number].is_none())
            .unwrap();
        jobs[number].take().unwrap()
    }
}

#[test]
fn chains_of_jobs_given_in_either_order() {
    const LINKS: usize = 100;
    watched(|| {
        for pool in pools() {
            let mut last = pool.apply_async(|| 0u64);
            for _ in 0..10_000 {
                last = pool.apply_async(move || last.get().map(|value| value + 1).unwrap());
            }
            assert_eq!(last.get().unwrap(), 10_000);

            let chain = Chain::default();
            chain.0.0.lock().unwrap().resize_with(LINKS, || None);
            for number in 0..LINKS {
                let next = chain.clone();
                let job = pool.apply_async(move || match number + 1 {
                    LINKS => 0,
                    number => next.take(number).get().unwrap() + 1,
                });
                chain.0.0.lock().unwrap()[number] = Some(job);
                chain.0.1.notify_all();
            }
            assert_eq!(chain.take(0).get().unwrap(), LINKS as u64 - 1);
        }
    });
}

#[test]
fn chains_of_jobs_that_call_polars() {
    watched(|| {
        for pool in pools() {
            for _ in 0..3 {
                let mut last: Job<DataFrame> = pool.apply_async(|| counting(3000));
                for link in 0..20 {
                    last = pool.apply_async(move || {
                        let df = last.get()?;
                        let order =
                            SortMultipleOptions::default().with_order_descending(link % 2 == 0);
                        let mut df = df.sort(["i"], order)?;
                        let next = df.par_apply().partitions(8).rows(|i: i64| i + 1)?;
                        df.with_column(next.with_name("i".into()))?;
                        Ok::<_, anyhow::Error>(df)
                    });
                }
                let df = last.get().unwrap();
                let expected = (20..3020).map(Some);
                let is = df.column("i").unwrap().i64().unwrap();
                assert!(is.iter().eq(expected));
            }
        }
    });
}

#[test]
fn jobs_side_by_side_that_call_frames_on_every_pool() {
    watched(|| {
        for pool in pools() {
            let jobs: Vec<_> = (0..24)
                .map(|n| {
                    let inner = pool.clone();
                    pool.apply_async(move || {
                        let df = counting(2000);
                        let apply = match n % 3 {
                            0 => df.par_apply(),
                            1 => df.par_apply().pool(&inner),
                            _ => df.par_apply().workers(3),
                        };
                        let rows = apply.partitions(20).rows(move |i: i64| i + n).unwrap();
                        rows.i64().unwrap().sum().unwrap()
                    })
                })
                .collect();
            for (n, job) in jobs.into_iter().enumerate() {
                assert_eq!(job.get().unwrap(), 1_999_000 + 2000 * n as i64);
            }
        }
    });
}

#[test]
fn a_wait_of_a_limited_time_within_a_pool_of_one() {
    watched(|| {
        for pool in pools() {
            let inner = pool.clone();
            let job = pool.apply_async(move || {
                let mut job = inner.apply_async(|| 5);
                // It ends in time, since another thread replaces this one.
                let value = job.get_timeout(LONG).unwrap();
                let job = inner.apply_async(move || value + 1);
                assert!(job.wait_timeout(LONG));
                job.get().unwrap()
            });
            assert_eq!(job.get().unwrap(), 6);
        }
    });
}

/// If Polars' pool has one thread, its jobs have one thread too.
fn with_one_thread(test: &str) {
    alone(test, |command| command.env("POLARS_MAX_THREADS", "1"));
}

/// Items of a map wait for jobs: in a map, in a map within a job, and in a map that is a job.
fn items_wait_for_jobs(pool: &Pool) {
    let pool = pool.clone();
    watched(move || {
        let wait = |pool: &Pool, i: i32| pool.apply_async(move || i * i).get().unwrap();
        let squares: Vec<i32> = (0..100).map(|i| i * i).collect();
        assert_eq!(pool.map(0..100, |i| wait(&pool, i)).unwrap(), squares);
        let inner = pool.clone();
        let job = pool.apply_async(move || inner.map(0..100, |i| wait(&inner, i)).unwrap());
        assert_eq!(job.get().unwrap(), squares);
        let inner = pool.clone();
        let jobs: Vec<_> = (0..8)
            .map(|_| {
                let inner = inner.clone();
                pool.map_async(0..100, move |i| wait(&inner, i))
            })
            .collect();
        for job in jobs {
            assert_eq!(job.get().unwrap(), squares);
        }
    });
}

#[test]
fn items_that_wait_for_jobs() {
    for workers in [1, 2, 3] {
        items_wait_for_jobs(&Pool::new(workers).unwrap());
    }
}

#[test]
fn items_that_wait_for_jobs_on_polars_pool() {
    with_one_thread("waits::items_wait_for_jobs_on_one_thread_of_polars");
}

#[test]
#[ignore = "run by items_that_wait_for_jobs_on_polars_pool, in a process of its own"]
fn items_wait_for_jobs_on_one_thread_of_polars() {
    items_wait_for_jobs(&Pool::default());
}

/// A job that calls rows on Polars' workers, each of which gives the job's own pool more work.
fn rows_wait_for_the_job_s_pool(pool: &Pool) {
    let pool = pool.clone();
    watched(move || {
        for verb in 0..3 {
            let inner = pool.clone();
            let job = pool.apply_async(move || {
                let df = counting(40);
                let wait = |i: i64| match verb {
                    0 => inner.apply(|| i),
                    1 => inner.map([i], |i| i).map(|all| all[0]),
                    _ => inner.apply_async(move || i).get(),
                };
                df.par_apply().partitions(10).rows(wait)
            });
            let rows: Column = job.get().unwrap();
            assert!(rows.i64().unwrap().into_no_null_iter().eq(0..40));
        }
    });
}

#[test]
fn rows_within_a_job_that_wait_for_its_pool() {
    with_one_thread("waits::rows_wait_on_one_thread_of_polars");
    alone("waits::rows_wait_for_a_pool_of_one", |command| command);
}

#[test]
#[ignore = "run by rows_within_a_job_that_wait_for_its_pool, in a process of its own"]
fn rows_wait_on_one_thread_of_polars() {
    rows_wait_for_the_job_s_pool(&Pool::default());
}

#[test]
#[ignore = "run by rows_within_a_job_that_wait_for_its_pool, in a process of its own"]
fn rows_wait_for_a_pool_of_one() {
    rows_wait_for_the_job_s_pool(&Pool::new(1).unwrap());
}

/// Work goes from one pool to another, and back to the first, whose workers all wait.
#[test]
fn from_pool_to_pool_and_back() {
    watched(|| {
        let (a, b) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
        let there_and_back = a.apply(|| b.apply(|| a.apply(|| 5).unwrap()).unwrap());
        assert_eq!(there_and_back.unwrap(), 5);
        let (back, there) = (a.clone(), b.clone());
        let job = a.apply_async(move || {
            let back = back.clone();
            there
                .apply_async(move || back.apply_async(|| 5).get().unwrap())
                .get()
                .unwrap()
        });
        assert_eq!(job.get().unwrap(), 5);
    });
}

/// The only worker of each of two pools is in a call to the other pool; the calls come from unrelated threads.
#[test]
fn two_pools_that_call_each_other() {
    watched(|| {
        let (a, b) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
        let both = Barrier::new(2);
        let crossed = |from: &Pool, to: &Pool| {
            let called = from.apply(|| {
                both.wait();
                to.apply(|| 5).unwrap()
            });
            assert_eq!(called.unwrap(), 5);
        };
        thread::scope(|scope| {
            scope.spawn(|| crossed(&a, &b));
            crossed(&b, &a);
        });
        let go = Arc::new(Barrier::new(2));
        let crossed = |from: &Pool, to: &Pool| {
            let (go, to) = (go.clone(), to.clone());
            from.apply_async(move || {
                go.wait();
                to.apply_async(|| 5).get().unwrap()
            })
        };
        let (one, other) = (crossed(&a, &b), crossed(&b, &a));
        assert_eq!((one.get().unwrap(), other.get().unwrap()), (5, 5));
    });
}

#[test]
fn frames_from_pool_to_pool_and_back() {
    watched(|| {
        let (a, b) = (Pool::new(2).unwrap(), Pool::new(2).unwrap());
        let df = counting(8);
        let parts = |pool: &Pool, inner: &(dyn Fn() -> i64 + Sync)| -> i64 {
            let parts = df.par_apply().pool(pool).partitions(2);
            let sums = parts.chunks(|_: DataFrame| inner()).unwrap();
            sums.i64().unwrap().sum().unwrap()
        };
        // Both workers are in a part before either goes on.
        let both = Barrier::new(2);
        let sum = parts(&a, &|| {
            both.wait();
            parts(&b, &|| parts(&a, &|| 1))
        });
        assert_eq!(sum, 8);
    });
}

/// Makes two calls, by one of nine verbs of a pool, each of which makes the next two.
fn nested(pools: &Arc<[Pool; 3]>, way: usize, depth: usize) -> i64 {
    if depth == 0 {
        return 1;
    }
    let (pool, verb) = (&pools[way % 3], way / 3 % 9);
    let inner = {
        let pools = pools.clone();
        move || nested(&pools, way / 27, depth - 1)
    };
    let one = inner.clone();
    let each = move |_: i64| inner();
    let df = counting(2);
    let rows = df.par_apply().pool(pool).partitions(2);
    match verb {
        0 => pool.apply(|| each(0) + each(1)).unwrap(),
        1 => pool.map(0..2, each).unwrap().into_iter().sum(),
        2 => pool.imap(0..2, each).map(|sum| sum.unwrap()).sum(),
        3 => pool
            .imap_unordered(0..2, each)
            .map(|sum| sum.unwrap())
            .sum(),
        4 => {
            let (first, second) = (pool.apply_async(one.clone()), pool.apply_async(one));
            first.get().unwrap() + second.get().unwrap()
        }
        5 => {
            let mut jobs = [pool.apply_async(one.clone()), pool.apply_async(one)];
            // It may come from outside the pool, and then waits for its turn.
            jobs.iter_mut()
                .map(|job| {
                    loop {
                        match job.get_timeout(Duration::from_millis(5)) {
                            Ok(sum) => break sum,
                            Err(error) => assert_eq!(word_of(&error), "timeout"),
                        }
                    }
                })
                .sum()
        }
        6 => pool.map_async(0..2, each).get().unwrap().into_iter().sum(),
        7 => rows.rows(each).unwrap().i64().unwrap().sum().unwrap(),
        _ => {
            let rows = rows.spawn_rows(each).get().unwrap();
            rows.i64().unwrap().sum().unwrap()
        }
    }
}

#[test]
fn every_verb_within_every_other_on_every_pool() {
    for threads in [1, 3] {
        watched(move || {
            let pools = Arc::new([
                Pool::new(1).unwrap(),
                Pool::new(2).unwrap(),
                Pool::default(),
            ]);
            thread::scope(|scope| {
                for giver in 0..threads {
                    let pools = &pools;
                    scope.spawn(move || {
                        for round in 0..27 * 27 {
                            // The delays differ, so that the timing of threads does too, and all pairs occur.
                            let way = round + 27 * 27 * (7 * round + giver);
                            assert_eq!(nested(pools, way, 3), 8, "{way}");
                        }
                    });
                }
            });
        });
    }
}
