//! Closures in a lazy query: as an expression, on a `LazyFrame`, and over what streams out of it.

mod batches;
mod call;
mod channel;
mod chunks;
mod expr;
mod failures;
mod frame;
mod item;
mod settings;

pub use batches::Batches;
pub use chunks::OutputSchema;
pub use expr::{RowsExpr, rows};
pub use failures::Failures;
pub use frame::{LazyApply, ParApplyLazy};
pub use item::IntoBatch;
