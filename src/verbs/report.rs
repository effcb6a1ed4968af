//! What a run gives its caller: the error that ended it, or the failures that it let pass and what happened.

use std::borrow::Cow;
use std::ops::Range;

use polars::prelude::{
    Column, DataFrame, IdxCa, IdxSize, IntoColumn, NewChunkedArray, PlSmallStr, StringChunked,
};

use super::failed;
use crate::cancel::Why;
use crate::error::{Causes, Error, ErrorKind, Place, Result};
use crate::options::{OnCancel, OnError, Options};
use crate::outcome::{Outcome, Stats};
use crate::read::Fault;
use crate::row_numbers::RowNumbers;
use crate::run::{Broken, Ended, Failure, Record, say};
use crate::write::Refused;

/// What a verb knows of its items: rows, columns, parts, or what a pool's verbs are given.
pub(crate) trait Items: Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Where an item lies.
    fn place(&self, item: usize) -> Place;

    /// The input column of an argument.
    fn input(&self, item: usize, argument: usize) -> Option<String>;

    /// The output column of a position.
    fn output(&self, column: usize) -> Option<String>;

    /// The columns that say which items these are, to stand before the errors.
    fn which(&self, items: &[usize]) -> Vec<Column>;

    /// The columns that say what the closure was given, to stand after the errors.
    fn given(&self, items: &[usize]) -> Result<Vec<Column>>;

    /// The positions of the input rows that are not in the output where neighbouring items are not.
    fn rows_of(&self, items: Range<usize>) -> Range<usize>;

    /// The same of items that need not be neighbours, ascending.
    fn rows_in(&self, items: &[Range<usize>]) -> Vec<Range<usize>> {
        items
            .iter()
            .map(|items| self.rows_of(items.clone()))
            .collect()
    }

    /// The positions of the input rows that no item stands for, and that are not in the output, ascending.
    fn left_out(&self) -> Vec<Range<usize>> {
        Vec::new()
    }

    /// What progress counts when neighbouring items are done: rows, or columns.
    fn done_of(&self, items: Range<usize>) -> Range<usize> {
        self.rows_of(items)
    }

    /// The same by the rows' numbers, from the first one's to the last one's.
    fn numbers_of(&self, items: Range<usize>) -> Range<usize> {
        self.numbers().span(self.done_of(items))
    }

    /// The numbers of the input rows.
    fn numbers(&self) -> &RowNumbers;

    /// How many input rows there are.
    fn rows(&self) -> usize;

    /// What progress is counted to: rows, or columns.
    fn total(&self) -> usize {
        self.rows()
    }

    /// Whether they are columns, of which one that is not done leaves no row out.
    fn are_columns(&self) -> bool {
        false
    }

    /// Whether a cancelled run has a finished part to give.
    fn has_parts(&self) -> bool {
        true
    }
}

/// The items of which there is no result.
pub(crate) struct Gaps {
    /// Those whose results are not in the output, ascending.
    pub(super) dropped: Vec<Range<usize>>,
    /// Those of which the run has written nothing, for it was cancelled.
    pub(super) unwritten: Vec<Range<usize>>,
}

/// What an [`Outcome`] has beside the output.
pub(super) struct Told {
    failures: DataFrame,
    pub(super) stats: Stats,
    dropped: Vec<Range<usize>>,
    undone: Vec<Range<usize>>,
    numbers: RowNumbers,
    rows: usize,
    is_of_columns: bool,
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
            is_of_columns: self.is_of_columns,
        }
    }
}

/// Makes an error, or a report, of what has become of a run. Results that are `whole` cannot be null: they are dropped
/// where there is none.
pub(super) fn report(
    ended: Result<Ended, Broken>,
    options: &Options<'_>,
    items: &dyn Items,
    whole: bool,
) -> Result<(Gaps, Told)> {
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
    // Only an outcome is asked for them later.
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
        // Only an outcome is asked for numbers later.
        numbers: match options.told {
            true => items.numbers().clone(),
            false => RowNumbers::default(),
        },
        rows: items.rows(),
        is_of_columns: items.are_columns(),
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

/// A failure as an error.
fn of_item(record: Record, items: &dyn Items) -> Error {
    let item = record.item;
    failed(
        record.failure,
        items.place(item),
        |argument| items.input(item, argument),
        |column| items.output(column),
    )
}

/// One row for each failure.
fn frame(records: &[Record], items: &dyn Items) -> Result<DataFrame> {
    let which: Vec<usize> = records.iter().map(|record| record.item).collect();
    let errors: Vec<Cow<'_, str>> = records.iter().map(|record| text(record, items)).collect();
    let panics = records.iter().map(|record| {
        // A panic is a panic, whoever was called.
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

/// A column of the input beside others, under another name where one of them has its own.
pub(super) fn apart(mut given: Column, others: &[Column]) -> Column {
    let mut name = given.name().clone();
    while others.iter().any(|column| *column.name() == name) {
        name = PlSmallStr::from(format!("{name}_input"));
    }
    given.rename(name);
    given
}

/// What a failure says.
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

/// Rows of columns.
pub(super) fn gather(columns: &[&Column], rows: &[usize]) -> Result<Vec<Column>> {
    let rows: Vec<IdxSize> = rows.iter().map(|row| *row as IdxSize).collect();
    // Column by column: for a frame, Polars would wake its pool.
    columns
        .iter()
        .map(|column| at_rows(column, &rows))
        .collect()
}

/// Rows of a column.
pub(super) fn at_rows(column: &Column, rows: &[IdxSize]) -> Result<Column> {
    if rows.is_empty() {
        // Polars panics where it is to gather no rows of an Array column.
        return Ok(column.clear());
    }
    let rows = IdxCa::from_slice(PlSmallStr::EMPTY, rows);
    Ok(column.take(&rows)?)
}
