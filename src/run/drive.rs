//! Hands out the work.
//!
//! Rows are handed out in ascending order, in morsels that become smaller towards the end; the part of a morsel that takes too
//! long is given back. So the cores stay busy wherever the slow rows are. When a row fails, every lower row has been handed out
//! before it, so the lowest failure is found without running the rest.

use std::cell::Cell;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::bell::Wake;
use super::faults::Record;
use super::queue::{LONGEST, MORSEL, Pace, Take};
use super::ticker::Ticker;
use super::{Kernel, Run, Worker, hush};
use crate::alarm::Alarm;
use crate::cancel::Why;
use crate::error::{Error, ErrorKind, Result};
use crate::options::OnCancel;
use crate::outcome::Stats;
use crate::pool::{Crew, Waits, Yielded, end_turns, give_way, is_in_turns};
use crate::progress::TickState;
use crate::sync::PoisonError;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How long to measure before the pace is trusted, and how long the rest must be expected to take for other workers to be
/// woken.
const TRIAL: Duration = Duration::from_micros(5);
const WORTH_WAKING: Duration = Duration::from_micros(100);

/// A run that has a result.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The failures that the policy allowed, in order.
    pub(crate) failures: Vec<Record>,
    /// The items that a cancelled run did not reach, in order.
    pub(crate) undone: Vec<Range<usize>>,
    pub(crate) stats: Stats,
}

/// A run that has no result.
#[derive(Debug)]
pub(crate) enum Broken {
    /// An error that does not belong to a row.
    Fatal(Error),
    /// The failures, the last of which is the one above the limit.
    Failed(Vec<Record>),
    /// It was stopped from outside, after this many rows.
    Cancelled {
        done: usize,
        why: Why,
        /// The failures, if one of them would have ended the run except that rows before it were never reached.
        failures: Vec<Record>,
    },
}

impl Run<'_> {
    /// Runs the kernel over all items.
    pub(crate) fn drive(self, kernel: &dyn Kernel) -> Result<Ended, Broken> {
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
            let _alarm = self.alarm()?;
            self.all(kernel)
        });
        drop(watches);
        if !self.is_nested {
            end_turns();
        }
        if self.panicked() {
            // The call around this one has had its message.
            hush::from_now_on();
        }
        if let Err(error) = driven {
            self.faults.abort(error);
        }
        self.end(began.elapsed())
    }

    /// Sets an alarm that stops the run at the deadline, so that no worker looks at a clock between rows.
    fn alarm(&self) -> Result<Option<Alarm>> {
        let deadline = self.options.call.deadline.zip(self.plan.deadline_from());
        let (Some((deadline, since)), Some(halt)) = (deadline, &self.halt) else {
            return Ok(None);
        };
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
                message: format!("the deadline cannot be watched: {error}"),
            }
            .into()),
        }
    }

    fn all(&self, kernel: &dyn Kernel) -> Result<()> {
        let pace = if self.tried_first {
            self.start_alone(kernel)
        } else {
            Pace::default()
        };
        // A worker may have left for another call just when the others had found nothing more to do.
        while self.queue.has_before(self.faults.end()) && !self.is_halted() {
            self.share_out(self.queue.left(), pace, kernel)?;
        }
        // Some rows are tried again: while none of them is due, no worker waits for them.
        while !self.is_halted()
            && let Some(due) = self.deferred.next_before(self.faults.end())
        {
            self.wait_until(due);
            self.share_out(self.deferred.due(), pace, kernel)?;
        }
        Ok(())
    }

    /// Waits on the calling thread. If that is a worker of a pool, it goes on working for its pool meanwhile, unless it was
    /// asked to run the call alone, or is already doing that: then the wait further down its stack could not end before this
    /// one.
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

    /// Returns whether nothing more has to be done, whatever is left.
    fn is_over(&self) -> bool {
        self.is_halted() || self.faults.end_before(0)
    }

    /// Returns whether the calling thread gives way to other calls.
    fn takes_turns(&self) -> bool {
        !self.is_nested && is_in_turns()
    }

    /// Runs the first rows on the calling thread (one, four, sixteen, …) until it is clear that the rest is worth waking other
    /// workers for, and returns the last pace. With a small frame, or with one worker, nothing is left then.
    fn start_alone(&self, kernel: &dyn Kernel) -> Pace {
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
        let of_cut = self.cut.map(|cut| Take::Part(cut, self.items));
        while let Some(rows) = self.take(&mut worker, kernel, of_cut.unwrap_or(Take::Rows(morsel)))
        {
            let rest;
            (rest, pace) = worker.run(kernel, rows, patience);
            left -= pace.rows;
            if !rest.is_empty() {
                self.queue.give_back(rest);
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

    /// Takes rows to run; before that, every row that is due is tried again.
    fn take(
        &self,
        worker: &mut Worker<'_>,
        kernel: &dyn Kernel,
        take: Take,
    ) -> Option<Range<usize>> {
        loop {
            if self.is_halted() {
                return None;
            }
            match self.deferred.take_due(self.faults.end()) {
                Some(attempt) => worker.retry(kernel, attempt),
                None => {
                    let end = self.faults.end();
                    let claims = self.claims.as_ref();
                    let take_over = || claims.and_then(|claims| claims.take_over(end));
                    return self.queue.take(take, end).or_else(take_over);
                }
            }
        }
    }

    /// Runs the rest, which has at least `pieces` pieces, on the plan's workers.
    fn share_out(&self, pieces: usize, pace: Pace, kernel: &dyn Kernel) -> Result<()> {
        let workers = self.plan.workers.min(pieces);
        if pieces == 0 || self.faults.end_before(0) || self.is_halted() {
            return Ok(());
        }
        if workers == 1 && !self.on_workers {
            self.work(workers, pace, kernel, &Alone);
            return Ok(());
        }
        let active = AtomicUsize::new(workers);
        let (begun, inside) = (AtomicUsize::new(0), AtomicUsize::new(0));
        // A worker that found nothing to do may have left.
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
                self.work(workers, pace, kernel, &seated)
            };
            if leaves {
                seated.one_more();
            }
        };
        // An attempt may be due while some workers are busy and others have left.
        let watch = |crew: &dyn Crew| {
            self.bell.until(|| {
                // Workers that were asked for and have not come are not waited for: they would find nothing left to do.
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

    /// Does the work of one worker. Returns whether it leaves its work to others, since it is the turn of another call.
    fn work(&self, workers: usize, mut pace: Pace, kernel: &dyn Kernel, crew: &dyn Crew) -> bool {
        let mut worker = Worker::new(self);
        loop {
            let (take, patience) = match self.cut {
                Some(cut) => (Take::Part(cut, self.items), Duration::MAX),
                None => (Take::Morsel(pace, workers), LONGEST),
            };
            let Some(rows) = self.take(&mut worker, kernel, take) else {
                return false;
            };
            let rest;
            (rest, pace) = worker.run(kernel, rows, patience);
            if !rest.is_empty() {
                let reached = rest.start;
                self.queue.give_back(rest);
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

    /// Returns how the run has ended.
    fn end(self, wall: Duration) -> Result<Ended, Broken> {
        let why = self.halt.as_ref().and_then(|halt| halt.why());
        let mut undone = Vec::new();
        if why.is_some() {
            undone = self.queue.ranges();
            let cut_off = self.cut_off.lock().unwrap_or_else(PoisonError::into_inner);
            undone.extend(cut_off.iter().map(|item| *item..item + 1));
            // An attempt that still waits might have succeeded.
            let waiting = self.deferred.take_all().into_iter();
            undone.extend(waiting.map(|attempt| attempt.item..attempt.item + 1));
            undone.sort_unstable_by_key(|rows| rows.start);
        }
        let end = self.faults.end();
        // A failure with rows before it that were never reached may not be the lowest.
        let why = why.filter(|_| undone.first().is_some_and(|rows| rows.start < end));
        let (workers, longest_run) = self.seats.into_stats();
        // How many failures are found after the one that ends the run is a matter of chance.
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
            slowest_group: None,
            counted: self.counted,
        };
        // If a run that ended well had not reached some rows, they would be taken for done.
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
        self.recorder.end(&stats, state);
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

/// Calls a function when it is dropped, also when a panic unwinds.
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

/// A crew that never has more workers than a call has seats.
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

#[cfg(test)]
mod tests {
    use crate::sync::Mutex;

    use super::*;
    use crate::options::{CallOptions, OnError, Options};
    use crate::run::{Failure, Plan, Verdict};

    /// A kernel that records which rows it did, and gives rows back as a script says.
    struct Scripted<'a> {
        done: &'a Mutex<Vec<usize>>,
        /// How many rows it does at a time, starting from a row.
        at_a_time: fn(usize) -> usize,
        fails: fn(usize) -> bool,
    }

    impl Kernel for Scripted<'_> {
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

    /// Runs a kernel over 5,000 rows, and returns how the run has ended and the rows that were done, in order.
    fn run(
        options: &Options<'_>,
        at_a_time: fn(usize) -> usize,
        fails: fn(usize) -> bool,
    ) -> (Result<Ended, Broken>, Vec<usize>) {
        let done = Mutex::new(Vec::new());
        let kernel = Scripted {
            done: &done,
            at_a_time,
            fails,
        };
        let plan = Plan::new(options, &mut Vec::new());
        let ended = Run::new("test", options, &plan, plan.asked_cut(), 5000, 5000).drive(&kernel);
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
