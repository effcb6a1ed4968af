//! `fold_rows`: every row goes into an accumulator, and all accumulators into one.
//!
//! Rows are folded in blocks. Each block begins with a new accumulator, and the accumulators of the blocks are merged two by
//! two, neighbours first. The number of rows alone determines where a block begins and which merges there are. So the answer
//! has the same bits whichever worker runs which block, in floating point too.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use polars::prelude::DataFrame;

use super::arguments::Arguments;
use super::call::{Verb, call};
use super::follows::Kind;
use super::report::{Gaps, Items};
use super::rows::RowItems;
use super::{failed, follows};
use crate::cancel::Halt;
use crate::context::{
    Context, Contexts, IntoUnit, Leading, NoContext, NoSeed, NoState, State, WithState,
};
#[cfg(feature = "rand")]
use crate::context::{Seed, WithStateAndSeed};
use crate::error::{Cause, Result};
use crate::function::RowFn;
use crate::options::Options;
use crate::outcome::Outcome;
use crate::partition::{Cut, Layout};
use crate::read::{Cells, Given, Reader};
use crate::row_numbers::RowNumbers;
use crate::run::{BATCH, Failure, Kernel, Plan, Steps, Verdict, Worker, catch, quietly_drop};
use crate::sealed::Sealed;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The number of blocks, as long as none has more than [`MOST`] rows: enough to keep 32 workers busy, and so few that the work
/// for a block (to make an accumulator, and to merge it) is small compared with its rows, even if an accumulator is a map of
/// thousands of keys.
const BLOCKS: usize = 32;

/// The most rows in a block: with more rows, more blocks instead of larger ones share them out better.
const MOST: usize = 1 << 19;

/// If a block has fewer rows than this, the first block shows whether the rest is worth waking other workers for.
const MANY: usize = 1 << 10;

/// How many rows a block has.
fn rows_of_block(rows: usize) -> usize {
    rows.div_ceil(BLOCKS).clamp(1, MOST)
}

/// The leading arguments of a closure of [`fold_rows`](crate::Apply::fold_rows), which lend it an accumulator: a [`Leading`].
#[diagnostic::on_unimplemented(
    message = "the closure's leading arguments are not what `fold_rows` gives it",
    note = "it takes the accumulator first, `&mut A`, of exactly the type that `init` makes, and with `.seed(n)` a `&mut RowRng` after it"
)]
pub trait FoldLead<A>: Sealed {
    /// The context that lends the accumulator to the closure.
    #[doc(hidden)]
    type Context: Context;

    /// Whether workers also have a state, which is refused.
    #[doc(hidden)]
    const HAS_STATE: bool;

    /// Returns the function that makes a context of an accumulator.
    #[doc(hidden)]
    fn lender(self) -> impl Fn(A) -> Self::Context + Sync;

    #[doc(hidden)]
    fn give_back(context: Self::Context) -> A;
}

/// Says whether a call has a state for each worker.
#[doc(hidden)]
pub trait HasState: Sealed {
    const HAS_STATE: bool;
}

impl Sealed for NoState {}
impl<I, G> Sealed for State<I, G> {}

impl HasState for NoState {
    const HAS_STATE: bool = false;
}

impl<I, G> HasState for State<I, G> {
    const HAS_STATE: bool = true;
}

impl<A, S: HasState> FoldLead<A> for Leading<S, NoSeed> {
    type Context = WithState<A>;

    const HAS_STATE: bool = S::HAS_STATE;

    fn lender(self) -> impl Fn(A) -> WithState<A> + Sync {
        WithState
    }

    fn give_back(WithState(accumulator): WithState<A>) -> A {
        accumulator
    }
}

#[cfg(feature = "rand")]
impl<A, S: HasState> FoldLead<A> for Leading<S, Seed> {
    type Context = WithStateAndSeed<A>;

    const HAS_STATE: bool = S::HAS_STATE;

    fn lender(self) -> impl Fn(A) -> WithStateAndSeed<A> + Sync {
        let seed = self.seed;
        move |accumulator| WithStateAndSeed(accumulator, seed.streams())
    }

    fn give_back(context: WithStateAndSeed<A>) -> A {
        context.0
    }
}

/// The three closures of a fold.
pub(crate) struct Fold<I, F, G> {
    pub(crate) init: I,
    pub(crate) f: F,
    pub(crate) merge: G,
}

pub(crate) fn fold_rows<A, M, L, I, F, G>(
    frame: &DataFrame,
    options: &Options<'_>,
    lead: L,
    fold: &Fold<I, F, G>,
) -> Result<Outcome<A>>
where
    A: Send,
    L: FoldLead<A>,
    I: Fn() -> A + Sync,
    F: RowFn<M, L::Context>,
    F::Out: IntoUnit,
    G: Fn(A, A) -> A + Sync,
{
    let given = Given::of(frame);
    let chosen = Arguments::<F::Cells>::choose(given, options, Kind::FoldRows, F::NAMES, false);
    let (mut checks, arguments) = chosen;
    if L::HAS_STATE {
        checks.faults.push(follows::no_state());
    }
    let plan = checks.pass(None, &[])?;

    let (sources, numbers) = (arguments.sources(), arguments.numbers());
    let layout = sources.layout();
    let bound = arguments.bind(&layout, options)?;
    let lend = lead.lender();
    let verb = FoldRows::<A, M, L::Context, _, F, G> {
        init: || lend((fold.init)()),
        f: &fold.f,
        merge: &fold.merge,
        give_back: L::give_back,
        bound: &bound,
        layout: &layout,
        block: rows_of_block(sources.rows),
        merges: Merges::new(sources.rows.div_ceil(rows_of_block(sources.rows))),
        items: RowItems {
            sources,
            numbers,
            names: &[],
            has_parts: false,
        },
        marker: PhantomData,
    };
    let no_lead = Leading {
        state: NoState,
        seed: NoSeed,
    };
    call::<NoContext, _>(options, &plan, no_lead, verb)
}

/// A fold, and the results of its blocks.
struct FoldRows<'r, 'a, A, M, C, N, F, G>
where
    F: RowFn<M, C>,
{
    /// Makes an accumulator, within the context that lends it.
    init: N,
    f: &'r F,
    merge: &'r G,
    give_back: fn(C) -> A,
    bound: &'r <F::Cells as Cells>::Bound<'a>,
    layout: &'r Layout,
    /// How many rows a block has.
    block: usize,
    merges: Merges<A>,
    items: RowItems<'r, 'a>,
    marker: PhantomData<fn(M)>,
}

impl<A, M, C, N, F, G> Verb<NoContext> for FoldRows<'_, '_, A, M, C, N, F, G>
where
    A: Send,
    C: Context,
    N: Fn() -> C + Sync,
    F: RowFn<M, C>,
    F::Out: IntoUnit,
    G: Fn(A, A) -> A + Sync,
{
    type Output = A;

    const NAME: &'static str = "fold_rows";

    fn items(&self) -> &dyn Items {
        &self.items
    }

    fn cut(&self, _: &Plan) -> Option<Cut> {
        Some(Cut::ChunkRows(self.block))
    }

    fn tries_first(&self) -> bool {
        self.block < MANY
    }

    fn kernel<'j>(&'j self, _: &'j Contexts<'j, NoContext>, halt: Option<&'j Halt>) -> impl Kernel {
        FoldKernel { verb: self, halt }
    }

    fn output(self, _: &Gaps) -> Result<A> {
        match self.merges.into_one() {
            Some(accumulator) => Ok(accumulator),
            // There are no rows, so there is no block.
            None => catch(|| (self.give_back)((self.init)())).map_err(|failure| {
                let place = self.items.place(0);
                failed(within("init", failure), place, |_| None, |_| None)
            }),
        }
    }
}

/// A failure of one of the closures other than that of rows.
fn within(closure: &str, failure: Failure) -> Failure {
    match failure {
        Failure::Panic(message) => Failure::Panic(format!("within {closure}: {message}")),
        other => other,
    }
}

/// The kernel that folds blocks of rows.
struct FoldKernel<'j, 'r, 'a, A, M, C, N, F, G>
where
    F: RowFn<M, C>,
{
    verb: &'j FoldRows<'r, 'a, A, M, C, N, F, G>,
    halt: Option<&'j Halt>,
}

impl<A, M, C, N, F, G> Kernel for FoldKernel<'_, '_, '_, A, M, C, N, F, G>
where
    A: Send,
    C: Context,
    N: Fn() -> C + Sync,
    F: RowFn<M, C>,
    F::Out: IntoUnit,
    G: Fn(A, A) -> A + Sync,
{
    /// Folds the rows of a block, which are handed out together.
    fn run(&self, rows: Range<usize>, _: Duration, worker: &mut Worker<'_>) -> usize {
        let (verb, block) = (self.verb, self.verb.block);
        let (start, end) = (rows.start, rows.end);
        let mut context = match catch(&verb.init) {
            Ok(context) => context,
            Err(failure) => {
                worker.fail(start, within("init", failure));
                return end;
            }
        };
        if let Some(reached) = self.rows(rows, &mut context, worker) {
            // The accumulator is the user's, and may have been left half changed.
            quietly_drop(context);
            return reached;
        }
        let accumulator = (verb.give_back)(context);
        let merged = verb.merges.add(start / block, accumulator, verb.merge);
        if let Err((at, failure)) = merged {
            worker.fail(at * block, within("merge", failure));
        }
        end
    }

    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        self.verb.items.numbers_of(rows)
    }
}

impl<A, M, C, N, F, G> FoldKernel<'_, '_, '_, A, M, C, N, F, G>
where
    C: Context,
    F: RowFn<M, C>,
    F::Out: IntoUnit,
{
    /// Folds rows. If not all of them are done, returns the first row that is not.
    fn rows(&self, rows: Range<usize>, context: &mut C, worker: &mut Worker<'_>) -> Option<usize> {
        let verb = self.verb;
        let end = rows.end;
        let mut steps = Steps::new(worker, Duration::MAX, self.halt.is_some());
        let mut scratch = <F::Cells as Cells>::Scratch::default();
        let mut blocks = verb.layout.blocks(rows);
        while let Some((row, len, places)) = blocks.next() {
            let reader = F::Cells::open(verb.bound, places, row, len, &mut scratch);
            let mut done = 0;
            while done < len {
                let next = len.min(done + steps.stride);
                // A closure that takes long is checked before each row for whether the run was stopped.
                let is_quick = self.halt.is_none() || (steps.fast && next - done >= BATCH);
                let run = match reader.has_nulls() || !is_quick {
                    true => fold_stride::<true, M, C, F, _>,
                    false => fold_stride::<false, M, C, F, _>,
                };
                let mut i = done;
                let numbers = verb.items.numbers;
                let stretch = FoldStretch {
                    block: row,
                    rows: done..next,
                    halt: self.halt,
                };
                // SAFETY: the reader is open for the block's rows, and the careful loop is called where it has nulls.
                let ended =
                    catch(|| unsafe { run(verb.f, context, reader, numbers, stretch, &mut i) });
                worker.done(i - done);
                match ended.unwrap_or_else(FoldStride::Failed) {
                    FoldStride::Done => {}
                    FoldStride::Halted => return Some(row + i),
                    FoldStride::Failed(failure) => {
                        let failed = worker.fail(row + i, failure.of_row(row + i));
                        if failed == Verdict::Later {
                            // The run was cancelled, and the error says nothing else.
                            return Some(row + i + 1);
                        }
                        worker.done(1);
                        return Some(end);
                    }
                }
                if row + next == end {
                    break;
                }
                steps.took(next - done, true);
                if worker.is_over(row + next) {
                    return Some(row + next);
                }
                done = next;
            }
        }
        steps.leave(worker);
        None
    }
}

/// Some rows of a block that lies in one chunk of every column.
struct FoldStretch<'h> {
    /// The block's first row.
    block: usize,
    /// The rows, counted from the block's first row.
    rows: Range<usize>,
    halt: Option<&'h Halt>,
}

/// How a stretch of rows ended.
enum FoldStride {
    Done,
    /// It ended before a row, since the run was stopped from outside.
    Halted,
    /// It ended at a row, which failed.
    Failed(Failure),
}

/// The innermost loop, which is compiled twice for each closure. The plain loop checks once for each [`BATCH`] of rows whether
/// the run is stopped from outside, if it can be. The `CAREFUL` loop checks that before each row, and checks for nulls. `at` is
/// the current row, also when the loop ends with a panic.
///
/// This stays out of line, so that the compiler knows that nothing else sees the accumulator, and can keep it in a register.
///
/// # Safety
/// The reader is open for the block's rows. Unless the loop is `CAREFUL`, none of them is null.
#[inline(never)]
unsafe fn fold_stride<'s, const CAREFUL: bool, M, C, F, R>(
    f: &F,
    context: &mut C,
    reader: R,
    numbers: &RowNumbers,
    stretch: FoldStretch<'_>,
    at: &mut usize,
) -> FoldStride
where
    C: Context,
    F: RowFn<M, C>,
    F::Out: IntoUnit,
    R: Reader<Item = <F::Cells as Cells>::Of<'s>>,
{
    let FoldStretch { block, rows, halt } = stretch;
    let mut start = rows.start;
    while start < rows.end {
        if !CAREFUL && halt.is_some_and(Halt::is_set) {
            *at = start;
            return FoldStride::Halted;
        }
        let batch = match halt {
            Some(_) if !CAREFUL => BATCH.min(rows.end - start),
            _ => rows.end - start,
        };
        for i in start..start + batch {
            *at = i;
            if CAREFUL && halt.is_some_and(Halt::is_set) {
                return FoldStride::Halted;
            }
            // SAFETY: `i` is within the stretch, and it is read only where it is valid.
            let cells = unsafe {
                if CAREFUL && !reader.is_valid(i) {
                    let fault = reader.fault(i);
                    if fault.message.is_some() {
                        return FoldStride::Failed(Failure::Read(fault));
                    }
                    continue;
                }
                reader.read::<CAREFUL>(i)
            };
            context.at(numbers, block + i);
            if let Err(error) = f.call(context, cells).into_unit() {
                return FoldStride::Failed(Failure::Closure(Cause::new(error)));
            }
        }
        start += batch;
    }
    *at = rows.end;
    FoldStride::Done
}

/// The accumulators of blocks, which are merged into one.
///
/// They are merged two by two, each with its neighbour, as in a knockout tournament, and so are the results; one without a
/// neighbour goes on to the next round as it is. The worker that finishes the second of a pair merges the two. So few
/// accumulators wait at any time: between two blocks that are not done, at most two for each doubling of the number of blocks.
struct Merges<A> {
    blocks: usize,
    /// The accumulators that wait for their neighbour, by their round and their place in it.
    waiting: Mutex<BTreeMap<(u32, usize), A>>,
}

impl<A> Merges<A> {
    fn new(blocks: usize) -> Self {
        Merges {
            blocks,
            waiting: Mutex::default(),
        }
    }

    /// Takes a block's accumulator, and does the merges that are now possible. If a merge fails, returns the first block of
    /// those that were to be merged to what precedes them.
    fn add(
        &self,
        block: usize,
        mut accumulator: A,
        merge: impl Fn(A, A) -> A,
    ) -> Result<(), (usize, Failure)> {
        let (mut round, mut place, mut places) = (0, block, self.blocks);
        while places > 1 {
            let neighbour = place ^ 1;
            if neighbour < places {
                let mut waiting = self.lock();
                let Some(other) = waiting.remove(&(round, neighbour)) else {
                    waiting.insert((round, place), accumulator);
                    return Ok(());
                };
                drop(waiting);
                let (left, right) = match place < neighbour {
                    true => (accumulator, other),
                    false => (other, accumulator),
                };
                let at = (place | 1) << round;
                accumulator = catch(|| merge(left, right)).map_err(|failure| (at, failure))?;
            }
            (round, place, places) = (round + 1, place / 2, places.div_ceil(2));
        }
        self.lock().insert((round, place), accumulator);
        Ok(())
    }

    /// Returns the last accumulator, once all blocks are done.
    fn into_one(self) -> Option<A> {
        let mut waiting = std::mem::take(&mut *self.lock());
        let last = waiting.pop_first();
        last.map(|(_, accumulator)| accumulator)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(u32, usize), A>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Drop for Merges<A> {
    /// If the run has failed, the accumulators that are left are dropped here; they are the user's.
    fn drop(&mut self) {
        std::mem::take(&mut *self.lock())
            .into_values()
            .for_each(quietly_drop);
    }
}
