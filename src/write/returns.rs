//! The dtypes that results were asked to have: which dtypes they can become, how each result is encoded for one, and the column
//! at the end.
//!
//! Before a result is written, it is checked, and a time is converted to the unit of its column. A value that its column cannot
//! hold is a failure of its row. So nothing can be lost at the end, when the whole column gets its dtype (`returned`).

use polars::chunked_array::cast::CastOptions;
use polars::prelude::{DataType, IntoSeries, PlSmallStr, PolarsResult, Series};
#[cfg(feature = "dtype-struct")]
use polars::prelude::{Field, StructChunked};

use super::{CellSink, Finished, IntoCell, Refused};
use crate::error::{Result, dtype_name};
use crate::options::Casts;

/// How results are converted to what their sinks take.
#[doc(hidden)]
pub trait Encoding: Copy {
    /// Returns a cell as its sink takes it; `column` is the cell's position in the row.
    fn item<T: IntoCell>(
        self,
        cell: T,
        column: usize,
    ) -> Result<<T::Sink as CellSink>::Item, Refused>;

    /// Returns the dtype that the cell at a position is encoded for, if that is not the dtype of its type.
    #[inline(always)]
    fn dtype(&self, column: usize) -> Option<&DataType> {
        let _ = column;
        None
    }
}

/// Encodes each cell in the dtype of its type.
impl Encoding for Casts {
    #[inline(always)]
    fn item<T: IntoCell>(self, cell: T, _: usize) -> Result<<T::Sink as CellSink>::Item, Refused> {
        cell.into_item(self)
    }
}

/// Encodes each cell in the dtype that was asked for, if one was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returns<'a> {
    dtypes: Option<Dtypes<'a>>,
    casts: Casts,
}

impl<'a> Returns<'a> {
    pub(crate) fn new(dtypes: Option<&'a [DataType]>, casts: Casts) -> Self {
        let dtypes = dtypes.map(Dtypes::Columns);
        Returns { dtypes, casts }
    }

    #[cfg(feature = "dtype-struct")]
    pub(super) fn fields(fields: &'a [Field], casts: Casts) -> Self {
        let dtypes = Some(Dtypes::Fields(fields));
        Returns { dtypes, casts }
    }
}

impl Encoding for Returns<'_> {
    // This stays out of line, so that it is compiled once for a type, and not for each closure.
    #[inline(never)]
    fn item<T: IntoCell>(
        self,
        cell: T,
        column: usize,
    ) -> Result<<T::Sink as CellSink>::Item, Refused> {
        match self.dtypes.and_then(|dtypes| dtypes.get(column)) {
            Some(dtype) => cell.into_item_as(dtype, self.casts),
            None => cell.into_item(self.casts),
        }
    }

    fn dtype(&self, column: usize) -> Option<&DataType> {
        self.dtypes?.get(column)
    }
}

/// The dtypes of columns side by side: those of an output, or of the fields of a Struct.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Dtypes<'a> {
    Columns(&'a [DataType]),
    #[cfg(feature = "dtype-struct")]
    Fields(&'a [Field]),
}

impl<'a> Dtypes<'a> {
    /// Returns the dtype of a column, or `None` if no dtypes are given.
    pub(super) fn get(self, column: usize) -> Option<&'a DataType> {
        match self {
            Dtypes::Columns(dtypes) => dtypes.get(column),
            #[cfg(feature = "dtype-struct")]
            Dtypes::Fields(fields) => fields.get(column).map(Field::dtype),
        }
    }
}

/// A column, by its position, whose results cannot become the dtype that was asked for, and the reason.
pub(crate) type Misfit = (usize, String);

/// Returns whether a column's results have the dtype already, or need none to be given.
pub(super) fn fit<S: CellSink>(
    dtype: Option<&DataType>,
    column: usize,
    misfits: &mut Vec<Misfit>,
) -> bool {
    let fits = match (dtype, S::NEEDS) {
        (Some(dtype), _) => S::fit(dtype),
        (None, None) => Ok(true),
        (None, Some(why)) => Err(why.into()),
    };
    fits.unwrap_or_else(|why| {
        misfits.push((column, why));
        false
    })
}

/// Makes the message of results that do not fit: what they are, and which dtypes they can become.
pub(super) fn misfit(results: &str, can_become: &str, dtype: &DataType) -> String {
    let dtype = dtype_name(dtype);
    format!("results of type {results} cannot become {dtype}; give {can_become}")
}

/// Returns how results fit that have one dtype and can have no other.
pub(super) fn only(own: &DataType, dtype: &DataType) -> Result<bool, String> {
    if own == dtype {
        return Ok(true);
    }
    let name = dtype_name(own);
    Err(misfit(&name, &name, dtype))
}

/// Converts the columns of an output to the dtypes that their results were encoded for.
pub(crate) fn returned(columns: &mut [Finished], dtypes: &[DataType]) -> Result<()> {
    for (column, dtype) in columns.iter_mut().zip(dtypes) {
        if column.dtype != *dtype {
            let own = std::mem::replace(&mut column.dtype, DataType::Null);
            let chunks = std::mem::take(&mut column.chunks);
            let series = Finished { dtype: own, chunks }.into_series(PlSmallStr::EMPTY);
            let typed = in_dtype(&series, dtype).map_err(|error| {
                let dtype = dtype_name(dtype);
                anyhow::anyhow!("the results cannot become a column of {dtype}: {error}")
            });
            *column = typed?.rechunk().into();
        }
    }
    Ok(())
}

/// Converts a series to a dtype that each of its values was encoded for.
fn in_dtype(series: &Series, dtype: &DataType) -> PolarsResult<Series> {
    let name = || series.name().clone();
    match (series.dtype(), dtype) {
        (is, dtype) if is == dtype => Ok(series.clone()),
        // Polars casts nulls to most dtypes, but not to all.
        (DataType::Null, dtype) => Ok(Series::full_null(name(), series.len(), dtype)),
        (DataType::List(_), DataType::List(inner)) => {
            let lists = series.list()?;
            let lists = lists.apply_to_inner(&|items| in_dtype(&items, inner))?;
            Ok(lists.into_series())
        }
        #[cfg(feature = "dtype-array")]
        (DataType::List(_), DataType::Array(inner, _)) => {
            in_dtype(series, &DataType::List(inner.clone()))?.strict_cast(dtype)
        }
        #[cfg(feature = "dtype-struct")]
        (DataType::Struct(_), DataType::Struct(fields)) => {
            let series = series.rechunk();
            let rows = series.struct_()?;
            let values = rows.fields_as_series().into_iter().zip(fields);
            let values = values.map(|(values, field)| {
                let values = in_dtype(&values, field.dtype())?.rechunk();
                Ok(values.with_name(field.name().clone()))
            });
            let values = values.collect::<PolarsResult<Vec<Series>>>()?;
            let changed = StructChunked::from_series(name(), rows.len(), values.iter())?;
            let validity = rows.rechunk_validity();
            Ok(changed.with_outer_validity(validity).into_series())
        }
        // The values are already counted in the unit.
        #[cfg(feature = "rust_decimal")]
        (DataType::Decimal(..), DataType::Decimal(precision, scale)) => {
            let counts = series.decimal()?.physical().clone();
            let decimals = counts.into_decimal_unchecked(*precision, *scale);
            Ok(decimals.into_series())
        }
        #[cfg(feature = "dtype-datetime")]
        (DataType::Datetime(..), DataType::Datetime(unit, zone)) => {
            let counts = series.to_physical_repr();
            let counts = counts.i64()?.clone();
            Ok(counts.into_datetime(*unit, zone.clone()).into_series())
        }
        #[cfg(feature = "dtype-duration")]
        (DataType::Duration(_), DataType::Duration(unit)) => {
            let counts = series.to_physical_repr();
            let counts = counts.i64()?.clone();
            Ok(counts.into_duration(*unit).into_series())
        }
        // These are numbers, and text that becomes categories. A number was checked, or is permitted to lose digits.
        (_, dtype) => series.cast_with_options(dtype, CastOptions::NonStrict),
    }
}
