//! The crate's one error type.

mod chain;
mod failure;
mod message;

use crate::sync::atomic::{AtomicBool, Ordering};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use polars::error::ErrString;
use polars::prelude::{DataFrame, DataType, PolarsError};

pub(crate) use chain::{Causes, Chain};
use chain::{unsaid, unsaid_by_polars};
pub use failure::Failure;
pub(crate) use failure::{Cause, Fault, Refused};
use message::said;
pub(crate) use message::{counted, dtype_name, value_shown};

/// A result whose error is [`Error`] unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate, which says what went wrong and where.
///
/// [`kind`](Error::kind) says what went wrong, in a form to match on. [`row`](Error::row) and [`column`](Error::column) say where.
/// [`cause`](Error::cause) is the error that a closure returned. The message says all three, and how to mend what can be
/// mended. The guide has [an example of every kind](crate::guide::errors).
///
/// ```
/// use polars_par_apply::{ErrorKind, prelude::*};
///
/// let df = df!["price" => [1.5, 2.5]]?;
/// let error = df.par_apply().select(["prise"]).rows(|price: f64| price * 2.0).unwrap_err();
///
/// assert!(matches!(error.kind(), ErrorKind::ColumnNotFound { .. }));
/// assert_eq!(error.column(), Some("prise"));
/// assert_eq!(error.to_string(), r#"column "prise" not found; did you mean "price"?"#);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// # Causes
///
/// The message includes the closure's error, so [`source`](std::error::Error::source) returns what comes after it: the source of
/// that error. A program that prints an error and its sources, as `{:#}` of `anyhow` does, prints each of them once.
///
/// ```
/// use anyhow::Context;
/// use polars_par_apply::prelude::*;
/// use std::error::Error as _;
///
/// let df = df!["price" => ["1.5", "free"]]?;
/// let error = df
///     .par_apply_rows(|price: &str| price.parse::<f64>().context("no price"))
///     .unwrap_err();
///
/// assert_eq!(error.to_string(), "row 1: the closure returned an error: no price");
/// assert_eq!(error.cause().unwrap().to_string(), "no price");
/// assert_eq!(error.source().unwrap().to_string(), "invalid float literal");
/// assert_eq!(format!("{error:#}"), "row 1: the closure returned an error: no price: invalid float literal");
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// `{:#}` shows the message with all causes, as `{:#}` of `anyhow` does. `Debug` shows the same: it is what a `main` that returns
/// an error prints. Where an error becomes a text (in [`Outcome::failures`](crate::Outcome), in a `PolarsError`), the text
/// includes all causes.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    /// The row, if a [`Row`](crate::Row) made the error.
    of_row: Option<OfRow>,
}

/// The row that made an error, which is also in the message of the call's error.
struct OfRow {
    /// The row's position in the input of the call.
    position: usize,
    /// Whether the message leaves the row out.
    is_left_out: AtomicBool,
}

/// The kinds of [`Error`].
///
/// Rows are counted from 0 in the whole input, unless [`first_row`](crate::Apply::first_row) or
/// [`row_numbers`](crate::Apply::row_numbers) gives other numbers. Arguments, parts and items are counted from 0.
/// The guide has [an example of every kind](crate::guide::errors), with its message.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A selected column, or a field of a derived row, is not in the frame.
    #[non_exhaustive]
    ColumnNotFound {
        /// The name that was asked for.
        column: String,
        /// The columns that have similar names, the most similar first.
        near: Vec<String>,
        /// All columns of the frame.
        columns: Vec<String>,
    },
    /// [`Row::at`](crate::Row::at) was given a position at which the row has no column.
    #[non_exhaustive]
    NoColumnAt {
        /// The position, counted from 0.
        position: usize,
        /// How many columns the row has.
        columns: usize,
    },
    /// The closure takes more or fewer arguments than there are columns.
    #[non_exhaustive]
    ArgumentCount {
        /// The number of arguments that the closure takes.
        arguments: usize,
        /// The columns that it would be given.
        columns: Vec<String>,
    },
    /// An argument's type, or the type that a [`Row`](crate::Row) was asked for, does not take the column's dtype.
    #[non_exhaustive]
    Dtype {
        /// The column.
        column: String,
        /// Its dtype.
        dtype: DataType,
        /// The argument's position; `None` if a [`Row`](crate::Row) was asked for the type.
        argument: Option<usize>,
        /// The method of [`Row`](crate::Row) that was asked for the type, `get` or `at`.
        method: Option<&'static str>,
        /// The Rust type that does not take the column.
        takes: String,
        /// A Rust type that takes the column as it is.
        instead: Option<&'static str>,
        /// Whether [`Casts::Lossy`](crate::Casts::Lossy) would permit it.
        lossy: bool,
    },
    /// A value is null, and [`Nulls::Error`](crate::Nulls::Error) allows no nulls.
    #[non_exhaustive]
    Null {
        /// The column.
        column: String,
        /// The first row in which it is null.
        row: usize,
    },
    /// A value does not fit into the argument's type or into the output column's dtype.
    #[non_exhaustive]
    Value {
        /// Where the value is.
        place: Place,
        /// The input or output column, if it is known.
        column: Option<String>,
        /// What does not fit.
        message: String,
    },
    /// Two output columns have the same name.
    #[non_exhaustive]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// [`names`](crate::Apply::names) gives more or fewer names than there are output columns.
    #[non_exhaustive]
    NameCount {
        /// The number of names that were given.
        names: usize,
        /// The number of output columns.
        columns: usize,
    },
    /// An option cannot be followed, or a closure that an option was given (to report progress, or to say which errors are worth
    /// a retry) panicked.
    #[non_exhaustive]
    Option {
        /// The name of the option's method.
        option: &'static str,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// The closure returned an error, which is the [`cause`](Error::cause).
    #[non_exhaustive]
    Closure {
        /// What the closure was called on.
        place: Place,
        /// What it returned.
        cause: anyhow::Error,
    },
    /// The closure panicked.
    #[non_exhaustive]
    Panic {
        /// What the closure was called on.
        place: Place,
        /// The panic's message, if it was text.
        message: String,
    },
    /// More rows (columns, parts) failed than [`max_failures`](crate::Apply::max_failures) allows.
    #[non_exhaustive]
    TooManyFailures {
        /// The number of failures that are allowed.
        limit: usize,
        /// The failures up to the limit and the next one, as in [`Outcome::failures`](crate::Outcome).
        failures: DataFrame,
        /// The failure after the limit, which is the [`cause`](Error::cause).
        last: Box<Error>,
    },
    /// The call was cancelled, or its deadline passed, before all was done.
    ///
    /// A [`Job`](crate::Job) ends with it too if it was dropped, or if its pool was terminated.
    #[non_exhaustive]
    Cancelled {
        /// The number of rows that were done, those that failed included; for `columns`, of columns; for `elements`, of values; for a
        /// pool's `map`, of items.
        done: usize,
        /// The number that there are; 0 if that is not known, as in a lazy query.
        total: usize,
        /// The deadline that passed; `None` if a [`CancelToken`](crate::CancelToken) was cancelled.
        deadline: Option<Duration>,
        /// The failure that also ended the call, which is the [`cause`](Error::cause).
        ///
        /// It may not be the lowest one, since rows before it were never reached.
        failure: Option<Box<Error>>,
        /// Whether asking for the finished part would not help: it was asked for, and a failure prevented it; or this is not a
        /// call over a frame, or is a job that had not begun.
        partial: bool,
    },
    /// The [`Pool`](crate::Pool) takes no more work: it was closed or terminated, or its last clone was dropped.
    #[non_exhaustive]
    PoolClosed {
        /// Whether it was terminated, by [`Pool::terminate`](crate::Pool::terminate) or by the drop of its last clone.
        terminated: bool,
    },
    /// A [`Job`](crate::Job) was not done in the time that [`get_timeout`](crate::Job::get_timeout) gave it; it goes on.
    #[non_exhaustive]
    Timeout {
        /// How long `get_timeout` waited.
        waited: Duration,
    },
    /// The result of a [`Job`](crate::Job) was already taken.
    Taken,
    /// A worker's [`state`](crate::Apply::state) could not be made.
    #[non_exhaustive]
    State {
        /// Why it could not be made, which is the [`cause`](Error::cause).
        cause: anyhow::Error,
    },
    /// The hook that [finishes](crate::Apply::finish) a worker's state failed; the rows themselves ended without an error.
    #[non_exhaustive]
    Finish {
        /// Why it failed, which is the [`cause`](Error::cause).
        cause: anyhow::Error,
    },
    /// The results of parts, columns or rows cannot be stacked, since they differ in shape or dtype.
    #[non_exhaustive]
    Stack {
        /// The result that differs from those before it.
        place: Place,
        /// The output column, if one is at fault.
        column: Option<String>,
        /// How they differ.
        message: String,
    },
    /// Data cannot be converted between Polars and Arrow, because of a column's type, its name, or its values.
    #[non_exhaustive]
    Arrow {
        /// The column, if one is at fault.
        column: Option<String>,
        /// The batch at fault, counted from 0, if there are several.
        batch: Option<usize>,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// A [named function](crate::Registry) is not there, or cannot be called in this way.
    #[non_exhaustive]
    Function {
        /// The name that was asked for.
        function: String,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// A call has several faults, all of which were found before the closure was called.
    Several(Vec<Error>),
    /// Polars returned an error.
    Polars(PolarsError),
    /// Another error, in most cases an `anyhow::Error` that was converted.
    Other(anyhow::Error),
}

impl ErrorKind {
    /// Returns the kind's name for logs and metrics: that of its variant in lower case with underscores, as `"too_many_failures"`.
    ///
    /// A name is as stable as the variant: until the crate's next major version it does not change, and it does not come to mean
    /// another kind. Kinds may be added.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["x" => [1, 0]]?;
    /// let error = df.par_apply_rows(|x: i32| 1 / x).unwrap_err();
    /// assert_eq!(error.kind().name(), "panic");
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ErrorKind::ColumnNotFound { .. } => "column_not_found",
            ErrorKind::NoColumnAt { .. } => "no_column_at",
            ErrorKind::ArgumentCount { .. } => "argument_count",
            ErrorKind::Dtype { .. } => "dtype",
            ErrorKind::Null { .. } => "null",
            ErrorKind::Value { .. } => "value",
            ErrorKind::DuplicateName { .. } => "duplicate_name",
            ErrorKind::NameCount { .. } => "name_count",
            ErrorKind::Option { .. } => "option",
            ErrorKind::Closure { .. } => "closure",
            ErrorKind::Panic { .. } => "panic",
            ErrorKind::TooManyFailures { .. } => "too_many_failures",
            ErrorKind::Cancelled { .. } => "cancelled",
            ErrorKind::PoolClosed { .. } => "pool_closed",
            ErrorKind::Timeout { .. } => "timeout",
            ErrorKind::Taken => "taken",
            ErrorKind::State { .. } => "state",
            ErrorKind::Finish { .. } => "finish",
            ErrorKind::Stack { .. } => "stack",
            ErrorKind::Arrow { .. } => "arrow",
            ErrorKind::Function { .. } => "function",
            ErrorKind::Several(_) => "several",
            ErrorKind::Polars(_) => "polars",
            ErrorKind::Other(_) => "other",
        }
    }
}

/// What the closure was called on when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A row of the input, with its number.
    Row(usize),
    /// A column of the input.
    Column(String),
    /// A part of the input.
    #[non_exhaustive]
    Part {
        /// Its position among the parts, from 0.
        index: usize,
        /// The number of the input row that it begins with.
        row_offset: usize,
    },
    /// A value of a column, in a call of [`elements`](crate::Apply::elements).
    #[non_exhaustive]
    Element {
        /// The column's name.
        column: String,
        /// The row's number.
        row: usize,
    },
    /// A group of rows that have the same keys.
    #[non_exhaustive]
    Group {
        /// Its position among the groups, from 0; groups are in the order of their first rows.
        index: usize,
        /// The number of its first row.
        first_row: usize,
        /// Its keys, as Polars prints them, with a comma between.
        key: String,
    },
    /// The window around a row.
    #[non_exhaustive]
    Window {
        /// The row's number.
        row: usize,
    },
    /// One of the items that [`Pool::map`](crate::Pool::map) or a method like it was given, counted from 0.
    Item(usize),
    /// The one closure of [`Pool::apply`](crate::Pool::apply) or [`Pool::apply_async`](crate::Pool::apply_async).
    Job,
}

impl Error {
    /// Returns what went wrong.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Returns what went wrong, by value.
    #[must_use]
    pub fn into_kind(self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the error that this one includes in its message, which can be downcast.
    ///
    /// It is what the closure returned, or why a worker's state could not be made or finished; of too many failures, it is the one
    /// after the limit; of a call that was cancelled, it is the failure that also ended it, if there was one.
    ///
    /// ```
    /// use std::num::ParseIntError;
    ///
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["n" => ["1", "x"]]?;
    /// let error = df.par_apply_rows(|n: &str| n.parse::<i64>()).unwrap_err();
    /// assert!(error.cause().unwrap().is::<ParseIntError>());
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Closure { cause, .. }
            | ErrorKind::State { cause }
            | ErrorKind::Finish { cause } => Some(cause.as_ref()),
            // The error itself: as a `Box` it could not be downcast.
            ErrorKind::TooManyFailures { last, .. }
            | ErrorKind::Cancelled {
                failure: Some(last),
                ..
            } => Some(&**last),
            _ => None,
        }
    }

    /// Returns the number of the row at fault, counted from 0 in the whole input unless the call gives
    /// [other numbers](crate::Apply::row_numbers).
    #[must_use]
    pub fn row(&self) -> Option<usize> {
        match (self.kind(), self.place()) {
            (ErrorKind::Null { row, .. }, _) => Some(*row),
            (ErrorKind::TooManyFailures { last, .. }, _) => last.row(),
            (_, Some(Place::Row(row) | Place::Element { row, .. } | Place::Window { row })) => {
                Some(*row)
            }
            _ => None,
        }
    }

    /// Returns the position of the item at fault, counted from 0, of those that [`Pool::map`](crate::Pool::map) or a method like it was
    /// given.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self.place() {
            Some(Place::Item(index)) => Some(*index),
            _ => None,
        }
    }

    fn place(&self) -> Option<&Place> {
        match self.kind() {
            ErrorKind::Value { place, .. }
            | ErrorKind::Closure { place, .. }
            | ErrorKind::Panic { place, .. }
            | ErrorKind::Stack { place, .. } => Some(place),
            _ => None,
        }
    }

    /// Returns the name of the column at fault.
    #[must_use]
    pub fn column(&self) -> Option<&str> {
        match self.kind() {
            ErrorKind::ColumnNotFound { column, .. }
            | ErrorKind::Dtype { column, .. }
            | ErrorKind::Null { column, .. } => Some(column),
            ErrorKind::DuplicateName { name } => Some(name),
            ErrorKind::Value {
                column: Some(column),
                ..
            }
            | ErrorKind::Stack {
                column: Some(column),
                ..
            }
            | ErrorKind::Arrow {
                column: Some(column),
                ..
            } => Some(column),
            ErrorKind::TooManyFailures { last, .. } => last.column(),
            _ => match self.place() {
                Some(Place::Column(column) | Place::Element { column, .. }) => Some(column),
                _ => None,
            },
        }
    }

    /// Makes the error of work that was cancelled, of which `done` of `total` was done.
    pub(crate) fn cancelled(done: usize, total: usize) -> Self {
        ErrorKind::Cancelled {
            done,
            total,
            deadline: None,
            failure: None,
            partial: true,
        }
        .into()
    }

    /// Adds the number of the batch that the error is of.
    #[cfg(any(feature = "arrow", feature = "arrow2"))]
    pub(crate) fn in_batch(mut self, at: usize) -> Error {
        match &mut self.0.kind {
            ErrorKind::Arrow { batch, .. } => *batch = Some(at),
            ErrorKind::Several(faults) => {
                let all = std::mem::take(faults).into_iter();
                *faults = all.map(|fault| fault.in_batch(at)).collect();
            }
            _ => {}
        }
        self
    }

    /// Copies an error of data that a frame could not be made of; of any other error, it copies the message.
    #[cfg(any(feature = "arrow", feature = "arrow2"))]
    pub(crate) fn again(&self) -> Error {
        let kind = match self.kind() {
            ErrorKind::Arrow {
                column,
                batch,
                message,
            } => ErrorKind::Arrow {
                column: column.clone(),
                batch: *batch,
                message: message.clone(),
            },
            ErrorKind::DuplicateName { name } => ErrorKind::DuplicateName { name: name.clone() },
            ErrorKind::Several(faults) => {
                ErrorKind::Several(faults.iter().map(Error::again).collect())
            }
            _ => ErrorKind::Arrow {
                column: None,
                batch: None,
                message: self.to_string(),
            },
        };
        kind.into()
    }

    /// Replaces the position in an error of results that do not stack by the place of the item at that position.
    pub(crate) fn of_item(mut self, place_of: impl FnOnce(usize) -> Place) -> Self {
        if let ErrorKind::Stack { place, .. } = &mut self.0.kind
            && let Place::Row(position) = place
        {
            *place = place_of(*position);
        }
        self
    }

    /// Makes the error of a call over one batch into that of the query, which has more rows than the batch and has no finished part to
    /// keep.
    #[cfg(feature = "lazy")]
    pub(crate) fn in_query(mut self) -> Self {
        if let ErrorKind::Cancelled {
            done,
            total,
            partial,
            ..
        } = &mut self.0.kind
        {
            (*done, *total) = (0, 0);
            *partial = true;
        }
        self
    }

    /// Makes an error of Polars with this error's message after a prefix. A panic of the user's code, when the message is made or when
    /// this error is dropped, is caught.
    pub(crate) fn into_compute_error(self, prefix: &str) -> PolarsError {
        let message = format!("{prefix}{}", said(&self, true));
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(self))) {
            // What is left of the error is leaked, and so is what its drop panicked with.
            std::mem::forget(payload);
        }
        PolarsError::ComputeError(ErrString::from(message))
    }

    /// Notes that the row at this position in the input of a call made the error.
    pub(crate) fn of_row(mut self, position: usize) -> Self {
        self.0.of_row = Some(OfRow {
            position,
            is_left_out: AtomicBool::new(false),
        });
        self
    }

    /// Leaves the row out of the messages of the errors that it made, which are `cause` or among its causes: the error that is made
    /// of them names the row itself. Finding the causes calls the user's code, so call this within `run::catch`.
    pub(crate) fn leave_out_row(cause: &anyhow::Error, is_row: impl Fn(usize) -> bool) {
        let own = Chain::of(cause).filter_map(|cause| cause.downcast_ref::<Error>());
        // What comes after an error of another call has that call's rows.
        for of_row in own.map_while(|error| error.0.of_row.as_ref()) {
            if is_row(of_row.position) {
                // Relaxed: the thread that shows the error gets this store together with the error.
                of_row.is_left_out.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Leaves the row out of this error's message.
    pub(crate) fn leave_out_own_row(&self) {
        if let Some(of_row) = &self.0.of_row {
            of_row.is_left_out.store(true, Ordering::Relaxed);
        }
    }

    fn leaves_out_row(&self) -> bool {
        let of_row = self.0.of_row.as_ref();
        of_row.is_some_and(|of_row| of_row.is_left_out.load(Ordering::Relaxed))
    }

    /// Makes one error of the faults of a call; returns `Ok` if there are none.
    pub(crate) fn of_all(mut faults: Vec<Error>) -> Result<()> {
        match faults.len() {
            0 => Ok(()),
            1 => Err(faults.remove(0)),
            _ => Err(ErrorKind::Several(faults).into()),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind, of_row: None }))
    }
}

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Self {
        ErrorKind::Polars(error).into()
    }
}

/// Returns the [`Error`] that had become an `anyhow::Error`, and wraps any other error.
impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        // Only if no context was added to it, which would be lost.
        let is_own = error
            .chain()
            .next()
            .is_some_and(<dyn std::error::Error>::is::<Error>);
        if !is_own {
            return ErrorKind::Other(error).into();
        }
        error
            .downcast::<Error>()
            .unwrap_or_else(|error| ErrorKind::Other(error).into())
    }
}

/// Returns the error of Polars, if it is one, and turns any other into a `ComputeError` with this error's message. It does not panic,
/// whatever the error of a closure does when it is shown or dropped.
impl From<Error> for PolarsError {
    fn from(error: Error) -> Self {
        match error.into_kind() {
            ErrorKind::Polars(error) => error,
            kind => Error::from(kind).into_compute_error(""),
        }
    }
}

impl std::error::Error for Error {
    /// Returns the source of the last error that the message includes.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Polars(error) => unsaid_by_polars(error),
            ErrorKind::Other(error) => unsaid(error.as_ref()),
            _ => self.cause().and_then(unsaid),
        }
    }
}
