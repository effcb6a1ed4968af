//! `chunks`: one call of the closure for each part.

use std::ops::Range;

use polars::prelude::{Column, DataFrame, PlSmallStr};

use super::items::Items as Results;
use super::report::{Items, numbers, report};
use super::{check_duplicates, check_names, names_of, refuse_null, unwritten};
use crate::context::{Context, Contexts, Lead};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::ChunkFn;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::partition::{Chunk, Cut, room_for, slice};
use crate::read::selected;
use crate::run::{Plan, Run};
use crate::write::{IntoStack, part_place};

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
    let mut faults = Vec::new();
    let columns = selected(frame, options, &mut faults);
    let plan = Plan::new(options, &mut faults);
    check_names(options, F::Out::width(), &mut faults);
    check_duplicates(&names_of(&columns), &mut faults);
    if <F::Out as IntoStack>::WHOLE {
        refuse_null(options, "part", &mut faults);
    }
    if L::SEEDED && plan.asked_cut().is_none() {
        let message = "a part's stream is that of its first row, and by default there is a part for each worker; \
                       give .partitions(n) or .chunk_rows(n), so that the answer is the same on any machine";
        faults.push(
            ErrorKind::Option {
                option: "seed",
                message: message.into(),
            }
            .into(),
        );
    }
    Error::of_all(faults)?;

    let frame = match options.select {
        Some(_) => DataFrame::new(frame.height(), columns.into_iter().cloned().collect())?,
        None => frame.clone(),
    };
    let height = frame.height();
    let cut = plan.cut(height);
    let parts = cut.parts(height);
    let mut rows: Vec<Range<usize>> = room_for(parts, cut.option())?;
    rows.extend((0..parts).map(|part| cut.rows_of(part, height)));

    let (make, finish) = lead.split();
    let contexts = Contexts::new(&make);
    let one_by_one = Some(Cut::ChunkRows(1));
    let run = Run::new("chunks", options, &plan, one_by_one, parts, height);
    let work = |context: &mut C, index: usize| {
        let rows = &rows[index];
        context.at(rows.start);
        let part = Chunk::new(slice(&frame, rows), index, rows.start);
        f.call(context, part)
            .into_part(options.casts)
            .map_err(unwritten)
    };
    let names = options.names.clone().or_else(F::Out::names);
    let items = ChunkItems {
        rows: &rows,
        height,
        names,
    };
    let room = room_for(parts, cut.option())?;
    let results = Results::new(parts, room, &contexts, work, |parts| items.span(parts));
    let ended = run.drive(&results);
    let report = report(ended, options, &items, <F::Out as IntoStack>::WHOLE);
    let mut results = results.into_results();
    let finished = finish(contexts.into_all());
    let report = report?;
    finished?;

    let mut kept = rows.clone();
    let mut indices: Vec<usize> = (0..parts).collect();
    for dropped in report.dropped.iter().rev() {
        results.drain(dropped.clone());
        kept.drain(dropped.clone());
        indices.drain(dropped.clone());
    }
    let output = F::Out::stack(results, &kept, options.names.clone())
        .map_err(|error| renumbered(error, &indices))?;
    Ok(report.outcome(output, &items))
}

/// An error of one of the parts that were kept, as of the part with its own number.
fn renumbered(error: Error, indices: &[usize]) -> Error {
    let mut kind = error.into_kind();
    if let ErrorKind::Stack {
        place: Place::Part { index, .. },
        ..
    } = &mut kind
        && let Some(own) = indices.get(*index)
    {
        *index = *own;
    }
    kind.into()
}

/// What failures and errors say of parts.
struct ChunkItems<'r> {
    rows: &'r [Range<usize>],
    height: usize,
    names: Option<Vec<PlSmallStr>>,
}

impl ChunkItems<'_> {
    /// The rows of neighbouring parts.
    fn span(&self, parts: Range<usize>) -> Range<usize> {
        if parts.is_empty() {
            return 0..0;
        }
        self.rows[parts.start].start..self.rows[parts.end - 1].end
    }
}

impl Items for ChunkItems<'_> {
    fn place(&self, part: usize) -> Place {
        part_place(part, self.rows)
    }

    fn input(&self, _: usize, _: usize) -> Option<String> {
        None
    }

    fn output(&self, column: usize) -> Option<String> {
        Some(self.names.as_ref()?.get(column)?.to_string())
    }

    fn which(&self, parts: &[usize]) -> Vec<Column> {
        let parts = || parts.iter().copied();
        vec![
            numbers("row", parts().map(|part| self.rows[part].start)),
            numbers("part", parts()),
            numbers("rows", parts().map(|part| self.rows[part].len())),
        ]
    }

    fn given(&self, _: &[usize]) -> Result<Vec<Column>> {
        Ok(Vec::new())
    }

    fn dropped_rows(&self, parts: Range<usize>) -> Range<usize> {
        self.span(parts)
    }

    fn rows(&self) -> usize {
        self.height
    }

    fn total(&self) -> usize {
        self.height
    }
}
