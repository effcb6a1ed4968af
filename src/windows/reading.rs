//! The order in which rows are read, and how the work over them is cut.

use std::fmt;
use std::ops::Range;

use crate::error::Result;
use crate::groups::ShareOut;
use crate::sync::{Mutex, PoisonError};
use crate::write::advise_huge_pages;

/// How many positions a worker takes at a time.
const PIECE: usize = if cfg!(test) { 7 } else { 1 << 16 };

/// The order in which rows are read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'r> {
    /// How many rows are read.
    pub(crate) rows: usize,
    /// The groups, if there are any; windows stay within a group.
    pub(crate) groups: Option<Spans<'r>>,
    /// The frame's row at a position, if that differs from the position.
    pub(crate) row_at: Option<&'r (dyn Fn(usize) -> usize + Sync)>,
}

/// Spans of positions, ascending and disjoint.
#[derive(Clone, Copy)]
pub(crate) struct Spans<'r> {
    pub(crate) count: usize,
    pub(crate) of: &'r (dyn Fn(usize) -> Range<usize> + Sync),
}

/// A part of a group.
#[derive(Debug, PartialEq)]
pub(super) struct GroupPart {
    pub(super) group: Range<usize>,
    pub(super) part: Range<usize>,
}

impl Spans<'_> {
    /// Returns the first group that does not end before a position.
    fn first_at(&self, position: usize) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if (self.of)(middle).end <= position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

impl Reading<'_> {
    #[inline]
    pub(super) fn row(&self, position: usize) -> usize {
        self.row_at.map_or(position, |row_at| row_at(position))
    }

    /// Returns the parts of groups that are within a range of positions, in order.
    pub(super) fn stretches(&self, range: Range<usize>) -> impl Iterator<Item = GroupPart> {
        let whole = 0..self.rows;
        let first = self.groups.map_or(0, |groups| groups.first_at(range.start));
        let count = self.groups.map_or(1, |groups| groups.count);
        (first..count)
            .map(move |group| {
                let group = self
                    .groups
                    .map_or(whole.clone(), |groups| (groups.of)(group));
                let part = group.start.max(range.start)..group.end.min(range.end);
                (group.start >= range.end, GroupPart { group, part })
            })
            .take_while(|(is_beyond, _)| !is_beyond)
            .map(|(_, stretch)| stretch)
            .filter(|stretch| !stretch.part.is_empty())
    }

    /// Calls `work` for pieces that together are all positions.
    pub(super) fn pieces(
        &self,
        share_out: ShareOut<'_>,
        work: &(dyn Fn(Range<usize>) + Sync),
    ) -> Result<()> {
        share_out(self.rows.div_ceil(PIECE), &|piece| {
            let start = piece * PIECE;
            work(start..(start + PIECE).min(self.rows));
        })
    }

    /// Makes a value for each position; `work` sets the values of the positions from `first` on.
    pub(super) fn fill<T: Copy + Send>(
        &self,
        empty: T,
        share_out: ShareOut<'_>,
        work: &(dyn Fn(usize, &mut [T]) + Sync),
    ) -> Result<Vec<T>> {
        // The memory is zeroed, so that the allocator can give it as it is, and each worker is the first to touch its own
        // pages.
        let mut values = vec![empty; self.rows];
        advise_huge_pages(values.as_mut_ptr(), values.len());
        let pieces: Vec<_> = values.chunks_mut(PIECE).map(Mutex::new).collect();
        share_out(pieces.len(), &|piece| {
            let mut values = pieces[piece].lock().unwrap_or_else(PoisonError::into_inner);
            work(piece * PIECE, &mut values);
        })?;
        drop(pieces);
        Ok(values)
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("rows", &self.rows)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Spans<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_the_groups_cut_to_the_range() {
        // There is an empty group, and there are positions that are in no group.
        let spans = [0..3, 3..3, 5..6, 6..10];
        let of = |group: usize| spans[group].clone();
        let groups = Spans { count: 4, of: &of };
        let reading = Reading {
            rows: 12,
            groups: Some(groups),
            row_at: None,
        };
        for start in 0..12 {
            for end in start..=12 {
                let expected: Vec<GroupPart> = spans
                    .iter()
                    .map(|group| GroupPart {
                        group: group.clone(),
                        part: group.start.max(start)..group.end.min(end),
                    })
                    .filter(|stretch| !stretch.part.is_empty())
                    .collect();
                let stretches: Vec<GroupPart> = reading.stretches(start..end).collect();
                assert_eq!(stretches, expected, "{start}..{end}");
            }
        }
    }
}
