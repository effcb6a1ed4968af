//! What closures of groups return.

use polars::prelude::{Column, DataFrame};

use super::{IntoRow, IntoStack, Sinks};

/// A type that a closure of [`groups`](crate::Apply::groups) may return.
///
/// | result | output, after the keys |
/// |---|---|
/// | a cell, a tuple, an array, a struct with `#[derive(IntoRow)]` | one row for each group, the columns named as those of [`rows`](crate::Apply::rows) |
/// | `DataFrame`, `Column`, `Series` | any number of rows for each group, stacked in the order of the groups; the columns of all groups must be the same |
/// | `Result<T, E>` of one of these, `E: Into<anyhow::Error>` | as `T` |
///
/// `Vec<T>` is one cell, a List. To return a value for each row of the group, use [`transform`](crate::Apply::transform).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group's result",
    label = "cannot be written to columns or stacked",
    note = "a closure of groups returns a cell, a tuple or array of cells, a struct with `#[derive(IntoRow)]`, a `DataFrame`, `Column` or `Series`, or a `Result` of one of these",
    note = "`usize` and `isize` cannot be written to a column: return `u64` or `i64`",
    note = "for one value for each row of a group, call `.transform(f)`"
)]
pub trait IntoGroups: IntoStack {
    /// Calls `choice` with the kind of the type: cells, or whole frames or columns.
    #[doc(hidden)]
    fn choose<C: GroupsOf<Self>>(choice: C) -> C::Output;
}

/// What a call does with the results of groups, for either kind.
#[doc(hidden)]
pub trait GroupsOf<T>: Sized {
    type Output;

    /// Continues with one row for each group.
    fn cells(self) -> Self::Output
    where
        T: IntoRow;

    /// Continues with any number of rows for each group.
    fn whole(self) -> Self::Output;
}

impl<T: IntoRow> IntoGroups for T
where
    <T::Sink as Sinks>::Item: Send,
{
    fn choose<C: GroupsOf<T>>(choice: C) -> C::Output {
        match <T as IntoRow>::WHOLE {
            true => choice.whole(),
            false => choice.cells(),
        }
    }
}

macro_rules! whole {
    ($([$($generics:tt)*] $Whole:ty;)*) => {
        $(impl<$($generics)*> IntoGroups for $Whole {
            fn choose<C: GroupsOf<Self>>(choice: C) -> C::Output {
                choice.whole()
            }
        })*
    };
}

whole! {
    [] DataFrame;
    [] Column;
    [E: Into<anyhow::Error>] Result<DataFrame, E>;
    [E: Into<anyhow::Error>] Result<Column, E>;
}
