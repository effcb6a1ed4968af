//! The failures of a run, and where they end it.
//!
//! A run goes on until more than a limit of rows have failed: 0 under [`OnError::Fail`](crate::OnError::Fail). What ends
//! it is then the failure after the limit in the order of rows, whoever met which first: of the failures met so far the
//! lowest are kept, and rows beyond the last of these are not run.

use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Failure;
use super::failure::quietly_drop;
use crate::error::Error;

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

#[derive(Debug)]
enum Records {
    /// All, where there is no limit; in no order.
    All(Vec<Record>),
    /// The lowest, at most one more than the limit; the highest of them first.
    Lowest(BinaryHeap<Record>),
}

#[derive(Debug)]
pub(super) struct Faults {
    /// How many may fail.
    limit: usize,
    /// Nothing from here on need be run.
    end: AtomicUsize,
    /// How many have failed.
    count: AtomicUsize,
    records: Mutex<Records>,
    /// What ends the run whatever the policy.
    fatal: Mutex<Option<Error>>,
}

impl Faults {
    pub(super) fn new(limit: usize) -> Self {
        Faults {
            limit,
            end: AtomicUsize::new(usize::MAX),
            count: AtomicUsize::new(0),
            records: Mutex::new(match limit {
                usize::MAX => Records::All(Vec::new()),
                _ => Records::Lowest(BinaryHeap::new()),
            }),
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
        self.count.load(Ordering::Relaxed)
    }

    /// Notes a failure; and whether the run goes on beyond it.
    pub(super) fn record(&self, mut record: Record) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.limit == usize::MAX {
            // It will not end the run, so nobody asks for the error itself.
            record.failure = record.failure.said();
        }
        let item = record.item;
        let surplus = {
            let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *records {
                Records::All(records) => {
                    records.push(record);
                    None
                }
                Records::Lowest(records) => {
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
                }
            }
        };
        // It may hold an error of the user's, whose drop is not to be trusted either.
        quietly_drop(surplus);
        !self.end_before(item)
    }

    /// Ends the run.
    pub(super) fn abort(&self, error: Error) {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        self.end.store(0, Ordering::Relaxed);
        fatal.get_or_insert(error);
    }

    pub(super) fn take_fatal(&self) -> Option<Error> {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        fatal.take()
    }

    /// The failures in order.
    pub(super) fn into_records(self) -> Vec<Record> {
        let records = self.records.into_inner();
        match records.unwrap_or_else(PoisonError::into_inner) {
            Records::All(mut records) => {
                records.sort_unstable();
                records
            }
            Records::Lowest(records) => records.into_sorted_vec(),
        }
    }
}
