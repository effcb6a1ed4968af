//! `filter_rows`: one call of the closure for each row, which says whether the row is kept.

use polars::prelude::{BooleanChunked, Column, DataFrame, PlSmallStr};

use super::follows::Kind;
use super::results::Results;
use super::rows::{Ending, Written, rows_into};
use crate::context::{Context, Lead};
use crate::error::Result;
use crate::function::RowFn;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::read::Given;
use crate::run::{Plan, catch};
use crate::write::{IntoMask, RowSink};

pub(crate) fn filter_rows<M, C, L, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: RowFn<M, C>,
    F::Out: IntoMask,
{
    let told = rows_into(Given::of(frame), options, lead, f, Filtered(frame))?;
    let (output, mask) = told.output;
    Ok(Outcome {
        output,
        filtered: Some(mask),
        failures: told.failures,
        stats: told.stats,
        dropped: told.dropped,
        undone: told.undone,
        numbers: told.numbers,
        rows: told.rows,
    })
}

/// Keeps the rows of the frame whose results are true, and records which these are.
struct Filtered<'a>(&'a DataFrame);

impl<S> Ending<S> for Filtered<'_>
where
    S: RowSink<Output = Column>,
{
    const NAME: &'static str = "filter_rows";
    const VERB: Kind = Kind::FilterRows;

    type Output = (DataFrame, BooleanChunked);

    fn end(self, written: Written<'_>) -> Result<Self::Output> {
        // A row that failed, or that was never reached, is null, so it is dropped with the rows that are not true.
        let Written {
            columns,
            names,
            rows,
            plan,
            ..
        } = written;
        let mask = S::stack(columns, names.to_vec(), rows)?;
        let mask = trues(mask.bool()?);
        Ok((filtered(self.0, &mask, plan)?, mask))
    }
}

/// Returns the mask with false in the place of nulls.
fn trues(mask: &BooleanChunked) -> BooleanChunked {
    let mask = mask.rechunk();
    let mask = mask.downcast_as_array();
    let bits = match mask.validity() {
        Some(validity) => mask.values() & validity,
        None => mask.values().clone(),
    };
    BooleanChunked::from_bitmap(PlSmallStr::from_static("kept"), bits)
}

/// A frame with fewer rows is filtered in less time than it takes to wake another worker.
const FEW: usize = 1 << 14;

/// Returns the rows of a frame where the mask is true, column by column, on the call's workers. The mask has no nulls.
pub(super) fn filtered(frame: &DataFrame, mask: &BooleanChunked, plan: &Plan) -> Result<DataFrame> {
    let kept = mask.num_trues();
    if kept == frame.height() {
        return Ok(frame.clone());
    }
    if kept == 0 {
        return Ok(frame.clear());
    }
    let columns = frame.columns();
    let results = Results::new(columns.len(), Vec::with_capacity(columns.len()));
    // The columns that take longest begin first: text, lists and structs.
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by_key(|column| columns[*column].dtype().is_primitive_numeric());
    let filter = |column: &Column| {
        let filtered = catch(|| column.filter(mask)).map_err(|failure| {
            let name = column.name();
            anyhow::anyhow!("Polars panicked when it filtered column {name:?}: {failure:?}")
        })?;
        Ok(filtered?)
    };
    let is_small = frame.height() < FEW;
    plan.share_out(columns.len(), is_small, &|next| {
        let column = order[next];
        results.set(column, filter(&columns[column]));
    })?;
    let columns = results.into_all().into_iter().flatten();
    Ok(DataFrame::new(
        kept,
        columns.collect::<anyhow::Result<_>>()?,
    )?)
}
