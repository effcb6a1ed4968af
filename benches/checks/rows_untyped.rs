//! `Row` against Polars' `get_row`.

use std::time::Duration;

use polars_par_apply::prelude::*;

use crate::groups::rows_untyped::{CELLS, ROWS, Untyped, Wide};
use crate::groups::workers::{BOTH, Workers};
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

type Ours = fn(&Untyped, Workers) -> Column;

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = Untyped::new(run.rows(ROWS));
    case.check();
    let ways: [(&str, Ours); 3] = [
        ("Row::value(i) of all", Untyped::ours_values),
        ("Row::get(name) of all", Untyped::ours_get),
        ("Row::iter()", Untyped::ours_iter),
    ];
    for workers in BOTH {
        for (what, ours) in ways {
            let results = Race::new(run.clone())
                .enter("ours", || ours(&case, workers))
                .enter("get_row", || case.get_row())
                .enter("amortized", || case.get_row_amortized())
                .results();
            let name = format!("rows_untyped, {}, {what}", workers.label());
            table.times_faster(&name, &results, "get_row", Limit::AtLeast(10.0));
            table.times_faster(&name, &results, "amortized", Limit::None);
        }
    }
    for columns in [4, 256, 1000] {
        let wide = Wide::new(columns, run.rows(CELLS).max(columns));
        wide.check();
        let results = Race::new(run.clone())
            .enter("get", || wide.by_name())
            .enter("at", || wide.by_position())
            .results();
        let ways = [("get", "Row::get(name)"), ("at", "Row::at(i)")];
        for (way, what) in ways {
            let times = results.of(way);
            let nanos = |time: Duration| Measured {
                value: time.as_secs_f64() * 1e9 / wide.cells() as f64,
                unit: "ns",
            };
            let name = format!("rows_untyped, a cell of {columns} columns by {what}");
            let limit = Limit::AtMost(8.0);
            table.number(&name, nanos(times.median), nanos(times.fastest), limit);
        }
    }
}
