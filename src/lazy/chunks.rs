//! A function of a lazy query's frame, whole or in chunks.

use std::sync::Arc;

use polars::prelude::{
    AllowedOptimizations, DataFrame, DslBuilder, LazyFrame, PolarsResult, Schema, SchemaRef,
    UdfSchema,
};

use super::call::NO_LEAD;
use super::settings::{Settings, Shared};
use crate::context::NoContext;
use crate::error::{Error, ErrorKind, Result, counted, dtype_name};
use crate::function::ChunkFn;
use crate::options::OnError;
use crate::verbs;
use crate::write::IntoStack;

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

/// Puts the function into the plan.
pub(super) fn map<M, S, F>(
    frame: LazyFrame,
    settings: Settings,
    row_wise: bool,
    schema: S,
    f: F,
) -> LazyFrame
where
    S: OutputSchema,
    F: ChunkFn<M> + Send + 'static,
    F::Out: IntoStack<Output = DataFrame>,
{
    let name = settings.name_or("par_apply_chunks");
    let schema = Arc::new(schema);
    let planned = schema.clone();
    let chunks = Chunks {
        shared: settings.share(),
        row_wise,
        schema,
        f,
    };
    let run = move |frame: DataFrame| -> PolarsResult<DataFrame> { Ok(chunks.run::<M>(&frame)?) };
    let schema: Arc<dyn UdfSchema> = Arc::new(move |input: &Schema| planned.of(input));
    let optimizations = match row_wise {
        true => AllowedOptimizations::STREAMING,
        false => AllowedOptimizations::empty(),
    };
    let state = frame.get_current_optimizations();
    let plan = DslBuilder::from(frame.logical_plan).map(run, optimizations, Some(schema), name);
    LazyFrame::from_logical_plan(plan.build(), state)
}

struct Chunks<S, F> {
    shared: Shared,
    row_wise: bool,
    schema: Arc<S>,
    f: F,
}

impl<S, F> Chunks<S, F> {
    fn run<M>(&self, frame: &DataFrame) -> Result<DataFrame>
    where
        S: OutputSchema,
        F: ChunkFn<M>,
        F::Out: IntoStack<Output = DataFrame>,
    {
        self.check()?;
        let schema = self.schema.of(frame.schema())?;
        if self.row_wise && frame.height() == 0 {
            return Ok(DataFrame::empty_with_schema(&schema));
        }
        let output = self.shared.call(&|row| row, |options| {
            let mut options = options.clone();
            if !self.row_wise {
                options.partitions = Some(1);
            }
            verbs::chunks::<M, NoContext, _, F>(frame, &options, NO_LEAD, &self.f)
        })?;
        fits(&output, &schema)?;
        Ok(output)
    }

    /// Options that say something of rows.
    fn check(&self) -> Result<()> {
        let refused = |option, message: &str| {
            let message = message.into();
            Err(Error::from(ErrorKind::Option { option, message }))
        };
        let options = &self.shared.options;
        if options.names.is_some() {
            return refused(
                "names",
                "the frame of a chunk function has the schema's names",
            );
        }
        if options.on_error != OnError::Fail {
            return refused(
                "on_error",
                "a chunk function of a query makes a whole frame, which cannot be null; it has OnError::Fail alone",
            );
        }
        Ok(())
    }
}

/// The rest of the query was planned with this schema.
fn fits(output: &DataFrame, schema: &Schema) -> Result<()> {
    let wrong = |message: String| Err(Error::from(anyhow::Error::msg(message)));
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
    for (position, (column, (name, dtype))) in
        output.columns().iter().zip(schema.iter()).enumerate()
    {
        if column.name() != name || column.dtype() != dtype {
            return wrong(format!(
                "column {position} of the closure's frame is {:?} {}, and in the schema it is {name:?} {}",
                column.name(),
                dtype_name(column.dtype()),
                dtype_name(dtype),
            ));
        }
    }
    Ok(())
}
