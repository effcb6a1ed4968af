//! Where the workers come from.

use std::fmt;
use std::sync::Arc;

use polars_core::runtime::RAYON;
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

use crate::error::{ErrorKind, Result};

/// A pool of workers: [Polars' own](Pool::default), or [one of a given width](Pool::new).
///
/// Cloning is cheap and gives the same pool; the threads of a pool of one's own end with its last clone.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["x" => [1.0, 4.0, 9.0]]?;
/// let pool = Pool::new(2)?;
/// let roots = df.par_apply().pool(&pool).rows(f64::sqrt)?;
/// assert_eq!(roots.f64()?.to_vec(), [Some(1.0), Some(2.0), Some(3.0)]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Pool(Threads);

#[derive(Clone, Default)]
enum Threads {
    #[default]
    Polars,
    Own(Arc<ThreadPool>),
}

impl Pool {
    /// The most workers a pool can have: far beyond use, and short of what brings a system down.
    pub(crate) const WIDEST: usize = 4096;

    pub(crate) fn too_wide(workers: usize) -> String {
        format!(
            "{workers} workers are more than the {} a pool can have; give fewer",
            Self::WIDEST
        )
    }

    /// Starts a pool of `workers` threads.
    ///
    /// # Errors
    /// `workers` is 0 or more than 4,096, or the system gives no more threads.
    pub fn new(workers: usize) -> Result<Self> {
        let refused = |message: String| ErrorKind::Option {
            option: "Pool::new",
            message,
        };
        if workers > Self::WIDEST {
            return Err(refused(Self::too_wide(workers)).into());
        }
        if workers == 0 {
            return Err(refused("0 workers cannot run anything; give 1 or more".into()).into());
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(workers)
            .thread_name(|worker| format!("par-apply-{worker}"))
            .build()
            .map_err(|error| refused(format!("{workers} threads cannot be started: {error}")))?;
        Ok(Pool(Threads::Own(Arc::new(pool))))
    }

    /// How many workers the pool has.
    ///
    /// Polars' pool has one on a thread of its streaming engine, which is itself one of many.
    #[must_use]
    pub fn workers(&self) -> usize {
        match &self.0 {
            Threads::Polars => RAYON.current_num_threads(),
            Threads::Own(pool) => pool.current_num_threads(),
        }
    }

    /// Calls `work` on `workers` of the pool's workers at once, and returns when every call has. Each call is given a
    /// way to have one more made.
    pub(crate) fn run(&self, workers: usize, work: &(dyn Fn(&dyn Fn()) + Sync)) {
        let all = || {
            rayon::scope(|scope| {
                for _ in 1..workers {
                    scope.spawn(move |scope| call(scope, work));
                }
                call(scope, work);
            });
        };
        match &self.0 {
            Threads::Polars => RAYON.install(all),
            Threads::Own(pool) => pool.install(all),
        }
    }

    /// As [`Pool::run`], with `watch` called on the calling thread meanwhile; not called where that is a worker of a pool.
    #[cfg(any(target_os = "emscripten", not(target_family = "wasm")))]
    pub(crate) fn run_watched(
        &self,
        workers: usize,
        work: &(dyn Fn(&dyn Fn()) + Sync),
        watch: &(dyn Fn(&dyn Fn()) + Sync),
    ) {
        if rayon::current_thread_index().is_some() {
            return self.run(workers, work);
        }
        let all = |pool: &ThreadPool| {
            pool.in_place_scope(|scope| {
                let one_more = || scope.spawn(move |scope| call(scope, work));
                (0..workers).for_each(|_| one_more());
                watch(&one_more);
            });
        };
        match &self.0 {
            Threads::Polars => RAYON.with(all),
            Threads::Own(pool) => all(pool),
        }
    }

    /// Where there are no threads, there is none to watch from.
    #[cfg(not(any(target_os = "emscripten", not(target_family = "wasm"))))]
    pub(crate) fn run_watched(
        &self,
        workers: usize,
        work: &(dyn Fn(&dyn Fn()) + Sync),
        _: &(dyn Fn(&dyn Fn()) + Sync),
    ) {
        self.run(workers, work);
    }
}

fn call<'s>(scope: &Scope<'s>, work: &'s (dyn Fn(&dyn Fn()) + Sync)) {
    work(&|| scope.spawn(move |scope| call(scope, work)));
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Threads::Polars => "Polars",
            Threads::Own(_) => "Own",
        };
        f.debug_struct("Pool")
            .field("threads", &kind)
            .field("workers", &self.workers())
            .finish()
    }
}
