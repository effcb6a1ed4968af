//! How many of five digits lie in 4..=8, on rows that `peers/count_in_range.py` makes too.

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::ThreadPool;
use rayon::prelude::*;

use super::WORKERS;
use crate::groups::group::Group;

pub(crate) const ROWS: usize = 200_000;

type Row = [i64; 5];

fn count_in_range(row: &Row, minimum: i64, maximum: i64) -> i64 {
    let within = row.iter().filter(|n| (minimum..=maximum).contains(*n));
    within.count() as i64
}

#[derive(Debug)]
pub(crate) struct CountInRange {
    ours: Pool,
    rayon: ThreadPool,
    rows: Vec<Row>,
}

impl CountInRange {
    pub(crate) fn new(rows: usize) -> Self {
        let mut state = 0;
        CountInRange {
            ours: super::ours(),
            rayon: super::rayons(),
            rows: (0..rows)
                .map(|_| [(); 5].map(|()| digit(&mut state)))
                .collect(),
        }
    }

    pub(crate) fn map(&self) -> Vec<i64> {
        let counts = self.ours.map(&self.rows, |row| count_in_range(row, 4, 8));
        counts.expect("the pool is open")
    }

    /// The arguments are put together within, as in Python.
    pub(crate) fn starmap(&self) -> Vec<i64> {
        let arguments = self.rows.iter().map(|row| (row, 4, 8));
        let counts = self.ours.starmap(arguments, count_in_range);
        counts.expect("the pool is open")
    }

    pub(crate) fn rayon(&self) -> Vec<i64> {
        let rows = self.rows.par_iter();
        self.rayon
            .install(|| rows.map(|row| count_in_range(row, 4, 8)).collect())
    }

    pub(crate) fn check(&self) {
        let rows = self.rows.iter();
        let expected: Vec<i64> = rows.map(|row| count_in_range(row, 4, 8)).collect();
        assert_eq!(self.map(), expected);
        assert_eq!(self.starmap(), expected);
        assert_eq!(self.rayon(), expected);
    }
}

/// Tells counts in this order from any other.
pub(crate) fn checksum(counts: &[i64]) -> u64 {
    counts.iter().zip(1..).fold(0, |sum: u64, (count, place)| {
        sum.wrapping_add(place * *count as u64)
    })
}

/// Knuth's linear congruential generator modulo 2^64.
fn digit(state: &mut u64) -> i64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 33) % 10) as i64
}

pub(super) fn bench(criterion: &mut Criterion) {
    let case = CountInRange::new(ROWS);
    case.check();
    let name = format!("pool, count in range, {WORKERS} workers");
    let mut group = Group::new(criterion, &name, ROWS);
    group.bench("map", || case.map());
    group.bench("starmap", || case.starmap());
    group.bench("rayon", || case.rayon());
}
