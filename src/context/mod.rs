//! What a closure takes before its row's values: nothing, its worker's state, the row's random stream, or both.

mod lent;
mod state;

#[cfg(feature = "rand")]
mod seed;

pub(crate) use lent::Contexts;
#[cfg(feature = "rand")]
pub use seed::RowRng;
#[cfg(feature = "rand")]
pub use seed::{Seed, WithSeed, WithStateAndSeed};
#[cfg(feature = "lazy")]
pub(crate) use state::finish_all;
pub(crate) use state::make;
pub use state::{Finish, Hook, IntoState, IntoUnit, NoFinish, State};

use crate::error::Result;
use crate::row_numbers::RowNumbers;
use crate::sealed::Sealed;

/// What one worker lends the closure for each call.
#[doc(hidden)]
pub trait Context: Sealed {
    /// Whether there is nothing to keep between runs of rows.
    const STATELESS: bool = false;

    /// Called before each row, with its position and the rows' numbers.
    fn at(&mut self, numbers: &RowNumbers, position: usize);
}

/// The context of a closure without leading arguments.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoContext;

impl Sealed for NoContext {}
impl<S> Sealed for WithState<S> {}

impl Context for NoContext {
    const STATELESS: bool = true;

    #[inline(always)]
    fn at(&mut self, _: &RowNumbers, _: usize) {}
}

/// The leading argument of a closure with [`state`](crate::Apply::state): `&mut S`.
///
/// It is needed only in the bounds of a function that passes such a closure on:
///
/// ```
/// use polars_par_apply::prelude::*;
/// use polars_par_apply::WithState;
///
/// fn counted<M, F>(df: &DataFrame, f: F) -> polars_par_apply::Result<<F::Out as IntoRow>::Output>
/// where
///     F: RowFn<M, WithState<u64>>,
///     F::Out: IntoRow,
/// {
///     df.par_apply().state(|| 0u64).rows(f)
/// }
///
/// let df = df!["x" => [1, 2]]?;
/// let column = counted(&df, |count: &mut u64, x: i32| {
///     *count += 1;
///     x + 1
/// })?;
/// assert_eq!(column.i32()?.to_vec(), [Some(2), Some(3)]);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Debug)]
pub struct WithState<S>(pub(crate) S);

impl<S> Context for WithState<S> {
    #[inline(always)]
    fn at(&mut self, _: &RowNumbers, _: usize) {}
}

/// The type of an [`Apply`](crate::Apply)'s leading arguments, as the options set them.
///
/// `State` is a [`NoState`], or a [`State`] that [`state`](crate::Apply::state) sets. `Seed` is a [`NoSeed`], or a `Seed` that
/// `seed` sets.
#[derive(Clone, Copy, Debug)]
pub struct Leading<State, Seed> {
    pub(crate) state: State,
    pub(crate) seed: Seed,
}

/// A marker type of [`Leading`]: the closure has no state.
#[derive(Clone, Copy, Debug)]
pub struct NoState;

/// A marker type of [`Leading`]: the closure has no random stream.
#[derive(Clone, Copy, Debug)]
pub struct NoSeed;

/// A type that makes the leading arguments of a closure with the context `C`, and takes them back at the end: a [`Leading`].
#[diagnostic::on_unimplemented(
    message = "the closure's leading arguments are not what the options give it",
    note = "`.state(init)` gives a leading `&mut S`, where `init` returns `S` or `Result<S, E>`; `.seed(n)` a leading `&mut RowRng`; both together give the state first"
)]
pub trait Lead<C>: Sealed {
    /// Whether each row (part, column) has a random stream.
    #[doc(hidden)]
    const SEEDED: bool;

    /// Splits into the function that makes a context for a worker, and the function that takes all contexts at the end.
    #[doc(hidden)]
    fn split(
        self,
    ) -> (
        impl Fn() -> Result<C> + Sync,
        impl FnOnce(Vec<C>) -> Result<()>,
    );
}

impl<S, D> Sealed for Leading<S, D> {}

impl Lead<NoContext> for Leading<NoState, NoSeed> {
    const SEEDED: bool = false;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<NoContext> + Sync,
        impl FnOnce(Vec<NoContext>) -> Result<()>,
    ) {
        (|| Ok(NoContext), |_| Ok(()))
    }
}
