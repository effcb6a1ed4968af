//! Windows: the rows around each row.
//!
//! [`Window`] describes them, and [`Bounds`] has them for every row of a call, as ranges of positions. A position is a row's
//! place in the order in which rows are read: the order of the input, or that of groups, one after the other.

mod bounds;
mod order;
mod ranks;
mod reading;
mod span;
mod window;

pub(crate) use bounds::Bounds;
pub(crate) use reading::{Reading, Spans};
pub use span::Span;
pub use window::{Closed, Window};
