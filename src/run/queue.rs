//! The rows that nobody has taken, handed out in ascending order.

use std::ops::Range;
use std::time::Duration;

use crate::partition::Cut;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The most rows in a morsel: of eight-byte values, some huge pages of output, so that workers seldom fault in the same
/// one.
pub(super) const MORSEL: usize = 1 << 20;

/// The fewest rows in a morsel of a fast closure.
const FEWEST: usize = 1 << 12;

/// How many morsels each worker should still be able to take of what is left.
const SHARE: usize = 2;

/// A morsel takes about this long at least, so that handing it out costs nothing; what is not done after the longest is
/// given back, so that the other workers can share it.
const SHORTEST: Duration = Duration::from_micros(10);
pub(super) const LONGEST: Duration = Duration::from_millis(5);

/// How long rows take: a time, and how many took it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    pub(super) time: Duration,
    pub(super) rows: usize,
}

impl Pace {
    /// How many rows take about so long.
    fn rows_in(self, time: Duration) -> usize {
        let rows = time.as_nanos() * self.rows as u128 / self.time.as_nanos().max(1);
        usize::try_from(rows).unwrap_or(usize::MAX).max(1)
    }

    pub(super) fn time_of(self, rows: usize) -> Duration {
        self.time.mul_f64(rows as f64 / self.rows.max(1) as f64)
    }

    /// A morsel of what is left.
    fn morsel(self, left: usize, workers: usize) -> usize {
        let least = self.rows_in(SHORTEST).min(FEWEST);
        let most = self.rows_in(LONGEST).min(MORSEL).max(least);
        (left / (SHARE * workers)).clamp(least, most).min(left)
    }
}

/// How much is taken at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// So many rows.
    Rows(usize),
    /// What keeps so many workers busy.
    Morsel(Pace, usize),
    /// The rest of a part, of so many rows cut.
    Part(Cut, usize),
}

/// Rows that nobody has taken, the lowest last.
#[derive(Debug)]
pub(super) struct Queue(Mutex<Vec<Range<usize>>>);

impl Queue {
    pub(super) fn new(rows: Range<usize>) -> Self {
        Queue(Mutex::new(if rows.is_empty() {
            Vec::new()
        } else {
            vec![rows]
        }))
    }

    /// Takes some of the lowest rows, unless they are of no use from `end` on.
    pub(super) fn take(&self, take: Take, end: usize) -> Option<Range<usize>> {
        let mut queue = self.lock();
        let left = || queue.iter().map(Range::len).sum();
        let lowest = queue.last()?;
        if end <= lowest.start {
            return None;
        }
        let most = match take {
            Take::Rows(rows) => rows,
            Take::Morsel(pace, workers) => pace.morsel(left(), workers),
            Take::Part(cut, rows) => cut.end_of_part_at(lowest.start, rows) - lowest.start,
        };
        let lowest = queue.last_mut()?;
        let end = lowest.start + most.min(lowest.len());
        let taken = lowest.start..end;
        lowest.start = end;
        if lowest.start == lowest.end {
            queue.pop();
        }
        Some(taken)
    }

    pub(super) fn give_back(&self, rows: Range<usize>) {
        let mut queue = self.lock();
        let place = queue.partition_point(|other| other.start > rows.start);
        queue.insert(place, rows);
    }

    /// Whether there are rows before `end` that nobody has taken.
    pub(super) fn has_before(&self, end: usize) -> bool {
        self.lock().last().is_some_and(|lowest| lowest.start < end)
    }

    /// How many rows nobody has taken.
    pub(super) fn left(&self) -> usize {
        self.lock().iter().map(Range::len).sum()
    }

    /// What nobody has taken, ascending.
    pub(super) fn ranges(&self) -> Vec<Range<usize>> {
        self.lock().iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Range<usize>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
