//! Fixed-width values: numbers, and values that are stored as a number.

use polars::prelude::DataType;
use polars_arrow::array::PrimitiveArray;
use polars_arrow::types::NativeType;

use super::buffer::{Fresh, Slots, Validity, ValidityWriter};
use super::number::{self, AnyNumber};
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::Result;
use crate::options::Casts;
use crate::sealed::Sealed;

/// A value that is stored as a native type.
#[doc(hidden)]
pub trait Encode: Sized {
    type Stored: NativeType;

    /// The same as [`CellSink::NEEDS`].
    const NEEDS: Option<&'static str> = None;

    fn dtype() -> DataType;

    /// The same as [`CellSink::fit`].
    fn fit(dtype: &DataType) -> Result<bool, String>;

    /// Returns the value as it is stored.
    fn encode(self, casts: Casts) -> Result<Self::Stored, Refused>;

    /// Returns the value as it is stored for a column of a dtype that it [fits](Encode::fit).
    fn encode_as(self, _: &DataType, casts: Casts) -> Result<Self::Stored, Refused> {
        self.encode(casts)
    }
}

/// A column of fixed-width values.
#[doc(hidden)]
#[derive(Debug)]
pub struct NativeSink<T: Encode> {
    values: Fresh<T::Stored>,
    validity: Validity,
}

impl<T: Encode> Sealed for NativeSink<T> {}

impl<T: Encode> CellSink for NativeSink<T> {
    type Item = T::Stored;
    const NEEDS: Option<&'static str> = T::NEEDS;
    type Writer<'s>
        = NativeWriter<'s, T::Stored>
    where
        Self: 's;

    fn fit(dtype: &DataType) -> Result<bool, String> {
        T::fit(dtype)
    }

    fn new(rows: usize, nullable: bool) -> Self {
        NativeSink {
            values: Fresh::new(rows),
            validity: Validity::new(rows, nullable),
        }
    }

    unsafe fn writer(&self, start: usize, len: usize) -> NativeWriter<'_, T::Stored> {
        NativeWriter {
            slots: self.values.slots(start),
            validity: self.validity.writer(start, len),
        }
    }

    unsafe fn finish(self) -> Result<Finished> {
        let dtype = T::dtype();
        // SAFETY: the caller guarantees that every row is written.
        let values = unsafe { self.values.assume_full() };
        let array = PrimitiveArray::new(
            T::Stored::PRIMITIVE.into(),
            values.into(),
            self.validity.into_bitmap(),
        );
        Ok(Finished::new(dtype, array))
    }
}

/// Writes fixed-width values into their slots.
#[doc(hidden)]
#[derive(Debug)]
pub struct NativeWriter<'s, S> {
    slots: Slots<'s, S>,
    validity: ValidityWriter<'s>,
}

impl<S: NativeType> Writer for NativeWriter<'_, S> {
    type Item = S;

    #[inline(always)]
    unsafe fn write(&mut self, row: usize, item: S) {
        // SAFETY: the row is this writer's (`CellSink::writer`), and the caller guarantees that it is the next one.
        unsafe { self.slots.set(row, item) };
    }

    #[inline(always)]
    unsafe fn write_null(&mut self, row: usize) {
        // SAFETY: as above.
        unsafe { self.slots.set(row, S::default()) };
        self.validity.set_null(row);
    }

    fn finish(self) {
        self.validity.finish();
    }
}

macro_rules! number {
    ($($(#[$cfg:meta])* $T:ident $Own:ident $Kind:ident),*) => {
        $(
            $(#[$cfg])*
            impl Encode for $T {
                type Stored = $T;

                fn dtype() -> DataType {
                    DataType::$Own
                }

                fn fit(dtype: &DataType) -> Result<bool, String> {
                    number::fit(&DataType::$Own, dtype)
                }

                #[inline(always)]
                fn encode(self, _: Casts) -> Result<$T, Refused> {
                    Ok(self)
                }

                fn encode_as(self, dtype: &DataType, casts: Casts) -> Result<$T, Refused> {
                    AnyNumber::$Kind(self.into()).check(dtype, casts)?;
                    Ok(self)
                }
            }

            $(#[$cfg])*
            impl IntoCell for $T {
                type Sink = NativeSink<$T>;

                #[inline(always)]
                fn into_item(self, casts: Casts) -> Result<$T, Refused> {
                    self.encode(casts)
                }

                fn into_item_as(self, dtype: &DataType, casts: Casts) -> Result<$T, Refused> {
                    self.encode_as(dtype, casts)
                }
            }
        )*
    };
}

number!(
    #[cfg(feature = "dtype-i8")] i8 Int8 Int,
    #[cfg(feature = "dtype-i16")] i16 Int16 Int,
    i32 Int32 Int,
    i64 Int64 Int,
    #[cfg(feature = "dtype-i128")] i128 Int128 Int,
    #[cfg(feature = "dtype-u8")] u8 UInt8 Int,
    #[cfg(feature = "dtype-u16")] u16 UInt16 Int,
    u32 UInt32 Int,
    u64 UInt64 Int,
    f32 Float32 Float,
    f64 Float64 Float
);
