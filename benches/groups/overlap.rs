//! Parts with rows of their neighbours: a moving sum.

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

pub(crate) const ROWS: usize = 10_000_000;

/// How the rows are cut, and how many rows of its neighbours a part has on either side.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// A part for each worker, with 100.
    Workers,
    /// Parts of 1,000 rows, with 500.
    Small,
}

impl Cut {
    fn side(self) -> usize {
        match self {
            Cut::Workers => 100,
            Cut::Small => 500,
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Cut::Workers => "a part for each worker, 100 rows around",
            Cut::Small => "parts of 1,000 rows, 500 around",
        }
    }
}

/// The sum of the rows around each row.
fn moving_sums(x: &[f64], side: usize) -> Vec<f64> {
    let mut sum: f64 = x.iter().take(side).sum();
    let rows = 0..x.len();
    rows.map(|row| {
        if let Some(comes) = x.get(row + side) {
            sum += comes;
        }
        if row > side {
            sum -= x[row - side - 1];
        }
        sum
    })
    .collect()
}

#[derive(Debug)]
pub(crate) struct Overlap {
    frame: DataFrame,
}

impl Overlap {
    pub(crate) fn new(rows: usize) -> Self {
        // Whole numbers, of which sums are exact in any order.
        let whole = |x: f64| (x * 1000.0).floor();
        let x: Vec<f64> = random::floats(1, rows).into_iter().map(whole).collect();
        Overlap {
            frame: DataFrame::new(rows, vec![Column::new("x".into(), x)])
                .expect("there is one column"),
        }
    }

    fn values(&self) -> &[f64] {
        let x = self.frame.columns()[0].f64().expect("the column is f64");
        x.cont_slice().expect("one chunk without nulls")
    }

    pub(crate) fn ours(&self, workers: Workers, cut: Cut) -> Column {
        let side = cut.side();
        let call = workers.apply(&self.frame).overlap(side, side);
        let call = match cut {
            Cut::Workers => call,
            Cut::Small => call.chunk_rows(1_000),
        };
        let sums = |part: &DataFrame| -> PolarsResult<Column> {
            let x = part["x"].f64()?;
            Ok(Column::new("x".into(), moving_sums(x.cont_slice()?, side)))
        };
        call.chunks(sums).expect("the column is f64")
    }

    /// The same closure over slices, each result a column, stacked.
    pub(crate) fn by_hand(&self, workers: Workers, cut: Cut) -> Column {
        let (side, x) = (cut.side(), self.values());
        let rows = match cut {
            Cut::Workers => x.len().div_ceil(workers.count()).max(1),
            Cut::Small => 1_000,
        };
        let parts = x.len().div_ceil(rows);
        let part = |part: usize| {
            let (start, end) = (part * rows, ((part + 1) * rows).min(x.len()));
            let around = start.saturating_sub(side)..(end + side).min(x.len());
            let offset = (start - around.start) as i64;
            let sums = Series::new("x".into(), moving_sums(&x[around], side));
            sums.slice(offset, end - start)
        };
        let sums: Vec<Series> = workers.install(|| (0..parts).into_par_iter().map(part).collect());
        let mut sums = sums.into_iter();
        let mut stacked = sums
            .next()
            .unwrap_or_else(|| Series::new("x".into(), [0.0; 0]));
        for part in sums {
            stacked.append_owned(part).expect("all are f64");
        }
        stacked.into_column()
    }

    pub(crate) fn check(&self, cut: Cut) {
        let expected = Column::new("x".into(), moving_sums(self.values(), cut.side()));
        for workers in BOTH {
            assert_eq!(self.ours(workers, cut), expected);
            assert_eq!(self.by_hand(workers, cut), expected);
        }
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = Overlap::new(ROWS);
    for cut in [Cut::Workers, Cut::Small] {
        case.check(cut);
        let mut group = Group::new(criterion, &format!("overlap, {}", cut.label()), ROWS);
        for workers in BOTH {
            let label = workers.label();
            group.bench(&format!("ours, {label}"), || case.ours(workers, cut));
            group.bench(&format!("by hand, {label}"), || case.by_hand(workers, cut));
        }
    }
}
