//! A closure whose last 1 % of rows cost 100 times as much.

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

const ROWS: usize = 500_000;
const STEPS: u32 = 20;

/// So many steps of the logistic map: each waits for the one before it.
#[inline]
fn iterate(x: f64, steps: u32) -> f64 {
    (0..steps).fold(x, |x, _| 3.7 * x * (1.0 - x))
}

struct Skewed {
    frame: DataFrame,
}

impl Skewed {
    fn new(rows: usize) -> Self {
        let steps = |row| {
            if row >= rows - rows / 100 {
                100 * STEPS
            } else {
                STEPS
            }
        };
        let steps: Vec<u32> = (0..rows).map(steps).collect();
        let columns = vec![
            Column::new("x".into(), random::floats(1, rows)),
            Column::new("steps".into(), steps),
        ];
        Skewed {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    fn ours(&self, workers: Workers) -> Column {
        workers
            .apply(&self.frame)
            .rows(iterate)
            .expect("the columns are f64 and u32")
    }

    /// Rayon splits further whatever is stolen.
    fn par_iter(&self, workers: Workers) -> Vec<f64> {
        let (xs, steps) = self.slices();
        workers.install(|| {
            let pairs = xs.par_iter().zip(steps);
            pairs.map(|(x, steps)| iterate(*x, *steps)).collect()
        })
    }

    /// One part for each worker, as `array_split` and threads would have it.
    fn equal_parts(&self, workers: Workers) -> Vec<f64> {
        let (xs, steps) = self.slices();
        let part = xs.len().div_ceil(workers.count());
        workers.install(|| {
            let pairs = xs
                .par_iter()
                .zip(steps)
                .with_min_len(part)
                .with_max_len(part);
            pairs.map(|(x, steps)| iterate(*x, *steps)).collect()
        })
    }

    fn check(&self) {
        let expected = self.par_iter(Workers::One);
        for workers in BOTH {
            let ours = self.ours(workers);
            let ours = ours.f64().expect("the closure returns f64");
            assert_eq!(
                ours.cont_slice().expect("one chunk without nulls"),
                expected
            );
            assert_eq!(self.par_iter(workers), expected);
            assert_eq!(self.equal_parts(workers), expected);
        }
    }

    fn slices(&self) -> (&[f64], &[u32]) {
        let column = |name| self.frame.column(name).expect("the frame has the column");
        let xs = column("x").f64().expect("the column is f64");
        let steps = column("steps").u32().expect("the column is u32");
        (
            xs.cont_slice().expect("one chunk without nulls"),
            steps.cont_slice().expect("one chunk without nulls"),
        )
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = Skewed::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "skewed", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, {label}"), || case.ours(workers));
        group.bench(&format!("rayon par_iter, {label}"), || {
            case.par_iter(workers)
        });
    }
    let label = Workers::All.label();
    group.bench(&format!("rayon, equal parts, {label}"), || {
        case.equal_parts(Workers::All)
    });
}
