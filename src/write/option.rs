//! `Option<T>`: `None` is null.

use polars::prelude::DataType;

use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::Result;
use crate::options::Casts;
use crate::sealed::Sealed;

/// A column in which any value may be null.
#[doc(hidden)]
#[derive(Debug)]
pub struct OptionSink<S>(S);

impl<S> Sealed for OptionSink<S> {}

impl<S: CellSink> CellSink for OptionSink<S> {
    type Item = Option<S::Item>;
    const FIXED: bool = S::FIXED;
    const NEEDS: Option<&'static str> = S::NEEDS;
    const BOOLEAN: bool = S::BOOLEAN;
    type Writer<'s>
        = OptionWriter<S::Writer<'s>>
    where
        Self: 's;

    fn fit(dtype: &DataType) -> Result<bool, String> {
        S::fit(dtype)
    }

    fn new(rows: usize, _: bool) -> Self {
        OptionSink(S::new(rows, true))
    }

    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_> {
        // SAFETY: the caller upholds this function's contract.
        OptionWriter(unsafe { self.0.writer(start, len) })
    }

    unsafe fn finish(self) -> Result<Finished> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.0.finish() }
    }
}

/// Writes the values that are there, and marks the other rows as null.
#[doc(hidden)]
#[derive(Debug)]
pub struct OptionWriter<W>(W);

impl<W: Writer> Writer for OptionWriter<W> {
    type Item = Option<W::Item>;

    #[inline(always)]
    unsafe fn write(&mut self, row: usize, item: Self::Item) {
        // SAFETY: the caller upholds this function's contract, and the inner sink is nullable (`OptionSink::new`).
        unsafe {
            match item {
                Some(item) => self.0.write(row, item),
                None => self.0.write_null(row),
            }
        }
    }

    #[inline(always)]
    unsafe fn write_null(&mut self, row: usize) {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.0.write_null(row) };
    }

    fn finish(self) {
        self.0.finish();
    }
}

impl<T: IntoCell> IntoCell for Option<T> {
    type Sink = OptionSink<T::Sink>;

    #[inline(always)]
    fn into_item(self, casts: Casts) -> Result<Option<<T::Sink as CellSink>::Item>, Refused> {
        self.map(|item| item.into_item(casts)).transpose()
    }

    fn into_item_as(
        self,
        dtype: &DataType,
        casts: Casts,
    ) -> Result<Option<<T::Sink as CellSink>::Item>, Refused> {
        self.map(|item| item.into_item_as(dtype, casts)).transpose()
    }
}
