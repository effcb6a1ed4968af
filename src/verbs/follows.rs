//! Which verb follows which option: the one table, by which the rest is refused before the closure is called.

use crate::error::{Error, ErrorKind};
use crate::options::{Casts, Nulls, OnCancel, OnError, Options};

/// What a call is, as far as it decides which options it follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) verb: Kind,
    /// Whether the closure sees nulls itself: it takes `Row`, `&Column` or a part.
    pub(crate) sees_nulls: bool,
    /// Whether each result is a whole frame or column, and not cells.
    pub(crate) is_whole: bool,
    pub(crate) is_seeded: bool,
    /// Whether a query makes the call, which has its own ways to report failures.
    pub(crate) in_query: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rows,
    FilterRows,
    WithColumns,
    /// Any number of rows for each: `flat_map_rows` and `emit_rows`.
    ManyRows,
    Columns,
    Chunks,
    FoldRows,
    Elements,
}

impl Shape {
    pub(super) fn is_of_parts(self) -> bool {
        self.verb == Kind::Chunks
    }

    fn is_of_rows(self) -> bool {
        matches!(
            self.verb,
            Kind::Rows | Kind::FilterRows | Kind::WithColumns | Kind::ManyRows | Kind::FoldRows
        )
    }
}

/// An option, when it is given, which calls cannot follow it, and what to do instead.
struct Rule {
    option: &'static str,
    is_given: fn(&Options<'_>) -> bool,
    is_for: fn(Shape) -> bool,
    instead: &'static str,
}

/// One line for each option that some call cannot follow. What is not here is followed by every verb.
const RULES: &[Rule] = &[
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.verb == Kind::FilterRows,
        instead: "the output of .filter_rows(…) has the frame's columns, by their own names; rename them before or after it",
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.verb == Kind::FilterRows,
        instead: "the closure of .filter_rows(…) says which rows are kept, and the frame's columns keep their dtypes; cast \
                  them before or after it",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.is_of_rows() && call.sees_nulls,
        instead: "a closure that takes Row is called for every row, nulls included; take typed arguments, or ask for a \
                  plain type by row.get, which is an error where the value is null",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.verb == Kind::Columns && call.sees_nulls,
        instead: "a closure that takes &Column is given the column with its nulls; take Values<'_, T>, or look at \
                  column.null_count()",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.verb == Kind::Chunks,
        instead: "a closure of parts is given frames with their nulls; look at their null counts, or call .rows(…)",
    },
    Rule {
        option: "casts",
        is_given: |options| options.casts() == Casts::Lossy,
        is_for: |call| call.sees_nulls && call.is_whole,
        instead: "the closure takes whole columns or frames and returns such, so nothing is converted; cast within it",
    },
    Rule {
        option: "overlap",
        is_given: |options| options.overlap().is_some(),
        is_for: |call| !call.is_of_parts(),
        instead: "only parts have neighbours whose rows they can be given; leave it out, or call .chunks(…)",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Null,
        is_for: |call| call.is_whole,
        instead: "OnError::Null needs a closure that returns cells, and this one returns a whole frame or column; give \
                  OnError::Skip or OnError::Collect",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Null,
        is_for: |call| call.verb == Kind::ManyRows,
        instead: "a row of the input gives any number of rows, and one that fails gives none: there is no row that could be \
                  null; give OnError::Skip or OnError::Collect",
    },
    Rule {
        option: "keep",
        is_given: |options| options.call.keep.is_some(),
        is_for: |call| call.verb != Kind::ManyRows,
        instead: "it is for verbs that give any number of rows for each of the input's, .flat_map_rows(f) and \
                  .emit_rows(f); here, put the output beside the columns of the frame",
    },
    Rule {
        option: "source_rows",
        is_given: |options| options.call.source_rows.is_some(),
        is_for: |call| call.verb != Kind::ManyRows,
        instead: "it is for verbs that give any number of rows for each of the input's, .flat_map_rows(f) and \
                  .emit_rows(f); here, the outcome's kept_rows() are the numbers",
    },
    Rule {
        option: "on_error",
        is_given: |options| {
            matches!(options.on_error(), OnError::Null | OnError::Collect) && !options.told
        },
        is_for: |call| !call.in_query && call.verb != Kind::FoldRows,
        instead: NO_OUTCOME,
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Skip && !options.told,
        is_for: |call| !call.in_query && !matches!(call.verb, Kind::FoldRows | Kind::Elements),
        instead: NO_OUTCOME,
    },
    Rule {
        option: "on_cancel",
        is_given: |options| options.on_cancel() == OnCancel::Partial && !options.told,
        is_for: |call| !call.in_query && !matches!(call.verb, Kind::FoldRows | Kind::Elements),
        instead: "the finished part lacks rows, which only an outcome reports; add .outcome() to the call",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() != OnError::Fail,
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a row that fails leaves the accumulator half changed, so no fold goes on after it; let the closure count \
                  what it cannot use",
    },
    Rule {
        option: "retry",
        is_given: |options| options.retry.is_some(),
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a row that fails leaves the accumulator half changed, so it is not tried again; call .rows(…) for what may \
                  fail, and fold what comes of it",
    },
    Rule {
        option: "on_cancel",
        is_given: |options| options.on_cancel() == OnCancel::Partial,
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "of a fold that was cancelled nothing says which rows are in it; leave it out",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Skip,
        is_for: |call| call.verb == Kind::Elements,
        instead: "without the values that fail, the columns would differ in height; give OnError::Null or OnError::Collect",
    },
    Rule {
        option: "on_cancel",
        is_given: |options| options.on_cancel() == OnCancel::Partial,
        is_for: |call| call.verb == Kind::Elements,
        instead: "when it is cancelled, each column may have come to another row, and no rows are done in all of them; leave \
                  it out",
    },
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a fold gives no columns; leave it out",
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a fold gives no columns; leave it out",
    },
    Rule {
        option: "casts",
        is_given: |options| options.casts() == Casts::Lossy,
        is_for: |call| call.verb == Kind::FoldRows && call.sees_nulls,
        instead: "a closure that takes Row is given the values as they are, so nothing is converted; take typed arguments",
    },
];

const NO_OUTCOME: &str =
    "the policy lets failures pass, which only an outcome reports; add .outcome() to the call";

/// Notes the options that the call cannot follow.
pub(super) fn refuse(options: &Options<'_>, call: Shape, faults: &mut Vec<Error>) {
    let unfit = RULES.iter();
    let unfit = unfit.filter(|rule| (rule.is_given)(options) && (rule.is_for)(call));
    faults.extend(unfit.map(|rule| refused(rule.option, rule.instead)));
}

/// A part's random stream follows from the cut.
pub(super) fn no_cut() -> Error {
    refused(
        "seed",
        "a part's stream is that of its first row, and by default there is a part for each worker; give .partitions(n) or \
         .chunk_rows(n), so that the answer is the same on any machine",
    )
}

/// A fold has an accumulator for each block of rows, whoever runs it.
pub(super) fn no_state() -> Error {
    refused(
        "state",
        "the closure of a fold has its accumulator in the place of a state; put what it needs into that, or capture it",
    )
}

fn refused(option: &'static str, message: &str) -> Error {
    let message = message.to_owned();
    ErrorKind::Option { option, message }.into()
}
