//! A row function in a lazy query against the eager call and the expression, and the memory of the example `etl`.

use polars_par_apply::prelude::*;

use crate::groups::lazy::{ENGINES, LazyRows};
use crate::groups::rows_f64::ROWS;
use crate::measure::peak;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    rows(run, table);
    memory(run, table);
}

/// Each engine has a race of its own: the streaming engine's threads stay awake for a while after a query.
fn rows(run: &Run, table: &mut Table) {
    let case = LazyRows::new(run.rows(ROWS));
    case.check();
    for (engine, name) in ENGINES {
        let (eager, expression) = match engine {
            Engine::Streaming => (Limit::None, Limit::AtMost(1.5)),
            _ => (Limit::AtMost(1.1), Limit::None),
        };
        let of = |ours: &dyn Fn() -> DataFrame| {
            Race::new(run.clone())
                .enter("ours", ours)
                .enter("eager", || case.eager())
                .enter("expression", || case.expression(engine))
                .results()
        };
        table.against(
            &format!("rows([…]).apply, {name}"),
            &of(&|| case.ours(engine)),
            &[
                ("eager", "eager rows", eager),
                ("expression", "the expression", expression),
            ],
        );
        table.against(
            &format!("lf.par_apply_rows, numbered, {name}"),
            &of(&|| case.ours_numbered(engine)),
            &[("expression", "the expression", Limit::None)],
        );
        let results = Race::new(run.clone())
            .enter("ours", || case.ours_filter(engine))
            .enter("expression", || case.filter(engine))
            .results();
        table.against(
            &format!("filter(rows([…]).apply), {name}"),
            &results,
            &[("expression", "the expression", Limit::None)],
        );
    }
    let results = Race::new(run.clone())
        .enter("ours", || case.ours_batches())
        .enter("expression", || case.expression(Engine::Streaming))
        .results();
    let rival = ("expression", "the expression, streaming", Limit::None);
    table.against("row_batches", &results, &[rival]);
}

/// The example's own process, whatever it holds: the query, the engine, the pages of the files it maps.
fn memory(run: &Run, table: &mut Table) {
    let peaks = [5_000_000, 20_000_000].map(|rows| peak::of_etl(run.rows(rows)));
    let [Some(few), Some(many)] = peaks else {
        println!("etl: peak memory not measured, the system does not tell");
        return;
    };
    let mebibytes = |bytes: f64| Measured {
        value: bytes / f64::from(1 << 20),
        unit: "MiB",
    };
    let times = |value| Measured { value, unit: "x" };
    table.number(
        "etl, 5 M rows: peak memory (VmHWM)",
        mebibytes(few.worst),
        mebibytes(few.best),
        Limit::None,
    );
    table.number(
        "etl, 20 M rows: peak memory (VmHWM)",
        mebibytes(many.worst),
        mebibytes(many.best),
        Limit::AtMost(1024.0),
    );
    table.number(
        "etl: peak memory of 20 M rows as a part of that of 5 M",
        times(many.worst / few.best),
        times(many.best / few.worst),
        Limit::AtMost(1.5),
    );
}
