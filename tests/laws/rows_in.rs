//! What a row closure may take: 1 to 12 cells, or one whole row.

use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::frames::{cut, layouts};

/// Columns `c0` to `c11` of small numbers, different in every cell.
fn wide() -> DataFrame {
    let columns = (0..12i64).map(|c| {
        let values: Vec<i64> = (0..50).map(|row| row * 100 + c).collect();
        cut(
            &Column::new(format!("c{c}").into(), values),
            std::iter::repeat(c as usize + 3),
        )
    });
    DataFrame::new(50, columns.collect()).unwrap()
}

#[test]
fn one_to_twelve_arguments_tuples_and_arrays() {
    let df = wide();
    macro_rules! arity {
        ($($n:literal: $($x:ident)*;)*) => {$(
            let names: Vec<String> = (0..$n).map(|c| format!("c{c}")).collect();
            let apply = || df.par_apply().select(names.clone());
            let expected: Vec<Option<String>> = (0..50)
                .map(|row| Some((0..$n).map(|c| format!("{},", row * 100 + c)).collect()))
                .collect();
            let texts = |column: Column| -> Vec<Option<String>> {
                column.str().unwrap().iter().map(|text| text.map(str::to_string)).collect()
            };
            let join = |cells: &[i64]| cells.iter().map(|cell| format!("{cell},")).collect::<String>();
            let arguments = apply().rows(|$($x: i64),*| join(&[$($x),*])).unwrap();
            assert_eq!(texts(arguments), expected, "{} arguments", $n);
            let tuple = apply().rows(|($($x,)*): ($(arity!(@i64 $x),)*)| join(&[$($x),*])).unwrap();
            assert_eq!(texts(tuple), expected, "a tuple of {}", $n);
            let array = apply().rows(|row: [i64; $n]| join(&row)).unwrap();
            assert_eq!(texts(array), expected, "an array of {}", $n);
            // One argument too few, or too many, is reported.
            let short = df.par_apply().select(names[1..].to_vec()).rows(|$($x: i64),*| join(&[$($x),*]));
            let ErrorKind::ArgumentCount { arguments: $n, columns, .. } = short.unwrap_err().into_kind() else { panic!() };
            assert_eq!(columns.len(), $n - 1);
        )*};
        (@i64 $x:ident) => { i64 };
    }
    arity! {
        1: a;
        2: a b;
        3: a b c;
        4: a b c d;
        5: a b c d e;
        6: a b c d e f;
        7: a b c d e f g;
        8: a b c d e f g h;
        9: a b c d e f g h i;
        10: a b c d e f g h i j;
        11: a b c d e f g h i j k;
        12: a b c d e f g h i j k l;
    }
}

#[test]
fn arguments_bind_in_the_order_selected() {
    let df = df!["a" => [1i64], "b" => ["two"], "c" => [3.0]].unwrap();
    let all = df
        .par_apply_rows(|a: i64, b: &str, c: f64| format!("{a}{b}{c}"))
        .unwrap();
    assert_eq!(all.str().unwrap().get(0), Some("1two3"));
    let some = df
        .par_apply()
        .select(["c", "a"])
        .rows(|c: f64, a: i64| c - a as f64)
        .unwrap();
    assert_eq!(some.f64().unwrap().get(0), Some(2.0));
    let twice = df
        .par_apply()
        .select(["a", "a"])
        .rows(|x: i64, y: f64| x as f64 + y);
    assert!(twice.is_err(), "an Int64 as f64 can lose");
    let twice = df
        .par_apply()
        .select(["a", "a"])
        .rows(|x: i64, y: i128| i128::from(x) + y)
        .unwrap();
    assert_eq!(
        twice.cast(&DataType::Int64).unwrap().i64().unwrap().get(0),
        Some(2)
    );
}

fn double(x: f64) -> f64 {
    x * 2.0
}

fn first_word(text: &str) -> String {
    text.split(' ').next().unwrap_or("").to_string()
}

#[test]
fn plain_functions() {
    let df = df!["x" => [3.0, 6.0], "y" => [4.0, 8.0], "s" => ["a b", "c d"]].unwrap();
    let lengths = df.par_apply().select(["x", "y"]).rows(f64::hypot).unwrap();
    assert_eq!(lengths.f64().unwrap().to_vec(), [Some(5.0), Some(10.0)]);
    let doubled = df.par_apply().select(["x"]).rows(double).unwrap();
    assert_eq!(doubled.f64().unwrap().to_vec(), [Some(6.0), Some(12.0)]);
    let words = df.par_apply().select(["s"]).rows(first_word).unwrap();
    assert!(words.str().unwrap().iter().eq([Some("a"), Some("c")]));
    let pointer: fn(f64) -> f64 = double;
    assert_eq!(
        df.par_apply()
            .select(["y"])
            .rows(pointer)
            .unwrap()
            .f64()
            .unwrap()
            .get(0),
        Some(8.0)
    );
    let factor = 3.0;
    let captured = df
        .par_apply()
        .select(["x"])
        .rows(|x: f64| x * factor)
        .unwrap();
    assert_eq!(captured.f64().unwrap().get(0), Some(9.0));
    let boxed: Box<dyn Fn(f64) -> f64 + Sync> = Box::new(move |x| x + factor);
    assert_eq!(
        df.par_apply()
            .select(["x"])
            .rows(&*boxed as &(dyn Fn(f64) -> f64 + Sync))
            .unwrap()
            .f64()
            .unwrap()
            .get(0),
        Some(6.0)
    );
}

#[derive(FromRow)]
struct Many<'a, 'b> {
    c0: i64,
    c1: i64,
    c2: i64,
    c3: i64,
    c4: i64,
    c5: i64,
    c6: i64,
    c7: i64,
    c8: i64,
    c9: i64,
    c10: i64,
    c11: i64,
    #[par_apply(rename = "the text")]
    text: &'a str,
    r#type: Option<&'b str>,
    list: Vec<&'a str>,
    any: AnyValue<'b>,
}

#[test]
fn a_derived_row_binds_by_name() {
    let mut df = wide();
    let text = |name: &str| {
        Column::new(
            name.into(),
            (0..50).map(|i| format!("{name} {i}")).collect::<Vec<_>>(),
        )
    };
    let lists = (0..50)
        .map(|i| Series::new("".into(), [format!("item {i}")]))
        .collect::<Vec<_>>();
    let more = [
        Column::new("unused".into(), [0; 50]),
        text("type"),
        Column::new("list".into(), lists),
        text("any"),
        text("the text"),
    ];
    df.hstack_mut(&more).unwrap();
    // In reverse, so that a row that is bound by position would be noticed.
    let names: Vec<PlSmallStr> = df
        .columns()
        .iter()
        .rev()
        .map(|column| column.name().clone())
        .collect();
    let df = df.select(names).unwrap();
    for (layout, df) in layouts(&df) {
        let same = df
            .par_apply()
            .workers(3)
            .rows(|row: Many<'_, '_>| {
                let i = row.c0 / 100;
                let numbers = [
                    row.c0, row.c1, row.c2, row.c3, row.c4, row.c5, row.c6, row.c7, row.c8, row.c9,
                    row.c10, row.c11,
                ];
                numbers
                    .iter()
                    .enumerate()
                    .all(|(c, number)| *number == i * 100 + c as i64)
                    && row.text == format!("the text {i}")
                    && row.r#type == Some(format!("type {i}").as_str())
                    && row.list == [format!("item {i}")]
                    && row.any == AnyValue::String(&format!("any {i}"))
            })
            .unwrap();
        assert!(
            same.bool().unwrap().iter().all(|same| same == Some(true)),
            "{layout}"
        );
    }
    // Only the selected columns count.
    let error = df
        .par_apply()
        .select(["c0"])
        .rows(|row: Many<'_, '_>| row.c0)
        .unwrap_err();
    assert_eq!(crate::frames::faults(&error).len(), 15);
}

#[derive(FromRow)]
struct Narrow<const N: usize> {
    c0: i64,
}

#[test]
fn a_derived_row_with_a_constant_parameter() {
    let sum = wide().par_apply_rows(|row: Narrow<3>| row.c0 + 3).unwrap();
    assert_eq!(sum.i64().unwrap().get(1), Some(103));
}

#[test]
fn an_untyped_row_knows_its_columns_and_its_place() {
    let df =
        df!["name" => ["ab", "c", "d"], "x" => [Some(1.5), None, Some(0.5)], "n" => [1i32, 2, 3]]
            .unwrap();
    for (layout, df) in layouts(&df) {
        let out = df
            .par_apply()
            .workers(2)
            .rows(|row: Row<'_>| -> polars_par_apply::Result<String> {
                assert_eq!((row.len(), row.is_empty()), (3, false));
                assert!(row.names().eq(["name", "x", "n"]));
                assert_eq!(row.names().len(), 3);
                assert_eq!(row.value(2), AnyValue::Int32(row.index() as i32 + 1));
                assert_eq!(row.iter().len(), 3);
                assert!(row.iter().map(|(name, _)| name).eq(row.names()));
                assert!(
                    row.iter()
                        .enumerate()
                        .all(|(column, (_, value))| value == row.value(column))
                );
                assert!((&row).into_iter().eq(row.into_iter()));
                let (name, owned) = (row.get::<&str>("name")?, row.get::<String>("name")?);
                assert_eq!(name, owned);
                let n = row.get::<i64>("n")?
                    + row.get::<f64>("n")? as i64
                    + row.get::<i128>("n")? as i64;
                Ok(format!("{name}{:?}{}", row.get::<Option<f64>>("x")?, n / 3))
            })
            .unwrap();
        assert!(
            out.str().unwrap().iter().eq([
                Some("abSome(1.5)1"),
                Some("cNone2"),
                Some("dSome(0.5)3")
            ]),
            "{layout}"
        );
    }
}

#[test]
fn what_an_untyped_row_refuses() {
    let df = df!["name" => ["ab"], "x" => [None::<f64>], "n" => [1i64]].unwrap();
    let refuse = |f: fn(Row<'_>) -> Error| {
        let found = std::sync::Mutex::new(None);
        df.par_apply_rows(|row: Row<'_>| {
            *found.lock().unwrap() = Some(f(row));
        })
        .unwrap();
        found.into_inner().unwrap().unwrap()
    };
    let error = refuse(|row| row.get::<&str>("nmae").unwrap_err());
    let ErrorKind::ColumnNotFound { near, .. } = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(near, &["name"]);
    let error = refuse(|row| row.get::<f64>("name").unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error:?}");
    let error = refuse(|row| row.get::<f64>("n").unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error:?}");
    let error = refuse(|row| row.get::<f64>("x").unwrap_err());
    assert_eq!((error.row(), error.column()), (Some(0), Some("x")));
    // A type that does not fit is refused even if the value is null.
    let error = refuse(|row| row.get::<Option<&str>>("x").unwrap_err());
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error:?}");
    let error = df
        .par_apply_rows(|row: Row<'_>| row.value(3).is_null())
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Panic { .. }), "{error:?}");
}

#[test]
fn a_value_of_an_untyped_row_by_position() {
    let df =
        df!["name" => ["ab", "c", "d"], "x" => [Some(1.5), None, Some(0.5)], "n" => [1i32, 2, 3]]
            .unwrap();
    for (layout, df) in layouts(&df) {
        let out = df
            .par_apply()
            .workers(2)
            .rows(|row: Row<'_>| -> polars_par_apply::Result<String> {
                // The types follow from the function that takes the values.
                let name: &str = row.at(0)?;
                let x: Option<f64> = row.at(1)?;
                let n: i64 = row.at(2)?;
                let by_name: (&str, Option<f64>, i64) =
                    (row.get("name")?, row.get("x")?, row.get("n")?);
                assert_eq!((name, x, n), by_name);
                let any: AnyValue<'_> = row.at(1)?;
                assert_eq!(any, row.value(1));
                assert_eq!(row.at::<String>(0)?, name);
                Ok(format!("{name}{x:?}{n}"))
            })
            .unwrap();
        let expected = [Some("abSome(1.5)1"), Some("cNone2"), Some("dSome(0.5)3")];
        assert!(out.str().unwrap().iter().eq(expected), "{layout}");
    }

    let refused = |f: fn(Row<'_>) -> Error| {
        let found = std::sync::Mutex::new(None);
        df.par_apply_rows(|row: Row<'_>| {
            if row.index() == 1 {
                *found.lock().unwrap() = Some(f(row));
            }
        })
        .unwrap();
        found.into_inner().unwrap().unwrap()
    };
    let error = refused(|row| row.at::<i64>(3).unwrap_err());
    let ErrorKind::NoColumnAt {
        position: 3,
        columns: 3,
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        error.to_string(),
        "the row has 3 columns and none at position 3; positions are counted from 0"
    );
    let error = refused(|row| row.at::<AnyValue<'_>>(usize::MAX).unwrap_err());
    assert!(
        matches!(error.kind(), ErrorKind::NoColumnAt { .. }),
        "{error:?}"
    );
    let error = refused(|row| row.at::<f64>(0).unwrap_err());
    assert_eq!(
        error.to_string(),
        r#"column "name" is String, and Row::at asked for f64; take &str, or cast the column first"#
    );
    let error = refused(|row| {
        row.at::<Option<i32>>(1)
            .err()
            .unwrap_or_else(|| row.at::<f64>(1).unwrap_err())
    });
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error:?}");
    let nulls = df.slice(1, 1);
    let error = nulls.par_apply_rows(|row: Row<'_>| row.at::<f64>(1));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("the value is null; take Option<f64> in place of f64"),
        "{error}"
    );
    let none = DataFrame::empty_with_height(2);
    let error = none.par_apply_rows(|row: Row<'_>| row.at::<f64>(0));
    assert!(
        error.unwrap_err().to_string().ends_with(
            "the row has 0 columns and none at position 0; positions are counted from 0"
        )
    );
}

/// With any number of columns, and with very similar names.
#[test]
fn a_value_by_its_name_is_that_of_its_column() {
    let name = |i: usize| match i % 4 {
        0 => format!("c{i}"),
        1 => format!("{i}"),
        2 => format!("a name that is rather long, and one of many: {i}"),
        _ => "é".repeat(i),
    };
    for columns in [1, 2, 4, 5, 8, 9, 64, 257, 1000] {
        let names: Vec<String> = (0..columns).map(name).collect();
        let values = names.iter().enumerate();
        let values = values.map(|(i, name)| Column::new(name.as_str().into(), [i as i64, -1]));
        let df = DataFrame::new(2, values.collect()).unwrap();
        let wrong = df
            .par_apply_rows(|row: Row<'_>| -> polars_par_apply::Result<u64> {
                let mut wrong = 0;
                for (i, name) in names.iter().enumerate() {
                    let (by_name, at): (i64, i64) = (row.get(name)?, row.at(i)?);
                    let expected = if row.index() == 0 { i as i64 } else { -1 };
                    wrong += u64::from(by_name != expected || at != expected);
                }
                for missing in [
                    "",
                    "c",
                    "d0",
                    "a name that is rather long, and one of many: ",
                ] {
                    wrong += u64::from(row.get::<i64>(missing).is_ok());
                    wrong += u64::from(row.get::<i64>(&format!("{missing}x")).is_ok());
                }
                Ok(wrong)
            })
            .unwrap();
        assert_eq!(
            wrong.u64().unwrap().to_vec(),
            [Some(0), Some(0)],
            "{columns}"
        );
    }
}

#[test]
fn an_untyped_row_is_no_cell() {
    let df = df!["x" => [1i64, 2]].unwrap();
    let points = df.into_struct("p".into()).into_column();
    let df = DataFrame::new(2, vec![points]).unwrap();
    let error = df
        .par_apply_rows(|_: Struct<Row<'_>>| -> i64 { panic!("called") })
        .unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error:?}");
    let error = df
        .par_apply_rows(|row: Row<'_>| row.get::<Struct<Row<'_>>>("p").map(|_| 0))
        .unwrap_err();
    assert_eq!(error.row(), Some(0));
}
