//! Map your own Rust closure over the rows, columns, partitions, groups or windows of a Polars `DataFrame`, on all cores, and get
//! a `DataFrame` back.
//!
//! ```
//! use polars_par_apply::prelude::*;
//!
//! let df = df!["a" => [8, 5, 3, 4, 7], "b" => [5, 3, 4, 4, 9]]?;
//!
//! let hypotenuse = df.par_apply_rows(|a: i32, b: i32| f64::from(a * a + b * b).sqrt())?;
//! let squares = df.par_apply_columns(|v: Values<'_, i64>| v.iter().map(|x| x * x).sum::<i64>())?;
//! let heights = df.par_apply_chunks(|part: DataFrame| part.height() as u64)?;
//!
//! assert_eq!(hypotenuse.f64()?.get(2), Some(5.0)); // a Column of 5 rows
//! assert_eq!(squares, df!["a" => [163i64], "b" => [147i64]]?); // a DataFrame of one row
//! assert_eq!(heights.u64()?.sum(), Some(5)); // a Column with one row per partition
//! # Ok::<(), polars_par_apply::Error>(())
//! ```
//!
//! Where a Polars expression exists, the expression is the right tool: it is optimised with the rest of its query. This
//! crate is for what no expression says: a parser, a formula of your own, a call into another crate.
//!
//! # Verbs
//!
//! | call | the closure takes | it returns | together |
//! |---|---|---|---|
//! | [`par_apply_rows`](ParApply::par_apply_rows) | 1 to 12 [cells](Cell), or one [row](FromRow): a tuple, `[T; N]`, a derived struct, [`Row`] | a [cell, tuple, array or derived struct](IntoRow) | a `Column` or `DataFrame` of the same height |
//! | [`flat_map_rows`](Apply::flat_map_rows) | as of rows | [any number of rows](IntoRows): `Vec<T>`, `[T; N]`, `Option<T>`, `Many(iterator)` | a `DataFrame` of all of them, in order |
//! | [`emit_rows`](Apply::emit_rows) | [`&mut Emit<T>`](Emit), then as of rows | nothing: it pushes any number of rows | likewise |
//! | [`par_apply_columns`](ParApply::par_apply_columns) | `&Column`, or its typed [`Values`] | a [cell, `Column` or `Series`](IntoColumns) | a `DataFrame` of the same names |
//! | [`par_apply_chunks`](ParApply::par_apply_chunks) | `DataFrame`, `&DataFrame` or [`Chunk`]; with their features, `RecordBatch`, `Arrow2Chunk` | a [frame, column, cell, tuple, …](IntoStack) | stacked in order |
//! | [`elements`](Apply::elements) | one cell | a cell | a `DataFrame` of the same names and height |
//! | [`fold_rows`](Apply::fold_rows) | an accumulator, and then as the closure of rows | nothing | the one accumulator that they are merged to |
//! | [`filter_rows`](Apply::filter_rows) | as `par_apply_rows` | [whether the row is kept](IntoMask) | the frame's rows that are kept, with all columns |
//! | [`with_columns`](Apply::with_columns) | as `par_apply_rows` | as `par_apply_rows` | the frame, with the results as columns added or replaced |
//! | [`par_apply_groups`](ParApply::par_apply_groups), or [`by`](Apply::by) and [`groups`](Apply::groups) | the keys as cells, [`Values`] and [`Rows`]; or a `DataFrame`, `&DataFrame`, [`Group`] | a [cell, tuple, array, derived struct, frame or column](IntoGroups) | a `DataFrame`: the keys, then a row for each group, or all that is stacked |
//! | [`transform`](Apply::transform), of groups or of parts | as of groups | [`Vec<T>`, `Each(T)`, a column](IntoTransform) | as of rows |
//! | [`par_apply_windows`](ParApply::par_apply_windows), [`windows`](Apply::windows) | [`Values`] and [`Rows`] of the [`Window`] around each row, and the row's own cells | as `par_apply_rows` | as of rows |
//! | [`par_map`](ParMap::par_map), of a `Column` or `Series` | one [cell](Cell) | one [cell](IntoCell) | a `Column` of the same name and length |
//!
//! Each may return a `Result` of these. [`par_apply`](ParApply::par_apply) starts a call with options: which columns, what
//! names, how many workers, what nulls do; see [`Apply`]. [`array_split`](ParApply::array_split) cuts a frame as NumPy
//! does.
//!
//! Options control a long run too: [policies for rows that fail](Apply::on_error), retries,
//! [cancelling](CancelToken) and [deadlines](Apply::deadline), [progress](Apply::progress),
//! [a state for each worker](Apply::state), a random stream for each row, and [what happened](Outcome). The page
//! [when something goes wrong](guide::when_something_goes_wrong) shows them at work; the page
//! [which verb](guide::which_verb) has a row for each question, and the page
//! [groups and windows](guide::groups_and_windows) is about the verbs that look at several rows at once.
//!
//! A call may go on in the background, as a [`Job`]: [`spawn_rows`](Apply::spawn_rows) and its like. And a [`Pool`] calls
//! closures for items that are no frame's, as `multiprocessing.Pool` does in Python: [`map`](Pool::map),
//! [`imap`](Pool::imap), [`apply_async`](Pool::apply_async) and the rest; the page
//! [coming from multiprocessing](guide::coming_from_multiprocessing) has a row for each Python call.
//!
//! A closure may have a name: a [`Registry`] has the functions of a program, and [`call`](Apply::call) calls one over a frame or in a
//! query, as its verb does. So a program may choose by a configuration what it calls, and processes on several machines may have the same functions.
//!
//! A closure takes part in a lazy query, with the feature `lazy`: as an expression, on a `LazyFrame`, over the batches that
//! stream out of it; the page
//! [in a lazy pipeline](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/in_a_lazy_pipeline/) shows which is
//! for what.
//!
//! # Promises
//!
//! 1. **Order.** Output row `i` comes from input row `i`, whatever the workers, the cut, or the frame's chunks; where a row
//!    gives any number of rows, they stand in the order of the input's. Groups stand in the order of their first rows, and the
//!    rows within each in the order of the input. Where rows
//!    are dropped, which [`OnError::Skip`] and [`OnCancel::Partial`] ask for, [`kept_rows`](Outcome::kept_rows) says which
//!    input rows are left, in the same order.
//! 2. **Exactly once.** The closure is called once per row (column, part, group); never on invented data, never twice
//!    to probe. `retry` alone calls it again, and only for rows that returned an error. A call that fails or is
//!    cancelled calls it at most once.
//! 3. **Same answer** on one worker and on many; with `seed`, random numbers too. [`sequential`](Apply::sequential) runs
//!    on the calling thread.
//! 4. **All checks come first.** Every fault of a call is reported at once, before the closure is called.
//! 5. **Types.** What keeps every value is silent (`Int32` as `i64` or `f64`); what can lose is an error that says how to
//!    mend it, and [`Casts::Lossy`] permits it. [`returns`](Apply::returns) gives results other dtypes than those of their
//!    types: each is held without loss, or its row fails.
//! 6. **Nulls.** A plain `T` argument: the row is skipped, and its output is null, or no row of the many that it could give. `Option<T>`: the closure sees `None`.
//!    A row of a group or a window is left out where a `Values` or `Rows` argument of a plain type is null in it, of all arguments.
//!    [`Nulls::Error`] refuses the first null by column and row. [`Row`], `AnyValue`, `&Column`, parts and whole groups see every row;
//!    closures of `Row`, `&Column`, parts and whole groups refuse the option.
//! 7. **Errors.** The error of the lowest failing row is returned, always the same one, with the row's number and the
//!    closure's error as its [`cause`](Error::cause); of groups, that of the failing group whose first row is the
//!    lowest, with its keys. The message includes the cause, and [`source`](std::error::Error::source) goes on after
//!    it, so that a chain of errors says each once; see [`Error`]. The rest of the run is not finished. With another
//!    [policy](OnError) the run goes on, and each failure is counted and told in the [`Outcome`]: nothing is nulled or
//!    dropped in silence. (A lazy query has no outcome: it tells a collector that it is given. Of several rows that
//!    fail in one, the first that is met is named, and where batches run side by side that can be another in the next
//!    run. A stream that is in order gives the lowest.)
//! 8. **Panics** in the closure become an [`Error`] with the row and the message, or a failure under the policy; the pool
//!    stays usable. (A program built with `panic = "abort"` aborts.)
//! 9. **Empty frames** give the right schema, where the closure's type says it (`AnyValue` and `Series` do not), or
//!    [`returns`](Apply::returns).
//! 10. **Nothing is copied that need not be.** Columns are read where they lie, in whatever chunks; fixed-width results and
//!     text are written into one preallocated column. (The columns that a closure of groups takes are copied once into the groups'
//!     order, unless each group's rows lie side by side already.)
//! 11. **The pool is Polars' own**, unless told otherwise ([`Pool`], [`workers`](Apply::workers)). Calls nest; on a thread
//!     of Polars' streaming engine, which is one of many already, a call runs on that thread. A background job is begun on a
//!     thread apart from Polars' workers, since it may wait for long, and its rows run on them.
//! 12. **Cancelling.** A call whose [token](CancelToken) is cancelled or whose [deadline](Apply::deadline) has passed ends
//!     when each worker is done with the row (column, part, group) that it is in. What is running cannot be killed.
//! 13. **Jobs** end in a result, always: a value, an error, a panic as an error, or the word that they were cancelled. One
//!     that is dropped is cancelled, unless it was [detached](Job::detach). Jobs may wait for each other on any pool, of one
//!     worker too.
//!
//! # Output names
//!
//! One cell: `par_apply`, also where it is the one column of a frame. A tuple or an array: `column_0`, `column_1`, … A
//! derived struct: its fields. `columns`: the input's. A `DataFrame`, `Column` or `Series` from `chunks`: its own.
//! `groups`: the keys, then as `rows` or, of whole frames and columns, as `chunks`. `transform` and `windows`: as
//! `rows`; a whole column from `transform`: that of the first group's. [`names`](Apply::names) sets others, but for the
//! keys.
//!
//! # Speed
//!
//! The closure is compiled into a loop over plain slices, which the compiler can vectorise; where a block of rows has no
//! nulls, no validity is looked at. Most of what such a loop takes is the kernel mapping fresh memory for the output, so
//! on Linux large outputs ask for huge pages, and an allocator that keeps memory (mimalloc, jemalloc) helps a program that
//! makes many columns. `cargo bench` prints the figures; the README has them.
//!
//! # Features
//!
//! | feature | default | what |
//! |---|---|---|
//! | `derive` | yes | `#[derive(FromRow)]`, `#[derive(IntoRow)]` |
//! | `dtype-slim` | yes | `dtype-date`, `dtype-datetime`, `dtype-duration` |
//! | `dtype-full` | | every dtype feature |
//! | `dtype-date` | by `dtype-slim` | Date as `chrono::NaiveDate` |
//! | `dtype-datetime` | by `dtype-slim` | Datetime without a time zone as `chrono::NaiveDateTime` |
//! | `dtype-duration` | by `dtype-slim` | Duration as `chrono::TimeDelta` |
//! | `dtype-time` | | Time as `chrono::NaiveTime` |
//! | `dtype-i8`, `dtype-i16`, `dtype-i128`, `dtype-u8`, `dtype-u16` | | the integers of those widths |
//! | `dtype-categorical` | | Categorical and Enum as `&str` |
//! | `dtype-array` | | Array as `Vec<T>` and `Series` |
//! | `dtype-struct` | | Struct columns as `Struct<T>` |
//! | `timezones` | | Datetime with a time zone as `chrono::DateTime<Utc>` |
//! | `dtype-decimal` | | Decimal columns; their cells need the next feature |
//! | `rust_decimal` | | Decimal as `rust_decimal::Decimal` |
//! | `lazy` | | closures in a lazy query: [`rows`](https://docs.rs/polars-par-apply/latest/polars_par_apply/fn.rows.html), an expression; [`ParApplyLazy`](https://docs.rs/polars-par-apply/latest/polars_par_apply/trait.ParApplyLazy.html) on `LazyFrame`: rows, groups, windows, chunks, and streams of batches; brings `dtype-struct` |
//! | `progress` | | `ProgressBar`, a bar on the terminal for [`Apply::progress`], which takes a closure without it |
//! | `rand` | | `Apply::seed` and `RowRng`: a random stream for each row |
//! | `retry` | | `Apply::retry` and `Retry`: a row that returned an error is called again |
//! | `arrow` | | [Arrow](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/arrow/): `RecordBatch` of arrow-rs 60 as a chunk closure's argument and result, to and from frames; brings `ffi` |
//! | `arrow2` | | the same for the chunks of arrow2 0.18, which is **unmaintained since 2024** and has the advisory RUSTSEC-2025-0038 without a patch; it is in code that this crate does not compile, as the [guide](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/arrow/#arrow2) says; brings `ffi` |
//! | `ffi` | | `column_to_ffi` and `column_from_ffi`: columns as the structs of Arrow's C Data Interface, for any Arrow library |
//! | `serde` | | [`CallOptions`] and, with `retry`, `Retry` are written and read by serde, with the dtypes that they have |
//! | `tracing` | | a span `par_apply` for each call (info), with the fields of [`Stats`], and a span `run` in it for each run of rows (debug); their target is `polars_par_apply` |
//!
//! Each dtype feature switches on the Polars feature of the same name. Polars itself is re-exported as
//! [`polars`].
//!
//! # The house
//!
//! Data flows one way, and a module imports only those before it:
//!
//! | module | what |
//! |---|---|
//! | `sync` | atomics, locks and threads, for all that follows |
//! | `error`, `arity`, `sealed`, `quiet`, `alarm` | what every stage may use |
//! | `cancel`, `progress`, `retry` | what options take: tokens, who is told, when a row is tried again |
//! | `pool` | threads: Polars', or a pool's own; what a pool was given, and its end |
//! | `options` | the options of a call, as values |
//! | `row_numbers` | what rows are called: by errors, failures, seeds and closures |
//! | `outcome` | what a call gives beside its output: [`Outcome`], [`Stats`] |
//! | `partition` | where to cut: parts as NumPy cuts them, blocks of rows that lie in one chunk of every column |
//! | `read` | columns → typed values: [`Cell`], [`FromRow`], [`Row`], [`Values`] |
//! | `write` | results → columns: [`IntoCell`], [`IntoRow`], stacking |
//! | `arrow` | frames to and from record batches, over the C Data Interface |
//! | `groups` | which rows have which key, and columns in the order of their groups |
//! | `windows` | which rows stand around a row, and where each row's window begins and ends: [`Window`] |
//! | `run` | who runs what: the order in which rows are handed out, failures and panics under their policy, retries, cancelling, progress |
//! | `job` | work in the background: [`Job`] |
//! | `context` | what a closure is given before its row: its worker's state, the row's random stream |
//! | `function` | closures as functions of rows, columns and parts |
//! | `verbs` | `rows`, `filter_rows`, `with_columns`, `flat_map_rows`, `emit_rows`, `columns`, `chunks`, `elements`, `fold_rows`, `groups`, `transform`, `windows`: the stages put together |
//! | `map` | the verbs of a pool, over items |
//! | `lazy` | closures in a lazy query: expressions, row and chunk functions, streams |
//! | `apply`, `frame`, `par_map` | the builder, and the traits on `DataFrame`, and on `Column` and `Series` |
//! | `named` | functions that are called by their name, eagerly and in a query: [`Registry`], [`Function`] |
//! | [`guide`] | pages of documentation |

#![cfg_attr(docsrs, feature(doc_cfg))]

mod alarm;
mod apply;
mod arity;
#[cfg(feature = "ffi")]
mod arrow;
mod cancel;
mod context;
mod error;
mod frame;
mod function;
mod groups;
pub mod guide;
mod job;
#[cfg(feature = "lazy")]
mod lazy;
mod map;
mod named;
mod options;
mod outcome;
mod par_map;
mod partition;
mod pool;
pub mod prelude;
mod progress;
mod quiet;
mod read;
mod retry;
mod row_numbers;
mod run;
mod sealed;
mod sync;
mod verbs;
mod windows;
mod write;

#[cfg(feature = "arrow2")]
pub use ::arrow2;
pub use apply::{Apply, Gives, OutputOnly, WithOutcome};
#[cfg(feature = "arrow2")]
pub use arrow::{Arrow2Chunk, FromArrow2, ToArrow2};
#[cfg(feature = "ffi")]
pub use arrow::{ArrowArray, ArrowSchema, column_from_ffi, column_to_ffi};
#[cfg(feature = "arrow")]
pub use arrow::{FromArrow, ToArrow, frame_of};
pub use cancel::CancelToken;
pub use context::{
    Finish, Hook, IntoState, IntoUnit, Lead, Leading, NoFinish, NoSeed, NoState, State, WithState,
};
#[cfg(feature = "rand")]
pub use context::{RowRng, Seed, WithSeed, WithStateAndSeed};
pub use error::{Error, ErrorKind, Place, Result};
pub use frame::ParApply;
pub use function::{
    Around, ByRef, Call, ChunkFn, ColumnFn, EmitFn, GroupFn, RowFn, WindowFn, around, by_ref,
};
pub use job::Job;
#[cfg(feature = "lazy")]
pub use lazy::{Batches, Failures, IntoBatch, LazyApply, ParApplyLazy, RowsExpr, rows};
pub use map::{Imap, ImapUnordered, IntoItem, StarFn};
pub use named::{CallSeed, Function, FunctionBuilder, NamedLead, Registry};
pub use options::{CallOptions, Casts, NullKeys, Nulls, OnCancel, OnError};
pub use outcome::{LongestRun, Outcome, SlowestGroup, Stats, WorkerStats};
pub use par_map::ParMap;
pub use partition::Chunk;
pub use polars;
#[cfg(feature = "derive")]
pub use polars_par_apply_derive::{FromRow, IntoRow};
pub use pool::{Pool, PoolBuilder, available_workers};
#[cfg(feature = "progress")]
pub use progress::ProgressBar;
pub use progress::{Progress, Tick, TickState};
#[cfg(feature = "rand")]
pub use rand;
#[cfg(feature = "dtype-struct")]
pub use read::Struct;
pub use read::{
    Cell, FromRow, Group, GroupArg, ListItem, OneCell, Row, RowIter, Rows, RowsIter, Values,
    ValuesIter,
};
#[cfg(feature = "retry")]
pub use retry::Retry;
pub use run::keep_panic_hook;
pub use verbs::FoldLead;
pub use windows::{Closed, Span, Window};
#[cfg(feature = "lazy")]
pub use write::OneColumn;
pub use write::{
    Each, Emit, EmitRow, IntoCell, IntoColumns, IntoGroups, IntoMask, IntoRow, IntoRows, IntoStack,
    IntoTransform, Many, OutputSchema,
};
#[cfg(feature = "arrow")]
pub use {arrow_array, arrow_schema};

/// What derived code uses; not for others.
#[doc(hidden)]
pub mod __private {
    pub use polars::prelude::DataFrame;

    pub use crate::error::Failure;
    pub use crate::read::{Cells, Cons, Nil, SpanArgs};
    pub use crate::write::{
        DefaultNames, Encoding, GroupsOf, Owned, SinkCons, SinkNil, Sinks, Transformed, item,
    };
}

/// Runs the README's programs.
#[cfg(all(doctest, feature = "lazy"))]
#[doc = include_str!("../README.md")]
struct Readme;
