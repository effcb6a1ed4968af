//! Everything a user needs with one `use`, Polars' prelude included.

#[doc(no_inline)]
pub use polars::prelude::*;

#[cfg(feature = "dtype-struct")]
pub use crate::Struct;
pub use crate::{
    Apply, Casts, Cell, Chunk, Error, ErrorKind, FromRow, IntoCell, IntoRow, Nulls, ParApply, Pool,
    Result, Row, Values,
};
