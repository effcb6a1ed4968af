//! `chunks`: one call of the closure for each part.

use std::marker::PhantomData;
use std::ops::Range;

use polars::prelude::{Column, DataFrame, DataType, PlSmallStr, Schema, SchemaRef};

use super::call::{Checks, Verb, call};
use super::follows::{Kind, Over, Shape};
use super::names_of;
use super::report::{Gaps, Items};
use super::results::{OneByOne, Results};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{ErrorKind, Place, Result};
use crate::function::ChunkFn;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::partition::{Chunk, Halo, room_for, slice};
use crate::read::{Given, NumbersOf, selected};
use crate::row_numbers::{RowNumbers, number_column};
use crate::run::{Failure, Kernel, Plan, catch};
use crate::write::{IntoStack, OutputSchema, Returns};

pub(crate) fn chunks<M, C, L, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<<F::Out as IntoStack>::Output>>
where
    C: Context + Send,
    L: Lead<C>,
    F: ChunkFn<M, C>,
    F::Out: IntoStack,
{
    let Checked {
        numbers,
        columns,
        returns,
        plan,
    } = check::<M, C, L, F>(frame, options)?;
    let frame = chosen(frame, columns, options)?;
    let height = frame.height();
    let cut = plan.cut(height);
    let parts = cut.parts(height);
    let mut rows: Vec<Range<usize>> = room_for(parts, cut.option())?;
    rows.extend((0..parts).map(|part| cut.rows_of(part, height)));

    let work = |context: &mut C, index: usize| {
        let rows = &rows[index];
        context.at(&numbers, rows.start);
        let row_offset = numbers.span(rows.clone()).start;
        let returns = Returns::new(returns, options.casts());
        let Some(overlap) = options.overlap() else {
            let part = Chunk::new(slice(&frame, rows), index, row_offset);
            return called(f, context, part)?.into_part(returns);
        };
        let halo = Halo::new(rows.clone(), overlap, height);
        let first = numbers.span(halo.around.clone()).start;
        let part = Chunk::new(slice(&frame, &halo.around), index, first).with_core(halo.core());
        let whole = called(f, context, part)?.into_part(returns)?;
        F::Out::cut(whole, &halo).map_err(|message| {
            let place = Place::Part { index, row_offset };
            let column = None;
            let kind = ErrorKind::Stack {
                place,
                column,
                message,
            };
            Failure::Known(kind.into())
        })
    };
    let names = options.call.names.clone().or_else(F::Out::names);
    let verb = Chunks {
        results: Results::new(parts, room_for(parts, cut.option())?),
        work,
        items: ChunkItems {
            rows: &rows,
            numbers: &numbers,
            height,
            names,
        },
        names: options.call.names.clone(),
        returns,
        out: PhantomData::<fn() -> F::Out>,
    };
    call(options, &plan, lead, verb)
}

/// Returns the schema that a function of parts promises for its output, if the call over the frame has no fault.
pub(crate) fn chunks_schema<M, C, L, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    schema: &impl OutputSchema,
) -> Result<SchemaRef>
where
    L: Lead<C>,
    F: ChunkFn<M, C>,
    F::Out: IntoStack,
{
    let Checked { columns, .. } = check::<M, C, L, F>(frame, options)?;
    let frame = chosen(frame, columns, options)?;
    promised(schema, frame.schema())
}

/// Returns the schema of the output; the closure that makes it is a user's.
pub(crate) fn promised(schema: &impl OutputSchema, input: &Schema) -> Result<SchemaRef> {
    match catch(|| schema.of(input)) {
        Ok(schema) => Ok(schema?),
        Err(failure) => {
            let what = match failure {
                Failure::Panic(message) => message,
                other => format!("{other:?}"),
            };
            Err(
                anyhow::anyhow!("the closure that makes the output's schema panicked: {what}")
                    .into(),
            )
        }
    }
}

/// Returns the frame of the columns that the closure is given.
fn chosen(frame: &DataFrame, columns: Vec<&Column>, options: &Options<'_>) -> Result<DataFrame> {
    if columns.len() == frame.width() && options.call.select.is_none() {
        return Ok(frame.clone());
    }
    let columns = columns.into_iter().cloned().collect();
    Ok(DataFrame::new(frame.height(), columns)?)
}

/// A call without faults.
struct Checked<'c, 'o> {
    numbers: NumbersOf<'c>,
    columns: Vec<&'c Column>,
    returns: Option<&'o [DataType]>,
    plan: Plan,
}

/// Finds every fault of a call, before the closure is called.
fn check<'c, 'o, M, C, L, F>(
    frame: &'c DataFrame,
    options: &'o Options<'_>,
) -> Result<Checked<'c, 'o>>
where
    L: Lead<C>,
    F: ChunkFn<M, C>,
    F::Out: IntoStack,
{
    let shape = Shape {
        verb: Kind::Chunks,
        over: Over::Frame,
        sees_nulls: true,
        is_whole: <F::Out as IntoStack>::WHOLE,
        is_seeded: L::SEEDED,
    };
    let mut checks = Checks::new(options, shape);
    let given = Given::of(frame);
    let numbers = given.row_numbers(options, &mut checks.faults);
    let columns = selected(given, options, &mut checks.faults);
    let own = F::Out::names().unwrap_or_default();
    let returns = checks.returns(own.len(), &own, F::Out::fit);
    let fields: Vec<_> = columns
        .iter()
        .map(|column| (column.name(), column.dtype()))
        .collect();
    checks.faults.extend(F::faults(&fields));
    let plan = checks.pass(F::Out::width(), &names_of(&columns))?;
    Ok(Checked {
        numbers,
        columns,
        returns,
        plan,
    })
}

fn called<M, C, F: ChunkFn<M, C>>(f: &F, context: &mut C, part: Chunk) -> Result<F::Out, Failure> {
    f.call(context, part).map_err(Failure::Known)
}

/// A closure that is called for parts, and its results.
struct Chunks<'r, W, Out: IntoStack> {
    results: Results<Out::Part>,
    work: W,
    items: ChunkItems<'r>,
    names: Option<Vec<PlSmallStr>>,
    returns: Option<&'r [DataType]>,
    out: PhantomData<fn() -> Out>,
}

impl<C, W, Out> Verb<C> for Chunks<'_, W, Out>
where
    C: Context + Send,
    W: Fn(&mut C, usize) -> Result<Out::Part, Failure> + Sync,
    Out: IntoStack,
{
    type Output = Out::Output;

    const NAME: &'static str = "chunks";
    const WHOLE: bool = Out::WHOLE;

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn kernel<'j>(&'j self, contexts: &'j Contexts<'j, C>, _: Option<&'j Halt>) -> impl Kernel {
        OneByOne {
            results: &self.results,
            contexts,
            work: &self.work,
            items: &self.items,
        }
    }

    fn output(self, gaps: &Gaps) -> Result<Out::Output> {
        let mut results = self.results.into_all();
        let mut places: Vec<Place> = (0..results.len())
            .map(|part| self.items.place(part))
            .collect();
        for dropped in gaps.dropped.iter().rev() {
            results.drain(dropped.clone());
            places.drain(dropped.clone());
        }
        Out::stack(results, &places, self.names, self.returns)
    }
}

/// The facts that failures and errors report about parts.
struct ChunkItems<'r> {
    rows: &'r [Range<usize>],
    numbers: &'r RowNumbers,
    height: usize,
    names: Option<Vec<PlSmallStr>>,
}

impl ChunkItems<'_> {
    /// Returns the number of a part's first row.
    fn offset(&self, part: usize) -> usize {
        self.numbers.span(self.rows[part].clone()).start
    }
}

impl Items for ChunkItems<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn place(&self, part: usize) -> Place {
        Place::Part {
            index: part,
            row_offset: self.offset(part),
        }
    }

    fn input(&self, _: usize, _: usize) -> Option<String> {
        None
    }

    fn output(&self, column: usize) -> Option<String> {
        Some(self.names.as_ref()?.get(column)?.to_string())
    }

    fn which(&self, parts: &[usize]) -> Vec<Column> {
        let column = |name: &'static str, number: &dyn Fn(usize) -> usize| {
            let numbers: Vec<usize> = parts.iter().map(|part| number(*part)).collect();
            number_column(name.into(), &numbers)
        };
        vec![
            column("row", &|part| self.offset(part)),
            column("part", &|part| part),
            column("rows", &|part| self.rows[part].len()),
        ]
    }

    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    fn rows_of(&self, parts: Range<usize>) -> Range<usize> {
        if parts.is_empty() {
            return 0..0;
        }
        self.rows[parts.start].start..self.rows[parts.end - 1].end
    }

    fn numbers(&self) -> &RowNumbers {
        self.numbers
    }

    fn rows(&self) -> usize {
        self.height
    }
}
