//! `chunks`: one call of the closure for each part.

use polars::prelude::DataFrame;

use super::{check_duplicates, check_names, failed, names_of, unwritten};
use crate::error::{Error, Result};
use crate::function::ChunkFn;
use crate::options::Options;
use crate::partition::{Chunk, room_for, slice};
use crate::read::selected;
use crate::run::{Plan, each};
use crate::write::{IntoStack, part_place};

pub(crate) fn chunks<M, F>(
    frame: &DataFrame,
    options: &Options,
    f: &F,
) -> Result<<F::Out as IntoStack>::Output>
where
    F: ChunkFn<M>,
    F::Out: IntoStack,
{
    let mut faults = Vec::new();
    let columns = selected(frame, options, &mut faults);
    let plan = Plan::new(options, &mut faults);
    check_names(options, F::Out::width(), &mut faults);
    check_duplicates(&names_of(&columns), &mut faults);
    Error::of_all(faults)?;

    let frame = match options.select {
        Some(_) => DataFrame::new(frame.height(), columns.into_iter().cloned().collect())?,
        None => frame.clone(),
    };
    let height = frame.height();
    let cut = plan.cut(height);
    let mut rows = room_for(cut.parts(height), cut.option())?;
    rows.extend((0..cut.parts(height)).map(|part| cut.rows_of(part, height)));
    let parts = each(rows.len(), &plan, |index| {
        let part = slice(&frame, &rows[index]);
        f.call(Chunk::new(part, index, rows[index].start))
            .into_part(options.casts)
            .map_err(unwritten)
    });
    let parts = parts.map_err(|(index, failure)| {
        let names = options.names.clone().or_else(F::Out::names);
        let output = |column: usize| Some(names.as_ref()?.get(column)?.to_string());
        failed(failure, part_place(index, &rows), |_| None, output)
    })?;
    F::Out::stack(parts, &rows, options.names.clone())
}
