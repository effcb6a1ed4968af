//! The results of rows as one column, as expressions need them.

use polars::prelude::{Column, DataFrame, IntoColumn, PlSmallStr};

use crate::sealed::Sealed;

/// The output of a row closure that can be the one column of an expression: a `Column`, or a `DataFrame` that becomes a Struct.
///
/// With the feature `lazy`, the output of every row closure ([`IntoRow::Output`](crate::IntoRow::Output)) is such a type.
pub trait OneColumn: Sealed {
    /// Whether the column is a Struct of several columns.
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
