//! The five functions, each the same for all contenders in Rust; `python/functions.py` has them in Python.

use std::fmt::Write;

use polars::prelude::PlHashMap;

pub(crate) const DIGITS: [&str; 5] = ["a", "b", "c", "d", "e"];
pub(crate) const WINDOW: usize = 100;
/// So many of the smallest and of the largest values of a window are left out.
const TRIMMED: usize = 10;

#[inline]
pub(crate) fn hypotenuse(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

#[inline]
pub(crate) fn count_in_range(digits: [i64; 5]) -> i64 {
    digits
        .iter()
        .filter(|digit| (4..=8).contains(*digit))
        .count() as i64
}

/// Lower-case words with one blank between them, and the number.
#[inline]
pub(crate) fn clean_up(text: &str, number: i64) -> String {
    let lower = text.to_lowercase();
    let mut clean = String::with_capacity(lower.len() + 8);
    for word in lower.split_whitespace() {
        clean.push_str(word);
        clean.push(' ');
    }
    write!(clean, "{number}").expect("a String takes all");
    clean
}

/// What the slope of the least-squares line through points is computed of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    count: f64,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

/// The sums of each group, for contenders that have no groups.
pub(crate) type SumsByKey = PlHashMap<i64, Sums>;

impl Sums {
    #[inline]
    pub(crate) fn add(&mut self, x: f64, y: f64) {
        self.count += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.xy += x * y;
    }

    pub(crate) fn merge(&mut self, other: Sums) {
        self.count += other.count;
        self.x += other.x;
        self.y += other.y;
        self.xx += other.xx;
        self.xy += other.xy;
    }

    #[inline]
    pub(crate) fn slope(self) -> f64 {
        (self.count * self.xy - self.x * self.y) / (self.count * self.xx - self.x * self.x)
    }
}

/// The slope of the least-squares line through the points of a group.
#[inline]
pub(crate) fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut sums = Sums::default();
    for (x, y) in points {
        sums.add(x, y);
    }
    sums.slope()
}

/// The mean of 100 values without the 10 smallest and the 10 largest.
#[inline]
pub(crate) fn trimmed_mean(window: &[f64]) -> f64 {
    let mut values: [f64; WINDOW] = window.try_into().expect("a window has 100 values");
    let (_, _, above) = values.select_nth_unstable_by(TRIMMED - 1, f64::total_cmp);
    let (kept, _, _) = above.select_nth_unstable_by(WINDOW - 2 * TRIMMED, f64::total_cmp);
    kept.iter().sum::<f64>() / kept.len() as f64
}
