//! `groups`: closures of all rows that have the same keys, as typed values or as a frame; in the background and in lazy queries too.

use std::collections::BTreeSet;

use arbitrary::{Result, Unstructured};
use chrono::NaiveDateTime;
use polars::prelude::{Column, DataFrame, Series};
use polars_par_apply::Struct;
use polars_par_apply::prelude::{AnyValue, Group, OnError, Row, RowRng, Rows, Values};

use crate::call::call;
use crate::expect::Fate;
use crate::keys::Keys;
use crate::options::Cut;
use crate::results::{MadeGroup, Shape};
use crate::row_call::{has_columns, is_input};
use crate::span_call::{Closure, Done, SpanCall, SpanVerb, Verb, spans};
use crate::spans::Named;
use crate::value::Value;

/// A call of `groups`.
#[derive(Clone, Debug)]
pub struct Groups(SpanCall);

macro_rules! make {
    ($run:expr, $apply:expr, $f:expr) => {
        $crate::row_call::Gave::Call(Box::new(
            call!($apply, $run.in_background(), $run.case.options.outcome, $run.df, groups or spawn_groups ($f)),
        ))
    };
    (@query $run:expr, $lazy:expr, $f:expr) => { $lazy.groups($f) };
}

const CLOSURES: &[Closure] = spans! { make MadeGroup:
    any result ([], x: Values<'_, i64>) -> i64;
    any plain ([], x: Values<'_, Option<f64>>, y: Values<'_, f64>) -> (i64, Option<String>);
    any result ([k: i64], x: Values<'_, f64>, y: Values<'_, Option<&str>>) -> Vec<i64>;
    any result ([k: &str], x: Values<'_, &str>) -> Option<String>;
    any plain ([k: Option<&str>, l: Option<i64>], x: Values<'_, i32>) -> (bool, Option<f64>, PlSmall);
    any result ([k: Option<f64>], x: Rows<'_, (i64, Option<&str>)>, y: Values<'_, bool>) -> u8;
    any result ([k: bool, l: NaiveDateTime]) -> Struct<(i64, Option<String>)>;
    any result (alone [], x: Rows<'_, (u32, f64, Option<i64>)>) -> Option<f64>;
    any result (alone [k: Option<i64>], x: Rows<'_, Named<'_>>) -> i32;
    any result (alone [], x: Rows<'_, Row<'_>>) -> u16;
    any result (only [k: AnyValue<'_>]) -> String;
    any result (last k: Option<&str>) -> i64;
    any result (whole Group) -> (i64, u32);
    none result (whole &DataFrame) -> DataFrame;
    none plain (whole DataFrame) -> Column;
    none result ([k: i32], x: Values<'_, Option<Vec<i64>>>) -> DataFrame;
    none result ([], x: Values<'_, Option<i64>>) -> Column;
    none result ([k: Option<&str>], x: Values<'_, i64>) -> Series;
    state result ([k: &str], x: Values<'_, Option<i64>>) -> i64;
    seed result ([], x: Values<'_, i64>, y: Values<'_, &str>) -> u64;
    both result (alone [k: Option<i64>], x: Rows<'_, [u32; 2]>) -> (u64, Option<String>);
    both result (whole Group) -> DataFrame;
};

type PlSmall = polars::prelude::PlSmallStr;

impl Groups {
    pub fn arbitrary(u: &mut Unstructured<'_>) -> Result<Self> {
        SpanCall::arbitrary(u, Verb::Groups, &[(CLOSURES, 1)]).map(Groups)
    }

    pub fn check(&self) -> std::result::Result<(), String> {
        self.0.check(self)
    }
}

/// Notes the cuts that groups refuse, and that a whole frame cannot be converted.
pub fn keyed_faults(case: &SpanCall, faults: &mut BTreeSet<String>) {
    let cut = case.options.cut;
    if matches!(cut, Cut::Partitions(_) | Cut::Both) {
        faults.insert("option partitions".into());
    }
    if matches!(cut, Cut::ChunkRows(_) | Cut::Both) {
        faults.insert("option chunk_rows".into());
    }
}

impl SpanVerb for Groups {
    fn faults(&self, case: &SpanCall, faults: &mut BTreeSet<String>) {
        keyed_faults(case, faults);
        if case.keys.is_none() {
            faults.insert("option by".into());
        }
        if case.closure.shape == Shape::Whole {
            if case.options.on_error == OnError::Null {
                faults.insert("option on_error".into());
            }
            if case.options.lossy && case.is_whole() {
                faults.insert("option casts".into());
            }
        }
    }

    fn output(&self, done: &Done<'_>, output: &DataFrame) -> std::result::Result<(), String> {
        let case = done.case;
        let results = case.results();
        let is_whole = case.closure.shape == Shape::Whole;
        let mut firsts = Vec::new();
        let mut cells: Vec<Option<&[Value]>> = Vec::new();
        for item in done.kept {
            let item = &done.items[*item];
            let own: Vec<Option<&[Value]>> = match (&item.fate, is_whole) {
                (Fate::Done { .. }, _) => item.given.iter().map(|row| Some(&row[..])).collect(),
                (_, true) => Vec::new(),
                (_, false) => vec![None],
            };
            firsts.extend(own.iter().map(|_| item.rows[0]));
            cells.extend(own);
        }
        if is_whole && done.done().next().is_none() {
            // Nothing says which columns there are.
            return match output.height() {
                0 => Ok(()),
                height => Err(format!("nothing is done, and the output has {height} rows")),
            };
        }
        let keys = case.keys.as_ref().filter(|keys| !keys.without_keys);
        let keys = keys.map_or(&[][..], Keys::names);
        let mut names: Vec<PlSmall> = keys.iter().map(|key| PlSmall::from_static(key)).collect();
        names.extend(results.names.iter().cloned());
        has_columns(output, &names)?;
        let (of_keys, of_results) = output.columns().split_at(keys.len());
        for (key, column) in keys.iter().zip(of_keys) {
            is_input(done.df, column, key, &firsts)?;
        }
        results.are(of_results, &cells)
    }
}
