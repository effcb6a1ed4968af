//! stub
#![cfg_attr(docsrs, feature(doc_cfg))]

mod apply;
mod arity;
mod error;
mod frame;
mod function;
mod options;
mod partition;
pub mod prelude;
mod read;
mod run;
mod verbs;
mod write;

pub use apply::Apply;
pub use error::{Error, ErrorKind, Place, Result};
pub use frame::ParApply;
pub use function::{ChunkFn, ColumnFn, RowFn};
pub use options::{Casts, Nulls};
pub use partition::Chunk;
pub use polars;
#[cfg(feature = "derive")]
pub use polars_par_apply_derive::{FromRow, IntoRow};
#[cfg(feature = "dtype-struct")]
pub use read::Struct;
pub use read::{Cell, FromRow, ListItem, Row, RowIter, Values, ValuesIter};
pub use run::Pool;
pub use write::{IntoCell, IntoColumns, IntoRow, IntoStack};

/// What derived code uses; not for others.
#[doc(hidden)]
pub mod __private {
    pub use polars::prelude::DataFrame;

    pub use crate::options::Casts;
    pub use crate::read::{Cells, Cons, Nil};
    pub use crate::write::{DefaultNames, Many, SinkCons, SinkNil, Sinks, Unwritten, item};
}
