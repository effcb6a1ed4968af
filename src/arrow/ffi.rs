//! Columns as the structs of Arrow's C Data Interface, and back.

use std::borrow::Cow;

use polars::prelude::{ArrayRef, Column, CompatLevel, DataType, Series};
use polars_arrow::array::Array;
use polars_arrow::datatypes::Field;
use polars_arrow::ffi::{self, ArrowArray, ArrowSchema};

use super::c::{check_schema, name_of, normalize, strip_null_buffers};
use super::{claims, fit};
use crate::error::{Error, ErrorKind, Result};
use crate::run::catch;

/// Gives a column to any Arrow library, as the structs of the
/// [C Data Interface](https://arrow.apache.org/docs/format/CDataInterface.html): an array for each chunk of the column, and the
/// schema of them all.
///
/// The arrays share the column's memory and keep it alive; what is copied, and which dtypes there are, says the guide's page
/// [Arrow](crate::guide::arrow). A column without rows has one array of none. Every Arrow library has these structs under names
/// of its own, and takes them over: with them a column gets to a library, or a version of one, that this crate does not know.
///
/// ```
/// use polars_par_apply::{ArrowArray, ArrowSchema, column_from_ffi, column_to_ffi, prelude::*};
///
/// let df = df!["name" => ["oak", "ash"]]?;
/// let (arrays, schema): (Vec<ArrowArray>, ArrowSchema) = column_to_ffi(&df["name"], CompatLevel::newest())?;
///
/// // SAFETY: the structs are as `column_to_ffi` has made them.
/// let back = unsafe { column_from_ffi(arrays, &schema)? };
/// assert_eq!(back, df["name"]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// At the level [`newest`](CompatLevel::newest), text goes as `Utf8View`, which is how Polars has it; at
/// [`oldest`](CompatLevel::oldest) it is copied to `LargeUtf8`, for libraries that do not know the former.
///
/// # Errors
/// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow): a dtype that Arrow does not have; a name with a zero byte.
pub fn column_to_ffi(
    column: &Column,
    level: CompatLevel,
) -> Result<(Vec<ArrowArray>, ArrowSchema)> {
    if let Err(why) = fit::check_export(column.name(), column.dtype()) {
        return Err(refused(column.name(), why));
    }
    let (arrays, field) = exported(column.as_materialized_series(), level)?;
    let arrays = arrays.into_iter().map(to_c).collect();
    Ok((arrays, ffi::export_field_to_c(&field)))
}

/// The chunks of a series that may leave, and their field.
fn exported(series: &Series, level: CompatLevel) -> Result<(Vec<ArrayRef>, Field)> {
    let field = series.dtype().to_arrow_field(series.name().clone(), level);
    let empty;
    let series = match series.n_chunks() {
        0 => {
            empty = Series::new_empty(series.name().clone(), series.dtype());
            &empty
        }
        _ => series,
    };
    let chunk = |index| series.to_arrow_with_field(index, Cow::Borrowed(&field), true);
    let arrays = (0..series.n_chunks())
        .map(chunk)
        .collect::<Result<Vec<_>, _>>()?;
    // The arrays know the metadata of fields within them, which the dtype alone does not tell.
    let dtype = arrays
        .first()
        .map_or_else(|| field.dtype.clone(), |array| array.dtype().clone());
    Ok((arrays, Field { dtype, ..field }))
}

fn to_c(array: Box<dyn Array>) -> ArrowArray {
    let dtype = array.dtype().clone();
    let mut array = ffi::export_array_to_c(array);
    strip_null_buffers(&mut array, &dtype);
    array
}

/// Takes a column from any Arrow library, as the structs of the
/// [C Data Interface](https://arrow.apache.org/docs/format/CDataInterface.html): its schema, and an array for each chunk.
///
/// The column shares the arrays' memory where Polars has the type as it is, and releases them when it is dropped. Its name is that
/// of the schema. Without arrays it is a column of no rows.
///
/// # Errors
/// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow): a type that Polars does not have, or whose feature is off; nulls where the schema says that there are
/// none; a value that Polars cannot hold, as seconds that overflow; an array that was released.
///
/// # Safety
/// The schema and the arrays are valid by the format, the arrays are of the schema's type, and nobody changes their buffers. That holds
/// for what Arrow C++, `pyarrow` and arrow-rs export. It does not hold for all that arrow2 exports, of slices; the feature `arrow2` makes
/// these good.
pub unsafe fn column_from_ffi(arrays: Vec<ArrowArray>, schema: &ArrowSchema) -> Result<Column> {
    // SAFETY: as the caller vouches.
    let (name, field) = unsafe { (name_of(schema), importable(schema)) };
    let count = arrays.len();
    let field = field.map_err(|why| match why {
        Unfit::Unknown(why) | Unfit::Refused(why) => refused(&name, why),
    })?;
    // SAFETY: as the caller vouches.
    let series = unsafe { imported(arrays.into_iter().map(Ok), &field) };
    let series = series.map_err(|(index, why)| refused(&name, in_array(index, count, why)))?;
    Ok(series.into())
}

/// Why a schema's column cannot be taken.
pub(super) enum Unfit {
    /// Polars does not know the code of its type.
    Unknown(String),
    Refused(String),
}

/// The field of a schema, if a column of it can be taken.
///
/// # Safety
/// The schema is valid by the format.
pub(super) unsafe fn importable(schema: &ArrowSchema) -> Result<Field, Unfit> {
    // SAFETY: as the caller vouches.
    unsafe { check_schema(schema) }.map_err(|why| Unfit::Refused(why.into()))?;
    // SAFETY: as the caller vouches.
    let field = unsafe { ffi::import_field_from_c(schema) };
    let field = field.map_err(|error| Unfit::Unknown(error.to_string()))?;
    fit::import_field(&field).map_err(Unfit::Refused)
}

/// A series of arrays of a field that can be taken; or why not, and which of the arrays is at fault.
///
/// Each array is taken alone, and then appended: of several together Polars loses the empty ones within lists.
///
/// # Safety
/// The arrays are valid by the format, of the field's type, and nobody changes their buffers.
pub(super) unsafe fn imported(
    arrays: impl Iterator<Item = Result<ArrowArray, String>>,
    field: &Field,
) -> Result<Series, (usize, String)> {
    let mut stacked: Option<Series> = None;
    // Of all the arrays together.
    let mut known = claims::Known::new();
    for (index, array) in arrays.enumerate() {
        // SAFETY: as the caller vouches.
        let series = array.and_then(|array| unsafe { imported_alone(array, field, &mut known) });
        let Some(series) = series.map_err(|why| (index, why))? else {
            continue;
        };
        match &mut stacked {
            None => stacked = Some(series),
            Some(stacked) => {
                let appended = stacked.append_owned(series).map(drop);
                appended.map_err(|error| (index, error.to_string()))?;
            }
        }
    }
    Ok(stacked.unwrap_or_else(|| {
        let dtype = DataType::from_arrow_field(field);
        Series::new_empty(field.name.clone(), &dtype)
    }))
}

/// A series of one array; none where it has no rows.
///
/// # Safety
/// As of `imported`.
unsafe fn imported_alone(
    mut array: ArrowArray,
    field: &Field,
    known: &mut claims::Known,
) -> Result<Option<Series>, String> {
    // SAFETY: as the caller vouches; the array is this function's.
    let Some(rows) = (unsafe { normalize(&mut array, field.dtype())? }) else {
        return Ok(None);
    };
    // What Polars panics at is refused beforehand; a set of categories may be filled up by another thread meanwhile.
    let series = catch(|| {
        // SAFETY: as the caller vouches.
        let chunk = unsafe { ffi::import_array_from_c(array, field.dtype().clone()) };
        let chunk = chunk.map_err(|error| error.to_string())?;
        let chunk = match rows == (0..chunk.len()) {
            true => chunk,
            false => chunk.sliced(rows.start, rows.len()),
        };
        claims::check_array(field, &*chunk, known)?;
        Series::try_from((field, vec![chunk])).map_err(|error| error.to_string())
    });
    let series =
        series.map_err(|panic| format!("Polars panicked as it took the array: {panic:?}"))?;
    Ok(Some(series?))
}

fn in_array(index: usize, count: usize, why: String) -> String {
    match count {
        1 => why,
        _ => format!("array {index}: {why}"),
    }
}

/// The error of a column that cannot be converted.
pub(super) fn refused(column: &str, message: String) -> Error {
    ErrorKind::Arrow {
        column: Some(column.to_owned()),
        batch: None,
        message,
    }
    .into()
}
