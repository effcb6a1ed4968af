//! `groups` and `transform` against Polars' stable grouping, `GroupBy::par_apply`, a closure in `agg`, `over`, and loops by hand.

use crate::groups::keyed::{Keyed, Keys, ROWS};
use crate::groups::workers::Workers;
use crate::measure::peak;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

const ALL: Workers = Workers::All;

const COUNTS: [usize; 3] = [10, 10_000, 1_000_000];

/// Keys alone.
pub(crate) fn check_keys(run: &Run, table: &mut Table) {
    let rows = run.rows(ROWS);
    for (keys, limits) in [
        (Keys::Integers, [0.65, 0.70, 0.20]),
        (Keys::ShortText, [0.35, 0.50, 0.25]),
        (Keys::LongText, [0.8; 3]),
        (Keys::Two, [0.8; 3]),
    ] {
        for (groups, limit) in COUNTS.into_iter().zip(limits) {
            let case = Keyed::new(keys, rows, groups);
            case.check();
            alone(run, table, &case, keys, Limit::AtMost(limit));
        }
    }
}

/// Whole calls.
pub(crate) fn check(run: &Run, table: &mut Table) {
    let rows = run.rows(ROWS);
    for groups in COUNTS {
        let case = Keyed::new(Keys::Integers, rows, groups);
        case.check();
        sum(run, table, &case);
        slope(run, table, &case);
        centred(run, table, &case);
    }
    slope(run, table, &Keyed::new(Keys::Integers, rows, 100_000));
    let sorted = Keyed::new(Keys::Sorted, rows, 10_000);
    let results = Race::new(few(run))
        .enter("ours", || sorted.sum(ALL))
        .enter("polars", || (sorted.polars_groups(), sorted.polars_sum()))
        .results();
    let rival = (
        "polars",
        "GroupBy::par_apply, by its sorted flag",
        Limit::AtMost(1.5),
    );
    table.against("groups, sum, 10,000 sorted keys", &results, &[rival]);
    drop(sorted);
    let Some(peak) = peak::of_groups(rows) else {
        println!("peak memory: not measured, the system does not tell");
        return;
    };
    let bytes = |value| Measured { value, unit: " B" };
    let name =
        "groups, sum, 10,000 groups: peak memory (VmHWM) beyond input and output, for each row";
    table.number(
        name,
        bytes(peak.worst),
        bytes(peak.best),
        Limit::AtMost(20.0),
    );
}

/// Rounds for rivals that take seconds.
fn few(run: &Run) -> Run {
    let mut few = run.clone();
    few.rounds = few.rounds.min(7);
    few.warm_up = few.warm_up.min(1);
    few
}

fn alone(run: &Run, table: &mut Table, case: &Keyed, keys: Keys, limit: Limit) {
    let results = Race::new(few(run))
        .enter("ours", || case.grouped(ALL))
        .enter("polars", || case.polars_groups())
        .results();
    let name = format!("groups, {}, {} groups", keys.label(), case.groups);
    table.against(
        &name,
        &results,
        &[("polars", "Polars' stable grouping", limit)],
    );
}

fn sum(run: &Run, table: &mut Table, case: &Keyed) {
    let (par_apply, agg) = match case.groups {
        10 => (0.30, Limit::None),
        10_000 => (0.40, Limit::None),
        _ => (0.12, Limit::AtMost(0.2)),
    };
    let results = Race::new(few(run))
        .enter("ours", || case.sum(ALL))
        .enter("par_apply", || case.polars_sum())
        .enter("agg", || case.lazy_sum())
        .enter("by hand", || case.sum_by_hand(ALL))
        .results();
    let name = format!("groups, sum, {} groups", case.groups);
    let rivals = [
        ("par_apply", "GroupBy::par_apply", Limit::AtMost(par_apply)),
        ("agg", "a closure in agg", agg),
        ("by hand", "a loop by hand", Limit::AtMost(1.1)),
    ];
    table.against(&name, &results, &rivals);
}

fn slope(run: &Run, table: &mut Table, case: &Keyed) {
    let limit = match case.groups {
        10 => Limit::AtMost(0.30),
        10_000 => Limit::AtMost(0.40),
        100_000 => Limit::AtMost(0.50),
        _ => Limit::None,
    };
    // It makes a frame for each group: of a million, several gigabytes.
    let has_rival = case.groups <= 100_000;
    for (how, ours) in [
        ("Rows", Keyed::slope_of_rows as fn(&Keyed, Workers) -> _),
        ("Values", Keyed::slope_of_values),
    ] {
        let race = Race::new(few(run))
            .enter("ours", || ours(case, ALL))
            .enter("by hand", || case.slope_by_hand(ALL));
        let mut rivals = vec![("by hand", "a loop by hand", Limit::AtMost(1.1))];
        let results = match has_rival {
            true => {
                rivals.push(("par_apply", "GroupBy::par_apply", limit));
                race.enter("par_apply", || case.polars_slope()).results()
            }
            false => race.results(),
        };
        let name = format!("groups, slope by {how}, {} groups", case.groups);
        table.against(&name, &results, &rivals);
    }
}

fn centred(run: &Run, table: &mut Table, case: &Keyed) {
    let limit = match case.groups {
        10 => Limit::None,
        10_000 => Limit::AtMost(0.5),
        _ => Limit::AtMost(0.25),
    };
    let results = Race::new(few(run))
        .enter("ours", || case.centred(ALL))
        .enter("over", || case.polars_centred())
        .results();
    let name = format!("transform, x less its mean, {} groups", case.groups);
    table.against(&name, &results, &[("over", "over", limit)]);
}

/// A short call.
pub(crate) fn check_small(run: &Run, table: &mut Table) {
    let case = Keyed::new(Keys::Integers, 1_000, 10);
    case.check();
    let results = Race::new(run.clone())
        .enter_short("ours", 500, || case.sum(ALL))
        .results();
    let ours = results.of("ours");
    let micros = |value: std::time::Duration| Measured {
        value: value.as_secs_f64() * 1e6,
        unit: "us",
    };
    let name = "groups, one call of 1,000 rows in 10 groups";
    table.number(
        name,
        micros(ours.median),
        micros(ours.fastest),
        Limit::AtMost(25.0),
    );
}
