//! The verbs, which put the stages together.

mod call;
mod chunks;
mod columns;
mod follows;
mod report;
mod results;
mod rows;
mod stride;

use polars::prelude::{Column, PlSmallStr};

pub(crate) use call::{Verb, call};
pub(crate) use chunks::chunks;
pub(crate) use columns::columns;
pub(crate) use report::{Gaps, Items};
pub(crate) use rows::rows;

use crate::error::{Error, ErrorKind, Place};
use crate::options::Options;
use crate::run::{Cause, Failure};
use crate::write::Unwritten;

/// Checks the names that are given against how many columns come out, where that is known.
fn check_names(options: &Options<'_>, width: Option<usize>, faults: &mut Vec<Error>) {
    let Some(names) = &options.call.names else {
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
