//! Rows folded into one value: a dot product, and a count of words.

use std::collections::HashMap;

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 10_000_000;

/// How many words there are to count.
const WORDS: usize = 10_000;

/// The dot product of two columns.
#[derive(Debug)]
pub(crate) struct Dot {
    frame: DataFrame,
}

impl Dot {
    pub(crate) fn new(rows: usize) -> Self {
        let columns = vec![
            Column::new("a".into(), random::floats(1, rows)),
            Column::new("b".into(), random::floats(2, rows)),
        ];
        Dot {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> f64 {
        let add = |sum: &mut f64, a: f64, b: f64| *sum += a * b;
        let call = workers.apply(&self.frame);
        call.fold_rows(|| 0.0, add, |a, b| a + b)
            .expect("the columns are f64")
    }

    pub(crate) fn by_rayon(&self, workers: Workers) -> f64 {
        let [a, b] = ["a", "b"].map(|name| {
            let column = self.frame.column(name).expect("the frame has the column");
            let column = column.f64().expect("the column is f64");
            column.cont_slice().expect("one chunk without nulls")
        });
        workers.install(|| {
            let pairs = a.par_iter().zip(b);
            let sums = pairs.fold(|| 0.0, |sum, (a, b)| sum + a * b);
            sums.reduce(|| 0.0, |a, b| a + b)
        })
    }

    pub(crate) fn check(&self) {
        let expected = self.by_rayon(Workers::One);
        let ours = self.ours(Workers::One);
        assert_eq!(ours.to_bits(), self.ours(Workers::All).to_bits());
        assert!((ours - expected).abs() <= expected * 1e-9);
    }
}

type Counts = HashMap<String, u64>;

fn count(counts: &mut Counts, word: &str) {
    match counts.get_mut(word) {
        Some(count) => *count += 1,
        None => {
            counts.insert(word.to_owned(), 1);
        }
    }
}

fn added(mut counts: Counts, others: Counts) -> Counts {
    for (word, count) in others {
        *counts.entry(word).or_default() += count;
    }
    counts
}

/// How often each of 10,000 words is there.
#[derive(Debug)]
pub(crate) struct Words {
    frame: DataFrame,
}

impl Words {
    pub(crate) fn new(rows: usize) -> Self {
        let words = random::words(1, WORDS);
        let picked = random::floats(2, rows).into_iter();
        let picked = picked.map(|x| words[(x * WORDS as f64) as usize].as_str());
        let column = StringChunked::from_iter_values("word".into(), picked);
        Words {
            frame: DataFrame::new(rows, vec![column.into_column()]).expect("there is one column"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> Counts {
        let call = workers.apply(&self.frame);
        call.fold_rows(
            Counts::new,
            |counts: &mut Counts, word: &str| count(counts, word),
            added,
        )
        .expect("the column is text")
    }

    pub(crate) fn by_rayon(&self, workers: Workers) -> Counts {
        let words = self.frame.columns()[0].str().expect("the column is text");
        let words = words.downcast_as_array();
        workers.install(|| {
            let rows = (0..words.len()).into_par_iter();
            let counts = rows.fold(Counts::new, |mut counts, row| {
                count(&mut counts, words.value(row));
                counts
            });
            counts.reduce(Counts::new, added)
        })
    }

    pub(crate) fn check(&self) {
        let expected = self.by_rayon(Workers::One);
        for workers in BOTH {
            assert_eq!(self.ours(workers), expected);
            assert_eq!(self.by_rayon(workers), expected);
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let dot = Dot::new(ROWS);
    dot.check();
    let mut group = Group::new(criterion, "fold_rows, dot product", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || dot.ours(workers));
        group.bench(&format!("rayon, {label}"), || dot.by_rayon(workers));
    }
    drop(group);
    let words = Words::new(ROWS);
    words.check();
    let mut group = Group::new(criterion, "fold_rows, words", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || words.ours(workers));
        group.bench(&format!("rayon, {label}"), || words.by_rayon(workers));
    }
}
