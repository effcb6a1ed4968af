//! The dtypes that results are asked to have, in every verb, eager and lazy. A result that the dtype cannot hold fails its row.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use polars::prelude::{CategoricalPhysical, Categories, FrozenCategories};
use polars_par_apply::Error;
use polars_par_apply::prelude::*;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};

use crate::cases::check;
use crate::engines::{ENGINES, collected, stacked};
use crate::frames::{assert_same, counting, every_dtype, faults, layouts, watched, ways};

const UNITS: [TimeUnit; 3] = [
    TimeUnit::Nanoseconds,
    TimeUnit::Microseconds,
    TimeUnit::Milliseconds,
];

fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::opt_try_new(Some(name)).unwrap()
}

fn list(of: DataType) -> DataType {
    DataType::List(Box::new(of))
}

fn array(of: DataType, width: usize) -> DataType {
    DataType::Array(Box::new(of), width)
}

fn naive(unit: TimeUnit) -> DataType {
    DataType::Datetime(unit, None)
}

fn sizes() -> DataType {
    DataType::from_frozen_categories(FrozenCategories::new(["small", "large"]).unwrap())
}

fn one(column: &Column) -> DataFrame {
    DataFrame::new(column.len(), vec![column.clone().with_name("x".into())]).unwrap()
}

/// Checks that the closure's results in this dtype, in every way that there is, are this column.
#[track_caller]
fn become_column<M, F>(df: &DataFrame, dtype: &DataType, expected: &Column, what: &str, f: F)
where
    F: RowFn<M> + Clone + Send + 'static,
    F::Out: IntoRow<Output = Column>,
{
    let expected = expected.clone().with_name("out".into());
    let returns = || [dtype.clone()];
    for (layout, df) in layouts(df) {
        let call = df.par_apply().returns(returns()).names(["out"]);
        let out = call.rows(f.clone()).unwrap();
        assert_same(&out, &expected, &format!("{what}, {layout}"));
    }
    let call = df.par_apply().returns(returns()).names(["out"]);
    for (way, call) in ways(&call, 3, 7) {
        let out = call.rows(f.clone()).unwrap();
        assert_same(&out, &expected, &format!("{what}, {way}"));
    }
    let job = df.par_apply().returns(returns()).names(["out"]);
    assert_same(&job.spawn_rows(f.clone()).get().unwrap(), &expected, what);
    become_column_lazily(df, dtype, &expected, what, f);
}

#[track_caller]
fn become_column_lazily<M, F>(df: &DataFrame, dtype: &DataType, expected: &Column, what: &str, f: F)
where
    F: RowFn<M> + Clone + Send + 'static,
    F::Out: IntoRow<Output = Column>,
{
    let lazy = || {
        let call = df.clone().lazy().par_apply();
        call.returns([dtype.clone()]).names(["out"])
    };
    for engine in ENGINES {
        let what = format!("{what}, {engine:?}");
        let mut lf = lazy().rows(f.clone());
        assert_eq!(
            lf.collect_schema().unwrap().get("out"),
            Some(dtype),
            "{what}"
        );
        let out = collected(&lf, engine).unwrap();
        assert_same(out.column("out").unwrap(), expected, &what);
        let expr = rows([all().as_expr()]).returns([dtype.clone()]);
        let lf = df.clone().lazy();
        let lf = lf.select([expr.names(["out"]).apply(f.clone())]);
        let out = collected(&lf, engine).unwrap();
        assert_same(out.column("out").unwrap(), expected, &what);
    }
    let out = stacked(lazy().row_batches(f).chunk_rows(7)).unwrap();
    assert_same(
        out.column("out").unwrap(),
        expected,
        &format!("{what}, batches"),
    );
}

/// An identity over the column returns it in its own dtype.
macro_rules! identity {
    ($column:expr, $($T:ty),+) => {$({
        let column: &Column = $column;
        let what = format!("{} as {}", column.dtype(), stringify!($T));
        let dtype = column.dtype().clone();
        for column in [column.clone(), column.clear(), column.drop_nulls()] {
            let df = one(&column);
            become_column(&df, &dtype, &column, &what, |x: $T| x);
            become_column(&df, &dtype, &column, &what, |x: Option<$T>| x);
            become_column(&df, &dtype, &column, &what, |x: $T| PolarsResult::Ok(x));
        }
    })+};
}

#[test]
fn an_identity_gives_every_column_of_times_back() {
    watched(|| {
        let df = every_dtype(30);
        for suffix in ["ns", "us", "ms"] {
            let column = |name: &str| df.column(&format!("{name} {suffix}")).unwrap();
            identity!(column("datetime"), NaiveDateTime);
            identity!(column("duration"), TimeDelta);
            identity!(column("zoned"), DateTime<Utc>);
            let DataType::Datetime(unit, _) = column("zoned").dtype() else {
                panic!("it is a Datetime");
            };
            let paris = DataType::Datetime(*unit, zone("Europe/Paris"));
            identity!(&column("zoned").cast(&paris).unwrap(), DateTime<Utc>);
        }
    });
}

#[test]
fn an_identity_gives_every_other_column_back() {
    watched(|| {
        let df = every_dtype(30);
        let column = |name: &str| df.column(name).unwrap();
        identity!(column("i8"), i8, i64, f32);
        identity!(column("u64"), u64, i128);
        identity!(column("f32"), f32, f64);
        identity!(column("bool"), bool);
        identity!(column("str"), String);
        identity!(column("cat"), String);
        identity!(column("narrow cat"), String);
        identity!(column("enum"), String);
        identity!(column("binary"), Vec<u8>);
        identity!(column("date"), NaiveDate);
        identity!(column("time"), NaiveTime);
        identity!(column("list"), Vec<i64>, Vec<Option<i64>>, Series);
        identity!(column("list of str"), Vec<String>, Series);
        identity!(column("array"), Vec<i64>, Vec<Option<i128>>, Series);
        identity!(column("struct"), Struct<(Option<i64>, Option<String>)>);
    });
}

/// If the dtype of values is known only at run time, the column has the dtype that is asked for, whatever the rows are.
#[test]
fn any_value_gives_every_column_back() {
    watched(|| {
        let df = every_dtype(30);
        let of = |column: &Column| {
            let what = format!("{}, any value", column.name());
            let dtype = column.dtype().clone();
            for column in [column.clone(), column.clear(), column.head(Some(1))] {
                let identity = |x: AnyValue<'_>| x.into_static();
                become_column(&one(&column), &dtype, &column, &what, identity);
            }
        };
        df.columns().iter().for_each(of);
        let paris = DataType::Datetime(TimeUnit::Nanoseconds, zone("Europe/Paris"));
        of(&df.column("zoned ns").unwrap().cast(&paris).unwrap());
        let nested = df.select(["cat", "enum", "datetime ns"]).unwrap();
        let nested = nested.into_struct("nested".into()).into_column();
        of(&nested);
        of(&nested.implode().unwrap().into_column());
    });
}

#[test]
fn any_time_of_any_unit_and_zone_comes_back() {
    let counts = prop_oneof![any::<i64>(), -2_000_000_000_000i64..4_000_000_000_000];
    let counts = vec((counts, any::<bool>()), 0..60);
    let zones = prop_oneof![
        proptest::strategy::Just(None),
        proptest::strategy::Just(Some("UTC")),
        proptest::strategy::Just(Some("Asia/Kathmandu")),
    ];
    let columns = (counts, 0usize..3, zones).prop_map(|(counts, unit, zoned)| {
        let unit = UNITS[unit];
        let decodes = |count: &i64| match unit {
            TimeUnit::Nanoseconds => true,
            TimeUnit::Microseconds => DateTime::from_timestamp_micros(*count).is_some(),
            TimeUnit::Milliseconds => DateTime::from_timestamp_millis(*count).is_some(),
        };
        let counts = counts.into_iter().filter(|(count, _)| decodes(count));
        let counts = counts.map(|(count, valid)| valid.then_some(count));
        let counts = Series::new("x".into(), counts.collect::<Vec<Option<i64>>>());
        let dtype = DataType::Datetime(unit, zoned.and_then(zone));
        counts.cast(&dtype).unwrap().into_column()
    });
    check(60, &columns, |column| {
        let df = one(&column);
        let returns = || {
            df.par_apply()
                .names(["x"])
                .returns([column.dtype().clone()])
        };
        let zoned = matches!(column.dtype(), DataType::Datetime(_, Some(_)));
        let out = match zoned {
            true => returns().rows(|t: DateTime<Utc>| t),
            false => returns().rows(|t: NaiveDateTime| t),
        };
        assert_same(&out.unwrap(), &column, "identity");
        let any = returns().rows(|t: AnyValue<'_>| t.into_static());
        assert_same(&any.unwrap(), &column, "any value");
        Ok(())
    });
}

/// Checks each result's dtype, and at which row it is refused, with its own type and as an `AnyValue`.
#[track_caller]
fn fails_in<T>(values: &[T], dtype: &DataType, casts: Casts, refused: &[usize], says: &str)
where
    T: IntoCell + Clone + Sync + Into<AnyValue<'static>>,
    T: IntoRow<Output = Column>,
{
    let df = counting(values.len());
    let what = format!("{dtype} {casts:?}");
    let cell = |i: i64| values[i as usize].clone();
    let any = |i: i64| -> AnyValue<'static> { values[i as usize].clone().into() };
    let call = || df.par_apply().returns([dtype.clone()]).casts(casts);
    let results = [
        (call().rows(cell), call().on_error(OnError::Null).rows(cell)),
        (call().rows(any), call().on_error(OnError::Null).rows(any)),
    ];
    for (failed, nulled) in results {
        let nulled = nulled.unwrap();
        assert_eq!(nulled.output.dtype(), dtype, "{what}");
        let rows = nulled
            .failures
            .column("row")
            .unwrap()
            .cast(&DataType::UInt64);
        let rows: Vec<usize> = rows
            .unwrap()
            .u64()
            .unwrap()
            .iter()
            .flatten()
            .map(|row| row as usize)
            .collect();
        assert_eq!(rows, refused, "{what}: {}", nulled.failures);
        for row in 0..values.len() {
            let is_null = nulled.output.get(row).unwrap().is_null();
            assert_eq!(is_null, refused.contains(&row), "{what}, row {row}");
        }
        match refused.first() {
            None => assert_same(&failed.unwrap(), &nulled.output, &what),
            Some(row) => {
                let error = failed.unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Value { .. }), "{error:?}");
                assert_eq!(error.row(), Some(*row), "{what}: {error}");
                assert_eq!(error.column(), Some("par_apply"), "{what}");
                assert!(error.to_string().contains(says), "{what}: {error}");
            }
        }
    }
}

#[test]
fn a_number_is_exact_or_its_row_fails() {
    use Casts::{Lossless, Lossy};
    let whole = [0i64, -1, 127, 128, -129, 1 << 53, (1 << 53) + 1, i64::MAX];
    let beyond = "is beyond the range of";
    let digits = "is not exact in";
    fails_in(&whole, &DataType::Int8, Lossless, &[3, 4, 5, 6, 7], beyond);
    fails_in(&whole, &DataType::Int8, Lossy, &[3, 4, 5, 6, 7], beyond);
    fails_in(&whole, &DataType::UInt64, Lossless, &[1, 4], beyond);
    fails_in(&whole, &DataType::Int128, Lossless, &[], "");
    fails_in(&whole, &DataType::Float64, Lossless, &[6, 7], digits);
    fails_in(&whole, &DataType::Float64, Lossy, &[], "");
    fails_in(&whole, &DataType::Float32, Lossless, &[6, 7], digits);
    fails_in(
        &whole,
        &DataType::Decimal(6, 2),
        Lossless,
        &[5, 6, 7],
        beyond,
    );
    fails_in(&[i128::MAX, 5], &DataType::Float64, Lossless, &[0], digits);
    fails_in(
        &[i128::MAX, 5],
        &DataType::Decimal(38, 30),
        Lossless,
        &[0],
        beyond,
    );
    fails_in(&[u64::MAX, 7], &DataType::Int64, Lossless, &[0], beyond);

    let floats = [0.5f64, -0.0, f64::NAN, f64::INFINITY, 300.0, 0.1, 1e300];
    fails_in(&floats, &DataType::Float32, Lossless, &[5, 6], digits);
    fails_in(&floats, &DataType::Float32, Lossy, &[], "");
    fails_in(
        &floats,
        &DataType::Int64,
        Lossless,
        &[0, 2, 3, 5, 6],
        digits,
    );
    fails_in(&floats, &DataType::Int64, Lossy, &[2, 3, 6], beyond);
    fails_in(&floats, &DataType::UInt8, Lossy, &[2, 3, 4, 6], beyond);
    fails_in(&[1.5f32, f32::NAN], &DataType::Float64, Lossless, &[], "");

    let df = counting(3);
    let call = df.par_apply().casts(Lossy).returns([DataType::Int32]);
    let cut = call.rows(|i: i64| i as f64 * -1.9).unwrap();
    assert_eq!(cut.i32().unwrap().to_vec(), [Some(0), Some(-1), Some(-3)]);
}

#[test]
fn a_time_is_exact_in_its_unit_or_its_row_fails() {
    use Casts::{Lossless, Lossy};
    let at = |seconds, nanoseconds| DateTime::from_timestamp(seconds, nanoseconds).unwrap();
    let times = [
        at(0, 0),
        at(-1, 1_000_000),
        at(-1, 1_000),
        at(-1, 1),
        at(1 << 40, 0),
    ];
    let df = counting(times.len());
    let refused: [(TimeUnit, Casts, &[usize], &[i64]); 6] = [
        (
            UNITS[0],
            Lossless,
            &[4],
            &[0, -999_000_000, -999_999_000, -999_999_999],
        ),
        (
            UNITS[0],
            Lossy,
            &[4],
            &[0, -999_000_000, -999_999_000, -999_999_999],
        ),
        (
            UNITS[1],
            Lossless,
            &[3],
            &[0, -999_000, -999_999, 1_000_000 << 40],
        ),
        (
            UNITS[1],
            Lossy,
            &[],
            &[0, -999_000, -999_999, -1_000_000, 1_000_000 << 40],
        ),
        (UNITS[2], Lossless, &[2, 3], &[0, -999, 1_000 << 40]),
        (
            UNITS[2],
            Lossy,
            &[],
            &[0, -999, -1_000, -1_000, 1_000 << 40],
        ),
    ];
    for (unit, casts, refused, counts) in refused {
        for zone in [None, zone("UTC"), zone("America/New_York")] {
            let dtype = DataType::Datetime(unit, zone.clone());
            let call = || {
                let call = df.par_apply().returns([dtype.clone()]).casts(casts);
                call.on_error(OnError::Skip)
            };
            let outcome = match zone {
                None => call().rows(|i: i64| times[i as usize].naive_utc()),
                Some(_) => call().rows(|i: i64| times[i as usize]),
            };
            let outcome = outcome.unwrap();
            assert_eq!(outcome.output.dtype(), &dtype);
            let stored = outcome.output.cast(&DataType::Int64).unwrap();
            let stored: Vec<i64> = stored.i64().unwrap().iter().flatten().collect();
            assert_eq!(stored, counts, "{dtype} {casts:?}");
            assert_eq!(outcome.stats.failures, refused.len());
            let kept = (0..times.len()).filter(|row| !refused.contains(row));
            let kept: Vec<Option<IdxSize>> = kept.map(|row| Some(row as IdxSize)).collect();
            assert_eq!(outcome.kept_rows().to_vec(), kept);
        }
    }
    let far = df.par_apply().returns([naive(TimeUnit::Nanoseconds)]);
    let far = far
        .rows(|i: i64| times[i as usize].naive_utc())
        .unwrap_err();
    assert_eq!(far.row(), Some(4));
    assert!(
        far.to_string()
            .contains("is beyond the range of a Datetime in nanoseconds"),
        "{far}"
    );

    let lengths = [
        TimeDelta::nanoseconds(-1),
        TimeDelta::MAX,
        TimeDelta::milliseconds(-7),
    ];
    let df = counting(3);
    for (unit, casts, stored) in [
        (UNITS[0], Lossless, [Some(-1), None, Some(-7_000_000)]),
        (UNITS[1], Lossless, [None, None, Some(-7_000)]),
        (UNITS[1], Lossy, [Some(0), None, Some(-7_000)]),
        (UNITS[2], Lossless, [None, Some(i64::MAX), Some(-7)]),
    ] {
        let call = df
            .par_apply()
            .returns([DataType::Duration(unit)])
            .casts(casts);
        let outcome = call
            .on_error(OnError::Null)
            .rows(|i: i64| lengths[i as usize])
            .unwrap();
        let is = outcome.output.cast(&DataType::Int64).unwrap();
        assert_eq!(is.i64().unwrap().to_vec(), stored, "{unit:?} {casts:?}");
    }
}

/// Values of one unit are counted in another.
#[test]
fn any_value_is_exact_in_its_unit_or_its_row_fails() {
    let df = df!["x" => [1_000i64, 1_500, i64::MAX, -1_500]].unwrap();
    let unit = |unit| move |x: i64| AnyValue::DatetimeOwned(x, unit, None);
    for (from, to, casts, stored) in [
        (
            UNITS[0],
            UNITS[1],
            Casts::Lossless,
            [Some(1), None, None, None],
        ),
        (
            UNITS[0],
            UNITS[1],
            Casts::Lossy,
            [Some(1), Some(1), Some(i64::MAX / 1000), Some(-2)],
        ),
        (
            UNITS[2],
            UNITS[0],
            Casts::Lossless,
            [
                Some(1_000_000_000),
                Some(1_500_000_000),
                None,
                Some(-1_500_000_000),
            ],
        ),
        (
            UNITS[2],
            UNITS[0],
            Casts::Lossy,
            [
                Some(1_000_000_000),
                Some(1_500_000_000),
                None,
                Some(-1_500_000_000),
            ],
        ),
    ] {
        let call = df.par_apply().returns([naive(to)]).casts(casts);
        let out = call
            .on_error(OnError::Null)
            .rows(unit(from))
            .unwrap()
            .output;
        assert_eq!(out.dtype(), &naive(to));
        let is = out.cast(&DataType::Int64).unwrap();
        assert_eq!(
            is.i64().unwrap().to_vec(),
            stored,
            "{from:?} {to:?} {casts:?}"
        );
        // This is so within a list too, where no value under a null is read.
        let lists = |x: i64| Series::new("".into(), [x]).cast(&naive(from)).unwrap();
        let call = df.par_apply().returns([list(naive(to))]).casts(casts);
        let out = call.on_error(OnError::Null).rows(lists).unwrap().output;
        let first = (0..out.len()).map(|row| match out.get(row).unwrap() {
            AnyValue::List(items) => items.to_physical_repr().i64().unwrap().get(0),
            _ => None,
        });
        assert!(first.eq(stored), "{from:?} {to:?} {casts:?}");
    }
    let other = df.par_apply().returns([naive(UNITS[0])]);
    let other = other.rows(|_: i64| AnyValue::Boolean(true)).unwrap_err();
    assert_eq!(other.row(), Some(0));
    assert!(
        other
            .to_string()
            .contains("the result is Boolean, but its column"),
        "{other}"
    );
}

#[test]
fn text_is_a_category_or_its_row_fails() {
    let df = df!["x" => [Some("small"), None, Some("large"), Some("none")]].unwrap();
    let narrow = Categories::new("returned".into(), "laws".into(), CategoricalPhysical::U8);
    let open = DataType::from_categories(narrow);
    let text = df.column("x").unwrap();
    become_column(
        &df,
        &open,
        &text.cast(&open).unwrap(),
        "narrow",
        |x: &str| x.to_string(),
    );
    let global = DataType::from_categories(Categories::global());
    become_column(
        &df,
        &global,
        &text.cast(&global).unwrap(),
        "global",
        |x: &str| AnyValue::StringOwned(x.into()),
    );

    let returns = || df.par_apply().returns([sizes()]);
    let expected = df
        .head(Some(3))
        .column("x")
        .unwrap()
        .cast(&sizes())
        .unwrap();
    let results = [
        returns().rows(|x: &str| x.to_string()),
        returns().rows(|x: Option<&str>| x.map(str::to_string)),
        returns().rows(|x: AnyValue<'_>| x.into_static()),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.row(), error.column()), (Some(3), Some("par_apply")));
        assert!(
            error.to_string().contains(r#""none" is not a category"#),
            "{error}"
        );
    }
    let fixed = counting(2)
        .par_apply()
        .returns([sizes()])
        .rows(|_: i64| "small")
        .unwrap();
    assert_eq!(fixed.dtype(), &sizes());
    let nulled = returns()
        .on_error(OnError::Null)
        .rows(|x: &str| x.to_string())
        .unwrap();
    let nulled = nulled.output.head(Some(3)).with_name("x".into());
    assert_same(&nulled, &expected, "enum");
}

#[derive(FromRow, IntoRow)]
struct Trip {
    size: String,
    at: Option<NaiveDateTime>,
}

/// The same within other types: items, fields, items of fields.
#[test]
fn dtypes_hold_at_any_depth() {
    let ns = || naive(TimeUnit::Nanoseconds);
    let at = |n: i64| DateTime::from_timestamp_nanos(n).naive_utc();
    let df = counting(5);
    let counts = |column: &Series| -> Vec<Option<i64>> {
        column
            .cast(&DataType::Int64)
            .unwrap()
            .i64()
            .unwrap()
            .to_vec()
    };
    // Without null rows, and with some.
    for nulls in [false, true] {
        let some = move |i: i64| !(nulls && i % 2 == 1);
        let lists = move |i: i64| some(i).then(|| vec![Some(at(i)), None]);
        for (dtype, exploded) in [(list(ns()), 2), (array(ns(), 2), 2)] {
            let out = df.par_apply().returns([dtype.clone()]).rows(lists).unwrap();
            assert_eq!(out.dtype(), &dtype);
            for i in 0..5 {
                let items = match out.get(i as usize).unwrap() {
                    AnyValue::List(items) | AnyValue::Array(items, _) => items,
                    value => {
                        assert!(value.is_null() && !some(i), "{value:?}");
                        continue;
                    }
                };
                assert_eq!(items.len(), exploded);
                assert_eq!(counts(&items), [Some(i), None], "{dtype}");
            }
        }
        let dtype = list(array(DataType::Int8, 2));
        let out = df.par_apply().returns([dtype.clone()]);
        let out = out
            .rows(move |i: i64| some(i).then(|| vec![vec![i, -i]; i as usize]))
            .unwrap();
        assert_eq!(out.dtype(), &dtype);
        assert_eq!(out.null_count(), if nulls { 2 } else { 0 });
    }

    let fields = DataType::Struct(vec![
        Field::new("size".into(), sizes()),
        Field::new("at".into(), ns()),
    ]);
    let trip = move |i: i64| Trip {
        size: ["small", "large"][i as usize % 2].into(),
        at: (i != 3).then(|| at(i)),
    };
    let expected = df.par_apply().returns([sizes(), ns()]).rows(trip).unwrap();
    assert_eq!(expected.dtypes(), [sizes(), ns()]);
    assert_eq!(
        counts(expected.column("at").unwrap().as_materialized_series())[4],
        Some(4)
    );
    let whole = df
        .par_apply()
        .returns([fields.clone()])
        .rows(move |i: i64| Struct(trip(i)));
    let whole = whole.unwrap();
    assert_eq!(whole.dtype(), &fields);
    assert!(
        whole
            .struct_()
            .unwrap()
            .clone()
            .unnest()
            .equals_missing(&expected)
    );
    let listed = df.par_apply().returns([list(fields.clone())]);
    let listed = listed
        .rows(move |i: i64| (1..i).map(|i| Struct(trip(i))).collect::<Vec<_>>())
        .unwrap();
    assert_eq!(listed.dtype(), &list(fields.clone()));

    // A tuple's fields have the dtype's names.
    let tuple = df.par_apply().returns([fields.clone()]);
    let tuple = tuple
        .rows(move |i: i64| Struct((trip(i).size, trip(i).at)))
        .unwrap();
    assert_same(&tuple, &whole, "tuple");

    // Lazily an expression's cells are the Struct's fields, and a frame's its columns.
    for engine in ENGINES {
        let expr = rows(["i"]).returns([sizes(), ns()]).apply(trip);
        let out = collected(&df.clone().lazy().select([expr]), engine).unwrap();
        assert_same(out.column("par_apply").unwrap(), &whole, "expression");
        let call = df.clone().lazy().par_apply().names(["size", "at"]);
        let out = collected(&call.returns([sizes(), ns()]).rows(trip), engine).unwrap();
        assert!(out.drop("i").unwrap().equals_missing(&expected));
    }
    let call = df.clone().lazy().par_apply().names(["size", "at"]);
    let out = stacked(call.returns([sizes(), ns()]).row_batches(trip)).unwrap();
    assert!(out.drop("i").unwrap().equals_missing(&expected));

    // Arrays of cells and lists of any value.
    let pair = df.par_apply().returns([DataType::Int8, DataType::Float32]);
    let pair = pair.rows(|i: i64| [i, -i]).unwrap();
    assert_eq!(pair.dtypes(), [DataType::Int8, DataType::Float32]);
    let fielded = |of| list(DataType::Struct(vec![Field::new("x".into(), of)]));
    let any = df.par_apply().returns([fielded(DataType::Int16)]);
    let any = any
        .rows(|i: i64| vec![Struct((AnyValue::Int64(i),)), Struct((AnyValue::Null,))])
        .unwrap();
    assert_eq!(any.dtype(), &fielded(DataType::Int16));
    let none = df.par_apply().returns([fielded(sizes())]);
    let none = none.rows(|_: i64| Vec::<Struct<(AnyValue<'static>,)>>::new());
    assert_eq!(none.unwrap().dtype(), &fielded(sizes()));
}

#[test]
fn what_fails_within_names_its_row() {
    let df = counting(5);
    let row = |error: Error| {
        assert!(matches!(error.kind(), ErrorKind::Value { .. }), "{error:?}");
        (error.row(), error.to_string())
    };
    let width = |i: i64| vec![i; if i == 3 { 1 } else { 2 }];
    for result in [
        df.par_apply()
            .returns([array(DataType::Int64, 2)])
            .rows(width),
        df.par_apply()
            .returns([array(DataType::Int64, 2)])
            .rows(|i: i64| Series::new("".into(), width(i))),
        df.par_apply()
            .returns([array(DataType::Int64, 2)])
            .rows(|i: i64| AnyValue::List(Series::new("".into(), width(i)))),
    ] {
        let (at, said) = row(result.unwrap_err());
        assert_eq!(at, Some(3));
        assert!(
            said.contains("the result has 1 item, but each Array of its column has 2"),
            "{said}"
        );
    }
    let deep = |i: i64| if i == 2 { 300 } else { i };
    let fields = DataType::Struct(vec![Field::new("x".into(), list(DataType::Int8))]);
    for result in [
        df.par_apply()
            .returns([list(DataType::Int8)])
            .rows(|i: i64| vec![0, deep(i)]),
        df.par_apply()
            .returns([list(DataType::Int8)])
            .rows(|i: i64| Series::new("".into(), [0, deep(i)])),
        df.par_apply()
            .returns([fields])
            .rows(|i: i64| Struct((vec![deep(i)],))),
    ] {
        let (at, said) = row(result.unwrap_err());
        assert_eq!(at, Some(2));
        assert!(said.contains("300 is beyond the range of Int8"), "{said}");
    }
    // If there are several output columns, the error names the column.
    let error = df
        .par_apply()
        .names(["a", "b"])
        .returns([DataType::Int64, DataType::Int8]);
    let error = error.rows(|i: i64| (i, deep(i))).unwrap_err();
    assert_eq!((error.row(), error.column()), (Some(2), Some("b")));
    // It also has the row of the whole query.
    for engine in ENGINES {
        let call = df.clone().lazy().par_apply().numbered(true);
        let lf = call.returns([DataType::Int8]).rows(deep);
        let said = collected(&lf, engine).unwrap_err().to_string();
        assert!(
            said.starts_with("row 2: column \"par_apply\": 300 is beyond"),
            "{said}"
        );
        let failures = Failures::new();
        let call = df.clone().lazy().par_apply().failures(&failures);
        let out = collected(&call.returns([DataType::Int8]).rows(deep), engine).unwrap();
        assert_eq!(out.column("par_apply").unwrap().null_count(), 1);
        assert_eq!(failures.take().height(), 1);
    }
}

#[test]
fn policies_retries_and_parts_of_a_run_go_on() {
    let df = counting(1000);
    let returns = || df.par_apply().returns([DataType::UInt8]);
    let low = |rows: usize| (0..rows as i64).filter(|i| i % 1000 < 256).count();
    let skipped = returns().on_error(OnError::Skip).rows(|i: i64| i).unwrap();
    assert_eq!(
        (skipped.output.len(), skipped.output.dtype()),
        (low(1000), &DataType::UInt8)
    );
    let collected = returns()
        .on_error(OnError::Collect)
        .rows(|i: i64| i)
        .unwrap();
    assert_eq!(
        (collected.output.len(), collected.output.null_count()),
        (1000, 744)
    );
    let many = returns()
        .max_failures(2)
        .on_error(OnError::Null)
        .rows(|i: i64| i)
        .unwrap_err();
    assert!(
        matches!(many.kind(), ErrorKind::TooManyFailures { limit: 2, .. }),
        "{many:?}"
    );
    assert_eq!(many.row(), Some(258));
    // A value that its column cannot hold is not tried again.
    let retry = returns().retry(Retry::attempts(3)).on_error(OnError::Null);
    let retry = retry.rows(|i: i64| std::io::Result::Ok(i)).unwrap();
    assert_eq!((retry.stats.retries, retry.stats.failures), (0, 744));
    let token = CancelToken::new();
    let call = returns()
        .sequential()
        .cancel_token(&token)
        .on_cancel(OnCancel::Partial);
    let partial = call.rows(|i: i64| {
        if i == 99 {
            token.cancel();
        }
        i
    });
    let partial = partial.unwrap();
    assert_eq!(partial.output.dtype(), &DataType::UInt8);
    assert!(partial.stats.cancelled && partial.output.len() == 100);
}

#[test]
fn parts_and_columns_have_their_dtypes() {
    let df = df!["a" => [1i64, 2, 3], "b" => [10i64, 200, 3_000]].unwrap();
    let ns = || naive(TimeUnit::Nanoseconds);
    let at = |n: i64| DateTime::from_timestamp_nanos(n).naive_utc();
    let parts = || df.par_apply().partitions(3);
    let first =
        |part: &DataFrame, name: &str| part.column(name).unwrap().i64().unwrap().get(0).unwrap();

    let times = parts()
        .returns([ns()])
        .chunks(|part: DataFrame| at(first(&part, "a")))
        .unwrap();
    assert_eq!(times.dtype(), &ns());
    assert_eq!(
        times
            .cast(&DataType::Int64)
            .unwrap()
            .i64()
            .unwrap()
            .to_vec(),
        [Some(1), Some(2), Some(3)]
    );
    let pairs = parts()
        .returns([ns(), DataType::UInt8])
        .on_error(OnError::Null);
    let pairs = pairs
        .chunks(|part: DataFrame| (at(first(&part, "a")), first(&part, "b")))
        .unwrap();
    assert_eq!(pairs.output.dtypes(), [ns(), DataType::UInt8]);
    assert_eq!(
        pairs
            .output
            .column("column_1")
            .unwrap()
            .u8()
            .unwrap()
            .to_vec(),
        [Some(10), Some(200), None]
    );
    assert_eq!(
        pairs
            .failures
            .column("part")
            .unwrap()
            .get(0)
            .unwrap()
            .extract::<u8>(),
        Some(2)
    );
    let error = parts().names(["t", "n"]).returns([ns(), DataType::UInt8]);
    let error = error
        .chunks(|part: DataFrame| (at(first(&part, "a")), first(&part, "b")))
        .unwrap_err();
    assert_eq!(error.column(), Some("n"));
    assert!(
        error
            .to_string()
            .contains("3000 is beyond the range of UInt8"),
        "{error}"
    );
    let any = parts()
        .returns([DataType::Int8])
        .chunks(|_: DataFrame| AnyValue::Null)
        .unwrap();
    assert_eq!((any.dtype(), any.null_count()), (&DataType::Int8, 3));
    let row = parts().returns([array(DataType::Int8, 3), DataType::Int8]);
    let row = row
        .chunks(|part: DataFrame| (Series::new("".into(), [first(&part, "a"), 0, 0]), 1i64))
        .unwrap();
    assert_eq!(row.dtypes(), [array(DataType::Int8, 3), DataType::Int8]);

    let dtypes = [ns(), DataType::UInt8];
    let names = ["column_0", "column_1"].map(PlSmallStr::from_static);
    let schema = Schema::from_iter(names.into_iter().zip(dtypes.clone()));
    let cells = move |part: DataFrame| (at(first(&part, "a")), part.height() as u64);
    for engine in ENGINES {
        let call = || df.clone().lazy().par_apply();
        let lf = call().returns(dtypes.clone()).chunks(schema.clone(), cells);
        let out = collected(&lf, engine).unwrap();
        assert_eq!((out.dtypes(), out.height()), (dtypes.to_vec(), 1));
        let other = call().chunks(schema.clone(), cells);
        let said = collected(&other, engine).unwrap_err().to_string();
        assert!(
            said.contains("more precise than the column's unit"),
            "{said}"
        );
        let few = call().returns([ns()]).chunks(schema.clone(), cells);
        let said = collected(&few, engine).unwrap_err().to_string();
        assert!(
            said.contains("it gives 1 dtype for 2 output columns"),
            "{said}"
        );
    }

    let sum = |v: Values<'_, i64>| v.iter().sum::<i64>();
    let sums = df
        .par_apply()
        .returns([DataType::Int8, DataType::Float32])
        .columns(sum)
        .unwrap();
    assert_eq!(sums, df!["a" => [6i8], "b" => [3210f32]].unwrap());
    let columns = || df.par_apply().returns([DataType::Int64, DataType::UInt8]);
    let error = columns().columns(sum).unwrap_err();
    assert_eq!(error.column(), Some("b"));
    let nulled = columns()
        .on_error(OnError::Null)
        .columns(sum)
        .unwrap()
        .output;
    assert_eq!(nulled.dtypes(), [DataType::Int64, DataType::UInt8]);
    let skipped = columns()
        .on_error(OnError::Skip)
        .columns(sum)
        .unwrap()
        .output;
    assert_eq!(skipped, df!["a" => [6i64]].unwrap());
    let skipped = df
        .par_apply()
        .returns([DataType::UInt8, DataType::Int16])
        .select(["b", "a"]);
    let skipped = skipped.on_error(OnError::Skip).columns(sum).unwrap().output;
    assert_eq!(skipped, df!["a" => [6i16]].unwrap());
}

#[test]
fn frames_of_no_rows_have_the_dtypes() {
    let df = counting(0);
    let dtypes = [
        naive(TimeUnit::Nanoseconds),
        sizes(),
        array(sizes(), 2),
        list(array(naive(TimeUnit::Milliseconds), 1)),
        DataType::Struct(vec![Field::new("x".into(), sizes())]),
        DataType::Int8,
    ];
    for dtype in &dtypes {
        let any = df
            .par_apply()
            .returns([dtype.clone()])
            .rows(|_: i64| AnyValue::Null)
            .unwrap();
        assert_eq!((any.dtype(), any.len()), (dtype, 0));
        let unit = df
            .par_apply()
            .returns([dtype.clone()])
            .rows(|_: i64| ())
            .unwrap();
        assert_eq!((unit.dtype(), unit.len()), (dtype, 0));
        let unit = counting(3)
            .par_apply()
            .returns([dtype.clone()])
            .rows(|_: i64| ())
            .unwrap();
        assert_eq!((unit.dtype(), unit.null_count()), (dtype, 3));
        let nulls = counting(3)
            .par_apply()
            .returns([dtype.clone()])
            .rows(|_: i64| AnyValue::Null);
        let nulls = nulls.unwrap();
        assert_eq!((nulls.dtype(), nulls.null_count()), (dtype, 3));
        let chunks = df.par_apply().returns([dtype.clone()]).partitions(0);
        assert!(chunks.chunks(|_: DataFrame| AnyValue::Null).is_err());
        let chunks = df.par_apply().returns([dtype.clone()]);
        let chunks = chunks.chunks(|_: DataFrame| AnyValue::Null).unwrap();
        assert_eq!(chunks.dtype(), dtype);
    }
    let typed = df
        .par_apply()
        .returns([dtypes[0].clone(), dtypes[1].clone(), dtypes[2].clone()]);
    let typed = typed
        .rows(|_: i64| (NaiveDateTime::MIN, String::new(), vec!["small"]))
        .unwrap();
    assert_eq!(typed.dtypes(), dtypes[..3]);
    let none = DataFrame::empty()
        .par_apply()
        .returns([])
        .columns(|_: &Column| 1i64)
        .unwrap();
    assert_eq!(none.width(), 0);
}

/// Whatever is refused, the closure is not called.
#[test]
fn what_cannot_be_is_refused_before_the_closure_is_called() {
    let df = df!["x" => [1i64, 2]].unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let called = |calls: &AtomicUsize| {
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let said = |error: Error| {
        assert!(
            matches!(
                error.kind(),
                ErrorKind::Option {
                    option: "returns",
                    ..
                }
            ),
            "{error:?}"
        );
        error.to_string()
    };
    let returns = |dtypes: &[DataType]| df.par_apply().names(["out"]).returns(dtypes.to_vec());
    macro_rules! refused {
        ($($dtype:expr, $value:expr => $says:expr;)*) => {$(
            let result = returns(&[$dtype]).rows(|_: i64| { called(&calls); $value });
            assert_eq!(said(result.unwrap_err()), format!(".returns(…): column \"out\": {}", $says));
            let seen = calls.clone();
            let call = df.clone().lazy().par_apply().names(["out"]).returns([$dtype]);
            let mut lf = call.rows(move |_: i64| { called(&seen); $value });
            let message = lf.collect_schema().unwrap_err().to_string();
            assert!(message.contains($says), "{message}");
        )*};
    }
    let time = DateTime::<Utc>::UNIX_EPOCH;
    refused! {
        DataType::String, 1.5f64 => "results of type Float64 cannot become String; give a dtype of integers or floats";
        DataType::String, 1i64 => "results of type Int64 cannot become String; give a dtype of integers or floats, or a Decimal";
        DataType::Int8, true => "results of type Boolean cannot become Int8; give Boolean";
        DataType::Binary, String::new() => "results of type String cannot become Binary; give String, a Categorical or an Enum";
        list(DataType::UInt8), vec![1u8] => "results of type Binary cannot become List(UInt8); give Binary";
        naive(TimeUnit::Nanoseconds), time => "results of type DateTime<Utc> cannot become Datetime('ns'); give a Datetime of any unit with a time zone";
        DataType::Datetime(TimeUnit::Nanoseconds, zone("UTC")), time.naive_utc() => "results of type NaiveDateTime cannot become Datetime('ns', 'UTC'); give a Datetime of any unit without a time zone";
        DataType::Time, TimeDelta::zero() => "results of type TimeDelta cannot become Time; give a Duration of any unit";
        list(DataType::String), vec![1i64] => "its items: results of type Int64 cannot become String; give a dtype of integers or floats, or a Decimal";
        DataType::Int64, Some(vec![1i64]) => "results of type List cannot become Int64; give a List or an Array";
        DataType::Struct(vec![]), Struct((1i64,)) => "results of type Struct cannot become Struct({}); give a Struct of 1 field";
        DataType::Struct(vec![Field::new("y".into(), DataType::String)]), Struct((1i64,)) => "its field \"y\": results of type Int64 cannot become String; give a dtype of integers or floats, or a Decimal";
        DataType::Int64, Series::new("".into(), [1]) => "results of type Series cannot become Int64; give a List or an Array";
    }
    let swapped = DataType::Struct(vec![
        Field::new("at".into(), naive(TimeUnit::Nanoseconds)),
        Field::new("size".into(), DataType::String),
    ]);
    let trip = |_: i64| {
        called(&calls);
        let (size, at) = (String::new(), None);
        Struct(Trip { size, at })
    };
    let message = said(returns(&[swapped]).rows(trip).unwrap_err());
    assert!(
        message.ends_with(r#"give a Struct of the fields "size", "at", in this order"#),
        "{message}"
    );

    // Each column that does not fit is reported, and so is a wrong number of columns.
    let two = df
        .par_apply()
        .returns([DataType::String, DataType::Int8, DataType::Date]);
    let two = two
        .rows(|x: i64| {
            called(&calls);
            (x, x, x)
        })
        .unwrap_err();
    let columns: Vec<String> = faults(&two).iter().map(ToString::to_string).collect();
    assert!(
        columns[0].contains("\"column_0\"") && columns[1].contains("\"column_2\""),
        "{columns:?}"
    );
    for dtypes in [vec![], vec![DataType::Int64; 2]] {
        let many = format!(
            ".returns(…): it gives {} dtypes for 1 output column; give one for each",
            dtypes.len()
        );
        let result = returns(&dtypes).rows(|_: i64| {
            called(&calls);
            1i64
        });
        assert_eq!(said(result.unwrap_err()), many);
        let result = returns(&dtypes).columns(|_: &Column| {
            called(&calls);
            1i64
        });
        assert_eq!(said(result.unwrap_err()), many);
        let result = returns(&dtypes).chunks(|_: DataFrame| {
            called(&calls);
            1i64
        });
        assert_eq!(said(result.unwrap_err()), many);
    }
    let result = returns(&[DataType::String]).columns(|_: &Column| {
        called(&calls);
        1i64
    });
    assert!(said(result.unwrap_err()).contains("column \"out\": results of type Int64"));
    let result = returns(&[DataType::String]).chunks(|_: DataFrame| {
        called(&calls);
        1i64
    });
    assert!(said(result.unwrap_err()).contains("column \"out\": results of type Int64"));

    // Whole frames and columns are cast by the closure itself.
    let whole = "it is for closures that return cells, and this one returns a whole frame, column or series";
    let returns = || df.par_apply().returns([DataType::Int64]);
    let results = [
        returns()
            .chunks(|part: DataFrame| {
                called(&calls);
                part
            })
            .map(drop),
        returns()
            .chunks(|part: DataFrame| {
                called(&calls);
                part.columns()[0].clone()
            })
            .map(drop),
        returns()
            .chunks(|part: DataFrame| {
                called(&calls);
                PolarsResult::Ok(part)
            })
            .map(drop),
        returns()
            .chunks(|_: DataFrame| {
                called(&calls);
                Series::new("".into(), [1])
            })
            .map(drop),
        returns()
            .columns(|column: &Column| {
                called(&calls);
                column.clone()
            })
            .map(drop),
        returns()
            .columns(|_: &Column| {
                called(&calls);
                Series::new("".into(), [1])
            })
            .map(drop),
    ];
    for result in results {
        let message = said(result.unwrap_err());
        assert!(message.contains(whole), "{message}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

/// If results already have the dtype, nothing is changed.
#[test]
fn its_own_dtype_changes_nothing() {
    let df = counting(300);
    let plain = df
        .par_apply_rows(|i: i64| (i as f64, i.to_string(), vec![i], NaiveDate::MIN))
        .unwrap();
    let returned = df.par_apply().returns(plain.dtypes());
    let returned = returned
        .rows(|i: i64| (i as f64, i.to_string(), vec![i], NaiveDate::MIN))
        .unwrap();
    assert!(plain.equals_missing(&returned));
    // It is the result of a pinned closure.
    let lf = df.clone().lazy();
    let odd = rows(["i"])
        .returns([DataType::Boolean])
        .apply(|i: i64| AnyValue::Boolean(i % 2 == 1));
    for engine in ENGINES {
        assert_eq!(
            collected(&lf.clone().filter(odd.clone()), engine)
                .unwrap()
                .height(),
            150
        );
    }
}

/// Values beside a list's items in memory, or under its null, are not converted.
#[test]
fn what_is_no_value_is_not_converted() {
    let numbers = |numbers: &[i64]| Series::new("".into(), numbers);
    let lists = Series::new("".into(), [numbers(&[1]), numbers(&[300]), numbers(&[2])]);
    let of_bytes = list(list(DataType::Int8));
    let df = counting(2);
    let slices = df.par_apply().returns([of_bytes.clone()]);
    let slices = slices.rows(|i: i64| lists.slice(2 * i, 1)).unwrap();
    assert_eq!(slices.dtype(), &of_bytes);
    let mask = BooleanChunked::new("".into(), [true, false, true]);
    let nulls = lists.zip_with(&mask, &Series::full_null("".into(), 3, lists.dtype()));
    let nulls = nulls.unwrap();
    let masked = df.par_apply().returns([of_bytes.clone()]);
    let masked = masked.rows(|_: i64| nulls.clone()).unwrap();
    assert_eq!(masked.dtype(), &of_bytes);

    let decimals = numbers(&[1, 2]).cast(&DataType::Decimal(9, 2)).unwrap();
    let dtype = array(DataType::Decimal(9, 2), 2);
    let call = || df.par_apply().returns([dtype.clone()]);
    let items = |value: AnyValue<'_>| match value {
        AnyValue::Array(items, 2) | AnyValue::List(items) => items,
        value => panic!("{value:?}"),
    };
    let out = call()
        .rows(|_: i64| AnyValue::List(decimals.clone()))
        .unwrap();
    assert!(items(out.get(1).unwrap()).equals(&decimals));
    let out = call().rows(|_: i64| decimals.clone()).unwrap();
    assert!(items(out.get(1).unwrap()).equals(&decimals));
    let dtype = list(DataType::Decimal(9, 2));
    let back = df.par_apply().returns([dtype.clone()]);
    let back = back
        .rows(|_: i64| AnyValue::Array(decimals.clone(), 2))
        .unwrap();
    assert_eq!(back.dtype(), &dtype);
    assert!(items(back.get(1).unwrap()).equals(&decimals));
}

#[test]
fn categories_without_room_end_the_call() {
    let narrow = Categories::new("full".into(), "laws".into(), CategoricalPhysical::U8);
    let dtype = DataType::from_categories(narrow);
    let df = counting(300);
    let returns = || {
        df.par_apply()
            .returns([dtype.clone()])
            .on_error(OnError::Null)
    };
    let results = [
        returns().rows(|i: i64| i.to_string()),
        returns().rows(|i: i64| AnyValue::StringOwned(i.to_string().into())),
    ];
    for result in results {
        let said = result.unwrap_err().to_string();
        assert!(
            said.starts_with("the results cannot become a column of Categorical"),
            "{said}"
        );
    }
}
