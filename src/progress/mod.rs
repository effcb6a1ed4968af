//! The reports of a run's progress, and what receives them.

#[cfg(feature = "progress")]
mod bar;

#[cfg(feature = "progress")]
pub use bar::ProgressBar;

/// A listener that is called with the progress of a run.
///
/// It is given to [`progress`](crate::Apply::progress).
///
/// A closure that takes a [`Tick`] is a listener; write the argument's type out, `|tick: Tick| …`. With the feature `progress`,
/// `ProgressBar` is one too.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use polars_par_apply::prelude::*;
///
/// let df = df!["x" => [1, 2, 3, 4]]?;
/// let done = AtomicUsize::new(0);
/// df.par_apply()
///     .progress(|tick: Tick| done.store(tick.done, Ordering::Relaxed))
///     .rows(|x: i32| x + 1)?;
/// assert_eq!(done.into_inner(), 4);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub trait Progress: Send + Sync {
    /// Receives the run's progress.
    ///
    /// It is called once before the first row, and once at the end, however the run ends; [`Tick::state`] then says how. In
    /// between, a worker calls it after each 65,536 rows that it has done, or after each ten milliseconds in which it has done some
    /// rows, unless another worker is in it. The worker waits for it, so it should be quick.
    ///
    /// The calls of one run never overlap, and `done` never decreases. A panic in it ends the run with an error.
    fn tick(&self, tick: Tick);
}

impl<F> Progress for F
where
    F: Fn(Tick) + Send + Sync,
{
    fn tick(&self, tick: Tick) {
        self(tick);
    }
}

/// The progress of a run, as [`Progress`] receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// How many rows are done, including those that failed.
    ///
    /// For [`columns`](crate::Apply::columns) it counts columns, for [`elements`](crate::Apply::elements) values, and for a pool's map
    /// items.
    pub done: usize,
    /// How many there are.
    pub total: usize,
    /// The number of rows (columns, parts) that have failed so far, including the one that ends the run.
    pub failures: usize,
    /// The state of the run: whether it goes on, or how it ended.
    pub state: TickState,
}

/// The state of a run: whether it goes on, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TickState {
    /// The run is a [`Job`](crate::Job) that waits in its pool's queue; only [`Job::progress`](crate::Job::progress) returns this
    /// state.
    Queued,
    /// The run goes on.
    Running,
    /// Every row is done.
    ///
    /// What is left is to stack parts and to call [`finish`](crate::Apply::finish), which may still fail.
    Finished,
    /// The run ended with an error other than a cancellation.
    Failed,
    /// The run was cancelled, or its deadline passed, before all rows were done.
    Cancelled,
}

impl TickState {
    /// Returns the state's name for logs and clients: that of its variant in lower case, as `"running"`.
    ///
    /// As [`ErrorKind::name`](crate::ErrorKind::name), it does not change until the crate's next major version.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TickState::Queued => "queued",
            TickState::Running => "running",
            TickState::Finished => "finished",
            TickState::Failed => "failed",
            TickState::Cancelled => "cancelled",
        }
    }
}
