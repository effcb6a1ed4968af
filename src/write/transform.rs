//! The results of closures of `transform`: a value for each row of a group.

use polars::prelude::{Column, Series};

use super::IntoRow;
use crate::error::{Cause, Failure, Result};

/// One value for all rows of a group, as the result of a closure of [`transform`](crate::Apply::transform).
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["k" => ["a", "b", "a"], "x" => [1.0, 5.0, 3.0]]?;
/// let largest = df.par_apply().by(["k"]).transform(|x: Values<'_, f64>| Each(x.iter().fold(f64::MIN, f64::max)))?;
/// assert_eq!(largest.f64()?.to_vec(), [Some(3.0), Some(5.0), Some(3.0)]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Each<T>(pub T);

/// A type that a closure of [`transform`](crate::Apply::transform) may return.
///
/// | result | output |
/// |---|---|
/// | `Vec<T>` with one item for each row of the group, where `T` is a type that [`rows`](crate::Apply::rows) may return | the same as for `rows`: a `Column` or a `DataFrame` |
/// | [`Each(T)`](Each), where `T` is such a type and `Clone` | the same value for every row of the group |
/// | `Column`, `Series`, of the group's length | a `Column` with the name of the first group's |
/// | `Result<R, E>` of one of these, `E: Into<anyhow::Error>` | as `R` |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the result of a transform",
    label = "is not a value for each row of a group",
    note = "a closure of transform returns `Vec<T>` with a value for each of the group's rows, `Each(value)` with one for all of them, a `Column` or `Series`, or a `Result` of one of these",
    note = "for one row for each group, call `.groups(f)`"
)]
pub trait IntoTransform: Sized {
    /// The output that the results of all groups become together: a `Column` or a `DataFrame`.
    type Output;

    /// The result of one row; for a whole column, nothing.
    #[doc(hidden)]
    type Row: IntoRow<Output = Self::Output>;

    /// Whether the result is a whole column.
    #[doc(hidden)]
    const IS_COLUMN: bool;

    #[doc(hidden)]
    fn into_rows(self) -> Result<Transformed<Self::Row>, Failure>;

    /// Makes the output of a column.
    #[doc(hidden)]
    fn output(column: Column) -> Self::Output;
}

/// The results for the rows of a group.
#[doc(hidden)]
#[derive(Debug)]
pub enum Transformed<R> {
    Rows(std::vec::IntoIter<R>),
    /// One result for all rows, and the function that clones it.
    Each(R, fn(&R) -> R),
    Column(Series),
}

impl<T: IntoRow> IntoTransform for Vec<T> {
    type Output = T::Output;
    type Row = T;

    const IS_COLUMN: bool = false;

    #[inline]
    fn into_rows(self) -> Result<Transformed<T>, Failure> {
        Ok(Transformed::Rows(self.into_iter()))
    }

    fn output(_: Column) -> T::Output {
        unreachable!("its rows are written one by one")
    }
}

impl<T: IntoRow + Clone> IntoTransform for Each<T> {
    type Output = T::Output;
    type Row = T;

    const IS_COLUMN: bool = false;

    #[inline]
    fn into_rows(self) -> Result<Transformed<T>, Failure> {
        Ok(Transformed::Each(self.0, T::clone))
    }

    fn output(_: Column) -> T::Output {
        unreachable!("its rows are written one by one")
    }
}

macro_rules! column {
    ($($Whole:ty, |$whole:ident| $series:expr;)*) => {
        $(impl IntoTransform for $Whole {
            type Output = Column;
            type Row = ();

            const IS_COLUMN: bool = true;

            fn into_rows(self) -> Result<Transformed<()>, Failure> {
                let $whole = self;
                Ok(Transformed::Column($series))
            }

            fn output(column: Column) -> Column {
                column
            }
        })*
    };
}

column! {
    Column, |whole| whole.take_materialized_series();
    Series, |whole| whole;
}

impl<T: IntoTransform, E: Into<anyhow::Error>> IntoTransform for Result<T, E> {
    type Output = T::Output;
    type Row = T::Row;

    const IS_COLUMN: bool = T::IS_COLUMN;

    #[inline]
    fn into_rows(self) -> Result<Transformed<T::Row>, Failure> {
        match self {
            Ok(result) => result.into_rows(),
            Err(error) => Err(Failure::Closure(Cause::new(error.into()))),
        }
    }

    fn output(column: Column) -> T::Output {
        T::output(column)
    }
}
