//! Untyped rows, for schemas known only at run time.

use polars::prelude::AnyValue;

use super::any::AnyChunk;
use super::name_index::{Key, NameIndex, Named, position};
use super::source::{natural_type, not_found};
use super::{Argument, Cell, Cells, ColumnChunks, Fit, FromRow, Misread, Reader};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::partition::BlockStart;
use crate::row_numbers::{RowNumbers, Unnumbered};
use crate::sealed::Sealed;

/// A row whose columns and types are known only at run time.
///
/// It takes any columns, and the closure is called for every row, whichever of its values are null. Where the types are known,
/// a typed closure is many times faster, and is checked before the first row.
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
    columns: &'a UntypedColumns<'a>,
    places: &'a [BlockStart],
    /// The position within the block.
    i: usize,
    /// The block's first row.
    first: usize,
}

impl<'a> Row<'a> {
    /// Returns the number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.all.len()
    }

    /// Returns whether the row has no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.all.is_empty()
    }

    /// Returns the number of the row in the whole input, counted from 0.
    ///
    /// With [`first_row`](crate::Apply::first_row) the count starts at another number, and with
    /// [`row_numbers`](crate::Apply::row_numbers) a column gives the number. An error that names the row has the same number.
    ///
    /// In a lazy query, the rows of a `LazyFrame` are numbered by default, and so are those of a stream. An expression
    /// (`rows([…]).apply(f)`) is given batches whose position in the whole input is not known. There, only
    /// [`RowsExpr::row_numbers`](https://docs.rs/polars-par-apply/latest/polars_par_apply/struct.RowsExpr.html#method.row_numbers)
    /// gives a row its number; without it, this method ends the row with an error that says so, as if the closure had returned
    /// that error.
    ///
    /// # Panics
    /// If the row has no number, as described above, the method ends the row by unwinding, without calling the panic hook. A
    /// program that is built with `panic = "abort"` aborts.
    #[must_use]
    pub fn index(&self) -> usize {
        let position = self.first + self.i;
        match self.columns.numbers.known(position) {
            Some(number) => number,
            None => Unnumbered::end_the_row(),
        }
    }

    /// Returns the row's number as errors show it.
    fn number(&self) -> usize {
        self.columns.numbers.of(self.first + self.i)
    }

    /// Returns the names of the columns, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        self.columns.all.iter().map(|column| column.name)
    }

    /// Returns the value in the column of that name as `T`.
    ///
    /// `T` takes the value as the argument of a typed closure does, without a cast; the call's `Casts` have no effect here. `T`
    /// can be written out, or is inferred from how the value is used.
    ///
    /// The time that this takes does not grow with the number of columns; [`at`](Row::at) takes even less.
    ///
    /// # Errors
    /// An error is returned if the row has no such column, if `T` does not take the column's dtype without loss, if the value
    /// is null and `T` is not an `Option`, or if the value is out of the range of `T`.
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["price" => [1.5, 2.5], "count" => [2i64, 3]]?;
    /// let total = df.par_apply_rows(|row: Row<'_>| -> polars_par_apply::Result<f64> {
    ///     let price: f64 = row.get("price")?;
    ///     Ok(price * row.get::<i64>("count")? as f64)
    /// })?;
    /// assert_eq!(total.f64()?.to_vec(), [Some(3.0), Some(7.5)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    // Always inlined: a name that is a constant is then compared in an instruction or two.
    #[inline(always)]
    pub fn get<T>(&self, name: &str) -> Result<T>
    where
        T: Cell<Of<'a> = T>,
    {
        match self.columns.find(name) {
            Some(column) => self.read(column, "get"),
            None => Err(not_found(name, self.names())),
        }
    }

    /// Returns the value in the column at a position, counted from 0, as `T`.
    ///
    /// `T` takes the value as [`get`](Row::get) describes. A null is `None` where `T` is an `Option`, and an error otherwise.
    ///
    /// # Errors
    /// An error is returned if the row has no column at that position, and in the cases of [`get`](Row::get).
    ///
    /// # Examples
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [Some(1i64), None], "y" => ["a", "bc"]]?;
    /// let sum = df.par_apply_rows(|row: Row<'_>| -> polars_par_apply::Result<i64> {
    ///     let x: Option<i64> = row.at(0)?;
    ///     let y = row.at::<&str>(1)?;
    ///     Ok(x.unwrap_or(10) + y.len() as i64)
    /// })?;
    /// assert_eq!(sum.i64()?.to_vec(), [Some(2), Some(12)]);
    ///
    /// let error = df.par_apply_rows(|row: Row<'_>| row.at::<i64>(2)).unwrap_err();
    /// assert!(error.to_string().ends_with("the row has 2 columns and none at position 2; positions are counted from 0"));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[inline(always)]
    pub fn at<T>(&self, column: usize) -> Result<T>
    where
        T: Cell<Of<'a> = T>,
    {
        if column < self.len() {
            return self.read(column, "at");
        }
        Err(ErrorKind::NoColumnAt {
            position: column,
            columns: self.len(),
        }
        .into())
    }

    /// Returns the value in the column at a position, counted from 0, as an `AnyValue`.
    ///
    /// # Panics
    /// Panics if the row has no column at that position.
    #[must_use]
    #[inline]
    pub fn value(&self, column: usize) -> AnyValue<'a> {
        let (chunk, row) = self.locate(column);
        chunk.value(row)
    }

    /// Returns an iterator over the name and the value of each column, in order.
    #[must_use]
    pub fn iter(&self) -> RowIter<'a> {
        RowIter {
            row: *self,
            column: 0,
        }
    }
}

impl<'a> Row<'a> {
    #[inline(always)]
    fn read<T>(&self, column: usize, method: &'static str) -> Result<T>
    where
        T: Cell<Of<'a> = T>,
    {
        let (chunk, row) = self.locate(column);
        match T::quick(chunk, row) {
            Some(value) => Ok(value),
            None => self.read_slowly(column, method),
        }
    }

    #[inline(never)]
    fn read_slowly<T>(&self, column: usize, method: &'static str) -> Result<T>
    where
        T: Cell<Of<'a> = T>,
    {
        let (chunk, row) = self.locate(column);
        T::get(chunk, row).map_err(|misread| self.misread::<T>(column, method, misread))
    }

    #[inline(always)]
    fn locate(&self, column: usize) -> (&'a AnyChunk<'a>, usize) {
        let place = self.places[column];
        let chunk = self.columns.all[column].first_chunk + place.chunk;
        (&self.columns.chunks[chunk], place.offset + self.i)
    }

    #[cold]
    fn misread<T: Cell>(&self, column: usize, method: &'static str, misread: Misread) -> Error {
        let (chunk, _) = self.locate(column);
        let name = self.columns.all[column].name.to_string();
        let error: Error = match misread {
            Misread::Null if T::fit(chunk.dtype) != Fit::Never => ErrorKind::Value {
                place: Place::Row(self.number()),
                column: Some(name),
                message: format!(
                    "the value is null; take Option<{0}> in place of {0}",
                    T::type_name()
                ),
            },
            Misread::Value(message) => ErrorKind::Value {
                place: Place::Row(self.number()),
                column: Some(name),
                message,
            },
            Misread::Null | Misread::Dtype => ErrorKind::Dtype {
                column: name,
                dtype: chunk.dtype.clone(),
                argument: None,
                method: Some(method),
                takes: T::type_name(),
                instead: natural_type(chunk.dtype),
                lossy: false,
            },
        }
        .into();
        let position = self.first + self.i;
        let error = error.of_row(position);
        if self.columns.numbers.known(position).is_none() {
            // The error that is made of this one also names the batch.
            error.leave_out_own_row();
        }
        error
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

/// An iterator over a row's names and values, made by [`Row::iter`].
#[derive(Clone, Debug)]
pub struct RowIter<'a> {
    row: Row<'a>,
    column: usize,
}

impl<'a> Iterator for RowIter<'a> {
    type Item = (&'a str, AnyValue<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let column = self.row.columns.all.get(self.column)?;
        self.column += 1;
        Some((column.name, self.row.value(self.column - 1)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.row.len() - self.column;
        (left, Some(left))
    }

    /// This saves wrapping each value in the `Option` that `next` returns, and moving it with that.
    #[inline]
    fn fold<B, F>(self, init: B, mut f: F) -> B
    where
        F: FnMut(B, Self::Item) -> B,
    {
        let columns = self.row.columns.all.iter().enumerate().skip(self.column);
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

/// The cells of a row that takes any columns.
#[doc(hidden)]
#[derive(Debug)]
pub struct Untyped;

/// A column whose dtype is known only at run time.
#[derive(Debug)]
pub(super) struct UntypedColumn<'a> {
    /// The key of the name.
    key: Key,
    /// The position of the column's first chunk among the chunks of all columns.
    first_chunk: usize,
    name: &'a str,
}

impl Named for UntypedColumn<'_> {
    #[inline(always)]
    fn key(&self) -> Key {
        self.key
    }

    fn name(&self) -> &str {
        self.name
    }
}

/// The columns that a row may be asked for.
#[doc(hidden)]
#[derive(Debug)]
pub struct UntypedColumns<'a> {
    all: Vec<UntypedColumn<'a>>,
    /// The chunks of all columns, one column after the other.
    chunks: Vec<AnyChunk<'a>>,
    by_name: NameIndex,
    numbers: &'a RowNumbers,
}

impl UntypedColumns<'_> {
    /// Always inlined: a name that is a constant is then compared in an instruction or two.
    #[inline(always)]
    fn find(&self, name: &str) -> Option<usize> {
        /// Up to this number, comparing the names one by one takes less time than a hash.
        const FEW: usize = 8;
        if self.all.len() <= FEW {
            return position(name, &self.all);
        }
        self.find_of_many(name)
    }

    /// This stays out of line, so that the inlined code stays short.
    #[inline(never)]
    fn find_of_many(&self, name: &str) -> Option<usize> {
        self.by_name.find(name, &self.all)
    }
}

/// Reads rows, which find their values themselves when they are asked for them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct RowReader<'s> {
    columns: &'s UntypedColumns<'s>,
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

impl Sealed for Untyped {}

impl Cells for Untyped {
    type Of<'a> = Row<'a>;
    type Bound<'a> = UntypedColumns<'a>;
    type Scratch = ();
    type Reader<'s> = RowReader<'s>;

    fn arguments() -> Option<Vec<Argument>> {
        None
    }

    unsafe fn bind<'a>(columns: &[ColumnChunks<'a>], numbers: &'a RowNumbers) -> Self::Bound<'a> {
        let mut all = Vec::with_capacity(columns.len());
        let mut chunks = Vec::with_capacity(columns.len());
        for column in columns {
            all.push(UntypedColumn {
                key: Key::of(column.name),
                first_chunk: chunks.len(),
                name: column.name,
            });
            let arrays = column.arrays.iter();
            // SAFETY: the caller upholds this function's contract.
            chunks.extend(arrays.map(|array| unsafe { AnyChunk::new(column.dtype, *array) }));
        }
        UntypedColumns {
            by_name: NameIndex::new(&all),
            all,
            chunks,
            numbers,
        }
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
