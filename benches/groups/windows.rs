//! Windows of 100 rows: what comes last less what came first, a sum, a weighted slope of three columns; and windows over an order
//! column.

use std::mem::MaybeUninit;
use std::ops::Range;

use criterion::Criterion;
use polars_par_apply::prelude::*;

use super::fill;
use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 10_000_000;

/// Of the slope, which goes over 100 points of three columns for each row.
pub(crate) const SLOPE_ROWS: usize = 2_000_000;

/// The rows of a window; over the order column as many on average.
const WINDOW: usize = 100;

/// What is computed of the window of one column.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    /// The last value less the first: all the time goes into windows.
    Ends,
    Sum,
    Median,
}

impl Of {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Of::Ends => "last - first",
            Of::Sum => "sum",
            Of::Median => "median",
        }
    }

    fn by_slice(self, x: &[f64]) -> f64 {
        match self {
            Of::Ends => x[x.len() - 1] - x[0],
            Of::Sum => x.iter().sum(),
            Of::Median => median(x.to_vec()),
        }
    }
}

/// Of as many values as a window has, which is even.
fn median(mut x: Vec<f64>) -> f64 {
    let middle = x.len() / 2;
    let (below, upper, _) = x.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (lower + *upper) / 2.0
}

/// Windows of 100 rows of one column.
#[derive(Debug)]
pub(crate) struct OneColumn {
    frame: DataFrame,
}

impl OneColumn {
    pub(crate) fn new(rows: usize) -> Self {
        // Whole numbers, of which sums are exact in any order.
        let whole = |x: f64| (x * 1000.0).floor();
        let x: Vec<f64> = random::floats(1, rows).into_iter().map(whole).collect();
        OneColumn {
            frame: DataFrame::new(rows, vec![Column::new("x".into(), x)])
                .expect("there is one column"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers, of: Of) -> Column {
        let call = workers.apply(&self.frame).select(["x"]);
        let window = Window::rows(WINDOW);
        let column = match of {
            Of::Ends => call.windows(window, |x: Values<'_, f64>| {
                let last = x.len().checked_sub(1)?;
                Some(x.get(last)? - x.get(0)?)
            }),
            Of::Sum => call.windows(window, |x: Values<'_, f64>| x.iter().sum::<f64>()),
            Of::Median => call.windows(window, |x: Values<'_, f64>| {
                median(x.to_slice().into_owned())
            }),
        };
        column.expect("the column is f64")
    }

    pub(crate) fn by_hand(&self, workers: Workers, of: Of) -> Vec<f64> {
        let x = slice(&self.frame, "x");
        // Matched out here, so that each loop has a closure of its own.
        match of {
            Of::Ends => by_slices(x.len(), workers, |window| Of::Ends.by_slice(&x[window])),
            Of::Sum => by_slices(x.len(), workers, |window| Of::Sum.by_slice(&x[window])),
            Of::Median => by_slices(x.len(), workers, |window| Of::Median.by_slice(&x[window])),
        }
    }

    /// Polars' own, on one thread.
    pub(crate) fn rolling_map(&self, of: Of) -> Series {
        let options = Self::options();
        let ends = |window: &Series| -> PolarsResult<Series> {
            let x = window.f64()?;
            let ends = x.get(x.len() - 1).zip(x.get(0));
            Ok(Series::new(
                PlSmallStr::EMPTY,
                [ends.map(|(last, first)| last - first)],
            ))
        };
        let sum = |window: &Series| -> PolarsResult<Series> {
            Ok(Series::new(PlSmallStr::EMPTY, [window.f64()?.sum()]))
        };
        let x = self.frame.columns()[0].as_materialized_series();
        let mapped = match of {
            Of::Ends => x.rolling_map(&ends, options),
            Of::Sum => x.rolling_map(&sum, options),
            Of::Median => unreachable!("nobody asks for it"),
        };
        mapped.expect("the column is f64")
    }

    fn options() -> RollingOptionsFixedWindow {
        RollingOptionsFixedWindow {
            window_size: WINDOW,
            min_periods: WINDOW,
            ..Default::default()
        }
    }

    /// Polars' expression, which moves a result on from row to row.
    pub(crate) fn expression(&self, of: Of) -> Column {
        let x = col("x");
        let rolling = match of {
            Of::Sum => x.rolling_sum(Self::options()),
            Of::Median => x.rolling_median(Self::options()),
            Of::Ends => unreachable!("nobody asks for it"),
        };
        let frame = self.frame.clone().lazy().select([rolling]).collect();
        frame.expect("the column is f64").columns()[0].clone()
    }

    pub(crate) fn check(&self, of: Of) {
        let expected = self.by_hand(Workers::One, of);
        for workers in BOTH {
            assert_eq!(self.by_hand(workers, of), expected);
            compare(&self.ours(workers, of), &expected);
        }
        match of {
            Of::Ends => compare(&self.rolling_map(of).into_column(), &expected),
            Of::Sum => {
                compare(&self.rolling_map(of).into_column(), &expected);
                compare(&self.expression(of), &expected);
            }
            Of::Median => compare(&self.expression(of), &expected),
        }
    }
}

/// The weighted slope of `y` over `x` in windows of 100 rows.
#[derive(Debug)]
pub(crate) struct Slope {
    frame: DataFrame,
}

const SLOPE: [&str; 3] = ["x", "y", "w"];

/// Of points `((x, y), weight)`: the slope of the line with the least weighted squares (G. A. F. Seber and A. J. Lee, "Linear
/// Regression Analysis", 2nd ed., 2003, section 3.10).
#[inline(always)]
fn slope(points: impl Iterator<Item = ((f64, f64), f64)>) -> f64 {
    let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((x, y), weight) in points {
        w += weight;
        wx += weight * x;
        wy += weight * y;
        wxx += weight * x * x;
        wxy += weight * x * y;
    }
    (w * wxy - wx * wy) / (w * wxx - wx * wx)
}

impl Slope {
    pub(crate) fn new(rows: usize) -> Self {
        let columns = (1..).zip(SLOPE);
        let mut columns: Vec<Column> = columns
            .map(|(seed, name)| Column::new(name.into(), random::floats(seed, rows)))
            .collect();
        // What Polars' `rolling` counts rows by.
        let mut row = Series::new("row".into(), (0..rows as i64).collect::<Vec<_>>());
        row.set_sorted_flag(polars_core::series::IsSorted::Ascending);
        columns.push(row.into_column());
        Slope {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    pub(crate) fn ours(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame).select(SLOPE);
        call.windows(
            Window::rows(WINDOW),
            |x: Values<'_, f64>, y: Values<'_, f64>, w: Values<'_, f64>| {
                slope(x.iter().zip(y.iter()).zip(w.iter()))
            },
        )
        .expect("the columns are f64")
    }

    pub(crate) fn ours_by_rows(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame).select(SLOPE);
        call.windows(Window::rows(WINDOW), |rows: Rows<'_, (f64, f64, f64)>| {
            slope(rows.iter().map(|(x, y, w)| ((x, y), w)))
        })
        .expect("the columns are f64")
    }

    pub(crate) fn by_hand(&self, workers: Workers) -> Vec<f64> {
        let [x, y, w] = SLOPE.map(|name| slice(&self.frame, name));
        by_slices(x.len(), workers, |window| {
            let (x, y, w) = (&x[window.clone()], &y[window.clone()], &w[window]);
            slope(
                x.iter()
                    .copied()
                    .zip(y.iter().copied())
                    .zip(w.iter().copied()),
            )
        })
    }

    /// Polars' own: a closure over the columns of each window, which are fewer than 100 rows at the beginning.
    pub(crate) fn lazy_rolling(&self) -> Column {
        let of_window = |columns: &mut [Column]| -> PolarsResult<Column> {
            let [x, y, w] = columns else {
                polars_bail!(ComputeError: "the closure is given three columns");
            };
            let [x, y, w] = [x.f64()?, y.f64()?, w.f64()?];
            let (x, y, w) = (x.cont_slice()?, y.cont_slice()?, w.cont_slice()?);
            let points = x
                .iter()
                .copied()
                .zip(y.iter().copied())
                .zip(w.iter().copied());
            Ok(Column::new("slope".into(), [slope(points)]))
        };
        let dtype = |_: &Schema, _: &[Field]| Ok(Field::new("slope".into(), DataType::Float64));
        let slopes = apply_multiple(of_window, SLOPE.map(col), dtype, true);
        let query = self.frame.clone().lazy();
        let windows = query.rolling(col("row"), [], rolling("row"));
        let frame = windows.agg([slopes.alias("slope")]).collect();
        frame
            .expect("the columns are f64")
            .column("slope")
            .expect("it is named so")
            .clone()
    }

    pub(crate) fn check(&self) {
        let expected = self.by_hand(Workers::One);
        for workers in BOTH {
            assert_eq!(self.by_hand(workers), expected);
            compare(&self.ours(workers), &expected);
            compare(&self.ours_by_rows(workers), &expected);
        }
        compare(&self.lazy_rolling(), &expected);
    }
}

/// Windows over an order column: how many rows there are in each.
#[derive(Debug)]
pub(crate) struct OverOrder {
    frame: DataFrame,
}

impl OverOrder {
    pub(crate) fn new(rows: usize) -> Self {
        let mut time = 0;
        let steps = random::floats(4, rows).into_iter();
        let times = steps.map(|step| {
            // 0, 1 or 2: a third of the rows are of the same time as the one before.
            time += (step * 3.0) as i64;
            time
        });
        let mut times = Series::new("t".into(), times.collect::<Vec<_>>());
        // We do not look at it; Polars need not check then.
        times.set_sorted_flag(polars_core::series::IsSorted::Ascending);
        let columns = vec![
            times.into_column(),
            Column::new("x".into(), random::floats(1, rows)),
        ];
        OverOrder {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    /// The whole call, with a closure that takes no time.
    pub(crate) fn ours(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame).select(["x"]);
        let window = Window::over("t", WINDOW as i64);
        call.windows(window, |x: Values<'_, f64>| x.len() as u32)
            .expect("the columns are of these types")
    }

    /// The same closure over windows that are not listed beforehand, since they have so many rows.
    pub(crate) fn counted(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.frame).select(["x"]);
        let window = Window::rows(WINDOW).min_rows(1);
        call.windows(window, |x: Values<'_, f64>| x.len() as u32)
            .expect("the column is f64")
    }

    /// Where windows begin and how many rows they have: what Polars' `rolling` does before any closure is called.
    pub(crate) fn bounds(&self) -> GroupPositions {
        let (_, positions) = self
            .frame
            .rolling(None, &rolling("t"))
            .expect("the column is sorted");
        positions
    }

    pub(crate) fn check(&self) {
        let positions = self.bounds();
        let expected = positions.unwrap_slice().iter().map(|[_, rows]| *rows);
        let expected = Column::new("par_apply".into(), expected.collect::<Vec<IdxSize>>());
        for workers in BOTH {
            assert_eq!(self.ours(workers), expected);
        }
    }
}

/// The rolling windows that are those of [`Window::over`], and over row indices those of [`Window::rows`].
fn rolling(column: &str) -> RollingGroupOptions {
    RollingGroupOptions {
        index_column: column.into(),
        period: Duration::parse(&format!("{WINDOW}i")),
        offset: Duration::parse(&format!("-{WINDOW}i")),
        closed_window: ClosedWindow::Right,
    }
}

fn slice<'f>(frame: &'f DataFrame, name: &str) -> &'f [f64] {
    let column = frame.column(name).expect("the frame has the column");
    let column = column.f64().expect("the column is f64");
    column.cont_slice().expect("one chunk without nulls")
}

/// A rayon loop over the rows, into a fresh vector; 0 where a window would be shorter.
fn by_slices(rows: usize, workers: Workers, of: impl Fn(Range<usize>) -> f64 + Sync) -> Vec<f64> {
    fill::fresh(rows, workers, |range, slots: &mut [MaybeUninit<f64>]| {
        for (row, slot) in range.zip(slots) {
            let first = (row + 1).checked_sub(WINDOW);
            slot.write(first.map_or(0.0, |first| of(first..row + 1)));
        }
    })
}

/// A result is that of the loop by hand, where windows have all their rows.
fn compare(column: &Column, expected: &[f64]) {
    let column = column.f64().expect("results are f64");
    assert_eq!(column.len(), expected.len());
    for (row, (value, expected)) in column.iter().zip(expected).enumerate().skip(WINDOW - 1) {
        assert_eq!(
            value.map(f64::to_bits),
            Some(expected.to_bits()),
            "row {row}"
        );
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = OneColumn::new(ROWS);
    for of in [Of::Ends, Of::Sum] {
        case.check(of);
        let mut group = Group::new(criterion, &format!("windows, {}", of.label()), ROWS);
        for workers in BOTH {
            let label = workers.label();
            group.bench(&format!("ours, {label}"), || case.ours(workers, of));
            group.bench(&format!("by hand, {label}"), || case.by_hand(workers, of));
        }
        group.bench("rolling_map", || case.rolling_map(of));
    }
    drop(case);
    let case = Slope::new(SLOPE_ROWS);
    case.check();
    let mut group = Group::new(criterion, "windows, slope", SLOPE_ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours(workers));
        group.bench(&format!("by hand, {label}"), || case.by_hand(workers));
    }
    group.bench("lazy rolling", || case.lazy_rolling());
    drop(group);
    let case = OverOrder::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "windows, over an order column", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours(workers));
    }
    group.bench("Polars' bounds", || case.bounds());
}
