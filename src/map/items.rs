//! Running a closure over items.

use std::ops::Range;
use std::time::Duration;

use polars::prelude::Column;

use super::slots::ResultSlots;
use super::source::{ItemSource, Loop, Open};
use crate::cancel::{CancelToken, Halt};
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, Place, Result};
use crate::options::Options;
use crate::partition::Cut;
use crate::pool::Pool;
use crate::progress::Progress;
use crate::row_numbers::RowNumbers;
use crate::run::{BATCH, Cause, Failure, Kernel, Plan, Steps, Verdict, Worker, catch};
use crate::sealed::Sealed;
use crate::sync::{Arc, Mutex, PoisonError};
use crate::verbs::{Gaps, Items, Verb, call};

/// Calls a closure for each item on a pool's workers, and gives the results in order.
///
/// A call that is part of a job uses the job's token, and reports its progress to the job.
pub(super) fn map_items<T, U, C, F>(
    pool: &Pool,
    source: ItemSource<T>,
    within: Option<(&CancelToken, Arc<dyn Progress>)>,
    make: &(dyn Fn() -> Result<C> + Sync),
    f: F,
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
    let map = Map {
        source: Some(source.open()),
        slots: Some(ResultSlots::new(items)?),
        f,
        done: Mutex::default(),
        items: MapItems {
            len: items,
            numbers: RowNumbers::default(),
        },
    };
    call(&options, &plan, MadeBy(make), map).map(|outcome| outcome.output)
}

/// A function that makes contexts; at the end, the contexts are only dropped.
struct MadeBy<'m, C>(&'m (dyn Fn() -> Result<C> + Sync));

impl<C> Sealed for MadeBy<'_, C> {}

impl<C> Lead<C> for MadeBy<'_, C> {
    const SEEDED: bool = false;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<C> + Sync,
        impl FnOnce(Vec<C>) -> Result<()>,
    ) {
        (self.0, |_| Ok(()))
    }
}

/// A closure that is called for items, and its results.
struct Map<T, U, F> {
    /// Set until the items that are left have been dropped.
    source: Option<Open<T>>,
    /// Set until they are given as the output.
    slots: Option<ResultSlots<U>>,
    f: F,
    done: Mutex<Vec<Done>>,
    items: MapItems,
}

/// How failures and errors name items.
struct MapItems {
    len: usize,
    numbers: RowNumbers,
}

impl Items for MapItems {
    fn len(&self) -> usize {
        self.len
    }

    fn place(&self, item: usize) -> Place {
        Place::Item(item)
    }

    fn input(&self, _: usize, _: usize) -> Option<String> {
        None
    }

    fn output(&self, _: usize) -> Option<String> {
        None
    }

    fn which(&self, _: &[usize]) -> Vec<Column> {
        Vec::new()
    }

    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        items
    }

    fn numbers(&self) -> &RowNumbers {
        &self.numbers
    }

    fn rows(&self) -> usize {
        self.len
    }

    fn has_parts(&self) -> bool {
        false
    }
}

impl<T, U, C, F> Verb<C> for Map<T, U, F>
where
    T: Send,
    U: Send,
    C: Context + Send,
    F: Fn(&mut C, T) -> Result<U, anyhow::Error> + Sync,
{
    type Output = Vec<U>;

    const NAME: &'static str = "map";
    const ON_WORKERS: bool = true;

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, _: &Plan) -> Option<Cut> {
        None
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Kernel {
        MapKernel {
            source: self.source.as_ref().expect("the items are there"),
            slots: self.slots.as_ref().expect("the slots are there"),
            f: &self.f,
            done: &self.done,
            contexts,
            halt,
        }
    }

    fn output(mut self, _: &Gaps) -> Result<Vec<U>> {
        let slots = self.slots.take().expect("the slots are there");
        // SAFETY: a run that ended, under a policy that lets no failure pass and asks for no partial output, has set every slot.
        Ok(unsafe { slots.assume_full() })
    }
}

/// Drops the items that were not taken, and the results that were not given to the caller.
impl<T, U, F> Drop for Map<T, U, F> {
    fn drop(&mut self) {
        let done = self.done.get_mut().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|done| done.taken.start);
        if let Some(source) = self.source.take() {
            let taken: Vec<Range<usize>> = done.iter().map(|done| done.taken.clone()).collect();
            // SAFETY: no run is under way, since this is not borrowed. The run noted every item that it took, since nothing between
            // taking and noting unwinds (`MapKernel::run`).
            unsafe { source.drop_all_but(&taken) };
        }
        if let Some(slots) = self.slots.take() {
            let set: Vec<Range<usize>> = done.iter().map(Done::set).collect();
            // SAFETY: as above, the run noted every slot that it set.
            unsafe { slots.drop_these(&set) };
        }
    }
}

/// The kernel that calls a closure for items.
struct MapKernel<'j, T, U, C, F> {
    source: &'j Open<T>,
    slots: &'j ResultSlots<U>,
    f: &'j F,
    done: &'j Mutex<Vec<Done>>,
    contexts: &'j Contexts<'j, C>,
    halt: Option<&'j Halt>,
}

/// A range of items that were taken, and whose slots are set; if `failed`, the slot of the last one is not.
struct Done {
    taken: Range<usize>,
    failed: bool,
}

impl Done {
    fn set(&self) -> Range<usize> {
        self.taken.start..self.taken.end - usize::from(self.failed)
    }
}

/// How a stride of items ended.
enum MapStride {
    Done,
    /// The run was stopped from outside, before an item.
    Halted,
    Failed(Failure),
}

/// The position that outlives a panic in the closure. It is written on the way out, so that the loop can keep it in a register.
struct Reached<'k> {
    item: usize,
    left: &'k mut usize,
}

impl Drop for Reached<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        *self.left = self.item;
    }
}

/// Calls the closure for items, and reports the first item that has no result, with the reason.
struct ItemLoop<'c, U, C, F> {
    items: Range<usize>,
    /// How many items are called between two looks at whether the run was stopped.
    batch: usize,
    context: &'c mut C,
    call: &'c F,
    slots: &'c ResultSlots<U>,
    halt: Option<&'c Halt>,
}

impl<T, U, C, F> Loop<T> for ItemLoop<'_, U, C, F>
where
    F: Fn(&mut C, T) -> Result<U, anyhow::Error>,
{
    type Out = (usize, MapStride);

    #[inline(always)]
    unsafe fn run(self, take: impl Fn(usize) -> T) -> (usize, MapStride) {
        let mut reached = self.items.start;
        let left = &mut reached;
        let ended = catch(move || {
            // Locals can live in registers; what is captured lives behind a pointer that a write might alias.
            let take = take;
            let ItemLoop {
                items,
                batch,
                context,
                call,
                slots,
                halt,
            } = self;
            let slots = slots.writer();
            let mut kept = Reached {
                item: items.start,
                left,
            };
            let mut start = items.start;
            while start < items.end {
                if halt.is_some_and(Halt::is_set) {
                    return MapStride::Halted;
                }
                let end = items.end.min(start + batch);
                for item in start..end {
                    kept.item = item;
                    match call(context, take(item)) {
                        // SAFETY: there are as many slots as items, and each item is called once.
                        Ok(result) => unsafe { slots.set(item, result) },
                        Err(error) => {
                            return MapStride::Failed(Failure::Closure(Cause::new(error)));
                        }
                    }
                }
                kept.item = end;
                start = end;
            }
            MapStride::Done
        });
        (reached, ended.unwrap_or_else(MapStride::Failed))
    }
}

impl<T, U, C, F> MapKernel<'_, T, U, C, F> {
    /// Records which items were taken.
    fn note(&self, taken: Range<usize>, failed: bool) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.is_empty() {
            done.push(Done { taken, failed });
        }
    }
}

impl<T, U, C, F> Kernel for MapKernel<'_, T, U, C, F>
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
            let calls = ItemLoop {
                items: done..next,
                batch,
                context: &mut *context,
                call: self.f,
                slots: self.slots,
                halt: self.halt,
            };
            // SAFETY: the items exist, and the run hands each one out once. The items that are given back, from the returned one
            // on, were not taken.
            let (reached, ended) = unsafe { self.source.run(calls) };
            let items = reached - done;
            worker.done(items);
            done = reached;
            match ended {
                MapStride::Done => {}
                MapStride::Halted => break,
                MapStride::Failed(failure) => {
                    self.note(start..done + 1, true);
                    return match worker.fail(done, failure) {
                        Verdict::Stop => {
                            worker.done(1);
                            end
                        }
                        // The closure said that the run was cancelled, so the item counts as never reached, but it was taken.
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
