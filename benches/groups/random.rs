//! Data that is the same in every run.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

pub(crate) fn generator(seed: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed)
}

/// Uniform in 0…1.
pub(crate) fn floats(seed: u64, rows: usize) -> Vec<f64> {
    generator(seed).random_iter().take(rows).collect()
}

/// Uniform in 0…1, a tenth of them null.
pub(crate) fn nullable_floats(seed: u64, rows: usize) -> Vec<Option<f64>> {
    let mut random = generator(seed);
    (0..rows)
        .map(|_| (!random.random_bool(0.1)).then(|| random.random()))
        .collect()
}

/// Uniform in 0…9.
pub(crate) fn digits(seed: u64, rows: usize) -> Vec<i64> {
    let mut random = generator(seed);
    (0..rows).map(|_| random.random_range(0..10)).collect()
}

/// Lower-case words of 3 to 24 letters: some lie in their view, most in a buffer.
pub(crate) fn words(seed: u64, rows: usize) -> Vec<String> {
    let mut random = generator(seed);
    (0..rows)
        .map(|_| {
            let letters = random.random_range(3..=24);
            (0..letters)
                .map(|_| char::from(random.random_range(b'a'..=b'z')))
                .collect()
        })
        .collect()
}

/// The ends of `parts` parts of random length; the last is `rows`.
pub(crate) fn cuts(seed: u64, rows: usize, parts: usize) -> Vec<usize> {
    let mut random = generator(seed);
    let mut cuts: Vec<usize> = (1..parts).map(|_| random.random_range(0..=rows)).collect();
    cuts.push(rows);
    cuts.sort_unstable();
    cuts
}
