//! A state for each worker: it is made when the worker first needs it, and taken back at the end.

use super::{Lead, Leading, NoSeed, WithState};
use crate::error::{ErrorKind, Result};
use crate::run::{Failure, catch};
use crate::sealed::Sealed;

/// The part of a [`Leading`] that says that the closure has a state, which `I` makes and `G` takes at the end.
#[derive(Clone, Copy, Debug)]
pub struct State<I, G> {
    pub(crate) init: I,
    pub(crate) finish: G,
}

/// The return types of the closure given to [`state`](crate::Apply::state): the state `S`, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`.state(…)` makes `{Self}`, and the closure's first argument is `&mut {S}`",
    note = "the closure given to `.state(…)` returns `S` or `Result<S, E>` with `E: Into<anyhow::Error>`; the row closure takes `&mut S` first"
)]
pub trait IntoState<S> {
    #[doc(hidden)]
    fn into_state(self) -> Result<S, anyhow::Error>;
}

impl<S> IntoState<S> for S {
    fn into_state(self) -> Result<S, anyhow::Error> {
        Ok(self)
    }
}

impl<S, E> IntoState<S> for Result<S, E>
where
    E: Into<anyhow::Error>,
{
    fn into_state(self) -> Result<S, anyhow::Error> {
        self.map_err(Into::into)
    }
}

/// A type that says what is done with each state at the end: nothing ([`NoFinish`]), or a call of a closure ([`Hook`]).
#[diagnostic::on_unimplemented(
    message = "`.finish(…)` does not take the state `{S}`",
    note = "annotate its argument with the state's type: `.finish(|state: S| …)`; it returns `()` or `Result<(), E>`"
)]
pub trait Finish<S>: Sealed {
    #[doc(hidden)]
    fn finish(&mut self, state: S) -> Result<(), anyhow::Error>;
}

/// The part of a [`State`] that says that a state is only dropped at the end.
#[derive(Clone, Copy, Debug)]
pub struct NoFinish;

impl Sealed for NoFinish {}
impl<F> Sealed for Hook<F> {}

impl<S> Finish<S> for NoFinish {
    fn finish(&mut self, _: S) -> Result<(), anyhow::Error> {
        Ok(())
    }
}

/// The part of a [`State`] that says that a closure takes each state at the end.
#[derive(Clone, Copy, Debug)]
pub struct Hook<F>(pub(crate) F);

impl<S, R, F> Finish<S> for Hook<F>
where
    F: FnMut(S) -> R,
    R: IntoUnit,
{
    fn finish(&mut self, state: S) -> Result<(), anyhow::Error> {
        (self.0)(state).into_unit()
    }
}

/// The return types of the closure given to [`finish`](crate::Apply::finish): `()`, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "the closure returns `{Self}`, of which nothing would be made",
    note = "what `.finish(…)` and `for_each` are given returns `()`, or `Result<(), E>` with `E: Into<anyhow::Error>`"
)]
pub trait IntoUnit: Sealed {
    #[doc(hidden)]
    fn into_unit(self) -> Result<(), anyhow::Error>;
}

impl IntoUnit for () {
    #[inline(always)]
    fn into_unit(self) -> Result<(), anyhow::Error> {
        Ok(())
    }
}

impl<E: Into<anyhow::Error>> IntoUnit for Result<(), E> {
    #[inline(always)]
    fn into_unit(self) -> Result<(), anyhow::Error> {
        self.map_err(Into::into)
    }
}

/// Makes a state; a panic becomes an error.
pub(crate) fn make<S, O>(init: impl Fn() -> O) -> Result<S>
where
    O: IntoState<S>,
{
    settled(catch(|| init().into_state())).map_err(|cause| ErrorKind::State { cause }.into())
}

/// Gives each state to the hook, all of them even after an error, and then returns the first error.
pub(crate) fn finish_all<S>(
    mut hook: impl Finish<S>,
    states: impl Iterator<Item = S>,
) -> Result<()> {
    let mut first = Ok(());
    for state in states {
        let finished = settled(catch(|| hook.finish(state)));
        first = first.and(finished.map_err(|cause| ErrorKind::Finish { cause }.into()));
    }
    first
}

fn settled<T>(result: Result<Result<T, anyhow::Error>, Failure>) -> Result<T, anyhow::Error> {
    match result {
        Ok(result) => result,
        Err(Failure::Panic(message)) => Err(anyhow::anyhow!("the closure panicked: {message}")),
        Err(other) => Err(anyhow::anyhow!("{other:?}")),
    }
}

impl<S, I, O, G> Lead<WithState<S>> for Leading<State<I, G>, NoSeed>
where
    S: Send,
    I: Fn() -> O + Sync,
    O: IntoState<S>,
    G: Finish<S>,
{
    const SEEDED: bool = false;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<WithState<S>> + Sync,
        impl FnOnce(Vec<WithState<S>>) -> Result<()>,
    ) {
        let State { init, finish } = self.state;
        (
            move || make(&init).map(WithState),
            move |states: Vec<WithState<S>>| {
                finish_all(finish, states.into_iter().map(|WithState(state)| state))
            },
        )
    }
}
