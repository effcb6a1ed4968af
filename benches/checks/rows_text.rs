//! `rows_text` against hand-written loops over the string arrays.

use crate::groups::rows_text::{ROWS, RowsText};
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let rows = run.rows(ROWS);
    let case = RowsText::new(rows);
    case.check();
    let short = RowsText::short(rows);
    short.check();
    for workers in BOTH {
        let name = format!("rows_text, {}", workers.label());
        let mut buffer = vec![0.0; rows];
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("fresh", || case.fresh(workers))
            .enter("huge", || case.fresh_huge(workers))
            .enter("mapped", || case.mapped(workers, &mut buffer))
            .results();
        table.against(
            &name,
            &results,
            &[
                ("fresh", "a rayon loop over the arrays", Limit::AtMost(1.1)),
                ("huge", "the same in huge pages", Limit::None),
                ("mapped", "the same into a mapped buffer", Limit::None),
            ],
        );

        let results = Race::new(run.clone())
            .enter("ours", || case.ours_text_out(workers))
            .enter("by hand", || case.by_hand_text_out(workers))
            .enter("reused", || case.by_hand_text_reused(workers))
            .results();
        table.against(
            &format!("{name}, text out"),
            &results,
            &[
                (
                    "by hand",
                    "a rayon loop over the arrays",
                    Limit::AtMost(1.1),
                ),
                ("reused", "the same, one String reused", Limit::None),
            ],
        );

        let results = Race::new(run.clone())
            .enter("ours", || short.ours_small_text_out(workers))
            .enter("reused", || short.by_hand_text_reused(workers))
            .results();
        let rival = (
            "reused",
            "a rayon loop, one String reused",
            Limit::AtMost(1.1),
        );
        table.against(&format!("{name}, small text out"), &results, &[rival]);
    }
}
