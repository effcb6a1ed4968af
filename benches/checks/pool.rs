//! A pool's own verbs: `map` against rayon, `imap` against `map`, a job's round trip, and Python's pool.

use std::time::Duration;

use crate::groups::pool::WORKERS;
use crate::groups::pool::count_in_range::{self, CountInRange, checksum};
use crate::groups::pool::imap::{CHUNK, ImapSum};
use crate::groups::pool::map::{COSTS, Cost, ITEMS, Map};
use crate::groups::pool::round_trip::RoundTrip;
use crate::measure::race::{Race, Results};
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};
use crate::measure::{peak, peer};

pub(crate) fn check(run: &Run, table: &mut Table) {
    map(run, table);
    imap(run, table);
    memory(run, table);
    round_trip(run, table);
    python(run, table);
}

fn map(run: &Run, table: &mut Table) {
    let case = Map::new(run.rows(ITEMS));
    case.check();
    for cost in COSTS {
        let label = cost.label();
        let alone = Race::new(rounds(run, cost))
            .enter("sequential", || case.sequential(cost))
            .results()
            .of("sequential");
        let each = |time: Duration| Measured {
            value: time.as_secs_f64() * 1e9 / run.rows(ITEMS) as f64,
            unit: "ns",
        };
        table.number(
            &format!("the {label} closure: an item in a sequential loop"),
            each(alone.median),
            each(alone.fastest),
            Limit::None,
        );
        let limit = match cost {
            Cost::Short => Limit::AtMost(1.1),
            Cost::Long => Limit::None,
        };
        let results = Race::new(rounds(run, cost))
            .enter("ours", || case.ours(cost))
            .enter("rayon", || case.rayon(cost))
            .results();
        let name = format!("pool.map, {WORKERS} workers, {label}");
        table.against(&name, &results, &[("rayon", "rayon's par_iter", limit)]);

        let results = Race::new(rounds(run, cost))
            .enter("ours", || case.ours_default(cost))
            .enter("rayon", || case.rayon_default(cost))
            .results();
        let name = format!("pool.map, Polars' pool, {label}");
        let rival = ("rayon", "rayon's par_iter", Limit::None);
        table.against(&name, &results, &[rival]);
    }

    let results = Race::new(rounds(run, Cost::Short))
        .enter_with("ours", || case.items(), |items| case.ours_owned(items))
        .enter_with("rayon", || case.items(), |items| case.rayon_owned(items))
        .results();
    let name = format!("pool.map, {WORKERS} workers, 1 ns, items by value");
    let rival = ("rayon", "rayon's into_par_iter", Limit::None);
    table.against(&name, &results, &[rival]);

    let results = Race::new(rounds(run, Cost::Short))
        .enter("ours", || case.ours_range())
        .enter("rayon", || case.rayon_range())
        .results();
    let name = format!("pool.map, {WORKERS} workers, 1 ns, a range");
    table.against(&name, &results, &[rival]);
}

fn imap(run: &Run, table: &mut Table) {
    let case = ImapSum::new(run.rows(ITEMS));
    case.check();
    for cost in COSTS {
        let label = cost.label();
        let results = Race::new(rounds(run, cost))
            .enter("ours", || case.ours(cost))
            .enter("map", || case.map(cost))
            .results();
        let name = format!("pool.imap, {WORKERS} workers, {label}, chunks of {CHUNK}");
        let rival = ("map", "pool.map", Limit::AtMost(1.5));
        table.against(&name, &results, &[rival]);

        let results = Race::new(rounds(run, cost))
            .enter("ours", || case.ours_unordered(cost))
            .enter("map", || case.map(cost))
            .results();
        let name = format!("the same, imap_unordered, {label}");
        table.against(&name, &results, &[("map", "pool.map", Limit::None)]);
    }
}

/// More rounds of what takes less than a few milliseconds.
fn rounds(run: &Run, cost: Cost) -> Run {
    match cost {
        Cost::Short => run.with_more_rounds(5),
        Cost::Long => run.clone(),
    }
}

/// The results of the nine million items that are more would take 69 MiB.
fn memory(run: &Run, table: &mut Table) {
    let items = run.rows(ITEMS);
    let peaks = [items, 10 * items].map(peak::of_imap);
    let [Some(few), Some(many)] = peaks else {
        println!("pool.imap: peak memory not measured, the system does not tell");
        return;
    };
    let mebibytes = |bytes: f64| Measured {
        value: bytes / f64::from(1 << 20),
        unit: "MiB",
    };
    table.number(
        &format!("pool.imap over {items} items: peak memory (VmHWM)"),
        mebibytes(few.worst),
        mebibytes(few.best),
        Limit::None,
    );
    table.number(
        "the same over ten times as many: growth of the peak",
        mebibytes(many.worst - few.best),
        mebibytes(many.best - few.best),
        Limit::AtMost(1.0),
    );
}

fn round_trip(run: &Run, table: &mut Table) {
    type Call = fn(&RoundTrip) -> i32;
    let case = RoundTrip::new();
    case.check();
    // Each has a race of its own: the threads of a rayon pool stay awake for a while.
    let calls: [(&str, Limit, Call); 5] = [
        ("apply_async and get", Limit::AtMost(20.0), RoundTrip::ours),
        (
            "the same, Polars' pool",
            Limit::None,
            RoundTrip::ours_default,
        ),
        ("apply", Limit::None, RoundTrip::ours_blocking),
        ("rayon's spawn and a channel", Limit::None, RoundTrip::rayon),
        ("rayon's install", Limit::None, RoundTrip::rayon_blocking),
    ];
    for (what, limit, call) in calls {
        let trips = Race::new(run.with_more_rounds(200))
            .enter("trip", || call(&case))
            .results()
            .of("trip");
        let micros = |time: Duration| Measured {
            value: time.as_secs_f64() * 1e6,
            unit: "us",
        };
        table.number(
            &format!("round trip of one item: {what}"),
            micros(trips.median),
            micros(trips.fastest),
            limit,
        );
    }
}

fn python(run: &Run, table: &mut Table) {
    let rows = run.rows(count_in_range::ROWS);
    let case = CountInRange::new(rows);
    case.check();
    let Some(peers) = peer::of_python("count_in_range", &[rows, WORKERS, run.rounds]) else {
        println!("count in range: not compared with Python's pool, for want of a python3");
        return;
    };
    let ways: [(&str, &str, Way); 2] = [
        ("map", "multiprocessing's map", CountInRange::map),
        (
            "starmap",
            "multiprocessing's starmap",
            CountInRange::starmap,
        ),
    ];
    for (way, rival, ours) in ways {
        let peer = peers.iter().find(|peer| peer.way == way);
        let peer = peer.expect("the program has a line for each way");
        assert_eq!(checksum(&ours(&case)), peer.checksum);
        let results: Results = Race::new(rounds(run, Cost::Short))
            .enter("ours", || ours(&case))
            .results()
            .and(rival, peer.times);
        let limit = match way {
            "map" => Limit::AtLeast(50.0),
            _ => Limit::None,
        };
        let name = format!("pool.{way}, count in range, {rows} x 5, {WORKERS} workers");
        table.times_faster(&name, &results, rival, limit);
    }
}

type Way = fn(&CountInRange) -> Vec<i64>;
