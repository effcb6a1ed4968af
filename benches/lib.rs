//! Benchmarks of `polars-par-apply`: see `apply.rs`.
