//! How a run fails: at the lowest failing row, whoever meets it first.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;
use crate::read::Fault;
use crate::write::Refused;

/// What ended a run.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The closure returned an error.
    Closure(anyhow::Error),
    /// The closure panicked.
    Panic(String),
    /// A value could not be read.
    Read(Fault),
    /// A result could not be written.
    Write(Refused),
    /// An error that says where it struck.
    Known(Error),
}

/// The lowest failure of a run so far; those who work beyond it stop.
#[derive(Debug)]
pub(crate) struct Stop {
    lowest: AtomicUsize,
    failure: Mutex<Option<(usize, Failure)>>,
}

impl Stop {
    pub(super) fn new() -> Self {
        Stop {
            lowest: AtomicUsize::new(usize::MAX),
            failure: Mutex::new(None),
        }
    }

    /// Whether a failure at or before this row makes the work from it on pointless.
    #[inline]
    pub(crate) fn is_before(&self, row: usize) -> bool {
        // Relaxed: a late answer costs a block of work; the failure itself is behind the mutex.
        self.lowest.load(Ordering::Relaxed) <= row
    }

    pub(crate) fn fail(&self, row: usize, failure: Failure) {
        let loser = {
            let mut lowest = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            if lowest.as_ref().is_none_or(|(at, _)| row < *at) {
                self.lowest.store(row, Ordering::Relaxed);
                lowest.replace((row, failure))
            } else {
                Some((row, failure))
            }
        };
        // It may hold an error of the user's, whose drop is not to be trusted either.
        quietly_drop(loser);
    }

    pub(super) fn into_failure(self) -> Option<(usize, Failure)> {
        self.failure
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls `work`, a panic in it becoming a failure.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // Unwind safe: what a panicking closure leaves half done of ours is thrown away with the run.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let message = message(&*payload);
        quietly_drop(payload);
        Failure::Panic(message)
    })
}

/// Drops what is the user's; should that panic, what is left of it is leaked.
fn quietly_drop<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(payload);
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "its payload is not text".into())
}
