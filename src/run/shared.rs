//! The state that the workers of a call share.

use super::bell::Bell;
use super::claims::Claims;
use super::deferred::Deferred;
use super::faults::Faults;
use super::queue::Queue;
use super::recorder::{Recorder, recorder};
use super::seats::Seats;
use super::ticker::Ticker;
use super::trace::CallSpan;
use super::{Failure, Plan, catch, hush};
use crate::cancel::Halt;
use crate::error::{Chain, Error, ErrorKind};
use crate::options::{OnCancel, Options};
use crate::outcome::ItemKind;
use crate::partition::Cut;
use crate::pool::is_within_a_closure;
use crate::retry::Retry;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Mutex, PoisonError};

/// The work of one call while it runs.
pub(crate) struct Run<'r> {
    pub(super) plan: &'r Plan,
    pub(super) items: usize,
    pub(super) cut: Option<Cut>,
    /// Whether the first rows show how long a row takes, before other workers are woken.
    pub(super) tried_first: bool,
    /// Whether a user's closure makes the call. It may hold a lock, so no worker of the call pauses then.
    pub(super) is_nested: bool,
    /// Whether rows run only on workers, and not on the calling thread for lack of another thread.
    pub(super) on_workers: bool,
    pub(super) halt: Option<Arc<Halt>>,
    pub(super) on_cancel: OnCancel,
    pub(super) queue: Queue,
    /// The items that workers have taken, if items are claimed one by one.
    pub(super) claims: Option<Claims>,
    pub(super) panicked: AtomicBool,
    pub(super) options: &'r Options<'r>,
    pub(super) retry: Option<&'r Retry>,
    pub(super) deferred: Deferred,
    /// Rows whose closure returned early because the run was cancelled.
    pub(super) cut_off: Mutex<Vec<usize>>,
    /// The bell is rung when a row is put off, and when a worker leaves.
    pub(super) bell: Bell,
    pub(super) faults: Faults,
    pub(super) ticker: Option<Ticker<'r>>,
    pub(super) seats: Seats,
    pub(super) counted: ItemKind,
    pub(super) span: CallSpan,
    pub(super) recorder: Recorder,
}

impl<'r> Run<'r> {
    /// Makes a run of `items` items, whose progress is reported out of `total` rows.
    pub(crate) fn new(
        verb: &'static str,
        options: &'r Options<'r>,
        plan: &'r Plan,
        cut: Option<Cut>,
        items: usize,
        total: usize,
    ) -> Self {
        let can_halt = options.cancel.is_some()
            || options.job.is_some()
            || plan.token().is_some()
            || options.call.deadline.is_some()
            || options.retry.is_some();
        Run {
            plan,
            items,
            cut: cut.map(|cut| match cut {
                // Parts after the last row have nothing to do.
                Cut::Partitions(parts) => Cut::Partitions(parts.min(items).max(1)),
                cut @ Cut::ChunkRows(_) => cut,
            }),
            tried_first: cut.is_none(),
            is_nested: hush::is_amid_a_run() || is_within_a_closure(),
            on_workers: false,
            halt: can_halt.then(Arc::default),
            on_cancel: options.on_cancel(),
            queue: Queue::new(0..items),
            claims: None,
            panicked: AtomicBool::new(false),
            options,
            retry: options.retry.as_ref(),
            deferred: Deferred::default(),
            cut_off: Mutex::default(),
            bell: Bell::default(),
            faults: Faults::new(options.failures_allowed()),
            ticker: options
                .progress
                .as_deref()
                .map(|progress| Ticker::new(progress, total)),
            seats: Seats::default(),
            counted: ItemKind::default(),
            span: CallSpan::new(verb, total),
            recorder: recorder(verb, options),
        }
    }

    /// Sets what the run counts, if that is not rows.
    pub(crate) fn counts(mut self, counted: ItemKind) -> Self {
        self.counted = counted;
        self
    }

    /// Runs every item on a worker of the pool, even if there is only one item. All workers are woken at once, so that a few
    /// slow items run side by side from the start.
    pub(crate) fn on_workers(mut self) -> Self {
        self.tried_first = false;
        self.on_workers = true;
        self
    }

    /// Runs the first parts on the calling thread, to find out whether the rest is worth waking other workers for.
    pub(crate) fn tries_first(mut self) -> Self {
        self.tried_first = true;
        self
    }

    /// Lets workers take over from each other the items that were not begun, and hands some items out before all others: those
    /// that are expected to take longest, in ascending order. Items may take so long that other workers are woken at once.
    pub(crate) fn claimed(mut self, first: Vec<usize>) -> Self {
        // A worker that left for another call may come back while its seat is taken.
        const SPARE: usize = 32;
        self.tried_first = false;
        self.claims = Some(Claims::new(self.plan.workers + SPARE));
        self.queue = Queue::with_first(0..self.items, first);
        self
    }

    /// Returns what records the run, for what is known only after it.
    pub(crate) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Returns the flag that stops the run from outside, if anything can stop it.
    pub(crate) fn halt_flag(&self) -> Option<Arc<Halt>> {
        self.halt.clone()
    }

    #[inline]
    pub(super) fn is_halted(&self) -> bool {
        self.halt.as_ref().is_some_and(|halt| halt.is_set())
    }

    pub(super) fn panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    pub(super) fn has_panicked(&self) {
        self.panicked.store(true, Ordering::Relaxed);
    }

    /// Returns whether a failure only says that the closure ended because the run was cancelled.
    pub(super) fn is_cut_off(&self, failure: &Failure) -> bool {
        let cancelled = self.halt.as_ref().is_some_and(|halt| halt.why().is_some());
        let Failure::Closure(cause) = failure else {
            return false;
        };
        cancelled && says_cancelled(cause.get())
    }

    /// Counts an item as never reached, although its closure was called.
    pub(super) fn undone(&self, item: usize) {
        let mut cut_off = self.cut_off.lock().unwrap_or_else(PoisonError::into_inner);
        cut_off.push(item);
    }
}

/// Returns whether a user's error is that of a cancelled call, or was caused by one.
pub(crate) fn says_cancelled(cause: &anyhow::Error) -> bool {
    let says_so = || {
        let mut own = Chain::of(cause).filter_map(|cause| cause.downcast_ref());
        own.any(|error: &Error| matches!(error.kind(), ErrorKind::Cancelled { .. }))
    };
    // The chain of causes is the user's code.
    catch(says_so).unwrap_or(false)
}
