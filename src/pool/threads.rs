//! Polars' own workers, or those of a pool of one's own.

use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use polars_core::runtime::RAYON;
use rayon::{Scope, ThreadPool};

use super::lend::{Work, lend};
use super::team::{Task, Team, Turn, Waits, is_on_a_pool};

/// Who does the work of a pool.
#[derive(Clone, Default)]
pub(crate) enum Threads {
    #[default]
    Polars,
    Own(Team),
}

/// The threads that jobs of Polars' pool are begun on. A job may wait for long, for another one too, and a worker of
/// Polars' that waits would keep Polars' queries waiting; so these are apart from it, for as many jobs at a time.
static BACKGROUND: LazyLock<Team> = LazyLock::new(Team::growing);

impl Threads {
    /// How many workers there are.
    pub(crate) fn workers(&self) -> usize {
        match self {
            Threads::Polars => RAYON.current_num_threads(),
            Threads::Own(team) => team.width().unwrap_or(1),
        }
    }

    /// Gives a job to the threads that jobs are begun on.
    pub(crate) fn submit(&self, task: Arc<dyn Task>) -> io::Result<()> {
        self.team().push(task, self.workers(), Turn::Last)
    }

    /// Has a job begun next that was given before, for this thread waits for it, and is one of a pool's: what the job's own
    /// pool has begun may be waiting for this thread in its turn.
    pub(crate) fn hasten(&self, task: Arc<dyn Task>) {
        if is_on_a_pool() {
            // Where no thread is to be had, it has its turn in the queue.
            let _ = self.team().push(task, self.workers(), Turn::Next);
        }
    }

    /// Whether this thread is one of those that jobs are begun on.
    pub(crate) fn is_here(&self) -> bool {
        self.team().is_here()
    }

    pub(super) fn team(&self) -> &Team {
        match self {
            Threads::Polars => &BACKGROUND,
            Threads::Own(team) => team,
        }
    }

    /// Calls `work` on one worker, and gives what it returns.
    pub(crate) fn run_once<R, F>(&self, work: F) -> R
    where
        R: Send,
        F: FnOnce() -> R + Send,
    {
        let work = Mutex::new(Some(work));
        let result = Mutex::new(None);
        self.run(1, &|_| {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            let returned = work.map(|work| work());
            *result.lock().unwrap_or_else(PoisonError::into_inner) = returned;
        });
        let result = result.into_inner();
        let result = result.unwrap_or_else(PoisonError::into_inner);
        result.expect("work is called once where it is called on one worker")
    }

    /// Calls `work` on `workers` of the workers at once, and returns when every call has. Each call is given a way to have
    /// one more made. A call that finds nothing left to do may not be made.
    pub(crate) fn run(&self, workers: usize, work: Work<'_>) {
        match self {
            Threads::Own(team) => lend(team, workers, work, None),
            Threads::Polars => {
                let _waits = Waits::new();
                RAYON.install(|| {
                    rayon::scope(|scope| {
                        for _ in 1..workers {
                            scope.spawn(move |scope| call(scope, work));
                        }
                        call(scope, work);
                    });
                });
            }
        }
    }

    /// As [`Threads::run`], with `watch` called on the calling thread meanwhile; not called where that is a worker of a pool.
    #[cfg(any(target_os = "emscripten", not(target_family = "wasm")))]
    pub(crate) fn run_watched(&self, workers: usize, work: Work<'_>, watch: Work<'_>) {
        if rayon::current_thread_index().is_some() {
            return self.run(workers, work);
        }
        match self {
            Threads::Own(team) => lend(team, workers, work, Some(watch)),
            Threads::Polars => {
                let _waits = Waits::new();
                RAYON.with(|pool: &ThreadPool| {
                    pool.in_place_scope(|scope| {
                        let one_more = || scope.spawn(move |scope| call(scope, work));
                        (0..workers).for_each(|_| one_more());
                        watch(&one_more);
                    });
                });
            }
        }
    }

    /// Where there are no threads, there is none to watch from.
    #[cfg(not(any(target_os = "emscripten", not(target_family = "wasm"))))]
    pub(crate) fn run_watched(&self, workers: usize, work: Work<'_>, _: Work<'_>) {
        self.run(workers, work);
    }
}

fn call<'s>(scope: &Scope<'s>, work: &'s (dyn Fn(&dyn Fn()) + Sync)) {
    work(&|| scope.spawn(move |scope| call(scope, work)));
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Threads::Polars => "Polars",
            Threads::Own(_) => "Own",
        })
    }
}
