//! The results of items, each of which a worker writes to its own place.

use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::ops::Range;

use crate::error::Result;
use crate::partition::room_for_all;
use crate::run::quietly_drop;
use crate::write::advise_huge_pages;

/// One uninitialised vector that takes each result at its index.
pub(super) struct ResultSlots<T> {
    /// Owns the memory; its length stays 0 until every result is written.
    memory: Vec<T>,
    first: *mut T,
    len: usize,
}

// SAFETY: `first` points into `memory`, which this owns; through a shared reference it is only written to, by `set`, whose
// callers have each slot to themselves.
unsafe impl<T: Send> Send for ResultSlots<T> {}
// SAFETY: as above; the values are sent to the thread that owns this.
unsafe impl<T: Send> Sync for ResultSlots<T> {}

impl<T> ResultSlots<T> {
    /// Returns slots for this many items, or the error that they are too many.
    pub(super) fn new(len: usize) -> Result<Self> {
        let mut memory = room_for_all(len, "results", "Pool::map")?;
        let first = memory.as_mut_ptr();
        if size_of::<T>() > 0 {
            advise_huge_pages(first, memory.capacity());
        }
        Ok(ResultSlots { memory, first, len })
    }

    pub(super) fn writer(&self) -> SlotWriter<'_, T> {
        SlotWriter {
            first: self.first,
            len: self.len,
            slots: PhantomData,
        }
    }

    /// Returns the values.
    ///
    /// # Safety
    /// Every slot must be set.
    pub(super) unsafe fn assume_full(mut self) -> Vec<T> {
        // SAFETY: the capacity is at least `len`, and the caller promises that every slot is set.
        unsafe { self.memory.set_len(self.len) };
        self.memory
    }

    /// Drops the values that are set.
    ///
    /// # Safety
    /// The slots in these ranges must be set, and the ranges must not overlap.
    pub(super) unsafe fn drop_these(self, set: &[Range<usize>]) {
        if !mem::needs_drop::<T>() {
            return;
        }
        for slot in set.iter().cloned().flatten() {
            // SAFETY: the slot is set, and the vector does not drop it, since its length is 0.
            quietly_drop(unsafe { self.first.add(slot).read() });
        }
    }
}

/// Writes slots.
pub(super) struct SlotWriter<'s, T> {
    first: *mut T,
    len: usize,
    slots: PhantomData<&'s ResultSlots<T>>,
}

impl<T> SlotWriter<'_, T> {
    /// Sets a slot.
    ///
    /// # Safety
    /// `slot` must be less than the number of slots, and each slot may be set once only.
    #[inline(always)]
    pub(super) unsafe fn set(&self, slot: usize, value: T) {
        debug_assert!(slot < self.len);
        // SAFETY: the caller promises that the slot exists and that no other call sets it.
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
