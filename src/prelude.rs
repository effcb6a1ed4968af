//! Everything a user needs with one `use`, Polars' prelude included.

#[doc(no_inline)]
pub use polars::prelude::*;

#[cfg(feature = "dtype-struct")]
pub use crate::Struct;
pub use crate::{
    Apply, Casts, Cell, Chunk, ChunkFn, ColumnFn, Error, ErrorKind, FromRow, IntoCell, IntoColumns,
    IntoRow, IntoStack, Nulls, ParApply, Place, Pool, Result, Row, RowFn, Values,
};
