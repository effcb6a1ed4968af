//! `rows_count_in_range` against hand-written loops and expressions.

use super::expression;
use crate::groups::rows_count_in_range::{CountInRange, ROWS};
use crate::groups::workers::{BOTH, Workers};
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let rows = run.rows(ROWS);
    let case = CountInRange::new(rows);
    case.check();
    for workers in BOTH {
        let mut buffer = vec![0; rows];
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("fresh", || case.fresh(workers))
            .enter("mapped", || case.mapped(workers, &mut buffer))
            .results();
        table.against(
            &format!("rows_count_in_range, {}", workers.label()),
            &results,
            &[
                (
                    "fresh",
                    "a rayon loop into a fresh Vec",
                    Limit::AtMost(1.05),
                ),
                ("mapped", "the same into a mapped buffer", Limit::None),
            ],
        );
    }
    let all = Workers::All;
    let name = format!("rows_count_in_range, {}", all.label());
    expression::check(
        run,
        table,
        &name,
        || case.ours(all),
        |engine| case.query(engine),
    );
}
