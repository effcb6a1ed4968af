//! Values of any dtype: `AnyValue` and, for List and Array columns, `Series`.

use polars::prelude::{AnyValue, DataType, PlSmallStr, Series};
use polars_arrow::array::Array;
use polars_arrow::bitmap::Bitmap;

use super::list::inner_dtype;
use super::{Cell, Fit, Lookup, Mask, Masked, Misread, Reader, validity};

/// A chunk whose dtype is known only at run time.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct AnyChunk<'a> {
    pub(super) dtype: &'a DataType,
    pub(super) array: &'a dyn Array,
}

impl<'a> AnyChunk<'a> {
    /// The value of a row, nulls as `AnyValue::Null`.
    pub(super) fn value(self, row: usize) -> AnyValue<'a> {
        /// The value if the row has one and the type takes it.
        fn get<'a, T: Cell>(chunk: AnyChunk<'a>, row: usize) -> Option<T::Of<'a>> {
            T::get(chunk.dtype, chunk.array, row).ok()
        }

        if self.array.is_null(row) {
            return AnyValue::Null;
        }
        let value = match self.dtype {
            DataType::Boolean => get::<bool>(self, row).map(AnyValue::Boolean),
            DataType::Int32 => get::<i32>(self, row).map(AnyValue::Int32),
            DataType::Int64 => get::<i64>(self, row).map(AnyValue::Int64),
            DataType::UInt32 => get::<u32>(self, row).map(AnyValue::UInt32),
            DataType::UInt64 => get::<u64>(self, row).map(AnyValue::UInt64),
            DataType::Float32 => get::<f32>(self, row).map(AnyValue::Float32),
            DataType::Float64 => get::<f64>(self, row).map(AnyValue::Float64),
            DataType::String => get::<&str>(self, row).map(AnyValue::String),
            DataType::Binary => get::<&[u8]>(self, row).map(AnyValue::Binary),
            _ => None,
        };
        value.unwrap_or_else(|| {
            let one = series(self.dtype, self.array, row, 1);
            one.get(0).map_or(AnyValue::Null, AnyValue::into_static)
        })
    }
}

/// Rows of an array as a series that shares its memory.
fn series(dtype: &DataType, array: &dyn Array, offset: usize, len: usize) -> Series {
    let chunk = array.sliced(offset, len);
    // SAFETY: the array is (a part of) a chunk of a column of `dtype`, so it has the dtype's physical type.
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

    fn type_name() -> String {
        "AnyValue".into()
    }

    fn fit(_: &DataType) -> Fit {
        Fit::Exact
    }

    fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> AnyChunk<'a> {
        AnyChunk { dtype, array }
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

    fn get<'a>(
        dtype: &'a DataType,
        array: &'a dyn Array,
        row: usize,
    ) -> Result<AnyValue<'a>, Misread> {
        Ok(AnyChunk { dtype, array }.value(row))
    }
}

/// A chunk of a List or Array column, taken as series.
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

/// The items of one list, without a name; they share the column's memory.
fn items(chunk: AnyChunk<'_>, row: usize) -> Option<Series> {
    match series(chunk.dtype, chunk.array, row, 1).get(0) {
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

    fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> SeriesChunk<'a> {
        SeriesChunk {
            chunk: AnyChunk { dtype, array },
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

    fn get<'a>(dtype: &'a DataType, array: &'a dyn Array, row: usize) -> Result<Series, Misread> {
        if array.is_null(row) {
            return Err(Misread::Null);
        }
        if inner_dtype(dtype).is_none() {
            return Err(Misread::Dtype);
        }
        items(AnyChunk { dtype, array }, row).ok_or(Misread::Null)
    }
}
