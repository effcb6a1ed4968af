//! The run of a closure over items.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::slots::Slots;
use super::source::{Open, Source};
use crate::cancel::{CancelToken, Halt};
use crate::context::{Context, Contexts};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::options::Options;
use crate::pool::Pool;
use crate::progress::Progress;
use crate::run::{BATCH, Broken, Cause, Failure, Job, Plan, Run, Steps, Verdict, Worker, catch};
use crate::verbs::failed;

/// Calls a closure for each item on a pool's workers, and gives the results in order.
///
/// A call that is part of a job has the job's token, and tells it how far it is.
pub(super) fn map_items<T, U, C, F>(
    pool: &Pool,
    source: Source<T>,
    within: Option<(&CancelToken, Arc<dyn Progress>)>,
    make: &(dyn Fn() -> Result<C> + Sync),
    call: F,
) -> Result<Vec<U>>
where
    T: Send,
    U: Send,
    C: Context + Send,
    F: Fn(&mut C, T) -> Result<U, anyhow::Error> + Sync,
{
    let (job, progress) = within.unzip();
    let options = Options {
        pool: Some(pool.clone()),
        job: job.cloned(),
        progress,
        ..Options::default()
    };
    let mut faults = Vec::new();
    let plan = Plan::new(&options, &mut faults);
    Error::of_all(faults)?;
    let items = source.len();
    let contexts = Contexts::new(make);
    let run = Run::new("map", &options, &plan, None, items, items).side_by_side();
    let halt = run.halt_flag();
    let work = Items {
        slots: Slots::new(items),
        source: source.open(),
        contexts: &contexts,
        call,
        halt: halt.as_deref(),
        done: Mutex::default(),
    };
    // Not on the calling thread, unless that is a worker of the pool: so a pool of one does one thing at a time.
    let ended = pool.threads().run_once(|| run.drive(&work));
    let Items {
        source,
        slots,
        done,
        ..
    } = work;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|done| done.taken.start);
    let taken: Vec<Range<usize>> = done.iter().map(|done| done.taken.clone()).collect();
    // SAFETY: the run is over, and noted what it took.
    unsafe { source.drop_all_but(&taken) };
    let broken = match ended {
        // SAFETY: a run that ended, under a policy that lets no failure pass and wants no part, has set every slot.
        Ok(_) => return Ok(unsafe { slots.assume_full() }),
        Err(broken) => broken,
    };
    let set: Vec<Range<usize>> = done.iter().map(Done::set).collect();
    // SAFETY: the run is over, and noted what it set.
    unsafe { slots.drop_these(&set) };
    Err(match broken {
        Broken::Fatal(error) => error,
        Broken::Failed(mut records) => {
            let record = records.pop().expect("a run fails by a failure");
            failed(record.failure, Place::Item(record.item), |_| None, |_| None)
        }
        Broken::Cancelled { done, .. } => ErrorKind::Cancelled {
            done,
            total: items,
            deadline: None,
            failure: None,
            partial: true,
        }
        .into(),
    })
}

struct Items<'m, T, U, C, F> {
    source: Open<T>,
    slots: Slots<U>,
    contexts: &'m Contexts<'m, C>,
    call: F,
    halt: Option<&'m Halt>,
    done: Mutex<Vec<Done>>,
}

/// Items that were taken one after the other, and whose slots are set; but for the last one's, where it has failed.
struct Done {
    taken: Range<usize>,
    failed: bool,
}

impl Done {
    fn set(&self) -> Range<usize> {
        self.taken.start..self.taken.end - usize::from(self.failed)
    }
}

/// How a stride ended.
enum Stride {
    Done,
    /// Before an item, since the run was stopped from outside.
    Halted,
    Failed(Failure),
}

/// What outlives a panic in the closure: noted on the way out, so that the loop itself can keep it in a register.
struct Kept<'k> {
    item: usize,
    left: &'k mut usize,
}

impl Drop for Kept<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.left = self.item;
    }
}

impl<T, U, C, F> Items<'_, T, U, C, F>
where
    F: Fn(&mut C, T) -> Result<U, anyhow::Error>,
{
    /// Calls the closure for items, and tells the first that has no result, and why. `batch` of them come between looks at
    /// whether the run was stopped.
    ///
    /// # Safety
    /// There are so many items, and none of these was taken before.
    unsafe fn stride(&self, context: &mut C, items: Range<usize>, batch: usize) -> (usize, Stride) {
        let mut reached = items.start;
        let left = &mut reached;
        let ended = catch(move || {
            let mut kept = Kept {
                item: items.start,
                left,
            };
            let mut start = items.start;
            while start < items.end {
                if self.halt.is_some_and(Halt::is_set) {
                    return Stride::Halted;
                }
                let end = items.end.min(start + batch);
                for item in start..end {
                    kept.item = item;
                    // SAFETY: the caller vouches for the items, and they have as many slots; each is come to once.
                    match (self.call)(context, unsafe { self.source.take(item) }) {
                        Ok(result) => unsafe { self.slots.set(item, result) },
                        Err(error) => return Stride::Failed(Failure::Closure(Cause::new(error))),
                    }
                }
                kept.item = end;
                start = end;
            }
            Stride::Done
        });
        (reached, ended.unwrap_or_else(Stride::Failed))
    }

    /// Notes which items were taken.
    fn note(&self, taken: Range<usize>, failed: bool) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.is_empty() {
            done.push(Done { taken, failed });
        }
    }
}

impl<T, U, C, F> Job for Items<'_, T, U, C, F>
where
    T: Send,
    U: Send,
    C: Context + Send,
    F: Fn(&mut C, T) -> Result<U, anyhow::Error> + Sync,
{
    fn run(&self, items: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize {
        let (start, end) = (items.start, items.end);
        let mut context = match self.contexts.lend(worker.seat()) {
            Ok(context) => context,
            Err(error) => {
                worker.abort(error);
                return start;
            }
        };
        let mut steps = Steps::new(worker, patience, self.halt.is_some());
        let mut done = start;
        while done < end {
            let next = end.min(done + steps.stride);
            let batch = if steps.fast { BATCH } else { 1 };
            // SAFETY: the items are within those there are, of which the run hands each out once; what is given back, from
            // the item returned on, was not taken.
            let (reached, ended) = unsafe { self.stride(&mut context, done..next, batch) };
            let items = reached - done;
            worker.done(items);
            done = reached;
            match ended {
                Stride::Done => {}
                Stride::Halted => break,
                Stride::Failed(failure) => {
                    self.note(start..done + 1, true);
                    return match worker.fail(done, failure) {
                        Verdict::Stop => {
                            worker.done(1);
                            end
                        }
                        // It said that the run was cancelled: it counts as not come to, but it is taken.
                        Verdict::Noted | Verdict::Later => done + 1,
                    };
                }
            }
            if done < end && (steps.took(items, true) || worker.is_over(done)) {
                break;
            }
        }
        steps.leave(worker);
        self.note(start..done, false);
        done
    }
}
