//! Which verb follows which option, over a frame and in a query: the one table, by which the rest is refused before the
//! closure is called.

use std::ops::Deref;

use crate::error::{Error, ErrorKind};
use crate::options::{Casts, Nulls, OnCancel, OnError, Options};
use crate::read::Given;

/// What a call is, as far as it decides which options it follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) verb: Kind,
    pub(crate) over: Over,
    /// Whether the closure sees nulls itself: it takes `Row`, `&Column` or a part.
    pub(crate) sees_nulls: bool,
    /// Whether each result is a whole frame or column, and not cells.
    pub(crate) is_whole: bool,
    pub(crate) is_seeded: bool,
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
    Groups,
    Transform,
    /// `transform` of parts of the frame, and not of groups.
    TransformParts,
    Windows,
}

/// What a call is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "lazy"),
    expect(dead_code, reason = "queries alone make calls over the others")
)]
pub(crate) enum Over {
    Frame,
    /// A `LazyFrame`, whose columns are there beside the results, or whose place they take.
    LazyFrame,
    /// Whatever columns an expression has, wherever it stands in a query.
    Expression,
    /// What streams out of a query, batch by batch.
    Stream,
    /// One batch of one of these three, whose options were checked before. Queries have their own ways to report failures.
    Batch,
}

impl Over {
    /// That of a call over these columns: a batch, where the query has numbered its rows.
    pub(super) fn of(given: Given<'_>) -> Self {
        match given.numbers {
            None => Over::Frame,
            Some(_) => Over::Batch,
        }
    }
}

impl Shape {
    /// That of a call in a query. What its closure takes and returns is looked at by the calls over the batches, of which the
    /// first is made when the query is planned, over no rows.
    #[cfg(feature = "lazy")]
    pub(crate) fn in_query(verb: Kind, over: Over) -> Self {
        Shape {
            verb,
            over,
            sees_nulls: false,
            is_whole: false,
            is_seeded: false,
        }
    }

    /// Whether it is a query's call over all of its batches.
    fn is_lazy(self) -> bool {
        matches!(self.over, Over::LazyFrame | Over::Expression | Over::Stream)
    }

    pub(super) fn is_of_parts(self) -> bool {
        self.verb == Kind::Chunks
    }

    /// Whether what is drawn at random depends on how the rows are cut.
    pub(super) fn draws_by_part(self) -> bool {
        matches!(self.verb, Kind::Chunks | Kind::TransformParts)
    }

    /// Whether the verb looks at keys.
    fn has_keys(self) -> bool {
        matches!(self.verb, Kind::Groups | Kind::Transform | Kind::Windows)
    }

    /// Whether the closure is given several rows at once, by the types of its arguments.
    fn is_of_spans(self) -> bool {
        self.has_keys() || self.verb == Kind::TransformParts
    }

    fn is_of_rows(self) -> bool {
        matches!(
            self.verb,
            Kind::Rows | Kind::FilterRows | Kind::WithColumns | Kind::ManyRows | Kind::FoldRows
        )
    }
}

/// The options that a call is given: those that every call can have, and which of those that only a call in a query can have.
#[derive(Clone, Copy)]
pub(crate) struct GivenOptions<'o> {
    pub(crate) options: &'o Options<'o>,
    pub(crate) of_query: OfQuery,
}

/// Which options are given that only a call in a query can have. All that do not appear here are followed by every such call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OfQuery {
    pub(crate) plan_name: bool,
    pub(crate) numbered: bool,
    pub(crate) failures: bool,
    pub(crate) row_wise: bool,
}

impl<'o> Deref for GivenOptions<'o> {
    type Target = Options<'o>;

    fn deref(&self) -> &Options<'o> {
        self.options
    }
}

/// An option, when it is given, which calls cannot follow it, and what to do instead.
pub(crate) struct Rule {
    option: &'static str,
    is_given: fn(&GivenOptions<'_>) -> bool,
    is_for: fn(Shape) -> bool,
    instead: &'static str,
}

impl Rule {
    pub(crate) fn error(&self) -> Error {
        refused(self.option, self.instead)
    }
}

/// One line for each option that some call cannot follow, over a frame or in a query. What is not here is followed by every
/// verb. Where several options are at fault, all are reported, in this order.
const RULES: &[Rule] = &[
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.verb == Kind::FilterRows && !call.is_lazy(),
        instead: "the output of .filter_rows(…) has the frame's columns, by their own names; rename them before or after it",
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.verb == Kind::FilterRows && !call.is_lazy(),
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
        is_for: |call| call.verb == Kind::Chunks && !call.is_lazy(),
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
        is_for: |call| call.verb == Kind::ManyRows && !call.is_lazy(),
        instead: "a row of the input gives any number of rows, and one that fails gives none: there is no row that could be \
                  null; give OnError::Skip or OnError::Collect",
    },
    Rule {
        option: "keep",
        is_given: |options| options.call.keep.is_some(),
        is_for: |call| call.verb != Kind::ManyRows && !call.is_lazy(),
        instead: "it is for verbs that give any number of rows for each of the input's, .flat_map_rows(f) and \
                  .emit_rows(f); here, put the output beside the columns of the frame",
    },
    Rule {
        option: "source_rows",
        is_given: |options| options.call.source_rows.is_some(),
        is_for: |call| call.verb != Kind::ManyRows && !call.is_lazy(),
        instead: "it is for verbs that give any number of rows for each of the input's, .flat_map_rows(f) and \
                  .emit_rows(f); here, the outcome's kept_rows() are the numbers",
    },
    Rule {
        option: "on_error",
        is_given: |options| {
            matches!(options.on_error(), OnError::Null | OnError::Collect) && !options.told
        },
        is_for: |call| call.over == Over::Frame && call.verb != Kind::FoldRows,
        instead: NO_OUTCOME,
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Skip && !options.told,
        is_for: |call| {
            call.over == Over::Frame && !matches!(call.verb, Kind::FoldRows | Kind::Elements)
        },
        instead: NO_OUTCOME,
    },
    Rule {
        option: "on_cancel",
        is_given: |options| options.on_cancel() == OnCancel::Partial && !options.told,
        is_for: |call| {
            call.over == Over::Frame && !matches!(call.verb, Kind::FoldRows | Kind::Elements)
        },
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
    Rule {
        option: "by",
        is_given: |options| options.call.by.is_none(),
        is_for: |call| call.verb == Kind::Groups,
        instead: "groups need keys, which say which rows belong together: .by([\"key\"]).groups(f); for parts of the frame there is \
                  .chunks(f)",
    },
    Rule {
        option: "by",
        is_given: |options| options.call.by.is_some(),
        is_for: |call| !call.has_keys(),
        instead: "only .groups(f), .transform(f) and .windows(window, f) look at keys; call one of these, or leave it out",
    },
    Rule {
        option: "null_keys",
        is_given: |options| options.call.null_keys.is_some() && options.call.by.is_none(),
        is_for: |_| true,
        instead: "there are no keys; give them by .by([\"key\"]), or leave it out",
    },
    Rule {
        option: "without_keys",
        is_given: |options| options.call.without_keys.is_some(),
        is_for: |call| call.verb != Kind::Groups,
        instead: "only the output of .groups(f) has the keys; leave it out",
    },
    Rule {
        option: "partitions",
        is_given: |options| options.call.partitions.is_some(),
        is_for: |call| matches!(call.verb, Kind::Groups | Kind::Transform),
        instead: "groups are handed out one by one, and their rows follow from the keys; leave it out",
    },
    Rule {
        option: "chunk_rows",
        is_given: |options| options.call.chunk_rows.is_some(),
        is_for: |call| matches!(call.verb, Kind::Groups | Kind::Transform),
        instead: "groups are handed out one by one, and their rows follow from the keys; leave it out",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.is_of_spans() && call.sees_nulls,
        instead: "a closure of whole groups is given frames with their nulls; look at their null counts, or take typed \
                  arguments",
    },
    // Of calls in a query.
    Rule {
        option: "by",
        is_given: |options| options.call.by.is_none(),
        is_for: |call| call.is_lazy() && call.verb == Kind::Transform,
        instead: "the groups of .transform(f) follow from keys: give them by .by([\"key\"]); for parts of a query's frame there is \
                  .row_wise().chunks(schema, f)",
    },
    Rule {
        option: "numbered",
        is_given: |options| options.of_query.numbered,
        is_for: |call| call.is_lazy() && call.has_keys(),
        instead: "the call is made over the whole frame, whose rows always are numbered; leave it out",
    },
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "casts",
        is_given: |options| options.casts() == Casts::Lossy,
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "numbered",
        is_given: |options| options.of_query.numbered,
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "failures",
        is_given: |options| options.of_query.failures,
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() != OnError::Fail,
        is_for: |call| call.is_lazy() && call.is_of_parts(),
        instead: OF_ROWS,
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Null,
        is_for: |call| call.is_lazy() && call.verb == Kind::ManyRows,
        instead: "a row that fails gives no rows, and there is none that could be null: give OnError::Skip, and .failures(…) to \
                  collect the failures",
    },
    Rule {
        option: "keep",
        is_given: |options| options.call.keep.is_some(),
        is_for: |call| call.is_lazy() && call.verb != Kind::ManyRows,
        instead: OF_FLAT_MAP,
    },
    Rule {
        option: "source_rows",
        is_given: |options| options.call.source_rows.is_some(),
        is_for: |call| call.is_lazy() && call.verb != Kind::ManyRows,
        instead: OF_FLAT_MAP,
    },
    Rule {
        option: "on_error",
        is_given: |options| {
            options.call.on_error == Some(OnError::Fail) && options.of_query.failures
        },
        is_for: |call| call.is_lazy() && !call.is_of_parts(),
        instead: "OnError::Fail lets no failure pass that .failures(…) could collect; give OnError::Null",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Skip,
        is_for: |call| call.over == Over::Expression,
        instead: "an expression has a row for each of its frame's: give OnError::Null, or call .rows(f) on the LazyFrame",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Collect,
        is_for: |call| call.is_lazy() && !call.is_of_parts(),
        instead: "a query has no outcome: give OnError::Null or OnError::Skip, and .failures(…) to collect the failures",
    },
    Rule {
        option: "plan_name",
        is_given: |options| options.of_query.plan_name,
        is_for: |call| call.over == Over::Stream,
        instead: "the function of a stream is not in the query's plan",
    },
    Rule {
        option: "numbered",
        is_given: |options| options.of_query.numbered,
        is_for: |call| call.over == Over::Stream && !call.is_of_parts(),
        instead: "the rows of a stream always are",
    },
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.is_lazy() && call.verb == Kind::FilterRows,
        instead: NO_RESULTS,
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.is_lazy() && call.verb == Kind::FilterRows,
        instead: NO_RESULTS,
    },
    Rule {
        option: "row_wise",
        is_given: |options| options.of_query.row_wise,
        is_for: |call| call.verb != Kind::Chunks || call.over == Over::Stream,
        instead: "it is for functions of chunks: .chunks(schema, f)",
    },
];

const NO_OUTCOME: &str =
    "the policy lets failures pass, which only an outcome reports; add .outcome() to the call";
const OF_ROWS: &str = "it is for functions of rows, .rows(f) and .row_batches(f); for .chunks(schema, f) the schema says the dtypes of \
                       frames, and .returns([…]) is for a closure that returns cells";
const OF_FLAT_MAP: &str = "it is for .flat_map_rows(f), whose rows take the place of the frame's; the other verbs leave the frame's \
                           columns, or make a frame of their own";
const NO_RESULTS: &str =
    "the output of .filter_rows(f) has the frame's columns, and none of results";

/// The lines of the table that refuse what a call is given.
pub(crate) fn unfit(given: GivenOptions<'_>, call: Shape) -> impl Iterator<Item = &'static Rule> {
    let rules = RULES.iter();
    rules.filter(move |rule| (rule.is_given)(&given) && (rule.is_for)(call))
}

/// Notes the options that a call over a frame or a batch cannot follow.
pub(super) fn refuse(options: &Options<'_>, call: Shape, faults: &mut Vec<Error>) {
    let of_query = OfQuery::default();
    let given = GivenOptions { options, of_query };
    faults.extend(unfit(given, call).map(Rule::error));
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
