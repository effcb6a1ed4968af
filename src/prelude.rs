//! Everything a user needs with one `use`, Polars' prelude included.
//!
//! [`Error`](crate::Error) and [`Result`](crate::Result) are not in it, so that `Result<T, E>` in a program's own signatures
//! is the standard library's, and `use anyhow::*` is not ambiguous. Name them `polars_par_apply::Error` and
//! `polars_par_apply::Result`.

#[doc(no_inline)]
pub use polars::prelude::*;

#[cfg(feature = "progress")]
pub use crate::ProgressBar;
#[cfg(feature = "retry")]
pub use crate::Retry;
#[cfg(feature = "rand")]
pub use crate::RowRng;
#[cfg(feature = "dtype-struct")]
pub use crate::Struct;
pub use crate::{
    Apply, CallOptions, CancelToken, Casts, Cell, Chunk, ChunkFn, ColumnFn, Emit, EmitFn, EmitRow,
    ErrorKind, FromRow, IntoCell, IntoColumns, IntoItem, IntoMask, IntoRow, IntoRows, IntoStack,
    Job, Many, Nulls, OnCancel, OnError, Outcome, ParApply, ParMap, Place, Pool, Progress, Row,
    RowFn, Stats, Tick, TickState, Values, available_workers,
};
#[cfg(feature = "lazy")]
pub use crate::{
    Batches, Failures, IntoBatch, LazyApply, OutputSchema, ParApplyLazy, RowsExpr, rows,
};
