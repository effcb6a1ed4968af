//! How many of five digits lie in 4..=8.

use std::mem::MaybeUninit;
use std::ops::Range;

use criterion::Criterion;
use polars_par_apply::prelude::*;

use super::fill;
use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 2_000_000;
const COLUMNS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[inline]
fn count_in_range(row: [i64; 5]) -> u32 {
    row.iter().filter(|n| (4..=8).contains(*n)).count() as u32
}

#[derive(Debug)]
pub(crate) struct CountInRange {
    frame: DataFrame,
}

impl CountInRange {
    pub(crate) fn new(rows: usize) -> Self {
        let columns = COLUMNS.iter().zip(1..);
        let columns =
            columns.map(|(name, seed)| Column::new((*name).into(), random::digits(seed, rows)));
        CountInRange {
            frame: DataFrame::new(rows, columns.collect()).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(count_in_range)
            .expect("the columns are i64")
    }

    pub(crate) fn serial(&self) -> Vec<u32> {
        let columns = self.slices();
        (0..self.frame.height())
            .map(|row| count_in_range(columns.map(|column| column[row])))
            .collect()
    }

    pub(crate) fn fresh(&self, workers: Workers) -> Vec<u32> {
        fill::fresh(self.frame.height(), workers, self.writer())
    }

    pub(crate) fn mapped(&self, workers: Workers, buffer: &mut [u32]) {
        fill::mapped(buffer, workers, self.writer());
    }

    pub(crate) fn query(&self, engine: Engine) -> DataFrame {
        let in_range = |name: &str| col(name).gt_eq(lit(4)).and(col(name).lt_eq(lit(8)));
        let counts = COLUMNS.map(|name| in_range(name).cast(DataType::UInt32));
        let sum = counts
            .into_iter()
            .reduce(|sum, count| sum + count)
            .expect("five columns");
        let result = self
            .frame
            .clone()
            .lazy()
            .select([sum])
            .collect_with_engine(engine);
        result.expect("the columns are i64").unwrap_single()
    }

    pub(crate) fn check(&self) {
        let expected = self.serial();
        let mut buffer = vec![0; expected.len()];
        for workers in BOTH {
            let ours = self.ours(workers);
            let ours = ours.u32().expect("the closure returns u32");
            assert_eq!(
                ours.cont_slice().expect("one chunk without nulls"),
                expected
            );
            assert_eq!(self.fresh(workers), expected);
            self.mapped(workers, &mut buffer);
            assert_eq!(buffer, expected);
        }
        for engine in [Engine::InMemory, Engine::Streaming] {
            let result = self.query(engine);
            let result = result.columns()[0].u32().expect("a sum of u32 is u32");
            assert!(result.into_no_null_iter().eq(expected.iter().copied()));
        }
    }

    fn slices(&self) -> [&[i64]; 5] {
        COLUMNS.map(|name| {
            let column = self.frame.column(name).expect("the frame has the column");
            let column = column.i64().expect("the column is i64");
            column.cont_slice().expect("one chunk without nulls")
        })
    }

    fn writer(&self) -> impl Fn(Range<usize>, &mut [MaybeUninit<u32>]) + Sync {
        let columns = self.slices();
        move |rows, out| {
            // Slices cut to one length, so that no index is checked in the loop.
            let len = out.len();
            let [a, b, c, d, e] = columns.map(|column| &column[rows.clone()][..len]);
            for i in 0..len {
                out[i].write(count_in_range([a[i], b[i], c[i], d[i], e[i]]));
            }
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = CountInRange::new(ROWS);
    case.check();
    let mut buffer = vec![0; ROWS];
    let mut group = Group::new(criterion, "rows_count_in_range", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours(workers));
        group.bench(&format!("rayon, fresh, {label}"), || case.fresh(workers));
        group.bench(&format!("rayon, mapped, {label}"), || {
            case.mapped(workers, &mut buffer);
        });
    }
    group.bench("serial loop", || case.serial());
    group.bench("expression, in memory", || case.query(Engine::InMemory));
    group.bench("expression, streaming", || case.query(Engine::Streaming));
}
