//! The leading arguments of a named function, which belong to the function: its state and its random stream.

use crate::context::{
    IntoState, Lead, Leading, NoContext, NoFinish, NoSeed, NoState, State, WithState,
};
#[cfg(feature = "rand")]
use crate::context::{Seed, WithSeed, WithStateAndSeed};
#[cfg(feature = "lazy")]
use crate::lazy::{Lends as InQueries, Lends, States, lead_from};
#[cfg(not(feature = "lazy"))]
use NoQueries as InQueries;

/// The leading arguments of a named function, which are made anew for each call: a [`Leading`].
///
/// The trait is sealed: it cannot be implemented outside this crate.
pub trait NamedLead<C>: Lead<C> + InQueries<C> + Clone + Send + Sync + 'static {
    /// Returns them with the seed of one call, if the function draws random numbers.
    #[doc(hidden)]
    fn seeded(&self, seed: u64) -> Self;
}

/// Stands in for `InQueries` where there are no queries, and requires nothing.
#[cfg(not(feature = "lazy"))]
#[doc(hidden)]
pub trait NoQueries<C> {}

#[cfg(not(feature = "lazy"))]
impl<L, C> NoQueries<C> for L {}

impl NamedLead<NoContext> for Leading<NoState, NoSeed> {
    fn seeded(&self, _: u64) -> Self {
        *self
    }
}

impl<S, I, O> NamedLead<WithState<S>> for Leading<State<I, NoFinish>, NoSeed>
where
    S: Send + 'static,
    I: Fn() -> O + Clone + Send + Sync + 'static,
    O: IntoState<S>,
{
    fn seeded(&self, _: u64) -> Self {
        self.clone()
    }
}

#[cfg(feature = "rand")]
impl NamedLead<WithSeed> for Leading<NoState, Seed> {
    fn seeded(&self, seed: u64) -> Self {
        Leading {
            seed: Seed { seed },
            ..*self
        }
    }
}

#[cfg(feature = "rand")]
impl<S, I, O> NamedLead<WithStateAndSeed<S>> for Leading<State<I, NoFinish>, Seed>
where
    S: Send + 'static,
    I: Fn() -> O + Clone + Send + Sync + 'static,
    O: IntoState<S>,
{
    fn seeded(&self, seed: u64) -> Self {
        Leading {
            seed: Seed { seed },
            ..self.clone()
        }
    }
}

#[cfg(feature = "lazy")]
impl Lends<NoContext> for Leading<NoState, NoSeed> {
    type Kept = ();

    fn lead<'l>(&'l self, (): &'l ()) -> impl Lead<NoContext> + 'l {
        *self
    }
}

#[cfg(feature = "lazy")]
impl<S, I, O> Lends<WithState<S>> for Leading<State<I, NoFinish>, NoSeed>
where
    S: Send + 'static,
    I: Fn() -> O + Send + Sync + 'static,
    O: IntoState<S>,
{
    type Kept = States<S>;

    fn lead<'l>(&'l self, kept: &'l States<S>) -> impl Lead<WithState<S>> + 'l {
        lead_from(kept, &self.state.init)
    }
}

// Queries have no seed. A function that needs one is refused before these methods are called.
#[cfg(all(feature = "lazy", feature = "rand"))]
impl Lends<WithSeed> for Leading<NoState, Seed> {
    type Kept = ();

    fn lead<'l>(&'l self, (): &'l ()) -> impl Lead<WithSeed> + 'l {
        *self
    }
}

#[cfg(all(feature = "lazy", feature = "rand"))]
impl<S, I, O> Lends<WithStateAndSeed<S>> for Leading<State<I, NoFinish>, Seed>
where
    S: Send + 'static,
    I: Fn() -> O + Send + Sync + 'static,
    O: IntoState<S>,
{
    type Kept = ();

    fn lead<'l>(&'l self, (): &'l ()) -> impl Lead<WithStateAndSeed<S>> + 'l {
        let State { init, finish } = &self.state;
        Leading {
            state: State {
                init,
                finish: *finish,
            },
            seed: self.seed,
        }
    }
}
