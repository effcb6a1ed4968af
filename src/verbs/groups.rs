//! `groups`: one call of the closure for each group of rows that have the same keys.
//!
//! An item is a group. Where results are cells they are written to their rows in place, as results of rows are; whole frames and
//! columns are kept, and stacked.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::{Duration, Instant};

use polars::prelude::{Column, DataFrame, DataType, IdxSize, PlSmallStr};

use super::call::{Checks, Verb, call};
use super::follows::{Kind, Over, Shape};
use super::report::{Gaps, Items};
use super::results::Results;
use super::spans::{Arranged, Chosen, at_rows, beside, columns_but, keys, repeated, share_out};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::GroupFn;
use crate::groups::Groups;
use crate::options::{Casts, Options};
use crate::outcome::{Outcome, SlowestGroup, kept_mask};
use crate::partition::{Cut, room_for};
use crate::read::{
    Given, ItemSpans, NumbersOf, Reader, SpanArgs, SpanColumns, SpanReader, Unreadable,
    WholeColumns,
};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::{Failure, Kernel, Plan, Verdict, Worker, catch};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};
use crate::write::{
    Finished, GroupsOf, IntoGroups, IntoRow, IntoStack, Returns, Sinks, Writer, returned,
};

pub(crate) fn groups<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: GroupFn<M, C>,
    F::Out: IntoGroups,
{
    let shape = Shape {
        verb: Kind::Groups,
        over: Over::of(given),
        sees_nulls: F::Arguments::WHOLE,
        is_whole: <F::Out as IntoStack>::WHOLE,
        is_seeded: L::SEEDED,
    };
    let mut checks = Checks::new(options, shape);
    let keys = keys(given, options, &mut checks.faults);
    let others = without(given, options, &keys);
    let by_default = Given {
        columns: others.as_deref().unwrap_or(given.columns),
        ..given
    };
    let numbers = given.row_numbers(options, &mut checks.faults);
    let chosen = Chosen::new::<F::Arguments>(by_default, options, Some(&keys), &mut checks.faults);
    let own = F::Out::names().unwrap_or_default();
    let returns = checks.returns(own.len(), &own, F::Out::fit);
    let names = options.call.names.clone().or_else(F::Out::names);
    if options.has_keys() {
        let own = names.as_deref().unwrap_or_default().iter();
        let same = own.filter(|name| keys.iter().any(|key| key.name() == *name));
        let same = same.map(|name| ErrorKind::DuplicateName {
            name: name.to_string(),
        });
        checks.faults.extend(same.map(Error::from));
    }
    let plan = checks.pass(F::Out::width(), &[])?;
    let share_out = share_out(&plan, given.rows);
    let groups = Groups::of(
        &keys,
        given.rows,
        options.drops_null_keys(),
        plan.workers(),
        &share_out,
    )?;
    let prepared = Prepared::new::<F::Arguments>(
        chosen,
        &keys,
        groups,
        numbers,
        options,
        &plan,
        Kind::Groups,
    )?;
    F::Out::choose(Choice {
        f,
        lead,
        options,
        plan: &plan,
        prepared,
        names,
        returns,
        marker: PhantomData::<fn(M, C)>,
    })
}

/// The columns that a closure is given by default, where they are not all.
pub(super) fn without(
    given: Given<'_>,
    options: &Options<'_>,
    keys: &[&Column],
) -> Option<Vec<Column>> {
    let names: Vec<&PlSmallStr> = keys.iter().map(|key| key.name()).collect();
    let is_default = options.call.select.is_none();
    is_default.then(|| columns_but(given, &names))
}

/// The groups of a frame, and what their closure is given.
pub(super) struct Prepared<'a> {
    /// All rows that are in a group.
    pub(super) groups: Groups,
    /// The rows that the closure is given, where these are not all.
    seen: Option<Groups>,
    /// A row for each group.
    pub(super) keys: DataFrame,
    numbers: NumbersOf<'a>,
    /// The numbers of rows by their positions in group order, where the closure can ask for them.
    position_numbers: RowNumbers,
    /// The number of each group's first row.
    first_rows: Vec<usize>,
    arranged: Arranged,
    /// The selected columns in group order, for whole groups.
    frame: DataFrame,
    inputs: Vec<String>,
    /// Whether the groups are parts of the frame, which have no keys.
    are_parts: bool,
    /// Whether the output has rows that are in no group.
    keeps_all: bool,
}

impl<'a> Prepared<'a> {
    pub(super) fn new<A: SpanArgs>(
        chosen: Chosen<'a>,
        keys: &[&Column],
        groups: Groups,
        numbers: NumbersOf<'a>,
        options: &Options<'_>,
        plan: &Plan,
        verb: Kind,
    ) -> Result<Self> {
        let share_out = share_out(plan, groups.height());
        let seen = match A::WHOLE {
            true => None,
            false => chosen.seen(keys, options, &numbers)?,
        };
        let keys = keys.iter().map(|key| at_rows(key, groups.first_rows()));
        let keys = DataFrame::new(groups.len(), keys.collect::<Result<Vec<Column>>>()?)?;
        let seen = seen.map(|seen| groups.keep(&seen, plan.workers(), &share_out));
        let seen = seen.transpose()?;
        let order = seen.as_ref().unwrap_or(&groups);
        let arrange = |series: &_| order.reorder(series, plan.workers(), &share_out);
        let (arranged, frame) = match A::WHOLE {
            false => {
                let arranged = chosen.arrange(keys.columns(), options, arrange)?;
                (arranged, DataFrame::default())
            }
            true => {
                let columns = chosen.columns().map(|column| {
                    let series = column.as_materialized_series();
                    Ok(Column::from(
                        arrange(series)?.with_name(column.name().clone()),
                    ))
                });
                let columns = columns.collect::<Result<Vec<Column>>>()?;
                let frame = DataFrame::new(order.grouped_rows(), columns)?;
                (Arranged::default(), frame)
            }
        };
        let first_rows = groups.first_rows().iter();
        let first_rows = first_rows.map(|row| numbers.of(*row as usize)).collect();
        // The list of rows takes a pass over them, so it is made only where it is needed.
        let position_numbers = match chosen.is_untyped() {
            true => match order.list_rows(plan.workers(), &share_out)? {
                Some(rows) => numbers.picked(rows.iter().map(|row| *row as usize)),
                None => numbers.clone(),
            },
            false => RowNumbers::default(),
        };
        Ok(Prepared {
            groups,
            seen,
            keys,
            numbers,
            position_numbers,
            first_rows,
            arranged,
            frame,
            inputs: chosen.inputs,
            are_parts: verb == Kind::TransformParts,
            keeps_all: verb != Kind::Groups,
        })
    }

    /// The rows that the closure is given.
    pub(super) fn order(&self) -> &Groups {
        self.seen.as_ref().unwrap_or(&self.groups)
    }

    pub(super) fn items<'r>(&'r self, names: &'r [PlSmallStr]) -> GroupItems<'r> {
        let prepared = self;
        GroupItems { prepared, names }
    }

    /// The groups that are to be begun before all others, since one alone could keep a worker busy to the end.
    pub(super) fn large(&self, workers: usize) -> Vec<usize> {
        let most = self.groups.grouped_rows() / (4 * workers);
        let groups = 0..self.groups.len();
        match workers {
            1 => Vec::new(),
            _ => groups
                .filter(|group| self.groups.span(*group).len() > most.max(1))
                .collect(),
        }
    }
}

/// A call of groups that has passed its checks.
struct Choice<'r, 'a, M, C, L, F> {
    f: &'r F,
    lead: L,
    options: &'r Options<'r>,
    plan: &'r Plan,
    prepared: Prepared<'a>,
    names: Option<Vec<PlSmallStr>>,
    returns: Option<&'r [DataType]>,
    marker: PhantomData<fn(M, C)>,
}

impl<M, C, L, F> GroupsOf<F::Out> for Choice<'_, '_, M, C, L, F>
where
    C: Context + Send,
    L: Lead<C>,
    F: GroupFn<M, C>,
    F::Out: IntoGroups,
{
    type Output = Result<Outcome<DataFrame>>;

    fn cells(self) -> Self::Output
    where
        F::Out: IntoRow,
    {
        let groups = self.prepared.groups.len();
        let names = self.names.unwrap_or_default();
        let (options, prepared) = (self.options, &self.prepared);
        let given = GroupsGiven::new(self.f, prepared, L::SEEDED);
        let output = OneRowEach {
            cells: CellsOfGroups::<F::Out> {
                sink: Sinks::new(groups, true),
                returns: Returns::new(self.returns, options.casts()),
            },
            has_keys: options.has_keys(),
            names: &names,
            prepared,
            returns: self.returns,
        };
        let verb = GroupsVerb {
            items: prepared.items(&names),
            given,
            output,
            marker: self.marker,
        };
        call(options, self.plan, self.lead, verb)
    }

    fn whole(self) -> Self::Output {
        let groups = self.prepared.groups.len();
        let (options, prepared) = (self.options, &self.prepared);
        let given = GroupsGiven::new(self.f, prepared, L::SEEDED);
        let results = room_for(groups, "by")?;
        let output = AnyRowsEach::<F::Out> {
            results: Results::new(groups, results),
            has_keys: options.has_keys(),
            names: self.names,
            prepared,
            casts: options.casts(),
            returns: self.returns,
        };
        let verb = GroupsVerb {
            items: prepared.items(&[]),
            given,
            output,
            marker: self.marker,
        };
        call(options, self.plan, self.lead, verb)
    }
}

/// What becomes of the results of groups.
pub(super) trait GroupOutput<R>: Sync {
    type Output;

    const NAME: &'static str;
    const WHOLE: bool;

    /// A result as it is kept.
    type Item;

    type Writer<'w>
    where
        Self: 'w;

    /// A result of a group of so many rows.
    fn encode(&self, result: R, group: usize, rows: usize) -> Result<Self::Item, Failure>;

    /// A writer for neighbouring groups. Some of them may be taken over by another worker at any time, so none is its alone.
    ///
    /// # Safety
    /// No group has two writers that write it. A writer may be finished before it has written all of its groups.
    unsafe fn writer<'w>(&'w self, groups: Range<usize>) -> Self::Writer<'w>;

    /// Keeps a result; none where the group has failed, or is not given to the closure.
    ///
    /// # Safety
    /// It is the next of the writer's groups.
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

/// A closure of groups, and what it is given.
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

/// A closure called for groups, and what becomes of the results.
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

/// The kernel of calling a closure for groups.
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
        // SAFETY: the columns have every row of every group, which are valid where they are not noted as unreadable
        // (`Prepared`), and the keys' have every group.
        let reader = unsafe {
            SpanReader::<F::Arguments, _>::new(
                opened,
                spans,
                &given.unreadable,
                &self.number,
                0..groups.len(),
            )
        };
        // SAFETY: groups are handed out once; of those, the ones given back (from the one returned on) or taken over by others are
        // not written here.
        let mut writer = unsafe { output.writer(items.clone()) };
        let mut steps = Clock::new(worker, patience);
        for group in items.clone() {
            if worker.is_over(group) || !worker.claims() {
                // Those before it are timed, also where the others have taken over what came after a slow one.
                steps.look(&given.slowest);
                steps.leave(worker);
                output.finish(writer);
                return group;
            }
            let rows = groups.prepared.groups.span(group).len();
            // SAFETY: it is one of the groups, which is read where it is valid.
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
                        // SAFETY: as for the first writer; the group left out is not written here, but by who is handed it again.
                        writer = unsafe { output.writer(group + 1..items.end) };
                        continue;
                    }
                },
            };
            // SAFETY: those before it were put, or were left out of this writer.
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

/// The rows of groups.
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

/// When a worker looks at the clock, and which group took longest since it did last.
struct Clock {
    /// How many groups come between looks.
    stride: usize,
    since: usize,
    /// The largest group since the last look, and how many rows it has.
    largest: Option<(usize, usize)>,
    began: Instant,
    before: Instant,
    patience: Duration,
}

impl Clock {
    /// The most groups between looks, and the time that they should not take longer than.
    const MOST: usize = 1 << 10;
    const SHORT: Duration = Duration::from_micros(20);

    fn new(worker: &Worker<'_>, patience: Duration) -> Self {
        Clock {
            stride: worker.stride,
            since: 0,
            largest: None,
            began: worker.now(),
            before: worker.now(),
            patience,
        }
    }

    #[inline]
    fn is_due(&mut self, group: usize, rows: usize) -> bool {
        if self.largest.is_none_or(|(_, most)| most < rows) {
            self.largest = Some((group, rows));
        }
        self.since += 1;
        self.since >= self.stride
    }

    /// Notes the time, and tells whether the worker is to give the rest of its groups back.
    fn look(&mut self, slowest: &Slowest) -> bool {
        let Some((group, _)) = self.largest.take() else {
            return false;
        };
        let now = Instant::now();
        let time = now - self.before;
        slowest.note(time, group);
        self.stride = match time > Self::SHORT {
            true => {
                let fewer = Self::SHORT.as_nanos() as usize * self.since / time.as_nanos() as usize;
                fewer.max(1)
            }
            false => (self.stride * 4).min(Self::MOST),
        };
        self.since = 0;
        self.before = now;
        now - self.began >= self.patience
    }

    fn leave(&self, worker: &mut Worker<'_>) {
        worker.stride = self.stride;
    }
}

/// The group that took longest.
#[derive(Debug, Default)]
struct Slowest {
    /// Its time in nanoseconds, so that few look further.
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

/// Where cells are written.
struct CellsOfGroups<'r, R: IntoRow> {
    sink: R::Sink,
    returns: Returns<'r>,
}

/// One row for each group.
struct OneRowEach<'r, 'a, R: IntoRow> {
    cells: CellsOfGroups<'r, R>,
    has_keys: bool,
    names: &'r [PlSmallStr],
    prepared: &'r Prepared<'a>,
    returns: Option<&'r [DataType]>,
}

/// Writes the rows of neighbouring groups.
struct OneRowWriter<W> {
    first: usize,
    writer: W,
}

impl<R: IntoRow> GroupOutput<R> for OneRowEach<'_, '_, R> {
    type Output = DataFrame;

    const NAME: &'static str = "groups";
    const WHOLE: bool = false;

    type Item = <R::Sink as Sinks>::Item;
    type Writer<'w>
        = OneRowWriter<<R::Sink as Sinks>::Writer<'w>>
    where
        Self: 'w;

    #[inline(always)]
    fn encode(&self, result: R, _: usize, _: usize) -> Result<Self::Item, Failure> {
        result.into_items(self.cells.returns)
    }

    unsafe fn writer<'w>(&'w self, groups: Range<usize>) -> Self::Writer<'w> {
        OneRowWriter {
            first: groups.start,
            // SAFETY: as the caller vouches; the sink has a row for each group.
            writer: unsafe { self.cells.sink.writer(groups.start, 0) },
        }
    }

    #[inline(always)]
    unsafe fn put<'w>(
        &'w self,
        writer: &mut Self::Writer<'w>,
        group: usize,
        item: Option<Self::Item>,
    ) {
        let row = group - writer.first;
        // SAFETY: as the caller vouches; the sink is nullable.
        unsafe {
            match item {
                Some(item) => writer.writer.write(row, item),
                None => writer.writer.write_null(row),
            }
        }
    }

    fn finish<'w>(&'w self, writer: Self::Writer<'w>) {
        writer.writer.finish();
    }

    fn output(self, gaps: &Gaps) -> Result<DataFrame> {
        let (sink, prepared) = (self.cells.sink, self.prepared);
        let items = prepared.items(self.names);
        let mut columns = written(sink, gaps, |groups| groups, |group| items.place(group))?;
        if let Some(dtypes) = self.returns {
            returned(&mut columns, dtypes)?;
        }
        let mut keys = match self.has_keys {
            true => prepared.keys.columns().to_vec(),
            false => Vec::new(),
        };
        let mut height = prepared.groups.len();
        if !gaps.dropped.is_empty() {
            let kept = kept_mask(&gaps.dropped, height);
            height = kept.num_trues();
            let columns_kept = columns.into_iter().map(|column| column.filter(&kept));
            columns = columns_kept.collect::<Result<Vec<Finished>>>()?;
            for key in &mut keys {
                *key = key.filter(&kept)?;
            }
        }
        let named = columns.into_iter().zip(self.names);
        keys.extend(named.map(|(column, name)| column.into_column(name.clone())));
        Ok(DataFrame::new(height, keys)?)
    }
}

/// The columns that a run has written, with nulls where it has not come to.
pub(super) fn written<S: Sinks>(
    sink: S,
    gaps: &Gaps,
    rows_of: impl Fn(Range<usize>) -> Range<usize>,
    place_of: impl Fn(usize) -> Place,
) -> Result<Vec<Finished>> {
    for unwritten in &gaps.unwritten {
        let rows = rows_of(unwritten.clone());
        // SAFETY: the rows are within the sink's, and their one writer is this one, since the run wrote nothing of them; it writes
        // each in order. The sink is nullable.
        unsafe {
            let mut writer = sink.writer(rows.start, rows.len());
            (0..rows.len()).for_each(|row| writer.write_null(row));
            writer.finish();
        }
    }
    let mut columns = Vec::new();
    // SAFETY: every row is written: by the run, or here; the run had no failure that it did not make good with a null.
    let finished = unsafe { sink.finish(&mut columns) };
    finished.map_err(|error| error.of_item(place_of))?;
    Ok(columns)
}

/// Any number of rows for each group.
struct AnyRowsEach<'r, 'a, R: IntoStack> {
    results: Results<R::Part>,
    has_keys: bool,
    names: Option<Vec<PlSmallStr>>,
    prepared: &'r Prepared<'a>,
    casts: Casts,
    returns: Option<&'r [DataType]>,
}

impl<R: IntoStack> GroupOutput<R> for AnyRowsEach<'_, '_, R> {
    type Output = DataFrame;

    const NAME: &'static str = "groups";
    const WHOLE: bool = true;

    type Item = R::Part;
    type Writer<'w>
        = ()
    where
        Self: 'w;

    fn encode(&self, result: R, _: usize, _: usize) -> Result<R::Part, Failure> {
        result.into_part(Returns::new(self.returns, self.casts))
    }

    unsafe fn writer(&self, _: Range<usize>) {}

    unsafe fn put(&self, (): &mut (), group: usize, item: Option<R::Part>) {
        if let Some(part) = item {
            self.results.set(group, part);
        }
    }

    fn finish(&self, (): ()) {}

    fn output(self, _: &Gaps) -> Result<DataFrame> {
        let items = self.prepared.items(&[]);
        let mut heights: Vec<(usize, usize)> = Vec::new();
        let mut places = Vec::new();
        let mut parts = Vec::new();
        // Those that are missing, for a failure or a null key, give no rows.
        for (group, part) in self.results.into_all().into_iter().enumerate() {
            if let Some(part) = part {
                let (part, height) = R::measured(part);
                heights.push((group, height));
                places.push(items.place(group));
                parts.push(Some(part));
            }
        }
        let stacked = R::stack(parts, &places, self.names, self.returns)?;
        let keys = match self.has_keys {
            true => self.prepared.keys.columns(),
            false => &[],
        };
        let keys = keys.iter().map(|key| repeated(key, &heights));
        beside(keys.collect::<Result<_>>()?, R::into_frame(stacked))
    }
}

/// What failures and errors say of groups.
#[derive(Clone, Copy)]
pub(super) struct GroupItems<'r> {
    prepared: &'r Prepared<'r>,
    names: &'r [PlSmallStr],
}

impl GroupItems<'_> {
    /// A group's keys, as Polars prints them.
    fn key(&self, group: usize) -> String {
        let keys = self.prepared.keys.columns().iter();
        let keys = keys.map(|key| {
            key.get(group)
                .map_or_else(|_| String::new(), |key| key.to_string())
        });
        keys.collect::<Vec<String>>().join(", ")
    }

    fn slowest(&self, group: usize, time: Duration) -> SlowestGroup {
        SlowestGroup {
            time,
            index: group,
            key: self.key(group),
            first_row: self.prepared.first_rows[group],
            rows: self.prepared.groups.span(group).len(),
        }
    }
}

impl Items for GroupItems<'_> {
    fn len(&self) -> usize {
        self.prepared.groups.len()
    }

    fn place(&self, group: usize) -> Place {
        let first_row = self.prepared.first_rows[group];
        match self.prepared.are_parts {
            true => Place::Part {
                index: group,
                row_offset: first_row,
            },
            false => Place::Group {
                index: group,
                first_row,
                key: self.key(group),
            },
        }
    }

    fn input(&self, _: usize, argument: usize) -> Option<String> {
        self.prepared.inputs.get(argument).cloned()
    }

    fn output(&self, column: usize) -> Option<String> {
        self.names.get(column).map(ToString::to_string)
    }

    fn which(&self, groups: &[usize]) -> Vec<Column> {
        let prepared = self.prepared;
        let first_rows: Vec<usize> = groups
            .iter()
            .map(|group| prepared.first_rows[*group])
            .collect();
        let heights: Vec<usize> = groups
            .iter()
            .map(|group| prepared.groups.span(*group).len())
            .collect();
        let what = if prepared.are_parts { "part" } else { "group" };
        let mut columns = vec![
            number_column(what.into(), groups),
            number_column("row".into(), &first_rows),
        ];
        let positions: Vec<IdxSize> = groups.iter().map(|group| *group as IdxSize).collect();
        for key in prepared.keys.columns() {
            if let Ok(key) = at_rows(key, &positions) {
                columns.push(super::report::apart(key, &columns));
            }
        }
        columns.push(super::report::apart(
            number_column("rows".into(), &heights),
            &columns,
        ));
        columns
    }

    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    /// The rows of groups are not neighbours; see `rows_in`.
    fn rows_of(&self, groups: Range<usize>) -> Range<usize> {
        self.done_of(groups)
    }

    fn rows_in(&self, groups: &[Range<usize>]) -> Vec<Range<usize>> {
        let order = &self.prepared.groups;
        let groups = groups.iter().cloned().flatten();
        let rows =
            groups.flat_map(|group| order.span(group).map(|position| order.row_at(position)));
        joined(rows.collect())
    }

    fn left_out(&self) -> Vec<Range<usize>> {
        let groups = &self.prepared.groups;
        if groups.grouped_rows() == groups.height() || self.prepared.keeps_all {
            return Vec::new();
        }
        let mut is_in = vec![false; groups.height()];
        (0..groups.grouped_rows()).for_each(|position| is_in[groups.row_at(position)] = true);
        joined((0..groups.height()).filter(|row| !is_in[*row]).collect())
    }

    /// Positions in group order, of which there is one for each row.
    fn done_of(&self, groups: Range<usize>) -> Range<usize> {
        let order = &self.prepared.groups;
        match groups.end.checked_sub(1) {
            Some(last) if !groups.is_empty() => {
                order.span(groups.start).start..order.span(last).end
            }
            _ => 0..0,
        }
    }

    /// Groups have positions.
    fn numbers_of(&self, groups: Range<usize>) -> Range<usize> {
        groups
    }

    fn numbers(&self) -> &RowNumbers {
        &self.prepared.numbers
    }

    fn rows(&self) -> usize {
        self.prepared.groups.height()
    }

    fn total(&self) -> usize {
        self.prepared.groups.grouped_rows()
    }
}

/// Rows as ranges, ascending.
fn joined(mut rows: Vec<usize>) -> Vec<Range<usize>> {
    rows.sort_unstable();
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}
