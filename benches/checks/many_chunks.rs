//! `rows_f64` in many chunks against the same in one.

use crate::groups::many_chunks::{CHUNKS, ManyChunks};
use crate::groups::rows_f64::ROWS;
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = ManyChunks::new(run.rows(ROWS));
    case.check();
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("whole", || case.whole.ours(workers))
            .results();
        let name = format!("many_chunks, {}, {CHUNKS} misaligned", workers.label());
        table.against(
            &name,
            &results,
            &[("whole", "one chunk", Limit::AtMost(1.15))],
        );
    }
}
