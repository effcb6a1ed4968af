//! Results that say whether a row is kept.

use polars::prelude::Column;

use super::IntoRow;
use crate::sealed::Sealed;

/// A type that a closure of [`filter_rows`](crate::Apply::filter_rows) may return, which says whether the row is kept.
///
/// | result | the row is kept |
/// |---|---|
/// | `bool` | where it is true |
/// | `Option<bool>` | where it is `Some(true)` |
/// | `Result<T, E>` of one of these, `E: Into<anyhow::Error>` | as `T`; an error fails the row |
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let df = df!["text" => ["7", "-2", ""]]?;
/// let positive = |text: &str| (!text.is_empty()).then(|| text.starts_with(|c: char| c != '-'));
/// assert_eq!(df.par_apply().filter_rows(positive)?, df!["text" => ["7"]]?);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// The trait is sealed: it cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a row is kept",
    label = "a closure of `filter_rows` returns `bool`, `Option<bool>` or a `Result` of one of these",
    note = "the error of a `Result` implements `std::error::Error`, or is an `anyhow::Error`; text and `Box<dyn Error>` do not: make one with `anyhow::anyhow!(…)`"
)]
pub trait IntoMask: IntoRow<Output = Column> + Sealed {}

impl IntoMask for bool {}
impl IntoMask for Option<bool> {}

impl<T: IntoMask, E: Into<anyhow::Error>> IntoMask for Result<T, E> {}
