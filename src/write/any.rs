//! Values whose dtype is known only from the values: `AnyValue<'static>` and, as a List, `Series`.

use polars::prelude::{AnyValue, DataType, IntoSeries, ListChunked, NamedFrom, PlSmallStr, Series};

#[cfg(feature = "dtype-array")]
use super::convert::check_width;
use super::convert::{is_there, series_as, value_as};
use super::dtype::{merged, value_with_dtype, with_dtype};
use super::list::LISTS;
use super::parts::{Parts, ROOM};
use super::returns::misfit;
use super::{CellSink, Finished, IntoCell, Refused, Writer};
use crate::error::{ErrorKind, Place, Result, dtype_name};
use crate::options::Casts;
use crate::sealed::Sealed;

/// Values that become one series at the end.
#[doc(hidden)]
pub trait Gather: Send + Sized {
    /// The same as [`CellSink::fit`].
    fn fit(dtype: &DataType) -> Result<bool, String>;

    fn gather(values: Vec<Option<Self>>) -> Result<Series>;
}

/// A column of gathered values.
#[doc(hidden)]
#[derive(Debug)]
pub struct GatherSink<T>(Parts<Vec<Option<T>>>);

/// Gathers the values of some rows.
#[doc(hidden)]
#[derive(Debug)]
pub struct GatherWriter<'s, T> {
    sink: &'s GatherSink<T>,
    start: usize,
    values: Vec<Option<T>>,
}

impl<T> Sealed for GatherSink<T> {}

impl<T: Gather> CellSink for GatherSink<T> {
    type Item = T;
    const FIXED: bool = false;
    type Writer<'s>
        = GatherWriter<'s, T>
    where
        Self: 's;

    fn fit(dtype: &DataType) -> Result<bool, String> {
        T::fit(dtype)
    }

    fn new(_: usize, _: bool) -> Self {
        GatherSink(Parts::new())
    }

    unsafe fn writer(&self, start: usize, len: usize) -> GatherWriter<'_, T> {
        GatherWriter {
            sink: self,
            start,
            values: Vec::with_capacity(len.min(ROOM)),
        }
    }

    unsafe fn finish(self) -> Result<Finished> {
        let series = T::gather(self.0.into_ordered().flatten().collect())?;
        Ok(series.rechunk().into())
    }
}

impl<T: Gather> Writer for GatherWriter<'_, T> {
    type Item = T;

    unsafe fn write(&mut self, _: usize, item: T) {
        self.values.push(Some(item));
    }

    unsafe fn write_null(&mut self, _: usize) {
        self.values.push(None);
    }

    fn finish(self) {
        self.sink.0.push(self.start, self.values);
    }
}

/// Returns the common dtype of all rows; a row without a type takes that of the others.
fn one_dtype(dtypes: impl Iterator<Item = Option<DataType>>) -> Result<DataType> {
    let mut one = DataType::Null;
    for (row, dtype) in dtypes.enumerate() {
        let Some(dtype) = dtype.filter(|dtype| *dtype != one) else {
            continue;
        };
        one = merged(&one, &dtype).ok_or_else(|| ErrorKind::Stack {
            place: Place::Row(row),
            column: None,
            message: format!(
                "the result is {}, but those of the rows before it are {}; return one dtype for every row",
                dtype_name(&dtype),
                dtype_name(&one)
            ),
        })?;
    }
    Ok(one)
}

impl Gather for AnyValue<'static> {
    fn fit(dtype: &DataType) -> Result<bool, String> {
        is_there(dtype).map(|()| false)
    }

    fn gather(values: Vec<Option<Self>>) -> Result<Series> {
        let dtype = one_dtype(
            values
                .iter()
                .map(|value| value.as_ref().map(AnyValue::dtype)),
        )?;
        let values = values.into_iter().map(|value| match value {
            Some(value) => value_with_dtype(value, &dtype),
            None => Ok(AnyValue::Null),
        });
        let values = values.collect::<Result<Vec<AnyValue<'_>>, _>>()?;
        let name = PlSmallStr::EMPTY;
        Ok(Series::from_any_values_and_dtype(
            name, &values, &dtype, true,
        )?)
    }
}

/// A category is written as its text, since the value alone does not say which categories its column has.
impl IntoCell for AnyValue<'static> {
    type Sink = GatherSink<AnyValue<'static>>;

    fn into_item(self, _: Casts) -> Result<Self, Refused> {
        Ok(match self {
            AnyValue::String(_) | AnyValue::StringOwned(_) => self,
            value => match value.get_str() {
                Some(text) => AnyValue::StringOwned(text.into()),
                None => value,
            },
        })
    }

    fn into_item_as(self, dtype: &DataType, casts: Casts) -> Result<Self, Refused> {
        value_as(self.into_item(casts)?, dtype, casts)
    }
}

impl Gather for Series {
    fn fit(dtype: &DataType) -> Result<bool, String> {
        is_there(dtype)?;
        match dtype {
            DataType::List(_) => Ok(false),
            #[cfg(feature = "dtype-array")]
            DataType::Array(..) => Ok(false),
            dtype => Err(misfit("Series", LISTS, dtype)),
        }
    }

    fn gather(values: Vec<Option<Self>>) -> Result<Series> {
        let dtype = one_dtype(
            values
                .iter()
                .map(|value| value.as_ref().map(|s| s.dtype().clone())),
        )?;
        let len = values.len();
        let values = values.into_iter().map(|value| {
            let typed = value.map(|series| with_dtype(&series, &dtype));
            typed.transpose()
        });
        let values = values.collect::<Result<Vec<Option<Series>>, _>>()?;
        if values.iter().all(Option::is_none) {
            let list = ListChunked::full_null_with_dtype(PlSmallStr::EMPTY, len, &dtype);
            return Ok(list.into_series());
        }
        Ok(Series::new(PlSmallStr::EMPTY, values))
    }
}

impl IntoCell for Series {
    type Sink = GatherSink<Series>;

    const WHOLE: bool = true;

    fn into_item(self, _: Casts) -> Result<Self, Refused> {
        Ok(self)
    }

    fn into_item_as(self, dtype: &DataType, casts: Casts) -> Result<Self, Refused> {
        match dtype {
            DataType::List(inner) => series_as(&self, inner, casts),
            #[cfg(feature = "dtype-array")]
            DataType::Array(inner, width) => {
                check_width(self.len(), *width)?;
                series_as(&self, inner, casts)
            }
            _ => Ok(self),
        }
    }

    fn item_into_series(item: Series) -> std::result::Result<Series, Series> {
        Ok(item)
    }

    fn change_series<E>(
        item: Series,
        change: impl FnOnce(Series) -> std::result::Result<Series, E>,
    ) -> std::result::Result<Series, E> {
        change(item)
    }
}
