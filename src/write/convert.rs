//! Values whose dtype is known only from the values, converted to the dtype that was asked for.

use std::cell::Cell;

use polars::chunked_array::cast::CastOptions;
#[cfg(feature = "dtype-struct")]
use polars::prelude::StructChunked;
use polars::prelude::{
    AnyValue, DataType, IntoSeries, PlSmallStr, PolarsError, PolarsResult, Series,
};

use super::Refused;
use super::number::AnyNumber;
use super::text::check_category;
use crate::error::dtype_name;
use crate::options::Casts;

/// Refuses a dtype that no value can have, or that this build does not have.
pub(super) fn is_there(dtype: &DataType) -> Result<(), String> {
    let feature = match dtype {
        DataType::Int8 if cfg!(not(feature = "dtype-i8")) => "dtype-i8",
        DataType::Int16 if cfg!(not(feature = "dtype-i16")) => "dtype-i16",
        DataType::Int128 if cfg!(not(feature = "dtype-i128")) => "dtype-i128",
        DataType::UInt8 if cfg!(not(feature = "dtype-u8")) => "dtype-u8",
        DataType::UInt16 if cfg!(not(feature = "dtype-u16")) => "dtype-u16",
        DataType::Date if cfg!(not(feature = "dtype-date")) => "dtype-date",
        DataType::Time if cfg!(not(feature = "dtype-time")) => "dtype-time",
        DataType::Datetime(..) if cfg!(not(feature = "dtype-datetime")) => "dtype-datetime",
        DataType::Duration(_) if cfg!(not(feature = "dtype-duration")) => "dtype-duration",
        DataType::Unknown(_) => {
            return Err("DataType::Unknown cannot be a column's dtype; give another one".into());
        }
        DataType::List(inner) => return is_there(inner),
        #[cfg(feature = "dtype-array")]
        DataType::Array(inner, _) => return is_there(inner),
        #[cfg(feature = "dtype-struct")]
        DataType::Struct(fields) => {
            return fields.iter().try_for_each(|field| is_there(field.dtype()));
        }
        _ => return Ok(()),
    };
    let dtype = dtype_name(dtype);
    Err(format!(
        "{dtype} needs the feature `{feature}` of polars-par-apply"
    ))
}

/// Converts a value to a dtype. A null stays null, and a category becomes its text.
pub(super) fn value_as(
    value: AnyValue<'static>,
    dtype: &DataType,
    casts: Casts,
) -> Result<AnyValue<'static>, Refused> {
    if value.is_null() {
        return Ok(value);
    }
    if let (Some(text), true) = (value.get_str(), is_categorical(dtype)) {
        check_category(text, dtype)?;
        return Ok(value);
    }
    let is = value.dtype();
    if is == *dtype {
        return Ok(value);
    }
    if let Some(number) = AnyNumber::of(&value)
        && let Some(value) = number.value(dtype)
    {
        number.check(dtype, casts)?;
        return Ok(value);
    }
    let one = Series::from_any_values_and_dtype(PlSmallStr::EMPTY, &[value], &is, true);
    let one = series_as(&one.map_err(said)?, dtype, casts)?;
    one.get(0).map(AnyValue::into_static).map_err(said)
}

/// Converts a series to a dtype.
pub(super) fn series_as(
    series: &Series,
    dtype: &DataType,
    casts: Casts,
) -> Result<Series, Refused> {
    if series.dtype() == dtype {
        return Ok(series.clone());
    }
    // What is stored in the place of a null, or outside of the lists, is not a value.
    let trimmed = series.trim_lists_to_normalized_offsets();
    let trimmed = trimmed.unwrap_or_else(|| series.clone());
    let values = trimmed.propagate_nulls().unwrap_or(trimmed);
    values_as(&values, dtype, casts)
}

fn values_as(series: &Series, dtype: &DataType, casts: Casts) -> Result<Series, Refused> {
    let name = || series.name().clone();
    match (series.dtype(), dtype) {
        (is, dtype) if is == dtype => Ok(series.clone()),
        (DataType::Null, dtype) => Ok(Series::full_null(name(), series.len(), dtype)),
        (DataType::List(_), DataType::List(inner)) => within(inner, casts, |change| {
            let lists = series.list()?.apply_to_inner(change)?;
            Ok(lists.into_series())
        }),
        #[cfg(feature = "dtype-array")]
        (DataType::Array(_, is), DataType::Array(inner, width)) if is == width => {
            within(inner, casts, |change| {
                let arrays = series.array()?.apply_to_inner(change)?;
                Ok(arrays.into_series())
            })
        }
        #[cfg(feature = "dtype-array")]
        (DataType::List(_), DataType::Array(inner, width)) => {
            let lists = values_as(series, &DataType::List(inner.clone()), casts)?;
            for list in lists.list().map_err(said)?.amortized_iter().flatten() {
                check_width(list.as_ref().len(), *width)?;
            }
            lists.strict_cast(dtype).map_err(said)
        }
        #[cfg(feature = "dtype-array")]
        (DataType::Array(items, _), DataType::List(_)) => {
            let lists = series.strict_cast(&DataType::List(items.clone()));
            values_as(&lists.map_err(said)?, dtype, casts)
        }
        #[cfg(feature = "dtype-struct")]
        (DataType::Struct(is), DataType::Struct(fields))
            if is.len() == fields.len()
                && is
                    .iter()
                    .zip(fields)
                    .all(|(is, field)| is.name() == field.name()) =>
        {
            let series = series.rechunk();
            let rows = series.struct_().map_err(said)?;
            let values = rows.fields_as_series().into_iter().zip(fields);
            let values = values.map(|(values, field)| {
                let values = values_as(&values, field.dtype(), casts)?;
                Ok(values.rechunk())
            });
            let values = values.collect::<Result<Vec<Series>, Refused>>()?;
            let changed = StructChunked::from_series(name(), rows.len(), values.iter());
            let changed = changed.map_err(said)?;
            let validity = rows.rechunk_validity();
            Ok(changed.with_outer_validity(validity).into_series())
        }
        (is, dtype) if is.is_primitive_numeric() && is_numeric(dtype) => {
            for row in 0..series.len() {
                match series.get(row).map_err(said)? {
                    AnyValue::Null => {}
                    value => match AnyNumber::of(&value) {
                        Some(number) => number.check(dtype, casts)?,
                        None => return Err(other(is, dtype)),
                    },
                }
            }
            let cast = series.cast_with_options(dtype, CastOptions::NonStrict);
            cast.map_err(said)
        }
        (is, dtype) if is_text(is) && is_text(dtype) => {
            let texts = series.strict_cast(&DataType::String).map_err(said)?;
            if is_categorical(dtype) {
                let texts = texts.str().map_err(said)?;
                for text in texts.iter().flatten() {
                    check_category(text, dtype)?;
                }
            }
            texts.strict_cast(dtype).map_err(said)
        }
        #[cfg(feature = "dtype-datetime")]
        (DataType::Datetime(from, zone), DataType::Datetime(unit, other))
            if zone.is_some() == other.is_some() =>
        {
            let counts = rescaled(series, *from, *unit, casts)?;
            Ok(counts.into_datetime(*unit, other.clone()).into_series())
        }
        #[cfg(feature = "dtype-duration")]
        (DataType::Duration(from), DataType::Duration(unit)) => {
            let counts = rescaled(series, *from, *unit, casts)?;
            Ok(counts.into_duration(*unit).into_series())
        }
        (is, dtype) => Err(other(is, dtype)),
    }
}

/// Changes the items of lists or arrays. The error is kept outside of Polars' result, since a Polars error would be made for
/// each row.
fn within(
    inner: &DataType,
    casts: Casts,
    apply: impl FnOnce(&dyn Fn(Series) -> PolarsResult<Series>) -> PolarsResult<Series>,
) -> Result<Series, Refused> {
    let refused = Cell::new(None);
    let changed = apply(&|items| {
        Ok(values_as(&items, inner, casts).unwrap_or_else(|error| {
            refused.set(Some(error));
            Series::full_null(items.name().clone(), items.len(), inner)
        }))
    });
    match refused.take() {
        Some(error) => Err(error),
        None => changed.map_err(said),
    }
}

/// Converts counts of one unit of time to those of another.
#[cfg(any(feature = "dtype-datetime", feature = "dtype-duration"))]
fn rescaled(
    series: &Series,
    from: polars::prelude::TimeUnit,
    unit: polars::prelude::TimeUnit,
    casts: Casts,
) -> Result<polars::prelude::Int64Chunked, Refused> {
    let counts = series.to_physical_repr();
    let counts = counts.i64().map_err(said)?;
    counts.try_apply_nonnull_values_generic(|count| {
        super::temporal::rescaled(count, from, unit, casts)
    })
}

/// Refuses a list whose length is not the width of the column's arrays.
#[cfg(feature = "dtype-array")]
pub(super) fn check_width(items: usize, width: usize) -> Result<(), Refused> {
    if items == width {
        return Ok(());
    }
    Err(Refused::new(format!(
        "the result has {}, but each Array of its column has {width}",
        crate::error::counted(items, "item"),
    )))
}

fn is_numeric(dtype: &DataType) -> bool {
    dtype.is_primitive_numeric() || dtype.is_decimal()
}

fn is_categorical(dtype: &DataType) -> bool {
    dtype.is_categorical() || dtype.is_enum()
}

fn is_text(dtype: &DataType) -> bool {
    dtype.is_string() || is_categorical(dtype)
}

fn other(is: &DataType, dtype: &DataType) -> Refused {
    Refused::new(format!(
        "the result is {}, but its column is {}",
        dtype_name(is),
        dtype_name(dtype)
    ))
}

fn said(error: PolarsError) -> Refused {
    Refused::new(error.to_string())
}
