//! Hands work out.
//!
//! Rows are handed out in ascending order from one counter, in morsels that shrink as the end nears. That gives three
//! things at once: cores stay busy when the last rows are the slow ones; a failing row ends the run with every lower row
//! already handed out, so the lowest failure is found without running the rest; and a run of few workers needs no pool
//! of its own.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Failure, Plan, Stop, catch};
use crate::partition::{BLOCK, Cut, room_for};

/// Work over rows.
pub(crate) trait Job: Sync {
    /// Does the rows in order, at most `block` at a time between looks at `stop`.
    fn run(&self, rows: Range<usize>, block: usize, stop: &Stop);
}

/// The most rows in a morsel: of eight-byte values, a huge page of output, so that workers seldom fault in the same one.
const MORSEL: usize = 1 << 18;

/// How many morsels each worker should still be able to take of what is left.
const SHARE: usize = 4;

/// A morsel takes about this long at least, so that handing it out costs nothing, and need not be longer than this, so
/// that the other workers are not kept waiting at the end.
const SHORTEST: Duration = Duration::from_micros(10);
const LONGEST: Duration = Duration::from_millis(5);

/// The fewest rows in a morsel of a fast closure.
const FEWEST: usize = 1 << 10;

/// Time between looks at `stop`.
const LOOK: Duration = Duration::from_micros(100);

/// What is measured before pace is trusted, and what the rest must be expected to take before other workers are woken.
const TRIAL: Duration = Duration::from_micros(5);
const WORTH_WAKING: Duration = Duration::from_micros(100);

/// Runs a job over all rows. The lowest failure, if any.
pub(crate) fn over_rows(rows: usize, plan: &Plan, job: &dyn Job) -> Option<(usize, Failure)> {
    let stop = Stop::new();
    if let Some(cut) = plan.cut {
        let cut = match cut {
            // Parts past the last row have nothing to do.
            Cut::Partitions(parts) => Cut::Partitions(parts.min(rows).max(1)),
            cut => cut,
        };
        let run = take_turns(cut.parts(rows), plan, &|part| {
            let part = cut.rows_of(part, rows);
            if !stop.is_before(part.start) {
                job.run(part, BLOCK, &stop);
            }
        });
        if let Err(error) = run {
            stop.fail(0, Failure::Known(error));
        }
    } else {
        let left = start_alone(rows, plan, job, &stop);
        if !left.rows.is_empty() {
            let next = AtomicUsize::new(left.rows.start);
            let workers = plan.workers.min(left.rows.len());
            let run = plan.run(workers, &|| {
                help(&next, rows, workers, left.pace, job, &stop);
            });
            if let Err(error) = run {
                stop.fail(left.rows.start, Failure::Known(error));
            }
        }
    }
    stop.into_failure()
}

/// Rows that are worth other workers, and what one has been found to take.
struct Left {
    rows: Range<usize>,
    pace: Pace,
}

/// How long a row takes.
#[derive(Clone, Copy)]
struct Pace(Duration, usize);

impl Pace {
    /// How many rows take about so long.
    fn rows_in(self, time: Duration) -> usize {
        let rows = time.as_nanos() * self.1 as u128 / self.0.as_nanos().max(1);
        usize::try_from(rows).unwrap_or(usize::MAX).max(1)
    }

    fn time_of(self, rows: usize) -> Duration {
        self.0.mul_f64(rows as f64 / self.1.max(1) as f64)
    }

    /// The rows between looks at `stop`.
    fn block(self) -> usize {
        match self.1 {
            0 => BLOCK,
            _ => self.rows_in(LOOK).min(BLOCK),
        }
    }
}

/// Runs the first rows on the calling thread, one, four, sixteen…, until it is clear that the rest is worth waking
/// others for. What is left then; for a small frame, or one worker, nothing.
fn start_alone(rows: usize, plan: &Plan, job: &dyn Job, stop: &Stop) -> Left {
    let alone = plan.workers == 1;
    let began = Instant::now();
    let mut pace = Pace(Duration::ZERO, 0);
    let mut done = 0;
    let mut morsel = 1;
    let mut before = began;
    while done < rows && !stop.is_before(done) {
        let end = rows.min(done + morsel);
        job.run(done..end, pace.block(), stop);
        let now = Instant::now();
        pace = Pace(now - before, end - done);
        done = end;
        if !alone && now - began >= TRIAL && pace.time_of(rows - done) >= WORTH_WAKING {
            break;
        }
        before = now;
        morsel = (morsel * 4).min(MORSEL).min(pace.rows_in(LONGEST));
    }
    let end = if stop.is_before(done) { done } else { rows };
    Left {
        rows: done..end,
        pace,
    }
}

/// Takes morsels until none are left.
fn help(
    next: &AtomicUsize,
    rows: usize,
    workers: usize,
    mut pace: Pace,
    job: &dyn Job,
    stop: &Stop,
) {
    let mut before = Instant::now();
    let mut start = next.load(Ordering::Relaxed);
    while start < rows && !stop.is_before(start) {
        let least = pace.rows_in(SHORTEST).min(FEWEST);
        let most = pace.rows_in(LONGEST).min(MORSEL).max(least);
        let left = rows - start;
        let end = start + (left / (SHARE * workers)).clamp(least, most).min(left);
        match next.compare_exchange_weak(start, end, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                job.run(start..end, pace.block(), stop);
                let now = Instant::now();
                pace = Pace(now - before, end - start);
                before = now;
                start = next.load(Ordering::Relaxed);
            }
            Err(taken_to) => start = taken_to,
        }
    }
}

/// Calls `work` for each item, in ascending order, on the plan's workers.
fn take_turns(
    items: usize,
    plan: &Plan,
    work: &(dyn Fn(usize) + Sync),
) -> crate::error::Result<()> {
    let workers = plan.workers.min(items);
    if workers <= 1 {
        (0..items).for_each(work);
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    plan.run(workers, &|| {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                return;
            }
            work(item);
        }
    })
}

/// The results of `work` for each item, in order; or the lowest failure.
pub(crate) fn each<T>(
    items: usize,
    plan: &Plan,
    work: impl Fn(usize) -> Result<T, Failure> + Sync,
) -> Result<Vec<T>, (usize, Failure)>
where
    T: Send,
{
    let stop = Stop::new();
    let mut results: Vec<Mutex<Option<T>>> = match room_for(items, "partitions") {
        Ok(room) => room,
        Err(error) => return Err((0, Failure::Known(error))),
    };
    results.extend((0..items).map(|_| Mutex::new(None)));
    let run = take_turns(items, plan, &|item| {
        if stop.is_before(item) {
            return;
        }
        match catch(|| work(item)).and_then(|result| result) {
            Ok(result) => {
                *results[item].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            }
            Err(failure) => stop.fail(item, failure),
        }
    });
    if let Err(error) = run {
        stop.fail(0, Failure::Known(error));
    }
    match stop.into_failure() {
        Some(failure) => Err(failure),
        None => Ok(results
            .into_iter()
            .map(|result| {
                let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
                result.expect("without a failure every item has its result")
            })
            .collect()),
    }
}
