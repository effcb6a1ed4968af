//! Every cell type, in and out.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars::prelude::{CategoricalPhysical, Categories, FrozenCategories};
use polars_par_apply::prelude::*;

use crate::frames::{assert_same, cut, every_dtype, layouts};

/// Values as a column, cell by cell through closures that return them.
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

/// Values go through a column of a dtype and come back; so do they beside nulls, as `Option`.
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

/// The column with a null before, between and after its values comes through as it is.
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
fn temporal_columns_in_all_three_units() {
    let df = every_dtype(60);
    for (unit, suffix) in [(1_000_000, "ms"), (1000, "us"), (1, "ns")] {
        let stored = |name: &str| {
            df.column(&format!("{name} {suffix}"))
                .unwrap()
                .cast(&DataType::Int64)
                .unwrap()
        };
        let nanoseconds = |column: &Column| -> Vec<Option<i64>> {
            column
                .i64()
                .unwrap()
                .iter()
                .map(|stored| stored.map(|stored| stored * unit))
                .collect()
        };
        let apply = |name: &str| df.par_apply().select([format!("{name} {suffix}")]);
        let naive = apply("datetime")
            .rows(|t: NaiveDateTime| t.and_utc().timestamp_nanos_opt().unwrap())
            .unwrap();
        assert_eq!(
            naive.i64().unwrap().to_vec(),
            nanoseconds(&stored("datetime")),
            "{suffix}"
        );
        let zoned = apply("zoned")
            .rows(|t: DateTime<Utc>| t.timestamp_nanos_opt().unwrap())
            .unwrap();
        assert_eq!(
            zoned.i64().unwrap().to_vec(),
            nanoseconds(&stored("zoned")),
            "{suffix}"
        );
        let lengths = apply("duration")
            .rows(|t: TimeDelta| t.num_nanoseconds().unwrap())
            .unwrap();
        assert_eq!(
            lengths.i64().unwrap().to_vec(),
            nanoseconds(&stored("duration")),
            "{suffix}"
        );
        assert!(apply("datetime").rows(|_: DateTime<Utc>| 0).is_err());
        assert!(apply("zoned").rows(|_: NaiveDateTime| 0).is_err());
    }
    let paris = TimeZone::opt_try_new(Some("Europe/Paris")).unwrap();
    let instant = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
    let column = Column::new("t".into(), [1_700_000_000_000i64])
        .cast(&DataType::Datetime(TimeUnit::Milliseconds, paris))
        .unwrap();
    let df = DataFrame::new(1, vec![column]).unwrap();
    let same = df
        .par_apply_rows(move |t: DateTime<Utc>| t == instant)
        .unwrap();
    assert_eq!(same.bool().unwrap().get(0), Some(true));
}

#[test]
fn a_time_beyond_chrono_s_range_is_an_error_with_row_and_column() {
    let beyond = |dtype: DataType, low: i64| {
        let stored = (0..5000i64).map(|i| match i {
            4321 => Some(low),
            7 => None,
            _ => Some(i),
        });
        let stored = Series::new("t".into(), stored.collect::<Vec<_>>());
        let stored = if dtype == DataType::Date {
            stored.cast(&DataType::Int32).unwrap()
        } else {
            stored
        };
        DataFrame::new(5000, vec![stored.cast(&dtype).unwrap().into_column()]).unwrap()
    };
    #[track_caller]
    fn check<T: Debug>(result: polars_par_apply::Result<T>) {
        let error = result.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Value { .. }), "{error:?}");
        assert_eq!(
            (error.row(), error.column()),
            (Some(4321), Some("t")),
            "{error}"
        );
        assert!(
            error.to_string().contains("beyond the range of chrono's"),
            "{error}"
        );
    }
    macro_rules! beyond {
        ($($T:ty: $dtype:expr, $low:expr;)*) => {$(
            for (layout, df) in layouts(&beyond($dtype, $low)) {
                for workers in [1, 3] {
                    check(df.par_apply().workers(workers).rows(|_: $T| 0));
                    check(df.par_apply().workers(workers).rows(|_: Option<$T>| 0));
                    check(df.par_apply().workers(workers).rows(|(_,): ($T,)| 0));
                    check(df.par_apply().workers(workers).rows(|_: [$T; 1]| 0));
                }
                let row = df.par_apply_rows(|row: Row<'_>| row.get::<Option<$T>>("t").map(|_| 0)).unwrap_err();
                assert_eq!(row.row(), Some(4321), "{layout}: {row}");
                let values = df.par_apply_columns(|v: Values<'_, $T>| v.len() as u64).unwrap_err();
                assert_eq!(values.column(), Some("t"));
                assert!(values.to_string().contains("4321"), "{values}");
            }
        )*};
    }
    let ms = TimeUnit::Milliseconds;
    beyond! {
        NaiveDate: DataType::Date, i64::from(i32::MIN);
        NaiveDateTime: DataType::Datetime(ms, None), i64::MAX;
        DateTime<Utc>: DataType::Datetime(ms, Some(TimeZone::UTC)), i64::MIN;
        TimeDelta: DataType::Duration(ms), i64::MIN;
    }
}

#[test]
fn what_lies_under_a_null_is_not_read() {
    let stored: Int32Chunked = (0..100)
        .map(|i| Some(if i == 50 { i32::MIN } else { i }))
        .collect();
    let masked = stored.into_series().cast(&DataType::Date).unwrap();
    let valid: BooleanChunked = (0..100).map(|i| Some(i != 50)).collect();
    let null = Series::full_null("".into(), 100, &DataType::Date);
    let masked = masked
        .zip_with(&valid, &null)
        .unwrap()
        .with_name("t".into());
    let df = DataFrame::new(100, vec![masked.into_column()]).unwrap();
    let days = df.par_apply_rows(|t: NaiveDate| t.to_epoch_days()).unwrap();
    assert_eq!(
        (days.null_count(), days.i32().unwrap().get(49)),
        (1, Some(49))
    );
    let error = df
        .par_apply()
        .nulls(Nulls::Error)
        .rows(|_: NaiveDate| 0)
        .unwrap_err();
    assert_eq!(error.row(), Some(50));
}

#[test]
fn digits_below_the_microsecond_are_an_error_or_cut() {
    let df = df!["i" => [0i64, 1, 2]].unwrap();
    let time = |i: i64| DateTime::<Utc>::from_timestamp_nanos(i * 1_000_500);
    let refused = |error: Error, column: &str| {
        assert!(matches!(error.kind(), ErrorKind::Value { .. }), "{error:?}");
        assert_eq!(
            (error.row(), error.column()),
            (Some(1), Some(column)),
            "{error}"
        );
        assert!(
            error.to_string().contains("below the microsecond"),
            "{error}"
        );
    };
    let naive = move |i: i64| time(i).naive_utc();
    let length = |i: i64| TimeDelta::nanoseconds(i * 1_000_500);
    refused(df.par_apply_rows(time).unwrap_err(), "par_apply");
    refused(df.par_apply_rows(naive).unwrap_err(), "par_apply");
    refused(df.par_apply_rows(length).unwrap_err(), "par_apply");
    refused(
        df.par_apply_rows(move |i: i64| Some(time(i))).unwrap_err(),
        "par_apply",
    );
    refused(
        df.par_apply_rows(move |i: i64| vec![time(0), time(i)])
            .unwrap_err(),
        "par_apply",
    );
    refused(
        df.par_apply_rows(move |i: i64| Struct((i, time(i))))
            .unwrap_err(),
        "par_apply",
    );
    refused(
        df.par_apply_rows(move |i: i64| (i, time(0), time(i)))
            .unwrap_err(),
        "column_2",
    );
    refused(
        df.par_apply()
            .names(["a", "b"])
            .rows(move |i: i64| [time(0), time(i)])
            .unwrap_err(),
        "b",
    );
    let cut = df
        .par_apply()
        .casts(Casts::Lossy)
        .rows(move |i: i64| (time(i), naive(i), length(i), vec![length(i)]))
        .unwrap();
    for column in &cut.columns()[..3] {
        assert_eq!(
            column
                .cast(&DataType::Int64)
                .unwrap()
                .i64()
                .unwrap()
                .to_vec(),
            [Some(0), Some(1000), Some(2001)]
        );
    }
    let over = df
        .par_apply()
        .casts(Casts::Lossy)
        .rows(|_: i64| TimeDelta::MAX)
        .unwrap_err();
    assert_eq!(over.row(), Some(0));
    let leap = df
        .par_apply_rows(|_: i64| NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap())
        .unwrap_err();
    assert_eq!(leap.row(), Some(0));
}

#[test]
fn refused_results_of_columns_and_parts_say_where() {
    let df = df!["a" => [0i64, 1, 2, 3], "b" => [0i64, 0, 0, 0]].unwrap();
    let error = df
        .par_apply_columns(|v: Values<'_, i64>| TimeDelta::nanoseconds(v.iter().sum()))
        .unwrap_err();
    assert_eq!((error.column(), error.row()), (Some("a"), None), "{error}");
    let error = df
        .par_apply()
        .partitions(2)
        .chunks(|part: Chunk| (0, TimeDelta::nanoseconds(part.index() as i64)))
        .unwrap_err();
    assert!(error.to_string().contains("part 1"), "{error}");
    assert_eq!(error.row(), None, "{error}");
    assert_eq!(error.column(), Some("column_1"), "{error}");
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
fn any_value_of_every_dtype_comes_through() {
    let df = every_dtype(30);
    let mut wrong = Vec::new();
    for (layout, frame) in layouts(&df) {
        for column in frame.columns() {
            let name = column.name();
            // A call that panics is told with its column, and beside the others.
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
        // As a list's items, every dtype comes out of a closure.
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
