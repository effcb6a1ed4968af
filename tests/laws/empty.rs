//! Promise 9: empty frames give the right schema; so do frames with no chunks, one row, fewer rows than workers.

use polars_par_apply::prelude::*;

use crate::frames::{assert_same_frame, every_dtype};

/// Frames without rows, of the dtypes used: newly made, sliced, and with scalar columns.
fn no_rows(schema: &Schema) -> Vec<DataFrame> {
    let made = DataFrame::empty_with_schema(schema);
    let sliced = DataFrame::full_null(schema, 5).slice(2, 0);
    let scalars = schema
        .iter()
        .map(|(name, dtype)| Column::new_scalar(name.clone(), Scalar::null(dtype.clone()), 0));
    let scalars = DataFrame::new(0, scalars.collect()).unwrap();
    vec![made, sliced, scalars]
}

#[derive(IntoRow)]
struct Fare {
    total: f64,
    #[par_apply(rename = "paid by")]
    by: Option<String>,
}

#[test]
fn rows_of_no_rows_have_their_schema() {
    let schema = Schema::from_iter([
        Field::new("i".into(), DataType::Int64),
        Field::new("s".into(), DataType::String),
    ]);
    let list = |dtype: DataType| DataType::List(Box::new(dtype));
    let datetime = DataType::Datetime(TimeUnit::Microseconds, None);
    for df in no_rows(&schema) {
        macro_rules! dtype {
            ($($result:expr => $dtype:expr;)*) => {$({
                for apply in [df.par_apply(), df.par_apply().sequential(), df.par_apply().workers(7).partitions(3), df.par_apply().chunk_rows(5)] {
                    let column = apply.rows(|i: i64, s: &str| { let _ = (i, s); $result }).unwrap();
                    assert_eq!(column.dtype(), &$dtype);
                    assert_eq!((column.len(), column.name().as_str()), (0, "par_apply"));
                }
            })*};
        }
        dtype! {
            1i8 => DataType::Int8;
            1u64 => DataType::UInt64;
            1i128 => DataType::Int128;
            0f32 => DataType::Float32;
            true => DataType::Boolean;
            String::new() => DataType::String;
            "static" => DataType::String;
            vec![0u8] => DataType::Binary;
            Some(1i64) => DataType::Int64;
            PolarsResult::Ok(Some(1.5)) => DataType::Float64;
            vec![1i32] => list(DataType::Int32);
            vec![Some(0u8)] => list(DataType::UInt8);
            vec![vec!["x"]] => list(list(DataType::String));
            chrono::NaiveDate::MIN => DataType::Date;
            chrono::NaiveTime::MIN => DataType::Time;
            chrono::DateTime::UNIX_EPOCH.naive_utc() => datetime;
            vec![chrono::DateTime::UNIX_EPOCH.naive_utc()] => list(datetime.clone());
            chrono::DateTime::UNIX_EPOCH => DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
            chrono::TimeDelta::zero() => DataType::Duration(TimeUnit::Microseconds);
            Struct((1i64, "x")) => DataType::Struct(vec![
                Field::new("field_0".into(), DataType::Int64),
                Field::new("field_1".into(), DataType::String),
            ]);
            () => DataType::Null;
        }
        let frame = df
            .par_apply_rows(|_: i64, _: &str| (1i8, vec![1.5], ()))
            .unwrap();
        assert_eq!(frame.height(), 0);
        assert_eq!(
            frame.dtypes(),
            [DataType::Int8, list(DataType::Float64), DataType::Null]
        );
        let array = df
            .par_apply_rows(|row: Row<'_>| [row.index() as u64; 3])
            .unwrap();
        assert_eq!(
            (array.shape(), array.dtypes()),
            ((0, 3), vec![DataType::UInt64; 3])
        );
        let fares = df
            .par_apply_rows(|_: i64, _: &str| Fare {
                total: 0.0,
                by: None,
            })
            .unwrap();
        assert_eq!(fares.get_column_names(), ["total", "paid by"]);
        assert_eq!(fares.dtypes(), [DataType::Float64, DataType::String]);
    }
}

#[test]
fn columns_of_no_rows_are_called() {
    let schema = Schema::from_iter([Field::new("x".into(), DataType::Float32)]);
    for df in no_rows(&schema) {
        let typed = df
            .par_apply_columns(|v: Values<'_, f64>| {
                (v.is_empty() && v.iter().next().is_none()).then(|| v.iter().sum::<f64>())
            })
            .unwrap();
        assert_eq!(typed, df!["x" => [0.0]].unwrap());
        let whole = df.par_apply_columns(|c: &Column| c.clone()).unwrap();
        assert_eq!(whole.schema(), df.schema());
        assert_eq!(whole.height(), 0);
    }
}

#[test]
fn chunks_of_no_rows_are_one_empty_part() {
    let schema = Schema::from_iter([Field::new("x".into(), DataType::Float32)]);
    for df in no_rows(&schema) {
        for apply in [
            df.par_apply(),
            df.par_apply().sequential(),
            df.par_apply().chunk_rows(3),
            df.par_apply().partitions(1),
        ] {
            assert_same_frame(
                &apply.clone().chunks(|part: DataFrame| part).unwrap(),
                &df,
                "frame",
            );
            let heights = apply
                .chunks(|part: &DataFrame| part.height() as u64)
                .unwrap();
            assert_eq!(heights.u64().unwrap().to_vec(), [Some(0)]);
        }
        let three = df
            .par_apply()
            .partitions(3)
            .chunks(|part: Chunk| part.row_offset() as u64)
            .unwrap();
        assert_eq!(three.u64().unwrap().to_vec(), [Some(0); 3]);
    }
}

#[test]
fn no_columns_at_all() {
    for rows in [0, 1, 1000] {
        let df = DataFrame::new(rows, vec![]).unwrap();
        let indices = df
            .par_apply()
            .workers(3)
            .rows(|row: Row<'_>| {
                assert!(row.is_empty());
                row.index() as u64
            })
            .unwrap();
        assert!(
            indices
                .u64()
                .unwrap()
                .into_no_null_iter()
                .eq(0..rows as u64)
        );
        let none = df.par_apply_rows(|_: [f64; 0]| [0i64; 0]).unwrap();
        assert_eq!(none.shape(), (rows, 0));
        let one = df.par_apply_rows(|_: [f64; 0]| 1).unwrap();
        assert_eq!(one.len(), rows);
        assert!(df.par_apply_rows(|_: f64| 1).is_err());
        let columns = df.par_apply_columns(|_: &Column| 1).unwrap();
        assert_eq!(columns.width(), 0);
        let columns = df
            .par_apply_columns(|v: Values<'_, f64>| v.len() as u64)
            .unwrap();
        assert_eq!(columns.width(), 0);
        let parts = df
            .par_apply()
            .workers(3)
            .partitions(4)
            .chunks(|part: DataFrame| part)
            .unwrap();
        assert_eq!(parts.shape(), (rows, 0));
        let heights = df
            .par_apply()
            .partitions(4)
            .chunks(|part: DataFrame| part.height() as u64)
            .unwrap();
        assert_eq!(heights.u64().unwrap().sum(), Some(rows as u64));
    }
    let df = df!["x" => [1, 2, 3]].unwrap();
    let selected = df
        .par_apply()
        .select::<_, &str>([])
        .rows(|row: Row<'_>| row.len() as u64)
        .unwrap();
    assert_eq!(selected.u64().unwrap().to_vec(), [Some(0); 3]);
}

#[test]
fn one_row_and_fewer_rows_than_workers() {
    let pool = Pool::new(8).unwrap();
    for rows in 1..6 {
        let df = df!["i" => (0..rows as i64).collect::<Vec<i64>>()].unwrap();
        for apply in [
            df.par_apply(),
            df.par_apply().workers(8),
            df.par_apply().pool(&pool),
            df.par_apply().workers(8).partitions(50),
        ] {
            let same = apply
                .clone()
                .rows(|i: i64| (i, i.to_string(), vec![i]))
                .unwrap();
            assert!(
                same.columns()[0]
                    .i64()
                    .unwrap()
                    .into_no_null_iter()
                    .eq(0..rows as i64)
            );
            assert_eq!(same.height(), rows);
            let parts = apply.chunks(|part: DataFrame| part).unwrap();
            assert_same_frame(&parts, &df, "parts");
        }
        let parts = df
            .par_apply()
            .workers(8)
            .chunks(|part: DataFrame| part.height() as u64)
            .unwrap();
        assert_eq!(parts.u64().unwrap().to_vec(), vec![Some(1); rows]);
    }
}

#[test]
fn no_rows_of_every_dtype_come_through_untyped() {
    let df = every_dtype(3).head(Some(0));
    for column in df.columns() {
        let apply = || df.par_apply().select([column.name().clone()]);
        let any = apply().rows(|x: AnyValue<'_>| x.is_null()).unwrap();
        assert_eq!((any.len(), any.dtype()), (0, &DataType::Boolean));
        let same = apply().columns(|c: &Column| c.clone()).unwrap();
        assert_eq!(same.dtypes(), [column.dtype().clone()]);
    }
}
