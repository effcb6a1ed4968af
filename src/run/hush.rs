//! Keeps the panic hook from printing once per row.
//!
//! The first panic of a run goes to whatever hook the program has, message and backtrace and all; those after it are told
//! in the call's result and nowhere else. A hook sees a panic before it can be caught, so this takes a hook around the
//! program's own. It is installed when a run has caught its first panic: a program whose closures never panic keeps the
//! hook that it has.

use std::cell::Cell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// Whether this thread is in a closure of a run that has panicked before.
    static HUSHED: Cell<bool> = const { Cell::new(false) };
}

/// Installs the hook, once.
pub(super) fn have_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // Taking the hook panics on a panicking thread: one whose destructors call this crate.
        if std::thread::panicking() {
            return;
        }
        let own = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !HUSHED.try_with(Cell::get).unwrap_or(false) {
                own(info);
            }
        }));
    });
}

/// Hushes this thread, until the guard that it has is dropped.
pub(super) fn from_now_on() {
    HUSHED.set(true);
}

/// Hushes, or not, what panics on this thread until the guard is dropped.
pub(super) struct Hush(bool);

impl Hush {
    pub(super) fn new(hush: bool) -> Self {
        Hush(HUSHED.replace(hush))
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        HUSHED.set(self.0);
    }
}
