//! Takes items, and gives them to a pool chunk by chunk.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::IntoItem;
use crate::cancel::CancelToken;
use crate::error::{Error, Place};
use crate::job::{Job, Terms, spawn};
use crate::pool::Pool;
use crate::run::{Cause, Failure, catch, quietly_drop};
use crate::sync::Arc;
use crate::verbs::failed;

/// How many chunks there are for each worker, by default: one that it is in, and enough that wait for it to find one.
const CHUNKS_EACH: usize = 8;

/// What becomes of a chunk.
type ChunkWork<A, T> = dyn Fn(ItemChunk<A, T>, &CancelToken) -> ItemChunk<A, T> + Send + Sync;

/// Some items, and then their results, up to the first failure. Its memory is used for one chunk after the other: to give it
/// back on another thread than it comes from, time and again, takes longer than a fast closure.
pub(super) struct ItemChunk<A, T> {
    /// The number of the first item.
    pub(super) first: usize,
    pub(super) items: Vec<A>,
    /// The last first.
    pub(super) values: Vec<T>,
    pub(super) failed: Option<Error>,
}

impl<A, T> ItemChunk<A, T> {
    pub(super) fn empty() -> Self {
        ItemChunk {
            first: 0,
            items: Vec::new(),
            values: Vec::new(),
            failed: None,
        }
    }

    /// Calls the closure for the items, until one fails.
    fn call<R>(mut self, token: &CancelToken, f: &impl Fn(A) -> R) -> Self
    where
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        let mut items = self.items.drain(..);
        self.values.reserve(items.len());
        let called = catch(|| {
            for item in items.by_ref() {
                if token.is_cancelled() {
                    return Err(None);
                }
                let value = f(item).into_item();
                self.values.push(value.map_err(|error| Some(error.into()))?);
            }
            Ok(())
        });
        items.for_each(quietly_drop);
        self.failed = match called {
            Ok(Ok(())) => None,
            Ok(Err(None)) => Some(Error::cancelled(0, 0)),
            Ok(Err(Some(error))) => Some(self.error(Failure::Closure(Cause::new(error)))),
            Err(panic) => Some(self.error(panic)),
        };
        self.values.reverse();
        self
    }

    /// The failure of the item behind the results.
    fn error(&self, failure: Failure) -> Error {
        let place = Place::Item(self.first + self.values.len());
        failed(failure, place, |_| None, |_| None)
    }
}

/// What nobody asked for is dropped one by one, wherever that is: two panics of one drop would abort the program.
impl<A, T> Drop for ItemChunk<A, T> {
    fn drop(&mut self) {
        self.items.drain(..).for_each(quietly_drop);
        self.values.drain(..).for_each(quietly_drop);
    }
}

/// Takes items, and gives them to the pool chunk by chunk.
pub(super) struct Feed<I: Iterator, T> {
    /// None when there are no more.
    items: Option<I>,
    /// A panic of the iterator. It waits until the results of all items before it were given.
    panic: Option<Box<dyn Any + Send>>,
    pool: Pool,
    work: Arc<ChunkWork<I::Item, T>>,
    pub(super) chunk_size: usize,
    pub(super) look_ahead: usize,
    /// The number of the next item.
    next: usize,
    /// Chunks that have been read.
    spare: Vec<ItemChunk<I::Item, T>>,
}

impl<I, T> Feed<I, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
{
    pub(super) fn new<F, R>(pool: &Pool, items: I, f: F) -> Self
    where
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        Feed {
            items: Some(items),
            panic: None,
            pool: pool.watched(),
            work: Arc::new(move |chunk: ItemChunk<I::Item, T>, token: &CancelToken| {
                chunk.call(token, &f)
            }),
            chunk_size: 1,
            look_ahead: CHUNKS_EACH * pool.workers(),
            next: 0,
            spare: Vec::new(),
        }
    }

    /// The next chunk; none where there are no more items, and where the iterator has panicked, until that is
    /// [raised](Self::raise). What it gave before it panicked is a chunk.
    pub(super) fn chunk(&mut self) -> Option<ItemChunk<I::Item, T>> {
        if self.panic.is_some() {
            return None;
        }
        let items = self.items.as_mut()?;
        let mut chunk = self.spare.pop().unwrap_or_else(ItemChunk::empty);
        chunk.first = self.next;
        // Unwind safe: each item is in the chunk as soon as it is taken, and an iterator that is asked again after a panic
        // is asked so by a caller who caught it.
        let has_more = catch_unwind(AssertUnwindSafe(|| {
            take(items, self.chunk_size, &mut chunk.items)
        }));
        match has_more {
            Ok(true) => {}
            Ok(false) => {
                let items = self.items.take();
                self.panic = catch_unwind(AssertUnwindSafe(|| drop(items))).err();
            }
            Err(panic) => self.panic = Some(panic),
        }
        self.next += chunk.items.len();
        (!chunk.items.is_empty()).then_some(chunk)
    }

    /// Goes on with a panic of the iterator, if there was one. The iterator can be asked for more afterwards.
    pub(super) fn raise(&mut self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
    }

    /// Takes no more items: an item before has failed, and that is the end.
    pub(super) fn stop(&mut self) {
        quietly_drop(self.items.take());
        quietly_drop(self.panic.take());
    }

    /// Keeps the memory of a chunk that has been read, for as long as there are items.
    pub(super) fn reuse(&mut self, chunk: ItemChunk<I::Item, T>) {
        if self.items.is_some() {
            self.spare.push(chunk);
        }
    }

    /// Gives a chunk to the pool; what has come of it goes to `then`.
    pub(super) fn spawn<U>(
        &mut self,
        chunk: ItemChunk<I::Item, T>,
        then: impl FnOnce(ItemChunk<I::Item, T>) -> U + Send + 'static,
    ) -> Job<U>
    where
        U: Send + 'static,
    {
        let work = self.work.clone();
        let job = spawn(
            &self.pool,
            Terms::whole(chunk.items.len()),
            move |control| Ok(then(work(chunk, control.token))),
        );
        // Once it has begun, a close does not cut it off.
        self.pool = self.pool.again();
        job
    }
}

/// Takes up to `most` items, and returns whether there may be more. The iterator is asked for nothing but its items: what a
/// hint of its size says, or does, must not cost an item that is taken already.
fn take<A>(items: &mut impl Iterator<Item = A>, most: usize, taken: &mut Vec<A>) -> bool {
    while taken.len() < most {
        match items.next() {
            Some(item) => taken.push(item),
            None => return false,
        }
    }
    true
}
