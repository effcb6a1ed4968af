//! The verbs of a pool itself: a closure called for items that do not come from a frame.

mod feed;
mod imap;
mod item;
mod items;
mod slots;
mod source;
mod star;

use self::items::map_items;
use self::source::ItemSource;
use crate::context::{IntoState, IntoUnit, NoContext, WithState, make};
use crate::error::{Error, ErrorKind, Place, Result};
use crate::job::{Job, Terms, spawn};
use crate::pool::Pool;
use crate::progress::{Progress, Tick, TickState};
use crate::run::{Cause, Failure, catch, says_cancelled};
use crate::verbs::failed;

use crate::sync::Arc;
pub use imap::{Imap, ImapUnordered};
pub use item::IntoItem;
pub use star::StarFn;

/// Verbs that block the caller.
///
/// The closures may borrow, since the call returns only when none of them runs any more.
impl Pool {
    /// Calls a closure on one of the workers, and returns its result.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let text = String::from("borrowed");
    /// assert_eq!(pool.apply(|| text.len())?, 8);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// The closure's error (see [`IntoItem`]) or panic; or the pool is closed.
    pub fn apply<T, F, R>(&self, f: F) -> Result<T>
    where
        T: Send,
        F: FnOnce() -> R + Send,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        let entry = self.enter()?;
        let lineage = self.lineage_of_call();
        self.threads().run_once(|| {
            let _within = lineage.enter();
            if let Some(entry) = &entry {
                entry.token().check()?;
            }
            call_once(f)
        })
    }

    /// Calls a closure for each item, and gives the results in the order of the items.
    ///
    /// The items come from any iterator or collection, also one of references. They are collected before the first call, as in
    /// Python. How many items a worker takes at a time follows from how long they take, so there is no `chunksize` to choose: a few
    /// slow items run side by side from the start, and millions of fast items cost what a loop costs.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let words = ["row", "column", "chunk"];
    /// assert_eq!(pool.map(&words, |word| word.len())?, [3, 6, 5]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// The error or panic of the closure for the lowest item that failed, with its [`index`](crate::Error::index). It is always the
    /// same one, and the rest is not finished. If the closure returns a `Result`, its values are collected, or each `Result`, as
    /// the type of the results says; see [`IntoItem`]. Also, if the pool is closed, or was terminated meanwhile.
    pub fn map<T, I, F, R>(&self, items: I, f: F) -> Result<Vec<T>>
    where
        T: Send,
        I: IntoIterator,
        I::Item: Send,
        F: Fn(I::Item) -> R + Sync,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        let call = |_: &mut NoContext, item| f(item).into_item().map_err(Into::into);
        map_items(self, ItemSource::of(items), None, &|| Ok(NoContext), call)
    }

    /// Calls a closure with the fields of each item, a tuple of 1 to 12, as its arguments, and gives the results in the order of
    /// the items.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let legs = [(3.0, 4.0), (5.0, 12.0)];
    /// assert_eq!(pool.starmap(legs, f64::hypot)?, [5.0, 13.0]);
    ///
    /// let people = vec![("Ada", 36), ("Alan", 41)];
    /// let lines = pool.starmap(people, |name: &str, age: i32| format!("{name}: {age}"))?;
    /// assert_eq!(lines, ["Ada: 36", "Alan: 41"]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`map`](Pool::map).
    pub fn starmap<T, I, F>(&self, items: I, f: F) -> Result<Vec<T>>
    where
        T: Send,
        I: IntoIterator,
        I::Item: Send,
        F: StarFn<I::Item> + Sync,
        F::Out: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        self.map(items, |item| f.call(item))
    }

    /// Calls a closure for each item, for its side effects alone.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let sum = AtomicU64::new(0);
    /// pool.for_each(1..=100, |n| {
    ///     sum.fetch_add(n, Ordering::Relaxed);
    /// })?;
    /// assert_eq!(sum.into_inner(), 5050);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`map`](Pool::map). What was done before stays done: every item below the one that failed, and some above it.
    pub fn for_each<I, F, R>(&self, items: I, f: F) -> Result<()>
    where
        I: IntoIterator,
        I::Item: Send,
        F: Fn(I::Item) -> R + Sync,
        R: IntoUnit,
    {
        let call = |_: &mut NoContext, item| f(item).into_unit();
        map_items(self, ItemSource::of(items), None, &|| Ok(NoContext), call).map(drop)
    }

    /// Calls a closure for each item, as [`map`](Pool::map) does, with a state for each worker as the closure's first argument.
    ///
    /// A state may be a connection, a compiled regex or a buffer. In Python, `initializer` is for this.
    ///
    /// `init` returns the state, or a `Result` of it. It is called when a worker reaches its first item: at most once for each
    /// worker of a call, and never for a worker that is not needed. The state is dropped before the call returns.
    ///
    /// ```
    /// use std::fmt::Write;
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let widths = pool.map_with_state(0..1000, String::new, |buffer: &mut String, n| {
    ///     buffer.clear();
    ///     write!(buffer, "{n:x}").unwrap();
    ///     buffer.len()
    /// })?;
    /// assert_eq!(widths[255], 2);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`map`](Pool::map), and one of the kind [`State`](crate::ErrorKind::State) if a state cannot be made.
    pub fn map_with_state<T, I, N, O, S, F, R>(&self, items: I, init: N, f: F) -> Result<Vec<T>>
    where
        T: Send,
        I: IntoIterator,
        I::Item: Send,
        N: Fn() -> O + Sync,
        O: IntoState<S>,
        S: Send,
        F: Fn(&mut S, I::Item) -> R + Sync,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        let call =
            |state: &mut WithState<S>, item| f(&mut state.0, item).into_item().map_err(Into::into);
        let make = || make(&init).map(WithState);
        map_items(self, ItemSource::of(items), None, &make, call)
    }
}

/// Verbs that return at once.
///
/// Items and closures must be `'static`, since they are used while the caller does something else. Share large values by an `Arc`
/// of which each closure has a clone.
impl Pool {
    /// Calls a closure on one of the workers, in the background.
    ///
    /// Jobs begin in the order in which they were given.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let jobs: Vec<Job<u64>> = (0..8).map(|n| pool.apply_async(move || n * n)).collect();
    /// let squares = jobs.into_iter().map(Job::get).collect::<polars_par_apply::Result<Vec<_>>>()?;
    /// assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn apply_async<T, F, R>(&self, f: F) -> Job<T>
    where
        T: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        spawn(self, Terms::whole(1), move |control| {
            let result = call_once(f);
            control.meter.tick(Tick {
                done: 1,
                total: 1,
                failures: usize::from(result.is_err()),
                state: TickState::Running,
            });
            match result {
                Err(error) if control.token.is_cancelled() => Err(said_cancelled(error)),
                result => result,
            }
        })
    }

    /// Calls a closure for each item in the background: [`map`](Pool::map) as one [`Job`], whose items all workers share.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let job = pool.map_async(vec!["1", "2", "3"], str::parse::<f64>);
    /// // // … do something else …
    /// let numbers: Vec<f64> = job.get()?;
    /// assert_eq!(numbers, [1.0, 2.0, 3.0]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn map_async<T, I, F, R>(&self, items: I, f: F) -> Job<Vec<T>>
    where
        T: Send + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        F: Fn(I::Item) -> R + Send + Sync + 'static,
        R: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        let source = ItemSource::of(items);
        let pool = self.within();
        let terms = Terms {
            gives_way: true,
            ..Terms::whole(source.len())
        };
        spawn(self, terms, move |control| {
            let call = |_: &mut NoContext, item| f(item).into_item().map_err(Into::into);
            let within = (control.token, Arc::new(control.meter.clone()) as _);
            map_items(&pool, source, Some(within), &|| Ok(NoContext), call)
        })
    }

    /// Calls a closure with the fields of each item in the background: [`starmap`](Pool::starmap) as a [`Job`].
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let job = pool.starmap_async(vec![(2u64, 10u32), (3, 4)], u64::pow);
    /// assert_eq!(job.get()?, [1024, 81]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    pub fn starmap_async<T, I, F>(&self, items: I, f: F) -> Job<Vec<T>>
    where
        T: Send + 'static,
        I: IntoIterator,
        I::Item: Send + 'static,
        F: StarFn<I::Item> + Send + Sync + 'static,
        F::Out: IntoItem<T, Error: Into<anyhow::Error>>,
    {
        self.map_async(items, move |item| f.call(item))
    }
}

/// Calls a closure that is the whole of a job.
fn call_once<T, R>(f: impl FnOnce() -> R) -> Result<T>
where
    R: IntoItem<T, Error: Into<anyhow::Error>>,
{
    let called = catch(|| f().into_item().map_err(Into::into));
    let called =
        called.and_then(|result| result.map_err(|error| Failure::Closure(Cause::new(error))));
    called.map_err(|failure| failed(failure, Place::Job, |_| None, |_| None))
}

/// Replaces the error of a cancelled job by the job's own error, where it says no more than that the job was cancelled.
fn said_cancelled(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Closure { cause, .. } if says_cancelled(cause) => Error::cancelled(0, 1),
        _ => error,
    }
}
