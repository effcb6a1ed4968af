//! The laws of where threads meet, of pools and jobs and what waits for them: a part of those of `main.rs`, which the gate runs
//! under `ThreadSanitizer`.

// Other laws use what these do not.
#![allow(dead_code)]

mod frames;
mod futures;
mod imap;
mod jobs;
mod lifecycle;
mod pool_map;
mod waits;
