//! One call of the closure for each part of the frame: a number back, and a frame back.

use criterion::Criterion;
use polars_core::utils::accumulate_dataframes_vertical;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

const ROWS: usize = 2_000_000;

fn dot(part: &DataFrame) -> f64 {
    let [a, b] = ["a", "b"].map(|name| {
        let column = part.column(name).expect("the frame has the column");
        let column = column.f64().expect("the column is f64");
        column.cont_slice().expect("one chunk without nulls")
    });
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Filters without threads of its own, which would time handing work to Polars' pool and not the parts.
fn rising(part: &DataFrame) -> PolarsResult<DataFrame> {
    let (a, b) = (part.column("a")?.f64()?, part.column("b")?.f64()?);
    part.filter_seq(&a.lt(b))
}

struct Chunks {
    frame: DataFrame,
}

impl Chunks {
    fn new(rows: usize) -> Self {
        let columns = vec![
            Column::new("a".into(), random::floats(1, rows)),
            Column::new("b".into(), random::floats(2, rows)),
        ];
        Chunks {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    fn ours_cells(&self, workers: Workers, parts: usize) -> Column {
        let call = workers.apply(&self.frame).partitions(parts);
        call.chunks(|part: &DataFrame| dot(part))
            .expect("the columns are f64")
    }

    fn ours_frames(&self, workers: Workers, parts: usize) -> DataFrame {
        let call = workers.apply(&self.frame).partitions(parts);
        call.chunks(|part: &DataFrame| rising(part))
            .expect("the columns are f64")
    }

    fn by_hand_cells(&self, workers: Workers, parts: usize) -> Vec<f64> {
        let parts = self.parts(parts);
        workers.install(|| parts.par_iter().map(dot).collect())
    }

    fn by_hand_frames(&self, workers: Workers, parts: usize) -> DataFrame {
        let parts = self.parts(parts);
        let parts: PolarsResult<Vec<DataFrame>> =
            workers.install(|| parts.par_iter().map(rising).collect());
        accumulate_dataframes_vertical(parts.expect("the columns are f64"))
            .expect("the schemas are equal")
    }

    fn check(&self, parts: usize) {
        let (cells, frame) = (
            self.by_hand_cells(Workers::One, parts),
            rising(&self.frame).expect("the columns are f64"),
        );
        for workers in BOTH {
            let ours = self.ours_cells(workers, parts);
            let ours = ours.f64().expect("the closure returns f64");
            assert!(ours.into_no_null_iter().eq(cells.iter().copied()));
            assert_eq!(self.by_hand_cells(workers, parts), cells);
            assert!(self.ours_frames(workers, parts).equals(&frame));
            assert!(self.by_hand_frames(workers, parts).equals(&frame));
        }
    }

    fn parts(&self, parts: usize) -> Vec<DataFrame> {
        let rows = self.frame.height();
        (0..parts)
            .map(|part| (rows * part / parts, rows * (part + 1) / parts))
            .map(|(start, end)| self.frame.slice(start as i64, end - start))
            .collect()
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = Chunks::new(ROWS);
    for (result, frames) in [("numbers", false), ("frames", true)] {
        let mut group = Group::new(criterion, &format!("chunks, {result} out"), ROWS);
        for parts in [16, 1000] {
            case.check(parts);
            for workers in BOTH {
                let label = workers.label();
                let (ours, rayon) = (
                    format!("ours, {parts} parts, {label}"),
                    format!("rayon, {parts} parts, {label}"),
                );
                if frames {
                    group.bench(&ours, || case.ours_frames(workers, parts));
                    group.bench(&rayon, || case.by_hand_frames(workers, parts));
                } else {
                    group.bench(&ours, || case.ours_cells(workers, parts));
                    group.bench(&rayon, || case.by_hand_cells(workers, parts));
                }
            }
        }
    }
}
