//! Stopping a run from outside: a token that cancels it, and the flag that the run itself looks at.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// A token that cancels the calls to which it was given by [`cancel_token`](crate::Apply::cancel_token).
///
/// Clones are the same token. It can be cancelled from any thread, also from the closure itself. It stays cancelled: a call that
/// gets it later ends before its first row, so a new attempt needs a new token.
///
/// A call that is cancelled ends when each worker is done with the row (column, part) that it is in. A closure that is running
/// cannot be killed: the call waits for it even if it takes an hour, unless the closure itself looks at
/// [`is_cancelled`](CancelToken::is_cancelled) or [`check`](CancelToken::check). If a closure calls this crate, and these inner
/// calls are to end too, give them a clone of the token.
///
/// ```
/// use polars_par_apply::{ErrorKind, prelude::*};
///
/// let df = df!["x" => [1, 2, 3, 4]]?;
/// let token = CancelToken::new();
/// let error = df
///     .par_apply()
///     .sequential()
///     .cancel_token(&token)
///     .rows(|x: i32| {
///         if x == 2 {
///             token.cancel();
///         }
///         x
///     })
///     .unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::Cancelled { done: 2, .. }));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Default)]
struct Token {
    cancelled: AtomicBool,
    told: Mutex<Listeners>,
}

/// The runs and jobs that are stopped when a token is cancelled.
#[derive(Default)]
struct Listeners {
    /// The runs under way.
    runs: Vec<Weak<Halt>>,
    /// The jobs that are not done, by the order in which they were registered.
    jobs: BTreeMap<u64, Weak<dyn Stop>>,
    next: u64,
}

/// Something that can be stopped; stopping it may call the user's code.
pub(crate) trait Stop: Send + Sync {
    fn stop(&self);
}

impl Stop for CancelToken {
    fn stop(&self) {
        self.cancel();
    }
}

impl CancelToken {
    /// Makes a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels every call that has the token, now and in future, and does not wait for their end.
    pub fn cancel(&self) {
        let jobs = {
            let mut told = self.told();
            // The runs come first, so that a run is already stopped when its closure sees the token cancelled.
            for run in told.runs.iter().filter_map(Weak::upgrade) {
                run.stop(Why::Cancelled);
            }
            self.0.cancelled.store(true, Ordering::SeqCst);
            std::mem::take(&mut told.jobs)
        };
        // The lock is not held here, since a job that ends calls the user's code and unregisters from the token.
        let jobs = jobs.values().filter_map(Weak::upgrade);
        jobs.for_each(|job| job.stop());
    }

    /// Returns whether the token was cancelled.
    #[must_use]
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Returns an error if the token was cancelled; a long closure calls it between its steps with `?`.
    ///
    /// When the closure's own call is cancelled and the closure returns this error, by itself, as an `anyhow::Error`, or as the source
    /// of another error, the row counts as not done, and not as a failure. The same holds for the error of an inner call that was given
    /// the same token. A `PolarsError` keeps only the text of it, so in a closure that returns a `PolarsResult` the row is a failure.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 2, 3, 4]]?;
    /// let token = CancelToken::new();
    /// let outcome = df
    ///     .par_apply()
    ///     .sequential()
    ///     .cancel_token(&token)
    ///     .on_cancel(OnCancel::Partial)
    ///     .rows(|x: i32| {
    ///         for step in 0..1000 {
    ///             token.check()?; // between the steps of something long
    ///             if (x, step) == (3, 500) {
    ///                 token.cancel();
    ///             }
    ///         }
    ///         Ok::<_, polars_par_apply::Error>(x)
    ///     })?;
    /// assert_eq!(outcome.output.i32()?.to_vec(), [Some(1), Some(2)]);
    /// assert_eq!(outcome.stats.failures, 0);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// An error of the kind [`Cancelled`](crate::ErrorKind::Cancelled), if the token was cancelled.
    pub fn check(&self) -> Result<()> {
        if !self.is_cancelled() {
            return Ok(());
        }
        Err(Error::cancelled(0, 0))
    }

    /// Stops `halt` when the token is cancelled, until the guard is dropped.
    pub(crate) fn watched_by(&self, halt: &Arc<Halt>) -> Watch<'_> {
        self.told().runs.push(Arc::downgrade(halt));
        // This comes after the registration: a concurrent `cancel` either finds the run in the list, or has already set the flag.
        if self.is_cancelled() {
            halt.stop(Why::Cancelled);
        }
        Watch {
            token: self,
            halt: Arc::downgrade(halt),
        }
    }

    /// Stops `job` when the token is cancelled, and returns the number by which the token knows it. If the token was cancelled
    /// already, it stops `job` at once.
    pub(crate) fn tell(&self, job: Weak<dyn Stop>) -> Option<u64> {
        let mut told = self.told();
        if !self.is_cancelled() {
            told.next += 1;
            let number = told.next;
            told.jobs.insert(number, job);
            return Some(number);
        }
        drop(told);
        if let Some(job) = job.upgrade() {
            job.stop();
        }
        None
    }

    /// Removes a job that is done.
    pub(crate) fn forget(&self, job: u64) {
        self.told().jobs.remove(&job);
    }

    fn told(&self) -> MutexGuard<'_, Listeners> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// A run's entry in a token's list, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    token: &'a CancelToken,
    halt: Weak<Halt>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut told = self.token.told();
        told.runs.retain(|run| !Weak::ptr_eq(run, &self.halt));
    }
}

/// Why a run was stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Cancelled,
    Deadline,
}

/// A run's own flag, which is looked at before each row, and a bell for threads that wait.
#[derive(Debug, Default)]
pub(crate) struct Halt {
    state: AtomicU8,
    lock: Mutex<()>,
    bell: Condvar,
}

const GOING: u8 = 0;
const CANCELLED: u8 = 1;
const LATE: u8 = 2;

impl Halt {
    pub(crate) fn stop(&self, why: Why) {
        self.set(match why {
            Why::Cancelled => CANCELLED,
            Why::Deadline => LATE,
        });
    }

    /// Sets the reason; only the first one counts.
    fn set(&self, state: u8) {
        let order = Ordering::SeqCst;
        let _ = self.state.compare_exchange(GOING, state, order, order);
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.bell.notify_all();
    }

    #[inline(always)]
    pub(crate) fn is_set(&self) -> bool {
        // Relaxed is enough: the flag is read before every row, and what it protects is behind locks.
        self.state.load(Ordering::Relaxed) != GOING
    }

    pub(crate) fn why(&self) -> Option<Why> {
        match self.state.load(Ordering::SeqCst) {
            CANCELLED => Some(Why::Cancelled),
            LATE => Some(Why::Deadline),
            _ => None,
        }
    }

    /// Waits until `time`, or until the flag is set.
    pub(crate) fn wait_until(&self, time: Instant) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = time.saturating_duration_since(Instant::now());
            if self.is_set() || left == Duration::ZERO {
                return;
            }
            guard = self
                .bell
                .wait_timeout(guard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}
