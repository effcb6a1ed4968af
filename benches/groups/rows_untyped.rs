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

/// A frame of many columns of one dtype, whose names the closure goes over.
#[derive(Debug)]
pub(crate) struct Wide {
    frame: DataFrame,
    names: Vec<String>,
}

/// How many values a wide frame has.
pub(crate) const CELLS: usize = 2_000_000;

impl Wide {
    pub(crate) fn new(columns: usize, cells: usize) -> Self {
        let rows = cells / columns;
        let names: Vec<String> = (0..columns).map(|i| format!("column_{i}")).collect();
        let values = names
            .iter()
            .enumerate()
            .map(|(i, name)| Column::new(name.as_str().into(), random::floats(i as u64, rows)));
        let frame = DataFrame::new(rows, values.collect());
        Wide {
            frame: frame.expect("the columns are of one length"),
            names,
        }
    }

    pub(crate) fn cells(&self) -> usize {
        self.frame.height() * self.frame.width()
    }

    /// The sum of each row's values, found by their names.
    pub(crate) fn by_name(&self) -> Column {
        let call = Workers::One.apply(&self.frame);
        call.rows(|row: Row<'_>| -> polars_par_apply::Result<f64> {
            let mut sum = 0.0;
            for name in &self.names {
                sum += row.get::<f64>(name)?;
            }
            Ok(sum)
        })
        .expect("the columns are there")
    }

    /// The same by position.
    pub(crate) fn by_position(&self) -> Column {
        let call = Workers::One.apply(&self.frame);
        call.rows(|row: Row<'_>| -> polars_par_apply::Result<f64> {
            let mut sum = 0.0;
            for column in 0..row.len() {
                sum += row.at::<f64>(column)?;
            }
            Ok(sum)
        })
        .expect("the columns are there")
    }

    pub(crate) fn check(&self) {
        let (by_name, by_position) = (self.by_name(), self.by_position());
        assert_eq!(by_name, by_position);
        let values = self.frame.columns().iter().map(|column| {
            let values = column.f64().expect("the columns are of f64");
            values.get(0).unwrap_or_default()
        });
        let first = by_name.f64().expect("the closure returns f64").get(0);
        assert_eq!(first.unwrap_or_default(), values.sum::<f64>());
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
    drop(group);
    for columns in [4, 256, 1000] {
        let wide = Wide::new(columns, CELLS);
        wide.check();
        let mut group = Group::new(criterion, "rows_untyped", wide.cells());
        group.bench(&format!("get(name) of {columns} columns"), || {
            wide.by_name()
        });
        group.bench(&format!("at(i) of {columns} columns"), || {
            wide.by_position()
        });
    }
}
