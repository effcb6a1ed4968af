//! What a pool was given and is not done with: so that it can be closed, waited for and terminated.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::wait::wait_while;
use crate::cancel::CancelToken;
use crate::error::{ErrorKind, Result};

/// Something that a pool was given, which can be told to end.
pub(crate) trait Stop: Send + Sync {
    fn stop(&self);
}

impl Stop for CancelToken {
    fn stop(&self) {
        self.cancel();
    }
}

/// The way into a pool.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// Rung when a pass is given back.
    bell: Condvar,
}

#[derive(Default)]
struct State {
    closed: bool,
    terminated: bool,
    /// How many were let in and are not done.
    inside: usize,
    next: u64,
    stops: HashMap<u64, Weak<dyn Stop>>,
}

impl Gate {
    /// Lets one more in, while the pool is open.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Pass> {
        self.admit_if(|state| !state.closed)
    }

    /// Lets the rest of something in, unless the pool was terminated.
    pub(super) fn admit_again(self: &Arc<Self>) -> Result<Pass> {
        self.admit_if(|state| !state.terminated)
    }

    fn admit_if(self: &Arc<Self>, may: impl Fn(&State) -> bool) -> Result<Pass> {
        let mut state = self.lock();
        if !may(&state) {
            return Err(ErrorKind::PoolClosed {
                terminated: state.terminated,
            }
            .into());
        }
        state.inside += 1;
        state.next += 1;
        Ok(Pass {
            gate: self.clone(),
            number: state.next,
        })
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(super) fn terminate(&self) {
        let stops: Vec<_> = {
            let mut state = self.lock();
            (state.closed, state.terminated) = (true, true);
            state.stops.drain().map(|(_, stop)| stop).collect()
        };
        // Outside the lock: what is stopped may end, and give its pass back.
        let stops = stops.iter().filter_map(Weak::upgrade);
        stops.for_each(|stop| stop.stop());
    }

    /// Waits until all who were let in are done.
    pub(super) fn join(&self) -> Result<()> {
        if self.is_around() {
            return Err(ErrorKind::Option {
                option: "Pool::join",
                message:
                    "it is called within something that the pool runs, and would wait for that; \
                          call it on another thread"
                        .into(),
            }
            .into());
        }
        drop(wait_while(&self.state, &self.bell, None, |state| {
            state.inside > 0
        }));
        Ok(())
    }

    /// Whether this thread is within something that was let in.
    fn is_around(&self) -> bool {
        AROUND.with_borrow(|around| around.iter().any(|gate| std::ptr::eq(*gate, self)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// The gates of what this thread is within.
    static AROUND: RefCell<Vec<*const Gate>> = const { RefCell::new(Vec::new()) };
}

/// A call that blocks its caller, and is told by a token when the pool is terminated.
#[derive(Debug)]
pub(crate) struct Entry {
    token: Arc<CancelToken>,
    pass: Pass,
}

impl Entry {
    pub(super) fn new(pass: Pass) -> Self {
        let token = Arc::new(CancelToken::new());
        let stop: Weak<CancelToken> = Arc::downgrade(&token);
        pass.register()(stop);
        Entry { token, pass }
    }

    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Marks this thread as within, until the guard is dropped.
    pub(crate) fn around(&self) -> Around {
        self.pass.around()
    }
}

/// Leave to be in; given back when dropped.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    number: u64,
}

impl Pass {
    /// A way to say whom to tell if the pool is terminated; who is told at once, if it was.
    pub(crate) fn register(&self) -> impl FnOnce(Weak<dyn Stop>) + use<> {
        let (gate, number) = (self.gate.clone(), self.number);
        move |stop| {
            let mut state = gate.lock();
            if !state.terminated {
                state.stops.insert(number, stop);
                return;
            }
            drop(state);
            if let Some(stop) = stop.upgrade() {
                stop.stop();
            }
        }
    }

    /// Marks this thread as within, until the guard is dropped.
    pub(crate) fn around(&self) -> Around {
        AROUND.with_borrow_mut(|around| around.push(Arc::as_ptr(&self.gate)));
        Around
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.inside -= 1;
        state.stops.remove(&self.number);
        let last = state.inside == 0;
        drop(state);
        if last {
            self.gate.bell.notify_all();
        }
    }
}

pub(crate) struct Around;

impl Drop for Around {
    fn drop(&mut self) {
        AROUND.with_borrow_mut(Vec::pop);
    }
}
