//! The verbs, which put the stages together.

mod arguments;
mod by_group;
mod call;
mod chunks;
mod columns;
mod elements;
mod filter_rows;
mod fold_rows;
mod follows;
mod groups;
mod many;
mod prepared;
mod report;
mod results;
mod rows;
mod spans;
mod stride;
mod transform;
mod windows;
mod with_columns;

use polars::prelude::{Column, DataType, PlSmallStr};

pub(crate) use call::{Verb, call};
#[cfg(feature = "lazy")]
pub(crate) use chunks::promised;
pub(crate) use chunks::{chunks, chunks_schema};
pub(crate) use columns::columns;
pub(crate) use elements::elements;
pub(crate) use filter_rows::filter_rows;
pub use fold_rows::FoldLead;
pub(crate) use fold_rows::{Fold, fold_rows};
#[cfg(feature = "lazy")]
pub(crate) use follows::{GivenOptions, Kind, OfQuery, Over, Rule, Shape, unfit};
pub(crate) use groups::groups;
pub(crate) use many::{emit_rows, flat_map_rows};
pub(crate) use report::{Gaps, Items};
pub(crate) use rows::rows;
pub(crate) use transform::transform;
pub(crate) use windows::windows;
pub(crate) use with_columns::with_columns;

use crate::error::{Error, ErrorKind, Failure, Place, counted};
use crate::options::Options;
use crate::write::Misfit;

/// Checks the number of given names against the number of output columns, where that is known.
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

/// Returns the dtypes that results are encoded for: those that [`returns`](crate::Apply::returns) gives, unless the results
/// have them already. `fit` says whether they have, and which columns cannot have them. The option is for cells only, and not
/// for results that are `whole`.
fn check_returns<'o>(
    options: &'o Options<'_>,
    whole: bool,
    width: usize,
    own_names: &[PlSmallStr],
    fit: fn(&[DataType], &mut Vec<Misfit>) -> bool,
    faults: &mut Vec<Error>,
) -> Option<&'o [DataType]> {
    let mut refuse = |message: String| {
        let option = "returns";
        faults.push(ErrorKind::Option { option, message }.into());
    };
    let names = options.call.names.as_deref().unwrap_or(own_names);
    let of_column = |column: usize, why: String| match names.get(column) {
        Some(name) => format!("column {:?}: {why}", name.as_str()),
        None => format!("column {column}: {why}"),
    };
    let mut misfits = Vec::new();
    let Some(dtypes) = options.call.returns.as_deref() else {
        fit(&[], &mut misfits);
        let unsaid = misfits.into_iter();
        unsaid.for_each(|(column, why)| refuse(of_column(column, why)));
        return None;
    };
    if whole {
        refuse(
            "it is for closures that return cells, and this one returns a whole frame, column or series; cast the result \
             within the closure"
                .into(),
        );
        return None;
    }
    if dtypes.len() != width {
        refuse(format!(
            "it gives {} for {}; give one for each",
            counted(dtypes.len(), "dtype"),
            counted(width, "output column")
        ));
        return None;
    }
    let has_own = fit(dtypes, &mut misfits);
    for (column, why) in misfits {
        refuse(of_column(column, why));
    }
    (!has_own).then_some(dtypes)
}

/// Notes a fault for each name that several output columns have, once for each such name.
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

/// Makes the call's error of a failure: its place, and the input and output columns that it may name by their positions.
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
