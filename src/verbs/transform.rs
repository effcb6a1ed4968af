//! `transform`: one call of the closure for each group of rows, or for each part of the frame, which returns a value for each
//! row.

use std::marker::PhantomData;
use std::ops::Range;

use polars::prelude::{BooleanChunked, Column, DataType, IdxCa, IdxSize, PlSmallStr, Series};

use super::by_group::{GroupOutput, GroupsGiven, GroupsVerb};
use super::call::{Checks, call};
use super::follows::{Kind, Over, Shape};
use super::prepared::{Prepared, without};
use super::report::{Gaps, Items};
use super::results::Results;
use super::rows::written;
use super::spans::{Chosen, at_rows_or_null, keys, share_out};
use crate::context::{Context, Lead};
use crate::error::{ErrorKind, Place, Result, counted};
use crate::function::GroupFn;
use crate::groups::{Groups, check_height};
use crate::options::{Casts, Options};
use crate::outcome::{Outcome, kept_mask};
use crate::partition::room_for;
use crate::read::{Given, SpanArgs};
use crate::run::{Failure, Plan};
use crate::write::{
    Finished, IntoRow, IntoStack, IntoTransform, Returns, RowSink, Sinks, Transformed, Writer,
    fit_all,
};

pub(crate) fn transform<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<<F::Out as IntoTransform>::Output>>
where
    C: Context + Send,
    L: Lead<C>,
    F: GroupFn<M, C>,
    F::Out: IntoTransform,
{
    let are_parts = options.call.by.is_none();
    let shape = Shape {
        verb: match are_parts {
            true => Kind::TransformParts,
            false => Kind::Transform,
        },
        over: Over::of(given),
        sees_nulls: F::Arguments::WHOLE,
        // A whole column has rows that can be null.
        is_whole: false,
        is_seeded: L::SEEDED,
    };
    let mut checks = Checks::new(options, shape);
    let keys = match are_parts {
        true => Vec::new(),
        false => keys(given, options, &mut checks.faults),
    };
    let others = without(given, options, &keys);
    let by_default = Given {
        columns: others.as_deref().unwrap_or(given.columns),
        ..given
    };
    let numbers = given.row_numbers(options, &mut checks.faults);
    let chosen = Chosen::new::<F::Arguments>(by_default, options, Some(&keys), &mut checks.faults);
    let own = <RowOf<M, C, F> as IntoRow>::names().numbered("column");
    let returns = match (<F::Out as IntoTransform>::IS_COLUMN, &options.call.returns) {
        (true, Some(_)) => {
            let option = "returns";
            let message = "it is for closures that return cells, and this one returns a whole column or series; cast the \
                           result within the closure";
            let message = message.into();
            checks
                .faults
                .push(ErrorKind::Option { option, message }.into());
            None
        }
        (true, None) => None,
        (false, _) => {
            let fit = fit_all::<<RowOf<M, C, F> as IntoRow>::Sink>;
            checks.returns(own.len(), &own, fit)
        }
    };
    let plan = checks.pass(Some(own.len()), &[])?;
    let height = given.rows;
    let groups = match are_parts {
        true => parts(&plan, height)?,
        false => {
            let drop_nulls = options.drops_null_keys();
            Groups::of(
                &keys,
                height,
                drop_nulls,
                plan.workers(),
                &share_out(&plan, height),
            )?
        }
    };
    let prepared =
        Prepared::new::<F::Arguments>(chosen, &keys, groups, numbers, options, &plan, shape.verb)?;
    let names = options.call.names.clone().unwrap_or(own);
    let given = GroupsGiven::new(f, &prepared, L::SEEDED);
    if <F::Out as IntoTransform>::IS_COLUMN {
        let groups = prepared.groups.len();
        let output = ColumnEach::<F::Out> {
            results: Results::new(groups, room_for(groups, "by")?),
            name: options.call.names.as_ref().and(names.first().cloned()),
            prepared: &prepared,
            plan: &plan,
            output: PhantomData,
        };
        let verb = GroupsVerb::<M, C, F, _, _>::new(prepared.items(&[]), given, output);
        return call(options, &plan, lead, verb);
    }
    let rows = prepared.order().grouped_rows();
    let output = RowsEach::<F::Out> {
        sink: Sinks::new(rows, true),
        names: &names,
        prepared: &prepared,
        plan: &plan,
        casts: options.casts(),
        returns,
    };
    let verb = GroupsVerb::<M, C, F, _, _>::new(prepared.items(&names), given, output);
    call(options, &plan, lead, verb)
}

type RowOf<M, C, F> = <<F as GroupFn<M, C>>::Out as IntoTransform>::Row;

/// Makes groups of the parts of a frame; a frame without rows has none.
fn parts(plan: &Plan, height: usize) -> Result<Groups> {
    check_height(height)?;
    let cut = plan.cut(height);
    let parts = cut.parts(height);
    let mut starts: Vec<IdxSize> = room_for(parts, cut.option())?;
    let rows = (0..parts).map(|part| cut.rows_of(part, height));
    starts.extend(
        rows.filter(|rows| !rows.is_empty())
            .map(|rows| rows.start as IdxSize),
    );
    Ok(Groups::side_by_side(height, starts))
}

/// The output of results that are cells for each row.
struct RowsEach<'r, 'a, R: IntoTransform> {
    sink: <R::Row as IntoRow>::Sink,
    names: &'r [PlSmallStr],
    prepared: &'r Prepared<'a>,
    plan: &'r Plan,
    casts: Casts,
    returns: Option<&'r [DataType]>,
}

/// Writes the rows of neighbouring groups, which are neighbours in group order.
struct RowsWriter<W> {
    first: usize,
    writer: W,
}

type ItemOf<R> = <<<R as IntoTransform>::Row as IntoRow>::Sink as Sinks>::Item;

impl<R: IntoTransform> GroupOutput<R> for RowsEach<'_, '_, R> {
    type Output = R::Output;

    const NAME: &'static str = "transform";
    const WHOLE: bool = false;

    type Item = Vec<ItemOf<R>>;
    type Writer<'w>
        = RowsWriter<<<R::Row as IntoRow>::Sink as Sinks>::Writer<'w>>
    where
        Self: 'w;

    fn encode(&self, result: R, group: usize, rows: usize) -> Result<Vec<ItemOf<R>>, Failure> {
        let returns = Returns::new(self.returns, self.casts);
        match result.into_rows()? {
            Transformed::Rows(results) => {
                if results.len() != rows {
                    return Err(self.prepared.other_height(group, results.len(), rows));
                }
                results.map(|row| row.into_items(returns)).collect()
            }
            Transformed::Each(row, again) => {
                let mut items = Vec::with_capacity(rows);
                for _ in 1..rows {
                    items.push(again(&row).into_items(returns)?);
                }
                if rows > 0 {
                    items.push(row.into_items(returns)?);
                }
                Ok(items)
            }
            Transformed::Column(_) => unreachable!("columns are kept whole"),
        }
    }

    unsafe fn writer<'w>(&'w self, groups: Range<usize>) -> Self::Writer<'w> {
        let order = self.prepared.order();
        let first = match groups.is_empty() {
            true => order.grouped_rows(),
            false => order.span(groups.start).start,
        };
        RowsWriter {
            first,
            // SAFETY: the caller upholds this function's contract. The sink has a row for each position, and groups with
            // neighbouring numbers have neighbouring positions.
            writer: unsafe { self.sink.writer(first, 0) },
        }
    }

    unsafe fn put<'w>(
        &'w self,
        writer: &mut Self::Writer<'w>,
        group: usize,
        item: Option<Self::Item>,
    ) {
        let rows = self.prepared.order().span(group);
        let rows = rows.start - writer.first..rows.end - writer.first;
        // SAFETY: the caller upholds this function's contract; `encode` has made one item for each row. The sink is nullable.
        unsafe {
            match item {
                Some(items) => rows
                    .zip(items)
                    .for_each(|(row, item)| writer.writer.write(row, item)),
                None => rows.for_each(|row| writer.writer.write_null(row)),
            }
        }
    }

    fn finish<'w>(&'w self, writer: Self::Writer<'w>) {
        writer.writer.finish();
    }

    fn output(self, gaps: &Gaps) -> Result<R::Output> {
        let prepared = self.prepared;
        let order = prepared.order();
        let items = prepared.items(self.names);
        // Groups with neighbouring numbers have neighbouring positions.
        let unwritten = gaps.unwritten.iter();
        let unwritten = unwritten
            .map(|groups| order.span(groups.start).start..order.span(groups.end - 1).end)
            .collect::<Vec<_>>();
        let numbers = items.numbers();
        let place_of = |position| Place::Row(numbers.of(order.row_at(position)));
        // SAFETY: the sink is nullable, and has a row for each position. The run has put each of them unless its group is among
        // the gaps.
        let columns = unsafe { written(self.sink, self.returns, &unwritten, place_of)? };
        let kept = prepared.kept(gaps);
        let columns = columns.into_iter().map(|column| {
            let series = column
                .into_column(PlSmallStr::EMPTY)
                .take_materialized_series();
            let series = prepared.restored(series, kept.as_ref(), self.plan)?;
            Ok(Finished::from(series))
        });
        let columns: Vec<Finished> = columns.collect::<Result<_>>()?;
        let rows = kept
            .as_ref()
            .map_or(items.rows(), BooleanChunked::num_trues);
        <R::Row as IntoRow>::Sink::stack(columns, self.names.to_vec(), rows)
    }
}

/// The output of results that are a whole column for each group.
struct ColumnEach<'r, 'a, R> {
    results: Results<Series>,
    name: Option<PlSmallStr>,
    prepared: &'r Prepared<'a>,
    plan: &'r Plan,
    output: PhantomData<fn() -> R>,
}

impl<R: IntoTransform> GroupOutput<R> for ColumnEach<'_, '_, R> {
    type Output = R::Output;

    const NAME: &'static str = "transform";
    const WHOLE: bool = false;

    type Item = Series;
    type Writer<'w>
        = ()
    where
        Self: 'w;

    fn encode(&self, result: R, group: usize, rows: usize) -> Result<Series, Failure> {
        match result.into_rows()? {
            Transformed::Column(series) if series.len() == rows => Ok(series),
            Transformed::Column(series) => {
                Err(self.prepared.other_height(group, series.len(), rows))
            }
            _ => unreachable!("it is a whole column"),
        }
    }

    unsafe fn writer(&self, _: Range<usize>) {}

    unsafe fn put(&self, (): &mut (), group: usize, item: Option<Series>) {
        if let Some(series) = item {
            self.results.set(group, series);
        }
    }

    fn finish(&self, (): ()) {}

    fn output(self, gaps: &Gaps) -> Result<R::Output> {
        let prepared = self.prepared;
        let order = prepared.order();
        let items = prepared.items(&[]);
        let (mut parts, mut places, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut stacked = 0..;
        for (group, series) in self.results.into_all().into_iter().enumerate() {
            let is_there = series.is_some();
            // A group that failed, or that was never reached, has nulls.
            let next = order
                .span(group)
                .map(|_| is_there.then(|| stacked.next()).flatten());
            rows.extend(next);
            if let Some(series) = series {
                parts.push(Some(Column::from(series)));
                places.push(items.place(group));
            }
        }
        let names = self.name.map(|name| vec![name]);
        let column = Column::stack(parts, &places, names, None)?;
        let name = column.name().clone();
        let series = column.take_materialized_series();
        let series = match rows.iter().all(Option::is_some) {
            true => series,
            false => {
                let rows: IdxCa = rows.into_iter().collect();
                at_rows_or_null(&series, rows)?
            }
        };
        let kept = prepared.kept(gaps);
        let series = prepared.restored(series, kept.as_ref(), self.plan)?;
        Ok(R::output(Column::from(series.with_name(name))))
    }
}

impl Prepared<'_> {
    /// The failure of a number of results that is not that of the rows.
    fn other_height(&self, group: usize, results: usize, rows: usize) -> Failure {
        let place = self.items(&[]).place(group);
        let message = format!(
            "the result has {}, but the closure was given {}; return one value for each row, or Each(value) for all of them",
            counted(results, "value"),
            counted(rows, "row"),
        );
        let kind = ErrorKind::Stack {
            place,
            column: None,
            message,
        };
        Failure::Known(kind.into())
    }

    /// Returns which rows are not dropped, if some are.
    fn kept(&self, gaps: &Gaps) -> Option<BooleanChunked> {
        let items = self.items(&[]);
        let kept = || kept_mask(&items.rows_in(&gaps.dropped), items.rows());
        (!gaps.dropped.is_empty()).then(kept)
    }

    /// Returns a column that is in group order in the order of the input, without the rows that are dropped.
    fn restored(
        &self,
        series: Series,
        kept: Option<&BooleanChunked>,
        plan: &Plan,
    ) -> Result<Series> {
        let share_out = share_out(plan, self.groups.height());
        let series = self.order().restore(&series, plan.workers(), &share_out)?;
        match kept {
            None => Ok(series),
            Some(kept) => Ok(series.filter(kept)?.rechunk()),
        }
    }
}
