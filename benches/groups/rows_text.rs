//! Text in; numbers and text out.

use std::mem::MaybeUninit;
use std::ops::Range;

use criterion::Criterion;
use polars_arrow::array::{MutablePlString, Utf8ViewArray};
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::fill;
use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 2_000_000;

/// Rows of one array of text that is written by hand.
const PART: usize = 1 << 16;

/// Looks at one letter and the length, so that the cost of getting at the text is not hidden.
#[inline]
fn weight(word: &str, x: f64) -> f64 {
    let initial = word.as_bytes().first().copied().unwrap_or_default();
    f64::from(initial) * x + word.len() as f64
}

/// Reserves what it needs: growing would measure the allocator's `realloc`, whose cost in threads is a lottery.
#[inline]
fn shout(word: &str, x: f64) -> String {
    let mut shouted = String::with_capacity(word.len() + 1);
    shout_into(word, x, &mut shouted);
    shouted
}

#[inline]
fn shout_into(word: &str, x: f64, shouted: &mut String) {
    shouted.push_str(word);
    shouted.make_ascii_uppercase();
    if x >= 0.5 {
        shouted.push('!');
    }
}

#[derive(Debug)]
pub(crate) struct RowsText {
    frame: DataFrame,
}

impl RowsText {
    pub(crate) fn new(rows: usize) -> Self {
        Self::of(random::words(1, rows))
    }

    /// Words that shouted have at most 24 bytes.
    pub(crate) fn short(rows: usize) -> Self {
        let mut words = random::words(1, rows);
        words.iter_mut().for_each(|word| word.truncate(23));
        Self::of(words)
    }

    fn of(words: Vec<String>) -> Self {
        let rows = words.len();
        let columns = vec![
            Column::new("word".into(), words),
            Column::new("x".into(), random::floats(2, rows)),
        ];
        RowsText {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(weight)
            .expect("the columns are text and f64")
    }

    pub(crate) fn ours_text_out(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(shout)
            .expect("the columns are text and f64")
    }

    /// Up to 24 bytes of text lie in a result, which takes no memory of its own then.
    pub(crate) fn ours_small_text_out(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame).state(String::new);
        call.rows(|shouted: &mut String, word: &str, x: f64| {
            shouted.clear();
            shout_into(word, x, shouted);
            PlSmallStr::from_str(shouted)
        })
        .expect("the columns are text and f64")
    }

    pub(crate) fn fresh(&self, workers: Workers) -> Vec<f64> {
        fill::fresh(self.frame.height(), workers, self.writer())
    }

    pub(crate) fn fresh_huge(&self, workers: Workers) -> Vec<f64> {
        fill::fresh_huge(self.frame.height(), workers, self.writer())
    }

    pub(crate) fn mapped(&self, workers: Workers, buffer: &mut [f64]) {
        fill::mapped(buffer, workers, self.writer());
    }

    /// The same closure; its texts pushed to one array for each part, which together are the column.
    pub(crate) fn by_hand_text_out(&self, workers: Workers) -> StringChunked {
        self.parts(workers, |words, xs, out| {
            for (word, x) in words.values_iter().zip(xs) {
                out.push_value_ignore_validity(shout(word, *x));
            }
        })
    }

    /// No text allocated for a row, which a closure that returns a `String` cannot do.
    pub(crate) fn by_hand_text_reused(&self, workers: Workers) -> StringChunked {
        self.parts(workers, |words, xs, out| {
            let mut shouted = String::new();
            for (word, x) in words.values_iter().zip(xs) {
                shouted.clear();
                shout_into(word, *x, &mut shouted);
                out.push_value_ignore_validity(&shouted);
            }
        })
    }

    pub(crate) fn check(&self) {
        let (words, xs) = self.slices();
        let expected: Vec<f64> = words
            .values_iter()
            .zip(xs)
            .map(|(w, x)| weight(w, *x))
            .collect();
        let shouted: Vec<String> = words
            .values_iter()
            .zip(xs)
            .map(|(w, x)| shout(w, *x))
            .collect();
        let mut buffer = vec![0.0; expected.len()];
        for workers in BOTH {
            self.mapped(workers, &mut buffer);
            assert_eq!(buffer, expected);
            assert_eq!(self.fresh(workers), expected);
            assert_eq!(self.fresh_huge(workers), expected);
            let ours = self.ours(workers);
            let ours = ours.f64().expect("the closure returns f64");
            assert_eq!(
                ours.cont_slice().expect("one chunk without nulls"),
                expected
            );
            let ours = self.ours_text_out(workers);
            let small = self.ours_small_text_out(workers);
            for texts in [
                ours.str().expect("the closure returns text"),
                small.str().expect("the closure returns text"),
                &self.by_hand_text_out(workers),
                &self.by_hand_text_reused(workers),
            ] {
                assert!(
                    texts
                        .iter()
                        .eq(shouted.iter().map(|text| Some(text.as_str())))
                );
            }
        }
    }

    fn slices(&self) -> (&Utf8ViewArray, &[f64]) {
        let column = |name| self.frame.column(name).expect("the frame has the column");
        let words = column("word").str().expect("the column is text");
        let xs = column("x").f64().expect("the column is f64");
        (
            words
                .downcast_iter()
                .next()
                .expect("the column has a chunk"),
            xs.cont_slice().expect("one chunk without nulls"),
        )
    }

    fn writer(&self) -> impl Fn(Range<usize>, &mut [MaybeUninit<f64>]) + Sync {
        let (words, xs) = self.slices();
        move |rows, out| {
            for ((out, x), row) in out.iter_mut().zip(&xs[rows.clone()]).zip(rows) {
                // SAFETY: `fill` gives rows of the frame, whose one chunk of text this is.
                let word = unsafe { words.value_unchecked(row) };
                out.write(weight(word, *x));
            }
        }
    }

    fn parts(
        &self,
        workers: Workers,
        write: impl Fn(&Utf8ViewArray, &[f64], &mut MutablePlString) + Sync,
    ) -> StringChunked {
        let (words, xs) = self.slices();
        let arrays: Vec<Utf8ViewArray> = workers.install(|| {
            let parts = xs.par_chunks(PART).enumerate();
            parts
                .map(|(part, xs)| {
                    let words = words.clone().sliced(part * PART, xs.len());
                    let mut out = MutablePlString::with_capacity(xs.len());
                    write(&words, xs, &mut out);
                    out.freeze()
                })
                .collect()
        });
        StringChunked::from_chunk_iter("word".into(), arrays)
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = RowsText::new(ROWS);
    case.check();
    let mut buffer = vec![0.0; ROWS];
    let mut group = Group::new(criterion, "rows_text", ROWS);
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
    }
    drop(group);
    let mut group = Group::new(criterion, "rows_text, text out", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours_text_out(workers));
        group.bench(&format!("rayon, String a row, {label}"), || {
            case.by_hand_text_out(workers)
        });
        group.bench(&format!("rayon, one String reused, {label}"), || {
            case.by_hand_text_reused(workers)
        });
    }
    drop(group);
    let case = RowsText::short(ROWS);
    case.check();
    let mut group = Group::new(criterion, "rows_text, small text out", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || {
            case.ours_small_text_out(workers)
        });
        group.bench(&format!("rayon, one String reused, {label}"), || {
            case.by_hand_text_reused(workers)
        });
    }
}
