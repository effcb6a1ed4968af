//! The feature `tracing` makes a span for each call and, within it, one for each run of rows, with the figures of the stats, on any
//! thread.
//!
//! Only a global subscriber sees spans on the pool's threads, so these tests run in a separate process.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, MutexGuard};
use std::thread::{self, ThreadId};
use std::time::Duration;

use polars_par_apply::prelude::*;
use polars_par_apply::{Error, Result};
use tracing::field::{Field as TraceField, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

use crate::frames::{alone, counting, refuse_unless, watched};

/// A span as the subscriber received it.
#[derive(Clone, Debug)]
struct Span {
    id: u64,
    name: &'static str,
    level: Level,
    parent: Option<u64>,
    fields: BTreeMap<&'static str, String>,
    /// The threads on which it was entered.
    entered: Vec<ThreadId>,
    exited: usize,
}

impl Span {
    #[track_caller]
    fn number<T: std::str::FromStr<Err: Debug>>(&self, field: &str) -> T {
        let text = self.fields.get(field);
        let text = text.unwrap_or_else(|| panic!("no {field} in {self:?}"));
        text.parse().unwrap()
    }
}

/// Keeps every span.
#[derive(Default)]
struct Recorder {
    spans: Mutex<Vec<Span>>,
    /// The span of each event.
    events: Mutex<Vec<Option<u64>>>,
    /// Whether debug spans are left out.
    terse: AtomicBool,
}

thread_local! {
    static STACK: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

fn current() -> Option<u64> {
    STACK.with_borrow(|stack| stack.last().copied())
}

struct Fields<'f>(&'f mut BTreeMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &TraceField, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &TraceField, value: &str) {
        self.0.insert(field.name(), value.into());
    }
}

impl Recorder {
    fn spans(&self) -> MutexGuard<'_, Vec<Span>> {
        self.spans.lock().unwrap()
    }

    fn with(&self, id: &Id, change: impl FnOnce(&mut Span)) {
        change(&mut self.spans()[id.into_u64() as usize - 1]);
    }

    /// Returns the spans of calls and of runs during `work`.
    fn during<T>(&self, work: impl FnOnce() -> T) -> (T, Vec<Span>, Vec<Span>) {
        let before = self.spans().len();
        let result = work();
        let spans = self.spans()[before..].to_vec();
        let named = |name| spans.iter().filter(move |span| span.name == name).cloned();
        (result, named("par_apply").collect(), named("run").collect())
    }
}

impl Subscriber for Recorder {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !self.terse.load(SeqCst) || *metadata.level() <= Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let parent = match span.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if span.is_contextual() => current(),
            None => None,
        };
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields));
        let mut spans = self.spans();
        let id = spans.len() as u64 + 1;
        spans.push(Span {
            id,
            name: span.metadata().name(),
            level: *span.metadata().level(),
            parent,
            fields,
            entered: Vec::new(),
            exited: 0,
        });
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.with(id, |span| values.record(&mut Fields(&mut span.fields)));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.events.lock().unwrap().push(current());
    }

    fn enter(&self, id: &Id) {
        STACK.with_borrow_mut(|stack| stack.push(id.into_u64()));
        self.with(id, |span| span.entered.push(thread::current().id()));
    }

    fn exit(&self, id: &Id) {
        let left = STACK.with_borrow_mut(Vec::pop);
        assert_eq!(left, Some(id.into_u64()), "spans are left in order");
        self.with(id, |span| span.exited += 1);
    }
}

/// A call's span has the figures of its stats, and the spans of its runs add up to them.
#[track_caller]
fn agree(calls: &[Span], runs: &[Span], verb: &str, total: usize, stats: &Stats) {
    assert_eq!(calls.len(), 1, "one span for a call");
    let call = &calls[0];
    assert_eq!(call.level, Level::INFO);
    assert_eq!(call.fields["verb"], verb);
    assert_eq!(call.number::<usize>("total"), total);
    assert_eq!(call.number::<usize>("rows"), stats.rows);
    assert_eq!(call.number::<usize>("failures"), stats.failures);
    assert_eq!(call.number::<usize>("retries"), stats.retries);
    assert_eq!(call.number::<bool>("cancelled"), stats.cancelled);
    assert_eq!(call.number::<f64>("wall_seconds"), stats.wall.as_secs_f64());
    let busy: Duration = stats.workers.iter().map(|worker| worker.busy).sum();
    assert_eq!(call.number::<f64>("busy_seconds"), busy.as_secs_f64());
    assert_eq!(call.number::<usize>("workers"), stats.workers.len());
    assert_eq!(call.number::<usize>("runs"), stats.runs);
    let state = if stats.cancelled {
        "Cancelled"
    } else {
        "Finished"
    };
    assert_eq!(call.fields["state"], state);
    match &stats.longest_run {
        Some(longest) => {
            let time = longest.time.as_secs_f64();
            assert_eq!(call.number::<f64>("longest_run_seconds"), time);
            assert_eq!(
                call.number::<usize>("longest_run_start"),
                longest.rows.start
            );
            assert_eq!(call.number::<usize>("longest_run_end"), longest.rows.end);
        }
        None => assert!(!call.fields.contains_key("longest_run_seconds")),
    }

    assert_eq!(runs.len(), stats.runs);
    for run in runs {
        assert_eq!(run.level, Level::DEBUG);
        assert_eq!(run.parent, Some(call.id), "a run is the call's");
        assert_eq!((run.entered.len(), run.exited), (1, 1), "{run:?}");
        assert!(run.number::<usize>("worker") < stats.workers.len());
        let (start, end): (usize, usize) = (run.number("start"), run.number("end"));
        assert!(start < end, "{run:?}");
        assert!(run.number::<f64>("busy_seconds") >= 0.0);
    }
    let sum = |field: &str| -> usize { runs.iter().map(|run| run.number::<usize>(field)).sum() };
    assert_eq!(sum("rows"), stats.rows);
    assert_eq!(sum("failures"), stats.failures);
}

#[test]
fn calls_and_runs_are_traced() {
    alone("traces::everything_that_is_traced", |command| command);
}

#[test]
#[ignore = "run by calls_and_runs_are_traced, in a process of its own"]
fn everything_that_is_traced() {
    let recorder = Arc::new(Recorder::default());
    tracing::subscriber::set_global_default(Arc::clone(&recorder)).unwrap();
    watched(move || {
        each_verb(&recorder);
        runs_on_other_threads(&recorder);
        failures_and_retries(&recorder);
        calls_without_a_result(&recorder);
        calls_in_a_span(&recorder);
        calls_inside_calls(&recorder);
        calls_alone_where_runs_are_not_asked_for(&recorder);
    });
}

fn each_verb(recorder: &Recorder) {
    let df = counting(1000);
    let columns = (0..20i64).map(|i| Column::new(format!("{i}").into(), [i]));
    let wide = DataFrame::new(1, columns.collect()).unwrap();
    for workers in [1, 3] {
        let on = |df| ParApply::par_apply(df).workers(workers).outcome();
        let work = || on(&df).rows(|i: i64| i).unwrap().stats;
        let (stats, calls, runs) = recorder.during(work);
        agree(&calls, &runs, "rows", 1000, &stats);

        let apply = on(&df).partitions(30);
        let work = || apply.chunks(|part: DataFrame| part).unwrap().stats;
        let (stats, calls, runs) = recorder.during(work);
        agree(&calls, &runs, "chunks", 1000, &stats);

        let work = || on(&wide).columns(|_: &Column| 1).unwrap().stats;
        let (stats, calls, runs) = recorder.during(work);
        agree(&calls, &runs, "columns", 20, &stats);
    }
    let none = counting(0);
    let work = || none.par_apply().outcome().rows(|i: i64| i).unwrap().stats;
    let (stats, calls, runs) = recorder.during(work);
    agree(&calls, &runs, "rows", 0, &stats);
}

fn runs_on_other_threads(recorder: &Recorder) {
    let (df, pool, all) = (counting(3), Pool::new(3).unwrap(), Barrier::new(3));
    let apply = df.par_apply().pool(&pool).chunk_rows(1).outcome();
    let work = || apply.rows(|_: i64| all.wait().is_leader()).unwrap().stats;
    let (stats, calls, runs) = recorder.during(work);
    agree(&calls, &runs, "rows", 3, &stats);
    let mut workers: Vec<usize> = runs.iter().map(|run| run.number("worker")).collect();
    workers.sort_unstable();
    assert_eq!(workers, [0, 1, 2]);
    let here = thread::current().id();
    let threads: Vec<ThreadId> = runs.iter().map(|run| run.entered[0]).collect();
    assert!(threads.iter().all(|thread| *thread != here), "{threads:?}");
    assert!(threads[0] != threads[1] && threads[1] != threads[2] && threads[0] != threads[2]);
}

fn failures_and_retries(recorder: &Recorder) {
    let df = counting(2000);
    let apply = df.par_apply().workers(3).on_error(OnError::Collect);
    let apply = apply.retry(Retry::attempts(3).min_delay(Duration::from_micros(50)));
    let work = || {
        let act = |i: i64| refuse_unless(i % 100 != 3, "three");
        apply.rows(act).unwrap().stats
    };
    let (stats, calls, runs) = recorder.during(work);
    assert_eq!((stats.failures, stats.retries), (20, 40));
    agree(&calls, &runs, "rows", 2000, &stats);
}

/// The span of a call that has no result is complete too.
fn calls_without_a_result(recorder: &Recorder) {
    let df = counting(1000);
    let apply = || df.par_apply().sequential();
    let token = CancelToken::new();
    let fail = || {
        let act = |i: i64| refuse_unless(i < 100, "enough");
        apply().rows(act).map(drop).unwrap_err()
    };
    let panic = || {
        apply()
            .rows(|i: i64| assert!(i < 100, "enough"))
            .map(drop)
            .unwrap_err()
    };
    let cancel = || {
        let act = |i: i64| {
            if i == 99 {
                token.cancel();
            }
        };
        apply()
            .cancel_token(&token)
            .rows(act)
            .map(drop)
            .unwrap_err()
    };
    // The failing row that ends a run counts as done.
    for (work, rows, failures, state) in [
        (&fail as &dyn Fn() -> Error, 101, 1, "Failed"),
        (&panic, 101, 1, "Failed"),
        (&cancel, 100, 0, "Cancelled"),
    ] {
        let (error, calls, runs) = recorder.during(work);
        assert_eq!(calls.len(), 1, "{error}");
        assert_eq!(calls[0].number::<usize>("rows"), rows, "{error}");
        assert_eq!(calls[0].number::<usize>("failures"), failures, "{error}");
        let cancelled = state == "Cancelled";
        assert_eq!(calls[0].number::<bool>("cancelled"), cancelled, "{error}");
        assert_eq!(calls[0].fields["state"], state, "{error}");
        assert_eq!(calls[0].number::<usize>("runs"), runs.len(), "{error}");
        assert!(runs.iter().all(|run| run.exited == 1), "{error}");
        let of_runs: usize = runs.iter().map(|run| run.number::<usize>("rows")).sum();
        assert_eq!(of_runs, rows, "{error}");
    }
    let work = || {
        df.par_apply()
            .workers(0)
            .rows(|i: i64| i)
            .map(drop)
            .unwrap_err()
    };
    let (_, calls, _) = recorder.during(work);
    assert!(calls.is_empty(), "a call that is refused has not begun");
}

/// Events of the closure are in the span of its run, and the call's span is in the caller's span.
fn calls_in_a_span(recorder: &Recorder) {
    let df = counting(12);
    recorder.events.lock().unwrap().clear();
    let work = || {
        let mine = tracing::info_span!("mine");
        let _entered = mine.enter();
        let apply = df.par_apply().workers(3).partitions(4);
        apply.rows(|i: i64| tracing::info!(i, "a row")).unwrap();
        current()
    };
    let (mine, calls, runs) = recorder.during(work);
    assert!(mine.is_some());
    assert_eq!(calls[0].parent, mine);
    let runs: Vec<u64> = runs.iter().map(|run| run.id).collect();
    let events = std::mem::take(&mut *recorder.events.lock().unwrap());
    assert_eq!(events.len(), 12);
    assert!(
        events
            .iter()
            .all(|run| run.is_some_and(|run| runs.contains(&run)))
    );
    assert_eq!(current(), None);
}

fn calls_inside_calls(recorder: &Recorder) {
    let (df, small) = (counting(20), counting(50));
    let pool = Pool::new(3).unwrap();
    let work = || {
        let apply = df.par_apply().pool(&pool).partitions(10);
        let inner = |i: i64| -> Result<i64> {
            let apply = small.par_apply().pool(&pool).partitions(5);
            Ok(apply.rows(|j: i64| i + j)?.i64()?.sum().unwrap_or(0))
        };
        apply.rows(inner).unwrap()
    };
    let (_, calls, runs) = recorder.during(work);
    assert_eq!(calls.len(), 21);
    let (outer, inner) = calls.split_first().unwrap();
    assert_eq!(outer.parent, None);
    for call in inner {
        let parent = runs.iter().find(|run| Some(run.id) == call.parent);
        let parent = parent.expect("it is called in a run");
        assert_eq!(parent.parent, Some(outer.id));
    }
    let of = |call: &Span| {
        runs.iter()
            .filter(|run| run.parent == Some(call.id))
            .count()
    };
    assert_eq!(of(outer), 10);
    assert!(inner.iter().all(|call| of(call) == 5));
}

fn calls_alone_where_runs_are_not_asked_for(recorder: &Recorder) {
    let df = counting(100);
    recorder.terse.store(true, SeqCst);
    let apply = df.par_apply().workers(3).partitions(10).outcome();
    let work = || apply.rows(|i: i64| i).unwrap().stats;
    let (stats, calls, runs) = recorder.during(work);
    recorder.terse.store(false, SeqCst);
    assert!(runs.is_empty());
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].number::<usize>("runs"), stats.runs);
}
