//! What it costs to take columns as nullable that are not.

use crate::groups::rows_f64::{ROWS, RowsF64};
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = RowsF64::new(run.rows(ROWS));
    case.check();
    for workers in BOTH {
        let name = format!("no nulls, {}", workers.label());
        let results = Race::new(run.clone())
            .enter("ours", || case.ours_optional(workers))
            .enter("plain", || case.ours(workers))
            .results();
        let rival = ("plain", "as T", Limit::AtMost(1.1));
        table.against(&format!("{name}, taken as Option<T>"), &results, &[rival]);

        let results = Race::new(run.clone())
            .enter("ours", || case.ours_optional_out(workers))
            .enter("plain", || case.ours(workers))
            .results();
        let rival = ("plain", "T in and out", Limit::AtMost(1.25));
        table.against(&format!("{name}, Option<T> in and out"), &results, &[rival]);
    }
}
