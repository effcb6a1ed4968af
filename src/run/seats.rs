//! The workers of a run: each worker has a seat while it works, and what it did is recorded there.

use std::ops::Range;
use std::time::Duration;

use crate::outcome::{LongestRun, WorkerStats};
use crate::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    /// The statistics of each seat.
    stats: Vec<WorkerStats>,
    free: Vec<usize>,
    longest: Option<LongestRun>,
}

/// What a worker has done since it took its seat.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) stats: WorkerStats,
    longest: Option<LongestRun>,
}

impl Tally {
    pub(super) fn ran(&mut self, rows: Range<usize>, time: Duration) {
        self.stats.busy += time;
        self.stats.runs += 1;
        longer(&mut self.longest, LongestRun { time, rows });
    }
}

fn longer(longest: &mut Option<LongestRun>, run: LongestRun) {
    if longest
        .as_ref()
        .is_none_or(|longest| longest.time < run.time)
    {
        *longest = Some(run);
    }
}

impl Seats {
    /// Takes the lowest free seat, so that there are no more seats than workers at any one time.
    pub(super) fn sit(&self) -> usize {
        let mut taken = self.lock();
        let free = &taken.free;
        let lowest = (0..free.len()).min_by_key(|place| free[*place]);
        match lowest {
            Some(place) => taken.free.swap_remove(place),
            None => {
                taken.stats.push(WorkerStats::default());
                taken.stats.len() - 1
            }
        }
    }

    pub(super) fn leave(&self, seat: usize, tally: Tally) {
        let mut taken = self.lock();
        let stats = &mut taken.stats[seat];
        stats.busy += tally.stats.busy;
        stats.rows += tally.stats.rows;
        stats.runs += tally.stats.runs;
        if let Some(longest) = tally.longest {
            longer(&mut taken.longest, longest);
        }
        taken.free.push(seat);
    }

    pub(super) fn into_stats(self) -> (Vec<WorkerStats>, Option<LongestRun>) {
        let taken = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut stats = taken.stats;
        // A worker that found nothing to do was not needed. But the others keep their seats, whose numbers are in the tracing
        // spans.
        let needed = stats.iter().rposition(|worker| worker.runs > 0);
        stats.truncate(needed.map_or(0, |last| last + 1));
        (stats, taken.longest)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_keep_their_places() {
        let seats = Seats::default();
        let [idle, busy, late] = [(); 3].map(|()| seats.sit());
        let mut tally = Tally::default();
        tally.ran(0..5, Duration::from_millis(1));
        seats.leave(busy, tally);
        seats.leave(idle, Tally::default());
        seats.leave(late, Tally::default());
        let (stats, _) = seats.into_stats();
        assert_eq!(stats.len(), 2);
        assert_eq!((stats[idle].runs, stats[busy].runs), (0, 1));
    }
}
