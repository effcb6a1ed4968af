//! A failure in a query leaves a gap in its rows, and no row after the gap is called, numbered or returned.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use polars_par_apply::ErrorKind;
use polars_par_apply::prelude::*;

use crate::engines::{ENGINES, collected};
use crate::frames::{refuse_unless, watched};

/// How many times a test of a race is run.
const TIMES: usize = 30;

/// Writes Parquet files with these numbers of rows, with a column `id` that counts over all of them.
struct Files(tempfile::TempDir);

impl Files {
    fn new(files: i64, rows: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..files {
            let ids: Vec<i64> = (file * rows..(file + 1) * rows).collect();
            let path = folder.path().join(format!("{file:03}.parquet"));
            let file = std::fs::File::create(path).unwrap();
            let mut frame = df!["id" => ids].unwrap();
            ParquetWriter::new(file).finish(&mut frame).unwrap();
        }
        Files(folder)
    }

    fn scan(&self) -> LazyFrame {
        let pattern = self.0.path().join("*.parquet");
        let pattern = PlRefPath::try_from_path(&pattern).unwrap();
        LazyFrame::scan_parquet(pattern, ScanArgsParquet::default()).unwrap()
    }
}

/// Returns a call that fails at this id.
fn failing_at(lf: LazyFrame, bad: i64) -> LazyFrame {
    let call = lf.par_apply().select(["id"]).names(["first"]);
    call.rows(move |id: i64| refuse_unless(id != bad, "bad id").map(|()| id))
}

fn of_row(error: &str, row: usize) -> bool {
    let start = format!("row {row}: the closure returned an error: bad id");
    error.starts_with(&start) || error.contains(&format!(": {start}"))
}

#[test]
fn a_later_call_gives_the_error_of_the_one_that_failed() {
    watched(|| {
        let files = Files::new(2, 100);
        for _ in 0..TIMES {
            for engine in ENGINES {
                let collector = Failures::new();
                let first = failing_at(files.scan(), 5);
                let failing = first.clone().par_apply().select(["id"]).names(["second"]);
                let failing = failing.rows(|id: i64| refuse_unless(id != 150, "later").map(|()| 0));
                let collecting = first.par_apply().select(["id"]).names(["second"]);
                let collecting = collecting.failures(&collector);
                let collecting =
                    collecting.rows(|id: i64| refuse_unless(id != 150, "later").map(|()| 0));
                for query in [failing, collecting] {
                    let error = collected(&query, engine).unwrap_err().to_string();
                    assert!(of_row(&error, 5), "{engine:?}: {error}");
                }
                assert!(collector.is_empty());
            }
        }
    });
}

/// No kind of call is given a row with a wrong number, or a row after a gap.
#[test]
fn no_later_call_is_called_beyond_the_gap() {
    watched(|| {
        let files = Files::new(8, 1000);
        for _ in 0..TIMES {
            let (wrong, beyond) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let first = failing_at(files.scan(), 1500);
            let counter = wrong.clone();
            let rows = first.clone().par_apply().names(["second"]);
            let rows = rows.rows(move |row: Row<'_>| {
                let id: i64 = row.get("id").unwrap();
                counter.fetch_add(usize::from(row.index() as i64 != id), SeqCst);
                id
            });
            // Its batches come in order, so a row after a gap would have been passed on by Polars.
            let counter = beyond.clone();
            let seen = Mutex::new(0);
            let chunks = first.with_row_index("row", None).par_apply().row_wise();
            let schema = |input: &Schema| input.clone();
            let chunks = chunks.chunks(schema, move |frame: DataFrame| {
                let _seen = seen.lock().unwrap();
                let ids = frame.column("id").unwrap().i64().unwrap();
                let rows = frame.column("row").unwrap().idx().unwrap();
                let is_wrong = |(id, row): (Option<i64>, Option<IdxSize>)| {
                    id.unwrap() != i64::from(row.unwrap())
                };
                let wrong = ids.iter().zip(rows.iter()).filter(|both| is_wrong(*both));
                counter.fetch_add(wrong.count(), SeqCst);
                frame
            });
            for query in [rows, chunks] {
                let error = collected(&query, Engine::Streaming)
                    .unwrap_err()
                    .to_string();
                assert!(of_row(&error, 1500), "{error}");
            }
            assert_eq!((wrong.load(SeqCst), beyond.load(SeqCst)), (0, 0));
        }
    });
}

/// A function of chunks that fails is known to the calls after it too.
#[test]
fn chunks_that_fail_stop_what_comes_after_them() {
    watched(|| {
        let files = Files::new(8, 1000);
        for _ in 0..TIMES {
            let schema = |input: &Schema| input.clone();
            let first = files.scan().par_apply().row_wise();
            let first = first.chunks(schema, |frame: DataFrame| {
                let ids = frame.column("id").unwrap().i64().unwrap();
                let is_bad = ids.iter().any(|id| id == Some(1500));
                refuse_unless(!is_bad, "bad chunk").map(|()| frame)
            });
            let wrong = Arc::new(AtomicUsize::new(0));
            let counter = wrong.clone();
            let second = first
                .par_apply()
                .names(["second"])
                .rows(move |row: Row<'_>| {
                    let id: i64 = row.get("id").unwrap();
                    counter.fetch_add(usize::from(row.index() as i64 != id), SeqCst);
                    id
                });
            let error = collected(&second, Engine::Streaming)
                .unwrap_err()
                .to_string();
            assert!(error.contains("bad chunk"), "{error}");
            assert_eq!(wrong.load(SeqCst), 0);
        }
    });
}

/// The results of a stream begin at the first row and have no gap; after them comes the error.
fn assert_no_gap(batches: Batches<(usize, Vec<i64>)>, bad: i64) {
    let mut next = 0;
    let mut error = None;
    for batch in batches {
        assert!(error.is_none(), "the error is the last item");
        match batch {
            Ok((offset, ids)) => {
                assert_eq!(offset as i64, next);
                for id in ids {
                    assert_eq!(id, next);
                    next += 1;
                }
            }
            Err(failure) => error = Some(failure),
        }
    }
    assert!(next <= bad, "row {next} is beyond the gap");
    let error = error.expect("the query has failed");
    assert!(matches!(error.kind(), ErrorKind::Polars(_)), "{error:?}");
    assert!(of_row(&error.to_string(), bad as usize), "{error}");
}

fn places(chunk: Chunk) -> (usize, Vec<i64>) {
    let ids = chunk.column("id").unwrap().i64().unwrap();
    (chunk.row_offset(), ids.into_no_null_iter().collect())
}

#[test]
fn a_stream_ends_before_the_gap() {
    watched(|| {
        let small = Files::new(2, 100);
        for bad in [5, 150] {
            for _ in 0..TIMES {
                for unordered in [false, true] {
                    let batches = failing_at(small.scan(), bad).par_apply().batches(places);
                    let batches = batches.chunk_rows(10);
                    match unordered {
                        // The order may differ, but the rows are the same.
                        true => {
                            let all = batches.unordered().filter_map(Result::ok);
                            all.for_each(|(offset, ids)| assert_eq!(ids[0], offset as i64));
                        }
                        false => assert_no_gap(batches, bad),
                    }
                }
            }
        }
        let large = Files::new(10, 100_000);
        for _ in 0..TIMES {
            let batches = failing_at(large.scan(), 5).par_apply().batches(places);
            assert_no_gap(batches.chunk_rows(1000), 5);
        }
    });
}

#[test]
fn a_state_is_not_run_over_the_gap_nor_finished() {
    watched(|| {
        let files = Files::new(2, 100);
        for _ in 0..TIMES {
            let finished = Arc::new(AtomicBool::new(false));
            let finish = finished.clone();
            let call = failing_at(files.scan(), 5).par_apply().select(["id"]);
            let call = call.names(["total"]).state(|| 0);
            let call = call.finish(move |_: i64| finish.store(true, SeqCst));
            let batches = call.row_batches(|total: &mut i64, id: i64| {
                *total += id;
                *total
            });
            for batch in batches.chunk_rows(10) {
                match batch {
                    Ok(batch) => {
                        let ids = batch.column("id").unwrap().i64().unwrap();
                        let totals = batch.column("total").unwrap().i64().unwrap();
                        for (id, total) in ids.iter().flatten().zip(totals.iter().flatten()) {
                            assert_eq!(total, id * (id + 1) / 2);
                        }
                    }
                    Err(error) => assert!(of_row(&error.to_string(), 5), "{error}"),
                }
            }
            assert!(!finished.load(SeqCst));
        }
    });
}

/// The failure of an operator of Polars is known only at the end of the query, and then no state is finished.
#[test]
fn a_query_that_fails_finishes_no_state() {
    watched(|| {
        let files = Files::new(2, 100);
        for _ in 0..TIMES {
            let finished = Arc::new(AtomicBool::new(false));
            let finish = finished.clone();
            let id = (col("id") - lit(6)).strict_cast(DataType::UInt8);
            let call = files.scan().with_columns([id]).par_apply().state(|| 0);
            let call = call.finish(move |_: i64| finish.store(true, SeqCst));
            let batches = call.batches(|_: &mut i64, batch: DataFrame| batch.height());
            let last = batches.chunk_rows(10).last().unwrap();
            let error = last.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Polars(_)), "{error:?}");
            assert!(!finished.load(SeqCst));
        }
    });
}

/// A query that is collected again runs anew: a failure in one run has no effect on the next.
#[test]
fn a_run_knows_nothing_of_the_one_before() {
    watched(|| {
        let files = Files::new(2, 100);
        for planned_before in [false, true] {
            let fails = Arc::new(AtomicBool::new(true));
            let may_fail = fails.clone();
            let mut query = files
                .scan()
                .par_apply()
                .names(["first"])
                .rows(move |id: i64| {
                    refuse_unless(!may_fail.load(SeqCst) || id != 5, "bad id").map(|()| id)
                });
            let numbers = |row: Row<'_>| row.index() as i64;
            if planned_before {
                query.collect_schema().unwrap();
            }
            query = query.par_apply().names(["second"]).rows(numbers);
            let schema = |input: &Schema| input.clone();
            query = query
                .par_apply()
                .row_wise()
                .chunks(schema, |df: DataFrame| df);
            if planned_before {
                query.collect_schema().unwrap();
            }
            for round in 0..TIMES {
                let fail = round % 2 == 0;
                fails.store(fail, SeqCst);
                for query in [query.clone(), query.clone().without_optimizations()] {
                    let result = collected(&query, Engine::Streaming);
                    assert_eq!(result.is_err(), fail);
                    if let Ok(frame) = result {
                        assert_eq!(
                            frame.column("second").unwrap(),
                            &frame
                                .column("id")
                                .unwrap()
                                .clone()
                                .with_name("second".into())
                        );
                    }
                    let batches = query.par_apply().batches(places);
                    let is_ok = batches.chunk_rows(10).all(|batch| batch.is_ok());
                    assert_eq!(is_ok, !fail);
                }
            }
        }
    });
}

/// If one query runs several times at the same time and some runs fail, only those return errors.
#[test]
fn runs_side_by_side_know_nothing_of_each_other() {
    watched(|| {
        let files = Files::new(4, 100);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(4)
            .build()
            .unwrap();
        // In memory and streaming, on separate threads and on threads of a pool that take each other's work.
        let run = |fail: bool, engine: Engine, query: &LazyFrame| {
            // Each query has the same function; a column says whether it fails.
            let query = query.clone().filter(col("fail").eq(lit(fail)));
            let result = collected(&query, engine);
            match (fail, result) {
                (true, Err(error)) => assert!(error.to_string().contains("bad id"), "{error}"),
                (false, Ok(frame)) => assert_eq!(frame.height(), 400),
                (_, result) => panic!("{fail}: {result:?}"),
            }
        };
        let both = df!["fail" => [false, true]].unwrap().lazy();
        let both = both.join(
            files.scan(),
            [lit(0)],
            [lit(0)],
            JoinArgs::new(JoinType::Inner),
        );
        let call = both
            .par_apply()
            .select(["id", "fail"])
            .names(["first"])
            .numbered(false);
        let call = call
            .rows(|id: i64, fail: bool| refuse_unless(!fail || id != 150, "bad id").map(|()| id));
        let mut query = call
            .par_apply()
            .select(["id"])
            .names(["second"])
            .rows(|id: i64| id);
        query.collect_schema().unwrap();
        for _ in 0..TIMES {
            thread::scope(|scope| {
                for n in 0..4 {
                    let query = &query;
                    scope.spawn(move || run(n % 2 == 0, ENGINES[n / 2], query));
                }
            });
            pool.scope(|scope| {
                for n in 0..8 {
                    let query = &query;
                    scope.spawn(move |_| run(n % 2 == 0, ENGINES[n / 4], query));
                }
            });
        }
    });
}

/// A query that fails within another, when the outer is planned or when it runs, and whose error is ignored.
#[test]
fn a_query_within_another_is_its_own() {
    watched(|| {
        let files = Arc::new(Files::new(4, 100));
        let inner = files.clone();
        let fail = move |engine| {
            let query = failing_at(inner.scan(), 150);
            assert!(collected(&query, engine).is_err());
        };
        let (planned, called) = (fail.clone(), fail);
        let first = files.scan().par_apply().names(["first"]).rows(|id: i64| id);
        let schema = move |input: &Schema| {
            planned(Engine::Streaming);
            input.clone()
        };
        let query = first
            .par_apply()
            .row_wise()
            .chunks(schema, move |df: DataFrame| {
                called(Engine::InMemory);
                df
            });
        let query = query
            .par_apply()
            .names(["second"])
            .rows(|row: Row<'_>| row.index() as i64);
        for engine in ENGINES {
            let frame = collected(&query, engine).unwrap();
            assert_eq!(frame.height(), 400);
        }
        let batches = query.par_apply().batches(places).chunk_rows(10);
        assert_eq!(batches.map(Result::unwrap).count(), 40);
    });
}
