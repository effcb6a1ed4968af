//! The failures of a run, and where they end it.
//!
//! A run goes on until more than a limit of rows have failed: 0 under [`OnError::Fail`](crate::OnError::Fail). What ends
//! it is then the failure after the limit in the order of rows, whoever met which first: of the failures met so far the
//! lowest are kept, and rows beyond the last of these are not run.

use std::collections::BinaryHeap;

use super::Failure;
use super::failure::quietly_drop;
use crate::error::Error;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// One failure.
#[derive(Debug)]
pub(crate) struct Record {
    /// The row, column or part.
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

/// A number that workers write to, in a cache line apart from what the others read all the time.
#[derive(Debug)]
#[repr(align(128))]
struct Apart(AtomicUsize);

#[derive(Debug)]
pub(super) struct Faults {
    /// How many may fail.
    limit: usize,
    /// Nothing from here on need be run.
    end: AtomicUsize,
    /// How many have failed.
    count: Apart,
    /// The lowest, at most one more than the limit, where there is one; the highest of them first.
    lowest: Mutex<BinaryHeap<Record>>,
    /// All, where any number may fail; in no order.
    noted: Mutex<Vec<Record>>,
    /// What ends the run whatever the policy.
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

    /// Whether a failure at or before this item makes the work from it on pointless.
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

    /// Notes a failure; and whether the run goes on beyond it. Where any number may fail, it is put with the worker's
    /// `own`, for [`Faults::take_over`].
    pub(super) fn record(&self, mut record: Record, own: &mut Vec<Record>) -> bool {
        self.count.0.fetch_add(1, Ordering::Relaxed);
        let item = record.item;
        if self.limit == usize::MAX {
            // It will not end the run, so nobody asks for the error itself.
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
        // It may hold an error of the user's, whose drop is not to be trusted either.
        quietly_drop(surplus);
        !self.end_before(item)
    }

    /// Takes over what a worker has noted.
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
        // It may hold an error of the user's.
        quietly_drop(surplus);
    }

    pub(super) fn take_fatal(&self) -> Option<Error> {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.take()
    }

    /// The failures in order.
    pub(super) fn into_records(self) -> Vec<Record> {
        let noted = self.noted.into_inner();
        let mut records = noted.unwrap_or_else(PoisonError::into_inner);
        let lowest = self.lowest.into_inner();
        records.extend(lowest.unwrap_or_else(PoisonError::into_inner));
        // Stable: each worker's are nearly in order, which that makes use of.
        records.sort();
        records
    }
}
