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
    /// The rows, counted from the block's first.
    pub(super) rows: Range<usize>,
    pub(super) casts: Casts,
    pub(super) numbers: &'h RowNumbers,
    /// The dtypes that results are encoded for; the plain loop does not follow them.
    pub(super) returns: Option<&'h [DataType]>,
    pub(super) halt: Option<&'h Halt>,
}

/// How a stride ended.
pub(super) enum Stride {
    Done,
    /// Before a row, since the run was stopped from outside.
    Halted,
    /// At a row, nothing of which is written.
    Failed(Failure),
    /// At a row that may be half written: a panic that is not the closure's.
    Broken(Failure),
}

/// What is called for an item, with what a reader has of it.
///
/// It stands for `Fn`: through a closure around a user's function, that is inlined into the closure, and not into the loop.
pub(super) trait Body<C, Item> {
    type Out: IntoRow;

    fn call(&self, context: &mut C, item: Item) -> Self::Out;
}

/// A closure called for rows.
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

/// What outlives a panic in the closure: noted on the way out, so that the loop itself can keep it in registers.
struct Kept<'a, W> {
    i: usize,
    writing: bool,
    writer: ManuallyDrop<W>,
    left: &'a mut Option<(usize, bool, W)>,
}

impl<W> Drop for Kept<'_, W> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the writer is taken here alone, and this runs once.
        let writer = unsafe { ManuallyDrop::take(&mut self.writer) };
        *self.left = Some((self.i, self.writing, writer));
    }
}

/// The innermost loop, which is compiled twice for each closure. The plain one is as short as can be, so that the compiler can
/// vectorise it, and looks once for each [`BATCH`] of rows whether the run is stopped from outside, if it can be. The
/// `CAREFUL` one looks at that, and for nulls, before each row. Returns the row at which it ended, and gives the writer back;
/// the rows before that are written.
///
/// # Safety
/// The reader is open for the block's rows, and where the loop is not `CAREFUL` has none that is null; the writer's rows before
/// the stretch are written, and its sink is nullable where the reader has nulls.
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
        // Locals, which can live in registers; what is captured lives behind a pointer that a write might alias.
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
                // SAFETY: `i` is within the stretch. It is read where it is valid; every row before it is written; a null is
                // of a reader that has nulls, for which the caller's sink is nullable.
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

/// A row's results, encoded for dtypes. Out of line: it is compiled once for a type of results, and not for each closure.
#[inline(never)]
fn encoded<R: IntoRow>(
    result: R,
    dtypes: &[DataType],
    casts: Casts,
) -> Result<<R::Sink as Sinks>::Item, Failure> {
    result.into_items(Returns::new(Some(dtypes), casts))
}
