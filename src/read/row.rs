//! Untyped rows, for schemas known only at run time.

use polars::prelude::AnyValue;

use super::any::AnyChunk;
use super::source::{natural_type, not_found};
use super::{Argument, Cell, Cells, ColumnChunks, Fit, FromRow, Misread, Reader};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::partition::BlockStart;

/// A row whose columns and types are known only at run time.
///
/// It takes any columns, and the closure is called for every row, whatever is null in it. Where the types are known, a
/// typed closure is many times faster and is checked before the first row.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["name" => ["ab", "c"], "x" => [Some(1.5), None]]?;
/// let text = df.par_apply_rows(|row: Row<'_>| -> polars_par_apply::Result<String> {
///     let name = row.get::<&str>("name")?;
///     let x = row.get::<Option<f64>>("x")?;
///     Ok(format!("{name}={}", x.unwrap_or(0.0)))
/// })?;
/// assert!(text.str()?.iter().eq([Some("ab=1.5"), Some("c=0")]));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [UntypedColumn<'a>],
    places: &'a [BlockStart],
    /// The position within the block.
    i: usize,
    /// The block's first row.
    first: usize,
}

impl<'a> Row<'a> {
    /// How many columns the row has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether the row has no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// The row's number, counted from 0 in the whole input.
    #[must_use]
    pub fn index(&self) -> usize {
        self.first + self.i
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.columns.iter().map(|column| column.name)
    }

    /// The value in the column of that name, taken as `T` as a typed closure would take it without a cast; the call's
    /// `Casts` do not reach here.
    ///
    /// # Errors
    /// The row has no such column; `T` does not take its dtype without loss; the value is null and `T` is not an
    /// `Option`; the value is out of `T`'s range.
    #[inline]
    pub fn get<T>(&self, name: &str) -> Result<T::Of<'a>>
    where
        T: Cell,
    {
        match self.columns.iter().position(|column| column.name == name) {
            Some(column) => {
                let (chunk, row) = self.locate(column);
                T::get(chunk, row).map_err(|misread| self.misread::<T>(column, misread))
            }
            None => Err(not_found(name, self.names())),
        }
    }

    /// The value in a column by position.
    ///
    /// # Panics
    /// Where the row has no such column.
    #[must_use]
    #[inline]
    pub fn value(&self, column: usize) -> AnyValue<'a> {
        let (chunk, row) = self.locate(column);
        chunk.value(row)
    }

    /// Each column's name and value, in order.
    #[must_use]
    pub fn iter(&self) -> RowIter<'a> {
        RowIter {
            row: *self,
            column: 0,
        }
    }
}

impl<'a> Row<'a> {
    #[inline]
    fn locate(&self, column: usize) -> (&'a AnyChunk<'a>, usize) {
        let place = self.places[column];
        (
            &self.columns[column].chunks[place.chunk],
            place.offset + self.i,
        )
    }

    #[cold]
    fn misread<T: Cell>(&self, column: usize, misread: Misread) -> Error {
        let (chunk, _) = self.locate(column);
        let name = self.columns[column].name.to_string();
        match misread {
            Misread::Null if T::fit(chunk.dtype) != Fit::Never => ErrorKind::Value {
                place: Place::Row(self.index()),
                column: Some(name),
                message: format!(
                    "the value is null; take Option<{0}> in place of {0}",
                    T::type_name()
                ),
            },
            Misread::Value(message) => ErrorKind::Value {
                place: Place::Row(self.index()),
                column: Some(name),
                message,
            },
            Misread::Null | Misread::Dtype => ErrorKind::Dtype {
                column: name,
                dtype: chunk.dtype.clone(),
                argument: None,
                takes: T::type_name(),
                instead: natural_type(chunk.dtype),
                lossy: false,
            },
        }
        .into()
    }
}

impl<'a> IntoIterator for Row<'a> {
    type Item = (&'a str, AnyValue<'a>);
    type IntoIter = RowIter<'a>;

    fn into_iter(self) -> RowIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Row<'a> {
    type Item = (&'a str, AnyValue<'a>);
    type IntoIter = RowIter<'a>;

    fn into_iter(self) -> RowIter<'a> {
        self.iter()
    }
}

/// Iterates over a row's names and values; made by [`Row::iter`].
#[derive(Clone, Debug)]
pub struct RowIter<'a> {
    row: Row<'a>,
    column: usize,
}

impl<'a> Iterator for RowIter<'a> {
    type Item = (&'a str, AnyValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let column = self.row.columns.get(self.column)?;
        self.column += 1;
        Some((column.name, self.row.value(self.column - 1)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.row.len() - self.column;
        (left, Some(left))
    }

    /// Without the `Option` that `next` wraps each value in, and moves it with.
    #[inline]
    fn fold<B, F>(self, init: B, mut f: F) -> B
    where
        F: FnMut(B, Self::Item) -> B,
    {
        let columns = self.row.columns.iter().enumerate().skip(self.column);
        columns.fold(init, |folded, (position, column)| {
            f(folded, (column.name, self.row.value(position)))
        })
    }
}

impl ExactSizeIterator for RowIter<'_> {}

impl<'x> FromRow for Row<'x> {
    type Of<'a> = Row<'a>;
    type Cells = Untyped;
    const NAMES: Option<&'static [&'static str]> = None;

    #[inline(always)]
    fn assemble<'a>(row: <Untyped as Cells>::Of<'a>) -> Self::Of<'a> {
        row
    }
}

/// Any columns.
#[doc(hidden)]
#[derive(Debug)]
pub struct Untyped;

/// A column whose dtype is known only at run time.
#[doc(hidden)]
#[derive(Debug)]
pub struct UntypedColumn<'a> {
    name: &'a str,
    chunks: Vec<AnyChunk<'a>>,
}

/// Reads rows that find their values themselves.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct RowReader<'s> {
    columns: &'s [UntypedColumn<'s>],
    places: &'s [BlockStart],
    first: usize,
}

impl<'s> Reader for RowReader<'s> {
    type Item = Row<'s>;

    fn has_nulls(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn is_valid(&self, _: usize) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Row<'s> {
        Row {
            columns: self.columns,
            places: self.places,
            i,
            first: self.first,
        }
    }
}

impl Cells for Untyped {
    type Of<'a> = Row<'a>;
    type Bound<'a> = Vec<UntypedColumn<'a>>;
    type Scratch = ();
    type Reader<'s> = RowReader<'s>;

    fn arguments() -> Option<Vec<Argument>> {
        None
    }

    unsafe fn bind<'a>(columns: &[ColumnChunks<'a>]) -> Self::Bound<'a> {
        let column = |column: &ColumnChunks<'a>| UntypedColumn {
            name: column.name,
            chunks: column
                .arrays
                .iter()
                // SAFETY: as the caller vouches.
                .map(|array| unsafe { AnyChunk::new(column.dtype, *array) })
                .collect(),
        };
        columns.iter().map(column).collect()
    }

    fn open<'s>(
        bound: &'s Self::Bound<'_>,
        places: &'s [BlockStart],
        row: usize,
        _: usize,
        (): &'s mut (),
    ) -> RowReader<'s> {
        RowReader {
            columns: bound,
            places,
            first: row,
        }
    }

    fn has_nulls(_: &Self::Bound<'_>) -> bool {
        false
    }

    fn get<'a>(_: &mut dyn Iterator<Item = AnyChunk<'a>>, _: usize) -> Result<Row<'a>, Misread> {
        Err(Misread::Dtype)
    }
}
