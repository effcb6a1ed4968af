//! A pool's own verbs: a closure called for items that are no frame's.

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

/// What blocks the caller.
///
/// The closures may borrow: the call returns when none of them runs any more.
impl Pool {
    /// Calls a closure on one of the workers, and gives what it returns.
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
    /// The closure's error (see [`IntoItem`]) or panic; the pool is closed.
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
    /// The items are those of any iterator or collection, one of references included; they are collected before the first
    /// call, as in Python. How many a worker takes at a time follows from how long they take, so there is no `chunksize` to
    /// choose: a few slow ones run side by side from the start, and millions of fast ones cost what a loop costs.
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
    /// The error or panic of the closure for the lowest item that failed, with its [`index`](crate::Error::index): always
    /// the same one, and the rest is not finished. A closure that returns a `Result` has its values collected, or each
    /// `Result`, as the type of the results says; see [`IntoItem`]. And: the pool is closed, or was terminated meanwhile.
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

    /// Calls a closure for each item, which is a tuple, with the tuple's fields (1 to 12) as its arguments, and gives the
    /// results in the order of the items.
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
    /// As [`map`](Pool::map).
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

    /// Calls a closure for each item, for what it does.
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
    /// As [`map`](Pool::map). What was done before stays done: every item below the one that failed, and some above it.
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

    /// As [`map`](Pool::map), with a state of its own for each worker, which the closure takes as its first argument: a
    /// connection, a compiled regex, a buffer. It is what `initializer` is for in Python.
    ///
    /// `init` returns the state, or a `Result` of it. It is called when a worker comes to its first item: at most once for
    /// each worker of a call, and never for one that is not needed. The state is dropped before the call returns.
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
    /// As [`map`](Pool::map); and of the kind [`State`](crate::ErrorKind::State), if a state cannot be made.
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

/// What returns at once.
///
/// Items and closures are `'static`: they go on while the caller does something else. What is large is shared by an `Arc`
/// that each closure has a clone of.
impl Pool {
    /// Calls a closure on one of the workers, in the background.
    ///
    /// Jobs are begun in the order in which they were given.
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

    /// [`map`](Pool::map) in the background: one job, whose items all the workers share.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let pool = Pool::new(2)?;
    /// let job = pool.map_async(vec!["1", "2", "3"], str::parse::<f64>);
    /// // … something else …
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

    /// [`starmap`](Pool::starmap) in the background.
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

/// An error of a job that was cancelled: where it says no more than that, the job's own word for it.
fn said_cancelled(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Closure { cause, .. } if says_cancelled(cause) => Error::cancelled(0, 1),
        _ => error,
    }
}
