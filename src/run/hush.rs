//! Keeps the panic hook from printing once per row.
//!
//! The first panic of a run goes to the hook that the program has, with message and backtrace (each worker can have one such
//! panic before it learns of another's). Later panics, and those of calls within the run, are reported only in the call's
//! result. A hook sees a panic before it can be caught, so the crate wraps the program's hook in its own. That is installed
//! when a run has caught its first panic: a program whose closures never panic keeps the hook that it has, and so does one that
//! asks for it.

use std::cell::Cell;
use std::panic;

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Once, thread};

/// What this thread is doing.
#[derive(Clone, Copy, PartialEq)]
enum Amid {
    Nothing,
    /// It runs a closure of a run in which nothing has panicked.
    Run,
    /// It runs a closure of a run in which something has panicked, perhaps in a call within.
    RunThatPanicked,
}

thread_local! {
    static AMID: Cell<Amid> = const { Cell::new(Amid::Nothing) };
}

/// Whether the program wants its hook to be called for every panic.
static KEPT: AtomicBool = AtomicBool::new(false);

/// Makes the process's panic hook be called for every panic of every closure, from now on.
///
/// By default, the hook is called for the first panic of a call, and at most once for each worker, so that a million rows that
/// panic do not print a million messages. To achieve this, the crate wraps the program's hook in a hook of the crate when a
/// closure panics for the first time in the process. If a program calls this function before that, for example at the start of
/// `main`, the only hooks are those that the program sets. If it is called later, the crate's hook stays, and passes every
/// panic on.
///
/// Panics still become errors and failures; see [`Apply::on_error`](crate::Apply::on_error).
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
    // Relaxed, since nothing else depends on it.
    KEPT.store(true, Ordering::Relaxed);
}

fn is_kept() -> bool {
    KEPT.load(Ordering::Relaxed)
}

/// Installs the hook once, unless the program does not want it.
pub(super) fn have_hook() {
    static INSTALL: Once = Once::new();
    // Taking the hook panics on a thread that is panicking, as one is whose destructors call this crate.
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

/// Silences further panics of this thread until its run is over, if it is in a closure of a run.
pub(super) fn from_now_on() {
    if AMID.get() == Amid::Run {
        AMID.set(Amid::RunThatPanicked);
    }
}

/// Returns whether this thread is in a closure of a run.
pub(crate) fn is_amid_a_run() -> bool {
    AMID.get() != Amid::Nothing
}

/// Returns whether something has panicked in the run whose closure this thread is in.
pub(super) fn is_hushed() -> bool {
    AMID.get() == Amid::RunThatPanicked
}

/// Marks this thread as being in a closure of a run, until the guard is dropped. A call within a silenced run is silenced too,
/// and a call in which something has panicked silences the run around it.
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
