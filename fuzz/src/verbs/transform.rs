//! `transform`: closures of groups, or of parts of the frame, that give a value for each row, or one for all rows.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use polars::prelude::{AnyValue, Column, DataFrame, Series};
use polars_par_apply::prelude::{Each, Group, RowRng, Rows, Values};
use rust_decimal::Decimal;

use crate::call::call;
use crate::options::Cut;
use crate::results::MadeTransform;
use crate::span_call::{Closure, Done, SpanCall, SpanVerb, Verb, spans};
use crate::verbs::groups::keyed_faults;

/// A call of `transform`.
#[derive(Clone, Debug)]
pub struct Transform(SpanCall);

macro_rules! make {
    ($run:expr, $apply:expr, $f:expr) => {
        $crate::row_call::Gave::Call(Box::new(
            call!($apply, $run.in_background(), $run.case.options.outcome, $run.df, transform or spawn_transform ($f)),
        ))
    };
    (@query $run:expr, $lazy:expr, $f:expr) => { $lazy.transform($f) };
}

const CLOSURES: &[Closure] = spans! { make MadeTransform:
    any result ([], x: Values<'_, i64>) -> Vec<i64>;
    any plain ([], x: Values<'_, Option<i64>>) -> Vec<Option<f64>>;
    any result ([], x: Values<'_, f64>, y: Values<'_, Option<&str>>) -> Vec<(i64, Option<String>)>;
    any result ([k: Option<&str>], x: Values<'_, u8>) -> Vec<Option<String>>;
    any result ([k: i64], x: Rows<'_, (&str, Option<bool>)>) -> Vec<bool>;
    any result ([k: &str], x: Values<'_, Decimal>) -> Vec<Vec<i64>>;
    any plain (alone [], x: Rows<'_, (u32, i32)>) -> Each<i64>;
    any result (only [k: &str]) -> Each<(Option<String>, u8)>;
    any result (only [k: Option<i64>, l: AnyValue<'_>]) -> Each<Option<String>>;
    any result (whole Group) -> Vec<i32>;
    any result (whole &DataFrame) -> Each<Vec<u16>>;
    any result ([], x: Values<'_, i64>) -> Column;
    none plain (whole DataFrame) -> Series;
    none result ([k: Option<i64>], x: Values<'_, &str>) -> Series;
    state result ([k: Option<i64>], x: Values<'_, f64>) -> Vec<String>;
    seed result ([], x: Values<'_, i64>) -> Vec<u64>;
    both plain (alone [], x: Rows<'_, (u32, Option<&str>)>) -> Each<u64>;
};

impl Transform {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        SpanCall::arbitrary(u, Verb::Transform, &[(CLOSURES, 1)]).map(Transform)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

impl SpanVerb for Transform {
    fn faults(&self, case: &SpanCall, faults: &mut BTreeSet<String>) {
        if case.keys.is_some() {
            return keyed_faults(case, faults);
        }
        if case.in_query() {
            faults.insert("option by".into());
        }
        // The random streams of parts depend on the cut, if there is a valid one.
        let is_cut = match case.options.cut {
            Cut::Partitions(number) | Cut::ChunkRows(number) => number > 0,
            Cut::Default | Cut::Both => false,
        };
        if case.closure.lead.has_seed() && !is_cut {
            faults.insert("option seed".into());
        }
    }

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        done.is_of_rows(output)
    }
}
