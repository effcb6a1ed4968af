//! The queues of tasks for a team's threads, and the choice of whose turn it is.
//!
//! Tasks wait in three queues:
//!
//! - `urgent`: tasks for which a thread of a pool waits and that have not begun. They begin first.
//! - `outside`: tasks that were given from outside, in the order in which they were given.
//! - `shared`: further workers of calls that are under way, and workers that have paused.
//!
//! Among the last two, it is the turn of the call that has the fewest workers, and among equals of the one that has waited longest.

use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Arc, Condvar};
use std::collections::VecDeque;

/// A task for a thread, whichever reaches it first.
pub(crate) trait Task: Send + Sync {
    /// Runs the task, unless it has been run.
    fn run(self: Arc<Self>);

    /// Returns whether nothing is left to do, because the task was run or is no longer wanted.
    fn is_over(&self) -> bool;

    /// Returns whether it is a call whose workers give way to other calls; any other task runs to its end.
    fn gives_way(&self) -> bool;

    /// Returns the call of which it is a worker, if it is one.
    fn standing(&self) -> Option<&Arc<Standing>> {
        None
    }
}

/// When a task begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Before all others.
    Next,
    /// After the tasks that were given before it.
    Last,
    /// As one more worker of a call.
    Shared,
}

/// A call's share of its team. It is read where threads choose what to do next; an outdated value costs a turn, and nothing else.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// How many workers the call has, without those that have paused.
    active: AtomicUsize,
    /// When a worker last gave way, by the clock of the queues.
    served: AtomicU64,
}

impl Standing {
    pub(super) fn enter(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn active(&self) -> usize {
        self.active.load(Ordering::Relaxed)
    }
}

/// A worker that waits for its turn on its own thread.
#[derive(Debug)]
pub(super) struct Paused {
    pub(super) standing: Arc<Standing>,
    /// Whether more tasks from outside may begin meanwhile.
    pub(super) makes_room: bool,
    /// Written only under the team's lock.
    resumed: AtomicBool,
    pub(super) bell: Condvar,
}

impl Paused {
    pub(super) fn new(standing: Arc<Standing>, makes_room: bool) -> Self {
        Paused {
            standing,
            makes_room,
            resumed: AtomicBool::new(false),
            bell: Condvar::new(),
        }
    }

    pub(super) fn resume(&self) {
        self.resumed.store(true, Ordering::Relaxed);
        self.standing.enter();
        self.bell.notify_all();
    }

    pub(super) fn has_resumed(&self) -> bool {
        self.resumed.load(Ordering::Relaxed)
    }
}

/// An entry of the queue `shared`.
enum Further {
    /// A further worker that has not begun.
    Worker(Arc<dyn Task>),
    Paused(Arc<Paused>),
}

impl Further {
    fn standing(&self) -> Option<&Arc<Standing>> {
        match self {
            Further::Worker(task) => task.standing(),
            Further::Paused(paused) => Some(&paused.standing),
        }
    }
}

/// What a thread does next.
pub(super) enum Next {
    /// A task that was given from outside.
    Outside(Arc<dyn Task>),
    /// Any other task.
    Inner(Arc<dyn Task>),
    /// Let this worker go on.
    Resume(Arc<Paused>),
}

/// The order of turns: the number of the call's workers, and since when it has waited.
type Rank = (usize, u64);

/// The place of the next entry.
#[derive(Clone, Copy)]
enum QueuePlace {
    Urgent,
    Outside,
    Further(usize),
}

#[derive(Default)]
pub(super) struct Queues {
    urgent: VecDeque<Arc<dyn Task>>,
    /// Each task with the time since which it waits.
    outside: VecDeque<(u64, Arc<dyn Task>)>,
    /// Each entry with the time since which it waits.
    shared: Vec<(u64, Further)>,
    /// Counts the tasks that were given and the turns that were given up; it serves as a clock.
    clock: u64,
    /// How many tasks were queued, and not over, at the last sweep.
    live: usize,
}

impl Queues {
    pub(super) fn len(&self) -> usize {
        self.urgent.len() + self.outside.len() + self.shared.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many tasks could begin, with at most `outside` of those from outside.
    pub(super) fn can_begin(&self, outside: usize) -> usize {
        self.urgent.len() + self.shared.len() + self.outside.len().min(outside)
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn push(&mut self, task: Arc<dyn Task>, turn: Turn) {
        let now = self.tick();
        match turn {
            Turn::Next => self.urgent.push_back(task),
            Turn::Last => self.outside.push_back((now, task)),
            Turn::Shared => self.shared.push((now, Further::Worker(task))),
        }
    }

    /// Takes back the task that was pushed last.
    pub(super) fn unpush(&mut self, turn: Turn) -> Option<Arc<dyn Task>> {
        match turn {
            Turn::Next => self.urgent.pop_back(),
            Turn::Last => self.outside.pop_back().map(|(_, task)| task),
            Turn::Shared => match self.shared.pop() {
                Some((_, Further::Worker(task))) => Some(task),
                _ => None,
            },
        }
    }

    /// Queues a worker that pauses.
    pub(super) fn pause(&mut self, paused: &Arc<Paused>) {
        let now = self.tick();
        paused.standing.served.store(now, Ordering::Relaxed);
        paused.standing.leave();
        self.shared.push((now, Further::Paused(paused.clone())));
    }

    /// Takes back the worker that was the last to pause.
    pub(super) fn unpause(&mut self, paused: &Paused) {
        self.shared.pop();
        paused.standing.enter();
    }

    /// Removes a paused worker that waits no longer.
    pub(super) fn take_out(&mut self, paused: &Arc<Paused>) {
        let is_it = |shared: &Further| matches!(shared, Further::Paused(other) if Arc::ptr_eq(other, paused));
        self.shared.retain(|(_, shared)| !is_it(shared));
    }

    /// Notes that a worker has left its call for another call.
    pub(super) fn left(&mut self, standing: &Standing) {
        let now = self.tick();
        standing.served.store(now, Ordering::Relaxed);
    }

    /// Returns what comes next, where up to `outside` tasks from outside may begin. The call `but`, if it is given, is left out.
    fn next(&self, outside: usize, but: Option<&Arc<Standing>>) -> Option<(Rank, QueuePlace)> {
        if !self.urgent.is_empty() {
            return Some(((0, 0), QueuePlace::Urgent));
        }
        let shared = self.shared.iter().enumerate();
        let shared = shared.filter_map(|(place, (since, shared))| {
            let rank = match (shared.standing(), but) {
                (Some(standing), Some(but)) if Arc::ptr_eq(standing, but) => return None,
                (Some(standing), _) => {
                    let served = standing.served.load(Ordering::Relaxed);
                    (standing.active(), served.max(*since))
                }
                (None, _) => (0, *since),
            };
            Some((rank, QueuePlace::Further(place)))
        });
        let first = self.outside.front().filter(|_| outside > 0);
        let first = first.map(|(since, _)| ((0, *since), QueuePlace::Outside));
        shared.chain(first).min_by_key(|(rank, _)| *rank)
    }

    /// Returns whether a worker of this call is to give way.
    pub(super) fn comes_before(&self, standing: &Arc<Standing>, outside: usize) -> bool {
        let next = self.next(outside, Some(standing));
        next.is_some_and(|((workers, _), _)| workers < standing.active())
    }

    /// Takes what comes next, where up to `outside` tasks from outside may begin.
    pub(super) fn take(&mut self, outside: usize) -> Option<Next> {
        let (_, place) = self.next(outside, None)?;
        Some(match place {
            QueuePlace::Urgent => Next::Inner(self.urgent.pop_front()?),
            QueuePlace::Outside => Next::Outside(self.outside.pop_front()?.1),
            QueuePlace::Further(place) => match self.shared.swap_remove(place).1 {
                Further::Worker(task) => Next::Inner(task),
                Further::Paused(paused) => Next::Resume(paused),
            },
        })
    }

    /// Removes tasks that are over, when these may be most of the queue, so that they do not pile up.
    pub(super) fn sweep(&mut self) -> Vec<Arc<dyn Task>> {
        if self.len() < 2 * self.live + 64 {
            return Vec::new();
        }
        let mut over = Vec::new();
        let mut keep = |task: &Arc<dyn Task>| {
            let is_over = task.is_over();
            if is_over {
                over.push(task.clone());
            }
            !is_over
        };
        self.urgent.retain(&mut keep);
        self.outside.retain(|(_, task)| keep(task));
        self.shared.retain(|(_, shared)| match shared {
            Further::Worker(task) => keep(task),
            Further::Paused(_) => true,
        });
        self.live = self.len();
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named(&'static str, Option<Arc<Standing>>);

    impl Task for Named {
        fn run(self: Arc<Self>) {}

        fn is_over(&self) -> bool {
            self.0 == "over"
        }

        fn gives_way(&self) -> bool {
            self.1.is_some()
        }

        fn standing(&self) -> Option<&Arc<Standing>> {
            self.1.as_ref()
        }
    }

    fn job(name: &'static str) -> Arc<dyn Task> {
        Arc::new(Named(name, None))
    }

    fn worker(name: &'static str, call: &Arc<Standing>) -> Arc<dyn Task> {
        Arc::new(Named(name, Some(call.clone())))
    }

    /// Makes a call with this many workers.
    fn call(workers: usize) -> Arc<Standing> {
        let call = Arc::<Standing>::default();
        (0..workers).for_each(|_| call.enter());
        call
    }

    fn is_outside(next: Option<Next>) -> bool {
        matches!(next, Some(Next::Outside(_)))
    }

    #[test]
    fn the_turn_is_the_one_s_with_the_fewest_workers() {
        let (one, two) = (call(1), call(2));
        let mut queues = Queues::default();
        queues.push(worker("of two", &two), Turn::Shared);
        queues.push(worker("of one", &one), Turn::Shared);
        queues.push(job("new"), Turn::Last);
        // First the job, whose call has no worker; then the call that has one; then the call that has two.
        assert!(is_outside(queues.take(1)));
        assert!(queues.comes_before(&two, 1));
        assert!(!queues.comes_before(&one, 1));
        one.enter();
        one.enter();
        assert!(queues.comes_before(&one, 1));
        assert!(
            matches!(queues.take(1), Some(Next::Inner(task)) if Arc::ptr_eq(task.standing().unwrap(), &two))
        );
        assert!(
            matches!(queues.take(1), Some(Next::Inner(task)) if Arc::ptr_eq(task.standing().unwrap(), &one))
        );
        assert!(queues.take(1).is_none());
    }

    #[test]
    fn of_equals_the_turn_is_the_one_s_that_has_waited_longest() {
        let long = call(1);
        let mut queues = Queues::default();
        // A further worker that was asked for long ago, but whose call has just been served.
        queues.push(worker("of long", &long), Turn::Shared);
        queues.push(job("first"), Turn::Last);
        let paused = Arc::new(Paused::new(long.clone(), true));
        queues.pause(&paused);
        queues.push(job("second"), Turn::Last);
        assert!(is_outside(queues.take(1)));
        let Some(Next::Inner(_)) = queues.take(1) else {
            panic!("the call goes on before what came after it gave way")
        };
        long.enter();
        assert!(is_outside(queues.take(1)));
        assert!(
            matches!(queues.take(1), Some(Next::Resume(resumed)) if Arc::ptr_eq(&resumed, &paused))
        );
    }

    #[test]
    fn what_is_urgent_goes_first_and_what_may_not_begin_waits() {
        let mut queues = Queues::default();
        queues.push(job("new"), Turn::Last);
        queues.push(job("urgent"), Turn::Next);
        assert_eq!((queues.can_begin(0), queues.can_begin(5)), (1, 2));
        assert!(matches!(queues.take(0), Some(Next::Inner(_))));
        assert!(queues.take(0).is_none());
        assert!(!queues.comes_before(&call(1), 0));
        assert!(queues.comes_before(&call(1), 1));
    }

    #[test]
    fn what_is_over_is_swept_out() {
        let mut queues = Queues::default();
        let going_on = call(1);
        for turn in [Turn::Next, Turn::Last, Turn::Shared] {
            (0..100).for_each(|_| queues.push(job("over"), turn));
            queues.push(job("live"), turn);
        }
        queues.pause(&Arc::new(Paused::new(going_on, false)));
        assert_eq!(queues.sweep().len(), 300);
        assert_eq!(queues.len(), 4);
    }
}
