//! The options of lazy calls, and what the calls over a query's batches share.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, Instant};

use polars::prelude::PlSmallStr;

use super::failures::{Allowance, Failures};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{OnError, Options};
use crate::outcome::Outcome;
use crate::progress::{Progress, Tick, TickState};
use crate::run::{Failure, catch};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::verbs::{GivenOptions, Kind, OfQuery, Over, Rule, Shape, unfit};

/// The options, as given.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) options: Options<'static>,
    /// The name that `explain()` shows.
    pub(super) name: Option<PlSmallStr>,
    pub(super) failures: Option<Failures>,
    pub(super) progress: Option<Arc<dyn Progress>>,
    pub(super) total: usize,
    /// Whether rows are numbered, if that was set.
    pub(super) numbered: Option<bool>,
    pub(super) row_wise: bool,
}

impl Settings {
    pub(super) fn new() -> Self {
        Settings {
            options: Options::default(),
            name: None,
            failures: None,
            progress: None,
            total: 0,
            numbered: None,
            row_wise: false,
        }
    }

    pub(super) fn name_or(&self, default: &'static str) -> PlSmallStr {
        let name = self.name.clone();
        name.unwrap_or(PlSmallStr::from_static(default))
    }

    /// Returns what the calls over batches share.
    pub(super) fn share(mut self, verb: Kind, over: Over) -> QueryOptions {
        let given = GivenOptions {
            options: &self.options,
            of_query: OfQuery {
                plan_name: self.name.is_some(),
                numbered: self.numbered.is_some(),
                failures: self.failures.is_some(),
                row_wise: self.row_wise,
            },
        };
        let unfit = unfit(given, Shape::in_query(verb, over)).collect();
        if self.failures.is_some() {
            let policy = match verb {
                Kind::ManyRows => OnError::Skip,
                _ => OnError::Null,
            };
            self.options.call.on_error.get_or_insert(policy);
        }
        let Settings {
            mut options,
            failures,
            progress,
            total,
            ..
        } = self;
        let meter = progress.map(|progress| {
            Arc::new(QueryMeter {
                progress,
                total,
                sum: Mutex::default(),
            })
        });
        QueryOptions {
            deadline: options.call.deadline.take(),
            options,
            failures,
            meter,
            unfit,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("options", &self.options)
            .field("name", &self.name)
            .field("failures", &self.failures)
            .field("progress", &self.progress.is_some())
            .field("total", &self.total)
            .field("numbered", &self.numbered)
            .field("row_wise", &self.row_wise)
            .finish()
    }
}

/// Defines the options' methods for a builder with a method `settings`.
macro_rules! settings {
    () => {
        /// Sets the name of the function in the plan, which `explain()` shows.
        ///
        /// By default it is that of the call: `par_apply_rows`, `filter_rows`, `par_apply_flat_map_rows`, `par_apply_chunks`,
        /// `par_apply_groups`, `par_apply_transform`, `par_apply_windows`.
        pub fn plan_name(mut self, name: impl Into<PlSmallStr>) -> Self {
            self.settings().name = Some(name.into());
            self
        }

        /// Sets what happens where an argument of a plain type is null, as [`Apply::nulls`](crate::Apply::nulls) does.
        pub fn nulls(mut self, nulls: Nulls) -> Self {
            self.settings().options.call.nulls = Some(nulls);
            self
        }

        /// Sets which conversions are allowed, as [`Apply::casts`](crate::Apply::casts) does.
        pub fn casts(mut self, casts: Casts) -> Self {
            self.settings().options.call.casts = Some(casts);
            self
        }

        /// Sets the dtypes of the results: an array with one dtype for each cell of a row, also where there is one cell.
        ///
        /// They are the dtypes of the columns, or, where an expression's several cells are a Struct, of its fields.
        /// [`Apply::returns`](crate::Apply::returns) says what a result can become, and what becomes of one that does not fit.
        ///
        /// A row closure that returns `AnyValue` or `Series` does not determine its dtype, and without this option it is refused
        /// when the query is planned. For chunks, the option is for closures that return cells: the schema says which dtypes the
        /// columns have, and this option gives them these dtypes.
        ///
        /// ```
        /// use polars_par_apply::prelude::*;
        ///
        /// let lf = df!["x" => [3, 5]]?.lazy();
        /// let any = rows(["x"]).returns([DataType::Int64]).apply(|x: i32| AnyValue::Int32(x * 2));
        /// assert_eq!(lf.select([any]).collect()?, df!["par_apply" => [6i64, 10]]?);
        /// # Ok::<(), polars_par_apply::Error>(())
        /// ```
        pub fn returns<D>(mut self, dtypes: D) -> Self
        where
            D: IntoIterator<Item = DataType>,
        {
            self.settings().options.call.returns = Some(dtypes.into_iter().collect());
            self
        }

        /// Sets what becomes of a row that fails; by default, [`OnError::Fail`], the query fails.
        ///
        /// With [`OnError::Null`] the row's results are null. With [`OnError::Skip`] the row is dropped from the frame, or from its
        /// batch of a stream. An expression has as many rows as its frame, and refuses `Skip`. [`OnError::Collect`] is refused,
        /// since a query has no outcome. For `groups` and `transform`, all of this holds for a group.
        ///
        /// ```
        /// use polars_par_apply::prelude::*;
        ///
        /// let lf = df!["text" => ["1", "two", "3"]]?.lazy();
        /// let numbers = lf.par_apply().on_error(OnError::Skip).names(["number"]);
        /// let numbers = numbers.rows(|text: &str| text.parse::<i64>()).collect()?;
        /// assert_eq!(numbers, df!["text" => ["1", "3"], "number" => [1i64, 3]]?);
        /// # Ok::<(), polars_par_apply::Error>(())
        /// ```
        ///
        /// The failures that are let pass are reported to [`failures`](Self::failures), and counted by
        /// [`progress`](Self::progress).
        pub fn on_error(mut self, policy: OnError) -> Self {
            self.settings().options.call.on_error = Some(policy);
            self
        }

        /// Collects the rows (or groups) that fail.
        ///
        /// It implies [`OnError::Null`], or [`OnError::Skip`] for `flat_map_rows`, unless [`on_error`](Self::on_error) sets another
        /// policy. Without a collector, only a null or a missing row shows that a failure was let pass.
        ///
        /// [`Failures::max_failures`] fails the query when there are too many.
        pub fn failures(mut self, failures: &Failures) -> Self {
            self.settings().failures = Some(failures.clone());
            self
        }

        /// Sets what is called with the progress of the query's calls, as [`Apply::progress`](crate::Apply::progress) does.
        ///
        /// It counts all batches of a query together, for one run of the query.
        ///
        /// A lazy query does not know how many rows it has: [`Tick::total`](crate::Tick) is 0, unless
        /// [`total_rows`](Self::total_rows) sets it. [`TickState::Finished`](crate::TickState) is reported when that many rows are
        /// done, and for a stream at its end; without either, it is not reported. A `LazyFrame` that is collected again reports
        /// nothing more; to see its progress, make the call anew.
        pub fn progress<P>(mut self, progress: P) -> Self
        where
            P: Progress + 'static,
        {
            self.settings().progress = Some(crate::sync::Arc::new(progress));
            self
        }

        /// Sets how many rows the closure will be called for, which only [`progress`](Self::progress) uses.
        ///
        /// They are the rows of the frame, if no later filter is moved before the call.
        pub fn total_rows(mut self, rows: usize) -> Self {
            self.settings().total = rows;
            self
        }

        /// Sets a token that cancels the query's calls; the query then fails.
        pub fn cancel_token(mut self, token: &CancelToken) -> Self {
            self.settings().options.cancel = Some(token.clone());
            self
        }

        /// Cancels the query's calls, as a [token](Self::cancel_token) does, when this much time has passed.
        ///
        /// The query then fails. A `LazyFrame` that is collected again has the whole time again.
        ///
        /// The time is counted from the first batch for which any call of the query is made, so it does not include what the query
        /// reads and sorts before. For a function of the whole frame, and for `groups`, `transform` and `windows`, it is counted
        /// from that call itself. For a stream, it is counted from the first `next`; the stream then also ends while it waits for
        /// the query.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// use polars_par_apply::prelude::*;
        ///
        /// let lf = df!["x" => [1, 2, 3]]?.lazy();
        /// let late = lf.par_apply().deadline(Duration::ZERO).rows(|x: i32| x);
        /// let error = late.collect().unwrap_err().to_string();
        /// assert!(error.contains("the deadline of 0ns passed"), "{error}");
        /// # Ok::<(), polars_par_apply::Error>(())
        /// ```
        pub fn deadline(mut self, deadline: std::time::Duration) -> Self {
            self.settings().options.call.deadline = Some(deadline);
            self
        }
    };
}

pub(super) use settings;

/// A query's options, and what else its calls over batches share.
pub(super) struct QueryOptions {
    /// The rules that refuse the options.
    unfit: Vec<&'static Rule>,
    /// The deadline of the options.
    pub(super) deadline: Option<Duration>,
    pub(super) options: Options<'static>,
    pub(super) failures: Option<Failures>,
    pub(super) meter: Option<Arc<QueryMeter>>,
}

impl QueryOptions {
    /// Returns an error for the options that the verb cannot follow.
    pub(super) fn check(&self) -> Result<()> {
        Error::of_all(self.unfit.iter().map(|rule| rule.error()).collect())
    }

    /// Makes a call over a batch. A deadline is counted from `since`.
    pub(super) fn call<T>(
        &self,
        rows: usize,
        since: Instant,
        call: impl FnOnce(&Options<'_>) -> Result<Outcome<T>>,
    ) -> Result<Outcome<T>> {
        let outcome = self.attempt(since, call);
        if let Some(meter) = &self.meter {
            // An error of the closure takes precedence over one of the listener.
            match &outcome {
                Ok(_) => meter.passed(rows)?,
                Err(error) => drop(meter.failed(error)),
            }
        }
        outcome
    }

    /// Does what `call` does, except that it does not report the end.
    fn attempt<T>(
        &self,
        since: Instant,
        call: impl FnOnce(&Options<'_>) -> Result<Outcome<T>>,
    ) -> Result<Outcome<T>> {
        let mut options: Cow<'_, Options<'_>> = Cow::Borrowed(&self.options);
        if self.deadline.is_some() {
            let options = options.to_mut();
            options.call.deadline = self.deadline;
            options.deadline_from = Some(since);
        }
        if let Some(meter) = &self.meter {
            options.to_mut().progress = Some(Arc::new(OfBatch {
                meter,
                seen: Mutex::default(),
            }));
        }
        let Some(failures) = &self.failures else {
            return call(&options).map_err(Error::in_query);
        };
        let options = options.to_mut();
        options.told = true;
        if let Some(Allowance { left, stop }) = failures.allowance()? {
            options.call.max_failures = Some(left);
            options.job = Some(stop);
        }
        let outcome = call(options).map_err(|error| failures.of_call(error))?;
        failures.add(&outcome.failures)?;
        Ok(outcome)
    }
}

/// The progress of all batches together.
pub(super) struct QueryMeter {
    progress: Arc<dyn Progress>,
    total: usize,
    sum: Mutex<Sum>,
}

#[derive(Default)]
struct Sum {
    done: usize,
    failures: usize,
    /// The rows of the batches that ended without an error.
    passed: usize,
    is_over: bool,
}

impl QueryMeter {
    /// Adds what a batch has done since its last report. A panic of the listener is left to the caller.
    fn add(&self, done: usize, failures: usize) {
        let mut sum = self.sum();
        sum.done += done;
        sum.failures += failures;
        self.tick(&mut sum, TickState::Running);
    }

    /// Notes that a batch has ended without an error; all rows may be done then.
    pub(super) fn passed(&self, rows: usize) -> Result<()> {
        let mut sum = self.sum();
        sum.passed += rows;
        if self.total == 0 || sum.passed < self.total {
            return Ok(());
        }
        untroubled(|| self.tick(&mut sum, TickState::Finished))
    }

    /// Does what `add` does, and turns a panic into an error.
    pub(super) fn tell(&self, done: usize, failures: usize) -> Result<()> {
        untroubled(|| self.add(done, failures))
    }

    /// Notes that the query's calls are over.
    pub(super) fn ended(&self, state: TickState) -> Result<()> {
        untroubled(|| self.tick(&mut self.sum(), state))
    }

    /// Notes that a call has failed, and the query with it.
    pub(super) fn failed(&self, error: &Error) -> Result<()> {
        self.ended(match error.kind() {
            ErrorKind::Cancelled { .. } => TickState::Cancelled,
            _ => TickState::Failed,
        })
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller holds the lock, so no two reports overlap. Nothing is reported after the end.
    fn tick(&self, sum: &mut Sum, state: TickState) {
        if sum.is_over {
            return;
        }
        sum.is_over = state != TickState::Running;
        self.progress.tick(Tick {
            done: sum.done,
            total: self.total,
            failures: sum.failures,
            state,
        });
    }
}

/// Calls the listener; a panic becomes an error.
fn untroubled(tell: impl FnOnce()) -> Result<()> {
    catch(tell).map_err(|failure| {
        let message = match failure {
            Failure::Panic(message) => format!("the closure panicked: {message}"),
            other => format!("{other:?}"),
        };
        let option = "progress";
        ErrorKind::Option { option, message }.into()
    })
}

/// The listener for one batch, which adds its reports to the sum.
struct OfBatch<'m> {
    meter: &'m QueryMeter,
    seen: Mutex<(usize, usize)>,
}

impl Progress for OfBatch<'_> {
    fn tick(&self, tick: Tick) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, failures) = *seen;
        // If two rows fail at once, only the lower one is left at the end, so the counts must not decrease.
        *seen = (tick.done.max(done), tick.failures.max(failures));
        // The end is reported when the call has returned.
        self.meter.add(seen.0 - done, seen.1 - failures);
    }
}
