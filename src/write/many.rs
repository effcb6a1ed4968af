//! The types that a closure may return for any number of rows.

use super::emit::{Emit, Owned};
use super::rows::IntoRow;
use crate::error::{Cause, Failure, Result};

/// A result of a closure of [`flat_map_rows`](crate::Apply::flat_map_rows) whose rows come from an iterator, without a `Vec` of
/// them.
///
/// The iterator must be owned: it cannot borrow from the closure's arguments. For rows that borrow, use
/// [`emit_rows`](crate::Apply::emit_rows).
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["from" => [1i64, 7], "to" => [4i64, 7]]?;
/// let each = df.par_apply().names(["n"]).flat_map_rows(|from: i64, to: i64| Many(from..to))?;
/// assert_eq!(each, df!["n" => [1i64, 2, 3]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Many<I>(pub I);

/// A type that a closure of [`flat_map_rows`](crate::Apply::flat_map_rows) may return: the output rows of one input row.
///
/// | result | rows |
/// |---|---|
/// | `Vec<T>` | its items |
/// | `[T; N]` | `N` |
/// | `Option<T>` | one, or none |
/// | [`Many(iter)`](Many) | the iterator's items |
/// | `Result<R, E>` of one of these, `E: Into<anyhow::Error>` | those of `R` |
///
/// `T` is a [row](IntoRow): a cell, a tuple, an array, a struct with `#[derive(IntoRow)]`, or a `Result` of one of these. The
/// first item that is an error fails the input row.
///
/// Do not implement this trait by hand, since its hidden items change without notice.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not any number of rows",
    label = "must be `Vec<T>`, `[T; N]`, `Option<T>` or `Many(iterator)`, or a `Result` of one of these",
    note = "return an iterator as `Many(iterator)`; it may not borrow from the closure's arguments",
    note = "rows that borrow from the arguments are pushed, by a closure of `emit_rows`"
)]
pub trait IntoRows {
    /// The type of one output row.
    type Row: IntoRow;

    /// Whether the closure may return an error.
    #[doc(hidden)]
    const FALLIBLE: bool = <Self::Row as IntoRow>::FALLIBLE;

    #[doc(hidden)]
    fn push_onto(self, out: &mut Emit<Owned<Self::Row>>) -> Result<(), Failure>;
}

macro_rules! rows {
    ([$($generics:tt)*] $Rows:ty, $Row:ty, |$rows:ident| $iter:expr) => {
        impl<$($generics)*> IntoRows for $Rows {
            type Row = $Row;

            #[inline]
            fn push_onto(self, out: &mut Emit<Owned<$Row>>) -> Result<(), Failure> {
                let $rows = self;
                $iter.into_iter().try_for_each(|row| out.try_push(row))
            }
        }
    };
}

rows!([T: IntoRow] Vec<T>, T, |rows| rows);
rows!([T: IntoRow, const N: usize] [T; N], T, |rows| rows);
rows!([T: IntoRow] Option<T>, T, |rows| rows);
rows!([I: IntoIterator<Item: IntoRow>] Many<I>, I::Item, |rows| rows.0);

impl<R: IntoRows, E: Into<anyhow::Error>> IntoRows for Result<R, E> {
    type Row = R::Row;

    const FALLIBLE: bool = true;

    #[inline]
    fn push_onto(self, out: &mut Emit<Owned<R::Row>>) -> Result<(), Failure> {
        match self {
            Ok(rows) => rows.push_onto(out),
            Err(error) => Err(Failure::Closure(Cause::new(error.into()))),
        }
    }
}
