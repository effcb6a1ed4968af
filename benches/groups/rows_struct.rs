//! A derived struct in and a derived struct out, bound by name in a frame that has more columns.

use std::mem::MaybeUninit;

use criterion::Criterion;
use polars_par_apply::prelude::*;
use rayon::prelude::*;

use super::group::Group;
use super::random;
use super::workers::{BOTH, Workers};

const ROWS: usize = 2_000_000;
const CHUNK: usize = 1 << 14;

#[derive(Clone, Copy, FromRow)]
struct Leg {
    distance: f64,
    stops: i64,
}

#[derive(Clone, Copy, IntoRow)]
struct Fare {
    price: f64,
    points: i64,
}

#[inline]
fn fare(leg: Leg) -> Fare {
    Fare {
        price: 50.0 + 100.0 * leg.distance / (leg.stops + 1) as f64,
        points: 10 - leg.stops,
    }
}

struct RowsStruct {
    frame: DataFrame,
}

impl RowsStruct {
    fn new(rows: usize) -> Self {
        let columns = vec![
            Column::new("stops".into(), random::digits(1, rows)),
            Column::new("carrier".into(), random::digits(2, rows)),
            Column::new("distance".into(), random::floats(3, rows)),
        ];
        RowsStruct {
            frame: DataFrame::new(rows, columns).expect("the columns are of one length"),
        }
    }

    fn ours(&self, workers: Workers) -> DataFrame {
        workers
            .apply(&self.frame)
            .rows(fare)
            .expect("the columns are f64 and i64")
    }

    /// The same without structs.
    fn ours_tuples(&self, workers: Workers) -> DataFrame {
        let call = workers
            .apply(&self.frame)
            .select(["distance", "stops"])
            .names(["price", "points"]);
        call.rows(|distance: f64, stops: i64| {
            let Fare { price, points } = fare(Leg { distance, stops });
            (price, points)
        })
        .expect("the columns are f64 and i64")
    }

    /// By hand: one fresh vector for each column of the result.
    fn by_hand(&self, workers: Workers) -> (Vec<f64>, Vec<i64>) {
        let (distances, stops) = self.slices();
        let rows = distances.len();
        let (mut prices, mut points) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let slots: (&mut [MaybeUninit<f64>], &mut [MaybeUninit<i64>]) = (
            &mut prices.spare_capacity_mut()[..rows],
            &mut points.spare_capacity_mut()[..rows],
        );
        workers.install(|| {
            slots
                .0
                .par_chunks_mut(CHUNK)
                .zip(slots.1.par_chunks_mut(CHUNK))
                .zip(distances.par_chunks(CHUNK).zip(stops.par_chunks(CHUNK)))
                .for_each(|((prices, points), (distances, stops))| {
                    let out = prices.iter_mut().zip(points);
                    for ((price, points), (distance, stops)) in out.zip(distances.iter().zip(stops))
                    {
                        let fare = fare(Leg {
                            distance: *distance,
                            stops: *stops,
                        });
                        price.write(fare.price);
                        points.write(fare.points);
                    }
                });
        });
        // SAFETY: the chunks are of one length in all four slices, so every slot has been written.
        unsafe {
            prices.set_len(rows);
            points.set_len(rows);
        }
        (prices, points)
    }

    fn check(&self) {
        let (distances, stops) = self.slices();
        let legs = distances.iter().zip(stops);
        let fares = legs.map(|(distance, stops)| {
            fare(Leg {
                distance: *distance,
                stops: *stops,
            })
        });
        let (prices, points): (Vec<f64>, Vec<i64>) =
            fares.map(|fare| (fare.price, fare.points)).unzip();
        let expected = DataFrame::new(
            prices.len(),
            vec![
                Column::new("price".into(), &prices),
                Column::new("points".into(), &points),
            ],
        );
        let expected = expected.expect("the columns are of one length");
        for workers in BOTH {
            assert!(self.ours(workers).equals(&expected));
            assert!(self.ours_tuples(workers).equals(&expected));
            let (by_hand_prices, by_hand_points) = self.by_hand(workers);
            assert_eq!(by_hand_prices, prices);
            assert_eq!(by_hand_points, points);
        }
    }

    fn slices(&self) -> (&[f64], &[i64]) {
        let column = |name| self.frame.column(name).expect("the frame has the column");
        let distances = column("distance").f64().expect("the column is f64");
        let stops = column("stops").i64().expect("the column is i64");
        (
            distances.cont_slice().expect("one chunk without nulls"),
            stops.cont_slice().expect("one chunk without nulls"),
        )
    }
}

pub(crate) fn bench(criterion: &mut Criterion) {
    let case = RowsStruct::new(ROWS);
    case.check();
    let mut group = Group::new(criterion, "rows_struct", ROWS);
    for workers in BOTH {
        let label = workers.label();
        group.bench(&format!("ours, structs, {label}"), || case.ours(workers));
        group.bench(&format!("ours, tuples, {label}"), || {
            case.ours_tuples(workers)
        });
        group.bench(&format!("rayon, fresh, {label}"), || case.by_hand(workers));
    }
}
