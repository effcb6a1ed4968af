//! The common dtype of results that are stacked: where one of them has no type, it takes that of the other, at any depth.
//!
//! The dtype Null is not a type, and neither is a dtype that contains it: `List(Null)`, a Struct with a field of Null. Polars
//! gives such a dtype to whatever is made of nulls, or of nothing, where no type was given.

#[cfg(feature = "dtype-struct")]
use polars::prelude::Field;
use polars::prelude::{AnyValue, Column, DataType, PolarsResult, Series};

use crate::read::change_within;

/// Returns the dtype that both can have, or `None` if they differ in more than a missing type.
pub(crate) fn merged(one: &DataType, other: &DataType) -> Option<DataType> {
    match (one, other) {
        (one, other) if one == other => Some(one.clone()),
        (DataType::Null, typed) | (typed, DataType::Null) => Some(typed.clone()),
        (DataType::List(one), DataType::List(other)) => {
            Some(DataType::List(Box::new(merged(one, other)?)))
        }
        #[cfg(feature = "dtype-array")]
        (DataType::Array(one, width), DataType::Array(other, other_width))
            if width == other_width =>
        {
            Some(DataType::Array(Box::new(merged(one, other)?), *width))
        }
        #[cfg(feature = "dtype-struct")]
        (DataType::Struct(one), DataType::Struct(other)) if one.len() == other.len() => {
            let fields = one.iter().zip(other).map(|(one, other)| {
                let dtype = merged(one.dtype(), other.dtype())?;
                (one.name() == other.name()).then(|| Field::new(one.name().clone(), dtype))
            });
            Some(DataType::Struct(fields.collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// Returns the series with a dtype that its own dtype has been [`merged`] into. Where it had no type, it has only nulls, or
/// nothing.
pub(crate) fn with_dtype(series: &Series, dtype: &DataType) -> PolarsResult<Series> {
    if series.dtype() == dtype {
        return Ok(series.clone());
    }
    change_within(series, dtype, &|series, dtype| {
        if *series.dtype() == DataType::Null {
            // Polars casts nulls to most dtypes, but not to all.
            let (name, len) = (series.name().clone(), series.len());
            return Ok(Series::full_null(name, len, dtype));
        }
        Ok(series.clone())
    })
}

/// Does the same as [`with_dtype`] for a column, which stays as it is if it has the dtype already.
pub(crate) fn column_with_dtype(column: Column, dtype: &DataType) -> PolarsResult<Column> {
    if column.dtype() == dtype {
        return Ok(column);
    }
    with_dtype(column.as_materialized_series(), dtype).map(Column::from)
}

/// Does the same as [`with_dtype`] for one value. When Polars makes a column of values, it casts what is nested in them, and
/// cannot cast nulls to every dtype.
pub(super) fn value_with_dtype(
    value: AnyValue<'static>,
    dtype: &DataType,
) -> PolarsResult<AnyValue<'static>> {
    Ok(match (value, dtype) {
        (AnyValue::List(items), DataType::List(inner)) => {
            AnyValue::List(with_dtype(&items, inner)?)
        }
        #[cfg(feature = "dtype-array")]
        (AnyValue::Array(items, width), DataType::Array(inner, _)) => {
            AnyValue::Array(with_dtype(&items, inner)?, width)
        }
        #[cfg(feature = "dtype-struct")]
        (AnyValue::StructOwned(row), DataType::Struct(fields)) if row.1 != *fields => {
            let values = row.0.into_iter().zip(fields);
            let values = values.map(|(value, field)| value_with_dtype(value, field.dtype()));
            let values = values.collect::<PolarsResult<_>>()?;
            AnyValue::StructOwned(Box::new((values, fields.clone())))
        }
        #[cfg(feature = "dtype-struct")]
        (value @ AnyValue::Struct(..), DataType::Struct(_)) => {
            value_with_dtype(value.into_static(), dtype)?
        }
        (value, _) => value,
    })
}
