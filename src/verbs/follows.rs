//! The table of which verb follows which option, over a frame and in a query. Every other combination is refused before the
//! closure is called.

use std::ops::Deref;

use crate::error::{Error, ErrorKind};
use crate::options::{Casts, Nulls, OnCancel, OnError, Options};
use crate::read::Given;

/// The properties of a call that determine which options it follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) verb: Kind,
    pub(crate) over: Over,
    /// Whether the closure sees nulls itself, since it takes `Row`, `&Column` or a part.
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
    /// Verbs with any number of rows for each row: `flat_map_rows` and `emit_rows`.
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

/// The input that a call is made over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "lazy"),
    expect(dead_code, reason = "queries alone make calls over the others")
)]
pub(crate) enum Over {
    Frame,
    /// A `LazyFrame`; the results are added to its columns, or replace them.
    LazyFrame,
    /// The columns of an expression, wherever it stands in a query.
    Expression,
    /// The batches that stream out of a query.
    Stream,
    /// One batch of one of these three, whose options were checked before. Queries report failures in their own ways.
    Batch,
}

impl Over {
    /// Returns the input of a call over these columns: a batch, if a query has numbered its rows.
    pub(super) fn of(given: Given<'_>) -> Self {
        match given.numbers {
            None => Over::Frame,
            Some(_) => Over::Batch,
        }
    }
}

impl Shape {
    /// The shape of a call in a query. The calls over the batches check what its closure takes and returns; the first of them
    /// is made when the query is planned, over no rows.
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

    /// Whether this is a query's call over all of its batches.
    fn is_lazy(self) -> bool {
        matches!(self.over, Over::LazyFrame | Over::Expression | Over::Stream)
    }

    pub(super) fn is_of_parts(self) -> bool {
        self.verb == Kind::Chunks
    }

    /// Whether the random numbers depend on how the rows are cut.
    pub(super) fn draws_by_part(self) -> bool {
        matches!(self.verb, Kind::Chunks | Kind::TransformParts)
    }

    /// Whether the verb uses keys.
    fn has_keys(self) -> bool {
        matches!(self.verb, Kind::Groups | Kind::Transform | Kind::Windows)
    }

    /// Whether the arguments of the closure are several rows at once.
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

/// The options that a call is given: those that every call can have, and which of those that only calls in queries can have.
#[derive(Clone, Copy)]
pub(crate) struct GivenOptions<'o> {
    pub(crate) options: &'o Options<'o>,
    pub(crate) of_query: OfQuery,
}

/// Which of the options are given that only calls in queries can have. An option that is not listed here is followed by every
/// such call.
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

/// An option, how to see that it is given, which calls cannot follow it, and what to do instead.
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

/// One line for each option that some call cannot follow, over a frame or in a query. An option that is not listed here is
/// followed by every verb. If several options are at fault, all of them are reported, in this order.
const RULES: &[Rule] = &[
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.verb == Kind::FilterRows && !call.is_lazy(),
        instead: "the output of .filter_rows(…) has the frame's columns under their own names; rename them before or after the call",
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.verb == Kind::FilterRows && !call.is_lazy(),
        instead: "the closure of .filter_rows(…) says which rows are kept, and the frame's columns keep their dtypes; cast \
                  them before or after the call",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.is_of_rows() && call.sees_nulls,
        instead: "a closure that takes Row is called for every row, nulls included; take typed arguments, or read a plain \
                  type by row.get, which returns an error for a null",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.verb == Kind::Columns && call.sees_nulls,
        instead: "a closure that takes &Column is given the column with its nulls; take Values<'_, T>, or check \
                  column.null_count()",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.verb == Kind::Chunks && !call.is_lazy(),
        instead: "a closure of parts is given frames with their nulls; check their null counts, or call .rows(…)",
    },
    Rule {
        option: "casts",
        is_given: |options| options.casts() == Casts::Lossy,
        is_for: |call| call.sees_nulls && call.is_whole,
        instead: "the closure takes and returns whole columns or frames, so nothing is converted; cast within the closure",
    },
    Rule {
        option: "overlap",
        is_given: |options| options.overlap().is_some(),
        is_for: |call| !call.is_of_parts(),
        instead: "only the parts of .chunks(…) can be given rows of their neighbours; leave the option out, or call .chunks(…)",
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
        instead: "an input row that fails has no output row that could be null; give OnError::Skip or OnError::Collect",
    },
    Rule {
        option: "keep",
        is_given: |options| options.call.keep.is_some(),
        is_for: |call| call.verb != Kind::ManyRows && !call.is_lazy(),
        instead: "it is for .flat_map_rows(f) and .emit_rows(f), which give any number of rows for each input row; here, put \
                  the output beside the frame's columns",
    },
    Rule {
        option: "source_rows",
        is_given: |options| options.call.source_rows.is_some(),
        is_for: |call| call.verb != Kind::ManyRows && !call.is_lazy(),
        instead: "it is for .flat_map_rows(f) and .emit_rows(f), which give any number of rows for each input row; here, the \
                  outcome's kept_rows() returns the rows' numbers",
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
        instead: "the finished part lacks rows, and only an outcome reports which; add .outcome() to the call",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() != OnError::Fail,
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a row that fails may leave the accumulator half changed, so the fold cannot go on after it; let the closure \
                  count the rows that it cannot use",
    },
    Rule {
        option: "retry",
        is_given: |options| options.retry.is_some(),
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a row that fails may leave the accumulator half changed, so the row cannot be tried again; call .rows(…) \
                  for what may fail, and fold its output",
    },
    Rule {
        option: "on_cancel",
        is_given: |options| options.on_cancel() == OnCancel::Partial,
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a cancelled fold cannot report which rows are in it; leave the option out",
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
        instead: "when the call is cancelled, each column may have stopped at a different row, so there is no finished part; \
                  leave the option out",
    },
    Rule {
        option: "names",
        is_given: |options| options.call.names.is_some(),
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a fold returns no columns; leave the option out",
    },
    Rule {
        option: "returns",
        is_given: |options| options.call.returns.is_some(),
        is_for: |call| call.verb == Kind::FoldRows,
        instead: "a fold returns no columns; leave the option out",
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
        instead: "groups need keys, which say which rows belong together: call .by([\"key\"]).groups(f); for parts of the \
                  frame, call .chunks(f)",
    },
    Rule {
        option: "by",
        is_given: |options| options.call.by.is_some(),
        is_for: |call| !call.has_keys(),
        instead: "only .groups(f), .transform(f) and .windows(window, f) use keys; call one of these, or leave the option out",
    },
    Rule {
        option: "null_keys",
        is_given: |options| options.call.null_keys.is_some() && options.call.by.is_none(),
        is_for: |_| true,
        instead: "there are no keys; give them by .by([\"key\"]), or leave the option out",
    },
    Rule {
        option: "without_keys",
        is_given: |options| options.call.without_keys.is_some(),
        is_for: |call| call.verb != Kind::Groups,
        instead: "only the output of .groups(f) has the keys; leave the option out",
    },
    Rule {
        option: "partitions",
        is_given: |options| options.call.partitions.is_some(),
        is_for: |call| matches!(call.verb, Kind::Groups | Kind::Transform),
        instead: "the keys say which rows belong together, and groups are handed out one by one; leave the option out",
    },
    Rule {
        option: "chunk_rows",
        is_given: |options| options.call.chunk_rows.is_some(),
        is_for: |call| matches!(call.verb, Kind::Groups | Kind::Transform),
        instead: "the keys say which rows belong together, and groups are handed out one by one; leave the option out",
    },
    Rule {
        option: "nulls",
        is_given: |options| options.nulls() == Nulls::Error,
        is_for: |call| call.is_of_spans() && call.sees_nulls,
        instead: "a closure of whole groups is given frames with their nulls; check their null counts, or take typed arguments",
    },
    // These are the rules for calls in a query.
    Rule {
        option: "by",
        is_given: |options| options.call.by.is_none(),
        is_for: |call| call.is_lazy() && call.verb == Kind::Transform,
        instead: ".transform(f) needs keys, which say which rows belong together: give them by .by([\"key\"]); for parts of a \
                  query's frame, call .row_wise().chunks(schema, f)",
    },
    Rule {
        option: "numbered",
        is_given: |options| options.of_query.numbered,
        is_for: |call| call.is_lazy() && call.has_keys(),
        instead: "the call is made over the whole frame, whose rows are always numbered; leave the option out",
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
        instead: "an input row that fails has no output row that could be null; give OnError::Skip, and .failures(…) to \
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
        instead: "an expression gives one row for each input row, so none can be skipped; give OnError::Null, or call .rows(f) on the LazyFrame",
    },
    Rule {
        option: "on_error",
        is_given: |options| options.on_error() == OnError::Collect,
        is_for: |call| call.is_lazy() && !call.is_of_parts(),
        instead: "a query has no outcome; give OnError::Null or OnError::Skip, and .failures(…) to collect the failures",
    },
    Rule {
        option: "plan_name",
        is_given: |options| options.of_query.plan_name,
        is_for: |call| call.over == Over::Stream,
        instead: "the function of a stream is not in the query's plan; leave the option out",
    },
    Rule {
        option: "numbered",
        is_given: |options| options.of_query.numbered,
        is_for: |call| call.over == Over::Stream && !call.is_of_parts(),
        instead: "the rows of a stream are always numbered; leave the option out",
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
        instead: "it is for .chunks(schema, f) of a LazyFrame; leave the option out",
    },
];

const NO_OUTCOME: &str =
    "the policy lets failures pass, and only an outcome reports them; add .outcome() to the call";
const OF_ROWS: &str = "it is for functions of rows, .rows(f) and .row_batches(f); of .chunks(schema, f), the schema gives the \
                       names and dtypes of the output";
const OF_FLAT_MAP: &str =
    "it is for .flat_map_rows(f), whose rows replace those of the frame; leave the option out";
const NO_RESULTS: &str = "the output of .filter_rows(f) has the frame's columns and no column of results; leave the option out";

/// Returns the lines of the table that refuse an option that the call is given.
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

/// The error of a call whose parts have random streams, which depend on the cut.
pub(super) fn no_cut() -> Error {
    refused(
        "seed",
        "a part's random stream is that of its first row, and by default there is a part for each worker; give .partitions(n) \
         or .chunk_rows(n), so that the result is the same on every machine",
    )
}

/// The error of a fold with a state for each worker: a fold has an accumulator for each block of rows, whichever worker runs
/// it.
pub(super) fn no_state() -> Error {
    refused(
        "state",
        "the closure of a fold takes its accumulator in place of a state; put what it needs into the accumulator, or capture it",
    )
}

fn refused(option: &'static str, message: &str) -> Error {
    let message = message.to_owned();
    ErrorKind::Option { option, message }.into()
}
