//! The crate's error type.

use std::fmt;
use std::time::Duration;

use polars::error::PolarsError;
use serde::{Deserialize, Serialize};

/// A result whose error is [`Error`], unless another type is given.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a cluster, or of a call on one.
///
/// The message says what is wrong, where, and how to mend it. [`kind`](Error::kind) returns the same in a form to match on.
pub struct Error(Box<ErrorKind>);

/// The kinds of [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The scheduler could not be reached, or could no longer be reached, for as long as [`patience`](crate::ClusterBuilder::patience)
    /// allows.
    #[non_exhaustive]
    Unreachable {
        /// The scheduler's address.
        url: String,
        /// The message of the last attempt.
        message: String,
    },
    /// The scheduler or an executor requires a token, and the driver's token is missing or wrong.
    #[non_exhaustive]
    Unauthorized {
        /// The scheduler's address.
        url: String,
    },
    /// The scheduler had no executor for as long as [`patience`](crate::ClusterBuilder::patience) allows.
    #[non_exhaustive]
    NoExecutors {
        /// How long the call waited.
        waited: Duration,
        /// The message of the last failed attempt, if there was one: executors may be gone because the function ended their processes.
        message: Option<String>,
    },
    /// The executors have no function of this name, or have it with other types, or have another version of the registry.
    #[non_exhaustive]
    Mismatch {
        /// The function's name.
        function: String,
        /// What the driver has, and what the executor has.
        message: String,
    },
    /// The function cannot be called in this way, because of its verb, an option, or the files' schema; nothing was run.
    #[non_exhaustive]
    Refused {
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// A part's rows could not be read on an executor, or its file was changed after the call had begun.
    #[non_exhaustive]
    Input {
        /// Which file could not be read, on which executor, and why.
        message: String,
        /// The part.
        part: usize,
    },
    /// The call failed on an executor, as it would have failed on one machine.
    ///
    /// The closure returned an error or panicked, a value did not fit, or too many rows failed. If several parts failed, the error is that of
    /// the lowest.
    #[non_exhaustive]
    Call {
        /// The name of the kind of error that the call returned: [`polars_par_apply::ErrorKind::name`].
        kind: String,
        /// Its message, which names the row of the whole input.
        message: String,
        /// The number of the row at fault in the whole input, if there is one.
        row: Option<u64>,
        /// The column at fault, if there is one.
        column: Option<String>,
        /// The part.
        part: usize,
    },
    /// More rows failed, in all parts together, than [`max_failures`](crate::ClusterApply::max_failures) allows.
    ///
    /// It is counted when all parts are done. A single part with more failures than that ends the call sooner, with
    /// [`Call`](ErrorKind::Call) of the kind `too_many_failures`.
    #[non_exhaustive]
    TooManyFailures {
        /// How many may fail.
        limit: usize,
        /// How many failed.
        failures: usize,
    },
    /// Some parts have no result, because each attempt to run them lost executors or connections.
    #[non_exhaustive]
    Lost {
        /// How many parts have no result.
        missing: usize,
        /// How many parts there are.
        parts: usize,
        /// How many attempts in a row finished no part.
        attempts: usize,
        /// The message of the last attempt.
        message: String,
    },
    /// The plan, or a frame in it, is larger than a message of the cluster may be.
    #[non_exhaustive]
    TooLarge {
        /// How large it is, in bytes.
        bytes: usize,
        /// How large it may be.
        limit: usize,
        /// How to mend it.
        message: String,
    },
    /// The call was cancelled, or its deadline passed.
    #[non_exhaustive]
    Cancelled {
        /// How many parts were done.
        done: usize,
        /// How many parts there are.
        parts: usize,
        /// The deadline that passed; `None` if the token was cancelled.
        deadline: Option<Duration>,
    },
    /// The folder of a sink has files of another call, or the executors cannot write to it, or the driver does not see it.
    #[non_exhaustive]
    Sink {
        /// The folder; empty if the message names the file.
        folder: String,
        /// What is wrong, and how to mend it.
        message: String,
    },
    /// A process of a local cluster did not start, or ended.
    #[non_exhaustive]
    Process {
        /// What was started, and how it ended.
        message: String,
    },
    /// A file could not be read or written.
    Io(std::io::Error),
    /// An error of Polars.
    Polars(PolarsError),
    /// The checks of the call found an error before anything was run.
    Apply(polars_par_apply::Error),
}

impl Error {
    /// Returns what went wrong, in a form to match on.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// Returns the number of the row at fault in the whole input, if there is one.
    #[must_use]
    pub fn row(&self) -> Option<u64> {
        match self.kind() {
            ErrorKind::Call { row, .. } => *row,
            ErrorKind::Apply(error) => error.row().map(|row| row as u64),
            _ => None,
        }
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        let message = message.into();
        ErrorKind::Refused { message }.into()
    }
}

impl ErrorKind {
    /// Returns the kind's name, for logs and metrics: the variant's name in lower case with underscores, such as `"no_executors"`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            ErrorKind::Unreachable { .. } => "unreachable",
            ErrorKind::Unauthorized { .. } => "unauthorized",
            ErrorKind::NoExecutors { .. } => "no_executors",
            ErrorKind::Mismatch { .. } => "mismatch",
            ErrorKind::Refused { .. } => "refused",
            ErrorKind::Input { .. } => "input",
            ErrorKind::Call { .. } => "call",
            ErrorKind::TooManyFailures { .. } => "too_many_failures",
            ErrorKind::Lost { .. } => "lost",
            ErrorKind::TooLarge { .. } => "too_large",
            ErrorKind::Cancelled { .. } => "cancelled",
            ErrorKind::Sink { .. } => "sink",
            ErrorKind::Process { .. } => "process",
            ErrorKind::Io(_) => "io",
            ErrorKind::Polars(_) => "polars",
            ErrorKind::Apply(_) => "apply",
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error(Box::new(kind))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        ErrorKind::Io(error).into()
    }
}

impl From<PolarsError> for Error {
    fn from(error: PolarsError) -> Self {
        ErrorKind::Polars(error).into()
    }
}

impl From<polars_par_apply::Error> for Error {
    fn from(error: polars_par_apply::Error) -> Self {
        ErrorKind::Apply(error).into()
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Unreachable { url, message } => write!(
                f,
                "the scheduler at {url} cannot be reached: {message}; start one with the subcommand `scheduler`, or give its address"
            ),
            ErrorKind::Unauthorized { url } => write!(
                f,
                "the cluster at {url} requires a token, and the one given is missing or wrong; give the token that its processes were started with"
            ),
            ErrorKind::NoExecutors { waited, message } => {
                write!(
                    f,
                    "the cluster had no executor for {waited:.1?}; start one with the subcommand `executor`"
                )?;
                match message {
                    Some(message) => write!(f, " (the last attempt ended with: {message})"),
                    None => Ok(()),
                }
            }
            ErrorKind::Mismatch { function, message } => write!(
                f,
                "the executors' build differs from the driver's in function {function:?}: {message}; run one build in all processes"
            ),
            ErrorKind::Refused { message } => f.write_str(message),
            ErrorKind::Call { message, part, .. } | ErrorKind::Input { message, part } => {
                write!(f, "part {part}: {message}")
            }
            ErrorKind::TooManyFailures { limit, failures } => write!(
                f,
                "{failures} rows failed in all parts together, more than .max_failures({limit}) allows"
            ),
            ErrorKind::Lost {
                missing,
                parts,
                attempts,
                message,
            } => write!(
                f,
                "{missing} of {parts} parts have no result after {attempts} attempts; the last one ended with: {message}"
            ),
            ErrorKind::TooLarge {
                bytes,
                limit,
                message,
            } => write!(
                f,
                "{bytes} bytes are more than the {limit} that a message may have; {message}"
            ),
            ErrorKind::Cancelled {
                done,
                parts,
                deadline,
            } => {
                match deadline {
                    Some(deadline) => write!(f, "the deadline of {deadline:.1?} passed")?,
                    None => f.write_str("the call was cancelled")?,
                }
                write!(f, " when {done} of {parts} parts were done")
            }
            ErrorKind::Sink { folder, message } if folder.is_empty() => f.write_str(message),
            ErrorKind::Sink { folder, message } => write!(f, "folder {folder:?}: {message}"),
            ErrorKind::Process { message } => f.write_str(message),
            ErrorKind::Io(error) => fmt::Display::fmt(error, f),
            ErrorKind::Polars(error) => fmt::Display::fmt(error, f),
            ErrorKind::Apply(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl std::error::Error for Error {}

/// An error of a task, as it is sent to the driver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum TaskError {
    /// The function, its types or its version are not those of the driver.
    Mismatch { function: String, message: String },
    /// The call's error.
    Call {
        kind: String,
        message: String,
        row: Option<u64>,
        column: Option<String>,
    },
    /// The deadline passed, or the job was cancelled.
    Stopped,
    /// The input is not the planned one: a file has changed.
    Changed { message: String },
    /// A file could not be read or written. Another executor may be able to.
    Io { message: String, is_sink: bool },
}

impl TaskError {
    pub(crate) fn of(error: &polars_par_apply::Error) -> Self {
        use polars_par_apply::ErrorKind as Kind;
        use polars_par_apply::Place;
        match error.kind() {
            Kind::Cancelled { failure: None, .. } => TaskError::Stopped,
            kind => TaskError::Call {
                kind: kind.name().to_string(),
                message: match kind {
                    // The error would say part 0, since the executor's frame has only one. The call's part is added later.
                    Kind::Closure {
                        place: Place::Part { row_offset, .. },
                        cause,
                        ..
                    } => {
                        format!("from row {row_offset}: the closure returned an error: {cause:#}")
                    }
                    Kind::Panic {
                        place: Place::Part { row_offset, .. },
                        message,
                        ..
                    } => format!("from row {row_offset}: the closure panicked: {message}"),
                    _ => format!("{error:#}"),
                },
                row: error.row().map(|row| row as u64),
                column: error.column().map(str::to_string),
            },
        }
    }

    pub(crate) fn into_error(self, part: usize) -> Error {
        match self {
            TaskError::Mismatch { function, message } => {
                ErrorKind::Mismatch { function, message }.into()
            }
            TaskError::Call {
                kind,
                message,
                row,
                column,
            } => ErrorKind::Call {
                kind,
                message,
                row,
                column,
                part,
            }
            .into(),
            TaskError::Changed { message } => ErrorKind::Input { message, part }.into(),
            TaskError::Io {
                message,
                is_sink: false,
            } => ErrorKind::Input { message, part }.into(),
            TaskError::Io {
                message,
                is_sink: true,
            } => {
                let folder = String::new();
                let message = format!("part {part}: {message}");
                ErrorKind::Sink { folder, message }.into()
            }
            TaskError::Stopped => ErrorKind::Cancelled {
                done: 0,
                parts: 0,
                deadline: None,
            }
            .into(),
        }
    }
}
