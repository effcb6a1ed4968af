//! A row function of a lazy query's frame that gives any number of rows for each row.

use std::time::Instant;

use polars::prelude::{DataFrame, Expr, LazyFrame, PlSmallStr, PolarsResult, Schema, SchemaRef};

use super::expr::of_batch;
use super::lends::Lends;
use super::map::{Mapping, map};
use super::query_rows::empty_frame;
use super::settings::{QueryOptions, Settings};
use super::unused_name::unused_name;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::function::RowFn;
use crate::options::Nulls;
use crate::read::{Cells, Given};
use crate::row_numbers::{RowNumbers, UNKNOWN};
use crate::sync::Arc;
use crate::verbs::{self, Kind, Over};
use crate::write::{IntoRow, IntoRows, Sinks};

/// Replaces the frame by the rows that the function gives.
pub(super) fn flat_map<M, C, L, F>(
    mut frame: LazyFrame,
    settings: Settings,
    state: L,
    f: F,
) -> LazyFrame
where
    L: Lends<C>,
    C: Context + Send,
    F: RowFn<M, C> + Send + 'static,
    F::Out: IntoRows,
{
    let call = &settings.options.call;
    let fields = || {
        let names = F::NAMES?.iter().map(|name| PlSmallStr::from_static(name));
        Some(names.collect::<Vec<PlSmallStr>>())
    };
    let select = call.select.clone().or_else(fields);
    let numbered = settings.numbered.unwrap_or(
        F::Cells::arguments().is_none()
            || call.returns.is_some()
            || <F::Out as IntoRows>::FALLIBLE
            || settings.failures.is_some()
            || settings.options.nulls() == Nulls::Error,
    );
    // Without other columns, the numbers say how many rows there are.
    let numbered =
        numbered || call.source_rows.is_some() || select.as_ref().is_some_and(Vec::is_empty);
    if let Some(select) = select {
        // From a scan, only these columns are read.
        let mut names: Vec<PlSmallStr> = Vec::with_capacity(select.len());
        for name in select
            .into_iter()
            .chain(call.keep.iter().flatten().cloned())
        {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        frame = frame.select(names.into_iter().map(Expr::Column).collect::<Vec<Expr>>());
    }
    let numbers = numbered.then(|| unused_name("row"));
    let mapping = Mapping {
        name: settings.name_or("par_apply_flat_map_rows"),
        numbers: numbers.clone(),
        row_wise: true,
    };
    let flat_map = Arc::new(QueryFlatMap {
        shared: settings.share(Kind::ManyRows, Over::LazyFrame),
        numbers,
        state,
        f,
    });
    let planned = flat_map.clone();
    let schema = move |input: &Schema| Ok(planned.schema::<M, C>(input)?);
    let run = move |frame: &DataFrame, schema: &Schema, kept: &L::Kept, since: Instant| {
        flat_map.run::<M, C>(frame, schema, kept, since)
    };
    map(frame, mapping, schema, run)
}

struct QueryFlatMap<F, L> {
    shared: QueryOptions,
    /// The column that has the rows' numbers, which the closure is not given.
    numbers: Option<PlSmallStr>,
    state: L,
    f: F,
}

impl<F, L> QueryFlatMap<F, L> {
    /// Returns the schema of a call over a frame without rows, which makes every check and does not call the closure.
    fn schema<M, C>(&self, input: &Schema) -> Result<SchemaRef>
    where
        L: Lends<C>,
        C: Context + Send,
        F: RowFn<M, C>,
        F::Out: IntoRows,
    {
        self.shared.check()?;
        let empty = empty_frame(input)?;
        let given = Given {
            numbers: Some(&UNKNOWN),
            ..Given::of(&empty)
        };
        let kept = L::Kept::default();
        let options = &self.shared.options;
        let lead = self.state.lead(&kept);
        let outcome = verbs::flat_map_rows::<M, C, _, F>(given, options, lead, &self.f);
        let output = outcome.map_err(Error::in_query)?.output;
        let is_fixed = <<<F::Out as IntoRows>::Row as IntoRow>::Sink as Sinks>::FIXED;
        if is_fixed || options.call.returns.is_some() {
            return Ok(output.schema().clone());
        }
        let message = "the closure's type does not determine the output's dtypes; give them with .returns([…])";
        Err(ErrorKind::Option {
            option: "returns",
            message: message.into(),
        }
        .into())
    }

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
        F: RowFn<M, C>,
        F::Out: IntoRows,
    {
        if frame.height() == 0 {
            return Ok(DataFrame::empty_with_schema(schema));
        }
        let rows = frame.height();
        let mut frame = frame.clone();
        let numbers = match &self.numbers {
            Some(name) => RowNumbers::listed(&frame.drop_in_place(name)?)?,
            None => RowNumbers::unknown(),
        };
        let given = Given {
            columns: frame.columns(),
            rows,
            numbers: Some(&numbers),
        };
        let outcome = self.shared.call(rows, since, |options| {
            let lead = self.state.lead(kept);
            verbs::flat_map_rows::<M, C, _, F>(given, options, lead, &self.f)
        });
        match outcome {
            Ok(outcome) => Ok(outcome.output),
            Err(error) if numbers.has_missed() => Err(of_batch(error, rows)),
            Err(error) => Err(error.into()),
        }
    }
}
