//! How a pool of one's own is made.

use std::fmt;

use super::Pool;
use super::team::{Make, Team};
use crate::error::{ErrorKind, Result};
use crate::sync::thread;

/// Tells how many threads this process may use at the same time: what the machine has, less what the process is kept from
/// by its CPU affinity, and on Linux by the CPU quota of its container (cgroup v1 or v2). At least 1.
///
/// It is [`std::thread::available_parallelism`], with 1 where that is not known. Polars' own pool has as many workers unless
/// `POLARS_MAX_THREADS` says otherwise.
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

/// A [`Pool`] in the making; made by [`Pool::builder`].
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

    /// How many threads the pool has; [`available_workers`] by default.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What each thread is called, by its number from 0, in panic messages and debuggers; `par-apply-0` and so on by
    /// default. The name has no NUL character.
    pub fn thread_name<F>(mut self, name: F) -> Self
    where
        F: Fn(usize) -> String + 'static,
    {
        self.name = Box::new(name);
        self
    }

    /// How many bytes of stack each thread has, at least; by default what Rust gives every thread (2 MiB, or
    /// `RUST_MIN_STACK`).
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// 0 workers or more than 4,096, a name with a NUL character, or the system gives no more threads.
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
            let message = format!("a thread cannot be named {name:?}, which has a NUL character");
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
