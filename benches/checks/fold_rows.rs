//! `fold_rows` against rayon's `fold` and `reduce`, in time and in memory.

use crate::groups::fold_rows::{Dot, ROWS, Words};
use crate::groups::workers::BOTH;
use crate::measure::peak;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let rows = run.rows(ROWS);
    let dot = Dot::new(rows);
    dot.check();
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || dot.ours(workers))
            .enter("rayon", || dot.by_rayon(workers))
            .results();
        let name = format!("fold_rows, dot product, {}", workers.label());
        let rival = ("rayon", "rayon's fold and reduce", Limit::AtMost(1.05));
        table.against(&name, &results, &[rival]);
    }
    drop(dot);
    let words = Words::new(rows);
    words.check();
    for workers in BOTH {
        let results = Race::new(run.clone())
            .enter("ours", || words.ours(workers))
            .enter("rayon", || words.by_rayon(workers))
            .results();
        let name = format!("fold_rows, 10,000 words counted, {}", workers.label());
        let rival = ("rayon", "rayon's fold and reduce", Limit::AtMost(1.2));
        table.against(&name, &results, &[rival]);
    }
    let peaks = peak::of_words(rows);
    let Some(peaks) = peaks else {
        println!("peak memory: not measured, the system does not tell");
        return;
    };
    let megabytes = |bytes: f64| Measured {
        value: bytes / 1e6,
        unit: " MB",
    };
    let lines = [
        (
            "fold_rows, 10,000 words counted: peak memory (VmHWM) beyond the input",
            peaks.ours,
        ),
        ("the same: rayon's fold and reduce", peaks.by_hand),
    ];
    for (name, peak) in lines {
        table.number(
            name,
            megabytes(peak.worst),
            megabytes(peak.best),
            Limit::None,
        );
    }
}
