//! Run your own Rust closure over the rows, columns, partitions, groups or windows of a Polars `DataFrame`, on all cores, and get a
//! `DataFrame` back.
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
//! Where a Polars expression exists, the expression is the right tool: Polars optimises it with the rest of its query. This crate is
//! for what no expression can compute: a parser, a formula of your own, a call into another crate.
//!
//! Begin with the [tour](guide::tour), look up a question in the [cookbook](guide::cookbook), or find the verb for your case in
//! [which verb](guide::which_verb). The [guide] has all pages.
//!
//! # Verbs
//!
//! | call | the closure takes | it returns | the call returns |
//! |---|---|---|---|
//! | [`par_apply_rows`](ParApply::par_apply_rows) | 1 to 12 [cells](Cell), or one [row](FromRow): a tuple, `[T; N]`, a derived struct, [`Row`] | a [cell, tuple, array or derived struct](IntoRow) | a `Column` or `DataFrame` of the same height |
//! | [`flat_map_rows`](Apply::flat_map_rows) | what closures of `par_apply_rows` take | [any number of rows](IntoRows): `Vec<T>`, `[T; N]`, `Option<T>`, `Many(iterator)` | a `DataFrame` of all of them, in order |
//! | [`emit_rows`](Apply::emit_rows) | [`&mut Emit<T>`](Emit), then what closures of `par_apply_rows` take | nothing: it pushes any number of rows | a `DataFrame` of all of them, in order |
//! | [`par_apply_columns`](ParApply::par_apply_columns) | `&Column`, or its typed [`Values`] | a [cell, `Column` or `Series`](IntoColumns) | a `DataFrame` of the same names |
//! | [`par_apply_chunks`](ParApply::par_apply_chunks) | `DataFrame`, `&DataFrame` or [`Chunk`]; with their features, `RecordBatch`, `Arrow2Chunk` | a [frame, column, cell, tuple, …](IntoStack) | all results, stacked in order |
//! | [`elements`](Apply::elements) | one cell | a cell | a `DataFrame` of the same names and height |
//! | [`fold_rows`](Apply::fold_rows) | an accumulator, then what closures of `par_apply_rows` take | nothing | one accumulator, merged from all |
//! | [`filter_rows`](Apply::filter_rows) | what closures of `par_apply_rows` take | [whether the row is kept](IntoMask) | the frame's rows that are kept, with all columns |
//! | [`with_columns`](Apply::with_columns) | what closures of `par_apply_rows` take | what they return | the frame, with the results as columns added or replaced |
//! | [`par_apply_groups`](ParApply::par_apply_groups), or [`by`](Apply::by) and [`groups`](Apply::groups) | the keys as cells, [`Values`] and [`Rows`]; or a `DataFrame`, `&DataFrame`, [`Group`] | a [cell, tuple, array, derived struct, frame or column](IntoGroups) | a `DataFrame`: the keys, then a row for each group, or all frames stacked |
//! | [`transform`](Apply::transform), of groups or of parts | what closures of `groups` take | [`Vec<T>`, `Each(T)`, a column](IntoTransform) | a value for each row, as from `par_apply_rows` |
//! | [`par_apply_windows`](ParApply::par_apply_windows), [`windows`](Apply::windows) | [`Values`] and [`Rows`] of the [`Window`] around each row, and the row's own cells | what closures of `par_apply_rows` return | a value for each row, as from `par_apply_rows` |
//! | [`par_map`](ParMap::par_map), of a `Column` or `Series` | one [cell](Cell) | one [cell](IntoCell) | a `Column` of the same name and length |
//!
//! Each closure may return a `Result` of these. [`par_apply`](ParApply::par_apply) starts a call with options: which columns it uses,
//! what its results are called, how many workers it has, what nulls do. [`Apply`] has the table of options.
//! [`array_split`](ParApply::array_split) cuts a frame as NumPy does.
//!
//! Options control a long run too: [policies for rows that fail](Apply::on_error), retries, [cancelling](CancelToken) and
//! [deadlines](Apply::deadline), [progress](Apply::progress), [a state for each worker](Apply::state), a random stream for each row, and
//! an [outcome](Outcome) that reports what happened. The page [when something goes wrong](guide::when_something_goes_wrong) shows them at
//! work.
//!
//! A call may run in the background, as a [`Job`]: [`spawn_rows`](Apply::spawn_rows) and the other `spawn_` methods. A [`Pool`] calls
//! closures for items that do not come from a frame, as `multiprocessing.Pool` does in Python: [`map`](Pool::map),
//! [`imap`](Pool::imap), [`apply_async`](Pool::apply_async) and others. The page
//! [coming from multiprocessing](guide::coming_from_multiprocessing) has a row for each Python call.
//!
//! A closure may have a name. A [`Registry`] holds the functions of a program by name, and [`call`](Apply::call) calls one over a frame
//! or in a query, as its verb does. So a configuration may choose what a program calls, and processes on several machines may share
//! functions: see [on a cluster](guide::on_a_cluster).
//!
//! With the feature `lazy`, closures take part in a lazy query: as an expression, on a `LazyFrame`, or over the batches that stream out
//! of it. The page
//! [in a lazy pipeline](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/in_a_lazy_pipeline/) says which is for what.
//!
//! # Promises
//!
//! 1. **Order.** Output row `i` comes from input row `i`, whatever the workers, the cut, or the frame's chunks. Where a row gives any
//!    number of rows, they stand in the order of the input's rows. Groups stand in the order of their first rows, and the rows within a
//!    group in the order of the input. Where rows are dropped, which [`OnError::Skip`] and [`OnCancel::Partial`] ask for,
//!    [`kept_rows`](Outcome::kept_rows) returns the input rows that are left, in the same order.
//! 2. **Exactly once.** The closure is called once for each row (column, part, group): never for made-up values, and never for a
//!    trial. Only `retry` calls it again, and only for rows that returned an error. A call that fails or is cancelled calls it at most
//!    once for each row. (In a query, Polars decides whether an expression that is written twice is called once or twice. On a cluster, a
//!    part whose machine died is run again.)
//! 3. **The same answer** on one worker and on many; with `seed`, the same random numbers too. (`chunks` without
//!    [`partitions`](Apply::partitions) or [`chunk_rows`](Apply::chunk_rows) makes one part for each worker, so a result that depends on
//!    the parts depends on the workers.) [`sequential`](Apply::sequential) runs the call on the calling thread.
//! 4. **All checks come first.** Every fault of a call is reported at once, before the closure is called.
//! 5. **Types.** A conversion that keeps every value is silent (`Int32` as `i64` or `f64`). One that can lose something is an error that
//!    says how to mend it, unless [`Casts::Lossy`] permits it. [`returns`](Apply::returns) gives results other dtypes than those of
//!    their types: each result is held without loss, or its row fails.
//! 6. **Nulls.** If an argument has a plain type `T`, a row in which it is null is skipped: its output is null, or none of the many rows
//!    that it could give. With `Option<T>`, the closure sees `None`. From a group or a window, a row is left out of all arguments where a
//!    `Values` or `Rows` argument of a plain type is null. [`Nulls::Error`] refuses the first null, with its column and row. [`Row`],
//!    `AnyValue`, `&Column`, parts and whole groups see every row; closures of `Row`, `&Column`, parts and whole groups refuse the
//!    option.
//! 7. **Errors.** The error of the lowest failing row is returned, the same one in every run, with the row's number and with the
//!    closure's error as its [`cause`](Error::cause). For groups it is that of the failing group whose first row is the lowest, with its
//!    keys. The message includes the cause, and [`source`](std::error::Error::source) continues after it, so that a chain of errors says
//!    each once; see [`Error`]. The rest of the run is not finished. With another [policy](OnError) the run goes on, and each failure is
//!    counted and listed in the [`Outcome`]: nothing becomes null or is dropped in silence. A lazy query has no outcome; it reports
//!    failures to a collector that it is given. If several rows of a query fail, the first that is met is named, and where batches run
//!    side by side, this may be another one in the next run. A stream that is in order names the lowest.
//! 8. **Panics** in the closure become an [`Error`] with the row and the message, or a failure under the policy. The pool stays usable.
//!    (A program that is built with `panic = "abort"` aborts.)
//! 9. **Empty frames** give the right schema where the closure's type says it (`AnyValue` and `Series` do not), or where
//!    [`returns`](Apply::returns) does.
//! 10. **Nothing is copied without need.** Columns are read where they lie, in whatever chunks. Fixed-width results and text are written
//!     into one preallocated column. The columns that a closure of groups takes are copied once, into the groups' order, unless the rows
//!     of each group lie side by side already.
//! 11. **The pool is Polars' own**, unless an option names another ([`Pool`], [`workers`](Apply::workers)). Calls nest. On a thread of
//!     Polars' streaming engine, which is one of many already, a call runs on that thread. A background job begins on a thread apart
//!     from Polars' workers, since it may wait for long, and its rows run on the workers.
//! 12. **Cancelling.** A call whose [token](CancelToken) is cancelled, or whose [deadline](Apply::deadline) has passed, ends when each
//!     worker is done with the row (column, part, group) that it is in; where rows take nanoseconds, up to 31 more rows are run. A closure
//!     that is running cannot be killed.
//! 13. **Jobs** always end in a result: a value, an error, a panic as an error, or an error that says that they were cancelled. A job that
//!     is dropped is cancelled, unless it was [detached](Job::detach). A job may wait for another one on any pool, also on one of a single
//!     worker.
//!
//! # Output names
//!
//! | results | names |
//! |---|---|
//! | one cell | `par_apply`, also where it is the only column of a frame |
//! | a tuple or an array | `column_0`, `column_1`, … |
//! | a derived struct | its fields' names |
//! | results of `columns` and `elements` | the input's names |
//! | a `DataFrame`, `Column` or `Series` from `chunks` | its own names |
//! | results of `groups` | the keys' names; then those of rows, or for whole frames and columns their own |
//! | results of `transform` and `windows` | those of rows; for a whole column from `transform`, the name of the first group's |
//!
//! [`names`](Apply::names) sets others, except for the keys.
//!
//! # Speed
//!
//! The closure is compiled into a loop over plain slices, which the compiler can vectorise. Where a block of rows has no nulls, no
//! validity is read. Most of the time of such a loop is spent by the kernel, which maps fresh memory for the output. So large outputs ask
//! for huge pages on Linux, and an allocator that keeps memory (mimalloc, jemalloc) helps a program that makes many columns.
//! `benches/README.md` in the repository has the figures, and the commands that print them.
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
//! | `dtype-decimal` | | Decimal columns; closures need the feature `rust_decimal` for their cells |
//! | `rust_decimal` | | Decimal as `rust_decimal::Decimal` |
//! | `lazy` | | closures in a lazy query: [`rows`](https://docs.rs/polars-par-apply/latest/polars_par_apply/fn.rows.html), an expression; [`ParApplyLazy`](https://docs.rs/polars-par-apply/latest/polars_par_apply/trait.ParApplyLazy.html) on `LazyFrame`: rows, groups, windows, chunks, and streams of batches; brings `dtype-struct` |
//! | `progress` | | `ProgressBar`, a bar on the terminal for [`Apply::progress`], which takes a closure without it |
//! | `rand` | | `Apply::seed` and `RowRng`: a random stream for each row |
//! | `retry` | | `Apply::retry` and `Retry`: a row that returned an error is called again |
//! | `arrow` | | [Arrow](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/arrow/): `RecordBatch` of arrow-rs 60 as a chunk closure's argument and result, to and from frames; brings `ffi` |
//! | `arrow2` | | the same for the chunks of arrow2 0.18, which is **unmaintained since 2024** and has the advisory RUSTSEC-2025-0038 without a patch; it is in code that this crate does not compile, as the [guide](https://docs.rs/polars-par-apply/latest/polars_par_apply/guide/arrow/#arrow2) says; brings `ffi` |
//! | `ffi` | | `column_to_ffi` and `column_from_ffi`: columns as the structs of Arrow's C Data Interface, for any Arrow library |
//! | `serde` | | [`CallOptions`] and, with `retry`, `Retry` are written and read by serde, with the dtypes that they have |
//! | `report` | | `Report`: a picture of a run as one SVG file, by [`Apply::report`](https://docs.rs/polars-par-apply/latest/polars_par_apply/struct.Apply.html#method.report) |
//! | `tracing` | | a span `par_apply` for each call (info), with the fields of [`Stats`], and a span `run` in it for each run of rows (debug); their target is `polars_par_apply` |
//!
//! Each dtype feature switches on the Polars feature of the same name. Polars itself is re-exported as [`polars`].
//!
//! # The modules
//!
//! For those who change the crate: data flows one way, and a module imports only those before it.
//!
//! | module | what |
//! |---|---|
//! | `sync` | atomics, locks and threads, for all that follows |
//! | `error`, `arity`, `sealed`, `quiet`, `alarm` | what every stage may use |
//! | `cancel`, `progress`, `retry` | what options take: tokens, progress listeners, when a row is tried again |
//! | `pool` | threads: those of Polars, or those of an owned pool; a pool's queue, and its end |
//! | `row_numbers` | the numbers of rows, in errors, failures, seeds and closures |
//! | `outcome` | what a call returns beside its output: [`Outcome`], [`Stats`] |
//! | `report` | a picture of a run |
//! | `options` | the options of a call, as values |
//! | `partition` | where a frame is cut: into parts as NumPy cuts them, and into blocks of rows that lie in one chunk of every column |
//! | `read` | columns → typed values: [`Cell`], [`FromRow`], [`Row`], [`Values`] |
//! | `write` | results → columns: [`IntoCell`], [`IntoRow`], stacking |
//! | `arrow` | frames to and from record batches, over the C Data Interface |
//! | `groups` | which rows have which key, and columns in the order of their groups |
//! | `windows` | where the window of each row begins and ends: [`Window`] |
//! | `run` | which worker runs which rows: how rows are handed out, failures and panics under their policy, retries, cancelling, progress |
//! | `job` | work in the background: [`Job`] |
//! | `context` | a closure's arguments before its row: its worker's state, the row's random stream |
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
#[cfg(feature = "report")]
mod report;
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
#[cfg(feature = "report")]
pub use report::Report;
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

/// Items that derived code uses; they are not for other uses.
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
