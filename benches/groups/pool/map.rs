//! `pool.map` over numbers: by reference, by value and from a range.

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::WORKERS;
use crate::groups::group::Group;
use crate::groups::workers::Workers;

pub(crate) const ITEMS: usize = 1_000_000;

/// How long the closure takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cost {
    /// About a nanosecond.
    Short,
    /// About a hundred.
    Long,
}

pub(crate) const COSTS: [Cost; 2] = [Cost::Short, Cost::Long];

impl Cost {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Cost::Short => "1 ns",
            Cost::Long => "100 ns",
        }
    }
}

/// The last step of `splitmix64`, by Steele, Lea and Flood: *Fast splittable pseudorandom number generators* (2014).
#[inline]
pub(super) fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// The same again and again, each step on the result of the one before.
#[inline]
pub(super) fn mix_long(n: u64) -> u64 {
    (0..40).fold(n, |n, _| mix(n))
}

#[derive(Debug)]
pub(crate) struct Map {
    ours: Pool,
    polars: Pool,
    rayon: ThreadPool,
    items: Vec<u64>,
}

impl Map {
    pub(crate) fn new(items: usize) -> Self {
        Map {
            ours: super::ours(),
            polars: Pool::default(),
            rayon: super::rayons(),
            items: (0..items as u64).collect(),
        }
    }

    pub(crate) fn items(&self) -> Vec<u64> {
        self.items.clone()
    }

    /// What the closure alone takes: nothing is written.
    pub(crate) fn sequential(&self, cost: Cost) -> u64 {
        let sum = |sum: u64, n| sum.wrapping_add(n);
        match cost {
            Cost::Short => self.items.iter().map(|n| mix(*n)).fold(0, sum),
            Cost::Long => self.items.iter().map(|n| mix_long(*n)).fold(0, sum),
        }
    }

    pub(crate) fn ours(&self, cost: Cost) -> Vec<u64> {
        map(&self.ours, &self.items, cost)
    }

    pub(crate) fn rayon(&self, cost: Cost) -> Vec<u64> {
        self.rayon.install(|| collect(&self.items, cost))
    }

    pub(crate) fn ours_default(&self, cost: Cost) -> Vec<u64> {
        map(&self.polars, &self.items, cost)
    }

    /// On the threads of Polars' own pool.
    pub(crate) fn rayon_default(&self, cost: Cost) -> Vec<u64> {
        Workers::All.install(|| collect(&self.items, cost))
    }

    pub(crate) fn ours_owned(&self, items: Vec<u64>) -> Vec<u64> {
        self.ours.map(items, mix).expect("the pool is open")
    }

    pub(crate) fn rayon_owned(&self, items: Vec<u64>) -> Vec<u64> {
        self.rayon
            .install(|| items.into_par_iter().map(mix).collect())
    }

    pub(crate) fn ours_range(&self) -> Vec<u64> {
        let items = 0..self.items.len() as u64;
        self.ours.map(items, mix).expect("the pool is open")
    }

    pub(crate) fn rayon_range(&self) -> Vec<u64> {
        let items = 0..self.items.len() as u64;
        self.rayon
            .install(|| items.into_par_iter().map(mix).collect())
    }

    pub(crate) fn check(&self) {
        for cost in COSTS {
            let expected: Vec<u64> = match cost {
                Cost::Short => self.items.iter().map(|n| mix(*n)).collect(),
                Cost::Long => self.items.iter().map(|n| mix_long(*n)).collect(),
            };
            assert_eq!(self.ours(cost), expected);
            assert_eq!(self.rayon(cost), expected);
            assert_eq!(self.ours_default(cost), expected);
            assert_eq!(self.rayon_default(cost), expected);
        }
        let expected = self.ours(Cost::Short);
        assert_eq!(self.ours_owned(self.items()), expected);
        assert_eq!(self.rayon_owned(self.items()), expected);
        assert_eq!(self.ours_range(), expected);
        assert_eq!(self.rayon_range(), expected);
    }
}

fn map(pool: &Pool, items: &[u64], cost: Cost) -> Vec<u64> {
    let results = match cost {
        Cost::Short => pool.map(items, |n| mix(*n)),
        Cost::Long => pool.map(items, |n| mix_long(*n)),
    };
    results.expect("the pool is open")
}

fn collect(items: &[u64], cost: Cost) -> Vec<u64> {
    match cost {
        Cost::Short => items.par_iter().map(|n| mix(*n)).collect(),
        Cost::Long => items.par_iter().map(|n| mix_long(*n)).collect(),
    }
}

pub(super) fn bench(criterion: &mut Criterion) {
    let case = Map::new(ITEMS);
    case.check();
    let mut group = Group::new(criterion, &format!("pool, map, {WORKERS} workers"), ITEMS);
    for cost in COSTS {
        let label = cost.label();
        group.bench(&format!("ours, {label}"), || case.ours(cost));
        group.bench(&format!("rayon, {label}"), || case.rayon(cost));
        group.bench(&format!("ours, {label}, Polars' pool"), || {
            case.ours_default(cost)
        });
        group.bench(&format!("rayon, {label}, Polars' pool"), || {
            case.rayon_default(cost)
        });
        group.bench(&format!("sequential, summed, {label}"), || {
            case.sequential(cost)
        });
    }
    group.bench_with(
        "ours, by value",
        || case.items(),
        |items| case.ours_owned(items),
    );
    group.bench_with(
        "rayon, by value",
        || case.items(),
        |items| case.rayon_owned(items),
    );
    group.bench("ours, a range", || case.ours_range());
    group.bench("rayon, a range", || case.rayon_range());
}
