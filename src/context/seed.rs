//! A random stream for each row, which depends on the seed and the row's number alone.

use rand::SeedableRng;

use super::state::{Finish, IntoState, State, finish_all, make};
use super::{Context, Lead, Leading, NoState};
use crate::error::Result;

/// The random generator that [`seed`](crate::Apply::seed) gives a closure, as `&mut RowRng`: `ChaCha` with 8 rounds.
///
/// A row's stream is that of `RowRng::seed_from_u64(seed)` after `set_stream(row)`: the seed is expanded into the
/// cipher's 256-bit key as `rand_core` does it for every generator, the row's number is the 64-bit nonce, and the block
/// counter begins at 0. Streams of different rows are different outputs of one keyed function (D. J. Bernstein,
/// "`ChaCha`, a variant of Salsa20", 2008), so neighbours have nothing in common; each is 2^70 bytes long. It is no
/// generator for secrets: the seed has 64 bits.
///
/// The traits that draw numbers are those of the crate `rand`, re-exported as [`rand`](crate::rand).
pub type RowRng = rand::rngs::ChaCha8Rng;

/// A seed was given.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Seed(pub(crate) u64);

impl Seed {
    fn generator(self) -> RowRng {
        RowRng::seed_from_u64(self.0)
    }
}

/// A leading `&mut RowRng`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Seeded(pub(crate) RowRng);

impl Context for Seeded {
    #[inline(always)]
    fn at(&mut self, row: usize) {
        self.0.set_stream(row as u64);
    }
}

/// A leading `&mut S`, and a `&mut RowRng` after it.
#[doc(hidden)]
#[derive(Debug)]
pub struct StateAndSeeded<S>(pub(crate) S, pub(crate) RowRng);

impl<S> Context for StateAndSeeded<S> {
    #[inline(always)]
    fn at(&mut self, row: usize) {
        self.1.set_stream(row as u64);
    }
}

impl Lead<Seeded> for Leading<NoState, Seed> {
    const SEEDED: bool = true;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<Seeded> + Sync,
        impl FnOnce(Vec<Seeded>) -> Result<()>,
    ) {
        (move || Ok(Seeded(self.seed.generator())), |_| Ok(()))
    }
}

impl<S, I, O, G> Lead<StateAndSeeded<S>> for Leading<State<I, G>, Seed>
where
    S: Send,
    I: Fn() -> O + Sync,
    O: IntoState<S>,
    G: Finish<S>,
{
    const SEEDED: bool = true;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<StateAndSeeded<S>> + Sync,
        impl FnOnce(Vec<StateAndSeeded<S>>) -> Result<()>,
    ) {
        let Leading {
            state: State { init, finish },
            seed,
        } = self;
        (
            move || Ok(StateAndSeeded(make(&init)?, seed.generator())),
            move |states: Vec<StateAndSeeded<S>>| {
                finish_all(finish, states.into_iter().map(|both| both.0))
            },
        )
    }
}
