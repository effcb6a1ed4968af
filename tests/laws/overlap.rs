//! `overlap`: parts with rows of their neighbours, each of which gives the results of its own rows.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use polars_par_apply::Result;
use polars_par_apply::prelude::*;
use polars_par_apply::rand::RngExt;

use crate::frames::{
    assert_same, assert_same_frame, counting, every_dtype, held_back, layouts, refuse_unless,
    watched,
};

const OVERLAPS: [(usize, usize); 8] = [
    (0, 0),
    (1, 0),
    (0, 1),
    (2, 3),
    (10, 10),
    (40, 0),
    (0, usize::MAX),
    (usize::MAX, usize::MAX),
];

/// The numbers of the rows within `before` and `after` of each row, as far as there are any. A part can compute this only with its
/// neighbours' rows.
fn around(frame: &DataFrame, (before, after): (usize, usize)) -> Column {
    let i: Vec<i64> = frame["i"].i64().unwrap().into_no_null_iter().collect();
    let sums = (0..i.len()).map(|row| {
        let end = row.saturating_add(after).min(i.len() - 1);
        i[row.saturating_sub(before)..=end].iter().sum::<i64>()
    });
    Column::new("sum".into(), sums.collect::<Vec<i64>>())
}

#[test]
fn parts_give_what_the_whole_gives() {
    for height in [0, 1, 5, 37, 100] {
        let df = counting(height);
        for overlap in OVERLAPS {
            let (before, after) = overlap;
            let whole = around(&df, overlap);
            for (layout, df) in layouts(&df) {
                for workers in [1, 3] {
                    let call = || df.par_apply().workers(workers).overlap(before, after);
                    for (cut, call) in [
                        ("none", call()),
                        ("1", call().partitions(1)),
                        ("7 parts", call().partitions(7)),
                        ("120 parts", call().partitions(120)),
                        ("rows of 1", call().chunk_rows(1)),
                        ("rows of 10", call().chunk_rows(10)),
                    ] {
                        let what = format!("{height} rows, {overlap:?}, {layout}, {cut}");
                        let columns = call
                            .clone()
                            .chunks(|part: &DataFrame| around(part, overlap));
                        assert_same(&columns.unwrap(), &whole, &what);
                        let series = call.clone().chunks(|part: DataFrame| {
                            around(&part, overlap).take_materialized_series()
                        });
                        assert_same(&series.unwrap(), &whole, &what);
                        let frames =
                            call.chunks(|part: Chunk| part.hstack(&[around(&part, overlap)]));
                        let expected = df.hstack(std::slice::from_ref(&whole)).unwrap();
                        assert_same_frame(&frames.unwrap(), &expected, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn where_a_part_and_its_core_lie() {
    let df = counting(103);
    for (before, after) in OVERLAPS {
        for first in [0, 1_000] {
            let call = df.par_apply().workers(3).chunk_rows(25).first_row(first);
            let cells = call.overlap(before, after).chunks(|part: Chunk| {
                let i: Vec<i64> = part["i"].i64().unwrap().into_no_null_iter().collect();
                // The rows are consecutive, and the first of them is that of the offset.
                assert_eq!(i[0] as u64 + first, part.row_offset() as u64);
                assert!(i.is_sorted_by(|a, b| a + 1 == *b));
                let core = &i[part.core()];
                let (own, last) = (25 * part.index(), 25 * part.index() + core.len() - 1);
                assert_eq!((core[0], core[core.len() - 1]), (own as i64, last as i64));
                assert_eq!(i[0] as usize, own.saturating_sub(before));
                assert_eq!(
                    *i.last().unwrap() as usize,
                    last.saturating_add(after).min(102)
                );
                core.len() as u64
            });
            // One row for each part.
            assert_eq!(
                cells.unwrap().u64().unwrap().to_vec(),
                [Some(25), Some(25), Some(25), Some(25), Some(3)]
            );
        }
    }
    // Without an overlap, the core is the whole part.
    let cores = df
        .par_apply()
        .chunk_rows(25)
        .chunks(|part: Chunk| part.core() == (0..part.height()));
    assert!(cores.unwrap().bool().unwrap().all());
    // By a column of numbers.
    let numbered = df
        .clone()
        .lazy()
        .with_column((lit(500) - col("i")).alias("line"))
        .collect()
        .unwrap();
    let call = numbered
        .par_apply()
        .row_numbers("line")
        .chunk_rows(50)
        .overlap(2, 2);
    let offsets = call.chunks(|part: Chunk| part.row_offset() as u64).unwrap();
    assert_eq!(
        offsets.u64().unwrap().to_vec(),
        [Some(500), Some(452), Some(402)]
    );
}

#[test]
fn a_core_s_height_is_kept_and_others_are_refused() {
    let df = counting(20);
    let call = || df.par_apply().workers(2).chunk_rows(5).overlap(3, 1);
    let own = call().chunks(|part: Chunk| {
        let core = part.core();
        part.slice(core.start as i64, core.len())
    });
    assert_same_frame(&own.unwrap(), &df, "own rows");
    let scaled = call().chunks(|part: Chunk| -> PolarsResult<Column> {
        let core = part.core();
        Ok(part["i"].slice(core.start as i64, core.len()) * 2)
    });
    assert_eq!(scaled.unwrap().i64().unwrap().sum(), Some(380));

    // The rows with neighbours: 0..6, 2..11, 7..16, 12..20. The third part returns one too few.
    fn refused<T>(result: Result<T>) -> String {
        let error = result.err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::Stack { .. }), "{error:?}");
        error.to_string()
    }
    let short = |part: &Chunk| {
        if part.index() >= 2 {
            part.head(Some(part.height() - 1))
        } else {
            part.frame().clone()
        }
    };
    let expected = "part 2 (from row 10): the result has 8 rows, but the part has 5, or 9 with its overlap; return one of \
                    these two numbers of rows";
    assert_eq!(refused(call().chunks(|part: Chunk| short(&part))), expected);
    assert_eq!(
        refused(call().chunks(|part: Chunk| short(&part)["i"].clone())),
        expected
    );
    assert_eq!(
        refused(call().chunks(|part: Chunk| Ok::<_, PolarsError>(short(&part)))),
        expected
    );
    let series = |part: Chunk| short(&part)["i"].as_materialized_series().clone();
    assert_eq!(refused(call().chunks(series)), expected);
    assert!(
        refused(call().chunks(|_: DataFrame| DataFrame::empty()))
            .starts_with("part 0 (from row 0): the result has 0 rows")
    );

    // The part fails, as the policy says.
    let told = call()
        .on_error(OnError::Skip)
        .chunks(|part: Chunk| short(&part))
        .unwrap();
    assert_eq!(told.stats.failures, 2);
    assert_same_frame(&told.output, &df.head(Some(10)), "skipped");
    assert_eq!(told.kept_rows().len(), 10);
    let rows = told.failures.column("rows").unwrap().idx().unwrap();
    assert_eq!(rows.to_vec(), [Some(5), Some(5)]);
    let text = told.failures.column("error").unwrap();
    assert_eq!(text.str().unwrap().get(0), Some(expected));
}

#[test]
fn no_overlap_is_plain_chunks() {
    let df = counting(50);
    let call = |df: &DataFrame| -> Vec<String> {
        let odd = |part: DataFrame| part.filter(&part["i"].i64().unwrap().not_equal(3)).unwrap();
        let mut all = Vec::new();
        for call in [
            df.par_apply(),
            df.par_apply().overlap(0, 0),
            df.par_apply().with(&CallOptions::new().overlap(0, 0)),
        ] {
            // A result of another height than the part.
            let frame = call.clone().chunk_rows(7).chunks(odd).unwrap();
            let rows = call.clone().rows(|i: i64| i + 1).unwrap();
            let columns = call
                .columns(|values: Values<'_, i64>| values.len() as u64)
                .unwrap();
            all.push(format!("{frame:?}{rows:?}{columns:?}"));
        }
        all
    };
    let all = call(&df);
    assert!(all.iter().all(|text| *text == all[0]));
}

#[test]
fn it_is_for_parts_alone() {
    let df = counting(5);
    let calls = AtomicUsize::new(0);
    let count = |_: i64| calls.fetch_add(1, SeqCst) as i64;
    fn refused<T>(result: Result<T>) {
        let error = result.err().unwrap();
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Option {
                    option: "overlap",
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.to_string().contains(".chunks("), "{error}");
    }
    let call = || df.par_apply().overlap(1, 0);
    refused(call().rows(count));
    refused(call().rows(|row: Row<'_>| count(row.len() as i64)));
    refused(call().columns(|values: Values<'_, i64>| count(values.len() as i64)));
    refused(call().columns(|column: &Column| count(column.len() as i64)));
    refused(call().fold_rows(|| 0, |sum: &mut i64, i: i64| *sum += count(i), i64::max));
    refused(
        df.par_apply()
            .with(&CallOptions::new().overlap(0, 1))
            .rows(count),
    );
    assert_eq!(calls.into_inner(), 0);
    // As a value.
    let (one, other) = (CallOptions::new().overlap(1, 2), CallOptions::new());
    assert_ne!(one, other);
    assert!(format!("{one:?}").contains("overlap: (1, 2)"));
    let heights = df
        .par_apply()
        .with(&one)
        .with(&other)
        .chunk_rows(2)
        .chunks(|part: DataFrame| part.height() as u64);
    assert_eq!(
        heights.unwrap().u64().unwrap().to_vec(),
        [Some(4), Some(4), Some(2)]
    );
}

#[test]
fn every_dtype_with_its_nulls() {
    let df = every_dtype(40);
    for (layout, df) in layouts(&df) {
        let same = df
            .par_apply()
            .workers(2)
            .chunk_rows(7)
            .overlap(9, 2)
            .chunks(|part: DataFrame| part);
        assert_same_frame(&same.unwrap(), &df, layout);
    }
    let scalar = DataFrame::new(
        50,
        vec![Column::new_scalar("x".into(), Scalar::from(7i32), 50)],
    )
    .unwrap();
    let same = scalar
        .par_apply()
        .partitions(4)
        .overlap(3, 3)
        .chunks(|part: DataFrame| part)
        .unwrap();
    assert_same_frame(&same, &scalar, "scalar");
    // No rows: one part, and the schema.
    let empty = df.clear();
    let calls = AtomicUsize::new(0);
    let same = empty
        .par_apply()
        .chunk_rows(3)
        .overlap(2, 2)
        .chunks(|part: Chunk| {
            calls.fetch_add(1, SeqCst);
            assert_eq!(part.core(), 0..0);
            part.into_frame()
        });
    assert_same_frame(&same.unwrap(), &empty, "empty");
    assert_eq!(calls.into_inner(), 1);
}

#[test]
fn errors_panics_policies_and_retries_name_the_part_s_own_rows() {
    let df = counting(30);
    for workers in 1..=3 {
        let call = || df.par_apply().workers(workers).chunk_rows(5).overlap(7, 7);
        let fails = |part: &Chunk| refuse_unless(part.index() % 3 != 2, "no");
        let error = call()
            .chunks(|part: Chunk| fails(&part).map(|()| part.into_frame()))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "part 2 (from row 10): the closure returned an error: no"
        );
        let error = call().chunks(|part: Chunk| {
            assert!(part.index() < 4, "panics");
            part.into_frame()
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "part 4 (from row 20): the closure panicked: panics"
        );
        let told = call()
            .on_error(OnError::Null)
            .chunks(|part: Chunk| fails(&part).map(|()| part.height() as u64))
            .unwrap();
        assert_eq!(
            told.output.u64().unwrap().to_vec(),
            [Some(12), Some(17), None, Some(19), Some(17), None]
        );
        assert_eq!(
            told.failures.column("row").unwrap().idx().unwrap().to_vec(),
            [Some(10), Some(25)]
        );
        assert_eq!(told.stats.rows, 30);
        let told = call()
            .on_error(OnError::Collect)
            .chunks(|part: Chunk| fails(&part).map(|()| part.into_frame()))
            .unwrap();
        let kept: Vec<i64> = (0..10).chain(15..25).collect();
        assert_eq!(told.output, df!["i" => kept].unwrap());

        let tries = AtomicUsize::new(0);
        let again = call()
            .retry(Retry::attempts(2).min_delay(Duration::ZERO))
            .outcome()
            .chunks(|part: Chunk| {
                let first = part.index() == 3 && tries.fetch_add(1, SeqCst) == 0;
                refuse_unless(!first, "busy").map(|()| part.into_frame())
            })
            .unwrap();
        assert_eq!((again.output, again.stats.retries), (df.clone(), 1));
    }
}

#[test]
fn cancelled_watched_and_with_a_state() {
    let df = counting(40);
    let token = CancelToken::new();
    let ticks = Mutex::new(Vec::new());
    let told = df
        .par_apply()
        .workers(2)
        .chunk_rows(4)
        .overlap(2, 2)
        .cancel_token(&token)
        .on_cancel(OnCancel::Partial)
        .progress(|tick: Tick| ticks.lock().unwrap().push(tick))
        .chunks(|part: Chunk| {
            match part.index() {
                3 => token.cancel(),
                4.. => held_back(&token),
                _ => {}
            }
            part.into_frame()
        })
        .unwrap();
    assert!(told.stats.cancelled && told.output.height() >= 16);
    assert_eq!(told.output.height(), told.stats.rows);
    let kept: Vec<i64> = told
        .kept_rows()
        .into_no_null_iter()
        .map(i64::from)
        .collect();
    assert_eq!(told.output, df!["i" => kept].unwrap());
    let rest = told.rest(&df).unwrap();
    assert_eq!(rest.height() + told.output.height(), 40);
    let last = *ticks.lock().unwrap().last().unwrap();
    assert_eq!((last.total, last.done), (40, told.stats.rows));

    let mut parts = 0;
    let same = df
        .par_apply()
        .chunk_rows(4)
        .overlap(1, 0)
        .state(|| 0)
        .finish(|seen: i32| parts += seen)
        .chunks(|seen: &mut i32, part: DataFrame| {
            *seen += 1;
            part
        });
    assert_eq!((same.unwrap(), parts), (df, 10));
}

#[test]
fn a_part_s_random_stream_is_that_of_its_own_first_row() {
    let df = counting(40);
    let draw = |rng: &mut RowRng, _: &DataFrame| rng.random::<u64>();
    let plain = df.par_apply().seed(3).chunk_rows(6).chunks(draw).unwrap();
    for workers in 1..=3 {
        let call = df.par_apply().workers(workers).seed(3).chunk_rows(6);
        assert_same(&call.overlap(4, 9).chunks(draw).unwrap(), &plain, "overlap");
    }
}

#[test]
fn in_the_background() {
    watched(|| {
        let df = counting(40);
        let whole = around(&df, (3, 2));
        let job = df
            .par_apply()
            .chunk_rows(6)
            .overlap(3, 2)
            .spawn_chunks(|part: &DataFrame| around(part, (3, 2)));
        drop(df);
        assert_same(&job.get().unwrap(), &whole, "job");
    });
}
