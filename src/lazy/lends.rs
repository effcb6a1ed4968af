//! The leading arguments of closures in a query: none, or a state of the worker.

use super::query_rows::NO_LEAD;
use crate::context::{IntoState, Lead, NoContext, NoFinish, NoState, State, WithState, make};
use crate::error::Result;
use crate::sealed::Sealed;
use crate::sync::{Mutex, PoisonError};

/// What lends the leading arguments to one batch after the other, in one run of a query.
#[doc(hidden)]
pub trait Lends<C>: Send + Sync + 'static {
    /// What is kept from one batch to the next.
    type Kept: Default + Send + Sync + 'static;

    fn lead<'l>(&'l self, kept: &'l Self::Kept) -> impl Lead<C> + 'l;
}

impl Lends<NoContext> for NoState {
    type Kept = ();

    fn lead<'l>(&'l self, (): &'l ()) -> impl Lead<NoContext> + 'l {
        NO_LEAD
    }
}

/// The states that no call is using at the moment.
pub(crate) type States<S> = Mutex<Vec<WithState<S>>>;

impl<S, I, O> Lends<WithState<S>> for State<I, NoFinish>
where
    S: Send + 'static,
    I: Fn() -> O + Send + Sync + 'static,
    O: IntoState<S>,
{
    type Kept = States<S>;

    fn lead<'l>(&'l self, kept: &'l States<S>) -> impl Lead<WithState<S>> + 'l {
        lead_from(kept, &self.init)
    }
}

/// Returns what lends the kept states, and makes more with `init`.
pub(crate) fn lead_from<'l, S, I, O>(
    kept: &'l States<S>,
    init: &'l I,
) -> impl Lead<WithState<S>> + 'l
where
    S: Send,
    I: Fn() -> O + Sync,
    O: IntoState<S>,
{
    FromStates { kept, init }
}

/// Lends a state that is free, or a new one where none is. There are as many states as workers of calls that ran at the same time.
struct FromStates<'l, S, I> {
    kept: &'l States<S>,
    init: &'l I,
}

impl<S, I> Sealed for FromStates<'_, S, I> {}

impl<S, I, O> Lead<WithState<S>> for FromStates<'_, S, I>
where
    S: Send,
    I: Fn() -> O + Sync,
    O: IntoState<S>,
{
    const SEEDED: bool = false;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<WithState<S>> + Sync,
        impl FnOnce(Vec<WithState<S>>) -> Result<()>,
    ) {
        let FromStates { kept, init } = self;
        let free = move || kept.lock().unwrap_or_else(PoisonError::into_inner);
        let lend = move || {
            let state = free().pop();
            state.map_or_else(|| make(init).map(WithState), Ok)
        };
        let give_back = move |states: Vec<WithState<S>>| {
            free().extend(states);
            Ok(())
        };
        (lend, give_back)
    }
}
