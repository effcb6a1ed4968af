//! Waiting for another thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polars_async::executor::block_in_place;

use super::team::Waits;

/// Waits while it is so, but not beyond `until`; the bell is rung when that may have changed.
///
/// A worker of a rayon pool goes on working for its pool meanwhile: what is waited for may need it, to run something in
/// Polars for one. The place of a team's thread is taken by another, and so is that of a thread of Polars' streaming engine:
/// what is waited for may be a query, which needs the engine's threads.
pub(crate) fn wait_while<'m, T>(
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
    // Without the lock, since these take some of their own.
    drop(guard);
    let _waits = Waits::for_a_team();
    block_in_place(|| wait(lock, bell, until, is_so))
}

fn wait<'m, T>(
    lock: impl Fn() -> MutexGuard<'m, T>,
    bell: &Condvar,
    until: Option<Instant>,
    is_so: impl Fn(&T) -> bool,
) -> MutexGuard<'m, T> {
    /// How long new work for the rayon pool may lie.
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
