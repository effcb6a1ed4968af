//! The hypotenuse of two f64 columns.

use std::mem::MaybeUninit;
use std::ops::Range;

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::fill;
use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 10_000_000;

#[inline]
pub(crate) fn hypotenuse(a: f64, b: f64) -> f64 {
    (a * a + b * b).sqrt()
}

pub(crate) fn expression() -> Expr {
    (col("a") * col("a") + col("b") * col("b")).sqrt()
}

#[derive(Debug)]
pub(crate) struct RowsF64 {
    pub(crate) frame: DataFrame,
}

impl RowsF64 {
    pub(crate) fn new(rows: usize) -> Self {
        let (a, b) = (random::floats(1, rows), random::floats(2, rows));
        let columns = vec![Column::new("a".into(), a), Column::new("b".into(), b)];
        RowsF64 {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(hypotenuse)
            .expect("the columns are f64")
    }

    /// The same, both columns taken as nullable.
    pub(crate) fn ours_optional(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|a: Option<f64>, b: Option<f64>| hypotenuse(a.unwrap_or(0.0), b.unwrap_or(0.0)))
            .expect("the columns are f64")
    }

    /// The same, with a nullable result too.
    pub(crate) fn ours_optional_out(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|a: Option<f64>, b: Option<f64>| Some(hypotenuse(a?, b?)))
            .expect("the columns are f64")
    }

    /// No threads, no crate.
    pub(crate) fn serial_zip(&self) -> Vec<f64> {
        let [a, b] = self.slices();
        a.iter().zip(b).map(|(a, b)| hypotenuse(*a, *b)).collect()
    }

    /// The rayon loop most people would write.
    pub(crate) fn par_iter(&self, workers: Workers) -> Vec<f64> {
        let [a, b] = self.slices();
        workers.install(|| {
            let pairs = a.par_iter().zip(b).with_min_len(1 << 14);
            pairs.map(|(a, b)| hypotenuse(*a, *b)).collect()
        })
    }

    /// The rayon loop over chunks of the slices, into a fresh vector.
    pub(crate) fn fresh(&self, workers: Workers) -> Vec<f64> {
        fill::fresh(self.frame.height(), workers, self.writer())
    }

    /// The same, huge pages asked for.
    pub(crate) fn fresh_huge(&self, workers: Workers) -> Vec<f64> {
        fill::fresh_huge(self.frame.height(), workers, self.writer())
    }

    /// The same, into a buffer that has been written to before.
    pub(crate) fn mapped(&self, workers: Workers, buffer: &mut [f64]) {
        fill::mapped(buffer, workers, self.writer());
    }

    pub(crate) fn query(&self, engine: Engine) -> DataFrame {
        let query = self.frame.clone().lazy().select([expression()]);
        let result = query.collect_with_engine(engine);
        result.expect("the columns are f64").unwrap_single()
    }

    /// What users write today.
    pub(crate) fn chunked_iterators(&self) -> Float64Chunked {
        let [a, b] = ["a", "b"].map(|name| self.column(name));
        a.iter()
            .zip(b.iter())
            .map(|(a, b)| Some(hypotenuse(a?, b?)))
            .collect()
    }

    pub(crate) fn check(&self) {
        let expected = self.serial_zip();
        let mut buffer = vec![0.0; expected.len()];
        for workers in BOTH {
            self.mapped(workers, &mut buffer);
            assert_eq!(buffer, expected);
            assert_eq!(self.par_iter(workers), expected);
            assert_eq!(self.fresh(workers), expected);
            assert_eq!(self.fresh_huge(workers), expected);
            for ours in [
                self.ours(workers),
                self.ours_optional(workers),
                self.ours_optional_out(workers),
            ] {
                let ours = ours.f64().expect("the closure returns f64");
                assert_eq!(
                    ours.cont_slice().expect("one chunk without nulls"),
                    expected
                );
            }
        }
        assert!(
            self.chunked_iterators()
                .into_no_null_iter()
                .eq(expected.iter().copied())
        );
        for engine in [Engine::InMemory, Engine::Streaming] {
            let result = self.query(engine);
            let result = result.columns()[0].f64().expect("a root of f64 is f64");
            assert!(result.into_no_null_iter().eq(expected.iter().copied()));
        }
    }

    fn column(&self, name: &str) -> &Float64Chunked {
        let column = self.frame.column(name).expect("the frame has the column");
        column.f64().expect("the column is f64")
    }

    fn slices(&self) -> [&[f64]; 2] {
        ["a", "b"].map(|name| {
            self.column(name)
                .cont_slice()
                .expect("one chunk without nulls")
        })
    }

    fn writer(&self) -> impl Fn(Range<usize>, &mut [MaybeUninit<f64>]) + Sync {
        let [a, b] = self.slices();
        move |rows, out| {
            for ((out, a), b) in out.iter_mut().zip(&a[rows.clone()]).zip(&b[rows]) {
                out.write(hypotenuse(*a, *b));
            }
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = RowsF64::new(ROWS);
    case.check();
    let mut buffer = vec![0.0; ROWS];
    let mut group = Group::new(criterion, "rows_f64", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours(workers));
        group.bench(&format!("rayon, fresh, {label}"), || case.fresh(workers));
        group.bench(&format!("rayon, fresh in huge pages, {label}"), || {
            case.fresh_huge(workers)
        });
        group.bench(&format!("rayon, mapped, {label}"), || {
            case.mapped(workers, &mut buffer);
        });
        group.bench(&format!("rayon par_iter, {label}"), || {
            case.par_iter(workers)
        });
    }
    group.bench("serial zip", || case.serial_zip());
    group.bench("expression, in memory", || case.query(Engine::InMemory));
    group.bench("expression, streaming", || case.query(Engine::Streaming));
    group.bench("ChunkedArray iterators", || case.chunked_iterators());
}
