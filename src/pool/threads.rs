//! Polars' own workers, or those of a pool of one's own.

use std::fmt;
use std::io;

use polars_core::runtime::RAYON;
use rayon::Scope;

use super::lend::{Askable, Crew, Work, lend};
use super::team::{BACKGROUND, Team, Waits, Yielded, is_on_a_pool};
use super::turns::{Task, Turn};
use crate::sync::{Arc, Mutex, PoisonError};

/// Who does the work of a pool.
#[derive(Clone, Default)]
pub(crate) enum Threads {
    #[default]
    Polars,
    Own(Team),
}

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

    /// Calls `work` on `workers` of the workers at once, and returns when every call has. A call that finds nothing left to do
    /// may not be made.
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

    /// As [`Threads::run`]. On a thread that is no worker's, `watch` is called meanwhile, if it is given. Where every worker of
    /// Polars' pool is busy for long, the calling thread does the work itself, in the place of one of them.
    pub(crate) fn run_or_help(&self, workers: usize, work: Work<'_>, watch: Option<Work<'_>>) {
        match self {
            Threads::Own(team) => lend(&Askable::Team(team.clone()), workers, true, work, watch),
            // Where there are no threads, there is none to wait on.
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

/// A worker of Polars' pool; rayon has no turns to give.
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
