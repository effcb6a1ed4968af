//! One worker of a run: what it does, and whom it tells.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::deferred::Attempt;
use super::failure::panicked;
use super::faults::Record;
use super::hush::{self, Hush};
use super::queue::Pace;
use super::seats::Tally;
use super::ticker::Untold;
use super::{Failure, Run, catch};
use crate::error::Error;
use crate::pool::Yielded;

/// How often a worker looks whether it is another call's turn.
const OFFERED_EVERY: Duration = Duration::from_millis(1);

/// What a verb does with a range of its items, which are rows, columns or parts: the code between a worker and the closure.
pub(crate) trait Kernel: Sync {
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

/// A worker at its seat, for as long as it finds something to do.
pub(crate) struct Worker<'r> {
    run: &'r Run<'r>,
    seat: usize,
    tally: Tally,
    untold: Untold,
    failures: usize,
    /// What has failed, where any number may.
    records: Vec<Record>,
    /// When its last run ended.
    now: Instant,
    /// When it last offered its turn to other calls.
    offered: Instant,
    /// How many rows it did last between looks at the clock.
    pub(crate) stride: usize,
    /// Whether those took so little time that a look at each costs more.
    pub(crate) fast: bool,
    /// The attempt that is being made, where the row has failed before.
    attempt: Option<Attempt>,
}

/// What becomes of a row that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ends the run: what is left of these rows need not be run.
    Stop,
    /// It is noted, and has no result.
    Noted,
    /// It is tried again later; or, where the run was cancelled, counts as not come to.
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
        }
    }

    /// The worker's number: no other worker of the run has it at the same time.
    pub(crate) fn seat(&self) -> usize {
        self.seat
    }

    /// Whether work from this row on is pointless, since a failure before it, or a cancel, has ended the run.
    #[inline]
    pub(crate) fn is_over(&self, row: usize) -> bool {
        self.run.faults.end_before(row) || self.run.is_halted()
    }

    /// Whether someone is told how far the run is, so that it pays to look at the clock.
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

    /// Decides what becomes of a row (column, part) that failed.
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

    /// Ends the run, whatever the policy.
    pub(crate) fn abort(&self, error: Error) {
        self.run.faults.abort(error);
    }

    /// When its last run ended, and this one began.
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Whether the next item is this worker's, of a run whose items are claimed one by one. Where it is not, what was handed out is
    /// done.
    #[inline]
    pub(crate) fn claims(&self) -> bool {
        let claims = self.run.claims.as_ref();
        claims.is_none_or(|claims| claims.claim(self.seat))
    }

    /// Runs rows; and tells which of them were not done, and nobody else has taken over; and how long those done took, and how many
    /// these are.
    pub(super) fn run(
        &mut self,
        kernel: &dyn Kernel,
        rows: Range<usize>,
        patience: Duration,
    ) -> (Range<usize>, Pace) {
        // Another attempt is this worker's alone.
        if let (Some(claims), None) = (&self.run.claims, &self.attempt) {
            claims.offer(self.seat, &rows);
        }
        let _hush = Hush::new(self.run.panicked());
        let span = self.run.span.run(self.seat, &rows);
        let (before, failed) = (self.tally.stats.rows, self.failures);
        let reached = kernel.run(rows.clone(), patience, self);
        let now = Instant::now();
        let time = now - self.now;
        self.now = now;
        if hush::is_hushed() {
            // Perhaps by a call within.
            self.run.has_panicked();
        }
        self.tally.ran(kernel.rows_of(rows.start..reached), time);
        span.end(self.tally.stats.rows - before, self.failures - failed, time);
        let claims = self.run.claims.as_ref();
        let left = match claims.and_then(|claims| claims.withdraw(self.seat)) {
            Some(unclaimed) if reached < rows.end => unclaimed,
            _ => reached..rows.end,
        };
        let done = reached - rows.start;
        (left, Pace { time, rows: done })
    }

    /// Offers the worker's turn to other calls, now and then; the time that others take is not its own.
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
        // The attempt may take long, and nobody else may have anything to report.
        if let Some(ticker) = &self.run.ticker
            && ticker.flush(&mut self.untold)
            && let Err(error) = ticker.tell_now(&|| self.run.faults.count())
        {
            self.run.faults.abort(error);
        }
        self.attempt = Some(attempt);
        let (left, _) = self.run(kernel, item..item + 1, Duration::MAX);
        match self.attempt.take() {
            // Cancelled before it was called.
            Some(attempt) if !left.is_empty() => self.run.deferred.put_off(attempt, Duration::ZERO),
            _ => self.run.deferred.tried(),
        }
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        if let Some(ticker) = &self.run.ticker {
            ticker.flush(&mut self.untold);
            // Until the next attempt nobody may have anything to tell.
            if self.run.deferred.has_some()
                && let Err(error) = ticker.tell_now(&|| self.run.faults.count())
            {
                self.run.faults.abort(error);
            }
        }
        self.run.faults.take_over(std::mem::take(&mut self.records));
        self.run
            .seats
            .leave(self.seat, std::mem::take(&mut self.tally));
    }
}
