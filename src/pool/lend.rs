//! Lends a team work that borrows: the call returns when nobody is in it any more.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Team;
use super::team::{Task, Turn, Waits, is_on_a_pool};
use super::wait::wait_while;

/// What several threads call at once; each is given a way to have one more call it.
pub(crate) type Work<'w> = &'w (dyn Fn(&dyn Fn()) + Sync);

/// Calls `work` on so many threads of the team at once, and returns when every call has. A call that has not begun when
/// the others are done is not made: there is nothing left for it.
///
/// On a thread of the team, one of the calls is made here. Elsewhere `watch` is called here meanwhile, if it is given.
pub(super) fn lend(team: &Team, calls: usize, work: Work<'_>, watch: Option<Work<'_>>) {
    let lent = Arc::new(Lent {
        work: Pointer::to(work),
        door: Mutex::new(Door {
            open: true,
            entered: 0,
            inside: 0,
            panic: None,
        }),
        left: Condvar::new(),
        team: team.clone(),
    });
    let here = team.is_here();
    let mut shut = Shut {
        lent: &lent,
        unwinds: true,
    };
    let asked = if here { calls - 1 } else { calls };
    let pushed = (0..asked).filter(|_| lent.clone().ask()).count();
    if here || pushed == 0 {
        work(&|| {
            lent.clone().ask();
        });
        lent.lock().entered += 1;
    } else if let Some(watch) = watch {
        let _waits = Waits::new();
        watch(&|| {
            lent.clone().ask();
        });
    }
    shut.unwinds = false;
    drop(shut);
    let panic = lent.lock().panic.take();
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// To what lives only as long as the call that lends it.
struct Pointer(*const (dyn Fn(&dyn Fn()) + Sync + 'static));

// SAFETY: what it points to is `Sync`.
unsafe impl Send for Pointer {}
// SAFETY: as above.
unsafe impl Sync for Pointer {}

impl Pointer {
    fn to(work: Work<'_>) -> Self {
        let work: *const (dyn Fn(&dyn Fn()) + Sync + '_) = work;
        // SAFETY: the types differ in a lifetime alone, and a pointer may outlive what it points to.
        Pointer(unsafe {
            mem::transmute::<
                *const (dyn Fn(&dyn Fn()) + Sync + '_),
                *const (dyn Fn(&dyn Fn()) + Sync + 'static),
            >(work)
        })
    }
}

struct Lent {
    work: Pointer,
    door: Mutex<Door>,
    /// Rung when somebody leaves.
    left: Condvar,
    team: Team,
}

/// Who may follow the pointer, and who does.
struct Door {
    open: bool,
    entered: usize,
    inside: usize,
    panic: Option<Box<dyn Any + Send>>,
}

impl Lent {
    /// Asks for one more call; and tells whether there is anyone to make it.
    fn ask(self: Arc<Self>) -> bool {
        let team = self.team.clone();
        let width = team.width().unwrap_or(1);
        // The caller waits for it; so do those who wait for the caller, if it is one of a pool's.
        let turn = if is_on_a_pool() {
            Turn::Next
        } else {
            Turn::Last
        };
        team.push(self, width, turn).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task for Lent {
    fn is_over(&self) -> bool {
        !self.lock().open
    }

    fn run(self: Arc<Self>) {
        {
            let mut door = self.lock();
            if !door.open {
                return;
            }
            door.entered += 1;
            door.inside += 1;
        }
        // SAFETY: it is lent by a call of `lend`, which does not return or unwind before its `Shut` has found nobody inside
        // and shut the door. This thread came in while the door was open, and is counted as inside until it is done.
        let work = unsafe { &*self.work.0 };
        let called = catch_unwind(AssertUnwindSafe(|| {
            work(&|| {
                self.clone().ask();
            });
        }));
        let mut door = self.lock();
        door.inside -= 1;
        let mut surplus = None;
        match called {
            Err(panic) if door.panic.is_none() => door.panic = Some(panic),
            called => surplus = called.err(),
        }
        drop(door);
        drop(surplus);
        self.left.notify_all();
    }
}

/// Waits until somebody has been inside and nobody is, and shuts the door.
struct Shut<'l> {
    lent: &'l Lent,
    /// Whether it is dropped on the way out of a panic of this call: then nobody need have come. (One that the thread was on
    /// the way out of before is no reason to leave the work undone.)
    unwinds: bool,
}

impl Drop for Shut<'_> {
    fn drop(&mut self) {
        let (lent, must_enter) = (self.lent, !self.unwinds);
        let mut door = wait_while(&lent.door, &lent.left, None, |door| {
            door.inside > 0 || (must_enter && door.entered == 0)
        });
        door.open = false;
    }
}
