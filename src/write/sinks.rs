//! The place where the results of rows are written: one column, or several side by side.

use std::fmt;

use polars::prelude::{Column, DataFrame, DataType, PlSmallStr};

use super::returns::{Dtypes, Misfit, fit};
use super::{CellSink, Finished, Writer};
use crate::error::Result;
use crate::sealed::Sealed;

/// The place where rows are written, which makes an output of them.
#[doc(hidden)]
pub trait RowSink: Sinks {
    type Output;

    /// Makes the output of the columns, with these names.
    fn stack(columns: Vec<Finished>, names: Vec<PlSmallStr>, rows: usize) -> Result<Self::Output>;

    /// Returns the output as a frame.
    fn into_frame(output: Self::Output) -> DataFrame;
}

/// Columns that are written side by side: one column, a list of them, or `N` of the same type. The contract is that of
/// [`CellSink`] and [`Writer`].
#[doc(hidden)]
pub trait Sinks: Sealed + Sync + Sized {
    type Item: Send;
    const FIXED: bool;
    /// Whether it is one column of `bool`.
    const BOOLEAN: bool = false;
    type Writer<'s>: Writer<Item = Self::Item>
    where
        Self: 's;

    /// The same as [`CellSink::NEEDS`], for any of the columns.
    const NEEDS: Option<&'static str> = None;

    /// Returns whether the columns have their dtypes already; `first` is the position of the first one. There is a dtype for
    /// each column, or for none. With dtypes, the columns that cannot have them are added to `misfits`; without, those that
    /// must be given one.
    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool;

    fn new(rows: usize, nullable: bool) -> Self;

    /// # Safety
    /// The same as for [`CellSink::writer`].
    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_>;

    /// # Safety
    /// The same as for [`CellSink::finish`].
    unsafe fn finish(self, columns: &mut Vec<Finished>) -> Result<()>;
}

/// One column.
#[doc(hidden)]
#[derive(Debug)]
pub struct One<S>(S);

impl<S> Sealed for One<S> {}

impl<S: CellSink> Sinks for One<S> {
    type Item = S::Item;
    const FIXED: bool = S::FIXED;
    const BOOLEAN: bool = S::BOOLEAN;
    const NEEDS: Option<&'static str> = S::NEEDS;
    type Writer<'s>
        = S::Writer<'s>
    where
        Self: 's;

    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool {
        fit::<S>(dtypes.get(first), first, misfits)
    }

    fn new(rows: usize, nullable: bool) -> Self {
        One(S::new(rows, nullable))
    }

    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.0.writer(start, len) }
    }

    unsafe fn finish(self, columns: &mut Vec<Finished>) -> Result<()> {
        // SAFETY: the caller upholds this function's contract.
        columns.push(unsafe { self.0.finish() }?);
        Ok(())
    }
}

impl<S: CellSink> RowSink for One<S> {
    type Output = Column;

    fn stack(mut columns: Vec<Finished>, mut names: Vec<PlSmallStr>, _: usize) -> Result<Column> {
        Ok(columns.swap_remove(0).into_column(names.swap_remove(0)))
    }

    fn into_frame(output: Column) -> DataFrame {
        output.into_frame()
    }
}

/// Makes a frame of the columns.
fn frame(columns: Vec<Finished>, names: Vec<PlSmallStr>, rows: usize) -> Result<DataFrame> {
    let columns = columns.into_iter().zip(names);
    let columns = columns.map(|(column, name)| column.into_column(name));
    Ok(DataFrame::new(rows, columns.collect())?)
}

/// The end of a list of columns.
#[doc(hidden)]
#[derive(Debug)]
pub struct SinkNil;

impl Sealed for SinkNil {}

impl Sinks for SinkNil {
    type Item = ();
    const FIXED: bool = true;
    type Writer<'s> = SinkNil;

    fn fit(_: Dtypes<'_>, _: usize, _: &mut Vec<Misfit>) -> bool {
        true
    }

    fn new(_: usize, _: bool) -> Self {
        SinkNil
    }

    unsafe fn writer(&self, _: usize, _: usize) -> SinkNil {
        SinkNil
    }

    unsafe fn finish(self, _: &mut Vec<Finished>) -> Result<()> {
        Ok(())
    }
}

impl Writer for SinkNil {
    type Item = ();

    #[inline(always)]
    unsafe fn write(&mut self, _: usize, (): ()) {}

    #[inline(always)]
    unsafe fn write_null(&mut self, _: usize) {}

    fn finish(self) {}
}

/// A column and the columns after it, as sinks or as their writers.
#[doc(hidden)]
#[derive(Debug)]
pub struct SinkCons<A, B>(A, B);

impl<A, B> Sealed for SinkCons<A, B> {}

impl<A: CellSink, B: Sinks> Sinks for SinkCons<A, B> {
    type Item = (A::Item, B::Item);
    const FIXED: bool = A::FIXED && B::FIXED;
    const NEEDS: Option<&'static str> = match A::NEEDS {
        Some(why) => Some(why),
        None => B::NEEDS,
    };
    type Writer<'s>
        = SinkCons<A::Writer<'s>, B::Writer<'s>>
    where
        Self: 's;

    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool {
        let is_own = fit::<A>(dtypes.get(first), first, misfits);
        B::fit(dtypes, first + 1, misfits) && is_own
    }

    fn new(rows: usize, nullable: bool) -> Self {
        SinkCons(A::new(rows, nullable), B::new(rows, nullable))
    }

    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_> {
        // SAFETY: the caller upholds this function's contract.
        unsafe { SinkCons(self.0.writer(start, len), self.1.writer(start, len)) }
    }

    unsafe fn finish(self, columns: &mut Vec<Finished>) -> Result<()> {
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            columns.push(self.0.finish()?);
            self.1.finish(columns)
        }
    }
}

impl<A: CellSink, B: Sinks> RowSink for SinkCons<A, B> {
    type Output = DataFrame;

    fn stack(columns: Vec<Finished>, names: Vec<PlSmallStr>, rows: usize) -> Result<DataFrame> {
        frame(columns, names, rows)
    }

    fn into_frame(output: DataFrame) -> DataFrame {
        output
    }
}

impl<A: Writer, B: Writer> Writer for SinkCons<A, B> {
    type Item = (A::Item, B::Item);

    #[inline(always)]
    unsafe fn write(&mut self, row: usize, item: Self::Item) {
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            self.0.write(row, item.0);
            self.1.write(row, item.1);
        }
    }

    #[inline(always)]
    unsafe fn write_null(&mut self, row: usize) {
        // SAFETY: the caller upholds this function's contract.
        unsafe {
            self.0.write_null(row);
            self.1.write_null(row);
        }
    }

    fn finish(self) {
        self.0.finish();
        self.1.finish();
    }
}

/// `N` columns of the same type, as sinks or as their writers.
#[doc(hidden)]
pub struct SinkRepeat<S, const N: usize>([S; N]);

impl<S, const N: usize> fmt::Debug for SinkRepeat<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SinkRepeat").field(&N).finish()
    }
}

impl<S, const N: usize> Sealed for SinkRepeat<S, N> {}

impl<S: CellSink, const N: usize> Sinks for SinkRepeat<S, N> {
    type Item = [S::Item; N];
    const FIXED: bool = S::FIXED;
    const NEEDS: Option<&'static str> = S::NEEDS;
    type Writer<'s>
        = SinkRepeat<S::Writer<'s>, N>
    where
        Self: 's;

    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool {
        let columns = first..first + N;
        let own = columns.filter(|column| fit::<S>(dtypes.get(*column), *column, misfits));
        own.count() == N
    }

    fn new(rows: usize, nullable: bool) -> Self {
        SinkRepeat(std::array::from_fn(|_| S::new(rows, nullable)))
    }

    unsafe fn writer(&self, start: usize, len: usize) -> Self::Writer<'_> {
        // SAFETY: the caller upholds this function's contract.
        SinkRepeat(std::array::from_fn(|column| unsafe {
            self.0[column].writer(start, len)
        }))
    }

    unsafe fn finish(self, columns: &mut Vec<Finished>) -> Result<()> {
        for sink in self.0 {
            // SAFETY: the caller upholds this function's contract.
            columns.push(unsafe { sink.finish() }?);
        }
        Ok(())
    }
}

impl<S: CellSink, const N: usize> RowSink for SinkRepeat<S, N> {
    type Output = DataFrame;

    fn stack(columns: Vec<Finished>, names: Vec<PlSmallStr>, rows: usize) -> Result<DataFrame> {
        frame(columns, names, rows)
    }

    fn into_frame(output: DataFrame) -> DataFrame {
        output
    }
}

impl<W: Writer, const N: usize> Writer for SinkRepeat<W, N> {
    type Item = [W::Item; N];

    #[inline(always)]
    unsafe fn write(&mut self, row: usize, item: Self::Item) {
        for (writer, item) in self.0.iter_mut().zip(item) {
            // SAFETY: the caller upholds this function's contract.
            unsafe { writer.write(row, item) };
        }
    }

    #[inline(always)]
    unsafe fn write_null(&mut self, row: usize) {
        // SAFETY: the caller upholds this function's contract.
        self.0
            .iter_mut()
            .for_each(|writer| unsafe { writer.write_null(row) });
    }

    fn finish(self) {
        self.0.into_iter().for_each(Writer::finish);
    }
}

/// Returns whether the columns of an output have their dtypes already. There is a dtype for each column, or for none. With
/// dtypes, the columns that cannot have them are added to `misfits`; without, those that must be given one.
pub(crate) fn fit_all<S: Sinks>(dtypes: &[DataType], misfits: &mut Vec<Misfit>) -> bool {
    S::fit(Dtypes::Columns(dtypes), 0, misfits)
}

/// Does the same for outputs of one column each, of which there are as many as dtypes.
pub(crate) fn fit_each<S: Sinks>(dtypes: &[DataType], misfits: &mut Vec<Misfit>) -> bool {
    if dtypes.is_empty() {
        return fit_all::<S>(dtypes, misfits);
    }
    let own = (0..dtypes.len()).filter(|column| {
        let before = misfits.len();
        let is_own = fit_all::<S>(std::slice::from_ref(&dtypes[*column]), misfits);
        misfits[before..]
            .iter_mut()
            .for_each(|(at, _)| *at = *column);
        is_own
    });
    own.count() == dtypes.len()
}
