//! The verbs, which put the stages together.

mod chunks;
mod columns;
mod items;
mod report;
mod rows;
mod stride;

use polars::prelude::{Column, PlSmallStr};

pub(crate) use chunks::chunks;
pub(crate) use columns::columns;
pub(crate) use rows::rows;

use crate::error::{Error, ErrorKind, Place};
use crate::options::{OnError, Options};
use crate::run::{Cause, Failure};
use crate::write::Unwritten;

/// Checks the names that are given against how many columns come out, where that is known.
fn check_names(options: &Options<'_>, width: Option<usize>, faults: &mut Vec<Error>) {
    let Some(names) = &options.names else {
        return;
    };
    if let Some(columns) = width
        && names.len() != columns
    {
        faults.push(
            ErrorKind::NameCount {
                names: names.len(),
                columns,
            }
            .into(),
        );
    }
    check_duplicates(names, faults);
}

/// No two output columns may have the same name; each such name is told once.
pub(crate) fn check_duplicates(names: &[PlSmallStr], faults: &mut Vec<Error>) {
    for (position, name) in names.iter().enumerate() {
        let same = |other: &&PlSmallStr| *other == name;
        if names[..position].iter().filter(same).count() == 1 {
            let name = name.to_string();
            faults.push(ErrorKind::DuplicateName { name }.into());
        }
    }
}

/// A whole result of a part or a column cannot be null.
fn refuse_null(options: &Options<'_>, item: &str, faults: &mut Vec<Error>) {
    if options.on_error == OnError::Null {
        let message = format!(
            "OnError::Null needs a closure that returns cells, and this one returns a whole frame or column for each \
             {item}; give OnError::Skip or OnError::Collect"
        );
        faults.push(
            ErrorKind::Option {
                option: "on_error",
                message,
            }
            .into(),
        );
    }
}

fn names_of(columns: &[&Column]) -> Vec<PlSmallStr> {
    columns.iter().map(|column| column.name().clone()).collect()
}

/// A result that is not written, as a failure of the run.
fn unwritten(unwritten: Unwritten) -> Failure {
    match unwritten {
        Unwritten::Closure(error) => Failure::Closure(Cause::new(error)),
        Unwritten::Value(refused) => Failure::Write(refused),
    }
}

/// A failure as the call's error: where it struck, and the input and output columns that it may name by position.
pub(crate) fn failed(
    failure: Failure,
    place: Place,
    input: impl Fn(usize) -> Option<String>,
    output: impl Fn(usize) -> Option<String>,
) -> Error {
    match failure {
        Failure::Known(error) => return error,
        Failure::Closure(cause) => ErrorKind::Closure {
            place,
            cause: cause.into_inner(),
        },
        Failure::Said(message) => ErrorKind::Closure {
            place,
            cause: anyhow::Error::msg(message),
        },
        Failure::Panic(message) => ErrorKind::Panic { place, message },
        Failure::Read(fault) => ErrorKind::Value {
            place,
            column: input(fault.argument),
            message: fault.message.unwrap_or_default(),
        },
        Failure::Write(refused) => ErrorKind::Value {
            place,
            column: output(refused.column),
            message: refused.message,
        },
    }
    .into()
}
