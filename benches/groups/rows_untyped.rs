//! Rows of a schema known only at run time.

use criterion::Criterion;
use polars_par_apply::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 500_000;

/// A number for a value of any dtype.
#[inline]
fn measure(value: &AnyValue<'_>) -> f64 {
    match value {
        AnyValue::Int64(value) => *value as f64,
        AnyValue::Float64(value) => *value,
        AnyValue::String(value) => value.len() as f64,
        AnyValue::Boolean(value) => f64::from(u8::from(*value)),
        _ => 0.0,
    }
}

#[derive(Debug)]
pub(crate) struct Untyped {
    frame: DataFrame,
}

impl Untyped {
    pub(crate) fn new(rows: usize) -> Self {
        let columns = vec![
            Column::new("id".into(), random::digits(1, rows)),
            Column::new("x".into(), random::floats(2, rows)),
            Column::new("word".into(), random::words(3, rows)),
            Column::new(
                "flag".into(),
                random::floats(4, rows)
                    .iter()
                    .map(|x| *x < 0.5)
                    .collect::<Vec<_>>(),
            ),
        ];
        Untyped {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    /// Every value of the row, as `get_row` gives them.
    pub(crate) fn ours_values(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|row: Row<'_>| {
            let values = (0..row.len()).map(|column| measure(&row.value(column)));
            values.sum::<f64>()
        })
        .expect("untyped rows take any columns")
    }

    /// The same by the row's iterator, which gives the names too.
    pub(crate) fn ours_iter(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|row: Row<'_>| row.iter().map(|(_, value)| measure(&value)).sum::<f64>())
            .expect("untyped rows take any columns")
    }

    /// Every value by its column's name, of a type that is known.
    pub(crate) fn ours_get(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|row: Row<'_>| -> polars_par_apply::Result<f64> {
            let (id, x) = (row.get::<i64>("id")?, row.get::<f64>("x")?);
            let (word, flag) = (row.get::<&str>("word")?, row.get::<bool>("flag")?);
            Ok(0.0 + id as f64 + x + word.len() as f64 + f64::from(u8::from(flag)))
        })
        .expect("the columns are of those types")
    }

    /// What it costs when the types are known.
    pub(crate) fn ours_typed(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|id: i64, x: f64, word: &str, flag: bool| {
            0.0 + id as f64 + x + word.len() as f64 + f64::from(u8::from(flag))
        })
        .expect("the columns are of those types")
    }

    pub(crate) fn get_row(&self) -> Vec<f64> {
        (0..self.frame.height())
            .map(|row| {
                let row = self.frame.get_row(row).expect("the frame has the row");
                row.0.iter().map(measure).sum()
            })
            .collect()
    }

    pub(crate) fn get_row_amortized(&self) -> Vec<f64> {
        let mut row = self.frame.get_row(0).expect("the frame has rows");
        (0..self.frame.height())
            .map(|index| {
                self.frame
                    .get_row_amortized(index, &mut row)
                    .expect("the frame has the row");
                row.0.iter().map(measure).sum()
            })
            .collect()
    }

    pub(crate) fn check(&self) {
        let expected = self.get_row();
        assert_eq!(self.get_row_amortized(), expected);
        for workers in BOTH {
            for ours in [
                self.ours_values(workers),
                self.ours_iter(workers),
                self.ours_get(workers),
                self.ours_typed(workers),
            ] {
                let ours = ours.f64().expect("the closure returns f64");
                assert_eq!(
                    ours.cont_slice().expect("one chunk without nulls"),
                    expected
                );
            }
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = Untyped::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "rows_untyped", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("Row, value(i), {label}"), || {
            case.ours_values(workers)
        });
        group.bench(&format!("Row, iter(), {label}"), || case.ours_iter(workers));
        group.bench(&format!("Row, get(name), {label}"), || {
            case.ours_get(workers)
        });
        group.bench(&format!("typed, {label}"), || case.ours_typed(workers));
    }
    group.bench("get_row", || case.get_row());
    group.bench("get_row_amortized", || case.get_row_amortized());
}
