//! Work that goes on in the background while its caller does something else.

mod core;
mod meter;
mod spawn;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use self::core::{Callback, Core};
pub(crate) use self::spawn::{Terms, spawn};
use crate::cancel::{CancelToken, Stop};
use crate::error::{Error, ErrorKind, Result};
use crate::pool::Task;
use crate::progress::{Tick, TickState};
use crate::sync::Arc;

/// A handle to work that a [`Pool`](crate::Pool) does in the background, and to its result: Python's `AsyncResult`.
///
/// It is returned by [`apply_async`](crate::Pool::apply_async), [`map_async`](crate::Pool::map_async) and
/// [`starmap_async`](crate::Pool::starmap_async), and, over a frame, by [`spawn_rows`](crate::Apply::spawn_rows),
/// [`spawn_columns`](crate::Apply::spawn_columns), [`spawn_chunks`](crate::Apply::spawn_chunks) and the other `spawn_` verbs.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let pool = Pool::new(2)?;
/// let job = pool.apply_async(|| (1..=10).product::<u64>());
/// assert_eq!(job.get()?, 3_628_800);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// # How it ends
///
/// A job always ends in a result: the value that the closure returned; its error, or its panic, as an [`Error`]; an error of the
/// kind [`Cancelled`](ErrorKind::Cancelled) where the job was cancelled before it was done; or an error of the kind
/// [`PoolClosed`](ErrorKind::PoolClosed) where the pool took no more work.
///
/// Dropping a job cancels it, unless it was [detached](Job::detach), so no work goes on that nobody waits for.
///
/// # Waiting
///
/// [`get`](Job::get) blocks the thread. It is safe on a thread of the same pool too, for example within another job: a job that has
/// not begun is then run on that thread. (Two jobs that wait for each other wait for ever, as two threads would.)
///
/// A job is also a [`Future`], for any executor. (Within a closure of a pool, prefer `get`. An executor that blocks there, such as
/// pollster's, is not a wait for which the pool lets another thread stand in.)
///
/// ```
/// # use polars_par_apply::prelude::*;
/// # fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(output) = std::pin::Pin::new(&mut future).poll(&mut context) {
/// #             return output;
/// #         }
/// #     }
/// # }
/// # let pool = Pool::new(2)?;
/// async fn total(pool: &Pool, numbers: Vec<u64>) -> polars_par_apply::Result<u64> {
///     let squares: Vec<u64> = pool.map_async(numbers, |n: u64| n * n).await?;
///     Ok(squares.iter().sum())
/// }
/// # assert_eq!(block_on(Box::pin(total(&pool, vec![1, 2, 3])))?, 14);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[must_use = "a job that is dropped is cancelled: wait for it with `.get()` or `.await`, or let it go with `.detach()`"]
pub struct Job<T> {
    task: Arc<dyn Handle<T>>,
    detached: bool,
}

/// A job as its holder sees it.
trait Handle<T>: Task + Stop {
    fn core(&self) -> &Core<T>;

    /// Cancels the job when the token is cancelled.
    fn cancelled_by(self: Arc<Self>, token: &CancelToken);

    /// Runs the job here, if this is one of the threads that may run it and it has not begun; otherwise lets it begin soon.
    fn help(self: Arc<Self>);

    /// Lets the job begin soon, if this is a thread of a pool.
    fn hasten(self: Arc<Self>);
}

impl<T> Job<T> {
    fn new(task: Arc<impl Handle<T> + 'static>) -> Self {
        Job {
            task,
            detached: false,
        }
    }

    /// Waits for the result and returns it.
    ///
    /// # Errors
    /// The error with which the job [ended](Job#how-it-ends), or [`Taken`](ErrorKind::Taken) if [`get_timeout`](Job::get_timeout)
    /// or a poll has taken the result before.
    pub fn get(self) -> Result<T> {
        self.wait();
        self.take()
    }

    /// Waits for the result, but at most for `timeout`.
    ///
    /// A job that is not done in time goes on, and can be asked again.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use polars_par_apply::{ErrorKind, prelude::*};
    /// let pool = Pool::new(1)?;
    /// let (send, receive) = std::sync::mpsc::channel();
    /// let mut job = pool.apply_async(move || receive.recv());
    /// let early = job.get_timeout(Duration::from_millis(1)).unwrap_err();
    /// assert!(matches!(early.kind(), ErrorKind::Timeout { .. }));
    /// send.send(5).unwrap();
    /// let number: i32 = job.get()?;
    /// assert_eq!(number, 5);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Timeout`](ErrorKind::Timeout) if the job was not done in time; otherwise those of [`get`](Job::get).
    pub fn get_timeout(&mut self, timeout: Duration) -> Result<T> {
        if self.wait_timeout(timeout) {
            self.take()
        } else {
            Err(ErrorKind::Timeout { waited: timeout }.into())
        }
    }

    /// Waits until the job is done, without taking the result.
    pub fn wait(&self) {
        self.task.clone().help();
        self.task.core().wait(None);
    }

    /// Waits until the job is done, but at most for `timeout`, and returns whether it is done.
    ///
    /// It does none of the work itself.
    #[must_use]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.task.clone().hasten();
        // A time that the clock cannot represent counts as never.
        self.task.core().wait(Instant::now().checked_add(timeout))
    }

    /// Returns whether the job is done, so that [`get`](Job::get) would not wait.
    ///
    /// It does none of the work itself. A closure that calls it in a loop keeps its own thread of the pool busy, which may be the
    /// only one.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.task.core().ended().is_some()
    }

    /// Returns whether the job ended without an error, or `None` while it goes on (where Python raises `ValueError`).
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        let ended = self.task.core().ended();
        ended.map(|ended| ended == TickState::Finished)
    }

    /// Returns the job's progress.
    ///
    /// It counts the rows of a frame (for [`spawn_columns`](crate::Apply::spawn_columns) the columns, for
    /// [`spawn_elements`](crate::Apply::spawn_elements) the values) or the items of a map; for a single closure it counts to 1. A running job reports its progress every ten milliseconds or 65,536 rows, and at the end.
    ///
    /// Until the job has begun, its state is [`TickState::Queued`].
    #[must_use]
    pub fn progress(&self) -> Tick {
        let core = self.task.core();
        let told = core.meter.read();
        let state = match core.ended() {
            None if core.has_begun() => TickState::Running,
            None => TickState::Queued,
            // The call asked for the finished part of a cancelled run.
            Some(TickState::Finished) if told.state == TickState::Cancelled => told.state,
            Some(ended) => ended,
        };
        Tick { state, ..told }
    }

    /// Cancels the job, and does not wait for its end.
    ///
    /// A job that has not begun never will: its closure is dropped here, and its callbacks for errors are called here. A map, or a
    /// run over a frame, ends when each worker is done with the item or row that it is in. A closure of
    /// [`apply_async`](crate::Pool::apply_async) that is running cannot be killed, and if it returns a value, that is the result. A
    /// closure that takes long can look at a token: one of its own, given to [`cancels`](Job::cancels), or that of
    /// [`cancel_token`](Job::cancel_token).
    ///
    /// ```
    /// use polars_par_apply::{ErrorKind, prelude::*};
    ///
    /// let pool = Pool::new(1)?;
    /// let job = pool.map_async(0..1_000_000, |_: i32| std::thread::sleep(std::time::Duration::from_millis(1)));
    /// job.cancel();
    /// assert!(matches!(job.get().unwrap_err().kind(), ErrorKind::Cancelled { total: 1_000_000, .. }));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn cancel(&self) {
        self.task.stop();
    }

    /// Gives the job a token that cancels it, as [`Apply::cancel_token`](crate::Apply::cancel_token) does for a call.
    ///
    /// One token can be given to many jobs, and then cancels all of them.
    ///
    /// ```
    /// use polars_par_apply::{ErrorKind, prelude::*};
    ///
    /// let pool = Pool::new(2)?;
    /// let token = CancelToken::new();
    /// # let busy = std::sync::Arc::new(std::sync::Barrier::new(3));
    /// # for _ in 0..2 {
    /// #     let busy = busy.clone();
    /// #     pool.apply_async(move || { busy.wait(); busy.wait(); }).detach();
    /// # }
    /// # busy.wait();
    /// let jobs: Vec<Job<u32>> = (0..100)
    ///     .map(|n| pool.apply_async(move || n * n).cancel_token(&token))
    ///     .collect();
    /// token.cancel(); // for example, because one has failed: see `on_error`
    /// # busy.wait();
    /// for job in jobs {
    ///     assert!(matches!(job.get().unwrap_err().kind(), ErrorKind::Cancelled { .. }));
    /// }
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn cancel_token(self, token: &CancelToken) -> Self {
        self.task.clone().cancelled_by(token);
        self
    }

    /// Gives the job a token that is cancelled when the job is: by [`cancel`](Job::cancel), by its drop, or with its pool.
    ///
    /// It is the opposite of [`cancel_token`](Job::cancel_token). A closure that takes long can use it to see whether its result is
    /// still wanted.
    ///
    /// ```
    /// use polars_par_apply::{ErrorKind, prelude::*};
    ///
    /// let pool = Pool::new(1)?;
    /// let token = CancelToken::new();
    /// let wanted = token.clone();
    /// let job: Job<u64> = pool
    ///     .apply_async(move || {
    ///         let mut steps = 0;
    ///         while steps < u64::MAX {
    ///             wanted.check()?; // between the steps of something long
    ///             steps += 1;
    ///         }
    ///         Ok::<_, polars_par_apply::Error>(steps)
    ///     })
    ///     .cancels(&token);
    /// job.cancel();
    /// assert!(matches!(job.get().unwrap_err().kind(), ErrorKind::Cancelled { .. }));
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn cancels(self, token: &CancelToken) -> Self {
        self.task.core().cancels(token.clone());
        self
    }

    /// Lets the job go on without its holder.
    ///
    /// [`Pool::join`](crate::Pool::join) waits for it, and its callbacks are called. An error or a panic of it is reported only to
    /// [`on_error`](Job::on_error).
    pub fn detach(mut self) {
        self.detached = true;
    }

    /// Lets the job begin soon, if this is a thread of a pool, which will wait for it.
    pub(crate) fn hasten(&self) {
        self.task.clone().hasten();
    }

    fn take(&self) -> Result<T> {
        let taken = self.task.core().take();
        taken.unwrap_or_else(|| Err(ErrorKind::Taken.into()))
    }
}

impl<T: 'static> Job<T> {
    /// Calls a closure with the value when the job has ended without an error: Python's `callback`.
    ///
    /// The callback may be given before or after the job has ended. There may be several; each is called once.
    ///
    /// It is called before [`get`](Job::get) returns, by the thread that has run the job, or here if the job has ended; so it
    /// should be quick. A panic in it goes to the program's panic hook, and affects neither the job nor its thread. If the result
    /// was taken before, by [`get_timeout`](Job::get_timeout) or a poll, the callback is not called.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let squares = Arc::new(Mutex::new(Vec::new()));
    /// for i in 0..4u64 {
    ///     let squares = squares.clone();
    ///     pool.apply_async(move || (i, i * i))
    ///         .on_success(move |square| squares.lock().unwrap().push(*square))
    ///         .detach();
    /// }
    /// pool.close();
    /// pool.join()?;
    /// let mut squares = squares.lock().unwrap();
    /// squares.sort();
    /// assert_eq!(*squares, [(0, 0), (1, 1), (2, 4), (3, 9)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn on_success<F>(self, callback: F) -> Self
    where
        F: FnOnce(&T) + Send + 'static,
    {
        let callback = Callback::OnSuccess(Box::new(callback));
        self.task.core().when_done(callback);
        self
    }

    /// Calls a closure with the error when the job has ended with one, also if it was cancelled: Python's `error_callback`.
    ///
    /// In all else it is as [`on_success`](Job::on_success).
    pub fn on_error<F>(self, callback: F) -> Self
    where
        F: FnOnce(&Error) + Send + 'static,
    {
        let callback = Callback::OnError(Box::new(callback));
        self.task.core().when_done(callback);
        self
    }
}

/// A job polled again after it gave the result gives an error of the kind [`Taken`](ErrorKind::Taken).
impl<T> Future for Job<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.task.clone().help();
        self.task.core().poll(context)
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.task.core().forsake();
        if !self.detached && self.task.core().ended().is_none() {
            self.task.stop();
        }
    }
}

// What a panic may have left half done is behind a lock, and is put right.
impl<T> UnwindSafe for Job<T> {}
impl<T> RefUnwindSafe for Job<T> {}

impl<T> fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("begun", &self.task.core().has_begun())
            .field("progress", &self.progress())
            .finish()
    }
}
