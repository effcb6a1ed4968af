//! The key of a row, as the methods of grouping see it.

use std::ops::Range;

use polars::prelude::IdxSize;
use polars_arrow::bitmap::Bitmap;

use super::memory::BLOCK;

/// Keys of rows, which all have the same width, whatever columns they come from.
///
/// Two rows have the same key if their [`Key`](Keys::Key)s are equal and [`same`](Keys::same) returns true.
pub(super) trait Keys: Sync {
    type Key: Copy + Default + Ord + Send + Sync + Word;

    /// Whether equal keys are enough, so that [`same`](Keys::same) need not be called.
    const EXACT: bool;

    fn rows(&self) -> usize;

    /// Returns which rows have a key, or `None` if all of them have one.
    fn validity(&self) -> Option<&Bitmap>;

    /// Reads the keys of the rows from `start` on. A row without a key gets an arbitrary value.
    fn read(&self, start: usize, keys: &mut [Self::Key]);

    /// Returns a hash, all bits of which depend on all of the key.
    fn hash(key: Self::Key) -> u64;

    /// Returns whether two rows whose keys are equal belong to the same group.
    fn same(&self, row: usize, other: usize) -> bool;

    /// Returns a number in the form of a key.
    #[inline(always)]
    fn numbered(number: IdxSize) -> Self::Key {
        Self::Key::of(u128::from(number))
    }

    /// Returns the number that is stored in place of a key.
    #[inline(always)]
    fn number(key: Self::Key) -> IdxSize {
        key.low() as IdxSize
    }
}

/// The word in which a key is stored.
pub(super) trait Word: Copy + Default {
    fn of(code: u128) -> Self;
    fn low(self) -> u64;
}

impl Word for u64 {
    #[inline(always)]
    fn of(code: u128) -> u64 {
        code as u64
    }

    #[inline(always)]
    fn low(self) -> u64 {
        self
    }
}

impl Word for u128 {
    #[inline(always)]
    fn of(code: u128) -> u128 {
        code
    }

    #[inline(always)]
    fn low(self) -> u64 {
        self as u64
    }
}

/// A block of keys.
#[derive(Debug)]
pub(super) struct KeyBlock<K> {
    keys: Box<[K; BLOCK]>,
}

impl<K: Copy + Default> KeyBlock<K> {
    pub(super) fn new() -> Self {
        KeyBlock {
            keys: Box::new([K::default(); BLOCK]),
        }
    }

    /// Reads at most [`BLOCK`] rows. The second value is `None` if every row has a key.
    #[inline]
    pub(super) fn read<'s, Ks: Keys<Key = K>>(
        &'s mut self,
        keys: &'s Ks,
        rows: Range<usize>,
    ) -> (&'s [K], Option<PresentKeys<'s>>) {
        let block = &mut self.keys[..rows.len()];
        keys.read(rows.start, block);
        let validity = keys.validity();
        let holes = validity.filter(|bits| bits.null_count_range(rows.start, rows.len()) > 0);
        let present = holes.map(|bits| PresentKeys {
            bits,
            start: rows.start,
        });
        (block, present)
    }
}

/// Which rows of a block have a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct PresentKeys<'s> {
    bits: &'s Bitmap,
    start: usize,
}

impl PresentKeys<'_> {
    #[inline(always)]
    pub(super) fn has_key(&self, i: usize) -> bool {
        self.bits.get_bit(self.start + i)
    }
}

/// A number for each key that was found, in the order in which the keys were found.
#[derive(Debug)]
pub(super) struct Table<K> {
    /// The number plus one of the key in each slot, or 0; at most half of the slots are used.
    slots: Vec<IdxSize>,
    pub(super) keys: Vec<K>,
    /// The first row of each key.
    pub(super) firsts: Vec<IdxSize>,
    /// The number for rows without a key.
    pub(super) keyless: Option<IdxSize>,
}

impl<K: Copy + Default + Eq> Table<K> {
    pub(super) fn new() -> Self {
        Table {
            slots: vec![0; 64],
            keys: Vec::new(),
            firsts: Vec::new(),
            keyless: None,
        }
    }

    /// Removes all keys, and makes room for `room` keys.
    pub(super) fn reset(&mut self, room: usize) {
        let slots = (room * 2).next_power_of_two().max(64);
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.keys.clear();
        self.firsts.clear();
        self.keyless = None;
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Returns the number of a row's key.
    #[inline(always)]
    pub(super) fn number<Ks: Keys<Key = K>>(&mut self, keys: &Ks, key: K, row: usize) -> IdxSize {
        let mask = self.slots.len() - 1;
        let mut slot = Ks::hash(key) as usize & mask;
        loop {
            let number = self.slots[slot];
            if number == 0 {
                return self.add::<Ks>(slot, key, row);
            }
            let number = number - 1;
            if self.keys[number as usize] == key
                && (Ks::EXACT || keys.same(self.firsts[number as usize] as usize, row))
            {
                return number;
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Returns the number of the rows without a key.
    #[inline]
    pub(super) fn number_of_keyless(&mut self, row: usize) -> IdxSize {
        if let Some(number) = self.keyless {
            return number;
        }
        let number = self.keys.len() as IdxSize;
        self.keyless = Some(number);
        self.keys.push(K::default());
        self.firsts.push(row as IdxSize);
        number
    }

    #[cold]
    #[inline(never)]
    fn add<Ks: Keys<Key = K>>(&mut self, slot: usize, key: K, row: usize) -> IdxSize {
        let number = self.keys.len() as IdxSize;
        self.slots[slot] = number + 1;
        self.keys.push(key);
        self.firsts.push(row as IdxSize);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow::<Ks>();
        }
        number
    }

    fn grow<Ks: Keys<Key = K>>(&mut self) {
        let slots = self.slots.len() * 4;
        self.slots.clear();
        self.slots.resize(slots, 0);
        for (number, key) in self.keys.iter().enumerate() {
            if self.keyless == Some(number as IdxSize) {
                continue;
            }
            let mut slot = Ks::hash(*key) as usize & (slots - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (slots - 1);
            }
            self.slots[slot] = number as IdxSize + 1;
        }
    }
}
