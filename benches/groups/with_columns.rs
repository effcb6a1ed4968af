//! `with_columns` and `par_map` against `rows` with the same closure.

use criterion::Criterion;
use polars_par_apply::prelude::*;

use super::group::Group;
use super::rows_f64::{ROWS, RowsF64, hypotenuse};
use super::workers::Workers;

#[inline]
fn curve(a: f64) -> f64 {
    (a * a + 1.0).sqrt()
}

#[derive(Debug)]
pub(crate) struct WithColumns {
    pub(crate) rows: RowsF64,
    one: DataFrame,
}

impl WithColumns {
    pub(crate) fn new(rows: usize) -> Self {
        let rows = RowsF64::new(rows);
        let one = rows.frame.select(["a"]).expect("the frame has the column");
        WithColumns { rows, one }
    }

    pub(crate) fn ours(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.rows.frame);
        call.with_columns(hypotenuse).expect("the columns are f64")
    }

    pub(crate) fn par_map(&self) -> Column {
        self.one["a"].par_map(curve).expect("the column is f64")
    }

    /// The same by `rows`.
    pub(crate) fn one_by_rows(&self) -> Column {
        let call = self.one.par_apply();
        call.rows(curve).expect("the column is f64")
    }

    pub(crate) fn check(&self) {
        self.rows.check();
        let hypotenuses = self.rows.ours(Workers::One);
        let mut expected = self.rows.frame.clone();
        expected
            .with_column(hypotenuses)
            .expect("the columns are of one length");
        for workers in [Workers::One, Workers::All] {
            assert_eq!(self.ours(workers), expected);
        }
        let mapped = self.one_by_rows().with_name("a".into());
        assert_eq!(self.par_map(), mapped);
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = WithColumns::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "with_columns", ROWS);
    group.bench("ours", || case.ours(Workers::All));
    group.bench("rows", || case.rows.ours(Workers::All));
    drop(group);
    let mut group = Group::new(criterion, "par_map", ROWS);
    group.bench("ours", || case.par_map());
    group.bench("rows", || case.one_by_rows());
}
