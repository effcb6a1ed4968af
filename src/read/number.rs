//! Integers and floats.

use std::marker::PhantomData;
use std::ops::Range;

use polars::prelude::DataType;
use polars_arrow::array::Array;
use polars_arrow::bitmap::Bitmap;

use super::any::{AnyChunk, Typed};
use super::{Cell, Fit, ListItem, Lookup, Mask, Masked, Misread, validity};

/// A chunk of a numeric column, taken as `T`.
#[doc(hidden)]
#[derive(Debug)]
pub struct NumberChunk<'a, T> {
    values: Typed<'a>,
    validity: Option<&'a Bitmap>,
    item: PhantomData<fn() -> T>,
}

/// A number type, which other number types convert to without loss.
#[doc(hidden)]
pub trait Number: Copy + Default {
    /// Returns the values as a slice, if they are of this type.
    fn own(values: Typed<'_>) -> Option<&[Self]>;

    /// Returns one value.
    fn at(values: Typed<'_>, row: usize) -> Self;

    /// Writes the values from a row on to `out`, as many as it has room for.
    fn widen(values: Typed<'_>, row: usize, out: &mut [Self]);
}

impl<T: Copy> Lookup for &[T] {
    type Item = T;

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> T {
        debug_assert!(i < self.len());
        // SAFETY: the slice is the block (`open`), and the caller guarantees that `i` is within the block.
        unsafe { *self.get_unchecked(i) }
    }

    fn as_slice(&self) -> Option<&[T]> {
        Some(self)
    }
}

/// Finds numbers of any type that converts to `T`, and converts them one by one.
#[doc(hidden)]
#[derive(Debug)]
pub struct Widening<'s, T> {
    values: Typed<'s>,
    offset: usize,
    len: usize,
    item: PhantomData<fn() -> T>,
}

impl<T> Clone for Widening<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Widening<'_, T> {}

/// How many values are converted at a time where all values are read.
const WIDENED: usize = 64;

impl<T: Number> Lookup for Widening<'_, T> {
    type Item = T;

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> T {
        T::at(self.values, self.offset + i)
    }

    fn as_slice(&self) -> Option<&[T]> {
        T::own(self.values).map(|values| &values[self.offset..self.offset + self.len])
    }

    #[inline]
    unsafe fn fold<B>(
        &self,
        mask: Mask<'_>,
        rows: Range<usize>,
        init: B,
        mut f: impl FnMut(B, Option<T>) -> B,
    ) -> B {
        if let Some(values) = Lookup::as_slice(self) {
            // SAFETY: the slice is the block, and the caller guarantees that the rows are within it.
            return unsafe { values.fold(mask, rows, init, f) };
        }
        let mut widened = [T::default(); WIDENED];
        let mut folded = init;
        let mut row = rows.start;
        while row < rows.end {
            let widened = &mut widened[..WIDENED.min(rows.end - row)];
            T::widen(self.values, self.offset + row, widened);
            let (part, len) = (&*widened, widened.len());
            // SAFETY: these rows are those of `part`; their validity is that of the block from the first of these rows on.
            folded = unsafe { part.fold(mask.from(row), 0..len, folded, &mut f) };
            row += len;
        }
        folded
    }
}

macro_rules! number {
    ($(#[$cfg:meta])* $T:ident: $Own:ident, $($From:ident),*) => {
        $(#[$cfg])*
        impl Number for $T {
            #[inline]
            fn own(values: Typed<'_>) -> Option<&[$T]> {
                match values {
                    Typed::$Own(values) => Some(values),
                    _ => None,
                }
            }

            #[inline]
            fn at(values: Typed<'_>, row: usize) -> $T {
                match values {
                    Typed::$Own(values) => values[row],
                    $(Typed::$From(values) => <$T>::from(values[row]),)*
                    _ => unreachable!("`fit` takes numbers only that can be widened"),
                }
            }

            // This stays out of line, so that it is compiled once, and not for each closure.
            #[inline(never)]
            fn widen(values: Typed<'_>, row: usize, out: &mut [$T]) {
                match values {
                    Typed::$Own(values) => out.copy_from_slice(&values[row..row + out.len()]),
                    $(
                        Typed::$From(values) => {
                            let values = &values[row..row + out.len()];
                            for (out, value) in out.iter_mut().zip(values) {
                                *out = <$T>::from(*value);
                            }
                        }
                    )*
                    _ => unreachable!("`fit` takes numbers only that can be widened"),
                }
            }
        }

        $(#[$cfg])*
        impl Cell for $T {
            type Of<'a> = $T;
            type Chunk<'a> = NumberChunk<'a, $T>;
            type Scratch = Vec<$T>;
            type Reader<'s> = Masked<'s, &'s [$T]>;
            type View<'s> = Masked<'s, Widening<'s, $T>>;

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
                NumberChunk {
                    values: Typed::find(dtype, array),
                    validity: validity(array),
                    item: PhantomData,
                }
            }

            #[inline]
            fn open<'s>(
                chunk: &'s Self::Chunk<'_>,
                offset: usize,
                len: usize,
                scratch: &'s mut Vec<$T>,
            ) -> Self::Reader<'s> {
                let values = match <$T>::own(chunk.values) {
                    Some(values) => &values[offset..offset + len],
                    None => {
                        if scratch.len() < len {
                            scratch.resize(len, <$T>::default());
                        }
                        let values = &mut scratch[..len];
                        <$T>::widen(chunk.values, offset, values);
                        &*values
                    }
                };
                Masked { values, mask: Mask::new(chunk.validity, offset, len) }
            }

            #[inline]
            fn view<'s>(
                chunk: &'s Self::Chunk<'_>,
                offset: usize,
                len: usize,
                _: &'s mut Vec<$T>,
            ) -> Self::View<'s> {
                Masked {
                    values: Widening { values: chunk.values, offset, len, item: PhantomData },
                    mask: Mask::new(chunk.validity, offset, len),
                }
            }

            fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
                chunk.validity.is_some()
            }

            #[inline(always)]
            fn slice<'s>(reader: Self::Reader<'s>) -> Option<&'s [$T]> {
                (!reader.mask.has_nulls()).then_some(reader.values)
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

            /// Reads only the type's own dtype, which is the likeliest one, so that the inlined code stays short.
            #[inline(always)]
            fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<$T> {
                match chunk.typed {
                    Typed::$Own(values) if chunk.is_valid(row) => Some(values[row]),
                    _ => None,
                }
            }
        }
    };
}

number!(#[cfg(feature = "dtype-i8")] i8: Int8,);
number!(#[cfg(feature = "dtype-i16")] i16: Int16, Int8, UInt8);
number!(i32: Int32, Int8, Int16, UInt8, UInt16);
number!(i64: Int64, Int8, Int16, Int32, UInt8, UInt16, UInt32);
number!(#[cfg(feature = "dtype-i128")] i128: Int128, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64);
number!(#[cfg(feature = "dtype-u8")] u8: UInt8,);
number!(#[cfg(feature = "dtype-u16")] u16: UInt16, UInt8);
number!(u32: UInt32, UInt8, UInt16);
number!(u64: UInt64, UInt8, UInt16, UInt32);
number!(f32: Float32, Int8, Int16, UInt8, UInt16);
number!(f64: Float64, Int8, Int16, Int32, UInt8, UInt16, UInt32, Float32);

// Every number type except `u8`: `Vec<u8>` stands for bytes.
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
