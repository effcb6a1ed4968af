//! The threads of a pool: Polars' own workers, or those of an owned pool.

use std::fmt;
use std::io;

use polars_core::runtime::RAYON;
use rayon::Scope;

use super::lend::{Askable, Crew, Work, lend};
use super::team::{BACKGROUND, Team, Waits, Yielded, is_on_a_pool};
use super::turns::{Task, Turn};
use crate::sync::{Arc, Mutex, PoisonError};

/// The threads that do the work of a pool.
#[derive(Clone, Default)]
pub(crate) enum Threads {
    #[default]
    Polars,
    Own(Team),
}

impl Threads {
    /// Returns how many workers there are.
    pub(crate) fn workers(&self) -> usize {
        match self {
            Threads::Polars => RAYON.current_num_threads(),
            Threads::Own(team) => team.width().unwrap_or(1),
        }
    }

    /// Gives a job to the threads on which jobs begin.
    pub(crate) fn submit(&self, task: Arc<dyn Task>) -> io::Result<()> {
        self.team().push(task, self.workers(), Turn::Last)
    }

    /// Lets a job begin next that was given before, if this thread belongs to a pool and waits for it: the work that the job's own
    /// pool has begun may in turn be waiting for this thread.
    pub(crate) fn hasten(&self, task: Arc<dyn Task>) {
        if is_on_a_pool() {
            // If no thread can be started, the job has its turn in the queue.
            let _ = self.team().push(task, self.workers(), Turn::Next);
        }
    }

    /// Returns whether this thread is one of those on which jobs begin.
    pub(crate) fn is_here(&self) -> bool {
        self.team().is_here()
    }

    pub(super) fn team(&self) -> &Team {
        match self {
            Threads::Polars => &BACKGROUND,
            Threads::Own(team) => team,
        }
    }

    /// Calls `work` on one worker, and returns its result.
    pub(crate) fn run_once<R, F>(&self, work: F) -> R
    where
        R: Send,
        F: FnOnce() -> R + Send,
    {
        let work = Mutex::new(Some(work));
        let result = Mutex::new(None);
        let call_once = |_: &dyn Crew| {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            let returned = work.map(|work| work());
            *result.lock().unwrap_or_else(PoisonError::into_inner) = returned;
        };
        match self {
            Threads::Own(team) => {
                lend(&Askable::Team(team.clone()), 1, false, &call_once, None);
            }
            Threads::Polars => self.run(1, &call_once),
        }
        let result = result.into_inner();
        let result = result.unwrap_or_else(PoisonError::into_inner);
        result.expect("work is called once where it is called on one worker")
    }

    /// Calls `work` on `workers` of the workers at the same time, and returns when every call has returned. A call for which
    /// nothing is left to do may not be made.
    pub(crate) fn run(&self, workers: usize, work: Work<'_>) {
        match self {
            Threads::Own(team) => {
                lend(&Askable::Team(team.clone()), workers, true, work, None);
            }
            Threads::Polars => {
                let _waits = Waits::for_workers();
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

    /// Does what [`Threads::run`] does. On a thread that is not a worker, `watch` is called meanwhile, if it is given. If every
    /// worker of Polars' pool is busy for long, the calling thread does the work itself, in place of one of them.
    pub(crate) fn run_or_help(&self, workers: usize, work: Work<'_>, watch: Option<Work<'_>>) {
        match self {
            Threads::Own(team) => lend(&Askable::Team(team.clone()), workers, true, work, watch),
            // On a worker of rayon, or on a platform without threads, no thread may wait here.
            Threads::Polars
                if rayon::current_thread_index().is_some()
                    || cfg!(all(target_family = "wasm", not(target_os = "emscripten"))) =>
            {
                self.run(workers, work);
            }
            Threads::Polars => lend(&Askable::Polars, workers, true, work, watch),
        }
    }
}

fn call<'s>(scope: &Scope<'s>, work: Work<'s>) {
    work(&InScope(scope, work));
}

/// A worker of Polars' pool; rayon has no turns.
struct InScope<'c, 's>(&'c Scope<'s>, Work<'s>);

impl Crew for InScope<'_, '_> {
    fn one_more(&self) {
        let work = self.1;
        self.0.spawn(move |scope| call(scope, work));
    }

    fn give_way(&self, _: Option<&dyn Fn() -> bool>) -> Yielded {
        Yielded::Stay
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Threads::Polars => "Polars",
            Threads::Own(_) => "Own",
        })
    }
}
