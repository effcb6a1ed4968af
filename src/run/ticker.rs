//! Reports to the user's progress how far a run is.

use std::time::{Duration, Instant};

use super::catch;
use super::failure::panicked;
use super::hush::Hush;
use crate::error::Error;
use crate::partition::BLOCK;
use crate::progress::{Progress, Tick, TickState};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, PoisonError, TryLockError};

/// What a run reports, and to whom.
pub(super) struct Ticker<'r> {
    progress: &'r dyn Progress,
    total: usize,
    done: AtomicUsize,
    /// The lock of the worker that reports.
    turn: Mutex<()>,
}

/// What one worker has not reported yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    rows: usize,
    told: Option<Instant>,
}

/// If there are few rows, they are reported this often.
const OFTEN: Duration = Duration::from_millis(10);

impl<'r> Ticker<'r> {
    pub(super) fn new(progress: &'r dyn Progress, total: usize) -> Self {
        Ticker {
            progress,
            total,
            done: AtomicUsize::new(0),
            turn: Mutex::new(()),
        }
    }

    /// Makes the first report, before anything is done, so that its receiver knows when the run began.
    pub(super) fn begin(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell(0, TickState::Running)
    }

    /// Adds rows to what a worker has to report, and reports them when that is due.
    pub(super) fn done(
        &self,
        rows: usize,
        untold: &mut Untold,
        failures: &dyn Fn() -> usize,
    ) -> Result<(), Error> {
        untold.rows += rows;
        let told = *untold.told.get_or_insert_with(Instant::now);
        if untold.rows < BLOCK && told.elapsed() < OFTEN {
            return Ok(());
        }
        self.flush(untold);
        untold.told = Some(Instant::now());
        // Another worker is reporting at this moment, so these rows are in the next tick.
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        self.tell(failures(), TickState::Running)
    }

    /// Reports what was counted.
    pub(super) fn tell_now(&self, failures: &dyn Fn() -> usize) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell(failures(), TickState::Running)
    }

    /// Counts what a worker has not reported, and returns whether there was any.
    pub(super) fn flush(&self, untold: &mut Untold) -> bool {
        let rows = std::mem::take(&mut untold.rows);
        self.add(rows);
        rows > 0
    }

    /// Counts rows.
    pub(super) fn add(&self, rows: usize) {
        self.done.fetch_add(rows, Ordering::Relaxed);
    }

    /// Makes the last report.
    pub(super) fn end(&self, failures: usize, state: TickState) -> Result<(), Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.tell(failures, state)
    }

    fn tell(&self, failures: usize, state: TickState) -> Result<(), Error> {
        // The code that is called here does not pause: it may hold a lock, and this thread does.
        let _amid = Hush::new(false);
        let tick = Tick {
            done: self.done.load(Ordering::Relaxed),
            total: self.total,
            failures,
            state,
        };
        catch(|| self.progress.tick(tick)).map_err(|panic| panicked("progress", panic))
    }
}
