//! Booleans.

use polars::prelude::DataType;
use polars_arrow::array::BooleanArray;
use polars_arrow::datatypes::ArrowDataType;

use super::buffer::{BitWriter, Bits, Validity, ValidityWriter};
use super::returns::only;
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::Result;
use crate::options::Casts;
use crate::sealed::Sealed;

/// A Boolean column.
#[doc(hidden)]
#[derive(Debug)]
pub struct BooleanSink {
    values: Bits,
    validity: Validity,
}

impl Sealed for BooleanSink {}

impl CellSink for BooleanSink {
    type Item = bool;
    const BOOLEAN: bool = true;
    type Writer<'s> = BooleanWriter<'s>;

    fn fit(dtype: &DataType) -> Result<bool, String> {
        only(&DataType::Boolean, dtype)
    }

    fn new(rows: usize, nullable: bool) -> Self {
        BooleanSink {
            values: Bits::new(rows),
            validity: Validity::new(rows, nullable),
        }
    }

    unsafe fn writer(&self, start: usize, len: usize) -> BooleanWriter<'_> {
        BooleanWriter {
            values: self.values.writer(start, len),
            validity: self.validity.writer(start, len),
        }
    }

    unsafe fn finish(self) -> Result<Finished> {
        let validity = self.validity.into_bitmap();
        let array = BooleanArray::new(ArrowDataType::Boolean, self.values.into_bitmap(), validity);
        Ok(Finished::new(DataType::Boolean, array))
    }
}

/// Writes bits.
#[doc(hidden)]
#[derive(Debug)]
pub struct BooleanWriter<'s> {
    values: BitWriter<'s>,
    validity: ValidityWriter<'s>,
}

impl Writer for BooleanWriter<'_> {
    type Item = bool;

    #[inline(always)]
    unsafe fn write(&mut self, _: usize, item: bool) {
        self.values.push(item);
    }

    #[inline]
    unsafe fn write_null(&mut self, row: usize) {
        self.values.push(false);
        self.validity.set_null(row);
    }

    fn finish(self) {
        self.values.finish();
        self.validity.finish();
    }
}

impl IntoCell for bool {
    type Sink = BooleanSink;

    #[inline(always)]
    fn into_item(self, _: Casts) -> Result<bool, Refused> {
        Ok(self)
    }
}
