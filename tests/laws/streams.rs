//! Streams out of a query are lazy, bounded and in order, and end with the first failure, or when the reader stops.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result, TickState};

use crate::engines::{ENGINES, collected};
use crate::frames::{alone, counting, refuse_unless, watched};

/// Batches of a thousand rows, and a count of the rows that the query has reached.
fn counted(rows: usize) -> (LazyFrame, Arc<AtomicUsize>) {
    let come = Arc::new(AtomicUsize::new(0));
    let counter = come.clone();
    let lf = counting(rows).lazy().par_apply().names(["i"]);
    let lf = lf.rows(move |i: i64| {
        counter.fetch_add(1, SeqCst);
        i
    });
    (lf, come)
}

fn values<T: Send + 'static>(batches: Batches<T>) -> Vec<T> {
    batches.map(Result::unwrap).collect()
}

#[test]
fn batches_come_in_order_with_their_places() {
    watched(|| {
        for (rows, chunk_rows) in [
            (1, 1),
            (2500, 1000),
            (300_000, 10_000),
            (300_000, 1_000_000),
        ] {
            for look_ahead in [1, 2, 50] {
                let place = |chunk: Chunk| {
                    let first = chunk.column("i").unwrap().i64().unwrap().get(0);
                    (chunk.index(), chunk.row_offset(), first, chunk.height())
                };
                let batches = || {
                    let batches = counting(rows).lazy().par_apply_batches(place);
                    batches.chunk_rows(chunk_rows).look_ahead(look_ahead)
                };
                let expected: Vec<_> = (0..rows.div_ceil(chunk_rows))
                    .map(|index| {
                        let offset = index * chunk_rows;
                        let height = chunk_rows.min(rows - offset);
                        (index, offset, Some(offset as i64), height)
                    })
                    .collect();
                assert_eq!(values(batches()), expected);
                let mut unordered = values(batches().unordered());
                unordered.sort_unstable();
                assert_eq!(unordered, expected);
            }
        }
    });
}

#[test]
fn a_query_without_rows_is_one_batch_of_none() {
    watched(|| {
        let none = || counting(10).lazy().filter(col("i").lt(lit(0)));
        let frames = values(none().par_apply_batches(|df: DataFrame| df));
        assert_eq!(frames, [counting(0)]);
        let text = none().par_apply().row_batches(|i: i64| i.to_string());
        let expected = vec![
            Column::new_empty("i".into(), &DataType::Int64),
            Column::new_empty("par_apply".into(), &DataType::String),
        ];
        assert_eq!(values(text), [DataFrame::new(0, expected).unwrap()]);
        let count = none()
            .par_apply()
            .state(|| 5)
            .row_batches(|n: &mut i32, _: i64| *n);
        assert_eq!(values(count)[0].shape(), (0, 2));
    });
}

#[test]
fn nothing_begins_before_it_is_asked_for() {
    watched(|| {
        let (lf, come) = counted(10);
        let batches = lf.par_apply_batches(|df: DataFrame| df.height());
        thread::sleep(Duration::from_millis(50));
        assert_eq!(come.load(SeqCst), 0);
        assert_eq!(values(batches).iter().sum::<usize>(), 10);
        assert_eq!(come.load(SeqCst), 10);
    });
}

/// If nobody asks for more, the query waits; if the stream is dropped, it ends.
#[test]
fn the_query_waits_for_who_asks_and_stops_when_dropped() {
    watched(|| {
        let rows = 20_000_000;
        let (lf, come) = counted(rows);
        let batches = lf.par_apply_batches(|df: DataFrame| df.height());
        let mut batches = batches.chunk_rows(1000).look_ahead(2);
        assert_eq!(batches.next().unwrap().unwrap(), 1000);
        let settled = || {
            let mut before = usize::MAX;
            loop {
                thread::sleep(Duration::from_millis(200));
                let now = come.load(SeqCst);
                if now == before {
                    return now;
                }
                before = now;
            }
        };
        // A few of the engine's own batches of 100,000 rows for each of its threads, however many rows there are.
        let window = 1_000_000 + 500_000 * available_workers();
        let waits = settled();
        assert!(waits < window, "{waits}");
        for _ in 0..1000 {
            batches.next().unwrap().unwrap();
        }
        drop(batches);
        // The query has ended when the values that it holds are dropped.
        while Arc::strong_count(&come) > 1 {
            thread::sleep(Duration::from_millis(10));
        }
        let stopped = come.load(SeqCst);
        assert!(stopped < 1_000_000 + window, "{stopped}");
    });
}

/// Runs a test whose closures wait for each other on the workers of Polars' pool. It must have the pool for itself: otherwise another
/// test could hold a worker that this one waits for, and the reverse.
fn with_four_workers(test: &str) {
    alone(test, |command| command.env("POLARS_MAX_THREADS", "4"));
}

#[test]
fn results_are_made_side_by_side() {
    with_four_workers("streams::side_by_side");
}

#[test]
#[ignore = "run by results_are_made_side_by_side, in a process of its own"]
fn side_by_side() {
    watched(|| {
        let at_most = Pool::default().workers();
        assert_eq!(at_most, 4);
        let together = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let seen = together.clone();
        let batches = counting(400).lazy().par_apply_batches(move |_: DataFrame| {
            let now = seen.0.fetch_add(1, SeqCst) + 1;
            seen.1.fetch_max(now, SeqCst);
            // Each waits until as many closures run at the same time as are allowed.
            while seen.1.load(SeqCst) < at_most {
                thread::yield_now();
            }
            seen.0.fetch_sub(1, SeqCst);
        });
        values(batches.chunk_rows(10).look_ahead(10));
        assert_eq!(together.1.load(SeqCst), at_most);
    });
}

#[test]
fn a_row_is_named_in_the_whole_stream() {
    watched(|| {
        let bad = 123_456;
        let lf = || counting(200_000).lazy().par_apply();
        let fails = move |i: i64| refuse_unless(i != bad, "no good");
        let panics = move |i: i64| assert_ne!(i, bad);
        let check = |batches: Batches<DataFrame>| {
            let mut batches = batches.chunk_rows(1000);
            let before = batches
                .by_ref()
                .take(123)
                .map(|batch| batch.unwrap().height());
            assert_eq!(before.sum::<usize>(), 123_000);
            let error = batches.next().unwrap().unwrap_err();
            assert_eq!(error.row(), Some(123_456), "{error}");
            assert!(batches.next().is_none());
            assert!(batches.next().is_none());
        };
        check(lf().row_batches(fails));
        check(lf().row_batches(panics));
        check(
            lf().state(|| ())
                .row_batches(move |_: &mut (), i: i64| fails(i)),
        );
        check(
            lf().state(|| ())
                .row_batches(move |_: &mut (), i: i64| panics(i)),
        );
        let error = lf().row_batches(fails).unordered().find_map(Result::err);
        assert_eq!(error.unwrap().row(), Some(123_456));
    });
}

#[test]
fn a_batch_is_named_by_its_place() {
    watched(|| {
        let lf = || counting(10_000).lazy();
        let said = |batches: Batches<()>| {
            let mut batches = batches.chunk_rows(1000);
            assert_eq!(batches.by_ref().take(7).filter(Result::is_ok).count(), 7);
            let error = batches.next().unwrap().unwrap_err();
            assert!(batches.next().is_none());
            error
        };
        let fails = |chunk: Chunk| refuse_unless(chunk.index() != 7, "no good");
        let error = said(lf().par_apply_batches(fails));
        assert_eq!(
            error.to_string(),
            "part 7 (from row 7000): the closure returned an error: no good"
        );
        let ErrorKind::Closure { place, .. } = error.kind() else {
            panic!("{error}");
        };
        assert!(matches!(
            place,
            Place::Part {
                index: 7,
                row_offset: 7000,
                ..
            }
        ));
        let panics = |chunk: Chunk| assert_ne!(chunk.index(), 7, "not today");
        let error = said(lf().par_apply_batches(panics));
        assert!(
            error
                .to_string()
                .starts_with("part 7 (from row 7000): the closure panicked"),
            "{error}"
        );
        let in_order = lf().par_apply().state(|| ());
        let error = said(in_order.batches(move |_: &mut (), chunk: Chunk| fails(chunk)));
        assert_eq!(
            error.to_string(),
            "part 7 (from row 7000): the closure returned an error: no good"
        );
    });
}

#[test]
fn a_query_that_fails_ends_the_stream() {
    watched(|| {
        let bad = counting(200_000).lazy().par_apply_rows(|i: i64| {
            anyhow::ensure!(i != 150_000, "no good");
            Ok(i)
        });
        let mut batches = bad.par_apply_batches(|df: DataFrame| df.height());
        let error = batches.find_map(Result::err).unwrap();
        assert!(
            error
                .to_string()
                .starts_with("row 150000: the closure returned"),
            "{error}"
        );
        assert!(matches!(error.kind(), ErrorKind::Polars(_)));
        assert!(batches.next().is_none());
        let missing = counting(1).lazy().select([col("k")]);
        let mut batches = missing.par_apply_batches(|df: DataFrame| df.height());
        assert!(
            batches
                .next()
                .unwrap()
                .unwrap_err()
                .to_string()
                .contains("\"k\"")
        );
        assert!(batches.next().is_none());
    });
}

#[test]
fn checks_come_before_the_query() {
    watched(|| {
        let (lf, come) = counted(1000);
        let mut wrong = lf
            .clone()
            .par_apply()
            .row_batches(|text: &str| text.len() as u32);
        let error = wrong.next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error}");
        let mut none = lf
            .clone()
            .par_apply_batches(|df: DataFrame| df)
            .chunk_rows(0);
        let error = none.next().unwrap().unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Option {
                option: "chunk_rows",
                ..
            }
        ));
        let mut named = lf
            .clone()
            .par_apply()
            .names(["x"])
            .batches(|df: DataFrame| df);
        let error = named.next().unwrap().unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Option {
                option: "names",
                ..
            }
        ));
        drop((wrong, none, named));
        assert_eq!((come.load(SeqCst), Arc::strong_count(&come)), (0, 2));
        let state = lf.par_apply().state(|| anyhow::bail!("no state"));
        let mut unmade = state.batches(|_: &mut i32, df: DataFrame| df.height());
        let error = unmade.next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::State { .. }), "{error}");
        assert!(unmade.next().is_none());
    });
}

/// The second batch is returned while the first waits for that.
#[test]
fn unordered_results_overtake() {
    with_four_workers("streams::overtaking");
}

#[test]
#[ignore = "run by unordered_results_overtake, in a process of its own"]
fn overtaking() {
    watched(|| {
        let (send, receive) = mpsc::channel();
        let receive = Mutex::new(receive);
        let batches = counting(2000)
            .lazy()
            .par_apply_batches(move |chunk: Chunk| {
                if chunk.index() == 0 {
                    let receive: &Receiver<()> = &receive.lock().unwrap();
                    receive.recv().unwrap();
                }
                chunk.index()
            });
        let mut batches = batches.chunk_rows(1000).unordered();
        assert_eq!(batches.next().unwrap().unwrap(), 1);
        send.send(()).unwrap();
        assert_eq!(batches.next().unwrap().unwrap(), 0);
        assert!(batches.next().is_none());
    });
}

/// All columns of a batch, old and new, have chunks of the same lengths, so a writer of batches takes them as they are.
#[test]
fn batches_are_written_as_they_are() {
    watched(|| {
        let whole = counting(5000);
        let mut df = whole.slice(0, 300);
        for offset in (300..5000).step_by(300) {
            df.vstack_mut(&whole.slice(offset, 300)).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("written.parquet");
        let written = |batches: Batches<DataFrame>| {
            let file = std::fs::File::create(&path).unwrap();
            let mut file = Some(file);
            let mut writer = None;
            for batch in batches.chunk_rows(1000) {
                let batch = batch.unwrap();
                assert!(!batch.should_rechunk());
                let writer = writer.get_or_insert_with(|| {
                    let writer = ParquetWriter::new(file.take().unwrap());
                    writer.batched(batch.schema()).unwrap()
                });
                writer.write_batch(&batch).unwrap();
            }
            writer.unwrap().finish().unwrap();
            let file = std::fs::File::open(&path).unwrap();
            ParquetReader::new(file).finish().unwrap()
        };
        let call = || df.clone().lazy().par_apply();
        let one = written(call().row_batches(|i: i64| i.to_string()));
        let texts: Vec<String> = (0..5000).map(|i| i.to_string()).collect();
        let texts = Column::new("par_apply".into(), texts);
        assert_eq!(one.column("par_apply").unwrap(), &texts);
        let two = call().names(["i", "half"]).state(|| ());
        let two =
            written(two.row_batches(|_: &mut (), i: i64| (i + 1, (i % 2 == 0).then_some(i / 2))));
        let half = (0..5000).map(|i| (i % 2 == 0).then_some(i / 2));
        assert_eq!(
            two.column("half").unwrap().i64().unwrap().to_vec(),
            half.collect::<Vec<_>>()
        );
        assert_eq!(two.column("i").unwrap().i64().unwrap().last(), Some(5000));
    });
}

/// By default, a frame is not a single batch.
#[test]
fn a_frame_is_cut_by_default() {
    watched(|| {
        let batches = counting(120_000)
            .lazy()
            .par_apply_batches(|df: &DataFrame| df.height());
        assert_eq!(values(batches), [50_000, 50_000, 20_000]);
    });
}

/// Counts how often it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The hook is given the state when the stream ends, also if the closure failed. If the stream is not read to its end, the state is
/// dropped.
#[test]
fn a_state_is_finished_at_the_end() {
    watched(|| {
        for bad in [None, Some(1500)] {
            let (dropped, sum) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let stream = || {
                let (dropped, sum) = (dropped.clone(), sum.clone());
                let call = counting(2500).lazy().par_apply();
                let call = call.state(move || (Dropped(dropped.clone()), 0));
                let call = call.finish(move |(_, count): (Dropped, usize)| {
                    sum.fetch_add(count, SeqCst);
                });
                call.row_batches(move |(_, count): &mut (Dropped, usize), i: i64| {
                    *count += 1;
                    refuse_unless(Some(i) != bad, "no good")
                })
                .chunk_rows(1000)
            };
            let batches = stream().filter(Result::is_ok).count();
            assert_eq!(batches, if bad.is_some() { 1 } else { 3 });
            let seen = if bad.is_some() { 1501 } else { 2500 };
            assert_eq!((dropped.load(SeqCst), sum.load(SeqCst)), (1, seen));

            let mut left = stream();
            left.next().unwrap().unwrap();
            drop(left);
            assert_eq!((dropped.load(SeqCst), sum.load(SeqCst)), (2, seen));
        }
        let failing = || {
            let call = counting(10).lazy().par_apply().state(|| 0);
            let call = call.finish(|_: i32| refuse_unless(false, "no end"));
            call.batches(|_: &mut i32, df: DataFrame| df.height())
        };
        let mut batches = failing();
        assert_eq!(batches.next().unwrap().unwrap(), 10);
        let error = batches.next().unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Finish { .. }), "{error}");
        assert!(batches.next().is_none());
    });
}

/// A reader that waits for a query without a result yet is woken.
#[test]
fn a_token_wakes_who_waits_for_the_query() {
    watched(|| {
        let (send, receive) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel::<()>();
        let gate = Mutex::new(receive);
        let lf = counting(10).lazy().par_apply_chunks(
            |input: &Schema| input.clone(),
            move |df: DataFrame| {
                began.send(()).unwrap();
                // Until the test has its error.
                gate.lock().unwrap().recv().unwrap_err();
                df
            },
        );
        let token = CancelToken::new();
        let mut batches = lf
            .par_apply()
            .cancel_token(&token)
            .batches(|df: DataFrame| df);
        let canceller = thread::spawn(move || {
            begun.recv().unwrap();
            token.cancel();
        });
        let error = batches.next().unwrap().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Cancelled { .. }),
            "{error}"
        );
        assert!(batches.next().is_none());
        canceller.join().unwrap();
        drop(send);
    });
}

/// There is one state for all rows, on the thread that reads, however the stream is cut.
#[test]
fn a_state_sees_every_row_in_order() {
    watched(|| {
        let rows = 200_000;
        for chunk_rows in [1000, 77_777, 1_000_000] {
            let (made, here) = (Arc::new(AtomicUsize::new(0)), thread::current().id());
            let maker = made.clone();
            let state = counting(rows).lazy().par_apply().state(move || {
                maker.fetch_add(1, SeqCst);
                0i64
            });
            let sums = state
                .names(["sum"])
                .row_batches(move |sum: &mut i64, i: i64| {
                    assert_eq!(thread::current().id(), here);
                    *sum += i;
                    *sum
                });
            let mut sum = 0;
            let mut row = 0;
            for batch in sums.chunk_rows(chunk_rows) {
                for is in batch
                    .unwrap()
                    .column("sum")
                    .unwrap()
                    .i64()
                    .unwrap()
                    .into_no_null_iter()
                {
                    sum += row;
                    row += 1;
                    assert_eq!(is, sum);
                }
            }
            assert_eq!((row as usize, made.load(SeqCst)), (rows, 1));

            let state = counting(rows).lazy().par_apply().state(|| 0);
            let seen = state.batches(|seen: &mut usize, chunk: Chunk| {
                assert_eq!(*seen, chunk.row_offset());
                *seen += chunk.height();
                *seen
            });
            assert_eq!(values(seen.chunk_rows(chunk_rows)).last(), Some(&rows));
        }
    });
}

#[test]
fn a_token_ends_a_stream() {
    watched(|| {
        let token = CancelToken::new();
        let batches = counting(100_000).lazy().par_apply().cancel_token(&token);
        let mut batches = batches
            .batches(|df: DataFrame| df.height())
            .chunk_rows(1000);
        batches.next().unwrap().unwrap();
        token.cancel();
        let error = batches.find_map(Result::err).unwrap();
        assert!(
            matches!(error.kind(), ErrorKind::Cancelled { .. }),
            "{error}"
        );
        assert!(batches.next().is_none());

        // A stream that is already cancelled does not begin.
        let (lf, come) = counted(1000);
        let batches = lf.par_apply().cancel_token(&token);
        let mut batches = batches.batches(|df: DataFrame| df.height());
        assert!(batches.next().unwrap().is_err());
        assert!(batches.next().is_none());
        assert_eq!((come.load(SeqCst), Arc::strong_count(&come)), (0, 1));
    });
}

#[test]
fn progress_tells_the_end_of_a_stream() {
    watched(|| {
        let last = |fails: Option<i64>, rows: bool, total: usize| {
            let ticks = Arc::new(Mutex::new(Vec::new()));
            let told = ticks.clone();
            let call = counting(10_000).lazy().par_apply().total_rows(total);
            let call = call.progress(move |tick: Tick| told.lock().unwrap().push(tick));
            let ended = if rows {
                let f = move |i: i64| refuse_unless(fails != Some(i), "no good");
                call.row_batches(f)
                    .chunk_rows(1000)
                    .any(|batch| batch.is_err())
            } else {
                let fails = fails.map(|row| row / 1000);
                let f = move |chunk: Chunk| {
                    refuse_unless(fails != Some(chunk.index() as i64), "no good")
                };
                call.batches(f).chunk_rows(1000).any(|batch| batch.is_err())
            };
            assert_eq!(ended, fails.is_some());
            let ticks = ticks.lock().unwrap();
            *ticks.last().unwrap()
        };
        for rows in [false, true] {
            for total in [0, 10_000] {
                let fine = last(None, rows, total);
                assert_eq!(
                    (fine.done, fine.total, fine.state),
                    (10_000, total, TickState::Finished)
                );
                for row in [5000, 9999] {
                    assert_eq!(last(Some(row), rows, total).state, TickState::Failed);
                }
            }
        }
    });
}

/// On a thread of Polars' pool, and within another stream.
#[test]
fn streams_nest() {
    watched(|| {
        let inner = || {
            let heights = counting(5000)
                .lazy()
                .par_apply_batches(|df: DataFrame| df.height());
            heights.chunk_rows(100).sum::<Result<usize>>()
        };
        let outer = counting(40)
            .lazy()
            .par_apply_batches(move |_: DataFrame| inner());
        assert_eq!(outer.chunk_rows(10).sum::<Result<usize>>().unwrap(), 20_000);
        let within = counting(8).par_apply_rows(move |_: i64| inner().map(|rows| rows as u64));
        assert_eq!(within.unwrap().u64().unwrap().sum(), Some(40_000));
        let eager = counting(5000).lazy().par_apply_batches(|df: DataFrame| {
            let sum = df.par_apply_rows(|i: i64| i)?;
            Ok::<i64, Error>(sum.i64()?.sum().unwrap_or_default())
        });
        assert_eq!(
            eager.chunk_rows(70).sum::<Result<i64>>().unwrap(),
            12_497_500
        );
    });
}

/// On the threads of the engine that its own query needs.
#[test]
fn streams_nest_within_the_engine() {
    let test = "streams::streams_within_the_engine";
    alone(test, |command| command);
    alone(test, |command| command.env("POLARS_MAX_THREADS", "1"));
}

#[test]
#[ignore = "run by streams_nest_within_the_engine, in a process of its own"]
fn streams_within_the_engine() {
    watched(|| {
        let inner = |i: i64| -> Result<i64> {
            if i % 40_000 != 0 {
                return Ok(0);
            }
            let heights = counting(5000)
                .lazy()
                .par_apply_batches(|df: DataFrame| df.height());
            let rows = heights.chunk_rows(1000).sum::<Result<usize>>()?;
            // Another thing that can wait for a query: a job.
            let job: Job<usize> = Pool::default().apply_async(|| -> Result<usize> {
                let lf = counting(500).lazy().par_apply_rows(|i: i64| i);
                Ok(collected(&lf, Engine::Streaming)?.height())
            });
            Ok((rows + job.get()?) as i64)
        };
        for engine in ENGINES {
            let lf = counting(400_000)
                .lazy()
                .par_apply()
                .names(["rows"])
                .rows(inner);
            let out = collected(&lf.select([col("rows").sum()]), engine).unwrap();
            assert_eq!(out, df!["rows" => [55_000i64]].unwrap());
        }
    });
}
