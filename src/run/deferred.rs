//! Failed rows that are tried again later.
//!
//! No worker sleeps in the meantime: a row waits in this queue while the workers continue, and the first worker that is free
//! when its time has come runs it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::retry::Delays;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The further attempts of a row.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) item: usize,
    /// How often the closure has been called for the row.
    pub(super) calls: u32,
    pub(super) delays: Delays,
}

/// An attempt that waits, ordered by the time when it is due.
#[derive(Debug)]
struct Due(Reverse<(Instant, usize)>, Attempt);

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

#[derive(Debug, Default)]
pub(super) struct Deferred {
    /// How many attempts wait, so that a run in which none does takes no lock.
    waiting: AtomicUsize,
    /// How many attempts were made again.
    retries: AtomicUsize,
    queue: Mutex<BinaryHeap<Due>>,
}

/// The time for an instant that is too far off to be represented; nobody waits that long.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

impl Deferred {
    pub(super) fn put_off(&self, attempt: Attempt, delay: Duration) {
        let now = Instant::now();
        let time = now.checked_add(delay).unwrap_or(now + NEVER);
        let mut queue = self.lock();
        queue.push(Due(Reverse((time, attempt.item)), attempt));
        self.waiting.store(queue.len(), Ordering::Relaxed);
    }

    /// Takes an attempt before `end` whose time has come; attempts at or after `end` are dropped.
    pub(super) fn take_due(&self, end: usize) -> Option<Attempt> {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let now = Instant::now();
        let mut queue = self.lock();
        let mut taken = None;
        while let Some(Due(Reverse((time, _)), _)) = queue.peek()
            && *time <= now
        {
            taken = queue.pop().filter(|Due(_, attempt)| attempt.item < end);
            if taken.is_some() {
                break;
            }
        }
        self.waiting.store(queue.len(), Ordering::Relaxed);
        taken.map(|Due(_, attempt)| attempt)
    }

    /// Counts an attempt that was made.
    pub(super) fn tried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when the next attempt before `end` is due; attempts at or after `end` are dropped.
    pub(super) fn next_before(&self, end: usize) -> Option<Instant> {
        let mut queue = self.lock();
        queue.retain(|Due(_, attempt)| attempt.item < end);
        self.waiting.store(queue.len(), Ordering::Relaxed);
        queue.peek().map(|Due(Reverse((time, _)), _)| *time)
    }

    /// Returns whether any attempt waits.
    pub(super) fn has_some(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Returns how many attempts are due.
    pub(super) fn due(&self) -> usize {
        let now = Instant::now();
        let queue = self.lock();
        queue
            .iter()
            .filter(|Due(Reverse((time, _)), _)| *time <= now)
            .count()
    }

    pub(super) fn retries(&self) -> usize {
        self.retries.load(Ordering::Relaxed)
    }

    /// Returns when the next attempt is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let queue = self.lock();
        queue.peek().map(|Due(Reverse((time, _)), _)| *time)
    }

    /// Takes all attempts that still wait.
    pub(super) fn take_all(&self) -> Vec<Attempt> {
        let waiting = std::mem::take(&mut *self.lock());
        self.waiting.store(0, Ordering::Relaxed);
        waiting.into_iter().map(|Due(_, attempt)| attempt).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BinaryHeap<Due>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
