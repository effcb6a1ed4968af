//! Batches of Arrow: there and back without a copy, and closures of batches beside those of frames.

use std::time::Duration;

use crate::groups::arrow::{Arrow, ROWS};
use crate::measure::race::{Race, Times};
use crate::measure::run::Run;
use crate::measure::table::{Limit, Measured, Table};

pub(crate) fn check(run: &Run, table: &mut Table) {
    let case = Arrow::new(run.rows(ROWS));
    case.check();
    let results = Race::new(run.clone())
        .enter("out", || case.to_batches())
        .enter("back", || case.to_frame())
        .results();
    let milliseconds = |time: Duration| Measured {
        value: time.as_secs_f64() * 1e3,
        unit: "ms",
    };
    for (name, way) in [("frame to batches", "out"), ("batches to frame", "back")] {
        let Times {
            median, fastest, ..
        } = results.of(way);
        let (median, fastest) = (milliseconds(median), milliseconds(fastest));
        let name = format!("arrow, two f64 and view text, {name}, nothing copied");
        table.number(&name, median, fastest, Limit::AtMost(1.0));
    }
    let results = Race::new(run.clone())
        .enter("ours", || case.of_batch())
        .enter("frame", || case.of_frame())
        .results();
    let rival = ("frame", "one of DataFrame", Limit::AtMost(1.05));
    table.against("arrow, a closure of RecordBatch", &results, &[rival]);
    let results = Race::new(run.clone())
        .enter("ours", || case.of_arrow2())
        .enter("frame", || case.of_frame())
        .results();
    table.against("arrow, a closure of Arrow2Chunk", &results, &[rival]);
}
