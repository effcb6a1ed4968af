//! `columns`: one call of the closure for each column.

use polars::prelude::DataFrame;

use super::{check_duplicates, check_names, failed, names_of, unwritten};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::ColumnFn;
use crate::options::{Nulls, Options};
use crate::read::{Source, selected};
use crate::run::{Failure, Plan, each};
use crate::write::{IntoColumns, side_by_side};

pub(crate) fn columns<M, F>(frame: &DataFrame, options: &Options, f: &F) -> Result<DataFrame>
where
    F: ColumnFn<M>,
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
    let names = options.names.clone().unwrap_or_else(|| {
        let own = names_of(&columns);
        check_duplicates(&own, &mut faults);
        own
    });
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
    let results = each(columns.len(), &plan, |column| {
        // SAFETY: as above.
        match unsafe { f.call(columns[column], &chunks[column]) } {
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
    });
    let results = results.map_err(|(column, failure)| {
        let name = columns[column].name().to_string();
        failed(failure, Place::Column(name), |_| None, |_| None)
    })?;
    let results = results.into_iter().zip(names);
    let results = results.map(|(part, name)| F::Out::part_into_column(part, name));
    side_by_side(results.collect::<Result<_>>()?)
}
