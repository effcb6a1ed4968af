//! Checks whether arrays are as their field says, and have only values that Polars can hold.
//!
//! By the format, a field may say that it has no nulls, and nobody checks that when arrays come over the C Data Interface: a
//! null would get into a place where the rest of a program relies on there being none. And Polars loses some values without an
//! error: seconds that overflow when they become milliseconds, a time that is not within a day, a key of a dictionary without a
//! value, a text that is not in an Enum.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use polars::prelude::{DataType, Series};
use polars_arrow::array::{
    Array, DictionaryArray, DictionaryKey, FixedSizeListArray, ListArray, MapArray, PrimitiveArray,
    StructArray, Utf8Array, Utf8ViewArray,
};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType, TimeUnit};
use polars_arrow::types::NativeType;

use super::fit::{arrow_name, enum_categories, is_text};

/// The dtypes of dictionaries within other types, of arrays that were checked. As long as they are kept, Polars knows their
/// categories, so that a series of all those arrays needs no further ones.
pub(super) type Known = Vec<DataType>;

/// Returns what is wrong with an array of the field, if anything is. The dtypes that it makes of dictionaries within the array
/// are kept, so that the categories of all of them count.
pub(super) fn check_array(
    field: &Field,
    array: &dyn Array,
    known: &mut Known,
) -> Result<(), String> {
    match is_at_risk(field) {
        true => check(field, array, None, false, known),
        false => Ok(()),
    }
}

/// Returns whether there is anything to check: most fields have nothing, and their arrays are not looked at.
fn is_at_risk(field: &Field) -> bool {
    use ArrowDataType as A;

    !field.is_nullable
        || match field.dtype() {
            A::Dictionary(..) => true,
            dtype if range(dtype).is_some() => true,
            A::List(item) | A::LargeList(item) | A::FixedSizeList(item, _) | A::Map(item, _) => {
                is_at_risk(item)
            }
            A::Struct(fields) => fields.iter().any(is_at_risk),
            _ => false,
        }
}

/// Returns which counts Polars can hold, if it cannot hold all of them: it would take the others for wrong values, or for
/// nulls.
fn range(dtype: &ArrowDataType) -> Option<RangeInclusive<i64>> {
    use ArrowDataType as A;

    const DAY: i64 = 86_400;
    Some(match dtype {
        A::Timestamp(TimeUnit::Second, _) | A::Duration(TimeUnit::Second) => {
            i64::MIN / 1_000..=i64::MAX / 1_000
        }
        A::Time32(TimeUnit::Second) => 0..=DAY - 1,
        A::Time32(_) => 0..=DAY * 1_000 - 1,
        A::Time64(TimeUnit::Microsecond) => 0..=DAY * 1_000_000 - 1,
        A::Time64(_) => 0..=DAY * 1_000_000_000 - 1,
        _ => return None,
    })
}

/// Checks the rows that are seen; a value in the place of a null, or in no list, is never read.
fn check(
    field: &Field,
    array: &dyn Array,
    seen: Option<&Bitmap>,
    is_nested: bool,
    known: &mut Known,
) -> Result<(), String> {
    use ArrowDataType as A;

    if !field.is_nullable
        && let Some(row) = first_null(array, seen)
    {
        let where_ = if is_nested {
            String::new()
        } else {
            format!(" in row {row}")
        };
        return Err(format!(
            "the schema says that it has no nulls, and there is one{where_}; make the field nullable"
        ));
    }
    match field.dtype() {
        A::Struct(fields) => {
            let array: &StructArray = downcast(array)?;
            let seen = both(array.validity(), seen);
            for (field, values) in fields.iter().zip(array.values()) {
                if is_at_risk(field) {
                    let place = format!("its field {:?}", field.name.as_str());
                    let checked = check(field, &**values, seen.as_ref(), true, known);
                    checked.map_err(|why| format!("{place}: {why}"))?;
                }
            }
            Ok(())
        }
        A::List(item) => {
            let array: &ListArray<i32> = downcast(array)?;
            let rows = |row| array.offsets().start_end(row);
            check_items(item, &**array.values(), array, seen, rows, known)
        }
        A::LargeList(item) => {
            let array: &ListArray<i64> = downcast(array)?;
            let rows = |row| array.offsets().start_end(row);
            check_items(item, &**array.values(), array, seen, rows, known)
        }
        A::FixedSizeList(item, width) => {
            let array: &FixedSizeListArray = downcast(array)?;
            let rows = |row| (row * width, (row + 1) * width);
            check_items(item, &**array.values(), array, seen, rows, known)
        }
        A::Map(entries, _) => {
            let array: &MapArray = downcast(array)?;
            let rows = |row| array.offsets().start_end(row);
            check_items(entries, &**array.field(), array, seen, rows, known)
        }
        A::Dictionary(keys, values, _) => {
            macro_rules! of_keys {
                ($K:ty) => {
                    check_dictionary::<$K>(field, values, array, seen)?
                };
            }
            match keys {
                IntegerType::Int8 => of_keys!(i8),
                IntegerType::Int16 => of_keys!(i16),
                IntegerType::Int32 => of_keys!(i32),
                IntegerType::Int64 => of_keys!(i64),
                IntegerType::UInt8 => of_keys!(u8),
                IntegerType::UInt16 => of_keys!(u16),
                IntegerType::UInt32 => of_keys!(u32),
                IntegerType::UInt64 => of_keys!(u64),
                other => {
                    return Err(format!(
                        "a Dictionary with keys of {other:?} is not supported"
                    ));
                }
            }
            // Within another type, Polars panics if it cannot take a dictionary, as when there are more categories than fit. So
            // it is asked beforehand to take this one alone.
            if is_nested && !array.is_empty() {
                let bare = Field {
                    name: Default::default(),
                    ..field.clone()
                };
                let alone = Series::try_from((&bare, vec![array.to_boxed()]));
                known.push(alone.map_err(|error| error.to_string())?.dtype().clone());
            }
            Ok(())
        }
        dtype => check_range(dtype, array, seen),
    }
}

fn downcast<A: 'static>(array: &dyn Array) -> Result<&A, String> {
    array
        .as_any()
        .downcast_ref()
        .ok_or_else(|| format!("the array is not {}", std::any::type_name::<A>()))
}

fn is_seen(seen: Option<&Bitmap>, row: usize) -> bool {
    seen.is_none_or(|seen| seen.get_bit(row))
}

fn first_null(array: &dyn Array, seen: Option<&Bitmap>) -> Option<usize> {
    let mut rows = 0..array.len();
    if array.dtype() == &ArrowDataType::Null {
        return rows.find(|row| is_seen(seen, *row));
    }
    let valid = array.validity().filter(|valid| valid.unset_bits() > 0)?;
    rows.find(|row| is_seen(seen, *row) && !valid.get_bit(*row))
}

/// Returns the rows for which both bitmaps are set, or `None` if there are no bitmaps.
fn both(valid: Option<&Bitmap>, seen: Option<&Bitmap>) -> Option<Bitmap> {
    match (valid, seen) {
        (Some(valid), Some(seen)) => Some(valid & seen),
        (one, other) => one.or(other).cloned(),
    }
}

/// Checks the items that are in lists that are seen.
fn check_items(
    item: &Field,
    values: &dyn Array,
    lists: &dyn Array,
    seen: Option<&Bitmap>,
    rows: impl Fn(usize) -> (usize, usize),
    known: &mut Known,
) -> Result<(), String> {
    if !is_at_risk(item) {
        return Ok(());
    }
    let seen = both(lists.validity(), seen);
    let mut items = MutableBitmap::from_len_zeroed(values.len());
    for list in 0..lists.len() {
        if is_seen(seen.as_ref(), list) {
            let (start, end) = rows(list);
            for item in start..end {
                items.set(item, true);
            }
        }
    }
    let checked = check(item, values, Some(&items.freeze()), true, known);
    checked.map_err(|why| format!("its items: {why}"))
}

/// Checks that each key that is seen has a value; Polars would make a null of a key without one.
fn check_dictionary<K: DictionaryKey>(
    field: &Field,
    dtype: &ArrowDataType,
    array: &dyn Array,
    seen: Option<&Bitmap>,
) -> Result<(), String> {
    let array: &DictionaryArray<K> = downcast(array)?;
    let values = &**array.values();
    let (used, keys) = used_values(array, seen)?;
    if !field.is_nullable
        && let Some(value) = first_null(values, Some(&used))
    {
        return Err(format!(
            "the schema says that it has no nulls, and value {value} of its dictionary is null; make the field nullable"
        ));
    }
    if let Some(categories) = enum_categories(field) {
        let categories: HashSet<&str> = categories?.into_iter().collect();
        let unknown = texts(values)?.enumerate().find(|(value, text)| {
            used.get_bit(*value) && text.is_some_and(|text| !categories.contains(text))
        });
        if let Some((_, Some(text))) = unknown {
            return Err(format!(
                "{text:?} is not one of the Enum's categories in the field's metadata; remove its key _PL_ENUM_VALUES or _PL_ENUM_VALUES2"
            ));
        }
    }
    match keys {
        0 => Ok(()),
        _ => check_range(dtype, values, Some(&used)),
    }
}

/// Returns which values the keys that are seen stand for, and how many keys those are. By the format, all other keys that are
/// not null have values too, and Polars panics if they have none.
fn used_values<K: DictionaryKey>(
    array: &DictionaryArray<K>,
    seen: Option<&Bitmap>,
) -> Result<(Bitmap, usize), String> {
    let count = array.values().len();
    let mut used = MutableBitmap::from_len_zeroed(count);
    let mut keys = 0;
    for (row, key) in array.keys().iter().enumerate() {
        let Some(key) = key else {
            continue;
        };
        match TryInto::<usize>::try_into(*key) {
            Ok(value) if value < count => {
                if is_seen(seen, row) {
                    used.set(value, true);
                    keys += 1;
                }
            }
            _ => {
                return Err(format!(
                    "key {key:?} is beyond the {count} values of its dictionary"
                ));
            }
        }
    }
    Ok((used.freeze(), keys))
}

type Texts<'a> = Box<dyn Iterator<Item = Option<&'a str>> + 'a>;

fn texts(values: &dyn Array) -> Result<Texts<'_>, String> {
    let dtype = values.dtype();
    if !is_text(dtype) {
        return Err(format!(
            "the values of an Enum must be text, and these are {}",
            arrow_name(dtype)
        ));
    }
    Ok(match dtype {
        ArrowDataType::Utf8 => Box::new(downcast::<Utf8Array<i32>>(values)?.iter()),
        ArrowDataType::LargeUtf8 => Box::new(downcast::<Utf8Array<i64>>(values)?.iter()),
        _ => Box::new(downcast::<Utf8ViewArray>(values)?.iter()),
    })
}

fn check_range(
    dtype: &ArrowDataType,
    array: &dyn Array,
    seen: Option<&Bitmap>,
) -> Result<(), String> {
    let Some(range) = range(dtype) else {
        return Ok(());
    };
    let beyond = match dtype {
        ArrowDataType::Time32(_) => first_beyond::<i32>(downcast(array)?, seen, &range),
        _ => first_beyond::<i64>(downcast(array)?, seen, &range),
    };
    match (beyond, dtype) {
        (None, _) => Ok(()),
        (Some(value), ArrowDataType::Time32(_) | ArrowDataType::Time64(_)) => Err(format!(
            "{value} of {} is not a time of day, which Polars' Time holds",
            arrow_name(dtype)
        )),
        (Some(value), _) => Err(format!(
            "{value} of {} is beyond the range of Polars, which counts in a finer unit",
            arrow_name(dtype)
        )),
    }
}

fn first_beyond<T: NativeType + Into<i64>>(
    array: &PrimitiveArray<T>,
    seen: Option<&Bitmap>,
    range: &RangeInclusive<i64>,
) -> Option<i64> {
    let values = array.iter().enumerate();
    let mut values = values.filter_map(|(row, value)| Some((row, (*value?).into())));
    let found = values.find(|(row, value)| !range.contains(value) && is_seen(seen, *row));
    found.map(|(_, value)| value)
}
