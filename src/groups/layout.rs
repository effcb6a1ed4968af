//! The places of the rows of groups in group order.

use polars::prelude::IdxSize;

use super::ShareOut;
use super::memory::{Unfilled, each, ranges, split};
use crate::error::Result;

/// The position of a row that is in no group. No row has this position, since a frame has fewer rows.
pub(crate) const NOWHERE: IdxSize = IdxSize::MAX;

/// The places of rows in group order: the groups one after the other, and the rows of each in the order of the input.
///
/// A layout is made by counting: each position below the number of grouped rows is the place of exactly one row. Writing to
/// such positions relies on this ([`Scatter`](super::memory::Scatter)).
#[derive(Debug)]
pub(super) enum GroupLayout {
    /// Each row is at its own number.
    AsIs,
    /// The position of each row; [`NOWHERE`] for a row that is in no group.
    Positions(Vec<IdxSize>),
    /// The row at each position.
    Rows(Vec<IdxSize>),
}

/// Returns the row at each position, given the position of each row.
pub(super) fn rows_at(
    positions: &[IdxSize],
    grouped: usize,
    workers: usize,
    share_out: ShareOut<'_>,
) -> Result<Vec<IdxSize>> {
    let mut rows = Unfilled::new(grouped);
    let slots = rows.scatter();
    let ranges = ranges(positions.len(), workers, super::SHORTEST);
    each(ranges, share_out, |_, range| {
        for row in range {
            // SAFETY: no two rows have the same position (`GroupLayout`).
            unsafe { slots.set(positions[row] as usize, row as IdxSize) };
        }
    })?;
    // SAFETY: each position is that of a row (`GroupLayout`).
    Ok(unsafe { rows.assume_full() })
}

/// Returns the position of each row, given the row at each position.
pub(super) fn positions_of(
    rows: &[IdxSize],
    height: usize,
    workers: usize,
    share_out: ShareOut<'_>,
) -> Result<Vec<IdxSize>> {
    let mut positions = Unfilled::new(height);
    if rows.len() < height {
        let ranges = ranges(height, workers, super::SHORTEST);
        let parts = split(positions.as_slice(), &ranges);
        each(parts, share_out, |_, part| {
            part.iter_mut().for_each(|slot| {
                slot.write(NOWHERE);
            });
        })?;
    }
    let slots = positions.scatter();
    let ranges = ranges(rows.len(), workers, super::SHORTEST);
    each(ranges, share_out, |_, range| {
        for position in range {
            // SAFETY: no two positions have the same row (`GroupLayout`).
            unsafe { slots.set(rows[position] as usize, position as IdxSize) };
        }
    })?;
    // SAFETY: either each row has a position, or all positions were set before.
    Ok(unsafe { positions.assume_full() })
}
