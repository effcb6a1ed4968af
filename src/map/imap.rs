//! `imap`: the results of items as an iterator, with a bounded number of items under way.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::mem;

use super::IntoItem;
use super::feed::{Feed, ItemChunk};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::pool::{Pool, wait_while};
use crate::run::quietly_drop;
use crate::sync::{Arc, Condvar, Mutex, PoisonError};

impl Pool {
    /// Returns an iterator over the results of a closure for each item, in order.
    ///
    /// Use it for more items than should be in memory, and for results that are needed as they come.
    ///
    /// It is lazy: the first call of `next` takes the first items. From then on, at most [`look_ahead`](Imap::look_ahead) chunks
    /// are taken before their results are asked for. So it can go over an endless iterator, and its memory is bounded.
    ///
    /// Items are taken on the thread that asks for results. So the iterator need not be `Send`, and an iterator that waits (for a
    /// channel, for a socket) blocks no worker. But `next` waits with it until it has taken as many chunks as allowed, or until the
    /// next result is ready. Over such an iterator, set a small `look_ahead`.
    ///
    /// By default a chunk is one item. For items that take less than some microseconds, set more with
    /// [`chunk_size`](Imap::chunk_size).
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let squares = pool.imap(1u64.., |n| n * n).chunk_size(100);
    /// let large = squares.map(|square| square.unwrap()).find(|square| *square > 1_000_000);
    /// assert_eq!(large, Some(1_002_001));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Each item of the returned iterator is a `Result`. The first error is the last item: it is the error of the lowest item that
    /// failed, and comes after the results of all items before it. If the closure returns a `Result`, the iterator gives its values
    /// or each `Result`, as the type says (see [`IntoItem`]); with each `Result`, an error ends nothing, and the iterator goes on.
    ///
    /// The iterator does not keep the pool alive: it ends with an error when the pool is terminated or its last clone is dropped.
    /// In a pool that is closed, no new iterator can begin; those that have begun go on until [`join`](Pool::join) ends the
    /// threads.
    ///
    /// # Panics
    /// If the iterator of the items panics, `next` panics with the same payload, after the results of all items before. No item is
    /// lost: a caller that catches the panic may go on, and the next item is the one that the iterator gives next. Items are
    /// numbered as by [`enumerate`](Iterator::enumerate): a call that panicked gave no item, and has no number. If an earlier item
    /// has failed, its error is the end, and the panic is dropped.
    pub fn imap<T, I, F, R>(&self, items: I, f: F) -> Imap<I::IntoIter, T>
    where
        T: Send + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        Imap {
            feed: Feed::new(self, items.into_iter(), f),
            under_way: VecDeque::new(),
            reading: ItemChunk::empty(),
        }
    }

    /// Returns an iterator as [`imap`](Pool::imap) does, with the results in the order in which chunks are done.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let mut squares = pool.imap_unordered(0..5, |n| n * n).collect::<polars_par_apply::Result<Vec<_>>>()?;
    /// squares.sort();
    /// assert_eq!(squares, [0, 1, 4, 9, 16]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`imap`](Pool::imap): the last item is the error of the lowest item that failed. It comes after the results of all
    /// items before that one, and perhaps of some after it.
    ///
    /// # Panics
    /// Those of [`imap`](Pool::imap).
    pub fn imap_unordered<T, I, F, R>(&self, items: I, f: F) -> ImapUnordered<I::IntoIter, T>
    where
        T: Send + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        ImapUnordered {
            feed: Feed::new(self, items.into_iter(), f),
            under_way: Vec::new(),
            reading: ItemChunk::empty(),
            failed: None,
            replies: Arc::new(Replies::new()),
        }
    }
}

/// An iterator over the results of [`Pool::imap`], in the order of the items.
///
/// Dropping it cancels the items that are under way.
#[must_use = "it is lazy: nothing is called before `next` is"]
pub struct Imap<I: Iterator, T> {
    feed: Feed<I, T>,
    /// The chunks that are under way, in order.
    under_way: VecDeque<Job<ItemChunk<I::Item, T>>>,
    reading: ItemChunk<I::Item, T>,
}

/// An iterator over the results of [`Pool::imap_unordered`], in the order in which chunks are done.
///
/// Dropping it cancels the items that are under way.
#[must_use = "it is lazy: nothing is called before `next` is"]
pub struct ImapUnordered<I: Iterator, T> {
    feed: Feed<I, T>,
    /// The chunks that are under way, in order, with the numbers of their first items.
    under_way: Vec<(usize, Job<()>)>,
    reading: ItemChunk<I::Item, T>,
    /// The lowest failure so far, which ends the iterator when the chunks before it are done.
    failed: Option<(usize, Error)>,
    replies: Arc<Replies<I::Item, T>>,
}

/// The replies about chunks, in the order in which they were done.
struct Replies<A, T> {
    done: Mutex<VecDeque<Reply<A, T>>>,
    bell: Condvar,
}

impl<A, T> Replies<A, T> {
    fn new() -> Self {
        Replies {
            done: Mutex::default(),
            bell: Condvar::new(),
        }
    }

    fn add(&self, reply: Reply<A, T>) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.push_back(reply);
        drop(done);
        self.bell.notify_one();
    }

    /// Waits for the next reply.
    fn next(&self) -> Reply<A, T> {
        let mut done = wait_while(&self.done, &self.bell, None, VecDeque::is_empty);
        done.pop_front().expect("there is one")
    }
}

/// A reply about a chunk: the number of its first item, and the chunk, or `None` if the chunk was never reached.
type Reply<A, T> = (usize, Option<ItemChunk<A, T>>);

/// Implements what both iterators share.
macro_rules! imap {
    ($Imap:ident) => {
        impl<I: Iterator, T> $Imap<I, T> {
            /// Sets how many items a worker takes at a time; 1 by default, and at least 1.
            ///
            /// With more, each item costs less, but the items are shared less evenly.
            pub fn chunk_size(mut self, items: usize) -> Self {
                self.feed.chunk_size = items.max(1);
                self
            }

            /// Sets how many chunks are taken, at most, before their results are asked for; eight for each worker by default, and
            /// at least 1.
            ///
            /// So memory holds at most this many times [`chunk_size`](Self::chunk_size) items and results, and the results of the
            /// chunk that is being read.
            pub fn look_ahead(mut self, chunks: usize) -> Self {
                self.feed.look_ahead = chunks.max(1);
                self
            }
        }

        impl<I, T> Iterator for $Imap<I, T>
        where
            I: Iterator,
            I::Item: Send + 'static,
            T: Send + 'static,
        {
            type Item = Result<T>;

            #[inline]
            fn next(&mut self) -> Option<Result<T>> {
                match self.reading.values.pop() {
                    Some(value) => Some(Ok(value)),
                    None => self.next_chunk(),
                }
            }
        }

        impl<I, T> FusedIterator for $Imap<I, T>
        where
            I: Iterator,
            I::Item: Send + 'static,
            T: Send + 'static,
        {
        }

        impl<I: Iterator, T> fmt::Debug for $Imap<I, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($Imap))
                    .field("chunk_size", &self.feed.chunk_size)
                    .field("look_ahead", &self.feed.look_ahead)
                    .field("under_way", &self.under_way.len())
                    .finish_non_exhaustive()
            }
        }
    };
}

imap!(Imap);
imap!(ImapUnordered);

impl<I, T> Imap<I, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
{
    /// Takes items until the allowed number of chunks is under way. It stops early when the first chunk is done, so that its
    /// results are given before the iterator may block on more items.
    fn take_ahead(&mut self) {
        while self.under_way.len() < self.feed.look_ahead {
            let Some(chunk) = self.feed.chunk() else {
                return;
            };
            let job = self.feed.spawn(chunk, |chunk| chunk);
            self.under_way.push_back(job);
            if self.under_way.front().is_some_and(Job::is_ready) {
                return;
            }
        }
    }

    /// Returns the first result of the next chunk.
    fn next_chunk(&mut self) -> Option<Result<T>> {
        loop {
            if let Some(error) = self.reading.failed.take() {
                self.feed.stop();
                self.under_way.drain(..).for_each(quietly_drop);
                return Some(Err(error));
            }
            let read = mem::replace(&mut self.reading, ItemChunk::empty());
            self.feed.reuse(read);
            self.take_ahead();
            let Some(job) = self.under_way.pop_front() else {
                self.feed.raise();
                return None;
            };
            match job.get() {
                Ok(chunk) => self.reading = chunk,
                Err(error) => self.reading.failed = Some(error),
            }
            if let Some(value) = self.reading.values.pop() {
                return Some(Ok(value));
            }
        }
    }
}

impl<I, T> ImapUnordered<I, T>
where
    I: Iterator,
    I::Item: Send + 'static,
    T: Send + 'static,
{
    fn take_ahead(&mut self) {
        while self.under_way.len() < self.feed.look_ahead {
            let Some(chunk) = self.feed.chunk() else {
                return;
            };
            let first = chunk.first;
            let answer = Answer {
                first,
                chunk: None,
                to: self.replies.clone(),
            };
            let job = self.feed.spawn(chunk, move |chunk| answer.give(chunk));
            self.under_way.push((first, job));
            if self.under_way.iter().any(|(_, job)| job.is_ready()) {
                return;
            }
        }
    }

    fn next_chunk(&mut self) -> Option<Result<T>> {
        loop {
            if self.failed.is_none() {
                self.take_ahead();
            }
            if self.under_way.is_empty() {
                let Some((_, error)) = self.failed.take() else {
                    self.feed.raise();
                    return None;
                };
                self.feed.stop();
                return Some(Err(error));
            }
            // One begun job is enough to go on. If a thread of a pool had all jobs begun that it waits for, the number of threads
            // would multiply with each nested wait.
            if let Some((_, job)) = self.under_way.first() {
                job.hasten();
            }
            let (first, chunk) = self.replies.next();
            let is_it = |(other, _): &(usize, Job<()>)| *other == first;
            let Some(place) = self.under_way.iter().position(is_it) else {
                // The chunk was cancelled below, and its reply came late.
                quietly_drop(chunk);
                continue;
            };
            let (_, job) = self.under_way.remove(place);
            let mut chunk = chunk.unwrap_or_else(ItemChunk::empty);
            // For a chunk that was never reached, only its job has the error.
            if chunk.values.is_empty() && chunk.failed.is_none() {
                chunk.failed = job.get().err();
            }
            if let Some(error) = chunk.failed.take()
                && self
                    .failed
                    .as_ref()
                    .is_none_or(|(lowest, _)| first < *lowest)
            {
                // A chunk before this one may still fail; the chunks after it are not wanted.
                self.under_way.retain(|(other, _)| *other < first);
                self.failed = Some((first, error));
            }
            let read = mem::replace(&mut self.reading, chunk);
            self.feed.reuse(read);
            if let Some(value) = self.reading.values.pop() {
                return Some(Ok(value));
            }
        }
    }
}

/// A reply that is sent when this is dropped, however the job ended.
struct Answer<A, T> {
    first: usize,
    chunk: Option<ItemChunk<A, T>>,
    to: Arc<Replies<A, T>>,
}

impl<A, T> Answer<A, T> {
    fn give(mut self, chunk: ItemChunk<A, T>) {
        self.chunk = Some(chunk);
    }
}

impl<A, T> Drop for Answer<A, T> {
    fn drop(&mut self) {
        self.to.add((self.first, self.chunk.take()));
    }
}
