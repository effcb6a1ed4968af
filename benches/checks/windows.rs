//! `windows` against slices by hand, Polars' `rolling_map`, a closure in its lazy `rolling`, and the bounds of that.

use std::time::Duration;

use crate::groups::windows::{Of, OneColumn, OverOrder, ROWS, SLOPE_ROWS, Slope};
use crate::groups::workers::{BOTH, Workers};
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    one_column(run, table);
    expressions(run, table);
    slope(run, table);
    over_order(run, table);
}

/// Rounds for rivals that take seconds.
fn few(run: &Run) -> Run {
    let mut few = run.clone();
    few.rounds = few.rounds.min(5);
    few.warm_up = few.warm_up.min(1);
    few
}

fn one_column(run: &Run, table: &mut Table) {
    let case = OneColumn::new(run.rows(ROWS));
    for (of, by_hand, rolling_map) in [
        (Of::Ends, Limit::AtMost(1.1), 0.04),
        (Of::Sum, Limit::None, 0.2),
    ] {
        case.check(of);
        for workers in BOTH {
            let results = Race::new(run.clone())
                .enter("ours", || case.ours(workers, of))
                .enter("by hand", || case.by_hand(workers, of))
                .results();
            let name = format!("windows, {}, {}", of.label(), workers.label());
            let rival = ("by hand", "a rayon loop over slices", by_hand);
            table.against(&name, &results, &[rival]);
        }
        let all = Workers::All;
        let results = Race::new(few(run))
            .enter("ours", || case.ours(all, of))
            .enter("rolling_map", || case.rolling_map(of))
            .results();
        let name = format!("windows, {}, {}", of.label(), all.label());
        let rival = ("rolling_map", "rolling_map", Limit::AtMost(rolling_map));
        table.against(&name, &results, &[rival]);
    }
}

/// What an expression does better.
fn expressions(run: &Run, table: &mut Table) {
    for (of, rows) in [(Of::Sum, ROWS), (Of::Median, SLOPE_ROWS)] {
        let case = OneColumn::new(run.rows(rows));
        case.check(of);
        let all = Workers::All;
        let results = Race::new(few(run))
            .enter("ours", || case.ours(all, of))
            .enter("expression", || case.expression(of))
            .results();
        let name = format!("windows, {}, {}", of.label(), all.label());
        let expression = format!("the expression rolling_{}", of.label());
        table.against(&name, &results, &[("expression", &expression, Limit::None)]);
    }
}

fn slope(run: &Run, table: &mut Table) {
    let case = Slope::new(run.rows(SLOPE_ROWS));
    case.check();
    for (how, ours) in [
        ("Values", Slope::ours as fn(&Slope, Workers) -> _),
        ("Rows", Slope::ours_by_rows),
    ] {
        for workers in BOTH {
            let results = Race::new(run.clone())
                .enter("ours", || ours(&case, workers))
                .enter("by hand", || case.by_hand(workers))
                .results();
            let workers = workers.label();
            let name = format!("windows, slope of three columns by {how}, {workers}");
            let rival = ("by hand", "a rayon loop over slices", Limit::AtMost(1.1));
            table.against(&name, &results, &[rival]);
        }
    }
    let all = Workers::All;
    let results = Race::new(few(run))
        .enter("ours", || case.ours(all))
        .enter("lazy", || case.lazy_rolling())
        .results();
    let name = format!("windows, slope of three columns, {}", all.label());
    let rival = ("lazy", "a closure in rolling().agg", Limit::AtMost(0.06));
    table.against(&name, &results, &[rival]);
}

fn over_order(run: &Run, table: &mut Table) {
    let case = OverOrder::new(run.rows(ROWS));
    case.check();
    let all = Workers::All;
    let results = Race::new(few(run).with_more_rounds(2))
        .enter("ours", || case.ours(all))
        .enter("counted", || case.counted(all))
        .enter("bounds", || case.bounds())
        .results();
    let name = format!("windows, over an order column, {}", all.label());
    let rival = ("bounds", "the bounds of Polars' rolling", Limit::None);
    table.against(&name, &results, &[rival]);
    let [ours, counted, bounds] = ["ours", "counted", "bounds"].map(|name| results.of(name));
    let alone = |ours: Duration, counted: Duration, bounds: Duration| Measured {
        value: ours.saturating_sub(counted).as_secs_f64() / bounds.as_secs_f64(),
        unit: "",
    };
    table.number(
        "- bounds alone (the call less one whose windows are so many rows): against the same",
        alone(ours.median, counted.median, bounds.median),
        alone(ours.fastest, counted.fastest, bounds.fastest),
        Limit::AtMost(0.35),
    );
}
