//! Dates and times in every unit, and values that their Rust type or their column cannot hold.

use std::fmt::Debug;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars_par_apply::Error;
use polars_par_apply::prelude::*;

use crate::frames::{every_dtype, layouts};

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
            error
                .to_string()
                .contains("more precise than the column's unit, the microsecond"),
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
