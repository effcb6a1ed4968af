//! Every cell type, in and out.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars::prelude::{CategoricalPhysical, Categories, FrozenCategories};
use polars_par_apply::prelude::*;

use crate::frames::{assert_same, cut, layouts};

/// Makes a column of values with a closure that returns them one by one.
fn written<T>(values: &[T]) -> Column
where
    T: IntoCell + Clone + Sync,
    T: polars_par_apply::IntoRow<Output = Column>,
{
    let df = df!["i" => (0..values.len() as u32).collect::<Vec<u32>>()].unwrap();
    df.par_apply()
        .workers(2)
        .rows(|i: u32| values[i as usize].clone())
        .unwrap()
}

/// Values become a column of a dtype and are read back unchanged, also with nulls beside them, as `Option`.
macro_rules! round_trip {
    ($($T:ty => $dtype:expr, [$($value:expr),* $(,)?];)*) => {$({
        let values: Vec<$T> = vec![$($value),*];
        let column = written(&values).with_name("x".into());
        assert_eq!(column.dtype(), &$dtype, stringify!($T));
        let df = DataFrame::new(values.len(), vec![column]).unwrap();
        let index = |f: Box<dyn Fn($T, u64) -> bool + Sync>| {
            let numbered = df.with_row_index("i".into(), None).unwrap();
            let numbered = numbered.select(["x", "i"]).unwrap();
            let equal = numbered.par_apply_rows(|x: $T, i: u32| f(x, i.into())).unwrap();
            assert!(equal.bool().unwrap().iter().all(|equal| equal == Some(true)), "{}: {df:?}", stringify!($T));
        };
        let expected = values.clone();
        index(Box::new(move |x, i| x == expected[i as usize]));
        let again = df.par_apply_rows(|x: $T| x).unwrap().with_name("x".into());
        assert_same(&again, &df.columns()[0], stringify!($T));
        round_trip_nulls(&df, |df| df.par_apply_rows(|x: Option<$T>| x), stringify!($T));
        round_trip_nulls(&df, |df| df.par_apply_rows(|x: $T| x), stringify!($T));
        round_trip_nulls(&df, |df| df.par_apply_rows(|row: Row<'_>| row.get::<Option<$T>>("x")), stringify!($T));
        round_trip_nulls(&df, |df| df.par_apply_rows(|(x,): (Option<$T>,)| PolarsResult::Ok(x)), stringify!($T));
    })*};
}

/// The column with a null before, between and after its values is unchanged after a call.
#[track_caller]
fn round_trip_nulls(
    df: &DataFrame,
    f: impl Fn(&DataFrame) -> polars_par_apply::Result<Column>,
    what: &str,
) {
    let at: IdxCa = (0..df.height() as IdxSize)
        .flat_map(|i| [None, Some(i)])
        .chain([None])
        .collect();
    let df = df.take(&at).unwrap();
    let again = f(&df).unwrap().with_name("x".into());
    assert_same(&again, &df.columns()[0], what);
}

fn list(of: DataType) -> DataType {
    DataType::List(Box::new(of))
}

#[test]
fn numbers_and_booleans() {
    round_trip! {
        i8 => DataType::Int8, [i8::MIN, -1, 0, i8::MAX];
        i16 => DataType::Int16, [i16::MIN, 0, i16::MAX];
        i32 => DataType::Int32, [i32::MIN, 0, i32::MAX];
        i64 => DataType::Int64, [i64::MIN, 0, i64::MAX];
        i128 => DataType::Int128, [i128::MIN, 0, i128::MAX];
        u8 => DataType::UInt8, [0, 200, u8::MAX];
        u16 => DataType::UInt16, [0, u16::MAX];
        u32 => DataType::UInt32, [0, u32::MAX];
        u64 => DataType::UInt64, [0, u64::MAX];
        f32 => DataType::Float32, [f32::MIN, -0.0, 1.5, f32::INFINITY];
        f64 => DataType::Float64, [f64::MIN, -0.0, 1.5, f64::NEG_INFINITY];
        bool => DataType::Boolean, [true, false, true];
    }
}

#[test]
fn text_and_bytes() {
    let long = "a text that is longer than what a view holds itself, ".repeat(30);
    round_trip! {
        String => DataType::String, [String::new(), "short".into(), "exactly 12 b".into(), "thirteen byte".into(), "äöü€😀".into(), long.clone()];
        PlSmallStr => DataType::String, ["".into(), "short".into(), "thirteen byte".into(), "äöü€😀, 24 bytes of it".into(), long.as_str().into()];
        Vec<u8> => DataType::Binary, [vec![], vec![0, 255, 1], long.clone().into_bytes()];
    }
    let df = df!["s" => ["", "abc", long.as_str()], "b" => [&b""[..], b"\xff", long.as_bytes()]]
        .unwrap();
    let lengths = df
        .par_apply_rows(|s: &str, b: &[u8]| (s.len() as u64, b.to_vec(), s.to_string()))
        .unwrap();
    assert_eq!(
        lengths.columns()[0].u64().unwrap().to_vec(),
        [Some(0), Some(3), Some(long.len() as u64)]
    );
    assert_eq!(
        lengths.columns()[1].binary().unwrap().get(1),
        Some(&b"\xff"[..])
    );
    assert_eq!(
        lengths.columns()[2].str().unwrap().get(2),
        Some(long.as_str())
    );
    let fixed = df
        .par_apply_rows(|s: &str, _: &[u8]| {
            if s.is_empty() {
                "empty"
            } else {
                "a static text beyond a view"
            }
        })
        .unwrap();
    assert_eq!(fixed.dtype(), &DataType::String);
    assert!(fixed.str().unwrap().iter().eq([
        Some("empty"),
        Some("a static text beyond a view"),
        Some("a static text beyond a view")
    ]));
}

/// Text in the types that a closure can return, but not take.
#[test]
fn text_that_is_only_returned() {
    #[derive(IntoRow)]
    struct Names {
        small: PlSmallStr,
        cow: Cow<'static, str>,
        letter: char,
        none: Option<char>,
    }
    const LETTERS: [char; 5] = ['\0', 'a', 'ä', '€', '😀'];
    let long = |i: usize| format!("{i} is a text that does not lie in its view");
    let small = move |i: usize| PlSmallStr::from(["", "short", "24 bytes lie in it still"][i % 3]);
    let cow = move |i: usize| match i % 2 {
        0 => Cow::Borrowed("borrowed, beyond a view"),
        _ => Cow::Owned(long(i)),
    };
    let letter = |i: usize| LETTERS[i % 5];
    let height = 1000;
    let df = df!["i" => (0..height as u64).collect::<Vec<_>>()].unwrap();
    #[track_caller]
    fn assert_texts<'t>(column: &Column, texts: impl Iterator<Item = Option<Cow<'t, str>>>) {
        assert_eq!(column.dtype(), &DataType::String, "{}", column.name());
        let is = column.str().unwrap().iter();
        assert!(is.eq(texts.collect::<Vec<_>>().iter().map(Option::as_deref)));
    }
    let smalls = || (0..height).map(|i| Some(Cow::Owned(small(i).to_string())));
    let cows = || (0..height).map(|i| Some(cow(i)));
    let letters = || (0..height).map(|i| Some(Cow::Owned(letter(i).to_string())));
    let evens = || letters().enumerate().map(|(i, c)| c.filter(|_| i % 2 == 0));
    let even = move |i: usize| i.is_multiple_of(2).then(|| letter(i));

    let apply = || df.par_apply().workers(3).chunk_rows(7);
    assert_texts(&apply().rows(|i: u64| small(i as usize)).unwrap(), smalls());
    assert_texts(&apply().rows(|i: u64| cow(i as usize)).unwrap(), cows());
    assert_texts(
        &apply().rows(|i: u64| letter(i as usize)).unwrap(),
        letters(),
    );
    assert_texts(&apply().rows(|i: u64| even(i as usize)).unwrap(), evens());
    let tuple = move |i: u64| {
        let i = i as usize;
        anyhow::Ok((small(i), cow(i), letter(i), even(i)))
    };
    let fields = move |i: u64| {
        let i = i as usize;
        let (small, cow, letter, none) = (small(i), cow(i), letter(i), even(i));
        Names {
            small,
            cow,
            letter,
            none,
        }
    };
    let expression = rows([col("i")]).apply(fields).alias("x");
    let unnested = df.clone().lazy().select([expression]).collect().unwrap();
    let unnested = unnested.unnest(["x"], None).unwrap();
    let frames = [
        apply().rows(tuple).unwrap(),
        apply().rows(fields).unwrap(),
        df.clone()
            .lazy()
            .par_apply()
            .select(["i"])
            .rows(fields)
            .collect()
            .unwrap()
            .drop("i")
            .unwrap(),
        unnested,
    ];
    for frame in frames {
        let [a, b, c, d] = frame.columns() else {
            panic!("{frame:?}")
        };
        assert_texts(a, smalls());
        assert_texts(b, cows());
        assert_texts(c, letters());
        assert_texts(d, evens());
    }
    let lists = apply()
        .rows(|i: u64| {
            let i = i as usize;
            (
                vec![small(i); 2],
                vec![cow(i)],
                vec![letter(i); 3],
                vec![even(i)],
            )
        })
        .unwrap();
    let items = |column: usize| {
        let all = ExplodeOptions {
            empty_as_null: true,
            keep_nulls: true,
        };
        lists.columns()[column].explode(all).unwrap()
    };
    assert_texts(&items(0), smalls().flat_map(|text| [text.clone(), text]));
    assert_texts(&items(1), cows());
    assert_texts(
        &items(2),
        letters().flat_map(|text| [text.clone(), text.clone(), text]),
    );
    assert_texts(&items(3), evens());
    let part = df
        .par_apply()
        .partitions(2)
        .chunks(|_: DataFrame| (small(2), cow(0), 'c'))
        .unwrap();
    assert_eq!(part.columns()[2].str().unwrap().get(1), Some("c"));
    let column = df.par_apply_columns(|_: &Column| Some(small(1))).unwrap();
    assert_eq!(column, df!["i" => ["short"]].unwrap());
}

#[test]
fn dates_and_times() {
    let date = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
    let time = |h, m, s, n| NaiveTime::from_hms_nano_opt(h, m, s, n).unwrap();
    let micros = |y, n| date(y, 2, 3).and_hms_micro_opt(4, 5, 6, n).unwrap();
    round_trip! {
        NaiveDate => DataType::Date, [date(1970, 1, 1), date(-44, 3, 15), date(2024, 2, 29), NaiveDate::MIN, NaiveDate::MAX];
        NaiveTime => DataType::Time, [time(0, 0, 0, 0), time(23, 59, 59, 999_999_999), time(12, 0, 0, 1)];
        NaiveDateTime => DataType::Datetime(TimeUnit::Microseconds, None), [micros(1969, 999_999), micros(2262, 1), micros(-9999, 0), micros(200_000, 5)];
        DateTime<Utc> => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)), [micros(1969, 999_999).and_utc(), micros(2024, 1).and_utc()];
        TimeDelta => DataType::Duration(TimeUnit::Microseconds), [TimeDelta::zero(), TimeDelta::microseconds(-1), TimeDelta::microseconds(i64::MAX), TimeDelta::microseconds(i64::MIN), TimeDelta::days(-400)];
    }
}

#[test]
fn lists_and_structs() {
    let date = NaiveDate::from_ymd_opt(2024, 2, 29).unwrap();
    round_trip! {
        Vec<i64> => list(DataType::Int64), [vec![], vec![1], vec![2, 3, 4]];
        Vec<bool> => list(DataType::Boolean), [vec![true], vec![], vec![false, true, true]];
        Vec<Option<f64>> => list(DataType::Float64), [vec![None], vec![], vec![Some(1.5), None, Some(-0.5)]];
        Vec<String> => list(DataType::String), [vec!["a".into()], vec![], vec!["a text beyond what a view holds".into(), String::new()]];
        Vec<Option<u8>> => list(DataType::UInt8), [vec![Some(1), None], vec![]];
        Vec<Vec<u8>> => list(DataType::Binary), [vec![vec![1, 2], vec![]], vec![]];
        Vec<Vec<i32>> => list(list(DataType::Int32)), [vec![vec![1, 2], vec![]], vec![], vec![vec![3]]];
        Vec<NaiveDate> => list(DataType::Date), [vec![date], vec![]];
        Vec<TimeDelta> => list(DataType::Duration(TimeUnit::Microseconds)), [vec![TimeDelta::days(1)], vec![]];
    }
    let fields = |of: &[DataType]| {
        let fields = of
            .iter()
            .enumerate()
            .map(|(i, dtype)| Field::new(format!("field_{i}").into(), dtype.clone()));
        DataType::Struct(fields.collect())
    };
    round_trip! {
        Struct<(i64, String)> => fields(&[DataType::Int64, DataType::String]), [Struct((1, "a".into())), Struct((2, String::new()))];
        Struct<(Option<bool>, Vec<i64>)> => fields(&[DataType::Boolean, list(DataType::Int64)]), [Struct((None, vec![1])), Struct((Some(true), vec![]))];
        Struct<(Struct<(u8,)>, NaiveDate)> => fields(&[fields(&[DataType::UInt8]), DataType::Date]), [Struct((Struct((1,)), date))];
        Vec<Struct<(i64, Option<String>)>> => list(fields(&[DataType::Int64, DataType::String])), [vec![Struct((1, None)), Struct((2, Some("b".into())))], vec![]];
    }
}

#[derive(Clone, Debug, FromRow, IntoRow, PartialEq)]
struct Point {
    x: i64,
    #[par_apply(rename = "the name")]
    name: Option<String>,
}

#[test]
fn structs_by_name_whatever_their_fields_order() {
    let points = [
        Point { x: 1, name: None },
        Point {
            x: 2,
            name: Some("b".into()),
        },
    ];
    let column = written(&points.clone().map(Struct)).with_name("x".into());
    let DataType::Struct(fields) = column.dtype() else {
        panic!("{column:?}")
    };
    assert!(
        fields
            .iter()
            .map(|field| field.name.as_str())
            .eq(["x", "the name"])
    );
    let fields = column.struct_().unwrap().fields_as_series();
    let reversed = [
        fields[1].clone(),
        Series::new("more".into(), [0i32, 0]),
        fields[0].clone(),
    ];
    let reversed = StructChunked::from_series("x".into(), 2, reversed.iter())
        .unwrap()
        .into_series();
    for column in [column, reversed.into_column()] {
        let df = DataFrame::new(2, vec![column]).unwrap();
        let expected = points.clone();
        let same = df
            .par_apply_rows(|Struct(point): Struct<Point>| {
                expected.contains(&point) && (point.x == 1) == point.name.is_none()
            })
            .unwrap();
        assert!(same.bool().unwrap().iter().all(|same| same == Some(true)));
    }
    let df = df!["y" => [1]]
        .unwrap()
        .into_struct("x".into())
        .into_series();
    let df = DataFrame::new(1, vec![df.into_column()]).unwrap();
    assert!(df.par_apply_rows(|_: Struct<Point>| 0).is_err());
    assert!(df.par_apply_rows(|_: Struct<(i64, i64)>| 0).is_err());
}

#[test]
fn categories_are_text() {
    let texts = ["a", "b", "a category of some length", "a"];
    let many: Vec<String> = (0..300).map(|i| format!("category {i}")).collect();
    let wide = FrozenCategories::new(many.iter().map(String::as_str)).unwrap();
    let categories =
        |physical| DataType::from_categories(Categories::random("laws".into(), physical));
    for dtype in [
        categories(CategoricalPhysical::U8),
        categories(CategoricalPhysical::U16),
        categories(CategoricalPhysical::U32),
        DataType::from_categories(Categories::global()),
        DataType::from_frozen_categories(
            FrozenCategories::new(texts[..3].iter().copied()).unwrap(),
        ),
    ] {
        let column = Column::new("c".into(), texts).cast(&dtype).unwrap();
        let df = DataFrame::new(4, vec![cut(&column, [1, 2])]).unwrap();
        let same = df.par_apply_rows(|c: &str| c.to_string()).unwrap();
        assert!(same.str().unwrap().iter().eq(texts.map(Some)), "{dtype:?}");
        let row = df
            .par_apply_rows(|row: Row<'_>| row.get::<String>("c"))
            .unwrap();
        assert!(row.str().unwrap().iter().eq(texts.map(Some)), "{dtype:?}");
    }
    let column = Column::new("c".into(), &many)
        .cast(&DataType::from_frozen_categories(wide))
        .unwrap();
    let df = DataFrame::new(300, vec![column]).unwrap();
    let same = df.par_apply_rows(|c: &str| c.to_string()).unwrap();
    assert!(
        same.str()
            .unwrap()
            .iter()
            .flatten()
            .eq(many.iter().map(String::as_str))
    );
}

#[test]
fn array_columns_as_vectors() {
    let array = |inner: DataType, width| DataType::Array(Box::new(inner), width);
    let lists: Vec<Series> = (0..10i64)
        .map(|i| Series::new("".into(), [i, -i, i * i]))
        .collect();
    let column = Column::new("a".into(), lists)
        .cast(&array(DataType::Int64, 3))
        .unwrap();
    let df = DataFrame::new(10, vec![column]).unwrap();
    for (layout, df) in layouts(&df) {
        let sums = df
            .par_apply_rows(|a: Vec<i64>| a.iter().sum::<i64>())
            .unwrap();
        assert!(
            sums.i64()
                .unwrap()
                .into_no_null_iter()
                .eq((0..10).map(|i| i * i)),
            "{layout}"
        );
    }
    let df = df.slice(3, 4);
    let first = df.par_apply_rows(|a: Vec<Option<i128>>| a[0]).unwrap();
    assert_eq!(
        first
            .cast(&DataType::Int64)
            .unwrap()
            .i64()
            .unwrap()
            .to_vec(),
        [Some(3), Some(4), Some(5), Some(6)]
    );
    let empty = Column::full_null("e".into(), 3, &array(DataType::Int64, 0));
    let df = DataFrame::new(3, vec![empty]).unwrap();
    assert_eq!(
        df.par_apply_rows(|a: Option<Vec<i64>>| a.is_none())
            .unwrap()
            .bool()
            .unwrap()
            .sum(),
        Some(3)
    );
}
