//! `rows`: one call of the closure for each row.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use polars::prelude::{Column, DataType, PlSmallStr};

use super::arguments::Arguments;
use super::call::{Verb, call};
use super::follows::Kind;
use super::report::{Gaps, Items, gather};
use super::stride::{Body, ByRow, Stretch, Stride, run_stride};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::RowFn;
use crate::options::{Casts, Options};
use crate::outcome::{Outcome, kept_mask};
use crate::partition::{Cut, Layout};
use crate::read::{Cells, Given, Reader, Source, Sources};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::{BATCH, Kernel, Plan, Steps, Verdict, Worker};
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
    rows_into(given, options, lead, f, Stacked)
}

/// The last step of a verb that calls its closure for rows: it makes the output of the columns that the results were written
/// to.
pub(super) trait Ending<S> {
    /// The verb's name in tracing spans.
    const NAME: &'static str;

    const VERB: Kind;

    type Output;

    fn end(self, written: Written<'_>) -> Result<Self::Output>;
}

/// The output of a run over rows.
pub(super) struct Written<'r> {
    /// One row for each input row; an input row without a result is null.
    pub(super) columns: Vec<Finished>,
    pub(super) names: &'r [PlSmallStr],
    pub(super) gaps: &'r Gaps,
    pub(super) rows: usize,
    pub(super) plan: &'r Plan,
}

/// Returns the results by themselves, without the rows that are dropped.
pub(super) struct Stacked;

impl<S: RowSink> Ending<S> for Stacked {
    const NAME: &'static str = "rows";
    const VERB: Kind = Kind::Rows;

    type Output = S::Output;

    fn end(self, written: Written<'_>) -> Result<S::Output> {
        let Written {
            mut columns,
            names,
            gaps,
            mut rows,
            ..
        } = written;
        if !gaps.dropped.is_empty() {
            let kept = kept_mask(&gaps.dropped, rows);
            rows = kept.num_trues();
            let kept = columns.into_iter().map(|column| column.filter(&kept));
            columns = kept.collect::<Result<Vec<Finished>>>()?;
        }
        S::stack(columns, names.to_vec(), rows)
    }
}

/// Makes a call of rows, whose results the ending turns into the output.
pub(super) fn rows_into<M, C, L, F, E>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
    ending: E,
) -> Result<Outcome<E::Output>>
where
    C: Context + Send,
    L: Lead<C>,
    F: RowFn<M, C>,
    F::Out: IntoRow,
    E: Ending<<F::Out as IntoRow>::Sink> + Sync,
{
    let chosen = Arguments::<F::Cells>::choose(given, options, E::VERB, F::NAMES, L::SEEDED);
    let (mut checks, arguments) = chosen;
    let default = F::Out::names().numbered("column");
    let fit = fit_all::<<F::Out as IntoRow>::Sink>;
    // A filter refuses both of these options.
    let is_named = E::VERB != Kind::FilterRows;
    let returns = match is_named {
        true => checks.returns(default.len(), &default, fit),
        false => None,
    };
    let plan = checks.pass(is_named.then_some(default.len()), &[])?;
    let names = options.call.names.clone().unwrap_or(default);

    let (sources, numbers) = (arguments.sources(), arguments.numbers());
    let layout = sources.layout();
    let bound = arguments.bind(&layout, options)?;
    let nullable = F::Cells::has_nulls(&bound);
    let items = RowItems {
        sources,
        numbers,
        names: &names,
        has_parts: true,
    };
    let calls = Calls::<M, C, F> {
        f,
        bound: &bound,
        layout: &layout,
        sink: Sinks::new(sources.rows, nullable || options.leaves_gaps()),
        casts: options.casts(),
        returns,
        items,
        marker: PhantomData,
    };
    let verb = RowCalls {
        calls,
        plan: &plan,
        ending,
    };
    call(options, &plan, lead, verb)
}

/// The facts that failures and errors report about rows.
#[derive(Clone, Copy)]
pub(super) struct RowItems<'r, 'a> {
    pub(super) sources: &'r Sources<'a>,
    pub(super) numbers: &'r RowNumbers,
    pub(super) names: &'r [PlSmallStr],
    pub(super) has_parts: bool,
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
        // The same column may be given to more than one argument.
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

    fn has_parts(&self) -> bool {
        self.has_parts
    }
}

/// A closure that is called for rows, and the ending that its results get.
struct RowCalls<'r, 'a, M, C, F, E>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    calls: Calls<'r, 'a, M, C, F>,
    plan: &'r Plan,
    ending: E,
}

/// A closure that is called for rows, and the place where its results are written.
struct Calls<'r, 'a, M, C, F>
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

impl<M, C, F, E> Verb<C> for RowCalls<'_, '_, M, C, F, E>
where
    C: Context + Send,
    F: RowFn<M, C>,
    F::Out: IntoRow,
    E: Ending<<F::Out as IntoRow>::Sink> + Sync,
{
    type Output = E::Output;

    const NAME: &'static str = E::NAME;

    fn items(&self) -> &dyn Items {
        &self.calls.items
    }

    fn cut(&self, plan: &Plan) -> Option<Cut> {
        plan.asked_cut()
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Kernel {
        RowsKernel {
            calls: &self.calls,
            contexts,
            halt,
        }
    }

    fn output(self, gaps: &Gaps) -> Result<Self::Output> {
        let Calls {
            sink,
            returns,
            items,
            ..
        } = self.calls;
        // SAFETY: the run has written every row except those in the gaps, since each failure that the policy allows is written
        // as a null. The sink is nullable if there can be gaps.
        let columns = unsafe { written(sink, returns, &gaps.unwritten, |row| items.place(row))? };
        self.ending.end(Written {
            columns,
            names: items.names,
            gaps,
            rows: items.rows(),
            plan: self.plan,
        })
    }
}

/// Returns the columns of a sink, with nulls where the run has written nothing, in the dtypes that the results were encoded
/// for.
///
/// # Safety
/// Every row of the sink was written except those that are given, which are within the sink. If there are such rows, the sink
/// is nullable.
pub(super) unsafe fn written<S: Sinks>(
    sink: S,
    returns: Option<&[DataType]>,
    unwritten: &[Range<usize>],
    place_of: impl Fn(usize) -> Place,
) -> Result<Vec<Finished>> {
    for rows in unwritten {
        // SAFETY: the caller upholds this function's contract; this is the only writer of these rows, and writes each of them
        // in order.
        unsafe {
            let mut writer = sink.writer(rows.start, rows.len());
            (0..rows.len()).for_each(|row| writer.write_null(row));
            writer.finish();
        }
    }
    let mut columns = Vec::new();
    // SAFETY: now every row is written.
    let finished = unsafe { sink.finish(&mut columns) };
    finished.map_err(|error| error.of_item(place_of))?;
    if let Some(dtypes) = returns {
        returned(&mut columns, dtypes)?;
    }
    Ok(columns)
}

/// The kernel that calls a closure for rows.
struct RowsKernel<'j, 'r, 'a, M, C, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    calls: &'j Calls<'r, 'a, M, C, F>,
    contexts: &'j Contexts<'j, C>,
    halt: Option<&'j Halt>,
}

impl<M, C, F> Kernel for RowsKernel<'_, '_, '_, M, C, F>
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
        let Calls {
            f,
            bound,
            layout,
            sink,
            ..
        } = self.calls;
        let mut part = Part {
            first: start,
            end,
            casts: self.calls.casts,
            returns: self.calls.returns,
            items: &self.calls.items,
            numbers: self.calls.items.numbers,
            halt: self.halt,
            steps: Steps::new(worker, patience, self.halt.is_some()),
        };
        // SAFETY: the rows are within the frame, for which the sink was made. They are handed out once; rows that are given
        // back (from the returned row on) are handed out again, but not written here.
        let mut writer = Some(unsafe { sink.writer(start, rows.len()) });
        let body = ByRow::<M, F>::new(*f);
        let mut scratch = <F::Cells as Cells>::Scratch::default();
        let mut blocks = layout.blocks(rows);
        while let Some((row, len, places)) = blocks.next() {
            let reader = F::Cells::open(bound, places, row, len, &mut scratch);
            let mut strides = BlockStrides {
                body: &body,
                context: &mut *context,
                reader,
                sink,
                before: 0,
                writer: &mut writer,
            };
            // SAFETY: the reader is open for the block's rows, which are the writer's next ones.
            if let Some(reached) = unsafe { part.block(row..row + len, worker, &mut strides) } {
                return reached;
            }
        }
        part.steps.leave(worker);
        if let Some(writer) = writer {
            writer.finish();
        }
        end
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        self.calls.items.numbers_of(rows)
    }
}

/// The operations of a block's reader and of the writer that the loop over strides needs, whatever their types, so that the
/// loop is compiled once, and not for each closure.
pub(super) trait Strides {
    /// Returns whether a row of the block may be null.
    fn has_nulls(&self) -> bool;

    /// Runs rows of the block, as [`run_stride`] does.
    ///
    /// # Safety
    /// The rows are within the block, and all rows before them are written. If the block has nulls, `careful` is true.
    unsafe fn run(&mut self, careful: bool, stretch: Stretch<'_>) -> (usize, Stride);

    /// Writes a null.
    ///
    /// # Safety
    /// The same as for [`Writer::write_null`].
    unsafe fn write_null(&mut self, row: usize);

    /// Hands over what was written.
    fn finish(&mut self);

    /// Hands over what was written, and continues with the rows from another one on, up to `len` of them.
    ///
    /// # Safety
    /// The same as for [`CellSink::writer`](crate::write::CellSink::writer).
    unsafe fn restart(&mut self, first: usize, len: usize);
}

/// The reader of one block, and the writer.
pub(super) struct BlockStrides<'b, 's, C, B, R, S: Sinks> {
    pub(super) body: &'b B,
    pub(super) context: &'b mut C,
    pub(super) reader: R,
    pub(super) sink: &'s S,
    /// How many items come before the first row of the sink.
    pub(super) before: usize,
    pub(super) writer: &'b mut Option<S::Writer<'s>>,
}

impl<C, B, R, S> Strides for BlockStrides<'_, '_, C, B, R, S>
where
    C: Context,
    B: Body<C, R::Item>,
    B::Out: IntoRow<Sink = S>,
    R: Reader,
    S: Sinks,
{
    fn has_nulls(&self) -> bool {
        self.reader.has_nulls()
    }

    unsafe fn run(&mut self, careful: bool, stretch: Stretch<'_>) -> (usize, Stride) {
        let run = match careful {
            true => run_stride::<true, C, B, _, _>,
            false => run_stride::<false, C, B, _, _>,
        };
        let writer = self.writer.take().expect("the part is not at its end");
        // SAFETY: the caller upholds this function's contract; the sink is nullable where an argument has nulls (`rows`).
        let (i, writer, ended) =
            unsafe { run(self.body, self.context, self.reader, writer, stretch) };
        *self.writer = Some(writer);
        (i, ended)
    }

    unsafe fn write_null(&mut self, row: usize) {
        if let Some(writer) = self.writer {
            // SAFETY: the caller upholds this function's contract.
            unsafe { writer.write_null(row) };
        }
    }

    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.finish();
        }
    }

    unsafe fn restart(&mut self, first: usize, len: usize) {
        // SAFETY: the caller upholds this function's contract.
        *self.writer = Some(unsafe { self.sink.writer(first - self.before, len) });
    }
}

/// The rows that a worker was handed.
pub(super) struct Part<'p> {
    /// The first row of the writer.
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) casts: Casts,
    pub(super) returns: Option<&'p [DataType]>,
    pub(super) items: &'p dyn Items,
    /// The numbers of the rows' random streams.
    pub(super) numbers: &'p RowNumbers,
    pub(super) halt: Option<&'p Halt>,
    pub(super) steps: Steps,
}

impl Part<'_> {
    /// Runs a block. If the part ends with it, hands over what was written, and returns the first row that was not done.
    ///
    /// # Safety
    /// The strides have a reader that is open for the block's rows, and a writer whose next rows these are.
    pub(super) unsafe fn block(
        &mut self,
        block: Range<usize>,
        worker: &mut Worker<'_>,
        strides: &mut dyn Strides,
    ) -> Option<usize> {
        let (row, len, end) = (block.start, block.len(), self.end);
        let is_careful = strides.has_nulls() || self.returns.is_some();
        let mut done = 0;
        while done < len {
            let next = len.min(done + self.steps.stride);
            // A closure that takes long is checked before each row for whether the run was stopped.
            let is_quick = self.halt.is_none() || (self.steps.fast && next - done >= BATCH);
            let stretch = Stretch {
                block: row,
                first: self.first,
                rows: done..next,
                casts: self.casts,
                returns: self.returns,
                numbers: self.numbers,
                halt: self.halt,
            };
            let began_at = done;
            // SAFETY: the rows are within the block; the rows before them are written, or were left out.
            let (i, ended) = unsafe { strides.run(is_careful || !is_quick, stretch) };
            worker.done(i - done);
            done = i;
            match ended {
                Stride::Done => {}
                Stride::Halted => {
                    strides.finish();
                    return Some(row + i);
                }
                Stride::Broken(failure) => {
                    worker.abort(Error::from(ErrorKind::Value {
                        place: self.items.place(row + i),
                        column: None,
                        message: format!("the result could not be written: {failure:?}"),
                    }));
                    return Some(end);
                }
                Stride::Failed(failure) => {
                    match worker.fail(row + i, failure.of_row(row + i)) {
                        Verdict::Stop => {
                            worker.done(1);
                            return Some(end);
                        }
                        Verdict::Noted => {
                            // SAFETY: the rows before this one are written, and the sink is nullable if the policy allows
                            // failures.
                            unsafe { strides.write_null(row + i - self.first) };
                            worker.done(1);
                        }
                        Verdict::Later => {
                            strides.finish();
                            self.first = row + i + 1;
                            // SAFETY: as for the part's first writer; the row that is left out is not written here, but by the
                            // worker that is handed it again, or, in a run that was cancelled, after the end of the run
                            // (`Rows::output`).
                            unsafe { strides.restart(self.first, end - self.first) };
                        }
                    }
                    done = i + 1;
                }
            }
            let reached = row + done;
            if reached == end {
                return None;
            }
            if self.steps.took(done - began_at, done == next) {
                self.steps.leave(worker);
                strides.finish();
                return Some(reached);
            }
            if worker.is_over(reached) {
                strides.finish();
                return Some(reached);
            }
        }
        None
    }
}
