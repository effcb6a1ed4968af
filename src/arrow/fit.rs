//! The types that can be converted between Polars and Arrow, and those that cannot: the schema is checked before any data are
//! touched.
//!
//! Polars panics at some of Arrow's types, and loses or misreads values of others. So the types that are accepted are listed
//! here, and all others are refused with the reason.

use std::collections::HashSet;

use polars::prelude::{DataType, TimeZone};
use polars_arrow::datatypes::{ArrowDataType, Field, IntegerType, TimeUnit};

use crate::error::dtype_name;
use crate::sync::Arc;

/// The keys under which the metadata of a field have the categories of an Enum.
const ENUM_KEYS: [&str; 2] = ["_PL_ENUM_VALUES2", "_PL_ENUM_VALUES"];
/// The key under which they say which categories a Categorical has.
const CATEGORICAL_KEY: &str = "_PL_CATEGORICAL2";
/// The key under which they say that `LargeBinary` is to remain what it is: a dtype that only Polars itself uses.
const KEEP_KEY: &str = "pl";

/// Returns why a column cannot become an Arrow column, if it cannot.
pub(super) fn check_export(name: &str, dtype: &DataType) -> Result<(), String> {
    check_name(name)?;
    let refused = |why: &str| Err(format!("{} {why}", dtype_name(dtype)));
    match dtype {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::String
        | DataType::Binary
        | DataType::Date
        | DataType::Datetime(..)
        | DataType::Duration(_)
        | DataType::Time
        | DataType::Null => Ok(()),
        #[cfg(feature = "dtype-decimal")]
        DataType::Decimal(..) => Ok(()),
        #[cfg(feature = "dtype-categorical")]
        DataType::Categorical(..) | DataType::Enum(..) => Ok(()),
        DataType::List(item) => within("its items", check_export("", item)),
        #[cfg(feature = "dtype-array")]
        DataType::Array(_, 0) => refused("is of width 0, which Arrow libraries do not take"),
        #[cfg(feature = "dtype-array")]
        DataType::Array(item, _) => within("its items", check_export("", item)),
        #[cfg(feature = "dtype-struct")]
        DataType::Struct(fields) => fields.iter().try_for_each(|field| {
            let place = format!("its field {:?}", field.name().as_str());
            within(&place, check_export(field.name(), field.dtype()))
        }),
        DataType::Int128 | DataType::UInt128 => {
            refused("has no counterpart in Arrow; cast it to Int64, Decimal or String")
        }
        DataType::Float16 => refused("is not supported in Arrow; cast it to Float32"),
        _ => refused(
            "has no counterpart in Arrow, or its feature of polars-par-apply is off (`dtype-struct`, `dtype-categorical`, `dtype-array`, `dtype-decimal`); leave the column out with .select([…])",
        ),
    }
}

/// Returns whether the dtype contains a Struct without fields.
#[cfg(feature = "arrow2")]
pub(super) fn contains_empty_struct(dtype: &DataType) -> bool {
    contains(dtype, &|dtype| match dtype {
        #[cfg(feature = "dtype-struct")]
        DataType::Struct(fields) => fields.is_empty(),
        _ => false,
    })
}

/// Returns whether the dtype contains a Categorical or an Enum.
#[cfg(feature = "arrow")]
pub(super) fn contains_categories(dtype: &DataType) -> bool {
    contains(dtype, &|dtype| match dtype {
        #[cfg(feature = "dtype-categorical")]
        DataType::Categorical(..) | DataType::Enum(..) => true,
        _ => false,
    })
}

#[cfg(any(feature = "arrow", feature = "arrow2"))]
fn contains(dtype: &DataType, wanted: &dyn Fn(&DataType) -> bool) -> bool {
    wanted(dtype)
        || match dtype {
            DataType::List(item) => contains(item, wanted),
            #[cfg(feature = "dtype-array")]
            DataType::Array(item, _) => contains(item, wanted),
            #[cfg(feature = "dtype-struct")]
            DataType::Struct(fields) => fields.iter().any(|field| contains(field.dtype(), wanted)),
            _ => false,
        }
}

/// Checks a name, which is transferred as text that ends with a zero byte.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    match name.contains('\0') {
        true => Err(format!(
            "the name {name:?} contains a zero byte, which ends a name in Arrow's C Data Interface; rename it"
        )),
        false => Ok(()),
    }
}

fn within<T>(place: &str, result: Result<T, String>) -> Result<T, String> {
    result.map_err(|why| format!("{place}: {why}"))
}

/// Returns an Arrow field as Polars takes it, or why it does not. An extension type is taken as the type that it is stored as.
pub(super) fn import_field(field: &Field) -> Result<Field, String> {
    Ok(with_dtype(field, import_type(field, false)?))
}

/// Returns the same field, with a type that Polars takes.
fn with_dtype(field: &Field, dtype: ArrowDataType) -> Field {
    let mut taken = field.with_dtype(dtype);
    if let Some(metadata) = &mut taken.metadata
        && metadata.contains_key(KEEP_KEY)
    {
        Arc::make_mut(metadata).remove(KEEP_KEY);
    }
    taken
}

fn import_type(field: &Field, is_nested: bool) -> Result<ArrowDataType, String> {
    use ArrowDataType as A;

    let item = |item: &Field| -> Result<Box<Field>, String> {
        let dtype = within("its items", import_type(item, true))?;
        Ok(Box::new(with_dtype(item, dtype)))
    };
    let dtype = field.dtype();
    match dtype {
        A::Null | A::Boolean | A::Int32 | A::Int64 | A::UInt32 | A::UInt64 => {}
        A::Float32 | A::Float64 => {}
        A::Utf8 | A::LargeUtf8 | A::Utf8View | A::Binary | A::LargeBinary | A::BinaryView => {}
        A::Int8 => needs(cfg!(feature = "dtype-i8"), "Int8", "dtype-i8")?,
        A::Int16 => needs(cfg!(feature = "dtype-i16"), "Int16", "dtype-i16")?,
        A::UInt8 => needs(cfg!(feature = "dtype-u8"), "UInt8", "dtype-u8")?,
        A::UInt16 => needs(cfg!(feature = "dtype-u16"), "UInt16", "dtype-u16")?,
        A::Int128 => needs(cfg!(feature = "dtype-i128"), "Int128", "dtype-i128")?,
        A::Date32 => needs(cfg!(feature = "dtype-date"), "Date32", "dtype-date")?,
        A::Date64 => needs(cfg!(feature = "dtype-datetime"), "Date64", "dtype-datetime")?,
        A::Timestamp(_, None) => {
            needs(
                cfg!(feature = "dtype-datetime"),
                "Timestamp",
                "dtype-datetime",
            )?;
        }
        A::Timestamp(_, Some(zone)) => {
            let name = "Timestamp with a time zone";
            needs(cfg!(feature = "timezones"), name, "timezones")?;
            // Polars uses a star for any time zone in its selectors, and accepts it here too.
            if zone == "*" {
                return Err(format!(
                    "Timestamp in the time zone {zone:?}, which is not a time zone"
                ));
            }
            if let Err(error) = TimeZone::opt_try_new(Some(zone.clone())) {
                return Err(format!("Timestamp in the time zone {zone:?}: {error}"));
            }
        }
        A::Time32(TimeUnit::Second | TimeUnit::Millisecond)
        | A::Time64(TimeUnit::Microsecond | TimeUnit::Nanosecond) => {
            needs(cfg!(feature = "dtype-time"), "Time", "dtype-time")?;
        }
        A::Duration(_) => needs(
            cfg!(feature = "dtype-duration"),
            "Duration",
            "dtype-duration",
        )?,
        A::Decimal(precision, scale) => check_decimal(*precision, *scale)?,
        A::Decimal32(precision, scale) | A::Decimal64(precision, scale) => {
            check_decimal(*precision, *scale)?;
            if is_nested {
                return Err(format!(
                    "{} within another type is not supported; cast it to Decimal128",
                    arrow_name(dtype)
                ));
            }
        }
        A::FixedSizeBinary(1..) => {}
        A::List(field) => return Ok(A::List(item(field)?)),
        A::LargeList(field) => return Ok(A::LargeList(item(field)?)),
        A::FixedSizeList(field, width @ 1..) => {
            needs(
                cfg!(feature = "dtype-array"),
                "FixedSizeList",
                "dtype-array",
            )?;
            return Ok(A::FixedSizeList(item(field)?, *width));
        }
        A::Map(entries, is_sorted) => {
            needs(cfg!(feature = "dtype-struct"), "Map", "dtype-struct")?;
            match entries.dtype() {
                A::Struct(fields) if fields.len() == 2 => {}
                _ => return Err("the entries of a Map must have a key and a value".into()),
            }
            return Ok(A::Map(item(entries)?, *is_sorted));
        }
        A::Struct(fields) => return import_struct(fields),
        A::Dictionary(keys, values, is_ordered) => {
            return import_dictionary(field, *keys, values, *is_ordered);
        }
        A::Extension(extension) => {
            let stored = field.with_dtype(extension.inner.clone());
            return import_type(&stored, is_nested);
        }
        A::Decimal256(..) => {
            return Err("Decimal256 is wider than Polars' Decimal; cast it to Decimal128".into());
        }
        A::Interval(_) => {
            return Err(
                "Interval has no counterpart in Polars; cast it to Duration, or give months, days and nanoseconds as columns"
                    .into(),
            );
        }
        A::Float16 => return Err("Float16 is not supported; cast it to Float32".into()),
        other => {
            return Err(format!(
                "{} has no counterpart in Polars",
                arrow_name(other)
            ));
        }
    }
    Ok(dtype.clone())
}

fn import_struct(fields: &[Field]) -> Result<ArrowDataType, String> {
    needs(cfg!(feature = "dtype-struct"), "Struct", "dtype-struct")?;
    let mut names = HashSet::new();
    let mut taken = Vec::with_capacity(fields.len());
    for field in fields {
        if !names.insert(&field.name) {
            let name = field.name.as_str();
            return Err(format!(
                "a Struct has two fields named {name:?}; give each its own name"
            ));
        }
        let place = format!("its field {:?}", field.name.as_str());
        let dtype = within(&place, import_type(field, true))?;
        taken.push(with_dtype(field, dtype));
    }
    Ok(ArrowDataType::Struct(taken))
}

fn import_dictionary(
    field: &Field,
    keys: IntegerType,
    values: &ArrowDataType,
    is_ordered: bool,
) -> Result<ArrowDataType, String> {
    use ArrowDataType as A;

    needs(
        cfg!(feature = "dtype-categorical"),
        "Dictionary",
        "dtype-categorical",
    )?;
    if matches!(keys, IntegerType::Int128 | IntegerType::UInt128) {
        return Err("a Dictionary with keys of 128 bits is not supported".into());
    }
    // An extension type counts as what it is stored as.
    let values = match values {
        A::Extension(extension) => &extension.inner,
        values => values,
    };
    if is_text(values) {
        check_categories(field)?;
    } else if names_categories(field) {
        return Err(format!(
            "the field's metadata gives categories, but its values are {}; remove the metadata's keys that begin with _PL_",
            arrow_name(values)
        ));
    } else if matches!(
        values,
        A::List(_)
            | A::LargeList(_)
            | A::FixedSizeList(..)
            | A::Struct(_)
            | A::Map(..)
            | A::Dictionary(..)
            | A::Extension(_)
            | A::Null
            | A::Decimal32(..)
            | A::Decimal64(..)
    ) {
        return Err(format!(
            "a Dictionary of {} is not supported; give the values themselves",
            arrow_name(values)
        ));
    } else {
        let values = Field::new(Default::default(), values.clone(), true);
        within("its values", import_type(&values, true))?;
    }
    Ok(A::Dictionary(keys, Box::new(values.clone()), is_ordered))
}

pub(super) fn is_text(dtype: &ArrowDataType) -> bool {
    use ArrowDataType as A;

    matches!(dtype, A::Utf8 | A::LargeUtf8 | A::Utf8View)
}

fn needs(has: bool, name: &str, feature: &str) -> Result<(), String> {
    match has {
        true => Ok(()),
        false => Err(format!(
            "{name} needs the feature `{feature}` of polars-par-apply"
        )),
    }
}

fn check_decimal(precision: usize, scale: usize) -> Result<(), String> {
    needs(cfg!(feature = "dtype-decimal"), "Decimal", "dtype-decimal")?;
    match (1..=38).contains(&precision) && scale <= precision {
        true => Ok(()),
        false => Err(format!(
            "Decimal has precision {precision} and scale {scale}; Polars takes precisions of 1 to 38, and scales up to the precision"
        )),
    }
}

/// Returns the categories of an Enum that a field's metadata name, if the field is one.
pub(super) fn enum_categories(field: &Field) -> Option<Result<Vec<&str>, String>> {
    let metadata = field.metadata.as_deref()?;
    let encoded = ENUM_KEYS.iter().find_map(|key| metadata.get(*key))?;
    let mut rest = encoded.as_str();
    let mut categories = Vec::new();
    while !rest.is_empty() {
        let Some((category, after)) = counted_text(rest) else {
            return Some(Err(
                "the Enum's categories in the field's metadata cannot be read; remove its key _PL_ENUM_VALUES or _PL_ENUM_VALUES2"
                    .into(),
            ));
        };
        categories.push(category);
        rest = after;
    }
    Some(Ok(categories))
}

/// Returns whether Polars would read categories from a field's metadata, whatever the values of its dictionary are.
fn names_categories(field: &Field) -> bool {
    let metadata = field.metadata.as_deref();
    let mut keys = ENUM_KEYS.iter().chain([&CATEGORICAL_KEY]);
    metadata.is_some_and(|metadata| keys.any(|key| metadata.contains_key(*key)))
}

/// Returns a text that is preceded by its length in bytes, and the rest after it.
fn counted_text(encoded: &str) -> Option<(&str, &str)> {
    let (len, rest) = encoded.split_once(';')?;
    rest.split_at_checked(len.parse().ok()?)
}

/// Checks the metadata from which Polars reads the categories: it panics if it cannot read them.
fn check_categories(field: &Field) -> Result<(), String> {
    if let Some(categories) = enum_categories(field) {
        let categories = categories?;
        let distinct: HashSet<&str> = categories.iter().copied().collect();
        return match distinct.len() == categories.len() {
            true => Ok(()),
            false => Err("the field's metadata gives a category of an Enum twice; remove its key _PL_ENUM_VALUES or _PL_ENUM_VALUES2".into()),
        };
    }
    let Some(metadata) = field.metadata.as_deref() else {
        return Ok(());
    };
    let Some(encoded) = metadata.get(CATEGORICAL_KEY) else {
        return Ok(());
    };
    let physical = counted_text(encoded)
        .and_then(|(_, rest)| counted_text(rest))
        .and_then(|(_, rest)| rest.split_once(';'));
    match physical {
        Some(("u8" | "u16" | "u32", _)) => Ok(()),
        _ => Err(
            "the categories in the field's metadata cannot be read; remove the key _PL_CATEGORICAL2"
                .into(),
        ),
    }
}

/// Returns the name that Arrow has for a type.
pub(super) fn arrow_name(dtype: &ArrowDataType) -> String {
    match dtype {
        ArrowDataType::Decimal(precision, scale) => format!("Decimal128({precision}, {scale})"),
        ArrowDataType::Union(_) => "Union".into(),
        ArrowDataType::FixedSizeBinary(0) => "FixedSizeBinary of no bytes".into(),
        ArrowDataType::FixedSizeList(_, 0) => "FixedSizeList of no items".into(),
        ArrowDataType::List(_) | ArrowDataType::LargeList(_) => "List".into(),
        ArrowDataType::Struct(_) => "Struct".into(),
        ArrowDataType::Dictionary(..) => "Dictionary".into(),
        other => format!("{other:?}"),
    }
}
