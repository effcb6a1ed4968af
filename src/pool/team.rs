//! Threads that run tasks, and take turns where there are more tasks than threads.
//!
//! They are not rayon's. A worker of rayon that waits does other work of its pool meanwhile, on top of its own stack. If a job is
//! begun on top of the very job that it waits for, neither can ever end. A thread of a team that waits does nothing else, so what
//! it waits for always has a thread of its own, and goes on.
//!
//! What a thread waits for may need the team, for example through another pool. So another thread stands in for the thread that
//! waits: at any time as many threads run as the team is wide, not counting those that wait.
//!
//! At any time, no more tasks from outside are under way than the team is wide, whether they wait or not. But a call over rows or
//! items gives way between two morsels ([`give_way`]) to the call that [`Queues`] chooses. Where the call has another worker, a
//! worker leaves it; its last worker pauses on its thread. While calls pause, a few more tasks from outside are begun.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::turns::{Next, Paused, Queues, Standing, Task, Turn};
use super::wait::wait_while_as;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

/// How long a thread of a growing team waits for more work before it ends.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// How many tasks from outside may be under way beyond the width of the team, where calls give way to each other. Each holds a
/// thread, and the memory of its output.
const MOST_BEYOND: usize = 32;

/// How often a paused worker checks whether its call was cancelled.
const LOOKS_EVERY: Duration = Duration::from_millis(10);

/// The most threads of a team that may run at a time.
pub(super) const WIDEST: usize = 4096;

/// The threads on which jobs of Polars' pool begin. A job may wait for long, also for another job, and a waiting worker of Polars'
/// pool would delay Polars' queries. So these threads are separate from Polars', for as many jobs at a time as Polars has workers.
pub(super) static BACKGROUND: LazyLock<Team> = LazyLock::new(Team::growing);

/// Some threads and their queues. Clones are the same team.
#[derive(Clone)]
pub(crate) struct Team(Arc<TeamInner>);

struct TeamInner {
    state: Mutex<TeamState>,
    /// Rung when there is work, when the team is stopped, and when a thread of a stopped team ends.
    bell: Condvar,
    /// The threads of a team with a fixed number of them.
    handles: Mutex<Vec<JoinHandle<()>>>,
    width: Option<usize>,
    make: Make,
    /// The number of threads that wait for work on other threads, including those that have paused.
    waiting: AtomicUsize,
    /// The number of these whose task is a call from outside that gives way.
    beyond: AtomicUsize,
    /// The number of queued tasks, for readers without the lock.
    queued: AtomicUsize,
}

/// How threads are made.
pub(super) struct Make {
    /// The threads' names. A thread that stands in for one that waits has the name of another thread.
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
struct TeamState {
    queues: Queues,
    threads: usize,
    /// How many threads there should be, besides those that wait for work on other threads.
    most: usize,
    /// The number of threads that are in a task, including those that wait.
    busy: usize,
    /// The number of tasks from outside that are under way.
    outside: usize,
    /// The number of threads that wait for a task.
    idle: usize,
    stopped: bool,
}

/// The task that a thread is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base {
    is_from_outside: bool,
    /// Whether it is a call that gives way.
    gives_way: bool,
}

impl Base {
    const NONE: Self = Base {
        is_from_outside: false,
        gives_way: false,
    };

    /// Returns whether more tasks from outside may begin while its thread waits.
    fn makes_room(self) -> bool {
        self.is_from_outside && self.gives_way
    }
}

/// What a worker that offers its turn is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Yielded {
    /// It goes on, since it still is its turn.
    Stay,
    /// It goes on, after others have had their turn.
    Resumed,
    /// It leaves its call, which has other workers.
    Leave,
}

thread_local! {
    /// The team that this thread belongs to.
    static OWN: RefCell<Option<Team>> = const { RefCell::new(None) };
    static BASE: Cell<Base> = const { Cell::new(Base::NONE) };
}

fn own() -> Option<Team> {
    // The thread-local value cannot be read when the thread is ending.
    OWN.try_with(|own| own.borrow().clone()).ok().flatten()
}

/// Returns whether this thread belongs to a pool, including rayon's pools.
pub(super) fn is_on_a_pool() -> bool {
    rayon::current_thread_index().is_some() || own().is_some()
}

/// Returns whether this thread belongs to a team, and is in a call that gives way to others.
pub(crate) fn is_in_turns() -> bool {
    BASE.get().gives_way
}

/// Returns whether a call that is made here is made by a user's closure that a pool runs.
///
/// Such a call does not pause, since the closure may hold a lock for which the other call waits.
pub(crate) fn is_within_a_closure() -> bool {
    is_on_a_pool() && !is_in_turns()
}

/// Notes that the call that this thread is in has no more morsels; what follows may be the user's code.
pub(crate) fn end_turns() {
    let base = BASE.get();
    BASE.set(Base {
        gives_way: false,
        ..base
    });
}

/// Offers this thread's turn to others, between two morsels of a call with this standing; a call that this thread runs alone has
/// none. `leave` returns whether the worker can leave its call, and if so, counts it as having left. For a worker that may pause,
/// `pause` returns whether its call is over, so that it does not wait for a turn that it does not need.
pub(crate) fn give_way(
    standing: Option<&Arc<Standing>>,
    pause: Option<&dyn Fn() -> bool>,
    leave: &dyn Fn() -> bool,
) -> Yielded {
    let is_wanted = |own: &RefCell<Option<Team>>| {
        let own = own.borrow();
        let own = own.as_ref()?;
        (own.0.queued.load(Ordering::Relaxed) > 0).then(|| own.clone())
    };
    let Some(team) = OWN.try_with(is_wanted).ok().flatten() else {
        return Yielded::Stay;
    };
    let alone = || {
        let standing = Arc::<Standing>::default();
        standing.enter();
        standing
    };
    team.give_way(standing.cloned().unwrap_or_else(alone), pause, leave)
}

/// Notes in this thread's team, if it has one, that the thread waits for work on other threads, until this is dropped.
pub(crate) struct Waits {
    team: Option<Team>,
    /// Whether more tasks may begin meanwhile, since the thread's task is a call that shares the team with others.
    is_beyond: bool,
}

impl Waits {
    /// Begins a wait for a call's own workers, in this team or in Polars' pool.
    pub(crate) fn for_workers() -> Self {
        Self::told(own(), BASE.get().makes_room())
    }

    /// Begins a wait for work of a team. A worker of rayon may be in work for which a job of Polars' pool waits without this crate
    /// knowing it, such as a query with a closure. So it counts as one of the threads of those jobs.
    pub(super) fn for_a_team() -> Self {
        let of_rayon = || rayon::current_thread_index().map(|_| BACKGROUND.clone());
        Self::told(own().or_else(of_rayon), false)
    }

    fn told(team: Option<Team>, is_beyond: bool) -> Self {
        if let Some(team) = &team {
            let shared = &team.0;
            let mut state = shared.lock();
            shared.waiting.fetch_add(1, Ordering::Relaxed);
            shared
                .beyond
                .fetch_add(usize::from(is_beyond), Ordering::Relaxed);
            if team.can_begin(&state) > 0 {
                // If no thread can be started, the number of threads stays as it was.
                let _ = team.grow(&mut state);
                team.wake(&state);
            }
        }
        Waits { team, is_beyond }
    }
}

/// Waits while `is_so` holds, but not beyond `until`; the bell is rung when that may have changed.
///
/// A worker of a rayon pool does other work of its pool meanwhile. Another thread takes the place of a team's thread, and of a
/// thread of Polars' streaming engine; see [`wait_while_as`].
pub(crate) fn wait_while<'m, T>(
    mutex: &'m Mutex<T>,
    bell: &Condvar,
    until: Option<Instant>,
    is_so: impl Fn(&T) -> bool,
) -> MutexGuard<'m, T> {
    wait_while_as(Waits::for_a_team, mutex, bell, until, is_so)
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(team) = &self.team {
            // The lock is not taken here, since the thread that waits may hold another. If there is now one thread too many, it
            // ends after its task.
            let shared = &team.0;
            shared.waiting.fetch_sub(1, Ordering::Relaxed);
            shared
                .beyond
                .fetch_sub(usize::from(self.is_beyond), Ordering::Relaxed);
        }
    }
}

impl Team {
    /// Starts `width` threads: all of them, or none.
    pub(super) fn start(width: usize, make: Make) -> io::Result<Self> {
        let team = Team(Arc::new(TeamInner::new(Some(width), make)));
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

    /// Makes a team without threads, which starts them as it needs them.
    pub(super) fn growing() -> Self {
        let make = Make {
            names: vec!["par-apply-job".into()],
            stack_size: None,
        };
        Team(Arc::new(TeamInner::new(None, make)))
    }

    /// Returns how many threads it has, if that number is fixed.
    pub(super) fn width(&self) -> Option<usize> {
        self.0.width
    }

    /// Returns whether this thread is one of the team's.
    pub(crate) fn is_here(&self) -> bool {
        own().is_some_and(|own| Arc::ptr_eq(&own.0, &self.0))
    }

    /// Gives the team a task. A growing team has at most `most` threads for its tasks, besides those that wait.
    ///
    /// # Errors
    /// There is no thread to run it, and none can be started. The task is then not kept.
    pub(super) fn push(&self, task: Arc<dyn Task>, most: usize, turn: Turn) -> io::Result<()> {
        let mut state = self.0.lock();
        state.most = self.0.width.unwrap_or(state.most.max(most));
        state.queues.push(task, turn);
        let started = self.grow(&mut state);
        if state.threads == 0 {
            // It is the only task, since those before it had a thread.
            let task = state.queues.unpush(turn);
            drop(state);
            drop(task);
            let stopped = || io::Error::other("the pool has been stopped");
            return Err(started.err().unwrap_or_else(stopped));
        }
        let over = state.queues.sweep();
        self.count(&state);
        self.wake(&state);
        drop(state);
        // This is done without the lock, since the tasks may drop values of the user's.
        drop(over);
        Ok(())
    }

    /// See [`give_way`].
    fn give_way(
        &self,
        standing: Arc<Standing>,
        pause: Option<&dyn Fn() -> bool>,
        leave: &dyn Fn() -> bool,
    ) -> Yielded {
        let shared = &self.0;
        let mut state = shared.lock();
        if self.can_begin(&state) > 0 {
            // There is room for the next task beside this thread, unless no thread can be started.
            let threads = state.threads;
            let started = self.grow(&mut state).is_ok() && state.threads > threads;
            if started || state.idle > 0 {
                self.wake(&state);
                return Yielded::Stay;
            }
        }
        let makes_room = pause.is_some() && BASE.get().makes_room();
        let outside = self.outside_room(&state, makes_room);
        if !state.queues.comes_before(&standing, outside) {
            return Yielded::Stay;
        }
        if leave() {
            state.queues.left(&standing);
            return Yielded::Leave;
        }
        let Some(is_over) = pause else {
            return Yielded::Stay;
        };
        let paused = Arc::new(Paused::new(standing, makes_room));
        let (waiting, beyond) = (&shared.waiting, &shared.beyond);
        state.queues.pause(&paused);
        waiting.fetch_add(1, Ordering::Relaxed);
        beyond.fetch_add(usize::from(makes_room), Ordering::Relaxed);
        let (threads, has_idle) = (state.threads, state.idle > 0);
        if !has_idle && (self.grow(&mut state).is_err() || state.threads == threads) {
            // No thread can stand in.
            state.queues.unpause(&paused);
            waiting.fetch_sub(1, Ordering::Relaxed);
            beyond.fetch_sub(usize::from(makes_room), Ordering::Relaxed);
            return Yielded::Stay;
        }
        self.count(&state);
        self.wake(&state);
        while !paused.has_resumed() {
            if is_over() {
                state.queues.take_out(&paused);
                self.resume(&paused);
                self.count(&state);
                break;
            }
            let waited = paused.bell.wait_timeout(state, LOOKS_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Yielded::Resumed
    }

    /// Lets a paused worker go on, in place of the thread that calls this.
    fn resume(&self, paused: &Paused) {
        let shared = &self.0;
        shared.waiting.fetch_sub(1, Ordering::Relaxed);
        shared
            .beyond
            .fetch_sub(usize::from(paused.makes_room), Ordering::Relaxed);
        paused.resume();
    }

    /// Returns how many more tasks from outside may begin. If `one_pauses`, one of their calls is about to pause, and counts as
    /// paused.
    fn outside_room(&self, state: &TeamState, one_pauses: bool) -> usize {
        let beyond = self.0.beyond.load(Ordering::Relaxed) + usize::from(one_pauses);
        (state.most + beyond.min(MOST_BEYOND)).saturating_sub(state.outside)
    }

    /// Returns how many tasks could begin now.
    fn can_begin(&self, state: &TeamState) -> usize {
        let waiting = self.0.waiting.load(Ordering::Relaxed);
        let room = (state.most + waiting).saturating_sub(state.busy);
        let outside = self.outside_room(state, false);
        state.queues.can_begin(outside).min(room)
    }

    /// Wakes an idle thread, if there is one.
    fn wake(&self, state: &TeamState) {
        if state.stopped {
            // A thread that waits for the team's threads to end waits for the same bell.
            self.0.bell.notify_all();
        } else if state.idle > 0 {
            self.0.bell.notify_one();
        }
    }

    /// Publishes the number of queued tasks.
    fn count(&self, state: &TeamState) {
        self.0.queued.store(state.queues.len(), Ordering::Relaxed);
    }

    /// Lets every thread end when it finds no more tasks.
    pub(super) fn stop(&self) {
        self.0.lock().stopped = true;
        self.0.bell.notify_all();
    }

    /// Waits until the threads of a stopped team have ended; on one of these threads it returns at once.
    pub(super) fn join(&self) {
        if self.is_here() {
            return;
        }
        // Another thread may have taken the handles, so this waits for the number of threads too.
        drop(wait_while(&self.0.state, &self.0.bell, None, |state| {
            state.threads > 0
        }));
        let handles = std::mem::take(&mut *self.handles());
        for handle in handles {
            // The thread panics only if a task does, and tasks do not.
            let _ = handle.join();
        }
    }

    /// Adds a thread, if more tasks can begin than threads are idle, and there is room for one.
    fn grow(&self, state: &mut TeamState) -> io::Result<()> {
        let waiting = self.0.waiting.load(Ordering::Relaxed);
        let has_room = state.threads < (state.most + waiting).min(WIDEST);
        // Work that was admitted before the team was stopped may still wait for more tasks.
        let is_over = state.stopped && state.threads == 0;
        if state.idle < self.can_begin(state) && has_room && !is_over {
            return self.add(state);
        }
        Ok(())
    }

    /// Adds a thread. It waits for the lock that the caller holds, and then looks for a task.
    fn add(&self, state: &mut TeamState) -> io::Result<()> {
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

    /// Runs tasks, on each thread of the team.
    fn work(self) {
        OWN.set(Some(self.clone()));
        let mut was = None;
        while let Some((task, base)) = self.next(was) {
            BASE.set(base);
            was = Some(base);
            // A task catches panics of the user's code. If this crate's own code panics, the thread must not be lost.
            let standing = task.standing().cloned();
            let _ = catch_unwind(AssertUnwindSafe(|| task.run()));
            if let Some(standing) = standing {
                standing.leave();
            }
        }
    }

    /// Waits for the next task. `was` is the task that the thread was in, if any. Returns `None` when the thread is to end.
    fn next(&self, was: Option<Base>) -> Option<(Arc<dyn Task>, Base)> {
        let shared = &self.0;
        let mut state = shared.lock();
        if let Some(base) = was {
            state.busy -= 1;
            state.outside -= usize::from(base.is_from_outside);
        }
        let since = Instant::now();
        loop {
            let timed_out = since.elapsed() >= KEPT_FOR;
            while self.can_begin(&state) > 0 {
                let outside = self.outside_room(&state, false);
                let Some(next) = state.queues.take(outside) else {
                    break;
                };
                self.count(&state);
                let (task, is_from_outside) = match next {
                    Next::Resume(paused) => {
                        self.resume(&paused);
                        continue;
                    }
                    Next::Inner(task) => (task, false),
                    Next::Outside(task) => (task, true),
                };
                let base = Base {
                    is_from_outside,
                    gives_way: task.gives_way(),
                };
                state.outside += usize::from(is_from_outside);
                state.busy += 1;
                // This is done under the lock, so that no other thread counts the same call as one without a worker.
                if let Some(standing) = task.standing() {
                    standing.enter();
                }
                return Some((task, base));
            }
            let waiting = shared.waiting.load(Ordering::Relaxed);
            let stands_in = state.threads > state.most + waiting;
            let is_done = state.stopped && state.queues.is_empty();
            if is_done || (timed_out && (stands_in || shared.width.is_none())) {
                state.threads -= 1;
                if state.stopped {
                    shared.bell.notify_all();
                }
                return None;
            }
            state.idle += 1;
            let lasts = shared.width.is_some() && state.threads <= state.most;
            if lasts {
                let waited = shared.bell.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            } else {
                // A thread whose time is up, but that is needed while others wait, checks again later.
                let left = KEPT_FOR.checked_sub(since.elapsed());
                let left = left.unwrap_or(KEPT_FOR);
                let waited = shared.bell.wait_timeout(state, left);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            state.idle -= 1;
        }
    }

    fn handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        let handles = self.0.handles.lock();
        handles.unwrap_or_else(PoisonError::into_inner)
    }
}

impl TeamInner {
    fn new(width: Option<usize>, make: Make) -> Self {
        TeamInner {
            state: Mutex::new(TeamState {
                most: width.unwrap_or(1),
                ..TeamState::default()
            }),
            bell: Condvar::new(),
            handles: Mutex::default(),
            width,
            make,
            waiting: AtomicUsize::new(0),
            beyond: AtomicUsize::new(0),
            queued: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TeamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Team")
            .field("threads", &state.threads)
            .field("idle", &state.idle)
            .field("queued", &state.queues.len())
            .finish()
    }
}
