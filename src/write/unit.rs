//! `()`: a column of nulls, for closures that are called for their side effects.

use polars::prelude::DataType;
use polars_arrow::array::NullArray;
use polars_arrow::datatypes::ArrowDataType;

use super::convert::is_there;
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::Result;
use crate::options::Casts;
use crate::sealed::Sealed;

/// A Null column.
#[doc(hidden)]
#[derive(Debug)]
pub struct UnitSink(usize);

/// Writes nothing.
#[doc(hidden)]
#[derive(Debug)]
pub struct UnitWriter;

impl Sealed for UnitSink {}

impl CellSink for UnitSink {
    type Item = ();
    type Writer<'s> = UnitWriter;

    /// The column has only nulls, which are valid in any dtype.
    fn fit(dtype: &DataType) -> Result<bool, String> {
        is_there(dtype)?;
        Ok(*dtype == DataType::Null)
    }

    fn new(rows: usize, _: bool) -> Self {
        UnitSink(rows)
    }

    unsafe fn writer(&self, _: usize, _: usize) -> UnitWriter {
        UnitWriter
    }

    unsafe fn finish(self) -> Result<Finished> {
        Ok(Finished::new(
            DataType::Null,
            NullArray::new(ArrowDataType::Null, self.0),
        ))
    }
}

impl Writer for UnitWriter {
    type Item = ();

    unsafe fn write(&mut self, _: usize, (): ()) {}

    unsafe fn write_null(&mut self, _: usize) {}

    fn finish(self) {}
}

impl IntoCell for () {
    type Sink = UnitSink;

    fn into_item(self, _: Casts) -> Result<(), Refused> {
        Ok(())
    }
}
