//! Every group against its rivals, in one process: `cargo bench -p polars-par-apply-benches --bench apply`.

// What only the bars measure.
#[allow(dead_code)]
mod groups;

use criterion::{criterion_group, criterion_main};

criterion_group!(
    apply,
    groups::rows_f64::bench,
    groups::rows_nullable::bench,
    groups::rows_text::bench,
    groups::rows_count_in_range::bench,
    groups::rows_struct::bench,
    groups::rows_untyped::bench,
    groups::filter_rows::bench,
    groups::with_columns::bench,
    groups::columns::bench,
    groups::chunks::bench,
    groups::elements::bench,
    groups::fold_rows::bench,
    groups::many_chunks::bench,
    groups::many_rows::bench,
    groups::overlap::bench,
    groups::skewed::bench,
    groups::small::bench,
    groups::pool::bench,
    groups::lazy::bench,
);
criterion_main!(apply);
