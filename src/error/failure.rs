//! Why an item has no result; it is passed from the innermost loop to the report.

use polars::prelude::PlSmallStr;

use super::Error;
use crate::quiet::quietly_drop;

/// Why a row (a column, a part) has no result.
#[doc(hidden)]
#[derive(Debug)]
pub enum Failure {
    /// The closure returned an error.
    Closure(Cause),
    /// The closure panicked.
    Panic(String),
    /// A value could not be read.
    Read(Fault),
    /// A result could not be written.
    Write(Refused),
    /// An error that already says where it happened.
    Known(Error),
    /// The message of the closure's error, which itself was dropped.
    Said(PlSmallStr),
}

/// Why a row cannot be read.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Fault {
    /// The argument's position.
    pub argument: usize,
    /// What is wrong with the value; `None` if it is null.
    pub message: Option<String>,
}

/// A result that its column cannot hold.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refused {
    /// The output column's position, if there are several.
    pub(crate) column: usize,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(message: String) -> Self {
        Refused { column: 0, message }
    }
}

/// An error of the user's code, whose drop may panic; here the panic is caught.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cause(Option<anyhow::Error>);

impl Cause {
    pub(crate) fn new(error: anyhow::Error) -> Self {
        Cause(Some(error))
    }

    pub(crate) fn get(&self) -> &anyhow::Error {
        self.0.as_ref().expect("it is there until it is taken")
    }

    pub(crate) fn into_inner(mut self) -> anyhow::Error {
        self.0.take().expect("it is taken once")
    }
}

impl Drop for Cause {
    fn drop(&mut self) {
        if let Some(error) = self.0.take() {
            quietly_drop(error);
        }
    }
}
