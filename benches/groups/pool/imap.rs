//! `imap` over numbers, in chunks, against `map` over the same.

use criterion::Criterion;
use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use super::WORKERS;
use super::map::{COSTS, Cost, ITEMS, mix, mix_long};
use crate::groups::group::Group;

pub(crate) const CHUNK: usize = 1000;

/// Both go over a range, and their results are summed.
#[derive(Debug)]
pub(crate) struct ImapSum {
    pool: Pool,
    items: u64,
}

impl ImapSum {
    pub(crate) fn new(items: usize) -> Self {
        ImapSum {
            pool: super::ours(),
            items: items as u64,
        }
    }

    pub(crate) fn ours(&self, cost: Cost) -> u64 {
        match cost {
            Cost::Short => self.sum(mix),
            Cost::Long => self.sum(mix_long),
        }
    }

    pub(crate) fn ours_unordered(&self, cost: Cost) -> u64 {
        match cost {
            Cost::Short => self.sum_unordered(mix),
            Cost::Long => self.sum_unordered(mix_long),
        }
    }

    pub(crate) fn map(&self, cost: Cost) -> u64 {
        let results = match cost {
            Cost::Short => self.pool.map(0..self.items, mix),
            Cost::Long => self.pool.map(0..self.items, mix_long),
        };
        let results = results.expect("the pool is open").into_iter();
        results.fold(0, u64::wrapping_add)
    }

    pub(crate) fn check(&self) {
        for cost in COSTS {
            let f = match cost {
                Cost::Short => mix,
                Cost::Long => mix_long,
            };
            let expected = (0..self.items).map(f).fold(0, u64::wrapping_add);
            assert_eq!(self.ours(cost), expected);
            assert_eq!(self.ours_unordered(cost), expected);
            assert_eq!(self.map(cost), expected);
        }
    }

    fn sum(&self, f: impl Fn(u64) -> u64 + Send + Sync + 'static) -> u64 {
        let results = self.pool.imap(0..self.items, f).chunk_size(CHUNK);
        results.fold(0, add)
    }

    fn sum_unordered(&self, f: impl Fn(u64) -> u64 + Send + Sync + 'static) -> u64 {
        let results = self.pool.imap_unordered(0..self.items, f);
        results.chunk_size(CHUNK).fold(0, add)
    }
}

fn add(sum: u64, result: Result<u64>) -> u64 {
    sum.wrapping_add(result.expect("no item fails"))
}

pub(super) fn bench(criterion: &mut Criterion) {
    let case = ImapSum::new(ITEMS);
    case.check();
    let name = format!("pool, imap in chunks of {CHUNK}, summed, {WORKERS} workers");
    let mut group = Group::new(criterion, &name, ITEMS);
    for cost in COSTS {
        let label = cost.label();
        group.bench(&format!("imap, {label}"), || case.ours(cost));
        group.bench(&format!("imap_unordered, {label}"), || {
            case.ours_unordered(cost)
        });
        group.bench(&format!("map, {label}"), || case.map(cost));
    }
}
