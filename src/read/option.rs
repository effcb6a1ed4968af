//! `Option<T>`: nulls as `None`.

use std::ops::Range;

use polars::prelude::DataType;
use polars_arrow::array::Array;

use super::any::AnyChunk;
use super::{Cell, Fault, Fit, ListItem, Misread, Reader};

/// Reads nulls as `None`.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct OptionReader<R>(R);

impl<R: Reader> Reader for OptionReader<R> {
    type Item = Option<R::Item>;

    fn has_nulls(&self) -> bool {
        self.0.has_nulls()
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller guarantees that `i` is within the block.
        unsafe { !self.0.unreadable(i) }
    }

    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: the caller guarantees that `i` is within the block.
        unsafe { self.0.unreadable(i) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Self::Item {
        // SAFETY: the caller guarantees that `i` is within the block, and the inner value is read only where it is valid.
        unsafe {
            if !NULLS || self.0.is_valid(i) {
                Some(self.0.read::<NULLS>(i))
            } else {
                None
            }
        }
    }

    #[inline]
    unsafe fn fold<B>(
        &self,
        rows: Range<usize>,
        init: B,
        mut f: impl FnMut(B, Option<Self::Item>) -> B,
    ) -> B {
        // SAFETY: the caller upholds this function's contract; a row that is not valid inside is null, since none is unreadable.
        unsafe {
            self.0
                .fold(rows, init, |folded, value| f(folded, Some(value)))
        }
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        // SAFETY: a row that is not valid here is not valid inside.
        unsafe { self.0.fault(i) }
    }
}

impl<T: Cell> Cell for Option<T> {
    type Of<'a> = Option<T::Of<'a>>;
    type Chunk<'a> = T::Chunk<'a>;
    type Scratch = T::Scratch;
    type Reader<'s> = OptionReader<T::Reader<'s>>;
    type View<'s> = OptionReader<T::View<'s>>;
    const EVERY_ROW: bool = true;

    fn type_name() -> String {
        format!("Option<{}>", T::type_name())
    }

    fn fit(dtype: &DataType) -> Fit {
        T::fit(dtype)
    }

    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { T::bind(dtype, array) }
    }

    #[inline]
    fn open<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s> {
        OptionReader(T::open(chunk, offset, len, scratch))
    }

    #[inline]
    fn view<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::View<'s> {
        OptionReader(T::view(chunk, offset, len, scratch))
    }

    fn has_nulls(_: &Self::Chunk<'_>) -> bool {
        false
    }

    #[inline]
    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<Self::Of<'a>, Misread> {
        match T::get(chunk, row) {
            Ok(value) => Ok(Some(value)),
            // A type that does not fit is an error even where the row is null.
            Err(Misread::Null)
                if T::fit(chunk.dtype).is_direct() || *chunk.dtype == DataType::Null =>
            {
                Ok(None)
            }
            Err(Misread::Null) => Err(Misread::Dtype),
            Err(misread) => Err(misread),
        }
    }

    #[inline(always)]
    fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<Self::Of<'a>> {
        T::quick(chunk, row).map(Some)
    }
}

impl<T: ListItem> ListItem for Option<T> {}
#[cfg(feature = "dtype-u8")]
impl ListItem for Option<u8> {}
