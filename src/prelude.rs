//! Everything that a user needs with one `use`, including Polars' prelude.
//!
//! [`Error`](crate::Error) and [`Result`](crate::Result) are not included, so `Result<T, E>` in a program's own signatures is the
//! standard library's, and `use anyhow::*` is not ambiguous. Name them `polars_par_apply::Error` and `polars_par_apply::Result`.

#[doc(no_inline)]
pub use polars::prelude::*;

#[cfg(feature = "progress")]
pub use crate::ProgressBar;
#[cfg(feature = "report")]
pub use crate::Report;
#[cfg(feature = "retry")]
pub use crate::Retry;
#[cfg(feature = "rand")]
pub use crate::RowRng;
#[cfg(feature = "dtype-struct")]
pub use crate::Struct;
pub use crate::{
    Apply, CallOptions, CancelToken, Casts, Cell, Chunk, ChunkFn, Closed, ColumnFn, Each, Emit,
    EmitFn, EmitRow, ErrorKind, FromRow, Function, Group, GroupFn, IntoCell, IntoColumns,
    IntoGroups, IntoItem, IntoMask, IntoRow, IntoRows, IntoStack, IntoTransform, Job, Many,
    NullKeys, Nulls, OnCancel, OnError, Outcome, OutputSchema, ParApply, ParMap, Place, Pool,
    Progress, Registry, Row, RowFn, Rows, Stats, Tick, TickState, Values, Window, WindowFn,
    available_workers,
};
#[cfg(feature = "arrow2")]
pub use crate::{Arrow2Chunk, FromArrow2, ToArrow2};
#[cfg(feature = "lazy")]
pub use crate::{Batches, Failures, IntoBatch, LazyApply, ParApplyLazy, RowsExpr, rows};
#[cfg(feature = "arrow")]
pub use crate::{FromArrow, ToArrow};
