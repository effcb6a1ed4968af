//! Closures in a lazy query: in an expression, on a `LazyFrame`, and over the batches that stream out of it.

mod apply;
mod batches;
mod beside;
mod channel;
mod chunks;
mod expr;
mod failures;
mod filter_rows;
mod flat_map;
mod frame;
mod item;
mod keys;
mod lends;
mod map;
mod marker;
mod one_column;
mod query_rows;
mod run_link;
mod settings;
mod spans;
mod stream;
mod unused_name;

pub use apply::LazyApply;
pub use batches::Batches;
pub use expr::{RowsExpr, rows};
pub use failures::Failures;
pub use frame::ParApplyLazy;
pub use item::IntoBatch;
pub(crate) use lends::{Lends, States, lead_from};
