//! Results → columns: the types that a closure may return.
//!
//! A fixed-width result is written directly into its place in one preallocated buffer, and text as a view in such a buffer. So
//! nothing is stacked afterwards, however many workers write. Results without a fixed width are built part by part.

mod any;
mod boolean;
mod buffer;
mod convert;
#[cfg(feature = "rust_decimal")]
mod decimal;
mod dtype;
mod emit;
mod groups;
mod grow;
mod list;
mod many;
mod mask;
mod native;
mod number;
#[cfg(feature = "lazy")]
mod one_column;
mod option;
mod output_schema;
mod parts;
mod returns;
mod rows;
mod sinks;
mod stack;
#[cfg(feature = "dtype-struct")]
mod structs;
#[cfg(any(
    feature = "dtype-date",
    feature = "dtype-datetime",
    feature = "dtype-duration",
    feature = "dtype-time"
))]
mod temporal;
mod text;
mod transform;
mod unit;
mod views;

use polars::prelude::{ArrayRef, BooleanChunked, Column, DataType, PlSmallStr, Series};
use polars_arrow::array::Array;

use crate::error::Result;
use crate::options::Casts;
use crate::sealed::Sealed;

pub(crate) use crate::error::Refused;
pub(crate) use buffer::advise_huge_pages;
pub(crate) use dtype::{column_with_dtype, merged};
pub use emit::{Emit, EmitRow, Owned};
pub(crate) use emit::{Pushed, fit_pushed, stack_pushed};
pub use groups::{GroupsOf, IntoGroups};
pub use many::{IntoRows, Many};
pub use mask::IntoMask;
#[cfg(feature = "lazy")]
pub use one_column::OneColumn;
pub use output_schema::OutputSchema;
pub(crate) use output_schema::fitted;
pub(crate) use parts::Parts;
pub use returns::Encoding;
pub(crate) use returns::{Misfit, Returns, returned};
pub use rows::{DefaultNames, IntoRow, item};
pub(crate) use sinks::RowSink;
pub use sinks::{SinkCons, SinkNil, Sinks};
pub(crate) use sinks::{fit_all, fit_each};
pub(crate) use stack::side_by_side;
pub use stack::{IntoColumns, IntoStack};
pub use transform::{Each, IntoTransform, Transformed};

/// A result that becomes the value of one column.
///
/// | result | column |
/// |---|---|
/// | `i8` … `i64`, `i128`, `u8` … `u64`, `f32`, `f64`, `bool` | of the same type |
/// | `String`, `PlSmallStr`, `&'static str`, `Cow<'static, str>`, `char` | String |
/// | `Vec<u8>` | Binary |
/// | `NaiveDate`, `NaiveTime` (of `chrono`) | Date, Time |
/// | `NaiveDateTime`, `DateTime<Utc>` | Datetime in microseconds, without and with the time zone UTC |
/// | `TimeDelta` | Duration in microseconds |
/// | `Decimal` (of `rust_decimal`) | Decimal, whose precision and scale [`returns`](crate::Apply::returns) must give |
/// | `Vec<T>` | List |
/// | `Series` | List of the dtype that all the series share |
/// | `Struct<T>` | Struct with the fields of a tuple (`field_0`, `field_1`, …) or of a derived struct |
/// | `AnyValue<'static>` | of the dtype that all the values share; a category as its text |
/// | `()` | Null |
/// | `Option<T>` | that of `T`; `None` is null |
///
/// A closure that makes new text for each row should return `PlSmallStr` where the text is short: up to 24 bytes are stored in
/// the value itself, without allocating memory.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["word" => ["dune", "kelp"]]?;
/// let initials = df.par_apply_rows(|word: &str| word.chars().next())?; // Option<char>
/// let upper = df.par_apply_rows(|word: &str| {
///     let mut upper = PlSmallStr::from_str(word);
///     upper.make_ascii_uppercase();
///     upper
/// })?;
/// assert_eq!(initials.str()?.get(0), Some("d"));
/// assert_eq!(upper.str()?.get(1), Some("KELP"));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// Some results have a dtype that is known only from their values (`AnyValue`, `Series`). There, a value without a type takes
/// the dtype that the other rows have: a null, an empty list of dtype Null, or a field of a Struct that is null.
///
/// A time with digits below the microsecond, or beyond the range of the column, is an error that names its row;
/// [`Casts::Lossy`] cuts the digits off.
///
/// [`returns`](crate::Apply::returns) gives a column another dtype than the table does: a time unit, a time zone, an Enum.
///
/// The trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column's value",
    label = "cannot be written to a column",
    note = "a closure returns cells that it owns: `f64`, `bool`, `String`, `Option<i64>`, `Vec<f64>`, …; for a `usize` return `u64`, for a borrowed text `String`",
    note = "a struct needs `#[derive(IntoRow)]`, and inside another result `Struct(…)` around it; a row of nulls is a tuple of `Option`s",
    note = "a future is not awaited: the closure must not be `async`",
    note = "dates, times, small integers and Struct need the feature of this crate named after the dtype"
)]
pub trait IntoCell: Sealed + Sized + Send {
    #[doc(hidden)]
    type Sink: CellSink;

    /// Whether the results of column and chunk closures are whole columns of this type.
    #[doc(hidden)]
    const WHOLE: bool = false;

    /// Returns the value as its sink takes it.
    #[doc(hidden)]
    fn into_item(
        self,
        casts: Casts,
    ) -> std::result::Result<<Self::Sink as CellSink>::Item, Refused>;

    /// Returns the value as its sink takes it for a column of a dtype that the sink [fits](CellSink::fit).
    #[doc(hidden)]
    fn into_item_as(
        self,
        dtype: &DataType,
        casts: Casts,
    ) -> std::result::Result<<Self::Sink as CellSink>::Item, Refused> {
        let item = self.into_item(casts)?;
        Self::Sink::check(&item, dtype)?;
        Ok(item)
    }

    /// Returns the series, if this is one: the results of column and chunk closures keep it whole.
    #[doc(hidden)]
    fn item_into_series(
        item: <Self::Sink as CellSink>::Item,
    ) -> std::result::Result<Series, <Self::Sink as CellSink>::Item> {
        Err(item)
    }

    /// Returns the item after `change` was made to the series that it is, if it is one.
    #[doc(hidden)]
    fn change_series<E>(
        item: <Self::Sink as CellSink>::Item,
        _: impl FnOnce(Series) -> std::result::Result<Series, E>,
    ) -> std::result::Result<<Self::Sink as CellSink>::Item, E> {
        Ok(item)
    }
}

/// The place where the values of one column are written, by all workers at once.
#[doc(hidden)]
pub trait CellSink: Sealed + Sync + Sized {
    type Item: Send;

    /// Whether the dtype is known without the values.
    const FIXED: bool = true;

    /// Whether it is a column of `bool`.
    const BOOLEAN: bool = false;

    /// Why the dtype must be given, if neither the type of the results nor the values determine it.
    const NEEDS: Option<&'static str> = None;

    type Writer<'s>: Writer<Item = Self::Item>
    where
        Self: 's;

    /// Returns true if the column has the dtype already, and false if it is converted at the end; or why it cannot have it, and
    /// which dtypes it can have.
    fn fit(dtype: &DataType) -> std::result::Result<bool, String>;

    /// Refuses an item that a column of a dtype cannot hold.
    fn check(_: &Self::Item, _: &DataType) -> std::result::Result<(), Refused> {
        Ok(())
    }

    /// Makes room for `rows` rows; `nullable` if a row can be null for another reason than the item itself.
    fn new(rows: usize, nullable: bool) -> Self;

    /// Makes a writer of the rows from `start` on, in order. Until it is finished, only this writer writes the first `len` of
    /// them. It may write further rows, while other writers write the rows on both sides of these; it then sets a byte that it
    /// shares with them atomically.
    ///
    /// # Safety
    /// The rows are within the sink. No row is written by two writers, and none of the first `len` rows is written by another
    /// writer before this one is finished. A writer may be finished before it has written all of its rows; another writer may
    /// then write the remaining ones.
    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_>;

    /// Returns the column.
    ///
    /// # Safety
    /// Every row has been written, and its writer has been finished.
    unsafe fn finish(self) -> Result<Finished>;
}

/// Writes rows in ascending order, each of them once.
///
/// `unsafe` code relies on the implementations: a row that was written is initialised, unless the write panicked, and the
/// sink's `finish` takes every row as initialised. Only writers of this crate can be given to a call, since [`CellSink`] is
/// sealed.
#[doc(hidden)]
pub trait Writer {
    type Item;

    /// Writes a row, counted from the writer's first row.
    ///
    /// # Safety
    /// `row` is the next of the writer's rows.
    unsafe fn write(&mut self, row: usize, item: Self::Item);

    /// Writes a null.
    ///
    /// # Safety
    /// `row` is the next of the writer's rows, and the sink is `nullable`.
    unsafe fn write_null(&mut self, row: usize);

    /// Hands over what was written.
    fn finish(self);
}

/// A column without a name.
#[doc(hidden)]
#[derive(Debug)]
pub struct Finished {
    dtype: DataType,
    chunks: Vec<ArrayRef>,
}

impl Finished {
    fn new(dtype: DataType, array: impl Array + 'static) -> Self {
        Finished {
            dtype,
            chunks: vec![Box::new(array)],
        }
    }

    /// Returns the rows for which the mask is true.
    pub(crate) fn filter(self, mask: &BooleanChunked) -> Result<Self> {
        let column = self.into_column(PlSmallStr::EMPTY);
        Ok(column
            .filter(mask)?
            .take_materialized_series()
            .rechunk()
            .into())
    }

    pub(crate) fn into_column(self, name: PlSmallStr) -> Column {
        self.into_series(name).into()
    }

    fn into_series(self, name: PlSmallStr) -> Series {
        // SAFETY: a sink makes an array of the physical type of its dtype, which is what the chunks of a series must have.
        unsafe { Series::from_chunks_and_dtype_unchecked(name, self.chunks, &self.dtype) }
    }
}

impl From<Series> for Finished {
    fn from(series: Series) -> Self {
        Finished {
            dtype: series.dtype().clone(),
            chunks: series.chunks().clone(),
        }
    }
}
