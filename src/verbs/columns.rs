//! `columns`: one call of the closure for each column.

use std::ops::Range;

use polars::prelude::{Column, DataFrame, PlSmallStr};

use super::items::Items as Results;
use super::report::{Items, report};
use super::{check_duplicates, check_names, names_of, refuse_null, unwritten};
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::ColumnFn;
use crate::options::{Nulls, Options};
use crate::outcome::Outcome;
use crate::partition::{Cut, room_for};
use crate::read::{Source, selected};
use crate::run::{Failure, Plan, Run};
use crate::write::{IntoColumns, side_by_side};

pub(crate) fn columns<M, C, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: impl Lead<C>,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    F: ColumnFn<M, C>,
    F::Out: IntoColumns,
{
    let mut faults = Vec::new();
    let columns = selected(frame, options, &mut faults);
    let mut sources: Vec<Source<'_>> = columns.iter().copied().map(Source::of).collect();
    if let Some(argument) = F::argument() {
        for source in &mut sources {
            if let Err(fault) = source.fit(&argument, 0, options.casts) {
                faults.push(fault);
            }
        }
    }
    let plan = Plan::new(options, &mut faults);
    // A column that is missing is a fault already; it counts here.
    let width = options.select.as_ref().map_or(columns.len(), Vec::len);
    check_names(options, Some(width), &mut faults);
    let mut names = options.names.clone().unwrap_or_else(|| {
        let own = names_of(&columns);
        check_duplicates(&own, &mut faults);
        own
    });
    if <F::Out as IntoColumns>::WHOLE {
        refuse_null(options, "column", &mut faults);
    }
    Error::of_all(faults)?;

    let chunks: Vec<_> = sources.iter().map(Source::chunks).collect();
    if options.nulls == Nulls::Error {
        let nulls = columns.iter().zip(&chunks);
        let nulls = nulls.filter_map(|(column, chunks)| {
            // SAFETY: the chunks are those of the column, cast to what the argument takes (`Source::fit`).
            unsafe { F::first_null(chunks, column.len()) }.map(|row| ErrorKind::Null {
                column: column.name().to_string(),
                row,
            })
        });
        Error::of_all(nulls.map(Error::from).collect())?;
    }
    let (make, finish) = lead.split();
    let contexts = Contexts::new(&make);
    let run = Run::new(
        "columns",
        options,
        &plan,
        Some(Cut::ChunkRows(1)),
        columns.len(),
        columns.len(),
    );
    let work = |context: &mut C, column: usize| {
        context.at(column);
        // SAFETY: as above.
        match unsafe { f.call(context, columns[column], &chunks[column]) } {
            Ok(result) => result.into_part(options.casts).map_err(unwritten),
            Err((row, fault)) => Err(Failure::Known(
                ErrorKind::Value {
                    place: Place::Row(row),
                    column: Some(columns[column].name().to_string()),
                    message: fault.message.unwrap_or_default(),
                }
                .into(),
            )),
        }
    };
    let room = room_for(columns.len(), "columns")?;
    let results = Results::new(columns.len(), room, &contexts, work, |columns| columns);
    let ended = run.drive(&results);
    let items = ColumnItems {
        columns: &columns,
        height: frame.height(),
    };
    let report = report(ended, options, &items, <F::Out as IntoColumns>::WHOLE);
    let mut results = results.into_results();
    let finished = finish(contexts.into_all());
    let report = report?;
    finished?;

    for dropped in report.dropped.iter().rev() {
        results.drain(dropped.clone());
        names.drain(dropped.clone());
    }
    let results = results.into_iter().zip(names);
    let results = results.map(|(part, name)| F::Out::part_into_column(part, name));
    let results = results.collect::<Result<Vec<Option<Column>>>>()?;
    let output = side_by_side(results.into_iter().flatten().collect())?;
    Ok(report.outcome(output, &items))
}

/// What failures and errors say of columns.
struct ColumnItems<'r, 'a> {
    columns: &'r [&'a Column],
    height: usize,
}

impl Items for ColumnItems<'_, '_> {
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

    /// A column that is dropped takes no row with it.
    fn dropped_rows(&self, _: Range<usize>) -> Range<usize> {
        0..0
    }

    fn rows(&self) -> usize {
        self.height
    }

    fn total(&self) -> usize {
        self.columns.len()
    }
}
