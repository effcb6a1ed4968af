//! Converts columns to the structs of Arrow's C Data Interface, and back.

use std::borrow::Cow;

use polars::prelude::{ArrayRef, Column, CompatLevel, DataType, Series};
use polars_arrow::array::Array;
use polars_arrow::datatypes::Field;
use polars_arrow::ffi::{self, ArrowArray, ArrowSchema};

use super::c::{check_schema, name_of, normalize, strip_null_buffers};
use super::{claims, fit};
use crate::error::{Error, ErrorKind, Result};
use crate::run::catch;

/// Exports a column to any Arrow library, as the structs of the
/// [C Data Interface](https://arrow.apache.org/docs/format/CDataInterface.html): an array for each chunk of the column, and one
/// schema for all of them.
///
/// The arrays share the column's memory and keep it alive. The guide's page [Arrow](crate::guide::arrow) lists which dtypes can
/// be exported, and what is copied. A column without rows gives one array without rows. Every Arrow library has these structs
/// under its own names and can take them over, so a column can reach a library, or a version of one, that this crate does not
/// know.
///
/// ```
/// use polars_par_apply::{ArrowArray, ArrowSchema, column_from_ffi, column_to_ffi, prelude::*};
///
/// let df = df!["name" => ["oak", "ash"]]?;
/// let (arrays, schema): (Vec<ArrowArray>, ArrowSchema) = column_to_ffi(&df["name"], CompatLevel::newest())?;
///
/// // SAFETY: the structs are those that `column_to_ffi` has made.
/// let back = unsafe { column_from_ffi(arrays, &schema)? };
/// assert_eq!(back, df["name"]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// At the level [`newest`](CompatLevel::newest), text is exported as `Utf8View`, which is how Polars stores it. At the level
/// [`oldest`](CompatLevel::oldest), it is copied to `LargeUtf8`, for libraries that do not know `Utf8View`.
///
/// # Errors
/// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned for a dtype that Arrow does not have, and for a name with a zero
/// byte.
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

/// Returns the chunks of a series in the form in which they can be exported, and their field.
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
    // The arrays have the metadata of the fields within them, which the dtype alone does not have.
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

/// Imports a column from any Arrow library, from the structs of the
/// [C Data Interface](https://arrow.apache.org/docs/format/CDataInterface.html): its schema, and an array for each chunk.
///
/// The column shares the arrays' memory where Polars stores the type in the same way, and releases the arrays when it is
/// dropped. Its name is that of the schema. Without arrays, the column has no rows.
///
/// # Errors
/// [`ErrorKind::Arrow`](crate::ErrorKind::Arrow) is returned for a type that Polars does not have or whose feature is off, for
/// nulls where the schema says that there are none, for a value that Polars cannot hold, such as seconds that overflow, and for
/// an array that was released.
///
/// # Safety
/// The schema and the arrays must be valid by the format, the arrays must be of the schema's type, and nobody may change their
/// buffers. That holds for what Arrow C++, `pyarrow` and arrow-rs export. It does not hold for all slices that arrow2 exports;
/// the feature `arrow2` corrects these.
pub unsafe fn column_from_ffi(arrays: Vec<ArrowArray>, schema: &ArrowSchema) -> Result<Column> {
    // SAFETY: the caller upholds this function's contract.
    let (name, field) = unsafe { (name_of(schema), importable(schema)) };
    let count = arrays.len();
    let field = field.map_err(|why| match why {
        Unfit::Unknown(why) | Unfit::Refused(why) => refused(&name, why),
    })?;
    // SAFETY: the caller upholds this function's contract.
    let series = unsafe { imported(arrays.into_iter().map(Ok), &field) };
    let series = series.map_err(|(index, why)| refused(&name, in_array(index, count, why)))?;
    Ok(series.into())
}

/// The reason why a schema's column cannot be taken.
pub(super) enum Unfit {
    /// Polars does not know the code of the column's type.
    Unknown(String),
    Refused(String),
}

/// Returns the field of a schema, if a column of it can be taken.
///
/// # Safety
/// The schema is valid according to the format.
pub(super) unsafe fn importable(schema: &ArrowSchema) -> Result<Field, Unfit> {
    // SAFETY: the caller upholds this function's contract.
    unsafe { check_schema(schema) }.map_err(|why| Unfit::Refused(why.into()))?;
    // SAFETY: the caller upholds this function's contract.
    let field = unsafe { ffi::import_field_from_c(schema) };
    let field = field.map_err(|error| Unfit::Unknown(error.to_string()))?;
    fit::import_field(&field).map_err(Unfit::Refused)
}

/// Makes a series of arrays of a field that can be taken, or returns why it cannot, and which of the arrays is at fault.
///
/// Each array is taken alone, and then appended: if Polars takes several at once, it loses the empty ones within lists.
///
/// # Safety
/// The arrays are valid according to the format and of the field's type, and nobody changes their buffers.
pub(super) unsafe fn imported(
    arrays: impl Iterator<Item = Result<ArrowArray, String>>,
    field: &Field,
) -> Result<Series, (usize, String)> {
    let mut stacked: Option<Series> = None;
    // These are the known dtypes of all the arrays together.
    let mut known = claims::Known::new();
    for (index, array) in arrays.enumerate() {
        // SAFETY: the caller upholds this function's contract.
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

/// Makes a series of one array, or returns `None` if it has no rows.
///
/// # Safety
/// The same as for `imported`.
unsafe fn imported_alone(
    mut array: ArrowArray,
    field: &Field,
    known: &mut claims::Known,
) -> Result<Option<Series>, String> {
    // SAFETY: the caller upholds this function's contract; only this function uses the array.
    let Some(rows) = (unsafe { normalize(&mut array, field.dtype())? }) else {
        return Ok(None);
    };
    // The known causes of panics in Polars are refused beforehand; but another thread may fill up a set of categories
    // meanwhile.
    let series = catch(|| {
        // SAFETY: the caller upholds this function's contract.
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
        series.map_err(|panic| format!("Polars panicked while it took the array: {panic:?}"))?;
    Ok(Some(series?))
}

fn in_array(index: usize, count: usize, why: String) -> String {
    match count {
        1 => why,
        _ => format!("array {index}: {why}"),
    }
}

/// Makes the error of a column that cannot be converted.
pub(super) fn refused(column: &str, message: String) -> Error {
    ErrorKind::Arrow {
        column: Some(column.to_owned()),
        batch: None,
        message,
    }
    .into()
}
