//! How a row fails: an error, a panic, a value that cannot be read or written.

use std::any::Any;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::PlSmallStr;

use super::hush;
pub(crate) use crate::error::{Cause, Failure};
use crate::error::{Causes, Error, ErrorKind};
pub(crate) use crate::quiet::quietly_drop;
use crate::row_numbers::Unnumbered;

impl Failure {
    /// Whether the closure was called: it is not where a value cannot be read.
    pub(super) fn is_of_closure(&self) -> bool {
        match self {
            Failure::Read(_) => false,
            Failure::Known(error) => !matches!(
                error.kind(),
                ErrorKind::Value { .. } | ErrorKind::Arrow { .. }
            ),
            _ => true,
        }
    }

    /// As the failure of the row at a position in the input, which need not be said again by what the row has made.
    pub(crate) fn of_row(self, position: usize) -> Self {
        if let Failure::Closure(cause) = &self {
            // A panic in it leaves the row in the message.
            let _ = catch(|| Error::leave_out_row(cause.get(), |row| row == position));
        }
        self
    }

    /// Keeps of an error what it says: where a run has many, their memory is given back, and the saying is shared out.
    pub(super) fn said(self) -> Self {
        match self {
            Failure::Closure(cause) => {
                let cause = cause.into_inner();
                let said = say(|| {
                    // Most messages need no memory of their own there.
                    let mut said = PlSmallStr::EMPTY;
                    // Only an error's own `Display` can refuse; what it has said is kept.
                    let _ = write!(said, "{:#}", Causes::of(&cause));
                    said
                });
                quietly_drop(cause);
                Failure::Said(said)
            }
            other => other,
        }
    }
}

/// A message that the user's code makes, which may panic.
pub(crate) fn say<T: From<&'static str>>(message: impl FnOnce() -> T) -> T {
    catch(message).unwrap_or_else(|_| "the error's message cannot be had: making it panics".into())
}

/// Calls `work`, a panic in it becoming a failure.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // Unwind safe: what a panicking closure leaves half done of ours is thrown away, or made good, by the caller.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        if payload.is::<Unnumbered>() {
            return Failure::Known(Unnumbered::error());
        }
        hush::have_hook();
        let message = message(&*payload);
        quietly_drop(payload);
        Failure::Panic(message)
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "its payload is not text".into())
}

/// The error of a hook of the user's that panicked.
pub(super) fn panicked(option: &'static str, failure: Failure) -> Error {
    let what = match failure {
        Failure::Panic(message) => message,
        other => format!("{other:?}"),
    };
    ErrorKind::Option {
        option,
        message: format!("it panicked: {what}"),
    }
    .into()
}
