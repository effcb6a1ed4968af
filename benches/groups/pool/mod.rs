//! A pool's own verbs: a map and an `imap` over a million numbers, a job's round trip, and the rows of a Python program.

pub(crate) mod count_in_range;
pub(crate) mod imap;
pub(crate) mod map;
pub(crate) mod round_trip;

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// How many threads each pool has.
pub(crate) const WORKERS: usize = 2;

fn ours() -> Pool {
    Pool::new(WORKERS).expect("threads can be started")
}

fn rayons() -> ThreadPool {
    let pool = ThreadPoolBuilder::new().num_threads(WORKERS).build();
    pool.expect("threads can be started")
}

pub(crate) fn bench(criterion: &mut Criterion) {
    map::bench(criterion);
    imap::bench(criterion);
    round_trip::bench(criterion);
    count_in_range::bench(criterion);
}
