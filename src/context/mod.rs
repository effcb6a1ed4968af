//! What a closure is given before its row: nothing, its worker's state, the row's random stream, or both.

mod lent;
mod state;

#[cfg(feature = "rand")]
mod seed;

pub(crate) use lent::Contexts;
#[cfg(feature = "rand")]
pub use seed::RowRng;
#[cfg(feature = "rand")]
pub(crate) use seed::{Seed, Seeded, StateAndSeeded};
pub(crate) use state::{Hook, NoFinish, State};
pub use state::{IntoState, IntoUnit};

use crate::error::Result;

/// What one worker lends the closure, call by call.
#[doc(hidden)]
pub trait Context {
    /// Whether there is nothing to keep between runs.
    const STATELESS: bool = false;

    /// Called before each row.
    fn at(&mut self, row: usize);
}

/// No leading argument.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoContext;

impl Context for NoContext {
    const STATELESS: bool = true;

    #[inline(always)]
    fn at(&mut self, _: usize) {}
}

/// A leading `&mut S`.
#[doc(hidden)]
#[derive(Debug)]
pub struct OwnState<S>(pub(crate) S);

impl<S> Context for OwnState<S> {
    #[inline(always)]
    fn at(&mut self, _: usize) {}
}

/// The leading arguments that the options of a call ask for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Leading<State, Seed> {
    pub(crate) state: State,
    pub(crate) seed: Seed,
}

/// No state was asked for.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoState;

/// No seed was given.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NoSeed;

/// Makes what closures with the context `C` are lent, and sees it again at the end.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the closure's leading arguments are not what the options give it",
    note = "`.state(init)` gives a leading `&mut S`, where `init` returns `S` or `Result<S, E>`; `.seed(n)` a leading `&mut RowRng`; both together give the state first"
)]
pub trait Lead<C> {
    /// Whether each row (part, column) has a random stream.
    const SEEDED: bool;

    /// What makes one for a worker, and what takes them all at the end.
    fn split(
        self,
    ) -> (
        impl Fn() -> Result<C> + Sync,
        impl FnOnce(Vec<C>) -> Result<()>,
    );
}

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
