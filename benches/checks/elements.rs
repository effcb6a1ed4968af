//! `elements` against a rayon loop for each column, and against `rows`.

use crate::groups::elements::{COLUMNS, Elements, LONG, ROWS};
use crate::groups::workers::{BOTH, Workers};
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let wide = Elements::new(run.rows(ROWS), COLUMNS);
    wide.check();
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || wide.ours(workers))
            .enter("rayon", || wide.by_rayon(workers))
            .results();
        let limit = match workers {
            Workers::One => Limit::None,
            Workers::All => Limit::AtMost(0.6),
        };
        let name = format!("elements, 10 columns, {}", workers.label());
        let rival = ("rayon", "a rayon loop for each, into fresh Vecs", limit);
        table.against(&name, &results, &[rival]);
    }
    drop(wide);
    let long = Elements::new(run.rows(LONG), 1);
    long.check();
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || long.ours(workers))
            .enter("rows", || long.by_rows(workers))
            .results();
        let name = format!("elements, one column, {}", workers.label());
        let rival = ("rows", "rows with the same closure", Limit::AtMost(1.03));
        table.against(&name, &results, &[rival]);
    }
}
