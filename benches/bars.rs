//! Checks every bar of speed and memory and prints one table: `cargo bench -p polars-par-apply-benches --bench bars`.
//!
//! Times are medians of rounds in which we and the rivals take turns. The program succeeds whatever it finds.

mod checks;
// What only the criterion benches measure.
#[allow(dead_code)]
mod groups;
mod measure;

use groups::workers::Workers;
use measure::peak;
use measure::run::Run;
use measure::table::Table;

type Check = fn(&Run, &mut Table);

const ALLOCATOR: &str = "the system allocator";

fn main() {
    if peak::print_if_asked() {
        return;
    }
    // SAFETY: no other thread has been made.
    // A rival needs deep stacks (see `Keyed::polars_sum`).
    unsafe { std::env::set_var("RUST_MIN_STACK", (1usize << 30).to_string()) };
    for name in ["RUST_BACKTRACE", "RUST_LIB_BACKTRACE"] {
        // SAFETY: no other thread has been made.
        // With them, `anyhow` takes a backtrace for each row that fails, and this would be what is measured.
        unsafe { std::env::remove_var(name) };
    }
    let run = Run::from_arguments();
    run.describe(Workers::All.count(), ALLOCATOR);
    let mut table = Table::new();
    let checks: &[(&str, Check)] = &[
        ("rows_f64", checks::rows_f64::check),
        ("control", checks::control::check),
        ("rows_count_in_range", checks::rows_count_in_range::check),
        ("rows_nullable", checks::rows_nullable::check),
        ("rows_text", checks::rows_text::check),
        ("elements", checks::elements::check),
        ("fold_rows", checks::fold_rows::check),
        ("many_chunks", checks::many_chunks::check),
        ("many_rows", checks::many_rows::check),
        ("overlap", checks::overlap::check),
        ("rows_untyped", checks::rows_untyped::check),
        ("filter_rows", checks::filter_rows::check),
        ("with_columns", checks::with_columns::check),
        ("small", checks::small::check),
        ("peak_memory", checks::peak_memory::check),
        ("pool", checks::pool::check),
        ("turns", checks::turns::check),
        ("keyed_calls", checks::keyed::check),
        ("keyed_keys", checks::keyed::check_keys),
        ("keyed_small", checks::keyed::check_small),
        #[cfg(feature = "rolling")]
        ("windows", checks::windows::check),
        ("arrow", checks::arrow::check),
        ("lazy", checks::lazy::check),
    ];
    for (name, check) in checks {
        if run.wants(name) {
            check(&run, &mut table);
        }
    }
    table.finish("bars", ALLOCATOR, &run);
}
