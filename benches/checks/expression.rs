//! Typed rows against the same arithmetic as a Polars expression.

use polars_par_apply::prelude::*;

use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

/// Each engine has a race of its own: the streaming engine's threads stay awake for a while after a query.
pub(crate) fn check(
    run: &Run,
    table: &mut Table,
    name: &str,
    ours: impl Fn() -> Column,
    query: impl Fn(Engine) -> DataFrame,
) {
    let engines = [
        (
            Engine::InMemory,
            "the expression, in memory",
            Limit::AtMost(0.5),
        ),
        (Engine::Streaming, "the expression, streaming", Limit::None),
    ];
    for (engine, what, limit) in engines {
        let results = Race::new(run.clone())
            .enter("ours", &ours)
            .enter("expression", || query(engine))
            .results();
        table.against(name, &results, &[("expression", what, limit)]);
    }
}
