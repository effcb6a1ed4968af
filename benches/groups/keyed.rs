//! Groups: keys alone, a sum, a weighted slope, a difference from the mean.

use std::mem::MaybeUninit;

use polars_par_apply::prelude::*;
use rand::RngExt;
use rayon::prelude::*;

use super::random;
use super::workers::Workers;

pub(crate) const ROWS: usize = 10_000_000;

/// What rows are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Integers,
    /// Ascending.
    Sorted,
    /// Of 11 bytes, which lie in their views.
    ShortText,
    /// Of 40 bytes.
    LongText,
    /// An `Int32` and a text of 11 bytes.
    Two,
}

impl Keys {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Keys::Integers => "i64 keys",
            Keys::Sorted => "sorted i64 keys",
            Keys::ShortText => "text of 11 bytes",
            Keys::LongText => "text of 40 bytes",
            Keys::Two => "i32 and text",
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Keys::Two => &["j", "k"],
            _ => &["k"],
        }
    }
}

/// Rows of so many groups.
#[derive(Debug)]
pub(crate) struct Keyed {
    keys: Keys,
    pub(crate) groups: usize,
    frame: DataFrame,
}

impl Keyed {
    pub(crate) fn new(keys: Keys, rows: usize, groups: usize) -> Self {
        let mut generator = random::generator(7);
        let mut drawn: Vec<u64> = (0..rows)
            .map(|_| generator.random_range(0..groups as u64))
            .collect();
        if keys == Keys::Sorted {
            drawn.sort_unstable();
        }
        // Far apart, so that they are no positions.
        let spread = |key: &u64| key.wrapping_mul(0x5851_F42D_4C95_7F2D) as i64;
        let mut columns = match keys {
            Keys::Integers => vec![Column::new(
                "k".into(),
                drawn.iter().map(spread).collect::<Vec<_>>(),
            )],
            Keys::Sorted => {
                let mut sorted = Series::new(
                    "k".into(),
                    drawn.iter().map(|key| *key as i64 * 3).collect::<Vec<_>>(),
                );
                sorted.set_sorted_flag(polars_core::series::IsSorted::Ascending);
                vec![sorted.into_column()]
            }
            Keys::ShortText => vec![text(&drawn, 11)],
            Keys::LongText => vec![text(&drawn, 40)],
            Keys::Two => {
                let j = drawn
                    .iter()
                    .map(|key| (key % 10) as i32)
                    .collect::<Vec<_>>();
                vec![
                    Column::new("j".into(), j),
                    text(&drawn.iter().map(|key| key / 10).collect::<Vec<_>>(), 11),
                ]
            }
        };
        let values = (1..).zip(["x", "y", "w"]);
        columns.extend(
            values.map(|(seed, name)| Column::new(name.into(), random::floats(seed, rows))),
        );
        let frame = DataFrame::new(rows, columns).expect("the columns are of one length");
        Keyed {
            keys,
            groups,
            frame,
        }
    }

    fn call(&self, workers: Workers) -> Apply<'_, 'static> {
        workers
            .apply(&self.frame)
            .by(self.keys.names().iter().copied())
    }

    /// Keys alone: a closure that does nothing.
    pub(crate) fn grouped(&self, workers: Workers) -> DataFrame {
        let call = self.call(workers);
        let grouped = match self.keys {
            Keys::Integers | Keys::Sorted => call.groups(|_: i64| ()),
            Keys::ShortText | Keys::LongText => call.groups(|_: &str| ()),
            Keys::Two => call.groups(|_: i32, _: &str| ()),
        };
        grouped.expect("the keys are of these types")
    }

    /// Polars' own, in the order of first rows.
    pub(crate) fn polars_groups(&self) -> GroupPositions {
        let keys = self
            .frame
            .select_to_vec(self.keys.names().iter().copied())
            .expect("there are the columns");
        let grouped = self
            .frame
            .group_by_with_series(keys, true, true)
            .expect("rows can be grouped");
        grouped.into_groups()
    }

    pub(crate) fn sum(&self, workers: Workers) -> DataFrame {
        let call = self.call(workers).select(["x"]);
        call.groups(|x: Values<'_, f64>| x.iter().sum::<f64>())
            .expect("the column is f64")
    }

    /// Polars' deprecated `GroupBy::par_apply`, on a thread of Polars' own pool: called on another thread, it shares its groups out in
    /// rayon's global pool, whose threads then wait for Polars'. A thread that waits for a group's columns takes other groups up, one
    /// on top of the other; with 10,000 groups that overflows the usual stack, so `bars` asks for larger ones.
    #[allow(deprecated)]
    pub(crate) fn polars_sum(&self) -> DataFrame {
        let frame = self
            .frame
            .select(["k", "x"])
            .expect("there are the columns");
        let grouped = frame.group_by_stable(["k"]).expect("rows can be grouped");
        let sum = |group: DataFrame| {
            let sum: f64 = group.column("x")?.f64()?.into_no_null_iter().sum();
            df!["sum" => [sum]]
        };
        let sums = Workers::All.install(|| grouped.par_apply(sum));
        sums.expect("the column is f64")
    }

    /// A closure in the `agg` of a lazy query.
    pub(crate) fn lazy_sum(&self) -> DataFrame {
        let dtype = |_: &Schema, _: &[Field]| Ok(Field::new("sum".into(), DataType::Float64));
        let sum = |columns: &mut [Column]| -> PolarsResult<Column> {
            let sum: f64 = columns[0].f64()?.into_no_null_iter().sum();
            Ok(Column::new("sum".into(), [sum]))
        };
        let sum = apply_multiple(sum, [col("x")], dtype, true);
        let query = self
            .frame
            .clone()
            .lazy()
            .group_by_stable([col("k")])
            .agg([sum.alias("sum")]);
        query.collect().expect("the column is f64")
    }

    pub(crate) fn slope_of_rows(&self, workers: Workers) -> DataFrame {
        let call = self.call(workers).select(["x", "y", "w"]);
        call.groups(|rows: Rows<'_, (f64, f64, f64)>| slope(rows.iter()))
            .expect("the columns are f64")
    }

    pub(crate) fn slope_of_values(&self, workers: Workers) -> DataFrame {
        let call = self.call(workers).select(["x", "y", "w"]);
        call.groups(
            |x: Values<'_, f64>, y: Values<'_, f64>, w: Values<'_, f64>| {
                slope(
                    x.iter()
                        .zip(y.iter())
                        .zip(w.iter())
                        .map(|((x, y), w)| (x, y, w)),
                )
            },
        )
        .expect("the columns are f64")
    }

    /// As [`polars_sum`](Self::polars_sum).
    #[allow(deprecated)]
    pub(crate) fn polars_slope(&self) -> DataFrame {
        let frame = self
            .frame
            .select(["k", "x", "y", "w"])
            .expect("there are the columns");
        let grouped = frame.group_by_stable(["k"]).expect("rows can be grouped");
        grouped
            .par_apply(|group| {
                let x = group.column("x")?.f64()?.into_no_null_iter();
                let y = group.column("y")?.f64()?.into_no_null_iter();
                let w = group.column("w")?.f64()?.into_no_null_iter();
                let slope = slope(x.zip(y).zip(w).map(|((x, y), w)| (x, y, w)));
                Ok(df!["slope" => [slope]]?)
            })
            .expect("the columns are f64")
    }

    /// Each value less its group's mean.
    pub(crate) fn centred(&self, workers: Workers) -> Column {
        let call = self.call(workers).select(["x"]);
        call.transform(|x: Values<'_, f64>| {
            let mean = x.iter().sum::<f64>() / x.len() as f64;
            x.iter().map(|x| x - mean).collect::<Vec<f64>>()
        })
        .expect("the column is f64")
    }

    pub(crate) fn polars_centred(&self) -> DataFrame {
        let mean = col("x").mean().over([col("k")]).expect("there are keys");
        let query = self.frame.clone().lazy().select([col("x") - mean]);
        query.collect().expect("the column is f64")
    }

    /// A loop by hand over slices: a table of keys for each range of rows, the tables merged in order, and the columns scattered into
    /// the order of groups.
    pub(crate) fn sum_by_hand(&self, workers: Workers) -> Vec<f64> {
        let ([x], starts) = self.scattered(workers, ["x"]);
        over_groups(&starts, workers, |rows| x[rows].iter().sum())
    }

    pub(crate) fn slope_by_hand(&self, workers: Workers) -> Vec<f64> {
        let ([x, y, w], starts) = self.scattered(workers, ["x", "y", "w"]);
        over_groups(&starts, workers, |rows| {
            let points = x[rows.clone()].iter().zip(&y[rows.clone()]).zip(&w[rows]);
            slope(points.map(|((x, y), w)| (*x, *y, *w)))
        })
    }

    fn scattered<const N: usize>(
        &self,
        workers: Workers,
        names: [&str; N],
    ) -> ([Vec<f64>; N], Vec<u32>) {
        let keys = self.frame["k"]
            .i64()
            .expect("the keys are i64")
            .cont_slice()
            .expect("one chunk");
        let columns = names.map(|name| {
            let column = self.frame[name].f64().expect("the column is f64");
            column.cont_slice().expect("one chunk without nulls")
        });
        let rows = keys.len();
        let pieces = workers.count() * 4;
        let ranges: Vec<_> = (0..pieces)
            .map(|i| rows * i / pieces..rows * (i + 1) / pieces)
            .collect();
        let mut ids = vec![0u32; rows];
        let ids_of = split(&mut ids, &ranges);
        let tables: Vec<(Vec<i64>, Vec<u32>)> = workers.install(|| {
            let ranges = ranges.par_iter().zip(ids_of).with_max_len(1);
            let counted = ranges.map(|(range, ids)| {
                let mut table = Table::default();
                let mut counts: Vec<u32> = Vec::new();
                for (key, slot) in keys[range.clone()].iter().zip(ids) {
                    let id = table.id(*key);
                    if id as usize == counts.len() {
                        counts.push(0);
                    }
                    counts[id as usize] += 1;
                    *slot = id;
                }
                (table.keys, counts)
            });
            counted.collect()
        });
        let mut all = Table::default();
        let mut totals: Vec<u32> = Vec::new();
        let mut maps: Vec<Vec<u32>> = Vec::new();
        for (keys, counts) in &tables {
            let ids = keys.iter().zip(counts).map(|(key, count)| {
                let id = all.id(*key);
                if id as usize == totals.len() {
                    totals.push(0);
                }
                totals[id as usize] += count;
                id
            });
            maps.push(ids.collect());
        }
        let mut starts = vec![0u32];
        totals
            .iter()
            .for_each(|total| starts.push(starts[starts.len() - 1] + total));
        let mut next = starts.clone();
        let offsets: Vec<Vec<u32>> = (maps.iter().zip(&tables))
            .map(|(map, (_, counts))| {
                let offsets = map.iter().zip(counts).map(|(group, count)| {
                    next[*group as usize] += count;
                    next[*group as usize] - count
                });
                offsets.collect()
            })
            .collect();
        let mut out: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(rows));
        let places: [Places; N] =
            std::array::from_fn(|n| Places(out[n].spare_capacity_mut().as_mut_ptr()));
        workers.install(|| {
            let ranges = ranges.par_iter().zip(offsets).with_max_len(1);
            ranges.for_each(|(range, mut offsets)| {
                let places = &places;
                for row in range.clone() {
                    let offset = &mut offsets[ids[row] as usize];
                    for (place, column) in places.iter().zip(columns) {
                        // SAFETY: each row has a place of its own, within the capacity.
                        unsafe {
                            place
                                .0
                                .add(*offset as usize)
                                .write(MaybeUninit::new(column[row]));
                        };
                    }
                    *offset += 1;
                }
            });
        });
        // SAFETY: every place was written.
        out.iter_mut().for_each(|out| unsafe { out.set_len(rows) });
        (out, starts)
    }

    pub(crate) fn check(&self) {
        let groups = self.polars_groups();
        assert_eq!(self.grouped(Workers::All).height(), groups.len());
        if self.keys != Keys::Integers || self.groups > 100_000 {
            return;
        }
        let sums = self.sum(Workers::All);
        let sums = sums["par_apply"].f64().expect("sums are f64");
        let expected = self.sum_by_hand(Workers::One);
        assert!(sums.into_no_null_iter().eq(expected.iter().copied()));
        let slopes = self.slope_of_rows(Workers::All);
        assert_eq!(slopes, self.slope_of_values(Workers::One));
        let slopes = slopes["par_apply"].f64().expect("slopes are f64");
        assert!(
            slopes
                .into_no_null_iter()
                .eq(self.slope_by_hand(Workers::All))
        );
        let centred = self.centred(Workers::All);
        let expected = self.polars_centred();
        let pairs = centred
            .f64()
            .expect("f64")
            .into_no_null_iter()
            .zip(expected["x"].f64().expect("f64").into_no_null_iter());
        assert!(
            pairs
                .into_iter()
                .all(|(is, expected)| (is - expected).abs() < 1e-9)
        );
    }
}

#[derive(Clone, Copy)]
struct Places(*mut MaybeUninit<f64>);

// SAFETY: threads write to places of their own.
unsafe impl Send for Places {}
// SAFETY: as above.
unsafe impl Sync for Places {}

/// Numbers of keys, in the order in which they are met.
struct Table {
    slots: Vec<u32>,
    keys: Vec<i64>,
}

impl Default for Table {
    fn default() -> Self {
        Table {
            slots: vec![0; 1 << 10],
            keys: Vec::new(),
        }
    }
}

impl Table {
    #[inline(always)]
    fn slot(key: i64, slots: usize) -> usize {
        let wide = u128::from(key as u64 ^ 0x243F_6A88_85A3_08D3) * 0x9E37_79B9_7F4A_7C15;
        (wide as u64 ^ (wide >> 64) as u64) as usize & (slots - 1)
    }

    #[inline(always)]
    fn id(&mut self, key: i64) -> u32 {
        let mut slot = Self::slot(key, self.slots.len());
        loop {
            match self.slots[slot] {
                0 => break,
                id if self.keys[id as usize - 1] == key => return id - 1,
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
        self.keys.push(key);
        self.slots[slot] = self.keys.len() as u32;
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        self.keys.len() as u32 - 1
    }

    #[cold]
    fn grow(&mut self) {
        let slots = self.slots.len() * 2;
        self.slots = vec![0; slots];
        for (id, key) in (1..).zip(&self.keys) {
            let mut slot = Self::slot(*key, slots);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.slots[slot] = id;
        }
    }
}

fn split<'s>(mut all: &'s mut [u32], ranges: &[std::ops::Range<usize>]) -> Vec<&'s mut [u32]> {
    let parts = ranges.iter().map(|range| {
        let (part, rest) = std::mem::take(&mut all).split_at_mut(range.len());
        all = rest;
        part
    });
    parts.collect()
}

fn over_groups(
    starts: &[u32],
    workers: Workers,
    f: impl Fn(std::ops::Range<usize>) -> f64 + Sync,
) -> Vec<f64> {
    let least = (starts.len() / 512).max(1);
    workers.install(|| {
        let groups = starts.par_windows(2).with_min_len(least);
        groups
            .map(|rows| f(rows[0] as usize..rows[1] as usize))
            .collect()
    })
}

/// Of points `(x, y, weight)`: the slope of the line with the least weighted squares (G. A. F. Seber and A. J. Lee, "Linear
/// Regression Analysis", 2nd ed., 2003, section 3.10).
#[inline(always)]
fn slope(points: impl Iterator<Item = (f64, f64, f64)>) -> f64 {
    let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    points.for_each(|(x, y, weight)| {
        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    });
    (w * wxy - wx * wy) / (w * wxx - wx * wx)
}

fn text(keys: &[u64], bytes: usize) -> Column {
    let texts = keys
        .iter()
        .map(|key| format!("{:0bytes$}", key.wrapping_mul(7_919) % 10_000_000_000));
    Column::new("k".into(), texts.collect::<Vec<String>>())
}
