//! What a thread is within: the work that pools have admitted, whether it runs on one of their threads or for them on a thread of
//! another pool.
//!
//! A call passes it on to its workers, whatever pool they belong to. So a pool recognises work that comes from within, and need not
//! refuse it when the pool is closed. It can also refuse a join that would wait for itself.

use crate::sync::Arc;
use std::any::Any;
use std::cell::RefCell;
use std::ptr;

/// A pool's gate, which is identified by its address.
type AnyGate = dyn Any + Send + Sync;

thread_local! {
    static WITHIN: RefCell<Vec<Arc<AnyGate>>> = const { RefCell::new(Vec::new()) };
}

/// Looks at what this thread is within; a thread that is ending is within nothing.
fn look<R: Default>(look: impl FnOnce(&mut Vec<Arc<AnyGate>>) -> R) -> R {
    let looked = WITHIN.try_with(|within| look(&mut within.borrow_mut()));
    looked.unwrap_or_default()
}

fn is_among<G: ?Sized>(gate: &G, gates: &[Arc<AnyGate>]) -> bool {
    gates
        .iter()
        .any(|other| ptr::addr_eq(&raw const **other, gate))
}

/// Returns whether this thread is within something that came through the gate.
pub(super) fn is_within<G>(gate: &G) -> bool {
    look(|within| is_among(gate, within))
}

/// The gates that some work is within.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lineage(Vec<Arc<AnyGate>>);

impl Lineage {
    /// Returns the lineage of a call that this thread waits for.
    pub(crate) fn of_call() -> Self {
        Lineage(look(|within| within.clone()))
    }

    /// Adds a gate. For a job, which may outlive the work that gives it, the gate is added to an empty lineage.
    pub(super) fn and<G: Send + Sync + 'static>(mut self, gate: &Arc<G>) -> Self {
        if !is_among(&**gate, &self.0) {
            self.0.push(gate.clone());
        }
        self
    }

    /// Puts this thread within the lineage too, until the guard is dropped.
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

/// The number of gates that this thread was put within. Guards are dropped in the reverse order of their making.
#[derive(Debug)]
pub(crate) struct Within(usize);

impl Drop for Within {
    fn drop(&mut self) {
        if self.0 > 0 {
            let left: Vec<Arc<AnyGate>> = look(|within| {
                let before = within.len().saturating_sub(self.0);
                within.split_off(before)
            });
            // They are dropped outside `look`, since dropping the last handle of one gate may drop that of another.
            drop(left);
        }
    }
}
