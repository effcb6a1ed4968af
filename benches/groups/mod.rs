//! The groups: each its data, our call, and the rivals on the same data.

pub(crate) mod chunks;
pub(crate) mod columns;
pub(crate) mod control;
pub(crate) mod elements;
pub(crate) mod fill;
pub(crate) mod filter_rows;
pub(crate) mod fold_rows;
pub(crate) mod group;
pub(crate) mod lazy;
pub(crate) mod many_chunks;
pub(crate) mod many_rows;
pub(crate) mod overlap;
pub(crate) mod pool;
pub(crate) mod random;
pub(crate) mod rows_count_in_range;
pub(crate) mod rows_f64;
pub(crate) mod rows_nullable;
pub(crate) mod rows_struct;
pub(crate) mod rows_text;
pub(crate) mod rows_untyped;
pub(crate) mod skewed;
pub(crate) mod small;
pub(crate) mod with_columns;
pub(crate) mod workers;
