//! How many items a worker does between looks at the clock and at the rest of the run.

use std::time::{Duration, Instant};

use super::Worker;

/// Looking costs more than some items do. So where items have been taking less time than this, so many are done between
/// looks at the flag that stops a run from outside. Should the next ones be slow, fewer than so many of them are done too
/// many, once.
const FAST: Duration = Duration::from_nanos(4);
pub(crate) const BATCH: usize = 32;

/// The most items between looks at the rest of the run, and the time that they should not take longer than where there are
/// looks at the clock: so that slow items are soon shared out and told, and looking costs nothing where they are fast.
const LONGEST_STRIDE: usize = 1 << 12;
const SHORT: Duration = Duration::from_micros(20);

/// One worker's steps through the items that it took.
pub(crate) struct Steps {
    /// How many items come next.
    pub(crate) stride: usize,
    /// Whether items took so little time that a look at each costs more.
    pub(crate) fast: bool,
    was_quick: bool,
    clocked: bool,
    began: Instant,
    before: Instant,
    /// What the last stride took, where there are looks at the clock.
    pub(crate) time: Duration,
    patience: Duration,
}

impl Steps {
    /// Goes on at the pace that the worker had.
    pub(crate) fn new(worker: &Worker<'_>, patience: Duration, can_halt: bool) -> Self {
        Steps {
            stride: worker.stride,
            fast: worker.fast,
            was_quick: worker.fast,
            clocked: patience < Duration::MAX || worker.tells() || can_halt,
            began: worker.now(),
            before: worker.now(),
            time: Duration::ZERO,
            patience,
        }
    }

    /// The same with a look at the clock after each stride.
    pub(crate) fn timed(worker: &Worker<'_>, patience: Duration) -> Self {
        Steps {
            clocked: true,
            ..Steps::new(worker, patience, true)
        }
    }

    /// Sets the next stride after one of so many items, which was cut short unless it was `whole`; and tells whether the
    /// worker is to give the rest of its items back.
    #[inline]
    pub(crate) fn took(&mut self, items: usize, whole: bool) -> bool {
        let longer = (self.stride * 4).min(LONGEST_STRIDE);
        if !self.clocked {
            self.stride = longer;
            return false;
        }
        let now = Instant::now();
        let time = now - self.before;
        self.time = time;
        // One slow stride among fast ones is the operating system's: it maps memory for the output.
        let quick = items >= BATCH && time < FAST * BATCH as u32 * (items / BATCH) as u32;
        (self.fast, self.was_quick) = (quick || self.was_quick, quick);
        if time > SHORT {
            self.stride = (SHORT.as_nanos() as usize * items / time.as_nanos() as usize).max(1);
        } else if whole {
            self.stride = longer;
        }
        self.before = now;
        now - self.began >= self.patience
    }

    /// Leaves the pace with the worker.
    pub(crate) fn leave(&self, worker: &mut Worker<'_>) {
        (worker.stride, worker.fast) = (self.stride, self.fast);
    }
}
