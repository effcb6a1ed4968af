//! The frame of `rows_f64` in 1,000 chunks that lie differently in its two columns.

use criterion::Criterion;
use polars_arrow::array::PrimitiveArray;
use polars_par_apply::prelude::*;

use super::group::Group;
use super::random;
use super::rows_f64::{ROWS, RowsF64, hypotenuse};
use super::workers::{BOTH, Workers};

pub(crate) const CHUNKS: usize = 1000;

#[derive(Debug)]
pub(crate) struct ManyChunks {
    pub(crate) whole: RowsF64,
    frame: DataFrame,
}

impl ManyChunks {
    pub(crate) fn new(rows: usize) -> Self {
        let whole = RowsF64::new(rows);
        let columns = whole.frame.columns().iter().zip(1..);
        let columns = columns
            .map(|(column, seed)| chunked(column, seed))
            .collect();
        ManyChunks {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
            whole,
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(hypotenuse)
            .expect("the columns are f64")
    }

    /// What is often done first.
    pub(crate) fn ours_rechunked(&self, workers: Workers) -> Column {
        let mut frame = self.frame.clone();
        frame.rechunk_mut_par();
        workers
            .apply(&frame)
            .rows(hypotenuse)
            .expect("the columns are f64")
    }

    pub(crate) fn check(&self) {
        let columns = self.frame.columns();
        assert!(
            columns
                .iter()
                .all(|column| column.n_chunks() >= CHUNKS.min(self.frame.height()) / 2)
        );
        let expected = self.whole.ours(Workers::One);
        for workers in BOTH {
            assert_eq!(self.ours(workers), expected);
            assert_eq!(self.ours_rechunked(workers), expected);
        }
    }
}

/// The column in chunks of random length, each an allocation of its own.
fn chunked(column: &Column, seed: u64) -> Column {
    let values = column.f64().expect("the column is f64");
    let values = values.cont_slice().expect("one chunk without nulls");
    let mut start = 0;
    let chunks = random::cuts(seed, values.len(), CHUNKS)
        .into_iter()
        .map(|end| {
            let chunk = PrimitiveArray::from_slice(&values[start..end]);
            start = end;
            chunk
        });
    Float64Chunked::from_chunk_iter(column.name().clone(), chunks.collect::<Vec<_>>()).into_column()
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = ManyChunks::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "many_chunks", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("one chunk, {label}"), || case.whole.ours(workers));
        group.bench(&format!("{CHUNKS} misaligned chunks, {label}"), || {
            case.ours(workers)
        });
        group.bench(&format!("rechunked first, {label}"), || {
            case.ours_rechunked(workers)
        });
    }
}
