//! The result of a run for its caller: the error that ended it, or the failures that the policy allowed and the statistics.

use std::borrow::Cow;
use std::ops::Range;

use polars::prelude::{
    Column, DataFrame, IdxCa, IdxSize, IntoColumn, NewChunkedArray, PlSmallStr, StringChunked,
};

use super::failed;
use crate::cancel::Why;
use crate::error::{Causes, Error, ErrorKind, Place, Result};
use crate::options::{OnCancel, OnError, Options};
use crate::outcome::{ItemKind, Outcome, Stats};
use crate::read::Fault;
use crate::row_numbers::RowNumbers;
use crate::run::{Broken, Ended, Failure, Record, Recorder, say};
use crate::write::Refused;

/// The facts that a verb knows about its items: rows, columns, parts, or the items of a pool's verbs.
pub(crate) trait Items: Sync {
    /// Returns the number of items.
    fn len(&self) -> usize;

    /// Returns the place of an item.
    fn place(&self, item: usize) -> Place;

    /// Returns the name of the input column of an argument.
    fn input(&self, item: usize, argument: usize) -> Option<String>;

    /// Returns the name of the output column at a position.
    fn output(&self, column: usize) -> Option<String>;

    /// Returns the columns that identify these items; they stand before the errors.
    fn which(&self, items: &[usize]) -> Vec<Column>;

    /// Returns the columns with what the closure was given; they stand after the errors.
    fn given(&self, items: &[usize]) -> Result<Vec<Column>>;

    /// Returns the positions of the input rows that are missing in the output if these neighbouring items are missing.
    fn rows_of(&self, items: Range<usize>) -> Range<usize>;

    /// Does the same for items that need not be neighbours; the result is ascending.
    fn rows_in(&self, items: &[Range<usize>]) -> Vec<Range<usize>> {
        items
            .iter()
            .map(|items| self.rows_of(items.clone()))
            .collect()
    }

    /// Returns the positions of the input rows that belong to no item and are not in the output, ascending.
    fn left_out(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// Returns what progress counts when these neighbouring items are done: rows, or columns.
    fn done_of(&self, items: Range<usize>) -> Range<usize> {
        self.rows_of(items)
    }

    /// Returns the same as numbers of rows, from that of the first to that of the last.
    fn numbers_of(&self, items: Range<usize>) -> Range<usize> {
        self.numbers().span(self.done_of(items))
    }

    /// Returns the numbers of the input rows.
    fn numbers(&self) -> &RowNumbers;

    /// Returns the number of input rows.
    fn rows(&self) -> usize;

    /// Returns the total that progress counts to: rows, or columns.
    fn total(&self) -> usize {
        self.rows()
    }

    /// Returns what progress and the statistics count.
    fn counted(&self) -> ItemKind {
        ItemKind::Rows
    }

    /// Whether a cancelled run has a finished part to return.
    fn has_parts(&self) -> bool {
        true
    }
}

/// The items that have no result.
pub(crate) struct Gaps {
    /// The items whose results are not in the output, ascending.
    pub(super) dropped: Vec<Range<usize>>,
    /// The items for which the run has written nothing, since it was cancelled.
    pub(super) unwritten: Vec<Range<usize>>,
}

/// The contents of an [`Outcome`] beside the output.
pub(super) struct Told {
    failures: DataFrame,
    pub(super) stats: Stats,
    dropped: Vec<Range<usize>>,
    undone: Vec<Range<usize>>,
    numbers: RowNumbers,
    rows: usize,
}

impl Told {
    pub(super) fn with<T>(self, output: T) -> Outcome<T> {
        Outcome {
            output,
            failures: self.failures,
            stats: self.stats,
            dropped: self.dropped,
            filtered: None,
            undone: self.undone,
            numbers: self.numbers,
            rows: self.rows,
        }
    }
}

/// Makes an error or a report of how a run has ended. Results that are `whole` cannot be null, so an item without a result is
/// dropped.
pub(super) fn report(
    ended: Result<Ended, Broken>,
    recorder: &Recorder,
    options: &Options<'_>,
    items: &dyn Items,
    whole: bool,
) -> Result<(Gaps, Told)> {
    let records = match &ended {
        Ok(ended) => &ended.failures[..],
        Err(
            Broken::Failed(records)
            | Broken::Cancelled {
                failures: records, ..
            },
        ) => records,
        Err(Broken::Fatal(_)) => &[],
    };
    recorder.failed(records.iter().map(|record| text(record, items)));
    let Ended {
        failures,
        undone,
        stats,
    } = match ended {
        Ok(ended) => ended,
        Err(broken) => return Err(error(broken, options, items)),
    };
    let mut dropped = undone.clone();
    if whole || options.on_error() == OnError::Skip {
        dropped.extend(failures.iter().map(|record| record.item..record.item + 1));
        dropped.sort_unstable_by_key(|items| items.start);
    }
    // They are needed only if an outcome is returned.
    let mut dropped_rows = match options.told {
        true => items.left_out(),
        false => Vec::new(),
    };
    dropped_rows.extend(items.rows_in(&dropped));
    dropped_rows.sort_unstable_by_key(|rows| rows.start);
    let told = Told {
        failures: if options.told {
            frame(&failures, items)?
        } else {
            DataFrame::empty()
        },
        stats,
        dropped: dropped_rows,
        undone: items.rows_in(&undone),
        // The numbers are needed only if an outcome is returned.
        numbers: match options.told {
            true => items.numbers().clone(),
            false => RowNumbers::default(),
        },
        rows: items.rows(),
    };
    let gaps = Gaps {
        dropped,
        unwritten: undone,
    };
    Ok((gaps, told))
}

fn error(broken: Broken, options: &Options<'_>, items: &dyn Items) -> Error {
    match broken {
        Broken::Fatal(error) => error,
        Broken::Cancelled {
            done,
            why,
            mut failures,
        } => ErrorKind::Cancelled {
            done,
            total: items.total(),
            deadline: options.call.deadline.filter(|_| why == Why::Deadline),
            failure: failures
                .pop()
                .map(|record| Box::new(of_item(record, items))),
            partial: options.on_cancel() == OnCancel::Partial || !items.has_parts(),
        }
        .into(),
        Broken::Failed(mut records) => {
            let failures = match options.on_error() {
                OnError::Fail => None,
                _ => Some(frame(&records, items)),
            };
            let record = records.pop().expect("a run fails by a failure");
            let last = of_item(record, items);
            match failures {
                None => last,
                Some(Err(error)) => error,
                Some(Ok(failures)) => ErrorKind::TooManyFailures {
                    limit: records.len(),
                    failures,
                    last: Box::new(last),
                }
                .into(),
            }
        }
    }
}

/// Makes an error of a failure.
fn of_item(record: Record, items: &dyn Items) -> Error {
    let item = record.item;
    failed(
        record.failure,
        items.place(item),
        |argument| items.input(item, argument),
        |column| items.output(column),
    )
}

/// Makes a frame with one row for each failure.
fn frame(records: &[Record], items: &dyn Items) -> Result<DataFrame> {
    let which: Vec<usize> = records.iter().map(|record| record.item).collect();
    let errors: Vec<Cow<'_, str>> = records.iter().map(|record| text(record, items)).collect();
    let panics = records.iter().map(|record| {
        // A panic has this kind, whichever closure panicked.
        matches!(record.failure, Failure::Panic(_))
    });
    let attempts = records.iter().map(|record| record.attempts);
    let mut columns = items.which(&which);
    let errors = StringChunked::from_iter_values("error".into(), errors.iter());
    columns.push(errors.into_column());
    columns.push(Column::new("panic".into(), panics.collect::<Vec<_>>()));
    columns.push(Column::new("attempts".into(), attempts.collect::<Vec<_>>()));
    for given in items.given(&which)? {
        columns.push(apart(given, &columns));
    }
    Ok(DataFrame::new(records.len(), columns)?)
}

/// Puts a column of the input beside others, under another name if one of them has its name.
pub(super) fn apart(mut given: Column, others: &[Column]) -> Column {
    let mut name = given.name().clone();
    while others.iter().any(|column| *column.name() == name) {
        name = PlSmallStr::from(format!("{name}_input"));
    }
    given.rename(name);
    given
}

/// Returns the message of a failure.
fn text<'r>(record: &'r Record, items: &dyn Items) -> Cow<'r, str> {
    let item = record.item;
    match &record.failure {
        Failure::Closure(cause) => say(|| format!("{:#}", Causes::of(cause.get()))).into(),
        Failure::Panic(message) => message.into(),
        Failure::Said(message) => message.as_str().into(),
        Failure::Read(Fault { argument, message }) => of_column(
            items.input(item, *argument),
            message.as_deref().unwrap_or_default(),
        )
        .into(),
        Failure::Write(Refused { column, message }) => {
            of_column(items.output(*column), message).into()
        }
        Failure::Known(error) => say(|| format!("{error:#}")).into(),
    }
}

fn of_column(column: Option<String>, message: &str) -> String {
    match column {
        Some(column) => format!("column {column:?}: {message}"),
        None => message.to_string(),
    }
}

/// Returns these rows of the columns.
pub(super) fn gather(columns: &[&Column], rows: &[usize]) -> Result<Vec<Column>> {
    let rows: Vec<IdxSize> = rows.iter().map(|row| *row as IdxSize).collect();
    // This goes column by column, since Polars would wake its pool for a frame.
    columns
        .iter()
        .map(|column| at_rows(column, &rows))
        .collect()
}

/// Returns these rows of a column.
pub(super) fn at_rows(column: &Column, rows: &[IdxSize]) -> Result<Column> {
    if rows.is_empty() {
        // Polars panics when it has to gather no rows of an Array column.
        return Ok(column.clear());
    }
    let rows = IdxCa::from_slice(PlSmallStr::EMPTY, rows);
    Ok(column.take(&rows)?)
}
