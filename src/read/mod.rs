//! Columns → typed values: what a closure may take.
//!
//! A [`Cell`] is one column's value, and a [`FromRow`] a whole row. Both are bound once per call to the chunks of the columns,
//! in place, and opened once per block of rows as a [`Reader`]. The innermost loop sees only readers.

mod any;
mod boolean;
mod cast;
mod cells;
#[cfg(any(
    feature = "dtype-date",
    feature = "dtype-datetime",
    feature = "dtype-duration",
    feature = "dtype-time",
    feature = "rust_decimal"
))]
mod counted;
#[cfg(feature = "rust_decimal")]
mod decimal;
mod list;
mod name_index;
mod nested;
mod number;
mod option;
mod row;
mod source;
mod spans;
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
pub(crate) mod tuple;
mod values;

use std::ops::Range;

use crate::sealed::Sealed;
use polars::prelude::DataType;
use polars_arrow::array::Array;
use polars_arrow::bitmap::Bitmap;

pub(crate) use crate::error::Fault;
pub(crate) use any::AnyChunk;
pub(crate) use cells::Repeat;
pub use cells::{Cells, Cons, Nil, OneCell};
pub use list::ListItem;
pub(crate) use nested::change_within;
pub use row::{Row, RowIter};
pub(crate) use source::{
    Argument, ColumnChunks, Given, Names, NumbersOf, Source, Sources, near, not_found, selected,
};
pub(crate) use spans::OneGroup;
pub use spans::{Group, GroupArg, Rows, RowsIter, SpanArgs};
pub(crate) use spans::{
    ItemSpans, SpanArgument, SpanColumns, SpanReader, Unreadable, WholeColumns,
};
#[cfg(feature = "dtype-struct")]
pub use structs::Struct;
pub use values::{Values, ValuesIter};
pub(crate) use values::{first_null, with_values};

/// A closure argument that takes the value of one column.
///
/// | argument | columns it takes |
/// |---|---|
/// | `i8` … `i64`, `i128`, `u8` … `u64` | integers whose every value fits |
/// | `f32`, `f64` | floats and integers whose every value it can hold exactly |
/// | `bool` | Boolean |
/// | `&str`, `String`, `PlSmallStr` | String, Categorical, Enum |
/// | `&[u8]`, `Vec<u8>` | Binary |
/// | `NaiveDate`, `NaiveTime`, `TimeDelta` (of `chrono`) | Date, Time, Duration |
/// | `NaiveDateTime` | Datetime without a time zone |
/// | `DateTime<Utc>` | Datetime with a time zone |
/// | `Decimal` (of `rust_decimal`) | Decimal |
/// | `Vec<T>` | List and Array whose items `T` takes |
/// | `Series` | List and Array |
/// | `Struct<T>` | Struct, whose fields bind to a tuple by position and to a derived struct by name |
/// | `AnyValue<'_>` | any |
/// | `Option<T>` | the columns that `T` takes; a null is `None` |
///
/// A column of dtype Null, in which all values are missing, can be taken as any of them.
///
/// `Vec<u8>` stands for bytes, both as an argument and as a result: a Binary column, as in the Rust database drivers. A list of
/// `UInt8`, which is rare, is taken as `Vec<Option<u8>>` or `Series`.
///
/// A null in a list or a struct whose items or fields have a plain type makes the whole cell null. To see such a null, take
/// `Vec<Option<T>>` or a field of type `Option<T>`.
///
/// The trait is sealed: it cannot be implemented outside this crate.
///
/// ```compile_fail,E0277
/// struct Mine(f64);
///
/// impl polars_par_apply::Cell for Mine {
///     type Of<'a> = Mine;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a column's value",
    label = "cannot be read from a column",
    note = "a closure takes cells by value: `f64`, `u64`, `bool`, `&str`, `Option<i64>`, `Vec<f64>`, …; instead of `usize` take `u64`, instead of `&String` take `&str`, instead of `&f64` take `f64`",
    note = "one whole row (a tuple, an array, a derived struct, `Row<'_>`) is the only argument after those that `.state(init)` and `.seed(n)` give",
    note = "dates, times, small integers and Struct need the feature of this crate named after the dtype"
)]
pub trait Cell: Sealed {
    /// This type with the lifetime `'a`, for which it borrows from the column.
    type Of<'a>;

    /// A bound chunk of a column.
    #[doc(hidden)]
    type Chunk<'a>: Send + Sync;

    /// Memory for the converted values of a block.
    #[doc(hidden)]
    type Scratch: Default;

    /// The reader of the rows of one block.
    #[doc(hidden)]
    type Reader<'s>: Reader<Item = Self::Of<'s>>;

    /// The reader of the rows of a whole chunk, in any order, which converts a value only when it is asked for.
    #[doc(hidden)]
    type View<'s>: Reader<Item = Self::Of<'s>>;

    /// Whether a null is a value of this type, so that every row that can be read has one.
    #[doc(hidden)]
    const EVERY_ROW: bool = false;

    /// Returns the type's name as a user writes it.
    #[doc(hidden)]
    fn type_name() -> String;

    /// Returns whether and how a column of this dtype can be taken.
    #[doc(hidden)]
    fn fit(dtype: &DataType) -> Fit;

    /// Binds a chunk.
    ///
    /// # Safety
    /// `array` is a chunk of a column of `dtype`, which this type takes without a cast.
    #[doc(hidden)]
    unsafe fn bind<'a>(dtype: &'a DataType, array: &'a dyn Array) -> Self::Chunk<'a>;

    /// Opens `len` rows of a chunk from `offset` on, all of which the chunk has.
    #[doc(hidden)]
    fn open<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s>;

    /// Opens the same rows as a view.
    #[doc(hidden)]
    fn view<'s>(
        chunk: &'s Self::Chunk<'_>,
        offset: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::View<'s>;

    /// Returns whether a row of the chunk can be null to this type.
    #[doc(hidden)]
    fn has_nulls(chunk: &Self::Chunk<'_>) -> bool;

    /// Returns the values of a reader's rows as a slice, if they lie side by side in memory and none is null.
    #[doc(hidden)]
    fn slice<'s>(_: Self::Reader<'s>) -> Option<&'s [Self::Of<'s>]> {
        None
    }

    /// Returns one value, for rows whose types are known only at run time; `row` is counted within the chunk.
    #[doc(hidden)]
    fn get<'a>(chunk: &AnyChunk<'a>, row: usize) -> Result<Self::Of<'a>, Misread>;

    /// Returns the same value if it can be read at once; where it returns `None`, [`get`](Cell::get) decides.
    #[doc(hidden)]
    #[inline]
    fn quick<'a>(chunk: &AnyChunk<'a>, row: usize) -> Option<Self::Of<'a>> {
        Self::get(chunk, row).ok()
    }
}

/// A closure's single argument that takes a whole row.
///
/// Tuples of 1 to 12 cells and arrays `[T; N]` take the columns by position: all columns of the frame, or the selected ones. A
/// struct with `#[derive(FromRow)]` takes them by name, and [`Row`] takes any columns.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// #[derive(FromRow)]
/// struct Trip<'a> {
///     #[par_apply(rename = "dest")]
///     destination: &'a str,
///     distance: f64,
///     air_time: Option<f64>,
/// }
///
/// let df = df![
///     "distance" => [1400, 1416],
///     "air_time" => [Some(227), None],
///     "dest" => ["IAH", "IAH"],
///     "carrier" => ["UA", "UA"],
/// ]?;
/// let speed = df.par_apply_rows(|t: Trip<'_>| t.air_time.map(|minutes| t.distance / minutes * 60.0))?;
/// assert_eq!(speed.null_count(), 1);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// Do not implement this trait by hand, since its hidden items change without notice; derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a row",
    label = "cannot be read from a row",
    note = "a row is a tuple of 1 to 12 cells, an array `[T; N]` of cells, a struct with `#[derive(FromRow)]`, or `Row<'_>`"
)]
pub trait FromRow {
    /// This type with the lifetime `'a`, for which it borrows from the frame.
    type Of<'a>;

    #[doc(hidden)]
    type Cells: Cells;

    /// The names of the columns, for a row that binds by name.
    #[doc(hidden)]
    const NAMES: Option<&'static [&'static str]>;

    #[doc(hidden)]
    fn assemble<'a>(cells: <Self::Cells as Cells>::Of<'a>) -> Self::Of<'a>;
}

/// Reads the rows of one block, by position within the block.
///
/// `unsafe` code relies on the implementations. Where `has_nulls` returns false, rows are read without a check of their
/// validity, and are written to sinks that have no room for nulls. A row for which `is_valid` returns true is read. Only
/// readers of this crate can be given to a call, since [`Cells`] and [`Cell`] are sealed.
#[doc(hidden)]
pub trait Reader: Copy {
    type Item;

    /// Returns whether any row of the block may be null, as a whole or as an `Option` within it, or unreadable.
    fn has_nulls(&self) -> bool;

    /// Returns whether the closure can be called for row `i`, that is, whether the row is neither null nor unreadable.
    ///
    /// # Safety
    /// `i` is less than the block's length.
    unsafe fn is_valid(&self, i: usize) -> bool;

    /// Returns the value of row `i`.
    ///
    /// # Safety
    /// `i` is less than the block's length. With `NULLS`, `is_valid(i)` is true; without `NULLS`, `has_nulls()` is false.
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Self::Item;

    /// Returns whether row `i` has a value that its Rust type cannot hold.
    ///
    /// # Safety
    /// `i` is less than the block's length.
    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        let _ = i;
        false
    }

    /// Returns how many of the first `len` rows are valid.
    ///
    /// # Safety
    /// `len` is at most the block's length.
    unsafe fn count_valid(&self, len: usize) -> usize {
        if !self.has_nulls() {
            return len;
        }
        // SAFETY: each row is less than `len`.
        (0..len).filter(|i| unsafe { self.is_valid(*i) }).count()
    }

    /// Returns the block's values as a slice, if they lie side by side in memory and none is null.
    fn as_slice(&self) -> Option<&[Self::Item]> {
        None
    }

    /// Folds the values of some rows, of which none is unreadable; the value of a row that is not valid is `None`.
    ///
    /// # Safety
    /// The rows are within the block.
    #[inline]
    unsafe fn fold<B>(
        &self,
        rows: Range<usize>,
        init: B,
        f: impl FnMut(B, Option<Self::Item>) -> B,
    ) -> B {
        // SAFETY: the caller upholds this function's contract.
        unsafe { fold_rows(self, rows, init, f) }
    }

    /// Returns why row `i` is not valid: the argument at fault, and a message if its value cannot be read. Without a message,
    /// the value is null.
    ///
    /// # Safety
    /// `i` is less than the block's length, and not `is_valid(i)`.
    #[cold]
    unsafe fn fault(&self, i: usize) -> Fault {
        let _ = i;
        Fault::default()
    }
}

/// Does the same as [`Reader::fold`], in a plain loop where there are no nulls.
///
/// # Safety
/// The same as for [`Reader::fold`].
#[inline]
unsafe fn fold_rows<R: Reader, B>(
    reader: &R,
    rows: Range<usize>,
    init: B,
    mut f: impl FnMut(B, Option<R::Item>) -> B,
) -> B {
    // A local variable can be kept in registers.
    let reader = *reader;
    let mut folded = init;
    // SAFETY: the caller guarantees that the rows are within the block; `NULLS` is what the reader's `has_nulls` returns.
    unsafe {
        if reader.has_nulls() {
            for row in rows {
                let value = match reader.is_valid(row) {
                    true => Some(reader.read::<true>(row)),
                    false => None,
                };
                folded = f(folded, value);
            }
        } else {
            for row in rows {
                folded = f(folded, Some(reader.read::<false>(row)));
            }
        }
    }
    folded
}

/// Defines the view of a [`Cell`] to be its reader, for a cell that converts nothing.
macro_rules! view_is_reader {
    () => {
        type View<'s> = Self::Reader<'s>;

        #[inline]
        fn view<'s>(
            chunk: &'s Self::Chunk<'_>,
            offset: usize,
            len: usize,
            scratch: &'s mut Self::Scratch,
        ) -> Self::View<'s> {
            Self::open(chunk, offset, len, scratch)
        }
    };
}
use view_is_reader;

/// Says whether and how an argument's type takes a column.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// The type takes the column as it is.
    Exact,
    /// The type takes the column as it is, and each value is converted when its block is read.
    Converted,
    /// The type takes the column after Polars has cast it, which keeps every value.
    Cast(DataType),
    /// The type takes the column after Polars has cast it, which can lose values.
    Lossy(DataType),
    /// The type does not take the column.
    Never,
}

impl Fit {
    /// Returns whether the column is taken without a cast.
    fn is_direct(&self) -> bool {
        matches!(self, Fit::Exact | Fit::Converted)
    }

    /// Returns how a dtype that contains this one fits, if this one fits so.
    fn within(self, nest: impl Fn(Box<DataType>) -> DataType) -> Fit {
        match self {
            Fit::Cast(dtype) => Fit::Cast(nest(Box::new(dtype))),
            Fit::Lossy(dtype) => Fit::Lossy(nest(Box::new(dtype))),
            other => other,
        }
    }
}

/// Says why a value cannot be read from an untyped row.
#[doc(hidden)]
#[derive(Debug)]
pub enum Misread {
    Null,
    Dtype,
    Value(String),
}

/// The validity of a block's rows; `None` where the block has no nulls, even if the rest of the column has some.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Mask<'s>(Option<(&'s Bitmap, usize)>);

impl<'s> Mask<'s> {
    /// The validity of `len` rows from `offset`, all of which the bitmap has.
    fn new(validity: Option<&'s Bitmap>, offset: usize, len: usize) -> Self {
        Mask(validity.and_then(|bitmap| {
            assert!(offset + len <= bitmap.len());
            (bitmap.null_count_range(offset, len) > 0).then_some((bitmap, offset))
        }))
    }

    fn has_nulls(self) -> bool {
        self.0.is_some()
    }

    /// How many of the first `len` rows are valid.
    fn count_valid(self, len: usize) -> usize {
        match self.0 {
            None => len,
            Some((bitmap, offset)) => len - bitmap.null_count_range(offset, len),
        }
    }

    /// Returns the validity of the block's rows from `row` on; `row` is within the block.
    fn from(self, row: usize) -> Self {
        Mask(self.0.map(|(bitmap, offset)| (bitmap, offset + row)))
    }

    /// # Safety
    /// `i` is less than the block's length.
    #[inline(always)]
    unsafe fn is_valid(self, i: usize) -> bool {
        match self.0 {
            None => true,
            // SAFETY: the bitmap has the whole block (`new`), and the caller guarantees that `i` is within the block.
            Some((bitmap, offset)) => unsafe { bitmap.get_bit_unchecked(offset + i) },
        }
    }
}

/// Finds the values of one block, whether rows are null or not.
#[doc(hidden)]
pub trait Lookup: Copy {
    type Item;

    /// Returns the value of row `i`.
    ///
    /// # Safety
    /// `i` is less than the block's length, and the row is not null.
    unsafe fn at(&self, i: usize) -> Self::Item;

    /// Returns the values as a slice, the places of nulls included, if they lie side by side in memory.
    fn as_slice(&self) -> Option<&[Self::Item]> {
        None
    }

    /// Does the same as [`Reader::fold`], for the reader that has these values and this validity.
    ///
    /// # Safety
    /// The same as for [`Reader::fold`].
    #[inline]
    unsafe fn fold<B>(
        &self,
        mask: Mask<'_>,
        rows: Range<usize>,
        init: B,
        f: impl FnMut(B, Option<Self::Item>) -> B,
    ) -> B {
        let values = *self;
        // SAFETY: the caller upholds this function's contract.
        unsafe { fold_rows(&Masked { values, mask }, rows, init, f) }
    }
}

/// Reads values, some of which may be null.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Masked<'s, L> {
    values: L,
    mask: Mask<'s>,
}

impl<L: Lookup> Reader for Masked<'_, L> {
    type Item = L::Item;

    fn has_nulls(&self) -> bool {
        self.mask.has_nulls()
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller guarantees that `i` is within the block.
        unsafe { self.mask.is_valid(i) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> L::Item {
        // SAFETY: the caller guarantees that `i` is within the block, and valid.
        unsafe { self.values.at(i) }
    }

    unsafe fn count_valid(&self, len: usize) -> usize {
        self.mask.count_valid(len)
    }

    fn as_slice(&self) -> Option<&[L::Item]> {
        match self.mask.has_nulls() {
            true => None,
            false => self.values.as_slice(),
        }
    }

    #[inline]
    unsafe fn fold<B>(
        &self,
        rows: Range<usize>,
        init: B,
        f: impl FnMut(B, Option<L::Item>) -> B,
    ) -> B {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.values.fold(self.mask, rows, init, f) }
    }
}

/// Returns a chunk's validity, or `None` if the chunk has no nulls.
fn validity(array: &dyn Array) -> Option<&Bitmap> {
    array.validity().filter(|bitmap| bitmap.unset_bits() > 0)
}

/// Returns the array as the concrete type that its dtype determines.
fn downcast<A: 'static>(array: &dyn Array) -> &A {
    array
        .as_any()
        .downcast_ref()
        .expect("a column's chunks have the physical type of its dtype")
}
