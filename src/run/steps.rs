//! How many items a worker does between looks at the clock and at the rest of the run.

use std::time::{Duration, Instant};

use super::Worker;

/// A look costs more than some items do. So where items have taken less time than this, a batch of them is done between two
/// looks at the flag that stops a run from outside. If the next items are slow, less than one batch too many is done, once.
const FAST: Duration = Duration::from_nanos(4);
pub(crate) const BATCH: usize = 32;

/// The most items between looks at the rest of the run, and the longest time between looks at the clock, if there are any. With
/// these, slow items are soon shared out and reported, and looking costs nothing if items are fast.
const LONGEST_STRIDE: usize = 1 << 12;
const SHORT: Duration = Duration::from_micros(20);

/// The steps in which one worker does the items that it took.
pub(crate) struct Steps {
    /// How many items come next.
    pub(crate) stride: usize,
    /// Whether items took so little time that a look at each of them costs more.
    pub(crate) fast: bool,
    was_quick: bool,
    clocked: bool,
    began: Instant,
    before: Instant,
    /// How long the last stride took, if there are looks at the clock.
    pub(crate) time: Duration,
    patience: Duration,
}

impl Steps {
    /// Continues at the pace that the worker had.
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

    /// Makes the same steps with a look at the clock after each stride.
    pub(crate) fn timed(worker: &Worker<'_>, patience: Duration) -> Self {
        Steps {
            clocked: true,
            ..Steps::new(worker, patience, true)
        }
    }

    /// Sets the next stride after a stride of `items` items, which was cut short unless it was `whole`. Returns whether the
    /// worker has to give the rest of its items back.
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
        // A single slow stride among fast ones is due to the operating system, which maps memory for the output.
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

    /// Records the pace in the worker.
    pub(crate) fn leave(&self, worker: &mut Worker<'_>) {
        (worker.stride, worker.fast) = (self.stride, self.fast);
    }
}
