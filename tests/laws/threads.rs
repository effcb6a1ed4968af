//! The laws of code where threads meet, such as pools and jobs: some of those of `main.rs`, which the gate runs under
//! `ThreadSanitizer`.

// The shared modules have items that only other laws use.
#![allow(dead_code)]

mod frames;
mod futures;
mod imap;
mod jobs;
mod lifecycle;
mod pool_map;
mod waits;
