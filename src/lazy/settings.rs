//! The options of lazy calls, and what they have in common over all of a query's batches.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::{DataType, PlSmallStr};

use super::failures::Failures;
use crate::error::{Error, ErrorKind, Result};
use crate::options::{OnError, Options};
use crate::outcome::Outcome;
use crate::progress::{Progress, Tick, TickState};
use crate::run::{Failure, catch};

/// The options, as given.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) options: Options<'static>,
    /// In `explain()`.
    pub(super) name: Option<PlSmallStr>,
    pub(super) returns: Option<DataType>,
    pub(super) failures: Option<Failures>,
    pub(super) progress: Option<Arc<dyn Progress>>,
    pub(super) total: usize,
}

impl Settings {
    pub(super) fn new() -> Self {
        Settings {
            options: Options::default(),
            name: None,
            returns: None,
            failures: None,
            progress: None,
            total: 0,
        }
    }

    pub(super) fn name_or(&self, default: &'static str) -> PlSmallStr {
        let name = self.name.clone();
        name.unwrap_or(PlSmallStr::from_static(default))
    }

    /// What the calls over batches share.
    pub(super) fn share(self) -> Shared {
        let Settings {
            options,
            failures,
            progress,
            total,
            ..
        } = self;
        let meter = progress.map(|progress| {
            Arc::new(Meter {
                progress,
                total,
                sum: Mutex::default(),
            })
        });
        Shared {
            options,
            failures,
            meter,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("options", &self.options)
            .field("name", &self.name)
            .field("returns", &self.returns)
            .field("failures", &self.failures)
            .field("progress", &self.progress.is_some())
            .field("total", &self.total)
            .finish()
    }
}

/// The options' methods, of a builder with a method `settings`.
macro_rules! settings {
    () => {
        /// The name of the function in `explain()`; by default that of the call: `par_apply_rows`, `par_apply_chunks`.
        pub fn name(mut self, name: impl Into<PlSmallStr>) -> Self {
            self.settings().name = Some(name.into());
            self
        }

        /// What nulls do to arguments of a plain type; as [`Apply::nulls`](crate::Apply::nulls).
        pub fn nulls(mut self, nulls: Nulls) -> Self {
            self.settings().options.nulls = nulls;
            self
        }

        /// Which conversions are made; as [`Apply::casts`](crate::Apply::casts).
        pub fn casts(mut self, casts: Casts) -> Self {
            self.settings().options.casts = casts;
            self
        }

        /// The output's dtype, which a closure that returns `AnyValue` or `Series` does not tell: without it, such a closure
        /// is refused when the query is planned. Of other closures it is checked. Of several cells, it is their Struct.
        pub fn returns(mut self, dtype: DataType) -> Self {
            self.settings().returns = Some(dtype);
            self
        }

        /// What becomes of a row that fails: [`OnError::Fail`], by default, fails the query; with [`OnError::Null`] the
        /// row's results are null. The other policies are refused, since a column of a query has as many rows as its
        /// frame: `filter` drops rows.
        ///
        /// The failures that are let pass are told to [`failures`](Self::failures), and counted by
        /// [`progress`](Self::progress).
        pub fn on_error(mut self, policy: OnError) -> Self {
            self.settings().options.on_error = policy;
            self
        }

        /// Collects the failures that [`OnError::Null`] lets pass, which it asks for, and which else are known by their
        /// nulls alone.
        pub fn failures(mut self, failures: &Failures) -> Self {
            let settings = self.settings();
            settings.options.on_error = OnError::Null;
            settings.failures = Some(failures.clone());
            self
        }

        /// Tells how far the query's calls are: as [`Apply::progress`](crate::Apply::progress), but all of a query's batches
        /// together, for one run of the query.
        ///
        /// A lazy query does not know how many rows it has: [`Tick::total`](crate::Tick) is 0, unless
        /// [`total_rows`](Self::total_rows) says it; and that a query is finished is told when as many are done, of
        /// a stream at its end.
        pub fn progress<P>(mut self, progress: P) -> Self
        where
            P: Progress + 'static,
        {
            self.settings().progress = Some(std::sync::Arc::new(progress));
            self
        }

        /// How many rows there will be, for [`progress`](Self::progress) alone.
        pub fn total_rows(mut self, rows: usize) -> Self {
            self.settings().total = rows;
            self
        }

        /// Gives the query's calls a token that cancels them; the query then fails.
        pub fn cancel_token(mut self, token: &CancelToken) -> Self {
            self.settings().options.cancel = Some(token.clone());
            self
        }
    };
}

pub(super) use settings;

/// What the calls over batches share.
pub(super) struct Shared {
    pub(super) options: Options<'static>,
    pub(super) failures: Option<Failures>,
    pub(super) meter: Option<Arc<Meter>>,
}

impl Shared {
    /// A column has as many rows as its frame, so some policies cannot be followed.
    pub(super) fn check(&self) -> Result<()> {
        let message = match (self.options.on_error, &self.failures) {
            (OnError::Fail | OnError::Null, None) | (OnError::Null, Some(_)) => return Ok(()),
            (OnError::Fail, Some(_)) => {
                "OnError::Fail lets no failure pass that .failures(…) could collect; give OnError::Null"
            }
            (OnError::Skip | OnError::Collect, _) => {
                "in a query, a column has a row for each of its frame's: give OnError::Null, and filter the nulls"
            }
        };
        Err(ErrorKind::Option {
            option: "on_error",
            message: message.into(),
        }
        .into())
    }

    /// Makes a call over a batch, whose rows have numbers of their own in the query.
    pub(super) fn call<T>(
        &self,
        number: &dyn Fn(usize) -> usize,
        call: impl FnOnce(&Options<'_>) -> Result<Outcome<T>>,
    ) -> Result<T> {
        let mut options: Cow<'_, Options<'_>> = Cow::Borrowed(&self.options);
        if let Some(meter) = &self.meter {
            options.to_mut().progress = Some(Arc::new(OfBatch {
                meter,
                seen: Mutex::default(),
            }));
        }
        if self.failures.is_some() {
            options.to_mut().told = true;
        }
        let outcome = call(&options).map_err(|error| error.in_query(number));
        let outcome = outcome.and_then(|outcome| {
            if let Some(failures) = &self.failures {
                failures.add(&outcome.failures, number)?;
            }
            Ok(outcome.output)
        });
        if let (Some(meter), Err(error)) = (&self.meter, &outcome) {
            meter.failed(error)?;
        }
        outcome
    }
}

/// How far all batches are together.
pub(super) struct Meter {
    progress: Arc<dyn Progress>,
    total: usize,
    sum: Mutex<Sum>,
}

#[derive(Default)]
struct Sum {
    done: usize,
    failures: usize,
    is_over: bool,
}

impl Meter {
    /// Adds what a batch has done since it last told; a panic of who is told is its caller's.
    fn add(&self, done: usize, failures: usize) {
        let mut sum = self.sum();
        sum.done += done;
        sum.failures += failures;
        let is_all = self.total > 0 && sum.done >= self.total;
        let state = match is_all {
            true => TickState::Finished,
            false => TickState::Running,
        };
        self.tick(&mut sum, state);
    }

    /// As `add`; a panic is an error.
    pub(super) fn tell(&self, done: usize, failures: usize) -> Result<()> {
        untroubled(|| self.add(done, failures))
    }

    /// The query's calls are over.
    pub(super) fn ended(&self, state: TickState) -> Result<()> {
        untroubled(|| self.tick(&mut self.sum(), state))
    }

    /// One has failed, and the query with it.
    pub(super) fn failed(&self, error: &Error) -> Result<()> {
        self.ended(match error.kind() {
            ErrorKind::Cancelled { .. } => TickState::Cancelled,
            _ => TickState::Failed,
        })
    }

    fn sum(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock is held: no two calls overlap. Nothing comes after the end.
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

/// Tells progress; a panic is an error.
fn untroubled(tell: impl FnOnce()) -> Result<()> {
    catch(tell).map_err(|failure| {
        let message = match failure {
            Failure::Panic(message) => format!("it panicked: {message}"),
            other => format!("{other:?}"),
        };
        let option = "progress";
        ErrorKind::Option { option, message }.into()
    })
}

/// What a batch's call tells, for the sum.
struct OfBatch<'m> {
    meter: &'m Meter,
    seen: Mutex<(usize, usize)>,
}

impl Progress for OfBatch<'_> {
    fn tick(&self, tick: Tick) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, failures) = *seen;
        *seen = (tick.done, tick.failures);
        // How it ended is told when the call has returned.
        self.meter.add(tick.done - done, tick.failures - failures);
    }
}
