//! Drops of values that are the user's.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops what is the user's. Should that panic, the payload of the panic is the user's too, and dropped likewise; one whose
/// own drop panics leaves a payload that is leaked, since there is no end to that.
pub(crate) fn quietly_drop<T>(value: T) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) else {
        return;
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
}
