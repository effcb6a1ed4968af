//! What a call returns beside its output: the failures that it let pass, and what happened.

mod stats;

use std::ops::Range;

use polars::prelude::{BooleanChunked, DataFrame, IdxCa, IdxSize, NewChunkedArray, PlSmallStr};

use crate::error::{Error, ErrorKind, Result, counted};
use crate::row_numbers::{RowNumbers, number_column};

pub(crate) use stats::ItemKind;
pub use stats::{LongestRun, SlowestGroup, Stats, WorkerStats};
#[cfg(feature = "report")]
pub(crate) use stats::{grouped, number};

/// The output of a call together with a report of the run.
///
/// Every call with [`on_error`](crate::Apply::on_error), [`on_cancel`](crate::Apply::on_cancel) or
/// [`outcome`](crate::Apply::outcome) returns one, whatever its verb.
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["text" => ["1", "2", "three", "4"]]?;
/// let outcome = df
///     .par_apply()
///     .on_error(OnError::Skip)
///     .rows(|text: &str| text.parse::<i64>())?;
///
/// assert_eq!(outcome.output.i64()?.to_vec(), [Some(1), Some(2), Some(4)]);
/// assert_eq!(outcome.stats.failures, 1);
/// assert_eq!(outcome.failures.column("row")?.idx()?.to_vec(), [Some(2)]);
/// assert_eq!(outcome.failures.column("text")?.str()?.get(0), Some("three"));
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "failures that were let pass are reported here and nowhere else"]
pub struct Outcome<T> {
    /// The result that the verb returns without an outcome: a `Column` or a `DataFrame`.
    pub output: T,
    /// A frame with one row for each failure, in the order of the input.
    ///
    /// It is the same on one worker and on many. Without failures it has no rows.
    ///
    /// | column | dtype | what |
    /// |---|---|---|
    /// | `row` | that of Polars' row index | the input row's number; in `chunks` that of the part's first row, in `groups` and `transform` that of the group's first row; not in `columns` |
    /// | `part`, `rows` | that of Polars' row index | in `chunks`, and in `transform` without keys: the part's position, counted from 0, and how many rows it has |
    /// | `group`, `rows` | that of Polars' row index | in `groups` and `transform`: the group's position among the groups, counted from 0, and how many rows it has |
    /// | the [keys](crate::Apply::by), after `row` | their own | in `groups`, `transform` and `windows`: the group's keys; a key with the name of a column before it has `_input` appended |
    /// | `column` | String | in `columns` and `elements`: the column's name |
    /// | `error` | String | the message of the error and of its causes, or the panic's message |
    /// | `panic` | Boolean | whether it was a panic |
    /// | `attempts` | `UInt32` | how often the closure was called for the item; 0 where a value cannot be read |
    /// | the columns that the closure takes | their own | in `windows` and in the verbs whose closures take a row: the row's cells; a column with one of the names above has `_input` appended |
    ///
    /// The dtype of Polars' row index is `UInt32`, or `UInt64` if Polars is built with `bigidx`. So `row` joins with the column that
    /// `with_row_index` makes, and with [`kept_rows`](Outcome::kept_rows). It is `UInt64` if the call's
    /// [row numbers](crate::Apply::row_numbers) are too large for that.
    pub failures: DataFrame,
    /// The numbers of the run: rows, failures, times, workers.
    pub stats: Stats,
    /// The positions of the input rows that are not in the output.
    pub(crate) dropped: Vec<Range<usize>>,
    /// The rows that a filter has kept, if the output's rows are those.
    pub(crate) filtered: Option<BooleanChunked>,
    /// The positions of the input rows that the run never reached.
    pub(crate) undone: Vec<Range<usize>>,
    pub(crate) numbers: RowNumbers,
    pub(crate) rows: usize,
}

impl<T> Outcome<T> {
    /// Returns the numbers of the input rows that the output's rows come from, ascending by their positions.
    ///
    /// | verb | rows |
    /// |---|---|
    /// | `rows`, `with_columns`, `elements`, `transform`, `windows` | all rows, except those dropped for a failure and those that a cancelled run never reached |
    /// | `filter_rows` | the rows that the closure has kept |
    /// | `flat_map_rows`, `emit_rows` | the rows that were done and did not fail, whatever number of rows they gave; [`source_rows`](crate::Apply::source_rows) says which output row comes from which |
    /// | `chunks` | the rows of the parts whose results are in the output |
    /// | `groups` | the rows of the groups whose results are in the output, without rows that are in no group ([`NullKeys::Drop`](crate::NullKeys)) |
    /// | `columns` | all rows |
    ///
    /// `df.filter(&outcome.kept_mask())?` is the input that belongs to the output of `rows`, however its rows are numbered; see
    /// [`kept_mask`](Outcome::kept_mask). A number that Polars' row index cannot hold is null.
    #[must_use]
    pub fn kept_rows(&self) -> IdxCa {
        let mut kept = Vec::new();
        let mut keep = |rows: &mut dyn Iterator<Item = usize>| {
            let numbers = rows.map(|row| self.numbers.of(row));
            kept.extend(numbers.map(|number| IdxSize::try_from(number).ok()));
        };
        if let Some(mask) = &self.filtered {
            let rows = mask.iter().enumerate();
            keep(&mut rows.filter_map(|(row, is_kept)| is_kept?.then_some(row)));
        } else {
            let mut next = 0;
            let end = self.rows..self.rows;
            for dropped in self.dropped.iter().chain([&end]) {
                keep(&mut (next..dropped.start));
                next = dropped.end;
            }
        }
        match kept.iter().copied().collect() {
            Some(kept) => IdxCa::from_vec("row".into(), kept),
            None => IdxCa::from_slice_options("row".into(), &kept),
        }
    }

    /// Returns a mask over the input that is true for the rows of [`kept_rows`](Outcome::kept_rows).
    ///
    /// `df.filter(&outcome.kept_mask())?` is the input that belongs to the output of `rows`.
    #[must_use]
    pub fn kept_mask(&self) -> BooleanChunked {
        match &self.filtered {
            Some(mask) => mask.clone(),
            None => kept_mask(&self.dropped, self.rows),
        }
    }

    /// Returns the rows of `df`, the call's frame, that a cancelled run never reached, with their numbers in a first column `row`.
    ///
    /// Rows that failed were reached, whatever the policy. A run that was not cancelled leaves no rows. If the stopped call was given
    /// [`row_numbers`](crate::Apply::row_numbers), `df` has the numbers already, and no column is added.
    ///
    /// A call of `rows` on the rest with `row_numbers("row")` continues where the run was stopped: it reports the same numbers, and
    /// draws the same random numbers, as one run over all of `df`. For `chunks`, the rest has the rows of the parts that were never
    /// reached, and is cut anew. For `groups` and `transform`, it has all rows of the groups that were never reached, so the same verb
    /// continues with them. For `windows` it lacks the earlier rows that its windows need: call the verb on `df` again.
    ///
    /// ```
    /// use polars_par_apply::prelude::*;
    ///
    /// let df = df!["text" => ["1", "2", "3", "4"]]?;
    /// let token = CancelToken::new();
    /// let stopped = df
    ///     .par_apply()
    ///     .sequential()
    ///     .cancel_token(&token)
    ///     .on_cancel(OnCancel::Partial)
    ///     .rows(|text: &str| {
    ///         if text == "2" {
    ///             token.cancel();
    ///         }
    ///         text.parse::<i64>()
    ///     })?;
    /// let rest = stopped.rest(&df)?;
    /// assert_eq!(rest.column("row")?.idx()?.to_vec(), [Some(2), Some(3)]);
    ///
    /// let others = rest.par_apply().row_numbers("row").rows(|text: &str| text.parse::<i64>())?;
    /// assert_eq!(stopped.output.i64()?.to_vec(), [Some(1), Some(2)]);
    /// assert_eq!(others.i64()?.to_vec(), [Some(3), Some(4)]);
    /// # Ok::<(), polars_par_apply::Error>(())
    /// ```
    ///
    /// # Errors
    /// - `df` has another number of rows than the call's frame.
    /// - The call was one of `columns`, and was cancelled.
    /// - `df` has a column `row` already, and the call was not given `row_numbers`: rename that column, or number the rows before the
    ///   first call.
    pub fn rest(&self, df: &DataFrame) -> Result<DataFrame> {
        if df.height() != self.rows {
            return Err(refused(format!(
                "the frame has {}, but the call's frame had {}; give the frame that the call was made on",
                counted(df.height(), "row"),
                self.rows,
            )));
        }
        if self.stats.counted == ItemKind::Columns && self.stats.cancelled {
            return Err(refused(
                "the call was .columns(f), which leaves whole columns undone and not rows; its output has the columns that are done"
                    .into(),
            ));
        }
        let rows: Vec<usize> = self.undone.iter().cloned().flatten().collect();
        let positions = rows.iter().map(|row| *row as IdxSize);
        let positions = IdxCa::from_iter_values(PlSmallStr::EMPTY, positions);
        let mut rest = match rows.is_empty() {
            // Polars panics where it is to gather no rows of an Array column.
            true => df.clear(),
            false => df.take(&positions)?,
        };
        if !self.numbers.is_column() {
            let numbers: Vec<usize> = rows.iter().map(|row| self.numbers.of(*row)).collect();
            rest.insert_column(0, number_column("row".into(), &numbers))
                .map_err(|_| Error::from(ErrorKind::DuplicateName { name: "row".into() }))?;
        }
        Ok(rest)
    }

    /// Returns the same report with another output.
    pub(crate) fn try_map<U>(self, change: impl FnOnce(T) -> Result<U>) -> Result<Outcome<U>> {
        Ok(Outcome {
            output: change(self.output)?,
            failures: self.failures,
            stats: self.stats,
            dropped: self.dropped,
            filtered: self.filtered,
            undone: self.undone,
            numbers: self.numbers,
            rows: self.rows,
        })
    }

    /// Returns whether every row has its output: no row failed, and the run was not cancelled.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stats.failures == 0 && !self.stats.cancelled
    }
}

fn refused(message: String) -> Error {
    let option = "Outcome::rest";
    ErrorKind::Option { option, message }.into()
}

/// A mask that is true for those of `rows` rows that are not dropped.
pub(crate) fn kept_mask(dropped: &[Range<usize>], rows: usize) -> BooleanChunked {
    let mut mask = vec![true; rows];
    for rows in dropped {
        mask[rows.clone()].fill(false);
    }
    BooleanChunked::from_slice(PlSmallStr::from_static("kept"), &mask)
}
