//! The laws of `polars-par-apply`, as one integration test: see `laws/`.
