//! The options of a call as values.

use std::fmt;
use std::time::{Duration, Instant};

use polars::prelude::{DataType, PlSmallStr};

use crate::cancel::CancelToken;
use crate::pool::Pool;
use crate::progress::Progress;
#[cfg(feature = "report")]
use crate::report::Report;
use crate::retry::Retry;
use crate::row_numbers::Numbering;
use crate::sync::Arc;

/// The policy for rows in which an argument of a plain type (`T`, not `Option<T>`) is null.
///
/// An argument of type `Option<T>` sees its nulls as `None` under either policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Nulls {
    /// The closure is not called for the row, and the row's output is null, as in SQL and in Polars' `skip_nulls`.
    ///
    /// In `flat_map_rows` and `emit_rows`, the row gives no rows.
    #[default]
    Propagate,
    /// The call returns an error that names the first such null (in `columns` and `elements` the first of each column), before the
    /// closure is called at all.
    ///
    /// Closures that see nulls themselves (those of `Row`, of `&Column`, of parts and of whole groups) have no argument of a plain
    /// type, and their calls refuse this option.
    Error,
}

/// The conversions that are allowed, from a column's dtype to an argument's type and from a result to its column's dtype.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Casts {
    /// Allows only conversions that keep every value: `Int32` as `i64` or `f64`, `Float32` as `f64`.
    ///
    /// Any other conversion is an error.
    #[default]
    Lossless,
    /// Also allows conversions that can lose something: `Int64` and Decimal as `f64` round, `Float64` and Decimal as `i64` drop the
    /// fraction.
    ///
    /// A value out of the argument type's range becomes null, as in Polars' non-strict `cast`. This includes NaN and the infinities
    /// as an integer, but not a `Float64` as `f32`, which becomes infinite. As `bool`, every value except zero is true.
    ///
    /// For results, a time that the output column's unit cannot hold exactly is cut to the unit, and a number is rounded or cut to
    /// the dtype that [`returns`](crate::Apply::returns) sets. A value out of the dtype's range is still an error.
    Lossy,
}

/// The policy for rows (columns, parts, groups) that fail.
///
/// A row fails where its closure returns an error or panics, or where one of its values cannot be read or written.
///
/// No failure is lost: all policies except `Fail` list each failure in [`Outcome::failures`](crate::Outcome), and count it in the
/// outcome's `stats`. [`max_failures`](crate::Apply::max_failures) sets how many are too many. A fault that belongs to no single
/// row ends the call under every policy: results that cannot be stacked, or a state that cannot be made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OnError {
    /// The call returns the error of the lowest failing row; the other workers stop early.
    #[default]
    Fail,
    /// The row's output is null, and the output has the input's height.
    ///
    /// In `filter_rows`, a null counts as false, so the row is dropped, as with `Skip` and `Collect`.
    ///
    /// In `chunks` and `columns`, this policy needs a closure that returns cells. For a closure that returns a frame or a column,
    /// whose height is not known, it is an error before the closure is called. It is an error too in `flat_map_rows` and
    /// `emit_rows`, where a failing row gives no rows.
    ///
    /// In `groups`, the group's row has its keys, and nulls as its results; for a closure that returns whole frames or columns the
    /// policy is refused. In `transform`, all rows of the group are null. In `windows`, the row is null.
    Null,
    /// The row is dropped: the output has the rows (columns, parts, groups) that did not fail.
    ///
    /// [`kept_rows`](crate::Outcome::kept_rows) says which input rows these are. In `with_columns`, the row is dropped from the
    /// frame's own columns too. In `transform`, all rows of the group are dropped.
    ///
    /// Where every part's result is a whole frame or column and all parts are dropped, the output's columns are not known. The
    /// output is then a frame without columns, or an empty column of dtype Null.
    Skip,
    /// The run goes on to its end to collect all failures, and the output has the results that there are.
    ///
    /// Where the closure returns cells, the output is the same as with `Null`; this is always so for `rows`. Where it returns a
    /// frame or a column, and in `flat_map_rows` and `emit_rows`, it is the same as with `Skip`. So every closure can be used with
    /// this policy.
    Collect,
}

/// The policy for a call that was cancelled, or whose deadline has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum OnCancel {
    /// The call returns an error that says how many rows were done.
    #[default]
    Error,
    /// The call gives the finished part: the output has the rows (columns, parts, groups) that were done, in order.
    ///
    /// [`kept_rows`](crate::Outcome::kept_rows) says which input rows these are. They are not always the first ones, since the
    /// workers are at different places, and large groups are begun before others. A failure that its policy does not let pass is
    /// still an error.
    Partial,
}

/// The policy for rows whose key is null.
///
/// A call [by several keys](crate::Apply::by) looks at each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum NullKeys {
    /// The rows form their own group, as in Polars: a null is equal to a null.
    #[default]
    Group,
    /// The rows are in no group, as in pandas: `groups` has no row for them, and in `transform` and `windows` their results are
    /// null.
    Drop,
}

/// The options of a call that are plain data, kept as a value.
///
/// It can be built once, kept, cloned, compared and printed, and given to any number of calls by
/// [`Apply::with`](crate::Apply::with).
///
/// The other options of a call are not plain data: a pool, a token, progress, states, a random seed, and the closure that decides
/// about retries. These are given on the call.
///
/// ```
/// use polars_par_apply::{CallOptions, prelude::*};
///
/// let strict = CallOptions::new().nulls(Nulls::Error).workers(2);
/// let lengths = strict.clone().select(["x", "y"]).names(["length"]);
///
/// let df = df!["id" => [1, 2], "x" => [3.0, 6.0], "y" => [4.0, 8.0]]?;
/// let length = df.par_apply().with(&lengths).rows(f64::hypot)?;
/// assert_eq!(length, Column::new("length".into(), [5.0, 10.0]));
/// assert_ne!(strict, lengths);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// With the feature `serde`, options can be written to a file or sent, and read again. Options that are not set are null or left
/// out; an option with an unknown name is an error. Each has the name of its method, except `first_row` and `row_numbers`: these
/// replace each other, and are stored as one option, `numbering`. The values of enums are in snake case, and dtypes are written as
/// Polars writes them. In JSON, for example:
///
/// ```json
/// {"select": ["x"], "on_error": "null", "numbering": {"first_row": 100}, "deadline": {"secs": 60, "nanos": 0}}
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[must_use = "options do nothing until a call is given them: `df.par_apply().with(&options)`"]
pub struct CallOptions {
    pub(crate) select: Option<Vec<PlSmallStr>>,
    pub(crate) names: Option<Vec<PlSmallStr>>,
    pub(crate) nulls: Option<Nulls>,
    pub(crate) casts: Option<Casts>,
    /// The dtypes of the output's columns, where results are cells.
    pub(crate) returns: Option<Vec<DataType>>,
    pub(crate) workers: Option<usize>,
    pub(crate) sequential: Option<bool>,
    pub(crate) partitions: Option<usize>,
    pub(crate) chunk_rows: Option<usize>,
    pub(crate) overlap: Option<(usize, usize)>,
    pub(crate) numbering: Option<Numbering>,
    pub(crate) on_error: Option<OnError>,
    pub(crate) max_failures: Option<usize>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) on_cancel: Option<OnCancel>,
    pub(crate) keep: Option<Vec<PlSmallStr>>,
    pub(crate) source_rows: Option<PlSmallStr>,
    pub(crate) by: Option<Vec<PlSmallStr>>,
    pub(crate) without_keys: Option<bool>,
    pub(crate) null_keys: Option<NullKeys>,
}

impl CallOptions {
    /// Makes options with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Selects the columns that are used; see [`Apply::select`](crate::Apply::select).
    pub fn select<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.select = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the names of the output columns; see [`Apply::names`](crate::Apply::names).
    pub fn names<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets what happens where an argument of a plain type is null; see [`Apply::nulls`](crate::Apply::nulls).
    pub fn nulls(mut self, nulls: Nulls) -> Self {
        self.nulls = Some(nulls);
        self
    }

    /// Sets which conversions are allowed; see [`Apply::casts`](crate::Apply::casts).
    pub fn casts(mut self, casts: Casts) -> Self {
        self.casts = Some(casts);
        self
    }

    /// Sets the dtypes of the output's columns; see [`Apply::returns`](crate::Apply::returns).
    pub fn returns(mut self, dtypes: impl IntoIterator<Item = DataType>) -> Self {
        self.returns = Some(dtypes.into_iter().collect());
        self
    }

    /// Sets how many workers, at most, call the closure at the same time; see [`Apply::workers`](crate::Apply::workers).
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Runs the call on the calling thread alone; see [`Apply::sequential`](crate::Apply::sequential).
    pub fn sequential(mut self) -> Self {
        self.sequential = Some(true);
        self
    }

    /// Cuts the rows into `partitions` parts; see [`Apply::partitions`](crate::Apply::partitions).
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = Some(partitions);
        self
    }

    /// Cuts the rows into chunks of `rows` rows; see [`Apply::chunk_rows`](crate::Apply::chunk_rows).
    pub fn chunk_rows(mut self, rows: usize) -> Self {
        self.chunk_rows = Some(rows);
        self
    }

    /// Sets how many rows of its neighbours each part has; see [`Apply::overlap`](crate::Apply::overlap).
    pub fn overlap(mut self, before: usize, after: usize) -> Self {
        self.overlap = Some((before, after));
        self
    }

    /// Sets the number of the frame's first row; see [`Apply::first_row`](crate::Apply::first_row).
    pub fn first_row(mut self, row: u64) -> Self {
        self.numbering = Some(Numbering::From(row));
        self
    }

    /// Names the column that has the rows' numbers; see [`Apply::row_numbers`](crate::Apply::row_numbers).
    pub fn row_numbers(mut self, column: impl Into<PlSmallStr>) -> Self {
        self.numbering = Some(Numbering::Column(column.into()));
        self
    }

    /// Sets what becomes of a row that fails; see [`Apply::on_error`](crate::Apply::on_error).
    ///
    /// A call that gets a policy other than [`OnError::Fail`] this way needs [`Apply::outcome`](crate::Apply::outcome), which
    /// reports the failures.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    /// Sets how many failures are let pass; see [`Apply::max_failures`](crate::Apply::max_failures).
    pub fn max_failures(mut self, failures: usize) -> Self {
        self.max_failures = Some(failures);
        self
    }

    /// Cancels the call when this much time has passed; see [`Apply::deadline`](crate::Apply::deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sets what a cancelled call gives; see [`Apply::on_cancel`](crate::Apply::on_cancel).
    ///
    /// A call that gets [`OnCancel::Partial`] this way needs [`Apply::outcome`](crate::Apply::outcome), which says which rows were
    /// done.
    pub fn on_cancel(mut self, on_cancel: OnCancel) -> Self {
        self.on_cancel = Some(on_cancel);
        self
    }

    /// Names input columns that stand before the output's columns, for verbs that give any number of rows for each input row; see
    /// [`Apply::keep`](crate::Apply::keep).
    pub fn keep<I, S>(mut self, names: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.keep = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a column with the number of each output row's input row; see [`Apply::source_rows`](crate::Apply::source_rows).
    pub fn source_rows(mut self, name: impl Into<PlSmallStr>) -> Self {
        self.source_rows = Some(name.into());
        self
    }

    /// Sets the columns whose values say which rows belong to one group; see [`Apply::by`](crate::Apply::by).
    pub fn by<I, S>(mut self, keys: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<PlSmallStr>,
    {
        self.by = Some(keys.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves the keys out of the output; see [`Apply::without_keys`](crate::Apply::without_keys).
    pub fn without_keys(mut self) -> Self {
        self.without_keys = Some(true);
        self
    }

    /// Sets what becomes of rows whose key is null; see [`Apply::null_keys`](crate::Apply::null_keys).
    pub fn null_keys(mut self, null_keys: NullKeys) -> Self {
        self.null_keys = Some(null_keys);
        self
    }

    /// Returns these options, with those of `others` where one is not set here.
    pub(crate) fn or(self, others: CallOptions) -> CallOptions {
        // A cut is one option, whether it is given in parts or in rows.
        let is_cut = self.partitions.is_some() || self.chunk_rows.is_some();
        let (partitions, chunk_rows) = match is_cut {
            true => (self.partitions, self.chunk_rows),
            false => (others.partitions, others.chunk_rows),
        };
        CallOptions {
            select: self.select.or(others.select),
            names: self.names.or(others.names),
            nulls: self.nulls.or(others.nulls),
            casts: self.casts.or(others.casts),
            returns: self.returns.or(others.returns),
            workers: self.workers.or(others.workers),
            sequential: self.sequential.or(others.sequential),
            partitions,
            chunk_rows,
            overlap: self.overlap.or(others.overlap),
            numbering: self.numbering.or(others.numbering),
            on_error: self.on_error.or(others.on_error),
            max_failures: self.max_failures.or(others.max_failures),
            deadline: self.deadline.or(others.deadline),
            on_cancel: self.on_cancel.or(others.on_cancel),
            keep: self.keep.or(others.keep),
            source_rows: self.source_rows.or(others.source_rows),
            by: self.by.or(others.by),
            without_keys: self.without_keys.or(others.without_keys),
            null_keys: self.null_keys.or(others.null_keys),
        }
    }
}

/// Shows only the options that are set.
impl fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut given = f.debug_struct("CallOptions");
        macro_rules! show {
            ($($option:ident)*) => {
                $(if let Some(value) = &self.$option {
                    given.field(stringify!($option), value);
                })*
            };
        }
        show!(select names nulls casts returns workers sequential partitions chunk_rows overlap);
        match &self.numbering {
            Some(Numbering::From(row)) => {
                given.field("first_row", row);
            }
            Some(Numbering::Column(column)) => {
                given.field("row_numbers", column);
            }
            None => {}
        }
        show!(on_error max_failures deadline on_cancel keep source_rows by without_keys null_keys);
        given.finish()
    }
}

/// All options of a call, as given: nothing is checked before a verb is called, so that every fault is reported at once.
///
/// The lifetime is that of the progress listener.
#[derive(Clone, Default)]
pub(crate) struct Options<'p> {
    /// The options that are plain data.
    pub(crate) call: CallOptions,
    // The rest says who does the work and who watches it.
    pub(crate) pool: Option<Pool>,
    /// Set if the columns were selected by a predicate: all that it wants, or the message with which it panicked.
    pub(crate) select_where: Option<Result<Vec<PlSmallStr>, String>>,
    pub(crate) retry: Option<Retry>,
    pub(crate) cancel: Option<CancelToken>,
    /// The token of the job that makes the call.
    pub(crate) job: Option<CancelToken>,
    /// The time from which the deadline counts, where that is not the call's beginning.
    pub(crate) deadline_from: Option<Instant>,
    pub(crate) progress: Option<Arc<dyn Progress + 'p>>,
    #[cfg(feature = "report")]
    pub(crate) report: Option<Report>,
    /// Whether the verb is to report what happened.
    pub(crate) told: bool,
}

impl Options<'_> {
    pub(crate) fn nulls(&self) -> Nulls {
        self.call.nulls.unwrap_or_default()
    }

    pub(crate) fn casts(&self) -> Casts {
        self.call.casts.unwrap_or_default()
    }

    pub(crate) fn on_error(&self) -> OnError {
        self.call.on_error.unwrap_or_default()
    }

    pub(crate) fn on_cancel(&self) -> OnCancel {
        self.call.on_cancel.unwrap_or_default()
    }

    pub(crate) fn drops_null_keys(&self) -> bool {
        self.call.null_keys == Some(NullKeys::Drop)
    }

    /// Returns whether the output has the keys.
    pub(crate) fn has_keys(&self) -> bool {
        !self.call.without_keys.unwrap_or_default()
    }

    /// Returns how many rows of its neighbours each part has, if any.
    pub(crate) fn overlap(&self) -> Option<(usize, usize)> {
        self.call.overlap.filter(|overlap| *overlap != (0, 0))
    }

    pub(crate) fn is_sequential(&self) -> bool {
        self.call.sequential.unwrap_or_default()
    }

    /// Selects the columns that a predicate wants, without the column of the rows' numbers, which only a name can select. To be called
    /// when either changes.
    pub(crate) fn leave_numbers_out(&mut self) {
        if let Some(Ok(wanted)) = &self.select_where {
            let is_used = |name: &&PlSmallStr| self.numbers_column() != Some(*name);
            self.call.select = Some(wanted.iter().filter(is_used).cloned().collect());
        }
    }

    /// Returns the column that has the rows' numbers, if one has.
    pub(crate) fn numbers_column(&self) -> Option<&PlSmallStr> {
        match &self.call.numbering {
            Some(Numbering::Column(name)) => Some(name),
            _ => None,
        }
    }

    /// Returns how many failures do not end the run.
    pub(crate) fn failures_allowed(&self) -> usize {
        match self.on_error() {
            OnError::Fail => 0,
            _ => self.call.max_failures.unwrap_or(usize::MAX),
        }
    }

    /// Returns whether a row may end without a result.
    pub(crate) fn leaves_gaps(&self) -> bool {
        self.on_error() != OnError::Fail || self.on_cancel() == OnCancel::Partial
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("call", &self.call)
            .field("pool", &self.pool)
            .field("retry", &self.retry)
            .field("cancel", &self.cancel)
            .field("progress", &self.progress.is_some())
            .finish_non_exhaustive()
    }
}
