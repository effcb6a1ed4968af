//! The schema that a function of parts promises, and the check that its frames have it.

use polars::prelude::{DataFrame, PolarsResult, Schema, SchemaRef};

use super::{column_with_dtype, merged};
use crate::error::{Error, Result, counted, dtype_name};
use crate::sync::Arc;

/// The schema that a function of parts promises for its output, where the schema must be known before the function is called:
/// in a query, or for a function with a [name](crate::Registry::chunks).
///
/// It is a `Schema`, a `SchemaRef`, or a closure `|input: &Schema| …` that makes one of these from the schema of the input, or
/// a `PolarsResult` of one.
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

/// The types that a closure that makes a schema can return.
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

/// Returns the frame with the schema that was promised; a column without a type takes the type of the schema.
pub(crate) fn fitted(output: DataFrame, schema: &Schema) -> Result<DataFrame> {
    let wrong = |message: String| Err(Error::from(anyhow::Error::msg(message)));
    if output.width() == 0 && output.height() == 0 {
        return Ok(DataFrame::empty_with_schema(schema));
    }
    if output.width() != schema.len() {
        return wrong(format!(
            "the closure's frame has {} ({}), but the schema has {}; return the columns of the schema",
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
                "column {position} of the closure's frame is {:?} ({}), but in the schema it is {name:?} ({})",
                column.name(),
                dtype_name(column.dtype()),
                dtype_name(dtype),
            ));
        }
        columns.push(column_with_dtype(column.clone(), dtype)?);
    }
    Ok(DataFrame::new(output.height(), columns)?)
}
