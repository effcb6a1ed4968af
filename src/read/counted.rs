//! Values that Polars stores as a count of a unit (days, microseconds, hundredths), and for which another crate has a type.

use std::fmt;

use polars::prelude::DataType;
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

use super::any::AnyChunk;
use super::{
    Cell, Fault, Fit, ListItem, Mask, Misread, Reader, downcast, validity, view_is_reader,
};

/// A type of another crate that Polars stores as a count of a unit.
#[doc(hidden)]
pub trait Counted: Copy + Send + Sync {
    type Stored: NativeType + PartialOrd;

    /// The unit that is counted, where the dtype determines it.
    type Unit: Copy + fmt::Debug + Send + Sync;

    const CRATE: &'static str;
    const NAME: &'static str;

    fn takes(dtype: &DataType) -> bool;

    /// Returns the unit of a dtype that this type takes.
    fn unit(dtype: &DataType) -> Self::Unit;

    /// Returns the dtype that a column of nulls is cast to.
    fn default_dtype() -> DataType;

    /// Returns the value, if the Rust type can hold it.
    fn decode(stored: Self::Stored, unit: Self::Unit) -> Option<Self>;

    /// Returns whether every value from the lowest to the highest of a block can be held.
    fn holds(low: Self::Stored, high: Self::Stored, unit: Self::Unit) -> bool {
        Self::decode(low, unit).is_some() && Self::decode(high, unit).is_some()
    }
}

/// A chunk of a column of counts.
#[doc(hidden)]
#[derive(Debug)]
pub struct CountedChunk<'a, T: Counted> {
    values: &'a [T::Stored],
    unit: T::Unit,
    validity: Option<&'a Bitmap>,
}

/// Reads and converts one value at a time.
#[doc(hidden)]
#[derive(Debug)]
pub struct CountedReader<'s, T: Counted> {
    values: &'s [T::Stored],
    unit: T::Unit,
    mask: Mask<'s>,
    /// Whether the block has a value that `T` cannot hold.
    beyond: bool,
}

impl<T: Counted> Clone for CountedReader<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Counted> Copy for CountedReader<'_, T> {}

impl<T: Counted> Reader for CountedReader<'_, T> {
    type Item = T;

    fn has_nulls(&self) -> bool {
        self.mask.has_nulls() || self.beyond
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller guarantees that `i` is within the block.
        unsafe { self.mask.is_valid(i) && !self.unreadable(i) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> T {
        // SAFETY: `values` has the block's length (`open`), and the caller guarantees that `i` is within the block.
        let stored = unsafe { *self.values.get_unchecked(i) };
        T::decode(stored, self.unit).expect("`open` found values beyond the type's range, if any")
    }

    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: the caller guarantees that `i` is within the block.
        self.beyond
            && unsafe { self.mask.is_valid(i) }
            && T::decode(self.values[i], self.unit).is_none()
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        Fault {
            argument: 0,
            // SAFETY: the caller guarantees that `i` is within the block.
            message: unsafe { self.unreadable(i) }.then(|| beyond::<T>(self.values[i])),
        }
    }
}

fn beyond<T: Counted>(stored: T::Stored) -> String {
    format!(
        "the value stored as {stored} is beyond the range of {}'s {}",
        T::CRATE,
        T::NAME
    )
}

/// Returns the lowest and the highest value.
fn range<S: Copy + PartialOrd>(values: &[S]) -> Option<(S, S)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), value| {
        (
            if *value < low { *value } else { low },
            if *value > high { *value } else { high },
        )
    }))
}

macro_rules! counted {
    ($(#[$cfg:meta])* $T:ty) => {
        $(#[$cfg])*
        impl Cell for $T {
            type Of<'a> = $T;
            type Chunk<'a> = CountedChunk<'a, $T>;
            type Scratch = ();
            type Reader<'s> = CountedReader<'s, $T>;

            view_is_reader!();

            fn type_name() -> String {
                <$T as Counted>::NAME.into()
            }

            fn fit(dtype: &DataType) -> Fit {
                match dtype {
                    DataType::Null => Fit::Cast(<$T as Counted>::default_dtype()),
                    dtype if <$T as Counted>::takes(dtype) => Fit::Converted,
                    _ => Fit::Never,
                }
            }

            unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
                CountedChunk {
                    values: downcast::<PrimitiveArray<<$T as Counted>::Stored>>(array).values(),
                    unit: <$T as Counted>::unit(dtype),
                    validity: validity(array),
                }
            }

            #[inline]
            fn open<'s>(
                chunk: &'s Self::Chunk<'_>,
                offset: usize,
                len: usize,
                (): &'s mut (),
            ) -> Self::Reader<'s> {
                let values = &chunk.values[offset..offset + len];
                // The values in the places of nulls count too; they only cost a second check.
                let beyond = range(values)
                    .is_some_and(|(low, high)| !<$T as Counted>::holds(low, high, chunk.unit));
                CountedReader {
                    values,
                    unit: chunk.unit,
                    mask: Mask::new(chunk.validity, offset, len),
                    beyond,
                }
            }

            fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
                chunk.validity.is_some()
            }

            fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<$T, Misread> {
                if chunk.is_null(row) {
                    return Err(Misread::Null);
                }
                if !<$T as Counted>::takes(chunk.dtype) {
                    return Err(Misread::Dtype);
                }
                let array: &PrimitiveArray<<$T as Counted>::Stored> = downcast(chunk.array);
                let stored = array.value(row);
                <$T as Counted>::decode(stored, <$T as Counted>::unit(chunk.dtype))
                    .ok_or_else(|| Misread::Value(beyond::<$T>(stored)))
            }
        }

        $(#[$cfg])*
        impl ListItem for $T {}
    };
}
counted!(
    #[cfg(feature = "dtype-date")]
    chrono::NaiveDate
);
counted!(
    #[cfg(feature = "dtype-time")]
    chrono::NaiveTime
);
counted!(
    #[cfg(feature = "dtype-duration")]
    chrono::TimeDelta
);
counted!(
    #[cfg(feature = "dtype-datetime")]
    chrono::NaiveDateTime
);
counted!(#[cfg(feature = "timezones")] chrono::DateTime<chrono::Utc>);
counted!(
    #[cfg(feature = "rust_decimal")]
    rust_decimal::Decimal
);
