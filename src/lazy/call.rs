//! A row function with its options, over whatever batches a query has.

use polars::prelude::{
    Column, DataFrame, DataType, Field, IntoColumn, PlSmallStr, PolarsResult, Schema, SchemaExt,
};

use super::settings::{Settings, Shared, Verb};
use crate::context::{Context, Lead, Leading, NoSeed, NoState};
use crate::error::{Error, ErrorKind, Result};
use crate::function::RowFn;
use crate::read::Given;
use crate::sealed::Sealed;
use crate::verbs;
use crate::write::{IntoRow, Sinks};

/// No leading arguments.
pub(super) const NO_LEAD: Leading<NoState, NoSeed> = Leading {
    state: NoState,
    seed: NoSeed,
};

/// A row function, whose results become one column.
pub(super) struct Call<F> {
    pub(super) f: F,
    pub(super) shared: Shared,
    /// The output's.
    pub(super) name: PlSmallStr,
}

impl<F> Call<F> {
    pub(super) fn new(f: F, settings: Settings, verb: Verb) -> Self {
        Call {
            f,
            name: match settings.options.call.names.as_deref() {
                Some([name]) => name.clone(),
                _ => "par_apply".into(),
            },
            shared: settings.share(verb),
        }
    }

    /// The output's dtype: that of a call over a frame of no rows, which makes every check and does not call the closure.
    pub(super) fn plan<M, C>(&self, empty: Given<'_>, lead: impl Lead<C>) -> Result<DataType>
    where
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        self.shared.check()?;
        let options = &self.shared.options;
        let outcome = verbs::rows::<M, C, _, F>(empty, options, lead, &self.f);
        let output = outcome.map_err(Error::in_query)?.output;
        let output = output.one_column(self.name.clone());
        if <<F::Out as IntoRow>::Sink as Sinks>::FIXED || options.call.returns.is_some() {
            return Ok(output.dtype().clone());
        }
        let message =
            "the closure's type does not tell the output's dtype; give it with .returns([dtype])";
        Err(ErrorKind::Option {
            option: "returns",
            message: message.into(),
        }
        .into())
    }

    /// The results of a batch.
    pub(super) fn run<M, C>(
        &self,
        given: Given<'_>,
        lead: impl Lead<C>,
        is_one_of_many: bool,
    ) -> Result<Column>
    where
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRow<Output: OneColumn>,
    {
        let output = self.shared.call(given.rows, |options| {
            if !is_one_of_many {
                return verbs::rows::<M, C, _, F>(given, options, lead, &self.f);
            }
            let mut options = options.clone();
            options.call.sequential = Some(true);
            verbs::rows::<M, C, _, F>(given, &options, lead, &self.f)
        })?;
        Ok(output.one_column(self.name.clone()))
    }
}

/// Columns of no rows, with these names and dtypes.
pub(super) fn empty_columns(fields: impl Iterator<Item = Field>) -> Result<Vec<Column>> {
    let columns = fields.map(|field| {
        // A literal's dtype is open until here.
        let dtype = field.dtype().clone().materialize_unknown(true)?;
        Ok(Column::new_empty(field.name().clone(), &dtype))
    });
    Ok(columns.collect::<PolarsResult<_>>()?)
}

/// A frame of no rows.
pub(super) fn empty_frame(schema: &Schema) -> Result<DataFrame> {
    Ok(DataFrame::new(0, empty_columns(schema.iter_fields())?)?)
}

/// What rows' results become together, as one column.
#[doc(hidden)]
pub trait OneColumn: Sealed {
    /// Whether the column is a Struct of several.
    const IS_FRAME: bool;

    fn one_column(self, name: PlSmallStr) -> Column;
}

impl OneColumn for Column {
    const IS_FRAME: bool = false;

    fn one_column(self, name: PlSmallStr) -> Column {
        self.with_name(name)
    }
}

impl OneColumn for DataFrame {
    const IS_FRAME: bool = true;

    fn one_column(self, name: PlSmallStr) -> Column {
        self.into_struct(name).into_column()
    }
}
