//! Cells whose dtype is known only at run time: `AnyValue` and `Series`, in and out.

use std::panic::{AssertUnwindSafe, catch_unwind};

use polars_par_apply::prelude::*;

use crate::frames::{assert_same, every_dtype, layouts};

#[test]
fn any_value_of_every_dtype_comes_through() {
    let df = every_dtype(30);
    let mut wrong = Vec::new();
    for (layout, frame) in layouts(&df) {
        for column in frame.columns() {
            let name = column.name();
            // A call that panics is reported with its column, together with the others.
            let same = catch_unwind(AssertUnwindSafe(|| {
                let apply = frame.par_apply().select([name.clone()]).workers(2);
                let any = apply
                    .names([name.clone()])
                    .rows(|x: AnyValue<'_>| x.into_static());
                let expected = match column.dtype() {
                    // Such a value does not know its categories.
                    DataType::Categorical(..) | DataType::Enum(..) => {
                        &column.cast(&DataType::String).unwrap()
                    }
                    _ => column,
                };
                assert_same(&any.unwrap(), expected, "AnyValue");
            }));
            if same.is_err() {
                wrong.push(format!("{name} ({layout})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn any_values_that_hold_categories_within_come_through() {
    let df = every_dtype(20).select(["cat", "enum", "i64"]).unwrap();
    let column = df.into_struct("s".into()).into_column();
    let df = DataFrame::new(20, vec![column]).unwrap();
    for (layout, frame) in layouts(&df) {
        let any = frame
            .par_apply()
            .names(["s"])
            .rows(|x: AnyValue<'_>| x.into_static());
        assert_same(&any.unwrap(), &df.columns()[0], layout);
    }
    let lists = every_dtype(20).lazy().select([col("cat").implode(true)]);
    let df = lists.collect().unwrap();
    let any = df
        .par_apply()
        .names(["cat"])
        .rows(|x: AnyValue<'_>| x.into_static());
    assert_same(&any.unwrap(), &df.columns()[0], "list");
}

#[test]
fn series_of_every_dtype_come_through() {
    let df = every_dtype(30)
        .select(["list", "list of str", "array"])
        .unwrap();
    for name in ["list", "list of str"] {
        let same = df
            .par_apply()
            .select([name])
            .names([name])
            .rows(|x: Series| x)
            .unwrap();
        assert_same(&same, df.column(name).unwrap(), "Series");
    }
    let array = df
        .par_apply()
        .select(["array"])
        .rows(|x: Series| x.i64().unwrap().iter().collect::<Vec<_>>())
        .unwrap();
    let vectors = df
        .par_apply()
        .select(["array"])
        .rows(|x: Vec<Option<i64>>| x)
        .unwrap();
    assert_same(&array, &vectors, "Array");
    let all = every_dtype(30);
    for column in all.columns() {
        // A closure can return every dtype as the items of a list.
        let items = column.as_materialized_series().clone().with_name("".into());
        let out = df!["i" => [0i64, 1]]
            .unwrap()
            .par_apply_rows(|i: i64| items.slice(i, 4))
            .unwrap();
        assert_eq!(
            out.dtype(),
            &DataType::List(Box::new(column.dtype().clone())),
            "{}",
            column.name()
        );
        let AnyValue::List(second) = out.get(1).unwrap() else {
            panic!("{}", column.name())
        };
        assert_same(
            &second.into_column(),
            &items.slice(1, 4).into_column(),
            column.name(),
        );
        let empty = df!["i" => [0i64, 1]]
            .unwrap()
            .par_apply_rows(|_: i64| items.head(Some(0)))
            .unwrap();
        assert_eq!(
            empty.dtype(),
            &DataType::List(Box::new(column.dtype().clone())),
            "empty {}",
            column.name()
        );
    }
}

#[test]
fn results_known_at_run_time_must_agree() {
    let df = df!["i" => [0i64, 1, 2]].unwrap();
    let mixed = df
        .par_apply_rows(|i: i64| {
            if i < 2 {
                AnyValue::Int64(i)
            } else {
                AnyValue::Float64(0.5)
            }
        })
        .unwrap_err();
    assert!(matches!(mixed.kind(), ErrorKind::Stack { .. }), "{mixed:?}");
    assert_eq!(mixed.row(), Some(2));
    let mixed = df
        .par_apply_rows(|i: i64| {
            if i < 1 {
                Series::new("".into(), [1i64])
            } else {
                Series::new("".into(), ["x"])
            }
        })
        .unwrap_err();
    assert_eq!(mixed.row(), Some(1));
    let nulls = df
        .par_apply_rows(|i: i64| {
            if i == 1 {
                AnyValue::Int64(1)
            } else {
                AnyValue::Null
            }
        })
        .unwrap();
    assert_eq!(nulls.i64().unwrap().to_vec(), [None, Some(1), None]);
}

/// The dtype of a list of such cells is that of all items, however the rows are cut.
#[test]
fn items_known_at_run_time_have_one_dtype_in_every_cut() {
    let df = df!["i" => (0..40i64).collect::<Vec<_>>()].unwrap();
    let null_first = |i: i64| match i {
        0..7 => vec![Struct((AnyValue::Null,))],
        _ => vec![Struct((AnyValue::Int32(i as i32),)); 2],
    };
    let expected = df.par_apply().sequential().rows(null_first).unwrap();
    for parts in [1, 2, 3, 6, 40] {
        let apply = df.par_apply().partitions(parts).workers(2);
        assert_same(
            &apply.rows(null_first).unwrap(),
            &expected,
            "list of AnyValue",
        );
    }

    // Dtypes that are stored in the same way are still different.
    let mixed = |i: i64| match i {
        0..30 => vec![Struct((AnyValue::Date(i as i32),))],
        _ => vec![Struct((AnyValue::Int32(i as i32),))],
    };
    for parts in [1, 2, 40] {
        let error = df.par_apply().partitions(parts).rows(mixed).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Stack { .. }), "{error}");
        assert_eq!(error.row(), Some(30));
    }

    let categories = Series::new("".into(), ["a", "b"])
        .cast(&DataType::from_categories(Categories::global()))
        .unwrap();
    let numbers = Series::new("".into(), [3_000_000u32]);
    let mixed = |i: i64| {
        let series = if i == 0 { &categories } else { &numbers };
        vec![Struct((series.clone(),))]
    };
    for parts in [1, 2, 40] {
        let error = df.par_apply().partitions(parts).rows(mixed).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Stack { .. }), "{error}");
        assert_eq!(error.row(), Some(1));
    }
}
