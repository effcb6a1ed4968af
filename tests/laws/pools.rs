//! Promise 11: where a call runs, and on how many workers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use polars_core::runtime::RAYON;
use polars_par_apply::prelude::*;

use crate::frames::{counting, watched};

/// Counts how many closures run at the same time.
#[derive(Default)]
struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtWork {
    fn work(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        std::thread::sleep(Duration::from_micros(300));
        self.now.fetch_sub(1, SeqCst);
    }
}

#[test]
pub(crate) fn workers_are_never_exceeded() {
    watched(|| {
        let df = counting(600);
        let wide: Vec<Column> = (0..60)
            .map(|i| Column::new(format!("{i}").into(), [i]))
            .collect();
        let wide = DataFrame::new(1, wide).unwrap();
        let pool = Pool::new(6).unwrap();
        for workers in [1, 2, 3, 6] {
            for apply in [
                df.par_apply().workers(workers),
                df.par_apply().workers(workers).partitions(100),
                df.par_apply().workers(workers).chunk_rows(3),
                df.par_apply().pool(&pool).workers(workers),
                df.par_apply().pool(&Pool::new(workers).unwrap()),
            ] {
                let rows = AtWork::default();
                apply.clone().rows(|_: i64| rows.work()).unwrap();
                assert!(rows.most.into_inner() <= workers);
                let parts = AtWork::default();
                apply.chunks(|_: DataFrame| parts.work()).unwrap();
                assert!(parts.most.into_inner() <= workers);
            }
            let columns = AtWork::default();
            wide.par_apply()
                .workers(workers)
                .columns(|_: &Column| columns.work())
                .unwrap();
            assert!(columns.most.into_inner() <= workers);
        }
    });
}

/// A place where `of` closures must meet before any goes on. It gives up instead of waiting for ever.
struct Meeting {
    of: usize,
    arrived: Mutex<usize>,
    more: Condvar,
}

impl Meeting {
    fn of(of: usize) -> Self {
        Meeting {
            of,
            arrived: Mutex::new(0),
            more: Condvar::new(),
        }
    }

    fn wait(&self) {
        let mut arrived = self.arrived.lock().unwrap();
        *arrived += 1;
        let all = arrived.next_multiple_of(self.of);
        self.more.notify_all();
        let limit = Duration::from_secs(60);
        let (arrived, _) = self
            .more
            .wait_timeout_while(arrived, limit, |arrived| *arrived < all)
            .unwrap();
        let met = *arrived >= all;
        drop(arrived);
        assert!(met, "too few workers");
    }
}

/// Each row waits until as many rows run as there are workers.
#[test]
fn all_workers_are_used_even_beyond_polars_pool() {
    for workers in [2, 3, 12] {
        watched(move || {
            let met = Meeting::of(workers);
            // The calling thread runs the first rows alone, so only parts are sure to run at the same time.
            let df = counting(workers * 2);
            df.par_apply()
                .workers(workers)
                .partitions(workers * 2)
                .rows(|_: i64| {
                    met.wait();
                })
                .unwrap();
            df.par_apply()
                .workers(workers)
                .chunks(|_: DataFrame| {
                    met.wait();
                })
                .unwrap();
            let pool = Pool::new(workers).unwrap();
            df.par_apply()
                .pool(&pool)
                .partitions(workers)
                .rows(|i: i64| {
                    if i % 2 == 0 {
                        met.wait();
                    }
                })
                .unwrap();
        });
    }
}

#[test]
fn sequential_is_the_calling_thread_in_order() {
    let df = counting(5000);
    let here = std::thread::current().id();
    for apply in [
        df.par_apply().sequential(),
        df.par_apply().workers(1),
        df.par_apply().sequential().partitions(9),
        df.par_apply().sequential().workers(4),
        df.par_apply().pool(&Pool::new(2).unwrap()).sequential(),
    ] {
        let seen = Mutex::new(Vec::new());
        let see = |i: i64| {
            assert_eq!(std::thread::current().id(), here);
            seen.lock().unwrap().push(i);
        };
        apply.clone().rows(see).unwrap();
        assert!(seen.lock().unwrap().drain(..).eq(0..5000));
        apply
            .clone()
            .chunks(|part: Chunk| see(part.row_offset() as i64))
            .unwrap();
        assert!(seen.lock().unwrap().is_sorted());
        apply.columns(|_: &Column| see(0)).unwrap();
    }
}

#[test]
fn a_pool_given_runs_the_call() {
    watched(|| {
        let df = counting(400);
        let pool = Pool::new(3).unwrap();
        assert_eq!(pool.workers(), 3);
        assert_eq!(pool.clone().workers(), 3);
        let names = Mutex::new(HashSet::new());
        df.par_apply()
            .pool(&pool)
            .partitions(40)
            .rows(|_: i64| {
                names
                    .lock()
                    .unwrap()
                    .insert(std::thread::current().name().unwrap_or("").to_string());
            })
            .unwrap();
        let names = names.into_inner().unwrap();
        assert!(
            names.iter().all(|name| name.starts_with("par-apply-")),
            "{names:?}"
        );
        assert!(!names.is_empty());
    });
}

#[test]
fn polars_own_pool_is_the_default() {
    watched(|| {
        assert_eq!(Pool::default().workers(), RAYON.current_num_threads());
        let df = counting(400);
        df.par_apply()
            .workers(RAYON.current_num_threads().max(2))
            .partitions(40)
            .rows(|_: i64| {
                if RAYON.current_num_threads() > 1 {
                    assert!(RAYON.current_thread_index().is_some());
                }
            })
            .unwrap();
    });
}
