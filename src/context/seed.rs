//! A random stream for each row, which depends only on the seed and the row's number.

use std::convert::Infallible;

use rand::rngs::ChaCha8Rng;
use rand::{SeedableRng, TryRng};

use super::state::{Finish, IntoState, State, finish_all, make};
use super::{Context, Lead, Leading, NoState};
use crate::error::Result;
use crate::row_numbers::RowNumbers;
use crate::sealed::Sealed;

/// The random generator that [`seed`](crate::Apply::seed) gives a closure, as `&mut RowRng`: `ChaCha` with 8 rounds.
///
/// A row's stream is that of `ChaCha8Rng::seed_from_u64(seed)` after `set_stream(row)`, where `ChaCha8Rng` is the crate `rand`'s;
/// [`of_row`](RowRng::of_row) makes it. The seed is expanded into the cipher's 256-bit key as `rand_core` does it for every
/// generator, the row's number is the 64-bit nonce, and the block counter begins at 0. Streams of different rows are different
/// outputs of one keyed function (D. J. Bernstein, "`ChaCha`, a variant of Salsa20", 2008), so the streams of neighbouring rows are
/// unrelated. Each stream is 2^70 bytes long. It is not a generator for secrets, since the seed has only 64 bits.
///
/// The traits that draw numbers are those of the crate `rand`, which is re-exported as [`rand`](crate::rand). Everything that
/// `rand`'s `Rng` provides can be used.
///
/// ```
/// use polars_par_apply::prelude::*;
/// use polars_par_apply::rand::{Rng, RngExt};
///
/// let df = df!["x" => [0, 0, 0]]?;
/// let drawn = df.par_apply().seed(7).rows(|rng: &mut RowRng, _: i32| rng.next_u64())?;
/// // The same stream, made outside a call.
/// assert_eq!(drawn.u64()?.get(2), Some(RowRng::of_row(7, 2).next_u64()));
/// assert!(RowRng::of_row(7, 2).random_range(0.0..1.0) < 1.0);
/// # Ok::<(), polars_par_apply::Error>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct RowRng(ChaCha8Rng);

impl RowRng {
    /// Makes the stream, from its beginning, that the row of this number has in a call with this seed.
    #[must_use]
    pub fn of_row(seed: u64, row: u64) -> Self {
        let mut rng = Self::seeded(seed);
        rng.set_row(row);
        rng
    }

    fn seeded(seed: u64) -> Self {
        RowRng(ChaCha8Rng::seed_from_u64(seed))
    }

    #[inline(always)]
    fn set_row(&mut self, row: u64) {
        self.0.set_stream(row);
    }
}

impl TryRng for RowRng {
    type Error = Infallible;

    #[inline]
    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        self.0.try_next_u32()
    }

    #[inline]
    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        self.0.try_next_u64()
    }

    #[inline]
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Infallible> {
        self.0.try_fill_bytes(bytes)
    }
}

/// The part of a [`Leading`] that says that the closure has a random stream for each row.
#[derive(Clone, Copy, Debug)]
pub struct Seed {
    pub(crate) seed: u64,
}

impl Seed {
    pub(crate) fn streams(self) -> Streams {
        Streams {
            generator: RowRng::seeded(self.seed),
        }
    }
}

/// The generator, which is set to the stream of each row in turn.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) generator: RowRng,
}

impl Streams {
    #[inline(always)]
    fn at(&mut self, numbers: &RowNumbers, position: usize) {
        self.generator.set_row(numbers.of(position) as u64);
    }
}

/// The leading argument of a closure with [`seed`](crate::Apply::seed): `&mut RowRng`.
///
/// It is needed only in bounds, as [`WithState`](super::WithState) is.
#[derive(Debug)]
pub struct WithSeed(pub(crate) Streams);

impl Sealed for WithSeed {}
impl<S> Sealed for WithStateAndSeed<S> {}

impl Context for WithSeed {
    #[inline(always)]
    fn at(&mut self, numbers: &RowNumbers, position: usize) {
        self.0.at(numbers, position);
    }
}

/// The leading arguments of a closure with [`state`](crate::Apply::state) and [`seed`](crate::Apply::seed): `&mut S`, and then
/// `&mut RowRng`.
///
/// It is needed only in bounds, as [`WithState`](super::WithState) is.
#[derive(Debug)]
pub struct WithStateAndSeed<S>(pub(crate) S, pub(crate) Streams);

impl<S> Context for WithStateAndSeed<S> {
    #[inline(always)]
    fn at(&mut self, numbers: &RowNumbers, position: usize) {
        self.1.at(numbers, position);
    }
}

impl Lead<WithSeed> for Leading<NoState, Seed> {
    const SEEDED: bool = true;

    fn split(
        self,
    ) -> (
        impl Fn() -> Result<WithSeed> + Sync,
        impl FnOnce(Vec<WithSeed>) -> Result<()>,
    ) {
        (move || Ok(WithSeed(self.seed.streams())), |_| Ok(()))
    }
}

impl<S, I, O, G> Lead<WithStateAndSeed<S>> for Leading<State<I, G>, Seed>
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
        impl Fn() -> Result<WithStateAndSeed<S>> + Sync,
        impl FnOnce(Vec<WithStateAndSeed<S>>) -> Result<()>,
    ) {
        let Leading {
            state: State { init, finish },
            seed,
        } = self;
        (
            move || Ok(WithStateAndSeed(make(&init)?, seed.streams())),
            move |states: Vec<WithStateAndSeed<S>>| {
                finish_all(finish, states.into_iter().map(|both| both.0))
            },
        )
    }
}
