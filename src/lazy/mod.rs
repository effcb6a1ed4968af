//! A row function in a lazy query: as an expression, and on a `LazyFrame`.

mod expr;
mod frame;

pub use expr::{RowsExpr, rows};
pub use frame::{LazyApply, ParApplyLazy};
