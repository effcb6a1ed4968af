//! One closure that takes no time: to a worker and back.

use std::sync::mpsc::channel;

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::ThreadPool;

use super::WORKERS;
use crate::groups::group::Group;

#[derive(Debug)]
pub(crate) struct RoundTrip {
    pool: Pool,
    polars: Pool,
    rayon: ThreadPool,
}

impl RoundTrip {
    pub(crate) fn new() -> Self {
        RoundTrip {
            pool: super::ours(),
            polars: Pool::default(),
            rayon: super::rayons(),
        }
    }

    pub(crate) fn ours(&self) -> i32 {
        self.pool.apply_async(|| 1).get().expect("the pool is open")
    }

    pub(crate) fn ours_default(&self) -> i32 {
        let job = self.polars.apply_async(|| 1);
        job.get().expect("the pool is open")
    }

    /// What blocks the caller.
    pub(crate) fn ours_blocking(&self) -> i32 {
        self.pool.apply(|| 1).expect("the pool is open")
    }

    pub(crate) fn rayon(&self) -> i32 {
        let (send, receive) = channel();
        self.rayon.spawn(move || {
            let _ = send.send(1);
        });
        receive.recv().expect("the worker sends")
    }

    /// What blocks the caller.
    pub(crate) fn rayon_blocking(&self) -> i32 {
        self.rayon.install(|| 1)
    }

    pub(crate) fn check(&self) {
        for answer in [
            self.ours(),
            self.ours_default(),
            self.ours_blocking(),
            self.rayon(),
            self.rayon_blocking(),
        ] {
            assert_eq!(answer, 1);
        }
    }
}

pub(super) fn bench(criterion: &mut Criterion) {
    let case = RoundTrip::new();
    case.check();
    let name = format!("pool, round trip, {WORKERS} workers");
    let mut group = Group::new(criterion, &name, 1);
    group.bench_short("apply_async and get", || case.ours());
    group.bench_short("apply_async and get, Polars' pool", || case.ours_default());
    group.bench_short("apply", || case.ours_blocking());
    group.bench_short("rayon, spawn and a channel", || case.rayon());
    group.bench_short("rayon, install", || case.rayon_blocking());
}
