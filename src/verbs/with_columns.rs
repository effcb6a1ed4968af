//! `with_columns`: one call of the closure for each row, whose results are added to the frame's columns.

use polars::prelude::DataFrame;

use super::filter_rows::filtered;
use super::follows::Kind;
use super::rows::{Ending, Written, rows_into};
use crate::context::{Context, Lead};
use crate::error::Result;
use crate::function::RowFn;
use crate::options::Options;
use crate::outcome::{Outcome, kept_mask};
use crate::read::Given;
use crate::write::IntoRow;

pub(crate) fn with_columns<M, C, L, F>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: L,
    f: &F,
) -> Result<Outcome<DataFrame>>
where
    C: Context + Send,
    L: Lead<C>,
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    rows_into(Given::of(frame), options, lead, f, Beside(frame))
}

/// Adds the results to the frame as columns, without the rows that are dropped.
struct Beside<'a>(&'a DataFrame);

impl<S> Ending<S> for Beside<'_> {
    const NAME: &'static str = "with_columns";
    const VERB: Kind = Kind::WithColumns;

    type Output = DataFrame;

    fn end(self, written: Written<'_>) -> Result<DataFrame> {
        let Written {
            columns,
            names,
            gaps,
            rows,
            plan,
        } = written;
        let mut frame = self.0.clone();
        for (column, name) in columns.into_iter().zip(names) {
            frame.with_column(column.into_column(name.clone()))?;
        }
        match gaps.dropped.is_empty() {
            true => Ok(frame),
            false => filtered(&frame, &kept_mask(&gaps.dropped, rows), plan),
        }
    }
}
