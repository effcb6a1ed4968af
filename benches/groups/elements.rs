//! Every value of columns, mapped.

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

/// The rows of ten columns, and of one.
pub(crate) const ROWS: usize = 1_000_000;
pub(crate) const COLUMNS: usize = 10;
pub(crate) const LONG: usize = 10_000_000;

#[inline]
fn bent(x: f64) -> f64 {
    (x * x + 1.0).sqrt()
}

#[derive(Debug)]
pub(crate) struct Elements {
    frame: DataFrame,
}

impl Elements {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let columns = (0..columns)
            .map(|c| Column::new(format!("c{c}").into(), random::floats(c as u64, rows)));
        Elements {
            frame: DataFrame::new(rows, columns.collect()).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.frame);
        call.elements(bent).expect("the columns are f64")
    }

    /// A rayon loop for each column, one after the other, into fresh `Vec`s.
    pub(crate) fn by_rayon(&self, workers: Workers) -> Vec<Vec<f64>> {
        let map = |column: &Column| {
            let column = column.f64().expect("the column is f64");
            let values = column.cont_slice().expect("one chunk without nulls");
            values.par_iter().map(|x| bent(*x)).collect()
        };
        workers.install(|| self.frame.columns().iter().map(map).collect())
    }

    /// The same closure by `rows`, of the first column.
    pub(crate) fn by_rows(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame).select(["c0"]);
        call.rows(bent).expect("the column is f64")
    }

    pub(crate) fn check(&self) {
        let expected = self.by_rayon(Workers::One);
        let is = |column: &Column, expected: &[f64]| {
            let column = column.f64().expect("the closure returns f64");
            assert!(column.into_no_null_iter().eq(expected.iter().copied()));
        };
        for workers in BOTH {
            let ours = self.ours(workers);
            let columns = ours.columns().iter().zip(&expected);
            columns.for_each(|(column, expected)| is(column, expected));
            assert_eq!(self.by_rayon(workers), expected);
            is(&self.by_rows(workers), &expected[0]);
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let wide = Elements::new(ROWS, COLUMNS);
    wide.check();
    let mut group = Group::new(criterion, "elements, 10 columns", COLUMNS * ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || wide.ours(workers));
        group.bench(&format!("rayon, {label}"), || wide.by_rayon(workers));
    }
    drop(group);
    let long = Elements::new(LONG, 1);
    long.check();
    let mut group = Group::new(criterion, "elements, one column", LONG);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || long.ours(workers));
        group.bench(&format!("rows, {label}"), || long.by_rows(workers));
    }
}
