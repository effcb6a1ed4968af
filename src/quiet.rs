//! Dropping values that belong to the user.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops a value of the user's without letting a panic out. If the drop panics, the panic's payload is also the user's, and is
/// dropped in the same way. If dropping the payload panics too, the second payload is leaked, since this could go on without end.
pub(crate) fn quietly_drop<T>(value: T) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) else {
        return;
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
}
