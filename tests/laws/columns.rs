//! What a column closure may take and return.

use polars_par_apply::Place;
use polars_par_apply::prelude::*;

use crate::frames::{assert_same_frame, cut, each_column, every_dtype, layouts};

fn five() -> DataFrame {
    df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]].unwrap()
}

#[test]
fn a_cell_per_column_is_one_row() {
    let df = five();
    let expected = df!["a" => [163i64], "b" => [147i64]].unwrap();
    for (layout, df) in layouts(&df) {
        let typed = df
            .par_apply_columns(|v: Values<'_, i64>| v.iter().map(|x| x * x).sum::<i64>())
            .unwrap();
        assert_same_frame(&typed, &expected, layout);
        let whole = df
            .par_apply_columns(|c: &Column| -> PolarsResult<i64> {
                Ok(c.i32()?
                    .iter()
                    .flatten()
                    .map(|x| i64::from(x) * i64::from(x))
                    .sum())
            })
            .unwrap();
        assert_same_frame(&whole, &expected, layout);
    }
}

#[test]
fn cells_of_every_kind() {
    let df = five();
    macro_rules! one_row {
        ($($result:expr => $dtype:expr;)*) => {$({
            let out = df.par_apply_columns(|c: &Column| { let _ = c; $result }).unwrap();
            assert_eq!(out.shape(), (1, 2));
            assert_eq!(out.dtypes(), vec![$dtype; 2]);
            assert_eq!(out.get_column_names(), ["a", "b"]);
        })*};
    }
    one_row! {
        1.5f32 => DataType::Float32;
        true => DataType::Boolean;
        "static" => DataType::String;
        String::from("a text that lies in a buffer") => DataType::String;
        Some(1u8) => DataType::UInt8;
        None::<i64> => DataType::Int64;
        anyhow::Ok(Some(1i128)) => DataType::Int128;
        vec![1i64, 2] => DataType::List(Box::new(DataType::Int64));
        vec![1u8, 2] => DataType::Binary;
        AnyValue::Int16(1) => DataType::Int16;
        Some(Series::new("".into(), [1i64])) => DataType::List(Box::new(DataType::Int64));
        chrono::NaiveDate::MIN => DataType::Date;
        () => DataType::Null;
    }
    // Each column may become another dtype.
    let any = df
        .par_apply_columns(|c: &Column| {
            if c.name() == "a" {
                AnyValue::Int64(1)
            } else {
                AnyValue::StringOwned("b".into())
            }
        })
        .unwrap();
    assert_eq!(any.dtypes(), [DataType::Int64, DataType::String]);
}

#[test]
fn a_column_or_series_per_column_is_a_frame() {
    let df = five();
    for (layout, df) in layouts(&df) {
        let doubled = df!["a" => [16, 10, 6, 8, 14], "b" => [10, 6, 8, 8, 18]].unwrap();
        let columns = df.par_apply_columns(|c: &Column| c * 2).unwrap();
        assert_same_frame(&columns, &doubled, layout);
        let fallible = df
            .par_apply_columns(|c: &Column| -> PolarsResult<Column> { c + c })
            .unwrap();
        assert_same_frame(&fallible, &doubled, layout);
        let series = df
            .par_apply_columns(|v: Values<'_, i32>| {
                Series::new("".into(), v.iter().map(|x| x * 2).collect::<Vec<i32>>())
            })
            .unwrap();
        assert_same_frame(&series, &doubled, layout);
        let fallible = df
            .par_apply_columns(|c: &Column| anyhow::Ok((c * 2).take_materialized_series()))
            .unwrap();
        assert_same_frame(&fallible, &doubled, layout);
    }
    let longer = df
        .par_apply_columns(|c: &Column| Column::new("other".into(), [c.len() as u64; 9]))
        .unwrap();
    assert_eq!(
        (longer.shape(), longer.get_column_names()),
        ((9, 2), vec![&PlSmallStr::from("a"), &PlSmallStr::from("b")])
    );
    let scalar = df
        .par_apply_columns(|c: &Column| {
            Column::new_scalar("x".into(), Scalar::from(c.len() as i64), 100)
        })
        .unwrap();
    assert_eq!(scalar.shape(), (100, 2));
}

#[test]
fn unequal_heights_are_an_error_naming_the_column() {
    let df = five();
    let df = df.hstack(&[Column::new("c".into(), [1; 5])]).unwrap();
    let error = df
        .par_apply_columns(|c: &Column| c.head(Some(if c.name() == "b" { 2 } else { 3 })))
        .unwrap_err();
    let ErrorKind::Stack { place, message, .. } = error.kind() else {
        panic!("{error:?}")
    };
    assert_eq!(*place, Place::Column("b".into()));
    assert!(
        message.contains("2 rows") && message.contains("has 3"),
        "{message}"
    );
    assert_eq!(error.column(), Some("b"));
    let series = df
        .par_apply_columns(|v: Values<'_, i32>| {
            Series::new("".into(), vec![1; (v.iter().sum::<i32>() % 3) as usize])
        })
        .unwrap_err();
    assert!(
        matches!(series.kind(), ErrorKind::Stack { .. }),
        "{series:?}"
    );
}

#[test]
fn values_know_their_column() {
    let df = df!["x" => [Some(1i32), None, Some(3)], "y" => [None::<i32>; 3]].unwrap();
    for (layout, df) in layouts(&df) {
        let facts = df
            .par_apply_columns(|v: Values<'_, i64>| {
                assert_eq!((v.len(), v.is_empty()), (3, false));
                let all: Vec<i64> = v.iter().collect();
                let mut one_by_one = Vec::new();
                let mut iter = v.iter();
                while let Some(x) = iter.next() {
                    one_by_one.push(x);
                    assert_eq!(iter.clone().count(), v.iter().count() - one_by_one.len());
                    assert!(iter.size_hint().1.unwrap() <= 3 - one_by_one.len());
                }
                assert_eq!(all, one_by_one);
                assert_eq!(iter.next(), None);
                assert_eq!(
                    v.iter().fold(1, |product, x| product * x * 2),
                    all.iter().fold(1, |product, x| product * x * 2)
                );
                assert!((&v).into_iter().eq(v));
                let mut skipped = v.iter();
                skipped.next();
                assert!(skipped.eq(all.iter().skip(1).copied()));
                format!("{} {all:?}", v.name())
            })
            .unwrap();
        assert_eq!(
            facts.column("x").unwrap().str().unwrap().get(0),
            Some("x [1, 3]"),
            "{layout}"
        );
        assert_eq!(
            facts.column("y").unwrap().str().unwrap().get(0),
            Some("y []"),
            "{layout}"
        );
        let options = df
            .par_apply_columns(|v: Values<'_, Option<f64>>| {
                format!("{:?}", v.iter().collect::<Vec<_>>())
            })
            .unwrap();
        assert_eq!(
            options.column("x").unwrap().str().unwrap().get(0),
            Some("[Some(1.0), None, Some(3.0)]"),
            "{layout}"
        );
        assert_eq!(
            options.column("y").unwrap().str().unwrap().get(0),
            Some("[None, None, None]"),
            "{layout}"
        );
    }
}

#[test]
fn values_of_text_lists_and_anything() {
    let df = df!["s" => [Some("ab"), None, Some("c")], "t" => [Some("x"), Some("y"), Some("z")]]
        .unwrap();
    let joined = df
        .par_apply_columns(|v: Values<'_, &str>| v.iter().collect::<Vec<&str>>().join("-"))
        .unwrap();
    assert_eq!(
        joined.column("s").unwrap().str().unwrap().get(0),
        Some("ab-c")
    );
    let longest = df
        .par_apply_columns(|v: Values<'_, Option<&str>>| {
            v.iter().map(|s| s.map_or(-1, |s| s.len() as i64)).min()
        })
        .unwrap();
    assert_eq!(longest.column("s").unwrap().i64().unwrap().get(0), Some(-1));
    let any = df
        .par_apply_columns(|v: Values<'_, AnyValue<'_>>| {
            v.iter().filter(AnyValue::is_null).count() as u64
        })
        .unwrap();
    assert_eq!(any, df!["s" => [1u64], "t" => [0u64]].unwrap());
    let lists = [
        Series::new("".into(), [1i64, 2]),
        Series::new("".into(), [3i64]),
    ];
    let lists = DataFrame::new(2, vec![cut(&Column::new("l".into(), lists), [1])]).unwrap();
    let sum = lists
        .par_apply_columns(|v: Values<'_, Vec<i64>>| v.iter().flatten().sum::<i64>())
        .unwrap();
    assert_eq!(sum.column("l").unwrap().i64().unwrap().get(0), Some(6));
}

#[test]
fn names_select_and_the_checks_of_types() {
    let df = five();
    let df = df.hstack(&[Column::new("s".into(), ["x"; 5])]).unwrap();
    let error = df
        .par_apply_columns(|v: Values<'_, f64>| v.iter().sum::<f64>())
        .unwrap_err();
    let ErrorKind::Dtype {
        column,
        argument: Some(0),
        takes,
        ..
    } = error.kind()
    else {
        panic!("{error:?}")
    };
    assert_eq!((column.as_str(), takes.as_str()), ("s", "f64"));
    let sums = df
        .par_apply()
        .select(["b", "a"])
        .names(["sum b", "sum a"])
        .columns(|v: Values<'_, f64>| v.iter().sum::<f64>())
        .unwrap();
    assert_eq!(sums, df!["sum b" => [25.0], "sum a" => [27.0]].unwrap());
    let twice = df
        .par_apply()
        .select(["a", "a"])
        .names(["x", "y"])
        .columns(|c: &Column| c.len() as u64)
        .unwrap();
    assert_eq!(twice, df!["x" => [5u64], "y" => [5u64]].unwrap());
}

/// The iterator knows how many values are left, whichever rows are null, and whatever the values are.
#[test]
fn how_many_values_are_left() {
    fn left<T: Cell>(values: &Values<'_, T>) {
        let mut all = 0;
        values.iter().for_each(|_| all += 1);
        assert_eq!(values.iter().count(), all, "{}", values.name());
        let mut iter = values.iter();
        for taken in 0..=all {
            let left = all - taken;
            assert_eq!(iter.size_hint(), (left, Some(left)), "{}", values.name());
            assert_eq!(iter.len(), left);
            let mut rest = 0;
            iter.clone().for_each(|_| rest += 1);
            assert_eq!((rest, iter.clone().count()), (left, left));
            assert_eq!(iter.next().is_some(), left > 0);
        }
        assert!(iter.next().is_none());
        assert_eq!(iter.len(), 0);
        assert_eq!(values.iter().collect::<Vec<_>>().capacity(), all);
    }
    let df = df![
        "none" => (0..20i64).collect::<Vec<_>>(),
        "one" => (0..20i64).map(|i| (i != 13).then_some(i)).collect::<Vec<_>>(),
        "all" => [None::<i64>; 20],
    ]
    .unwrap();
    let scalar = Column::new_scalar("scalar".into(), Scalar::from(3i64), 20);
    let df = DataFrame::new(20, [df.columns(), &[scalar]].concat()).unwrap();
    let mut frames = layouts(&df);
    frames.push(("empty", df.clear()));
    for (layout, df) in frames {
        df.par_apply_columns(|values: Values<'_, i64>| left(&values))
            .unwrap_or_else(|error| panic!("{layout}: {error}"));
        df.par_apply_columns(|values: Values<'_, f64>| left(&values))
            .unwrap_err();
        df.par_apply()
            .casts(Casts::Lossy)
            .columns(|values: Values<'_, f64>| left(&values))
            .unwrap_or_else(|error| panic!("{layout}: {error}"));
        df.par_apply_columns(|values: Values<'_, i128>| left(&values))
            .unwrap_or_else(|error| panic!("{layout}: {error}"));
        df.par_apply_columns(|values: Values<'_, Option<i64>>| {
            left(&values);
            assert_eq!(values.iter().len(), values.len());
        })
        .unwrap_or_else(|error| panic!("{layout}: {error}"));
        df.par_apply_columns(|values: Values<'_, AnyValue<'_>>| {
            left(&values);
            assert_eq!(values.iter().len(), values.len());
        })
        .unwrap_or_else(|error| panic!("{layout}: {error}"));
    }
    for (layout, df) in layouts(&every_dtype(30)) {
        let texts = df.par_apply().select(["str", "cat", "enum", "null"]);
        let apply = |names: &[&str]| df.par_apply().select(names.iter().copied());
        let results = [
            texts.columns(|values: Values<'_, &str>| left(&values)),
            apply(&["bool"]).columns(|values: Values<'_, bool>| left(&values)),
            apply(&["binary"]).columns(|values: Values<'_, &[u8]>| left(&values)),
            apply(&["date"]).columns(|values: Values<'_, chrono::NaiveDate>| left(&values)),
            apply(&["list", "array"]).columns(|values: Values<'_, Vec<i64>>| left(&values)),
            apply(&["list", "array"]).columns(|values: Values<'_, Vec<i128>>| left(&values)),
            apply(&["list"]).columns(|values: Values<'_, Series>| left(&values)),
            apply(&["struct"]).columns(|values: Values<'_, Struct<(i128, String)>>| left(&values)),
        ];
        for result in results {
            result.unwrap_or_else(|error| panic!("{layout}: {error}"));
        }
    }
}

/// `get`, the slice and the iterator give the same values.
#[test]
fn values_by_row_and_as_a_slice() {
    fn alike<T>(df: &DataFrame, names: &[&str], layout: &str)
    where
        T: Cell + 'static,
        for<'a> T::Of<'a>: Clone + std::fmt::Debug,
    {
        let shown = |value: &dyn std::fmt::Debug| format!("{value:?}");
        let apply = df.par_apply().select(names.iter().copied());
        let rows = apply
            .columns(|values: Values<'_, Option<T>>| {
                let rows: Vec<String> = values.iter().map(|value| shown(&value)).collect();
                assert_eq!(rows.len(), values.len());
                for (row, value) in rows.iter().enumerate() {
                    assert_eq!(*value, shown(&values.get(row).unwrap()), "{layout}");
                }
                for beyond in [values.len(), values.len() + 1, usize::MAX] {
                    assert!(values.get(beyond).is_none(), "{layout}");
                }
                let slice = values.to_slice();
                assert!(
                    rows.iter()
                        .eq(&slice.iter().map(|value| shown(value)).collect::<Vec<_>>())
                );
                assert_eq!(values.as_slice().is_some(), values.is_empty());
                assert!(values.is_empty() || matches!(slice, std::borrow::Cow::Owned(_)));
                rows.join("\n")
            })
            .unwrap_or_else(|error| panic!("{layout}: {error}"));
        let apply = df.par_apply().select(names.iter().copied());
        let again = apply
            .columns(|values: Values<'_, T>| {
                let rows = (0..values.len()).map(|row| shown(&values.get(row)));
                let rows: Vec<String> = rows.collect();
                for beyond in [values.len(), values.len() + 1, usize::MAX] {
                    assert!(values.get(beyond).is_none(), "{layout}");
                }
                let there = (0..values.len()).filter_map(|row| values.get(row));
                let there: Vec<String> = there.map(|value| shown(&value)).collect();
                let mut folded = Vec::new();
                values.iter().for_each(|value| folded.push(shown(&value)));
                let mut one_by_one = Vec::new();
                for value in values {
                    one_by_one.push(shown(&value));
                }
                let slice: Vec<String> =
                    values.to_slice().iter().map(|value| shown(value)).collect();
                assert_eq!(
                    (&folded, &one_by_one, &slice),
                    (&there, &there, &there),
                    "{layout}"
                );
                for skipped in [1, 2, 5] {
                    let mut rest = values.iter();
                    (0..skipped).for_each(|_| drop(rest.next()));
                    let rest: Vec<String> = rest.map(|value| shown(&value)).collect();
                    assert_eq!(rest, there.get(skipped..).unwrap_or_default(), "{layout}");
                }
                if let Some(slice) = values.as_slice() {
                    assert_eq!(
                        slice.iter().map(|value| shown(value)).collect::<Vec<_>>(),
                        there
                    );
                    assert!(matches!(values.to_slice(), std::borrow::Cow::Borrowed(_)));
                }
                rows.join("\n")
            })
            .unwrap_or_else(|error| panic!("{layout}: {error}"));
        assert_same_frame(&again, &rows, layout);
    }
    let whole = every_dtype(300);
    let none_null = each_column(&whole, |_, column| {
        let there = column.drop_nulls();
        let len = there.len().max(1) as IdxSize;
        let at: IdxCa = (0..300).map(|row| Some(row % len)).collect();
        if there.is_empty() {
            column.clone()
        } else {
            there.take(&at).unwrap()
        }
    });
    let scalars = none_null.columns().iter().map(|column| {
        let value = column.get(5).unwrap().into_static();
        let value = Scalar::new(column.dtype().clone(), value);
        Column::new_scalar(column.name().clone(), value, 5000)
    });
    let scalars = DataFrame::new(5000, scalars.collect()).unwrap();
    let mut frames = [layouts(&whole), layouts(&none_null)].concat();
    frames.push(("empty", whole.clear()));
    frames.push(("scalars", scalars));
    for (layout, df) in &frames {
        alike::<i64>(
            df,
            &["i8", "i16", "i32", "i64", "u8", "u16", "u32", "null"],
            layout,
        );
        alike::<f64>(
            df,
            &["i8", "i16", "i32", "u8", "u16", "u32", "f32", "f64", "null"],
            layout,
        );
        alike::<i128>(df, &["i8", "i64", "u64", "i128"], layout);
        alike::<u16>(df, &["u8", "u16"], layout);
        alike::<f32>(df, &["i8", "i16", "u8", "u16", "f32"], layout);
        alike::<bool>(df, &["bool", "null"], layout);
        alike::<&'static str>(df, &["str", "cat", "narrow cat", "enum", "null"], layout);
        alike::<String>(df, &["str"], layout);
        alike::<PlSmallStr>(df, &["str"], layout);
        alike::<Vec<u8>>(df, &["binary"], layout);
        alike::<chrono::NaiveDate>(df, &["date"], layout);
        alike::<chrono::NaiveDateTime>(df, &["datetime ms", "datetime ns"], layout);
        alike::<Vec<i64>>(df, &["list", "array", "null"], layout);
        alike::<Vec<Option<i128>>>(df, &["list", "array"], layout);
        alike::<Struct<(i128, String)>>(df, &["struct"], layout);
        alike::<Series>(df, &["list"], layout);
    }
}
