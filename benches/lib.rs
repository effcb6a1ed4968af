//! Benchmarks of `polars-par-apply`; see `README.md`. The code is in the bench targets `apply`, `bars` and
//! `bars_mimalloc`.
