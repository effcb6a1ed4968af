//! Casts that can lose values.

use polars::chunked_array::cast::CastOptions;
use polars::prelude::{ArrowDataType, CompatLevel, DataType, PolarsResult, Series};
use polars_arrow::array::{Array, PrimitiveArray};

use super::downcast;
use super::nested::change_within;

/// The series as `Casts::Lossy` permits it: by Polars' non-strict cast, save that the fraction of a decimal of which an integer
/// is made is cut off, as that of a float is, where Polars rounds.
pub(super) fn cast_lossy(series: &Series, dtype: &DataType) -> PolarsResult<Series> {
    change_within(series, dtype, &|series, to| {
        if series.dtype() == to {
            return Ok(series.clone());
        }
        #[cfg(feature = "dtype-array")]
        if let (DataType::Array(_, width), DataType::List(inner)) = (series.dtype(), to) {
            // Items first: Polars' cast of an Array takes decimals within it for the integers that they are stored as.
            let array = DataType::Array(inner.clone(), *width);
            return cast_lossy(series, &array)?.cast_with_options(to, CastOptions::NonStrict);
        }
        match series.dtype().to_arrow(CompatLevel::newest()) {
            ArrowDataType::Decimal(_, scale) if to.is_integer() => {
                cut(series, scale).cast_with_options(to, CastOptions::NonStrict)
            }
            _ => series.cast_with_options(to, CastOptions::NonStrict),
        }
    })
}

/// Decimals of this scale, at most 38, cut to whole numbers.
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
