//! `columns`: one call of the closure for each column.

use std::marker::PhantomData;
use std::ops::Range;

use polars::prelude::{Column, DataFrame, DataType, PlSmallStr};

use super::call::{Checks, Verb, call};
use super::follows::{Kind, Over, Shape};
use super::names_of;
use super::report::{Gaps, Items};
use super::results::{OneByOne, Results};
use crate::cancel::Halt;
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::ColumnFn;
use crate::options::{Nulls, Options};
use crate::outcome::{ItemKind, Outcome};
use crate::partition::room_for;
use crate::read::{Given, Source, selected};
use crate::row_numbers::RowNumbers;
use crate::run::{Failure, Kernel};
use crate::write::{IntoColumns, Returns, side_by_side};

pub(crate) fn columns<M, C, L, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: ColumnFn<M, C>,
    F::Out: IntoColumns,
{
    let argument = F::argument();
    let shape = Shape {
        verb: Kind::Columns,
        over: Over::Frame,
        sees_nulls: argument.is_none(),
        is_whole: <F::Out as IntoColumns>::WHOLE,
        is_seeded: L::SEEDED,
    };
    let mut checks = Checks::new(options, shape);
    let given = Given::of(frame);
    let numbers = given.row_numbers(options, &mut checks.faults);
    let columns = selected(given, options, &mut checks.faults);
    let mut sources: Vec<Source<'_>> = columns.iter().copied().map(Source::of).collect();
    if let Some(argument) = argument {
        for source in &mut sources {
            if let Err(fault) = source.fit(&argument, 0, options.casts()) {
                checks.faults.push(fault);
            }
        }
    }
    let own = names_of(&columns);
    // A missing column is a fault already, but it counts here.
    let width = options.call.select.as_ref().map_or(own.len(), Vec::len);
    let checked: &[PlSmallStr] = match &options.call.names {
        Some(_) => &[],
        None => &own,
    };
    let returns = checks.returns(width, &own, F::Out::fit);
    let dtype_of = |column: usize| returns.map(|dtypes| &dtypes[column]);
    let plan = checks.pass(Some(width), checked)?;
    let names = options.call.names.clone().unwrap_or(own);

    let chunks: Vec<_> = sources.iter().map(Source::chunks).collect();
    if options.nulls() == Nulls::Error {
        let nulls = columns.iter().zip(&chunks);
        let nulls = nulls.filter_map(|(column, chunks)| {
            // SAFETY: the chunks are those of the column, cast to what the argument takes (`Source::fit`).
            unsafe { F::first_null(chunks, column.len()) }.map(|row| ErrorKind::Null {
                column: column.name().to_string(),
                row: numbers.of(row),
            })
        });
        Error::of_all(nulls.map(Error::from).collect())?;
    }
    let work = |context: &mut C, column: usize| {
        // The number of a column is its position.
        context.at(&RowNumbers::default(), column);
        // SAFETY: as above.
        match unsafe { f.call(context, columns[column], &chunks[column]) } {
            Ok(result) => {
                let dtype = dtype_of(column).map(std::slice::from_ref);
                result.into_part(Returns::new(dtype, options.casts()))
            }
            Err((row, fault)) => Err(Failure::Known(
                ErrorKind::Value {
                    place: Place::Row(numbers.of(row)),
                    column: Some(columns[column].name().to_string()),
                    message: fault.message.unwrap_or_default(),
                }
                .into(),
            )),
        }
    };
    let items = ColumnItems {
        columns: &columns,
        numbers: &numbers,
        height: frame.height(),
    };
    let verb = Columns {
        results: Results::new(columns.len(), room_for(columns.len(), "columns")?),
        work,
        items,
        names,
        returns,
        out: PhantomData::<fn() -> F::Out>,
    };
    call(options, &plan, lead, verb)
}

/// A closure that is called for columns, and its results.
struct Columns<'r, 'a, W, Out: IntoColumns> {
    results: Results<Out::Part>,
    work: W,
    items: ColumnItems<'r, 'a>,
    names: Vec<PlSmallStr>,
    returns: Option<&'r [DataType]>,
    out: PhantomData<fn() -> Out>,
}

impl<C, W, Out> Verb<C> for Columns<'_, '_, W, Out>
where
    C: Context + Send,
    W: Fn(&mut C, usize) -> Result<Out::Part, Failure> + Sync,
    Out: IntoColumns,
{
    type Output = DataFrame;

    const NAME: &'static str = "columns";
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

    fn output(mut self, gaps: &Gaps) -> Result<DataFrame> {
        let mut results = self.results.into_all();
        let mut dtypes: Vec<Option<&DataType>> = match self.returns {
            Some(dtypes) => dtypes.iter().map(Some).collect(),
            None => vec![None; results.len()],
        };
        for dropped in gaps.dropped.iter().rev() {
            results.drain(dropped.clone());
            self.names.drain(dropped.clone());
            dtypes.drain(dropped.clone());
        }
        let results = results.into_iter().zip(self.names).zip(dtypes);
        let results = results.map(|((part, name), dtype)| Out::part_into_column(part, name, dtype));
        let results = results.collect::<Result<Vec<Option<Column>>>>()?;
        side_by_side(results.into_iter().flatten().collect())
    }
}

/// The facts that failures and errors report about columns.
struct ColumnItems<'r, 'a> {
    columns: &'r [&'a Column],
    numbers: &'r RowNumbers,
    height: usize,
}

impl Items for ColumnItems<'_, '_> {
    fn len(&self) -> usize {
        self.columns.len()
    }

    fn place(&self, column: usize) -> Place {
        Place::Column(self.columns[column].name().to_string())
    }

    fn input(&self, column: usize, _: usize) -> Option<String> {
        Some(self.columns[column].name().to_string())
    }

    fn output(&self, _: usize) -> Option<String> {
        None
    }

    fn which(&self, columns: &[usize]) -> Vec<Column> {
        let names = columns.iter().map(|column| self.columns[*column].name());
        let names: Vec<&str> = names.map(PlSmallStr::as_str).collect();
        vec![Column::new("column".into(), names)]
    }

    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    /// A column that is dropped removes no row.
    fn rows_of(&self, _: Range<usize>) -> Range<usize> {
        0..0
    }

    fn done_of(&self, columns: Range<usize>) -> Range<usize> {
        columns
    }

    fn counted(&self) -> ItemKind {
        ItemKind::Columns
    }

    /// The numbers of columns are their positions.
    fn numbers_of(&self, columns: Range<usize>) -> Range<usize> {
        columns
    }

    fn numbers(&self) -> &RowNumbers {
        self.numbers
    }

    fn rows(&self) -> usize {
        self.height
    }

    fn total(&self) -> usize {
        self.columns.len()
    }
}
