//! Threads that do tasks in the order in which they were given.
//!
//! They are not rayon's. A worker of rayon that waits does other work of its pool meanwhile, on top of what it is in; and a
//! job that is begun on top of the very one that it waits for can never end. A thread of a team that waits does nothing
//! else, so what it waits for is always on a thread of its own, and goes on.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::wait::wait_while;

/// Something to do, for whichever thread comes to it first.
pub(crate) trait Task: Send + Sync {
    /// Does it, unless somebody has.
    fn run(self: Arc<Self>);
}

/// How long a thread of a team that grows as needed waits for more to do, before it ends.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Some threads and their queue. Clones are the same team.
#[derive(Clone)]
pub(crate) struct Team(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Rung when there is something to do, when the team is stopped, and when a thread of a stopped team ends.
    bell: Condvar,
    /// Of a team that has a fixed number of threads.
    handles: Mutex<Vec<JoinHandle<()>>>,
    width: Option<usize>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Task>>,
    threads: usize,
    /// Threads that wait for something to do.
    idle: usize,
    stopped: bool,
}

thread_local! {
    /// The team that this thread belongs to.
    static OWN: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}

impl Team {
    /// Starts so many threads; all of them, or none.
    pub(super) fn start(
        width: usize,
        thread: &dyn Fn(usize) -> thread::Builder,
    ) -> io::Result<Self> {
        let team = Team(Arc::new(Shared::new(Some(width))));
        for worker in 0..width {
            let started = team.add(&mut team.0.lock(), thread(worker));
            match started {
                Ok(handle) => team.handles().push(handle),
                Err(error) => {
                    team.stop();
                    team.join();
                    return Err(error);
                }
            }
        }
        Ok(team)
    }

    /// A team that has no thread yet, and gets them as it needs them.
    pub(super) fn growing() -> Self {
        Team(Arc::new(Shared::new(None)))
    }

    /// How many threads it has, where that is fixed.
    pub(super) fn width(&self) -> Option<usize> {
        self.0.width
    }

    /// Whether this thread is one of the team's.
    pub(crate) fn is_here(&self) -> bool {
        OWN.get() == Arc::as_ptr(&self.0)
    }

    /// Gives the team a task. A team that grows has at most `most` threads afterwards.
    ///
    /// # Errors
    /// There is no thread to do it, and none can be started. The task is not kept.
    pub(crate) fn push(&self, task: Arc<dyn Task>, most: usize) -> io::Result<()> {
        let mut state = self.0.lock();
        let grows = self.0.width.is_none();
        if grows && state.idle <= state.queue.len() && state.threads < most.max(1) {
            let number = state.threads;
            let thread = thread::Builder::new().name(format!("par-apply-job-{number}"));
            // The lock is held: the thread waits for it, and finds the task.
            let started = self.add(&mut state, thread);
            if state.threads == 0 {
                started?;
            }
        }
        if state.threads == 0 {
            return Err(io::Error::other("the pool has been stopped"));
        }
        state.queue.push_back(task);
        let waits = state.idle > 0;
        drop(state);
        if waits {
            self.0.bell.notify_one();
        }
        Ok(())
    }

    /// Lets every thread end when it finds nothing more to do.
    pub(super) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.bell.notify_all();
    }

    /// Waits for the threads of a team that was stopped to end; not on one of them.
    pub(super) fn join(&self) {
        if self.is_here() {
            return;
        }
        // Another thread may have the handles, and wait for them.
        drop(wait_while(&self.0.state, &self.0.bell, None, |state| {
            state.threads > 0
        }));
        let handles = std::mem::take(&mut *self.handles());
        for handle in handles {
            // It panics only if a task does, which tasks do not.
            let _ = handle.join();
        }
    }

    fn add(&self, state: &mut State, thread: thread::Builder) -> io::Result<JoinHandle<()>> {
        let shared = self.0.clone();
        let handle = thread.spawn(move || shared.work())?;
        state.threads += 1;
        Ok(handle)
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let handles = self.0.handles.lock();
        handles.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(width: Option<usize>) -> Self {
        Shared {
            state: Mutex::default(),
            bell: Condvar::new(),
            handles: Mutex::default(),
            width,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each thread does.
    fn work(self: Arc<Self>) {
        OWN.set(Arc::as_ptr(&self));
        while let Some(task) = self.next() {
            // A task catches what is the user's. Should something of ours panic, the thread is not to be lost for it.
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
        }
    }

    /// The next task; none when the thread is to end.
    fn next(&self) -> Option<Arc<dyn Task>> {
        let mut state = self.lock();
        loop {
            if let Some(task) = state.queue.pop_front() {
                return Some(task);
            }
            if state.stopped {
                state.threads -= 1;
                self.bell.notify_all();
                return None;
            }
            state.idle += 1;
            let timed_out;
            (state, timed_out) = match self.width {
                Some(_) => {
                    let state = self.bell.wait(state);
                    (state.unwrap_or_else(PoisonError::into_inner), false)
                }
                None => {
                    let waited = self.bell.wait_timeout(state, KEPT_FOR);
                    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    (state, timeout.timed_out())
                }
            };
            state.idle -= 1;
            if timed_out && state.queue.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Team")
            .field("threads", &state.threads)
            .field("idle", &state.idle)
            .field("queued", &state.queue.len())
            .finish()
    }
}
