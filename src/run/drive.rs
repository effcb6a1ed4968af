//! Hands work out.
//!
//! Rows are handed out in ascending order, in morsels that shrink as the end nears; what of a morsel takes too long is
//! given back. So cores stay busy wherever the slow rows are, and a failing row ends the run with every lower row handed
//! out before it: the lowest failure is found without running the rest.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::bell::{Bell, Wake};
use super::deferred::Deferred;
use super::faults::{Faults, Record};
use super::queue::{LONGEST, MORSEL, Pace, Queue, Take};
use super::seats::Seats;
use super::ticker::Ticker;
use super::trace::CallSpan;
use super::{Failure, Plan, Worker, catch, hush};
use crate::alarm::Alarm;
use crate::cancel::{Halt, Why};
use crate::error::{Chain, Error, ErrorKind, Result};
use crate::options::{OnCancel, Options};
use crate::outcome::Stats;
use crate::partition::Cut;
use crate::pool::{Crew, Waits, Yielded, end_turns, give_way, is_in_turns, is_within_a_closure};
use crate::progress::TickState;
use crate::retry::Retry;

/// Work over items: rows, columns or parts.
pub(crate) trait Job: Sync {
    /// Does items in order, until they are done, [`Worker::is_over`], or its patience is at an end; and tells the first
    /// item not done. Unless it is over, at least one is done.
    ///
    /// Each item is told to the worker: as done, or as failed.
    fn run(&self, items: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize;

    /// The numbers of the rows that items stand for.
    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        items
    }
}

/// What is measured before pace is trusted, and what the rest must be expected to take before other workers are woken.
const TRIAL: Duration = Duration::from_micros(5);
const WORTH_WAKING: Duration = Duration::from_micros(100);

/// One call's work, under way.
pub(crate) struct Run<'r> {
    plan: &'r Plan,
    items: usize,
    cut: Option<Cut>,
    /// Whether the first rows show what a row takes, before others are woken.
    tried_first: bool,
    /// Whether a user's closure makes the call, which may hold a lock: no worker of it pauses then.
    is_nested: bool,
    /// Whether rows run on workers only, and not on the calling thread for want of another.
    on_workers: bool,
    halt: Option<Arc<Halt>>,
    on_cancel: OnCancel,
    queue: Queue,
    panicked: AtomicBool,
    options: &'r Options<'r>,
    pub(super) retry: Option<&'r Retry>,
    pub(super) deferred: Deferred,
    /// Rows whose closure returned early since the run was cancelled.
    cut_off: Mutex<Vec<usize>>,
    /// Rung when a row is put off, and when a worker leaves.
    pub(super) bell: Bell,
    pub(super) faults: Faults,
    pub(super) ticker: Option<Ticker<'r>>,
    pub(super) seats: Seats,
    pub(super) span: CallSpan,
}

/// A run that has a result.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What failed and was let pass, in order.
    pub(crate) failures: Vec<Record>,
    /// What a cancelled run did not come to, in order.
    pub(crate) undone: Vec<Range<usize>>,
    pub(crate) stats: Stats,
}

/// A run that has none.
#[derive(Debug)]
pub(crate) enum Broken {
    /// An error that is no row's.
    Fatal(Error),
    /// The last of these failures is one more than may be.
    Failed(Vec<Record>),
    /// It was stopped from outside, with so many rows done.
    Cancelled {
        done: usize,
        why: Why,
        /// The failures, where one of them would have ended the run, but for rows before it that were not come to.
        failures: Vec<Record>,
    },
}

impl<'r> Run<'r> {
    /// A run of so many items, of which progress is told as of `total` rows.
    pub(crate) fn new(
        verb: &'static str,
        options: &'r Options<'r>,
        plan: &'r Plan,
        cut: Option<Cut>,
        items: usize,
        total: usize,
    ) -> Self {
        let can_halt = options.cancel.is_some()
            || options.job.is_some()
            || plan.token().is_some()
            || options.call.deadline.is_some()
            || options.retry.is_some();
        Run {
            plan,
            items,
            cut: cut.map(|cut| match cut {
                // Parts past the last row have nothing to do.
                Cut::Partitions(parts) => Cut::Partitions(parts.min(items).max(1)),
                cut @ Cut::ChunkRows(_) => cut,
            }),
            tried_first: cut.is_none(),
            is_nested: hush::is_amid_a_run() || is_within_a_closure(),
            on_workers: false,
            halt: can_halt.then(Arc::default),
            on_cancel: options.on_cancel(),
            queue: Queue::new(0..items),
            panicked: AtomicBool::new(false),
            options,
            retry: options.retry.as_ref(),
            deferred: Deferred::default(),
            cut_off: Mutex::default(),
            bell: Bell::default(),
            faults: Faults::new(options.failures_allowed()),
            ticker: options
                .progress
                .as_deref()
                .map(|progress| Ticker::new(progress, total)),
            seats: Seats::default(),
            span: CallSpan::new(verb, total),
        }
    }

    /// Runs every item on a worker of the pool, also where there is but one; and wakes them at once, so that a few slow items
    /// run side by side from the start.
    pub(crate) fn on_workers(mut self) -> Self {
        self.tried_first = false;
        self.on_workers = true;
        self
    }

    /// The flag that stops the run from outside, where anything can.
    pub(crate) fn halt_flag(&self) -> Option<Arc<Halt>> {
        self.halt.clone()
    }

    #[inline]
    pub(super) fn is_halted(&self) -> bool {
        self.halt.as_ref().is_some_and(|halt| halt.is_set())
    }

    pub(super) fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    pub(super) fn has_panicked(&self) {
        self.panicked.store(true, Ordering::Relaxed);
    }

    /// Whether a failure is no more than the closure's word that the run was cancelled.
    pub(super) fn is_cut_off(&self, failure: &Failure) -> bool {
        let cancelled = self.halt.as_ref().is_some_and(|halt| halt.why().is_some());
        let Failure::Closure(cause) = failure else {
            return false;
        };
        cancelled && says_cancelled(cause.get())
    }

    /// Counts an item as not come to, though its closure was called.
    pub(super) fn undone(&self, item: usize) {
        let mut cut_off = self.cut_off.lock().unwrap_or_else(PoisonError::into_inner);
        cut_off.push(item);
    }

    /// Does the job.
    pub(crate) fn drive(self, job: &dyn Job) -> Result<Ended, Broken> {
        let began = Instant::now();
        let halt = self.halt.clone();
        let tokens = [&self.options.cancel, &self.options.job];
        let tokens = tokens.map(Option::as_ref).into_iter();
        let tokens = tokens.chain([self.plan.token()]).flatten();
        let watches = halt.as_ref().map(|halt| {
            let watches = tokens.map(|token| token.watched_by(halt));
            watches.collect::<Vec<_>>()
        });
        let told = self.ticker.as_ref().map_or(Ok(()), Ticker::begin);
        let driven = told.and_then(|()| {
            let _alarm = self.alarm(began)?;
            self.all(job)
        });
        drop(watches);
        if !self.is_nested {
            end_turns();
        }
        if self.panicked() {
            // What is around this call has had its message.
            hush::from_now_on();
        }
        if let Err(error) = driven {
            self.faults.abort(error);
        }
        self.end(began.elapsed())
    }

    /// Has the run stopped at the deadline, so that nobody looks at a clock between rows.
    fn alarm(&self, began: Instant) -> Result<Option<Alarm>> {
        let (Some(deadline), Some(halt)) = (self.options.call.deadline, &self.halt) else {
            return Ok(None);
        };
        let since = self.options.deadline_from.unwrap_or(began);
        let left = deadline.saturating_sub(since.elapsed());
        let halt = halt.clone();
        if left.is_zero() {
            halt.stop(Why::Deadline);
            return Ok(None);
        }
        match Alarm::after(left, move || halt.stop(Why::Deadline)) {
            Ok(alarm) => Ok(Some(alarm)),
            Err(error) => Err(ErrorKind::Option {
                option: "deadline",
                message: format!("it cannot be waited for: {error}"),
            }
            .into()),
        }
    }

    fn all(&self, job: &dyn Job) -> Result<()> {
        let pace = if self.tried_first {
            self.start_alone(job)
        } else {
            Pace::default()
        };
        // A worker may have left for another call's sake just when the others had found nothing more to do.
        while self.queue.has_before(self.faults.end()) && !self.is_halted() {
            self.share_out(self.queue.left(), pace, job)?;
        }
        // Rows that are tried again: while none is due, no worker is kept waiting for them.
        while !self.is_halted()
            && let Some(due) = self.deferred.next_before(self.faults.end())
        {
            self.wait_until(due);
            self.share_out(self.deferred.due(), pace, job)?;
        }
        Ok(())
    }

    /// Waits on the calling thread. One that is a worker of a pool goes on working for its pool meanwhile, unless it was
    /// asked to run the call alone, or does so already: what it then waits for lies below on its stack.
    fn wait_until(&self, time: Instant) {
        const NAP: Duration = Duration::from_millis(1);
        thread_local! {
            static LENDS_ITSELF: Cell<bool> = const { Cell::new(false) };
        }
        let Some(halt) = self.halt.as_deref() else {
            return;
        };
        let _waits = Waits::for_workers();
        if self.plan.workers == 1 || LENDS_ITSELF.replace(true) {
            return halt.wait_until(time);
        }
        while !halt.is_set() && Instant::now() < time {
            let nap = match rayon::yield_now() {
                None => time,
                Some(rayon::Yield::Executed) => continue,
                Some(rayon::Yield::Idle) => time.min(Instant::now() + NAP),
            };
            halt.wait_until(nap);
        }
        LENDS_ITSELF.set(false);
    }

    /// Whether nothing more is to be done, whatever is left.
    fn is_over(&self) -> bool {
        self.is_halted() || self.faults.end_before(0)
    }

    /// Whether the calling thread gives way to other calls.
    fn takes_turns(&self) -> bool {
        !self.is_nested && is_in_turns()
    }

    /// Runs the first rows on the calling thread, one, four, sixteen…, until it is clear that the rest is worth waking
    /// others for, and tells the last pace. For a small frame, or one worker, nothing is left then.
    fn start_alone(&self, job: &dyn Job) -> Pace {
        let alone = self.plan.workers == 1;
        let patience = match alone {
            false => WORTH_WAKING,
            true if self.retry.is_some() || self.takes_turns() => LONGEST,
            true => Duration::MAX,
        };
        let mut worker = Worker::new(self);
        let began = worker.now();
        let mut pace = Pace::default();
        let mut morsel = 1;
        let mut left = self.items;
        while let Some(rows) = self.take(&mut worker, job, Take::Rows(morsel)) {
            let (reached, time) = worker.run(job, rows.clone(), patience);
            pace = Pace {
                time,
                rows: reached - rows.start,
            };
            left -= pace.rows;
            if reached < rows.end {
                self.queue.give_back(reached..rows.end);
            }
            let worth_it = || worker.now() - began >= TRIAL && pace.time_of(left) >= WORTH_WAKING;
            if !alone && worth_it() {
                break;
            }
            morsel = (morsel * 4).min(MORSEL);
            if self.takes_turns() {
                worker.give_way(&|| Alone.give_way(Some(&|| self.is_over())));
            }
        }
        pace
    }

    /// Rows to run; before that, every row is tried again that is due.
    fn take(&self, worker: &mut Worker<'_>, job: &dyn Job, take: Take) -> Option<Range<usize>> {
        loop {
            if self.is_halted() {
                return None;
            }
            match self.deferred.take_due(self.faults.end()) {
                Some(attempt) => worker.retry(job, attempt),
                None => return self.queue.take(take, self.faults.end()),
            }
        }
    }

    /// Runs what is left, `pieces` of it at least, on the plan's workers.
    fn share_out(&self, pieces: usize, pace: Pace, job: &dyn Job) -> Result<()> {
        let workers = self.plan.workers.min(pieces);
        if pieces == 0 || self.faults.end_before(0) || self.is_halted() {
            return Ok(());
        }
        if workers == 1 && !self.on_workers {
            self.work(workers, pace, job, &Alone);
            return Ok(());
        }
        let active = AtomicUsize::new(workers);
        let (begun, inside) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // One who found nothing to do may have left.
        let has_seat = || {
            let more = |active| (active < workers).then_some(active + 1);
            let order = Ordering::Relaxed;
            active.fetch_update(order, order, more).is_ok()
        };
        let work = |crew: &dyn Crew| {
            let _within = self.plan.enter();
            let seated = Seated {
                crew,
                has_seat: &has_seat,
            };
            let leaves = {
                begun.fetch_add(1, Ordering::Relaxed);
                inside.fetch_add(1, Ordering::Relaxed);
                let _left = OnDrop(|| {
                    inside.fetch_sub(1, Ordering::Relaxed);
                    active.fetch_sub(1, Ordering::Relaxed);
                    self.bell.ring();
                });
                self.work(workers, pace, job, &seated)
            };
            if leaves {
                seated.one_more();
            }
        };
        // What is due while some are busy and others have left.
        let watch = |crew: &dyn Crew| {
            self.bell.until(|| {
                // Those who were asked for and have not come are not waited for: they find nothing left to do.
                let some_came = begun.load(Ordering::Relaxed) > 0;
                let all_left = some_came && inside.load(Ordering::Relaxed) == 0;
                if all_left || active.load(Ordering::Relaxed) == 0 {
                    return Wake::Done;
                }
                match self.deferred.next() {
                    Some(time) if time <= Instant::now() => {
                        let due = 0..self.deferred.due();
                        due.take_while(|_| has_seat()).for_each(|_| crew.one_more());
                        Wake::Rung
                    }
                    Some(time) => Wake::At(time),
                    None => Wake::Rung,
                }
            });
        };
        let watch = self.retry.is_some().then_some(&watch as _);
        self.plan.run(workers, &work, watch, self.on_workers)
    }

    /// What one worker does; and whether it leaves what there is to do to others, since it is another call's turn.
    fn work(&self, workers: usize, mut pace: Pace, job: &dyn Job, crew: &dyn Crew) -> bool {
        let mut worker = Worker::new(self);
        loop {
            let (take, patience) = match self.cut {
                Some(cut) => (Take::Part(cut, self.items), Duration::MAX),
                None => (Take::Morsel(pace, workers), LONGEST),
            };
            let Some(rows) = self.take(&mut worker, job, take) else {
                return false;
            };
            let (reached, time) = worker.run(job, rows.clone(), patience);
            pace = Pace {
                time,
                rows: reached - rows.start,
            };
            if reached < rows.end {
                self.queue.give_back(reached..rows.end);
                if !worker.is_over(reached) {
                    crew.one_more();
                }
            }
            let is_over = || self.is_over();
            let pause = (!self.is_nested).then_some(&is_over as &dyn Fn() -> bool);
            if worker.give_way(&|| crew.give_way(pause)) == Yielded::Leave {
                return true;
            }
        }
    }

    /// What has become of it.
    fn end(self, wall: Duration) -> Result<Ended, Broken> {
        let why = self.halt.as_ref().and_then(|halt| halt.why());
        let mut undone = Vec::new();
        if why.is_some() {
            undone = self.queue.ranges();
            let cut_off = self.cut_off.lock().unwrap_or_else(PoisonError::into_inner);
            undone.extend(cut_off.iter().map(|item| *item..item + 1));
            // What waits to be tried again may yet have succeeded.
            let waiting = self.deferred.take_all().into_iter();
            undone.extend(waiting.map(|attempt| attempt.item..attempt.item + 1));
            undone.sort_unstable_by_key(|rows| rows.start);
        }
        let end = self.faults.end();
        // A failure with rows before it that were not come to may not be the lowest.
        let why = why.filter(|_| undone.first().is_some_and(|rows| rows.start < end));
        let (workers, longest_run) = self.seats.into_stats();
        // Beyond the one that ends the run, how many are met is chance.
        let failures = self
            .faults
            .count()
            .min(self.options.failures_allowed().saturating_add(1));
        let stats = Stats {
            rows: workers.iter().map(|worker| worker.rows).sum(),
            failures,
            retries: self.deferred.retries(),
            cancelled: why.is_some(),
            wall,
            runs: workers.iter().map(|worker| worker.runs).sum(),
            workers,
            longest_run,
        };
        // What a run that ended well has not come to would be taken for done.
        let ended_well = why.is_none() && end == usize::MAX;
        assert!(!ended_well || self.queue.left() == 0, "rows were left over");
        let is_cancelled =
            why.is_some_and(|_| self.on_cancel == OnCancel::Error || end < usize::MAX);
        let fatal = self.faults.take_fatal();
        let state = match (&fatal, why) {
            (None, Some(_)) => TickState::Cancelled,
            (None, None) if end == usize::MAX => TickState::Finished,
            _ => TickState::Failed,
        };
        self.span.end(&stats, state);
        let told = match &self.ticker {
            Some(ticker) => ticker.end(failures, state),
            None => Ok(()),
        };
        let failures = self.faults.into_records();
        if let Some(error) = fatal {
            return Err(Broken::Fatal(error));
        }
        if let Some(why) = why.filter(|_| is_cancelled) {
            return Err(Broken::Cancelled {
                done: stats.rows,
                why,
                failures: if end < usize::MAX {
                    failures
                } else {
                    Vec::new()
                },
            });
        }
        told.map_err(Broken::Fatal)?;
        if end < usize::MAX {
            return Err(Broken::Failed(failures));
        }
        Ok(Ended {
            failures,
            undone,
            stats,
        })
    }
}

/// Calls a function when it is dropped, on the way out of a panic too.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The only worker of a call.
struct Alone;

impl Crew for Alone {
    fn one_more(&self) {}

    fn give_way(&self, pause: Option<&dyn Fn() -> bool>) -> Yielded {
        give_way(None, pause, &|| false)
    }
}

/// A crew that has no more workers than a call has seats.
struct Seated<'c> {
    crew: &'c dyn Crew,
    has_seat: &'c dyn Fn() -> bool,
}

impl Crew for Seated<'_> {
    fn one_more(&self) {
        if (self.has_seat)() {
            self.crew.one_more();
        }
    }

    fn give_way(&self, pause: Option<&dyn Fn() -> bool>) -> Yielded {
        self.crew.give_way(pause)
    }
}

/// Whether an error of the user's is one of a call that was cancelled, or comes of one.
pub(crate) fn says_cancelled(cause: &anyhow::Error) -> bool {
    let says_so = || {
        let mut own = Chain::of(cause).filter_map(|cause| cause.downcast_ref());
        own.any(|error: &Error| matches!(error.kind(), ErrorKind::Cancelled { .. }))
    };
    // The chain is the user's code.
    catch(says_so).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::options::{CallOptions, OnError};
    use crate::run::{Failure, Verdict};

    /// A job that notes which rows it did, and loses its patience as a script says.
    struct Scripted<'a> {
        done: &'a Mutex<Vec<usize>>,
        /// How many rows it does at a time, from a row on.
        at_a_time: fn(usize) -> usize,
        fails: fn(usize) -> bool,
    }

    impl Job for Scripted<'_> {
        fn run(&self, rows: Range<usize>, _: Duration, worker: &mut Worker<'_>) -> usize {
            let end = rows.end.min(rows.start + (self.at_a_time)(rows.start));
            for row in rows.start..end {
                self.done.lock().unwrap().push(row);
                let failed = (self.fails)(row);
                if failed && worker.fail(row, Failure::Panic("scripted".into())) == Verdict::Stop {
                    return end;
                }
                worker.done(1);
            }
            end
        }
    }

    /// Runs a job over 5,000 rows, and gives what has become of it and the rows that were done, in order.
    fn run(
        options: &Options<'_>,
        at_a_time: fn(usize) -> usize,
        fails: fn(usize) -> bool,
    ) -> (Result<Ended, Broken>, Vec<usize>) {
        let done = Mutex::new(Vec::new());
        let job = Scripted {
            done: &done,
            at_a_time,
            fails,
        };
        let plan = Plan::new(options, &mut Vec::new());
        let ended = Run::new("test", options, &plan, plan.asked_cut(), 5000, 5000).drive(&job);
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        (ended, done)
    }

    fn workers(workers: usize) -> Options<'static> {
        Options {
            call: CallOptions::new().workers(workers),
            ..Options::default()
        }
    }

    #[test]
    fn what_is_given_back_is_done_once() {
        for n in [1, 2, 4] {
            for at_a_time in [|_| 1, |row| 1 + row % 7, |_| usize::MAX / 2] {
                let (ended, done) = run(&workers(n), at_a_time, |_| false);
                let stats = ended.unwrap().stats;
                assert_eq!(done, (0..5000).collect::<Vec<_>>());
                assert_eq!(stats.rows, 5000);
                assert!(stats.workers.len() <= n);
            }
        }
    }

    #[test]
    fn the_rows_before_a_failure_are_done() {
        for n in [1, 2, 4] {
            let (ended, done) = run(&workers(n), |row| 1 + row % 5, |row| row % 1234 == 1233);
            let Err(Broken::Failed(records)) = ended else {
                panic!("{ended:?}");
            };
            assert_eq!(records.len(), 1);
            assert_eq!(records[0].item, 1233);
            assert_eq!(done[..1234], (0..1234).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_failure_after_the_limit_ends_the_run() {
        for n in [1, 2, 4] {
            let call = CallOptions::new().workers(n);
            let options = Options {
                call: call.on_error(OnError::Collect).max_failures(3),
                ..Options::default()
            };
            let (ended, done) = run(&options, |row| 1 + row % 5, |row| row % 100 == 99);
            let Err(Broken::Failed(records)) = ended else {
                panic!("{ended:?}");
            };
            let items: Vec<usize> = records.iter().map(|record| record.item).collect();
            assert_eq!(items, [99, 199, 299, 399]);
            assert_eq!(done[..400], (0..400).collect::<Vec<_>>());
        }
    }
}
