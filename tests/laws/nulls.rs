//! Promise 6: the effect of nulls, by themselves and within lists and structs.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::frames::{faults, layouts, watched};

fn ints(column: &Column) -> Vec<Option<i64>> {
    column.i64().unwrap().to_vec()
}

#[test]
fn a_plain_argument_skips_the_row_and_an_option_sees_none() {
    let df = df![
        "a" => [Some(1i64), None, Some(3), None],
        "b" => [Some(10i64), Some(20), None, None],
    ]
    .unwrap();
    for (layout, df) in layouts(&df) {
        let both = df.par_apply_rows(|a: i64, b: i64| a + b).unwrap();
        assert_eq!(ints(&both), [Some(11), None, None, None], "{layout}");
        let left = df
            .par_apply_rows(|a: Option<i64>, b: i64| a.unwrap_or(0) + b)
            .unwrap();
        assert_eq!(ints(&left), [Some(11), Some(20), None, None], "{layout}");
        let right = df
            .par_apply_rows(|a: i64, b: Option<i64>| a + b.unwrap_or(0))
            .unwrap();
        assert_eq!(ints(&right), [Some(11), None, Some(3), None], "{layout}");
        let neither = df
            .par_apply_rows(|a: Option<i64>, b: Option<i64>| a.or(b).unwrap_or(-1))
            .unwrap();
        assert_eq!(
            ints(&neither),
            [Some(1), Some(20), Some(3), Some(-1)],
            "{layout}"
        );
        assert_eq!(neither.null_count(), 0, "{layout}");
    }
}

#[test]
fn whole_rows_skip_and_see_nulls_as_arguments_do() {
    let df = df!["a" => [Some(1i64), None, Some(3)], "b" => [Some(10i64), Some(20), None]].unwrap();
    let tuple = df
        .par_apply_rows(|(a, b): (i64, Option<i64>)| a + b.unwrap_or(0))
        .unwrap();
    assert_eq!(ints(&tuple), [Some(11), None, Some(3)]);
    let array = df
        .par_apply_rows(|row: [i64; 2]| row.iter().sum::<i64>())
        .unwrap();
    assert_eq!(ints(&array), [Some(11), None, None]);
    let array = df
        .par_apply_rows(|row: [Option<i64>; 2]| row.iter().flatten().sum::<i64>())
        .unwrap();
    assert_eq!(ints(&array), [Some(11), Some(20), Some(3)]);
    let any = df
        .par_apply_rows(|a: AnyValue<'_>, b: i64| i64::from(a.is_null()) + b)
        .unwrap();
    assert_eq!(ints(&any), [Some(10), Some(21), None]);
    let row = df
        .par_apply_rows(|row: Row<'_>| row.iter().filter(|(_, v)| v.is_null()).count() as i64)
        .unwrap();
    assert_eq!(ints(&row), [Some(0), Some(1), Some(1)]);
}

#[test]
fn a_skipped_row_is_null_in_every_kind_of_output() {
    let df = df!["x" => [Some(1i64), None]].unwrap();
    macro_rules! null_in_row_1 {
        ($($result:expr),* $(,)?) => {$({
            let column = df.par_apply_rows($result).unwrap();
            let nulls = column.is_null().iter().collect::<Vec<_>>();
            assert_eq!(nulls, [Some(false), Some(true)], "{}: {column:?}", stringify!($result));
        })*};
    }
    null_in_row_1!(
        |x: i64| x,
        |x: i64| x as f32,
        |x: i64| x > 0,
        |x: i64| x.to_string(),
        |x: i64| "long enough to lie in a buffer ".repeat(x as usize),
        |_: i64| "static",
        |x: i64| vec![x as u8],
        |x: i64| vec![x],
        |x: i64| vec![Some(x)],
        |x: i64| vec![vec![x]],
        |x: i64| Series::new("".into(), [x]),
        |x: i64| AnyValue::Int64(x),
        |x: i64| Struct((x, x.to_string())),
        |x: i64| Struct((vec![x], Some(x))),
        |x: i64| chrono::DateTime::from_timestamp_micros(x).unwrap(),
        |x: i64| Some(x),
        |x: i64| PolarsResult::Ok(Some(Struct((x,)))),
    );
    let frame = df
        .par_apply_rows(|x: i64| (x, Some(x), vec![x], x.to_string(), Struct((x,)), ()))
        .unwrap();
    for column in &frame.columns()[..5] {
        assert_eq!(
            column.is_null().iter().collect::<Vec<_>>(),
            [Some(false), Some(true)],
            "{column:?}"
        );
    }
    let array = df.par_apply_rows(|x: i64| [x, x]).unwrap();
    assert!(
        array
            .columns()
            .iter()
            .all(|column| column.null_count() == 1)
    );
}

#[test]
fn none_is_null_and_no_null_is_no_bitmap() {
    let df = df!["x" => [1i64, 2, 3]].unwrap();
    let odd = df
        .par_apply_rows(|x: i64| (x % 2 == 1).then_some(x))
        .unwrap();
    assert_eq!(ints(&odd), [Some(1), None, Some(3)]);
    let all = df.par_apply_rows(|x: i64| Some(x)).unwrap();
    assert_eq!(all.null_count(), 0);
    assert!(all.i64().unwrap().cont_slice().is_ok());
    let nested = df
        .par_apply_rows(|x: i64| {
            if x == 2 {
                None
            } else {
                Some(vec![Some(x), None])
            }
        })
        .unwrap();
    assert_eq!(nested.null_count(), 1);
    let first = nested.list().unwrap().get_as_series(0).unwrap();
    assert_eq!(first.i64().unwrap().to_vec(), [Some(1), None]);
}

#[test]
fn the_error_policy_names_the_first_null_and_calls_nothing() {
    let rows = 20_000i64;
    let b: Vec<Option<i64>> = (0..rows).map(|i| (i != 12_345).then_some(i)).collect();
    let c: Vec<Option<i64>> = (0..rows).map(|i| (i < 12_345).then_some(i)).collect();
    let df = df!["a" => vec![1i64; rows as usize], "b" => b, "c" => c].unwrap();
    for (layout, df) in layouts(&df) {
        let calls = AtomicUsize::new(0);
        let count = || calls.fetch_add(1, Relaxed) as u64;
        let refuse = || df.par_apply().nulls(Nulls::Error);
        let place = |error: Error| {
            assert!(matches!(error.kind(), ErrorKind::Null { .. }), "{error:?}");
            (error.column().unwrap().to_string(), error.row().unwrap())
        };
        let error = refuse().rows(|_: i64, _: i64, _: i64| count()).unwrap_err();
        assert_eq!(place(error), ("b".into(), 12_345), "{layout}");
        let error = refuse()
            .rows(|_: i64, _: Option<i64>, _: i64| count())
            .unwrap_err();
        assert_eq!(place(error), ("c".into(), 12_345), "{layout}");
        let error = refuse().rows(|_: [i64; 3]| count()).unwrap_err();
        assert_eq!(place(error), ("b".into(), 12_345), "{layout}");
        let error = refuse()
            .select(["c", "b"])
            .rows(|_: (i64, i64)| count())
            .unwrap_err();
        assert_eq!(place(error), ("c".into(), 12_345), "{layout}");
        assert_eq!(calls.load(Relaxed), 0);
        refuse()
            .rows(|_: i64, _: Option<i64>, _: AnyValue<'_>| count())
            .unwrap();
        assert_eq!(calls.load(Relaxed), rows as usize);
        // A `Row` has no argument that could refuse a null.
        let error = refuse().rows(|_: Row<'_>| count()).unwrap_err();
        let is_refused = matches!(
            error.kind(),
            ErrorKind::Option {
                option: "nulls",
                ..
            }
        );
        assert!(is_refused, "{error}");
        assert_eq!(calls.load(Relaxed), rows as usize);
    }
}

#[test]
fn the_error_policy_of_columns() {
    let df =
        df!["a" => [Some(1i64), Some(2)], "b" => [Some(1i64), None], "c" => [None, None::<i64>]]
            .unwrap();
    let calls = AtomicUsize::new(0);
    let count = |_: Values<'_, i64>| calls.fetch_add(1, Relaxed) as u64;
    let error = df
        .par_apply()
        .nulls(Nulls::Error)
        .columns(count)
        .unwrap_err();
    let faults = faults(&error);
    let places: Vec<_> = faults
        .iter()
        .map(|fault| (fault.column(), fault.row()))
        .collect();
    assert_eq!(places, [(Some("b"), Some(1)), (Some("c"), Some(0))]);
    assert_eq!(calls.load(Relaxed), 0);
    df.par_apply()
        .nulls(Nulls::Error)
        .columns(|v: Values<'_, Option<i64>>| v.len() as u64)
        .unwrap();
}

/// Rows of a List column: without nulls, with a null item, null, empty, and without nulls again.
fn nested() -> DataFrame {
    let series = |items: &[Option<i64>]| Some(Series::new("".into(), items));
    let lists = [
        series(&[Some(1), Some(2)]),
        series(&[Some(3), None]),
        None,
        series(&[]),
        series(&[Some(4)]),
    ];
    let list = Series::new("list".into(), lists);
    let x = Series::new("x".into(), [Some(1i64), None, Some(3), Some(4), Some(5)]);
    let y = Series::new("y".into(), ["a", "b", "c", "d", "e"]);
    let fields = DataFrame::new(5, vec![x.into(), y.into()])
        .unwrap()
        .into_struct("point".into())
        .into_series();
    let at: IdxCa = [Some(0), Some(1), None, Some(3), Some(4)]
        .into_iter()
        .collect();
    let point = fields.take(&at).unwrap();
    DataFrame::new(5, vec![list.into(), point.into()]).unwrap()
}

#[test]
fn a_null_within_makes_the_cell_null() {
    for (layout, df) in layouts(&nested()) {
        let list = df.par_apply().select(["list"]);
        let point = df.par_apply().select(["point"]);
        let plain = list
            .clone()
            .rows(|l: Vec<i64>| l.iter().sum::<i64>())
            .unwrap();
        assert_eq!(
            ints(&plain),
            [Some(3), None, None, Some(0), Some(4)],
            "{layout}"
        );
        let item = list
            .clone()
            .rows(|l: Vec<Option<i64>>| l.iter().flatten().sum::<i64>())
            .unwrap();
        assert_eq!(
            ints(&item),
            [Some(3), Some(3), None, Some(0), Some(4)],
            "{layout}"
        );
        let cell = list
            .clone()
            .rows(|l: Option<Vec<i64>>| l.map_or(-1, |l| l.iter().sum()))
            .unwrap();
        assert_eq!(
            ints(&cell),
            [Some(3), Some(-1), Some(-1), Some(0), Some(4)],
            "{layout}"
        );
        let both = list
            .clone()
            .rows(|l: Option<Vec<Option<i64>>>| {
                l.map_or(-1, |l| l.iter().map(|i| i.unwrap_or(100)).sum())
            })
            .unwrap();
        assert_eq!(
            ints(&both),
            [Some(3), Some(103), Some(-1), Some(0), Some(4)],
            "{layout}"
        );
        let series = list.rows(|l: Series| l.sum::<i64>().unwrap()).unwrap();
        assert_eq!(
            ints(&series),
            [Some(3), Some(3), None, Some(0), Some(4)],
            "{layout}"
        );

        let plain = point
            .clone()
            .rows(|Struct((x, _)): Struct<(i64, &str)>| x)
            .unwrap();
        assert_eq!(
            ints(&plain),
            [Some(1), None, None, Some(4), Some(5)],
            "{layout}"
        );
        let field = point
            .clone()
            .rows(|Struct((x, _)): Struct<(Option<i64>, &str)>| x.unwrap_or(-1))
            .unwrap();
        assert_eq!(
            ints(&field),
            [Some(1), Some(-1), None, Some(4), Some(5)],
            "{layout}"
        );
        let cell = point
            .clone()
            .rows(|p: Option<Struct<(i64, &str)>>| p.map_or(-1, |p| p.0.0))
            .unwrap();
        assert_eq!(
            ints(&cell),
            [Some(1), Some(-1), Some(-1), Some(4), Some(5)],
            "{layout}"
        );
        let both = point
            .rows(|p: Option<Struct<(Option<i64>, &str)>>| p.map_or(-1, |p| p.0.0.unwrap_or(-2)))
            .unwrap();
        assert_eq!(
            ints(&both),
            [Some(1), Some(-2), Some(-1), Some(4), Some(5)],
            "{layout}"
        );
    }
}

#[test]
fn the_error_policy_finds_a_null_within() {
    let df = nested();
    for column in ["list", "point"] {
        let refuse = || df.par_apply().select([column]).nulls(Nulls::Error);
        let error = match column {
            "list" => refuse().rows(|_: Vec<i64>| 0).unwrap_err(),
            _ => refuse().rows(|_: Struct<(i64, &str)>| 0).unwrap_err(),
        };
        assert_eq!(
            (error.column(), error.row()),
            (Some(column), Some(1)),
            "{error}"
        );
        let error = match column {
            "list" => refuse().rows(|_: Vec<Option<i64>>| 0).unwrap_err(),
            _ => refuse()
                .rows(|_: Struct<(Option<i64>, &str)>| 0)
                .unwrap_err(),
        };
        assert_eq!(
            (error.column(), error.row()),
            (Some(column), Some(2)),
            "{error}"
        );
    }
}

type Point = Struct<(Option<i64>, String)>;

#[test]
fn lists_of_lists_and_of_structs() {
    let df = nested();
    let groups = df
        .lazy()
        .group_by_stable([lit(0)])
        .agg([col("list"), col("point")])
        .collect()
        .unwrap();
    let groups = groups.select(["list", "point"]).unwrap();
    assert_eq!(
        groups.dtypes()[0],
        DataType::List(Box::new(DataType::List(Box::new(DataType::Int64))))
    );
    let sums = groups
        .par_apply_rows(
            |lists: Vec<Option<Vec<Option<i64>>>>, points: Vec<Option<Point>>| {
                let lists = lists.iter().flatten().flatten().flatten().sum::<i64>();
                let points = points
                    .iter()
                    .flatten()
                    .filter_map(|point| point.0.0)
                    .sum::<i64>();
                lists * 100 + points
            },
        )
        .unwrap();
    assert_eq!(ints(&sums), [Some(1010)]);
    let plain = groups
        .par_apply()
        .select(["list"])
        .rows(|l: Vec<Vec<Option<i64>>>| l.len() as i64)
        .unwrap();
    assert_eq!(ints(&plain), [None]);
}

#[test]
fn a_column_of_dtype_null_is_taken_as_anything() {
    let df = df!["x" => [1i64, 2]].unwrap();
    let df = df
        .hstack(&[Column::full_null("null".into(), 2, &DataType::Null)])
        .unwrap();
    let df = df.select(["null"]).unwrap();
    macro_rules! takes {
        ($($T:ty),* $(,)?) => {$({
            let df = df.clone();
            let (plain, optional) = watched(move || {
                let plain = df.par_apply_rows(|_: $T| 1i64);
                (plain, df.par_apply_rows(|x: Option<$T>| i64::from(x.is_none())))
            });
            let plain = plain.unwrap_or_else(|error| panic!("{}: {error}", stringify!($T)));
            assert_eq!(ints(&plain), [None, None], stringify!($T));
            assert_eq!(ints(&optional.unwrap()), [Some(1), Some(1)], stringify!($T));
        })*};
    }
    takes!(
        i8,
        i16,
        i32,
        i64,
        i128,
        u8,
        u16,
        u32,
        u64,
        f32,
        f64,
        bool,
        &str,
        String,
        &[u8],
        Vec<u8>,
        chrono::NaiveDate,
        chrono::NaiveTime,
        chrono::NaiveDateTime,
        chrono::DateTime<chrono::Utc>,
        chrono::TimeDelta,
        Vec<i64>,
        Vec<&str>,
        Vec<Vec<Option<f64>>>,
        Series,
        Struct<(i64, &str)>,
        Vec<Struct<(i64,)>>,
    );
    let row = df
        .par_apply_rows(|row: Row<'_>| -> polars_par_apply::Result<i64> {
            assert!(row.get::<f64>("null").is_err());
            let (x, s) = (
                row.get::<Option<f64>>("null")?,
                row.get::<Option<&str>>("null")?,
            );
            Ok(i64::from(
                x.is_none() && s.is_none() && row.value(0).is_null(),
            ))
        })
        .unwrap();
    assert_eq!(ints(&row), [Some(1), Some(1)]);
}
