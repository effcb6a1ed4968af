//! The return types of closures over items.

use std::convert::Infallible;

/// The return types of a closure that a [`Pool`](crate::Pool) calls: `T`, or a `Result<T, E>` with `E: Into<anyhow::Error>`.
///
/// If the closure returns `T`, the results are `T`s. If it returns a `Result`, there are two ways. Either the first error ends the
/// call, and the results are the values. Or the results are the `Result`s themselves, and only a panic ends the call. The type of
/// the results says which: it must follow from what the program does with them, or be written:
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let pool = Pool::new(2)?;
/// let texts = ["1", "2", "x", "y"];
///
/// let numbers: polars_par_apply::Result<Vec<i32>> = pool.map(texts, |text| text.parse());
/// assert_eq!(numbers.unwrap_err().index(), Some(2)); // the lowest, whichever worker fails first
///
/// let each: Vec<Result<i32, _>> = pool.map(texts, |text| text.parse::<i32>())?;
/// assert!(each[1].is_ok() && each[2].is_err());
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// An error type that does not implement `Into<anyhow::Error>`, such as a `String` or a `Box<dyn Error + Send + Sync>`, is converted by
/// `.map_err(anyhow::Error::msg)`; a `Box<dyn Error>` by `.map_err(|error| anyhow::anyhow!("{error}"))`.
///
/// Where no variable has the type, it can be given to the call, followed by a `_` for each of the call's other parameters:
/// `pool.map::<i32, _, _, _>(…)`, `pool.apply_async::<i32, _, _>(…)`.
#[diagnostic::on_unimplemented(
    message = "the closure returns `{Self}`, and the results are to be `{T}`",
    note = "the closure returns `T`, or `Result<T, E>` with `E: Into<anyhow::Error>`",
    note = "if it returns a `Result`, write the type of the results: `let n: i32 = pool.apply(…)?`, `let all: Vec<i32> = pool.map(…)?`, `let job: Job<i32> = …`"
)]
pub trait IntoItem<T> {
    /// The error that may come instead of a `T`: for a `Result`, its error; for a plain `T`, none.
    type Error;

    #[doc(hidden)]
    fn into_item(self) -> Result<T, Self::Error>;
}

impl<T> IntoItem<T> for T {
    type Error = Infallible;

    #[inline(always)]
    fn into_item(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

// This holds for any `E`: if `E` were bounded here, a `Result` with another error type would silently count as a value.
impl<T, E> IntoItem<T> for Result<T, E> {
    type Error = E;

    #[inline(always)]
    fn into_item(self) -> Result<T, E> {
        self
    }
}
