//! `groups`: one call of the closure for each group of rows that have the same keys.
//!
//! An item is a group. Cells are written directly to the group's row of the output, as results of rows are; whole frames and
//! columns are kept, and stacked at the end.

use std::marker::PhantomData;
use std::ops::Range;

use polars::prelude::{DataFrame, DataType, PlSmallStr};

use super::by_group::{GroupOutput, GroupsGiven, GroupsVerb};
use super::call::{Checks, call};
use super::follows::{Kind, Over, Shape};
use super::prepared::{Prepared, without};
use super::report::{Gaps, Items};
use super::results::Results;
use super::rows::written;
use super::spans::{Chosen, beside, keys, repeated, share_out};
use crate::context::{Context, Lead};
use crate::error::{Error, ErrorKind, Result};
use crate::function::GroupFn;
use crate::groups::Groups;
use crate::options::{Casts, Options};
use crate::outcome::{Outcome, kept_mask};
use crate::partition::room_for;
use crate::read::{Given, SpanArgs};
use crate::run::{Failure, Plan};
use crate::write::{Finished, GroupsOf, IntoGroups, IntoRow, IntoStack, Returns, Sinks, Writer};

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
    let names = match <F::Out as IntoStack>::WHOLE {
        // Whole frames and columns have their own names.
        true => options.call.names.clone(),
        false => options.call.names.clone().or_else(F::Out::names),
    };
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
        let verb = GroupsVerb::<M, C, F, _, _>::new(prepared.items(&names), given, output);
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
        let verb = GroupsVerb::<M, C, F, _, _>::new(prepared.items(&[]), given, output);
        call(options, self.plan, self.lead, verb)
    }
}

/// The place where cells are written.
struct CellsOfGroups<'r, R: IntoRow> {
    sink: R::Sink,
    returns: Returns<'r>,
}

/// The output with one row for each group.
struct OneRowEach<'r, 'a, R: IntoRow> {
    cells: CellsOfGroups<'r, R>,
    has_keys: bool,
    names: &'r [PlSmallStr],
    prepared: &'r Prepared<'a>,
    returns: Option<&'r [DataType]>,
}

/// Writes the output rows of neighbouring groups.
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
            // SAFETY: the caller upholds this function's contract; the sink has a row for each group.
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
        // SAFETY: the caller upholds this function's contract; the sink is nullable.
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
        // SAFETY: the sink is nullable, and has a row for each group. The run has put each of them unless it is among the gaps.
        let mut columns = unsafe {
            written(sink, self.returns, &gaps.unwritten, |group| {
                items.place(group)
            })?
        };
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

/// The output with any number of rows for each group.
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
        // A group that is missing, for a failure or a null key, gives no rows.
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
