//! The sum of squares of each of 16 columns.

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

const ROWS: usize = 1_000_000;
const COLUMNS: u64 = 16;

fn sum_of_squares<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    values.map(|x| x * x).sum()
}

fn slice(column: &Column) -> &[f64] {
    let column = column.f64().expect("the column is f64");
    column.cont_slice().expect("one chunk without nulls")
}

struct Columns {
    frame: DataFrame,
}

impl Columns {
    fn new(rows: usize) -> Self {
        let columns =
            (0..COLUMNS).map(|i| Column::new(format!("c{i}").into(), random::floats(i, rows)));
        Columns {
            frame: DataFrame::new(rows, columns.collect()).expect("the columns are of one length"),
        }
    }

    fn ours_values(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.frame);
        call.columns(|values: Values<'_, f64>| values.iter().map(|x| x * x).sum::<f64>())
            .expect("the columns are f64")
    }

    fn ours_column(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.frame);
        call.columns(|column: &Column| sum_of_squares(slice(column).iter()))
            .expect("the columns are f64")
    }

    fn by_hand(&self, workers: Workers) -> Vec<f64> {
        workers.install(|| {
            let columns = self.frame.columns().par_iter();
            columns
                .map(|column| sum_of_squares(slice(column).iter()))
                .collect()
        })
    }

    fn query(&self) -> DataFrame {
        let names = self.frame.get_column_names_owned().into_iter();
        let sums: Vec<Expr> = names
            .map(|name| (col(name.clone()) * col(name)).sum())
            .collect();
        let result = self.frame.clone().lazy().select(sums).collect();
        result.expect("the columns are f64")
    }

    fn check(&self) {
        let expected: Vec<f64> = self.by_hand(Workers::One);
        assert_eq!(self.by_hand(Workers::All), expected);
        let first_row = |frame: &DataFrame| -> Vec<f64> {
            frame.columns().iter().map(|c| slice(c)[0]).collect()
        };
        for workers in BOTH {
            assert_eq!(first_row(&self.ours_values(workers)), expected);
            assert_eq!(first_row(&self.ours_column(workers)), expected);
        }
        // Polars adds in another order.
        for (sum, expected) in first_row(&self.query()).iter().zip(&expected) {
            assert!((sum - expected).abs() <= expected * 1e-9);
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = Columns::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "columns", ROWS * COLUMNS as usize);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, Values, {label}"), || {
            case.ours_values(workers)
        });
        group.bench(&format!("ours, &Column, {label}"), || {
            case.ours_column(workers)
        });
        group.bench(&format!("rayon, {label}"), || case.by_hand(workers));
    }
    group.bench("expression, in memory", || case.query());
}
