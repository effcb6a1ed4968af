//! `elements`: one call of the closure for each value of each column.
//!
//! An item is a value; the values of the first column come first, then those of the second, and so on. So a worker's morsel may
//! be a piece of one column or extend over several, and one long column is shared out as rows are.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use polars::prelude::{Column, DataFrame, DataType, PlSmallStr};

use super::arguments::no_nulls;
use super::call::{Checks, Verb, call};
use super::follows::{Kind, Over, Shape};
use super::names_of;
use super::report::{Gaps, Items};
use super::rows::{BlockStrides, Part};
use super::stride::ByRow;
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::RowFn;
use crate::options::{Casts, Nulls, Options};
use crate::outcome::{ItemKind, Outcome};
use crate::partition::{Cut, Layout, room_for};
use crate::read::{Cells, Given, OneCell, Source, Sources, selected};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::{Kernel, Plan, Steps, Worker};
use crate::write::{Finished, IntoRow, Sinks, Writer, fit_each, returned};

pub(crate) fn elements<M, C, L, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: RowFn<M, C, Cells: OneCell>,
    F::Out: IntoRow<Output = Column>,
{
    let shape = Shape {
        verb: Kind::Elements,
        over: Over::Frame,
        sees_nulls: false,
        is_whole: false,
        is_seeded: L::SEEDED,
    };
    let mut checks = Checks::new(options, shape);
    let given = Given::of(frame);
    let numbers = given.row_numbers(options, &mut checks.faults);
    let columns = selected(given, options, &mut checks.faults);
    let own = names_of(&columns);
    let rows = frame.height();
    let arguments = F::Cells::arguments().unwrap_or_default();
    // Each column is the single argument of a row.
    let mut sources: Vec<Sources<'_>> = Vec::with_capacity(columns.len());
    for column in columns {
        let mut source = Source::of(column);
        for argument in &arguments {
            if let Err(fault) = source.fit(argument, 0, options.casts()) {
                checks.faults.push(fault);
            }
        }
        let columns = vec![source];
        sources.push(Sources { rows, columns });
    }
    if rows.checked_mul(sources.len()).is_none() {
        let message =
            "the columns have more values than can be counted; select fewer columns".into();
        let option = "elements";
        checks
            .faults
            .push(ErrorKind::Option { option, message }.into());
    }
    // A missing column is a fault already, but it counts here.
    let width = options.call.select.as_ref().map_or(own.len(), Vec::len);
    let checked: &[PlSmallStr] = match &options.call.names {
        Some(_) => &[],
        None => &own,
    };
    let returns = checks.returns(width, &own, fit_each::<<F::Out as IntoRow>::Sink>);
    let plan = checks.pass(Some(width), checked)?;

    let chunks: Vec<_> = sources.iter().map(Sources::chunks).collect();
    let mut columns = room_for(sources.len(), "elements")?;
    let mut nulls = Vec::new();
    for (column, source) in sources.iter().enumerate() {
        // SAFETY: the chunks are those of the column, cast to what the argument takes (`Source::fit`).
        let bound = unsafe { F::Cells::bind(&chunks[column], &numbers) };
        let layout = source.layout();
        let nullable = F::Cells::has_nulls(&bound);
        if nullable && options.nulls() == Nulls::Error {
            nulls.extend(no_nulls::<F::Cells>(&bound, &layout, source, &numbers).err());
        }
        columns.push(ElementsColumn::<M, C, F> {
            bound,
            layout,
            sink: Sinks::new(rows, nullable || options.leaves_gaps()),
            returns: returns.map(|dtypes| std::slice::from_ref(&dtypes[column])),
            marker: PhantomData,
        });
    }
    Error::of_all(nulls)?;
    let verb = Elements {
        f,
        columns,
        items: ElementItems {
            sources: &sources,
            numbers: &numbers,
            rows,
        },
        streams: match L::SEEDED {
            true => numbers.of_elements(rows, sources.len()),
            false => RowNumbers::default(),
        },
        names: options.call.names.clone().unwrap_or(own),
        casts: options.casts(),
        returns,
    };
    call(options, &plan, lead, verb)
}

/// A closure that is called for the values of columns, and the place where the results are written.
struct Elements<'r, 'a, M, C, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    f: &'r F,
    columns: Vec<ElementsColumn<'r, M, C, F>>,
    items: ElementItems<'r, 'a>,
    /// The numbers of the values' random streams.
    streams: RowNumbers,
    names: Vec<PlSmallStr>,
    casts: Casts,
    returns: Option<&'r [DataType]>,
}

/// One of the columns that the closure is called for.
struct ElementsColumn<'r, M, C, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    bound: <F::Cells as Cells>::Bound<'r>,
    layout: Layout,
    sink: <F::Out as IntoRow>::Sink,
    /// The dtype that the column's results are encoded for.
    returns: Option<&'r [DataType]>,
    marker: PhantomData<fn(M, C)>,
}

impl<M, C, F> Verb<C> for Elements<'_, '_, M, C, F>
where
    C: Context + Send,
    F: RowFn<M, C, Cells: OneCell>,
    F::Out: IntoRow<Output = Column>,
{
    type Output = DataFrame;

    const NAME: &'static str = "elements";

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, plan: &Plan) -> Option<Cut> {
        plan.asked_cut()
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Kernel {
        ElementsKernel {
            verb: self,
            contexts,
            halt,
        }
    }

    fn output(self, _: &Gaps) -> Result<DataFrame> {
        let rows = self.items.rows;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (column, ElementsColumn { sink, .. }) in self.columns.into_iter().enumerate() {
            // SAFETY: the run writes every value: options that leave values out are refused, and a failure that the policy
            // allows is written as a null.
            let finished = unsafe { sink.finish(&mut columns) };
            finished.map_err(|error| error.of_item(|row| self.items.place(column * rows + row)))?;
        }
        if let Some(dtypes) = self.returns {
            returned(&mut columns, dtypes)?;
        }
        let columns = columns.into_iter().zip(self.names);
        let columns = columns.map(|(column, name)| Finished::into_column(column, name));
        Ok(DataFrame::new(rows, columns.collect())?)
    }
}

/// The kernel that calls a closure for the values of columns.
struct ElementsKernel<'j, 'r, 'a, M, C, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    verb: &'j Elements<'r, 'a, M, C, F>,
    contexts: &'j Contexts<'j, C>,
    halt: Option<&'j Halt>,
}

impl<M, C, F> Kernel for ElementsKernel<'_, '_, '_, M, C, F>
where
    C: Context + Send,
    F: RowFn<M, C, Cells: OneCell>,
    F::Out: IntoRow<Output = Column>,
{
    fn run(&self, items: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize {
        let mut context = match self.contexts.lend(worker.seat()) {
            Ok(context) => context,
            Err(error) => {
                worker.abort(error);
                return items.start;
            }
        };
        let verb = self.verb;
        let body = ByRow::<M, F>::new(verb.f);
        let mut start = items.start;
        while start < items.end {
            let column = start / verb.items.rows;
            let before = column * verb.items.rows;
            let end = items.end.min(before + verb.items.rows);
            let ElementsColumn {
                bound,
                layout,
                sink,
                returns,
                ..
            } = &verb.columns[column];
            let mut part = Part {
                first: start,
                end,
                casts: verb.casts,
                returns: *returns,
                items: &verb.items,
                numbers: &verb.streams,
                halt: self.halt,
                steps: Steps::new(worker, patience, self.halt.is_some()),
            };
            let rows = start - before..end - before;
            // SAFETY: the rows are within the column, for which the sink was made. They are handed out once; rows that are
            // given back (from the returned one on) are handed out again, but not written here.
            let mut writer = Some(unsafe { sink.writer(rows.start, rows.len()) });
            let mut scratch = <F::Cells as Cells>::Scratch::default();
            let mut blocks = layout.blocks(rows);
            while let Some((row, len, places)) = blocks.next() {
                let reader = F::Cells::open(bound, places, row, len, &mut scratch);
                let mut strides = BlockStrides {
                    body: &body,
                    context: &mut *context,
                    reader,
                    sink,
                    before,
                    writer: &mut writer,
                };
                let block = before + row..before + row + len;
                // SAFETY: the reader is open for the block's rows, which are the writer's next ones.
                if let Some(reached) = unsafe { part.block(block, worker, &mut strides) } {
                    return reached;
                }
            }
            part.steps.leave(worker);
            if let Some(writer) = writer {
                writer.finish();
            }
            if end < items.end && worker.is_over(end) {
                return end;
            }
            start = end;
        }
        items.end
    }

    fn rows_of(&self, items: Range<usize>) -> Range<usize> {
        self.verb.items.numbers_of(items)
    }
}

/// The facts that failures and errors report about values.
struct ElementItems<'r, 'a> {
    /// The sources, one for each column.
    sources: &'r [Sources<'a>],
    numbers: &'r RowNumbers,
    rows: usize,
}

impl ElementItems<'_, '_> {
    fn column(&self, item: usize) -> &PlSmallStr {
        self.sources[item / self.rows].columns[0].column.name()
    }

    fn number(&self, item: usize) -> usize {
        self.numbers.of(item % self.rows)
    }
}

impl Items for ElementItems<'_, '_> {
    fn len(&self) -> usize {
        self.sources.len() * self.rows
    }

    fn place(&self, item: usize) -> Place {
        Place::Element {
            column: self.column(item).to_string(),
            row: self.number(item),
        }
    }

    /// The place names the column already.
    fn input(&self, _: usize, _: usize) -> Option<String> {
        None
    }

    /// The place names the column already.
    fn output(&self, _: usize) -> Option<String> {
        None
    }

    fn which(&self, items: &[usize]) -> Vec<Column> {
        let rows: Vec<usize> = items.iter().map(|item| self.number(*item)).collect();
        let names = items.iter().map(|item| self.column(*item).as_str());
        let names = Column::new("column".into(), names.collect::<Vec<&str>>());
        vec![number_column("row".into(), &rows), names]
    }

    /// Cells of columns with different dtypes cannot make a column.
    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    /// A value that is missing removes no row.
    fn rows_of(&self, _: Range<usize>) -> Range<usize> {
        0..0
    }

    fn done_of(&self, items: Range<usize>) -> Range<usize> {
        items
    }

    /// Returns the numbers of the rows in the column that the items are in; for several columns, all rows.
    fn numbers_of(&self, items: Range<usize>) -> Range<usize> {
        let Some(last) = items.end.checked_sub(1).filter(|_| !items.is_empty()) else {
            return 0..0;
        };
        let rows = match items.start / self.rows == last / self.rows {
            true => items.start % self.rows..last % self.rows + 1,
            false => 0..self.rows,
        };
        self.numbers.span(rows)
    }

    fn numbers(&self) -> &RowNumbers {
        self.numbers
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn total(&self) -> usize {
        self.len()
    }

    fn counted(&self) -> ItemKind {
        ItemKind::Values
    }

    fn has_parts(&self) -> bool {
        false
    }
}
