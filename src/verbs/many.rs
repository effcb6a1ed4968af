//! `flat_map_rows` and `emit_rows`: any number of output rows for each input row.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use polars::prelude::{Column, DataFrame, DataType, IdxSize, IntoColumn, PlSmallStr};

use super::arguments::Arguments;
use super::call::{Verb, call};
use super::follows::Kind;
use super::report::{Gaps, Items, gather};
use super::rows::{Part, RowItems, Strides};
use super::stride::{Stretch, Stride};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, IntoUnit, Lead};
use crate::error::{Cause, Error, Failure, Result};
use crate::function::{EmitFn, RowFn};
use crate::options::{Casts, Options};
use crate::outcome::Outcome;
use crate::partition::{Cut, Layout};
use crate::read::{Cells, Given, Names, Reader, not_found};
use crate::row_numbers::number_column;
use crate::run::{BATCH, Kernel, Plan, Steps, Worker, catch};
use crate::sync::Arc;
use crate::write::{
    Emit, EmitRow, IntoRows, Owned, Parts, Pushed, fit_pushed, returned, stack_pushed,
};

/// Calls a closure that returns output rows for each row.
pub(crate) fn flat_map_rows<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: RowFn<M, C>,
    F::Out: IntoRows,
{
    many::<M, C, L, _>(given, options, lead, &FlatMap(f))
}

/// Calls a closure that pushes output rows for each row.
pub(crate) fn emit_rows<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: EmitFn<M, C>,
{
    many::<M, C, L, _>(given, options, lead, &Emitting(f))
}

/// A function that pushes the output rows of a row.
trait Pushes<M, C>: Sync {
    /// The verb's name in tracing spans.
    const VERB: &'static str;
    const NAMES: Names;
    type Cells: Cells;
    type Row: EmitRow;

    fn push<'a>(
        &self,
        context: &mut C,
        out: &mut Emit<Self::Row>,
        cells: <Self::Cells as Cells>::Of<'a>,
    ) -> Result<(), Failure>;
}

/// Pushes the rows that a closure returns.
struct FlatMap<'f, F>(&'f F);

impl<M, C, F> Pushes<M, C> for FlatMap<'_, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRows,
{
    const VERB: &'static str = "flat_map_rows";
    const NAMES: Names = F::NAMES;
    type Cells = F::Cells;
    type Row = Owned<<F::Out as IntoRows>::Row>;

    #[inline(always)]
    fn push<'a>(
        &self,
        context: &mut C,
        out: &mut Emit<Self::Row>,
        cells: <F::Cells as Cells>::Of<'a>,
    ) -> Result<(), Failure> {
        self.0.call(context, cells).push_onto(out)
    }
}

/// Calls a closure that pushes rows itself.
struct Emitting<'f, F>(&'f F);

impl<M, C, F> Pushes<M, C> for Emitting<'_, F>
where
    F: EmitFn<M, C>,
{
    const VERB: &'static str = "emit_rows";
    const NAMES: Names = F::NAMES;
    type Cells = F::Cells;
    type Row = F::Row;

    #[inline(always)]
    fn push<'a>(
        &self,
        context: &mut C,
        out: &mut Emit<F::Row>,
        cells: <F::Cells as Cells>::Of<'a>,
    ) -> Result<(), Failure> {
        let result = self.0.call(context, out, cells).into_unit();
        result.map_err(|error| Failure::Closure(Cause::new(error)))
    }
}

fn many<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: Pushes<M, C>,
{
    let chosen = Arguments::<F::Cells>::choose(given, options, Kind::ManyRows, F::NAMES, L::SEEDED);
    let (mut checks, arguments) = chosen;
    let keep = options.call.keep.as_deref().unwrap_or_default();
    let kept = kept(given, keep, &mut checks.faults);
    let default = F::Row::names().numbered("column");
    let returns = checks.returns(default.len(), &default, fit_pushed::<F::Row>);
    let width = default.len();
    let names = options.call.names.clone().unwrap_or(default);
    let before = options.call.source_rows.iter().chain(keep);
    // If names are given, the check of the plan reports those that occur twice.
    let mut all: Vec<PlSmallStr> = before.cloned().collect();
    let own = (0..names.len()).filter(|name| !names[..*name].contains(&names[*name]));
    all.extend(own.map(|name| names[name].clone()));
    let plan = checks.pass(Some(width), &all)?;

    let (sources, numbers) = (arguments.sources(), arguments.numbers());
    let layout = sources.layout();
    let bound = arguments.bind(&layout, options)?;
    let items = RowItems {
        sources,
        numbers,
        names: &names,
        has_parts: true,
    };
    let verb = ManyRows::<M, C, F> {
        f,
        bound: &bound,
        layout: &layout,
        parts: Parts::new(),
        casts: options.casts(),
        dtypes: returns.map(Into::into),
        returns,
        source_rows: options.call.source_rows.clone(),
        kept,
        items,
        marker: PhantomData,
    };
    call(options, &plan, lead, verb)
}

/// Returns the input columns that stand before the columns of the output.
fn kept<'a>(given: Given<'a>, names: &[PlSmallStr], faults: &mut Vec<Error>) -> Vec<&'a Column> {
    let find = |name: &PlSmallStr| {
        let found = given.columns.iter().find(|column| column.name() == name);
        if found.is_none() {
            let columns = given.columns.iter().map(|column| column.name().as_str());
            faults.push(not_found(name, columns));
        }
        found
    };
    names.iter().filter_map(find).collect()
}

/// A closure that is called for rows, and the rows that it gives.
struct ManyRows<'r, 'a, M, C, F: Pushes<M, C>> {
    f: &'r F,
    bound: &'r <F::Cells as Cells>::Bound<'a>,
    layout: &'r Layout,
    parts: Parts<Result<Pushed<F::Row>>>,
    casts: Casts,
    returns: Option<&'r [DataType]>,
    /// The same dtypes, in the form in which each part has them.
    dtypes: Option<Arc<[DataType]>>,
    source_rows: Option<PlSmallStr>,
    kept: Vec<&'r Column>,
    items: RowItems<'r, 'a>,
    marker: PhantomData<fn(M, C)>,
}

impl<M, C, F: Pushes<M, C>> ManyRows<'_, '_, M, C, F> {
    /// Makes an output onto which nothing is pushed yet.
    fn out(&self) -> Emit<F::Row> {
        let counts = self.source_rows.is_some() || !self.kept.is_empty();
        Emit::new(self.casts, self.dtypes.clone(), counts)
    }

    /// Stores what the rows from `first` on have pushed.
    fn put(&self, first: usize, out: Emit<F::Row>) {
        if out.len() > 0 {
            self.parts.push(first, out.close(first));
        }
    }
}

impl<M, C, F> Verb<C> for ManyRows<'_, '_, M, C, F>
where
    C: Context + Send,
    F: Pushes<M, C>,
{
    type Output = DataFrame;

    const NAME: &'static str = F::VERB;
    /// A row that fails gives no rows.
    const WHOLE: bool = true;

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, plan: &Plan) -> Option<Cut> {
        plan.asked_cut()
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Kernel {
        ManyKernel {
            rows: self,
            contexts,
            halt,
        }
    }

    fn output(self, _: &Gaps) -> Result<DataFrame> {
        let mut pushed = self.parts.into_ordered().collect::<Result<Vec<_>>>()?;
        let counts: Vec<_> = pushed
            .iter_mut()
            .map(|part| (part.first, std::mem::take(&mut part.counts)))
            .collect();
        let height = pushed.iter().map(|part| part.len).sum();
        check_height(height)?;
        let sources = || {
            let parts = counts.iter();
            parts.flat_map(|(first, counts)| sources_of(*first, counts))
        };
        let stacked = stack_pushed(pushed, self.returns.is_some());
        let (mut columns, chunks) = stacked.map_err(|error| {
            error.of_item(|row| self.items.place(sources().nth(row).unwrap_or_default()))
        })?;
        if let Some(dtypes) = self.returns {
            returned(&mut columns, dtypes)?;
        }
        let mut all = Vec::with_capacity(self.kept.len() + columns.len() + 1);
        if self.source_rows.is_some() || !self.kept.is_empty() {
            let sources: Vec<usize> = sources().collect();
            if let Some(name) = self.source_rows {
                let numbers = sources.iter().map(|row| self.items.numbers.of(*row));
                all.push(number_column(name, &numbers.collect::<Vec<usize>>()));
            }
            all.extend(gather(&self.kept, &sources)?);
            for column in &mut all {
                cut(column, &chunks)?;
            }
        }
        let names = self.items.names.iter().cloned();
        let columns = columns.into_iter().zip(names);
        all.extend(columns.map(|(column, name)| column.into_column(name)));
        Ok(DataFrame::new(height, all)?)
    }
}

/// Checks the number of rows of an output, which Polars counts with its row index.
fn check_height(height: usize) -> Result<()> {
    if IdxSize::try_from(height).is_ok_and(|height| height < IdxSize::MAX) {
        return Ok(());
    }
    Err(anyhow::anyhow!(
        "the output would have {height} rows, which is more than a frame of Polars can have; call it for parts of the frame"
    )
    .into())
}

/// Returns the input row of each output row; `counts` says how many output rows each input row from `first` on gave.
fn sources_of(first: usize, counts: &[IdxSize]) -> impl Iterator<Item = usize> + '_ {
    let rows = counts.iter().enumerate();
    rows.flat_map(move |(row, count)| std::iter::repeat_n(first + row, *count as usize))
}

/// Cuts a column into chunks of these lengths, as the columns beside it have, without a copy.
fn cut(column: &mut Column, lengths: &[usize]) -> Result<()> {
    if let (Column::Series(_), [first, rest @ ..]) = (&*column, lengths)
        && !rest.is_empty()
    {
        let series = column.as_materialized_series();
        let mut cut = series.slice(0, *first);
        for length in rest {
            cut.append_owned(series.slice(cut.len() as i64, *length))?;
        }
        *column = cut.into_column();
    }
    Ok(())
}

/// The kernel that calls a closure that gives any number of rows for each row.
struct ManyKernel<'j, 'r, 'a, M, C, F: Pushes<M, C>> {
    rows: &'j ManyRows<'r, 'a, M, C, F>,
    contexts: &'j Contexts<'j, C>,
    halt: Option<&'j Halt>,
}

impl<M, C, F> Kernel for ManyKernel<'_, '_, '_, M, C, F>
where
    C: Context + Send,
    F: Pushes<M, C>,
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
        let mut part = Part {
            first: start,
            end,
            casts: self.rows.casts,
            returns: self.rows.returns,
            items: &self.rows.items,
            numbers: self.rows.items.numbers,
            halt: self.halt,
            steps: Steps::new(worker, patience, self.halt.is_some()),
        };
        let mut open = OpenPart {
            rows: self.rows,
            first: start,
            out: self.rows.out(),
        };
        let mut scratch = <F::Cells as Cells>::Scratch::default();
        let mut blocks = self.rows.layout.blocks(rows);
        while let Some((row, len, places)) = blocks.next() {
            let mut strides = ManyStrides {
                reader: F::Cells::open(self.rows.bound, places, row, len, &mut scratch),
                context: &mut *context,
                open: &mut open,
            };
            // SAFETY: the reader is open for the block's rows, which are the next ones of the open part.
            if let Some(reached) = unsafe { part.block(row..row + len, worker, &mut strides) } {
                return reached;
            }
        }
        part.steps.leave(worker);
        open.put();
        end
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        self.rows.items.numbers_of(rows)
    }
}

/// The rows that consecutive input rows have pushed so far.
struct OpenPart<'j, 'r, 'a, M, C, F: Pushes<M, C>> {
    rows: &'j ManyRows<'r, 'a, M, C, F>,
    /// The first of these input rows.
    first: usize,
    out: Emit<F::Row>,
}

impl<M, C, F: Pushes<M, C>> OpenPart<'_, '_, '_, M, C, F> {
    /// Stores the part, and begins a new one.
    fn put(&mut self) {
        let out = std::mem::replace(&mut self.out, self.rows.out());
        self.rows.put(self.first, out);
    }
}

/// The reader of one block, and the part that its rows are pushed onto.
struct ManyStrides<'b, 'j, 'r, 'a, M, C, F: Pushes<M, C>, R> {
    reader: R,
    context: &'b mut C,
    open: &'b mut OpenPart<'j, 'r, 'a, M, C, F>,
}

impl<'c, M, C, F, R> Strides for ManyStrides<'_, '_, '_, '_, M, C, F, R>
where
    C: Context,
    F: Pushes<M, C>,
    R: Reader<Item = <F::Cells as Cells>::Of<'c>>,
{
    fn has_nulls(&self) -> bool {
        self.reader.has_nulls()
    }

    unsafe fn run(&mut self, careful: bool, stretch: Stretch<'_>) -> (usize, Stride) {
        let run = match careful {
            true => push_stride::<true, M, C, F, R>,
            false => push_stride::<false, M, C, F, R>,
        };
        let OpenPart { rows, out, .. } = &mut *self.open;
        // SAFETY: the caller upholds this function's contract.
        unsafe { run(rows.f, self.context, self.reader, out, &stretch) }
    }

    unsafe fn write_null(&mut self, _: usize) {
        // The row gives no output rows.
        self.open.out.count();
    }

    fn finish(&mut self) {
        self.open.put();
    }

    unsafe fn restart(&mut self, first: usize, _: usize) {
        self.open.first = first;
    }
}

/// The loop over the rows of a stretch. The `CAREFUL` loop checks for nulls before each row, and whether the run is stopped
/// from outside; the other loop checks that once for each [`BATCH`]. Returns the row at which the loop ended, of which nothing
/// is left in the output.
///
/// # Safety
/// The reader is open for the block's rows. Unless the loop is `CAREFUL`, none of them is null.
unsafe fn push_stride<'c, const CAREFUL: bool, M, C, F, R>(
    f: &F,
    context: &mut C,
    reader: R,
    out: &mut Emit<F::Row>,
    stretch: &Stretch<'_>,
) -> (usize, Stride)
where
    C: Context,
    F: Pushes<M, C>,
    R: Reader<Item = <F::Cells as Cells>::Of<'c>>,
{
    let mut i = stretch.rows.start;
    let ended = catch(|| {
        while i < stretch.rows.end {
            let looks = CAREFUL || (i - stretch.rows.start).is_multiple_of(BATCH);
            if looks && stretch.halt.is_some_and(Halt::is_set) {
                return Stride::Halted;
            }
            // SAFETY: `i` is within the stretch, and it is read only where it is valid.
            unsafe {
                if CAREFUL && !reader.is_valid(i) {
                    let fault = reader.fault(i);
                    if fault.message.is_some() {
                        return Stride::Failed(Failure::Read(fault));
                    }
                    out.count();
                } else {
                    context.at(stretch.numbers, stretch.block + i);
                    let pushed = f.push(context, out, reader.read::<CAREFUL>(i));
                    if let Err(failure) = pushed.and_then(|()| out.end_row()) {
                        return Stride::Failed(failure);
                    }
                }
            }
            i += 1;
        }
        Stride::Done
    });
    let ended = ended.unwrap_or_else(Stride::Failed);
    if let Stride::Failed(_) = ended {
        out.take_back();
    }
    (i, ended)
}
