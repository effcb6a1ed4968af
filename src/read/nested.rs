//! Series changed within lists, arrays and structs.

#[cfg(feature = "dtype-struct")]
use polars::prelude::StructChunked;
use polars::prelude::{DataType, IntoSeries, PolarsResult, Series};

/// Applies `change` to the values within the lists, arrays and structs that a series and a dtype have in common, with the dtype
/// that is found there. The levels around these values keep their lengths and nulls. Where the two are not nested alike at all,
/// `change` is applied to the series itself.
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
            // Each field is in one chunk, as the validity is.
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

/// Returns the dtype of the items of a List or an Array.
pub(super) fn inner_dtype(dtype: &DataType) -> Option<&DataType> {
    match dtype {
        DataType::List(inner) => Some(inner),
        #[cfg(feature = "dtype-array")]
        DataType::Array(inner, _) => Some(inner),
        _ => None,
    }
}
