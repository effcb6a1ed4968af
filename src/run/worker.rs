//! One worker of a run: what it does, and to whom it reports.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::deferred::Attempt;
use super::failure::panicked;
use super::faults::Record;
use super::hush::{self, Hush};
use super::queue::Pace;
use super::recorder::Lane;
use super::seats::Tally;
use super::ticker::Untold;
use super::{Failure, Run, catch};
use crate::error::Error;
use crate::pool::Yielded;

/// How often a worker checks whether it is the turn of another call.
const OFFERED_EVERY: Duration = Duration::from_millis(1);

/// The code between a worker and the closure: what a verb does with a range of its items, which are rows, columns or parts.
pub(crate) trait Kernel: Sync {
    /// Does items in order, until they are done, until [`Worker::is_over`], or until its patience ends, and returns the first
    /// item that is not done. Unless the run is over, at least one item is done.
    ///
    /// Each item is reported to the worker: as done, or as failed.
    fn run(&self, items: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize;

    /// Returns the numbers of the rows that items stand for.
    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        items
    }
}

/// A worker at its seat, for as long as it finds something to do.
pub(crate) struct Worker<'r> {
    run: &'r Run<'r>,
    seat: usize,
    tally: Tally,
    untold: Untold,
    failures: usize,
    /// The failures of this worker, if any number of rows may fail.
    records: Vec<Record>,
    /// When the worker's last run of rows ended.
    now: Instant,
    /// When the worker last offered its turn to other calls.
    offered: Instant,
    /// How many rows the worker last did between looks at the clock.
    pub(crate) stride: usize,
    /// Whether those rows took so little time that a look at each of them costs more.
    pub(crate) fast: bool,
    /// The attempt that is being made, if the row has failed before.
    attempt: Option<Attempt>,
    /// The worker's runs of rows, if they are recorded.
    lane: Lane,
}

/// The decision about a row that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The failure ends the run; the rest of these rows need not be run.
    Stop,
    /// The failure is recorded, and the row has no result.
    Noted,
    /// The row is tried again later; or, if the run was cancelled, it counts as never reached.
    Later,
}

impl<'r> Worker<'r> {
    pub(super) fn new(run: &'r Run<'r>) -> Self {
        let now = Instant::now();
        Worker {
            run,
            seat: run.seats.sit(),
            tally: Tally::default(),
            untold: Untold::default(),
            failures: 0,
            records: Vec::new(),
            now,
            offered: now,
            stride: 1,
            fast: false,
            attempt: None,
            lane: run.recorder.lane(),
        }
    }

    /// Returns the worker's number, which no other worker of the run has at the same time.
    pub(crate) fn seat(&self) -> usize {
        self.seat
    }

    /// Returns whether work from this row on is pointless, since a failure before it, or cancellation, has ended the run.
    #[inline]
    pub(crate) fn is_over(&self, row: usize) -> bool {
        self.run.faults.end_before(row) || self.run.is_halted()
    }

    /// Returns whether progress is reported, so that it pays to look at the clock.
    pub(crate) fn tells(&self) -> bool {
        self.run.ticker.is_some()
    }

    /// Counts rows (columns) as done.
    pub(crate) fn done(&mut self, rows: usize) {
        self.tally.stats.rows += rows;
        if let Some(ticker) = &self.run.ticker
            && let Err(error) = ticker.done(rows, &mut self.untold, &|| self.run.faults.count())
        {
            self.run.faults.abort(error);
        }
    }

    /// Decides what happens with a row (column, part) that failed.
    pub(crate) fn fail(&mut self, item: usize, failure: Failure) -> Verdict {
        if matches!(failure, Failure::Panic(_)) {
            self.run.has_panicked();
            hush::from_now_on();
        }
        if self.run.is_cut_off(&failure) {
            self.run.undone(item);
            return Verdict::Later;
        }
        let (calls, delays) = match self.attempt.take() {
            Some(attempt) => (attempt.calls + 1, Some(attempt.delays)),
            None => (failure.is_of_closure().into(), None),
        };
        if let (Some(retry), Failure::Closure(cause)) = (self.run.retry, &failure) {
            match catch(|| retry.is_worth_it(cause.get())) {
                Ok(true) => {
                    let mut delays = delays.unwrap_or_else(|| retry.delays());
                    if let Some(delay) = delays.next() {
                        let attempt = Attempt {
                            item,
                            calls,
                            delays,
                        };
                        self.run.deferred.put_off(attempt, delay);
                        self.run.bell.ring();
                        return Verdict::Later;
                    }
                }
                Ok(false) => {}
                Err(panic) => {
                    self.abort(panicked("retry", panic));
                    return Verdict::Stop;
                }
            }
        }
        self.failures += 1;
        let record = Record {
            item,
            failure,
            attempts: calls,
        };
        if self.run.faults.record(record, &mut self.records) {
            Verdict::Noted
        } else {
            Verdict::Stop
        }
    }

    /// Ends the run, whatever the policy is.
    pub(crate) fn abort(&self, error: Error) {
        self.run.faults.abort(error);
    }

    /// Returns when its last run ended and this one began.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Returns whether the next item is this worker's, in a run whose items are claimed one by one. If it is not, the items
    /// that the worker was handed are finished.
    #[inline]
    pub(crate) fn claims(&self) -> bool {
        let claims = self.run.claims.as_ref();
        claims.is_none_or(|claims| claims.claim(self.seat))
    }

    /// Runs rows. Returns the rows that were not done and that no other worker has taken over, and the pace: how many rows were
    /// done, and how long they took.
    pub(super) fn run(
        &mut self,
        kernel: &dyn Kernel,
        rows: Range<usize>,
        patience: Duration,
    ) -> (Range<usize>, Pace) {
        // A further attempt belongs to this worker alone.
        if let (Some(claims), None) = (&self.run.claims, &self.attempt) {
            claims.offer(self.seat, &rows);
        }
        let _hush = Hush::new(self.run.panicked());
        let span = self.run.span.run(self.seat, &rows);
        let (before, failed) = (self.tally.stats.rows, self.failures);
        let reached = kernel.run(rows.clone(), patience, self);
        let now = Instant::now();
        let began = std::mem::replace(&mut self.now, now);
        let time = now - began;
        if hush::is_hushed() {
            // The panic may have been in a call within.
            self.run.has_panicked();
        }
        self.tally.ran(kernel.rows_of(rows.start..reached), time);
        let (rows_done, failed) = (self.tally.stats.rows - before, self.failures - failed);
        span.end(rows_done, failed, time);
        self.lane.ran(began, now, rows_done, failed, &|| {
            kernel.rows_of(rows.start..reached)
        });
        let claims = self.run.claims.as_ref();
        let left = match claims.and_then(|claims| claims.withdraw(self.seat)) {
            Some(unclaimed) if reached < rows.end => unclaimed,
            _ => reached..rows.end,
        };
        let done = reached - rows.start;
        (left, Pace { time, rows: done })
    }

    /// Offers the worker's turn to other calls from time to time; the time that they take does not count as the worker's own.
    pub(super) fn give_way(&mut self, offer: &dyn Fn() -> Yielded) -> Yielded {
        if self.now - self.offered < OFFERED_EVERY {
            return Yielded::Stay;
        }
        let way = offer();
        if way == Yielded::Resumed {
            self.now = Instant::now();
        }
        self.offered = self.now;
        way
    }

    /// Makes another attempt at a row.
    pub(super) fn retry(&mut self, kernel: &dyn Kernel, attempt: Attempt) {
        let item = attempt.item;
        // The attempt may take long, and no other worker may have anything to report.
        if let Some(ticker) = &self.run.ticker
            && ticker.flush(&mut self.untold)
            && let Err(error) = ticker.tell_now(&|| self.run.faults.count())
        {
            self.run.faults.abort(error);
        }
        self.attempt = Some(attempt);
        let (left, _) = self.run(kernel, item..item + 1, Duration::MAX);
        match self.attempt.take() {
            // The run was cancelled before the closure was called.
            Some(attempt) if !left.is_empty() => self.run.deferred.put_off(attempt, Duration::ZERO),
            _ => self.run.deferred.tried(),
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if let Some(ticker) = &self.run.ticker {
            ticker.flush(&mut self.untold);
            // Until the next attempt, no other worker may have anything to report.
            if self.run.deferred.has_some()
                && let Err(error) = ticker.tell_now(&|| self.run.faults.count())
            {
                self.run.faults.abort(error);
            }
        }
        self.run.faults.take_over(std::mem::take(&mut self.records));
        self.run
            .recorder
            .leave(self.seat, std::mem::take(&mut self.lane));
        self.run
            .seats
            .leave(self.seat, std::mem::take(&mut self.tally));
    }
}
