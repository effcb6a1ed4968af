//! The innermost loop of `rows`: one closure, one reader, one writer.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Range;

use polars::prelude::DataType;

use crate::cancel::Halt;
use crate::context::Context;
use crate::function::RowFn;
use crate::options::Casts;
use crate::read::{Cells, Reader};
use crate::row_numbers::RowNumbers;
use crate::run::{BATCH, Failure, catch};
use crate::write::{IntoRow, Returns, Sinks, Writer};

/// Some rows of a block.
pub(super) struct Stretch<'h> {
    /// The block's first row.
    pub(super) block: usize,
    /// The writer's first row.
    pub(super) first: usize,
    /// The rows, counted from the block's first row.
    pub(super) rows: Range<usize>,
    pub(super) casts: Casts,
    pub(super) numbers: &'h RowNumbers,
    /// The dtypes that results are encoded for; the plain loop ignores them.
    pub(super) returns: Option<&'h [DataType]>,
    pub(super) halt: Option<&'h Halt>,
}

/// How a stride ended.
pub(super) enum Stride {
    Done,
    /// It ended before a row, since the run was stopped from outside.
    Halted,
    /// It ended at a row, of which nothing is written.
    Failed(Failure),
    /// It ended at a row that may be half written: a panic that does not come from the closure.
    Broken(Failure),
}

/// The function that is called for an item, with what a reader has read of it.
///
/// It stands in place of `Fn`: the compiler would inline a user's function into a closure that wraps it, and not into the loop.
pub(super) trait Body<C, Item> {
    type Out: IntoRow;

    fn call(&self, context: &mut C, item: Item) -> Self::Out;
}

/// A closure that is called for rows.
pub(super) struct ByRow<'f, M, F> {
    f: &'f F,
    marker: PhantomData<fn(M)>,
}

impl<'f, M, F> ByRow<'f, M, F> {
    pub(super) fn new(f: &'f F) -> Self {
        let marker = PhantomData;
        ByRow { f, marker }
    }
}

impl<'a, M, C, F> Body<C, <F::Cells as Cells>::Of<'a>> for ByRow<'_, M, F>
where
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    type Out = F::Out;

    #[inline(always)]
    fn call(&self, context: &mut C, cells: <F::Cells as Cells>::Of<'a>) -> F::Out {
        self.f.call(context, cells)
    }
}

/// What outlives a panic in the closure. It is recorded when the panic leaves the loop, so that the loop itself can keep it in
/// registers.
struct Kept<'a, W> {
    i: usize,
    writing: bool,
    writer: ManuallyDrop<W>,
    left: &'a mut Option<(usize, bool, W)>,
}

impl<W> Drop for Kept<'_, W> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the writer is taken only here, and this runs once.
        let writer = unsafe { ManuallyDrop::take(&mut self.writer) };
        *self.left = Some((self.i, self.writing, writer));
    }
}

/// The innermost loop, which is compiled twice for each closure. The plain loop is as short as possible, so that the compiler
/// can vectorise it, and checks once for each [`BATCH`] of rows whether the run is stopped from outside, if it can be. The
/// `CAREFUL` loop checks that before each row, and checks for nulls. Returns the row at which the loop ended, and gives the
/// writer back; the rows before that row are written.
///
/// # Safety
/// The reader is open for the block's rows. Unless the loop is `CAREFUL`, none of them is null. The writer's rows before the
/// stretch are written, and its sink is nullable if the reader has nulls.
pub(super) unsafe fn run_stride<const CAREFUL: bool, C, B, R, W>(
    body: &B,
    context: &mut C,
    reader: R,
    writer: W,
    stretch: Stretch<'_>,
) -> (usize, W, Stride)
where
    C: Context,
    B: Body<C, R::Item>,
    R: Reader,
    W: Writer<Item = <<B::Out as IntoRow>::Sink as Sinks>::Item>,
{
    let Stretch {
        block,
        first,
        rows,
        casts,
        numbers,
        returns,
        halt,
    } = stretch;
    debug_assert!(returns.is_none() || CAREFUL);
    let mut left = None;
    let note = &mut left;
    let ended = catch(move || {
        // Local variables can be kept in registers; captured ones are behind a pointer that a write might alias.
        let reader = reader;
        let mut kept = Kept {
            i: rows.start,
            writing: false,
            writer: ManuallyDrop::new(writer),
            left: note,
        };
        // The writer counts from its own first row.
        let first = block.wrapping_sub(first);
        let end = rows.end;
        let mut start = rows.start;
        while start < end {
            if !CAREFUL && halt.is_some_and(Halt::is_set) {
                kept.i = start;
                return Stride::Halted;
            }
            let batch = match halt {
                Some(_) if !CAREFUL => BATCH.min(end - start),
                _ => end - start,
            };
            for i in start..start + batch {
                kept.i = i;
                if CAREFUL && halt.is_some_and(Halt::is_set) {
                    return Stride::Halted;
                }
                let row = first.wrapping_add(i);
                // SAFETY: `i` is within the stretch, and it is read only where it is valid. Every row before it is written. A
                // null comes from a reader that has nulls, for which the caller's sink is nullable.
                unsafe {
                    if CAREFUL && !reader.is_valid(i) {
                        let fault = reader.fault(i);
                        if fault.message.is_some() {
                            return Stride::Failed(Failure::Read(fault));
                        }
                        kept.writing = true;
                        kept.writer.write_null(row);
                        kept.writing = false;
                        continue;
                    }
                    context.at(numbers, block + i);
                    let result = body.call(context, reader.read::<CAREFUL>(i));
                    let items = match returns {
                        Some(dtypes) if CAREFUL => encoded(result, dtypes, casts),
                        _ => result.into_items(casts),
                    };
                    match items {
                        Ok(items) => {
                            kept.writing = true;
                            kept.writer.write(row, items);
                            kept.writing = false;
                        }
                        Err(failure) => return Stride::Failed(failure),
                    }
                }
            }
            start += batch;
        }
        kept.i = end;
        Stride::Done
    });
    let (i, writing, writer) = left.expect("it is left behind on every way out");
    let ended = match ended {
        Ok(ended) => ended,
        Err(panic) if writing => Stride::Broken(panic),
        Err(panic) => Stride::Failed(panic),
    };
    (i, writer, ended)
}

/// Encodes the results of a row for dtypes. This stays out of line, so that it is compiled once for a type of results, and not
/// for each closure.
#[inline(never)]
fn encoded<R: IntoRow>(
    result: R,
    dtypes: &[DataType],
    casts: Casts,
) -> Result<<R::Sink as Sinks>::Item, Failure> {
    result.into_items(Returns::new(Some(dtypes), casts))
}
