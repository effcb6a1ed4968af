//! The results of items, which workers write each in its own place.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Range;

use crate::run::quietly_drop;
use crate::write::advise_huge_pages;

/// One uninitialised vector, and where each result goes.
pub(super) struct ResultSlots<T> {
    /// Owns the memory; its length stays 0 until every result is there.
    memory: Vec<T>,
    first: *mut T,
    len: usize,
}

// SAFETY: `first` points into `memory`, which this owns; through a shared reference it is only written to, by `set`, whose
// callers have each slot to themselves.
unsafe impl<T: Send> Send for ResultSlots<T> {}
// SAFETY: as above; the values are sent here.
unsafe impl<T: Send> Sync for ResultSlots<T> {}

impl<T> ResultSlots<T> {
    pub(super) fn new(len: usize) -> Self {
        let mut memory = Vec::with_capacity(len);
        let first = memory.as_mut_ptr();
        if size_of::<T>() > 0 {
            advise_huge_pages(first, memory.capacity());
        }
        ResultSlots { memory, first, len }
    }

    pub(super) fn writer(&self) -> SlotWriter<'_, T> {
        SlotWriter {
            first: self.first,
            len: self.len,
            slots: PhantomData,
        }
    }

    /// The values.
    ///
    /// # Safety
    /// Every slot is set.
    pub(super) unsafe fn assume_full(mut self) -> Vec<T> {
        // SAFETY: the capacity is at least `len`, and the caller vouches for the rest.
        unsafe { self.memory.set_len(self.len) };
        self.memory
    }

    /// Drops the values that are there.
    ///
    /// # Safety
    /// The slots in these ranges, which do not overlap, are set.
    pub(super) unsafe fn drop_these(self, set: &[Range<usize>]) {
        if !mem::needs_drop::<T>() {
            return;
        }
        for slot in set.iter().cloned().flatten() {
            // SAFETY: it is set, and the vector does not drop it: its length is 0.
            quietly_drop(unsafe { self.first.add(slot).read() });
        }
    }
}

/// Sets slots.
pub(super) struct SlotWriter<'s, T> {
    first: *mut T,
    len: usize,
    slots: PhantomData<&'s ResultSlots<T>>,
}

impl<T> SlotWriter<'_, T> {
    /// Sets a slot.
    ///
    /// # Safety
    /// There are more slots than so, and this one is set once.
    #[inline(always)]
    pub(super) unsafe fn set(&self, slot: usize, value: T) {
        debug_assert!(slot < self.len);
        // SAFETY: the caller vouches for the place.
        unsafe { self.first.add(slot).write(value) };
    }
}

impl<T> fmt::Debug for ResultSlots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
