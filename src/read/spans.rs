//! Several rows of columns at once: what closures of groups and of windows take.
//!
//! The columns are in group order (for windows without keys, in the order of the frame), each in one chunk. Rows that are null
//! in an argument of a plain type are taken out beforehand. So the rows of an item, which is a group or a window, are a range
//! of positions, and its arguments are views of that range.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Deref, Range};

use polars::prelude::DataFrame;

use super::{
    Argument, Cell, Cells, ColumnChunks, Cons, Fault, FromRow, Names, Nil, Reader, Values,
};
use crate::partition::{BlockStart, Layout, slice};
use crate::row_numbers::RowNumbers;
use crate::sealed::Sealed;

/// The rows of a group or a window, as a closure argument that takes several columns row by row.
///
/// `R` is any type that a closure of rows can take as a whole [row](FromRow): a tuple, an array, a derived struct, or
/// [`Row`](crate::Row). A tuple or an array takes columns by position, and a derived struct by name. A row that is null in an
/// argument of a plain type is left out.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["k" => ["a", "b", "a"], "x" => [1.0, 2.0, 3.0], "w" => [Some(2.0), Some(1.0), None]]?;
/// let sums = df.par_apply().by(["k"]).groups(|rows: Rows<'_, (f64, f64)>| rows.iter().map(|(x, w)| x * w).sum::<f64>())?;
/// assert_eq!(sums, df!["k" => ["a", "b"], "par_apply" => [2.0, 2.0]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub struct Rows<'a, R>
where
    R: FromRow,
{
    /// Opened for these rows and all rows before them; each of these rows is valid.
    reader: <R::Cells as Cells>::Reader<'a>,
    rows: (usize, usize),
}

impl<'a, R: FromRow> Rows<'a, R> {
    /// Returns the number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.1 - self.rows.0
    }

    /// Returns whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the row at a position, counted from 0, or `None` if there are not that many rows.
    #[inline]
    #[must_use]
    pub fn get(&self, row: usize) -> Option<R::Of<'a>> {
        (row < self.len()).then(|| {
            // SAFETY: the row is one of these rows.
            R::assemble(unsafe { self.reader.read::<true>(self.rows.0 + row) })
        })
    }

    /// Returns an iterator over the rows, in order; its `len` is the number of rows that are left.
    #[must_use]
    pub fn iter(&self) -> RowsIter<'a, R> {
        RowsIter {
            reader: self.reader,
            rows: self.rows.0..self.rows.1,
        }
    }
}

impl<R: FromRow> Clone for Rows<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: FromRow> Copy for Rows<'_, R> {}

impl<R: FromRow> fmt::Debug for Rows<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl<'a, R: FromRow> IntoIterator for Rows<'a, R> {
    type Item = R::Of<'a>;
    type IntoIter = RowsIter<'a, R>;

    fn into_iter(self) -> RowsIter<'a, R> {
        self.iter()
    }
}

impl<'a, R: FromRow> IntoIterator for &Rows<'a, R> {
    type Item = R::Of<'a>;
    type IntoIter = RowsIter<'a, R>;

    fn into_iter(self) -> RowsIter<'a, R> {
        self.iter()
    }
}

/// An iterator over the rows of a group or a window, made by [`Rows::iter`].
pub struct RowsIter<'a, R>
where
    R: FromRow,
{
    /// Opened for these rows and all rows before them; each of these rows is valid.
    reader: <R::Cells as Cells>::Reader<'a>,
    rows: Range<usize>,
}

impl<R: FromRow> Clone for RowsIter<'_, R> {
    fn clone(&self) -> Self {
        RowsIter {
            reader: self.reader,
            rows: self.rows.clone(),
        }
    }
}

impl<R: FromRow> fmt::Debug for RowsIter<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowsIter")
            .field("left", &self.rows.len())
            .finish_non_exhaustive()
    }
}

impl<'a, R: FromRow> Iterator for RowsIter<'a, R> {
    type Item = R::Of<'a>;

    #[inline]
    fn next(&mut self) -> Option<R::Of<'a>> {
        let row = self.rows.next()?;
        // SAFETY: the row is one of these rows.
        Some(R::assemble(unsafe { self.reader.read::<true>(row) }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }

    fn count(self) -> usize {
        self.rows.len()
    }

    /// This is a plain loop where there are no nulls.
    #[inline]
    fn fold<B, F>(self, init: B, mut f: F) -> B
    where
        F: FnMut(B, R::Of<'a>) -> B,
    {
        // SAFETY: the rows are valid, so none is unreadable.
        unsafe {
            self.reader
                .fold(self.rows, init, |folded, cells| match cells {
                    Some(cells) => f(folded, R::assemble(cells)),
                    None => folded,
                })
        }
    }
}

impl<'a, R: FromRow> DoubleEndedIterator for RowsIter<'a, R> {
    #[inline]
    fn next_back(&mut self) -> Option<R::Of<'a>> {
        let row = self.rows.next_back()?;
        // SAFETY: the row is one of these rows.
        Some(R::assemble(unsafe { self.reader.read::<true>(row) }))
    }
}

impl<R: FromRow> ExactSizeIterator for RowsIter<'_, R> {}

impl<R: FromRow> FusedIterator for RowsIter<'_, R> {}

/// An argument of a closure of groups or of windows.
///
/// | argument | of a group | of a window |
/// |---|---|---|
/// | a [cell](Cell): `&str`, `i64`, `Option<f64>`, … | a key | the current row's value |
/// | [`Values<'_, T>`](Values) | the values of one column | the same, of the window's rows |
/// | [`Rows<'_, R>`](Rows) | the values of several columns, row by row | the same, of the window's rows |
///
/// In a closure of groups the keys come first: either all of them, in their order, or none.
///
/// The trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument of a group or a window",
    label = "a closure takes `Values<'_, T>` (a column), `Rows<'_, (T, U)>` (several), and cells (the keys; of a window, the current row's value)",
    note = "`usize` and `isize` cannot be read from a column: take `u64` or `i64`"
)]
pub trait GroupArg: Sealed {
    /// This type with the lifetime `'a`, for which it borrows from the columns.
    type Of<'a>;

    /// Whether the argument is a cell, which belongs to one row of the item, and not to all of its rows.
    #[doc(hidden)]
    const IS_CELL: bool;

    /// The cells that the argument reads.
    #[doc(hidden)]
    type Cells: Cells;

    #[doc(hidden)]
    const NAMES: Names;

    /// Returns the argument of an item; for a cell, `item` is its position.
    ///
    /// # Safety
    /// If this is a cell, the reader is open for the item, which is valid. Otherwise the reader is open for the item's rows and
    /// all rows before them, and each of the item's rows is valid.
    #[doc(hidden)]
    unsafe fn of<'a>(
        reader: <Self::Cells as Cells>::Reader<'a>,
        name: &'a str,
        item: usize,
        rows: Range<usize>,
    ) -> Self::Of<'a>;
}

impl<T: Cell> GroupArg for T {
    type Of<'a> = T::Of<'a>;
    type Cells = Cons<T, Nil>;
    const IS_CELL: bool = true;
    const NAMES: Names = None;

    #[inline(always)]
    unsafe fn of<'a>(
        reader: <Self::Cells as Cells>::Reader<'a>,
        _: &'a str,
        item: usize,
        _: Range<usize>,
    ) -> T::Of<'a> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { reader.read::<true>(item).0 }
    }
}

impl<T: Cell> Sealed for Values<'_, T> {}
impl<R: FromRow> Sealed for Rows<'_, R> {}

impl<T> GroupArg for Values<'_, T>
where
    T: Cell,
    for<'a> T::View<'a>: 'a,
{
    type Of<'a> = Values<'a, T>;
    type Cells = Cons<T, Nil>;
    const IS_CELL: bool = false;
    const NAMES: Names = None;

    #[inline(always)]
    unsafe fn of<'a>(
        reader: <Self::Cells as Cells>::Reader<'a>,
        name: &'a str,
        _: usize,
        rows: Range<usize>,
    ) -> Values<'a, T> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { Values::side_by_side(name, reader.first(), rows) }
    }
}

impl<R: FromRow> GroupArg for Rows<'_, R> {
    type Of<'a> = Rows<'a, R>;
    type Cells = R::Cells;
    const IS_CELL: bool = false;
    const NAMES: Names = R::NAMES;

    #[inline(always)]
    unsafe fn of<'a>(
        reader: <Self::Cells as Cells>::Reader<'a>,
        _: &'a str,
        _: usize,
        rows: Range<usize>,
    ) -> Rows<'a, R> {
        Rows {
            reader,
            rows: (rows.start, rows.end),
        }
    }
}

/// An argument, as the checks see it.
#[doc(hidden)]
#[derive(Debug)]
pub struct SpanArgument {
    pub(crate) is_cell: bool,
    /// The types of its columns; `None` where it takes any columns.
    pub(crate) columns: Option<Vec<Argument>>,
    pub(crate) names: Names,
    /// Reports the rows that are null to it.
    pub(crate) see: See,
}

/// Reports the rows of the columns in a layout that are null to an argument, each with a function that returns which of the
/// argument's columns is null.
///
/// # Safety
/// The same as for [`Cells::bind`].
pub(crate) type See =
    unsafe fn(&[ColumnChunks<'_>], &Layout, &mut dyn FnMut(usize, &dyn Fn() -> usize));

/// The columns that arguments are bound to.
#[doc(hidden)]
#[derive(Debug)]
pub struct SpanColumns<'a> {
    /// The columns of each argument.
    pub(crate) arguments: std::vec::IntoIter<Vec<ColumnChunks<'a>>>,
    /// The numbers of the rows, by their positions in group order.
    pub(crate) numbers: &'a RowNumbers,
    /// The data of whole groups, for a closure that takes them.
    pub(crate) whole: WholeColumns<'a>,
}

/// The data that a [`Group`] is made of.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct WholeColumns<'a> {
    /// The selected columns, in group order.
    pub(crate) frame: &'a DataFrame,
    /// The keys, one row for each group.
    pub(crate) keys: &'a DataFrame,
    /// The number of each group's first row.
    pub(crate) first_rows: &'a [usize],
}

/// The arguments of a closure: a list of [`GroupArg`]s, or a whole [`Group`].
#[doc(hidden)]
pub trait SpanArgs: Sealed {
    type Of<'a>;
    type Bound<'a>: Send + Sync;
    type Scratch: Default;
    type Opened<'s>: Copy;

    /// Describes the arguments, in order.
    fn describe(arguments: &mut Vec<SpanArgument>);

    /// Whether the argument is one whole frame, from which no rows are taken out.
    const WHOLE: bool = false;

    /// Binds the columns of each argument, each of which is one chunk that is not empty.
    ///
    /// # Safety
    /// The same as for [`Cells::bind`], for each argument.
    unsafe fn bind<'a>(given: &mut SpanColumns<'a>) -> Self::Bound<'a>;

    /// Opens all rows.
    fn open<'s>(bound: &'s Self::Bound<'_>, scratch: &'s mut Self::Scratch) -> Self::Opened<'s>;

    /// Returns which argument is at fault if an item cannot be given to the closure: a cell that is null or cannot be read.
    ///
    /// # Safety
    /// The item is one of the items of the cells' columns.
    unsafe fn fault(opened: &Self::Opened<'_>, item: usize) -> Option<Fault>;

    /// Returns whether every cell of an item can be read.
    ///
    /// # Safety
    /// The same as for `fault`.
    unsafe fn is_valid(opened: &Self::Opened<'_>, item: usize) -> bool;

    /// Returns whether a cell of some item may not be readable.
    fn has_nulls(opened: &Self::Opened<'_>) -> bool;

    /// Notes the positions of rows with a value that an argument cannot hold, each with its fault, column by column.
    fn unreadable(
        opened: &Self::Opened<'_>,
        rows: usize,
        first: usize,
        found: &mut Vec<(usize, Fault)>,
    );

    /// Returns the arguments of an item.
    ///
    /// # Safety
    /// The same as for [`GroupArg::of`].
    unsafe fn of<'a>(opened: &Self::Opened<'a>, item: usize, rows: Range<usize>) -> Self::Of<'a>;
}

impl SpanArgs for Nil {
    type Of<'a> = ();
    type Bound<'a> = ();
    type Scratch = ();
    type Opened<'s> = ();

    fn describe(_: &mut Vec<SpanArgument>) {}

    unsafe fn bind<'a>(_: &mut SpanColumns<'a>) {}

    fn open<'s>((): &'s (), (): &'s mut ()) {}

    #[inline(always)]
    unsafe fn fault((): &(), _: usize) -> Option<Fault> {
        None
    }

    #[inline(always)]
    unsafe fn is_valid((): &(), _: usize) -> bool {
        true
    }

    fn has_nulls((): &()) -> bool {
        false
    }

    fn unreadable((): &(), _: usize, _: usize, _: &mut Vec<(usize, Fault)>) {}

    #[inline(always)]
    unsafe fn of<'a>(_: &Self::Opened<'a>, _: usize, _: Range<usize>) -> Self::Of<'a> {}
}

/// The bound columns of one argument.
#[doc(hidden)]
#[derive(Debug)]
pub struct BoundArgument<'a, B> {
    bound: B,
    name: &'a str,
    /// Where each column's single chunk begins.
    places: Vec<BlockStart>,
    rows: usize,
}

/// The opened columns of one argument.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct OpenedArgument<'s, R> {
    reader: R,
    name: &'s str,
    columns: usize,
}

impl<A: GroupArg, B: SpanArgs> SpanArgs for Cons<A, B> {
    type Of<'a> = (A::Of<'a>, B::Of<'a>);
    type Bound<'a> = (
        BoundArgument<'a, <A::Cells as Cells>::Bound<'a>>,
        B::Bound<'a>,
    );
    type Scratch = (<A::Cells as Cells>::Scratch, B::Scratch);
    type Opened<'s> = (
        OpenedArgument<'s, <A::Cells as Cells>::Reader<'s>>,
        B::Opened<'s>,
    );

    fn describe(arguments: &mut Vec<SpanArgument>) {
        arguments.push(SpanArgument {
            is_cell: A::IS_CELL,
            columns: A::Cells::arguments(),
            names: A::NAMES,
            see: see::<A::Cells>,
        });
        B::describe(arguments);
    }

    unsafe fn bind<'a>(given: &mut SpanColumns<'a>) -> Self::Bound<'a> {
        let columns = given.arguments.next().expect("there are columns for each");
        let array = columns.first().and_then(|column| column.arrays.first());
        let first = BoundArgument {
            // SAFETY: the caller upholds this function's contract.
            bound: unsafe { A::Cells::bind(&columns, given.numbers) },
            name: columns.first().map_or("", |column| column.name),
            places: vec![BlockStart::default(); columns.len()],
            rows: array.map_or(0, |array| array.len()),
        };
        // SAFETY: the caller upholds this function's contract.
        (first, unsafe { B::bind(given) })
    }

    fn open<'s>(bound: &'s Self::Bound<'_>, scratch: &'s mut Self::Scratch) -> Self::Opened<'s> {
        let (first, rest) = bound;
        let reader = A::Cells::open(&first.bound, &first.places, 0, first.rows, &mut scratch.0);
        let first = OpenedArgument {
            reader,
            name: first.name,
            columns: first.places.len(),
        };
        (first, B::open(rest, &mut scratch.1))
    }

    #[inline(always)]
    unsafe fn is_valid(opened: &Self::Opened<'_>, item: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        unsafe { (!A::IS_CELL || opened.0.reader.is_valid(item)) && B::is_valid(&opened.1, item) }
    }

    #[cold]
    unsafe fn fault(opened: &Self::Opened<'_>, item: usize) -> Option<Fault> {
        let (first, rest) = opened;
        // SAFETY: the caller upholds this function's contract; a fault is asked for only where the item is not valid.
        let own = unsafe {
            (A::IS_CELL && !first.reader.is_valid(item)).then(|| first.reader.fault(item))
        };
        // A value that cannot be read is reported before a null.
        if let Some(own) = &own
            && own.message.is_some()
        {
            return Some(own.clone());
        }
        // SAFETY: the caller upholds this function's contract.
        let further = unsafe { B::fault(rest, item) }.map(|fault| Fault {
            argument: fault.argument + first.columns,
            ..fault
        });
        match (own, further) {
            (Some(own), Some(further)) if further.message.is_none() => Some(own),
            (own, further) => further.or(own),
        }
    }

    fn has_nulls(opened: &Self::Opened<'_>) -> bool {
        (A::IS_CELL && opened.0.reader.has_nulls()) || B::has_nulls(&opened.1)
    }

    fn unreadable(
        opened: &Self::Opened<'_>,
        rows: usize,
        first: usize,
        found: &mut Vec<(usize, Fault)>,
    ) {
        let reader = opened.0.reader;
        if !A::IS_CELL && reader.has_nulls() {
            for row in 0..rows {
                // SAFETY: the reader is open for all rows; a fault is asked for only where the row is not valid.
                if let Some(fault) = unsafe { reader.unreadable(row).then(|| reader.fault(row)) } {
                    let argument = fault.argument + first;
                    found.push((row, Fault { argument, ..fault }));
                }
            }
        }
        B::unreadable(&opened.1, rows, first + opened.0.columns, found);
    }

    #[inline(always)]
    unsafe fn of<'a>(opened: &Self::Opened<'a>, item: usize, rows: Range<usize>) -> Self::Of<'a> {
        let (first, rest) = opened;
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            (
                A::of(first.reader, first.name, item, rows.clone()),
                B::of(rest, item, rows),
            )
        }
    }
}

/// Implements [`See`] for these cells.
unsafe fn see<C: Cells>(
    columns: &[ColumnChunks<'_>],
    layout: &Layout,
    hide: &mut dyn FnMut(usize, &dyn Fn() -> usize),
) {
    let numbers = RowNumbers::default();
    // SAFETY: the caller upholds this function's contract.
    let bound = unsafe { C::bind(columns, &numbers) };
    if !C::has_nulls(&bound) {
        return;
    }
    let mut scratch = C::Scratch::default();
    let mut blocks = layout.blocks(0..layout.rows);
    while let Some((row, len, places)) = blocks.next() {
        let reader = C::open(&bound, places, row, len, &mut scratch);
        if !reader.has_nulls() {
            continue;
        }
        for i in 0..len {
            // SAFETY: `i` is within the block; a fault is asked for only where the row is not valid.
            unsafe {
                if !reader.is_valid(i) && !reader.unreadable(i) {
                    hide(row + i, &|| reader.fault(i).argument);
                }
            }
        }
    }
}

/// One whole group, for closures of `DataFrame`, `&DataFrame` and [`Group`].
#[doc(hidden)]
#[derive(Debug)]
pub struct OneGroup;

impl Sealed for OneGroup {}

impl SpanArgs for OneGroup {
    type Of<'a> = Group;
    type Bound<'a> = WholeColumns<'a>;
    type Scratch = ();
    type Opened<'s> = WholeColumns<'s>;

    const WHOLE: bool = true;

    fn describe(_: &mut Vec<SpanArgument>) {}

    unsafe fn bind<'a>(given: &mut SpanColumns<'a>) -> WholeColumns<'a> {
        given.whole
    }

    fn open<'s>(bound: &'s WholeColumns<'_>, (): &'s mut ()) -> WholeColumns<'s> {
        *bound
    }

    unsafe fn fault(_: &WholeColumns<'_>, _: usize) -> Option<Fault> {
        None
    }

    unsafe fn is_valid(_: &WholeColumns<'_>, _: usize) -> bool {
        true
    }

    fn has_nulls(_: &WholeColumns<'_>) -> bool {
        false
    }

    fn unreadable(_: &WholeColumns<'_>, _: usize, _: usize, _: &mut Vec<(usize, Fault)>) {}

    unsafe fn of<'a>(opened: &Self::Opened<'a>, item: usize, rows: Range<usize>) -> Self::Of<'a> {
        Group {
            frame: slice(opened.frame, &rows),
            key: opened.keys.slice(item as i64, 1),
            index: item,
            first_row: opened.first_rows[item],
        }
    }
}

/// A closure argument that has the rows of one group, its keys, and its position among the groups.
///
/// It dereferences to the group's `DataFrame`, which has the selected columns (by default all but the keys) and the group's
/// rows in the order of the input.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["k" => ["b", "a", "b"], "x" => [1, 2, 3]]?;
/// let places = df.par_apply().by(["k"]).groups(|group: Group| {
///     assert_eq!(group.key().column("k")?.str()?.get(0), Some(["b", "a"][group.index()]));
///     Ok::<_, polars_par_apply::Error>((group.first_row() as u64, group.height() as u64))
/// })?;
/// assert_eq!(places, df!["k" => ["b", "a"], "column_0" => [0u64, 1], "column_1" => [2u64, 1]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Group {
    frame: DataFrame,
    key: DataFrame,
    index: usize,
    first_row: usize,
}

impl Group {
    /// Returns the group's position among the groups, counted from 0; the groups are in the order of their first rows.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the number of the group's first input row.
    #[must_use]
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Returns the group's keys as a frame of one row.
    ///
    /// The frame has no columns where parts of a frame are transformed, since parts have no keys.
    #[must_use]
    pub fn key(&self) -> &DataFrame {
        &self.key
    }

    /// Returns the group's rows.
    #[must_use]
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// Returns the group's rows by value.
    #[must_use]
    pub fn into_frame(self) -> DataFrame {
        self.frame
    }
}

impl Deref for Group {
    type Target = DataFrame;

    fn deref(&self) -> &DataFrame {
        &self.frame
    }
}

/// The rows of each item.
pub(crate) trait ItemSpans: Copy {
    /// Returns the item's rows as positions in group order, or `None` where there are too few to call the closure.
    fn rows_of(&self, item: usize) -> Option<Range<usize>>;

    /// Returns whether some of these items may have too few rows.
    fn may_lack(&self, items: Range<usize>) -> bool;
}

/// Reads the arguments of items, each of which has some rows.
pub(crate) struct SpanReader<'s, A: SpanArgs, S> {
    opened: A::Opened<'s>,
    spans: S,
    unreadable: &'s Unreadable,
    /// The number of the input row at a position in group order.
    number: &'s (dyn Fn(usize) -> usize + Sync),
    /// The first item.
    first: usize,
    /// Whether some item may not be given to the closure.
    lacks: bool,
}

/// The rows that have a value which an argument cannot hold, as positions in group order, with what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Unreadable(Vec<(usize, Fault)>);

impl Unreadable {
    /// Finds these among the first `rows` rows.
    pub(crate) fn find<A: SpanArgs>(opened: &A::Opened<'_>, rows: usize) -> Self {
        let mut found = Vec::new();
        A::unreadable(opened, rows, 0, &mut found);
        found.sort_by_key(|(row, fault)| (*row, fault.argument));
        Unreadable(found)
    }

    #[inline(always)]
    fn first_in(&self, rows: &Range<usize>) -> Option<&(usize, Fault)> {
        match self.0.is_empty() {
            true => None,
            false => self.find_in(rows),
        }
    }

    #[cold]
    fn find_in(&self, rows: &Range<usize>) -> Option<&(usize, Fault)> {
        let first = self.0.partition_point(|(row, _)| *row < rows.start);
        self.0.get(first).filter(|(row, _)| *row < rows.end)
    }
}

impl<'s, A: SpanArgs, S: ItemSpans> SpanReader<'s, A, S> {
    /// Makes a reader of some items.
    ///
    /// # Safety
    /// The arguments are open for the rows of these items, and cells for the items themselves. The rows are valid where they
    /// are not in `unreadable`.
    pub(crate) unsafe fn new(
        opened: A::Opened<'s>,
        spans: S,
        unreadable: &'s Unreadable,
        number: &'s (dyn Fn(usize) -> usize + Sync),
        items: Range<usize>,
    ) -> Self {
        let lacks = A::has_nulls(&opened) || !unreadable.0.is_empty();
        SpanReader {
            first: items.start,
            lacks: lacks || spans.may_lack(items),
            opened,
            spans,
            unreadable,
            number,
        }
    }
}

impl<A: SpanArgs, S: Copy> Clone for SpanReader<'_, A, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: SpanArgs, S: Copy> Copy for SpanReader<'_, A, S> {}

impl<'s, A: SpanArgs, S: ItemSpans> Reader for SpanReader<'s, A, S> {
    type Item = A::Of<'s>;

    fn has_nulls(&self) -> bool {
        self.lacks
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        let item = self.first + i;
        let rows = self.spans.rows_of(item);
        // SAFETY: the caller guarantees that the item is one of these items.
        rows.is_some_and(|rows| self.unreadable.first_in(&rows).is_none())
            && unsafe { A::is_valid(&self.opened, item) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> A::Of<'s> {
        let item = self.first + i;
        let rows = self.spans.rows_of(item).unwrap_or_default();
        // SAFETY: the caller guarantees that the item is one of these items, and that its cells and rows are valid.
        unsafe { A::of(&self.opened, item, rows) }
    }

    /// Returns a value that cannot be read with the input row that it is in; for a cell, the item is that row.
    #[cold]
    unsafe fn fault(&self, i: usize) -> Fault {
        let item = self.first + i;
        // Where the closure is not called, nothing is read.
        let Some(rows) = self.spans.rows_of(item) else {
            return Fault::default();
        };
        // SAFETY: the caller guarantees that the item is one of these items.
        let of_cell = unsafe { A::fault(&self.opened, item) };
        let of_row = self.unreadable.first_in(&rows);
        match (of_cell, of_row) {
            (Some(fault), None) => fault,
            (Some(fault), _) if fault.message.is_some() => fault,
            (_, Some((row, fault))) => Fault {
                argument: fault.argument,
                message: Some(format!(
                    "row {}: {}",
                    (self.number)(*row),
                    fault.message.as_deref().unwrap_or("the value is null"),
                )),
            },
            (None, None) => Fault::default(),
        }
    }
}
