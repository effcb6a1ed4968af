//! A function of a lazy query's frame, whole or in chunks.

use std::time::Instant;

use polars::prelude::{DataFrame, LazyFrame, PlSmallStr, PolarsResult, Schema, SchemaRef};

use super::expr::of_batch;
use super::lends::Lends;
use super::map::{Mapping, map as map_frames};
use super::settings::{QueryOptions, Settings};
use super::unused_name::unused_name;
use crate::context::Context;
use crate::error::{Error, Result, counted, dtype_name};
use crate::function::ChunkFn;
use crate::row_numbers::Numbering;
use crate::sync::Arc;
use crate::verbs::{self, Kind, Over};
use crate::write::{IntoStack, column_with_dtype, merged};

/// What the frame of a [chunk function](crate::ParApplyLazy::par_apply_chunks) will have: a `Schema` or `SchemaRef`, or a
/// closure that makes one of the input's, `|input: &Schema| …`, or a `PolarsResult` of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schema",
    note = "give a `Schema`, a `SchemaRef`, or a closure `|input: &Schema| …` that returns a `Schema` or a `PolarsResult<Schema>`"
)]
pub trait OutputSchema: Send + Sync + 'static {
    #[doc(hidden)]
    fn of(&self, input: &Schema) -> PolarsResult<SchemaRef>;
}

impl OutputSchema for Schema {
    fn of(&self, _: &Schema) -> PolarsResult<SchemaRef> {
        Ok(Arc::new(self.clone()))
    }
}

impl OutputSchema for SchemaRef {
    fn of(&self, _: &Schema) -> PolarsResult<SchemaRef> {
        Ok(self.clone())
    }
}

impl<F, R> OutputSchema for F
where
    F: Fn(&Schema) -> R + Send + Sync + 'static,
    R: IntoSchema,
{
    fn of(&self, input: &Schema) -> PolarsResult<SchemaRef> {
        self(input).into_schema()
    }
}

/// What a closure that makes a schema returns.
#[doc(hidden)]
pub trait IntoSchema {
    fn into_schema(self) -> PolarsResult<SchemaRef>;
}

impl IntoSchema for Schema {
    fn into_schema(self) -> PolarsResult<SchemaRef> {
        Ok(Arc::new(self))
    }
}

impl IntoSchema for SchemaRef {
    fn into_schema(self) -> PolarsResult<SchemaRef> {
        Ok(self)
    }
}

impl<S: IntoSchema> IntoSchema for PolarsResult<S> {
    fn into_schema(self) -> PolarsResult<SchemaRef> {
        self?.into_schema()
    }
}

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
        // The batches of a whole do not know where they lie in it.
        numbers: (row_wise && F::TAKES_PLACE).then(|| unused_name("row")),
        row_wise,
    };
    // Cells are encoded for dtypes; a frame's are the schema's, and the option is refused.
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
        schema.of(input)
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

/// The frame with the schema that the rest of the query was planned with: what has no type takes the schema's.
fn fitted(output: DataFrame, schema: &Schema) -> Result<DataFrame> {
    let wrong = |message: String| Err(Error::from(anyhow::Error::msg(message)));
    if output.width() == 0 && output.height() == 0 {
        return Ok(DataFrame::empty_with_schema(schema));
    }
    if output.width() != schema.len() {
        return wrong(format!(
            "the closure's frame has {} ({}), and the schema has {}",
            counted(output.width(), "column"),
            output
                .get_column_names()
                .iter()
                .map(|name| name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            schema.len(),
        ));
    }
    let mut columns = Vec::with_capacity(schema.len());
    for (position, (column, (name, dtype))) in
        output.columns().iter().zip(schema.iter()).enumerate()
    {
        if column.name() != name || merged(column.dtype(), dtype).as_ref() != Some(dtype) {
            return wrong(format!(
                "column {position} of the closure's frame is {:?} {}, and in the schema it is {name:?} {}",
                column.name(),
                dtype_name(column.dtype()),
                dtype_name(dtype),
            ));
        }
        columns.push(column_with_dtype(column.clone(), dtype)?);
    }
    Ok(DataFrame::new(output.height(), columns)?)
}
