//! Promise 5: nulls without a type take the type of other values, at any depth and in any verb; types that differ are named.

use polars::prelude::StructChunked;
use polars_par_apply::Place;
use polars_par_apply::prelude::*;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop, prop_oneof};
use proptest::{prop_assert, prop_assert_eq};

use crate::cases::check;
use crate::engines::{ENGINES, collected};
use crate::frames::{counting, every_dtype};

/// A dtype, some of whose inner types may be missing.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Untyped,
    Number,
    Text,
    List(Box<Shape>),
    Array(Box<Shape>),
    Struct(Vec<Shape>),
}

/// A value of any shape.
#[derive(Clone, Debug)]
enum Value {
    Null,
    Number(i64),
    Text(String),
    Items(Vec<Value>),
    Fields(Vec<Value>),
}

const WIDTH: usize = 2;

impl Shape {
    fn dtype(&self) -> DataType {
        match self {
            Shape::Untyped => DataType::Null,
            Shape::Number => DataType::Int64,
            Shape::Text => DataType::String,
            Shape::List(inner) => DataType::List(Box::new(inner.dtype())),
            Shape::Array(inner) => DataType::Array(Box::new(inner.dtype()), WIDTH),
            Shape::Struct(fields) => {
                let fields = fields.iter().enumerate();
                let fields = fields.map(|(i, f)| Field::new(format!("f{i}").into(), f.dtype()));
                DataType::Struct(fields.collect())
            }
        }
    }

    /// Returns the common shape of this and another.
    fn with(&self, other: &Shape) -> Option<Shape> {
        Some(match (self, other) {
            (Shape::Untyped, shape) | (shape, Shape::Untyped) => shape.clone(),
            (Shape::List(one), Shape::List(other)) => Shape::List(Box::new(one.with(other)?)),
            (Shape::Array(one), Shape::Array(other)) => Shape::Array(Box::new(one.with(other)?)),
            (Shape::Struct(one), Shape::Struct(other)) if one.len() == other.len() => {
                let fields = one.iter().zip(other).map(|(one, other)| one.with(other));
                Shape::Struct(fields.collect::<Option<_>>()?)
            }
            (one, other) => return (one == other).then(|| one.clone()),
        })
    }

    fn series(&self, values: &[Value]) -> Series {
        let name: PlSmallStr = "x".into();
        match self {
            Shape::Untyped => Series::new_null(name, values.len()),
            Shape::Number => {
                let numbers = values.iter().map(|value| match value {
                    Value::Number(number) => Some(*number),
                    _ => None,
                });
                Series::new(name, numbers.collect::<Vec<_>>())
            }
            Shape::Text => {
                let texts = values.iter().map(|value| match value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                });
                Series::new(name, texts.collect::<Vec<_>>())
            }
            Shape::List(inner) | Shape::Array(inner) => {
                let mut all = Series::full_null(name, 0, &self.dtype());
                for value in values {
                    let one = match value {
                        Value::Items(items) => {
                            let items = inner.series(items).with_name("".into());
                            let list = items.implode().unwrap().into_series();
                            match self {
                                // `implode` finds the dtype in another way, and gives lists.
                                Shape::Array(_) => array_of(&list, &items),
                                _ => list,
                            }
                        }
                        _ => Series::full_null("x".into(), 1, &self.dtype()),
                    };
                    all.append(&one).unwrap();
                }
                all
            }
            Shape::Struct(fields) => {
                let columns = fields.iter().enumerate().map(|(i, field)| {
                    let values = values.iter().map(|value| match value {
                        Value::Fields(values) => values[i].clone(),
                        _ => Value::Null,
                    });
                    let values: Vec<Value> = values.collect();
                    let series = field.series(&values).rechunk();
                    series.with_name(format!("f{i}").into())
                });
                let columns: Vec<Series> = columns.collect();
                let is_there = values.iter().map(|value| !matches!(value, Value::Null));
                let is_there = is_there.collect::<BooleanChunked>();
                let rows = StructChunked::from_series(name, values.len(), columns.iter()).unwrap();
                let validity = is_there.downcast_iter().next().unwrap().values().clone();
                rows.with_outer_validity(Some(validity)).into_series()
            }
        }
    }
}

/// Returns one list of `WIDTH` items as an Array.
fn array_of(list: &Series, items: &Series) -> Series {
    let dtype = DataType::Array(Box::new(items.dtype().clone()), WIDTH);
    let value = AnyValue::Array(items.clone(), WIDTH);
    let array = Series::from_any_values_and_dtype(list.name().clone(), &[value], &dtype, true);
    array.unwrap()
}

/// Returns the text of a value, whatever dtype its nulls have.
fn text(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::List(items) | AnyValue::Array(items, _) => {
            let items: Vec<String> = items.rechunk().iter().map(|item| text(&item)).collect();
            format!("[{}]", items.join(", "))
        }
        AnyValue::Struct(..) => text(&value.clone().into_static()),
        AnyValue::StructOwned(row) => {
            let values: Vec<String> = row.0.iter().map(text).collect();
            format!("{{{}}}", values.join(", "))
        }
        value => format!("{value}"),
    }
}

fn texts<'s>(series: impl IntoIterator<Item = &'s Series>) -> Vec<String> {
    let series = series.into_iter().map(|series| series.rechunk());
    series
        .flat_map(|series| series.iter().map(|value| text(&value)).collect::<Vec<_>>())
        .collect()
}

/// A shape with all its types.
fn whole() -> BoxedStrategy<Shape> {
    let leaf = prop_oneof![Just(Shape::Number), Just(Shape::Text)];
    let nested = leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| Shape::List(Box::new(inner))),
            inner
                .clone()
                .prop_map(|inner| Shape::Array(Box::new(inner))),
            prop::collection::vec(inner, 1..3).prop_map(Shape::Struct),
        ]
    });
    nested.boxed()
}

/// The shape with some of its types missing.
fn partly(shape: &Shape) -> BoxedStrategy<Shape> {
    let kept = match shape {
        Shape::List(inner) => partly(inner)
            .prop_map(|inner| Shape::List(Box::new(inner)))
            .boxed(),
        Shape::Array(inner) => partly(inner)
            .prop_map(|inner| Shape::Array(Box::new(inner)))
            .boxed(),
        Shape::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(partly).collect();
            fields.prop_map(Shape::Struct).boxed()
        }
        leaf => Just(leaf.clone()).boxed(),
    };
    prop_oneof![1 => Just(Shape::Untyped), 3 => kept].boxed()
}

fn value(shape: &Shape) -> BoxedStrategy<Value> {
    let some = match shape {
        Shape::Untyped => return Just(Value::Null).boxed(),
        Shape::Number => any::<i64>().prop_map(Value::Number).boxed(),
        Shape::Text => "[a-z]{0,20}".prop_map(Value::Text).boxed(),
        Shape::List(inner) => prop::collection::vec(value(inner), 0..4)
            .prop_map(Value::Items)
            .boxed(),
        Shape::Array(inner) => prop::collection::vec(value(inner), WIDTH)
            .prop_map(Value::Items)
            .boxed(),
        Shape::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(value).collect();
            fields.prop_map(Value::Fields).boxed()
        }
    };
    prop_oneof![1 => Just(Value::Null), 4 => some].boxed()
}

/// Returns parts of a few rows that agree except for missing types, and all of them stacked.
fn parts() -> impl Strategy<Value = Vec<(Shape, Series)>> {
    let part = |shape: &Shape| {
        partly(shape).prop_flat_map(|shape| {
            let values = prop::collection::vec(value(&shape), 0..4);
            values.prop_map(move |values| {
                // It is from the middle of a longer one, so that inner arrays have an offset.
                let long = [&values[..], &values, &values].concat();
                let series = shape.series(&long).rechunk();
                let series = series.slice(values.len() as i64, values.len());
                (shape.clone(), series)
            })
        })
    };
    whole().prop_flat_map(move |shape| prop::collection::vec(part(&shape), 1..5))
}

fn together<'s>(mut shapes: impl Iterator<Item = &'s Shape>) -> Option<Shape> {
    shapes.try_fold(Shape::Untyped, |all, shape| all.with(shape))
}

#[test]
fn parts_rows_and_items_take_the_dtype_that_they_have_together() {
    check(300, &parts(), |parts| {
        let dtype = together(parts.iter().map(|(shape, _)| shape))
            .unwrap()
            .dtype();
        let series: Vec<&Series> = parts.iter().map(|(_, series)| series).collect();
        let df = counting(parts.len());
        let all = texts(series.iter().copied());

        for workers in [1, 3] {
            let by_part = || df.par_apply().workers(workers).partitions(parts.len());
            let stacked = by_part()
                .chunks(|part: Chunk| series[part.index()].clone())
                .unwrap();
            prop_assert_eq!(stacked.dtype(), &dtype);
            prop_assert_eq!(&texts([stacked.as_materialized_series()]), &all);
            let columns =
                by_part().chunks(|part: Chunk| series[part.index()].clone().into_column());
            let columns = columns.unwrap();
            prop_assert_eq!(columns.dtype(), &dtype);
            prop_assert_eq!(&texts([columns.as_materialized_series()]), &all);
            let frame = by_part().chunks(|part: Chunk| {
                let x = series[part.index()].clone();
                let n = Column::new("n".into(), vec![1i64; x.len()]);
                DataFrame::new(x.len(), vec![n, x.into_column()]).unwrap()
            });
            let frame = frame.unwrap();
            prop_assert_eq!(frame.column("x").unwrap().dtype(), &dtype);
            prop_assert_eq!(
                &texts([frame.column("x").unwrap().as_materialized_series()]),
                &all
            );

            // Each series is the list of one row.
            let lists = df.par_apply().workers(workers).chunk_rows(1);
            let lists = lists.rows(|i: i64| series[i as usize].clone()).unwrap();
            prop_assert_eq!(lists.dtype(), &DataType::List(Box::new(dtype.clone())));
            prop_assert_eq!(lists.len(), series.len());
            for (row, one) in series.iter().enumerate() {
                let AnyValue::List(list) = lists.get(row).unwrap() else {
                    panic!("row {row} is no list")
                };
                prop_assert_eq!(texts([&list]), texts([*one]));
            }

            // Each value is that of one row; a null has no dtype then.
            let values: Vec<AnyValue<'static>> = series
                .iter()
                .flat_map(|series| {
                    let values = series.rechunk();
                    values.iter().map(AnyValue::into_static).collect::<Vec<_>>()
                })
                .collect();
            let of_values = |shape: &Shape, value: &AnyValue<'_>| match value {
                AnyValue::Null => Shape::Untyped,
                _ => shape.clone(),
            };
            let shapes = parts.iter().flat_map(|(shape, series)| {
                let series = series.rechunk();
                series
                    .iter()
                    .map(|value| of_values(shape, &value))
                    .collect::<Vec<_>>()
            });
            let shapes: Vec<Shape> = shapes.collect();
            let dtype = together(shapes.iter()).unwrap().dtype();
            let rows = counting(values.len());
            let rows = || rows.par_apply().workers(workers).chunk_rows(1);
            let one = rows().rows(|i: i64| values[i as usize].clone()).unwrap();
            prop_assert_eq!(one.dtype(), &dtype);
            prop_assert_eq!(&texts([one.as_materialized_series()]), &all);
            let within = rows()
                .rows(|i: i64| vec![Struct((Some(values[i as usize].clone()),))])
                .unwrap();
            let field = Field::new("field_0".into(), dtype.clone());
            let item = DataType::Struct(vec![field]);
            prop_assert_eq!(within.dtype(), &DataType::List(Box::new(item)));
            let expected: Vec<String> = all.iter().map(|text| format!("[{{{text}}}]")).collect();
            prop_assert_eq!(&texts([within.as_materialized_series()]), &expected);
        }
        Ok(())
    });
}

#[test]
fn the_first_that_differs_from_those_before_it_is_named() {
    let shapes = (whole(), whole()).prop_flat_map(|(one, other)| {
        let either = prop_oneof![3 => partly(&one), 1 => partly(&other)];
        prop::collection::vec(either, 2..6)
    });
    check(300, &shapes, |shapes| {
        let mut all = Shape::Untyped;
        let differs = shapes.iter().position(|shape| match all.with(shape) {
            Some(together) => {
                all = together;
                false
            }
            None => true,
        });
        let df = counting(shapes.len());
        let series: Vec<Series> = shapes.iter().map(|shape| shape.series(&[])).collect();
        for workers in [1, 2] {
            let by_part = || df.par_apply().workers(workers).partitions(series.len());
            let column = by_part().chunks(|part: Chunk| series[part.index()].clone());
            let frame = by_part().chunks(|part: Chunk| series[part.index()].clone().into_frame());
            let rows = df
                .par_apply()
                .workers(workers)
                .rows(|i: i64| series[i as usize].clone());
            let lists = df
                .par_apply()
                .workers(workers)
                .rows(|i: i64| AnyValue::List(series[i as usize].clone()));
            let Some(differs) = differs else {
                let list = DataType::List(Box::new(all.dtype()));
                let is = [column, rows, lists].map(|column| column.unwrap().dtype().clone());
                prop_assert_eq!(is, [all.dtype(), list.clone(), list]);
                prop_assert_eq!(frame.unwrap().dtypes(), [all.dtype()]);
                continue;
            };
            for error in [column.unwrap_err(), frame.unwrap_err()] {
                let ErrorKind::Stack {
                    place: Place::Part { index, .. },
                    ..
                } = error.kind()
                else {
                    panic!("{error}")
                };
                prop_assert_eq!(*index, differs);
                prop_assert_eq!(error.column(), Some("x"));
            }
            for error in [rows.unwrap_err(), lists.unwrap_err()] {
                prop_assert!(matches!(error.kind(), ErrorKind::Stack { .. }), "{error}");
                prop_assert_eq!(error.row(), Some(differs));
            }
        }
        Ok(())
    });
}

type Nest = dyn Fn(&Series) -> Series;

/// Nulls of no type beside every dtype that Polars has, alone and within a list, an array and a struct.
#[test]
fn every_dtype_takes_in_what_has_none() {
    let df = every_dtype(12);
    for column in df.columns() {
        let typed = column
            .as_materialized_series()
            .clone()
            .with_name("x".into());
        let nested: [(&str, &Nest); 4] = [
            ("alone", &Series::clone),
            ("List", &|s| s.implode().unwrap().into_series()),
            ("List(List)", &|s| {
                let list = s.implode().unwrap().into_series();
                list.implode().unwrap().into_series()
            }),
            ("Struct", &|s| {
                let fields = [s.clone()];
                let rows = StructChunked::from_series("x".into(), s.len(), fields.iter());
                rows.unwrap().into_series()
            }),
        ];
        for (nest, nested) in nested {
            let what = format!("{} {nest}", column.name());
            let (untyped, typed) = (nested(&Series::new_null("x".into(), 3)), nested(&typed));
            let dtype = typed.dtype().clone();
            for order in [[&untyped, &typed, &untyped], [&typed, &untyped, &typed]] {
                let three = counting(3);
                let stacked = three.par_apply().partitions(3);
                let stacked = stacked.chunks(|part: Chunk| order[part.index()].clone());
                let stacked = stacked.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(stacked.dtype(), &dtype, "{what}");
                let texts_of = |series: &Series| texts([series]);
                assert_eq!(
                    texts_of(stacked.as_materialized_series()),
                    texts(order),
                    "{what}"
                );
                let values = order.map(|series| {
                    let series = series.rechunk();
                    series.iter().map(AnyValue::into_static).collect::<Vec<_>>()
                });
                let values: Vec<AnyValue<'static>> = values.into_iter().flatten().collect();
                let lists = three.par_apply_rows(|i: i64| order[i as usize].clone());
                let lists = lists.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(
                    lists.dtype(),
                    &DataType::List(Box::new(dtype.clone())),
                    "{what}"
                );
                let rows = counting(values.len());
                let rows = rows.par_apply_rows(|i: i64| values[i as usize].clone());
                let rows = rows.unwrap_or_else(|error| panic!("{what}: {error}"));
                // A category is written as its text.
                if !matches!(dtype, DataType::Categorical(..) | DataType::Enum(..)) {
                    assert_eq!(rows.dtype(), &dtype, "{what}");
                }
                assert_eq!(
                    texts_of(rows.as_materialized_series()),
                    texts(order),
                    "{what}"
                );
            }
        }
    }
}

#[test]
fn what_has_no_type_anywhere_stays_so() {
    let df = counting(3);
    let by_part = || df.par_apply().partitions(3);
    let nulls = by_part()
        .chunks(|_: Chunk| Series::new_null("x".into(), 2))
        .unwrap();
    assert_eq!((nulls.dtype(), nulls.len()), (&DataType::Null, 6));
    let lists = df
        .par_apply_rows(|_: i64| Series::new_null("x".into(), 2))
        .unwrap();
    assert_eq!(lists.dtype(), &DataType::List(Box::new(DataType::Null)));
    let frame = by_part().chunks(|_: Chunk| DataFrame::empty()).unwrap();
    assert_eq!(frame.shape(), (0, 0));
    let values = df.par_apply_rows(|_: i64| AnyValue::Null).unwrap();
    assert_eq!(values.dtype(), &DataType::Null);
}

#[test]
fn a_frame_of_nothing_gives_way() {
    let df = counting(4);
    let row = |part: &Chunk| df!["a" => [part.index() as i64], "b" => ["x"]].unwrap();
    for empty in [
        vec![0],
        vec![1],
        vec![3],
        vec![0, 1, 3],
        vec![0, 2],
        vec![0, 1, 2],
    ] {
        for workers in [1, 4] {
            let apply = df.par_apply().workers(workers).partitions(4);
            let stacked = apply.chunks(|part: Chunk| match empty.contains(&part.index()) {
                true => DataFrame::empty(),
                false => row(&part),
            });
            let left: Vec<Option<i64>> = (0..4)
                .filter(|index| !empty.contains(index))
                .map(|index| Some(index as i64))
                .collect();
            let stacked = stacked.unwrap();
            assert_eq!(stacked.column("a").unwrap().i64().unwrap().to_vec(), left);
            assert_eq!(stacked.dtypes(), [DataType::Int64, DataType::String]);
        }
    }
    // The names are those of the columns that exist.
    let apply = df.par_apply().partitions(4).names(["p", "q"]);
    let named = apply.chunks(|part: Chunk| match part.index() {
        0 => DataFrame::empty(),
        _ => row(&part),
    });
    assert_eq!(named.unwrap().get_column_names(), ["p", "q"]);

    // Rows without columns still count as rows, and a frame with other columns is different.
    let apply = || df.par_apply().partitions(4);
    let error = apply().chunks(|part: Chunk| match part.index() {
        0 => DataFrame::empty(),
        2 => DataFrame::empty_with_height(1),
        _ => row(&part),
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("part 2 (from row 2): the result has 0 columns"),
        "{error}"
    );
    let error = apply().chunks(|part: Chunk| match part.index() {
        0 => df!["a" => [None::<i64>]]
            .unwrap()
            .lazy()
            .select([lit(NULL).alias("a"), lit(NULL).alias("b")])
            .collect()
            .unwrap(),
        3 => df!["a" => [1i64], "b" => [2.5]].unwrap(),
        _ => row(&part),
    });
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        r#"part 3 (from row 3): column "b": the result is Float64, but those of the parts before it are String; cast it, so that every part has the same dtype"#
    );
}

#[test]
fn a_part_that_differs_is_named_and_not_the_next() {
    let df = counting(4);
    let dtypes = [
        DataType::Null,
        DataType::Int64,
        DataType::Null,
        DataType::String,
    ];
    let error = df
        .par_apply()
        .partitions(4)
        .chunks(|part: Chunk| Column::full_null("x".into(), 1, &dtypes[part.index()]));
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        r#"part 3 (from row 3): column "x": the result is String, but those of the parts before it are Int64; cast it, so that every part has the same dtype"#
    );
    let error = df.par_apply_rows(|i: i64| {
        let items = Series::full_null("".into(), 1, &dtypes[i as usize]);
        AnyValue::List(items)
    });
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "row 3: the result is List(String), but those of the rows before it are List(Int64); return one dtype for every row"
    );
}

#[test]
fn lazily_what_has_no_type_takes_the_plans() {
    let list = DataType::List(Box::new(DataType::Int64));
    let schema = Schema::from_iter([
        Field::new("i".into(), DataType::Int64),
        Field::new("l".into(), list.clone()),
    ]);
    let untyped = |part: &DataFrame| {
        let nothing = Series::new_null("".into(), 0);
        let lists = Series::new("l".into(), vec![nothing; part.height()]);
        let mut frame = part.clone();
        frame.with_column(lists.into_column()).unwrap();
        frame
    };
    let df = counting(10);
    for engine in ENGINES {
        for whole in [true, false] {
            let call = df.clone().lazy().par_apply();
            let call = if whole { call } else { call.row_wise() };
            let lists = call.chunks(schema.clone(), move |part: DataFrame| untyped(&part));
            let lists = collected(&lists, engine).unwrap();
            assert_eq!(lists.column("l").unwrap().dtype(), &list);
            assert_eq!(lists.height(), 10);
        }
        let none = df.clone().lazy();
        let none = none.par_apply_chunks(schema.clone(), |_: DataFrame| DataFrame::empty());
        let none = collected(&none, engine).unwrap();
        assert_eq!(none.schema().as_ref(), &schema);
        let any = rows(["i"])
            .returns([list.clone()])
            .apply(|i: i64| match i % 2 {
                0 => AnyValue::List(Series::new_null("".into(), 1)),
                _ => AnyValue::Null,
            });
        let any = collected(&df.clone().lazy().select([any]), engine).unwrap();
        assert_eq!(any.column("par_apply").unwrap().dtype(), &list);
        let wrong = rows(["i"])
            .returns([list.clone()])
            .apply(|i: i64| match i % 2 {
                0 => AnyValue::List(Series::new("".into(), ["x"])),
                _ => AnyValue::Null,
            });
        let error = collected(&df.clone().lazy().select([wrong]), engine).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the result is String, but its column is Int64"),
            "{error}"
        );
    }
}

/// A column of nested nulls is taken as any type, like a column of dtype Null.
#[test]
fn what_has_no_type_is_taken_as_any() {
    let nulls = Series::new_null("x".into(), 2);
    let list = nulls.implode().unwrap().into_series();
    let array = list
        .cast(&DataType::Array(Box::new(DataType::Null), 2))
        .unwrap();
    let one = Series::new_null("f".into(), 1);
    let point = StructChunked::from_series("x".into(), 1, [one].iter()).unwrap();
    let lists = list.implode().unwrap().into_series();
    let frames =
        [list, array, point.into_series(), lists].map(|x| x.with_name("x".into()).into_frame());
    let [list, array, point, lists] = frames;
    macro_rules! taken {
        ($($T:ty)*) => {$(
            for casts in [Casts::Lossless, Casts::Lossy] {
                let what = stringify!($T);
                for df in [&list, &array] {
                    let is = df.par_apply().casts(casts).rows(|x: Vec<Option<$T>>| {
                        x.len() == 2 && x.iter().all(Option::is_none)
                    });
                    let is = is.unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert_eq!(is.bool().unwrap().get(0), Some(true), "{what}");
                    // A null item makes the whole list null.
                    let none = df.par_apply().casts(casts).rows(|_: Vec<$T>| true);
                    assert_eq!(none.unwrap().null_count(), 1, "{what}");
                }
                let is = point.par_apply().casts(casts).rows(|x: Struct<(Option<$T>,)>| x.0.0.is_none());
                let is = is.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(is.bool().unwrap().get(0), Some(true), "{what}");
                let is = lists.par_apply().casts(casts).rows(|x: Vec<Vec<Option<$T>>>| {
                    x.len() == 1 && x[0].len() == 2 && x[0].iter().all(Option::is_none)
                });
                let is = is.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(is.bool().unwrap().get(0), Some(true), "{what}");
            }
        )*};
    }
    taken! {
        i8 i16 i32 i64 i128 u16 u32 u64 f32 f64 bool &str String &[u8] chrono::NaiveDate chrono::NaiveTime
        chrono::NaiveDateTime chrono::DateTime<chrono::Utc> chrono::TimeDelta Vec<i64> Vec<&str>
        Struct<(Option<i64>, Option<String>)>
    }
}
