//! The bars, by the group whose data they are measured on.

pub(crate) mod arrow;
pub(crate) mod control;
pub(crate) mod elements;
pub(crate) mod expression;
pub(crate) mod filter_rows;
pub(crate) mod fold_rows;
pub(crate) mod keyed;
pub(crate) mod lazy;
pub(crate) mod many_chunks;
pub(crate) mod many_rows;
pub(crate) mod overlap;
pub(crate) mod peak_memory;
pub(crate) mod pool;
pub(crate) mod rows_count_in_range;
pub(crate) mod rows_f64;
pub(crate) mod rows_nullable;
pub(crate) mod rows_text;
pub(crate) mod rows_untyped;
pub(crate) mod small;
pub(crate) mod turns;
#[cfg(feature = "rolling")]
pub(crate) mod windows;
pub(crate) mod with_columns;
