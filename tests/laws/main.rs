//! The laws of `polars-par-apply`, each of which tests one promise of the crate.
//!
//! The table has each promise, and the files whose tests fail if it is broken:
//!
//! | promise | checked by |
//! |---|---|
//! | 1 order | `order`, `layouts` |
//! | 2 exactly once | `exactly_once` |
//! | 3 same answer on one worker and on many | `same_answer`, `properties` |
//! | 4 all checks come first, and all faults are reported together | `checks_first`, `options`, `messages` |
//! | 5 types: a lossless conversion is silent, a lossy one is an error or permitted; nulls without a type take the type of others | `types`, `cells`, `untyped` |
//! | 6 nulls | `nulls` |
//! | 7 errors: the lowest failing row, an early stop, the cause, nothing said twice | `errors`, `properties`, `endless_causes`, `said_once` |
//! | the guide's page of errors: every kind, with what it says | `error_table` |
//! | 8 panics become errors, and nothing is poisoned or leaked | `panics`, `panic_hook` |
//! | 9 empty frames have the right schema | `empty` |
//! | 10 nothing is copied that need not be | `copies`, `layouts` (scalar columns) |
//! | 11 calls run on Polars' own pool, never on rayon's global one, and never hang | `pools`, `nested` |
//! | 12 cancelling: a run stops within one row for each worker, and can return the finished rows | `cancelling` |
//! | results have the dtypes that are asked for, or their row fails | `returns` |
//! | Arrow in and out: every dtype in every layout; nothing is copied that is promised to be shared; a wrong schema is refused | `arrow` |
//! | a decimal has every digit of its column's value, or its row fails | `decimals` |
//! | failures that are let pass are reported and counted, and are null or dropped | `policies` |
//! | a fold of all rows gives the same bits whichever worker folds which rows, and makes few accumulators | `fold_rows` |
//! | parts with rows of their neighbours give the result over the whole frame, each for its own rows | `overlap` |
//! | groups: each row is in one group, each group is one call, results are in their rows' places, and no group waits for a slow one | `groups` |
//! | windows have the rows that a plain loop computes | `windows` |
//! | every value of the columns used is mapped; a predicate says which columns these are | `elements` |
//! | retries: only rows that failed are tried again, as often as asked, and no worker sleeps | `retrying` |
//! | every failure, verb, place and policy together | `fault_matrix` |
//! | each worker has its own state, which the hook is given at the end | `state` |
//! | a row's random stream depends only on the seed and the row's number | `seeds` |
//! | everything that reports a row takes its number from one source | `row_numbers` |
//! | any number of rows for each row: in order, and none of a failing row | `flat_map_rows`, `emit_rows` |
//! | each verb follows an option, or refuses it | `option_table` |
//! | a closure may come from anywhere, and may be called through another | `closures` |
//! | a closure of the wrong kind gets one sentence from the compiler | `compiler` |
//! | progress reports how far a run is, and how it ended | `progress` |
//! | stats count what happened; a small call wakes no other thread | `stats` |
//! | what a report draws, and the stats print, is what happened | `report` |
//! | spans have the figures of the stats | `traces` |
//! | a pool's verbs: results in order, each item once, the lowest failure, nothing dropped twice | `pool_map` |
//! | iterators over results are lazy, bounded and in order | `imap` |
//! | a job: how it ends, which callbacks it calls, what it keeps alive | `jobs` |
//! | jobs, calls and pools that wait for each other never hang | `waits` |
//! | if no more threads can be started, calls go on with those that there are | `no_threads` |
//! | no call waits for long ones: whose turn it is, deadlines of jobs in the queue | `turns` |
//! | a pool's life: made, closed, waited for, terminated | `lifecycle` |
//! | a frame's verbs in the background give the same answer, and a job that can be controlled | `spawned` |
//! | a job is a future that any executor can run | `futures` |
//! | a named function gives what its closure gives, however it is called; its schema; options as JSON | `named` |
//! | a row function as an expression gives the eager answer in both engines | `expressions` |
//! | the rows for which a closure is true are kept, with all columns and in order | `filter_rows` |
//! | results are added beside the frame's columns, and rows are dropped from both | `with_columns` |
//! | a column's values, mapped one by one, are a column of the same name | `par_map` |
//! | closures on a lazy frame give the eager answer, failures have the frame's row numbers, and files are complete | `lazy_frames` |
//! | groups, transforms and windows of a lazy frame give the eager answer over the whole frame, and are planned from types alone | `lazy_groups` |
//! | such an expression can be wherever an elementwise one of Polars can be | `places` |
//! | no name of a user's column is special | `column_names` |
//! | too many failures stop a query early; failures join with their rows | `failure_limits` |
//! | a lazy call ends with an error, whatever the closure's error does | `hostile_errors` |
//! | lazy calls of every kind give the eager answer for every dtype | `lazy_dtypes` |
//! | of a file, only the columns that are used are read | `scans` |
//! | a row function in a filter is called for the rows that are left, and for none that were dropped before | `filters` |
//! | streams out of a query are in order, bounded, and can be stopped | `streams` |
//! | lazy calls: states of workers, deadlines, failing rows that are dropped | `lazy_control` |
//! | after a call of a query has failed, no row after the gap is called, numbered or returned in that run | `gaps` |
//! | of 100,000 jobs from 8 threads, each ends as it should, and nothing is left | `stress` |
//! | a map in the background makes no allocation for each item | `allocations` |
//!
//! `rows_in`, `rows_out`, `columns`, `chunks`, `cells`, `temporal` and `run_time_cells` test what closures take and return. `properties`
//! tests random frames. `examples` runs the programs in `examples/`. `frames`, `engines` and `cases` are not laws: they make
//! frames of every dtype in awkward layouts, collect lazy frames, and run properties on random cases.
//!
//! `memory.rs` and `threads.rs` in this folder include some of the laws again, as smaller programs, which the gate runs under the sanitizers.

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
mod error_table;
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
mod report;
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
