//! The record of the work that a pool has admitted and that is not done, so that the pool can be closed, waited for and terminated.

use std::collections::HashMap;
use std::fmt;

use super::team::wait_while;
use super::within::is_within;
use crate::cancel::{CancelToken, Stop};
use crate::error::{ErrorKind, Result};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// The entrance of a pool.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    /// Rung when a pass is given back.
    bell: Condvar,
}

#[derive(Default)]
struct GateState {
    closed: bool,
    terminated: bool,
    /// The number of passes that were given out and not given back.
    inside: usize,
    next: u64,
    stops: HashMap<u64, Weak<dyn Stop>>,
}

impl Gate {
    /// Admits new work while the pool is open, and work that comes from within until the pool is terminated.
    pub(super) fn admit(self: &Arc<Self>) -> Result<Pass> {
        let is_within = is_within::<Gate>(self);
        self.admit_if(|state| !state.closed || (is_within && !state.terminated))
    }

    /// Admits the rest of work that has entered before, unless the pool was terminated.
    pub(super) fn admit_again(self: &Arc<Self>) -> Result<Pass> {
        self.admit_if(|state| !state.terminated)
    }

    fn admit_if(self: &Arc<Self>, may: impl Fn(&GateState) -> bool) -> Result<Pass> {
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
        // This is done outside the lock, since work that is stopped may end and give its pass back.
        let stops = stops.iter().filter_map(Weak::upgrade);
        stops.for_each(|stop| stop.stop());
    }

    /// Waits until all work that was admitted is done.
    pub(super) fn join(&self) -> Result<()> {
        if is_within(self) {
            return Err(ErrorKind::Option {
                option: "Pool::join",
                message:
                    "it was called by work that the pool runs, so it would wait for itself; call it on another thread"
                        .into(),
            }
            .into());
        }
        drop(wait_while(&self.state, &self.bell, None, |state| {
            state.inside > 0
        }));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that blocks its caller, with a token that is cancelled when the pool is terminated.
#[derive(Debug)]
pub(crate) struct Entry {
    token: Arc<CancelToken>,
    _pass: Pass,
}

impl Entry {
    pub(super) fn new(pass: Pass) -> Self {
        let token = Arc::new(CancelToken::new());
        let stop: Weak<CancelToken> = Arc::downgrade(&token);
        pass.register()(stop);
        Entry { token, _pass: pass }
    }

    pub(crate) fn token(&self) -> &CancelToken {
        &self.token
    }
}

/// The permission to be in a pool, which is given back when this is dropped.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    number: u64,
}

impl Pass {
    /// Returns a function that registers what is stopped if the pool is terminated. If it was terminated already, the function
    /// stops it at once.
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
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
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
