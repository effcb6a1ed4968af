//! `windows`: closures of the rows around each row, in the frame or in its group; in the background and in lazy queries too.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use chrono::NaiveDate;
use polars::prelude::{AnyValue, DataFrame};
use polars_par_apply::prelude::{RowRng, Rows, Values};

use crate::call::call;
use crate::results::MadeGroup;
use crate::span_call::{Closure, Done, SpanCall, SpanVerb, Verb, spans};

/// A call of `windows`.
#[derive(Clone, Debug)]
pub struct Windows(SpanCall);

macro_rules! make {
    ($run:expr, $apply:expr, $f:expr) => {{
        let window = $run.case.window.as_ref().expect("windows have one").window();
        $crate::row_call::Gave::Call(Box::new(
            call!($apply, $run.in_background(), $run.case.options.outcome, $run.df, windows or spawn_windows (window, $f)),
        ))
    }};
    (@query $run:expr, $lazy:expr, $f:expr) => {{
        let window = $run.case.window.as_ref().expect("windows have one").window();
        $lazy.windows(window, $f)
    }};
}

const CLOSURES: &[Closure] = spans! { make MadeGroup:
    any result (window []) -> i64;
    any plain (window [], x: Values<'_, Option<i64>>) -> Option<i64>;
    any result (window [], x: Values<'_, f64>) -> f64;
    any result (window [now: i64], x: Values<'_, i64>) -> (i64, Option<String>);
    any result (window [now: Option<&str>], x: Values<'_, &str>) -> Option<String>;
    any plain (window [now: f64], x: Values<'_, Option<f64>>, y: Values<'_, i32>) -> bool;
    any result (window [now: Option<bool>], x: Rows<'_, (i64, Option<&str>)>) -> Vec<i64>;
    any result (window [], x: Rows<'_, (f64, i64)>, y: Values<'_, bool>) -> u16;
    any result (window [now: NaiveDate, then: Option<i64>], x: Values<'_, NaiveDate>) -> i32;
    any result (window [now: AnyValue<'_>], x: Values<'_, AnyValue<'_>>) -> String;
    any plain (window [now: u8, then: &str]) -> (bool, Option<f64>, u8);
    state result (window [now: Option<i64>], x: Values<'_, i64>) -> i64;
    seed result (window [], x: Values<'_, Option<f64>>) -> u64;
    both plain (window [now: i64], x: Rows<'_, (Option<i64>, i64)>) -> u64;
};

impl Windows {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        SpanCall::arbitrary(u, Verb::Windows, &[(CLOSURES, 1)]).map(Windows)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

impl SpanVerb for Windows {
    fn faults(&self, _: &SpanCall, _: &mut BTreeSet<String>) {}

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        done.is_of_rows(output)
    }
}
