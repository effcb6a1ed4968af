//! One call of the closure for each group, for every verb that calls a closure of groups.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use super::call::Verb;
use super::prepared::{GroupItems, Prepared};
use super::report::{Gaps, Items};
use crate::cancel::Halt;
use crate::context::{Context, Contexts};
use crate::error::{Error, ErrorKind, Result};
use crate::function::GroupFn;
use crate::groups::Groups;
use crate::outcome::SlowestGroup;
use crate::partition::Cut;
use crate::read::{ItemSpans, Reader, SpanArgs, SpanColumns, SpanReader, Unreadable, WholeColumns};
use crate::row_numbers::RowNumbers;
use crate::run::{Failure, Kernel, Plan, Steps, Verdict, Worker, catch};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};

/// What a verb does with the results of groups.
pub(super) trait GroupOutput<R>: Sync {
    type Output;

    const NAME: &'static str;
    const WHOLE: bool;

    /// A result in the form in which it is kept.
    type Item;

    type Writer<'w>
    where
        Self: 'w;

    /// Encodes the result of a group with `rows` rows.
    fn encode(&self, result: R, group: usize, rows: usize) -> Result<Self::Item, Failure>;

    /// Makes a writer for neighbouring groups. Another worker may take over some of them at any time, so none of them belongs
    /// to this writer alone.
    ///
    /// # Safety
    /// No group is written by two writers. A writer may be finished before it has written all of its groups.
    unsafe fn writer<'w>(&'w self, groups: Range<usize>) -> Self::Writer<'w>;

    /// Keeps a result; `None` if the group has failed, or is not given to the closure.
    ///
    /// # Safety
    /// The group is the next one of the writer's groups.
    unsafe fn put<'w>(
        &'w self,
        writer: &mut Self::Writer<'w>,
        group: usize,
        item: Option<Self::Item>,
    );

    fn finish<'w>(&'w self, writer: Self::Writer<'w>);

    /// Puts all results together.
    fn output(self, gaps: &Gaps) -> Result<Self::Output>;
}

/// A closure of groups, and the data that it is given.
pub(super) struct GroupsGiven<'r, F, A: SpanArgs> {
    f: &'r F,
    bound: A::Bound<'r>,
    order: &'r Groups,
    unreadable: Unreadable,
    /// The numbers of the groups' random streams.
    streams: RowNumbers,
    slowest: Slowest,
}

impl<'r, F, A: SpanArgs> GroupsGiven<'r, F, A> {
    pub(super) fn new<M, C>(f: &'r F, prepared: &'r Prepared<'_>, is_seeded: bool) -> Self
    where
        F: GroupFn<M, C, Arguments = A>,
    {
        let order = prepared.order();
        let mut columns = SpanColumns {
            arguments: prepared.arranged.chunks().into_iter(),
            numbers: &prepared.position_numbers,
            whole: WholeColumns {
                frame: &prepared.frame,
                keys: &prepared.keys,
                first_rows: &prepared.first_rows,
            },
        };
        // SAFETY: the columns are those that were chosen for these arguments, and cast to what they take.
        let bound = unsafe { A::bind(&mut columns) };
        let mut scratch = A::Scratch::default();
        let opened = A::open(&bound, &mut scratch);
        let unreadable = Unreadable::find::<A>(&opened, order.grouped_rows());
        let streams = match is_seeded {
            true => {
                let first_rows = prepared.groups.first_rows().iter();
                prepared.numbers.picked(first_rows.map(|row| *row as usize))
            }
            false => RowNumbers::default(),
        };
        drop(scratch);
        GroupsGiven {
            f,
            bound,
            order,
            unreadable,
            streams,
            slowest: Slowest::default(),
        }
    }
}

/// A closure that is called for groups, and what happens to the results.
pub(super) struct GroupsVerb<'r, M, C, F, A: SpanArgs, O> {
    items: GroupItems<'r>,
    given: GroupsGiven<'r, F, A>,
    output: O,
    marker: PhantomData<fn(M, C)>,
}

impl<'r, M, C, F, O> GroupsVerb<'r, M, C, F, F::Arguments, O>
where
    F: GroupFn<M, C>,
{
    pub(super) fn new(
        items: GroupItems<'r>,
        given: GroupsGiven<'r, F, F::Arguments>,
        output: O,
    ) -> Self {
        let marker = PhantomData;
        GroupsVerb {
            items,
            given,
            output,
            marker,
        }
    }
}

impl<M, C, F, O> Verb<C> for GroupsVerb<'_, M, C, F, F::Arguments, O>
where
    C: Context + Send,
    F: GroupFn<M, C>,
    O: GroupOutput<F::Out>,
{
    type Output = O::Output;

    const NAME: &'static str = O::NAME;
    const WHOLE: bool = O::WHOLE;

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, _: &Plan) -> Option<Cut> {
        None
    }

    fn claims(&self, plan: &Plan) -> Option<Vec<usize>> {
        Some(self.items.prepared.large(plan.workers()))
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, _: Option<&'j Halt>) -> impl Kernel {
        let prepared = self.items.prepared;
        GroupKernel {
            verb: self,
            contexts,
            number: move |position: usize| prepared.numbers.of(prepared.order().row_at(position)),
        }
    }

    fn slowest(&self) -> Option<SlowestGroup> {
        let (time, group) = self.given.slowest.take()?;
        Some(self.items.slowest(group, time))
    }

    fn output(self, gaps: &Gaps) -> Result<O::Output> {
        self.output.output(gaps)
    }
}

/// The kernel that calls a closure for groups.
struct GroupKernel<'j, 'r, M, C, F, O, N>
where
    F: GroupFn<M, C>,
{
    verb: &'j GroupsVerb<'r, M, C, F, F::Arguments, O>,
    contexts: &'j Contexts<'j, C>,
    number: N,
}

impl<M, C, F, O, N> Kernel for GroupKernel<'_, '_, M, C, F, O, N>
where
    C: Context + Send,
    F: GroupFn<M, C>,
    O: GroupOutput<F::Out>,
    N: Fn(usize) -> usize + Sync,
{
    fn run(&self, items: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize {
        let GroupsVerb {
            items: groups,
            given,
            output,
            ..
        } = self.verb;
        let mut context = match self.contexts.lend(worker.seat()) {
            Ok(context) => context,
            Err(error) => {
                worker.abort(error);
                return items.start;
            }
        };
        let mut scratch = <F::Arguments as SpanArgs>::Scratch::default();
        let opened = F::Arguments::open(&given.bound, &mut scratch);
        let spans = GroupSpans(given.order);
        // SAFETY: the columns have every row of every group, and the columns of keys every group. The rows are valid where they
        // are not noted as unreadable (`Prepared`).
        let reader = unsafe {
            SpanReader::<F::Arguments, _>::new(
                opened,
                spans,
                &given.unreadable,
                &self.number,
                0..groups.len(),
            )
        };
        // SAFETY: groups are handed out once. Groups that are given back (from the returned one on), or that other workers have
        // taken over, are not written here.
        let mut writer = unsafe { output.writer(items.clone()) };
        let mut steps = Clock::new(worker, patience);
        for group in items.clone() {
            if worker.is_over(group) || !worker.claims() {
                // This accounts for the time of the groups before this one, even if other workers have taken over the groups
                // after a slow one.
                steps.look(&given.slowest);
                steps.leave(worker);
                output.finish(writer);
                return group;
            }
            let rows = groups.prepared.groups.span(group).len();
            // SAFETY: it is one of the groups, and it is read only where it is valid.
            let result = unsafe {
                match reader.is_valid(group) {
                    true => {
                        context.at(&given.streams, group);
                        catch(|| {
                            let result = given.f.call(&mut *context, reader.read::<true>(group));
                            output.encode(result, group, given.order.span(group).len())
                        })
                        .and_then(|item| item)
                        .map(Some)
                    }
                    false => match reader.fault(group) {
                        fault if fault.message.is_some() => Err(Failure::Read(fault)),
                        _ => Ok(None),
                    },
                }
            };
            let item = match result {
                Ok(item) => item,
                Err(failure) => match worker.fail(group, failure.of_row(group)) {
                    Verdict::Stop => {
                        steps.look(&given.slowest);
                        worker.done(rows);
                        output.finish(writer);
                        return items.end;
                    }
                    Verdict::Noted => None,
                    Verdict::Later => {
                        steps.is_due(group, rows);
                        output.finish(writer);
                        // SAFETY: as for the first writer; the group that is left out is not written here, but by the worker
                        // that is handed it again.
                        writer = unsafe { output.writer(group + 1..items.end) };
                        continue;
                    }
                },
            };
            // SAFETY: the groups before it were put, or were left out of this writer.
            let put = catch(|| unsafe { output.put(&mut writer, group, item) });
            if let Err(panic) = put {
                worker.abort(Error::from(ErrorKind::Value {
                    place: groups.place(group),
                    column: None,
                    message: format!("the result could not be written: {panic:?}"),
                }));
                return items.end;
            }
            worker.done(rows);
            if steps.is_due(group, rows) && steps.look(&given.slowest) && group + 1 < items.end {
                steps.leave(worker);
                output.finish(writer);
                return group + 1;
            }
        }
        steps.look(&given.slowest);
        steps.leave(worker);
        output.finish(writer);
        items.end
    }

    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        self.verb.items.numbers_of(items)
    }
}

/// The rows of each group.
#[derive(Clone, Copy)]
struct GroupSpans<'r>(&'r Groups);

impl ItemSpans for GroupSpans<'_> {
    #[inline(always)]
    fn rows_of(&self, group: usize) -> Option<Range<usize>> {
        Some(self.0.span(group))
    }

    fn may_lack(&self, _: Range<usize>) -> bool {
        false
    }
}

/// Decides when a worker looks at the clock, and which group the time since its last look is attributed to.
struct Clock {
    steps: Steps,
    /// How many groups the worker has done since its last look.
    since: usize,
    /// The largest of these groups, and its number of rows.
    largest: Option<(usize, usize)>,
}

impl Clock {
    fn new(worker: &Worker<'_>, patience: Duration) -> Self {
        Clock {
            steps: Steps::timed(worker, patience),
            since: 0,
            largest: None,
        }
    }

    /// Records a group that is done, and returns whether it is time to look at the clock.
    #[inline]
    fn is_due(&mut self, group: usize, rows: usize) -> bool {
        if self.largest.is_none_or(|(_, most)| most < rows) {
            self.largest = Some((group, rows));
        }
        self.since += 1;
        self.since >= self.steps.stride
    }

    /// Records the time, and returns whether the worker has to give the rest of its groups back.
    fn look(&mut self, slowest: &Slowest) -> bool {
        let Some((group, _)) = self.largest.take() else {
            return false;
        };
        let is_late = self.steps.took(std::mem::take(&mut self.since), true);
        slowest.note(self.steps.time, group);
        is_late
    }

    fn leave(&self, worker: &mut Worker<'_>) {
        self.steps.leave(worker);
    }
}

/// The group that took longest.
#[derive(Debug, Default)]
struct Slowest {
    /// The group's time in nanoseconds, so that few workers have to take the lock.
    least: AtomicU64,
    group: Mutex<Option<(Duration, usize)>>,
}

impl Slowest {
    fn note(&self, time: Duration, group: usize) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if nanos <= self.least.load(Ordering::Relaxed) {
            return;
        }
        let mut slowest = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        if slowest.is_none_or(|(longest, _)| longest < time) {
            *slowest = Some((time, group));
            self.least.store(nanos, Ordering::Relaxed);
        }
    }

    fn take(&self) -> Option<(Duration, usize)> {
        let mut slowest = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        slowest.take()
    }
}
