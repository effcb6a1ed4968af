//! Booleans.

use polars::prelude::DataType;
use polars_arrow::array::{Array, BooleanArray};
use polars_arrow::bitmap::Bitmap;

use super::any::{AnyChunk, Typed};
use super::{
    Cell, Fit, ListItem, Lookup, Mask, Masked, Misread, downcast, validity, view_is_reader,
};

/// A chunk of a Boolean column.
#[doc(hidden)]
#[derive(Debug)]
pub struct BooleanChunk<'a> {
    values: &'a Bitmap,
    validity: Option<&'a Bitmap>,
}

/// Finds bits.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct BooleanLookup<'s> {
    values: &'s Bitmap,
    offset: usize,
}

impl Lookup for BooleanLookup<'_> {
    type Item = bool;

    #[inline(always)]
    unsafe fn at(&self, i: usize) -> bool {
        // SAFETY: the bitmap has the whole block (`open`), and the caller guarantees that `i` is within the block.
        unsafe { self.values.get_bit_unchecked(self.offset + i) }
    }
}

impl Cell for bool {
    type Of<'a> = bool;
    type Chunk<'a> = BooleanChunk<'a>;
    type Scratch = ();
    type Reader<'s> = Masked<'s, BooleanLookup<'s>>;

    view_is_reader!();

    fn type_name() -> String {
        "bool".into()
    }

    fn fit(dtype: &DataType) -> Fit {
        match dtype {
            DataType::Boolean => Fit::Exact,
            DataType::Null => Fit::Cast(DataType::Boolean),
            dtype if dtype.is_numeric() => Fit::Lossy(DataType::Boolean),
            _ => Fit::Never,
        }
    }

    unsafe fn bind<'a>(_: &'a DataType, array: &'a dyn Array) -> BooleanChunk<'a> {
        BooleanChunk {
            values: downcast::<BooleanArray>(array).values(),
            validity: validity(array),
        }
    }

    fn open<'s>(
        chunk: &'s BooleanChunk<'_>,
        offset: usize,
        len: usize,
        (): &'s mut (),
    ) -> Self::Reader<'s> {
        assert!(offset + len <= chunk.values.len());
        Masked {
            values: BooleanLookup {
                values: chunk.values,
                offset,
            },
            mask: Mask::new(chunk.validity, offset, len),
        }
    }

    fn has_nulls(chunk: &BooleanChunk<'_>) -> bool {
        chunk.validity.is_some()
    }

    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<bool, Misread> {
        if chunk.is_null(row) {
            return Err(Misread::Null);
        }
        match chunk.typed {
            Typed::Boolean(values) => Ok(values.get_bit(row)),
            _ => Err(Misread::Dtype),
        }
    }

    #[inline(always)]
    fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<bool> {
        match chunk.typed {
            Typed::Boolean(values) if chunk.is_valid(row) => Some(values.get_bit(row)),
            _ => None,
        }
    }
}

impl ListItem for bool {}
