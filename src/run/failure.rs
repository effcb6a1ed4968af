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
    /// Returns whether the closure was called; it is not called if a value cannot be read.
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

    /// Marks this as the failure of the row at a position in the input, so that an error of the row itself need not name the
    /// row again.
    pub(crate) fn of_row(self, position: usize) -> Self {
        if let Failure::Closure(cause) = &self {
            // If this panics, the row stays in the message.
            let _ = catch(|| Error::leave_out_row(cause.get(), |row| row == position));
        }
        self
    }

    /// Keeps only the message of an error: where a run has many errors, their memory is released, and the work of making the
    /// messages is shared by the workers.
    pub(super) fn said(self) -> Self {
        match self {
            Failure::Closure(cause) => {
                let cause = cause.into_inner();
                let said = say(|| {
                    // Most messages need no separate memory in this type.
                    let mut said = PlSmallStr::EMPTY;
                    // Only the error's own `Display` can fail; what it has written so far is kept.
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

/// Returns a message that the user's code makes, which may panic.
pub(crate) fn say<T: From<&'static str>>(message: impl FnOnce() -> T) -> T {
    catch(message)
        .unwrap_or_else(|_| "the error's message cannot be shown: its Display panicked".into())
}

/// Calls `work`; a panic in it becomes a failure.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    // This is unwind safe: if a closure panics, the caller discards or repairs whatever of our state is half done.
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

/// The error of a user's hook that panicked.
pub(super) fn panicked(option: &'static str, failure: Failure) -> Error {
    let what = match failure {
        Failure::Panic(message) => message,
        other => format!("{other:?}"),
    };
    ErrorKind::Option {
        option,
        message: format!("the closure panicked: {what}"),
    }
    .into()
}
