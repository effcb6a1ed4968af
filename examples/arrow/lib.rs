//! Examples with arrow-rs: see `arrow_batches.rs`.

/// Runs the programs of the guide's page about Arrow.
#[cfg(doctest)]
#[doc = include_str!("../../src/guide/arrow.md")]
struct Guide;
