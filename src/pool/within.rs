//! What a thread is within: what pools have let in, be it on a thread of theirs or for them on another's.
//!
//! It goes along with a call to its workers, whatever pool they are of. So a pool knows what comes from within, and need not
//! refuse it when it is closed; and a join that would wait for itself.

use crate::sync::Arc;
use std::any::Any;
use std::cell::RefCell;
use std::ptr;

/// A pool's gate, which is known by its address.
type AnyGate = dyn Any + Send + Sync;

thread_local! {
    static WITHIN: RefCell<Vec<Arc<AnyGate>>> = const { RefCell::new(Vec::new()) };
}

/// Looks at what this thread is within; a thread that ends is within nothing.
fn look<R: Default>(look: impl FnOnce(&mut Vec<Arc<AnyGate>>) -> R) -> R {
    let looked = WITHIN.try_with(|within| look(&mut within.borrow_mut()));
    looked.unwrap_or_default()
}

fn is_among<G: ?Sized>(gate: &G, gates: &[Arc<AnyGate>]) -> bool {
    gates
        .iter()
        .any(|other| ptr::addr_eq(&raw const **other, gate))
}

/// Whether this thread is within something that came through the gate.
pub(super) fn is_within<G>(gate: &G) -> bool {
    look(|within| is_among(gate, within))
}

/// What some work is within.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage(Vec<Arc<AnyGate>>);

impl Lineage {
    /// That of a call which this thread waits for.
    pub(crate) fn of_call() -> Self {
        Lineage(look(|within| within.clone()))
    }

    /// The same, and through the gate; of a job, which may outlive what gives it, through the gate alone.
    pub(super) fn and<G: Send + Sync + 'static>(mut self, gate: &Arc<G>) -> Self {
        if !is_among(&**gate, &self.0) {
            self.0.push(gate.clone());
        }
        self
    }

    /// Puts this thread within it too, until the guard is dropped.
    pub(crate) fn enter(&self) -> Within {
        if self.0.is_empty() {
            return Within(0);
        }
        Within(look(|within| {
            let before = within.len();
            for gate in &self.0 {
                if !is_among(&**gate, &within[..before]) {
                    within.push(gate.clone());
                }
            }
            within.len() - before
        }))
    }
}

/// How many gates more this thread is within. Guards are dropped in the reverse order of their making.
#[derive(Debug)]
pub(crate) struct Within(usize);

impl Drop for Within {
    fn drop(&mut self) {
        if self.0 > 0 {
            let left: Vec<Arc<AnyGate>> = look(|within| {
                let before = within.len().saturating_sub(self.0);
                within.split_off(before)
            });
            // Not while looking: the last of a gate may be the last of more.
            drop(left);
        }
    }
}
