//! Promise 5: a lossless conversion is silent, a lossy one is an error that says how to mend it, and `Casts::Lossy` permits it.

use polars_par_apply::prelude::*;

use crate::frames::{every_dtype, faults};

/// Returns a column of values of a dtype, the last of which is null.
fn column(dtype: &DataType) -> DataFrame {
    let values = Series::new("x".into(), [Some(1i64), Some(0), Some(100), None]);
    let values = match dtype {
        DataType::Boolean => values.cast(&DataType::Boolean),
        _ => values.strict_cast(dtype),
    };
    DataFrame::new(4, vec![values.unwrap().into_column()]).unwrap()
}

const NUMBERS: [DataType; 11] = [
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Int128,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Float32,
    DataType::Float64,
];

/// Checks how an argument's type takes each numeric dtype: those listed without loss, the others only lossily.
macro_rules! table {
    ($($T:ident: $($From:ident)*;)*) => {$(
        for dtype in NUMBERS.into_iter().chain([DataType::Boolean, DataType::Decimal(20, 3)]) {
            let df = column(&dtype);
            let what = format!("{} of {dtype:?}", stringify!($T));
            let lossless = matches!(dtype, $(DataType::$From)|*);
            let values = |rows: Column, cell: Option<i64>| {
                let expected = match dtype {
                    DataType::Boolean => [Some(1), Some(0), Some(1), cell],
                    _ => [Some(1), Some(0), Some(100), cell],
                };
                assert_eq!(rows.i64().unwrap().to_vec(), expected, "{what}");
            };
            let strict = df.par_apply_rows(|x: $T| x as i64);
            let option = df.par_apply_rows(|x: Option<$T>| x.map_or(-1, |x| x as i64));
            let typed = df.par_apply_columns(|v: Values<'_, $T>| v.iter().map(|x| x as i64).sum::<i64>());
            let untyped = df.par_apply_rows(|row: Row<'_>| row.get::<Option<$T>>("x").map(|x| x.map_or(-1, |x| x as i64)));
            if lossless {
                values(strict.unwrap(), None);
                values(option.unwrap(), Some(-1));
                assert_eq!(typed.unwrap().column("x").unwrap().i64().unwrap().get(0), Some(101), "{what}");
                values(untyped.unwrap(), Some(-1));
            } else {
                for (error, takes) in [
                    (strict.unwrap_err(), stringify!($T).to_string()),
                    (option.unwrap_err(), format!("Option<{}>", stringify!($T))),
                    (typed.unwrap_err(), stringify!($T).to_string()),
                ] {
                    let ErrorKind::Dtype { column, dtype: is, argument, takes: type_name, lossy, .. } = error.kind() else {
                        panic!("{what}: {error:?}")
                    };
                    assert_eq!((column.as_str(), is, *argument), ("x", &dtype, Some(0)), "{what}");
                    assert_eq!((type_name, *lossy), (&takes, true), "{what}");
                }
                assert!(untyped.is_err(), "{what}");
                let lossy = || df.par_apply().casts(Casts::Lossy);
                values(lossy().rows(|x: $T| x as i64).unwrap(), None);
                values(lossy().rows(|x: Option<$T>| x.map_or(-1, |x| x as i64)).unwrap(), Some(-1));
            }
        }
        for dtype in [DataType::String, DataType::Date, DataType::List(Box::new(DataType::Int64))] {
            let df = DataFrame::new(1, vec![Column::full_null("x".into(), 1, &dtype)]).unwrap();
            let error = df.par_apply().casts(Casts::Lossy).rows(|_: $T| 0).unwrap_err();
            let ErrorKind::Dtype { lossy: false, .. } = error.kind() else { panic!("{error:?}") };
        }
    )*};
}

#[test]
fn the_table_of_lossless_widening() {
    table! {
        i8: Int8;
        i16: Int16 Int8 UInt8;
        i32: Int32 Int8 Int16 UInt8 UInt16;
        i64: Int64 Int8 Int16 Int32 UInt8 UInt16 UInt32;
        i128: Int128 Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64;
        u8: UInt8;
        u16: UInt16 UInt8;
        u32: UInt32 UInt8 UInt16;
        u64: UInt64 UInt8 UInt16 UInt32;
        f32: Float32 Int8 Int16 UInt8 UInt16;
        f64: Float64 Int8 Int16 Int32 UInt8 UInt16 UInt32 Float32;
    }
}

#[test]
fn widening_keeps_the_extremes() {
    let df = df![
        "i64" => [i64::MIN, i64::MAX],
        "u64" => [u64::MIN, u64::MAX],
        "i32" => [i32::MIN, i32::MAX],
        "u32" => [u32::MIN, u32::MAX],
        "f32" => [f32::MIN_POSITIVE, f32::NEG_INFINITY],
    ]
    .unwrap();
    let wide = df
        .par_apply_rows(|a: i128, b: i128, c: f64, d: f64, e: f64| {
            (a == i128::from(i64::MIN)
                && b == 0
                && c == -2_147_483_648.0
                && d == 0.0
                && e == f64::from(f32::MIN_POSITIVE))
                || (a == i128::from(i64::MAX)
                    && b == i128::from(u64::MAX)
                    && c == 2_147_483_647.0
                    && d == 4_294_967_295.0
                    && e == f64::NEG_INFINITY)
        })
        .unwrap();
    assert_eq!(
        wide.bool().unwrap().iter().collect::<Vec<_>>(),
        [Some(true); 2]
    );
    let bits = df!["x" => [f32::NAN, -0.0]]
        .unwrap()
        .par_apply_rows(|x: f64| x)
        .unwrap();
    assert!(bits.f64().unwrap().get(0).unwrap().is_nan());
    assert!(bits.f64().unwrap().get(1).unwrap().is_sign_negative());
}

#[test]
fn other_types_take_their_own_dtypes_only() {
    let df = every_dtype(20);
    macro_rules! own {
        ($($T:ty: $($name:literal)|*;)*) => {$(
            for column in df.columns() {
                let name = column.name().as_str();
                let taken = df.par_apply().select([name]).rows(|_: $T| 0);
                let takes = matches!(name, "null" $(| $name)*);
                match taken {
                    Ok(_) => assert!(takes, "{} takes {name}", stringify!($T)),
                    Err(error) => {
                        assert!(!takes, "{name}: {error}");
                        assert!(matches!(error.kind(), ErrorKind::Dtype { .. }), "{error:?}");
                        assert_eq!(error.column(), Some(name));
                    }
                }
            }
        )*};
    }
    own! {
        bool: "bool";
        &str: "str" | "cat" | "narrow cat" | "enum";
        String: "str" | "cat" | "narrow cat" | "enum";
        &[u8]: "binary";
        Vec<u8>: "binary";
        chrono::NaiveDate: "date";
        chrono::NaiveTime: "time";
        chrono::NaiveDateTime: "datetime ms" | "datetime us" | "datetime ns";
        chrono::DateTime<chrono::Utc>: "zoned ms" | "zoned us" | "zoned ns";
        chrono::TimeDelta: "duration ms" | "duration us" | "duration ns";
        Vec<i64>: "list" | "array";
        Vec<i128>: "list" | "array";
        Vec<&str>: "list of str";
        Series: "list" | "list of str" | "array";
        Struct<(i64, &str)>: "struct";
        Struct<(i64, String)>: "struct";
    }
}

#[test]
fn errors_name_column_dtype_argument_type_and_mend() {
    let df = df!["a" => [1i64], "b" => ["x"], "c" => [1.5f32]].unwrap();
    let error = df.par_apply_rows(|_: i64, _: f64, _: i32| 0).unwrap_err();
    let faults = faults(&error);
    let found: Vec<_> = faults
        .iter()
        .map(|fault| match fault.kind() {
            ErrorKind::Dtype {
                column,
                dtype,
                argument,
                takes,
                instead,
                lossy,
                ..
            } => (
                column.as_str(),
                dtype.clone(),
                *argument,
                takes.as_str(),
                *instead,
                *lossy,
            ),
            _ => panic!("{fault:?}"),
        })
        .collect();
    assert_eq!(
        found,
        [
            ("b", DataType::String, Some(1), "f64", Some("&str"), false),
            ("c", DataType::Float32, Some(2), "i32", Some("f32"), true),
        ]
    );
}

#[test]
fn what_is_out_of_range_becomes_null_where_loss_is_permitted() {
    let df = df![
        "i" => [Some(127i64), Some(128), Some(-129), Some(-1), None],
        "f" => [Some(1.99), Some(f64::NAN), Some(f64::INFINITY), Some(-1.99), Some(1e30)],
    ]
    .unwrap();
    let lossy = |column: &'static str| df.par_apply().select([column]).casts(Casts::Lossy);
    let narrow = lossy("i").rows(|x: i8| x).unwrap();
    assert_eq!(
        narrow.i8().unwrap().to_vec(),
        [Some(127), None, None, Some(-1), None]
    );
    let unsigned = lossy("i")
        .rows(|x: Option<u64>| x.map_or(-1, |x| x as i64))
        .unwrap();
    assert_eq!(
        unsigned.i64().unwrap().to_vec(),
        [Some(127), Some(128), Some(-1), Some(-1), Some(-1)]
    );
    let whole = lossy("f").rows(|x: i64| x).unwrap();
    assert_eq!(
        whole.i64().unwrap().to_vec(),
        [Some(1), None, None, Some(-1), None]
    );
    let single = lossy("f").rows(|x: f32| x).unwrap();
    assert_eq!(single.f32().unwrap().get(0), Some(1.99));
    assert_eq!(single.null_count(), 0);
    // A value that has become null is a null for the null policy too.
    let error = lossy("i").nulls(Nulls::Error).rows(|x: i8| x).unwrap_err();
    assert_eq!((error.column(), error.row()), (Some("i"), Some(1)));
    let values = lossy("i")
        .columns(|v: Values<'_, i8>| v.iter().map(i64::from).sum::<i64>())
        .unwrap();
    assert_eq!(values.column("i").unwrap().i64().unwrap().get(0), Some(126));

    let large = df!["x" => [i64::MAX, (1 << 53) + 1]].unwrap();
    let rounded = large
        .par_apply()
        .casts(Casts::Lossy)
        .rows(|x: f64| x)
        .unwrap();
    assert_eq!(
        rounded.f64().unwrap().to_vec(),
        [
            Some(9_223_372_036_854_775_807.0),
            Some(9_007_199_254_740_992.0)
        ]
    );
    let truth = large
        .par_apply()
        .casts(Casts::Lossy)
        .rows(|x: bool| x)
        .unwrap();
    assert_eq!(
        truth.bool().unwrap().iter().collect::<Vec<_>>(),
        [Some(true); 2]
    );
}

/// Hundredths as a Decimal.
fn decimals(hundredths: &[Option<i128>], scale: usize) -> Series {
    let up = 10i128.pow(scale as u32 - 2);
    let values = hundredths.iter().map(|x| match x {
        Some(x) => AnyValue::Decimal(x * up, 38, scale),
        None => AnyValue::Null,
    });
    let values: Vec<AnyValue<'_>> = values.collect();
    let dtype = DataType::Decimal(38, scale);
    Series::from_any_values_and_dtype("x".into(), &values, &dtype, true).unwrap()
}

#[test]
fn a_decimals_fraction_is_cut_off_as_a_floats_is() {
    let hundredths = [
        Some(199),
        Some(-199),
        Some(150),
        Some(250),
        Some(-50),
        Some(-51),
        Some(99),
        Some(12_700),
        Some(12_799),
        Some(12_800),
        Some(-12_899),
        Some(-12_900),
        None,
        Some(0),
    ];
    let cut = hundredths.map(|x| x.map(|x| (x / 100) as i64));
    for scale in [2, 3, 9, 30] {
        let x = decimals(&hundredths, scale).into_column();
        let df = DataFrame::new(x.len(), vec![x]).unwrap();
        for (layout, df) in crate::frames::layouts(&df) {
            let what = format!("scale {scale}, {layout}");
            let lossy = || df.par_apply().casts(Casts::Lossy).workers(2);
            let is = lossy().rows(|x: i64| x).unwrap();
            assert_eq!(is.i64().unwrap().to_vec(), cut, "{what}");
            let wide = lossy().rows(|x: i128| x as i64).unwrap();
            assert_eq!(wide.i64().unwrap().to_vec(), cut, "{what}");
            let narrow = lossy().rows(|x: Option<i8>| x.map(i64::from)).unwrap();
            let in_range = cut.map(|x| x.filter(|x| i8::try_from(*x).is_ok()));
            assert_eq!(narrow.i64().unwrap().to_vec(), in_range, "{what}");
            let unsigned = lossy().rows(|x: u64| x as i64).unwrap();
            let in_range = cut.map(|x| x.filter(|x| *x >= 0));
            assert_eq!(unsigned.i64().unwrap().to_vec(), in_range, "{what}");
            let floats = df.clone().lazy().select([col("x").cast(DataType::Float64)]);
            let floats = floats.collect().unwrap();
            let of_floats = floats
                .par_apply()
                .casts(Casts::Lossy)
                .rows(|x: i64| x)
                .unwrap();
            assert_eq!(of_floats.i64().unwrap().to_vec(), cut, "{what}");
            let float = df.par_apply().casts(Casts::Lossy).rows(|x: f64| x).unwrap();
            let expected = hundredths.map(|x| x.map(|x| x as f64 / 100.0));
            for (is, expected) in float.f64().unwrap().iter().zip(expected) {
                let near = is
                    .zip(expected)
                    .map(|(is, expected)| (is - expected).abs() < 1e-9);
                assert!(
                    near.unwrap_or(expected.is_none()),
                    "{what}: {is:?} {expected:?}"
                );
            }
            let truth = df
                .par_apply()
                .casts(Casts::Lossy)
                .rows(|x: bool| x)
                .unwrap();
            let expected = hundredths.map(|x| x.map(|x| x != 0));
            assert_eq!(
                truth.bool().unwrap().iter().collect::<Vec<_>>(),
                expected,
                "{what}"
            );
        }
    }
    let large = decimals(
        &[Some(i128::from(i64::MAX) * 100 + 99), Some((1 << 63) * 100)],
        2,
    );
    let df = large.into_frame();
    let lossy = df.par_apply().casts(Casts::Lossy);
    let is = lossy.rows(|x: i64| x).unwrap();
    assert_eq!(is.i64().unwrap().to_vec(), [Some(i64::MAX), None]);

    // Within lists, arrays and structs too.
    let x = decimals(&hundredths, 4);
    let lists = x.implode().unwrap().into_series().with_name("l".into());
    let halves = Series::new("a".into(), [decimals(&[Some(-175), Some(175)], 5)]);
    let arrays = halves.cast(&DataType::Array(Box::new(DataType::Decimal(38, 5)), 2));
    let one = decimals(&[Some(-299)], 6)
        .into_frame()
        .into_struct("s".into());
    let columns = [lists, arrays.unwrap(), one.into_series()].map(Column::from);
    let df = DataFrame::new(1, columns.to_vec()).unwrap();
    let floats = df.par_apply().select(["a"]).casts(Casts::Lossy);
    let floats = floats.rows(|a: Vec<f32>| a).unwrap();
    let AnyValue::List(floats) = floats.get(0).unwrap() else {
        panic!("{floats:?}")
    };
    assert_eq!(floats.f32().unwrap().to_vec(), [Some(-1.75), Some(1.75)]);
    let out = df.par_apply().casts(Casts::Lossy).rows(
        |l: Vec<Option<i64>>, a: Vec<i32>, Struct((s,)): Struct<(i64,)>| {
            assert_eq!(l, cut);
            assert_eq!(a, [-1, 1]);
            s
        },
    );
    assert_eq!(out.unwrap().i64().unwrap().to_vec(), [Some(-2)]);
}

#[test]
fn the_edges_of_what_is_in_range_where_loss_is_permitted() {
    let two_63 = 9_223_372_036_854_775_808.0_f64;
    let df = df![
        "f" => [-0.9, 0.9, -1.0, two_63, -two_63, two_63.next_down(), f64::NEG_INFINITY, 1e300, 2.0 * two_63],
        "u" => [0, 1, 127, 128, 255, 256, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX],
    ]
    .unwrap();
    let lossy = |column: &'static str| df.par_apply().select([column]).casts(Casts::Lossy);
    let signed = lossy("f").rows(|x: i64| x).unwrap();
    let largest = two_63.next_down() as i64;
    assert_eq!(
        signed.i64().unwrap().to_vec(),
        [
            Some(0),
            Some(0),
            Some(-1),
            None,
            Some(i64::MIN),
            Some(largest),
            None,
            None,
            None
        ]
    );
    let unsigned = lossy("f").rows(|x: u64| x).unwrap();
    assert_eq!(
        unsigned.u64().unwrap().to_vec(),
        [
            Some(0),
            Some(0),
            None,
            Some(1 << 63),
            None,
            Some(largest as u64),
            None,
            None,
            None
        ]
    );
    let single = lossy("f").rows(|x: f32| x).unwrap();
    assert_eq!(single.f32().unwrap().get(7), Some(f32::INFINITY));
    assert_eq!(single.null_count(), 0);
    let signed = lossy("u").rows(|x: i64| x).unwrap();
    assert_eq!(signed.null_count(), 2);
    assert_eq!(signed.i64().unwrap().get(6), Some(i64::MAX));
    let byte = lossy("u").rows(|x: i8| x).unwrap();
    assert_eq!(
        (byte.null_count(), byte.i8().unwrap().get(2)),
        (6, Some(127))
    );
    let byte = lossy("u").rows(|x: u8| x).unwrap();
    assert_eq!(
        (byte.null_count(), byte.u8().unwrap().get(4)),
        (4, Some(255))
    );
}

#[test]
fn items_and_fields_are_cast_as_columns_are() {
    let df = every_dtype(30).select(["list", "array", "struct"]).unwrap();
    let strict = df
        .par_apply_rows(|_: Vec<f64>, _: Vec<f64>, _: Struct<(f64, &str)>| 0)
        .unwrap_err();
    let faults = faults(&strict);
    assert!(
        faults
            .iter()
            .all(|fault| matches!(fault.kind(), ErrorKind::Dtype { lossy: true, .. })),
        "{strict}"
    );
    assert_eq!(faults.len(), 3);
    let sums = |list: Option<Vec<Option<f64>>>,
                array: Option<Vec<Option<f64>>>,
                point: Option<Struct<(Option<f64>, &str)>>| {
        let sum = |items: Vec<Option<f64>>| {
            items
                .into_iter()
                .map(|item| item.unwrap_or(0.5))
                .sum::<f64>()
        };
        (
            list.map(sum),
            array.map(sum),
            point.map(|p| p.0.0.unwrap_or(0.5)),
        )
    };
    let lossy = df.par_apply().casts(Casts::Lossy).rows(sums).unwrap();
    let exact = df
        .par_apply_rows(
            |list: Option<Vec<Option<i64>>>,
             array: Option<Vec<Option<i64>>>,
             point: Option<Struct<(Option<i64>, &str)>>| {
                let float = |items: Vec<Option<i64>>| {
                    items
                        .into_iter()
                        .map(|item| item.map(|i| i as f64))
                        .collect()
                };
                sums(
                    list.map(float),
                    array.map(float),
                    point.map(|Struct((x, y))| Struct((x.map(|x| x as f64), y))),
                )
            },
        )
        .unwrap();
    crate::frames::assert_same_frame(&lossy, &exact, "lossy casts within");
    assert!(exact.columns().iter().all(|column| column.null_count() > 0));
    let bytes = df
        .par_apply()
        .select(["array"])
        .casts(Casts::Lossy)
        .rows(|items: Vec<Option<u16>>| items.iter().filter(|item| item.is_none()).count() as u32)
        .unwrap();
    // -1 is no `u16`.
    let nulls = df.column("array").unwrap().null_count();
    assert_eq!(bytes.u32().unwrap().sum(), Some(30 - nulls as u32));
}

#[test]
fn a_lossless_cast_within_a_struct_or_list_is_silent() {
    let df = df!["x" => [1i32, 2], "y" => [0.5f32, 1.5]].unwrap();
    let point = df.into_struct("p".into()).into_column();
    let lists = Column::new(
        "l".into(),
        [
            Series::new("".into(), [1u8]),
            Series::new("".into(), [2u8, 3]),
        ],
    );
    let df = DataFrame::new(2, vec![point, lists]).unwrap();
    let sum = df
        .par_apply_rows(|Struct((x, y)): Struct<(i64, f64)>, l: Vec<f64>| {
            x as f64 + y + l.iter().sum::<f64>()
        })
        .unwrap();
    assert_eq!(sum.f64().unwrap().to_vec(), [Some(2.5), Some(8.5)]);
}

#[test]
fn a_scalar_column_is_cast_too() {
    let scalar = Column::new_scalar("x".into(), Scalar::from(300i64), 10_000);
    let df = DataFrame::new(10_000, vec![scalar]).unwrap();
    assert!(df.par_apply_rows(|x: f64| x).is_err());
    let sum = df
        .par_apply()
        .casts(Casts::Lossy)
        .rows(|x: f64| x)
        .unwrap()
        .f64()
        .unwrap()
        .sum();
    assert_eq!(sum, Some(3_000_000.0));
    let none = df.par_apply().casts(Casts::Lossy).rows(|x: u8| x).unwrap();
    assert_eq!(none.null_count(), 10_000);
}
