//! Lends threads a closure that borrows. The call returns only when no thread is in the closure any more.

use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process;
use std::time::Duration;

use polars_core::runtime::RAYON;

use super::team::{Team, Waits, Yielded, give_way, is_on_a_pool};
use super::turns::{Standing, Task, Turn};
use super::wait::wait_while_as;
use crate::quiet::quietly_drop;
use crate::sync::thread::{self, ScopedJoinHandle};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A closure that several threads call at the same time.
pub(crate) type Work<'w> = &'w (dyn Fn(&dyn Crew) + Sync);

/// What a worker can ask of the call that it works for.
pub(crate) trait Crew {
    /// Asks for one more worker.
    fn one_more(&self);

    /// Offers the worker's turn to other calls, between two morsels. A worker that is to leave returns from `work`; it may ask for
    /// another worker in its place. `pause` says when the call is over, for a worker that may pause. A worker that may not pause
    /// stays if it cannot leave.
    fn give_way(&self, pause: Option<&dyn Fn() -> bool>) -> Yielded;
}

/// Calls `work` on `calls` threads at the same time, and returns when every call has returned. A call that has not begun when the
/// others are done is not made, since nothing is left to do.
///
/// If the work `gives_way`, it asks its [`Crew`] between morsels whether it is the turn of other calls.
///
/// On a thread of the team, one of the calls is made on this thread. The same holds where no worker of Polars' pool is free for
/// long. Otherwise `watch`, if it is given, is called on this thread meanwhile.
pub(super) fn lend(
    whom: &Askable,
    calls: usize,
    gives_way: bool,
    work: Work<'_>,
    watch: Option<Work<'_>>,
) {
    let lent = Arc::new(Loan {
        gives_way,
        work: Pointer::to(work),
        door: Mutex::new(Door {
            open: true,
            places: calls,
            entered: 0,
            inside: 0,
            leaving: 0,
            panic: None,
        }),
        left: Condvar::new(),
        standing: Arc::default(),
        whom: whom.clone(),
    });
    let here = whom.is_here();
    let mut shut = Shut {
        lent: &lent,
        unwinds: true,
        shares: here || matches!(whom, Askable::Polars),
    };
    let first = if here { Turn::Shared } else { lent.turn() };
    let asked = if here { calls - 1 } else { calls };
    let turns = [first]
        .into_iter()
        .chain([Turn::Shared].into_iter().cycle());
    let pushed = turns.take(asked).filter(|turn| lent.ask(*turn)).count();
    if here || pushed == 0 || lent.is_left_alone() {
        let works = || work(&Inside::of_caller(&lent));
        match watch {
            // On a worker's thread, the call calls no worker back before its own rows are done.
            Some(watch) if !here => watched_meanwhile(&lent, watch, works),
            _ => works(),
        }
    } else if let Some(watch) = watch {
        let _waits = Waits::for_workers();
        watch(&Outside(&lent));
    }
    shut.unwinds = false;
    drop(shut);
    let panic = lent.lock().panic.take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Does the work on this thread, since no worker of Polars' pool has come, and starts another thread that calls `watch` instead. If
/// that thread cannot be started, `watch` is not called.
fn watched_meanwhile(lent: &Arc<Loan>, watch: Work<'_>, works: impl FnOnce()) {
    thread::scope(|scope| {
        let watcher = thread::Builder::new().name("par-apply-watch".into());
        let watcher = watcher.spawn_scoped(scope, || watch(&Outside(lent)));
        works();
        // The watcher returns when the other threads have left the work.
        let _waits = Waits::for_workers();
        drop(watcher.map(ScopedJoinHandle::join));
    });
}

/// Whose threads do the work.
#[derive(Clone, Debug)]
pub(super) enum Askable {
    Team(Team),
    /// Polars' pool, from a thread that is not a worker of it. A task in rayon's queue cannot be taken back from it. So the work is
    /// lent to Polars' workers, and those that come too late find the door shut.
    Polars,
}

impl Askable {
    fn is_here(&self) -> bool {
        match self {
            Askable::Team(team) => team.is_here(),
            Askable::Polars => false,
        }
    }
}

/// How long a call waits for a worker of Polars' pool before its own thread begins.
const PATIENCE: Duration = Duration::from_millis(10);

/// A pointer to a closure that lives only as long as the call that lends it.
struct Pointer(*const (dyn Fn(&dyn Crew) + Sync + 'static));

// SAFETY: what it points to is `Sync`.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

impl Pointer {
    fn to(work: Work<'_>) -> Self {
        let work: *const (dyn Fn(&dyn Crew) + Sync + '_) = work;
        // SAFETY: the types differ only in a lifetime, and a pointer may outlive what it points to.
        Pointer(unsafe {
            mem::transmute::<
                *const (dyn Fn(&dyn Crew) + Sync + '_),
                *const (dyn Fn(&dyn Crew) + Sync + 'static),
            >(work)
        })
    }
}

/// A closure that is lent to threads, and the state of the threads that call it.
struct Loan {
    gives_way: bool,
    work: Pointer,
    door: Mutex<Door>,
    /// Rung when a thread leaves.
    left: Condvar,
    standing: Arc<Standing>,
    whom: Askable,
}

/// Whether threads may follow the pointer, and how many do.
struct Door {
    open: bool,
    /// How many more threads may enter.
    places: usize,
    entered: usize,
    inside: usize,
    /// How many of the threads inside are about to leave the remaining work to others.
    leaving: usize,
    panic: Option<Box<dyn Any + Send>>,
}

impl Loan {
    /// Asks for one more call, and returns whether there is a thread to make it.
    fn ask(self: &Arc<Self>, turn: Turn) -> bool {
        match &self.whom {
            Askable::Team(team) => {
                let width = team.width().unwrap_or(1);
                team.push(self.clone(), width, turn).is_ok()
            }
            Askable::Polars => {
                let lent = self.clone();
                RAYON.spawn(move || lent.run());
                true
            }
        }
    }

    fn ask_for_one_more(self: &Arc<Self>) {
        self.lock().places += 1;
        self.ask(Turn::Shared);
    }

    /// Waits for a short time for a worker of Polars' pool, and returns whether none came because all are busy.
    fn is_left_alone(&self) -> bool {
        if matches!(self.whom, Askable::Team(_)) {
            return false;
        }
        let is_under_way = |door: &mut Door| door.entered == 0 || door.inside > 0;
        let waited = self
            .left
            .wait_timeout_while(self.lock(), PATIENCE, is_under_way);
        let (door, _) = waited.unwrap_or_else(PoisonError::into_inner);
        door.entered == 0
    }

    /// Returns the turn of the first call. The caller waits for that call; if the caller is a thread of a pool, others may wait for
    /// the caller.
    fn turn(&self) -> Turn {
        if is_on_a_pool() {
            Turn::Next
        } else {
            Turn::Last
        }
    }

    fn lock(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that is inside, until this is dropped.
struct Inside<'l> {
    lent: &'l Arc<Loan>,
    is_leaving: Cell<bool>,
    is_caller: bool,
}

impl<'l> Inside<'l> {
    /// Lets a thread of the team in; returns `None` if the door is shut.
    fn enter(lent: &'l Arc<Loan>) -> Option<Self> {
        let mut door = lent.lock();
        if !door.open || door.places == 0 {
            return None;
        }
        door.places -= 1;
        door.entered += 1;
        door.inside += 1;
        Some(Inside {
            lent,
            is_leaving: Cell::new(false),
            is_caller: false,
        })
    }

    /// Lets the calling thread in, which lends the work.
    fn of_caller(lent: &'l Arc<Loan>) -> Self {
        let mut door = lent.lock();
        door.places = door.places.saturating_sub(1);
        door.entered += 1;
        door.inside += 1;
        // The team counts the other threads, which it has called itself.
        lent.standing.enter();
        Inside {
            lent,
            is_leaving: Cell::new(false),
            is_caller: true,
        }
    }
}

impl Crew for Inside<'_> {
    fn one_more(&self) {
        self.lent.ask_for_one_more();
    }

    fn give_way(&self, pause: Option<&dyn Fn() -> bool>) -> Yielded {
        // The caller cannot leave, since it must wait for the others in any case.
        let leave = || {
            let mut door = self.lent.lock();
            let can_leave = !self.is_caller && door.inside - door.leaving > 1;
            if can_leave && !self.is_leaving.replace(true) {
                door.leaving += 1;
            }
            can_leave
        };
        give_way(Some(&self.lent.standing), pause, &leave)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.is_caller {
            self.lent.standing.leave();
        }
        let mut door = self.lent.lock();
        door.leaving -= usize::from(self.is_leaving.get());
        door.inside -= 1;
        drop(door);
        self.lent.left.notify_all();
    }
}

/// The calling thread, which watches from outside.
struct Outside<'l>(&'l Arc<Loan>);

impl Crew for Outside<'_> {
    fn one_more(&self) {
        self.0.ask_for_one_more();
    }

    fn give_way(&self, _: Option<&dyn Fn() -> bool>) -> Yielded {
        Yielded::Stay
    }
}

impl Task for Loan {
    fn is_over(&self) -> bool {
        !self.lock().open
    }

    fn gives_way(&self) -> bool {
        self.gives_way
    }

    fn standing(&self) -> Option<&Arc<Standing>> {
        Some(&self.standing)
    }

    fn run(self: Arc<Self>) {
        let Some(inside) = Inside::enter(&self) else {
            return;
        };
        // SAFETY: the closure is lent by a call of `lend`, which does not return or unwind before its `Shut` has found nobody
        // inside and shut the door. This thread came in while the door was open, and is counted as inside until `inside` is
        // dropped, after the last use of `work`.
        let work = unsafe { &*self.work.0 };
        let called = catch_unwind(AssertUnwindSafe(|| work(&inside)));
        let mut surplus = None;
        if let Err(panic) = called {
            let mut door = self.lock();
            match door.panic {
                None => door.panic = Some(panic),
                Some(_) => surplus = Some(panic),
            }
        }
        drop(inside);
        if let Some(surplus) = surplus {
            quietly_drop(surplus);
        }
    }
}

/// Waits until some thread has been inside and none is inside any more, and then shuts the door.
struct Shut<'l> {
    lent: &'l Loan,
    /// Whether it is dropped because this call of `lend` unwinds from a panic. Then no thread need have come. (A panic from which
    /// the thread was unwinding before this call is no reason to leave the work undone.)
    unwinds: bool,
    /// Whether the thread waits for workers of its own team or of Polars' pool, which its team counts differently.
    shares: bool,
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        // The closure that was lent ends with the caller's frame. So this frame must not be left while a thread is inside, whatever
        // happens.
        let abort = Abort;
        let (lent, must_enter) = (self.lent, !self.unwinds);
        let waits = if self.shares {
            Waits::for_workers
        } else {
            Waits::for_a_team
        };
        let mut door = wait_while_as(waits, &lent.door, &lent.left, None, |door| {
            door.inside > 0 || (must_enter && door.entered == 0)
        });
        door.open = false;
        mem::forget(abort);
    }
}

/// Ends the process when it is dropped, which happens only when a panic unwinds.
struct Abort;

impl Drop for Abort {
    fn drop(&mut self) {
        process::abort();
    }
}
