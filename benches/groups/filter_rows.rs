//! A random half of the rows kept, of two f64 columns and a text column, all of which the closure looks at.

use criterion::Criterion;
use polars_arrow::array::Utf8ViewArray;
use polars_arrow::bitmap::Bitmap;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 10_000_000;

/// Rows of the mask that a thread writes at a time, and those of one of its bytes.
const CHUNK: usize = 1 << 14;
const BYTE: usize = 8;

#[inline]
fn keeps(a: f64, b: f64, word: &str) -> bool {
    (a < b) != (word.len() == 7)
}

#[derive(Debug)]
pub(crate) struct FilterRows {
    frame: DataFrame,
}

impl FilterRows {
    pub(crate) fn new(rows: usize) -> Self {
        let columns = vec![
            Column::new("a".into(), random::floats(1, rows)),
            Column::new("b".into(), random::floats(2, rows)),
            Column::new("word".into(), random::words(3, rows)),
        ];
        FilterRows {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.frame);
        call.filter_rows(keeps)
            .expect("the columns are f64 and text")
    }

    /// A parallel loop into the bits of a mask, and Polars' filter.
    pub(crate) fn by_hand(&self, workers: Workers) -> DataFrame {
        let mask = self.mask_by_hand(workers);
        let filtered = match workers {
            Workers::One => self.frame.filter_seq(&mask),
            Workers::All => self.frame.filter(&mask),
        };
        filtered.expect("the mask is as long as the frame")
    }

    /// The mask by `rows`, and Polars' filter: what users write without this verb.
    pub(crate) fn by_rows(&self, workers: Workers) -> DataFrame {
        let mask = workers.apply(&self.frame).rows(keeps);
        let mask = mask.expect("the columns are f64 and text");
        let mask = mask.bool().expect("the closure returns bool");
        let filtered = match workers {
            Workers::One => self.frame.filter_seq(mask),
            Workers::All => self.frame.filter(mask),
        };
        filtered.expect("the mask is as long as the frame")
    }

    pub(crate) fn mask_by_hand(&self, workers: Workers) -> BooleanChunked {
        let rows = self.frame.height();
        let (a, b, words) = (self.floats("a"), self.floats("b"), self.words());
        let mut bytes = vec![0_u8; rows.div_ceil(BYTE)];
        workers.install(|| {
            let chunks = bytes.par_chunks_mut(CHUNK / BYTE).enumerate();
            chunks.for_each(|(chunk, bytes)| {
                let mut row = chunk * CHUNK;
                for byte in bytes {
                    let end = rows.min(row + BYTE);
                    for bit in 0..end - row {
                        let row = row + bit;
                        // SAFETY: the rows are those of the frame, whose one chunk of text this is.
                        let word = unsafe { words.value_unchecked(row) };
                        *byte |= u8::from(keeps(a[row], b[row], word)) << bit;
                    }
                    row = end;
                }
            });
        });
        BooleanChunked::from_bitmap("mask".into(), Bitmap::from_u8_vec(bytes, rows))
    }

    pub(crate) fn check(&self) {
        let (a, b, words) = (self.floats("a"), self.floats("b"), self.words());
        let kept = words.values_iter().zip(a.iter().zip(b));
        let kept: BooleanChunked = kept
            .map(|(word, (a, b))| Some(keeps(*a, *b, word)))
            .collect();
        let expected = self.frame.filter(&kept);
        let expected = expected.expect("the mask is as long as the frame");
        for workers in BOTH {
            assert_eq!(self.ours(workers), expected);
            assert_eq!(self.by_hand(workers), expected);
            assert_eq!(self.by_rows(workers), expected);
        }
    }

    fn floats(&self, name: &str) -> &[f64] {
        let column = self.frame.column(name).expect("the frame has the column");
        let column = column.f64().expect("the column is f64");
        column.cont_slice().expect("one chunk without nulls")
    }

    fn words(&self) -> &Utf8ViewArray {
        let column = self.frame.column("word").expect("the frame has the column");
        let column = column.str().expect("the column is text");
        let mut chunks = column.downcast_iter();
        chunks.next().expect("the column has a chunk")
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = FilterRows::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "filter_rows", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours(workers));
        group.bench(&format!("rayon mask and filter, {label}"), || {
            case.by_hand(workers)
        });
        group.bench(&format!("rows and filter, {label}"), || {
            case.by_rows(workers)
        });
    }
}
