//! `filter_rows` against a mask written by hand and Polars' filter.

use crate::groups::filter_rows::{FilterRows, ROWS};
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = FilterRows::new(run.rows(ROWS));
    case.check();
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("by hand", || case.by_hand(workers))
            .enter("by rows", || case.by_rows(workers))
            .results();
        let name = format!("filter_rows, half kept, {}", workers.label());
        let by_hand = "a rayon loop into a mask and Polars' filter";
        table.against(
            &name,
            &results,
            &[
                ("by hand", by_hand, Limit::AtMost(1.05)),
                ("by rows", ".rows(f) and Polars' filter", Limit::None),
            ],
        );
    }
}
