//! Atomics, locks and threads: the crate imports all of them from here, so that those of a model checker can replace std's.

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
