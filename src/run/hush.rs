//! Keeps the panic hook from printing once per row.
//!
//! The first panic of a run (of each worker that has one before it learns of another's) goes to whatever hook the program
//! has, message and backtrace and all; those after it, and those of calls within, are told in the call's result and nowhere
//! else. A hook sees a panic before it can be caught, so this takes a hook around the
//! program's own. It is installed when a run has caught its first panic: a program whose closures never panic keeps the
//! hook that it has, and so does one that asks for it.

use std::cell::Cell;
use std::panic;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Once, thread};

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

/// Whether the program wants its hook called for every panic.
static KEPT: AtomicBool = AtomicBool::new(false);

/// Leaves the process's panic hook alone, from now on: it is called for every panic of every closure.
///
/// By default, the hook is called for the first panic of a call, and at most once for each worker, so that a million rows
/// that panic do not print a million messages. For that, the crate puts a hook of its own around the program's when a
/// closure panics for the first time in the process. A program that calls this before, say at the start of its `main`, has
/// no other hook than those that it sets. If it is called later, the crate's hook stays, and hands every panic on.
///
/// Panics become errors and failures all the same; see [`Apply::on_error`](crate::Apply::on_error).
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use polars_par_apply::prelude::*;
///
/// static HEARD: AtomicUsize = AtomicUsize::new(0);
///
/// polars_par_apply::keep_panic_hook();
/// std::panic::set_hook(Box::new(|_| {
///     HEARD.fetch_add(1, Ordering::Relaxed);
/// }));
/// let df = df!["x" => [1, 2, 3]]?;
/// let outcome = df.par_apply().on_error(OnError::Null).rows(|x: i32| -> i32 { panic!("{x}") })?;
/// assert_eq!(outcome.failures.height(), 3);
/// assert_eq!(HEARD.load(Ordering::Relaxed), 3);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
pub fn keep_panic_hook() {
    // Relaxed: nothing else is read by it.
    KEPT.store(true, Ordering::Relaxed);
}

fn is_kept() -> bool {
    KEPT.load(Ordering::Relaxed)
}

/// Installs the hook, once, unless the program wants none.
pub(super) fn have_hook() {
    static INSTALL: Once = Once::new();
    // Taking the hook panics on a panicking thread: one whose destructors call this crate.
    if is_kept() || thread::panicking() {
        return;
    }
    INSTALL.call_once(|| {
        let own = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if is_kept() || AMID.try_with(Cell::get) != Ok(Amid::RunThatPanicked) {
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
