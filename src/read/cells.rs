//! The cells of one row, in whichever form a closure takes them: arguments, a tuple, an array, a struct's fields.
//!
//! A list of types (`Cons<A, Cons<B, Nil>>`) needs no implementation for each length, so arguments, tuples and structs of any
//! number of fields share this one. Its values are nested pairs, which the compiler takes apart again.

use std::marker::PhantomData;

use super::any::AnyChunk;
use super::{Argument, Cell, ColumnChunks, Fault, Misread, Reader};
use crate::partition::BlockStart;
use crate::row_numbers::RowNumbers;
use crate::sealed::Sealed;

/// Cells of several columns, read side by side.
#[doc(hidden)]
pub trait Cells: Sealed {
    type Of<'a>;
    type Bound<'a>: Send + Sync;
    type Scratch: Default;
    type Reader<'s>: Reader<Item = Self::Of<'s>>;

    /// Returns the arguments, or `None` for rows that take any columns.
    fn arguments() -> Option<Vec<Argument>>;

    /// Binds the columns, one for each argument; their rows have these numbers.
    ///
    /// # Safety
    /// Each column's arrays are chunks of a column of its dtype, which its argument takes without a cast.
    unsafe fn bind<'a>(columns: &[ColumnChunks<'a>], numbers: &'a RowNumbers) -> Self::Bound<'a>;

    /// Opens a block of `len` rows, which begins at `places`: one place for each argument.
    fn open<'s>(
        bound: &'s Self::Bound<'_>,
        places: &'s [BlockStart],
        row: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s>;

    /// Returns whether the closure may be skipped for some row.
    fn has_nulls(bound: &Self::Bound<'_>) -> bool;

    /// Returns the cells of one row; `columns` yields the chunks in the order of the arguments.
    fn get<'a>(
        columns: &mut dyn Iterator<Item = AnyChunk<'a>>,
        row: usize,
    ) -> Result<Self::Of<'a>, Misread>;
}

/// The arguments of a row function that takes exactly one [cell](crate::Cell), as [`par_map`](crate::ParMap::par_map) and
/// [`elements`](crate::Apply::elements) require.
///
/// A generic function that passes such a closure on writes the bound `F: RowFn<M, Cells: OneCell>`.
///
/// The trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "the closure is not a function of one cell",
    label = "it is called with one value of a column: it takes one argument, `f64`, `&str`, `Option<i64>`, …",
    note = "for closures of several columns, or of `Row`, there is `df.par_apply().select([…]).rows(f)`"
)]
pub trait OneCell: Cells {}

impl<T: Cell> OneCell for Cons<T, Nil> {}

/// The end of a list of cells.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Nil;

/// A cell and the cells after it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cons<A, B>(PhantomData<fn() -> (A, B)>);

/// `N` cells of the same type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Repeat<T, const N: usize>(PhantomData<fn() -> T>);

impl Reader for Nil {
    type Item = ();

    fn has_nulls(&self) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn is_valid(&self, _: usize) -> bool {
        true
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, _: usize) {}
}

impl Sealed for Nil {}
impl<A, B> Sealed for Cons<A, B> {}
impl<T, const N: usize> Sealed for Repeat<T, N> {}

impl Cells for Nil {
    type Of<'a> = ();
    type Bound<'a> = ();
    type Scratch = ();
    type Reader<'s> = Nil;

    fn arguments() -> Option<Vec<Argument>> {
        Some(Vec::new())
    }

    unsafe fn bind<'a>(columns: &[ColumnChunks<'a>], _: &'a RowNumbers) {
        debug_assert!(columns.is_empty());
    }

    fn open<'s>((): &'s (), _: &'s [BlockStart], _: usize, _: usize, (): &'s mut ()) -> Nil {
        Nil
    }

    fn has_nulls((): &()) -> bool {
        false
    }

    fn get<'a>(_: &mut dyn Iterator<Item = AnyChunk<'a>>, _: usize) -> Result<(), Misread> {
        Ok(())
    }
}

/// Reads a cell and the cells after it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ConsReader<A, B>(A, B);

impl<A: Copy, B> ConsReader<A, B> {
    /// Returns the reader of the first cell.
    #[inline(always)]
    pub(super) fn first(&self) -> A {
        self.0
    }
}

impl<A: Reader, B: Reader> Reader for ConsReader<A, B> {
    type Item = (A::Item, B::Item);

    #[inline(always)]
    fn has_nulls(&self) -> bool {
        self.0.has_nulls() || self.1.has_nulls()
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.0.is_valid(i) && self.1.is_valid(i) }
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Self::Item {
        // SAFETY: the caller upholds this function's contract.
        unsafe { (self.0.read::<NULLS>(i), self.1.read::<NULLS>(i)) }
    }

    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.0.unreadable(i) || self.1.unreadable(i) }
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        // SAFETY: the caller upholds this function's contract; a side is asked for a fault only where it is not valid. An
        // unreadable value is reported before a null.
        unsafe {
            let first = (!self.0.is_valid(i)).then(|| self.0.fault(i));
            match first {
                Some(fault) if fault.message.is_some() || !self.1.unreadable(i) => fault,
                _ => {
                    let fault = self.1.fault(i);
                    Fault {
                        argument: fault.argument + 1,
                        ..fault
                    }
                }
            }
        }
    }
}

/// Binds one column chunk by chunk.
///
/// # Safety
/// The same as for [`Cells::bind`].
unsafe fn bind_chunks<'a, T: Cell>(column: &ColumnChunks<'a>) -> Vec<T::Chunk<'a>> {
    let arrays = column.arrays.iter();
    arrays
        // SAFETY: the caller upholds this function's contract.
        .map(|array| unsafe { T::bind(column.dtype, *array) })
        .collect()
}

impl<A: Cell, B: Cells> Cells for Cons<A, B> {
    type Of<'a> = (A::Of<'a>, B::Of<'a>);
    type Bound<'a> = (Vec<A::Chunk<'a>>, B::Bound<'a>);
    type Scratch = (A::Scratch, B::Scratch);
    type Reader<'s> = ConsReader<A::Reader<'s>, B::Reader<'s>>;

    fn arguments() -> Option<Vec<Argument>> {
        let mut arguments = B::arguments()?;
        arguments.insert(0, Argument::of::<A>());
        Some(arguments)
    }

    unsafe fn bind<'a>(columns: &[ColumnChunks<'a>], numbers: &'a RowNumbers) -> Self::Bound<'a> {
        let (first, rest) = columns
            .split_first()
            .expect("there is a column for each argument");
        // SAFETY: the caller upholds this function's contract.
        unsafe { (bind_chunks::<A>(first), B::bind(rest, numbers)) }
    }

    #[inline]
    fn open<'s>(
        bound: &'s Self::Bound<'_>,
        places: &'s [BlockStart],
        row: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s> {
        let (place, rest) = places
            .split_first()
            .expect("there is a place for each argument");
        ConsReader(
            A::open(&bound.0[place.chunk], place.offset, len, &mut scratch.0),
            B::open(&bound.1, rest, row, len, &mut scratch.1),
        )
    }

    fn has_nulls(bound: &Self::Bound<'_>) -> bool {
        bound.0.iter().any(A::has_nulls) || B::has_nulls(&bound.1)
    }

    #[inline]
    fn get<'a>(
        columns: &mut dyn Iterator<Item = AnyChunk<'a>>,
        row: usize,
    ) -> Result<Self::Of<'a>, Misread> {
        let first = columns.next().ok_or(Misread::Dtype)?;
        Ok((A::get(&first, row)?, B::get(columns, row)?))
    }
}

/// Reads `N` cells of the same type.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct RepeatReader<R, const N: usize>([R; N]);

impl<R: Reader, const N: usize> Reader for RepeatReader<R, N> {
    type Item = [R::Item; N];

    #[inline(always)]
    fn has_nulls(&self) -> bool {
        self.0.iter().any(R::has_nulls)
    }

    #[inline(always)]
    unsafe fn is_valid(&self, i: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        self.0.iter().all(|reader| unsafe { reader.is_valid(i) })
    }

    #[inline(always)]
    unsafe fn read<const NULLS: bool>(&self, i: usize) -> Self::Item {
        // SAFETY: the caller upholds this function's contract.
        std::array::from_fn(|cell| unsafe { self.0[cell].read::<NULLS>(i) })
    }

    #[inline(always)]
    unsafe fn unreadable(&self, i: usize) -> bool {
        // SAFETY: the caller upholds this function's contract.
        self.0.iter().any(|reader| unsafe { reader.unreadable(i) })
    }

    unsafe fn fault(&self, i: usize) -> Fault {
        // SAFETY: the caller upholds this function's contract; a cell is asked for a fault only where it is not valid.
        let mut faults = self
            .0
            .iter()
            .enumerate()
            .filter_map(|(argument, reader)| unsafe {
                (!reader.is_valid(i)).then(|| Fault {
                    argument,
                    ..reader.fault(i)
                })
            });
        let first = faults.next().unwrap_or_default();
        match first.message {
            Some(_) => first,
            None => faults
                .find(|fault| fault.message.is_some())
                .unwrap_or(first),
        }
    }
}

impl<T: Cell, const N: usize> Cells for Repeat<T, N> {
    type Of<'a> = [T::Of<'a>; N];
    type Bound<'a> = Vec<Vec<T::Chunk<'a>>>;
    type Scratch = Scratches<T::Scratch, N>;
    type Reader<'s> = RepeatReader<T::Reader<'s>, N>;

    fn arguments() -> Option<Vec<Argument>> {
        Some((0..N).map(|_| Argument::of::<T>()).collect())
    }

    unsafe fn bind<'a>(columns: &[ColumnChunks<'a>], _: &'a RowNumbers) -> Self::Bound<'a> {
        debug_assert_eq!(columns.len(), N);
        columns
            .iter()
            // SAFETY: the caller upholds this function's contract.
            .map(|column| unsafe { bind_chunks::<T>(column) })
            .collect()
    }

    #[inline]
    fn open<'s>(
        bound: &'s Self::Bound<'_>,
        places: &'s [BlockStart],
        _: usize,
        len: usize,
        scratch: &'s mut Self::Scratch,
    ) -> Self::Reader<'s> {
        let mut scratches = scratch.0.iter_mut();
        RepeatReader(std::array::from_fn(|cell| {
            let place = places[cell];
            let scratch = scratches.next().expect("there is one for each cell");
            T::open(&bound[cell][place.chunk], place.offset, len, scratch)
        }))
    }

    fn has_nulls(bound: &Self::Bound<'_>) -> bool {
        bound.iter().flatten().any(T::has_nulls)
    }

    fn get<'a>(
        columns: &mut dyn Iterator<Item = AnyChunk<'a>>,
        row: usize,
    ) -> Result<Self::Of<'a>, Misread> {
        let mut failed = None;
        let cells = std::array::from_fn(|_| {
            if failed.is_some() {
                return None;
            }
            let cell = columns
                .next()
                .ok_or(Misread::Dtype)
                .and_then(|chunk| T::get(&chunk, row));
            cell.map_err(|misread| failed = Some(misread)).ok()
        });
        match failed {
            Some(misread) => Err(misread),
            None => Ok(cells.map(|cell| cell.expect("no cell failed"))),
        }
    }
}

/// An array that has a default value whatever its length.
#[doc(hidden)]
#[derive(Debug)]
pub struct Scratches<S, const N: usize>([S; N]);

impl<S: Default, const N: usize> Default for Scratches<S, N> {
    fn default() -> Self {
        Scratches(std::array::from_fn(|_| S::default()))
    }
}
