//! Decimals in and out: a `rust_decimal::Decimal` has every digit of the column's value, or its row fails.

use polars_par_apply::Error;
use polars_par_apply::prelude::*;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use rust_decimal::Decimal;

use crate::cases::check;
use crate::engines::{ENGINES, collected};
use crate::frames::{assert_same, layouts};

fn decimal(precision: usize, scale: usize) -> DataType {
    DataType::Decimal(precision, scale)
}

/// A column of counts of `10^-scale`.
fn column(counts: &[Option<i128>], precision: usize, scale: usize) -> DataFrame {
    let values = counts.iter().map(|count| match count {
        Some(count) => AnyValue::Decimal(*count, precision, scale),
        None => AnyValue::Null,
    });
    let values: Vec<AnyValue<'_>> = values.collect();
    let dtype = decimal(precision, scale);
    let series = Series::from_any_values_and_dtype("x".into(), &values, &dtype, true).unwrap();
    DataFrame::new(counts.len(), vec![series.into()]).unwrap()
}

/// Returns the digits without the zeros at the end. It uses no library for decimals.
fn digits(count: i128, scale: usize) -> String {
    let unsigned = format!("{:0>width$}", count.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = unsigned.split_at(unsigned.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if count < 0 { "-" } else { "" };
    match fraction {
        "" => format!("{sign}{whole}"),
        fraction => format!("{sign}{whole}.{fraction}"),
    }
}

fn fault(error: &Error) -> (Option<usize>, String) {
    (error.row(), format!("{error}"))
}

#[test]
fn a_decimal_is_its_columns_value_digit_for_digit() {
    let scales = (0usize..=38).prop_flat_map(|scale| {
        let count = any::<(i128, u32)>().prop_map(|(count, by)| count / 10i128.pow(by % 39));
        let least = 10i128.pow(38) - 1;
        let count = count.prop_map(move |count| count.clamp(-least, least));
        (
            vec(proptest::option::of(count), 0..40),
            proptest::prelude::Just(scale),
        )
    });
    check(200, &scales, |(counts, scale)| {
        // The type holds 96 bits, and 28 digits after the point; zeros at the end do not count.
        let held = |count: i128| {
            let (mut count, mut scale) = (count, scale);
            while scale > 0 && count % 10 == 0 && (scale > 28 || count.unsigned_abs() >> 96 > 0) {
                (count, scale) = (count / 10, scale - 1);
            }
            scale <= 28 && count.unsigned_abs() >> 96 == 0
        };
        let first = counts
            .iter()
            .position(|count| count.is_some_and(|count| !held(count)));
        for (layout, df) in layouts(&column(&counts, 38, scale)) {
            let said = df.par_apply_rows(|x: Decimal| x.normalize().to_string());
            match first {
                None => {
                    let expected = counts
                        .iter()
                        .map(|count| count.map(|count| digits(count, scale)));
                    let said = said.unwrap();
                    let said: Vec<Option<String>> = said
                        .str()
                        .unwrap()
                        .iter()
                        .map(|text| text.map(Into::into))
                        .collect();
                    assert_eq!(said, expected.collect::<Vec<_>>(), "{layout}");
                    let same = df.par_apply().names(["x"]).returns([decimal(38, scale)]);
                    let same = same.rows(|x: Decimal| x).unwrap();
                    assert_same(&same, df.column("x").unwrap(), layout);
                    let options = df.par_apply().names(["x"]).returns([decimal(38, scale)]);
                    let options = options.rows(|x: Option<Decimal>| x).unwrap();
                    assert_same(&options, df.column("x").unwrap(), layout);
                }
                Some(row) => {
                    let (failed, text) = fault(&said.unwrap_err());
                    assert_eq!(failed, Some(row), "{layout}");
                    let beyond = "is beyond the range of rust_decimal's Decimal";
                    assert!(text.ends_with(beyond), "{text}");
                }
            }
        }
        Ok(())
    });
}

#[test]
fn a_result_is_exact_in_its_scale_or_its_row_fails() {
    let texts = df!["text" => ["1.25", "-0.5", "3", "0.005", "99.995", "100", "-99.99"]].unwrap();
    let parse = |text: &str| text.parse::<Decimal>();
    let call = || texts.par_apply().names(["x"]).returns([decimal(4, 2)]);

    let outcome = call().on_error(OnError::Null).rows(parse).unwrap();
    let counts = [
        Some(125),
        Some(-50),
        Some(300),
        None,
        None,
        None,
        Some(-9999),
    ];
    let expected = column(&counts, 4, 2);
    assert_same(&outcome.output, expected.column("x").unwrap(), "lossless");
    let failures = outcome.failures;
    let rows: Vec<_> = failures.column("row").unwrap().idx().unwrap().to_vec();
    assert_eq!(rows, [Some(3), Some(4), Some(5)]);

    let (row, text) = fault(&call().rows(parse).unwrap_err());
    assert_eq!(row, Some(3));
    assert!(
        text.contains("0.005 has more digits after the point than Decimal(4, 2)"),
        "{text}"
    );

    let lossy = call()
        .casts(Casts::Lossy)
        .on_error(OnError::Null)
        .rows(parse)
        .unwrap();
    let counts = [
        Some(125),
        Some(-50),
        Some(300),
        Some(0),
        Some(9999),
        None,
        Some(-9999),
    ];
    let expected = column(&counts, 4, 2);
    assert_same(&lossy.output, expected.column("x").unwrap(), "cut off");

    // The widest values, and one that is too large for an i128.
    let most = df!["x" => [1i64]].unwrap();
    for (scale, fits) in [(0, true), (9, true), (10, false), (28, false), (38, false)] {
        let all = most
            .par_apply()
            .returns([decimal(38, scale)])
            .rows(|_: i64| Decimal::MAX);
        assert_eq!(all.is_ok(), fits, "{scale}: {all:?}");
        let tiny = most.par_apply().returns([decimal(38, scale)]);
        let tiny = tiny.rows(|_: i64| Decimal::from_i128_with_scale(1, 28));
        assert_eq!(tiny.is_ok(), scale >= 28, "{scale}: {tiny:?}");
    }
}

#[derive(Debug, FromRow, IntoRow)]
struct Line {
    price: Decimal,
    count: i64,
}

#[test]
fn every_verb_has_them() {
    let lines = column(&[Some(1999), Some(5), None], 10, 2);
    let counts = Column::new("count".into(), [3i64, 2, 1]);
    let mut lines = lines.hstack(&[counts]).unwrap();
    lines.rename("x", "price".into()).unwrap();
    let total = decimal(12, 2);
    let expected = column(&[Some(5997), Some(10), None], 12, 2);
    let expected = expected.column("x").unwrap();

    let derived = lines.par_apply().returns([total.clone(), DataType::Int64]);
    let derived = derived.rows(|line: Line| Line {
        price: line.price * Decimal::from(line.count),
        count: line.count,
    });
    let derived = derived.unwrap();
    assert_same(
        &derived
            .column("price")
            .unwrap()
            .clone()
            .with_name("x".into()),
        expected,
        "derived",
    );

    let by_name = lines.par_apply().names(["x"]).returns([total.clone()]);
    let by_name = by_name.rows(|row: Row<'_>| -> Result<Option<Decimal>, Error> {
        let price = row.get::<Option<Decimal>>("price")?;
        Ok(price.map(|price| price * Decimal::from(row.get::<i64>("count").unwrap())))
    });
    assert_same(&by_name.unwrap(), expected, "Row");

    let prices = || lines.par_apply().select(["price"]);
    let sum = prices().returns([total.clone()]);
    let sum = sum.columns(|prices: Values<'_, Decimal>| prices.iter().sum::<Decimal>());
    let sum = sum.unwrap();
    let expected_sum = column(&[Some(2004)], 12, 2);
    assert_same(
        &sum.column("price").unwrap().clone().with_name("x".into()),
        expected_sum.column("x").unwrap(),
        "columns",
    );
    let parts = prices().partitions(1).names(["x"]).returns([total.clone()]);
    let parts = parts.chunks(|part: DataFrame| {
        let sums = part.par_apply().sequential().returns([decimal(38, 2)]);
        sums.rows(|price: Decimal| price)
            .map(|_| Decimal::new(2004, 2))
    });
    assert_same(&parts.unwrap(), expected_sum.column("x").unwrap(), "chunks");

    let lists = prices()
        .names(["x"])
        .returns([DataType::List(Box::new(decimal(10, 2)))]);
    let lists = lists
        .rows(|price: Option<Decimal>| vec![price, Some(Decimal::ONE)])
        .unwrap();
    let back = DataFrame::new(3, vec![lists]).unwrap();
    let back = back.par_apply().names(["x"]).returns([decimal(10, 2)]);
    let back = back.rows(|items: Vec<Option<Decimal>>| items[0]).unwrap();
    assert_same(
        &back,
        column(&[Some(1999), Some(5), None], 10, 2)
            .column("x")
            .unwrap(),
        "lists",
    );

    for engine in ENGINES {
        let lazy = lines
            .clone()
            .lazy()
            .par_apply()
            .select(["price"])
            .names(["x"]);
        let lazy = lazy
            .returns([total.clone()])
            .rows(|price: Decimal| price + Decimal::ONE);
        let lazy = collected(&lazy, engine).unwrap();
        let expected = column(&[Some(2099), Some(105), None], 12, 2);
        assert_same(
            lazy.column("x").unwrap(),
            expected.column("x").unwrap(),
            "lazily",
        );
    }

    let none = DataFrame::new(2, vec![Column::full_null("x".into(), 2, &DataType::Null)]).unwrap();
    let none = none.par_apply().names(["x"]).returns([decimal(4, 1)]);
    let none = none.rows(|x: Decimal| x).unwrap();
    assert_same(
        &none,
        column(&[None, None], 4, 1).column("x").unwrap(),
        "without a type",
    );
}

#[test]
fn without_its_dtype_a_result_is_refused() {
    let df = df!["x" => [1i64, 2]].unwrap();
    let refused = |error: Error, name: &str| {
        let text = error.to_string();
        let why = "a result of type Decimal does not say its column's precision and scale; give them with";
        assert!(text.contains(name) && text.contains(why), "{text}");
    };
    let unasked = |_: i64| -> Decimal { unreachable!("the call is refused") };
    refused(df.par_apply_rows(unasked).unwrap_err(), "\"par_apply\"");
    refused(
        df.par_apply_rows(move |x: i64| Some(unasked(x)))
            .unwrap_err(),
        "\"par_apply\"",
    );
    refused(
        df.par_apply_rows(move |x: i64| vec![unasked(x)])
            .unwrap_err(),
        "\"par_apply\"",
    );
    refused(
        df.par_apply_rows(move |x: i64| (x, unasked(x)))
            .unwrap_err(),
        "\"column_1\"",
    );
    refused(
        df.par_apply_rows(move |x: i64| [unasked(x); 2])
            .unwrap_err(),
        "\"column_0\"",
    );
    refused(
        df.par_apply_rows(move |x: i64| Struct((unasked(x),)))
            .unwrap_err(),
        "\"par_apply\"",
    );
    refused(
        df.par_apply_chunks(|_: DataFrame| -> Decimal { unreachable!("the call is refused") })
            .unwrap_err(),
        "a result of type",
    );
    refused(
        df.par_apply_columns(|_: Values<'_, i64>| -> Decimal {
            unreachable!("the call is refused")
        })
        .unwrap_err(),
        "a result of type",
    );
    let lazy = df
        .clone()
        .lazy()
        .par_apply_rows(unasked)
        .collect()
        .unwrap_err()
        .to_string();
    assert!(lazy.contains("precision and scale"), "{lazy}");

    let other = df
        .par_apply()
        .returns([DataType::Float64])
        .rows(unasked)
        .unwrap_err()
        .to_string();
    let can =
        "results of type Decimal cannot become Float64; give a Decimal of any precision and scale";
    assert!(other.contains(can), "{other}");

    // No other column is taken as a Decimal.
    let error = df
        .par_apply_rows(|_: Decimal| 1i64)
        .unwrap_err()
        .to_string();
    assert!(error.contains("take i64"), "{error}");
    let decimals = column(&[Some(1)], 5, 2);
    let error = decimals
        .par_apply_rows(|_: bool| 1i64)
        .unwrap_err()
        .to_string();
    assert!(error.contains("take Decimal"), "{error}");
}
