//! What closures of groups return.

use polars::prelude::{Column, DataFrame};

use super::{IntoRow, IntoStack, Sinks};

/// What a closure of [`groups`](crate::Apply::groups) may return.
///
/// | result | output, after the keys |
/// |---|---|
/// | a cell, a tuple, an array, a struct with `#[derive(IntoRow)]` | one row for each group, the columns named as those of [`rows`](crate::Apply::rows) |
/// | `DataFrame`, `Column`, `Series` | any number of rows for each group, one group below the other, whose columns must be the same |
/// | `Result<T, E>` of one of these, `E: Into<anyhow::Error>` | as `T` |
///
/// `Vec<T>` is a cell: a List. For a value for each of the group's rows there is [`transform`](crate::Apply::transform).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a group's result",
    label = "cannot be written to columns or stacked",
    note = "a closure of groups returns a cell, a tuple or array of cells, a struct with `#[derive(IntoRow)]`, a `DataFrame`, `Column` or `Series`, or a `Result` of one of these",
    note = "`usize` and `isize` are no column's type: return `u64` or `i64`",
    note = "for one value for each row of a group, call `.transform(f)`"
)]
pub trait IntoGroups: IntoStack {
    /// Goes on with what the type is: cells, or whole frames or columns.
    #[doc(hidden)]
    fn choose<C: GroupsOf<Self>>(choice: C) -> C::Output;
}

/// What goes on with the results of groups, whichever they are.
#[doc(hidden)]
pub trait GroupsOf<T>: Sized {
    type Output;

    /// With one row for each.
    fn cells(self) -> Self::Output
    where
        T: IntoRow;

    /// With any number of rows for each.
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
