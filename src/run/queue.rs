//! The rows that no worker has taken, which are handed out in ascending order.

use std::ops::Range;
use std::time::Duration;

use crate::partition::Cut;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// The most rows in a morsel: with eight-byte values, this is several huge pages of output, so that workers seldom cause a page
/// fault in the same page.
pub(super) const MORSEL: usize = 1 << 20;

/// The fewest rows in a morsel of a fast closure.
const FEWEST: usize = 1 << 12;

/// How many more morsels each worker should be able to take of what is left.
const SHARE: usize = 2;

/// A morsel takes at least about this long, so that handing it out costs nothing. Rows that are not done after the longest time
/// are given back, so that other workers can share them.
const SHORTEST: Duration = Duration::from_micros(10);
pub(super) const LONGEST: Duration = Duration::from_millis(5);

/// The pace of rows: a time, and how many rows took it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    pub(super) time: Duration,
    pub(super) rows: usize,
}

impl Pace {
    /// Returns how many rows take about this time.
    fn rows_in(self, time: Duration) -> usize {
        let rows = time.as_nanos() * self.rows as u128 / self.time.as_nanos().max(1);
        usize::try_from(rows).unwrap_or(usize::MAX).max(1)
    }

    pub(super) fn time_of(self, rows: usize) -> Duration {
        self.time.mul_f64(rows as f64 / self.rows.max(1) as f64)
    }

    /// Returns the size of a morsel, given how many rows are left.
    fn morsel(self, left: usize, workers: usize) -> usize {
        let least = self.rows_in(SHORTEST).min(FEWEST);
        let most = self.rows_in(LONGEST).min(MORSEL).max(least);
        (left / (SHARE * workers)).clamp(least, most).min(left)
    }
}

/// How much a worker takes at a time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Take {
    /// This many rows.
    Rows(usize),
    /// As many rows as keep this many workers busy.
    Morsel(Pace, usize),
    /// The rest of a part; the cut divides this many rows.
    Part(Cut, usize),
}

/// The items that no worker has taken.
#[derive(Debug)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    /// Items that are taken before all others, one by one; the lowest is last.
    first: Vec<usize>,
    /// The other items; the lowest are last.
    rows: Vec<Range<usize>>,
}

impl Waiting {
    fn len(&self) -> usize {
        self.first.len() + self.rows.iter().map(Range::len).sum::<usize>()
    }
}

impl Queue {
    pub(super) fn new(rows: Range<usize>) -> Self {
        Queue::with_first(rows, Vec::new())
    }

    /// Makes a queue in which the items in `first`, which ascend, come before all others.
    pub(super) fn with_first(items: Range<usize>, mut first: Vec<usize>) -> Self {
        let mut rows = Vec::with_capacity(first.len() + 1);
        let mut start = items.start;
        for item in first.iter().chain([&items.end]) {
            if start < *item {
                rows.push(start..*item);
            }
            start = item + 1;
        }
        rows.reverse();
        first.reverse();
        Queue(Mutex::new(Waiting { first, rows }))
    }

    /// Takes some of the lowest rows, unless they are of no use since they are at or after `end`.
    pub(super) fn take(&self, take: Take, end: usize) -> Option<Range<usize>> {
        let mut queue = self.lock();
        if let Some(item) = queue.first.pop_if(|item| *item < end) {
            return Some(item..item + 1);
        }
        let left = queue.len();
        let rows = &mut queue.rows;
        let lowest = rows.last()?;
        if end <= lowest.start {
            return None;
        }
        let most = match take {
            Take::Rows(rows) => rows,
            Take::Morsel(pace, workers) => pace.morsel(left, workers),
            Take::Part(cut, rows) => cut.end_of_part_at(lowest.start, rows) - lowest.start,
        };
        let lowest = rows.last_mut()?;
        let end = lowest.start + most.min(lowest.len());
        let taken = lowest.start..end;
        lowest.start = end;
        if lowest.start == lowest.end {
            rows.pop();
        }
        Some(taken)
    }

    pub(super) fn give_back(&self, rows: Range<usize>) {
        let queue = &mut self.lock().rows;
        let place = queue.partition_point(|other| other.start > rows.start);
        queue.insert(place, rows);
    }

    /// Returns whether there are rows before `end` that no worker has taken.
    pub(super) fn has_before(&self, end: usize) -> bool {
        let queue = self.lock();
        let lowest = queue.rows.last().map(|lowest| lowest.start);
        let lowest = lowest.into_iter().chain(queue.first.last().copied());
        lowest.min().is_some_and(|lowest| lowest < end)
    }

    /// Returns how many rows no worker has taken.
    pub(super) fn left(&self) -> usize {
        self.lock().len()
    }

    /// Returns the rows that no worker has taken, in ascending order.
    pub(super) fn ranges(&self) -> Vec<Range<usize>> {
        let queue = self.lock();
        let first = queue.first.iter().map(|item| *item..item + 1);
        let mut ranges: Vec<Range<usize>> = queue.rows.iter().cloned().chain(first).collect();
        ranges.sort_unstable_by_key(|rows| rows.start);
        ranges
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_items_come_first() {
        let queue = Queue::with_first(0..10, vec![0, 4, 9]);
        assert_eq!(queue.left(), 10);
        assert_eq!(queue.ranges(), [0..1, 1..4, 4..5, 5..9, 9..10]);
        let mut taken = Vec::new();
        while let Some(rows) = queue.take(Take::Rows(2), usize::MAX) {
            taken.push(rows);
        }
        assert_eq!(taken, [0..1, 4..5, 9..10, 1..3, 3..4, 5..7, 7..9]);

        let queue = Queue::with_first(0..10, vec![7]);
        assert_eq!(queue.take(Take::Rows(99), 5), Some(0..7));
        assert!(!queue.has_before(7) && queue.has_before(8));
    }
}
