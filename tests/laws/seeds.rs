//! `seed`: a row's random stream depends only on the seed and the row's number.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};

use crate::frames::{
    assert_same, assert_same_frame, counting, each_column, faults, held_back, layouts, watched,
};

fn draw(rng: &mut RowRng, _: i64) -> u64 {
    rng.next_u64()
}

/// Computes the first numbers of a row's stream from its definition.
fn defined(seed: u64, row: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(row as u64);
    rng
}

#[test]
fn a_row_s_stream_is_that_of_its_number() {
    // The generator has its own type, and gives the same stream outside of a call.
    for row in [0, 1, 2999, u64::MAX] {
        let (mut own, mut by_hand) = (RowRng::of_row(42, row), defined(42, row as usize));
        assert_eq!(own.next_u32(), by_hand.next_u32());
        assert_eq!(own.next_u64(), by_hand.next_u64());
        let mut bytes = [[0; 700]; 2];
        own.fill_bytes(&mut bytes[0]);
        by_hand.fill_bytes(&mut bytes[1]);
        assert_eq!(bytes[0], bytes[1]);
        assert_eq!(own.random_range(0..1000), by_hand.random_range(0..1000));
    }
    let column = counting(3000).par_apply().seed(42).rows(draw).unwrap();
    let expected: Vec<u64> = (0..3000).map(|row| defined(42, row).next_u64()).collect();
    assert_same(&column, &Column::new("par_apply".into(), expected), "42");
}

/// The numbers themselves, computed without Rust, so that a later version that gives others is noticed.
#[test]
fn the_streams_stay_as_they_are() {
    let df = counting(3);
    let draws = df
        .par_apply()
        .seed(42)
        .rows(|rng: &mut RowRng, _: i64| [rng.next_u64(), rng.next_u64()])
        .unwrap();
    let expected = df![
        "column_0" => PINNED.map(|row| row[0]),
        "column_1" => PINNED.map(|row| row[1]),
    ]
    .unwrap();
    assert_same_frame(&draws, &expected, "seed 42");
}

const PINNED: [[u64; 2]; 3] = [
    [0xae90_bfb5_395d_5ba1, 0xf345_3fc6_2579_9188],
    [0xb77f_a861_8dc9_e890, 0x2aba_a2d2_a560_359d],
    [0x2f01_1690_14e7_3fff, 0x4b5b_215d_4f91_532a],
];

/// `ChaCha` with 8 rounds, from its definition: the key, a 64-bit block counter of 0, and the row as the 64-bit nonce.
fn chacha8(key: [u8; 32], nonce: u64) -> [u32; 16] {
    let mut start = [0u32; 16];
    start[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    for (word, bytes) in start[4..12].iter_mut().zip(key.chunks_exact(4)) {
        *word = u32::from_le_bytes(bytes.try_into().unwrap());
    }
    (start[14], start[15]) = (nonce as u32, (nonce >> 32) as u32);
    let mut x = start;
    let mut quarter = |a: usize, b: usize, c: usize, d: usize| {
        for (turn, then) in [(16, 12), (8, 7)] {
            x[a] = x[a].wrapping_add(x[b]);
            x[d] = (x[d] ^ x[a]).rotate_left(turn);
            x[c] = x[c].wrapping_add(x[d]);
            x[b] = (x[b] ^ x[c]).rotate_left(then);
        }
    };
    for _ in 0..4 {
        (0..4).for_each(|i| quarter(i, 4 + i, 8 + i, 12 + i));
        (0..4).for_each(|i| quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4));
    }
    std::array::from_fn(|i| x[i].wrapping_add(start[i]))
}

#[test]
fn a_stream_is_chacha_with_8_rounds() {
    /// Returns the key that is made from a seed.
    struct Key([u8; 32]);
    impl SeedableRng for Key {
        type Seed = [u8; 32];
        fn from_seed(seed: [u8; 32]) -> Self {
            Key(seed)
        }
    }
    let column = counting(300)
        .par_apply()
        .seed(9)
        .rows(|rng: &mut RowRng, _: i64| {
            let words: Vec<u32> = (0..16).map(|_| rng.next_u32()).collect();
            words
        })
        .unwrap();
    let key = Key::seed_from_u64(9).0;
    for row in 0..300 {
        let words = column.list().unwrap().get_as_series(row).unwrap();
        let words: Vec<u32> = words.u32().unwrap().into_no_null_iter().collect();
        assert_eq!(words, chacha8(key, row as u64), "row {row}");
    }
}

#[test]
fn the_column_is_the_same_whoever_runs_it_and_however_it_is_cut() {
    watched(|| {
        let df = counting(2500);
        let expected = df.par_apply().sequential().seed(7).rows(draw).unwrap();
        for workers in [1, 2, 3, 5] {
            let pool = Pool::new(workers).unwrap();
            let on = |df| ParApply::par_apply(df).workers(workers);
            for (what, apply) in [
                ("as it comes", on(&df)),
                ("1 partition", on(&df).partitions(1)),
                ("7 partitions", on(&df).partitions(7)),
                ("1000 partitions", on(&df).partitions(1000)),
                ("chunks of 1 row", on(&df).chunk_rows(1)),
                ("chunks of 13 rows", on(&df).chunk_rows(13)),
                ("a pool", on(&df).pool(&pool)),
            ] {
                let column = apply.seed(7).rows(draw).unwrap();
                assert_same(&column, &expected, &format!("{workers} workers, {what}"));
            }
        }
        for (what, df) in layouts(&df) {
            let apply = df.par_apply().workers(3).partitions(20).seed(7);
            assert_same(&apply.rows(draw).unwrap(), &expected, what);
        }
    });
}

#[test]
fn the_stream_is_the_same_on_each_attempt() {
    watched(|| {
        let df = counting(1500);
        let expected = df.par_apply().sequential().seed(7).rows(draw).unwrap();
        for workers in [1, 3] {
            let attempts = Mutex::new(vec![Vec::new(); 1500]);
            let outcome = df
                .par_apply()
                .workers(workers)
                .on_error(OnError::Skip)
                .retry(Retry::attempts(3).min_delay(Duration::from_micros(20)))
                .seed(7)
                .rows(|rng: &mut RowRng, i: i64| {
                    let drawn = rng.next_u64();
                    // Leaves the stream at another place for each row.
                    rng.fill(&mut [0u32; 5][..i as usize % 5]);
                    let mut attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
                    let attempts = &mut attempts[i as usize];
                    attempts.push(drawn);
                    anyhow::ensure!(i % 10 != 3 || attempts.len() > 2, "again");
                    anyhow::ensure!(i % 10 != 4, "never");
                    assert!(i % 10 != 5, "not once");
                    Ok(drawn)
                })
                .unwrap();
            let kept = expected.take(&outcome.kept_rows()).unwrap();
            assert_eq!(kept.len(), 1200);
            assert_same(&outcome.output, &kept, "what is left");
            let attempts = attempts
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner);
            for (row, drawn) in attempts.into_iter().enumerate() {
                let times = if matches!(row % 10, 3 | 4) { 3 } else { 1 };
                assert_eq!(drawn, vec![defined(7, row).next_u64(); times], "row {row}");
            }
        }
    });
}

#[test]
fn the_finished_part_of_a_cancelled_run_is_the_same() {
    watched(|| {
        let df = counting(3000);
        let expected = df.par_apply().sequential().seed(7).rows(draw).unwrap();
        let token = CancelToken::new();
        let outcome = df
            .par_apply()
            .workers(3)
            .partitions(100)
            .cancel_token(&token)
            .on_cancel(OnCancel::Partial)
            .seed(7)
            .rows(|rng: &mut RowRng, i: i64| {
                match i {
                    777 => token.cancel(),
                    778.. => held_back(&token),
                    _ => {}
                }
                rng.next_u64()
            })
            .unwrap();
        assert!(outcome.output.len() < 3000);
        let kept = expected.take(&outcome.kept_rows()).unwrap();
        assert_same(&outcome.output, &kept, "the finished part");
    });
}

#[test]
fn rows_that_are_not_called_draw_nothing_from_others() {
    let some: Vec<Option<i64>> = (0..1000).map(|i| (i % 3 > 0).then_some(i)).collect();
    let df = df!["i" => some].unwrap();
    for apply in [df.par_apply().sequential(), df.par_apply().workers(3)] {
        let column = apply.seed(5).rows(draw).unwrap();
        let expected: Vec<Option<u64>> = (0..1000)
            .map(|row| (row % 3 > 0).then(|| defined(5, row).next_u64()))
            .collect();
        assert_same(&column, &Column::new("par_apply".into(), expected), "nulls");
    }
}

#[test]
fn another_seed_gives_another_column() {
    let df = counting(1000);
    let column = |seed| df.par_apply().seed(seed).rows(draw).unwrap();
    let mut seen = HashSet::new();
    for seed in [0, 1, 2, u64::MAX, 1 << 32] {
        let column = column(seed);
        assert!(
            column
                .u64()
                .unwrap()
                .into_no_null_iter()
                .all(|x| seen.insert(x))
        );
    }
    assert_eq!(seen.len(), 5000);
}

#[test]
fn drawing_more_in_one_row_moves_no_other() {
    let df = counting(4000);
    for apply in [df.par_apply().sequential(), df.par_apply().workers(3)] {
        let column = apply
            .seed(11)
            .rows(|rng: &mut RowRng, i: i64| {
                let first = rng.next_u64();
                // Within a word, a block and the generator's buffer, and beyond it.
                let more = [0, 1, 3, 16, 64, 1000][i as usize % 6];
                rng.fill(&mut [0u32; 1000][..more]);
                rng.fill(&mut [0u8; 5][..i as usize % 5]);
                first
            })
            .unwrap();
        let expected: Vec<u64> = (0..4000).map(|row| defined(11, row).next_u64()).collect();
        assert_same(&column, &Column::new("par_apply".into(), expected), "more");
    }
}

const ROWS: usize = 20_000;
const DRAWS: usize = 4;

/// Some draws of each row.
fn draws(seed: u64) -> Vec<[u64; DRAWS]> {
    let frame = counting(ROWS)
        .par_apply()
        .seed(seed)
        .rows(|rng: &mut RowRng, _: i64| -> [u64; DRAWS] { std::array::from_fn(|_| rng.random()) })
        .unwrap();
    let columns: Vec<&UInt64Chunked> = frame.columns().iter().map(|c| c.u64().unwrap()).collect();
    (0..ROWS)
        .map(|row| std::array::from_fn(|draw| columns[draw].get(row).unwrap()))
        .collect()
}

/// The correlation of paired draws, as numbers in 0..1, in standard deviations of what independent ones have.
fn correlation(pairs: impl Iterator<Item = (u64, u64)> + Clone) -> f64 {
    let n = pairs.clone().count() as f64;
    let unit = |x: u64| x as f64 / 2f64.powi(64) - 0.5;
    let covariance: f64 = pairs.map(|(a, b)| unit(a) * unit(b)).sum::<f64>() / n;
    (covariance * 12.0 * n.sqrt()).abs()
}

/// The seeds are fixed, so this passes always or never. Independent streams pass easily: the limits are five standard
/// deviations of each measure.
#[test]
fn neighbouring_rows_have_nothing_in_common() {
    const LIMIT: f64 = 5.0;
    for seed in [0, 1, 42] {
        let rows = draws(seed);
        for apart in [1, 2, 3, 16, 256, 4096] {
            for a in 0..DRAWS {
                for b in 0..DRAWS {
                    let pairs = rows.iter().zip(&rows[apart..]);
                    let pairs = pairs.map(|(row, other)| (row[a], other[b]));
                    let sigmas = correlation(pairs.clone());
                    assert!(sigmas < LIMIT, "seed {seed}, {apart} apart: {sigmas}");

                    // Half of the 64 bits differ.
                    let n = pairs.clone().count() as f64;
                    let differ: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
                    let sigmas = (f64::from(differ) - 32.0 * n).abs() / (16.0 * n).sqrt();
                    assert!(
                        sigmas < LIMIT,
                        "seed {seed}, {apart} apart: {sigmas} in bits"
                    );
                }
            }
        }
        // Each bit by itself: whether it is equal to that of the neighbour.
        for bit in 0..64 {
            let same = rows
                .windows(2)
                .filter(|pair| (pair[0][0] ^ pair[1][0]) >> bit & 1 == 0);
            let n = (ROWS - 1) as f64;
            let sigmas = (same.count() as f64 - n / 2.0).abs() / (n / 4.0).sqrt();
            assert!(sigmas < LIMIT, "seed {seed}, bit {bit}: {sigmas}");
        }
        // No number occurs twice, in one row or in two.
        let distinct: HashSet<u64> = rows.iter().flatten().copied().collect();
        assert_eq!(distinct.len(), ROWS * DRAWS);
    }
}

/// Chi-square of a byte over the rows: 255 ± 22.6 with 255 degrees of freedom.
#[test]
fn over_the_rows_every_byte_is_as_frequent() {
    for seed in [0, 1, 42] {
        let rows = draws(seed);
        for draw in 0..DRAWS {
            for byte in 0..8 {
                let mut counts = [0u32; 256];
                for row in &rows {
                    counts[row[draw].to_le_bytes()[byte] as usize] += 1;
                }
                let each = ROWS as f64 / 256.0;
                let chi: f64 = counts
                    .iter()
                    .map(|count| (f64::from(*count) - each).powi(2) / each)
                    .sum();
                assert!(
                    (150.0..370.0).contains(&chi),
                    "draw {draw}, byte {byte}: {chi}"
                );
            }
        }
    }
}

#[test]
fn neighbouring_seeds_have_nothing_in_common() {
    let (one, two) = (draws(1), draws(2));
    for apart in [0, 1, 2] {
        let pairs = one.iter().zip(&two[apart..]).map(|(a, b)| (a[0], b[0]));
        assert!(correlation(pairs) < 5.0);
    }
}

#[test]
fn a_column_s_stream_is_that_of_its_position() {
    let columns = (0..30i64).map(|i| Column::new(format!("{i}").into(), [i, i]));
    let df = DataFrame::new(2, columns.collect()).unwrap();
    let firsts = |frame: &DataFrame| -> Vec<u64> {
        let columns = frame.columns().iter();
        columns.map(|c| c.u64().unwrap().get(0).unwrap()).collect()
    };
    let expected: Vec<u64> = (0..30).map(|at| defined(3, at).next_u64()).collect();
    for apply in [
        df.par_apply().sequential(),
        df.par_apply().workers(3),
        df.par_apply().select((0..30).rev().map(|i| i.to_string())),
    ] {
        let whole = apply
            .clone()
            .seed(3)
            .columns(|rng: &mut RowRng, _: &Column| rng.next_u64())
            .unwrap();
        let typed = apply
            .seed(3)
            .columns(|rng: &mut RowRng, _: Values<'_, i64>| rng.next_u64())
            .unwrap();
        assert_eq!(firsts(&whole), expected);
        assert_eq!(firsts(&typed), expected);
    }
    let chunked = each_column(&df, |_, c| crate::frames::cut(c, [1]));
    let chunked = chunked
        .par_apply()
        .seed(3)
        .columns(|rng: &mut RowRng, _: &Column| rng.next_u64())
        .unwrap();
    assert_eq!(firsts(&chunked), expected);
}

#[test]
fn a_part_s_stream_is_that_of_its_first_row() {
    let df = counting(1000);
    for (what, apply, starts) in [
        (
            "partitions",
            df.par_apply().partitions(7),
            vec![0, 143, 286, 429, 572, 715, 858],
        ),
        ("chunks", df.par_apply().chunk_rows(400), vec![0, 400, 800]),
    ] {
        let expected: Vec<u64> = starts
            .into_iter()
            .map(|start| defined(8, start).next_u64())
            .collect();
        let expected = Column::new("par_apply".into(), expected);
        for apply in [
            apply.clone().sequential(),
            apply.clone().workers(2),
            apply.clone().workers(5),
        ] {
            let apply = apply.seed(8);
            let owned = apply
                .clone()
                .chunks(|rng: &mut RowRng, _: DataFrame| rng.next_u64());
            assert_same(&owned.unwrap(), &expected, what);
            let lent = apply
                .clone()
                .chunks(|rng: &mut RowRng, _: &DataFrame| rng.next_u64());
            assert_same(&lent.unwrap(), &expected, what);
            let placed = apply.chunks(|rng: &mut RowRng, _: Chunk| rng.next_u64());
            assert_same(&placed.unwrap(), &expected, what);
        }
    }
}

#[test]
fn parts_as_many_as_workers_have_no_stream() {
    let df = counting(100);
    let calls = AtomicUsize::new(0);
    let call = |_: &mut RowRng, _: DataFrame| calls.fetch_add(1, SeqCst) as u64;
    for apply in [
        df.par_apply(),
        df.par_apply().workers(2),
        df.par_apply().sequential(),
    ] {
        let error = apply.seed(1).chunks(call).unwrap_err();
        let ErrorKind::Option { option, .. } = error.kind() else {
            panic!("{error}");
        };
        assert_eq!(*option, "seed");
        assert!(error.to_string().contains(".partitions(n)"), "{error}");
    }
    let error = df
        .par_apply()
        .select(["j"])
        .seed(1)
        .chunks(call)
        .unwrap_err();
    assert_eq!(faults(&error).len(), 2, "every fault is told: {error}");
    assert_eq!(calls.into_inner(), 0);
}

#[test]
fn every_closure_may_draw() {
    let df = df!["i" => [1i64, 2], "text" => ["a", "b"]].unwrap();
    let expected: Vec<u64> = (0..2).map(|row| defined(1, row).next_u64()).collect();
    let expected = Column::new("par_apply".into(), expected);
    let apply = || df.par_apply().seed(1);
    let columns = [
        apply().rows(|rng: &mut RowRng, _: i64, _: &str| rng.next_u64()),
        apply().rows(|rng: &mut RowRng, (_, _): (i64, &str)| rng.next_u64()),
        apply().rows(|rng: &mut RowRng, _: Row<'_>| rng.next_u64()),
        apply().rows(
            |rng: &mut RowRng, _: Option<i64>, _: String| -> anyhow::Result<u64> {
                Ok(rng.next_u64())
            },
        ),
        apply().select(["i"]).rows(draw),
    ];
    for column in columns {
        assert_same(&column.unwrap(), &expected, "a closure");
    }
}
