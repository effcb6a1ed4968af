//! `rows_f64` against hand-written loops and expressions.

use super::expression;
use crate::groups::rows_f64::{ROWS, RowsF64};
use crate::groups::workers::{BOTH, Workers};
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let rows = run.rows(ROWS);
    let case = RowsF64::new(rows);
    case.check();
    for workers in BOTH {
        let mut buffer = vec![0.0; rows];
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("fresh", || case.fresh(workers))
            .enter("huge", || case.fresh_huge(workers))
            .enter("mapped", || case.mapped(workers, &mut buffer))
            .results();
        let page_faults = match workers {
            Workers::One => Limit::None,
            Workers::All => Limit::AtMost(0.6),
        };
        table.against(
            &format!("rows_f64, {}", workers.label()),
            &results,
            &[
                (
                    "fresh",
                    "a rayon loop into a fresh Vec",
                    Limit::AtMost(1.05),
                ),
                ("fresh", "the same, for its page faults", page_faults),
                ("huge", "the same in huge pages", Limit::None),
                ("mapped", "the same into a mapped buffer", Limit::None),
            ],
        );
    }
    let all = Workers::All;
    let name = format!("rows_f64, {}", all.label());
    expression::check(
        run,
        table,
        &name,
        || case.ours(all),
        |engine| case.query(engine),
    );
}
