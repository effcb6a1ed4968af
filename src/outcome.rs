//! What a call gives beside its output: the failures it let pass, and what happened.

use std::ops::Range;
use std::time::Duration;

use polars::prelude::{BooleanChunked, DataFrame, IdxCa, IdxSize, NewChunkedArray, PlSmallStr};

use crate::error::{Error, ErrorKind, Result, counted};
use crate::row_numbers::{RowNumbers, number_column};

/// The result of a call that tells more than its output: of every call with [`on_error`](crate::Apply::on_error),
/// [`on_cancel`](crate::Apply::on_cancel) or [`outcome`](crate::Apply::outcome), the same for every verb.
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
#[must_use = "failures that were let pass are told here and nowhere else"]
pub struct Outcome<T> {
    /// What the verb gives without an outcome: a `Column` or a `DataFrame`.
    pub output: T,
    /// A row for each failure, in the order of the input: the same on one worker and on many. Without failures it has no
    /// rows.
    ///
    /// | column | dtype | what |
    /// |---|---|---|
    /// | `row` | that of Polars' row index | of `rows` and its like, of `elements` and of `windows`: the input row's number; of `chunks`: that of the part's first row; of `groups` and `transform`: that of the group's first row |
    /// | `part`, `rows` | likewise | of `chunks`, and of `transform` without keys: the part, from 0, and how many rows it has |
    /// | `group`, `rows` | likewise | of `groups` and `transform`: the group's position among the groups, from 0, and how many rows it has |
    /// | the [keys](crate::Apply::by), after `row` | their own | of `groups`, `transform` and `windows`: the group's; a key with the name of a column before it has `_input` appended |
    /// | `column` | String | of `columns` and `elements` only: the column's name |
    /// | `error` | String | the error's message and its causes', or the panic's message |
    /// | `panic` | Boolean | whether it was a panic |
    /// | `attempts` | `UInt32` | how often the closure was called for it; never where a value cannot be read |
    /// | the columns the closure is given | their own | of `rows` and its like, and of `windows`: the row's cells; a column with one of the names above has `_input` appended |
    ///
    /// The dtype of Polars' row index is `UInt32`, or `UInt64` where Polars is built with `bigidx`: `row` joins with the
    /// column that `with_row_index` makes, and with [`kept_rows`](Outcome::kept_rows). It is `UInt64` where the call's
    /// [numbers](crate::Apply::row_numbers) are too large for that.
    pub failures: DataFrame,
    /// What happened.
    pub stats: Stats,
    /// The positions of the input rows that are not in the output.
    pub(crate) dropped: Vec<Range<usize>>,
    /// Where the rows of the output are those that a filter has kept: which these are.
    pub(crate) filtered: Option<BooleanChunked>,
    /// Those that the run never reached.
    pub(crate) undone: Vec<Range<usize>>,
    pub(crate) numbers: RowNumbers,
    pub(crate) rows: usize,
    pub(crate) is_of_columns: bool,
}

impl<T> Outcome<T> {
    /// Returns the numbers of the input rows that the output's rows come from, in their order: all, but those dropped for a
    /// failure, and those that a cancelled run never reached. Of `filter_rows`, they are those that the closure has kept; of
    /// `flat_map_rows` and `emit_rows`, the rows that were done and did not fail, whatever number of rows they gave: which row each
    /// comes from, [`source_rows`](crate::Apply::source_rows) says; of `chunks`, the rows of the parts whose result is in the output; of
    /// `groups`, the rows of the groups whose results are in the output, ascending, without those that are in no group
    /// ([`NullKeys::Drop`](crate::NullKeys)); of `transform` and `windows`, as of `rows`; of `columns`, all rows.
    ///
    /// Where the rows are counted from 0, `df.take(&outcome.kept_rows())?` is the input that goes with the output of `rows`.
    /// With [`first_row`](crate::Apply::first_row) or [`row_numbers`](crate::Apply::row_numbers) these are the rows' own
    /// numbers, and [`kept_mask`](Outcome::kept_mask) gives that input. A number that Polars' row index cannot hold is null.
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

    /// Returns the same as a mask over the input: `df.filter(&outcome.kept_mask())?` is the input that goes with the output
    /// of `rows`.
    #[must_use]
    pub fn kept_mask(&self) -> BooleanChunked {
        match &self.filtered {
            Some(mask) => mask.clone(),
            None => kept_mask(&self.dropped, self.rows),
        }
    }

    /// Returns the rows of `df`, the call's frame, that a cancelled run never reached, with their numbers in a column `row`
    /// before the others: what is left to do. Rows that failed were reached, whatever became of them. A run that was not
    /// cancelled leaves none.
    ///
    /// A call of `rows` with [`row_numbers("row")`](crate::Apply::row_numbers) on it goes on where the run was stopped: it
    /// reports the same numbers and draws the same random numbers as one run over all of `df` would. Of `chunks`, the rest
    /// has the rows of the parts that were never reached, and is cut anew. Of `groups` and `transform` it has all rows of
    /// the groups that were never reached, so a call of the same verb on it goes on likewise. Of `windows` it lacks the rows
    /// before it that its windows would have: call the verb on `df` again. Where the stopped call was given `row_numbers`
    /// itself, `df` has the numbers, and no column is added.
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
    /// `df` has another number of rows than the call's frame; the call was one of `columns`, and was cancelled; it has a column `row` already, and the call was not given
    /// `row_numbers`: rename that column, or number the rows before the first call.
    pub fn rest(&self, df: &DataFrame) -> Result<DataFrame> {
        if df.height() != self.rows {
            return Err(refused(format!(
                "the frame has {}, and the call's had {}; give the frame that the call was made on",
                counted(df.height(), "row"),
                self.rows,
            )));
        }
        if self.is_of_columns && self.stats.cancelled {
            return Err(refused(
                "the call was one of columns, which leaves columns and not rows; its output has the columns that are done"
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

    /// The same of another output.
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
            is_of_columns: self.is_of_columns,
        })
    }

    /// Tells whether every row has its output: nothing failed, and nothing was cancelled.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.stats.failures == 0 && !self.stats.cancelled
    }
}

fn refused(message: String) -> Error {
    let option = "Outcome::rest";
    ErrorKind::Option { option, message }.into()
}

/// Which of `rows` rows are not dropped.
pub(crate) fn kept_mask(dropped: &[Range<usize>], rows: usize) -> BooleanChunked {
    let mut mask = vec![true; rows];
    for rows in dropped {
        mask[rows.clone()].fill(false);
    }
    BooleanChunked::from_slice(PlSmallStr::from_static("kept"), &mask)
}

/// What happened in a call.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// The rows done, those that failed included; of [`columns`](crate::Apply::columns), the columns, of
    /// [`elements`](crate::Apply::elements), the values, and of [`groups`](crate::Apply::groups) and
    /// [`transform`](crate::Apply::transform), the rows of the groups.
    pub rows: usize,
    /// The rows (columns, parts, groups) that failed.
    pub failures: usize,
    /// How many times the closure was called again for a row that had failed.
    pub retries: usize,
    /// Whether the run was cancelled, or its deadline passed, before all was done.
    pub cancelled: bool,
    /// How long the run took, waiting for retries included. What comes before and after it is not in it: the checks, and
    /// putting the output together.
    pub wall: Duration,
    /// What each worker did; its place here is its number in the spans of runs. A worker that found nothing to do has no entry,
    /// unless one of a higher number found some. A worker is a place that threads may take in turn, never two at a time: a call
    /// of `rows` that is not cut by an option begins with the calling thread alone, in the first.
    pub workers: Vec<WorkerStats>,
    /// How many runs of rows were handed out; a row that is tried again is one.
    pub runs: usize,
    /// The run that took longest.
    pub longest_run: Option<LongestRun>,
    /// Of [`groups`](crate::Apply::groups) and [`transform`](crate::Apply::transform): the group that took longest.
    pub slowest_group: Option<SlowestGroup>,
}

/// What one worker did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerStats {
    /// How long it was at work; for the rest of the wall time it had nothing to do.
    pub busy: Duration,
    /// The rows (columns) it did.
    pub rows: usize,
    /// The runs of rows it was handed.
    pub runs: usize,
}

/// A run of rows that one worker did without a pause.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LongestRun {
    /// What it took.
    pub time: Duration,
    /// Its rows, from the number of the first to that of the last, that one included. Where
    /// [`row_numbers`](crate::Apply::row_numbers) are not ascending, neither need be a bound of those between; of [`columns`](crate::Apply::columns), its columns; of
    /// [`groups`](crate::Apply::groups) and [`transform`](crate::Apply::transform), its groups by their positions.
    pub rows: Range<usize>,
}

/// The group that took longest.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SlowestGroup {
    /// What it took. Where groups take a few microseconds at most, several are timed together, and this is what all of these took.
    pub time: Duration,
    /// Its position among the groups, from 0, which are in the order of their first rows.
    pub index: usize,
    /// Its keys, as Polars prints them, with a comma between; of a part of the frame, nothing.
    pub key: String,
    /// The number of its first row.
    pub first_row: usize,
    /// How many rows it has.
    pub rows: usize,
}
