//! Chunks of arrow2.

use std::collections::HashMap;
use std::fmt;

use ::arrow2::array::{
    Array, BinaryArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray, ListArray,
    MapArray, StructArray, Utf8Array,
};
use ::arrow2::bitmap::Bitmap;
use ::arrow2::chunk::Chunk;
use ::arrow2::datatypes::{DataType, Field, Metadata, Schema, TimeUnit};
use ::arrow2::error::Error as Error2;
use ::arrow2::ffi;
use polars::prelude::{self, CompatLevel, DataFrame};
use polars_arrow::datatypes::Field as Column;
use polars_arrow::ffi::{ArrowArray, ArrowSchema};

use super::c::same_struct;
use super::ffi::{Unfit, column_to_ffi, importable, refused};
use super::fit::check_name;
use super::frames::{
    Batch, Sliceable, all_columns, batches, check_frame, faults_of_arrow2, frame_of_batches,
    in_one_chunk, of_batch,
};
use crate::error::Result;
use crate::run::catch;
use crate::sealed::Sealed;
use crate::sync::Arc;

/// A batch of arrow2: its arrays together with their schema, which `arrow2::chunk::Chunk` does not have.
///
/// A chunk closure can take and return it, as it can a `RecordBatch` with the feature `arrow`. [`ToArrow2`] and [`FromArrow2`]
/// convert frames to it and back.
///
/// ```
/// use polars_par_apply::arrow2::array::{Array, Float64Array};
/// use polars_par_apply::prelude::*;
///
/// /// A function of an older pipeline, which uses arrow2.
/// fn halved(part: Arrow2Chunk) -> polars_par_apply::Result<Arrow2Chunk> {
///     let halves = part.chunk().arrays().iter().map(|array| {
///         let array = array.as_any().downcast_ref::<Float64Array>().unwrap();
///         let halves: Float64Array = array.iter().map(|x| x.map(|x| x / 2.0)).collect();
///         halves.boxed()
///     });
///     let chunk = polars_par_apply::arrow2::chunk::Chunk::new(halves.collect());
///     Arrow2Chunk::try_new(part.schema().clone(), chunk)
/// }
///
/// let df = df!["x" => [Some(1.0), None, Some(5.0)]]?;
/// let halves = df.par_apply().partitions(2).chunks(halved)?;
/// assert_eq!(halves, df!["x" => [Some(0.5), None, Some(2.5)]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone)]
pub struct Arrow2Chunk {
    schema: Arc<Schema>,
    chunk: Chunk<Box<dyn Array>>,
    /// The number of rows, which a chunk without columns has as well.
    rows: usize,
}

impl Arrow2Chunk {
    /// Makes a batch of a schema and arrays; a batch without arrays has no rows.
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned if the number of fields is not that of the arrays, or if a
    /// field has another type than its array.
    pub fn try_new(schema: Schema, chunk: Chunk<Box<dyn Array>>) -> Result<Self> {
        let (fields, arrays) = (&schema.fields, chunk.arrays());
        if fields.len() != arrays.len() {
            let message = format!(
                "the schema has {} fields, but the chunk has {} arrays; give one array for each field",
                fields.len(),
                arrays.len()
            );
            return Err(of_batch(None, None, message));
        }
        for (field, array) in fields.iter().zip(arrays) {
            if field.data_type() != array.data_type() {
                let message = format!(
                    "the field is {:?}, but its array is {:?}; give both the same type",
                    field.data_type(),
                    array.data_type()
                );
                return Err(refused(&field.name, message));
            }
        }
        let rows = chunk.len();
        let schema = Arc::new(schema);
        Ok(Arrow2Chunk {
            schema,
            chunk,
            rows,
        })
    }

    /// Returns the names and types of the columns.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Returns the arrays of the columns.
    #[must_use]
    pub fn chunk(&self) -> &Chunk<Box<dyn Array>> {
        &self.chunk
    }

    /// Returns the array of the column of that name, or `None` if there is no such column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&dyn Array> {
        let position = self
            .schema
            .fields
            .iter()
            .position(|field| field.name == name)?;
        Some(&*self.chunk.arrays()[position])
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.rows
    }

    /// Returns the schema and the arrays by value.
    #[must_use]
    pub fn into_parts(self) -> (Schema, Chunk<Box<dyn Array>>) {
        (Arc::unwrap_or_clone(self.schema), self.chunk)
    }
}

impl fmt::Debug for Arrow2Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: HashMap<&str, &DataType> = self
            .schema
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.data_type()))
            .collect();
        f.debug_struct("Arrow2Chunk")
            .field("columns", &types)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Converts a frame to chunks of arrow2, which share the memory of its numbers, dates and times.
///
/// The trait is sealed: it is implemented for `DataFrame`.
pub trait ToArrow2: Sealed {
    /// Returns the frame as chunks, at the oldest compatibility level.
    ///
    /// arrow2 has no views, so text is copied to `LargeUtf8`, and binary values to `LargeBinary`. The frame is cut where a
    /// chunk of any column ends, as `ToArrow::to_batches` cuts it.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["name" => ["oak", "ash"], "height" => [20.5, 18.0]]?;
    /// let chunks: Vec<Arrow2Chunk> = df.to_arrow2()?;
    /// assert_eq!(chunks[0].num_rows(), 2);
    /// assert_eq!(chunks.to_frame()?, df);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned for each column that Arrow cannot have: a column of Int128, an
    /// Object, or a column whose name has a zero byte.
    fn to_arrow2(&self) -> Result<Vec<Arrow2Chunk>>;
}

/// Converts chunks of arrow2 to a frame, which shares the memory of their numbers, dates and times.
///
/// The trait is sealed: it is implemented for [`Arrow2Chunk`] and `[Arrow2Chunk]`.
pub trait FromArrow2: Sealed {
    /// Returns the chunks as one frame, stacked in order, where each is a chunk of every column; see [`ToArrow2::to_arrow2`].
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned for each column that has a type that Polars does not have or
    /// whose feature is off, nulls in a field that is not nullable, or a value that Polars cannot hold. It is also returned if
    /// the columns of the chunks differ in name or dtype, and if there are no chunks at all.
    fn to_frame(&self) -> Result<DataFrame>;
}

impl ToArrow2 for DataFrame {
    fn to_arrow2(&self) -> Result<Vec<Arrow2Chunk>> {
        let columns = self.columns();
        check_frame(columns, faults_of_arrow2)?;
        let (schema, chunks) = exported(columns)?;
        let schema = Arc::new(schema);
        let batches = batches(chunks, self.height()).into_iter();
        batches
            .map(|(rows, arrays)| chunk_of_arrays(schema.clone(), arrays, rows))
            .collect()
    }
}

type Arrays = Vec<Box<dyn Array>>;

/// Exports the schema and the chunks of the columns.
fn exported(columns: &[prelude::Column]) -> Result<(Schema, Vec<Arrays>)> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut chunks = Vec::with_capacity(columns.len());
    for column in columns {
        let (field, arrays) = arrays_of(column)?;
        fields.push(field);
        chunks.push(arrays);
    }
    let metadata = Metadata::default();
    Ok((Schema { fields, metadata }, chunks))
}

fn arrays_of(column: &prelude::Column) -> Result<(Field, Arrays)> {
    let failed = |error: ::arrow2::error::Error| refused(column.name(), error.to_string());
    let (arrays, schema) = column_to_ffi(column, CompatLevel::oldest())?;
    // SAFETY: both crates have the struct as `repr(C)`, as the C Data Interface defines it; Polars has made it, so it is valid.
    let field = unsafe {
        let schema: ffi::ArrowSchema = same_struct::<ArrowSchema, _>(schema);
        ffi::import_field_from_c(&schema).map_err(failed)?
    };
    let arrays = arrays.into_iter().map(|array| {
        // SAFETY: as above; the array belongs to the field, since both come from one column.
        let array = unsafe {
            let array: ffi::ArrowArray = same_struct::<ArrowArray, _>(array);
            ffi::import_array_from_c(array, field.data_type().clone())
        };
        array.map_err(failed)
    });
    let arrays = arrays.collect::<Result<_>>()?;
    Ok((field, arrays))
}

fn chunk_of_arrays(schema: Arc<Schema>, arrays: Arrays, rows: usize) -> Result<Arrow2Chunk> {
    let chunk = Chunk::try_new(arrays).map_err(|error| of_batch(None, None, error.to_string()))?;
    Ok(Arrow2Chunk {
        schema,
        chunk,
        rows,
    })
}

/// Returns a frame as one chunk.
pub(crate) fn chunk_of(frame: &DataFrame) -> Result<Arrow2Chunk> {
    let columns: Vec<_> = frame.columns().iter().map(in_one_chunk).collect();
    let (schema, chunks) = exported(&columns)?;
    let arrays = chunks
        .into_iter()
        .filter_map(|chunks| chunks.into_iter().next());
    chunk_of_arrays(Arc::new(schema), arrays.collect(), frame.height())
}

impl Sliceable for Box<dyn Array> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn rows_of(&self, offset: usize, len: usize) -> Self {
        match (offset, len == self.len()) {
            (0, true) => self.clone(),
            _ => self.sliced(offset, len),
        }
    }
}

impl FromArrow2 for Arrow2Chunk {
    fn to_frame(&self) -> Result<DataFrame> {
        frame_of_batches(std::slice::from_ref(self))
    }
}

impl FromArrow2 for [Arrow2Chunk] {
    fn to_frame(&self) -> Result<DataFrame> {
        frame_of_batches(self)
    }
}

impl Sealed for Arrow2Chunk {}
impl Sealed for [Arrow2Chunk] {}

impl Batch for Arrow2Chunk {
    fn rows(&self) -> usize {
        self.rows
    }

    fn width(&self) -> usize {
        self.schema.fields.len()
    }

    fn has_schema_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.schema, &other.schema) || self.schema.fields == other.schema.fields
    }

    fn columns(&self) -> Result<Vec<Column>> {
        let fields = self.schema.fields.iter();
        all_columns(fields.map(|field| (field.name.as_str(), column_of(field))))
    }

    fn to_c(&self, position: usize) -> Result<ArrowArray, String> {
        let array = &*self.chunk.arrays()[position];
        // The panics of arrow2 that are known are avoided; it is not maintained, so there may be more.
        let array = catch(|| exportable(array).map(ffi::export_array_to_c));
        let array = array.map_err(|_| "arrow2 panicked while it exported the array".to_owned())?;
        let array = array.map_err(|error| error.to_string())?;
        // SAFETY: both crates have the struct as `repr(C)`, as the C Data Interface defines it.
        Ok(unsafe { same_struct(array) })
    }
}

/// Returns an array that arrow2 exports as the format requires.
///
/// There are three kinds of arrays that it exports wrongly. First, text or bytes whose values are a slice of a buffer are
/// exported from the start of the buffer; these are copied. Second, a slice of structs or of lists of fixed width keeps the
/// slice of the values, and has the offset of its bits as that of the whole array, so that a reader that follows the format
/// skips as many values once more; these get bits that begin with the first row. Third, arrays within others are not aligned,
/// at which arrow2 panics; these are exported and imported again by themselves.
fn exportable(array: &dyn Array) -> Result<Box<dyn Array>, Error2> {
    let dtype = array.data_type().clone();
    let bits = || {
        let valid = array.validity();
        valid.map(|valid| valid.iter().collect::<Bitmap>())
    };
    let any = array.as_any();
    if let Some(structs) = any.downcast_ref::<StructArray>() {
        let values = structs.values().iter();
        let values = values.map(|values| exportable_within(&**values));
        return Ok(StructArray::try_new(dtype, values.collect::<Result<_, _>>()?, bits())?.boxed());
    }
    if let Some(lists) = any.downcast_ref::<FixedSizeListArray>() {
        let values = exportable_within(&**lists.values())?;
        return Ok(FixedSizeListArray::try_new(dtype, values, bits())?.boxed());
    }
    if let Some(maps) = any.downcast_ref::<MapArray>() {
        let entries = exportable_within(&**maps.field())?;
        let (offsets, valid) = (maps.offsets().clone(), maps.validity().cloned());
        return Ok(MapArray::try_new(dtype, offsets, entries, valid)?.boxed());
    }
    if let Some(bytes) = any.downcast_ref::<FixedSizeBinaryArray>()
        && bytes.values().offset() > 0
    {
        let values = bytes.values().as_slice().to_vec();
        return Ok(FixedSizeBinaryArray::try_new(dtype, values.into(), bits())?.boxed());
    }
    macro_rules! of_offsets {
        ($($O:ty)*) => {$(
            if let Some(lists) = any.downcast_ref::<ListArray<$O>>() {
                let values = exportable_within(&**lists.values())?;
                let (offsets, valid) = (lists.offsets().clone(), lists.validity().cloned());
                return Ok(ListArray::try_new(dtype, offsets, values, valid)?.boxed());
            }
            if let Some(texts) = any.downcast_ref::<Utf8Array<$O>>()
                && texts.values().offset() > 0
            {
                let values = texts.values().as_slice().to_vec().into();
                let (offsets, valid) = (texts.offsets().clone(), texts.validity().cloned());
                return Ok(Utf8Array::<$O>::try_new(dtype, offsets, values, valid)?.boxed());
            }
            if let Some(bytes) = any.downcast_ref::<BinaryArray<$O>>()
                && bytes.values().offset() > 0
            {
                let values = bytes.values().as_slice().to_vec().into();
                let (offsets, valid) = (bytes.offsets().clone(), bytes.validity().cloned());
                return Ok(BinaryArray::<$O>::try_new(dtype, offsets, values, valid)?.boxed());
            }
        )*};
    }
    of_offsets!(i32 i64);
    macro_rules! of_keys {
        ($($K:ty)*) => {$(
            if let Some(dictionary) = any.downcast_ref::<DictionaryArray<$K>>() {
                let values = exportable_within(&**dictionary.values())?;
                let keys = dictionary.keys().clone();
                // The key in the place of a null may be anything, which `try_new` refuses.
                let dictionary = DictionaryArray::<$K>::try_new_unchecked;
                // SAFETY: the keys are those of a dictionary with as many values.
                let dictionary = unsafe { dictionary(dtype, keys, values)? };
                return Ok(dictionary.boxed());
            }
        )*};
    }
    of_keys!(i8 i16 i32 i64 u8 u16 u32 u64);
    Ok(array.to_boxed())
}

/// Does the same for an array within another one: its parts are aligned, which arrow2 does only for the outermost array.
fn exportable_within(array: &dyn Array) -> Result<Box<dyn Array>, Error2> {
    let array = exportable(array)?;
    let dtype = array.data_type().clone();
    if array.is_empty() {
        return Ok(array);
    }
    // SAFETY: arrow2 imports what it has exported, an array of this type.
    unsafe { ffi::import_array_from_c(ffi::export_array_to_c(array), dtype) }
}

fn column_of(field: &Field) -> Result<Column> {
    check_field(field).map_err(|why| refused(&field.name, why))?;
    // SAFETY: both crates have the struct as `repr(C)`; arrow2 has made it, so it is valid.
    let column = unsafe {
        let schema: ArrowSchema = same_struct(ffi::export_field_to_c(&as_stored(field)));
        importable(&schema)
    };
    column.map_err(|why| match why {
        Unfit::Unknown(why) | Unfit::Refused(why) => refused(&field.name, why),
    })
}

/// Returns the field with each extension type as what it is stored as: for one that is stored as a dictionary, arrow2 exports
/// only the keys.
fn as_stored(field: &Field) -> Field {
    Field {
        data_type: type_as_stored(field.data_type()),
        ..field.clone()
    }
}

fn type_as_stored(dtype: &DataType) -> DataType {
    use DataType as A;

    let item = |item: &Field| Box::new(as_stored(item));
    match dtype {
        A::Extension(_, stored, _) => type_as_stored(stored),
        A::List(field) => A::List(item(field)),
        A::LargeList(field) => A::LargeList(item(field)),
        A::FixedSizeList(field, width) => A::FixedSizeList(item(field), *width),
        A::Map(field, is_sorted) => A::Map(item(field), *is_sorted),
        A::Struct(fields) => A::Struct(fields.iter().map(as_stored).collect()),
        A::Dictionary(keys, values, is_ordered) => {
            A::Dictionary(*keys, Box::new(type_as_stored(values)), *is_ordered)
        }
        other => other.clone(),
    }
}

/// Refuses a field at which arrow2 panics when it exports it.
fn check_field(field: &Field) -> Result<(), String> {
    check_name(&field.name)?;
    check_type(field.data_type())
}

fn check_type(dtype: &DataType) -> Result<(), String> {
    use DataType as A;

    match dtype {
        A::Interval(_) | A::Union(..) => Err(format!("{dtype:?} has no counterpart in Polars")),
        A::Time32(TimeUnit::Microsecond | TimeUnit::Nanosecond)
        | A::Time64(TimeUnit::Second | TimeUnit::Millisecond) => {
            Err(format!("{dtype:?} is not a type of Arrow"))
        }
        A::Timestamp(_, Some(zone)) => check_name(zone),
        A::List(item) | A::LargeList(item) | A::FixedSizeList(item, _) | A::Map(item, _) => {
            check_field(item)
        }
        A::Struct(fields) => fields.iter().try_for_each(check_field),
        A::Dictionary(_, values, _) => check_type(values),
        A::Extension(_, stored, _) => check_type(stored),
        _ => Ok(()),
    }
}
