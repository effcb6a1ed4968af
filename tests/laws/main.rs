//! The laws of `polars-par-apply`.

mod cells;
mod checks_first;
mod copies;
mod empty;
mod errors;
mod exactly_once;
mod frames;
mod layouts;
mod nulls;
mod order;
mod panics;
mod pools;
mod same_answer;
mod types;
