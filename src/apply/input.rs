//! The frame of a call.

use std::fmt;

use polars::prelude::{Column, DataFrame};

use crate::error::Result;
#[cfg(any(feature = "arrow", feature = "arrow2"))]
use crate::sync::Arc;

/// The frame of a call: the caller's, or one that was made for the call.
#[derive(Clone)]
pub(super) enum Input<'a> {
    Given(&'a DataFrame),
    /// A frame that was made of something else, such as record batches, or the error where it could not be made.
    #[cfg(any(feature = "arrow", feature = "arrow2"))]
    Made(Arc<Result<DataFrame>>),
    /// A frame that a job owns.
    Owned(DataFrame),
}

impl Input<'_> {
    pub(super) fn get(&self) -> Result<&DataFrame> {
        match self {
            Input::Given(frame) => Ok(frame),
            #[cfg(any(feature = "arrow", feature = "arrow2"))]
            Input::Made(made) => made.as_ref().as_ref().map_err(crate::Error::again),
            Input::Owned(frame) => Ok(frame),
        }
    }

    /// Turns it into one that borrows nothing.
    pub(super) fn owned(self) -> Input<'static> {
        match self {
            Input::Given(frame) => Input::Owned(frame.clone()),
            #[cfg(any(feature = "arrow", feature = "arrow2"))]
            Input::Made(made) => Input::Made(made),
            Input::Owned(frame) => Input::Owned(frame),
        }
    }

    /// Returns the frame's columns, or none where the frame could not be made.
    pub(super) fn columns(&self) -> &[Column] {
        self.get().map_or(&[], DataFrame::columns)
    }

    pub(super) fn height(&self) -> usize {
        self.get().map_or(0, DataFrame::height)
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Ok(frame) => fmt::Debug::fmt(frame, f),
            Err(error) => write!(f, "no frame: {error}"),
        }
    }
}
