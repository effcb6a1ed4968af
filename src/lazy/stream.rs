//! Running a stream: the query's batches are given to workers, or to one closure one after the other.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Instant;

use polars::prelude::{Column, DataFrame, IntoColumn, LazyFrame, PolarsResult, Series};

use super::batches::{Batches, How, ResultIter};
use super::channel::{Deadline, Query};
use super::item::IntoBatch;
use super::query_rows::{NO_LEAD, QueryRows, empty_frame};
use super::settings::{QueryMeter, QueryOptions, Settings};
use crate::cancel::CancelToken;
use crate::context::{
    Context, Finish, IntoState, Lead, NoContext, State, WithState, finish_all, make,
};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::function::{ChunkFn, RowFn};
use crate::options::OnError;
use crate::partition::Chunk;
use crate::pool::Pool;
use crate::progress::TickState;
use crate::read::Given;
use crate::row_numbers::{RowNumbers, UNKNOWN};
use crate::run::{Cause, Failure, catch, quietly_drop};
use crate::sealed::Sealed;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::verbs::{Kind, Over, failed};
use crate::write::{IntoRow, OneColumn};

impl<T: Send + 'static> Batches<T> {
    /// A stream of a function of batches, called in parallel.
    pub(super) fn of_chunks<M, F>(frame: LazyFrame, settings: Settings, f: F) -> Self
    where
        F: ChunkFn<M> + Send + 'static,
        F::Out: IntoBatch<Item = T>,
    {
        Batches::new(move |how| {
            let shared = settings.clone().share(Kind::Chunks, Over::Stream);
            let deadline = deadline(&shared);
            let query = started(frame, &settings, how, deadline, |_| shared.check())?;
            let QueryOptions { options, meter, .. } = shared;
            let told = meter.clone();
            let call = move |chunk: Chunk| {
                deadline.check(chunk.row_offset())?;
                let token = options.cancel.as_ref();
                call_chunk(&f, &mut NoContext, chunk, token, told.as_deref())
            };
            Ok(in_parallel(query, how, meter, call))
        })
    }

    /// A stream of a function of batches with a state, called for one batch after the other.
    pub(super) fn of_chunks_in_order<M, S, I, O, G, F>(
        frame: LazyFrame,
        settings: Settings,
        state: State<I, G>,
        f: F,
    ) -> Self
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        G: Finish<S> + Send + 'static,
        S: Send + 'static,
        F: ChunkFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoBatch<Item = T>,
    {
        Batches::new(move |how| {
            let shared = settings.clone().share(Kind::Chunks, Over::Stream);
            let deadline = deadline(&shared);
            let query = started(frame, &settings, how, deadline, |_| shared.check())?;
            let QueryOptions { options, meter, .. } = shared;
            let told = meter.clone();
            let call = move |slot: &Slot<S>, chunk| {
                let mut state = taken(slot, &state.init)?;
                let token = options.cancel.as_ref();
                let result = call_chunk(&f, &mut state, chunk, token, told.as_deref());
                *lock(slot) = Some(state);
                result
            };
            Ok(in_order(query, meter, state.finish, call))
        })
    }
}

impl Batches<DataFrame> {
    /// A stream of a row function, called in parallel.
    pub(super) fn of_rows<M, F>(frame: LazyFrame, settings: Settings, f: F) -> Self
    where
        F: RowFn<M> + Send + 'static,
        F::Out: IntoRow,
    {
        Batches::new(move |how| {
            let call = QueryRows::new(f, settings.clone(), Kind::Rows, Over::Stream);
            let deadline = deadline(&call.shared);
            let query = started(frame, &settings, how, deadline, |empty| {
                call.plan::<M, NoContext>(planned(empty), NO_LEAD).map(drop)
            })?;
            let meter = call.shared.meter.clone();
            let add = move |chunk| add_rows::<M, NoContext, F>(&call, NO_LEAD, chunk, deadline);
            Ok(in_parallel(query, how, meter, add))
        })
    }

    /// A stream of a row function with a state, called for one row after the other.
    pub(super) fn of_rows_in_order<M, S, I, O, G, F>(
        frame: LazyFrame,
        settings: Settings,
        state: State<I, G>,
        f: F,
    ) -> Self
    where
        I: Fn() -> O + Send + Sync + 'static,
        O: IntoState<S>,
        G: Finish<S> + Send + 'static,
        S: Send + 'static,
        F: RowFn<M, WithState<S>> + Send + 'static,
        F::Out: IntoRow,
    {
        Batches::new(move |how| {
            let State { init, finish } = state;
            let call = QueryRows::new(f, settings.clone(), Kind::Rows, Over::Stream);
            let deadline = deadline(&call.shared);
            let query = started(frame, &settings, how, deadline, |empty| {
                let (slot, init) = (&Slot::new(None), &init);
                call.plan::<M, WithState<S>>(planned(empty), OfStream { slot, init })
                    .map(drop)
            })?;
            let meter = call.shared.meter.clone();
            let add = move |slot: &Slot<S>, chunk| {
                let init = &init;
                add_rows::<M, WithState<S>, F>(&call, OfStream { slot, init }, chunk, deadline)
            };
            Ok(in_order(query, meter, finish, add))
        })
    }
}

/// How many rows a batch has by default. The reader of a source does not cut it for a sink of batches, so a frame would be one
/// batch.
const DEFAULT_ROWS: usize = 50_000;

/// Begins the query, after its plan and all options are checked.
fn started(
    mut frame: LazyFrame,
    settings: &Settings,
    how: &How,
    deadline: Deadline,
    check: impl FnOnce(&DataFrame) -> Result<()>,
) -> Result<Query> {
    let chunk_rows =
        NonZeroUsize::new(how.chunk_rows.unwrap_or(DEFAULT_ROWS)).ok_or_else(|| {
            let (option, message) = (
                "chunk_rows",
                "batches of 0 rows cannot hold the rows; give 1 or more".into(),
            );
            Error::from(ErrorKind::Option { option, message })
        })?;
    if let Some(token) = &settings.options.cancel {
        token.check()?;
    }
    // Planning may read files, and Polars cannot wait for them on every thread.
    let schema = catch(|| frame.collect_schema()).map_err(|failure| match failure {
        Failure::Panic(message) => {
            anyhow::anyhow!("Polars panicked when it planned the query: {message}").into()
        }
        other => Error::from(anyhow::anyhow!("{other:?}")),
    })??;
    check(&empty_frame(&schema)?)?;
    let token = settings.options.cancel.clone();
    Query::start(frame, schema, chunk_rows, token, deadline)
}

/// Returns the deadline of a stream that begins now.
fn deadline(shared: &QueryOptions) -> Deadline {
    Deadline {
        since: Instant::now(),
        after: shared.deadline,
    }
}

/// Returns what a query's call is checked with.
fn planned(empty: &DataFrame) -> Given<'_> {
    Given {
        numbers: Some(&UNKNOWN),
        ..Given::of(empty)
    }
}

/// Gives batches to Polars' pool.
fn in_parallel<T: Send + 'static>(
    query: Query,
    how: &How,
    meter: Option<Arc<QueryMeter>>,
    call: impl Fn(Chunk) -> Result<T> + Send + Sync + 'static,
) -> ResultIter<T> {
    let pool = Pool::default();
    let look_ahead = how.look_ahead.unwrap_or(2 * pool.workers());
    let call = move |chunk: Result<Chunk>| chunk.and_then(&call).map_err(Quiet::new);
    if how.unordered {
        let results = pool.imap_unordered::<T, _, _, _>(query, call);
        let results = results.look_ahead(look_ahead);
        return Box::new(watched(results, meter));
    }
    let results = pool.imap::<T, _, _, _>(query, call);
    Box::new(watched(results.look_ahead(look_ahead), meter))
}

/// Calls the function for one batch after the other, on the thread that asks, with one state, which the hook gets at the end.
fn in_order<T: 'static, S: Send + 'static>(
    mut query: Query,
    meter: Option<Arc<QueryMeter>>,
    finish: impl Finish<S> + Send + 'static,
    call: impl Fn(&Slot<S>, Chunk) -> Result<T> + Send + 'static,
) -> ResultIter<T> {
    let slot = Slot::new(None);
    let mut finish = Some(finish);
    let results = std::iter::from_fn(move || {
        let chunk = query.next();
        // The batches of a failed query may have a gap before them, so its state is not given to the hook.
        if let Some(Err(error)) = &chunk
            && !matches!(error.kind(), ErrorKind::Cancelled { .. })
        {
            finish = None;
        }
        let result = chunk.map(|chunk| call(&slot, chunk?));
        if let Some(Ok(_)) = result {
            return result;
        }
        let state = lock(&slot).take().map(|WithState(state)| state);
        let finished = finish
            .take()
            .map_or(Ok(()), |finish| finish_all(finish, state.into_iter()));
        match (result, finished) {
            (None, Err(error)) => Some(Err(error)),
            (result, finished) => {
                quietly_drop(finished);
                result
            }
        }
    });
    Box::new(watched(results, meter))
}

/// Passes results on, and reports the end.
fn watched<T>(
    mut results: impl Iterator<Item = Result<T>> + Send,
    meter: Option<Arc<QueryMeter>>,
) -> impl Iterator<Item = Result<T>> + Send {
    // The pool wraps an error as that of its item, which is a batch here. The error inside already says where it occurred.
    let own = |error: Error| match error.into_kind() {
        ErrorKind::Closure {
            place: Place::Item(_),
            cause,
        } => match cause.downcast::<Quiet>() {
            Ok(quiet) => quiet.into_inner(),
            Err(cause) => cause.into(),
        },
        kind => kind.into(),
    };
    std::iter::from_fn(move || {
        let result = results.next().map(|result| result.map_err(own));
        let Some(meter) = &meter else {
            return result;
        };
        let told = match &result {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => meter.failed(error),
            None => meter.ended(TickState::Finished),
        };
        match (told, result) {
            (Err(error), Some(Ok(_)) | None) => Some(Err(error)),
            (_, result) => result,
        }
    })
}

/// Calls a function of batches.
fn call_chunk<T, M, C, F>(
    f: &F,
    context: &mut C,
    chunk: Chunk,
    token: Option<&CancelToken>,
    meter: Option<&QueryMeter>,
) -> Result<T>
where
    F: ChunkFn<M, C>,
    F::Out: IntoBatch<Item = T>,
{
    if let Some(token) = token {
        token.check()?;
    }
    let rows = chunk.height();
    let place = Place::Part {
        index: chunk.index(),
        row_offset: chunk.row_offset(),
    };
    let called = catch(|| f.call(context, chunk).map(IntoBatch::into_batch));
    let called = called.and_then(|result: Result<Result<T, anyhow::Error>>| {
        let result = result.map_err(Failure::Known)?;
        result.map_err(|error| Failure::Closure(Cause::new(error)))
    });
    let result = called.map_err(|failure| failed(failure, place, |_| None, |_| None));
    if let Some(meter) = meter {
        let told = match &result {
            Ok(_) => meter.tell(rows, 0).and_then(|()| meter.passed(rows)),
            Err(_) => meter.tell(0, 1),
        };
        // An error of the closure takes precedence over one of the listener.
        return result.and_then(|result| told.map(|()| result));
    }
    result
}

/// Adds a row function's results to a batch.
fn add_rows<M, C, F>(
    call: &QueryRows<F>,
    lead: impl Lead<C>,
    chunk: Chunk,
    deadline: Deadline,
) -> Result<DataFrame>
where
    C: Context + Send,
    F: RowFn<M, C>,
    F::Out: IntoRow,
{
    let numbers = RowNumbers::from_first(chunk.row_offset() as u64, chunk.height())?;
    let mut frame = chunk.into_frame();
    let given = Given {
        numbers: Some(&numbers),
        ..Given::of(&frame)
    };
    let outcome = call.outcome::<M, C>(given, lead, deadline.since, true)?;
    if call.shared.options.on_error() == OnError::Skip {
        frame = frame.filter(&outcome.kept_mask())?;
    }
    let results = outcome.output.one_column(call.name.clone());
    let results = match <F::Out as IntoRow>::Output::IS_FRAME {
        true => results.struct_()?.fields_as_series(),
        false => vec![results.take_materialized_series()],
    };
    let lengths = chunk_lengths(&frame);
    for results in results {
        frame.with_column(cut(results, &lengths)?.into_column())?;
    }
    frame.align_chunks();
    Ok(frame)
}

/// Returns the lengths of the chunks of the frame's columns, which are the same in all columns.
fn chunk_lengths(frame: &DataFrame) -> Vec<usize> {
    let column = frame.columns().iter().find_map(Column::as_series);
    let chunks = column.map(|column| column.chunks().iter().map(|chunk| chunk.len()));
    chunks.into_iter().flatten().collect()
}

/// Cuts a column into chunks of these lengths, without a copy. Code that writes a frame chunk by chunk needs the same chunks in all
/// columns.
fn cut(series: Series, lengths: &[usize]) -> PolarsResult<Series> {
    let Some((first, rest)) = lengths.split_first() else {
        return Ok(series);
    };
    let mut cut = series.slice(0, *first);
    for length in rest {
        cut.append(&series.slice(cut.len() as i64, *length))?;
    }
    Ok(cut)
}

/// An error among results that nobody may ask for. Its content is the user's, and its drop may panic; here such a panic is caught.
struct Quiet(Option<Error>);

impl Quiet {
    fn new(error: Error) -> Self {
        Quiet(Some(error))
    }

    fn into_inner(mut self) -> Error {
        self.0.take().expect("it is taken once")
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        quietly_drop(self.0.take());
    }
}

impl fmt::Debug for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |error| error.fmt(f))
    }
}

impl std::error::Error for Quiet {}

/// The one state of a stream.
type Slot<S> = Mutex<Option<WithState<S>>>;

/// Takes the state, which is made on first use.
fn taken<S, O: IntoState<S>>(slot: &Slot<S>, init: impl Fn() -> O) -> Result<WithState<S>> {
    let kept = lock(slot).take();
    kept.map_or_else(|| make(init).map(WithState), Ok)
}

fn lock<S>(slot: &Slot<S>) -> MutexGuard<'_, Option<WithState<S>>> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lends the state to one call after the other.
struct OfStream<'s, S, I> {
    slot: &'s Slot<S>,
    init: &'s I,
}

impl<S, I> Sealed for OfStream<'_, S, I> {}

impl<S, I, O> Lead<WithState<S>> for OfStream<'_, S, I>
where
    S: Send,
    I: Fn() -> O + Sync,
    O: IntoState<S>,
{
    const SEEDED: bool = false;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<WithState<S>> + Sync,
        impl FnOnce(Vec<WithState<S>>) -> Result<()>,
    ) {
        let OfStream { slot, init } = self;
        let give_back = move |mut states: Vec<WithState<S>>| {
            if let Some(state) = states.pop() {
                *lock(slot) = Some(state);
            }
            Ok(())
        };
        (move || taken(slot, init), give_back)
    }
}
