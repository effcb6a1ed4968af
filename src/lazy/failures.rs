//! The failures that a query lets pass.

use std::fmt;

use polars::prelude::{Column, DataFrame, DataType, IDX_DTYPE, IdxSize, SortMultipleOptions};

use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind, Place, Result, value_shown};
use crate::run::quietly_drop;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A collector of the rows that failed in a lazy query and were [let pass](crate::LazyApply::failures).
///
/// A query gives its frame and nothing else. So the collector keeps what [`Outcome::failures`](crate::Outcome) has for a call over
/// a `DataFrame`. Clones are the same collector.
///
/// Its rows have the numbers of the whole frame, or of the whole stream. For an expression they have those of
/// [`row_numbers`](crate::RowsExpr::row_numbers); without them, a row is counted in its batch, and numbers repeat.
///
/// For [`groups`](crate::LazyApply::groups) and [`transform`](crate::LazyApply::transform), each failure is a group: `row` is the
/// number of its first row, and there are also the columns `group`, the keys, and `rows`, the number of its rows.
///
/// It keeps every failure that is reported to it, so set a [limit](Failures::max_failures) where every row of a large table might
/// be bad. A query that is collected twice, or joined with itself, reports its failures twice.
///
/// After a query that failed, it holds the failures that were met before the query ended. If a call of this crate failed, their
/// rows have the same numbers as in a run without failures. If an operator of Polars before the call failed in the streaming engine
/// (a strict cast, for example), the engine may have gone on without the batch that failed, and numbers are counted as if that
/// batch did not exist. Empty the collector in that case.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let lf = df!["text" => ["1", "2", "three", "4"]]?.lazy();
/// let failures = Failures::new();
/// let numbers = lf
///     .par_apply()
///     .failures(&failures)
///     .names(["number"])
///     .rows(|text: &str| text.parse::<i64>())
///     .collect()?;
/// assert_eq!(numbers.column("number")?.null_count(), 1);
///
/// let failures = failures.take();
/// assert_eq!(failures.column("row")?.idx()?.to_vec(), [Some(2)]);
/// assert_eq!(failures.column("text")?.str()?.get(0), Some("three"));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    /// Its column `row` is `UInt64` here, whatever Polars' row index is, since streams count further.
    frame: DataFrame,
    limit: Option<usize>,
    /// Cancelled when there are too many failures, to stop the calls that are under way.
    stop: CancelToken,
}

/// What is left of a collector's limit for a call, and the token that stops the call when other calls use it up.
pub(super) struct Allowance {
    pub(super) left: usize,
    pub(super) stop: CancelToken,
}

impl Failures {
    /// Makes a collector without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many failures the collector takes in all; one more fails the query.
    ///
    /// Where the error is an item of a stream, its kind is [`TooManyFailures`](crate::ErrorKind::TooManyFailures).
    ///
    /// The query stops early, in every engine. Each call for a batch ends when it has met one failure more than were allowed when
    /// it began, or when another call has, as soon as each worker is done with the row that it is in. The collector then holds the
    /// limit and one more: the lowest rows among the known failures. For one batch, or a frame in memory that Polars does not cut,
    /// these are the lowest of all. Where batches run side by side, it depends on their timing which failures are known.
    ///
    /// A collector that has passed its limit fails every query until [`take`](Failures::take) empties it.
    #[must_use]
    pub fn max_failures(self, limit: usize) -> Self {
        self.kept().limit = Some(limit);
        self
    }

    /// Returns how many failures were collected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().frame.height()
    }

    /// Returns whether no failures were collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns what was collected, and empties the collector.
    ///
    /// The frame has a row for each failure, ordered by the rows' numbers, with the columns of
    /// [`Outcome::failures`](crate::Outcome). Before a query has run, there are no columns.
    ///
    /// The column `row` can be joined with the one that `with_row_index` makes: it has the dtype of Polars' row index, `UInt32`
    /// unless Polars is built with `bigidx`. If one of the numbers is too large for that, as it can be in a
    /// [stream](crate::LazyApply::row_batches) or with [`row_numbers`](crate::RowsExpr::row_numbers), the column is `UInt64`.
    ///
    /// One collector is for calls that take the same columns; failures whose columns differ fail the query.
    #[must_use]
    pub fn take(&self) -> DataFrame {
        let mut kept = self.kept();
        let frame = std::mem::take(&mut kept.frame);
        // The calls that the token stops are over, or belong to a query that fails.
        kept.stop = CancelToken::new();
        drop(kept);
        let sorted = by_row(&frame).and_then(indexed);
        // Before the first query there is nothing to sort, and no column to sort by.
        sorted.unwrap_or(frame)
    }

    /// Returns what a call may add, or `None` where there is no limit.
    pub(super) fn allowance(&self) -> Result<Option<Allowance>> {
        let kept = self.kept();
        let Some(limit) = kept.limit else {
            return Ok(None);
        };
        match limit.checked_sub(kept.frame.height()) {
            Some(left) => Ok(Some(Allowance {
                left,
                stop: kept.stop.clone(),
            })),
            None => Err(too_many(&kept.frame, limit)?),
        }
    }

    /// Adds the failures of a batch.
    pub(super) fn add(&self, failures: &DataFrame) -> Result<()> {
        let mut failures = failures.clone();
        let rows = failures.column("row")?.cast(&DataType::UInt64)?;
        failures.with_column(rows)?;
        let mut kept = self.kept();
        if kept.frame.height() == 0 {
            // Where nothing has failed, another call may have other columns. The columns of the first call are kept until then.
            if kept.frame.width() == 0 || failures.height() > 0 {
                kept.frame = failures;
            }
        } else if failures.height() > 0 {
            kept.frame.vstack_mut(&failures)?;
        }
        match kept.limit {
            Some(limit) if kept.frame.height() > limit => {
                kept.stop.cancel();
                kept.frame = by_row(&kept.frame)?.head(Some(limit.saturating_add(1)));
                Err(too_many(&kept.frame, limit)?)
            }
            _ => Ok(()),
        }
    }

    /// Turns the error of a batch's call into the query's. If this call or another has passed the limit, the error is the
    /// collector's.
    pub(super) fn of_call(&self, error: Error) -> Error {
        let passed = match error.kind() {
            ErrorKind::TooManyFailures { failures, .. } => self.add(failures),
            ErrorKind::Cancelled { .. } => self.allowance().map(drop),
            _ => Ok(()),
        };
        match passed {
            Ok(()) => error.in_query(),
            Err(passed) => {
                quietly_drop(error);
                passed
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Collected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_row(frame: &DataFrame) -> Result<DataFrame> {
    let options = SortMultipleOptions::default().with_maintain_order(true);
    Ok(frame.sort(["row"], options)?)
}

/// Returns the frame with row numbers of the dtype of Polars' row index, where it can hold them.
fn indexed(mut frame: DataFrame) -> Result<DataFrame> {
    let rows = frame.column("row")?;
    let largest = rows.u64()?.into_no_null_iter().max().unwrap_or(0);
    if IdxSize::try_from(largest).is_ok() {
        let rows = rows.cast(&IDX_DTYPE)?;
        frame.with_column(rows)?;
    }
    Ok(frame)
}

/// Returns the error of too many failures. It names the first failure beyond the limit, by row, among those that are known.
fn too_many(frame: &DataFrame, limit: usize) -> Result<Error> {
    let row = frame.column("row")?.u64()?.get(limit).unwrap_or_default() as usize;
    let message = frame.column("error")?.str()?.get(limit).unwrap_or_default();
    let place = match frame.columns().first() {
        Some(first) if first.name() == "group" => group_place(frame, limit, row),
        _ => Place::Row(row),
    };
    let last: Error = match frame.column("panic")?.bool()?.get(limit) {
        Some(true) => ErrorKind::Panic {
            place,
            message: message.into(),
        },
        _ => ErrorKind::Closure {
            place,
            cause: anyhow::Error::msg(message.to_owned()),
        },
    }
    .into();
    Ok(ErrorKind::TooManyFailures {
        limit,
        failures: indexed(frame.clone())?,
        last: Box::new(last),
    }
    .into())
}

/// Returns the place of a group's failure. The keys stand between the column `row` and the column with the number of rows, which
/// comes right before the errors.
fn group_place(frame: &DataFrame, failure: usize, first_row: usize) -> Place {
    let said = |column: &Column| {
        let value = column.get(failure);
        value.map_or_else(|_| String::new(), |value| value_shown(&value))
    };
    let columns = frame.columns();
    let errors = columns.iter().position(|column| column.name() == "error");
    let keys = &columns[2..errors.map_or(2, |errors| errors - 1)];
    Place::Group {
        index: said(&columns[0]).parse().unwrap_or_default(),
        first_row,
        key: keys.iter().map(said).collect::<Vec<String>>().join(", "),
    }
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures")
            .field("len", &self.len())
            .field("limit", &self.kept().limit)
            .finish()
    }
}
