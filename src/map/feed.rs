//! Takes items from an iterator, and gives them to a pool chunk by chunk.

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

/// How many chunks may be under way for each worker by default: the one that it runs, and enough that wait for it to find one.
const CHUNKS_EACH: usize = 8;

/// What a worker does with a chunk.
type ChunkWork<A, T> = dyn Fn(ItemChunk<A, T>, &CancelToken) -> ItemChunk<A, T> + Send + Sync;

/// Some items, and then their results, up to the first failure. Its memory is reused for one chunk after another, because freeing
/// memory on another thread than the one that allocated it takes longer than a fast closure, if it is done for each chunk.
pub(super) struct ItemChunk<A, T> {
    /// The number of the first item.
    pub(super) first: usize,
    pub(super) items: Vec<A>,
    /// The results in reverse order.
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

    /// Returns the failure of the item after the last result.
    fn error(&self, failure: Failure) -> Error {
        let place = Place::Item(self.first + self.values.len());
        failed(failure, place, |_| None, |_| None)
    }
}

/// Drops what nobody asked for one by one, since two panics of a single drop would abort the program.
impl<A, T> Drop for ItemChunk<A, T> {
    fn drop(&mut self) {
        self.items.drain(..).for_each(quietly_drop);
        self.values.drain(..).for_each(quietly_drop);
    }
}

/// Takes items, and gives them to the pool chunk by chunk.
pub(super) struct Feed<I: Iterator, T> {
    /// The iterator, or `None` when there are no more items.
    items: Option<I>,
    /// A panic of the iterator, kept until the results of all items before it were given.
    panic: Option<Box<dyn Any + Send>>,
    pool: Pool,
    work: Arc<ChunkWork<I::Item, T>>,
    pub(super) chunk_size: usize,
    pub(super) look_ahead: usize,
    /// The number of the next item.
    next: usize,
    /// Chunks that have been read, whose memory can be reused.
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

    /// Returns the next chunk, or `None` where there are no more items. After a panic of the iterator it returns `None` until the
    /// panic is [raised](Self::raise). The items that came before the panic form a chunk.
    pub(super) fn chunk(&mut self) -> Option<ItemChunk<I::Item, T>> {
        if self.panic.is_some() {
            return None;
        }
        let items = self.items.as_mut()?;
        let mut chunk = self.spare.pop().unwrap_or_else(ItemChunk::empty);
        chunk.first = self.next;
        // This is unwind safe: each item is in the chunk as soon as it is taken, and only a caller who caught the panic can ask the
        // iterator again.
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

    /// Resumes a panic of the iterator, if there was one. The iterator can be asked for more items afterwards.
    pub(super) fn raise(&mut self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic);
        }
    }

    /// Takes no more items, since an earlier item has failed and its error is the end.
    pub(super) fn stop(&mut self) {
        quietly_drop(self.items.take());
        quietly_drop(self.panic.take());
    }

    /// Keeps the memory of a chunk that has been read, as long as there are more items.
    pub(super) fn reuse(&mut self, chunk: ItemChunk<I::Item, T>) {
        if self.items.is_some() {
            self.spare.push(chunk);
        }
    }

    /// Gives a chunk to the pool, and its results to `then`.
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
        // From now on, closing the pool does not stop this iterator.
        self.pool = self.pool.again();
        job
    }
}

/// Takes up to `most` items, and returns whether there may be more. Only `next` is called: `size_hint` could panic, and an item
/// that is taken already must not be lost.
fn take<A>(items: &mut impl Iterator<Item = A>, most: usize, taken: &mut Vec<A>) -> bool {
    while taken.len() < most {
        match items.next() {
            Some(item) => taken.push(item),
            None => return false,
        }
    }
    true
}
