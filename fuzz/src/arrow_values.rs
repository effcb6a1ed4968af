//! What a frame must have for a column of arrow-rs: the dtype by its field and the values by its arrays, or that it must be refused.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types as a;
use arrow_array::{Array, ArrowPrimitiveType, GenericListArray, OffsetSizeTrait, PrimitiveArray};
use arrow_schema::{Field, TimeUnit};
use polars::prelude::{
    CategoricalPhysical, Categories, DataType, Field as Column, FrozenCategories, TimeUnit as Unit,
    TimeZone,
};

use crate::arrow_data::{Mark, ZONES, mark};
use crate::value::Value;

type Arrow = arrow_schema::DataType;

/// Returns the dtype of a column; `None` if the field must be refused.
pub fn dtype(field: &Field) -> Option<DataType> {
    dtype_at(field, false)
}

fn dtype_at(field: &Field, is_nested: bool) -> Option<DataType> {
    if field.name().contains('\0') {
        return None;
    }
    let item = |item: &Field| dtype_at(item, true).map(Box::new);
    Some(match field.data_type() {
        Arrow::Null => DataType::Null,
        Arrow::Boolean => DataType::Boolean,
        Arrow::Int8 => DataType::Int8,
        Arrow::Int16 => DataType::Int16,
        Arrow::Int32 => DataType::Int32,
        Arrow::Int64 => DataType::Int64,
        Arrow::UInt8 => DataType::UInt8,
        Arrow::UInt16 => DataType::UInt16,
        Arrow::UInt32 => DataType::UInt32,
        Arrow::UInt64 => DataType::UInt64,
        Arrow::Float32 => DataType::Float32,
        Arrow::Float64 => DataType::Float64,
        Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => DataType::String,
        Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView => DataType::Binary,
        Arrow::FixedSizeBinary(1..) => DataType::Binary,
        Arrow::Date32 => DataType::Date,
        Arrow::Date64 => DataType::Datetime(Unit::Milliseconds, None),
        Arrow::Time32(TimeUnit::Second | TimeUnit::Millisecond)
        | Arrow::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => DataType::Time,
        Arrow::Timestamp(unit, None) => DataType::Datetime(polars_unit(*unit), None),
        Arrow::Timestamp(unit, Some(zone)) => {
            let (_, zone) = ZONES.iter().find(|(name, _)| *name == &**zone)?;
            let zone = TimeZone::opt_try_new(Some((*zone)?)).expect("Polars has the zone");
            DataType::Datetime(polars_unit(*unit), zone)
        }
        Arrow::Duration(unit) => DataType::Duration(polars_unit(*unit)),
        Arrow::Decimal32(..) | Arrow::Decimal64(..) if is_nested => return None,
        Arrow::Decimal32(precision, scale)
        | Arrow::Decimal64(precision, scale)
        | Arrow::Decimal128(precision, scale) => {
            let (precision, scale) = (usize::from(*precision), usize::try_from(*scale).ok()?);
            if !(1..=38).contains(&precision) || scale > precision {
                return None;
            }
            DataType::Decimal(precision, scale)
        }
        Arrow::List(of) | Arrow::LargeList(of) => DataType::List(item(of)?),
        Arrow::FixedSizeList(of, width @ 1..) => DataType::Array(item(of)?, *width as usize),
        Arrow::Struct(fields) => {
            let names: HashSet<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            if names.len() < fields.len() {
                return None;
            }
            let column = |field: &std::sync::Arc<Field>| {
                Some(Column::new(
                    field.name().as_str().into(),
                    dtype_at(field, true)?,
                ))
            };
            DataType::Struct(fields.iter().map(column).collect::<Option<_>>()?)
        }
        Arrow::Map(entries, _) => DataType::List(item(entries)?),
        Arrow::Dictionary(_, values) if is_text(values) => match mark(field) {
            None => DataType::from_categories(Categories::global()),
            Some(Mark::Unreadable) => return None,
            Some(Mark::Enum(words)) => {
                let words = words.iter().copied();
                let categories = FrozenCategories::new(words).expect("no word twice");
                DataType::from_frozen_categories(categories)
            }
            Some(Mark::Categories(name, namespace, bits)) => {
                let physical = match bits {
                    8 => CategoricalPhysical::U8,
                    16 => CategoricalPhysical::U16,
                    _ => CategoricalPhysical::U32,
                };
                let categories = Categories::new(name.into(), namespace.into(), physical);
                DataType::from_categories(categories)
            }
        },
        Arrow::Dictionary(_, values) => {
            // Its metadata contradict its type.
            let is_flat = mark(field).is_none()
                && !values.is_nested()
                && !matches!(
                    **values,
                    Arrow::Null
                        | Arrow::Dictionary(..)
                        | Arrow::Decimal32(..)
                        | Arrow::Decimal64(..)
                );
            if !is_flat {
                return None;
            }
            dtype_at(&Field::new("", (**values).clone(), true), true)?
        }
        _ => return None,
    })
}

fn is_text(dtype: &Arrow) -> bool {
    matches!(dtype, Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View)
}

/// Seconds become the next smaller unit.
fn polars_unit(unit: TimeUnit) -> Unit {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => Unit::Milliseconds,
        TimeUnit::Microsecond => Unit::Microseconds,
        TimeUnit::Nanosecond => Unit::Nanoseconds,
    }
}

fn nanoseconds(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Returns whether a dtype contains categories of which there may be at most 256.
pub fn has_few_categories(dtype: &DataType) -> bool {
    match dtype {
        DataType::Categorical(categories, _) => categories.physical() == CategoricalPhysical::U8,
        DataType::List(inner) | DataType::Array(inner, _) => has_few_categories(inner),
        DataType::Struct(fields) => fields.iter().any(|field| has_few_categories(field.dtype())),
        _ => false,
    }
}

/// A value that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit;

/// Returns all values of a column whose field is taken.
pub fn values(field: &Field, array: &dyn Array) -> Result<Vec<Value>, Unfit> {
    (0..array.len())
        .map(|row| value(field, array, row))
        .collect()
}

/// Returns the value of a row that is visible: values under a null are not read here.
fn value(field: &Field, array: &dyn Array, row: usize) -> Result<Value, Unfit> {
    let value = match array.is_null(row) || field.data_type() == &Arrow::Null {
        true => Value::Null,
        false => valid_value(field, array, row)?,
    };
    match value == Value::Null && !field.is_nullable() {
        true => Err(Unfit),
        false => Ok(value),
    }
}

fn valid_value(field: &Field, array: &dyn Array, row: usize) -> Result<Value, Unfit> {
    macro_rules! int {
        ($T:ty) => {
            Value::Int(number::<$T>(array, row).into())
        };
    }
    macro_rules! of_unit {
        ($unit:expr, [$Second:ident, $Millisecond:ident, $Microsecond:ident, $Nanosecond:ident]) => {
            match $unit {
                TimeUnit::Second => number::<a::$Second>(array, row),
                TimeUnit::Millisecond => number::<a::$Millisecond>(array, row),
                TimeUnit::Microsecond => number::<a::$Microsecond>(array, row),
                TimeUnit::Nanosecond => number::<a::$Nanosecond>(array, row),
            }
        };
    }
    let in_nanoseconds = |count: i64, unit: TimeUnit| {
        let is_beyond = unit == TimeUnit::Second && count.checked_mul(1_000).is_none();
        match is_beyond {
            true => Err(Unfit),
            false => Ok(i128::from(count) * nanoseconds(unit)),
        }
    };
    Ok(match field.data_type() {
        Arrow::Boolean => Value::Bool(array.as_boolean().value(row)),
        Arrow::Int8 => int!(a::Int8Type),
        Arrow::Int16 => int!(a::Int16Type),
        Arrow::Int32 => int!(a::Int32Type),
        Arrow::Int64 => int!(a::Int64Type),
        Arrow::UInt8 => int!(a::UInt8Type),
        Arrow::UInt16 => int!(a::UInt16Type),
        Arrow::UInt32 => int!(a::UInt32Type),
        Arrow::UInt64 => int!(a::UInt64Type),
        Arrow::Float32 => Value::float(number::<a::Float32Type>(array, row).into()),
        Arrow::Float64 => Value::float(number::<a::Float64Type>(array, row)),
        Arrow::Utf8 => Value::Text(array.as_string::<i32>().value(row).to_owned()),
        Arrow::LargeUtf8 => Value::Text(array.as_string::<i64>().value(row).to_owned()),
        Arrow::Utf8View => Value::Text(array.as_string_view().value(row).to_owned()),
        Arrow::Binary => Value::Bytes(array.as_binary::<i32>().value(row).to_vec()),
        Arrow::LargeBinary => Value::Bytes(array.as_binary::<i64>().value(row).to_vec()),
        Arrow::BinaryView => Value::Bytes(array.as_binary_view().value(row).to_vec()),
        Arrow::FixedSizeBinary(_) => Value::Bytes(array.as_fixed_size_binary().value(row).to_vec()),
        Arrow::Date32 => Value::Date(number::<a::Date32Type>(array, row)),
        Arrow::Date64 => {
            let count = number::<a::Date64Type>(array, row);
            Value::Datetime(in_nanoseconds(count, TimeUnit::Millisecond)?)
        }
        Arrow::Time32(unit) => {
            let count = match unit {
                TimeUnit::Second => number::<a::Time32SecondType>(array, row),
                _ => number::<a::Time32MillisecondType>(array, row),
            };
            time(count.into(), *unit)?
        }
        Arrow::Time64(unit) => {
            let count = match unit {
                TimeUnit::Microsecond => number::<a::Time64MicrosecondType>(array, row),
                _ => number::<a::Time64NanosecondType>(array, row),
            };
            time(count, *unit)?
        }
        Arrow::Timestamp(unit, _) => {
            let count = of_unit!(
                unit,
                [
                    TimestampSecondType,
                    TimestampMillisecondType,
                    TimestampMicrosecondType,
                    TimestampNanosecondType
                ]
            );
            Value::Datetime(in_nanoseconds(count, *unit)?)
        }
        Arrow::Duration(unit) => {
            let count = of_unit!(
                unit,
                [
                    DurationSecondType,
                    DurationMillisecondType,
                    DurationMicrosecondType,
                    DurationNanosecondType
                ]
            );
            Value::Duration(in_nanoseconds(count, *unit)?)
        }
        Arrow::Decimal32(_, scale) => Value::decimal(
            number::<a::Decimal32Type>(array, row).into(),
            scale_of(*scale),
        ),
        Arrow::Decimal64(_, scale) => Value::decimal(
            number::<a::Decimal64Type>(array, row).into(),
            scale_of(*scale),
        ),
        Arrow::Decimal128(_, scale) => {
            Value::decimal(number::<a::Decimal128Type>(array, row), scale_of(*scale))
        }
        Arrow::List(item) => list::<i32>(item, array.as_list(), row)?,
        Arrow::LargeList(item) => list::<i64>(item, array.as_list(), row)?,
        Arrow::FixedSizeList(item, width) => {
            let lists = array.as_fixed_size_list();
            let start = row * *width as usize;
            items(item, &**lists.values(), start..start + *width as usize)?
        }
        Arrow::Map(entries, _) => {
            let maps = array.as_map();
            let offsets = maps.value_offsets();
            let rows = offsets[row] as usize..offsets[row + 1] as usize;
            items(entries, maps.entries(), rows)?
        }
        Arrow::Struct(fields) => {
            let columns = array.as_struct().columns();
            let values = fields.iter().zip(columns);
            let values = values.map(|(field, column)| value(field, &**column, row));
            Value::Struct(values.collect::<Result<_, _>>()?)
        }
        Arrow::Dictionary(keys, _) => {
            macro_rules! looked_up {
                ($K:ty) => {{
                    let dictionary = array.as_dictionary::<$K>();
                    let key = i128::from(dictionary.keys().value(row));
                    (key, &**dictionary.values())
                }};
            }
            let (key, values) = match **keys {
                Arrow::Int8 => looked_up!(a::Int8Type),
                Arrow::Int16 => looked_up!(a::Int16Type),
                Arrow::Int32 => looked_up!(a::Int32Type),
                Arrow::Int64 => looked_up!(a::Int64Type),
                Arrow::UInt8 => looked_up!(a::UInt8Type),
                Arrow::UInt16 => looked_up!(a::UInt16Type),
                Arrow::UInt32 => looked_up!(a::UInt32Type),
                _ => looked_up!(a::UInt64Type),
            };
            let key = usize::try_from(key).map_err(|_| Unfit)?;
            if key >= values.len() {
                return Err(Unfit);
            }
            let of_values = Field::new("", values.data_type().clone(), true);
            let value = value(&of_values, values, key)?;
            if let (Value::Text(text), Some(Mark::Enum(words))) = (&value, mark(field))
                && !words.contains(&text.as_str())
            {
                return Err(Unfit);
            }
            value
        }
        other => unreachable!("{other} is not taken"),
    })
}

fn number<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    let array: &PrimitiveArray<T> = array.as_primitive();
    array.value(row)
}

fn scale_of(scale: i8) -> usize {
    usize::try_from(scale).expect("the field is taken")
}

/// A time becomes nanoseconds of its day.
fn time(count: i64, unit: TimeUnit) -> Result<Value, Unfit> {
    let count = i128::from(count) * nanoseconds(unit);
    match (0..86_400_000_000_000).contains(&count) {
        true => Ok(Value::Time(count as i64)),
        false => Err(Unfit),
    }
}

fn list<O: OffsetSizeTrait>(
    item: &Field,
    lists: &GenericListArray<O>,
    row: usize,
) -> Result<Value, Unfit> {
    let offsets = lists.value_offsets();
    let rows = offsets[row].as_usize()..offsets[row + 1].as_usize();
    items(item, &**lists.values(), rows)
}

fn items(
    item: &Field,
    values: &dyn Array,
    mut rows: std::ops::Range<usize>,
) -> Result<Value, Unfit> {
    let items = rows.try_fold(Vec::new(), |mut items, row| {
        items.push(value(item, values, row)?);
        Ok(items)
    });
    items.map(Value::List)
}
