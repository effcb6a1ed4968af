//! `windows`: one call of the closure for the window around each row.
//!
//! An item is a row, and its window is some positions in group order, or in the order of the frame if there are no keys.
//! Results are written as those of rows are.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use polars::prelude::{Column, DataFrame, DataType, IdxSize, PlSmallStr};
use polars_arrow::bitmap::Bitmap;

use super::call::{Checks, Verb, call};
use super::follows::{Kind, Over, Shape};
use super::report::{Gaps, Items, apart, at_rows, gather};
use super::rows::{BlockStrides, Ending, Part, Stacked, Written, written};
use super::spans::{Chosen, column, columns_but, filtered, keys, share_out};
use super::stride::Body;
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Place, Result};
use crate::function::WindowFn;
use crate::groups::{Groups, NOWHERE};
use crate::options::{Casts, Options};
use crate::outcome::Outcome;
use crate::partition::{BLOCK, Cut};
use crate::read::{Given, ItemSpans, SpanArgs, SpanColumns, SpanReader, Unreadable, WholeColumns};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::{Kernel, Plan, Steps, Worker};
use crate::windows::{Bounds, Reading, Spans, Window};
use crate::write::{IntoRow, Sinks, Writer, fit_all};

pub(crate) fn windows<M, C, L, F>(
    given: Given<'_>,
    options: &Options<'_>,
    lead: L,
    window: &Window,
    f: &F,
) -> Result<Outcome<<F::Out as IntoRow>::Output>>
where
    C: Context + Send,
    L: Lead<C>,
    F: WindowFn<M, C>,
    F::Out: IntoRow,
{
    let shape = Shape {
        verb: Kind::Windows,
        over: Over::of(given),
        sees_nulls: false,
        is_whole: false,
        is_seeded: L::SEEDED,
    };
    let mut checks = Checks::new(options, shape);
    let keys = match options.call.by {
        Some(_) => keys(given, options, &mut checks.faults),
        None => Vec::new(),
    };
    let order = window.order_column().map(|name| column(given, name));
    let order = order.transpose().unwrap_or_else(|fault| {
        checks.faults.push(fault);
        None
    });
    window.check(order, &mut checks.faults);
    let mut own: Vec<&PlSmallStr> = keys.iter().map(|key| key.name()).collect();
    own.extend(window.order_column());
    let others = options
        .call
        .select
        .is_none()
        .then(|| columns_but(given, &own));
    let height = given.rows;
    let by_default = Given {
        columns: others.as_deref().unwrap_or(given.columns),
        ..given
    };
    let numbers = given.row_numbers(options, &mut checks.faults);
    let chosen = Chosen::new::<F::Arguments>(by_default, options, None, &mut checks.faults);
    let default = F::Out::names().numbered("column");
    let fit = fit_all::<<F::Out as IntoRow>::Sink>;
    let returns = checks.returns(default.len(), &default, fit);
    let plan = checks.pass(Some(default.len()), &[])?;
    let names = options.call.names.clone().unwrap_or(default);

    let share_out = share_out(&plan, height);
    let workers = plan.workers();
    let groups = match options.call.by {
        Some(_) => {
            let drop_nulls = options.drops_null_keys();
            Some(Groups::of(&keys, height, drop_nulls, workers, &share_out)?)
        }
        None => None,
    };
    if let (Some(groups), Some(_)) = (&groups, window.order_column()) {
        // The order column is read by rows. The workers make the list of rows here, so that the first one that asks for a row
        // does not have to.
        groups.list_rows(workers, &share_out)?;
    }
    let seen = chosen.seen(&[], options, &numbers)?;
    let row_at = |position: usize| match &groups {
        Some(groups) => groups.row_at(position),
        None => position,
    };
    let span = |group: usize| match &groups {
        Some(groups) => groups.span(group),
        None => 0..height,
    };
    let reading = Reading {
        rows: groups.as_ref().map_or(height, Groups::grouped_rows),
        groups: groups.as_ref().map(|groups| Spans {
            count: groups.len(),
            of: &span,
        }),
        row_at: groups.as_ref().and(Some(&row_at)),
    };
    let mut bounds = Bounds::new(window, &reading, order, &numbers, &share_out)?;
    // This is set if some rows are hidden: the groups of the rows that are seen.
    let mut compact = None;
    if let Some(seen) = &seen {
        bounds = match &groups {
            None => bounds.seen(seen),
            Some(groups) => {
                let seen_at = |position| seen.get_bit(groups.row_at(position));
                let by_position = (0..groups.grouped_rows()).map(seen_at);
                compact = Some(groups.keep(seen, workers, &share_out)?);
                bounds.seen(&by_position.collect::<Bitmap>())
            }
        };
    }
    let arranged = chosen.arrange(&[], options, |series| match (&compact, &groups, &seen) {
        (Some(groups), ..) | (None, Some(groups), _) => groups.reorder(series, workers, &share_out),
        (None, None, Some(seen)) => filtered(series, seen),
        (None, None, None) => Ok(series.clone()),
    })?;
    // This is the input row at each position among the rows that are seen.
    let seen_rows: Option<Vec<IdxSize>> = match (&seen, &groups) {
        (Some(seen), None) => Some(seen.true_idx_iter().map(|row| row as IdxSize).collect()),
        _ => None,
    };
    let seen_row = |position: usize| match (&compact, &groups, &seen_rows) {
        (Some(groups), ..) | (None, Some(groups), _) => groups.row_at(position),
        (None, None, Some(rows)) => rows[position] as usize,
        (None, None, None) => position,
    };
    let seen_count = match (&compact, &groups, &seen_rows) {
        (Some(groups), ..) | (None, Some(groups), _) => groups.grouped_rows(),
        (None, None, Some(rows)) => rows.len(),
        (None, None, None) => height,
    };
    let position_numbers = match chosen.is_untyped() {
        true => numbers.picked((0..seen_count).map(seen_row)),
        false => RowNumbers::default(),
    };
    let no_frame = DataFrame::default();
    let mut columns = SpanColumns {
        arguments: arranged.chunks().into_iter(),
        numbers: &position_numbers,
        whole: WholeColumns {
            frame: &no_frame,
            keys: &no_frame,
            first_rows: &[],
        },
    };
    // SAFETY: the columns are those that were chosen for these arguments, and cast to what they take.
    let bound = unsafe { F::Arguments::bind(&mut columns) };
    let mut scratch = <F::Arguments as SpanArgs>::Scratch::default();
    let unreadable = {
        let opened = F::Arguments::open(&bound, &mut scratch);
        Unreadable::find::<F::Arguments>(&opened, seen_count)
    };
    let positions = match &groups {
        Some(groups) => groups.list_positions(workers, &share_out)?,
        None => None,
    };
    let number = |position: usize| numbers.of(seen_row(position));
    let given: Vec<&Column> = chosen.columns().collect();
    let verb = WindowsVerb {
        f,
        bound: &bound,
        spans: WindowSpans {
            bounds: &bounds,
            positions,
            min_rows: bounds.min_rows(),
        },
        unreadable: &unreadable,
        number: &number,
        sink: Sinks::new(height, true),
        casts: options.casts(),
        returns,
        items: WindowItems {
            numbers: &numbers,
            names: &names,
            inputs: &chosen.inputs,
            keys: &keys,
            given: &given,
            height,
        },
        plan: &plan,
        marker: PhantomData::<fn(M, C)>,
    };
    call(options, &plan, lead, verb)
}

/// A closure that is called for windows, and the place where its results are written.
struct WindowsVerb<'r, 'a, M, C, F, N>
where
    F: WindowFn<M, C>,
    F::Out: IntoRow,
{
    f: &'r F,
    bound: &'r <F::Arguments as SpanArgs>::Bound<'a>,
    spans: WindowSpans<'r>,
    unreadable: &'r Unreadable,
    /// Returns the number of the row at a position among the rows that are seen.
    number: &'r N,
    sink: <F::Out as IntoRow>::Sink,
    casts: Casts,
    returns: Option<&'r [DataType]>,
    items: WindowItems<'r>,
    plan: &'r Plan,
    marker: PhantomData<fn(M, C)>,
}

/// The windows of rows.
#[derive(Clone, Copy)]
struct WindowSpans<'r> {
    bounds: &'r Bounds,
    /// The positions of rows, if these are not the numbers of the rows.
    positions: Option<&'r [IdxSize]>,
    min_rows: usize,
}

impl ItemSpans for WindowSpans<'_> {
    #[inline(always)]
    fn rows_of(&self, row: usize) -> Option<Range<usize>> {
        let position = match self.positions {
            None => row,
            Some(positions) => match positions[row] {
                NOWHERE => return None,
                position => position as usize,
            },
        };
        if !self.bounds.is_due(position) {
            return None;
        }
        let rows = self.bounds.of(position);
        (rows.len() >= self.min_rows).then_some(rows)
    }

    /// Where rows are counted, only windows towards the ends are shorter.
    fn may_lack(&self, rows: Range<usize>) -> bool {
        let lacks = |row: usize| self.rows_of(row).is_none();
        !self.bounds.are_counted()
            || rows.start == rows.end
            || lacks(rows.start)
            || lacks(rows.end - 1)
    }
}

/// A closure of windows, in the form in which the loop calls it.
struct ByWindow<'f, M, F> {
    f: &'f F,
    marker: PhantomData<fn(M)>,
}

impl<'a, M, C, F> Body<C, <F::Arguments as SpanArgs>::Of<'a>> for ByWindow<'_, M, F>
where
    F: WindowFn<M, C>,
    F::Out: IntoRow,
{
    type Out = F::Out;

    #[inline(always)]
    fn call(&self, context: &mut C, arguments: <F::Arguments as SpanArgs>::Of<'a>) -> F::Out {
        self.f.call(context, arguments)
    }
}

impl<M, C, F, N> Verb<C> for WindowsVerb<'_, '_, M, C, F, N>
where
    C: Context + Send,
    F: WindowFn<M, C>,
    F::Out: IntoRow,
    N: Fn(usize) -> usize + Sync,
{
    type Output = <F::Out as IntoRow>::Output;

    const NAME: &'static str = "windows";

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, plan: &Plan) -> Option<Cut> {
        plan.asked_cut()
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, halt: Option<&'j Halt>) -> impl Kernel {
        WindowsKernel {
            verb: self,
            contexts,
            halt,
        }
    }

    fn output(self, gaps: &Gaps) -> Result<Self::Output> {
        let WindowsVerb {
            sink,
            returns,
            items,
            plan,
            ..
        } = self;
        // SAFETY: the sink is nullable, and the run has written every row except those in the gaps.
        let columns = unsafe { written(sink, returns, &gaps.unwritten, |row| items.place(row))? };
        Ending::<<F::Out as IntoRow>::Sink>::end(
            Stacked,
            Written {
                columns,
                names: items.names,
                gaps,
                rows: items.height,
                plan,
            },
        )
    }
}

/// The kernel that calls a closure for windows.
struct WindowsKernel<'j, 'r, 'a, M, C, F, N>
where
    F: WindowFn<M, C>,
    F::Out: IntoRow,
{
    verb: &'j WindowsVerb<'r, 'a, M, C, F, N>,
    contexts: &'j Contexts<'j, C>,
    halt: Option<&'j Halt>,
}

impl<M, C, F, N> Kernel for WindowsKernel<'_, '_, '_, M, C, F, N>
where
    C: Context + Send,
    F: WindowFn<M, C>,
    F::Out: IntoRow,
    N: Fn(usize) -> usize + Sync,
{
    fn run(&self, rows: Range<usize>, patience: Duration, worker: &mut Worker<'_>) -> usize {
        let mut context = match self.contexts.lend(worker.seat()) {
            Ok(context) => context,
            Err(error) => {
                worker.abort(error);
                return rows.start;
            }
        };
        let verb = self.verb;
        let mut part = Part {
            first: rows.start,
            end: rows.end,
            casts: verb.casts,
            returns: verb.returns,
            items: &verb.items,
            numbers: verb.items.numbers,
            halt: self.halt,
            steps: Steps::new(worker, patience, self.halt.is_some()),
        };
        // SAFETY: the rows are within the frame, for which the sink was made. They are handed out once; rows that are given
        // back (from the returned row on) are handed out again, but not written here.
        let mut writer = Some(unsafe { verb.sink.writer(rows.start, rows.len()) });
        let body = ByWindow {
            f: verb.f,
            marker: PhantomData::<fn(M)>,
        };
        let mut scratch = <F::Arguments as SpanArgs>::Scratch::default();
        let opened = F::Arguments::open(verb.bound, &mut scratch);
        let mut start = rows.start;
        while start < rows.end {
            let block = start..rows.end.min(start + BLOCK);
            start = block.end;
            // SAFETY: the columns of cells have every row, and the other columns all rows that are seen. Rows are valid where
            // they are not noted as unreadable.
            let reader = unsafe {
                SpanReader::<F::Arguments, _>::new(
                    opened,
                    verb.spans,
                    verb.unreadable,
                    verb.number,
                    block.clone(),
                )
            };
            let mut strides = BlockStrides {
                body: &body,
                context: &mut *context,
                reader,
                sink: &verb.sink,
                before: 0,
                writer: &mut writer,
            };
            // SAFETY: the reader is open for the block's rows, which are the writer's next ones.
            if let Some(reached) = unsafe { part.block(block, worker, &mut strides) } {
                return reached;
            }
        }
        part.steps.leave(worker);
        if let Some(writer) = writer {
            writer.finish();
        }
        rows.end
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        self.verb.items.numbers_of(rows)
    }
}

/// The facts that failures and errors report about windows.
#[derive(Clone, Copy)]
struct WindowItems<'r> {
    numbers: &'r RowNumbers,
    names: &'r [PlSmallStr],
    /// The columns of the arguments.
    inputs: &'r [String],
    keys: &'r [&'r Column],
    given: &'r [&'r Column],
    height: usize,
}

impl Items for WindowItems<'_> {
    fn len(&self) -> usize {
        self.height
    }

    fn place(&self, row: usize) -> Place {
        Place::Window {
            row: self.numbers.of(row),
        }
    }

    fn input(&self, _: usize, argument: usize) -> Option<String> {
        self.inputs.get(argument).cloned()
    }

    fn output(&self, column: usize) -> Option<String> {
        self.names.get(column).map(ToString::to_string)
    }

    fn which(&self, rows: &[usize]) -> Vec<Column> {
        let numbers: Vec<usize> = rows.iter().map(|row| self.numbers.of(*row)).collect();
        let mut columns = vec![number_column("row".into(), &numbers)];
        let rows: Vec<IdxSize> = rows.iter().map(|row| *row as IdxSize).collect();
        for key in self.keys {
            if let Ok(key) = at_rows(key, &rows) {
                columns.push(apart(key, &columns));
            }
        }
        columns
    }

    /// Returns the cells of the row itself.
    fn given(&self, rows: &[usize]) -> Result<Vec<Column>> {
        gather(self.given, rows)
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        rows
    }

    fn numbers(&self) -> &RowNumbers {
        self.numbers
    }

    fn rows(&self) -> usize {
        self.height
    }
}
