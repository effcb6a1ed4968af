//! Arrow in and out: conversion of frames to and from the record batches of arrow-rs and the chunks of arrow2, without a copy
//! where Polars stores the type in the same way.
//!
//! Everything goes over the C Data Interface, which both libraries and `polars-arrow` support. `c` has its structs, and `ffi`
//! converts a column to them and back. `fit` says which types can be converted, and `claims` checks whether the arrays are as
//! their schema says.

#[cfg(feature = "arrow2")]
mod arrow2;
#[cfg(feature = "arrow")]
mod batch;
mod c;
mod claims;
mod ffi;
mod fit;
#[cfg(any(feature = "arrow", feature = "arrow2"))]
mod frames;

#[cfg(feature = "arrow2")]
pub(crate) use self::arrow2::chunk_of;
#[cfg(feature = "arrow2")]
pub use self::arrow2::{Arrow2Chunk, FromArrow2, ToArrow2};
#[cfg(feature = "arrow")]
pub(crate) use batch::batch_of;
#[cfg(feature = "arrow")]
pub use batch::{FromArrow, ToArrow, frame_of};
pub use ffi::{column_from_ffi, column_to_ffi};
#[cfg(feature = "arrow")]
pub(crate) use frames::faults;
#[cfg(feature = "arrow2")]
pub(crate) use frames::faults_of_arrow2;
pub use polars_arrow::ffi::{ArrowArray, ArrowSchema};
