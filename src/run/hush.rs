//! Keeps the panic hook from printing once per row.
//!
//! The first panic of a run (of each worker that has one before it learns of another's) goes to whatever hook the program
//! has, message and backtrace and all; those after it, and those of calls within, are told in the call's result and nowhere
//! else. A hook sees a panic before it can be caught, so this takes a hook around the
//! program's own. It is installed when a run has caught its first panic: a program whose closures never panic keeps the
//! hook that it has.

use crate::sync::{Once, thread};
use std::cell::Cell;
use std::panic;

/// What this thread is in the midst of.
#[derive(Clone, Copy, PartialEq)]
enum Amid {
    Nothing,
    /// A closure of a run in which nothing has panicked.
    Run,
    /// One of a run in which something has, be it a call within.
    RunThatPanicked,
}

thread_local! {
    static AMID: Cell<Amid> = const { Cell::new(Amid::Nothing) };
}

/// Installs the hook, once.
pub(super) fn have_hook() {
    static INSTALL: Once = Once::new();
    // Taking the hook panics on a panicking thread: one whose destructors call this crate.
    if thread::panicking() {
        return;
    }
    INSTALL.call_once(|| {
        let own = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if AMID.try_with(Cell::get) != Ok(Amid::RunThatPanicked) {
                own(info);
            }
        }));
    });
}

/// Hushes this thread, if it is amid a run, until that is over.
pub(super) fn from_now_on() {
    if AMID.get() == Amid::Run {
        AMID.set(Amid::RunThatPanicked);
    }
}

/// Whether this thread is in a closure of a run.
pub(crate) fn is_amid_a_run() -> bool {
    AMID.get() != Amid::Nothing
}

/// Whether something has panicked in the run that this thread is amid.
pub(super) fn is_hushed() -> bool {
    AMID.get() == Amid::RunThatPanicked
}

/// Puts this thread amid a run, until the guard is dropped. A call within one that is hushed is hushed too; and one in
/// which something has panicked hushes what is around it.
pub(super) struct Hush(Amid);

impl Hush {
    pub(super) fn new(panicked: bool) -> Self {
        let before = AMID.get();
        AMID.set(if panicked || before == Amid::RunThatPanicked {
            Amid::RunThatPanicked
        } else {
            Amid::Run
        });
        Hush(before)
    }
}

impl Drop for Hush {
    fn drop(&mut self) {
        let sticks = self.0 != Amid::Nothing && is_hushed();
        AMID.set(if sticks {
            Amid::RunThatPanicked
        } else {
            self.0
        });
    }
}
