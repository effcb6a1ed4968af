//! Record batches of arrow-rs.

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::{
    Array, ArrayRef, RecordBatch, RecordBatchOptions, RecordBatchReader, make_array,
};
use arrow_schema::{ArrowError, Field, Schema};
use polars::prelude::{self, CompatLevel, DataFrame};
use polars_arrow::datatypes::Field as Column;
use polars_arrow::ffi::{ArrowArray, ArrowSchema};

use super::c::same_struct;
use super::ffi::{Unfit, column_to_ffi, importable, refused};
use super::fit::check_name;
use super::frames::{
    Batch, Sliceable, all_columns, batches, check_frame, faults, frame_of_batches,
    frame_without_rows, in_one_chunk, of_batch, with_one_dictionary,
};
use crate::error::Result;
use crate::sealed::Sealed;
use crate::sync::Arc;

/// Converts a frame to record batches of arrow-rs, which share its memory.
///
/// The trait is sealed: it is implemented for `DataFrame`.
pub trait ToArrow: Sealed {
    /// Returns the frame as batches, at the newest compatibility level.
    ///
    /// Text and binary values stay as they are, as `Utf8View` and `BinaryView`.
    ///
    /// The frame is cut where a chunk of any column ends, so numbers, text and lists are not copied. A frame of one chunk is
    /// one batch, and a frame without rows is one batch without rows. A column with categories is put into one chunk first, and
    /// its batches share a dictionary. The guide's page [Arrow](crate::guide::arrow) lists which dtypes become which types, and
    /// what is copied.
    ///
    /// ```
    /// use polars_par_apply::{arrow_array::cast::AsArray, prelude::*};
    ///
    /// let df = df!["name" => ["oak", "ash"], "height" => [20.5, 18.0]]?;
    /// let batches = df.to_batches()?;
    /// assert_eq!(batches.len(), 1);
    /// assert_eq!(batches[0]["name"].as_string_view().value(1), "ash");
    /// assert_eq!(batches.to_frame()?, df);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned for each column that Arrow cannot have: a column of Int128, an
    /// Object, or a column whose name has a zero byte.
    fn to_batches(&self) -> Result<Vec<RecordBatch>> {
        self.to_batches_with(CompatLevel::newest())
    }

    /// Returns the frame as batches, at another compatibility level.
    ///
    /// The level [`oldest`](CompatLevel::oldest) copies text to `LargeUtf8` and binary values to `LargeBinary`, for readers
    /// that do not know views.
    ///
    /// # Errors
    /// The errors are those of [`to_batches`](ToArrow::to_batches).
    fn to_batches_with(&self, level: CompatLevel) -> Result<Vec<RecordBatch>>;
}

/// Converts record batches of arrow-rs to a frame, which shares their memory.
///
/// The trait is sealed: it is implemented for `RecordBatch` and `[RecordBatch]`.
pub trait FromArrow: Sealed {
    /// Returns the batches as one frame, stacked in order, where each is a chunk of every column.
    ///
    /// Numbers, views of text, large lists and structs are not copied. Text with offsets (Utf8, `LargeUtf8`), dictionaries and
    /// values that Polars counts in another unit are copied; the guide's page [Arrow](crate::guide::arrow) has the table. A
    /// dictionary of text becomes a Categorical, even where each batch has its own dictionary.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use polars_par_apply::arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
    /// use polars_par_apply::prelude::*;
    ///
    /// let batch = RecordBatch::try_from_iter([
    ///     ("id", Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef),
    ///     ("name", Arc::new(StringArray::from(vec!["oak", "ash"]))),
    /// ])?;
    /// let df = [batch.clone(), batch].to_frame()?;
    /// assert_eq!(df, df!["id" => [1i64, 2, 1, 2], "name" => ["oak", "ash", "oak", "ash"]]?);
    /// # anyhow::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned for each column that has a type that Polars does not have or
    /// whose feature is off, nulls in a field that is not nullable, or a value that Polars cannot hold. It is also returned if
    /// the columns of the batches differ in name or dtype, and if there are no batches at all, since then nothing says what
    /// columns there are: [`frame_of`] takes these from the reader.
    fn to_frame(&self) -> Result<DataFrame>;
}

/// Makes a frame of all batches that a reader yields, for example from Parquet, from IPC, or from a Flight stream.
///
/// A reader without batches gives a frame with the reader's columns and no rows.
///
/// ```
/// use std::sync::Arc;
///
/// use polars_par_apply::arrow_array::{Int64Array, RecordBatch, RecordBatchIterator};
/// use polars_par_apply::arrow_schema::{DataType as ArrowType, Field as ArrowField, Schema as ArrowSchema};
/// use polars_par_apply::{frame_of, prelude::*};
///
/// let schema = Arc::new(ArrowSchema::new(vec![ArrowField::new("id", ArrowType::Int64, true)]));
/// let batch = |ids: Vec<i64>| RecordBatch::try_new(schema.clone(), vec![Arc::new(Int64Array::from(ids))]);
/// let reader = RecordBatchIterator::new([batch(vec![1, 2]), batch(vec![3])], schema.clone());
/// assert_eq!(frame_of(reader)?, df!["id" => [1i64, 2, 3]]?);
///
/// let nothing = RecordBatchIterator::new([], schema);
/// assert_eq!(frame_of(nothing)?, df!["id" => [0i64; 0]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// # Errors
/// The errors are those of [`FromArrow::to_frame`]; types are checked before the first batch is read. An error of the reader is
/// returned with the number of its batch.
pub fn frame_of(reader: impl RecordBatchReader) -> Result<DataFrame> {
    let schema = reader.schema();
    let columns = schema_of(&schema)?;
    let mut batches = Vec::new();
    for (index, batch) in reader.enumerate() {
        let failed =
            |error: ArrowError| of_batch(Some(index), None, format!("the reader failed: {error}"));
        batches.push(batch.map_err(failed)?);
    }
    match batches.is_empty() {
        true => frame_without_rows(&columns),
        false => frame_of_batches(&batches),
    }
}

impl ToArrow for DataFrame {
    fn to_batches_with(&self, level: CompatLevel) -> Result<Vec<RecordBatch>> {
        let columns = self.columns();
        check_frame(columns, faults)?;
        let columns = with_one_dictionary(columns);
        let (fields, chunks) = exported(&columns, level)?;
        let schema = Arc::new(Schema::new(fields));
        let batches = batches(chunks, self.height()).into_iter();
        batches
            .map(|(rows, arrays)| batch_of_arrays(schema.clone(), arrays, rows))
            .collect()
    }
}

/// Exports the fields and the chunks of the columns.
fn exported(
    columns: &[prelude::Column],
    level: CompatLevel,
) -> Result<(Vec<Field>, Vec<Vec<ArrayRef>>)> {
    let mut fields = Vec::with_capacity(columns.len());
    let mut chunks = Vec::with_capacity(columns.len());
    for column in columns {
        let (field, arrays) = arrays_of(column, level)?;
        fields.push(field);
        chunks.push(arrays);
    }
    Ok((fields, chunks))
}

fn arrays_of(column: &prelude::Column, level: CompatLevel) -> Result<(Field, Vec<ArrayRef>)> {
    let failed = |error: ArrowError| refused(column.name(), error.to_string());
    let (arrays, schema) = column_to_ffi(column, level)?;
    // SAFETY: both crates have the struct as `repr(C)`, as the C Data Interface defines it.
    let schema: FFI_ArrowSchema = unsafe { same_struct::<ArrowSchema, _>(schema) };
    let field = Field::try_from(&schema).map_err(failed)?;
    let arrays = arrays.into_iter().map(|array| {
        // SAFETY: as above; the array belongs to the schema, since both come from one column.
        let data = unsafe { from_ffi(same_struct::<ArrowArray, FFI_ArrowArray>(array), &schema) };
        data.map(make_array).map_err(failed)
    });
    Ok((field, arrays.collect::<Result<_>>()?))
}

fn batch_of_arrays(schema: Arc<Schema>, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    // A batch without columns can have rows too.
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let batch = RecordBatch::try_new_with_options(schema, arrays, &options);
    batch.map_err(|error| of_batch(None, None, error.to_string()))
}

/// Returns a frame as one batch, without a copy if each column has one chunk.
pub(crate) fn batch_of(frame: &DataFrame) -> Result<RecordBatch> {
    let columns: Vec<_> = frame.columns().iter().map(in_one_chunk).collect();
    let (fields, chunks) = exported(&columns, CompatLevel::newest())?;
    let arrays = chunks
        .into_iter()
        .filter_map(|chunks| chunks.into_iter().next());
    batch_of_arrays(
        Arc::new(Schema::new(fields)),
        arrays.collect(),
        frame.height(),
    )
}

impl Sliceable for ArrayRef {
    fn rows(&self) -> usize {
        self.len()
    }

    fn rows_of(&self, offset: usize, len: usize) -> Self {
        match (offset, len == self.len()) {
            (0, true) => self.clone(),
            _ => self.slice(offset, len),
        }
    }
}

impl FromArrow for RecordBatch {
    fn to_frame(&self) -> Result<DataFrame> {
        frame_of_batches(std::slice::from_ref(self))
    }
}

impl FromArrow for [RecordBatch] {
    fn to_frame(&self) -> Result<DataFrame> {
        frame_of_batches(self)
    }
}

impl Sealed for RecordBatch {}
impl Sealed for [RecordBatch] {}

impl Batch for RecordBatch {
    fn rows(&self) -> usize {
        self.num_rows()
    }

    fn width(&self) -> usize {
        self.num_columns()
    }

    fn has_schema_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.schema_ref(), other.schema_ref())
            || self.schema_ref().fields() == other.schema_ref().fields()
    }

    fn columns(&self) -> Result<Vec<Column>> {
        schema_of(self.schema_ref())
    }

    fn to_c(&self, position: usize) -> Result<ArrowArray, String> {
        let array = FFI_ArrowArray::new(&self.column(position).to_data());
        // SAFETY: both crates have the struct as `repr(C)`, as the C Data Interface defines it.
        Ok(unsafe { same_struct(array) })
    }
}

/// Returns the columns of a schema, if all of them can be taken.
fn schema_of(schema: &Schema) -> Result<Vec<Column>> {
    let fields = schema.fields().iter();
    all_columns(fields.map(|field| (field.name().as_str(), column_of(field))))
}

fn column_of(field: &Field) -> Result<Column> {
    check_names(field).map_err(|why| refused(field.name(), why))?;
    let schema = FFI_ArrowSchema::try_from(field);
    let schema = schema.map_err(|error| refused(field.name(), error.to_string()))?;
    // SAFETY: both crates have the struct as `repr(C)`; arrow-rs has made it, so it is valid.
    let column = unsafe { importable(&same_struct::<_, ArrowSchema>(schema)) };
    column.map_err(|why| match why {
        // Polars does not know the code of the type, but the type has a name here.
        Unfit::Unknown(_) => refused(
            field.name(),
            format!("{} has no counterpart in Polars", field.data_type()),
        ),
        Unfit::Refused(why) => refused(field.name(), why),
    })
}

fn check_names(field: &Field) -> Result<(), String> {
    use arrow_schema::DataType as A;

    check_name(field.name())?;
    match field.data_type() {
        A::List(item) | A::LargeList(item) | A::FixedSizeList(item, _) | A::Map(item, _) => {
            check_names(item)
        }
        A::Struct(fields) => fields.iter().try_for_each(|field| check_names(field)),
        _ => Ok(()),
    }
}
