//! Who is told how far a run is.

#[cfg(feature = "progress")]
mod bar;

#[cfg(feature = "progress")]
pub use bar::ProgressBar;

/// Who is told how far a run is; see [`progress`](crate::Apply::progress).
///
/// A closure that takes a [`Tick`] is one; write the argument's type out, `|tick: Tick| …`. With the feature `progress`, so
/// is `ProgressBar`.
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
    /// Takes note of how far the run is.
    ///
    /// It is called once before the first row; by a worker when it has done 65,536 rows, or some rows in ten milliseconds, since it last did, unless
    /// another worker is in it; and once at the end, whatever it is, when [`Tick::state`] says so. The worker waits for it,
    /// so it should be quick.
    ///
    /// The calls of one run never overlap, and `done` never falls. A panic in it ends the run with an error.
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

/// How far a run is: what [`Progress`] is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The rows done, those that failed included; for [`columns`](crate::Apply::columns), the columns.
    pub done: usize,
    /// How many rows (columns) there are.
    pub total: usize,
    /// The rows (columns, parts) that failed so far, the one that ends the run included.
    pub failures: usize,
    /// Whether the run goes on, or how it ended.
    pub state: TickState,
}

/// Whether a run goes on, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TickState {
    /// It is a [`Job`](crate::Job) that waits in its pool's queue. Only [`Job::progress`](crate::Job::progress) says so.
    Queued,
    /// It goes on.
    Running,
    /// Every row is done. What is left is to stack parts and to call [`finish`](crate::Apply::finish), which may yet fail.
    Finished,
    /// It ended with an error other than that it was cancelled.
    Failed,
    /// It was cancelled, or its deadline passed, before all was done.
    Cancelled,
}
