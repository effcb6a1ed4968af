//! The one dtype of results that meet: what has no type gives way to what has one, at any depth.
//!
//! Null is no type, and so is what it is within: `List(Null)`, a Struct with a field of Null. Polars gives such a dtype to
//! whatever is made of nulls or of nothing, where the type was never said.

#[cfg(feature = "dtype-struct")]
use polars::prelude::Field;
use polars::prelude::{AnyValue, Column, DataType, PolarsResult, Series};

use crate::read::change_within;

/// The dtype that both can have; none where they differ in more than what has no type.
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

/// The series with a dtype that its own has been [`merged`] into: where it had no type, it has nulls only, or nothing.
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

/// [`with_dtype`], of a column, which is left as it lies where it has the dtype.
pub(crate) fn column_with_dtype(column: Column, dtype: &DataType) -> PolarsResult<Column> {
    if column.dtype() == dtype {
        return Ok(column);
    }
    with_dtype(column.as_materialized_series(), dtype).map(Column::from)
}

/// [`with_dtype`], of one value: Polars' own making of a column of values casts what is nested in them, and cannot cast
/// nulls to every dtype.
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
