//! The verbs, which put the stages together.

mod chunks;
mod columns;
mod rows;

use polars::prelude::PlSmallStr;

pub(crate) use chunks::chunks;
pub(crate) use columns::columns;
pub(crate) use rows::rows;

use crate::error::{Error, ErrorKind, Place};
use crate::options::Options;
use crate::run::Failure;
use crate::write::Unwritten;

/// Checks names that are given for so many columns (none: not known yet) and the names in force.
fn check_names(
    options: &Options,
    default: Option<Vec<PlSmallStr>>,
    faults: &mut Vec<Error>,
) -> Option<Vec<PlSmallStr>> {
    if let (Some(names), Some(default)) = (&options.names, &default)
        && names.len() != default.len()
    {
        faults.push(
            ErrorKind::NameCount {
                names: names.len(),
                columns: default.len(),
            }
            .into(),
        );
    }
    let names = options.names.clone().or(default);
    for (position, name) in names.iter().flatten().enumerate() {
        if names
            .iter()
            .flatten()
            .take(position)
            .any(|earlier| earlier == name)
        {
            faults.push(
                ErrorKind::DuplicateName {
                    name: name.to_string(),
                }
                .into(),
            );
        }
    }
    names
}

/// A result that is not written, as a failure of the run.
fn unwritten(unwritten: Unwritten) -> Failure {
    match unwritten {
        Unwritten::Closure(error) => Failure::Closure(error),
        Unwritten::Value(refused) => Failure::Write(refused),
    }
}

/// A failure where a row, column or part is all there is to say of it.
fn failed(failure: Failure, place: Place) -> Error {
    match failure {
        Failure::Closure(cause) => ErrorKind::Closure { place, cause },
        Failure::Panic(message) => ErrorKind::Panic { place, message },
        Failure::Read(fault) => value(place, None, fault.message.unwrap_or_default()),
        Failure::Write(refused) => value(place, None, refused.message),
    }
    .into()
}

fn value(place: Place, column: Option<String>, message: String) -> ErrorKind {
    let (row, column) = match place {
        Place::Row(row) => (Some(row), column),
        Place::Column(name) => (None, Some(name)),
        Place::Part { row_offset, .. } => (Some(row_offset), column),
    };
    ErrorKind::Value {
        row,
        column,
        message,
    }
}
