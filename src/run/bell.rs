//! Wakes the thread that watches a run.

use crate::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Bell {
    /// How often the bell was rung.
    rung: Mutex<u64>,
    bell: Condvar,
}

/// When the watching thread looks again.
pub(super) enum Wake {
    /// It does not look again.
    Done,
    /// It looks again when the bell is rung.
    Rung,
    /// It looks again at this time, or when the bell is rung.
    At(Instant),
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.bell.notify_all();
    }

    /// Calls `look` repeatedly until it returns [`Wake::Done`]. A ring during a look is not missed.
    pub(super) fn until(&self, mut look: impl FnMut() -> Wake) {
        let now = || *self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let before = now();
            let wake = look();
            let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
            while *rung == before {
                rung = match wake {
                    Wake::Done => return,
                    Wake::Rung => self.bell.wait(rung).unwrap_or_else(PoisonError::into_inner),
                    Wake::At(time) => {
                        let left = time.saturating_duration_since(Instant::now());
                        if left.is_zero() {
                            break;
                        }
                        let waited = self.bell.wait_timeout(rung, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
            }
            if matches!(wake, Wake::Done) {
                return;
            }
        }
    }
}
