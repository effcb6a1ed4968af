//! The extension trait on `DataFrame`.

use polars::prelude::DataFrame;

use crate::apply::Apply;
use crate::error::Result;
use crate::function::{ChunkFn, ColumnFn, RowFn};
use crate::partition;
use crate::write::{IntoColumns, IntoRow, IntoStack};

/// Maps closures over a `DataFrame`'s rows, columns and parts, on all cores.
pub trait ParApply: sealed::Sealed {
    /// Starts a call with options; see [`Apply`].
    fn par_apply(&self) -> Apply<'_>;

    /// Calls `f` for each row.
    fn par_apply_rows<M, F>(&self, f: F) -> Result<<F::Out as IntoRow>::Output>
    where
        F: RowFn<M>,
        F::Out: IntoRow;

    /// Calls `f` for each column.
    fn par_apply_columns<M, F>(&self, f: F) -> Result<DataFrame>
    where
        F: ColumnFn<M>,
        F::Out: IntoColumns;

    /// Calls `f` for each part.
    fn par_apply_chunks<M, F>(&self, f: F) -> Result<<F::Out as IntoStack>::Output>
    where
        F: ChunkFn<M>,
        F::Out: IntoStack;

    /// Cuts.
    fn array_split(&self, n: usize) -> Result<Vec<DataFrame>>;
}

impl ParApply for DataFrame {
    fn par_apply(&self) -> Apply<'_> {
        Apply::new(self)
    }

    fn par_apply_rows<M, F>(&self, f: F) -> Result<<F::Out as IntoRow>::Output>
    where
        F: RowFn<M>,
        F::Out: IntoRow,
    {
        self.par_apply().rows(f)
    }

    fn par_apply_columns<M, F>(&self, f: F) -> Result<DataFrame>
    where
        F: ColumnFn<M>,
        F::Out: IntoColumns,
    {
        self.par_apply().columns(f)
    }

    fn par_apply_chunks<M, F>(&self, f: F) -> Result<<F::Out as IntoStack>::Output>
    where
        F: ChunkFn<M>,
        F::Out: IntoStack,
    {
        self.par_apply().chunks(f)
    }

    fn array_split(&self, n: usize) -> Result<Vec<DataFrame>> {
        partition::array_split(self, n)
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for polars::prelude::DataFrame {}
}
