//! Memory that several workers fill at once, and the ranges of rows that workers take.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::ShareOut;
use crate::error::Result;
use crate::sync::{Mutex, PoisonError};
use crate::write::advise_huge_pages;

/// Ranges of rows begin at a multiple of this, so that no two ranges share a word of a bitmap.
pub(super) const BLOCK: usize = 1024;

/// Cuts rows into ranges: a few for each worker, so that a slow one does not delay the rest, and none shorter than `shortest`.
pub(super) fn ranges(rows: usize, workers: usize, shortest: usize) -> Vec<Range<usize>> {
    let most = if workers > 1 { workers * 4 } else { 1 };
    let len = rows
        .div_ceil(most)
        .max(shortest)
        .next_multiple_of(BLOCK)
        .max(BLOCK);
    (0..rows)
        .step_by(len)
        .map(|start| start..rows.min(start + len))
        .collect()
}

/// Returns the blocks of a range.
pub(super) fn blocks(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range
        .step_by(BLOCK)
        .map(move |start| start..end.min(start + BLOCK))
}

/// Gives each part to a worker, and returns the results in the order of the parts.
pub(super) fn each<P, T>(
    parts: Vec<P>,
    share_out: ShareOut<'_>,
    work: impl Fn(usize, P) -> T + Sync,
) -> Result<Vec<T>>
where
    P: Send,
    T: Send,
{
    let parts: Vec<_> = parts
        .into_iter()
        .map(|part| Mutex::new((Some(part), None)))
        .collect();
    share_out(parts.len(), &|index| {
        let lock = || parts[index].lock().unwrap_or_else(PoisonError::into_inner);
        let part = lock().0.take();
        let done = part.map(|part| work(index, part));
        lock().1 = done;
    })?;
    let done = parts.into_iter().map(|part| {
        let (_, done) = part.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.expect("every part is worked on before `share_out` returns")
    });
    Ok(done.collect())
}

/// Returns a slice for each range; the ranges are adjacent, and go from 0 to the end.
pub(super) fn split<'s, T>(mut slice: &'s mut [T], ranges: &[Range<usize>]) -> Vec<&'s mut [T]> {
    let mut parts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (part, rest) = slice.split_at_mut(range.len());
        parts.push(part);
        slice = rest;
    }
    parts
}

/// A vector of fresh memory, which is not written to before the workers fill it.
pub(super) struct Unfilled<T> {
    memory: Vec<T>,
    len: usize,
}

impl<T: Copy> Unfilled<T> {
    pub(super) fn new(len: usize) -> Self {
        let mut memory = Vec::with_capacity(len);
        advise_huge_pages(memory.as_mut_ptr(), len);
        Unfilled { memory, len }
    }

    /// Returns the elements, to be filled slice by slice.
    pub(super) fn as_slice(&mut self) -> &mut [MaybeUninit<T>] {
        &mut self.memory.spare_capacity_mut()[..self.len]
    }

    /// Returns the elements, to be filled in any order.
    pub(super) fn scatter(&mut self) -> Scatter<'_, T> {
        let slots: *mut [MaybeUninit<T>] = self.as_slice();
        // SAFETY: an `UnsafeCell` has the layout of its contents, and the slice is borrowed mutably for as long as the cells
        // are.
        let slots = unsafe { &*(slots as *const [UnsafeCell<MaybeUninit<T>>]) };
        Scatter { slots }
    }

    /// Returns the vector.
    ///
    /// # Safety
    /// Every element has been written.
    pub(super) unsafe fn assume_full(mut self) -> Vec<T> {
        // SAFETY: the capacity is at least `len`, and the caller guarantees that every element was written.
        unsafe { self.memory.set_len(self.len) };
        self.memory
    }
}

impl<T> fmt::Debug for Unfilled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unfilled")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Elements that several workers write to, each at other positions.
pub(super) struct Scatter<'b, T> {
    slots: &'b [UnsafeCell<MaybeUninit<T>>],
}

// SAFETY: through a shared reference the slots are only written to, by `set`, whose callers write to no position twice; so no
// two threads access the same slot.
unsafe impl<T: Send> Sync for Scatter<'_, T> {}

impl<T: Copy> Scatter<'_, T> {
    /// Writes an element, unless its position is past the end.
    ///
    /// # Safety
    /// No other thread writes to this position.
    #[inline(always)]
    pub(super) unsafe fn set(&self, position: usize, value: T) {
        if let Some(slot) = self.slots.get(position) {
            // SAFETY: the caller guarantees that only it writes to this position.
            unsafe { (*slot.get()).write(value) };
        }
    }
}

impl<T> fmt::Debug for Scatter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scatter").finish_non_exhaustive()
    }
}
