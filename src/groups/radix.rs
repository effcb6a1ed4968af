//! The method for many groups: rows are dealt into partitions by the hashes of their keys, and each partition is grouped in the
//! cache.

use std::ops::Range;

use polars::prelude::IdxSize;

use super::keys::{KeyBlock, Keys, Table};
use super::layout::{GroupLayout, NOWHERE};
use super::memory::{Unfilled, blocks, each, split};
use super::{Groups, ShareOut};
use crate::error::Result;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, PoisonError};

/// With more partitions than these, dealing is slow, since rows are written to one more place in memory for each of them.
const MOST_BITS: u32 = 11;

pub(super) fn group<Ks: Keys>(
    keys: &Ks,
    drop_nulls: bool,
    ranges: &[Range<usize>],
    partition: usize,
    share_out: ShareOut<'_>,
) -> Result<Groups> {
    let rows = keys.rows();
    let bits = (rows / partition).max(2).next_power_of_two().ilog2();
    let bits = bits.min(MOST_BITS);
    let mut dealt = deal(keys, drop_nulls, ranges, bits, share_out)?;
    let firsts = Marks::new(rows);
    let parts = number_partitions(keys, &mut dealt, &firsts, share_out)?;
    // The first rows are in ascending order, as the bits are, so the place of a group is the number of bits before its own bit.
    let ranks = firsts.ranks();
    let mut lens = Unfilled::<IdxSize>::new(ranks.len());
    let mut first_rows = Unfilled::<IdxSize>::new(ranks.len());
    let (len_at, first_at) = (lens.scatter(), first_rows.scatter());
    let parts = each(parts, share_out, |_, mut part: RadixPart<'_, Ks::Key>| {
        for (first, len) in part.groups.iter_mut().zip(&part.lens) {
            let rank = ranks.of(*first);
            // SAFETY: no row is the first of two groups, so no two groups have the same rank.
            unsafe {
                len_at.set(rank, *len);
                first_at.set(rank, *first);
            }
            *first = rank as IdxSize;
        }
        part
    })?;
    // SAFETY: each bit is the first row of one group (`number_partitions`), so each rank is set.
    let (lens, first_rows) = unsafe { (lens.assume_full(), first_rows.assume_full()) };
    let starts = super::starts_of(&lens);
    drop(lens);
    let grouped = starts[starts.len() - 1] as usize;
    let mut positions = Unfilled::<IdxSize>::new(rows);
    if grouped < rows {
        let parts = split(positions.as_slice(), ranges);
        each(parts, share_out, |_, part| {
            part.iter_mut().for_each(|slot| {
                slot.write(NOWHERE);
            });
        })?;
    }
    let position = positions.scatter();
    each(parts, share_out, |_, mut part: RadixPart<'_, Ks::Key>| {
        for group in &mut part.groups {
            *group = starts[*group as usize];
        }
        // The rows of a group are in order.
        for (i, row) in part.rows.iter().enumerate() {
            let number = part.numbers.get(i).map_or(0, |key| Ks::number(*key));
            let next = &mut part.groups[number as usize];
            // SAFETY: each row was dealt once.
            unsafe { position.set(*row as usize, *next) };
            *next += 1;
        }
    })?;
    // SAFETY: each row was dealt, or all positions were set to be nowhere before.
    let layout = GroupLayout::Positions(unsafe { positions.assume_full() });
    Ok(Groups::new(rows, first_rows, starts, layout))
}

/// Rows by partitions; within a partition, they are in the order of the input.
#[derive(Debug)]
struct Dealt<K> {
    keys: Vec<K>,
    /// The rows of `keys`, and after them the rows without a key.
    rows: Vec<IdxSize>,
    partitions: Vec<Range<usize>>,
}

/// Deals rows into partitions by the upper bits of their hashes; rows without a key come last, or not at all.
fn deal<Ks: Keys>(
    keys: &Ks,
    drop_nulls: bool,
    ranges: &[Range<usize>],
    bits: u32,
    share_out: ShareOut<'_>,
) -> Result<Dealt<Ks::Key>> {
    let keyless = 1 << bits;
    let partition = |key: Ks::Key| (Ks::hash(key) >> (u64::BITS - bits)) as usize;
    let mut next = each(ranges.to_vec(), share_out, |_, rows| {
        let mut counts: Vec<IdxSize> = vec![0; keyless + 1];
        let mut block = KeyBlock::new();
        for rows in blocks(rows) {
            match block.read(keys, rows) {
                (block, None) => block.iter().for_each(|key| counts[partition(*key)] += 1),
                (block, Some(present)) => {
                    for (i, key) in block.iter().enumerate() {
                        let partition = match present.has_key(i) {
                            true => partition(*key),
                            false => keyless,
                        };
                        counts[partition] += 1;
                    }
                }
            }
        }
        counts
    })?;
    // This computes where the rows of each partition begin in each range.
    let mut partitions = Vec::with_capacity(keyless);
    let mut end = 0;
    let mut keyed = 0;
    for partition in 0..=keyless {
        let start = end;
        for next in &mut next {
            let count = std::mem::replace(&mut next[partition], end);
            end += count;
        }
        if partition < keyless {
            partitions.push(start as usize..end as usize);
            keyed = end as usize;
        }
    }
    let grouped = if drop_nulls { keyed } else { end as usize };
    let mut dealt_keys = Unfilled::new(keyed);
    let mut dealt_rows = Unfilled::<IdxSize>::new(grouped);
    let (key_at, row_at) = (dealt_keys.scatter(), dealt_rows.scatter());
    let parts = ranges.iter().cloned().zip(next).collect();
    each(
        parts,
        share_out,
        |_, (rows, mut next): (_, Vec<IdxSize>)| {
            let mut take = |partition: usize| {
                let place = &mut next[partition];
                *place += 1;
                (*place - 1) as usize
            };
            let mut block = KeyBlock::new();
            for rows in blocks(rows) {
                let start = rows.start;
                let (block, present) = block.read(keys, rows);
                for (i, key) in block.iter().enumerate() {
                    let row = (start + i) as IdxSize;
                    if present.is_none_or(|present| present.has_key(i)) {
                        let place = take(partition(*key));
                        // SAFETY: each place is taken once: there are as many places of a partition and a range as they have
                        // rows, which were counted before, in columns that do not change.
                        unsafe {
                            key_at.set(place, *key);
                            row_at.set(place, row);
                        }
                    } else if !drop_nulls {
                        // SAFETY: as above.
                        unsafe { row_at.set(take(keyless), row) };
                    }
                }
            }
        },
    )?;
    // SAFETY: there are as many places as rows that were counted, and each row has taken one.
    let (keys, rows) = unsafe { (dealt_keys.assume_full(), dealt_rows.assume_full()) };
    Ok(Dealt {
        keys,
        rows,
        partitions,
    })
}

/// The rows of a partition, and its groups.
#[derive(Debug)]
struct RadixPart<'d, K> {
    rows: &'d [IdxSize],
    /// The number of each row's group within the partition, stored in the memory of its key; empty if there is one group.
    numbers: &'d [K],
    /// The first row of each group; later its place among all groups; finally the position of its next row.
    groups: Vec<IdxSize>,
    lens: Vec<IdxSize>,
}

/// Numbers the rows of each partition by their groups, and marks the first row of each group.
fn number_partitions<'d, Ks: Keys>(
    keys: &Ks,
    dealt: &'d mut Dealt<Ks::Key>,
    firsts: &Marks,
    share_out: ShareOut<'_>,
) -> Result<Vec<RadixPart<'d, Ks::Key>>> {
    let (rows, keyless) = dealt.rows.split_at(dealt.keys.len());
    let rows = dealt.partitions.iter().map(|range| &rows[range.clone()]);
    let own = split(&mut dealt.keys, &dealt.partitions);
    let mut parts: Vec<(&[IdxSize], &mut [Ks::Key])> = rows.zip(own).collect();
    // The largest partitions come first, since the others end while they are worked on.
    parts.sort_by_key(|(rows, _)| std::cmp::Reverse(rows.len()));
    let tables = Mutex::new(Vec::new());
    let lock = || tables.lock().unwrap_or_else(PoisonError::into_inner);
    let mut parts = each(parts, share_out, |_, (rows, own)| {
        let table = lock().pop();
        let mut table = table.unwrap_or_else(Table::new);
        table.reset(rows.len() / 8);
        let mut lens: Vec<IdxSize> = Vec::new();
        for (key, row) in own.iter_mut().zip(rows) {
            let number = table.number(keys, *key, *row as usize);
            if number as usize == lens.len() {
                lens.push(0);
            }
            lens[number as usize] += 1;
            *key = Ks::numbered(number);
        }
        let groups = table.firsts.clone();
        groups.iter().for_each(|first| firsts.mark(*first));
        lock().push(table);
        let numbers = &*own;
        RadixPart {
            rows,
            numbers,
            groups,
            lens,
        }
    })?;
    if let Some(first) = keyless.first().copied() {
        firsts.mark(first);
        parts.push(RadixPart {
            rows: keyless,
            numbers: &[],
            groups: vec![first],
            lens: vec![keyless.len() as IdxSize],
        });
    }
    Ok(parts)
}

/// A bit for each row.
#[derive(Debug)]
struct Marks(Vec<AtomicU64>);

impl Marks {
    fn new(rows: usize) -> Self {
        let words = std::iter::repeat_with(|| AtomicU64::new(0));
        Marks(words.take(rows.div_ceil(64)).collect())
    }

    #[inline]
    fn mark(&self, row: IdxSize) {
        let (word, bit) = (row as usize / 64, row % 64);
        // Relaxed, since the bits are read after all workers are done.
        self.0[word].fetch_or(1 << bit, Ordering::Relaxed);
    }

    fn ranks(self) -> Ranks {
        let words = self.0.into_iter().map(AtomicU64::into_inner);
        let mut end = 0;
        let words = words.map(|word| {
            let before = end;
            end += word.count_ones() as usize;
            (word, before)
        });
        let words = words.collect();
        Ranks { words, len: end }
    }
}

/// How many bits are before each bit.
#[derive(Debug)]
struct Ranks {
    /// The words of bits, and how many bits are before each word.
    words: Vec<(u64, usize)>,
    len: usize,
}

impl Ranks {
    /// Returns the number of bits.
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn of(&self, row: IdxSize) -> usize {
        let (word, before) = self.words[row as usize / 64];
        before + (word & ((1 << (row % 64)) - 1)).count_ones() as usize
    }
}
