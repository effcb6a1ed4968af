//! Integers and floats.

use polars::prelude::DataType;
use polars_arrow::array::{Array, PrimitiveArray};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

use super::any::{AnyChunk, Typed};
use super::{Cell, Fit, ListItem, Lookup, Mask, Masked, Misread, downcast, validity};

/// A chunk of a numeric column, taken as `T`.
#[doc(hidden)]
#[derive(Debug)]
pub struct NumberChunk<'a, T> {
    values: Native<'a, T>,
    validity: Option<&'a Bitmap>,
}

/// The values as they lie, or as they are to be widened block by block.
#[derive(Debug)]
enum Native<'a, T> {
    Same(&'a [T]),
    Widened(&'a dyn Array, Widen<T>),
}

/// Replaces the vector's content by `len` converted values of the array, from an offset.
type Widen<T> = fn(&dyn Array, usize, usize, &mut Vec<T>);

fn widen<S, T>(array: &dyn Array, offset: usize, len: usize, out: &mut Vec<T>)
where
    S: NativeType,
    T: From<S>,
{
    let values = &downcast::<PrimitiveArray<S>>(array).values()[offset..offset + len];
    out.clear();
    out.extend(values.iter().map(|value| T::from(*value)));
}

impl<T: Copy> Lookup for &[T] {
    type Item = T;

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> T {
        debug_assert!(i < self.len());
        // SAFETY: the slice is the block (`open`), and the caller vouches for `i`.
        unsafe { *self.get_unchecked(i) }
    }
}

macro_rules! number {
    ($(#[$cfg:meta])* $T:ident: $Own:ident, $($From:ident $S:ident),*) => {
        $(#[$cfg])*
        impl Cell for $T {
            type Of<'a> = $T;
            type Chunk<'a> = NumberChunk<'a, $T>;
            type Scratch = Vec<$T>;
            type Reader<'s> = Masked<'s, &'s [$T]>;

            fn type_name() -> String {
                stringify!($T).into()
            }

            fn fit(dtype: &DataType) -> Fit {
                match dtype {
                    DataType::$Own => Fit::Exact,
                    $(DataType::$From => Fit::Converted,)*
                    DataType::Null => Fit::Cast(DataType::$Own),
                    DataType::Float16 if matches!(DataType::$Own, DataType::Float32 | DataType::Float64) => {
                        Fit::Cast(DataType::$Own)
                    }
                    dtype if dtype.is_numeric() || dtype.is_bool() => Fit::Lossy(DataType::$Own),
                    _ => Fit::Never,
                }
            }

            unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
                let values = match dtype {
                    $(DataType::$From => Native::Widened(array, widen::<$S, $T>),)*
                    _ => Native::Same(downcast::<PrimitiveArray<$T>>(array).values().as_slice()),
                };
                NumberChunk { values, validity: validity(array) }
            }

            #[inline]
            fn open<'s>(
                chunk: &'s Self::Chunk<'_>,
                offset: usize,
                len: usize,
                scratch: &'s mut Vec<$T>,
            ) -> Self::Reader<'s> {
                let values = match chunk.values {
                    Native::Same(values) => &values[offset..offset + len],
                    Native::Widened(array, widen) => {
                        widen(array, offset, len, scratch);
                        &scratch[..len]
                    }
                };
                Masked { values, mask: Mask::new(chunk.validity, offset, len) }
            }

            fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
                chunk.validity.is_some()
            }

            #[inline]
            fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<$T, Misread> {
                if chunk.is_null(row) {
                    return Err(Misread::Null);
                }
                match chunk.typed {
                    Typed::$Own(values) => Ok(values[row]),
                    $(Typed::$From(values) => Ok(<$T>::from(values[row])),)*
                    _ => Err(Misread::Dtype),
                }
            }

            #[inline]
            fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<$T> {
                let value = if let Typed::$Own(values) = chunk.typed {
                    // Apart, for it is the likeliest, and a jump by the dtype costs more.
                    values[row]
                } else {
                    match chunk.typed {
                        $(Typed::$From(values) => <$T>::from(values[row]),)*
                        _ => return None,
                    }
                };
                chunk.is_valid(row).then_some(value)
            }
        }
    };
}

number!(#[cfg(feature = "dtype-i8")] i8: Int8,);
number!(#[cfg(feature = "dtype-i16")] i16: Int16, Int8 i8, UInt8 u8);
number!(i32: Int32, Int8 i8, Int16 i16, UInt8 u8, UInt16 u16);
number!(i64: Int64, Int8 i8, Int16 i16, Int32 i32, UInt8 u8, UInt16 u16, UInt32 u32);
number!(#[cfg(feature = "dtype-i128")] i128: Int128, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8, UInt16 u16, UInt32 u32, UInt64 u64);
number!(#[cfg(feature = "dtype-u8")] u8: UInt8,);
number!(#[cfg(feature = "dtype-u16")] u16: UInt16, UInt8 u8);
number!(u32: UInt32, UInt8 u8, UInt16 u16);
number!(u64: UInt64, UInt8 u8, UInt16 u16, UInt32 u32);
number!(f32: Float32, Int8 i8, Int16 i16, UInt8 u8, UInt16 u16);
number!(f64: Float64, Int8 i8, Int16 i16, Int32 i32, UInt8 u8, UInt16 u16, UInt32 u32, Float32 f32);

// Every number but `u8`: `Vec<u8>` is bytes.
#[cfg(feature = "dtype-i8")]
impl ListItem for i8 {}
#[cfg(feature = "dtype-i16")]
impl ListItem for i16 {}
impl ListItem for i32 {}
impl ListItem for i64 {}
#[cfg(feature = "dtype-i128")]
impl ListItem for i128 {}
#[cfg(feature = "dtype-u16")]
impl ListItem for u16 {}
impl ListItem for u32 {}
impl ListItem for u64 {}
impl ListItem for f32 {}
impl ListItem for f64 {}
