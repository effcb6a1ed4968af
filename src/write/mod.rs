//! Results → columns: what a closure may return.
//!
//! A fixed-width result is written straight into its place in one preallocated buffer, text as a view in such a buffer;
//! so however many workers write, nothing is stacked afterwards. What has no fixed width is built part by part.

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

/// A result that becomes one column's value.
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
/// A closure that makes text anew for each row best returns `PlSmallStr` where the text is short: up to 24 bytes lie in it, and
/// no memory is allocated for them.
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
/// Where the dtype shows only when the values are there (`AnyValue`, `Series`), what has no type gives way to what has one:
/// a null, an empty list of dtype Null, a Struct's field that is null take the dtype that they have in the other rows.
///
/// A time with digits below the microsecond, or beyond what the column can hold, is an error that names its row;
/// [`Casts::Lossy`] cuts the digits off.
///
/// [`returns`](crate::Apply::returns) gives a column another dtype than that of the table: a time unit, a time zone, an Enum.
///
/// The trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column's value",
    label = "cannot be written to a column",
    note = "`usize` and `isize` are no column's type: return `u64` or `i64`",
    note = "a closure cannot return a borrow of its argument: return `String` or `Vec<u8>`",
    note = "a struct needs `#[derive(IntoRow)]`, and within another result `Struct(…)` around it; a row of nulls is a tuple of `Option`s",
    note = "dates, times, small integers, Struct, … need the feature of this crate named after the dtype"
)]
pub trait IntoCell: Sealed + Sized + Send {
    #[doc(hidden)]
    type Sink: CellSink;

    /// Whether the results of column and chunk closures are whole columns of this type.
    #[doc(hidden)]
    const WHOLE: bool = false;

    /// The value as its sink takes it.
    #[doc(hidden)]
    fn into_item(
        self,
        casts: Casts,
    ) -> std::result::Result<<Self::Sink as CellSink>::Item, Refused>;

    /// The value as its sink takes it for a column of a dtype, which the sink [fits](CellSink::fit).
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

    /// Gives the series back, if this is one: the results of column and chunk closures keep it whole.
    #[doc(hidden)]
    fn item_into_series(
        item: <Self::Sink as CellSink>::Item,
    ) -> std::result::Result<Series, <Self::Sink as CellSink>::Item> {
        Err(item)
    }

    /// The item with `change` made to the series that it is, if it is one.
    #[doc(hidden)]
    fn change_series<E>(
        item: <Self::Sink as CellSink>::Item,
        _: impl FnOnce(Series) -> std::result::Result<Series, E>,
    ) -> std::result::Result<<Self::Sink as CellSink>::Item, E> {
        Ok(item)
    }
}

/// Where one column's values are written, by all workers at once.
#[doc(hidden)]
pub trait CellSink: Sealed + Sync + Sized {
    type Item: Send;

    /// Whether the dtype is known without the values.
    const FIXED: bool = true;

    /// Whether it is a column of `bool`.
    const BOOLEAN: bool = false;

    /// Why the dtype must be given, where the type of the results does not tell it and the values do not either.
    const NEEDS: Option<&'static str> = None;

    type Writer<'s>: Writer<Item = Self::Item>
    where
        Self: 's;

    /// Whether the column has a dtype anyway, or is made to have it at the end; or why it cannot have it, and what it can.
    fn fit(dtype: &DataType) -> std::result::Result<bool, String>;

    /// Refuses an item that a column of a dtype cannot hold.
    fn check(_: &Self::Item, _: &DataType) -> std::result::Result<(), Refused> {
        Ok(())
    }

    /// Room for so many rows; `nullable` where a row's null can come from anything but the item itself.
    fn new(rows: usize, nullable: bool) -> Self;

    /// A writer of rows from `start` on, the first of them first. The first `len` of them are its alone until it is finished. It
    /// may write further ones, which others may write up to from both sides at the same time: what shares a byte with theirs it
    /// then sets atomically.
    ///
    /// # Safety
    /// The rows are within the sink's. No row is written by two writers, and none of the first `len` by another one before this one
    /// is finished. A writer may be finished before it has written all of its rows; those left over may then be another's.
    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_>;

    /// The column.
    ///
    /// # Safety
    /// Every row has been written, and its writer finished.
    unsafe fn finish(self) -> Result<Finished>;
}

/// Writes rows, in ascending order, each once.
///
/// `unsafe` code relies on it: a row that was written is initialised, unless the write panicked, and `finish` of the sink takes
/// every row for such. Only writers of this crate can be given to a call, since [`CellSink`] is sealed.
#[doc(hidden)]
pub trait Writer {
    type Item;

    /// Writes a row, counted from the writer's first.
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

    /// Keeps the rows of the mask.
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
        // SAFETY: a sink gives an array of its dtype's physical type, and a series' chunks are of its dtype's.
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
