//! The failures that a query lets pass.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use polars::prelude::{
    DataFrame, IntoColumn, NamedFrom, Series, SortMultipleOptions, UInt64Chunked,
};

use crate::error::{Error, ErrorKind, Place, Result};

/// Collects the rows that failed in a lazy query and were [let pass](crate::LazyApply::failures).
///
/// A query gives its frame and nothing beside it, so what [`Outcome::failures`](crate::Outcome) is to a call over a
/// `DataFrame`, is kept here. Clones are the same collector.
///
/// It keeps every failure that it is told of, so a table of which every row is bad is better given a
/// [limit](Failures::max_failures). A query that is collected twice, or joined with itself, tells of its failures twice.
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
/// assert_eq!(failures.column("row")?.u64()?.to_vec(), [Some(2)]);
/// assert_eq!(failures.column("text")?.str()?.get(0), Some("three"));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Failures(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    frame: DataFrame,
    limit: Option<usize>,
}

impl Failures {
    /// Makes a collector without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// More failures than this, in all that it has collected, fail the query.
    #[must_use]
    pub fn max_failures(self, limit: usize) -> Self {
        self.kept().limit = Some(limit);
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().frame.height()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives what was collected, and begins anew: a row for each failure, by the rows' numbers, with the columns of
    /// [`Outcome::failures`](crate::Outcome). Before a query has run, there are no columns.
    ///
    /// One collector is for calls that take the same columns: what does not fit together fails the query.
    #[must_use]
    pub fn take(&self) -> DataFrame {
        let frame = std::mem::take(&mut self.kept().frame);
        let by_row = SortMultipleOptions::default().with_maintain_order(true);
        // There is nothing to sort before the first query, and no column to sort by.
        match frame.sort(["row"], by_row) {
            Ok(sorted) => sorted,
            Err(_) => frame,
        }
    }

    /// Adds those of a batch, whose rows have other numbers in the query.
    pub(super) fn add(&self, failures: &DataFrame, number: &dyn Fn(usize) -> usize) -> Result<()> {
        let mut failures = failures.clone();
        let rows = failures.column("row")?.u64()?.into_no_null_iter();
        let rows: Vec<u64> = rows.map(|row| number(row as usize) as u64).collect();
        failures.with_column(Series::new("row".into(), rows).into_column())?;
        let mut kept = self.kept();
        if kept.frame.width() == 0 {
            kept.frame = failures;
        } else {
            kept.frame.vstack_mut(&failures)?;
        }
        match kept.limit {
            Some(limit) if kept.frame.height() > limit => Err(too_many(&kept.frame, limit)?),
            _ => Ok(()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// More than may be: the first beyond the limit, of those that are known, is the one that is told.
fn too_many(frame: &DataFrame, limit: usize) -> Result<Error> {
    let rows: &UInt64Chunked = frame.column("row")?.u64()?;
    let row = rows.get(limit).unwrap_or_default() as usize;
    let message = frame.column("error")?.str()?.get(limit).unwrap_or_default();
    let place = Place::Row(row);
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
        failures: frame.head(Some(limit + 1)),
        last: Box::new(last),
    }
    .into())
}

impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failures")
            .field("len", &self.len())
            .field("limit", &self.kept().limit)
            .finish()
    }
}
