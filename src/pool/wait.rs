//! Waiting for another thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use polars_async::executor::block_in_place;

use crate::quiet::quietly_drop;
use crate::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Waits while `is_so` holds, but not beyond `until`; the bell is rung when that may have changed. What `waits` returns is kept
/// until the wait is over.
///
/// A worker of a rayon pool does other work of its pool meanwhile, because what it waits for may need the worker, for example to
/// run something in Polars. On a thread of Polars' streaming engine, another thread takes its place, because what it waits for may
/// be a query, which needs the engine's threads.
pub(super) fn wait_while_as<'m, T, W>(
    waits: impl FnOnce() -> W,
    mutex: &'m Mutex<T>,
    bell: &Condvar,
    until: Option<Instant>,
    is_so: impl Fn(&T) -> bool,
) -> MutexGuard<'m, T> {
    let lock = || mutex.lock().unwrap_or_else(PoisonError::into_inner);
    let guard = lock();
    if !is_so(&guard) {
        return guard;
    }
    // This is done without the lock, since these calls take locks of their own.
    drop(guard);
    let _waits = waits();
    off_the_engine(|| wait(lock, bell, until, &is_so))
}

/// Waits on a thread of Polars' streaming engine, if this is one, while another thread takes its place.
///
/// Polars panics where it cannot start another thread, before it calls its closure. Some waits must not be left early, since other
/// threads use what this thread has lent them; in that case the thread waits as any other thread does. The engine has one thread
/// less until the wait is over, and then has it back.
fn off_the_engine<R>(wait: impl Fn() -> R) -> R {
    let waited = catch_unwind(AssertUnwindSafe(|| block_in_place(&wait)));
    waited.unwrap_or_else(|payload| {
        quietly_drop(payload);
        wait()
    })
}

fn wait<'m, T>(
    lock: impl Fn() -> MutexGuard<'m, T>,
    bell: &Condvar,
    until: Option<Instant>,
    is_so: impl Fn(&T) -> bool,
) -> MutexGuard<'m, T> {
    /// How long new work of the rayon pool may wait for this thread.
    const NAP: Duration = Duration::from_millis(1);
    let on_rayon = rayon::current_thread_index().is_some();
    let mut guard = lock();
    while is_so(&guard) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            break;
        }
        let mut nap = left;
        if on_rayon {
            drop(guard);
            let did_some = matches!(rayon::yield_now(), Some(rayon::Yield::Executed));
            guard = lock();
            if did_some {
                continue;
            }
            if !is_so(&guard) {
                break;
            }
            nap = Some(left.map_or(NAP, |left| left.min(NAP)));
        }
        guard = match nap {
            None => bell.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Some(nap) => {
                let waited = bell.wait_timeout(guard, nap);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    guard
}
