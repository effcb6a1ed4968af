//! Random frames of any dtypes, nulls, chunks and slices: the parallel answer is the sequential one, and that of a plain loop.

use polars_par_apply::prelude::*;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

use crate::cases::check;
use crate::frames::{assert_same, assert_same_frame, cut, inside, shown};

/// How a column lies in memory.
#[derive(Clone, Debug)]
struct Lie {
    before: usize,
    lengths: Vec<usize>,
    scalar: bool,
}

fn lie() -> impl Strategy<Value = Lie> {
    (
        0usize..70,
        vec(0usize..40, 0..12),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(before, lengths, scalar)| Lie {
            before,
            lengths,
            scalar,
        })
}

fn lay(column: &Column, lie: &Lie) -> Column {
    if lie.scalar && !column.is_empty() {
        let value = column.get(0).unwrap().into_static();
        return Column::new_scalar(
            column.name().clone(),
            Scalar::new(column.dtype().clone(), value),
            column.len(),
        );
    }
    cut(&inside(column, lie.before), lie.lengths.iter().copied())
}

/// A column of a random dtype: whether values may be null, and the values.
fn column(name: &'static str, rows: usize) -> impl Strategy<Value = Column> {
    fn of<T, S>(name: &'static str, rows: usize, values: S) -> impl Strategy<Value = Series>
    where
        S: Strategy<Value = T> + Clone,
        T: std::fmt::Debug + Clone,
        Series: NamedFrom<Vec<Option<T>>, [Option<T>]>,
    {
        let some = |weight| prop::option::weighted(weight, values.clone());
        let values = prop_oneof![
            vec(values.clone().prop_map(Some), rows),
            vec(some(0.8), rows),
            vec(some(0.1), rows),
        ];
        values.prop_map(move |values| Series::new(name.into(), values))
    }
    let int = of(name, rows, any::<i64>());
    let cast = move |dtype: DataType| {
        of(name, rows, -100i64..100).prop_map(move |s| s.cast(&dtype).unwrap())
    };
    prop_oneof![
        int,
        of(name, rows, any::<f64>()),
        of(name, rows, any::<bool>()),
        of(name, rows, "[a-z€]{0,30}"),
        of(name, rows, 0u32..9),
        cast(DataType::Int8),
        cast(DataType::Int16),
        cast(DataType::UInt8),
        cast(DataType::Float32),
        cast(DataType::Int128),
        cast(DataType::Date),
        cast(DataType::Datetime(TimeUnit::Milliseconds, None)),
        cast(DataType::Datetime(
            TimeUnit::Nanoseconds,
            Some(TimeZone::UTC)
        )),
        cast(DataType::Duration(TimeUnit::Microseconds)),
        of(name, rows, "[abc]{1}").prop_map(|s| s
            .cast(&DataType::from_categories(Categories::global()))
            .unwrap()),
        of(name, rows, "[a-z]{0,20}").prop_map(|s| s.cast(&DataType::Binary).unwrap()),
        vec(
            prop::option::of(vec(prop::option::of(any::<i64>()), 0..5)),
            rows
        )
        .prop_map(move |lists| {
            let lists = lists
                .into_iter()
                .map(|list| list.map(|items| Series::new("".into(), items)));
            let lists = Series::new(name.into(), lists.collect::<Vec<_>>());
            lists
                .cast(&DataType::List(Box::new(DataType::Int64)))
                .unwrap()
        }),
        (of("x", rows, any::<i64>()), of("y", rows, "[a-z]{0,20}")).prop_map(move |(x, y)| {
            let fields = DataFrame::new(rows, vec![x.into(), y.into()]).unwrap();
            fields.into_struct(name.into()).into_series()
        }),
    ]
    .prop_map(Series::into_column)
}

/// How a call is run.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    Free,
    Partitions(usize),
    ChunkRows(usize),
}

pub(crate) fn way() -> impl Strategy<Value = (usize, Way)> {
    let cut = prop_oneof![
        Just(Way::Free),
        (1usize..40).prop_map(Way::Partitions),
        (1usize..300).prop_map(Way::ChunkRows)
    ];
    (1usize..6, cut)
}

pub(crate) fn run<'a>(df: &'a DataFrame, (workers, way): &(usize, Way)) -> Apply<'a, 'static> {
    let apply = df.par_apply().workers(*workers);
    match way {
        Way::Free => apply,
        Way::Partitions(n) => apply.partitions(*n),
        Way::ChunkRows(n) => apply.chunk_rows(*n),
    }
}

/// A frame of three columns of any dtype, laid out at random, and sometimes sliced as a whole.
fn frame() -> impl Strategy<Value = DataFrame> {
    (0usize..260)
        .prop_flat_map(|rows| {
            let laid =
                |name| (column(name, rows), lie()).prop_map(|(column, lie)| lay(&column, &lie));
            (Just(rows), laid("a"), laid("b"), laid("c"), 0usize..9)
        })
        .prop_map(|(rows, a, b, c, skip)| {
            DataFrame::new(rows, vec![a, b, c])
                .unwrap()
                .slice(skip as i64, rows)
        })
}

/// Returns the text of a row's values as Polars gives them.
fn text<'a>(values: impl Iterator<Item = AnyValue<'a>>) -> String {
    values.map(|value| shown(&value) + ";").collect()
}

#[test]
fn untyped_rows_are_those_of_a_plain_loop() {
    check(600, &(frame(), way()), |(df, way)| {
        let rows = (0..df.height()).map(|row| {
            Some(text(
                df.columns().iter().map(|column| column.get(row).unwrap()),
            ))
        });
        let expected: StringChunked = rows.collect();
        let expected = expected
            .into_series()
            .with_name("par_apply".into())
            .into_column();
        let untyped = |row: Row<'_>| text(row.iter().map(|(_, value)| value));
        assert_same(&run(&df, &way).rows(untyped).unwrap(), &expected, "Row");
        assert_same(
            &df.par_apply().sequential().rows(untyped).unwrap(),
            &expected,
            "Row, sequential",
        );
        let any = |a: AnyValue<'_>, b: AnyValue<'_>, c: AnyValue<'_>| text([a, b, c].into_iter());
        assert_same(&run(&df, &way).rows(any).unwrap(), &expected, "AnyValue");
        Ok(())
    });
}

#[test]
fn parts_put_together_are_the_frame() {
    check(300, &(frame(), way()), |(df, way)| {
        let same = run(&df, &way).chunks(|part: DataFrame| part).unwrap();
        assert_same_frame(&same, &df, "parts");
        let columns = run(&df, &way)
            .columns(|column: &Column| column.clone())
            .unwrap();
        assert_same_frame(&columns, &df, "columns");
        Ok(())
    });
}

/// Returns a cell of a column as `T`, from Polars' own value.
type Oracle<T> = fn(&AnyValue<'_>) -> Option<T>;

/// Takes a column as `T` in every way, and compares each value with that of a plain loop.
fn typed<T>(
    df: &DataFrame,
    way: &(usize, Way),
    name: &str,
    oracle: Oracle<T>,
    cells: impl Fn(Apply<'_, 'static>) -> [polars_par_apply::Result<Column>; 3],
) where
    T: std::fmt::Debug,
{
    let column = df.column(name).unwrap();
    let values: Vec<Option<T>> = (0..df.height())
        .map(|row| oracle(&column.get(row).unwrap().into_static()))
        .collect();
    let plain: StringChunked = values
        .iter()
        .map(|value| value.as_ref().map(|value| format!("{value:?}")))
        .collect();
    let option: StringChunked = values
        .iter()
        .map(|value| Some(format!("{value:?}")))
        .collect();
    let name = PlSmallStr::from("par_apply");
    let expected = [plain, option.clone(), option]
        .map(|texts| texts.into_series().with_name(name.clone()).into_column());
    let ways = [run(df, way), df.par_apply().sequential()];
    for apply in ways {
        for (is, expected) in cells(apply.select([column.name().clone()]))
            .into_iter()
            .zip(&expected)
        {
            assert_same(&is.unwrap(), expected, &format!("{:?}", column.dtype()));
        }
    }
}

// A method named by its path is not a function of values of every lifetime, and an oracle must be one.
#[allow(clippy::redundant_closure_for_method_calls)]
#[test]
fn typed_cells_are_those_of_a_plain_loop() {
    check(1200, &(frame(), way()), |(df, way)| {
        macro_rules! typed {
            ($name:expr, $T:ty, $oracle:expr) => {
                typed::<$T>(&df, &way, $name, $oracle, |apply| {
                    [
                        apply.clone().rows(|x: $T| format!("{x:?}")),
                        apply.clone().rows(|x: Option<$T>| format!("{x:?}")),
                        apply.rows(|row: Row<'_>| {
                            row.get::<Option<$T>>($name).map(|x| format!("{x:?}"))
                        }),
                    ]
                })
            };
        }
        for column in df.columns() {
            let name = column.name().as_str();
            match column.dtype() {
                DataType::Int64 => typed!(name, i128, |v| v.extract()),
                DataType::Float64 => typed!(name, f64, |v| v.extract()),
                DataType::Boolean => typed!(name, bool, |v| v.extract_bool()),
                DataType::String | DataType::Categorical(..) => {
                    typed!(name, String, |v| v.get_str().map(str::to_string));
                }
                DataType::Int8 | DataType::Int16 | DataType::UInt8 => {
                    typed!(name, f32, |v| v.extract());
                }
                DataType::UInt32 => typed!(name, i64, |v| v.extract()),
                DataType::Float32 => typed!(name, f64, |v| v.extract()),
                DataType::Int128 => typed!(name, i128, |v| v.extract()),
                DataType::Date => typed!(name, chrono::NaiveDate, |v| match v {
                    AnyValue::Date(days) => chrono::NaiveDate::from_epoch_days(*days),
                    _ => None,
                }),
                DataType::Datetime(_, None) => typed!(name, chrono::NaiveDateTime, |v| match v {
                    AnyValue::DatetimeOwned(ms, TimeUnit::Milliseconds, None) => {
                        chrono::DateTime::from_timestamp_millis(*ms).map(|time| time.naive_utc())
                    }
                    _ => None,
                }),
                DataType::Datetime(..) => {
                    typed!(name, chrono::DateTime<chrono::Utc>, |v| match v {
                        AnyValue::DatetimeOwned(ns, TimeUnit::Nanoseconds, Some(_)) =>
                            Some(chrono::DateTime::from_timestamp_nanos(*ns)),
                        _ => None,
                    });
                }
                DataType::Duration(_) => typed!(name, chrono::TimeDelta, |v| match v {
                    AnyValue::Duration(us, TimeUnit::Microseconds) =>
                        Some(chrono::TimeDelta::microseconds(*us)),
                    _ => None,
                }),
                DataType::Binary => typed!(name, Vec<u8>, |v| match v {
                    AnyValue::BinaryOwned(bytes) => Some(bytes.to_vec()),
                    _ => None,
                }),
                DataType::List(_) => {
                    typed!(name, Vec<Option<i64>>, |v| match v {
                        AnyValue::List(items) => Some(items.i64().unwrap().iter().collect()),
                        _ => None,
                    });
                    // A null within makes the whole cell null.
                    typed!(name, Vec<i64>, |v| match v {
                        AnyValue::List(items) => items.i64().unwrap().iter().collect(),
                        _ => None,
                    });
                }
                DataType::Struct(_) => {
                    fn fields(value: &AnyValue<'_>) -> Option<(Option<i64>, Option<String>)> {
                        let AnyValue::StructOwned(payload) = value else {
                            return None;
                        };
                        let (x, y) = (payload.0[0].extract::<i64>(), payload.0[1].get_str());
                        Some((x, y.map(str::to_string)))
                    }
                    typed!(name, Struct<(Option<i64>, Option<String>)>, |v| fields(v)
                        .map(Struct));
                    typed!(name, Struct<(Option<i64>, String)>, |v| {
                        let (x, y) = fields(v)?;
                        Some(Struct((x, y?)))
                    });
                }
                other => panic!("no oracle for {other:?}"),
            }
        }
        Ok(())
    });
}

type Bits = Vec<Option<bool>>;

#[test]
fn cells_written_are_cells_read() {
    let values = vec(
        prop::option::of((
            any::<i64>(),
            "[a-z]{0,20}",
            vec(prop::option::of(any::<bool>()), 0..4),
        )),
        0..300,
    );
    check(400, &(values, way()), |(values, way)| {
        let df = df!["i" => (0..values.len() as u64).collect::<Vec<u64>>()].unwrap();
        let out = run(&df, &way)
            .rows(|i: u64| {
                let value = values[i as usize].clone();
                let (x, y, z) = value
                    .clone()
                    .map_or((None, None, None), |(x, y, z)| (Some(x), Some(y), Some(z)));
                (
                    x,
                    x.map(|x| x > 0),
                    y,
                    z,
                    value.map(|(x, y, z)| Struct((x, y, z))),
                )
            })
            .unwrap();
        let back = run(&out, &way)
            .rows(
                |x: Option<i64>,
                 sign: Option<bool>,
                 y: Option<&str>,
                 z: Option<Bits>,
                 all: Option<Struct<(i64, &str, Bits)>>| {
                    format!("{:?}", (x, sign, y, z, all))
                },
            )
            .unwrap();
        for (i, value) in values.iter().enumerate() {
            let (x, y, z) = match value {
                Some((x, y, z)) => (Some(*x), Some(y.as_str()), Some(z.clone())),
                None => (None, None, None),
            };
            let all = value
                .as_ref()
                .map(|(x, y, z)| Struct((*x, y.as_str(), z.clone())));
            assert_eq!(
                back.str().unwrap().get(i),
                Some(format!("{:?}", (x, x.map(|x| x > 0), y, z, all)).as_str())
            );
        }
        Ok(())
    });
}

#[test]
fn the_lowest_failure_is_that_of_a_plain_loop() {
    let fails = vec(
        prop_oneof![30 => Just(0u8), 1 => Just(1u8), 1 => Just(2u8)],
        0..400,
    );
    check(1500, &(fails, way(), lie()), |(fails, way, lie)| {
        let column = Column::new(
            "x".into(),
            fails
                .iter()
                .map(|fails| u32::from(*fails))
                .collect::<Vec<_>>(),
        );
        let df = DataFrame::new(
            fails.len(),
            vec![cut(&inside(&column, lie.before), lie.lengths)],
        )
        .unwrap();
        let result = run(&df, &way).rows(|fails: u32| match fails {
            0 => Ok(fails),
            1 => Err(anyhow::anyhow!("one")),
            _ => std::panic::resume_unwind(Box::new("two")),
        });
        match fails.iter().position(|fails| *fails > 0) {
            None => assert_eq!(result.unwrap().len(), fails.len()),
            Some(row) => {
                let error = result.unwrap_err();
                assert_eq!(error.row(), Some(row));
                let panicked = matches!(error.kind(), ErrorKind::Panic { .. });
                assert_eq!(panicked, fails[row] == 2);
            }
        }
        Ok(())
    });
}
