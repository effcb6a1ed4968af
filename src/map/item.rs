//! What a closure over items returns.

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
/// let numbers: Result<Vec<i32>> = pool.map(texts, |text| text.parse());
/// assert_eq!(numbers.unwrap_err().index(), Some(2)); // the lowest, whoever meets which first
///
/// let each: Vec<Result<i32, _>> = pool.map(texts, |text| text.parse::<i32>())?;
/// assert!(each[1].is_ok() && each[2].is_err());
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "the closure returns `{Self}`, and the results are to be `{T}`",
    note = "it returns `T`, or `Result<T, E>` with `E: Into<anyhow::Error>`"
)]
pub trait IntoItem<T> {
    #[doc(hidden)]
    fn into_item(self) -> Result<T, anyhow::Error>;
}

impl<T> IntoItem<T> for T {
    #[inline(always)]
    fn into_item(self) -> Result<T, anyhow::Error> {
        Ok(self)
    }
}

impl<T, E> IntoItem<T> for Result<T, E>
where
    E: Into<anyhow::Error>,
{
    #[inline(always)]
    fn into_item(self) -> Result<T, anyhow::Error> {
        self.map_err(Into::into)
    }
}
