//! The results of a row: one cell becomes a column; a tuple, an array or a derived struct becomes a frame.

use polars::prelude::{Column, DataFrame, PlSmallStr, Series};

#[cfg(feature = "lazy")]
use super::one_column::OneColumn;
use super::returns::Encoding;
use super::sinks::{One, RowSink, SinkCons, SinkNil, SinkRepeat, Sinks};
use super::{CellSink, IntoCell, Refused};
use crate::arity::for_each_arity;
use crate::error::{Cause, Failure, Result};
use crate::read::tuple::pairs;

/// A type that a row closure may return.
///
/// | result | output | default names |
/// |---|---|---|
/// | one cell ([`IntoCell`]) | `Column` | `par_apply` |
/// | a tuple of 1 to 12 cells, or `[T; N]` | `DataFrame` | `column_0`, `column_1`, … |
/// | a struct with `#[derive(IntoRow)]` | `DataFrame` | the names of its fields |
/// | `Result<T, E>` of one of these, `E: Into<anyhow::Error>` | as `T` | as `T` |
///
/// [`names`](crate::Apply::names) sets other names. The first error ends the run; see [`Error`](crate::Error).
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// #[derive(IntoRow)]
/// struct Split {
///     #[par_apply(rename = "whole part")]
///     whole: i64,
///     rest: f64,
/// }
///
/// let df = df!["x" => [1.5, -0.25]]?;
/// let split = df.par_apply_rows(|x: f64| Split { whole: x.trunc() as i64, rest: x.fract() })?;
/// assert_eq!(split, df!["whole part" => [1i64, 0], "rest" => [0.5, -0.25]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// Do not implement this trait by hand, since its hidden items change without notice; derive it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a row's result",
    label = "cannot be written to columns",
    note = "a closure returns a cell (`f64`, `String`, `Option<i64>`, …), a tuple or array of cells, a struct with `#[derive(IntoRow)]`, or a `Result` of one of these",
    note = "the error of a `Result` implements `std::error::Error`, or is an `anyhow::Error`; text and `Box<dyn Error>` do not: make one with `anyhow::anyhow!(…)`",
    note = "a tuple or struct inside another result needs `Struct(…)` around it"
)]
pub trait IntoRow: Sized {
    /// The output that the results of all rows become together: a `Column` or a `DataFrame`.
    #[cfg(feature = "lazy")]
    type Output: OneColumn;

    /// The output that the results of all rows become together: a `Column` or a `DataFrame`.
    #[cfg(not(feature = "lazy"))]
    type Output;

    #[doc(hidden)]
    type Sink: RowSink<Output = Self::Output>;

    /// The same as [`IntoCell::WHOLE`].
    #[doc(hidden)]
    const WHOLE: bool = false;

    /// Whether the closure may return an error.
    #[doc(hidden)]
    const FALLIBLE: bool = false;

    #[doc(hidden)]
    fn names() -> DefaultNames;

    #[doc(hidden)]
    fn into_items<E: Encoding>(self, encoding: E) -> Result<<Self::Sink as Sinks>::Item, Failure>;

    /// Returns the series, if this is one.
    #[doc(hidden)]
    fn item_into_series(
        items: <Self::Sink as Sinks>::Item,
    ) -> std::result::Result<Series, <Self::Sink as Sinks>::Item> {
        Err(items)
    }

    /// The same as [`IntoCell::change_series`].
    #[doc(hidden)]
    fn change_series<E>(
        items: <Self::Sink as Sinks>::Item,
        _: impl FnOnce(Series) -> std::result::Result<Series, E>,
    ) -> std::result::Result<<Self::Sink as Sinks>::Item, E> {
        Ok(items)
    }
}

/// Returns one cell of several as its sink takes it.
#[doc(hidden)]
#[inline(always)]
pub fn item<T: IntoCell, E: Encoding>(
    cell: T,
    encoding: E,
    column: usize,
) -> Result<<T::Sink as CellSink>::Item, Failure> {
    let item = encoding.item(cell, column);
    item.map_err(|refused| Failure::Write(Refused { column, ..refused }))
}

/// The names of a result's columns, if no names are given.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum DefaultNames {
    /// One column.
    One,
    /// This many columns, numbered.
    Numbered(usize),
    Fields(&'static [&'static str]),
}

impl DefaultNames {
    /// Returns the names; numbered names begin with the prefix.
    pub(crate) fn numbered(self, prefix: &str) -> Vec<PlSmallStr> {
        match self {
            DefaultNames::One => vec!["par_apply".into()],
            DefaultNames::Numbered(columns) => (0..columns)
                .map(|column| format!("{prefix}_{column}").into())
                .collect(),
            DefaultNames::Fields(fields) => fields.iter().map(|name| (*name).into()).collect(),
        }
    }
}

impl<T: IntoCell> IntoRow for T {
    type Output = Column;
    type Sink = One<T::Sink>;

    const WHOLE: bool = T::WHOLE;

    fn names() -> DefaultNames {
        DefaultNames::One
    }

    #[inline(always)]
    fn into_items<E: Encoding>(self, encoding: E) -> Result<<T::Sink as CellSink>::Item, Failure> {
        encoding.item(self, 0).map_err(Failure::Write)
    }

    fn item_into_series(
        item: <T::Sink as CellSink>::Item,
    ) -> std::result::Result<Series, <T::Sink as CellSink>::Item> {
        T::item_into_series(item)
    }

    fn change_series<E>(
        item: <T::Sink as CellSink>::Item,
        change: impl FnOnce(Series) -> std::result::Result<Series, E>,
    ) -> std::result::Result<<T::Sink as CellSink>::Item, E> {
        T::change_series(item, change)
    }
}

macro_rules! sinks {
    () => { SinkNil };
    ($First:ident $($Rest:ident)*) => { SinkCons<<$First as IntoCell>::Sink, sinks!($($Rest)*)> };
}

macro_rules! count {
    () => { 0 };
    ($first:ident $($rest:ident)*) => { 1 + count!($($rest)*) };
}

macro_rules! tuple {
    ($($T:ident $t:ident),+) => {
        impl<$($T: IntoCell),+> IntoRow for ($($T,)+) {
            type Output = DataFrame;
            type Sink = sinks!($($T)+);

            fn names() -> DefaultNames {
                DefaultNames::Numbered(count!($($T)+))
            }

            #[inline(always)]
            fn into_items<Encoder: Encoding>(
                self,
                encoding: Encoder,
            ) -> Result<<Self::Sink as Sinks>::Item, Failure> {
                let ($($t,)+) = self;
                let mut column = 0..;
                $(let $t = item($t, encoding, column.next().unwrap_or(0))?;)+
                Ok(pairs!($($t)+))
            }
        }
    };
}

for_each_arity!(tuple);

impl<T: IntoCell, const N: usize> IntoRow for [T; N] {
    type Output = DataFrame;
    type Sink = SinkRepeat<T::Sink, N>;

    fn names() -> DefaultNames {
        DefaultNames::Numbered(N)
    }

    #[inline(always)]
    fn into_items<E: Encoding>(
        self,
        encoding: E,
    ) -> Result<[<T::Sink as CellSink>::Item; N], Failure> {
        let mut refused = None;
        let mut column = 0..;
        let items = self.map(|cell| {
            let item = item(cell, encoding, column.next().unwrap_or(0));
            item.map_err(|error| refused.get_or_insert(error)).ok()
        });
        match refused {
            Some(refused) => Err(refused),
            None => Ok(items.map(|item| item.expect("no cell was refused"))),
        }
    }
}

impl<T: IntoRow, E: Into<anyhow::Error>> IntoRow for Result<T, E> {
    type Output = T::Output;
    type Sink = T::Sink;

    const WHOLE: bool = T::WHOLE;

    const FALLIBLE: bool = true;

    fn names() -> DefaultNames {
        T::names()
    }

    #[inline(always)]
    fn into_items<Encoder: Encoding>(
        self,
        encoding: Encoder,
    ) -> Result<<T::Sink as Sinks>::Item, Failure> {
        match self {
            Ok(row) => row.into_items(encoding),
            Err(error) => Err(Failure::Closure(Cause::new(error.into()))),
        }
    }

    fn item_into_series(
        items: <T::Sink as Sinks>::Item,
    ) -> std::result::Result<Series, <T::Sink as Sinks>::Item> {
        T::item_into_series(items)
    }

    fn change_series<F>(
        items: <T::Sink as Sinks>::Item,
        change: impl FnOnce(Series) -> std::result::Result<Series, F>,
    ) -> std::result::Result<<T::Sink as Sinks>::Item, F> {
        T::change_series(items, change)
    }
}
