//! Parts with rows of their neighbours against the same closure by hand over slices.

use crate::groups::overlap::{Cut, Overlap, ROWS};
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = Overlap::new(run.rows(ROWS));
    for (cut, limit) in [(Cut::Workers, 1.05), (Cut::Small, 1.1)] {
        case.check(cut);
        for workers in BOTH {
            let results = Race::new(run.clone())
                .enter("ours", || case.ours(workers, cut))
                .enter("by hand", || case.by_hand(workers, cut))
                .results();
            let name = format!("overlap, {}, {}", cut.label(), workers.label());
            let rival = ("by hand", "a rayon loop over slices", Limit::AtMost(limit));
            table.against(&name, &results, &[rival]);
        }
    }
}
