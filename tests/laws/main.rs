//! The laws of `polars-par-apply`: one file each. Each promise of the crate, and what fails if it is broken:
//!
//! | promise | guarded by |
//! |---|---|
//! | 1 order | `order`, `layouts` |
//! | 2 exactly once | `exactly_once` |
//! | 3 same answer on one worker and on many | `same_answer`, `properties` |
//! | 4 all checks before the first row, every fault at once | `checks_first`, `options`, `messages` |
//! | 5 types: lossless is silent, lossy is an error or permitted; no type gives way to one | `types`, `cells`, `untyped` |
//! | 6 nulls | `nulls` |
//! | 7 errors: the lowest failing row, early stop, cause, each said once | `errors`, `properties`, `endless_causes`, `said_once` |
//! | 8 panics become errors, nothing is poisoned or leaked | `panics`, `panic_hook` |
//! | 9 empty frames have the right schema | `empty` |
//! | 10 nothing is copied that need not be | `copies`, `layouts` (scalar columns) |
//! | 11 pool: Polars' own, never rayon's global one, never hangs | `pools`, `nested` |
//! | 12 cancelling: within a row for each worker, the finished part | `cancelling` |
//! | results have the dtypes that are asked for, or their row fails | `returns` |
//! | Arrow in and out: every dtype in every shape, nothing copied that is promised shared, refused by the schema | `arrow` |
//! | decimals are their column's values, digit for digit, or their row fails | `decimals` |
//! | failures that pass are told, counted, and null or dropped | `policies` |
//! | a fold of all rows: the same bits whoever folds which, few accumulators | `fold_rows` |
//! | parts with rows of their neighbours: as over the whole, each its own rows | `overlap` |
//! | groups: each row in one, one call for each, results in their rows' places, nobody waits behind a slow one | `groups` |
//! | windows: the rows that a plain loop says | `windows` |
//! | every value of the columns used is mapped; a predicate says which these are | `elements` |
//! | retries: only what failed, as often as asked, nobody sleeps | `retrying` |
//! | every fault, verb, place and policy together | `fault_matrix` |
//! | each worker's state is its own, and seen again at the end | `state` |
//! | a row's random stream is its number's | `seeds` |
//! | whatever reports a row has its number from one source | `row_numbers` |
//! | any number of rows for each: in order, and none of a row that fails | `flat_map_rows`, `emit_rows` |
//! | each verb follows an option, or refuses it | `option_table` |
//! | a closure may come from anywhere, and be called through another | `closures` |
//! | a closure of the wrong kind gets one sentence from the compiler | `compiler` |
//! | who watches a run sees how far it is, and how it ended | `progress` |
//! | what happened is counted; what is small wakes nobody | `stats` |
//! | spans say what the stats say | `traces` |
//! | a pool's verbs: order, once each, the lowest failure, nothing dropped twice | `pool_map` |
//! | iterators over results: lazy, bounded, in order | `imap` |
//! | a job: how it ends, whom it tells, what it holds | `jobs` |
//! | jobs, calls and pools that wait for each other never hang | `waits` |
//! | where no more threads can be had, calls go on with those there are | `no_threads` |
//! | nobody waits for long calls: whose turn it is, deadlines of jobs in the queue | `turns` |
//! | a pool's life: made, closed, waited for, terminated | `lifecycle` |
//! | a frame's verbs in the background: the same answer, a job in hand | `spawned` |
//! | a job is a future, of any executor | `futures` |
//! | a function that is called by its name: what its closure gives, by every way; its schema; options as JSON | `named` |
//! | a row function as an expression: the eager answer in both engines | `expressions` |
//! | the rows for which a closure is true, whole and in order | `filter_rows` |
//! | results beside the frame's columns, rows dropped from both | `with_columns` |
//! | a column's values, one by one, are the column of its name | `par_map` |
//! | closures on a lazy frame: the eager answer, failures by the frame's rows, what is written | `lazy_frames` |
//! | groups, transforms and windows of a lazy frame: the eager answer, of the whole frame, planned by types alone | `lazy_groups` |
//! | such an expression goes wherever an elementwise one of Polars goes | `places` |
//! | no name of a user's column is special | `column_names` |
//! | too many failures stop a query early; failures join with their rows | `failure_limits` |
//! | whatever a closure's error does, a lazy call ends with an error | `hostile_errors` |
//! | the eager answer for every dtype, by every lazy way | `lazy_dtypes` |
//! | of a file, the columns that are used are read, and no byte of others | `scans` |
//! | a row function in a filter: called for the rows that there are, and none that were dropped before | `filters` |
//! | what streams out of a query: in order, bounded, stopped | `streams` |
//! | lazily: states of workers, deadlines, rows that fail are dropped | `lazy_control` |
//! | once a call of a query has failed, nothing of that run is called, numbered or given beyond the gap | `gaps` |
//! | 100,000 jobs from 8 threads: each ends as it should, nothing is left | `stress` |
//! | a map in the background takes no memory for each item | `allocations` |
//!
//! What closures take and return has `rows_in`, `rows_out`, `columns`, `chunks`, `cells`, `temporal` and
//! `run_time_cells`. `properties` puts random frames through it all. `examples` runs the programs in `examples/`.
//! `frames`, `engines` and `cases` are no laws: they make frames of every dtype in awkward layouts, collect lazy ones, and run
//! properties on random cases.
//!
//! `memory.rs` and `threads.rs` beside this file have some of the laws again, which is less to build: what the gate runs under the
//! sanitizers.

mod allocations;
mod arrow;
mod cancelling;
mod cases;
mod cells;
mod checks_first;
mod chunks;
mod closures;
mod column_names;
mod columns;
mod compiler;
mod copies;
mod decimals;
mod elements;
mod emit_rows;
mod empty;
mod endless_causes;
mod engines;
mod errors;
mod exactly_once;
mod examples;
mod expressions;
mod failure_limits;
mod fault_matrix;
mod filter_rows;
mod filters;
mod flat_map_rows;
mod fold_rows;
mod frames;
mod futures;
mod gaps;
mod groups;
mod hostile_errors;
mod imap;
mod jobs;
mod layouts;
mod lazy_control;
mod lazy_dtypes;
mod lazy_frames;
mod lazy_groups;
mod lifecycle;
mod messages;
mod named;
mod nested;
mod no_threads;
mod nulls;
mod option_table;
mod options;
mod order;
mod overlap;
mod panic_hook;
mod panics;
mod par_map;
mod places;
mod policies;
mod pool_map;
mod pools;
mod progress;
mod properties;
mod retrying;
mod returns;
mod row_numbers;
mod rows_in;
mod rows_out;
mod run_time_cells;
mod said_once;
mod same_answer;
mod scans;
mod seeds;
mod spawned;
mod state;
mod stats;
mod streams;
mod stress;
mod temporal;
mod traces;
mod turns;
mod types;
mod untyped;
mod waits;
mod windows;
mod with_columns;
