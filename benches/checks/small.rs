//! A whole call on few rows.

use polars_par_apply::prelude::*;

use crate::groups::rows_f64::RowsF64;
use crate::groups::small::ROWS;
use crate::groups::workers::Workers;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    for rows in [1, 100, ROWS] {
        let case = RowsF64::new(rows);
        case.check();
        let results = Race::new(run.clone())
            .enter_short("ours", 2000, || case.ours(Workers::All))
            .enter_short("serial", 2000, || case.serial_zip())
            .enter_short("query", 200, || case.query(Engine::InMemory))
            .results();
        let limit = if rows == ROWS {
            Limit::AtMost(5.0)
        } else {
            Limit::None
        };
        let name = format!("small, {rows} rows of two f64 columns");
        let micros = |value: std::time::Duration| Measured {
            value: value.as_secs_f64() * 1e6,
            unit: "us",
        };
        let ours = results.of("ours");
        table.number(&name, micros(ours.median), micros(ours.fastest), limit);
        table.against(
            &name,
            &results,
            &[
                ("serial", "a serial zip", Limit::None),
                ("query", "a lazy query", Limit::None),
            ],
        );
    }
}
