//! The values of a column, or of its rows in a group or a window, typed.

use std::borrow::Cow;
use std::fmt;
use std::iter::FusedIterator;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut, Range};

use super::{Cell, ColumnChunks, Fault, Reader};

/// A view of a column's values, which a closure of columns, groups or windows takes as an argument and which copies nothing.
///
/// In a closure of groups or windows, it has the rows that the closure is given: [`len`](Values::len), [`get`](Values::get) and
/// [`as_slice`](Values::as_slice) count only these. A row that is null in any argument of a plain type is left out of all
/// arguments, so that `x.iter().zip(y.iter())` pairs the values of one row. With `Option<T>`, nulls are `None`.
///
/// [`iter`](Values::iter) yields every value that is not null, in order, across the column's chunks; with `Option<T>` it yields
/// one item for every row, and `None` for a null. [`get`](Values::get) returns the value of one row, and
/// [`as_slice`](Values::as_slice) all values where they lie side by side in memory.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;
/// let squares = df.par_apply_columns(|v: Values<'_, i64>| v.iter().map(|x| x * x).sum::<i64>())?;
/// assert_eq!(squares, df!["a" => [163i64], "b" => [147i64]]?);
///
/// let change = df.par_apply_columns(|v: Values<'_, i64>| {
///     Some(v.get(v.len().checked_sub(1)?)? - v.get(0)?)
/// })?;
/// assert_eq!(change, df!["a" => [-1i64], "b" => [4i64]]?);
///
/// let median = df.par_apply_columns(|v: Values<'_, i32>| {
///     let mut sorted = v.to_slice().into_owned();
///     sorted.sort_unstable();
///     sorted.get(sorted.len() / 2).copied() // null for a column without values; of an even number, the upper of the two in the middle
/// })?;
/// assert_eq!(median, df!["a" => [5], "b" => [4]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// A number of another type than the column's (`Int32` as `f64`) is converted each time it is read. In groups and windows it is
/// converted once, before the closure is called.
pub struct Values<'a, T>
where
    T: Cell,
{
    name: &'a str,
    len: usize,
    lie: Lie<'a, T>,
}

/// Where the values are stored.
enum Lie<'a, T: Cell> {
    /// In the column's chunks.
    Chunks(&'a Runs<'a, T>),
    /// In one chunk, side by side from a row on; none of the values that are read is null to `T`, or unreadable.
    Side { reader: T::Reader<'a>, start: usize },
}

impl<T: Cell> Clone for Lie<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Cell> Copy for Lie<'_, T> {}

/// The runs of a column, in order.
type Runs<'a, T> = [ManuallyDrop<ChunkRows<<T as Cell>::View<'a>>>];

impl<'a, T: Cell> Values<'a, T> {
    /// Makes the values of the rows of a group or of a window.
    ///
    /// # Safety
    /// The reader is open for these rows and all rows before them, and each of these rows is valid.
    #[inline(always)]
    pub(super) unsafe fn side_by_side(
        name: &'a str,
        reader: T::Reader<'a>,
        rows: Range<usize>,
    ) -> Self {
        Values {
            name,
            len: rows.len(),
            lie: Lie::Side {
                reader,
                start: rows.start,
            },
        }
    }
}

impl<'a, T: Cell> Values<'a, T> {
    /// Returns the column's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the number of rows of the column, nulls included; of a group or a window, the number of rows that the closure is
    /// given.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the value of a row, counted from 0, or `None` where the value is null or there is no such row.
    ///
    /// With `T` an `Option`, a null is `Some(None)`. In a group or a window, the rows are those that the closure is given.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [Some(1.5), None]]?;
    /// df.par_apply_columns(|v: Values<'_, f64>| {
    ///     assert_eq!([v.get(0), v.get(1), v.get(2)], [Some(1.5), None, None]);
    /// })?;
    /// df.par_apply_columns(|v: Values<'_, Option<f64>>| {
    ///     assert_eq!([v.get(0), v.get(1), v.get(2)], [Some(Some(1.5)), Some(None), None]);
    /// })?;
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Option<T::Of<'a>> {
        let run = match self.lie {
            // SAFETY: the row is one of these (`side_by_side`).
            Lie::Side { reader, start } => unsafe {
                return (row < self.len).then(|| reader.read::<true>(start + row));
            },
            Lie::Chunks([run]) => run,
            Lie::Chunks(runs) => {
                runs.get(runs.partition_point(|run| run.start + run.len <= row))?
            }
        };
        let row = row - run.start;
        // SAFETY: the view has `len` rows (`runs`), and `row` is less.
        unsafe { (row < run.len && run.view.is_valid(row)).then(|| run.view.read::<true>(row)) }
    }

    /// Returns the values as a slice of the column's own memory, or `None` where they do not lie side by side there.
    ///
    /// A column gives a slice if it has no rows, or if its type is exactly `T`, it has no nulls and it is a single chunk. The
    /// values of a type such as `&str` do not lie side by side, as numbers do, so a column of them with rows gives none.
    ///
    /// In a group or a window, the slice has the rows that the closure is given, and there is none where these do not lie side
    /// by side. Which groups of a call lie side by side is not promised; [`to_slice`](Values::to_slice) works in either case.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1.5, 2.0]]?;
    /// df.par_apply_columns(|v: Values<'_, f64>| assert_eq!(v.as_slice(), Some(&[1.5, 2.0][..])))?;
    /// df.par_apply_columns(|v: Values<'_, Option<f64>>| assert_eq!(v.as_slice(), None))?;
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[must_use]
    pub fn as_slice(&self) -> Option<&'a [T::Of<'a>]> {
        match self.lie {
            Lie::Side { reader, start } => {
                T::slice(reader).map(|values| &values[start..start + self.len])
            }
            Lie::Chunks([]) => Some(&[]),
            // The chunk of a scalar column can be longer.
            Lie::Chunks([run]) => run.view.as_slice().map(|values| &values[..run.len]),
            Lie::Chunks(_) => None,
        }
    }

    /// Returns the values that [`iter`](Values::iter) yields, as a slice: the column's own memory where
    /// [`as_slice`](Values::as_slice) has it, and a copy otherwise.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [Some(1), None, Some(3)]]?;
    /// df.par_apply_columns(|v: Values<'_, i64>| assert_eq!(*v.to_slice(), [1, 3]))?;
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[must_use]
    pub fn to_slice(&self) -> Cow<'a, [T::Of<'a>]>
    where
        T::Of<'a>: Clone,
    {
        match self.as_slice() {
            Some(values) => Cow::Borrowed(values),
            None => Cow::Owned(self.iter().collect()),
        }
    }

    /// Returns an iterator over the values, in order, without the nulls; with `T` an `Option`, a null is `None`.
    ///
    /// The iterator's `len` is the number of values that are left.
    #[must_use]
    pub fn iter(&self) -> ValuesIter<'a, T> {
        let left = match self.lie {
            Lie::Side { reader, start } => Left::Side {
                reader,
                rows: start..start + self.len,
            },
            Lie::Chunks(runs) => Left::Chunks {
                runs,
                next: 0,
                left: runs.iter().map(|run| run.valid).sum(),
            },
        };
        ValuesIter { left }
    }
}

impl<T: Cell> Clone for Values<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Cell> Copy for Values<'_, T> {}

impl<T: Cell> fmt::Debug for Values<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values")
            .field("name", &self.name)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl<'a, T: Cell> IntoIterator for Values<'a, T> {
    type Item = T::Of<'a>;
    type IntoIter = ValuesIter<'a, T>;

    fn into_iter(self) -> ValuesIter<'a, T> {
        self.iter()
    }
}

impl<'a, T: Cell> IntoIterator for &Values<'a, T> {
    type Item = T::Of<'a>;
    type IntoIter = ValuesIter<'a, T>;

    fn into_iter(self) -> ValuesIter<'a, T> {
        self.iter()
    }
}

/// An iterator over a column's values, made by [`Values::iter`].
pub struct ValuesIter<'a, T>
where
    T: Cell,
{
    left: Left<'a, T>,
}

/// What an iterator has not yielded yet.
enum Left<'a, T: Cell> {
    Chunks {
        /// The runs that are not finished.
        runs: &'a Runs<'a, T>,
        /// The next row of the first run.
        next: usize,
        /// How many values are left.
        left: usize,
    },
    /// Rows of a chunk, none of which is null to `T`, or unreadable.
    Side {
        reader: T::Reader<'a>,
        rows: Range<usize>,
    },
}

impl<T: Cell> Clone for ValuesIter<'_, T> {
    fn clone(&self) -> Self {
        let left = match &self.left {
            Left::Side { reader, rows } => Left::Side {
                reader: *reader,
                rows: rows.clone(),
            },
            Left::Chunks { runs, next, left } => Left::Chunks {
                runs,
                next: *next,
                left: *left,
            },
        };
        ValuesIter { left }
    }
}

impl<T: Cell> fmt::Debug for ValuesIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValuesIter")
            .field("left", &self.len())
            .finish_non_exhaustive()
    }
}

impl<'a, T: Cell> Iterator for ValuesIter<'a, T> {
    type Item = T::Of<'a>;

    #[inline]
    fn next(&mut self) -> Option<T::Of<'a>> {
        let (runs, next, left) = match &mut self.left {
            Left::Side { reader, rows } => {
                let row = rows.next()?;
                // SAFETY: the row is one of these (`side_by_side`).
                return Some(unsafe { reader.read::<true>(row) });
            }
            Left::Chunks { runs, next, left } => (runs, next, left),
        };
        seldom();
        loop {
            let (run, rest) = runs.split_first()?;
            if *next == run.len {
                *runs = rest;
                *next = 0;
                continue;
            }
            let row = *next;
            *next += 1;
            // SAFETY: the view has `len` rows (`runs`), and `row` is less.
            unsafe {
                if run.view.is_valid(row) {
                    *left -= 1;
                    return Some(run.view.read::<true>(row));
                }
            }
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.left {
            Left::Side { rows, .. } => rows.len(),
            Left::Chunks { left, .. } => *left,
        };
        (left, Some(left))
    }

    fn count(self) -> usize {
        self.len()
    }

    /// This loops run by run, so that `sum`, `for_each` and the like are loops over plain slices where there are no nulls.
    fn fold<B, F>(self, init: B, mut f: F) -> B
    where
        F: FnMut(B, T::Of<'a>) -> B,
    {
        let (runs, mut first) = match self.left {
            Left::Side { reader, rows } => {
                // SAFETY: the rows are some of these (`side_by_side`).
                return unsafe {
                    reader.fold(rows, init, |folded, value| match value {
                        Some(value) => f(folded, value),
                        None => folded,
                    })
                };
            }
            Left::Chunks { runs, next, .. } => (runs, next),
        };
        let mut folded = init;
        for run in runs {
            // SAFETY: the view has `len` rows (`runs`).
            folded = unsafe {
                run.view
                    .fold(first..run.len, folded, |folded, value| match value {
                        Some(value) => f(folded, value),
                        None => folded,
                    })
            };
            first = 0;
        }
        folded
    }
}

/// Marks a path as less important for speed than the other path beside it.
#[cold]
fn seldom() {}

impl<T: Cell> ExactSizeIterator for ValuesIter<'_, T> {}

impl<T: Cell> FusedIterator for ValuesIter<'_, T> {}

/// Rows that lie in one chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct ChunkRows<V> {
    view: V,
    /// The first row.
    start: usize,
    len: usize,
    /// How many rows have a value.
    valid: usize,
}

/// A list that stores a single item without allocating memory.
enum Few<T> {
    One([T; 1]),
    More(Vec<T>),
}

impl<T> Few<T> {
    fn of(items: impl ExactSizeIterator<Item = T>) -> Self {
        let is_one = items.len() == 1;
        let mut items = items;
        match items.next() {
            Some(item) if is_one => Few::One([item]),
            first => Few::More(first.into_iter().chain(items).collect()),
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Few::One(item) => item,
            Few::More(items) => items,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Few::One(item) => item,
            Few::More(items) => items,
        }
    }
}

/// Opens a column of `rows` rows as a whole and lends its values, or returns the first row whose value `T` cannot hold.
///
/// # Safety
/// The same as for [`Cells::bind`](super::Cells::bind), for the one column.
pub(crate) unsafe fn with_values<T, O>(
    column: &ColumnChunks<'_>,
    rows: usize,
    f: impl for<'s> FnOnce(Values<'s, T>) -> O,
) -> Result<O, (usize, Fault)>
where
    T: Cell,
{
    // SAFETY: the caller upholds this function's contract.
    let chunks = unsafe { bind::<T>(column) };
    let mut scratches = Few::of(chunks.iter().map(|_| T::Scratch::default()));
    let runs = runs::<T>(&chunks, rows, &mut scratches);
    match first(&runs, |view, row| {
        // SAFETY: `first` asks only for rows within the view.
        unsafe { view.unreadable(row) }
    }) {
        // SAFETY: the row is within the view, and unreadable.
        Some((run, row)) => Err((run.start + row, unsafe { run.view.fault(row) })),
        None => Ok(f(Values {
            name: column.name,
            len: rows,
            lie: Lie::Chunks(&runs),
        })),
    }
}

/// Returns the first row of the column that is null to `T`.
///
/// # Safety
/// The same as for [`Cells::bind`](super::Cells::bind), for the one column.
pub(crate) unsafe fn first_null<T>(column: &ColumnChunks<'_>, rows: usize) -> Option<usize>
where
    T: Cell,
{
    // SAFETY: the caller upholds this function's contract.
    let chunks = unsafe { bind::<T>(column) };
    if !chunks.iter().any(|(chunk, _)| T::has_nulls(chunk)) {
        return None;
    }
    let mut scratches = Few::of(chunks.iter().map(|_| T::Scratch::default()));
    let runs = runs::<T>(&chunks, rows, &mut scratches);
    first(&runs, |view, row| {
        // SAFETY: `first` asks only for rows within the view.
        unsafe { !view.is_valid(row) && !view.unreadable(row) }
    })
    .map(|(run, row)| run.start + row)
}

/// # Safety
/// The same as for [`Cells::bind`](super::Cells::bind), for the one column.
unsafe fn bind<'a, T: Cell>(column: &ColumnChunks<'a>) -> Few<(T::Chunk<'a>, usize)> {
    let arrays = column.arrays.iter();
    // SAFETY: the caller upholds this function's contract.
    Few::of(arrays.map(|array| (unsafe { T::bind(column.dtype, *array) }, array.len())))
}

/// Returns the runs of a column's rows, one for each chunk. A scalar column's single chunk is read again until all rows are
/// covered.
fn runs<'s, T: Cell>(
    chunks: &'s [(T::Chunk<'_>, usize)],
    rows: usize,
    scratches: &'s mut [T::Scratch],
) -> Few<ManuallyDrop<ChunkRows<T::View<'s>>>> {
    let mut start = 0;
    let mut run = |view: T::View<'s>, len: usize| {
        let valid = match T::EVERY_ROW {
            true => len,
            // SAFETY: the view has as many rows as its chunk, which `len` is at most.
            false => unsafe { view.count_valid(len) },
        };
        start += len;
        ManuallyDrop::new(ChunkRows {
            view,
            start: start - len,
            len,
            valid,
        })
    };
    let views = chunks.iter().zip(scratches);
    let views = views.map(|((chunk, len), scratch)| (T::view(chunk, 0, *len, scratch), *len));
    match chunks {
        [(_, len)] if *len < rows => {
            let repeated = views.flat_map(|(view, len)| {
                let starts = (0..rows).step_by(len);
                starts.map(move |start| (view, len.min(rows - start)))
            });
            Few::More(repeated.map(|(view, len)| run(view, len)).collect())
        }
        _ => Few::of(views.map(|(view, len)| run(view, len.min(rows)))),
    }
}

/// Returns the first row for which a condition holds, of the runs that have nulls or unreadable values: its run, and its number
/// within it.
fn first<V: Reader>(
    runs: &[ManuallyDrop<ChunkRows<V>>],
    holds: impl Fn(V, usize) -> bool,
) -> Option<(&ChunkRows<V>, usize)> {
    let mut runs = runs.iter().filter(|run| run.view.has_nulls());
    runs.find_map(|run| {
        let row = (0..run.len).find(|row| holds(run.view, *row))?;
        Some((&**run, row))
    })
}
