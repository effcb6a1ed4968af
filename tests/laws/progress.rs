//! `progress` reports how a run goes on, without gaps, decreases or overlapping calls, and how it ended.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

use crate::frames::{alone, counting, held_back, refuse_unless, watched};

/// The ticks that a run has reported.
#[derive(Default)]
struct Log {
    ticks: Mutex<Vec<Tick>>,
    in_call: AtomicBool,
    overlaps: AtomicUsize,
}

impl Log {
    fn see(&self, tick: Tick) {
        let alone = !self.in_call.swap(true, SeqCst);
        self.overlaps.fetch_add(usize::from(!alone), SeqCst);
        std::thread::yield_now();
        self.ticks.lock().unwrap().push(tick);
        self.in_call.store(false, SeqCst);
    }

    /// Returns the last tick, and checks those before it.
    #[track_caller]
    fn last(&self, total: usize, what: &str) -> Tick {
        assert_eq!(self.overlaps.load(SeqCst), 0, "{what}: calls overlap");
        let ticks = self.ticks.lock().unwrap();
        let last = *ticks.last().unwrap_or_else(|| panic!("{what}: no tick"));
        for pair in ticks.windows(2) {
            assert!(pair[0].done <= pair[1].done, "{what}: {pair:?}");
            assert!(pair[0].failures <= pair[1].failures, "{what}: {pair:?}");
            assert_eq!(pair[0].state, TickState::Running, "{what}: {pair:?}");
        }
        assert_ne!(last.state, TickState::Running, "{what}");
        for tick in ticks.iter() {
            assert_eq!(tick.total, total, "{what}");
            assert!(tick.done <= total, "{what}: {tick:?}");
        }
        last
    }

    #[track_caller]
    fn finished(&self, total: usize, what: &str) {
        let last = self.last(total, what);
        assert_eq!(
            (last.state, last.done, last.failures),
            (TickState::Finished, total, 0),
            "{what}"
        );
    }
}

fn wide(columns: i64) -> DataFrame {
    let columns = (0..columns).map(|i| Column::new(format!("{i}").into(), [i, i + 1]));
    DataFrame::new(2, columns.collect()).unwrap()
}

/// The ways in which a run is cut and distributed.
fn ways(df: &DataFrame) -> Vec<(&'static str, Apply<'_, 'static>)> {
    vec![
        ("sequential", df.par_apply().sequential()),
        ("as it comes", df.par_apply()),
        ("three workers", df.par_apply().workers(3)),
        (
            "partitions",
            df.par_apply().workers(3).partitions(df.height().max(7) / 7),
        ),
        ("chunks", df.par_apply().workers(3).chunk_rows(11)),
    ]
}

#[test]
fn rows_parts_and_columns_are_told_to_the_last() {
    watched(|| {
        for rows in [1, 5, 5000, 300_000] {
            let df = counting(rows);
            for (what, apply) in ways(&df) {
                let log = Log::default();
                apply
                    .clone()
                    .progress(|tick: Tick| log.see(tick))
                    .rows(|i: i64| i)
                    .unwrap();
                log.finished(rows, what);
            }
            for (what, apply) in ways(&df).into_iter().take(4) {
                let log = Log::default();
                apply
                    .progress(|tick: Tick| log.see(tick))
                    .chunks(|part: DataFrame| part)
                    .unwrap();
                log.finished(rows, what);
            }
        }
        for columns in [1, 70] {
            let wide = wide(columns);
            for (what, apply) in ways(&wide) {
                let log = Log::default();
                apply
                    .progress(|tick: Tick| log.see(tick))
                    .columns(|_: &Column| 1)
                    .unwrap();
                log.finished(columns as usize, what);
            }
        }
    });
}

#[test]
fn rows_that_are_null_are_done_too() {
    let some: Vec<Option<i64>> = (0..9000).map(|i| (i % 2 > 0).then_some(i)).collect();
    let df = df!["i" => some].unwrap();
    for (what, apply) in ways(&df) {
        let log = Log::default();
        apply
            .progress(|tick: Tick| log.see(tick))
            .rows(|i: i64| i)
            .unwrap();
        log.finished(9000, what);
    }
}

#[test]
fn no_rows_are_finished_at_once() {
    let (df, none) = (counting(0), DataFrame::empty());
    let log = Log::default();
    df.par_apply()
        .progress(|tick: Tick| log.see(tick))
        .rows(|i: i64| i)
        .unwrap();
    log.finished(0, "rows");
    let log = Log::default();
    none.par_apply()
        .progress(|tick: Tick| log.see(tick))
        .columns(|_: &Column| 1)
        .unwrap();
    log.finished(0, "columns");
}

#[test]
fn a_struct_may_watch() {
    struct Watch(Arc<Log>);
    impl Progress for Watch {
        fn tick(&self, tick: Tick) {
            self.0.see(tick);
        }
    }
    let log = Arc::new(Log::default());
    let df = counting(1000);
    df.par_apply()
        .workers(3)
        .progress(Watch(Arc::clone(&log)))
        .rows(|i: i64| i)
        .unwrap();
    log.finished(1000, "a struct");
}

#[test]
fn failures_are_told() {
    watched(|| {
        let df = counting(8000);
        let act = |i: i64| {
            anyhow::ensure!(i % 100 != 3, "three");
            assert!(i % 100 != 4, "four");
            Ok(i)
        };
        for policy in [OnError::Null, OnError::Skip, OnError::Collect] {
            for (what, apply) in ways(&df) {
                let log = Log::default();
                let outcome = apply
                    .on_error(policy)
                    .progress(|tick: Tick| log.see(tick))
                    .rows(act)
                    .unwrap();
                let last = log.last(8000, what);
                assert_eq!(outcome.stats.failures, 160);
                assert_eq!(
                    (last.state, last.done, last.failures),
                    (TickState::Finished, 8000, 160)
                );
            }
        }
    });
}

#[test]
fn rows_tried_again_are_done_once() {
    watched(|| {
        let df = counting(1000);
        for (what, apply) in ways(&df) {
            let log = Log::default();
            let outcome = apply
                .on_error(OnError::Null)
                .retry(Retry::attempts(3).min_delay(Duration::from_micros(50)))
                .progress(|tick: Tick| log.see(tick))
                .rows(|i: i64| {
                    anyhow::ensure!(i % 100 != 3, "three");
                    Ok(i)
                })
                .unwrap();
            let failures = outcome.failures.height();
            assert_eq!((failures, outcome.stats.retries), (10, 20), "{what}");
            let last = log.last(1000, what);
            assert_eq!(
                (last.state, last.done, last.failures),
                (TickState::Finished, 1000, 10)
            );
        }
    });
}

#[test]
fn the_end_of_a_run_that_failed_is_told() {
    watched(|| {
        let df = counting(4000);
        for (what, apply) in ways(&df) {
            let log = Log::default();
            let error = apply
                .clone()
                .progress(|tick: Tick| log.see(tick))
                .rows(|i: i64| {
                    anyhow::ensure!(i < 1000, "enough");
                    Ok(i)
                })
                .unwrap_err();
            assert_eq!(error.row(), Some(1000));
            let last = log.last(4000, what);
            assert_eq!(last.state, TickState::Failed, "{what}");
            assert!(last.failures > 0, "{what}");
            assert!((1000..4000).contains(&last.done), "{what}: {last:?}");

            let log = Log::default();
            let error = apply
                .clone()
                .on_error(OnError::Skip)
                .max_failures(5)
                .progress(|tick: Tick| log.see(tick))
                .rows(|i: i64| assert!(i < 1000, "enough"))
                .unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::TooManyFailures { .. }));
            assert_eq!(log.last(4000, what).state, TickState::Failed, "{what}");

            let log = Log::default();
            apply
                .progress(|tick: Tick| log.see(tick))
                .state(|| Err::<u8, _>(std::io::Error::other("no")))
                .rows(|_: &mut u8, i: i64| i)
                .unwrap_err();
            let last = log.last(4000, what);
            assert_eq!((last.state, last.done), (TickState::Failed, 0), "{what}");
        }
    });
}

#[test]
fn the_end_of_a_run_that_was_cancelled_is_told() {
    watched(|| {
        let df = counting(4000);
        for (what, apply) in ways(&df) {
            for partial in [false, true] {
                let (log, token) = (Log::default(), CancelToken::new());
                let on_cancel = if partial {
                    OnCancel::Partial
                } else {
                    OnCancel::Error
                };
                let result = apply
                    .clone()
                    .cancel_token(&token)
                    .on_cancel(on_cancel)
                    .progress(|tick: Tick| log.see(tick))
                    .rows(|i: i64| {
                        match i {
                            1000 => token.cancel(),
                            1001.. => held_back(&token),
                            _ => {}
                        }
                        i
                    });
                let last = log.last(4000, what);
                assert_eq!(last.state, TickState::Cancelled, "{what}");
                let done = match result {
                    Ok(outcome) => {
                        assert_eq!(outcome.output.len(), outcome.stats.rows);
                        outcome.stats.rows
                    }
                    Err(error) => match error.kind() {
                        ErrorKind::Cancelled { done, total, .. } => {
                            assert_eq!(*total, 4000);
                            *done
                        }
                        _ => panic!("{error}"),
                    },
                };
                assert_eq!(last.done, done, "{what}: what the call says");
                assert!((1..4000).contains(&done), "{what}: {done}");
            }
        }
        let (log, late) = (Log::default(), CancelToken::new());
        late.cancel();
        df.par_apply()
            .cancel_token(&late)
            .progress(|tick: Tick| log.see(tick))
            .rows(|i: i64| i)
            .unwrap_err();
        let last = log.last(4000, "before it began");
        assert_eq!((last.state, last.done), (TickState::Cancelled, 0));
        let log = Log::default();
        df.par_apply()
            .deadline(Duration::ZERO)
            .progress(|tick: Tick| log.see(tick))
            .rows(|i: i64| i)
            .unwrap_err();
        let last = log.last(4000, "too late");
        assert_eq!((last.state, last.done), (TickState::Cancelled, 0));
    });
}

#[test]
fn a_call_that_is_refused_tells_nothing() {
    let (df, log) = (counting(10), Log::default());
    df.par_apply()
        .workers(0)
        .progress(|tick: Tick| log.see(tick))
        .rows(|i: i64| i)
        .unwrap_err();
    assert!(log.ticks.lock().unwrap().is_empty());
}

#[test]
fn the_first_tick_comes_before_the_first_row() {
    watched(|| {
        let df = counting(50);
        for (what, apply) in ways(&df) {
            let log = Log::default();
            apply
                .progress(|tick: Tick| log.see(tick))
                .rows(|_: i64| assert!(!log.ticks.lock().unwrap().is_empty(), "{what}"))
                .unwrap();
            let ticks = log.ticks.lock().unwrap();
            assert_eq!((ticks[0].done, ticks[0].state), (0, TickState::Running));
        }
    });
}

/// In a slow run, each worker reports as it goes on: rows from the tenth on wait until some rows were reported.
#[test]
fn a_slow_run_is_told_while_it_goes_on() {
    watched(|| {
        let df = counting(24);
        for (what, apply) in [
            ("sequential", df.par_apply().sequential()),
            ("three workers", df.par_apply().workers(3)),
            ("partitions", df.par_apply().workers(3).partitions(3)),
            ("chunks of a row", df.par_apply().workers(2).chunk_rows(1)),
        ] {
            let most = AtomicUsize::new(0);
            let calls = AtomicUsize::new(0);
            apply
                .progress(|tick: Tick| {
                    most.fetch_max(tick.done, SeqCst);
                })
                .rows(|i: i64| {
                    sleep(Duration::from_millis(12));
                    // Three workers have each done four rows and more, and are in another four at most.
                    if calls.fetch_add(1, SeqCst) >= 20 {
                        assert!(most.load(SeqCst) > 0, "{what}: row {i}");
                    }
                })
                .unwrap();
        }
    });
}

/// No worker runs more than 65,536 rows without a report.
#[test]
fn a_fast_run_is_told_while_it_goes_on() {
    let rows = 1_000_000;
    let df = counting(rows);
    let log = Log::default();
    df.par_apply()
        .sequential()
        .progress(|tick: Tick| log.see(tick))
        .rows(|i: i64| i)
        .unwrap();
    log.finished(rows, "sequential");
    let ticks = log.ticks.lock().unwrap();
    let stride = 4096;
    for pair in ticks.windows(2) {
        assert!(pair[1].done - pair[0].done < 65_536 + stride, "{pair:?}");
    }
}

#[test]
fn calls_inside_calls_are_told_each_for_itself() {
    watched(|| {
        let (df, small) = (counting(60), counting(500));
        let pool = Pool::new(3).unwrap();
        let (outer, inners) = (Log::default(), AtomicUsize::new(0));
        df.par_apply()
            .pool(&pool)
            .partitions(30)
            .progress(|tick: Tick| outer.see(tick))
            .rows(|i: i64| -> Result<()> {
                let inner = Log::default();
                small
                    .par_apply()
                    .pool(&pool)
                    .partitions(20)
                    .progress(|tick: Tick| inner.see(tick))
                    .rows(|j: i64| i + j)?;
                inner.finished(500, "inner");
                inners.fetch_add(1, SeqCst);
                Ok(())
            })
            .unwrap();
        outer.finished(60, "outer");
        assert_eq!(inners.into_inner(), 60);
    });
}

#[test]
fn a_watcher_may_call_the_crate() {
    watched(|| {
        let (df, small) = (counting(3000), counting(300));
        let pool = Pool::new(2).unwrap();
        let sums = AtomicUsize::new(0);
        df.par_apply()
            .pool(&pool)
            .partitions(60)
            .progress(|tick: Tick| {
                let column = small
                    .par_apply()
                    .pool(&pool)
                    .partitions(10)
                    .rows(|i: i64| i)
                    .unwrap();
                assert_eq!(column.i64().unwrap().sum(), Some(44_850));
                sums.fetch_add(usize::from(tick.state == TickState::Finished), SeqCst);
            })
            .rows(|i: i64| {
                sleep(Duration::from_micros(20));
                i
            })
            .unwrap();
        assert_eq!(sums.into_inner(), 1);
    });
}

#[test]
fn a_watcher_may_cancel() {
    watched(|| {
        let (df, token) = (counting(1000), CancelToken::new());
        let error = df
            .par_apply()
            .workers(3)
            .cancel_token(&token)
            .progress(|_: Tick| token.cancel())
            .rows(|i: i64| i)
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Cancelled { .. }));
    });
}

#[test]
fn a_watcher_that_panics_ends_the_run() {
    watched(|| {
        let df = counting(400);
        for at in [TickState::Running, TickState::Finished] {
            for (what, apply) in ways(&df) {
                let ends = AtomicUsize::new(0);
                let error = apply
                    .clone()
                    .progress(|tick: Tick| {
                        ends.fetch_add(usize::from(tick.state != TickState::Running), SeqCst);
                        assert!(tick.state != at, "cannot draw");
                    })
                    .rows(|i: i64| i)
                    .unwrap_err();
                assert!(
                    matches!(
                        error.kind(),
                        ErrorKind::Option {
                            option: "progress",
                            ..
                        }
                    ),
                    "{what}: {error}"
                );
                assert!(
                    error.to_string().contains("progress")
                        && error.to_string().contains("panicked: cannot draw"),
                    "{what}: {error}"
                );
                assert_eq!(ends.into_inner(), 1, "{what}");
                assert_eq!(apply.rows(|i: i64| i).unwrap().len(), 400);
            }
            let wide = wide(20);
            let error = wide
                .par_apply()
                .workers(3)
                .progress(move |tick: Tick| assert!(tick.state != at, "cannot draw"))
                .columns(|_: &Column| 1)
                .unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Option { .. }), "{error}");
        }
    });
}

/// The output of a run's bar if standard error is a pipe.
fn printed(how: &str) -> Vec<String> {
    let output = alone(
        "progress::a_bar_in_a_process_of_its_own",
        |command: &mut Command| command.arg("--nocapture").env("HOW", how),
    );
    let stderr = String::from_utf8(output.stderr).unwrap();
    stderr.lines().map(str::to_string).collect()
}

#[test]
#[ignore = "run by the tests below, in a process of its own"]
fn a_bar_in_a_process_of_its_own() {
    const HOUR: Duration = Duration::from_secs(3600);
    let how = std::env::var("HOW").unwrap();
    let df = counting(40);
    let bar = ProgressBar::new("laws");
    let slow = |i: i64| {
        sleep(Duration::from_millis(3));
        i
    };
    let token = CancelToken::new();
    match how.as_str() {
        "silent" => {
            df.par_apply().progress(bar).rows(slow).unwrap();
        }
        "finished" => {
            let apply = df.par_apply().workers(2).progress(bar.lines_every(HOUR));
            apply.rows(slow).unwrap();
        }
        "often" => {
            let interval = Duration::from_millis(20);
            let began = Instant::now();
            let apply = df.par_apply().sequential();
            apply
                .progress(bar.lines_every(interval))
                .rows(slow)
                .unwrap();
            let most = began.elapsed().as_millis() / interval.as_millis();
            println!("\nat most {most} lines");
        }
        "failures" => {
            let outcome = df
                .par_apply()
                .progress(bar.lines_every(HOUR))
                .on_error(OnError::Null)
                .rows(|i: i64| refuse_unless(i % 10 != 3, "three"))
                .unwrap();
            assert_eq!(outcome.failures.height(), 4);
        }
        "failed" => {
            df.par_apply()
                .sequential()
                .progress(bar.lines_every(HOUR))
                .rows(|i: i64| refuse_unless(i != 10, "ten"))
                .unwrap_err();
        }
        "cancelled" => {
            df.par_apply()
                .sequential()
                .progress(bar.lines_every(HOUR))
                .cancel_token(&token)
                .rows(|i: i64| {
                    if i == 9 {
                        token.cancel();
                    }
                })
                .unwrap_err();
        }
        "late" => {
            df.par_apply()
                .progress(bar.lines_every(HOUR))
                .deadline(Duration::ZERO)
                .rows(|i: i64| i)
                .unwrap_err();
        }
        "twice" => {
            let bar = Arc::new(bar.lines_every(HOUR));
            for rows in [40, 10] {
                let (df, bar) = (counting(rows), Arc::clone(&bar));
                df.par_apply()
                    .progress(move |tick: Tick| bar.tick(tick))
                    .rows(slow)
                    .unwrap();
            }
        }
        "empty" => {
            let df = counting(0);
            let apply = df.par_apply().progress(bar.lines_every(HOUR));
            apply.rows(|i: i64| i).unwrap();
        }
        _ => panic!("no such way: {how}"),
    }
}

/// Returns the line without its rate.
fn without_rate(line: &str) -> String {
    let mut parts: Vec<&str> = line.split(", ").collect();
    assert!(parts.remove(1).ends_with("/s"), "{line}");
    parts.join(", ")
}

#[test]
fn a_bar_is_silent_where_there_is_no_terminal() {
    assert_eq!(printed("silent"), [""; 0]);
}

#[test]
fn a_bar_s_last_line_says_how_it_ended() {
    let only = |how: &str| {
        let lines = printed(how);
        assert_eq!(lines.len(), 1, "{how}: {lines:?}");
        without_rate(&lines[0])
    };
    assert_eq!(only("finished"), "laws 40/40 (100 %), done");
    assert_eq!(only("failures"), "laws 40/40 (100 %), 4 failures, done");
    assert_eq!(only("failed"), "laws 11/40 (28 %), 1 failure, failed");
    assert_eq!(only("cancelled"), "laws 10/40 (25 %), cancelled");
    assert_eq!(only("late"), "laws 0/40 (0 %), cancelled");
    let twice: Vec<String> = printed("twice")
        .iter()
        .map(|line| without_rate(line))
        .collect();
    assert_eq!(
        twice,
        ["laws 40/40 (100 %), done", "laws 10/10 (100 %), done"]
    );
}

#[test]
fn nothing_to_do_is_all_done() {
    let lines = printed("empty");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(without_rate(&lines[0]), "laws 0/0 (100 %), done");
}

/// 40 rows of at least 3 ms each, so at most 333 rows per second.
#[test]
fn a_bar_s_rate_is_that_of_the_whole_run() {
    let lines = printed("often");
    let last = lines.last().unwrap();
    let rate = last.split(", ").nth(1).unwrap().strip_suffix("/s").unwrap();
    let rate: f64 = rate.parse().unwrap();
    assert!(rate <= 334.0, "{last}");
}

#[test]
fn a_bar_prints_a_line_now_and_then() {
    let output = alone(
        "progress::a_bar_in_a_process_of_its_own",
        |command: &mut Command| command.arg("--nocapture").env("HOW", "often"),
    );
    let stdout = String::from_utf8(output.stdout).unwrap();
    let most = stdout
        .lines()
        .find_map(|line| line.strip_prefix("at most ")?.strip_suffix(" lines"))
        .unwrap_or_else(|| panic!("{stdout}"));
    let most: usize = most.parse().unwrap();
    let lines = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let (last, before) = lines.split_last().unwrap();
    assert!(last.ends_with(", done"), "{last}");
    // The rows sleep for at least 120 ms, and the clock is read after every four rows of 3 ms.
    assert!((1..=most).contains(&before.len()), "{most}: {lines:?}");
    assert!(
        before
            .iter()
            .all(|line| line.starts_with("laws ") && line.ends_with("/s"))
    );
}

/// A client parses the names, so they do not change with how a state is printed.
#[test]
fn states_have_names() {
    let names = [
        (TickState::Queued, "queued"),
        (TickState::Running, "running"),
        (TickState::Finished, "finished"),
        (TickState::Failed, "failed"),
        (TickState::Cancelled, "cancelled"),
    ];
    for (state, name) in names {
        assert_eq!(state.name(), name);
    }
}
