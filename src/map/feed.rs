//! Takes items, and gives them to a pool chunk by chunk.

use std::sync::Arc;

use super::IntoItem;
use crate::cancel::CancelToken;
use crate::error::{Error, Place};
use crate::job::{Job, Terms, spawn};
use crate::pool::Pool;
use crate::run::{Cause, Failure, catch, quietly_drop};
use crate::verbs::failed;

/// How many chunks there are for each worker, by default: one that it is in, and enough that wait for it to find one.
const CHUNKS_EACH: usize = 8;

/// What becomes of a chunk.
type Work<A, T> = dyn Fn(Chunk<A, T>, &CancelToken) -> Chunk<A, T> + Send + Sync;

/// Some items, and then their results, up to the first failure. Its memory is used for one chunk after the other: to give it
/// back on another thread than it comes from, time and again, takes longer than a fast closure.
pub(super) struct Chunk<A, T> {
    /// The number of the first item.
    pub(super) first: usize,
    pub(super) items: Vec<A>,
    /// The last first.
    pub(super) values: Vec<T>,
    pub(super) failed: Option<Error>,
}

impl<A, T> Chunk<A, T> {
    pub(super) fn empty() -> Self {
        Chunk {
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
        quietly_drop(items);
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

/// Takes items, and gives them to the pool chunk by chunk.
pub(super) struct Feed<I: Iterator, T> {
    /// None when there are no more.
    pub(super) items: Option<I>,
    pool: Pool,
    work: Arc<Work<I::Item, T>>,
    pub(super) chunk_size: usize,
    pub(super) look_ahead: usize,
    /// The number of the next item.
    next: usize,
    /// Chunks that have been read.
    spare: Vec<Chunk<I::Item, T>>,
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
            pool: pool.watched(),
            work: Arc::new(move |chunk: Chunk<I::Item, T>, token: &CancelToken| {
                chunk.call(token, &f)
            }),
            chunk_size: 1,
            look_ahead: CHUNKS_EACH * pool.workers(),
            next: 0,
            spare: Vec::new(),
        }
    }

    /// The next chunk.
    pub(super) fn chunk(&mut self) -> Option<Chunk<I::Item, T>> {
        let items = self.items.as_mut()?;
        let mut chunk = self.spare.pop().unwrap_or_else(Chunk::empty);
        chunk.first = self.next;
        chunk.items.extend(items.by_ref().take(self.chunk_size));
        if chunk.items.len() < self.chunk_size {
            self.items = None;
        }
        self.next += chunk.items.len();
        (!chunk.items.is_empty()).then_some(chunk)
    }

    /// Keeps the memory of a chunk that has been read, for as long as there are items.
    pub(super) fn reuse(&mut self, chunk: Chunk<I::Item, T>) {
        if self.items.is_some() {
            self.spare.push(chunk);
        }
    }

    /// Gives a chunk to the pool; what has come of it goes to `then`.
    pub(super) fn spawn<U>(
        &mut self,
        chunk: Chunk<I::Item, T>,
        then: impl FnOnce(Chunk<I::Item, T>) -> U + Send + 'static,
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
