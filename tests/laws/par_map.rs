//! `par_map`: a column's values one by one; the results are a column of its name and length.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use polars_par_apply::prelude::*;
use polars_par_apply::{OneCell, Result};

use crate::frames::{assert_same, counting, every_dtype, layouts, refuse_unless, shown, watched};

/// The closure is called once for each value, in order and in any layout, and the result is that of `rows` with the column's name.
#[test]
fn each_value_once_in_order() {
    watched(|| {
        let rows = 10_003;
        let df = counting(rows);
        let expected = Column::new(
            "i".into(),
            (0..rows as i64).map(|i| i * 3).collect::<Vec<_>>(),
        );
        for (layout, df) in layouts(&df) {
            let calls: Vec<AtomicUsize> = (0..rows).map(|_| AtomicUsize::new(0)).collect();
            let out = df["i"].par_map(|i: i64| {
                calls[i as usize].fetch_add(1, SeqCst);
                i * 3
            });
            assert_same(&out.unwrap(), &expected, layout);
            assert!(
                calls.iter().all(|calls| calls.load(SeqCst) == 1),
                "{layout}"
            );
            let series = df["i"].as_materialized_series();
            assert_same(&series.par_map(|i: i64| i * 3).unwrap(), &expected, layout);
        }
    });
}

#[test]
fn every_dtype_as_any_value() {
    let df = every_dtype(100);
    for (layout, df) in layouts(&df) {
        for column in df.columns() {
            let texts = column.par_map(|value: AnyValue<'_>| shown(&value)).unwrap();
            let expected = df.par_apply().select([column.name().clone()]);
            let expected = expected.rows(|row: Row<'_>| shown(&row.value(0))).unwrap();
            assert_same(&texts, &expected.with_name(column.name().clone()), layout);
        }
    }
}

#[test]
fn nulls_stay_null() {
    let x = Series::new("x".into(), [Some(1i64), None, Some(3)]);
    let calls = AtomicUsize::new(0);
    let plain = x.par_map(|x: i64| {
        calls.fetch_add(1, SeqCst);
        x as f64 / 2.0
    });
    assert_same(
        &plain.unwrap(),
        &Column::new("x".into(), [Some(0.5), None, Some(1.5)]),
        "plain",
    );
    assert_eq!(calls.load(SeqCst), 2);
    let seen = x.par_map(|x: Option<i64>| x.unwrap_or(-1)).unwrap();
    assert_same(&seen, &Column::new("x".into(), [1i64, -1, 3]), "seen");
    let made = x.par_map(|x: i64| (x > 1).then_some("more")).unwrap();
    assert_same(
        &made,
        &Column::new("x".into(), [None, None, Some("more")]),
        "made",
    );
}

#[test]
fn a_scalar_column_and_an_empty_one() {
    let scalar = Column::new_scalar("s".into(), Scalar::from(7i64), 1_000);
    let out = scalar.par_map(|s: i64| s + 1).unwrap();
    assert_same(&out, &Column::new("s".into(), vec![8i64; 1_000]), "scalar");
    let empty = Column::new_empty("e".into(), &DataType::String);
    let out = empty.par_map(|text: &str| text.parse::<f32>()).unwrap();
    assert_same(
        &out,
        &Column::new_empty("e".into(), &DataType::Float32),
        "empty",
    );
    let null = Column::full_null("n".into(), 3, &DataType::Null);
    let out = null.par_map(|n: Option<i64>| n.is_none()).unwrap();
    assert_same(&out, &Column::new("n".into(), [true; 3]), "null");
}

#[test]
fn the_lowest_failure() {
    watched(|| {
        let i = &counting(50_000)["i"];
        let error = i
            .par_map(|i: i64| refuse_unless(i % 7_001 != 7_000, "no good"))
            .unwrap_err();
        assert_eq!(
            (error.row(), error.to_string().as_str()),
            (
                Some(7_000),
                "row 7000: the closure returned an error: no good"
            )
        );
        let error = i.par_map(|i: i64| 100 / (i - 20_000)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Panic { .. }) && error.row() == Some(20_000));
    });
    let texts = Series::new("t".into(), ["a"]);
    let calls = AtomicUsize::new(0);
    let error = texts
        .par_map(|_: f64| calls.fetch_add(1, SeqCst) as u32)
        .unwrap_err();
    assert_eq!((error.column(), calls.load(SeqCst)), (Some("t"), 0));
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }));
}

/// The types of closures that it takes, checked by a bound: functions, references, boxes, and a tuple of one.
#[test]
fn any_function_of_one_cell() {
    fn mapped<M, F>(series: &Series, f: F) -> Result<Column>
    where
        F: RowFn<M, Cells: OneCell>,
        F::Out: IntoRow<Output = Column>,
    {
        series.par_map(f)
    }
    let x = Series::new("x".into(), [4.0, 9.0]);
    let roots = Column::new("x".into(), [2.0, 3.0]);
    let boxed: Box<dyn Fn(f64) -> f64 + Send + Sync> = Box::new(f64::sqrt);
    assert_same(&mapped(&x, f64::sqrt).unwrap(), &roots, "a function");
    assert_same(&x.par_map(&boxed).unwrap(), &roots, "a reference");
    assert_same(&x.par_map(boxed).unwrap(), &roots, "a box");
    assert_same(
        &x.par_map(std::sync::Arc::new(f64::sqrt)).unwrap(),
        &roots,
        "an arc",
    );
    assert_same(
        &x.par_map(|(x,): (f64,)| x.sqrt()).unwrap(),
        &roots,
        "a tuple of one",
    );
}
