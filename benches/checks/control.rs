//! The options of a long run against a call without them.

use std::time::Duration;

use polars_par_apply::prelude::Column;

use crate::groups::control::Control;
use crate::groups::rows_f64::ROWS;
use crate::groups::workers::BOTH;
use crate::measure::race::Race;
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = Control::new(run.rows(ROWS));
    case.check();
    for workers in BOTH {
        let label = workers.label();
        let pairs: [(&str, Limit, Time<'_>); 5] = [
            (
                "with Fail, a token and progress",
                Limit::AtMost(1.05),
                &|| case.with_all(workers),
            ),
            ("with a token", Limit::None, &|| case.with_token(workers)),
            ("with progress", Limit::AtMost(1.02), &|| {
                case.with_progress(workers)
            }),
            (
                "with a Result that is always Ok",
                Limit::AtMost(1.25),
                &|| case.result_always(workers),
            ),
            (
                "with a check that no row fails",
                Limit::AtMost(1.25),
                &|| case.result(workers),
            ),
        ];
        for (name, limit, with) in pairs {
            let results = Race::new(run.clone())
                .enter("ours", with)
                .enter("plain", || case.good.ours(workers))
                .results();
            let name = format!("rows_f64 {name}, {label}");
            table.against(&name, &results, &[("plain", "plain", limit)]);
        }
        let results = Race::new(run.clone())
            .enter("ours", || case.collect_many(workers))
            .enter("none", || case.collect_none(workers))
            .results();
        table.against(
            &format!("rows_f64, Collect with 1 in 1,000 failing, {label}"),
            &results,
            &[("none", "none failing", Limit::AtMost(1.1))],
        );
        let full = case.slow(workers, false);
        let mut early: Vec<Duration> = (0..run.rounds).map(|_| case.slow(workers, true)).collect();
        early.sort_unstable();
        let part = |time: Duration| Measured {
            value: 100.0 * time.as_secs_f64() / full.as_secs_f64(),
            unit: "%",
        };
        table.number(
            &format!(
                "failure at the first of {} rows of 1 us, {label}",
                run.rows(ROWS)
            ),
            part(early[early.len() / 2]),
            part(early[0]),
            Limit::AtMost(1.0),
        );
    }
}

type Time<'t> = &'t dyn Fn() -> Column;
