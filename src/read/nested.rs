//! Series changed within lists, arrays and structs.

#[cfg(feature = "dtype-struct")]
use polars::prelude::StructChunked;
use polars::prelude::{DataType, IntoSeries, PolarsResult, Series};

/// The series with `change` made to what a dtype and its own are nested around alike, or to itself where they are not. What is
/// around it, its lengths and its nulls, is kept.
pub(crate) fn change_within(
    series: &Series,
    dtype: &DataType,
    change: &dyn Fn(&Series, &DataType) -> PolarsResult<Series>,
) -> PolarsResult<Series> {
    match (series.dtype(), dtype) {
        (DataType::List(_), DataType::List(inner)) => {
            let lists = series.list()?;
            let lists = lists.apply_to_inner(&|items| change_within(&items, inner, change))?;
            Ok(lists.into_series())
        }
        #[cfg(feature = "dtype-array")]
        (DataType::Array(..), DataType::Array(inner, _)) => {
            let arrays = series.array()?;
            let arrays = arrays.apply_to_inner(&|items| change_within(&items, inner, change))?;
            Ok(arrays.into_series())
        }
        #[cfg(feature = "dtype-struct")]
        (DataType::Struct(is), DataType::Struct(fields)) if is.len() == fields.len() => {
            let series = series.rechunk();
            let rows = series.struct_()?;
            let values = rows.fields_as_series().into_iter().zip(fields);
            // In one chunk each, as the validity is.
            let values = values.map(|(values, field)| {
                let changed = change_within(&values, field.dtype(), change);
                changed.map(|values| values.rechunk())
            });
            let values = values.collect::<PolarsResult<Vec<_>>>()?;
            let name = rows.name().clone();
            let changed = StructChunked::from_series(name, rows.len(), values.iter())?;
            Ok(changed
                .with_outer_validity(rows.rechunk_validity())
                .into_series())
        }
        _ => change(series, dtype),
    }
}

/// The items' dtype, of a List or Array.
pub(super) fn inner_dtype(dtype: &DataType) -> Option<&DataType> {
    match dtype {
        DataType::List(inner) => Some(inner),
        #[cfg(feature = "dtype-array")]
        DataType::Array(inner, _) => Some(inner),
        _ => None,
    }
}
