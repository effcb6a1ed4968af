//! The hypotenuse of two f64 columns, a tenth of each null.

use std::mem::MaybeUninit;
use std::ops::Range;

use criterion::Criterion;
use polars_arrow::array::PrimitiveArray;
use polars_arrow::bitmap::Bitmap;
use polars_par_apply::prelude::*;

use super::fill;
use super::group::Group;
use super::random;
use super::rows_f64::{RowsF64, expression, hypotenuse};
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 10_000_000;

#[derive(Debug)]
pub(crate) struct RowsNullable {
    frame: DataFrame,
}

impl RowsNullable {
    pub(crate) fn new(rows: usize) -> Self {
        let (a, b) = (
            random::nullable_floats(1, rows),
            random::nullable_floats(2, rows),
        );
        let columns = vec![Column::new("a".into(), a), Column::new("b".into(), b)];
        RowsNullable {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    /// The closure sees the nulls and returns them.
    pub(crate) fn ours_optional(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame);
        call.rows(|a: Option<f64>, b: Option<f64>| Some(hypotenuse(a?, b?)))
            .expect("the columns are f64")
    }

    /// The closure is not called for rows with a null.
    pub(crate) fn ours_plain(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(hypotenuse)
            .expect("the columns are f64")
    }

    /// By hand, value by value as the closure would: values into one fresh vector, and whether they are valid into
    /// another, which is packed afterwards.
    pub(crate) fn by_row(&self, workers: Workers) -> Float64Chunked {
        let [a, b] = self.arrays();
        let (a_valid, b_valid) = (validity(a), validity(b));
        let (a, b) = (a.values().as_slice(), b.values().as_slice());
        let get = |values: &[f64], valid: &Bitmap, row| valid.get_bit(row).then(|| values[row]);
        let rows = a.len();
        let mut valid = vec![0u8; rows.div_ceil(8)];
        let words = SyncBytes(valid.as_mut_ptr());
        let values = fill::fresh(
            rows,
            workers,
            |rows: Range<usize>, out: &mut [MaybeUninit<f64>]| {
                let words = &words;
                for (byte, out) in out.chunks_mut(8).enumerate() {
                    let start = rows.start + byte * 8;
                    let mut bits = 0;
                    for (bit, out) in out.iter_mut().enumerate() {
                        let row = start + bit;
                        let value = get(a, a_valid, row).zip(get(b, b_valid, row));
                        let value = value.map(|(a, b)| hypotenuse(a, b));
                        bits |= u8::from(value.is_some()) << bit;
                        out.write(value.unwrap_or_default());
                    }
                    // SAFETY: a chunk's first row is a multiple of 8 (`fill`), so the byte is this chunk's alone.
                    unsafe { words.0.add(start / 8).write(bits) };
                }
            },
        );
        let validity = Bitmap::from_u8_vec(valid, rows);
        column(values, validity)
    }

    /// By hand, knowing more than a closure does: every value computed, nulls included, and the bitmaps combined.
    pub(crate) fn by_column(&self, workers: Workers) -> Float64Chunked {
        let [a, b] = self.arrays();
        let validity = validity(a) & validity(b);
        let (a, b) = (a.values().as_slice(), b.values().as_slice());
        let values = fill::fresh(
            a.len(),
            workers,
            |rows: Range<usize>, out: &mut [MaybeUninit<f64>]| {
                for ((out, a), b) in out.iter_mut().zip(&a[rows.clone()]).zip(&b[rows]) {
                    out.write(hypotenuse(*a, *b));
                }
            },
        );
        column(values, validity)
    }

    pub(crate) fn query(&self, engine: Engine) -> DataFrame {
        let query = self.frame.clone().lazy().select([expression()]);
        let result = query.collect_with_engine(engine);
        result.expect("the columns are f64").unwrap_single()
    }

    pub(crate) fn chunked_iterators(&self) -> Float64Chunked {
        let [a, b] = self.columns();
        a.iter()
            .zip(b.iter())
            .map(|(a, b)| Some(hypotenuse(a?, b?)))
            .collect()
    }

    pub(crate) fn check(&self) {
        let expected = self.chunked_iterators();
        let same = |result: &Float64Chunked| assert!(result.iter().eq(expected.iter()));
        for workers in BOTH {
            for ours in [self.ours_optional(workers), self.ours_plain(workers)] {
                same(ours.f64().expect("the closure returns f64"));
            }
            same(&self.by_row(workers));
            same(&self.by_column(workers));
        }
        for engine in [Engine::InMemory, Engine::Streaming] {
            same(
                self.query(engine).columns()[0]
                    .f64()
                    .expect("a root of f64 is f64"),
            );
        }
    }

    fn columns(&self) -> [&Float64Chunked; 2] {
        ["a", "b"].map(|name| {
            let column = self.frame.column(name).expect("the frame has the column");
            column.f64().expect("the column is f64")
        })
    }

    fn arrays(&self) -> [&PrimitiveArray<f64>; 2] {
        self.columns().map(|column| {
            column
                .downcast_iter()
                .next()
                .expect("the column has a chunk")
        })
    }
}

fn validity(array: &PrimitiveArray<f64>) -> &Bitmap {
    array.validity().expect("the column has nulls")
}

fn column(values: Vec<f64>, validity: Bitmap) -> Float64Chunked {
    let array = PrimitiveArray::from_vec(values).with_validity(Some(validity));
    Float64Chunked::with_chunk("a".into(), array)
}

/// Bytes that chunks write to, each its own.
struct SyncBytes(*mut u8);

// SAFETY: every byte is written by one chunk's writer only, and read after all have ended.
unsafe impl Sync for SyncBytes {}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = RowsNullable::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "rows_nullable", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, Option, {label}"), || {
            case.ours_optional(workers)
        });
        group.bench(&format!("ours, nulls skipped, {label}"), || {
            case.ours_plain(workers)
        });
        group.bench(&format!("rayon, row by row, {label}"), || {
            case.by_row(workers)
        });
        group.bench(&format!("rayon, bitmaps combined, {label}"), || {
            case.by_column(workers)
        });
    }
    group.bench("expression, in memory", || case.query(Engine::InMemory));
    group.bench("expression, streaming", || case.query(Engine::Streaming));
    group.bench("ChunkedArray iterators", || case.chunked_iterators());
    drop(group);

    let case = RowsF64::new(ROWS);
    let mut group = Group::new(criterion, "rows_nullable, no nulls", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("as T, {label}"), || case.ours(workers));
        group.bench(&format!("as Option<T>, {label}"), || {
            case.ours_optional(workers)
        });
        group.bench(&format!("as Option<T>, Option<T> out, {label}"), || {
            case.ours_optional_out(workers)
        });
    }
}
