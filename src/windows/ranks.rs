//! How many rows are seen before each row.

use polars::prelude::IdxSize;
use polars_arrow::bitmap::Bitmap;

/// Counts the set bits of a bitmap before a position.
#[derive(Clone, Debug)]
pub(crate) struct SeenRanks {
    words: Vec<SeenWord>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct SeenWord {
    bits: u64,
    /// How many bits are set before the word.
    before: IdxSize,
}

const BITS: usize = u64::BITS as usize;

impl SeenRanks {
    pub(crate) fn new(bitmap: &Bitmap) -> Self {
        let chunks = bitmap.chunks::<u64>();
        let remainder = chunks.remainder();
        let mut before = 0;
        // One more word is added, so that the end of the bitmap has its rank too.
        let words = chunks.chain([remainder, 0]).map(|bits| {
            let word = SeenWord { bits, before };
            before += bits.count_ones() as IdxSize;
            word
        });
        SeenRanks {
            words: words.collect(),
            len: bitmap.len(),
        }
    }

    /// Returns how many bits are set before a position; for a row that is seen, this is its position among the rows that are
    /// seen.
    #[inline]
    pub(crate) fn before(&self, position: usize) -> usize {
        debug_assert!(position <= self.len);
        let word = self.words[position / BITS];
        let lower = (1u64 << (position % BITS)) - 1;
        word.before as usize + (word.bits & lower).count_ones() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counts() {
        for len in [0, 1, 63, 64, 65, 128, 200] {
            for offset in [0, 3, 70] {
                let bits = (0..len + offset).map(|bit| bit % 3 == 1 || bit % 7 == 0);
                let bitmap: Bitmap = bits.collect();
                let bitmap = bitmap.sliced(offset, len);
                let ranks = SeenRanks::new(&bitmap);
                for position in 0..=len {
                    let expected = bitmap.iter().take(position).filter(|bit| *bit).count();
                    assert_eq!(ranks.before(position), expected);
                }
            }
        }
    }
}
