//! What a closure over items returns.

use std::convert::Infallible;

/// What a closure that a [`Pool`](crate::Pool) calls returns: a `T`, or a `Result<T, E>` with `E: Into<anyhow::Error>`.
///
/// Of a closure that returns `T`, the results are `T`s. Of one that returns a `Result`, either is meant: the first error
/// ends the call, and the results are the values; or the results are the `Result`s themselves, and only a panic ends it. So
/// there it must be clear from what becomes of the results, or be said, which it is:
///
/// ```
/// use polars_par_apply::prelude::*;
///
/// let pool = Pool::new(2)?;
/// let texts = ["1", "2", "x", "y"];
///
/// let numbers: polars_par_apply::Result<Vec<i32>> = pool.map(texts, |text| text.parse());
/// assert_eq!(numbers.unwrap_err().index(), Some(2)); // the lowest, whoever meets which first
///
/// let each: Vec<Result<i32, _>> = pool.map(texts, |text| text.parse::<i32>())?;
/// assert!(each[1].is_ok() && each[2].is_err());
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
///
/// An error that is no `Into<anyhow::Error>`, a `String` or a `Box<dyn Error>`, becomes one by
/// `.map_err(anyhow::Error::msg)`.
///
/// Where no variable has the type, it can be given to the call, before as many `_` as it has other parameters:
/// `pool.map::<i32, _, _, _>(…)`, `pool.apply_async::<i32, _, _>(…)`.
#[diagnostic::on_unimplemented(
    message = "the closure returns `{Self}`, and the results are to be `{T}`",
    note = "the closure returns `T`, or `Result<T, E>` with `E: Into<anyhow::Error>`",
    note = "where it returns a `Result`, say what the results are: `let n: i32 = pool.apply(…)?`, `let all: Vec<i32> = pool.map(…)?`, `let job: Job<i32> = …`"
)]
pub trait IntoItem<T> {
    /// What may come instead of it: of the `Result`, its error; of a plain `T`, nothing.
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

// For any `E`: were it bounded here, a `Result` with another error would silently be a value.
impl<T, E> IntoItem<T> for Result<T, E> {
    type Error = E;

    #[inline(always)]
    fn into_item(self) -> Result<T, E> {
        self
    }
}
