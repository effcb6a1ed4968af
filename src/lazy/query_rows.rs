//! A row function of a query with its options, which is called for the query's batches.

use std::time::Instant;

use polars::prelude::{
    Column, DataFrame, DataType, Field, PlSmallStr, PolarsResult, Schema, SchemaExt,
};

use super::one_column::{column_dtype, results_column};
use super::settings::{QueryOptions, Settings};
use crate::context::{Context, Lead, Leading, NoSeed, NoState};
use crate::error::{Error, ErrorKind, Result};
use crate::function::RowFn;
use crate::outcome::Outcome;
use crate::read::Given;
use crate::verbs::{self, Kind, Over};
use crate::write::{IntoRow, Sinks};

/// No leading arguments.
pub(super) const NO_LEAD: Leading<NoState, NoSeed> = Leading {
    state: NoState,
    seed: NoSeed,
};

/// A row function whose results become one column.
pub(super) struct QueryRows<F> {
    pub(super) f: F,
    pub(super) shared: QueryOptions,
    /// The output's name.
    pub(super) name: PlSmallStr,
    /// The field of the output that says which rows are kept, where rows that fail are dropped.
    pub(super) kept: Option<PlSmallStr>,
}

impl<F> QueryRows<F> {
    pub(super) fn new(f: F, settings: Settings, verb: Kind, over: Over) -> Self {
        QueryRows {
            f,
            name: output_name(&settings),
            shared: settings.share(verb, over),
            kept: None,
        }
    }

    /// Returns the output's dtype: that of a call over a frame without rows, which makes every check and does not call the closure.
    pub(super) fn plan<M, C>(&self, empty: Given<'_>, lead: impl Lead<C>) -> Result<DataType>
    where
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        self.shared.check()?;
        let options = &self.shared.options;
        let outcome = verbs::rows::<M, C, _, F>(empty, options, lead, &self.f);
        let output = outcome.map_err(Error::in_query)?.output;
        if <<F::Out as IntoRow>::Sink as Sinks>::FIXED || options.call.returns.is_some() {
            return Ok(column_dtype(output, &self.name, self.kept.as_ref()));
        }
        Err(no_dtype())
    }

    /// Returns the results for a batch, as one column.
    pub(super) fn run<M, C>(
        &self,
        given: Given<'_>,
        lead: impl Lead<C>,
        since: Instant,
    ) -> Result<Column>
    where
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        let outcome = self.outcome::<M, C>(given, lead, since, false)?;
        results_column(outcome, self.name.clone(), self.kept.as_ref())
    }

    /// Returns the outcome of a call over a batch.
    pub(super) fn outcome<M, C>(
        &self,
        given: Given<'_>,
        lead: impl Lead<C>,
        since: Instant,
        is_one_of_many: bool,
    ) -> Result<Outcome<<F::Out as IntoRow>::Output>>
    where
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow,
    {
        self.shared.call(given.rows, since, |options| {
            if !is_one_of_many {
                return verbs::rows::<M, C, _, F>(given, options, lead, &self.f);
            }
            let mut options = options.clone();
            options.call.sequential = Some(true);
            verbs::rows::<M, C, _, F>(given, &options, lead, &self.f)
        })
    }
}

/// Returns the error of a closure whose type does not determine the dtype, which a query needs when it is planned.
pub(super) fn no_dtype() -> Error {
    let option = "returns";
    let message =
        "the closure's type does not determine the output's dtype; give it with .returns([dtype])";
    let message = message.into();
    ErrorKind::Option { option, message }.into()
}

/// Returns the name of the one column of a call.
pub(super) fn output_name(settings: &Settings) -> PlSmallStr {
    match settings.options.call.names.as_deref() {
        Some([name]) => name.clone(),
        _ => "par_apply".into(),
    }
}

/// Makes columns without rows, with these names and dtypes.
pub(super) fn empty_columns(fields: impl Iterator<Item = Field>) -> Result<Vec<Column>> {
    let columns = fields.map(|field| {
        // The dtype of a literal is not fixed until here.
        let dtype = field.dtype().clone().materialize_unknown(true)?;
        Ok(Column::new_empty(field.name().clone(), &dtype))
    });
    Ok(columns.collect::<PolarsResult<_>>()?)
}

/// Makes a frame without rows.
pub(super) fn empty_frame(schema: &Schema) -> Result<DataFrame> {
    Ok(DataFrame::new(0, empty_columns(schema.iter_fields())?)?)
}
