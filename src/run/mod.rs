//! Who runs what: the pool, the order in which work is handed out, early stop, panics.

mod drive;
mod failure;
mod plan;

pub(crate) use drive::{Job, each, over_rows};
pub(crate) use failure::{Failure, Stop, catch};
pub(crate) use plan::Plan;
