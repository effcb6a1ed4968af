//! The messages of errors.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::{AnyValue, DataType};

use super::{Causes, Error, ErrorKind, Place};

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::ColumnNotFound {
                column,
                near,
                columns,
            } => {
                write!(f, "column {column:?} not found")?;
                match (near.as_slice(), columns.as_slice()) {
                    ([], []) => f.write_str("; there are no columns"),
                    ([], columns) => write!(f, " among the columns{}", parenthesised(columns)),
                    (near, _) => write!(f, "; did you mean {}?", listed(near, " or ")),
                }
            }
            ErrorKind::NoColumnAt { position, columns } => write!(
                f,
                "the row has {} and none at position {position}; positions are counted from 0",
                counted(*columns, "column"),
            ),
            ErrorKind::ArgumentCount { arguments, columns } => write!(
                f,
                "the closure takes {} and is given {}{}; choose columns with .select([…]), one for each argument",
                counted(*arguments, "argument"),
                counted(columns.len(), "column"),
                parenthesised(columns),
            ),
            ErrorKind::Dtype {
                column,
                dtype,
                argument,
                method,
                takes,
                instead,
                lossy,
            } => {
                write!(f, "column {column:?} is {}, and ", dtype_name(dtype))?;
                match argument {
                    Some(argument) => write!(f, "argument {argument} takes {takes}")?,
                    None => write!(f, "Row::{} asked for {takes}", method.unwrap_or("get"))?,
                }
                f.write_str(if *lossy {
                    ", which could lose values; "
                } else {
                    "; "
                })?;
                if let Some(instead) = instead {
                    write!(f, "take {instead}, or ")?;
                }
                f.write_str("cast the column first")?;
                if *lossy {
                    f.write_str(", or permit it with .casts(Casts::Lossy)")?;
                }
                Ok(())
            }
            ErrorKind::Null { column, row } => write!(
                f,
                "column {column:?} is null in row {row}, and Nulls::Error allows none; \
                 take Option<_>, or fill or drop the nulls first",
            ),
            ErrorKind::DuplicateName { name } => {
                write!(f, "two columns are named {name:?}; give each its own name")
            }
            ErrorKind::NameCount { names, columns } => write!(
                f,
                ".names([…]) gives {}, but the closure returns {}; give one name for each column",
                counted(*names, "name"),
                counted(*columns, "column"),
            ),
            ErrorKind::Option { option, message } => {
                let dot = if option.contains("::") { "" } else { "." };
                write!(f, "{dot}{option}(…): {message}")
            }
            ErrorKind::Closure { place, cause } => {
                prefix(place, f)?;
                write!(f, "the closure returned an error: {}", said(&Causes::of(cause), f.alternate()))
            }
            ErrorKind::Panic { place, message } => {
                prefix(place, f)?;
                write!(f, "the closure panicked: {message}")
            }
            ErrorKind::TooManyFailures { limit, last, .. } => write!(
                f,
                "there were more than the {} that .max_failures(…) allows; the next failure: {}",
                counted(*limit, "failure"),
                said(last, f.alternate()),
            ),
            ErrorKind::Cancelled {
                done,
                total,
                deadline,
                failure,
                partial,
            } => {
                match deadline {
                    Some(deadline) => write!(f, "the deadline of {deadline:?} passed")?,
                    None => f.write_str("the call was cancelled")?,
                }
                if *total > 1 {
                    write!(f, ": {done} of {total} were done")?;
                }
                if let Some(failure) = failure {
                    write!(f, ", and one failed: {}", said(failure, f.alternate()))?;
                }
                if !partial {
                    f.write_str("; keep the finished part with .on_cancel(OnCancel::Partial)")?;
                }
                Ok(())
            }
            ErrorKind::PoolClosed { terminated: false } => {
                f.write_str("the pool is closed and takes no more work; make a new pool")
            }
            ErrorKind::PoolClosed { terminated: true } => {
                f.write_str("the pool was terminated, or its last clone was dropped, so it takes no more work; make a new pool")
            }
            ErrorKind::Timeout { waited } => write!(f, "the job was not done within {waited:?}; it goes on: wait for it again, or cancel it"),
            ErrorKind::Taken => f.write_str("the job's result was already taken; a job gives its result once"),
            ErrorKind::State { cause } => {
                write!(f, "a worker's state could not be made: {}", said(&Causes::of(cause), f.alternate()))
            }
            ErrorKind::Finish { cause } => {
                write!(f, "a worker's state could not be finished: {}", said(&Causes::of(cause), f.alternate()))
            }
            ErrorKind::Value {
                place,
                column,
                message,
            }
            | ErrorKind::Stack {
                place,
                column,
                message,
            } => {
                if !self.leaves_out_row() {
                    write!(f, "{place}: ")?;
                }
                if let Some(column) = column {
                    write!(f, "column {column:?}: ")?;
                }
                f.write_str(message)
            }
            ErrorKind::Function { function, message } => {
                write!(f, "function {function:?}: {message}")
            }
            ErrorKind::Arrow {
                column,
                batch,
                message,
            } => {
                if let Some(batch) = batch {
                    write!(f, "batch {batch}: ")?;
                }
                if let Some(column) = column {
                    write!(f, "column {column:?}: ")?;
                }
                f.write_str(message)
            }
            ErrorKind::Several(faults) => {
                write!(f, "{}:", counted(faults.len(), "fault"))?;
                faults
                    .iter()
                    .enumerate()
                    .try_for_each(|(i, fault)| write!(f, "\n  {}. {}", i + 1, said(fault, f.alternate())))
            }
            ErrorKind::Polars(error) => write!(f, "{}", said(&Causes(error), f.alternate())),
            ErrorKind::Other(error) => f.write_str(&said(&Causes::of(error), f.alternate())),
        }
    }
}

/// Returns the message of an error within another, with its causes if they are asked for. The `Display` of a user's error may fail,
/// and then what it has written until then is the message; or it may panic.
pub(super) fn said(error: &impl fmt::Display, with_causes: bool) -> String {
    let written = catch_unwind(AssertUnwindSafe(|| {
        let mut text = String::new();
        let written = if with_causes {
            write!(text, "{error:#}")
        } else {
            write!(text, "{error}")
        };
        // Writing to a text cannot fail by itself.
        match written {
            Err(fmt::Error) if text.is_empty() => "the error has no message".into(),
            _ => text,
        }
    }));
    written.unwrap_or_else(|payload| {
        // Its drop may panic again.
        std::mem::forget(payload);
        "the error's message cannot be shown: its Display panicked".into()
    })
}

/// Writes where it happened; for the one closure of a job there is nothing to write.
fn prefix(place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match place {
        Place::Job => Ok(()),
        place => write!(f, "{place}: "),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Row(row) => write!(f, "row {row}"),
            Place::Column(column) => write!(f, "column {column:?}"),
            Place::Part { index, row_offset } => {
                write!(f, "part {index} (from row {row_offset})")
            }
            Place::Element { column, row } => write!(f, "row {row}, column {column:?}"),
            Place::Group { first_row, key, .. } => {
                write!(f, "group {key} (from row {first_row})")
            }
            Place::Window { row } => write!(f, "the window of row {row}"),
            Place::Item(index) => write!(f, "item {index}"),
            Place::Job => f.write_str("job"),
        }
    }
}

/// Returns a value as Polars prints it; a date or time that Polars cannot print, since it is beyond its calendar, is shown by its
/// number.
pub(crate) fn value_shown(value: &AnyValue<'_>) -> String {
    // This is checked first: else Polars panics, and the panic's message is printed although nothing is wrong in the call.
    if let Some(number) = beyond_the_calendar(value) {
        return number;
    }
    let shown = catch_unwind(AssertUnwindSafe(|| value.to_string()));
    shown.unwrap_or_else(|_| format!("a {} that cannot be printed", dtype_name(&value.dtype())))
}

/// Returns the text of a date or time that is beyond the calendar: its number.
fn beyond_the_calendar(value: &AnyValue<'_>) -> Option<String> {
    #[cfg(feature = "dtype-date")]
    if let AnyValue::Date(days) = value {
        let date = chrono::DateTime::from_timestamp(i64::from(*days) * 86_400, 0);
        return date
            .is_none()
            .then(|| format!("{days} days after 1970-01-01"));
    }
    #[cfg(feature = "dtype-datetime")]
    if let AnyValue::Datetime(time, unit, _) | AnyValue::DatetimeOwned(time, unit, _) = value {
        use polars::prelude::TimeUnit;
        let date = match unit {
            TimeUnit::Milliseconds => chrono::DateTime::from_timestamp_millis(*time),
            TimeUnit::Microseconds => chrono::DateTime::from_timestamp_micros(*time),
            TimeUnit::Nanoseconds => return None,
        };
        return date
            .is_none()
            .then(|| format!("{time} {unit} after 1970-01-01"));
    }
    let _ = value;
    None
}

/// Returns a dtype's name as one writes it in Rust.
pub(crate) fn dtype_name(dtype: &DataType) -> String {
    match dtype {
        DataType::Int8 => "Int8".into(),
        DataType::Int16 => "Int16".into(),
        DataType::Int32 => "Int32".into(),
        DataType::Int64 => "Int64".into(),
        DataType::Int128 => "Int128".into(),
        DataType::UInt8 => "UInt8".into(),
        DataType::UInt16 => "UInt16".into(),
        DataType::UInt32 => "UInt32".into(),
        DataType::UInt64 => "UInt64".into(),
        DataType::UInt128 => "UInt128".into(),
        DataType::Float32 => "Float32".into(),
        DataType::Float64 => "Float64".into(),
        DataType::Boolean => "Boolean".into(),
        DataType::String => "String".into(),
        DataType::Binary => "Binary".into(),
        DataType::Date => "Date".into(),
        DataType::Time => "Time".into(),
        DataType::Null => "Null".into(),
        DataType::List(inner) => format!("List({})", dtype_name(inner)),
        #[cfg(feature = "dtype-array")]
        DataType::Array(inner, width) => format!("Array({}, {width})", dtype_name(inner)),
        other => format!("{other:?}"),
    }
}

pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn listed(names: &[String], last: &str) -> String {
    let mut text = String::new();
    for (i, name) in names.iter().enumerate() {
        if i > 0 {
            text += if i + 1 == names.len() { last } else { ", " };
        }
        text += &format!("{name:?}");
    }
    text
}

/// Returns the names in parentheses, of many only the first ones.
fn parenthesised(names: &[String]) -> String {
    const SHOWN: usize = 12;
    match names.len() {
        0 => String::new(),
        n if n <= SHOWN => format!(" ({})", listed(names, ", ")),
        n => format!(
            " ({}, and {} more)",
            listed(&names[..SHOWN], ", "),
            n - SHOWN
        ),
    }
}
