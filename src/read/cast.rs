//! Columns cast to what an argument takes.

use polars::chunked_array::cast::CastOptions;
use polars::prelude::{ArrowDataType, CompatLevel, DataType, PolarsResult, Series};
use polars_arrow::array::{Array, PrimitiveArray};

use super::downcast;
use super::nested::change_within;

/// Casts a series as Polars does, from the innermost items outwards, except where Polars cannot do the cast or does it
/// otherwise than `Casts` says:
///
/// - it casts nulls without a dtype to most dtypes, but not to all;
/// - it takes decimals within an Array that is cast to a List as the integers that they are stored as;
/// - it rounds a decimal that becomes an integer, but truncates a float.
pub(super) fn cast(
    series: &Series,
    dtype: &DataType,
    options: CastOptions,
) -> PolarsResult<Series> {
    change_within(series, dtype, &|series, to| match (series.dtype(), to) {
        (is, to) if is == to => Ok(series.clone()),
        (DataType::Null, to) => {
            let (name, len) = (series.name().clone(), series.len());
            Ok(Series::full_null(name, len, to))
        }
        #[cfg(feature = "dtype-array")]
        (DataType::Array(_, width), DataType::List(inner)) => {
            let array = DataType::Array(inner.clone(), *width);
            cast(series, &array, options)?.cast_with_options(to, options)
        }
        (is, to) => match is.to_arrow(CompatLevel::newest()) {
            ArrowDataType::Decimal(_, scale) if to.is_integer() => {
                cut(series, scale).cast_with_options(to, options)
            }
            _ => series.cast_with_options(to, options),
        },
    })
}

/// Truncates decimals of this scale, which is at most 38, to whole numbers.
fn cut(decimals: &Series, scale: usize) -> Series {
    let one = 10i128.pow(scale as u32);
    let chunks = decimals.chunks().iter().map(|chunk| {
        let array = downcast::<PrimitiveArray<i128>>(&**chunk);
        let whole: Vec<i128> = array.values().iter().map(|x| x - x % one).collect();
        let validity = array.validity().cloned();
        PrimitiveArray::new(array.dtype().clone(), whole.into(), validity).to_boxed()
    });
    let (name, dtype) = (decimals.name().clone(), decimals.dtype());
    // SAFETY: the chunks are of the same type as those of the series, which is of this dtype.
    unsafe { Series::from_chunks_and_dtype_unchecked(name, chunks.collect(), dtype) }
}
