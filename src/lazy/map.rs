//! A function of frames in a query's plan.

use std::time::Instant;

use polars::prelude::{
    AllowedOptimizations, DataFrame, DslBuilder, DslPlan, LazyFrame, PlSmallStr, PlanCallback,
    PolarsResult, Schema, SchemaRef, UdfSchema,
};
use polars_plan::prelude::ProjectionOptions;

use super::run_link::RunColumn;
use super::unused_name::unused_name;
use crate::sync::Arc;

/// How a function of frames is called.
pub(super) struct Mapping {
    /// The name that `explain()` shows.
    pub(super) name: PlSmallStr,
    /// The column that has the rows' numbers, where the function needs them.
    pub(super) numbers: Option<PlSmallStr>,
    /// Whether the function may be called for batches.
    pub(super) row_wise: bool,
}

/// Puts the function into the plan when the query is planned. The input's schema is then known, and a fault of the options or of
/// the output's schema is an error. (Polars expects that a schema that it asks for later cannot fail.)
///
/// The function is given a frame, the output's schema, what is kept from one batch to the next, and the time at which the run
/// began.
pub(super) fn map<K, S, R>(frame: LazyFrame, mapping: Mapping, schema: S, run: R) -> LazyFrame
where
    K: Default + Send + Sync + 'static,
    S: Fn(&Schema) -> PolarsResult<SchemaRef> + Send + Sync + 'static,
    R: Fn(&DataFrame, &Schema, &K, Instant) -> PolarsResult<DataFrame> + Send + Sync + 'static,
{
    let Mapping {
        name,
        numbers,
        row_wise,
    } = mapping;
    let run_column = Arc::new(RunColumn::<K>::new(unused_name("run")));
    let optimizations = match row_wise {
        true => AllowedOptimizations::STREAMING,
        false => AllowedOptimizations::empty(),
    };
    let function = Arc::new(run);
    let plan = move |(plans, schemas): (Vec<DslPlan>, Vec<SchemaRef>)| {
        let schema = schema(&schemas[0])?;
        let (function, output) = (function.clone(), schema.clone());
        // A gathered frame has no gap. A frame without columns has no place for the run's number.
        let any = schemas[0].iter_names().chain(&numbers).next();
        let numbered = any.filter(|_| row_wise).map(|any| {
            let number = run_column.expression(any.clone());
            (run_column.clone(), number)
        });
        let (run_column, number) = numbered.unzip();
        let run = move |mut frame: DataFrame| match &run_column {
            Some(column) if frame.height() > 0 => {
                let (run, kept) = column.take(&mut frame)?;
                run.call(|| function(&frame, &output, &kept, run.began()))
            }
            _ => function(&frame, &output, &K::default(), Instant::now()),
        };
        let told: Arc<dyn UdfSchema> = Arc::new(move |_: &Schema| Ok(schema.clone()));
        let input = plans
            .into_iter()
            .next()
            .expect("the frame's own plan is given");
        let mut plan = DslBuilder::from(input);
        if let Some(name) = &numbers {
            plan = plan.row_index(name.clone(), None);
        }
        if let Some(number) = number {
            plan = plan.with_columns(vec![number], ProjectionOptions::default());
        }
        let map = plan.map(run, optimizations, Some(told), name.clone());
        Ok(map.build())
    };
    frame.pipe_with_schema(PlanCallback::new(plan))
}
