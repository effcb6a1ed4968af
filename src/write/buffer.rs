//! Buffers that many workers fill at once, and that nobody reads before they are full.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use polars_arrow::bitmap::Bitmap;

/// One preallocated, uninitialised buffer of plain values.
///
/// Workers write to disjoint ranges through [`Fresh::slots`], and [`Fresh::assume_full`] turns the buffer into a vector. Values
/// are `Copy`, so a buffer that is dropped half full has no values to drop.
pub(super) struct Fresh<T: Copy> {
    /// Owns the memory; its length stays 0 until the buffer is full.
    memory: Vec<T>,
    first: *mut T,
    len: usize,
}

// SAFETY: `first` points into `memory`, which the buffer owns. Through a shared reference the buffer is only written to, by
// `slots`, whose callers keep to disjoint ranges.
unsafe impl<T: Copy + Send> Send for Fresh<T> {}
// SAFETY: as above.
unsafe impl<T: Copy + Send> Sync for Fresh<T> {}

impl<T: Copy> Fresh<T> {
    pub(super) fn new(len: usize) -> Self {
        let mut memory = Vec::with_capacity(len);
        advise_huge_pages(memory.as_mut_ptr(), memory.capacity());
        let first = memory.as_mut_ptr();
        Fresh { memory, first, len }
    }

    /// Returns the slots from `start` on.
    pub(super) fn slots(&self, start: usize) -> Slots<'_, T> {
        assert!(start <= self.len);
        Slots {
            // SAFETY: `start` is within the allocation, or one past its end.
            first: unsafe { self.first.add(start) },
            #[cfg(debug_assertions)]
            len: self.len - start,
            buffer: PhantomData,
        }
    }

    /// Returns the values.
    ///
    /// # Safety
    /// Every slot has been set.
    pub(super) unsafe fn assume_full(mut self) -> Vec<T> {
        // SAFETY: the capacity is at least `len`, and the caller guarantees that the slots are set.
        unsafe { self.memory.set_len(self.len) };
        self.memory
    }
}

impl<T: Copy> fmt::Debug for Fresh<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The slots of a buffer that one worker writes to.
pub(super) struct Slots<'s, T> {
    first: *mut T,
    #[cfg(debug_assertions)]
    len: usize,
    buffer: PhantomData<&'s T>,
}

impl<T: Copy> Slots<'_, T> {
    /// Sets a slot.
    ///
    /// # Safety
    /// The slot is within the buffer, and no other worker sets it.
    #[inline(always)]
    pub(super) unsafe fn set(&mut self, slot: usize, value: T) {
        #[cfg(debug_assertions)]
        assert!(slot < self.len);
        // SAFETY: the caller upholds this function's contract.
        unsafe { self.first.add(slot).write(value) };
    }
}

impl<T> fmt::Debug for Slots<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").finish_non_exhaustive()
    }
}

/// Asks the kernel to map a large new allocation in huge pages. Three quarters of the time of writing to fresh memory is spent
/// on page faults, one page after the other. If the kernel refuses, nothing is lost.
#[cfg(target_os = "linux")]
pub(crate) fn advise_huge_pages<T>(first: *mut T, len: usize) {
    const PAGE: usize = 4096;
    const HUGE: usize = 2 << 20;
    let start = (first as usize).next_multiple_of(PAGE);
    let end = (first as usize + len * size_of::<T>()) / PAGE * PAGE;
    if end.saturating_sub(start) >= 2 * HUGE {
        // SAFETY: the pages lie within one live allocation, and this advice changes no content.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn advise_huge_pages<T>(_: *mut T, _: usize) {}

/// Returns `len` bits that are not set.
fn unset(len: usize) -> Vec<AtomicU8> {
    let mut bytes = std::mem::ManuallyDrop::new(vec![0u8; len.div_ceil(8)]);
    // SAFETY: an AtomicU8 has the size, alignment and bit validity of a u8, and the vector is taken apart once. (The allocator
    // can hand out zeroed bytes as they are; a vector of atomics would be written to.)
    unsafe { Vec::from_raw_parts(bytes.as_mut_ptr().cast(), bytes.len(), bytes.capacity()) }
}

/// A bitmap that workers fill at once, each its own range of bits. A byte that two ranges share is set atomically.
#[derive(Debug)]
pub(super) struct Bits {
    bytes: Vec<AtomicU8>,
    len: usize,
}

impl Bits {
    /// Makes a bitmap of `len` bits that are not set.
    pub(super) fn new(len: usize) -> Self {
        let bytes = unset(len);
        Bits { bytes, len }
    }

    /// Makes a writer of the bits from `start` on. Until it is finished, only this writer sets the first `len` of them.
    pub(super) fn writer(&self, start: usize, len: usize) -> BitWriter<'_> {
        assert!(start + len <= self.len);
        BitWriter {
            bytes: &self.bytes,
            next: start,
            first: start,
            pending: 0,
        }
    }

    pub(super) fn into_bitmap(self) -> Bitmap {
        let bytes = self.bytes.into_iter().map(AtomicU8::into_inner).collect();
        Bitmap::from_u8_vec(bytes, self.len)
    }
}

/// Pushes bits.
#[derive(Debug)]
pub(super) struct BitWriter<'s> {
    bytes: &'s [AtomicU8],
    next: usize,
    first: usize,
    /// The bits of the byte that `next` lies in.
    pending: u8,
}

impl BitWriter<'_> {
    #[inline(always)]
    pub(super) fn push(&mut self, bit: bool) {
        self.pending |= u8::from(bit) << (self.next % 8);
        self.next += 1;
        if self.next.is_multiple_of(8) {
            self.flush();
        }
    }

    /// Stores the byte before `next`.
    #[inline]
    fn flush(&mut self) {
        let byte = (self.next - 1) / 8;
        let bits = std::mem::take(&mut self.pending);
        if byte * 8 >= self.first && self.next.is_multiple_of(8) {
            // Only this writer sets the eight bits of this byte.
            self.bytes[byte].store(bits, Ordering::Relaxed);
        } else {
            self.bytes[byte].fetch_or(bits, Ordering::Relaxed);
        }
    }

    pub(super) fn finish(mut self) {
        if !self.next.is_multiple_of(8) {
            self.flush();
        }
    }
}

/// The validity of a column that can have nulls. A bit is set for each null, so that a row with a value costs nothing, and the
/// bits of a column without nulls are never touched.
#[derive(Debug)]
pub(super) struct Validity(Option<NullBits>);

#[derive(Debug)]
struct NullBits {
    bytes: Vec<AtomicU8>,
    rows: usize,
    /// Whether there are any nulls.
    any: AtomicBool,
}

impl Validity {
    pub(super) fn new(rows: usize, nullable: bool) -> Self {
        Validity(nullable.then(|| NullBits {
            bytes: unset(rows),
            rows,
            any: AtomicBool::new(false),
        }))
    }

    /// Makes a writer that marks rows from `start` on. Until it is finished, only this writer marks the first `len` of them.
    pub(super) fn writer(&self, start: usize, len: usize) -> ValidityWriter<'_> {
        let nulls = self.0.as_ref();
        assert!(nulls.is_none_or(|nulls| start + len <= nulls.rows));
        ValidityWriter {
            nulls,
            start,
            own: start.div_ceil(8)..(start + len) / 8,
            any: false,
        }
    }

    /// Returns the bitmap, if it has a null.
    pub(super) fn into_bitmap(self) -> Option<Bitmap> {
        let NullBits { bytes, rows, any } = self.0?;
        if !any.into_inner() {
            return None;
        }
        let valid = bytes.into_iter().map(|nulls| !nulls.into_inner());
        Some(Bitmap::from_u8_vec(valid.collect(), rows))
    }
}

/// Marks rows null.
#[derive(Debug)]
pub(super) struct ValidityWriter<'s> {
    nulls: Option<&'s NullBits>,
    start: usize,
    /// The bytes whose rows are marked only by this writer.
    own: Range<usize>,
    any: bool,
}

impl ValidityWriter<'_> {
    /// Marks a row as null, counted from the writer's first row. The column can have nulls.
    #[inline]
    pub(super) fn set_null(&mut self, row: usize) {
        debug_assert!(self.nulls.is_some());
        let Some(nulls) = self.nulls else { return };
        let row = self.start + row;
        let (byte, bit) = (&nulls.bytes[row / 8], 1 << (row % 8));
        if self.own.contains(&(row / 8)) {
            // No other writer writes to this byte meanwhile.
            byte.store(byte.load(Ordering::Relaxed) | bit, Ordering::Relaxed);
        } else {
            byte.fetch_or(bit, Ordering::Relaxed);
        }
        self.any = true;
    }

    pub(super) fn finish(self) {
        if let Some(nulls) = self.nulls
            && self.any
        {
            nulls.any.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::AtomicUsize;

    #[test]
    fn writers_share_bytes_without_losing_bits() {
        let bit = |i: usize| !i.is_multiple_of(3);
        for cuts in [
            vec![0, 100],
            vec![0, 3, 5, 8, 21, 64, 100],
            vec![0, 1, 2, 99, 100],
        ] {
            let bits = Bits::new(100);
            std::thread::scope(|scope| {
                for cut in cuts.windows(2) {
                    let bits = &bits;
                    let (start, end) = (cut[0], cut[1]);
                    scope.spawn(move || {
                        let mut writer = bits.writer(start, end - start);
                        (start..end).for_each(|i| writer.push(bit(i)));
                        writer.finish();
                    });
                }
            });
            let bitmap = bits.into_bitmap();
            assert!((0..100).all(|i| bitmap.get_bit(i) == bit(i)), "{cuts:?}");
        }
    }

    #[test]
    fn writers_share_bytes_without_losing_nulls() {
        let is_null = |row: usize| row.is_multiple_of(3) || (40..57).contains(&row);
        for cuts in [
            vec![0, 100],
            vec![0, 3, 5, 8, 21, 64, 100],
            vec![0, 1, 2, 99, 100],
            (0..=100).collect(),
        ] {
            let validity = Validity::new(100, true);
            std::thread::scope(|scope| {
                for cut in cuts.windows(2) {
                    let validity = &validity;
                    let (start, end) = (cut[0], cut[1]);
                    scope.spawn(move || {
                        let mut writer = validity.writer(start, end - start);
                        let nulls = (start..end).filter(|row| is_null(*row));
                        nulls.for_each(|row| writer.set_null(row - start));
                        writer.finish();
                    });
                }
            });
            let bitmap = validity.into_bitmap().unwrap();
            assert_eq!(bitmap.len(), 100);
            assert_eq!(
                bitmap.unset_bits(),
                (0..100).filter(|row| is_null(*row)).count()
            );
            assert!(
                (0..100).all(|row| bitmap.get_bit(row) != is_null(row)),
                "{cuts:?}"
            );
        }
    }

    /// This is what happens when one worker takes over rows that another worker was handed, and both go on marking.
    #[test]
    fn writers_of_rows_that_others_take_over_lose_no_nulls() {
        let bytes = 20_000;
        let validity = Validity::new(8 * bytes, true);
        let arrived = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for half in [0, 4] {
                let (validity, arrived) = (&validity, &arrived);
                scope.spawn(move || {
                    let mut writer = validity.writer(half, 0);
                    for byte in 0..bytes {
                        // Both writers are at the same byte.
                        arrived.fetch_add(1, Ordering::Relaxed);
                        let mut spins = 0;
                        while arrived.load(Ordering::Relaxed) < 2 * (byte + 1) {
                            // On one core, the other thread has to get its turn.
                            spins += 1;
                            match spins % 4096 {
                                0 => std::thread::yield_now(),
                                _ => std::hint::spin_loop(),
                            }
                        }
                        (0..4).for_each(|row| writer.set_null(8 * byte + row));
                    }
                    writer.finish();
                });
            }
        });
        assert_eq!(validity.into_bitmap().unwrap().unset_bits(), 8 * bytes);
    }

    #[test]
    fn a_column_without_nulls_has_no_bitmap() {
        let validity = Validity::new(9, true);
        validity.writer(0, 9).finish();
        assert!(validity.into_bitmap().is_none());
    }

    #[test]
    fn a_half_filled_buffer_is_dropped_quietly() {
        let fresh = Fresh::<u64>::new(1 << 20);
        let mut slots = fresh.slots(5);
        // SAFETY: the slot is within the buffer, and there is no other worker.
        unsafe { slots.set(0, 7) };
        drop(fresh);
    }
}
