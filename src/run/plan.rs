//! How many workers a call has, and how its rows are cut: the checked options.

use std::time::Instant;

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{OnError, Options};
use crate::partition::Cut;
use crate::pool::{Crew, Entry, Lineage, Pool, Threads, Within, Work};
use crate::retry::Retry;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, PoisonError};

/// The threads that run a call, and how.
#[derive(Debug)]
pub(crate) struct Plan {
    threads: Threads,
    /// The calls and pools that the call is within, including the pool that it was given. The calling thread is within them
    /// too, as long as the plan exists.
    lineage: Lineage,
    _within: Within,
    /// The entry by which a given pool knows the call.
    entry: Option<Entry>,
    /// The pool that is made for this call, if the call has more workers than Polars' own pool.
    wider: Mutex<Option<Pool>>,
    /// The number of workers; with 1, the calling thread is the worker.
    pub(super) workers: usize,
    cut: Option<Cut>,
    /// The start of the deadline's time, which includes what a verb does before its run.
    deadline_from: Option<Instant>,
}

impl Plan {
    pub(crate) fn new(options: &Options<'_>, faults: &mut Vec<Error>) -> Self {
        let mut refuse = |option, message: String| {
            faults.push(ErrorKind::Option { option, message }.into());
        };
        let threads = options.pool.as_ref().map(Pool::threads);
        let threads = threads.cloned().unwrap_or_default();
        // A sequential call does not even start the pool.
        let width = if options.is_sequential() {
            1
        } else {
            threads.workers()
        };
        if options.call.workers == Some(0) {
            refuse(
                "workers",
                "0 workers cannot run anything; give 1 or more".into(),
            );
        }
        let workers = match options.call.workers {
            _ if options.is_sequential() => 1,
            Some(asked) if asked > width && options.pool.is_some() => {
                refuse(
                    "workers",
                    format!(
                        "{asked} workers are more than the {width} of the given pool; ask for fewer, or give a larger pool"
                    ),
                );
                width
            }
            Some(asked) if asked > Pool::WIDEST => {
                refuse("workers", Pool::too_wide(asked));
                width
            }
            Some(asked) => asked,
            None => width,
        };
        if options.call.max_failures.is_some() && options.on_error() == OnError::Fail {
            refuse(
                "max_failures",
                "with OnError::Fail the first failure ends the call; let failures pass with .on_error(OnError::Null), Skip or Collect".into(),
            );
        }
        if let Some(message) = options.retry.as_ref().and_then(Retry::fault) {
            refuse("retry", message);
        }
        let cut = match (options.call.partitions, options.call.chunk_rows) {
            (Some(_), Some(_)) => {
                refuse(
                    "partitions",
                    "it cannot be combined with .chunk_rows(…); give one of the two".into(),
                );
                None
            }
            (Some(0), None) => {
                refuse(
                    "partitions",
                    "0 partitions cannot hold the rows; give 1 or more".into(),
                );
                None
            }
            (None, Some(0)) => {
                refuse(
                    "chunk_rows",
                    "chunks of 0 rows cannot hold the rows; give 1 or more".into(),
                );
                None
            }
            (Some(parts), None) => Some(Cut::Partitions(parts)),
            (None, Some(rows)) => Some(Cut::ChunkRows(rows)),
            (None, None) => None,
        };
        let lineage = options
            .pool
            .as_ref()
            .map_or_else(Lineage::of_call, Pool::lineage_of_call);
        let entry = match options.pool.as_ref().map(Pool::enter).transpose() {
            Ok(entry) => entry.flatten(),
            Err(closed) => {
                faults.push(closed);
                None
            }
        };
        let deadline_from = || options.call.deadline.map(|_| Instant::now());
        Plan {
            deadline_from: options.deadline_from.or_else(deadline_from),
            threads,
            _within: lineage.enter(),
            lineage,
            entry,
            wider: Mutex::default(),
            workers,
            cut,
        }
    }

    /// Calls `work` on this many workers at once, and returns when every call has returned; see [`Threads::run`].
    ///
    /// More workers than Polars' pool has were asked for by number, so they are made for this run. Unless the work has to be
    /// done `on_workers`, the calling thread watches meanwhile, or helps; see [`Threads::run_or_help`].
    pub(super) fn run(
        &self,
        workers: usize,
        work: Work<'_>,
        watch: Option<Work<'_>>,
        on_workers: bool,
    ) -> Result<()> {
        let run = |threads: &Threads| match on_workers {
            true => threads.run(workers, work),
            false => threads.run_or_help(workers, work, watch),
        };
        if workers <= self.threads.workers() {
            run(&self.threads);
            return Ok(());
        }
        let mut wider = self.wider.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = match &*wider {
            Some(pool) if workers <= pool.workers() => pool.clone(),
            _ => wider.insert(Pool::new(workers)?).clone(),
        };
        drop(wider);
        run(pool.threads());
        Ok(())
    }

    /// Calls `work` for each of the items, shared out among the call's workers, or on the calling thread if `here` is true.
    /// Returns when all of them are done.
    pub(crate) fn share_out(
        &self,
        items: usize,
        here: bool,
        work: &(dyn Fn(usize) + Sync),
    ) -> Result<()> {
        let workers = self.workers.min(items);
        if here || workers <= 1 {
            (0..items).for_each(work);
            return Ok(());
        }
        let next = AtomicUsize::new(0);
        let take = |_: &dyn Crew| {
            let taken = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            taken.take_while(|item| *item < items).for_each(work);
        };
        self.run(workers, &take, None, false)
    }

    /// Returns the token with which the given pool ends the call.
    pub(super) fn token(&self) -> Option<&CancelToken> {
        self.entry.as_ref().map(Entry::token)
    }

    /// Puts a worker within the calls and pools that the call is within.
    pub(super) fn enter(&self) -> Within {
        self.lineage.enter()
    }

    /// Returns when the deadline's time starts, if there is a deadline.
    pub(super) fn deadline_from(&self) -> Option<Instant> {
        self.deadline_from
    }

    /// Returns how many workers the call has at most.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Returns how rows are cut, if an option asks for a cut.
    pub(crate) fn asked_cut(&self) -> Option<Cut> {
        self.cut
    }

    /// Returns how `rows` rows are cut into parts: as the options ask for, and otherwise into one part for each worker, without
    /// empty parts.
    pub(crate) fn cut(&self, rows: usize) -> Cut {
        let workers = self.workers.min(rows).max(1);
        self.cut.unwrap_or(Cut::Partitions(workers))
    }
}
