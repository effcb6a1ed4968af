//! The builder of an owned pool.

use std::fmt;

use super::Pool;
use super::team::{Make, Team};
use crate::error::{ErrorKind, Result};
use crate::sync::thread;

/// Returns how many threads this process may use at the same time, at least 1.
///
/// That is what the machine has, limited by the process's CPU affinity and, on Linux, by the CPU quota of its container (cgroup v1
/// or v2).
///
/// It is [`std::thread::available_parallelism`], or 1 where that is not known. Polars' own pool has the same number of workers,
/// unless `POLARS_MAX_THREADS` sets another.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let pool = Pool::new(available_workers())?;
/// assert_eq!(pool.workers(), available_workers());
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[must_use]
pub fn available_workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A builder of a [`Pool`], made by [`Pool::builder`].
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let pool = Pool::builder()
///     .workers(2)
///     .thread_name(|worker| format!("parser-{worker}"))
///     .stack_size(4 << 20)
///     .build()?;
/// let name = pool.apply(|| std::thread::current().name().map(str::to_string))?;
/// assert!(name.is_some_and(|name| name.starts_with("parser-")));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[must_use = "a builder makes no pool until `.build()` is called"]
pub struct PoolBuilder {
    workers: usize,
    name: Box<dyn Fn(usize) -> String>,
    stack_size: Option<usize>,
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        PoolBuilder {
            workers: available_workers(),
            name: Box::new(|worker| format!("par-apply-{worker}")),
            stack_size: None,
        }
    }

    /// Sets how many threads the pool has; [`available_workers`] by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the name of each thread, by its number from 0, for panic messages and debuggers; by default `par-apply-0` and so on.
    ///
    /// A name must not contain a NUL character.
    pub fn thread_name<F>(mut self, name: F) -> Self
    where
        F: Fn(usize) -> String + 'static,
    {
        self.name = Box::new(name);
        self
    }

    /// Sets how many bytes of stack each thread has, at least; by default what Rust gives every thread (2 MiB, or
    /// `RUST_MIN_STACK`).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts the threads and returns the pool.
    ///
    /// # Errors
    /// 0 workers or more than 4,096, a name with a NUL character, or threads that the system cannot start.
    pub fn build(self) -> Result<Pool> {
        let workers = self.workers;
        let refused = |option, message: String| ErrorKind::Option { option, message };
        if workers > Pool::WIDEST {
            return Err(refused("Pool::new", Pool::too_wide(workers)).into());
        }
        if workers == 0 {
            let message = "0 workers cannot run anything; give 1 or more".into();
            return Err(refused("Pool::new", message).into());
        }
        let names: Vec<String> = (0..workers).map(&self.name).collect();
        if let Some(name) = names.iter().find(|name| name.contains('\0')) {
            let message = format!(
                "a thread cannot be named {name:?}, which has a NUL character; give a name without one"
            );
            return Err(refused("thread_name", message).into());
        }
        let stack_size = self.stack_size;
        let team = Team::start(workers, Make { names, stack_size }).map_err(|error| {
            let stacks = match stack_size {
                Some(bytes) => format!(" with stacks of {bytes} bytes"),
                None => String::new(),
            };
            let message = format!("{workers} threads{stacks} cannot be started: {error}");
            refused("Pool::new", message)
        })?;
        Ok(Pool::of(team))
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolBuilder")
            .field("workers", &self.workers)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}
