//! The progress of a job.

use crate::progress::{Progress, Tick, TickState};
use crate::sync::{Arc, Mutex, PoisonError};

/// The last progress that was reported.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Arc<Mutex<Tick>>);

impl Meter {
    pub(super) fn new(total: usize) -> Self {
        Meter(Arc::new(Mutex::new(Tick {
            done: 0,
            total,
            failures: 0,
            state: TickState::Running,
        })))
    }

    pub(super) fn read(&self) -> Tick {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a listener that records the progress here, and passes it on to `other` if there is one.
    pub(crate) fn and(&self, other: Option<Arc<dyn Progress>>) -> impl Progress + use<> {
        let meter = self.clone();
        move |tick: Tick| {
            meter.tick(tick);
            if let Some(other) = &other {
                other.tick(tick);
            }
        }
    }
}

impl Progress for Meter {
    fn tick(&self, tick: Tick) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = tick;
    }
}
