//! The options of a call, as values.

use polars::prelude::PlSmallStr;

use crate::pool::Pool;

/// What a null does to a row whose argument has a plain type (`T`, not `Option<T>`).
///
/// An argument of type `Option<T>` sees its nulls as `None` under either policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Nulls {
    /// The closure is not called for the row, and the row's output is null, as in SQL and in Polars' `skip_nulls`.
    #[default]
    Propagate,
    /// The call returns an error that names the first such null, before the closure is called at all.
    Error,
}

/// Which conversions from a column's dtype to an argument's type, and from a result to its column's dtype, are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Casts {
    /// Those that keep every value: `Int32` as `i64` or `f64`, `Float32` as `f64`. Any other is an error.
    #[default]
    Lossless,
    /// Also those that can lose: `Int64` as `f64` rounds, `Float64` as `i64` cuts the fraction off.
    ///
    /// A value that is out of the argument type's range becomes null, as in Polars' non-strict `cast`. A time that the
    /// output column's unit cannot hold exactly is cut to it.
    Lossy,
}

/// All options, as given: nothing is checked before a verb is called, so that every fault is reported at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) select: Option<Vec<PlSmallStr>>,
    pub(crate) names: Option<Vec<PlSmallStr>>,
    pub(crate) nulls: Nulls,
    pub(crate) casts: Casts,
    pub(crate) pool: Option<Pool>,
    pub(crate) workers: Option<usize>,
    pub(crate) sequential: bool,
    pub(crate) partitions: Option<usize>,
    pub(crate) chunk_rows: Option<usize>,
}
