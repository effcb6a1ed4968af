//! Any number of rows for each: texts into words.

use criterion::Criterion;
use polars_arrow::array::{MutablePlString, Utf8ViewArray};
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 2_000_000;

/// Texts of one array of words that is written by hand.
const PART: usize = 1 << 16;

/// Texts of one to nine words.
#[derive(Debug)]
pub(crate) struct ManyRows {
    frame: DataFrame,
}

impl ManyRows {
    pub(crate) fn new(rows: usize) -> Self {
        // A word is in many texts; which texts have which words is the generator's.
        let words = random::words(1, rows.clamp(1, 10_000));
        let starts = random::words(2, rows);
        let texts: Vec<String> = (0..rows)
            .map(|row| {
                let start = starts[row]
                    .bytes()
                    .fold(row, |n, byte| n * 31 + usize::from(byte));
                let words =
                    (0..1 + start % 9).map(|n| words[(start / 9 + n) % words.len()].as_str());
                words.collect::<Vec<_>>().join(" ")
            })
            .collect();
        let texts = Column::new("text".into(), texts);
        ManyRows {
            frame: texts.into_frame(),
        }
    }

    /// `emit_rows`: each word is copied once.
    pub(crate) fn ours(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.frame).names(["word"]);
        call.emit_rows(|out: &mut Emit<&str>, text: &str| {
            for word in text.split(' ') {
                out.push(word);
            }
        })
        .expect("the column is text")
    }

    /// `flat_map_rows`, with a `Vec` for each text.
    pub(crate) fn ours_flat_map(&self, workers: Workers) -> DataFrame {
        let call = workers.apply(&self.frame).names(["word"]);
        call.flat_map_rows(|text: &str| {
            let words = text.split(' ').map(PlSmallStr::from_str);
            words.collect::<Vec<PlSmallStr>>()
        })
        .expect("the column is text")
    }

    /// The words of each part pushed to one array, which together are the column.
    pub(crate) fn by_hand(&self, workers: Workers) -> StringChunked {
        let texts = self.texts();
        let arrays: Vec<Utf8ViewArray> = workers.install(|| {
            let parts = (0..texts.len().div_ceil(PART)).into_par_iter();
            parts
                .map(|part| {
                    let start = part * PART;
                    let len = PART.min(texts.len() - start);
                    let texts = texts.clone().sliced(start, len);
                    let mut out = MutablePlString::with_capacity(len);
                    for text in texts.values_iter() {
                        for word in text.split(' ') {
                            out.push_value_ignore_validity(word);
                        }
                    }
                    out.freeze()
                })
                .collect()
        });
        StringChunked::from_chunk_iter("word".into(), arrays)
    }

    /// `str.split(" ").explode()`, which uses all of Polars' workers where it uses more than one.
    pub(crate) fn expression(&self) -> DataFrame {
        let words = col("text").str().split(lit(" "));
        let words = words.explode(ExplodeOptions {
            empty_as_null: true,
            keep_nulls: true,
        });
        let query = self.frame.clone().lazy().select([words.alias("word")]);
        query.collect().expect("the column is text")
    }

    pub(crate) fn check(&self) {
        let texts = self.texts();
        let expected = || texts.values_iter().flat_map(|text| text.split(' '));
        let same = |words: &StringChunked| {
            assert_eq!(words.len(), expected().count());
            let mut both = words.iter().zip(expected());
            assert!(both.all(|(is, word)| is == Some(word)));
        };
        let word = |frame: DataFrame| {
            let words = frame.column("word").expect("the output's name").clone();
            same(words.str().expect("the words are text"));
        };
        for workers in BOTH {
            word(self.ours(workers));
            word(self.ours_flat_map(workers));
            same(&self.by_hand(workers));
        }
        word(self.expression());
    }

    fn texts(&self) -> &Utf8ViewArray {
        let texts = self.frame.column("text").expect("the frame has the column");
        let texts = texts.str().expect("the column is text");
        texts
            .downcast_iter()
            .next()
            .expect("the column has a chunk")
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = ManyRows::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "many_rows", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("emit_rows, {label}"), || case.ours(workers));
        group.bench(&format!("flat_map_rows, {label}"), || {
            case.ours_flat_map(workers)
        });
        group.bench(&format!("rayon, a builder for each part, {label}"), || {
            case.by_hand(workers)
        });
    }
    group.bench("Polars' split and explode", || case.expression());
}
