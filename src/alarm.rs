//! An alarm that calls a function when a time has passed.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crate::sync::Arc;
use futures_timer::Delay;

/// An alarm that rings once, unless it is dropped before.
pub(crate) struct Alarm(#[expect(dead_code, reason = "its drop is what it is kept for")] Delay);

impl Alarm {
    /// Calls `ring` when `time` has passed. All alarms share one thread, so `ring` must be quick and must not panic. If the time
    /// has passed already, `ring` is called on this thread.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(crate) fn after<F>(time: Duration, ring: F) -> io::Result<Self>
    where
        F: Fn() + Send + Sync + 'static,
    {
        let waker = Waker::from(Arc::new(Ring(ring)));
        let mut context = Context::from_waker(&waker);
        // `Delay::new` panics if its thread cannot be started.
        let started = catch_unwind(AssertUnwindSafe(|| {
            let mut delay = Delay::new(time);
            let rings = Pin::new(&mut delay).poll(&mut context).is_ready();
            (delay, rings)
        }));
        let (delay, rings) =
            started.map_err(|_| io::Error::other("the timers' thread could not be started"))?;
        if rings {
            waker.wake();
        }
        Ok(Alarm(delay))
    }
}

struct Ring<F>(F);

impl<F> Wake for Ring<F>
where
    F: Fn() + Send + Sync + 'static,
{
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Alarm")
    }
}
