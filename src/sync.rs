//! Atomics, locks and threads: all of the crate's come from here, so that a model checker's can stand in for std's.

pub(crate) use std::sync::{
    Arc, Condvar, LazyLock, Mutex, MutexGuard, Once, OnceLock, PoisonError, TryLockError, Weak,
};

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
}

pub(crate) mod thread {
    pub(crate) use std::thread::{
        Builder, JoinHandle, ScopedJoinHandle, available_parallelism, panicking, scope,
    };
}
