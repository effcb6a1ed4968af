//! The hypotenuse with the options of a long run, and with failures.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use polars_par_apply::prelude::*;

use super::random;
use super::rows_f64::{RowsF64, hypotenuse};
use super::workers::Workers;

/// How far apart the failures are.
const EVERY: usize = 1000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct NotANumber;

impl std::fmt::Display for NotANumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a number")
    }
}

impl std::error::Error for NotANumber {}

fn checked(a: f64, b: f64) -> Result<f64, NotANumber> {
    if a.is_nan() {
        return Err(NotANumber);
    }
    Ok(hypotenuse(a, b))
}

#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) good: RowsF64,
    /// The same, one row in a thousand bad.
    bad: RowsF64,
}

impl Control {
    pub(crate) fn new(rows: usize) -> Self {
        let mut a = random::floats(1, rows);
        a.iter_mut().step_by(EVERY).for_each(|a| *a = f64::NAN);
        let good = RowsF64::new(rows);
        let bad = RowsF64 {
            frame: DataFrame::new(
                rows,
                vec![
                    Column::new("a".into(), a),
                    good.frame.column("b").expect("it has that column").clone(),
                ],
            )
            .expect("the columns are of one length"),
        };
        Control { good, bad }
    }

    pub(crate) fn result(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.good.frame);
        call.rows(checked).expect("no row is bad")
    }

    /// An error that the types allow, and no row can return.
    pub(crate) fn result_always(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.good.frame);
        call.rows(|a: f64, b: f64| Ok::<f64, NotANumber>(hypotenuse(a, b)))
            .expect("no row is bad")
    }

    pub(crate) fn with_token(&self, workers: Workers) -> Column {
        let call = workers.apply(&self.good.frame);
        let call = call.cancel_token(&CancelToken::new());
        call.rows(hypotenuse).expect("the columns are f64")
    }

    pub(crate) fn with_progress(&self, workers: Workers) -> Column {
        let done = AtomicUsize::new(0);
        let call = workers.apply(&self.good.frame);
        let call = call.progress(|tick: Tick| done.store(tick.done, Ordering::Relaxed));
        call.rows(hypotenuse).expect("the columns are f64")
    }

    pub(crate) fn with_all(&self, workers: Workers) -> Column {
        let done = AtomicUsize::new(0);
        let call = workers.apply(&self.good.frame);
        let call = call
            .cancel_token(&CancelToken::new())
            .on_error(OnError::Fail)
            .progress(|tick: Tick| done.store(tick.done, Ordering::Relaxed));
        let outcome = call.rows(hypotenuse).expect("the columns are f64");
        outcome.output
    }

    pub(crate) fn collect_none(&self, workers: Workers) -> Outcome<Column> {
        let call = workers.apply(&self.good.frame).on_error(OnError::Collect);
        call.rows(checked).expect("failures are let pass")
    }

    pub(crate) fn collect_many(&self, workers: Workers) -> Outcome<Column> {
        let call = workers.apply(&self.bad.frame).on_error(OnError::Collect);
        call.rows(checked).expect("failures are let pass")
    }

    /// A closure of a microsecond: to fail at row 1, and to run through.
    pub(crate) fn slow(&self, workers: Workers, fails: bool) -> Duration {
        let spins = spins_in(Duration::from_micros(1));
        let call = workers.apply(&self.good.frame);
        let began = Instant::now();
        let result = call.rows(|a: f64, b: f64| {
            (0..spins).for_each(|spin| {
                black_box(spin);
            });
            if fails { Err(NotANumber) } else { Ok(a + b) }
        });
        let time = began.elapsed();
        assert_eq!(result.is_err(), fails);
        time
    }

    pub(crate) fn check(&self) {
        let rows = self.good.frame.height();
        for workers in super::workers::BOTH {
            let expected = self.good.ours(workers);
            for ours in [
                self.result(workers),
                self.result_always(workers),
                self.with_token(workers),
                self.with_progress(workers),
                self.with_all(workers),
                self.collect_none(workers).output,
            ] {
                assert_eq!(ours, expected);
            }
            let outcome = self.collect_many(workers);
            assert_eq!(outcome.stats.failures, rows.div_ceil(EVERY));
            assert_eq!(outcome.failures.height(), rows.div_ceil(EVERY));
            assert_eq!(outcome.output.null_count(), rows.div_ceil(EVERY));
        }
    }
}

/// How often a spin fits into a time.
fn spins_in(time: Duration) -> u64 {
    const TRIAL: u64 = 1 << 22;
    let began = Instant::now();
    (0..TRIAL).for_each(|spin| {
        black_box(spin);
    });
    let spin = began.elapsed().as_secs_f64() / TRIAL as f64;
    (time.as_secs_f64() / spin) as u64
}
