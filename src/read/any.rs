//! Values of any dtype: `AnyValue` and, for List and Array columns, `Series`.

use polars::prelude::{AnyValue, DataType, PlSmallStr, Series};
use polars_arrow::array::{Array, BinaryViewArray, BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::bitmap::Bitmap;

use super::nested::inner_dtype;
use super::{Cell, Fit, Lookup, Mask, Masked, Misread, Reader, downcast, validity, view_is_reader};

/// A chunk whose dtype is known only at run time. Its values are found once, so that reading one takes a match and an index.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct AnyChunk<'a> {
    pub(super) dtype: &'a DataType,
    pub(super) array: &'a dyn Array,
    validity: Option<&'a Bitmap>,
    pub(super) typed: Typed<'a>,
}

macro_rules! typed {
    ($($Own:ident $T:ident),*) => {
        /// The values of a chunk, by the dtype of its column.
        #[doc(hidden)]
        #[derive(Clone, Copy, Debug)]
        pub enum Typed<'a> {
            $($Own(&'a [$T]),)*
            Boolean(&'a Bitmap),
            String(&'a Utf8ViewArray),
            Binary(&'a BinaryViewArray),
            Null,
            Other,
        }

        impl<'a> Typed<'a> {
            pub(super) fn find(dtype: &DataType, array: &'a dyn Array) -> Self {
                match dtype {
                    $(DataType::$Own => Typed::$Own(downcast::<PrimitiveArray<$T>>(array).values()),)*
                    DataType::Boolean => Typed::Boolean(downcast::<BooleanArray>(array).values()),
                    DataType::String => Typed::String(downcast(array)),
                    DataType::Binary => Typed::Binary(downcast(array)),
                    DataType::Null => Typed::Null,
                    _ => Typed::Other,
                }
            }
        }

        impl<'a> AnyChunk<'a> {
            /// Returns the value of a row; a null is `AnyValue::Null`.
            #[inline]
            pub(super) fn value(&self, row: usize) -> AnyValue<'a> {
                if self.is_null(row) {
                    return AnyValue::Null;
                }
                // Each arm makes the value in the place where it is returned: to move a value costs more than to make it.
                match self.typed {
                    $(Typed::$Own(values) => AnyValue::$Own(values[row]),)*
                    Typed::Boolean(values) => AnyValue::Boolean(values.get_bit(row)),
                    Typed::String(array) => AnyValue::String(array.value(row)),
                    Typed::Binary(array) => AnyValue::Binary(array.value(row)),
                    Typed::Null => AnyValue::Null,
                    Typed::Other => self.other(row),
                }
            }
        }
    };
}

typed!(
    Int8 i8, Int16 i16, Int32 i32, Int64 i64, Int128 i128,
    UInt8 u8, UInt16 u16, UInt32 u32, UInt64 u64,
    Float32 f32, Float64 f64
);

impl<'a> AnyChunk<'a> {
    /// # Safety
    /// `array` is a chunk of a column of `dtype`.
    pub(super) unsafe fn new(dtype: &'a DataType, array: &'a dyn Array) -> Self {
        AnyChunk {
            dtype,
            array,
            validity: validity(array),
            typed: Typed::find(dtype, array),
        }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        match self.validity {
            Some(validity) => !validity.get_bit(row),
            None => matches!(self.typed, Typed::Null),
        }
    }

    /// Returns whether a row of a dtype other than Null has a value.
    #[inline(always)]
    pub(super) fn is_valid(&self, row: usize) -> bool {
        self.validity.is_none_or(|validity| validity.get_bit(row))
    }

    /// Returns the value of a row of any dtype.
    #[cold]
    fn other(&self, row: usize) -> AnyValue<'a> {
        let one = series(*self, row);
        one.get(0).map_or(AnyValue::Null, AnyValue::into_static)
    }
}

/// Returns one row of a chunk as a series that shares the chunk's memory.
fn series(AnyChunk { dtype, array, .. }: AnyChunk<'_>, row: usize) -> Series {
    let chunk = array.sliced(row, 1);
    // SAFETY: the array is a part of a chunk of a column of `dtype` (`AnyChunk::new`), so it has its physical type.
    unsafe { Series::from_chunks_and_dtype_unchecked(PlSmallStr::EMPTY, vec![chunk], dtype) }
}

/// Reads any value.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct AnyReader<'s> {
    chunk: AnyChunk<'s>,
    offset: usize,
}

impl<'s> Reader for AnyReader<'s> {
    type Item = AnyValue<'s>;

    fn has_nulls(&self) -> bool {
        false
    }

    #[inline]
    unsafe fn is_valid(&self, _: usize) -> bool {
        true
    }

    #[inline]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> AnyValue<'s> {
        self.chunk.value(self.offset + i)
    }
}

/// Takes any column; a null is `AnyValue::Null`, so the closure is called for every row.
impl<'x> Cell for AnyValue<'x> {
    type Of<'a> = AnyValue<'a>;
    type Chunk<'a> = AnyChunk<'a>;
    type Scratch = ();
    type Reader<'s> = AnyReader<'s>;

    view_is_reader!();
    const EVERY_ROW: bool = true;

    fn type_name() -> String {
        "AnyValue".into()
    }

    fn fit(_: &DataType) -> Fit {
        Fit::Exact
    }

    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> AnyChunk<'a> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { AnyChunk::new(dtype, array) }
    }

    fn open<'s>(chunk: &'s AnyChunk<'_>, offset: usize, _: usize, (): &'s mut ()) -> AnyReader<'s> {
        AnyReader {
            chunk: *chunk,
            offset,
        }
    }

    fn has_nulls(_: &AnyChunk<'_>) -> bool {
        false
    }

    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<AnyValue<'a>, Misread> {
        Ok(chunk.value(row))
    }
}

/// A chunk of a List or Array column whose values are taken as series.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SeriesChunk<'a> {
    chunk: AnyChunk<'a>,
    validity: Option<&'a Bitmap>,
}

/// Finds a list as a series.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SeriesLookup<'s> {
    chunk: AnyChunk<'s>,
    offset: usize,
}

/// Returns the items of one list as a series without a name, which shares the column's memory.
fn items(chunk: AnyChunk<'_>, row: usize) -> Option<Series> {
    match series(chunk, row).get(0) {
        Ok(AnyValue::List(items)) => Some(items),
        #[cfg(feature = "dtype-array")]
        Ok(AnyValue::Array(items, _)) => Some(items),
        _ => None,
    }
}

impl Lookup for SeriesLookup<'_> {
    type Item = Series;

    unsafe fn at(&self, i: usize) -> Series {
        items(self.chunk, self.offset + i).expect("a list that is not null has items")
    }
}

impl Cell for Series {
    type Of<'a> = Series;
    type Chunk<'a> = SeriesChunk<'a>;
    type Scratch = ();
    type Reader<'s> = Masked<'s, SeriesLookup<'s>>;

    view_is_reader!();

    fn type_name() -> String {
        "Series".into()
    }

    fn fit(dtype: &DataType) -> Fit {
        match dtype {
            dtype if inner_dtype(dtype).is_some() => Fit::Exact,
            DataType::Null => Fit::Cast(DataType::List(Box::new(DataType::Null))),
            _ => Fit::Never,
        }
    }

    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> SeriesChunk<'a> {
        SeriesChunk {
            // SAFETY: the caller upholds this function's contract.
            chunk: unsafe { AnyChunk::new(dtype, array) },
            validity: validity(array),
        }
    }

    fn open<'s>(
        chunk: &'s SeriesChunk<'_>,
        offset: usize,
        len: usize,
        (): &'s mut (),
    ) -> Self::Reader<'s> {
        Masked {
            values: SeriesLookup {
                chunk: chunk.chunk,
                offset,
            },
            mask: Mask::new(chunk.validity, offset, len),
        }
    }

    fn has_nulls(chunk: &SeriesChunk<'_>) -> bool {
        chunk.validity.is_some()
    }

    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<Series, Misread> {
        if chunk.is_null(row) {
            return Err(Misread::Null);
        }
        if inner_dtype(chunk.dtype).is_none() {
            return Err(Misread::Dtype);
        }
        items(*chunk, row).ok_or(Misread::Null)
    }
}
