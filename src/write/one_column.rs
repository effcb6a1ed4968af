//! The results of rows as one column, as expressions need them.

use polars::prelude::{Column, DataFrame, IntoColumn, PlSmallStr};

use crate::sealed::Sealed;

/// What the results of rows become together, in an expression, which is one column: the `Column` of a cell, or a Struct of the
/// `DataFrame` of several.
///
/// With the feature `lazy`, what any row closure returns becomes one: [`IntoRow::Output`](crate::IntoRow::Output).
pub trait OneColumn: Sealed {
    /// Whether the column is a Struct of several.
    #[doc(hidden)]
    const IS_FRAME: bool;

    #[doc(hidden)]
    fn one_column(self, name: PlSmallStr) -> Column;
}

impl OneColumn for Column {
    const IS_FRAME: bool = false;

    fn one_column(self, name: PlSmallStr) -> Column {
        self.with_name(name)
    }
}

impl OneColumn for DataFrame {
    const IS_FRAME: bool = true;

    fn one_column(self, name: PlSmallStr) -> Column {
        self.into_struct(name).into_column()
    }
}
