//! Everything that reports a row takes its number from one source: `Row`, `Chunk`, errors at any depth, failures, seeds, kept rows
//! and stats. If a row's number is not known, nothing else is reported instead.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use polars_par_apply::rand::RngExt;
use polars_par_apply::{Error, ErrorKind, Result, prelude::*};

const ENGINES: [Engine; 2] = [Engine::InMemory, Engine::Streaming];

/// `n` rows of 0, 1, 2, … in a column `x`, in this many chunks.
fn counted(n: i64, chunks: i64) -> DataFrame {
    let part = |from: i64, to: i64| df!["x" => (from..to).collect::<Vec<_>>()].unwrap();
    let mut frame = part(0, n / chunks);
    for chunk in 1..chunks {
        let to = if chunk + 1 == chunks {
            n
        } else {
            (chunk + 1) * (n / chunks)
        };
        frame.vstack_mut(&part(chunk * (n / chunks), to)).unwrap();
    }
    frame
}

fn is_counted(column: &Column) {
    let numbers = column.u64().unwrap();
    for (row, number) in numbers.iter().enumerate() {
        assert_eq!(number, Some(row as u64));
    }
}

#[test]
fn a_row_s_index_in_a_lazy_query_is_that_of_the_whole_frame() {
    for (rows, chunks) in [(10, 1), (10, 2), (10, 5), (250_000, 1), (250_000, 7)] {
        let lf = counted(rows, chunks).lazy();
        for engine in ENGINES {
            let index = |row: Row<'_>| row.index() as u64;
            let calls = [
                lf.clone().par_apply_rows(index),
                lf.clone().par_apply().numbered(true).rows(index),
                lf.clone().par_apply().select(["x"]).rows(index),
            ];
            for call in calls {
                let out = call.collect_with_engine(engine).unwrap();
                let out = out.unwrap_single();
                assert_eq!(out.height(), rows as usize);
                is_counted(out.column("par_apply").unwrap());
            }
        }
    }
}

#[test]
fn a_row_s_index_in_a_stream_is_that_of_the_whole_stream() {
    let lf = counted(1000, 3).lazy();
    let index = |row: Row<'_>| row.index() as u64;
    for chunk_rows in [3, 10, 999, 2000] {
        let plain = lf.clone().par_apply().row_batches(index);
        let with_state = lf
            .clone()
            .par_apply()
            .state(|| 0)
            .row_batches(|_: &mut i32, row: Row<'_>| row.index() as u64);
        for batches in [plain, with_state] {
            let batches: Result<Vec<DataFrame>> = batches.chunk_rows(chunk_rows).collect();
            let mut next = 0;
            for batch in batches.unwrap() {
                for number in batch.column("par_apply").unwrap().u64().unwrap().iter() {
                    assert_eq!(number, Some(next));
                    next += 1;
                }
            }
            assert_eq!(next, 1000);
        }
    }
}

#[test]
fn a_part_of_a_lazy_frame_knows_where_it_begins() {
    let place = |_: &Schema| {
        Schema::from_iter([
            Field::new("at".into(), DataType::UInt64),
            Field::new("first".into(), DataType::Int64),
        ])
    };
    let begins = |part: Chunk| -> PolarsResult<DataFrame> {
        assert_eq!(part.get_column_names(), ["x"]);
        df!["at" => [part.row_offset() as u64], "first" => [part.column("x")?.i64()?.get(0)]]
    };
    for (rows, chunks) in [(10, 2), (250_000, 3)] {
        for engine in ENGINES {
            let lf = counted(rows, chunks).lazy().par_apply().row_wise();
            let out = lf
                .chunks(place, begins)
                .collect_with_engine(engine)
                .unwrap();
            let out = out.unwrap_single();
            assert!(out.height() > 0);
            let at = out.column("at").unwrap().cast(&DataType::Int64).unwrap();
            assert_eq!(
                at.i64().unwrap().to_vec(),
                out.column("first").unwrap().i64().unwrap().to_vec()
            );
        }
    }
    let mut next = 0;
    for begins in counted(1000, 3)
        .lazy()
        .par_apply_batches(|batch: Chunk| (batch.row_offset(), batch.height()))
        .chunk_rows(7)
    {
        let (at, height) = begins.unwrap();
        assert_eq!(at, next);
        next += height;
    }
    assert_eq!(next, 1000);
}

#[test]
fn an_expression_without_numbers_has_no_index() {
    let df = counted(10, 2);
    let calls = AtomicUsize::new(0);
    for engine in ENGINES {
        let index = rows(["x"]).apply(|row: Row<'_>| row.index() as u64);
        let error = df
            .clone()
            .lazy()
            .select([index])
            .collect_with_engine(engine);
        let said = error.map(drop).unwrap_err().to_string();
        assert!(said.contains(".row_numbers(col(\"row\"))"), "{said}");
        assert!(!said.contains("row 0"), "{said}");

        // Every such row fails on its own, without a panic.
        let failures = Failures::new();
        let index = rows(["x"]).failures(&failures).apply(|row: Row<'_>| {
            let x = row.get::<i64>("x").unwrap();
            if x % 2 == 0 {
                x as u64
            } else {
                row.index() as u64
            }
        });
        let out = df
            .clone()
            .lazy()
            .select([index])
            .collect_with_engine(engine);
        let out = out.unwrap().unwrap_single();
        assert_eq!(out.columns()[0].null_count(), 5);
        let failures = failures.take();
        assert_eq!(failures.height(), 5);
        let panics = failures.column("panic").unwrap().bool().unwrap();
        assert_eq!(panics.sum(), Some(0));

        // A row that does not ask for its number succeeds.
        let plain = rows(["x"]).apply(|row: Row<'_>| row.get::<i64>("x").unwrap());
        let out = df
            .clone()
            .lazy()
            .select([plain])
            .collect_with_engine(engine);
        assert_eq!(out.unwrap().unwrap_single().columns()[0].len(), 10);
    }
    let lf = df.clone().lazy().par_apply().numbered(false);
    let error = lf
        .rows(|row: Row<'_>| row.index() as u64)
        .collect()
        .unwrap_err();
    assert!(error.to_string().contains(".numbered(false)"), "{error}");
    assert_eq!(calls.load(Relaxed), 0);
}

#[test]
fn an_expression_with_numbers_has_them() {
    let lf = counted(100, 4).lazy().with_row_index("line", Some(7));
    for engine in ENGINES {
        let index = rows(["x"]).row_numbers(col("line"));
        let index = index.apply(|row: Row<'_>| row.index() as i64 - row.get::<i64>("x").unwrap());
        let out = lf
            .clone()
            .select([index])
            .collect_with_engine(engine)
            .unwrap();
        let out = out.unwrap_single();
        let seven = out.columns()[0].i64().unwrap();
        assert!(seven.iter().all(|number| number == Some(7)));
        // After a filter, the numbers are still the rows' own.
        let index = rows(["x"]).row_numbers(col("line"));
        let index = index.apply(|row: Row<'_>| row.index() as i64 - row.get::<i64>("x").unwrap());
        let some = lf.clone().filter(col("x").gt(lit(50)));
        let out = some.select([index]).collect_with_engine(engine).unwrap();
        let out = out.unwrap_single();
        let seven = out.columns()[0].i64().unwrap();
        assert!(seven.iter().all(|number| number == Some(7)));
    }
}

#[test]
fn an_error_within_names_the_same_row() {
    let df = df!["x" => [Some(0i64), Some(1), Some(2), None]].unwrap();
    let get = |row: Row<'_>| row.get::<i64>("x");
    let named = |said: &str| {
        let numbers: Vec<&str> = said.split("row ").skip(1).collect();
        assert!(!numbers.is_empty(), "{said}");
        for number in numbers {
            assert!(number.starts_with("103"), "{said}");
        }
    };
    named(
        &df.par_apply()
            .first_row(100)
            .rows(get)
            .unwrap_err()
            .to_string(),
    );
    let numbered = df.with_row_index("line".into(), Some(100)).unwrap();
    let call = numbered.par_apply().row_numbers("line");
    named(&call.rows(get).unwrap_err().to_string());
    for engine in ENGINES {
        let lf = numbered.clone().lazy();
        let get = rows(["x"]).row_numbers(col("line")).apply(get);
        let error = lf
            .select([get])
            .collect_with_engine(engine)
            .map(drop)
            .unwrap_err();
        named(&error.to_string());
    }
}

#[test]
fn numbers_reach_errors_failures_kept_rows_and_chunks() {
    let df = df!["text" => ["0", "1", "x", "3", "y", "5"]].unwrap();
    let parse = |text: &str| text.parse::<i64>();
    let shuffled = [40u32, 10, 30, 20, 60, 50];
    let with_numbers = df.hstack(&[Column::new("line".into(), shuffled)]).unwrap();
    for workers in [1, 2] {
        let from_zero = df.par_apply().workers(workers);
        let from_ten = df.par_apply().workers(workers).first_row(10);
        let listed = with_numbers
            .par_apply()
            .workers(workers)
            .row_numbers("line");
        let calls: [(_, [usize; 6]); 3] = [
            (from_zero, [0, 1, 2, 3, 4, 5]),
            (from_ten, [10, 11, 12, 13, 14, 15]),
            (listed, [40, 10, 30, 20, 60, 50]),
        ];
        for (call, numbers) in calls {
            // The failure at the lowest position is returned, whatever the numbers are.
            let error = call.clone().rows(parse).unwrap_err();
            assert_eq!(error.row(), Some(numbers[2]));
            let told = call.clone().on_error(OnError::Skip).rows(parse).unwrap();
            let failed: Vec<u32> = told
                .failures
                .column("row")
                .unwrap()
                .idx()
                .unwrap()
                .into_no_null_iter()
                .collect();
            assert_eq!(failed, [numbers[2] as u32, numbers[4] as u32]);
            let kept: Vec<usize> = told
                .kept_rows()
                .into_no_null_iter()
                .map(|row| row as usize)
                .collect();
            assert_eq!(kept, [numbers[0], numbers[1], numbers[3], numbers[5]]);
            assert_eq!(told.kept_mask().sum(), Some(4));
            let too_many = call
                .clone()
                .on_error(OnError::Null)
                .max_failures(1)
                .rows(parse);
            assert_eq!(too_many.unwrap_err().row(), Some(numbers[4]));
            let span = call
                .clone()
                .outcome()
                .select(["text"])
                .rows(|_: &str| 1i64)
                .unwrap();
            let longest = span.stats.longest_run.unwrap().rows;
            assert!(numbers.contains(&longest.start) && numbers.contains(&(longest.end - 1)));

            let places = call
                .clone()
                .partitions(3)
                .chunks(|part: Chunk| part.row_offset() as u64);
            let places: Vec<u64> = places.unwrap().u64().unwrap().into_no_null_iter().collect();
            assert_eq!(
                places,
                [numbers[0] as u64, numbers[2] as u64, numbers[4] as u64]
            );
            let error = call.partitions(3).chunks(|part: Chunk| -> Result<i64> {
                if part.index() == 1 {
                    Err(ErrorKind::Taken.into())
                } else {
                    Ok(0)
                }
            });
            let said = error.unwrap_err().to_string();
            assert!(
                said.contains(&format!("part 1 (from row {})", numbers[2])),
                "{said}"
            );
        }
    }
    let nulls = df!["x" => [Some(1i64), None], "line" => [7u64, 9]].unwrap();
    let call = nulls.par_apply().row_numbers("line").nulls(Nulls::Error);
    assert_eq!(call.rows(|x: i64| x).unwrap_err().row(), Some(9));
    let call = nulls
        .par_apply()
        .select(["x"])
        .row_numbers("line")
        .nulls(Nulls::Error);
    let error = call
        .columns(|x: Values<'_, i64>| x.iter().sum::<i64>())
        .unwrap_err();
    assert_eq!((error.row(), error.column()), (Some(9), Some("x")));
    // For `columns`, the longest run is counted in columns.
    let call = nulls.par_apply().row_numbers("line").outcome();
    let stats = call.columns(|x: &Column| x.len() as i64).unwrap().stats;
    assert_eq!(stats.longest_run.unwrap().rows, 0..1);
    // Results that do not go together are named by their numbers, too.
    let mixed = df!["x" => [1i64, 2, 3], "line" => [7i64, 9, 11]].unwrap();
    let call = mixed.par_apply().row_numbers("line");
    let error = call.rows(|x: i64| match x {
        3 => AnyValue::Boolean(true),
        x => AnyValue::Int64(x),
    });
    assert_eq!(error.unwrap_err().row(), Some(11));
}

#[test]
fn the_column_of_numbers_is_checked_and_is_not_an_argument() {
    let df = df![
        "x" => [1i64, 2], "line" => [5u32, 6], "text" => ["a", "b"], "gap" => [Some(1i64), None], "below" => [1i64, -1]
    ]
    .unwrap();
    let calls = AtomicUsize::new(0);
    for (name, says) in [
        ("lime", "column \"lime\" not found; did you mean \"line\"?"),
        (
            "text",
            "column \"text\" is str, but row numbers must be integers",
        ),
        ("gap", "\"gap\" is null at position 1"),
        ("below", "\"below\" is -1 at position 1"),
    ] {
        let call = df.par_apply().select(["x"]).row_numbers(name);
        let error = call.rows(|x: i64| {
            calls.fetch_add(1, Relaxed);
            x
        });
        let said = error.unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
    }
    assert_eq!(calls.load(Relaxed), 0);
    let two = df.select(["line", "x"]).unwrap();
    let x = two
        .par_apply()
        .row_numbers("line")
        .rows(|x: i64| x)
        .unwrap();
    assert_eq!(x.i64().unwrap().to_vec(), [Some(1), Some(2)]);
    let both = two.par_apply().row_numbers("line").select(["line", "x"]);
    let sum = both.rows(|line: u32, x: i64| i64::from(line) + x).unwrap();
    assert_eq!(sum.i64().unwrap().to_vec(), [Some(6), Some(8)]);
    let names = two
        .par_apply()
        .row_numbers("line")
        .columns(|_: &Column| 1i64)
        .unwrap();
    assert_eq!(names.get_column_names(), ["x"]);
    let widths = two
        .par_apply()
        .row_numbers("line")
        .chunks(|part: DataFrame| part.width() as u64);
    assert_eq!(widths.unwrap().u64().unwrap().max(), Some(1));
}

#[test]
fn numbers_beyond_the_row_index_are_not_cut() {
    let far = u64::from(u32::MAX) - 1;
    let df = df!["x" => [1i64, 2, 3, 4]].unwrap();
    let call = df.par_apply().first_row(far).on_error(OnError::Null);
    let told = call
        .rows(|x: i64| {
            if x == 4 {
                Err(std::io::Error::other("bad"))
            } else {
                Ok(x)
            }
        })
        .unwrap();
    let failed = told.failures.column("row").unwrap();
    assert_eq!(failed.u64().unwrap().get(0), Some(far + 3));
    let kept = told.kept_rows();
    assert_eq!(kept.get(1), Some(u32::MAX));
    assert_eq!(kept.get(2), None);
    assert_eq!(told.kept_mask().len(), 4);
    // First row numbers that are too large to count on from are refused, and no number is repeated.
    let refused = df
        .par_apply()
        .first_row(u64::MAX - 3)
        .rows(|row: Row<'_>| row.index() as u64);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.starts_with(".first_row(…): "), "{refused}");
    let last = df
        .par_apply()
        .first_row(u64::MAX - 4)
        .rows(|row: Row<'_>| row.index() as u64);
    assert_eq!(last.unwrap().u64().unwrap().get(3), Some(u64::MAX - 1));
}

/// A closure that draws, fails at some rows, and is stopped at others.
fn draw(rng: &mut RowRng, x: i64) -> anyhow::Result<i64> {
    anyhow::ensure!(x % 97 != 13, "bad {x}");
    Ok(x + i64::from(rng.random_range(0..1000)))
}

#[test]
fn a_run_that_was_stopped_is_resumed_to_equality() {
    const ROWS: i64 = 20_000;
    let df = counted(ROWS, 3);
    let whole = df
        .par_apply()
        .seed(7)
        .on_error(OnError::Skip)
        .rows(draw)
        .unwrap();
    let by_number = |told: &Outcome<Column>| -> BTreeMap<u32, i64> {
        let rows = told.kept_rows();
        let rows = rows.into_no_null_iter();
        rows.zip(told.output.i64().unwrap().into_no_null_iter())
            .collect()
    };
    let failed = |told: &Outcome<Column>| -> Vec<(u32, String)> {
        let rows = told.failures.column("row").unwrap().idx().unwrap();
        let errors = told.failures.column("error").unwrap().str().unwrap();
        let errors = errors.iter().map(|error| error.unwrap().to_owned());
        rows.into_no_null_iter().zip(errors).collect()
    };
    for workers in [1, 2, 4] {
        for stop_at in [1, 100, 5_000, 19_999] {
            let mut outputs = BTreeMap::new();
            let mut failures = Vec::new();
            let mut left = df.with_row_index("row".into(), None).unwrap();
            let mut rounds = 0;
            while left.height() > 0 {
                let token = CancelToken::new();
                let seen = AtomicUsize::new(0);
                let call = left.par_apply().workers(workers).row_numbers("row").seed(7);
                let call = call.on_error(OnError::Skip).on_cancel(OnCancel::Partial);
                let told = call.cancel_token(&token).rows(|rng: &mut RowRng, x: i64| {
                    if seen.fetch_add(1, Relaxed) + 1 == stop_at {
                        token.cancel();
                    }
                    draw(rng, x)
                });
                let told = told.unwrap();
                outputs.extend(by_number(&told));
                failures.extend(failed(&told));
                left = told.rest(&left).unwrap();
                rounds += 1;
                assert!(stop_at == 1 || rounds < 10_000);
                if stop_at == 1 && rounds == 20 {
                    // The rest in one go.
                    let told = left
                        .par_apply()
                        .row_numbers("row")
                        .seed(7)
                        .on_error(OnError::Skip);
                    let told = told.rows(draw).unwrap();
                    outputs.extend(by_number(&told));
                    failures.extend(failed(&told));
                    break;
                }
            }
            failures.sort();
            assert_eq!(
                outputs,
                by_number(&whole),
                "{workers} workers, stopped at {stop_at}"
            );
            assert_eq!(failures, failed(&whole));
        }
    }
}

#[test]
fn the_rest_has_its_numbers() {
    let df = counted(100, 1);
    let token = CancelToken::new();
    let stopped = |call: polars_par_apply::Apply<'_, 'static>, token: &CancelToken| {
        let call = call.sequential().chunk_rows(1).on_cancel(OnCancel::Partial);
        call.cancel_token(token).select(["x"]).rows(|x: i64| {
            if x == 9 {
                token.cancel();
            }
            x
        })
    };
    let told = stopped(df.par_apply().first_row(1000), &token).unwrap();
    let rest = told.rest(&df).unwrap();
    assert_eq!(rest.get_column_names(), ["row", "x"]);
    let numbers: Vec<u32> = rest
        .column("row")
        .unwrap()
        .idx()
        .unwrap()
        .into_no_null_iter()
        .collect();
    assert_eq!(numbers, (1010..1100).collect::<Vec<_>>());
    assert!(
        told.rest(&df.slice(0, 5))
            .unwrap_err()
            .to_string()
            .contains("5 rows")
    );

    let taken = df.with_row_index("row".into(), None).unwrap();
    let told = stopped(taken.par_apply(), &CancelToken::new()).unwrap();
    let error = told.rest(&taken).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::DuplicateName { name, .. } if name == "row"),
        "{error}"
    );

    let whole = df.par_apply().outcome().rows(|x: i64| x).unwrap();
    assert_eq!(whole.rest(&df).unwrap().height(), 0);
    // A failing row that was let pass is done.
    let told = df.par_apply().on_error(OnError::Skip).rows(|x: i64| {
        (x % 2 == 0)
            .then_some(x)
            .ok_or(ErrorKind::Taken)
            .map_err(Error::from)
    });
    assert_eq!(told.unwrap().rest(&df).unwrap().height(), 0);
}

#[test]
fn a_part_that_draws_by_its_numbers_draws_as_the_whole() {
    let df = counted(1000, 2);
    let whole = df
        .par_apply()
        .seed(3)
        .rows(|rng: &mut RowRng, _: i64| rng.random::<u32>())
        .unwrap();
    let numbered = df.with_row_index("row".into(), None).unwrap();
    let shuffled = numbered
        .sort(
            ["x"],
            SortMultipleOptions::default().with_order_descending(true),
        )
        .unwrap();
    let call = shuffled.par_apply().row_numbers("row").seed(3);
    let back = call
        .rows(|rng: &mut RowRng, _: i64| rng.random::<u32>())
        .unwrap();
    assert_eq!(back.reverse(), whole);
    let seen = Mutex::new(Vec::new());
    let call = shuffled
        .par_apply()
        .row_numbers("row")
        .chunk_rows(100)
        .seed(3);
    call.chunks(|rng: &mut RowRng, part: Chunk| {
        let drawn = rng.random::<u32>();
        seen.lock().unwrap().push((part.row_offset(), drawn));
        0i64
    })
    .unwrap();
    for (row, drawn) in seen.into_inner().unwrap() {
        assert_eq!(whole.u32().unwrap().get(row), Some(drawn));
    }
}
