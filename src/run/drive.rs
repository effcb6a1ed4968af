//! Hands work out.
//!
//! Rows are handed out in ascending order, in morsels that shrink as the end nears; what of a morsel takes too long is
//! given back. So cores stay busy wherever the slow rows are, and a failing row ends the run with every lower row handed
//! out before it: the lowest failure is found without running the rest.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Failure, Plan, Stop, catch};
use crate::error::Result;
use crate::partition::{Cut, room_for};

/// Work over rows.
pub(crate) trait Job: Sync {
    /// Does rows in order, until they are done, a failure lies before them, or its patience is at an end; and tells the
    /// first row not done. At least one row is done.
    fn run(&self, rows: Range<usize>, patience: Duration, stop: &Stop) -> usize;
}

/// The most rows in a morsel: of eight-byte values, some huge pages of output, so that workers seldom fault in the same
/// one.
const MORSEL: usize = 1 << 20;

/// The fewest rows in a morsel of a fast closure.
const FEWEST: usize = 1 << 12;

/// How many morsels each worker should still be able to take of what is left.
const SHARE: usize = 2;

/// A morsel takes about this long at least, so that handing it out costs nothing; what is not done after the longest is
/// given back, so that the other workers can share it.
const SHORTEST: Duration = Duration::from_micros(10);
const LONGEST: Duration = Duration::from_millis(5);

/// What is measured before pace is trusted, and what the rest must be expected to take before other workers are woken.
const TRIAL: Duration = Duration::from_micros(5);
const WORTH_WAKING: Duration = Duration::from_micros(100);

/// Runs a job over all rows. The lowest failure, if any.
pub(crate) fn over_rows(rows: usize, plan: &Plan, job: &dyn Job) -> Option<(usize, Failure)> {
    let stop = Stop::new();
    let run = match plan.cut {
        Some(cut) => {
            let cut = match cut {
                // Parts past the last row have nothing to do.
                Cut::Partitions(parts) => Cut::Partitions(parts.min(rows).max(1)),
                cut => cut,
            };
            take_turns(cut.parts(rows), plan, &|part| {
                let part = cut.rows_of(part, rows);
                if !part.is_empty() && !stop.is_before(part.start) {
                    job.run(part, Duration::MAX, &stop);
                }
            })
        }
        None => {
            let (left, pace) = start_alone(rows, plan, job, &stop);
            if left.is_empty() {
                Ok(())
            } else {
                share_out(left, pace, plan, job, &stop)
            }
        }
    };
    if let Err(error) = run {
        stop.fail(0, Failure::Known(error));
    }
    stop.into_failure()
}

/// How long rows take: a time, and how many took it.
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

    /// A morsel of what is left.
    fn morsel(self, left: usize, workers: usize) -> usize {
        let least = self.rows_in(SHORTEST).min(FEWEST);
        let most = self.rows_in(LONGEST).min(MORSEL).max(least);
        (left / (SHARE * workers)).clamp(least, most).min(left)
    }
}

/// Runs the first rows on the calling thread, one, four, sixteen…, until it is clear that the rest is worth waking
/// others for. What is left then, and the last pace; for a small frame, or one worker, nothing is left.
fn start_alone(rows: usize, plan: &Plan, job: &dyn Job, stop: &Stop) -> (Range<usize>, Pace) {
    let alone = plan.workers == 1;
    let patience = if alone { Duration::MAX } else { WORTH_WAKING };
    let began = Instant::now();
    let mut before = began;
    let mut pace = Pace(Duration::ZERO, 0);
    let mut done = 0;
    let mut morsel = 1;
    while done < rows && !stop.is_before(done) {
        let reached = job.run(done..rows.min(done + morsel), patience, stop);
        let now = Instant::now();
        pace = Pace(now - before, reached - done);
        done = reached;
        if !alone && now - began >= TRIAL && pace.time_of(rows - done) >= WORTH_WAKING {
            break;
        }
        before = now;
        morsel = (morsel * 4).min(MORSEL);
    }
    let end = if stop.is_before(done) { done } else { rows };
    (done..end, pace)
}

/// Rows that nobody has taken, the lowest last.
struct Queue(Mutex<Vec<Range<usize>>>);

impl Queue {
    /// Takes a morsel off the lowest rows.
    fn take(&self, pace: Pace, workers: usize, stop: &Stop) -> Option<Range<usize>> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = queue.iter().map(Range::len).sum();
        let lowest = queue.last_mut()?;
        if stop.is_before(lowest.start) {
            return None;
        }
        let end = lowest.start + pace.morsel(left, workers).min(lowest.len());
        let morsel = lowest.start..end;
        lowest.start = end;
        if lowest.start == lowest.end {
            queue.pop();
        }
        Some(morsel)
    }

    fn give_back(&self, rows: Range<usize>) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = queue.partition_point(|other| other.start > rows.start);
        queue.insert(place, rows);
    }
}

/// Runs rows on the plan's workers.
fn share_out(
    rows: Range<usize>,
    pace: Pace,
    plan: &Plan,
    job: &dyn Job,
    stop: &Stop,
) -> Result<()> {
    let workers = plan.workers.min(rows.len());
    let queue = Queue(Mutex::new(vec![rows]));
    let active = AtomicUsize::new(workers);
    plan.run(workers, &|one_more| {
        let mut pace = pace;
        let mut before = Instant::now();
        while let Some(morsel) = queue.take(pace, workers, stop) {
            let reached = job.run(morsel.clone(), LONGEST, stop);
            let now = Instant::now();
            pace = Pace(now - before, reached - morsel.start);
            before = now;
            if reached < morsel.end && !stop.is_before(reached) {
                queue.give_back(reached..morsel.end);
                // One who found nothing to do may have left.
                let more = |active| (active < workers).then_some(active + 1);
                let order = Ordering::Relaxed;
                if active.fetch_update(order, order, more).is_ok() {
                    one_more();
                }
            }
        }
        active.fetch_sub(1, Ordering::Relaxed);
    })
}

/// Calls `work` for each item, in ascending order, on the plan's workers.
fn take_turns(items: usize, plan: &Plan, work: &(dyn Fn(usize) + Sync)) -> Result<()> {
    let workers = plan.workers.min(items);
    if workers <= 1 {
        (0..items).for_each(work);
        return Ok(());
    }
    let next = AtomicUsize::new(0);
    plan.run(workers, &|_| {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    /// A job that notes which rows it did, and loses its patience as a script says.
    struct Scripted<'a> {
        done: &'a Mutex<Vec<usize>>,
        /// How many rows it does at a time, from a row on.
        at_a_time: fn(usize) -> usize,
        fails: Option<usize>,
    }

    impl Job for Scripted<'_> {
        fn run(&self, rows: Range<usize>, _: Duration, stop: &Stop) -> usize {
            let end = rows.end.min(rows.start + (self.at_a_time)(rows.start));
            for row in rows.start..end {
                if self.fails == Some(row) {
                    stop.fail(row, Failure::Panic("scripted".into()));
                    return end;
                }
                self.done.lock().unwrap().push(row);
            }
            end
        }
    }

    fn plan(workers: usize) -> Plan {
        let options = Options {
            workers: Some(workers),
            ..Options::default()
        };
        Plan::new(&options, &mut Vec::new())
    }

    #[test]
    fn what_is_given_back_is_done_once() {
        for workers in [1, 2, 4] {
            for at_a_time in [|_| 1, |row| 1 + row % 7, |_| usize::MAX / 2] {
                let done = Mutex::new(Vec::new());
                let job = Scripted {
                    done: &done,
                    at_a_time,
                    fails: None,
                };
                assert!(over_rows(5000, &plan(workers), &job).is_none());
                let mut done = done.into_inner().unwrap();
                done.sort_unstable();
                assert_eq!(done, (0..5000).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_rows_before_a_failure_are_done() {
        for workers in [1, 2, 4] {
            let done = Mutex::new(Vec::new());
            let job = Scripted {
                done: &done,
                at_a_time: |row| 1 + row % 5,
                fails: Some(1234),
            };
            let failure = over_rows(5000, &plan(workers), &job);
            assert_eq!(failure.map(|(row, _)| row), Some(1234));
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done[..1234], (0..1234).collect::<Vec<_>>());
        }
    }
}
