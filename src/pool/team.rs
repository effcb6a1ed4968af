//! Threads that do tasks in the order in which they were given.
//!
//! They are not rayon's. A worker of rayon that waits does other work of its pool meanwhile, on top of what it is in; and a
//! job that is begun on top of the very one that it waits for can never end. A thread of a team that waits does nothing
//! else, so what it waits for is always on a thread of its own, and goes on.
//!
//! What it waits for may need the team, by way of another pool for one. So another thread stands in for it; but only for
//! what threads of pools wait for. So there are no more of these than threads that wait for them, and all else is begun for
//! as many threads as the team has, and no more, whether they wait or not.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::wait::wait_while;
use super::{Pool, Threads};

/// Something to do, for whichever thread comes to it first.
pub(crate) trait Task: Send + Sync {
    /// Does it, unless somebody has.
    fn run(self: Arc<Self>);

    /// Whether there is nothing left to do, since somebody has, or nobody wants it any more.
    fn is_over(&self) -> bool;
}

/// When a task is begun.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// Before those that nobody in a pool waits for; by a thread that stands in, if need be.
    Next,
    Last,
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
    make: Make,
    /// Threads that wait for what others do.
    waiting: AtomicUsize,
}

/// How threads are made.
pub(super) struct Make {
    /// A thread that stands in for one that waits has the name of another.
    pub(super) names: Vec<String>,
    pub(super) stack_size: Option<usize>,
}

impl Make {
    fn thread(&self, number: usize) -> thread::Builder {
        let name = self.names[number % self.names.len()].clone();
        let thread = thread::Builder::new().name(name);
        match self.stack_size {
            Some(bytes) => thread.stack_size(bytes),
            None => thread,
        }
    }
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<dyn Task>>,
    /// What a thread of a pool waits for; it is done first.
    urgent: VecDeque<Arc<dyn Task>>,
    /// How many were queued, and not over, when that was last looked at.
    live: usize,
    threads: usize,
    /// How many threads there should be, besides those that wait for what others do.
    most: usize,
    /// Threads that are in a task, those that wait included.
    busy: usize,
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

/// Whether this thread is one of a pool's, rayon's pools included.
pub(super) fn is_on_a_pool() -> bool {
    rayon::current_thread_index().is_some() || own().is_some()
}

/// Tells this thread's team, if it has one, that the thread waits for what others do, until this is dropped.
pub(super) struct Waits(Option<Team>);

impl Waits {
    pub(super) fn new() -> Self {
        Self::told(own())
    }

    /// Of a wait for what a team does. A worker of rayon may be in something, a query with a closure say, that a job of
    /// Polars' pool waits for without our knowing; so it counts as one of the threads of those jobs.
    pub(super) fn for_a_team() -> Self {
        let of_rayon = || rayon::current_thread_index().map(|_| Threads::Polars.team().clone());
        Self::told(own().or_else(of_rayon))
    }

    fn told(team: Option<Team>) -> Self {
        if let Some(team) = &team {
            let shared = &team.0;
            let mut state = shared.lock();
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            if !state.urgent.is_empty() {
                // Where no thread is to be had, it is as it was.
                let _ = team.grow(&mut state);
                shared.bell.notify_one();
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
    pub(super) fn start(width: usize, make: Make) -> io::Result<Self> {
        let team = Team(Arc::new(Shared::new(Some(width), make)));
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
        let make = Make {
            names: vec!["par-apply-job".into()],
            stack_size: None,
        };
        Team(Arc::new(Shared::new(None, make)))
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
    pub(super) fn push(&self, task: Arc<dyn Task>, most: usize, turn: Turn) -> io::Result<()> {
        let mut state = self.0.lock();
        state.most = self.0.width.unwrap_or(state.most.max(most));
        match turn {
            Turn::Next => state.urgent.push_back(task),
            Turn::Last => state.queue.push_back(task),
        }
        let started = self.grow(&mut state);
        if state.threads == 0 {
            // It is the only one: those before it had a thread.
            let task = state.urgent.pop_back().or(state.queue.pop_back());
            drop(state);
            drop(task);
            let stopped = || io::Error::other("the pool has been stopped");
            return Err(started.err().unwrap_or_else(stopped));
        }
        let over = state.sweep();
        let waits = state.idle > 0;
        drop(state);
        // Without the lock: what is dropped may be the user's.
        drop(over);
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

    /// Adds a thread, if more can be begun than threads wait for, and there is room for one.
    fn grow(&self, state: &mut State) -> io::Result<()> {
        let waiting = self.0.waiting.load(Ordering::Relaxed);
        let has_room = state.threads < (state.most + waiting).min(Pool::WIDEST);
        // What was let in before the team was stopped may wait for more.
        let is_over = state.stopped && state.threads == 0;
        if state.idle < state.can_begin(waiting) && has_room && !is_over {
            return self.add(state);
        }
        Ok(())
    }

    /// Adds a thread. It waits for the lock that the caller holds, and finds what there is to do.
    fn add(&self, state: &mut State) -> io::Result<()> {
        let team = self.clone();
        let thread = self.0.make.thread(state.threads);
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
        let mut was_busy = false;
        while let Some(task) = self.0.next(was_busy) {
            was_busy = true;
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
    fn new(width: Option<usize>, make: Make) -> Self {
        Shared {
            state: Mutex::new(State {
                most: width.unwrap_or(1),
                ..State::default()
            }),
            bell: Condvar::new(),
            handles: Mutex::default(),
            width,
            make,
            waiting: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next task, after another if it `was_busy`; none when the thread is to end.
    fn next(&self, was_busy: bool) -> Option<Arc<dyn Task>> {
        let mut state = self.lock();
        state.busy -= usize::from(was_busy);
        let since = Instant::now();
        loop {
            let timed_out = since.elapsed() >= KEPT_FOR;
            let waiting = self.waiting.load(Ordering::Relaxed);
            if let Some(task) = state.pick(waiting) {
                state.busy += 1;
                return Some(task);
            }
            let stands_in = state.threads > state.most + waiting;
            let is_done = state.stopped && state.queue.is_empty() && state.urgent.is_empty();
            if is_done || (timed_out && (stands_in || self.width.is_none())) {
                state.threads -= 1;
                if state.stopped {
                    self.bell.notify_all();
                }
                return None;
            }
            state.idle += 1;
            let lasts = self.width.is_some() && state.threads <= state.most;
            if lasts {
                let waited = self.bell.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                // One that is late, and needed as long as others wait, looks again later.
                let left = KEPT_FOR.checked_sub(since.elapsed());
                let left = left.unwrap_or(KEPT_FOR);
                let waited = self.bell.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.idle -= 1;
        }
    }
}

impl State {
    /// How many tasks could be begun now, where so many threads wait.
    fn can_begin(&self, waiting: usize) -> usize {
        let outside = self.queue.len().min(self.most.saturating_sub(self.busy));
        let room = (self.most + waiting).saturating_sub(self.busy);
        (self.urgent.len() + outside).min(room)
    }

    /// A task that may be begun.
    fn pick(&mut self, waiting: usize) -> Option<Arc<dyn Task>> {
        if self.can_begin(waiting) == 0 {
            return None;
        }
        let urgent = self.urgent.pop_front();
        urgent.or_else(|| self.queue.pop_front())
    }

    /// Takes out what is over, when that may be most of it; so what nobody comes to does not pile up.
    fn sweep(&mut self) -> Vec<Arc<dyn Task>> {
        let queued = self.queue.len() + self.urgent.len();
        if queued < 2 * self.live + 64 {
            return Vec::new();
        }
        let mut over = Vec::new();
        for queue in [&mut self.queue, &mut self.urgent] {
            for task in std::mem::take(queue) {
                if task.is_over() {
                    over.push(task);
                } else {
                    queue.push_back(task);
                }
            }
        }
        self.live = self.queue.len() + self.urgent.len();
        over
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
