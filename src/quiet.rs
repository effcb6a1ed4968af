//! Drops of values that are the user's.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what is the user's; should that panic, what is left of it is leaked.
pub(crate) fn quietly_drop<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        mem::forget(payload);
    }
}
