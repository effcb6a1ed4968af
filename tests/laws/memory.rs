//! The laws of code that reads and writes memory by hand: some of those of `main.rs`, which the gate runs under
//! `AddressSanitizer`.

// The shared modules have items that only other laws use.
#![allow(dead_code)]

mod arrow;
mod cases;
mod cells;
mod chunks;
mod columns;
mod copies;
mod decimals;
mod elements;
mod emit_rows;
mod engines;
mod filter_rows;
mod flat_map_rows;
mod fold_rows;
mod frames;
mod groups;
mod imap;
mod jobs;
mod layouts;
mod overlap;
mod panics;
mod pool_map;
mod rows_in;
mod rows_out;
mod run_time_cells;
mod turns;
mod untyped;
mod windows;
