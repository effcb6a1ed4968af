//! The batches of a query that runs on its own thread.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use polars::prelude::{DataFrame, Engine, LazyFrame, PlanCallback, SchemaRef};

use super::query_rows::empty_frame;
use super::run_link::Planned;
use crate::cancel::{CancelToken, Stop};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::partition::Chunk;
use crate::pool::wait_while;
use crate::run::{Failure, catch};
use crate::sync::thread;
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// How many batches may wait for the reader: one, so that the query and its reader do not have to wait for each other in turn.
const ROOM: usize = 1;

/// What the query gives, from one thread to another.
#[derive(Default)]
struct Channel {
    state: Mutex<Wait>,
    bell: Condvar,
}

#[derive(Default)]
struct Wait {
    batches: VecDeque<DataFrame>,
    /// How the query ended.
    ended: Option<Result<()>>,
    /// Whether the reader has stopped asking.
    is_abandoned: bool,
    is_cancelled: bool,
}

/// Stops the query when its token is cancelled.
impl Stop for Channel {
    fn stop(&self) {
        self.lock().is_cancelled = true;
        self.abandon();
    }
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Wait> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, and returns whether the query is to stop.
    fn send(&self, batch: DataFrame) -> bool {
        let is_full = |wait: &Wait| wait.batches.len() >= ROOM && !wait.is_abandoned;
        let mut wait = wait_while(&self.state, &self.bell, None, is_full);
        if !wait.is_abandoned {
            wait.batches.push_back(batch);
        }
        let is_abandoned = wait.is_abandoned;
        drop(wait);
        self.bell.notify_all();
        is_abandoned
    }

    fn end(&self, result: Result<()>) {
        self.lock().ended = Some(result);
        self.bell.notify_all();
    }

    /// Waits for a batch. Returns `None` when the query has ended or was cancelled, or at the time `until`.
    fn receive(&self, until: Option<Instant>) -> Option<Result<DataFrame>> {
        let is_empty =
            |wait: &Wait| wait.batches.is_empty() && wait.ended.is_none() && !wait.is_cancelled;
        let mut wait = wait_while(&self.state, &self.bell, until, is_empty);
        let batch = wait.batches.pop_front();
        let batch = match batch {
            Some(batch) => Some(Ok(batch)),
            None => wait.ended.replace(Ok(()))?.err().map(Err),
        };
        drop(wait);
        self.bell.notify_all();
        batch
    }

    fn abandon(&self) {
        let mut wait = self.lock();
        wait.is_abandoned = true;
        let batches = std::mem::take(&mut wait.batches);
        drop(wait);
        drop(batches);
        self.bell.notify_all();
    }
}

/// The time at which a stream is cancelled.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub(super) since: Instant,
    pub(super) after: Option<Duration>,
}

impl Deadline {
    /// Returns the time, or `None` if there is none or it is beyond what a clock can represent.
    fn at(self) -> Option<Instant> {
        self.since.checked_add(self.after?)
    }

    /// Returns an error if the time has passed.
    pub(super) fn check(self, done: usize) -> Result<()> {
        if self.at().is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        Err(ErrorKind::Cancelled {
            done,
            total: 0,
            deadline: self.after,
            failure: None,
            partial: true,
        }
        .into())
    }
}

/// A token, and the number by which it knows the query, or `None` if it was cancelled before.
struct Registration(CancelToken, Option<u64>);

/// A running query's batches, with their places. When this is dropped, the query stops at its next batch.
pub(super) struct Query {
    channel: Arc<Channel>,
    schema: SchemaRef,
    token: Option<Registration>,
    deadline: Deadline,
    index: usize,
    row: usize,
    is_over: bool,
}

impl Query {
    /// Runs the query in the streaming engine, on a thread that waits for it.
    pub(super) fn start(
        frame: LazyFrame,
        schema: SchemaRef,
        chunk_rows: NonZeroUsize,
        token: Option<CancelToken>,
        deadline: Deadline,
    ) -> Result<Self> {
        let channel = Arc::new(Channel::default());
        let to = channel.clone();
        let planned = Planned::default();
        let in_query = planned.clone();
        // If a call of the query has failed, this batch may lie beyond the gap.
        let callback = PlanCallback::new(move |batch: DataFrame| {
            in_query.check()?;
            Ok(to.send(batch))
        });
        let sink = frame.sink_batches(callback, true, Some(chunk_rows))?;
        let ends = channel.clone();
        let run = move || {
            planned.enter();
            let ran = catch(|| sink.collect_with_engine(Engine::Streaming).map(drop));
            ends.end(match ran {
                Ok(result) => result.map_err(Error::from),
                Err(failure) => Err(panicked(&failure)),
            });
        };
        let thread = thread::Builder::new().name("par-apply-query".into());
        let spawned = thread.spawn(run);
        spawned.map_err(|error| {
            Error::from(anyhow::Error::from(error).context("no thread for the query"))
        })?;
        // If the token was cancelled meanwhile, this stops the query at once.
        let token = token.map(|token| {
            let query: Weak<Channel> = Arc::downgrade(&channel);
            let number = token.tell(query);
            Registration(token, number)
        });
        Ok(Query {
            channel,
            schema,
            token,
            deadline,
            index: 0,
            row: 0,
            is_over: false,
        })
    }

    fn batch(&mut self) -> Option<Result<DataFrame>> {
        loop {
            let batch = self.channel.receive(self.deadline.at());
            if self.is_cancelled() {
                return Some(Err(Error::cancelled(self.row, 0)));
            }
            if let Err(late) = self.deadline.check(self.row) {
                return Some(Err(late));
            }
            match batch {
                Some(Ok(batch)) if batch.height() == 0 => {}
                None if self.index == 0 => return Some(empty_frame(&self.schema)),
                batch => return batch,
            }
        }
    }

    fn is_cancelled(&self) -> bool {
        self.token
            .as_ref()
            .is_some_and(|Registration(token, _)| token.is_cancelled())
    }
}

impl Iterator for Query {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        if self.is_over {
            return None;
        }
        let batch = self.batch();
        self.is_over = !matches!(&batch, Some(Ok(batch)) if batch.height() > 0);
        let chunk = batch?.map(|batch| {
            let height = batch.height();
            let chunk = Chunk::new(batch, self.index, self.row);
            self.index += 1;
            self.row += height;
            chunk
        });
        Some(chunk)
    }
}

impl Drop for Query {
    fn drop(&mut self) {
        self.channel.abandon();
        if let Some(Registration(token, Some(number))) = &self.token {
            token.forget(*number);
        }
    }
}

/// Returns the error for a panic of Polars.
fn panicked(failure: &Failure) -> Error {
    let message = match failure {
        Failure::Panic(message) => message.clone(),
        other => format!("{other:?}"),
    };
    ErrorKind::Panic {
        place: Place::Job,
        message,
    }
    .into()
}
