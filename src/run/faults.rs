//! The failures of a run, and the place where they end it.
//!
//! A run goes on until more rows have failed than a limit: 0 under [`OnError::Fail`](crate::OnError::Fail). The failure that
//! ends it is then the one after the limit in the order of rows, whichever worker found which failure first: the lowest of the
//! failures found so far are kept, and rows after the last of these are not run.

use std::collections::BinaryHeap;

use super::Failure;
use super::failure::quietly_drop;
use crate::error::Error;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// One failure.
#[derive(Debug)]
pub(crate) struct Record {
    /// The row, column or part that failed.
    pub(crate) item: usize,
    pub(crate) failure: Failure,
    pub(crate) attempts: u32,
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.item == other.item
    }
}

impl Eq for Record {}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Record {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.item.cmp(&other.item)
    }
}

/// A number that workers write to, in another cache line than the data that other workers read all the time.
#[derive(Debug)]
#[repr(align(128))]
struct Apart(AtomicUsize);

#[derive(Debug)]
pub(super) struct Faults {
    /// How many rows may fail.
    limit: usize,
    /// Nothing from here on needs to be run.
    end: AtomicUsize,
    /// How many rows have failed.
    count: Apart,
    /// The lowest failures, at most one more than the limit, if there is a limit; the highest of them is on top.
    lowest: Mutex<BinaryHeap<Record>>,
    /// All failures, if any number of rows may fail; they are in no order.
    noted: Mutex<Vec<Record>>,
    /// The error that ends the run whatever the policy is.
    fatal: Mutex<Option<Error>>,
}

impl Faults {
    pub(super) fn new(limit: usize) -> Self {
        Faults {
            limit,
            end: AtomicUsize::new(usize::MAX),
            count: Apart(AtomicUsize::new(0)),
            lowest: Mutex::default(),
            noted: Mutex::default(),
            fatal: Mutex::default(),
        }
    }

    /// Returns whether a failure at or before this item makes the work from this item on pointless.
    #[inline]
    pub(super) fn end_before(&self, item: usize) -> bool {
        // Relaxed: a late answer costs a stretch of work; the failures themselves are behind the mutex.
        self.end.load(Ordering::Relaxed) <= item
    }

    pub(super) fn end(&self) -> usize {
        self.end.load(Ordering::Relaxed)
    }

    pub(super) fn count(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }

    /// Records a failure, and returns whether the run goes on after it. If any number of rows may fail, the failure is added to
    /// the worker's `own` failures, for [`Faults::take_over`].
    pub(super) fn record(&self, mut record: Record, own: &mut Vec<Record>) -> bool {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        let item = record.item;
        if self.limit == usize::MAX {
            // This failure will not end the run, so nobody asks for the error itself.
            record.failure = record.failure.said();
            own.push(record);
            return !self.end_before(item);
        }
        let surplus = {
            let mut records = self.lock();
            records.push(record);
            let surplus = if records.len() - 1 > self.limit {
                records.pop()
            } else {
                None
            };
            if records.len() > self.limit
                && let Some(last) = records.peek()
            {
                self.end.fetch_min(last.item, Ordering::Relaxed);
            }
            surplus
        };
        // It may contain a user's error, whose drop may panic as well.
        quietly_drop(surplus);
        !self.end_before(item)
    }

    /// Takes over the failures that a worker has recorded.
    pub(super) fn take_over(&self, mut own: Vec<Record>) {
        if !own.is_empty() {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.append(&mut own);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Record>> {
        self.lowest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the run.
    pub(super) fn abort(&self, error: Error) {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        self.end.store(0, Ordering::Relaxed);
        let surplus = match &*fatal {
            Some(_) => Some(error),
            None => {
                *fatal = Some(error);
                None
            }
        };
        drop(fatal);
        // It may contain a user's error.
        quietly_drop(surplus);
    }

    pub(super) fn take_fatal(&self) -> Option<Error> {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.take()
    }

    /// Returns the failures in order.
    pub(super) fn into_records(self) -> Vec<Record> {
        let noted = self.noted.into_inner();
        let mut records = noted.unwrap_or_else(PoisonError::into_inner);
        let lowest = self.lowest.into_inner();
        records.extend(lowest.unwrap_or_else(PoisonError::into_inner));
        // The sort is stable, which makes use of the fact that the failures of each worker are nearly in order.
        records.sort();
        records
    }
}
