//! The output that a closure pushes rows onto, any number of them for each input row.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use polars::prelude::{AnyValue, DataType, IdxSize, PlSmallStr, Series};

use super::grow::{Gathered, GrowCons, GrowNil, Growing, groups};
use super::returns::{Dtypes, Encoding, Misfit, Returns};
use super::rows::{DefaultNames, IntoRow, item};
use super::sinks::One;
use super::text::check_category;
use super::views::GrowViews;
use super::{Finished, IntoCell, Refused};
use crate::arity::for_each_arity;
use crate::error::{Failure, Result};
use crate::options::Casts;
use crate::read::ListItem;
#[cfg(feature = "dtype-struct")]
use crate::read::Struct;
use crate::sealed::Sealed;
use crate::sync::Arc;

/// The output that a closure of [`emit_rows`](crate::Apply::emit_rows) pushes its rows onto: its argument `out: &mut Emit<T>`,
/// before the cells.
///
/// `T` is the type of a row, and determines the output's columns:
///
/// | `T` | what is pushed | output |
/// |---|---|---|
/// | a [cell](crate::IntoCell): `i64`, `Option<f64>`, `String`, … | the cell | one column, `par_apply` |
/// | `&str`, `&[u8]`, `Cow<'_, str>` | text or bytes, which may be borrowed: they are copied once, to their final place in the column | one column, `par_apply` |
/// | a tuple of 1 to 12 of these, or `[T; N]` of cells | the tuple or array | `column_0`, `column_1`, … |
/// | a struct with `#[derive(IntoRow)]` | the struct | its fields |
///
/// The signature of a closure leaves the lifetimes out (`Emit<(&str, i64)>`). A row may borrow from anything that lives for the
/// call of [`push`](Emit::push): from a cell, or from a buffer that the closure owns.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["line" => ["to be or", "", "not"]]?;
/// let words = df.par_apply().names(["word", "length"]).emit_rows(|out: &mut Emit<(&str, u32)>, line: &str| {
///     for word in line.split_whitespace() {
///         out.push((word, word.len() as u32));
///     }
/// })?;
/// assert_eq!(words, df!["word" => ["to", "be", "or", "not"], "length" => [2u32, 2, 2, 3]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub struct Emit<T: EmitRow> {
    rows: T::Rows,
    /// How many rows are complete.
    len: usize,
    /// How many rows there were before the input row.
    mark: usize,
    /// Whether a row is being pushed; this stays true after a panic in the push.
    is_torn: bool,
    /// Why the input row fails, if a row that was pushed cannot be written.
    failure: Option<Failure>,
    casts: Casts,
    returns: Option<Arc<[DataType]>>,
    /// How many rows each input row has pushed, if that is needed.
    counts: Option<Vec<IdxSize>>,
}

impl<T: EmitRow> fmt::Debug for Emit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<T: EmitRow> Emit<T> {
    /// Adds a row to the output, after the rows that were pushed before.
    ///
    /// If a column cannot hold its value of the row (a time beyond the column's range, text that is not a category of an Enum),
    /// the input row fails when the closure has returned, and what the closure pushes after that value is ignored.
    #[inline]
    pub fn push(&mut self, row: T::Of<'_>) {
        if self.failure.is_some() {
            return;
        }
        if let Err(failure) = self.try_push(row) {
            self.failure = Some(failure);
        }
    }

    #[inline]
    pub(super) fn try_push(&mut self, row: T::Of<'_>) -> Result<(), Failure> {
        if self.is_torn {
            self.rows.truncate(self.len);
        }
        self.is_torn = true;
        match &self.returns {
            None => T::push(row, &mut self.rows, self.casts)?,
            Some(dtypes) => {
                let encoding = Returns::new(Some(dtypes), self.casts);
                T::push(row, &mut self.rows, encoding)?;
            }
        }
        self.is_torn = false;
        self.len += 1;
        Ok(())
    }

    /// Makes an output without rows; with `counts`, it records how many rows each input row pushes.
    pub(crate) fn new(casts: Casts, returns: Option<Arc<[DataType]>>, counts: bool) -> Self {
        Emit {
            rows: T::Rows::new(),
            len: 0,
            mark: 0,
            is_torn: false,
            failure: None,
            casts,
            returns,
            // An error of results without a fixed dtype names the input row too, which needs the counts.
            counts: (counts || !T::Rows::FIXED).then(Vec::new),
        }
    }

    /// Ends an input row, or returns why it fails; the caller then [takes back](Emit::take_back) everything that it pushed.
    #[inline]
    pub(crate) fn end_row(&mut self) -> Result<(), Failure> {
        if self.is_torn || self.failure.is_some() {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            // The closure has caught a panic.
            self.rows.truncate(self.len);
            self.is_torn = false;
        }
        self.count();
        Ok(())
    }

    /// Takes back what a failed input row has pushed.
    pub(crate) fn take_back(&mut self) {
        self.failure = None;
        self.is_torn = false;
        self.rows.truncate(self.mark);
        self.len = self.mark.min(self.len);
    }

    /// Records how many rows an input row has pushed.
    #[inline]
    pub(crate) fn count(&mut self) {
        if let Some(counts) = &mut self.counts {
            counts.push((self.len - self.mark) as IdxSize);
        }
        self.mark = self.len;
    }

    /// Returns the rows that were pushed by the input rows from `first` on, and how many each of them has pushed.
    pub(crate) fn close(self, first: usize) -> Result<Pushed<T>> {
        Ok(Pushed {
            first,
            len: self.len,
            rows: self.rows.close()?,
            counts: self.counts.unwrap_or_default(),
        })
    }

    /// Returns the number of rows.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The rows that a range of input rows has pushed.
pub(crate) struct Pushed<T: EmitRow> {
    /// The first of these input rows.
    pub(crate) first: usize,
    pub(crate) len: usize,
    rows: <T::Rows as Growing>::Grown,
    pub(crate) counts: Vec<IdxSize>,
}

/// Returns the columns of the parts, stacked in order, and how many rows each of their chunks has: one chunk where they are to
/// be `whole`.
pub(crate) fn stack_pushed<T: EmitRow>(
    parts: Vec<Pushed<T>>,
    whole: bool,
) -> Result<(Vec<Finished>, Vec<usize>)> {
    let lengths: Vec<usize> = parts.iter().map(|part| part.len).collect();
    let groups = match whole || !T::Rows::FIXED {
        true if parts.is_empty() => Vec::new(),
        true => vec![parts.len()],
        false => groups(lengths.iter().copied()),
    };
    let mut columns = Vec::new();
    let rows = parts.into_iter().map(|part| part.rows).collect();
    T::Rows::stack(rows, &groups, &mut columns)?;
    let mut lengths = lengths.into_iter();
    let chunks = groups
        .iter()
        .map(|parts| lengths.by_ref().take(*parts).sum())
        .collect();
    Ok((columns, chunks))
}

/// Does the same as [`fit_all`](super::fit_all), for rows that are pushed.
pub(crate) fn fit_pushed<T: EmitRow>(dtypes: &[DataType], misfits: &mut Vec<Misfit>) -> bool {
    T::Rows::fit(Dtypes::Columns(dtypes), 0, misfits)
}

/// A row that can be pushed onto an [`Emit`]: a cell, borrowed text or bytes, a tuple or array of these, or a struct with
/// `#[derive(IntoRow)]`.
///
/// Do not implement this trait by hand, since its hidden items change without notice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a row that can be pushed",
    label = "cannot be written to columns",
    note = "`T` of `out: &mut Emit<T>` is a cell (`f64`, `&str`, `Option<i64>`, …), a tuple or array of cells, or a struct with `#[derive(IntoRow)]`",
    note = "`usize` and `isize` cannot be written to a column: push `u64` or `i64`",
    note = "dates, times, small integers and Struct need the feature of this crate named after the dtype"
)]
pub trait EmitRow {
    /// This type with the lifetime `'a`, for which it may borrow.
    type Of<'a>;

    #[doc(hidden)]
    type Rows: Growing;

    #[doc(hidden)]
    fn names() -> DefaultNames;

    #[doc(hidden)]
    fn push<E: Encoding>(
        row: Self::Of<'_>,
        rows: &mut Self::Rows,
        encoding: E,
    ) -> Result<(), Failure>;
}

/// A cell that can be pushed onto an [`Emit`], alone or in a tuple.
#[doc(hidden)]
pub trait EmitCell: Sealed {
    type Of<'a>;

    type Column: Growing;

    /// Pushes the cell at this position of its row.
    fn push<E: Encoding>(
        cell: Self::Of<'_>,
        column: &mut Self::Column,
        encoding: E,
        position: usize,
    ) -> Result<(), Failure>;
}

impl<T: EmitCell> EmitRow for T {
    type Of<'a> = T::Of<'a>;
    type Rows = T::Column;

    fn names() -> DefaultNames {
        DefaultNames::One
    }

    #[inline(always)]
    fn push<E: Encoding>(row: T::Of<'_>, rows: &mut T::Column, encoding: E) -> Result<(), Failure> {
        T::push(row, rows, encoding, 0)
    }
}

macro_rules! columns {
    () => { GrowNil };
    ($First:ident $($Rest:ident)*) => { GrowCons<$First::Column, columns!($($Rest)*)> };
}

macro_rules! count {
    () => { 0 };
    ($first:ident $($rest:ident)*) => { 1 + count!($($rest)*) };
}

macro_rules! push {
    ($rows:expr, $encoding:ident, $position:expr,) => {};
    ($rows:expr, $encoding:ident, $position:expr, $T:ident $t:ident $($rest:ident)*) => {
        $T::push($t, &mut $rows.0, $encoding, $position)?;
        push!($rows.1, $encoding, $position + 1, $($rest)*);
    };
}

macro_rules! tuple {
    ($($T:ident $t:ident),+) => {
        impl<$($T: EmitCell),+> EmitRow for ($($T,)+) {
            type Of<'a> = ($($T::Of<'a>,)+);
            type Rows = columns!($($T)+);

            fn names() -> DefaultNames {
                DefaultNames::Numbered(count!($($T)+))
            }

            #[inline(always)]
            fn push<Encoder: Encoding>(
                row: Self::Of<'_>,
                rows: &mut Self::Rows,
                encoding: Encoder,
            ) -> Result<(), Failure> {
                let ($($t,)+) = row;
                push!(rows, encoding, 0, $($T $t)+);
                Ok(())
            }
        }
    };
}

for_each_arity!(tuple);

/// A row of owned cells, as [`IntoRow`] writes it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Owned<T>(PhantomData<fn() -> T>);

impl<T: IntoRow> EmitRow for Owned<T> {
    type Of<'a> = T;
    type Rows = Gathered<T::Sink>;

    fn names() -> DefaultNames {
        T::names()
    }

    #[inline(always)]
    fn push<E: Encoding>(row: T, rows: &mut Self::Rows, encoding: E) -> Result<(), Failure> {
        rows.push(row.into_items(encoding)?);
        Ok(())
    }
}

impl<T: IntoCell, const N: usize> EmitRow for [T; N] {
    type Of<'a> = [T; N];
    type Rows = <Owned<Self> as EmitRow>::Rows;

    fn names() -> DefaultNames {
        DefaultNames::Numbered(N)
    }

    #[inline(always)]
    fn push<E: Encoding>(row: [T; N], rows: &mut Self::Rows, encoding: E) -> Result<(), Failure> {
        Owned::<Self>::push(row, rows, encoding)
    }
}

/// `None` is null.
impl<T: EmitCell> EmitCell for Option<T> {
    type Of<'a> = Option<T::Of<'a>>;
    type Column = T::Column;

    #[inline(always)]
    fn push<E: Encoding>(
        cell: Option<T::Of<'_>>,
        column: &mut T::Column,
        encoding: E,
        position: usize,
    ) -> Result<(), Failure> {
        match cell {
            Some(cell) => T::push(cell, column, encoding, position),
            None => {
                column.push_null();
                Ok(())
            }
        }
    }
}

macro_rules! owned {
    ($($(#[$cfg:meta])* [$($generics:tt)*] $T:ty),* $(,)?) => {
        $(
            $(#[$cfg])*
            impl<$($generics)*> EmitCell for $T {
                type Of<'a> = $T;
                type Column = Gathered<One<<$T as IntoCell>::Sink>>;

                #[inline(always)]
                fn push<Encoder: Encoding>(
                    cell: $T,
                    column: &mut Self::Column,
                    encoding: Encoder,
                    position: usize,
                ) -> Result<(), Failure> {
                    column.push(item(cell, encoding, position)?);
                    Ok(())
                }
            }
        )*
    };
}

owned!(
    #[cfg(feature = "dtype-i8")] [] i8,
    #[cfg(feature = "dtype-i16")] [] i16,
    [] i32,
    [] i64,
    #[cfg(feature = "dtype-i128")] [] i128,
    #[cfg(feature = "dtype-u8")] [] u8,
    #[cfg(feature = "dtype-u16")] [] u16,
    [] u32,
    [] u64,
    [] f32,
    [] f64,
    [] bool,
    [] char,
    [] (),
    [] AnyValue<'static>,
    [] Series,
    [] Vec<u8>,
    [T: IntoCell + ListItem] Vec<T>,
    #[cfg(feature = "dtype-struct")] [T: IntoRow + Send] Struct<T>,
    #[cfg(feature = "dtype-date")] [] chrono::NaiveDate,
    #[cfg(feature = "dtype-time")] [] chrono::NaiveTime,
    #[cfg(feature = "dtype-datetime")] [] chrono::NaiveDateTime,
    #[cfg(feature = "timezones")] [] chrono::DateTime<chrono::Utc>,
    #[cfg(feature = "dtype-duration")] [] chrono::TimeDelta,
    #[cfg(feature = "rust_decimal")] [] rust_decimal::Decimal,
);

macro_rules! text {
    ($([$($lifetime:lifetime)?] $T:ty, $a:lifetime $Of:ty),* $(,)?) => {
        $(
            impl<$($lifetime)?> EmitCell for $T {
                type Of<$a> = $Of;
                type Column = GrowViews<true>;

                #[inline(always)]
                fn push<Encoder: Encoding>(
                    text: Self::Of<'_>,
                    column: &mut GrowViews<true>,
                    encoding: Encoder,
                    position: usize,
                ) -> Result<(), Failure> {
                    let text: &str = &text;
                    if let Some(dtype) = encoding.dtype(position) {
                        check_category(text, dtype).map_err(|refused| at(refused, position))?;
                    }
                    column.push_text(text).map_err(|refused| at(refused, position))
                }
            }
        )*
    };
}

text!(
    ['t] &'t str, 'a &'a str,
    ['t] Cow<'t, str>, 'a Cow<'a, str>,
    [] String, 'a String,
    [] PlSmallStr, 'a PlSmallStr,
);

impl EmitCell for &[u8] {
    type Of<'a> = &'a [u8];
    type Column = GrowViews<false>;

    #[inline(always)]
    fn push<E: Encoding>(
        bytes: &[u8],
        column: &mut GrowViews<false>,
        _: E,
        position: usize,
    ) -> Result<(), Failure> {
        column
            .push_bytes(bytes)
            .map_err(|refused| at(refused, position))
    }
}

/// The failure of a value that the column at a position of its row cannot hold.
fn at(refused: Refused, column: usize) -> Failure {
    Failure::Write(Refused { column, ..refused })
}
