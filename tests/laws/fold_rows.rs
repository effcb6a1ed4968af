//! `fold_rows` gives one accumulator for all rows, with the same bits whichever worker folds which rows.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use polars_par_apply::by_ref;
use polars_par_apply::prelude::*;
use polars_par_apply::rand::RngExt;

use crate::frames::{counting, faults, held_back, layouts, refuse_unless, watched, ways};

/// Heights around those at which the size of blocks changes, and some between.
const HEIGHTS: [usize; 15] = [
    0, 1, 2, 3, 32, 33, 63, 64, 65, 127, 129, 1_000, 4_097, 32_769, 100_003,
];

/// Numbers whose sum depends on the order in which they are added.
fn uneven(rows: usize) -> DataFrame {
    let x = (0..rows).map(|i| 1.0 / (1 + i * 7919 % 1013) as f64);
    let y = (0..rows).map(|i| (i % 31) as f64 - 14.7);
    df!["x" => x.collect::<Vec<f64>>(), "y" => y.collect::<Vec<f64>>()].unwrap()
}

fn dot(call: Apply<'_, 'static>) -> f64 {
    let f = |sum: &mut f64, x: f64, y: f64| *sum += x * y;
    call.fold_rows(|| 0.0, f, |a, b| a + b).unwrap()
}

/// Records the order in which rows are folded and merged.
fn rows(call: Apply<'_, 'static>) -> Vec<i64> {
    let f = |rows: &mut Vec<i64>, i: i64| rows.push(i);
    call.fold_rows(Vec::new, f, |mut a, b| {
        a.extend(b);
        a
    })
    .unwrap()
}

#[test]
fn every_row_once_and_in_order() {
    for height in HEIGHTS {
        let df = counting(height);
        let expected: Vec<i64> = (0..height as i64).collect();
        for (way, call) in ways(&df.par_apply(), 7, 10) {
            assert!(rows(call) == expected, "{height} rows, {way}");
        }
    }
}

#[test]
fn the_same_bits_on_any_workers_and_any_chunks() {
    for height in HEIGHTS {
        let df = uneven(height);
        let expected = dot(df.par_apply().sequential());
        let plain: f64 = (0..height)
            .map(|row| {
                let at = |name: &str| df[name].f64().unwrap().get(row).unwrap();
                at("x") * at("y")
            })
            .sum();
        assert!((expected - plain).abs() <= 1e-9 * height as f64);
        for (layout, df) in layouts(&df) {
            if height > 5_000 && layout == "chunks of one row" {
                continue;
            }
            for (way, call) in ways(&df.par_apply(), 7, 10) {
                let is = dot(call);
                let what = format!("{height} rows, {layout}, {way}");
                assert_eq!(is.to_bits(), expected.to_bits(), "{what}");
            }
        }
    }
    // Which worker takes which block is random, so this runs many times to notice another order.
    let df = uneven(100_003);
    let expected = dot(df.par_apply().sequential());
    for _ in 0..200 {
        assert_eq!(dot(df.par_apply().workers(4)).to_bits(), expected.to_bits());
    }
}

#[test]
fn a_frame_without_rows_gives_init() {
    let df = counting(0);
    let (inits, merges) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let sum = df.par_apply().fold_rows(
        || {
            inits.fetch_add(1, SeqCst);
            42i64
        },
        |sum: &mut i64, i: i64| *sum += i,
        |a, b| {
            merges.fetch_add(1, SeqCst);
            a + b
        },
    );
    assert_eq!(sum.unwrap(), 42);
    assert_eq!((inits.into_inner(), merges.into_inner()), (1, 0));
    let error = df
        .par_apply()
        .fold_rows(
            || -> i64 { panic!("no") },
            |_: &mut i64, _: i64| (),
            i64::max,
        )
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Panic { .. }), "{error:?}");
    assert!(error.to_string().contains("within init: no"), "{error}");
}

#[test]
fn cells_of_every_kind() {
    let df = df![
        "word" => [Some("kelp"), None, Some("dune"), Some("kelp")],
        "n" => [1i32, 2, 3, 4],
        "list" => [Series::new("".into(), [1i64, 2]), Series::new("".into(), [3i64]),
            Series::new("".into(), [0i64; 0]), Series::new("".into(), [4i64])],
    ]
    .unwrap();
    let merge = |mut a: HashMap<String, i64>, b: HashMap<String, i64>| {
        for (word, n) in b {
            *a.entry(word).or_default() += n;
        }
        a
    };
    // A row with a null in a plain argument is left out. An `Option` is given `None`.
    let counts = df.par_apply().select(["word", "n"]).fold_rows(
        HashMap::new,
        |counts: &mut HashMap<String, i64>, word: &str, n: i64| {
            *counts.entry(word.into()).or_default() += n;
        },
        merge,
    );
    let expected = HashMap::from([("kelp".to_string(), 5i64), ("dune".to_string(), 3)]);
    assert_eq!(counts.unwrap(), expected);
    let nulls = df.par_apply().select(["word"]).fold_rows(
        || 0,
        |nulls: &mut i32, word: Option<&str>| *nulls += i32::from(word.is_none()),
        |a, b| a + b,
    );
    assert_eq!(nulls.unwrap(), 1);
    let items = df.par_apply().select(["list"]).fold_rows(
        || 0,
        |sum: &mut i64, items: Vec<i64>| *sum += items.iter().sum::<i64>(),
        |a, b| a + b,
    );
    assert_eq!(items.unwrap(), 10);
    // A row of any columns, and a tuple.
    let wide = df.par_apply().fold_rows(
        || 0,
        |cells: &mut usize, row: Row<'_>| *cells += row.len(),
        |a, b| a + b,
    );
    assert_eq!(wide.unwrap(), 12);
    let of_tuple = df.par_apply().select(["n", "n"]).fold_rows(
        || 0i64,
        |sum: &mut i64, (a, b): (i64, i64)| *sum += a * b,
        |a, b| a + b,
    );
    assert_eq!(of_tuple.unwrap(), 30);
    // A frame in which every row has a null, and a scalar column.
    let none = df![ "x" => [None::<f64>, None] ].unwrap();
    assert_eq!(
        none.par_apply()
            .fold_rows(|| 1.5, |a: &mut f64, x: f64| *a += x, |a, b| a * b)
            .unwrap(),
        1.5 * 1.5
    );
    let scalar = Column::new_scalar("x".into(), Scalar::from(2i64), 70_000);
    let df = DataFrame::new(70_000, vec![scalar]).unwrap();
    let sum = df
        .par_apply()
        .fold_rows(|| 0, |sum: &mut i64, x: i64| *sum += x, |a, b| a + b);
    assert_eq!(sum.unwrap(), 140_000);
}

#[test]
fn nulls_that_are_refused() {
    let df = df!["x" => [Some(1i64), Some(2), None, None]].unwrap();
    let calls = AtomicUsize::new(0);
    let f = |_: &mut i64, _: i64| {
        calls.fetch_add(1, SeqCst);
    };
    let error = df
        .par_apply()
        .nulls(Nulls::Error)
        .fold_rows(|| 0, f, i64::max)
        .unwrap_err();
    assert_eq!((error.column(), error.row()), (Some("x"), Some(2)));
    assert_eq!(calls.into_inner(), 0);
}

#[test]
fn the_lowest_failing_row() {
    for height in [3, 100, 5_000, 70_001] {
        let df = counting(height)
            .lazy()
            .with_column((col("i") + lit(10)).alias("number"))
            .collect()
            .unwrap();
        let first = height as i64 / 3;
        let f = |sum: &mut i64, i: i64| {
            refuse_unless(i < first || i % 3 == 1, "no")?;
            *sum += i;
            anyhow::Ok(())
        };
        let lowest = (first..).find(|i| i % 3 != 1).unwrap();
        for (way, call) in ways(&df.par_apply().select(["i"]), 7, 10) {
            let error = call.clone().fold_rows(|| 0, f, |a, b| a + b).unwrap_err();
            assert_eq!(error.row(), Some(lowest as usize), "{way}");
            assert_eq!(
                error.to_string(),
                format!("row {lowest}: the closure returned an error: no")
            );
            let numbered = call.row_numbers("number").fold_rows(|| 0, f, |a, b| a + b);
            assert_eq!(
                numbered.unwrap_err().row(),
                Some(lowest as usize + 10),
                "{way}"
            );
            // A panic likewise.
            let panics = df.par_apply().select(["i"]).workers(3).fold_rows(
                || 0,
                |_: &mut i64, i: i64| assert!(i < first, "i is {i}"),
                |a, b| a + b,
            );
            let error = panics.unwrap_err();
            assert_eq!(error.row(), Some(first as usize), "{way}");
            assert_eq!(
                error.to_string(),
                format!("row {first}: the closure panicked: i is {first}")
            );
        }
    }
    // A value that cannot be read.
    let df = df!["x" => [1i64, 2, 300]].unwrap();
    let call = || df.par_apply().casts(Casts::Lossy);
    let small = call().fold_rows(
        || 0,
        |sum: &mut i32, x: Option<i8>| *sum += x.map_or(100, i32::from),
        |a, b| a + b,
    );
    assert_eq!(small.unwrap(), 103);
}

#[test]
fn panics_of_init_and_merge_say_which() {
    let df = counting(6_400);
    for (way, call) in ways(&df.par_apply(), 7, 10) {
        let inits = AtomicUsize::new(0);
        let error = call
            .clone()
            .fold_rows(
                || assert!(inits.fetch_add(1, SeqCst) > usize::MAX - 1, "no room"),
                |(): &mut (), _: i64| (),
                |(), ()| (),
            )
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "row 0: the closure panicked: within init: no room",
            "{way}"
        );
        // The error is always that of the lowest row that panics; a block has 200 rows.
        for first in [1, 2, 5, 16, 31] {
            let error = call
                .clone()
                .fold_rows(
                    || (i64::MAX, i64::MIN),
                    |(least, most): &mut (i64, i64), i: i64| {
                        (*least, *most) = (i.min(*least), i.max(*most));
                    },
                    |(least, _), (next, most)| {
                        assert!(next < first * 200, "at {next}");
                        (least, most)
                    },
                )
                .unwrap_err();
            let row = error.row().unwrap();
            assert_eq!(
                error.to_string(),
                format!("row {row}: the closure panicked: within merge: at {row}")
            );
            assert!(row >= first as usize * 200, "{way}");
            let again = df.par_apply().sequential().fold_rows(
                || (i64::MAX, i64::MIN),
                |(least, most): &mut (i64, i64), i: i64| {
                    (*least, *most) = (i.min(*least), i.max(*most));
                },
                |(least, _), (next, most)| {
                    assert!(next < first * 200, "at {next}");
                    (least, most)
                },
            );
            assert_eq!(again.unwrap_err().row(), Some(row), "{way}");
        }
    }
}

/// Counts the values that are alive, and the most that were alive at the same time.
#[derive(Default)]
struct Count {
    alive: AtomicUsize,
    most: AtomicUsize,
    made: AtomicUsize,
}

struct Alive<'c>(&'c Count, i64);

impl<'c> Alive<'c> {
    fn new(count: &'c Count) -> Self {
        count.made.fetch_add(1, SeqCst);
        let alive = count.alive.fetch_add(1, SeqCst) + 1;
        count.most.fetch_max(alive, SeqCst);
        Alive(count, 0)
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, SeqCst);
    }
}

#[test]
fn few_accumulators_are_there_at_a_time() {
    // 32 blocks: five rounds.
    let df = counting(640_000);
    for workers in 1..=4 {
        let count = Count::default();
        let sum = df.par_apply().workers(workers).fold_rows(
            || Alive::new(&count),
            |sum: &mut Alive<'_>, i: i64| sum.1 += i,
            |mut a, b| {
                a.1 += b.1;
                a
            },
        );
        assert_eq!(sum.unwrap().1, 640_000 * 639_999 / 2);
        assert_eq!(count.alive.load(SeqCst), 0);
        assert_eq!(count.made.load(SeqCst), 32);
        let most = count.most.load(SeqCst);
        // At most one accumulator for each round is kept beside each block that is not done.
        let few = 6 * (workers + 1);
        assert!(most <= few, "{most} on {workers} workers");
    }
    // The first block is the last to be done, and the accumulators of the others are merged meanwhile.
    let count = Count::default();
    let done = AtomicUsize::new(0);
    let sum = df.par_apply().workers(2).fold_rows(
        || Alive::new(&count),
        |sum: &mut Alive<'_>, i: i64| {
            if i == 0 {
                while done.load(SeqCst) < 31 {
                    std::thread::yield_now();
                }
            }
            if i % 20_000 == 19_999 {
                done.fetch_add(1, SeqCst);
            }
            sum.1 += i;
        },
        |mut a, b| {
            a.1 += b.1;
            a
        },
    );
    assert_eq!(sum.unwrap().1, 640_000 * 639_999 / 2);
    assert!(count.most.load(SeqCst) <= 18, "{}", count.most.load(SeqCst));
}

#[test]
fn nothing_is_left_after_a_failure() {
    let df = counting(5_000);
    for workers in 1..=4 {
        for fails in ["f", "panic", "merge"] {
            let count = Count::default();
            let failed = df.par_apply().workers(workers).fold_rows(
                || Alive::new(&count),
                |_: &mut Alive<'_>, i: i64| {
                    assert!(fails != "panic" || i < 4_000);
                    refuse_unless(fails != "f" || i < 4_000, "no")
                },
                |a, _| {
                    assert_ne!(fails, "merge");
                    a
                },
            );
            assert!(failed.is_err());
            drop(failed);
            assert_eq!(count.alive.load(SeqCst), 0, "{fails}");
            assert!(count.made.load(SeqCst) > 0);
        }
    }
}

#[test]
fn cancelled_and_late() {
    let df = counting(5_000);
    for workers in 1..=4 {
        let token = CancelToken::new();
        let calls = AtomicUsize::new(0);
        let f = |_: &mut i64, i: i64| {
            calls.fetch_add(1, SeqCst);
            match i {
                100 => token.cancel(),
                101.. => held_back(&token),
                _ => {}
            }
        };
        let call = df.par_apply().workers(workers).cancel_token(&token);
        let error = call.fold_rows(|| 0, f, i64::max).unwrap_err();
        let ErrorKind::Cancelled { done, total, .. } = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(*total, 5_000);
        assert_eq!(*done, calls.load(SeqCst));
        assert!(*done < 5_000);
        assert!(!error.to_string().contains("on_cancel"), "{error}");

        // An error that only says that the call was cancelled is not a failure.
        let token = CancelToken::new();
        let f = |_: &mut i64, i: i64| {
            if i == 100 {
                token.cancel();
            }
            token.check()
        };
        let call = df.par_apply().workers(workers).cancel_token(&token);
        let error = call.fold_rows(|| 0, f, i64::max).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Cancelled { failure: None, .. }),
            "{error:?}"
        );

        let late = df
            .par_apply()
            .workers(workers)
            .deadline(Duration::from_millis(1));
        let late = late.fold_rows(
            || 0,
            |_: &mut i64, _: i64| sleep(Duration::from_micros(900)),
            i64::max,
        );
        assert!(matches!(
            late.unwrap_err().kind(),
            ErrorKind::Cancelled {
                deadline: Some(_),
                ..
            }
        ));
    }
    // A run that is finished before it looks at the token is not cancelled.
    let token = CancelToken::new();
    let call = df.par_apply().sequential().cancel_token(&token);
    let sum = call.fold_rows(
        || 0,
        |sum: &mut i64, i: i64| {
            *sum += i;
            if i == 4_999 {
                token.cancel();
            }
        },
        |a, b| a + b,
    );
    assert_eq!(sum.unwrap(), 5_000 * 4_999 / 2);
}

#[test]
fn who_watches_and_what_happened() {
    for height in [0, 1, 640, 100_000] {
        let df = counting(height);
        for (way, call) in ways(&df.par_apply(), 7, 10) {
            let ticks = Mutex::new(Vec::new());
            let told = call
                .progress(|tick: Tick| ticks.lock().unwrap().push(tick))
                .outcome()
                .fold_rows(|| 0, |sum: &mut i64, i: i64| *sum += i, |a, b| a + b)
                .unwrap();
            let last = *ticks.lock().unwrap().last().unwrap();
            assert_eq!(
                (last.done, last.total, last.state),
                (height, height, TickState::Finished),
                "{way}"
            );
            assert_eq!(told.stats.rows, height, "{way}");
            assert!(told.is_complete() && told.failures.height() == 0);
            assert_eq!(told.kept_rows().len(), height);
            assert_eq!(told.output, (0..height as i64).sum::<i64>());
        }
    }
    // Within a long block too.
    let df = counting(64 * 50);
    let ticks = Mutex::new(Vec::new());
    df.par_apply()
        .sequential()
        .progress(|tick: Tick| ticks.lock().unwrap().push(tick.done))
        .fold_rows(
            || (),
            |(): &mut (), _: i64| sleep(Duration::from_micros(100)),
            |(), ()| (),
        )
        .unwrap();
    let ticks = ticks.into_inner().unwrap();
    assert!(ticks.iter().any(|done| done % 100 != 0), "{ticks:?}");
}

#[test]
fn a_row_s_random_stream_is_its_number_s() {
    let df = counting(3_000);
    let fold = |call: Apply<'_, 'static>| {
        let f = |drawn: &mut Vec<u32>, rng: &mut RowRng, _: i64| drawn.push(rng.random());
        let seeded = call.seed(7).fold_rows(Vec::new, f, |mut a, b| {
            a.extend(b);
            a
        });
        seeded.unwrap()
    };
    let by_rows = df
        .par_apply()
        .seed(7)
        .rows(|rng: &mut RowRng, _: i64| rng.random::<u32>());
    let by_rows: Vec<u32> = by_rows
        .unwrap()
        .u32()
        .unwrap()
        .into_no_null_iter()
        .collect();
    for (way, call) in ways(&df.par_apply(), 7, 10) {
        assert!(fold(call) == by_rows, "{way}");
    }
    let part = df.slice(1_000, 500);
    assert!(fold(part.par_apply().first_row(1_000)) == by_rows[1_000..1_500]);
}

#[test]
fn in_the_background() {
    watched(|| {
        let df = uneven(10_000);
        let expected = dot(df.par_apply());
        let f = |sum: &mut f64, x: f64, y: f64| *sum += x * y;
        let pool = Pool::new(2).unwrap();
        let job = df
            .par_apply()
            .pool(&pool)
            .spawn_fold_rows(|| 0.0, f, |a, b| a + b);
        let told = df
            .par_apply()
            .outcome()
            .spawn_fold_rows(|| 0.0, f, |a, b| a + b);
        drop(df);
        assert_eq!(job.get().unwrap().to_bits(), expected.to_bits());
        let told = told.get().unwrap();
        assert_eq!(told.output.to_bits(), expected.to_bits());
        assert_eq!(told.stats.rows, 10_000);

        let df = counting(100_000);
        let begun = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&begun);
        let slow = move |_: &mut i64, _: i64| {
            seen.fetch_add(1, SeqCst);
            sleep(Duration::from_millis(1));
        };
        let job = df.par_apply().spawn_fold_rows(|| 0, slow, i64::max);
        while begun.load(SeqCst) == 0 {
            std::thread::yield_now();
        }
        job.cancel();
        assert!(matches!(
            job.get().unwrap_err().kind(),
            ErrorKind::Cancelled { total: 100_000, .. }
        ));
        let row =
            df.par_apply()
                .spawn_fold_rows(|| 0, |_: &mut i64, i: i64| assert!(i < 5), i64::max);
        assert_eq!(row.get().unwrap_err().row(), Some(5));
    });
}

#[test]
fn faults_come_before_any_call() {
    let df = df!["x" => ["a"], "y" => [1i64]].unwrap();
    let calls = AtomicUsize::new(0);
    let count = || calls.fetch_add(1, SeqCst) as i64;
    let error = df
        .par_apply()
        .select(["x", "z"])
        .names(["sum"])
        .returns([DataType::Int64])
        .retry(Retry::attempts(2))
        .on_error(OnError::Collect)
        .on_cancel(OnCancel::Partial)
        .state(|| 1)
        .fold_rows(
            count,
            |sum: &mut i64, x: i64, z: i64| *sum += x + z + count(),
            i64::max,
        )
        .unwrap_err();
    let told: Vec<String> = faults(&error)
        .iter()
        .map(|fault| match fault.kind() {
            ErrorKind::Option { option, .. } => (*option).to_string(),
            kind => kind.name().to_string(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "column_not_found",
            "dtype",
            "state",
            "on_error",
            "retry",
            "on_cancel",
            "names",
            "returns"
        ]
    );
    assert_eq!(calls.into_inner(), 0);
}

type Added = dyn Fn(&mut f64, f64, f64) + Send + Sync;

#[test]
fn within_another_call_and_by_reference() {
    let df = uneven(5_000);
    let expected = dot(df.par_apply());
    let sums = counting(20)
        .par_apply_rows(|_: i64| dot(df.par_apply()))
        .unwrap();
    assert!(
        sums.f64()
            .unwrap()
            .into_no_null_iter()
            .all(|sum| sum.to_bits() == expected.to_bits())
    );
    let f = |sum: &mut f64, x: f64, y: f64| *sum += x * y;
    let by_ref = df.par_apply().fold_rows(|| 0.0, by_ref(&f), |a, b| a + b);
    assert_eq!(by_ref.unwrap().to_bits(), expected.to_bits());
    let boxed: Arc<Added> = Arc::new(f);
    let shared = df.par_apply().fold_rows(|| 0.0, boxed, |a, b| a + b);
    assert_eq!(shared.unwrap().to_bits(), expected.to_bits());
}
