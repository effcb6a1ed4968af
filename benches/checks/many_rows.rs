//! `many_rows` against a hand-written loop with a builder for each part.

use crate::groups::many_rows::{ManyRows, ROWS};
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = ManyRows::new(run.rows(ROWS));
    case.check();
    for workers in BOTH {
        let name = format!("many_rows, {}", workers.label());
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("flat_map_rows", || case.ours_flat_map(workers))
            .enter("by hand", || case.by_hand(workers))
            .enter("expression", || case.expression())
            .results();
        table.against(
            &name,
            &results,
            &[
                (
                    "by hand",
                    "a rayon loop, a builder for each part",
                    Limit::AtMost(1.1),
                ),
                (
                    "flat_map_rows",
                    "flat_map_rows, Vec<PlSmallStr>",
                    Limit::None,
                ),
                ("expression", "str.split(\" \").explode()", Limit::None),
            ],
        );
    }
}
