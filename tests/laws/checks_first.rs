//! Promise 4: all faults of a call are reported together, before the closure is called.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::frames::faults;

static CALLS: AtomicUsize = AtomicUsize::new(0);

fn called<T>(result: T) -> T {
    CALLS.fetch_add(1, Relaxed);
    result
}

fn trips() -> DataFrame {
    df![
        "distance" => [1400i64, 1416, 1089],
        "carrier" => ["UA", "UA", "AA"],
        "delay" => [Some(1.5), None, Some(-3.0)],
    ]
    .unwrap()
}

/// Returns the kinds of the faults of a call, as a letter each.
fn kinds(error: &Error) -> String {
    match error.kind() {
        ErrorKind::Several(faults) => faults.iter().map(kinds).collect(),
        ErrorKind::ColumnNotFound { .. } => "F".into(),
        ErrorKind::ArgumentCount { .. } => "A".into(),
        ErrorKind::Dtype { .. } => "D".into(),
        ErrorKind::DuplicateName { .. } => "N".into(),
        ErrorKind::NameCount { .. } => "C".into(),
        ErrorKind::Option { .. } => "O".into(),
        ErrorKind::Null { .. } => "0".into(),
        _ => "?".into(),
    }
}

#[derive(FromRow)]
struct Trip<'a> {
    distance: f64,
    #[par_apply(rename = "dest")]
    destination: &'a str,
    carrier: i64,
}

#[test]
fn every_fault_at_once_and_no_call() {
    let df = trips();
    let pool = Pool::new(2).unwrap();
    let apply = || df.par_apply();
    let calls: Vec<(&str, Option<Error>)> = vec![
        (
            "F",
            apply()
                .select(["distanse", "delay"])
                .rows(|_: i64, _: f64| called(0))
                .err(),
        ),
        (
            "FF",
            apply()
                .select(["a", "b"])
                .rows(|_: i64, _: f64| called(0))
                .err(),
        ),
        ("A", apply().rows(|_: i64, _: &str| called(0)).err()),
        (
            "A",
            apply()
                .select(["delay"])
                .rows(|_: [f64; 2]| called(0))
                .err(),
        ),
        ("D", apply().rows(|_: i64, _: f64, _: f64| called(0)).err()),
        (
            "DDD",
            apply().rows(|_: &str, _: f64, _: i64| called(0)).err(),
        ),
        // The column that exists is checked although another is missing.
        (
            "FD",
            apply()
                .select(["distanse", "carrier"])
                .rows(|_: i64, _: f64| called(0))
                .err(),
        ),
        (
            "FDD",
            apply()
                .rows(|t: Trip<'_>| called((t.distance, t.destination.len() as u64, t.carrier)))
                .err(),
        ),
        (
            "N",
            apply()
                .names(["a", "a"])
                .rows(|_: Row<'_>| called((0, 1)))
                .err(),
        ),
        (
            "C",
            apply()
                .names(["a", "b", "c"])
                .rows(|_: Row<'_>| called((0, 1)))
                .err(),
        ),
        (
            "CN",
            apply()
                .names(["a", "a", "a"])
                .rows(|_: Row<'_>| called([0, 1]))
                .err(),
        ),
        (
            "OO",
            apply()
                .workers(0)
                .partitions(0)
                .rows(|_: Row<'_>| called(0))
                .err(),
        ),
        (
            "OO",
            apply()
                .pool(&pool)
                .workers(3)
                .partitions(2)
                .chunk_rows(2)
                .rows(|_: Row<'_>| called(0))
                .err(),
        ),
        (
            "DOOC",
            apply()
                .select(["carrier"])
                .workers(0)
                .chunk_rows(0)
                .names(["a", "b"])
                .rows(|_: f64| called(0))
                .err(),
        ),
        (
            "DDOC",
            apply()
                .workers(0)
                .names(["a"])
                .columns(|v: Values<'_, f64>| called(v.len() as u64))
                .err(),
        ),
        (
            "FO",
            apply()
                .select(["a"])
                .partitions(0)
                .columns(|_: &Column| called(0))
                .err(),
        ),
        (
            "N",
            apply()
                .select(["delay", "delay"])
                .columns(|_: &Column| called(0))
                .err(),
        ),
        (
            "FON",
            apply()
                .select(["a"])
                .workers(0)
                .names(["x", "x"])
                .chunks(|part: DataFrame| called(part))
                .err(),
        ),
        (
            "FOC",
            apply()
                .select(["a"])
                .workers(0)
                .names(["x", "y"])
                .chunks(|_: DataFrame| called(0))
                .err(),
        ),
        (
            "C",
            apply()
                .names(["x", "y"])
                .chunks(|part: DataFrame| called(part.columns()[0].clone()))
                .err(),
        ),
        (
            "0",
            apply()
                .select(["delay"])
                .nulls(Nulls::Error)
                .rows(|_: f64| called(0))
                .err(),
        ),
    ];
    let sorted = |kinds: &str| {
        let mut kinds: Vec<char> = kinds.chars().collect();
        kinds.sort_unstable();
        kinds
    };
    let wrong: Vec<String> = calls
        .iter()
        .enumerate()
        .filter(|(_, (expected, error))| {
            error
                .as_ref()
                .is_none_or(|error| sorted(&kinds(error)) != sorted(expected))
        })
        .map(|(call, (expected, error))| {
            format!("call {call} should have the faults {expected}: {error:?}")
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(CALLS.load(Relaxed), 0);
    // The counter works.
    apply().rows(|_: Row<'_>| called(0)).unwrap();
    assert_eq!(CALLS.load(Relaxed), 3);
}

#[test]
fn a_part_selected_twice_is_a_fault_found_first() {
    let df = trips();
    let calls = AtomicUsize::new(0);
    let error = df
        .par_apply()
        .select(["delay", "delay"])
        .workers(0)
        .chunks(|part: DataFrame| {
            calls.fetch_add(1, Relaxed);
            part
        })
        .unwrap_err();
    let faults = faults(&error);
    assert_eq!(faults.len(), 2, "{error}");
    assert_eq!(calls.into_inner(), 0);
}

#[test]
fn faults_are_found_with_no_rows_too() {
    let df = trips().head(Some(0));
    let error = df
        .par_apply()
        .workers(0)
        .rows(|_: i64, _: f64, _: f64| 0)
        .unwrap_err();
    assert_eq!(kinds(&error).len(), 2, "{error}");
}

#[test]
fn one_fault_is_not_several() {
    let df = trips();
    let error = df
        .par_apply()
        .select(["Distance"])
        .rows(|_: i64| 0)
        .unwrap_err();
    let ErrorKind::ColumnNotFound {
        column,
        near,
        columns,
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!(column, "Distance");
    assert_eq!(near, &["distance"]);
    assert_eq!(columns, &["distance", "carrier", "delay"]);
}
