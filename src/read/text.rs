//! Text and bytes: `&str`, `String`, `PlSmallStr`, `&[u8]`, `Vec<u8>`.

use std::marker::PhantomData;

use polars::prelude::{DataType, PlSmallStr};
use polars_arrow::array::{Array, BinaryViewArray, Utf8ViewArray};
#[cfg(feature = "dtype-categorical")]
use polars_arrow::bitmap::Bitmap;

use super::any::{AnyChunk, Typed};
use super::{
    Cell, Fit, ListItem, Lookup, Mask, Masked, Misread, downcast, validity, view_is_reader,
};

/// A chunk of text.
#[doc(hidden)]
#[derive(Debug)]
pub enum TextChunk<'a> {
    Views(&'a Utf8ViewArray),
    #[cfg(feature = "dtype-categorical")]
    Categories(categorical::Codes<'a>, Option<&'a Bitmap>),
}

/// Finds text where it lies.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TextLookup<'s> {
    source: TextSource<'s>,
    offset: usize,
}

#[derive(Clone, Copy, Debug)]
enum TextSource<'s> {
    Views(&'s Utf8ViewArray),
    #[cfg(feature = "dtype-categorical")]
    Categories(categorical::Codes<'s>),
}

impl<'s> Lookup for TextLookup<'s> {
    type Item = &'s str;

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> &'s str {
        match self.source {
            // SAFETY: the array has the whole block (`open`), and the caller guarantees that `i` is within the block.
            TextSource::Views(array) => unsafe { array.value_unchecked(self.offset + i) },
            #[cfg(feature = "dtype-categorical")]
            TextSource::Categories(codes) => codes.text(self.offset + i),
        }
    }
}

impl Cell for &str {
    type Of<'a> = &'a str;
    type Chunk<'a> = TextChunk<'a>;
    type Scratch = ();
    type Reader<'s> = Masked<'s, TextLookup<'s>>;

    view_is_reader!();

    fn type_name() -> String {
        "&str".into()
    }

    fn fit(dtype: &DataType) -> Fit {
        match dtype {
            DataType::String => Fit::Exact,
            #[cfg(feature = "dtype-categorical")]
            DataType::Categorical(..) | DataType::Enum(..) => Fit::Exact,
            DataType::Null => Fit::Cast(DataType::String),
            _ => Fit::Never,
        }
    }

    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> TextChunk<'a> {
        match dtype {
            #[cfg(feature = "dtype-categorical")]
            DataType::Categorical(_, mapping) | DataType::Enum(_, mapping) => {
                TextChunk::Categories(categorical::Codes::bind(mapping, array), validity(array))
            }
            _ => TextChunk::Views(downcast(array)),
        }
    }

    #[inline]
    fn open<'s>(
        chunk: &'s TextChunk<'_>,
        offset: usize,
        len: usize,
        (): &'s mut (),
    ) -> Self::Reader<'s> {
        let (source, validity) = match chunk {
            TextChunk::Views(array) => {
                assert!(offset + len <= array.len());
                (TextSource::Views(array), validity(*array))
            }
            #[cfg(feature = "dtype-categorical")]
            TextChunk::Categories(codes, validity) => (TextSource::Categories(*codes), *validity),
        };
        Masked {
            values: TextLookup { source, offset },
            mask: Mask::new(validity, offset, len),
        }
    }

    fn has_nulls(chunk: &TextChunk<'_>) -> bool {
        match chunk {
            TextChunk::Views(array) => validity(*array).is_some(),
            #[cfg(feature = "dtype-categorical")]
            TextChunk::Categories(_, validity) => validity.is_some(),
        }
    }

    #[inline]
    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<&'a str, Misread> {
        if chunk.is_null(row) {
            return Err(Misread::Null);
        }
        match (chunk.typed, chunk.dtype) {
            (Typed::String(array), _) => Ok(array.value(row)),
            #[cfg(feature = "dtype-categorical")]
            (_, DataType::Categorical(_, mapping) | DataType::Enum(_, mapping)) => {
                Ok(categorical::Codes::bind(mapping, chunk.array).text(row))
            }
            _ => Err(Misread::Dtype),
        }
    }

    #[inline(always)]
    fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<&'a str> {
        match chunk.typed {
            Typed::String(array) if chunk.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }
}

impl ListItem for &str {}

/// A chunk of bytes.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct BytesChunk<'a>(&'a BinaryViewArray);

/// Finds bytes where they lie.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct BytesLookup<'s> {
    array: &'s BinaryViewArray,
    offset: usize,
}

impl<'s> Lookup for BytesLookup<'s> {
    type Item = &'s [u8];

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> &'s [u8] {
        // SAFETY: the array has the whole block (`open`), and the caller guarantees that `i` is within the block.
        unsafe { self.array.value_unchecked(self.offset + i) }
    }
}

impl Cell for &[u8] {
    type Of<'a> = &'a [u8];
    type Chunk<'a> = BytesChunk<'a>;
    type Scratch = ();
    type Reader<'s> = Masked<'s, BytesLookup<'s>>;

    view_is_reader!();

    fn type_name() -> String {
        "&[u8]".into()
    }

    fn fit(dtype: &DataType) -> Fit {
        match dtype {
            DataType::Binary => Fit::Exact,
            DataType::Null => Fit::Cast(DataType::Binary),
            _ => Fit::Never,
        }
    }

    unsafe fn bind<'a>(_: &'a DataType, array: &'a dyn Array) -> BytesChunk<'a> {
        BytesChunk(downcast(array))
    }

    #[inline]
    fn open<'s>(
        chunk: &'s BytesChunk<'_>,
        offset: usize,
        len: usize,
        (): &'s mut (),
    ) -> Self::Reader<'s> {
        assert!(offset + len <= chunk.0.len());
        Masked {
            values: BytesLookup {
                array: chunk.0,
                offset,
            },
            mask: Mask::new(validity(chunk.0), offset, len),
        }
    }

    fn has_nulls(chunk: &BytesChunk<'_>) -> bool {
        validity(chunk.0).is_some()
    }

    #[inline]
    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<&'a [u8], Misread> {
        if chunk.is_null(row) {
            return Err(Misread::Null);
        }
        match chunk.typed {
            Typed::Binary(array) => Ok(array.value(row)),
            _ => Err(Misread::Dtype),
        }
    }

    #[inline(always)]
    fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<&'a [u8]> {
        match chunk.typed {
            Typed::Binary(array) if chunk.is_valid(row) => Some(array.value(row)),
            _ => None,
        }
    }
}

impl ListItem for &[u8] {}

/// Finds a borrowed value and owns it.
#[doc(hidden)]
#[derive(Debug)]
pub struct OwnedLookup<L, T>(L, PhantomData<fn() -> T>);

impl<L: Copy, T> Clone for OwnedLookup<L, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<L: Copy, T> Copy for OwnedLookup<L, T> {}

impl<L: Lookup, T: From<L::Item>> Lookup for OwnedLookup<L, T> {
    type Item = T;

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> T {
        // SAFETY: the caller upholds this function's contract.
        T::from(unsafe { self.0.at(i) })
    }
}

macro_rules! owned {
    ($Owned:ty, $name:literal, $Borrowed:ty, $Lookup:ident) => {
        impl Cell for $Owned {
            type Of<'a> = $Owned;
            type Chunk<'a> = <$Borrowed as Cell>::Chunk<'a>;
            type Scratch = ();
            type Reader<'s> = Masked<'s, OwnedLookup<$Lookup<'s>, $Owned>>;

            view_is_reader!();

            fn type_name() -> String {
                $name.into()
            }

            fn fit(dtype: &DataType) -> Fit {
                <$Borrowed>::fit(dtype)
            }

            unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
                // SAFETY: the caller upholds this function's contract.
                unsafe { <$Borrowed>::bind(dtype, array) }
            }

            #[inline]
            fn open<'s>(
                chunk: &'s Self::Chunk<'_>,
                offset: usize,
                len: usize,
                scratch: &'s mut (),
            ) -> Self::Reader<'s> {
                let Masked { values, mask } = <$Borrowed>::open(chunk, offset, len, scratch);
                Masked {
                    values: OwnedLookup(values, PhantomData),
                    mask,
                }
            }

            fn has_nulls(chunk: &Self::Chunk<'_>) -> bool {
                <$Borrowed>::has_nulls(chunk)
            }

            fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<$Owned, Misread> {
                <$Borrowed>::get(chunk, row).map(Into::into)
            }
        }

        impl ListItem for $Owned {}
    };
}

owned!(String, "String", &'static str, TextLookup);
owned!(PlSmallStr, "PlSmallStr", &'static str, TextLookup);
owned!(Vec<u8>, "Vec<u8>", &'static [u8], BytesLookup);

#[cfg(feature = "dtype-categorical")]
mod categorical {
    //! Categorical and Enum: codes, and the mapping that holds their text.

    use polars::prelude::CategoricalMapping;
    use polars_arrow::array::{Array, PrimitiveArray};

    /// The codes of a chunk, whose width depends on the categories.
    #[derive(Clone, Copy, Debug)]
    pub struct Codes<'a> {
        mapping: &'a CategoricalMapping,
        codes: Width<'a>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Width<'a> {
        U8(&'a [u8]),
        U16(&'a [u16]),
        U32(&'a [u32]),
    }

    impl<'a> Codes<'a> {
        pub(super) fn bind(mapping: &'a CategoricalMapping, array: &'a dyn Array) -> Self {
            let any = array.as_any();
            let codes = if let Some(codes) = any.downcast_ref::<PrimitiveArray<u8>>() {
                Width::U8(codes.values())
            } else if let Some(codes) = any.downcast_ref::<PrimitiveArray<u16>>() {
                Width::U16(codes.values())
            } else {
                Width::U32(super::downcast::<PrimitiveArray<u32>>(array).values())
            };
            Codes { mapping, codes }
        }

        /// Returns the text of a row that is not null.
        #[inline]
        pub(super) fn text(self, row: usize) -> &'a str {
            let code = match self.codes {
                Width::U8(codes) => u32::from(codes[row]),
                Width::U16(codes) => u32::from(codes[row]),
                Width::U32(codes) => codes[row],
            };
            self.mapping
                .cat_to_str(code)
                .expect("a category's code is in its column's mapping")
        }
    }
}
