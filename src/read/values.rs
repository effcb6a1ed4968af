//! A whole column's values, typed.

use std::fmt;
use std::iter::FusedIterator;

use polars::prelude::AnyValue;

use super::{Cell, ColumnChunks, Fault, Reader};
use crate::sync::Arc;

/// A column's values as a column closure's typed argument.
///
/// [`iter`](Values::iter) gives every value that is not null, in order, across the column's chunks; with `Option<T>` it
/// gives every row's, nulls as `None`.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;
/// let squares = df.par_apply_columns(|v: Values<'_, i64>| v.iter().map(|x| x * x).sum::<i64>())?;
/// assert_eq!(squares, df!["a" => [163i64], "b" => [147i64]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub struct Values<'a, T>
where
    T: Cell,
{
    name: &'a str,
    len: usize,
    runs: Arc<[Run<T::Reader<'a>>]>,
}

impl<'a, T: Cell> Values<'a, T> {
    /// The column's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// How many rows the column has, nulls included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the column has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values, in order, without the nulls; with `T` an `Option`, the nulls as `None`.
    ///
    /// How many are left is known exactly (`size_hint`) where the column has no nulls, and with `T` an `Option` always, so
    /// that the iterator has a `len` then.
    #[must_use]
    pub fn iter(&self) -> ValuesIter<'a, T> {
        ValuesIter {
            runs: Arc::clone(&self.runs),
            run: 0,
            next: 0,
        }
    }
}

impl<T: Cell> Clone for Values<'_, T> {
    fn clone(&self) -> Self {
        Values {
            runs: Arc::clone(&self.runs),
            ..*self
        }
    }
}

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

/// Iterates over a column's values; made by [`Values::iter`].
pub struct ValuesIter<'a, T>
where
    T: Cell,
{
    runs: Arc<[Run<T::Reader<'a>>]>,
    run: usize,
    /// The next row of that run.
    next: usize,
}

impl<T: Cell> Clone for ValuesIter<'_, T> {
    fn clone(&self) -> Self {
        ValuesIter {
            runs: Arc::clone(&self.runs),
            ..*self
        }
    }
}

impl<T: Cell> fmt::Debug for ValuesIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValuesIter").finish_non_exhaustive()
    }
}

impl<'a, T: Cell> Iterator for ValuesIter<'a, T> {
    type Item = T::Of<'a>;

    #[inline]
    fn next(&mut self) -> Option<T::Of<'a>> {
        loop {
            let run = self.runs.get(self.run)?;
            if self.next == run.len {
                self.run += 1;
                self.next = 0;
                continue;
            }
            let row = self.next;
            self.next += 1;
            // SAFETY: the reader was opened for `len` rows (`with_values`), and `row` is less.
            unsafe {
                if run.reader.is_valid(row) {
                    return Some(run.reader.read::<true>(row));
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Some((current, rest)) = self.runs[self.run..].split_first() else {
            return (0, Some(0));
        };
        let mut least = current.least::<T>().saturating_sub(self.next);
        let mut most = current.len - self.next;
        for run in rest {
            least += run.least::<T>();
            most += run.len;
        }
        (least, Some(most))
    }

    /// Run by run, so that `sum`, `for_each` and the like loop over plain slices where there are no nulls.
    fn fold<B, F>(self, init: B, mut f: F) -> B
    where
        F: FnMut(B, T::Of<'a>) -> B,
    {
        let mut folded = init;
        let mut first = self.next;
        for run in &self.runs[self.run..] {
            let reader = run.reader;
            // SAFETY: the reader was opened for `len` rows, and every row is less; `NULLS` as the reader says.
            unsafe {
                if reader.has_nulls() {
                    for row in first..run.len {
                        if reader.is_valid(row) {
                            folded = f(folded, reader.read::<true>(row));
                        }
                    }
                } else {
                    for row in first..run.len {
                        folded = f(folded, reader.read::<false>(row));
                    }
                }
            }
            first = 0;
        }
        folded
    }
}

/// Every row has a value, which is `None` for a null.
impl<T: Cell> ExactSizeIterator for ValuesIter<'_, Option<T>> {}

/// Every row has a value, which is `AnyValue::Null` for a null.
impl ExactSizeIterator for ValuesIter<'_, AnyValue<'_>> {}

impl<T: Cell> FusedIterator for ValuesIter<'_, T> {}

/// Rows that one reader reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run<R> {
    reader: R,
    len: usize,
}

impl<R: Reader> Run<R> {
    /// How many rows have a value, if nothing is known of those that may be null. No value is unreadable here
    /// (`with_values`).
    fn least<T: Cell>(&self) -> usize {
        match T::EVERY_ROW || !self.reader.has_nulls() {
            true => self.len,
            false => 0,
        }
    }
}

/// Opens a column of `rows` rows as a whole and lends its values; or tells the first row whose value `T` cannot hold.
///
/// # Safety
/// As [`Cells::bind`](super::Cells::bind), of the one column.
pub(crate) unsafe fn with_values<T, O>(
    column: &ColumnChunks<'_>,
    rows: usize,
    f: impl for<'s> FnOnce(Values<'s, T>) -> O,
) -> Result<O, (usize, Fault)>
where
    T: Cell,
{
    // SAFETY: as the caller vouches.
    let chunks = unsafe { bind::<T>(column) };
    let mut scratches: Vec<T::Scratch> = chunks.iter().map(|_| Default::default()).collect();
    let runs = open::<T>(&chunks, rows, &mut scratches);
    match first(&runs, |reader, row| {
        // SAFETY: `first` asks of rows within the reader's.
        unsafe { reader.unreadable(row) }
    }) {
        // SAFETY: the row is within the reader's, and unreadable.
        Some((row, reader, i)) => Err((row, unsafe { reader.fault(i) })),
        None => Ok(f(Values {
            name: column.name,
            len: rows,
            runs: runs.into(),
        })),
    }
}

/// The first row of the column that is null to `T`.
///
/// # Safety
/// As [`Cells::bind`](super::Cells::bind), of the one column.
pub(crate) unsafe fn first_null<T>(column: &ColumnChunks<'_>, rows: usize) -> Option<usize>
where
    T: Cell,
{
    // SAFETY: as the caller vouches.
    let chunks = unsafe { bind::<T>(column) };
    if !chunks.iter().any(|(chunk, _)| T::has_nulls(chunk)) {
        return None;
    }
    let mut scratches: Vec<T::Scratch> = chunks.iter().map(|_| Default::default()).collect();
    let runs = open::<T>(&chunks, rows, &mut scratches);
    first(&runs, |reader, row| {
        // SAFETY: `first` asks of rows within the reader's.
        unsafe { !reader.is_valid(row) && !reader.unreadable(row) }
    })
    .map(|(row, ..)| row)
}

/// # Safety
/// As [`Cells::bind`](super::Cells::bind), of the one column.
unsafe fn bind<'a, T: Cell>(column: &ColumnChunks<'a>) -> Vec<(T::Chunk<'a>, usize)> {
    let arrays = column.arrays.iter();
    arrays
        // SAFETY: as the caller vouches.
        .map(|array| (unsafe { T::bind(column.dtype, *array) }, array.len()))
        .collect()
}

fn open<'s, T: Cell>(
    chunks: &'s [(T::Chunk<'_>, usize)],
    rows: usize,
    scratches: &'s mut [T::Scratch],
) -> Vec<Run<T::Reader<'s>>> {
    let mut runs = Vec::with_capacity(chunks.len());
    let mut left = rows;
    for ((chunk, chunk_len), scratch) in chunks.iter().zip(scratches) {
        let reader = T::open(chunk, 0, *chunk_len, scratch);
        // A scalar column's one chunk is read again until the rows are full.
        loop {
            let len = left.min(*chunk_len);
            runs.push(Run { reader, len });
            left -= len;
            if left == 0 || chunks.len() > 1 {
                break;
            }
        }
    }
    runs
}

/// The first row of which something holds, of the runs that have nulls or unreadable values: its number in the column,
/// its reader, and its number there.
fn first<R: Reader>(
    runs: &[Run<R>],
    holds: impl Fn(R, usize) -> bool,
) -> Option<(usize, R, usize)> {
    let mut before = 0;
    for run in runs {
        if run.reader.has_nulls()
            && let Some(row) = (0..run.len).find(|row| holds(run.reader, *row))
        {
            return Some((before + row, run.reader, row));
        }
        before += run.len;
    }
    None
}
