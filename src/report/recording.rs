//! What is recorded of a call: each run of rows by the worker that did it.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::messages::Messages;
use super::{Report, lock};
use crate::outcome::Stats;
use crate::progress::TickState;
use crate::sync::{Arc, Mutex};

/// How many runs a lane keeps by themselves. Beyond that, neighbours are joined, so that a call of any length has a picture.
const KEPT: usize = 4_096;
/// How many of the longest runs are kept.
pub(super) const LONGEST: usize = 8;

/// What is recorded of one call.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// The call's verb; none before a call has begun.
    pub(super) verb: Option<&'static str>,
    /// One for each worker.
    pub(super) lanes: Vec<Lane>,
    /// The end, where it has ended.
    pub(super) end: Option<(Stats, TickState)>,
    pub(super) messages: Messages,
}

/// One run of rows, or several neighbouring ones of a worker taken together.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// Since the call began.
    pub(super) start: Duration,
    pub(super) end: Duration,
    /// How much of that the worker was busy.
    pub(super) busy: Duration,
    /// The rows done.
    pub(super) rows: usize,
    pub(super) failures: usize,
}

/// One of the longest runs.
#[derive(Clone, Debug)]
pub(super) struct Long {
    pub(super) span: Recorded,
    /// Its items by their numbers.
    pub(super) items: Range<usize>,
}

/// The runs of one worker.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// When the call began; none where nothing is recorded.
    began: Option<Instant>,
    pub(super) spans: Vec<Recorded>,
    /// The longest first.
    pub(super) longest: Vec<Long>,
}

/// Records one call, also where other calls with the same report begin meanwhile. A clone records the same call.
#[derive(Clone, Debug)]
pub(crate) struct Recorder(Option<(Instant, Arc<Mutex<Recording>>)>);

impl Recorder {
    pub(crate) fn new(verb: &'static str, report: Option<&Report>) -> Self {
        Recorder(report.map(|report| {
            let recording = report.begin();
            lock(&recording).verb = Some(verb);
            (Instant::now(), recording)
        }))
    }

    /// A lane for a worker that begins.
    pub(crate) fn lane(&self) -> Lane {
        Lane {
            began: self.0.as_ref().map(|(began, _)| *began),
            ..Lane::default()
        }
    }

    /// Takes the runs of a worker that leaves its seat.
    pub(crate) fn leave(&self, seat: usize, lane: Lane) {
        let Some((_, recording)) = &self.0 else {
            return;
        };
        let mut recording = lock(recording);
        let lanes = &mut recording.lanes;
        if lanes.len() <= seat {
            lanes.resize_with(seat + 1, Lane::default);
        }
        lanes[seat].append(lane);
    }

    pub(crate) fn end(&self, stats: &Stats, state: TickState) {
        if let Some((_, recording)) = &self.0 {
            lock(recording).end = Some((stats.clone(), state));
        }
    }

    /// Takes the messages of the call's failures.
    pub(crate) fn failed<T>(&self, messages: impl Iterator<Item = T>)
    where
        T: AsRef<str>,
    {
        if let Some((_, recording)) = &self.0 {
            let messages: Messages = messages.collect();
            lock(recording).messages = messages;
        }
    }
}

impl Lane {
    /// Records a run of rows.
    #[inline]
    pub(crate) fn ran(
        &mut self,
        start: Instant,
        end: Instant,
        rows: usize,
        failures: usize,
        items: &dyn Fn() -> Range<usize>,
    ) {
        let Some(began) = self.began else {
            return;
        };
        let span = Recorded {
            start: start.saturating_duration_since(began),
            end: end.saturating_duration_since(began),
            busy: end - start,
            rows,
            failures,
        };
        if self.longest.len() < LONGEST
            || self
                .longest
                .last()
                .is_some_and(|last| last.span.busy < span.busy)
        {
            let items = items();
            self.rank(Long {
                span: span.clone(),
                items,
            });
        }
        self.spans.push(span);
        self.join();
    }

    fn append(&mut self, lane: Lane) {
        self.spans.extend(lane.spans);
        self.join();
        lane.longest.into_iter().for_each(|long| self.rank(long));
    }

    /// Puts a run among the longest.
    fn rank(&mut self, long: Long) {
        let place = self
            .longest
            .partition_point(|other| other.span.busy >= long.span.busy);
        self.longest.insert(place, long);
        self.longest.truncate(LONGEST);
    }

    /// Joins neighbours, two by two, while there are too many.
    fn join(&mut self) {
        while self.spans.len() > KEPT {
            let joined = self.spans.chunks(2).map(|pair| match pair {
                [a, b] => Recorded {
                    start: a.start,
                    end: b.end,
                    busy: a.busy + b.busy,
                    rows: a.rows + b.rows,
                    failures: a.failures + b.failures,
                },
                rest => rest[0].clone(),
            });
            self.spans = joined.collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(runs: usize) -> Lane {
        let began = Instant::now();
        let mut lane = Lane {
            began: Some(began),
            ..Lane::default()
        };
        for run in 0..runs {
            let at = |run: usize| began + Duration::from_micros(run as u64 * 10);
            // Every seventh is twice as long, into the gap after it.
            let end = at(run) + Duration::from_micros(if run % 7 == 0 { 8 } else { 4 });
            lane.ran(at(run), end, 3, run % 2, &|| run..run + 1);
        }
        lane
    }

    #[test]
    fn joined_runs_lose_nothing() {
        for runs in [0, 1, KEPT, KEPT + 1, 10 * KEPT + 3] {
            let mut whole = lane(runs);
            whole.append(lane(runs));
            assert!(whole.spans.len() <= KEPT);
            assert_eq!(
                whole.spans.iter().map(|span| span.rows).sum::<usize>(),
                6 * runs
            );
            assert_eq!(
                whole.spans.iter().map(|span| span.failures).sum::<usize>(),
                runs / 2 * 2
            );
            let busy: Duration = whole.spans.iter().map(|span| span.busy).sum();
            assert_eq!(
                busy,
                Duration::from_micros(2 * (4 * runs + 4 * runs.div_ceil(7)) as u64)
            );
            assert_eq!(whole.longest.len(), LONGEST.min(2 * runs));
        }
    }

    #[test]
    fn a_lane_that_is_not_recorded_is_empty() {
        let mut lane = Recorder(None).lane();
        let now = Instant::now();
        lane.ran(now, now, 1, 0, &|| unreachable!());
        assert!(lane.spans.is_empty());
    }
}
