//! Who runs which rows: the order in which rows are handed out, failures and what follows from them, cancelling, progress.
//!
//! A [`Run`] belongs to one call. Its rows are in a queue, from which workers take morsels. Each [`Worker`] calls the
//! [`Kernel`] with its morsel, and the kernel reports to the worker what is done and what has failed. The worker knows the
//! policy, so a kernel asks it what to do with a row that failed.

mod bell;
mod claims;
mod deferred;
mod drive;
mod failure;
mod faults;
mod hush;
mod plan;
mod queue;
mod recorder;
mod seats;
mod shared;
mod steps;
mod ticker;
mod trace;
mod worker;

pub(crate) use drive::{Broken, Ended};
pub(crate) use failure::{Cause, Failure, catch, quietly_drop, say};
pub(crate) use faults::Record;
pub(crate) use hush::is_amid_a_run;
pub use hush::keep_panic_hook;
pub(crate) use plan::Plan;
pub(crate) use recorder::Recorder;
pub(crate) use shared::{Run, says_cancelled};
pub(crate) use steps::{BATCH, Steps};
pub(crate) use worker::{Kernel, Verdict, Worker};
