//! `with_columns` and `par_map` against `rows` with the same closure.

use crate::groups::rows_f64::ROWS;
use crate::groups::with_columns::WithColumns;
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = WithColumns::new(run.rows(ROWS));
    case.check();
    let rival = ("rows", ".rows(f)", Limit::AtMost(1.03));
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("rows", || case.rows.ours(workers))
            .results();
        let name = format!("with_columns, {}", workers.label());
        table.against(&name, &results, &[rival]);
    }
    let results = Race::new(run.clone())
        .enter("ours", || case.par_map())
        .enter("rows", || case.one_by_rows())
        .results();
    table.against("par_map", &results, &[rival]);
}
