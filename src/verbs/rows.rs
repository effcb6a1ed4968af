//! `rows`: one call of the closure for each row.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use polars::prelude::{Column, DataType, PlSmallStr};

use super::call::{Checks, Verb, call};
use super::follows::{Kind, Shape};
use super::report::{Gaps, Items, gather};
use super::stride::{EACH, NEVER, Stretch, Stride, run_stride};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::RowFn;
use crate::options::{Casts, Nulls, Options};
use crate::outcome::{Outcome, kept_mask};
use crate::partition::{Cut, Layout};
use crate::read::{Cells, Given, Reader, Source, Sources};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::{BATCH, Job, Plan, Steps, Verdict, Worker};
use crate::write::{Finished, IntoRow, RowSink, Sinks, Writer, fit_all, returned};

pub(crate) fn rows<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<<F::Out as IntoRow>::Output>>
where
    C: Context + Send,
    L: Lead<C>,
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    let arguments = F::Cells::arguments();
    let shape = Shape {
        verb: Kind::Rows,
        sees_nulls: arguments.is_none(),
        is_whole: false,
        is_seeded: L::SEEDED,
        in_query: given.numbers.is_some(),
    };
    let mut checks = Checks::new(options, shape);
    let numbers = given.row_numbers(options, &mut checks.faults);
    let sources = Sources::choose(
        given,
        options,
        arguments.as_deref(),
        F::NAMES,
        &mut checks.faults,
    );
    let default = F::Out::names().numbered("column");
    let fit = fit_all::<<F::Out as IntoRow>::Sink>;
    let returns = checks.returns(default.len(), &default, fit);
    let plan = checks.pass(Some(default.len()), &[])?;
    let names = options.call.names.clone().unwrap_or(default);

    let chunks = sources.chunks();
    let layout = sources.layout();
    // SAFETY: the chunks are those of the frame's columns, cast to what the arguments take (`Sources::choose`).
    let bound = unsafe { F::Cells::bind(&chunks, &numbers) };
    let nullable = F::Cells::has_nulls(&bound);
    if nullable && options.nulls() == Nulls::Error {
        no_nulls::<F::Cells>(&bound, &layout, &sources, &numbers)?;
    }
    let items = RowItems {
        sources: &sources,
        numbers: &numbers,
        names: &names,
    };
    let verb = Rows::<M, C, F> {
        f,
        bound: &bound,
        layout: &layout,
        sink: Sinks::new(sources.rows, nullable || options.leaves_gaps()),
        casts: options.casts(),
        returns,
        items,
        marker: PhantomData,
    };
    call(options, &plan, lead, verb)
}

/// What failures and errors say of rows.
#[derive(Clone, Copy)]
struct RowItems<'r, 'a> {
    sources: &'r Sources<'a>,
    numbers: &'r RowNumbers,
    names: &'r [PlSmallStr],
}

impl Items for RowItems<'_, '_> {
    fn len(&self) -> usize {
        self.sources.rows
    }

    fn place(&self, row: usize) -> Place {
        Place::Row(self.numbers.of(row))
    }

    fn input(&self, _: usize, argument: usize) -> Option<String> {
        Some(self.sources.columns[argument].name().to_string())
    }

    fn output(&self, column: usize) -> Option<String> {
        Some(self.names[column].to_string())
    }

    fn which(&self, rows: &[usize]) -> Vec<Column> {
        let rows: Vec<usize> = rows.iter().map(|row| self.numbers.of(*row)).collect();
        vec![number_column("row".into(), &rows)]
    }

    fn given(&self, rows: &[usize]) -> Result<Vec<Column>> {
        // A column may be given to more than one argument.
        let mut distinct: Vec<&Column> = Vec::with_capacity(self.sources.columns.len());
        for Source { column, .. } in &self.sources.columns {
            if distinct.iter().all(|other| !std::ptr::eq(*other, *column)) {
                distinct.push(column);
            }
        }
        gather(&distinct, rows)
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        rows
    }

    fn numbers(&self) -> &RowNumbers {
        self.numbers
    }

    fn rows(&self) -> usize {
        self.sources.rows
    }
}

/// Refuses the first null of an argument that cannot take it.
fn no_nulls<C: Cells>(
    bound: &C::Bound<'_>,
    layout: &Layout,
    sources: &Sources<'_>,
    numbers: &RowNumbers,
) -> Result<()> {
    let mut scratch = C::Scratch::default();
    let mut blocks = layout.blocks(0..sources.rows);
    while let Some((row, len, places)) = blocks.next() {
        let reader = C::open(bound, places, row, len, &mut scratch);
        if !reader.has_nulls() {
            continue;
        }
        for i in 0..len {
            // SAFETY: `i` is within the block; a fault is asked of what is not valid only.
            let fault = unsafe { (!reader.is_valid(i)).then(|| reader.fault(i)) };
            if let Some(fault) = fault.filter(|fault| fault.message.is_none()) {
                return Err(ErrorKind::Null {
                    column: sources.columns[fault.argument].name().to_string(),
                    row: numbers.of(row + i),
                }
                .into());
            }
        }
    }
    Ok(())
}

/// A closure called for rows, and where their results go.
struct Rows<'r, 'a, M, C, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    f: &'r F,
    bound: &'r <F::Cells as Cells>::Bound<'a>,
    layout: &'r Layout,
    sink: <F::Out as IntoRow>::Sink,
    casts: Casts,
    returns: Option<&'r [DataType]>,
    items: RowItems<'r, 'a>,
    marker: PhantomData<fn(M, C)>,
}

impl<M, C, F> Verb<C> for Rows<'_, '_, M, C, F>
where
    C: Context + Send,
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    type Output = <F::Out as IntoRow>::Output;

    const NAME: &'static str = "rows";

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, plan: &Plan) -> Option<Cut> {
        plan.asked_cut()
    }

    fn job<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Job {
        RowsJob {
            rows: self,
            contexts,
            halt,
        }
    }

    fn output(self, gaps: &Gaps) -> Result<Self::Output> {
        for unwritten in &gaps.unwritten {
            // SAFETY: the rows are within the frame's, and their one writer is this one, since the run wrote nothing of
            // them; it writes each in order. The sink is nullable: what can be cut short leaves gaps.
            unsafe {
                let mut writer = self.sink.writer(unwritten.start, unwritten.len());
                (0..unwritten.len()).for_each(|row| writer.write_null(row));
                writer.finish();
            }
        }
        let mut columns = Vec::with_capacity(self.items.names.len());
        // SAFETY: every row is written: by the run, or here; the run had no failure that it did not make good with a null.
        let finished = unsafe { self.sink.finish(&mut columns) };
        finished.map_err(|error| error.of_item(|row| self.items.place(row)))?;
        if let Some(dtypes) = self.returns {
            returned(&mut columns, dtypes)?;
        }
        let mut height = self.items.rows();
        if !gaps.dropped.is_empty() {
            let kept = kept_mask(&gaps.dropped, height);
            height = kept.num_trues();
            let kept = columns.into_iter().map(|column| column.filter(&kept));
            columns = kept.collect::<Result<Vec<Finished>>>()?;
        }
        <F::Out as IntoRow>::Sink::stack(columns, self.items.names.to_vec(), height)
    }
}

/// The job of calling a closure for rows.
struct RowsJob<'j, 'r, 'a, M, C, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    rows: &'j Rows<'r, 'a, M, C, F>,
    contexts: &'j Contexts<'j, C>,
    halt: Option<&'j Halt>,
}

impl<M, C, F> Job for RowsJob<'_, '_, '_, M, C, F>
where
    C: Context + Send,
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    fn run(&self, rows: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize {
        let (start, end) = (rows.start, rows.end);
        let mut context = match self.contexts.lend(worker.seat()) {
            Ok(context) => context,
            Err(error) => {
                worker.abort(error);
                return start;
            }
        };
        let halt = self.halt;
        let Rows {
            f,
            bound,
            layout,
            sink,
            casts,
            returns,
            items,
            ..
        } = self.rows;
        // The writer's first row.
        let mut first = start;
        // SAFETY: rows are within the frame's, for which the sink was made. They are handed out once; of those, the ones
        // given back (from the row returned on) are handed out again, but not written here.
        let mut writer = unsafe { sink.writer(first, rows.len()) };
        let mut scratch = <F::Cells as Cells>::Scratch::default();
        let mut blocks = layout.blocks(rows);
        let mut steps = Steps::new(worker, patience, halt.is_some());
        while let Some((row, len, places)) = blocks.next() {
            let reader = F::Cells::open(bound, places, row, len, &mut scratch);
            let nulls = reader.has_nulls();
            let mut done = 0;
            while done < len {
                let mut next = len.min(done + steps.stride);
                let encodes = returns.is_some();
                let run = match (nulls || encodes, halt.is_some() || encodes) {
                    (false, false) => run_stride::<false, NEVER, M, C, F, _, _>,
                    (false, true) if steps.fast && next - done >= BATCH => {
                        next -= (next - done) % BATCH;
                        run_stride::<false, BATCH, M, C, F, _, _>
                    }
                    (false, true) => run_stride::<false, EACH, M, C, F, _, _>,
                    (true, false) => run_stride::<true, NEVER, M, C, F, _, _>,
                    (true, true) => run_stride::<true, EACH, M, C, F, _, _>,
                };
                let stretch = Stretch {
                    block: row,
                    first,
                    rows: done..next,
                    casts: *casts,
                    returns: *returns,
                    numbers: items.numbers,
                    halt,
                };
                let began_at = done;
                // SAFETY: the reader is open for `len` rows, of which `has_nulls` says whether any is null, and the sink
                // was made for that; the writer's rows before these are written; a stretch that is looked at in batches
                // was cut to a multiple above.
                let (i, still, ended) = unsafe { run(f, &mut context, reader, writer, stretch) };
                writer = still;
                worker.done(i - done);
                done = i;
                match ended {
                    Stride::Done => {}
                    Stride::Halted => {
                        writer.finish();
                        return row + i;
                    }
                    Stride::Broken(failure) => {
                        worker.abort(Error::from(ErrorKind::Value {
                            place: items.place(row + i),
                            column: None,
                            message: format!("the result could not be written: {failure:?}"),
                        }));
                        return end;
                    }
                    Stride::Failed(failure) => {
                        match worker.fail(row + i, failure.of_row(row + i)) {
                            Verdict::Stop => {
                                worker.done(1);
                                return end;
                            }
                            Verdict::Noted => {
                                // SAFETY: the rows before this one are written, and the sink is nullable where the
                                // policy lets a failure pass.
                                unsafe { writer.write_null(row + i - first) };
                                worker.done(1);
                            }
                            Verdict::Later => {
                                writer.finish();
                                first = row + i + 1;
                                // SAFETY: as above; the row left out is not written here, but by who is handed it
                                // again, or, in a run that was cancelled, when that is over (`rows`).
                                writer = unsafe { sink.writer(first, end - first) };
                            }
                        }
                        done = i + 1;
                    }
                }
                let reached = row + done;
                if reached == end {
                    break;
                }
                if steps.took(done - began_at, done == next) {
                    steps.leave(worker);
                    writer.finish();
                    return reached;
                }
                if worker.is_over(reached) {
                    writer.finish();
                    return reached;
                }
            }
        }
        steps.leave(worker);
        writer.finish();
        end
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        self.rows.items.numbers_of(rows)
    }
}
