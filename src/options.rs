//! The options of a call, as values.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use polars::prelude::PlSmallStr;

use crate::cancel::CancelToken;
use crate::pool::Pool;
use crate::progress::Progress;
use crate::retry::Retry;

/// What a null does to a row whose argument has a plain type (`T`, not `Option<T>`).
///
/// An argument of type `Option<T>` sees its nulls as `None` under either policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Nulls {
    /// The closure is not called for the row, and the row's output is null, as in SQL and in Polars' `skip_nulls`.
    #[default]
    Propagate,
    /// The call returns an error that names the first such null, before the closure is called at all.
    Error,
}

/// Which conversions from a column's dtype to an argument's type, and from a result to its column's dtype, are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Casts {
    /// Those that keep every value: `Int32` as `i64` or `f64`, `Float32` as `f64`. Any other is an error.
    #[default]
    Lossless,
    /// Also those that can lose: `Int64` and Decimal as `f64` round, `Float64` and Decimal as `i64` cut the fraction off.
    ///
    /// A value that is out of the argument type's range becomes null, as in Polars' non-strict `cast`: NaN and the infinities
    /// as an integer, but not a `Float64` as `f32`, which becomes infinite. As `bool`, all but zero is true. A time that the
    /// output column's unit cannot hold exactly is cut to it.
    Lossy,
}

/// What becomes of a row (a column, a part) whose closure returns an error or panics, or whose value cannot be read or
/// written.
///
/// A failure is never lost: all policies but `Fail` tell each in [`Outcome::failures`](crate::Outcome), and count them in
/// its `stats`. [`max_failures`](crate::Apply::max_failures) says how many are too many. What cannot be checked row by row
/// is no row's failure, and ends the call whatever the policy: results that do not stack, a state that cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// The call returns the error of the lowest failing row; the other workers stop early.
    #[default]
    Fail,
    /// Its output is null, and the output has the input's height.
    ///
    /// Of `chunks` and `columns`, this needs a closure that returns cells; for one that returns a frame or a column,
    /// whose height nobody knows, it is an error before the closure is called.
    Null,
    /// It is dropped. The output has the rows (columns, parts) that did not fail, and
    /// [`kept_rows`](crate::Outcome::kept_rows) tells which input rows these are.
    ///
    /// Where every part's result is a whole frame or column and all are dropped, nothing says what columns there were: the
    /// output is a frame without columns, or an empty column of dtype Null.
    Skip,
    /// The run goes on to the end for the failures' sake, and the output is what there is. Where the closure returns cells
    /// it is that of `Null`, as it always is for `rows`; where it returns a frame or a column, that of `Skip`. So it is
    /// offered for every closure.
    Collect,
}

/// What a cancelled run, or one whose deadline has passed, gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnCancel {
    /// An error that says how many rows were done.
    #[default]
    Error,
    /// The finished part: the output has the rows (columns, parts) that were done, in order, and
    /// [`kept_rows`](crate::Outcome::kept_rows) tells which input rows these are. They are not always the first so many,
    /// since workers are at different places. A failure that its policy does not let pass is an error all the same.
    Partial,
}

/// All options, as given: nothing is checked before a verb is called, so that every fault is reported at once.
///
/// The lifetime is that of what is told progress.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Options<'a> {
    pub(crate) select: Option<Vec<PlSmallStr>>,
    pub(crate) names: Option<Vec<PlSmallStr>>,
    pub(crate) nulls: Nulls,
    pub(crate) casts: Casts,
    pub(crate) pool: Option<Pool>,
    pub(crate) workers: Option<usize>,
    pub(crate) sequential: bool,
    pub(crate) partitions: Option<usize>,
    pub(crate) chunk_rows: Option<usize>,
    pub(crate) on_error: OnError,
    pub(crate) max_failures: Option<usize>,
    pub(crate) retry: Option<Retry>,
    pub(crate) cancel: Option<CancelToken>,
    /// The token of the job that makes the call.
    pub(crate) job: Option<CancelToken>,
    pub(crate) deadline: Option<Duration>,
    /// Since when the deadline counts, where that is not the call's beginning.
    pub(crate) deadline_from: Option<Instant>,
    pub(crate) on_cancel: OnCancel,
    pub(crate) progress: Option<Arc<dyn Progress + 'a>>,
    /// Whether what happened is asked for.
    pub(crate) told: bool,
}

impl Options<'_> {
    /// How many failures do not end the run.
    pub(crate) fn failures_allowed(&self) -> usize {
        match self.on_error {
            OnError::Fail => 0,
            _ => self.max_failures.unwrap_or(usize::MAX),
        }
    }

    /// Whether a row may end without a result.
    pub(crate) fn leaves_gaps(&self) -> bool {
        self.on_error != OnError::Fail || self.on_cancel == OnCancel::Partial
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("select", &self.select)
            .field("names", &self.names)
            .field("nulls", &self.nulls)
            .field("casts", &self.casts)
            .field("pool", &self.pool)
            .field("workers", &self.workers)
            .field("sequential", &self.sequential)
            .field("partitions", &self.partitions)
            .field("chunk_rows", &self.chunk_rows)
            .field("on_error", &self.on_error)
            .field("max_failures", &self.max_failures)
            .field("retry", &self.retry)
            .field("cancel", &self.cancel)
            .field("deadline", &self.deadline)
            .field("on_cancel", &self.on_cancel)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}
