//! Calls that share a pool: how soon a short one begins behind long ones, and what sharing costs the long ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use polars_par_apply::prelude::*;

use crate::groups::pool::WORKERS;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

/// The rows of a long call.
const ROWS: usize = 200_000;

pub(crate) fn check(run: &Run, table: &mut Table) {
    let pool = Pool::new(WORKERS).expect("there are threads");
    begins(run, table, &pool);
    both_end(run, table, &pool);
}

/// Behind a call for each worker that does not end, of rows that take 1 ms.
fn begins(run: &Run, table: &mut Table, pool: &Pool) {
    let endless = numbers(1 << 24);
    let begun = Arc::new(AtomicUsize::new(0));
    let long: Vec<Job<Column>> = (0..WORKERS)
        .map(|_| {
            let begun = begun.clone();
            endless.par_apply().pool(pool).spawn_rows(move |_: i64| {
                begun.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            })
        })
        .collect();
    while begun.load(Ordering::Relaxed) < 100 {
        thread::yield_now();
    }
    let ten = numbers(10);
    let mut times: Vec<f64> = (0..run.rounds)
        .map(|_| {
            let given = Instant::now();
            let job = ten
                .par_apply()
                .pool(pool)
                .spawn_rows(move |row: i64| (row == 0).then(|| given.elapsed().as_nanos() as u64));
            let column = job.get().expect("no row fails");
            let first = column.u64().expect("the rows are u64").get(0);
            first.expect("the first row has the time") as f64 / 1e6
        })
        .collect();
    drop(long);
    times.sort_unstable_by(f64::total_cmp);
    let millis = |value: f64| Measured { value, unit: "ms" };
    table.number(
        &format!(
            "ten rows behind {WORKERS} endless calls on a pool of {WORKERS}: begin, the slowest"
        ),
        millis(times[times.len() - 1]),
        millis(times[0]),
        Limit::AtMost(20.0),
    );
}

fn both_end(run: &Run, table: &mut Table, pool: &Pool) {
    let df = numbers(run.rows(ROWS));
    let spawn = || df.par_apply().pool(pool).spawn_rows(steps);
    let get = |job: Job<Column>| job.get().expect("no row fails");
    let expected: Vec<Option<i64>> = (0..df.height() as i64)
        .map(|row| Some(steps(row)))
        .collect();
    let ours = || {
        let jobs = [spawn(), spawn()];
        jobs.map(get)
    };
    let one_by_one = || [get(spawn()), get(spawn())];
    for column in ours().into_iter().chain(one_by_one()) {
        assert_eq!(column.i64().expect("the rows are i64").to_vec(), expected);
    }
    let results = Race::new(run.clone())
        .enter("ours", ours)
        .enter("one by one", one_by_one)
        .results();
    let rival = ("one by one", "one after the other", Limit::AtMost(1.05));
    let name = format!("two long calls on a pool of {WORKERS}, both ended");
    table.against(&name, &results, &[rival]);
}

/// A closure of about a microsecond.
fn steps(row: i64) -> i64 {
    (0..400).fold(row, |state, step| {
        let mixed = (state ^ (state >> 31)).wrapping_mul(0x7fb5_d329_728e_a185);
        mixed.wrapping_add(step)
    })
}

fn numbers(rows: usize) -> DataFrame {
    let rows: Vec<i64> = (0..rows as i64).collect();
    DataFrame::new(rows.len(), vec![Column::new("row".into(), rows)]).expect("one column")
}
