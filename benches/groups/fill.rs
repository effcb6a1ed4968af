//! What a hand-written loop writes to: one preallocated buffer, chunk by chunk, on rayon.

use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::workers::Workers;

/// Rows per chunk: 128 KiB of `f64`, which stays in the second-level cache and is far from costing anything to hand out.
const CHUNK: usize = 1 << 14;

/// A fresh vector, as the allocator gives it. `write` sets every slot of the rows it is given.
pub(crate) fn fresh<T: Copy + Send>(
    rows: usize,
    workers: Workers,
    write: impl Fn(Range<usize>, &mut [MaybeUninit<T>]) + Sync,
) -> Vec<T> {
    full(Vec::with_capacity(rows), rows, workers, write)
}

/// A fresh vector that the kernel is asked to map in huge pages, where there is a way to ask.
pub(crate) fn fresh_huge<T: Copy + Send>(
    rows: usize,
    workers: Workers,
    write: impl Fn(Range<usize>, &mut [MaybeUninit<T>]) + Sync,
) -> Vec<T> {
    let mut vector = Vec::with_capacity(rows);
    advise_huge_pages(vector.spare_capacity_mut());
    full(vector, rows, workers, write)
}

/// A buffer that has been written to before.
pub(crate) fn mapped<T: Copy + Send>(
    buffer: &mut [T],
    workers: Workers,
    write: impl Fn(Range<usize>, &mut [MaybeUninit<T>]) + Sync,
) {
    // SAFETY: a `T` may stand where a `MaybeUninit<T>` may; the writers only ever set slots.
    let slots = unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<T>]) };
    fill(slots, workers, write);
}

fn full<T: Copy + Send>(
    mut vector: Vec<T>,
    rows: usize,
    workers: Workers,
    write: impl Fn(Range<usize>, &mut [MaybeUninit<T>]) + Sync,
) -> Vec<T> {
    fill(&mut vector.spare_capacity_mut()[..rows], workers, write);
    // SAFETY: `fill` has given every slot to `write`, which sets it.
    unsafe { vector.set_len(rows) };
    vector
}

fn fill<T: Send>(
    slots: &mut [MaybeUninit<T>],
    workers: Workers,
    write: impl Fn(Range<usize>, &mut [MaybeUninit<T>]) + Sync,
) {
    workers.install(|| {
        slots
            .par_chunks_mut(CHUNK)
            .enumerate()
            .for_each(|(chunk, slots)| {
                let start = chunk * CHUNK;
                write(start..start + slots.len(), slots);
            });
    });
}

#[cfg(target_os = "linux")]
fn advise_huge_pages<T>(slots: &mut [MaybeUninit<T>]) {
    const PAGE: usize = 4096;
    let start = slots.as_mut_ptr() as usize;
    let end = (start + size_of_val(slots)) / PAGE * PAGE;
    let start = start.next_multiple_of(PAGE);
    if start < end {
        // SAFETY: the pages lie within the allocation, and the advice changes no content.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn advise_huge_pages<T>(_: &mut [MaybeUninit<T>]) {}
