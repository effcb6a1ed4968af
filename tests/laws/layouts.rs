//! Promises 1 and 10 for awkward chunks: misaligned, tiny, sliced with offsets, scalar.

use polars_par_apply::prelude::*;

use crate::frames::{
    assert_same, assert_same_frame, cut, each_column, every_dtype, inside, layouts, shown,
    shown_row,
};

/// In any layout, every value is that of Polars, read by a typed argument if there is one.
#[test]
fn every_dtype_in_every_layout_is_read_as_polars_reads_it() {
    let df = every_dtype(151);
    let values = |column: &Column| -> Vec<String> {
        (0..column.len())
            .map(|row| shown(&column.get(row).unwrap()))
            .collect()
    };
    for (layout, frame) in layouts(&df) {
        for (column, plain) in frame.columns().iter().zip(df.columns()) {
            let name = column.name().as_str();
            let apply = || frame.par_apply().select([name]).workers(3);
            let any = apply().rows(|x: AnyValue<'_>| shown(&x)).unwrap();
            let any: Vec<String> = any
                .str()
                .unwrap()
                .iter()
                .flatten()
                .map(str::to_string)
                .collect();
            assert_eq!(any, values(plain), "{layout}, {name}, AnyValue");
            let row = apply().rows(|row: Row<'_>| shown(&row.value(0))).unwrap();
            let row: Vec<String> = row
                .str()
                .unwrap()
                .iter()
                .flatten()
                .map(str::to_string)
                .collect();
            assert_eq!(row, values(plain), "{layout}, {name}, Row");
        }
    }
}

#[test]
fn every_type_in_every_layout_is_read_as_in_one_chunk() {
    let df = every_dtype(151);
    macro_rules! same {
        ($($name:literal: $T:ty;)*) => {
            for (layout, frame) in layouts(&df) {
                $({
                    let f = |x: Option<$T>| format!("{x:?}");
                    let plain = |_: $T| true;
                    let expected = df.par_apply().select([$name]).sequential().rows(f).unwrap();
                    let is = frame.par_apply().select([$name]).workers(3).rows(f).unwrap();
                    assert_same(&is, &expected, &format!("{layout}, {}", $name));
                    let untyped = |row: Row<'_>| row.get::<Option<$T>>($name).map(f);
                    let got = frame.par_apply().select([$name]).workers(2).rows(untyped).unwrap();
                    assert_same(&got, &expected, &format!("{layout}, {}, Row::get", $name));
                    let untyped = |row: Row<'_>| row.at::<Option<$T>>(0).map(f);
                    let at = frame.par_apply().select([$name]).workers(2).rows(untyped).unwrap();
                    assert_same(&at, &expected, &format!("{layout}, {}, Row::at", $name));
                    let nulls = frame.par_apply().select([$name]).rows(plain).unwrap();
                    let none = is.str().unwrap().iter().map(|text| (text != Some("None")).then_some(true));
                    assert!(nulls.bool().unwrap().iter().eq(none), "{layout}, {}", $name);
                    let values = |v: Values<'_, $T>| v.iter().map(|x| format!("{x:?},")).collect::<String>();
                    let expected = df.par_apply().select([$name]).columns(values).unwrap();
                    let is = frame.par_apply().select([$name]).columns(values).unwrap();
                    assert_same_frame(&is, &expected, layout);
                })*
            }
        };
    }
    same! {
        "i8": i8; "i8": i64; "i16": f32; "i32": f64; "i64": i128; "u8": u8; "u16": i32; "u32": i64; "u64": u64;
        "i128": i128; "f32": f64; "f64": f64; "bool": bool; "str": &str; "str": String; "binary": &[u8];
        "binary": Vec<u8>; "cat": &str; "narrow cat": String; "enum": &str; "date": chrono::NaiveDate;
        "time": chrono::NaiveTime; "datetime ms": chrono::NaiveDateTime; "datetime us": chrono::NaiveDateTime;
        "datetime ns": chrono::NaiveDateTime; "zoned ms": chrono::DateTime<chrono::Utc>;
        "zoned ns": chrono::DateTime<chrono::Utc>; "duration ms": chrono::TimeDelta; "duration ns": chrono::TimeDelta;
        "list": Vec<i64>; "list": Vec<Option<i128>>; "list": Series; "list of str": Vec<&str>;
        "list of str": Vec<Option<String>>; "array": Vec<i64>; "array": Series; "struct": Struct<(i64, &str)>;
        "struct": Struct<(Option<i64>, Option<String>)>; "struct": Struct<(i128, AnyValue<'_>)>;
    }
}

#[test]
fn thousands_of_tiny_chunks() {
    let rows = 20_000;
    let df = every_dtype(rows)
        .select(["i64", "str", "bool", "list"])
        .unwrap();
    let tiny = each_column(&df, |i, c| cut(c, (0..).map(|n| (n * 7 + i) % 5)));
    assert!(tiny.columns().iter().all(|column| column.n_chunks() > 8000));
    let f = |i: Option<i64>, s: Option<&str>, b: bool, l: Vec<i64>| {
        (i.map(|i| i * 2), format!("{s:?}{b}"), l)
    };
    let expected = df.par_apply().sequential().rows(f).unwrap();
    for workers in [1, 4] {
        assert_same_frame(
            &tiny.par_apply().workers(workers).rows(f).unwrap(),
            &expected,
            "tiny chunks",
        );
        assert_same_frame(
            &tiny
                .par_apply()
                .workers(workers)
                .partitions(333)
                .rows(f)
                .unwrap(),
            &expected,
            "tiny chunks, cut",
        );
    }
}

#[test]
fn chunks_without_rows_are_passed_over() {
    let df = every_dtype(40);
    let holes = each_column(&df, |i, c| cut(c, [0, i, 0, 0, 3, 0]));
    for column in holes.columns() {
        assert!(
            column.n_chunks() > 4 || column.dtype().is_null(),
            "{}",
            column.name()
        );
    }
    let f = shown_row;
    assert_same(
        &holes.par_apply_rows(f).unwrap(),
        &df.par_apply_rows(f).unwrap(),
        "holes",
    );
    let first = |x: Option<i64>, s: Option<&str>| format!("{x:?}{s:?}");
    let typed = |df: &DataFrame| df.par_apply().select(["i64", "str"]).rows(first).unwrap();
    assert_same(&typed(&holes), &typed(&df), "holes, typed");
}

/// Offsets that are not multiples of 8 are where code of bitmaps is often wrong.
#[test]
fn bits_at_every_offset() {
    let bits: Vec<Option<bool>> = (0..77)
        .map(|i| (i % 5 != 2).then_some(i % 3 == 0))
        .collect();
    let df = df!["b" => &bits].unwrap();
    for offset in 0..20 {
        let frame = each_column(&df, |_, c| inside(c, offset));
        let same = frame
            .par_apply()
            .workers(2)
            .rows(|b: Option<bool>| b)
            .unwrap();
        assert_eq!(
            same.bool().unwrap().iter().collect::<Vec<_>>(),
            bits,
            "offset {offset}"
        );
        let plain = frame
            .par_apply()
            .chunk_rows(offset + 1)
            .rows(|b: bool| b)
            .unwrap();
        assert_eq!(
            plain.bool().unwrap().iter().collect::<Vec<_>>(),
            bits,
            "chunks of {} rows",
            offset + 1
        );
    }
}

#[test]
fn a_slice_of_a_slice_of_chunks() {
    let df = every_dtype(300);
    let whole = shown_row;
    let all = df.par_apply_rows(whole).unwrap();
    let chunked = each_column(&df, |i, c| cut(c, std::iter::repeat(11 + i)));
    for (offset, len) in [(0, 10), (7, 100), (150, 150), (299, 1), (123, 17)] {
        let slice = chunked.slice(offset, len).slice(1, len);
        let expected = all.slice(offset + 1, slice.height());
        assert_same(
            &slice.par_apply_rows(whole).unwrap(),
            &expected,
            &format!("{offset}, {len}"),
        );
    }
}

/// A frame whose columns are all scalar except the last.
fn scalars(rows: usize) -> DataFrame {
    let point = StructChunked::from_series("p".into(), 1, [Series::new("x".into(), [7i64])].iter())
        .unwrap()
        .into_series();
    let values = [
        ("i", Scalar::from(40i64)),
        (
            "s",
            Scalar::new(
                DataType::String,
                AnyValue::StringOwned("a scalar of text".into()),
            ),
        ),
        ("none", Scalar::null(DataType::Float64)),
        ("l", Scalar::new_list(Series::new("".into(), [1i64, 2]))),
        (
            "p",
            Scalar::new(point.dtype().clone(), point.get(0).unwrap().into_static()),
        ),
    ];
    let columns = values
        .into_iter()
        .map(|(name, scalar)| Column::new_scalar(name.into(), scalar, rows));
    let counter = Column::new("n".into(), (0..rows as i64).collect::<Vec<i64>>());
    DataFrame::new(rows, columns.chain([counter]).collect()).unwrap()
}

#[track_caller]
fn assert_not_materialized(df: &DataFrame) {
    for column in &df.columns()[..5] {
        let Column::Scalar(scalar) = column else {
            panic!("{} is not a scalar column", column.name())
        };
        assert!(
            scalar.lazy_as_materialized_series().is_none(),
            "{} was materialized",
            column.name()
        );
    }
}

#[test]
fn scalar_columns_are_read_and_never_filled() {
    for rows in [0, 1, 4095, 4096, 4097, 50_000] {
        let df = scalars(rows);
        for workers in [1, 3] {
            let sums = df
                .par_apply()
                .workers(workers)
                .rows(
                    |i: i64,
                     s: &str,
                     x: Option<f64>,
                     l: Vec<i64>,
                     Struct((p,)): Struct<(i64,)>,
                     n: i64| {
                        assert_eq!(
                            (i, s, x, l.as_slice(), p),
                            (40, "a scalar of text", None, &[1, 2][..], 7)
                        );
                        n
                    },
                )
                .unwrap();
            assert!(
                sums.i64().unwrap().into_no_null_iter().eq(0..rows as i64),
                "{rows} rows"
            );
            assert_not_materialized(&df);
        }
        let null = df
            .par_apply()
            .select(["none", "n"])
            .rows(|x: f64, n: i64| x + n as f64)
            .unwrap();
        assert_eq!(null.null_count(), rows);
        let untyped = df
            .par_apply_rows(|row: Row<'_>| {
                row.value(0).extract::<i64>().unwrap() + row.index() as i64
            })
            .unwrap();
        assert!(
            untyped
                .i64()
                .unwrap()
                .into_no_null_iter()
                .eq((0..rows as i64).map(|n| n + 40))
        );
        let typed = df
            .par_apply()
            .select(["i", "n"])
            .columns(|v: Values<'_, i64>| {
                (v.len() as u64, v.iter().count() as u64).0 + v.iter().sum::<i64>() as u64
            })
            .unwrap();
        assert_eq!(
            typed.column("i").unwrap().u64().unwrap().get(0),
            Some(41 * rows as u64)
        );
        let none = df
            .par_apply()
            .select(["none"])
            .columns(|v: Values<'_, Option<f64>>| v.iter().filter(Option::is_none).count() as u64)
            .unwrap();
        assert_eq!(
            none.column("none").unwrap().u64().unwrap().get(0),
            Some(rows as u64)
        );
        df.par_apply()
            .partitions(7)
            .chunks(|part: DataFrame| part.height() as u64)
            .unwrap();
        df.par_apply()
            .nulls(Nulls::Error)
            .select(["i", "n"])
            .rows(|i: i64, n: i64| i + n)
            .unwrap();
        assert_not_materialized(&df);
    }
}

#[test]
fn a_frame_of_scalars_alone_and_one_filled_already() {
    let df = scalars(9000).select(["i", "s"]).unwrap();
    let text = df
        .par_apply()
        .workers(2)
        .rows(|i: i64, s: &str| format!("{s} {i}"))
        .unwrap();
    assert!(
        text.str()
            .unwrap()
            .iter()
            .flatten()
            .all(|text| text == "a scalar of text 40")
    );
    assert_eq!(text.len(), 9000);
    df.columns()[0].as_materialized_series();
    let sum = df.par_apply().select(["i"]).rows(|i: i64| i).unwrap();
    assert_eq!(sum.i64().unwrap().sum(), Some(360_000));
    assert_eq!(
        df.slice(100, 5000)
            .par_apply()
            .select(["i"])
            .rows(|i: i64| i)
            .unwrap()
            .len(),
        5000
    );
}
