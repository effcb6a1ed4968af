//! Lazy frames, collected in each of Polars' engines.

use polars_par_apply::Result;
use polars_par_apply::prelude::*;

pub(crate) const ENGINES: [Engine; 2] = [Engine::InMemory, Engine::Streaming];

pub(crate) fn collected(lf: &LazyFrame, engine: Engine) -> PolarsResult<DataFrame> {
    Ok(lf.clone().collect_with_engine(engine)?.unwrap_single())
}

/// The batches of a stream, one below the other.
pub(crate) fn stacked(batches: impl Iterator<Item = Result<DataFrame>>) -> Result<DataFrame> {
    let mut batches = batches.collect::<Result<Vec<DataFrame>>>()?.into_iter();
    let mut all = batches.next().expect("there is one at least");
    for batch in batches {
        all.vstack_mut(&batch)?;
    }
    Ok(all)
}
