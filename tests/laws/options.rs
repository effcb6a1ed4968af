//! Options that cannot be followed are errors, and not panics.

use polars_par_apply::prelude::*;

use crate::frames::{counting, faults};

/// The option that each verb refuses, if any.
fn refused(apply: &Apply<'_, 'static>) -> [Option<&'static str>; 4] {
    let option = |result: polars_par_apply::Result<()>| {
        result.err().map(|error| match error.kind() {
            ErrorKind::Option {
                option, message, ..
            } => {
                assert_eq!(error.to_string(), format!(".{option}(…): {message}"));
                assert_eq!((error.row(), error.column()), (None, None));
                *option
            }
            other => panic!("{other:?}"),
        })
    };
    [
        option(apply.clone().rows(|i: i64| i).map(drop)),
        option(apply.clone().columns(|c: &Column| c.len() as u64).map(drop)),
        option(
            apply
                .clone()
                .columns(|v: Values<'_, i64>| v.len() as u64)
                .map(drop),
        ),
        option(apply.clone().chunks(|part: DataFrame| part).map(drop)),
    ]
}

#[test]
fn nothing_is_none() {
    for rows in [0, 10] {
        let df = counting(rows);
        let apply = || df.par_apply();
        assert_eq!(refused(&apply().workers(0)), [Some("workers"); 4]);
        assert_eq!(refused(&apply().partitions(0)), [Some("partitions"); 4]);
        assert_eq!(refused(&apply().chunk_rows(0)), [Some("chunk_rows"); 4]);
        assert_eq!(
            refused(&apply().workers(0).sequential()),
            [Some("workers"); 4]
        );
    }
}

#[test]
fn both_cuts_exclude_each_other() {
    let df = counting(10);
    assert_eq!(
        refused(&df.par_apply().partitions(2).chunk_rows(2)),
        [Some("partitions"); 4]
    );
    assert_eq!(
        refused(&df.par_apply().partitions(0).chunk_rows(0)),
        [Some("partitions"); 4]
    );
}

#[test]
fn no_more_workers_than_a_given_pool_has() {
    let df = counting(10);
    let pool = Pool::new(2).unwrap();
    assert_eq!(
        refused(&df.par_apply().pool(&pool).workers(3)),
        [Some("workers"); 4]
    );
    assert_eq!(refused(&df.par_apply().pool(&pool).workers(2)), [None; 4]);
    assert_eq!(refused(&df.par_apply().pool(&pool).workers(1)), [None; 4]);
    let default = Pool::default();
    let width = default.workers();
    assert_eq!(
        refused(&df.par_apply().pool(&default).workers(width + 1)),
        [Some("workers"); 4]
    );
    // If more workers are asked for than Polars' pool has, and no pool is given, they are started.
    assert_eq!(refused(&df.par_apply().workers(width + 3)), [None; 4]);
}

#[test]
fn a_pool_of_no_workers_is_an_error() {
    let error = Pool::new(0).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Option {
                option: "Pool::new",
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn as_many_workers_and_parts_as_there_are_rows_and_beyond() {
    let df = counting(3);
    for n in [1, 2, 3, 4, 100] {
        assert_eq!(refused(&df.par_apply().workers(n).partitions(n)), [None; 4]);
        assert_eq!(refused(&df.par_apply().workers(n).chunk_rows(n)), [None; 4]);
    }
    assert_eq!(refused(&df.par_apply().chunk_rows(usize::MAX)), [None; 4]);
}

#[test]
fn partitions_beyond_the_rows_cost_nothing() {
    let df = counting(10);
    let same = df
        .par_apply()
        .partitions(usize::MAX)
        .rows(|i: i64| i)
        .unwrap();
    assert!(same.i64().unwrap().into_no_null_iter().eq(0..10));
}

#[test]
fn workers_beyond_reason_are_an_error() {
    let df = counting(10);
    for workers in [5000, usize::MAX] {
        let error = df
            .par_apply()
            .workers(workers)
            .rows(|i: i64| i)
            .unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Option {
                option: "workers",
                ..
            }
        ));
        let error = Pool::new(workers).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Option {
                option: "Pool::new",
                ..
            }
        ));
    }
}

#[test]
fn parts_beyond_memory_are_an_error() {
    let df = counting(10);
    let too_many = df.array_split(usize::MAX).unwrap_err();
    assert!(matches!(
        too_many.kind(),
        ErrorKind::Option {
            option: "array_split",
            ..
        }
    ));
    let too_many = df
        .par_apply()
        .partitions(usize::MAX)
        .chunks(|part: DataFrame| part)
        .unwrap_err();
    assert!(matches!(
        too_many.kind(),
        ErrorKind::Option {
            option: "partitions",
            ..
        }
    ));
}

#[test]
fn several_bad_options_are_told_together() {
    let df = counting(10);
    let error = df
        .par_apply()
        .workers(0)
        .partitions(0)
        .rows(|i: i64| i)
        .unwrap_err();
    let options: Vec<_> = faults(&error)
        .iter()
        .map(|fault| match fault.kind() {
            ErrorKind::Option { option, .. } => *option,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(options, ["workers", "partitions"]);
}

#[test]
fn policies_do_nothing_where_they_have_nothing_to_do() {
    let df = counting(10);
    let strict = df
        .par_apply()
        .nulls(Nulls::Error)
        .casts(Casts::Lossy)
        .rows(|i: i64| i)
        .unwrap();
    assert!(strict.i64().unwrap().into_no_null_iter().eq(0..10));
    assert_eq!(
        (Nulls::default(), Casts::default()),
        (Nulls::Propagate, Casts::Lossless)
    );
}
