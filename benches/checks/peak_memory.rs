//! Peak memory of `rows_f64`, beyond input and output.

use crate::groups::rows_f64::ROWS;
use crate::measure::peak;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let Some(peak) = peak::of_rows_f64(run.rows(ROWS)) else {
        println!("peak memory: not measured, the system does not tell");
        return;
    };
    let percent = |part: f64| Measured {
        value: part * 100.0,
        unit: "%",
    };
    let lines = [
        (
            "rows_f64: peak memory (VmHWM) beyond input and output",
            peak.ours,
            Limit::AtMost(5.0),
        ),
        (
            "the same: a rayon loop into a fresh Vec",
            peak.by_hand,
            Limit::None,
        ),
    ];
    for (name, peak, limit) in lines {
        table.number(name, percent(peak.worst), percent(peak.best), limit);
    }
}
