//! Threads that do tasks in the order in which they were given.
//!
//! They are not rayon's. A worker of rayon that waits does other work of its pool meanwhile, on top of what it is in; and a
//! job that is begun on top of the very one that it waits for can never end. A thread of a team that waits does nothing
//! else, so what it waits for is always on a thread of its own, and goes on. And its place is taken by another thread, if
//! there is something to do: what it waits for may need the team, by way of another pool for one.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Pool;
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
    /// How a thread is made, by its number.
    thread: Box<dyn Fn(usize) -> thread::Builder + Send + Sync>,
    /// Threads that wait for what others do.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Task>>,
    threads: usize,
    /// How many threads there should be, besides those that wait for what others do.
    most: usize,
    /// Threads that wait for something to do.
    idle: usize,
    stopped: bool,
}

thread_local! {
    /// The team that this thread belongs to.
    static OWN: RefCell<Option<Team>> = const { RefCell::new(None) };
}

fn own() -> Option<Team> {
    // None as the thread ends.
    OWN.try_with(|own| own.borrow().clone()).ok().flatten()
}

/// Tells this thread's team, if it has one, that the thread waits for what others do, until this is dropped.
pub(super) struct Waits(Option<Team>);

impl Waits {
    pub(super) fn new() -> Self {
        let team = own();
        if let Some(team) = &team {
            let shared = &team.0;
            let mut state = shared.lock();
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            if !state.queue.is_empty() {
                // Where no thread is to be had, it is as it was.
                let _ = team.grow(&mut state);
            }
        }
        Waits(team)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(team) = &self.0 {
            // No lock: whoever waits may hold one. A thread too many ends when it has done what it is in.
            team.0.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Team {
    /// Starts so many threads; all of them, or none.
    pub(super) fn start(
        width: usize,
        thread: impl Fn(usize) -> thread::Builder + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let team = Team(Arc::new(Shared::new(Some(width), thread)));
        for _ in 0..width {
            let started = team.add(&mut team.0.lock());
            if let Err(error) = started {
                team.stop();
                team.join();
                return Err(error);
            }
        }
        Ok(team)
    }

    /// A team that has no thread yet, and gets them as it needs them.
    pub(super) fn growing() -> Self {
        let thread = |number| thread::Builder::new().name(format!("par-apply-job-{number}"));
        Team(Arc::new(Shared::new(None, thread)))
    }

    /// How many threads it has, where that is fixed.
    pub(super) fn width(&self) -> Option<usize> {
        self.0.width
    }

    /// Whether this thread is one of the team's.
    pub(crate) fn is_here(&self) -> bool {
        own().is_some_and(|own| Arc::ptr_eq(&own.0, &self.0))
    }

    /// Gives the team a task. A team that grows has at most `most` threads for it, besides those that wait.
    ///
    /// # Errors
    /// There is no thread to do it, and none can be started. The task is not kept.
    pub(crate) fn push(&self, task: Arc<dyn Task>, most: usize) -> io::Result<()> {
        let mut state = self.0.lock();
        state.most = self.0.width.unwrap_or(most.max(1));
        state.queue.push_back(task);
        let started = self.grow(&mut state);
        if state.threads == 0 {
            // It is the only one: those before it had a thread.
            drop(state.queue.pop_back());
            return Err(started
                .err()
                .unwrap_or_else(|| io::Error::other("the pool has been stopped")));
        }
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

    /// Adds a thread, if there is more to do than threads wait for, and room for one.
    fn grow(&self, state: &mut State) -> io::Result<()> {
        let waiting = self.0.waiting.load(Ordering::Relaxed);
        let has_room = state.threads < (state.most + waiting).min(Pool::WIDEST);
        if state.idle < state.queue.len() && has_room && !state.stopped {
            return self.add(state);
        }
        Ok(())
    }

    /// Adds a thread. It waits for the lock that the caller holds, and finds what there is to do.
    fn add(&self, state: &mut State) -> io::Result<()> {
        let team = self.clone();
        let thread = (self.0.thread)(state.threads);
        let handle = thread.spawn(move || team.work())?;
        state.threads += 1;
        if self.0.width.is_some() {
            let mut handles = self.handles();
            handles.retain(|handle| !handle.is_finished());
            handles.push(handle);
        }
        Ok(())
    }

    /// What each thread does.
    fn work(self) {
        OWN.set(Some(self.clone()));
        while let Some(task) = self.0.next() {
            // A task catches what is the user's. Should something of ours panic, the thread is not to be lost for it.
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
        }
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let handles = self.0.handles.lock();
        handles.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn new(
        width: Option<usize>,
        thread: impl Fn(usize) -> thread::Builder + Send + Sync + 'static,
    ) -> Self {
        Shared {
            state: Mutex::new(State {
                most: width.unwrap_or(1),
                ..State::default()
            }),
            bell: Condvar::new(),
            handles: Mutex::default(),
            width,
            thread: Box::new(thread),
            waiting: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task; none when the thread is to end.
    fn next(&self) -> Option<Arc<dyn Task>> {
        let mut state = self.lock();
        loop {
            let is_needed = state.threads <= state.most + self.waiting.load(Ordering::Relaxed);
            if !is_needed && !state.stopped {
                // It stood in for one that waited. What it was woken for, if it was, is another's.
                state.threads -= 1;
                self.bell.notify_one();
                return None;
            }
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
