//! Checks the bar that is about mimalloc as the program's allocator:
//! `cargo bench -p polars-par-apply-benches --bench bars_mimalloc`.

// What only the criterion benches and the other bars measure.
#[allow(dead_code)]
mod groups;
#[allow(dead_code)]
mod measure;

use groups::rows_f64::{ROWS, RowsF64};
use groups::workers::{BOTH, Workers};
use measure::race::Race;
use measure::run::Run;
use measure::table::{Limit, Table};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const ALLOCATOR_NAME: &str = "mimalloc";

fn main() {
    let run = Run::from_arguments();
    run.describe(Workers::All.count(), ALLOCATOR_NAME);
    let rows = run.rows(ROWS);
    let case = RowsF64::new(rows);
    case.check();
    let mut table = Table::new();
    for workers in BOTH {
        let mut buffer = vec![0.0; rows];
        let results = Race::new(run.clone())
            .enter("ours", || case.ours(workers))
            .enter("mapped", || case.mapped(workers, &mut buffer))
            .enter("fresh", || case.fresh(workers))
            .results();
        table.against(
            &format!("rows_f64, {}", workers.label()),
            &results,
            &[
                (
                    "mapped",
                    "a rayon loop into a mapped buffer",
                    Limit::AtMost(1.15),
                ),
                ("fresh", "the same into a fresh Vec", Limit::None),
            ],
        );
    }
    table.finish("bars_mimalloc", ALLOCATOR_NAME, &run);
}
