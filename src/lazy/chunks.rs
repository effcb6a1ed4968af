//! A function of a lazy query's frame, whole or in chunks.

use std::time::Instant;

use polars::prelude::{DataFrame, LazyFrame, PlSmallStr, PolarsResult, Schema};

use super::expr::of_batch;
use super::lends::Lends;
use super::map::{Mapping, map as map_frames};
use super::settings::{QueryOptions, Settings};
use super::unused_name::unused_name;
use crate::context::Context;
use crate::error::Error;
use crate::function::ChunkFn;
use crate::row_numbers::Numbering;
use crate::sync::Arc;
use crate::verbs::{self, Kind, Over};
use crate::write::{IntoStack, OutputSchema, fitted};

/// Replaces the frame by what the function makes of it.
pub(super) fn map<M, C, L, S, F>(
    frame: LazyFrame,
    mut settings: Settings,
    state: L,
    schema: S,
    f: F,
) -> LazyFrame
where
    L: Lends<C>,
    C: Context + Send,
    S: OutputSchema,
    F: ChunkFn<M, C> + Send + 'static,
    F::Out: IntoStack<Output = DataFrame>,
{
    let row_wise = settings.row_wise;
    let mapping = Mapping {
        name: settings.name_or("par_apply_chunks"),
        // Without `row_wise`, a batch does not know where it lies in the whole frame.
        numbers: (row_wise && F::TAKES_PLACE).then(|| unused_name("row")),
        row_wise,
    };
    // Cells are written as these dtypes. For whole frames the schema has the dtypes, and the option is refused.
    let returns = match F::Out::WHOLE {
        true => None,
        false => settings.options.call.returns.take(),
    };
    let mut shared = settings.share(Kind::Chunks, Over::LazyFrame);
    shared.options.call.returns = returns;
    let chunks = Arc::new(QueryChunks {
        shared,
        row_wise,
        numbers: mapping.numbers.clone(),
        state,
        f,
    });
    let planned = chunks.clone();
    let schema = move |input: &Schema| {
        planned.shared.check()?;
        let fields: Vec<_> = input.iter().collect();
        Error::of_all(F::faults(&fields))?;
        Ok(verbs::promised(&schema, input)?)
    };
    let run = move |frame: &DataFrame, schema: &Schema, kept: &L::Kept, since: Instant| {
        chunks.run::<M, C>(frame, schema, kept, since)
    };
    map_frames(frame, mapping, schema, run)
}

struct QueryChunks<F, L> {
    shared: QueryOptions,
    row_wise: bool,
    /// The column that has the rows' numbers, which the closure is not given.
    numbers: Option<PlSmallStr>,
    state: L,
    f: F,
}

impl<F, L> QueryChunks<F, L> {
    fn run<M, C>(
        &self,
        frame: &DataFrame,
        schema: &Schema,
        kept: &L::Kept,
        since: Instant,
    ) -> PolarsResult<DataFrame>
    where
        L: Lends<C>,
        C: Context + Send,
        F: ChunkFn<M, C>,
        F::Out: IntoStack<Output = DataFrame>,
    {
        if self.row_wise && frame.height() == 0 {
            return Ok(DataFrame::empty_with_schema(schema));
        }
        let output = self.shared.call(frame.height(), since, |options| {
            let mut options = options.clone();
            if !self.row_wise {
                options.call.partitions = Some(1);
            }
            options.call.numbering = self.numbers.clone().map(Numbering::Column);
            let lead = self.state.lead(kept);
            verbs::chunks::<M, C, _, F>(frame, &options, lead, &self.f)
        });
        let output = output.map_err(|error| match self.row_wise {
            true => of_batch(error, frame.height()),
            false => error.into(),
        })?;
        Ok(fitted(output.output, schema)?)
    }
}
