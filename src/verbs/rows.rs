//! `rows`: one call of the closure for each row.

use std::ops::Range;
use std::time::{Duration, Instant};

use polars::prelude::DataFrame;

use super::{check_names, failed, unwritten};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::RowFn;
use crate::options::{Casts, Nulls, Options};
use crate::partition::Layout;
use crate::read::{Cells, Reader, Sources};
use crate::run::{Failure, Job, Plan, Stop, catch, over_rows};
use crate::write::{IntoRow, RowSink, Sinks, Writer};

pub(crate) fn rows<M, F>(
    frame: &DataFrame,
    options: &Options,
    f: &F,
) -> Result<<F::Out as IntoRow>::Output>
where
    F: RowFn<M>,
    F::Out: IntoRow,
{
    let mut faults = Vec::new();
    let arguments = F::Cells::arguments();
    let sources = Sources::choose(frame, options, arguments.as_deref(), F::NAMES, &mut faults);
    let plan = Plan::new(options, &mut faults);
    let default = F::Out::names().numbered("column");
    check_names(options, Some(default.len()), &mut faults);
    let names = options.names.clone().unwrap_or(default);
    Error::of_all(faults)?;

    let chunks = sources.chunks();
    let layout = sources.layout();
    // SAFETY: the chunks are those of the frame's columns, cast to what the arguments take (`Sources::choose`).
    let bound = unsafe { F::Cells::bind(&chunks) };
    let nullable = F::Cells::has_nulls(&bound);
    if nullable && options.nulls == Nulls::Error {
        no_nulls::<F::Cells>(&bound, &layout, &sources)?;
    }
    let work = Rows::<M, F> {
        f,
        bound: &bound,
        layout: &layout,
        sink: Sinks::new(sources.rows, nullable),
        casts: options.casts,
    };
    if let Some((row, failure)) = over_rows(sources.rows, &plan, &work) {
        let input = |argument: usize| Some(sources.columns[argument].name().to_string());
        let output = |column: usize| Some(names[column].to_string());
        return Err(failed(failure, Place::Row(row), input, output));
    }
    let mut columns = Vec::with_capacity(names.len());
    // SAFETY: `over_rows` has run the job over every row, without a failure.
    unsafe { work.sink.finish(&mut columns) }?;
    <F::Out as IntoRow>::Sink::stack(columns, names, sources.rows)
}

/// Refuses the first null of an argument that cannot take it.
fn no_nulls<C: Cells>(bound: &C::Bound<'_>, layout: &Layout, sources: &Sources<'_>) -> Result<()> {
    let mut scratch = C::Scratch::default();
    let mut blocks = layout.blocks(0..sources.rows);
    while let Some((row, len, places)) = blocks.next() {
        let reader = C::open(bound, places, row, len, &mut scratch);
        if !reader.has_nulls() {
            continue;
        }
        for i in 0..len {
            // SAFETY: `i` is within the block; a fault is asked of what is not valid only.
            let fault = unsafe { (!reader.is_valid(i)).then(|| reader.fault(i)) };
            if let Some(fault) = fault.filter(|fault| fault.message.is_none()) {
                return Err(ErrorKind::Null {
                    column: sources.columns[fault.argument].name().to_string(),
                    row: row + i,
                }
                .into());
            }
        }
    }
    Ok(())
}

/// The job of calling a closure for rows.
struct Rows<'r, 'a, M, F>
where
    F: RowFn<M>,
    F::Out: IntoRow,
{
    f: &'r F,
    bound: &'r <F::Cells as Cells>::Bound<'a>,
    layout: &'r Layout,
    sink: <F::Out as IntoRow>::Sink,
    casts: Casts,
}

impl<M, F> Job for Rows<'_, '_, M, F>
where
    F: RowFn<M>,
    F::Out: IntoRow,
{
    fn run(&self, rows: Range<usize>, patience: Duration, stop: &Stop) -> usize {
        let (start, end) = (rows.start, rows.end);
        // SAFETY: rows are within the frame's, for which the sink was made. They are handed out once; of those, the ones
        // given back (from the row returned on) are handed out again, but not written here.
        let mut writer = unsafe { self.sink.writer(start, rows.len()) };
        let mut scratch = <F::Cells as Cells>::Scratch::default();
        let mut blocks = self.layout.blocks(rows);
        let began = Instant::now();
        let mut stride = SHORT_STRIDE;
        while let Some((row, len, places)) = blocks.next() {
            let reader = F::Cells::open(self.bound, places, row, len, &mut scratch);
            let run = if reader.has_nulls() {
                run_stride::<true, M, F, _, _>
            } else {
                run_stride::<false, M, F, _, _>
            };
            let mut done = 0;
            while done < len {
                let next = done..len.min(done + stride);
                // SAFETY: the reader is open for `len` rows, of which `has_nulls` says whether any is null; the
                // writer's rows before these are written.
                match unsafe {
                    run(
                        self.f,
                        reader,
                        writer,
                        row - start,
                        next.clone(),
                        self.casts,
                    )
                } {
                    Ok(next) => writer = next,
                    Err((i, failure)) => {
                        stop.fail(row + i, failure);
                        return end;
                    }
                }
                done = next.end;
                stride = (stride * 4).min(LONG_STRIDE);
                let reached = row + done;
                if reached < end
                    && (stop.is_before(reached)
                        || patience < Duration::MAX && began.elapsed() >= patience)
                {
                    writer.finish();
                    return reached;
                }
            }
        }
        writer.finish();
        end
    }
}

/// The rows between looks at the clock and at `stop`: few at first, so that slow rows are soon shared out; more where
/// they are fast, so that looking costs nothing.
const SHORT_STRIDE: usize = 16;
const LONG_STRIDE: usize = 1 << 12;

/// Where a panic struck: noted on the way out, so that the loop itself keeps its counter in a register.
struct At<'a> {
    i: usize,
    note: &'a mut usize,
}

impl Drop for At<'_> {
    fn drop(&mut self) {
        *self.note = self.i;
    }
}

/// The innermost loop. The writer is its own while it runs, and is given back.
///
/// # Safety
/// The reader is open for the rows of `stride`, and without `NULLS` has none; the writer's next row is `first` and the
/// stride's start.
unsafe fn run_stride<'s, const NULLS: bool, M, F, R, W>(
    f: &F,
    reader: R,
    writer: W,
    first: usize,
    stride: Range<usize>,
    casts: Casts,
) -> Result<W, (usize, Failure)>
where
    F: RowFn<M>,
    F::Out: IntoRow,
    R: Reader<Item = <F::Cells as Cells>::Of<'s>>,
    W: Writer<Item = <<F::Out as IntoRow>::Sink as Sinks>::Item>,
{
    let mut panicked_at = 0;
    let note = &mut panicked_at;
    let done = catch(move || {
        // Locals, which can live in registers; what is captured lives behind a pointer that a write might alias.
        let (reader, mut writer) = (reader, writer);
        let mut at = At { i: 0, note };
        let len = stride.len();
        for i in stride {
            at.i = i;
            // SAFETY: `i` is within the stride, and is read where it is valid; every row before it is written.
            unsafe {
                if NULLS && !reader.is_valid(i) {
                    let fault = reader.fault(i);
                    if fault.message.is_some() {
                        return Err((i, Failure::Read(fault)));
                    }
                    writer.write_null(first + i);
                    continue;
                }
                match f.call(reader.read::<NULLS>(i)).into_items(casts) {
                    Ok(items) => writer.write::<NULLS>(first + i, items),
                    Err(error) => return Err((i, unwritten(error))),
                }
            }
        }
        if !NULLS {
            // SAFETY: these are the last rows written.
            unsafe { writer.finish_run(len) };
        }
        Ok(writer)
    });
    match done {
        Ok(done) => done,
        Err(panic) => Err((panicked_at, panic)),
    }
}
