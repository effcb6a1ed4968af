//! The method for few groups: a table of the keys for each range of rows; the tables are merged in order.

use std::mem::MaybeUninit;
use std::ops::Range;

use polars::prelude::IdxSize;

use super::keys::{KeyBlock, Keys, Table};
use super::layout::{GroupLayout, NOWHERE};
use super::memory::{Unfilled, blocks, each, split};
use super::{Groups, ShareOut};
use crate::error::Result;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Returns the groups, or `None` if a range of rows has more than `most` keys.
pub(super) fn group<Ks: Keys>(
    keys: &Ks,
    drop_nulls: bool,
    ranges: &[Range<usize>],
    most: usize,
    share_out: ShareOut<'_>,
) -> Result<Option<Groups>> {
    let mut numbers = Unfilled::<IdxSize>::new(keys.rows());
    let too_many = AtomicBool::new(false);
    let parts = ranges
        .iter()
        .cloned()
        .zip(split(numbers.as_slice(), ranges));
    let tables = each(parts.collect(), share_out, |_, (rows, numbers)| {
        let table = number(keys, drop_nulls, rows, numbers, most, &too_many);
        if table.is_none() {
            too_many.store(true, Ordering::Relaxed);
        }
        table
    })?;
    let Some(tables) = tables.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    // SAFETY: each range that has a table has a number for each of its rows (`number`), and the ranges together are all rows.
    let mut positions = unsafe { numbers.assume_full() };
    let (firsts, starts, next) = merge(keys, tables);
    // A row's position comes after the rows of its group in the ranges before, and after those before it in its own range.
    let parts = next.into_iter().zip(split(&mut positions, ranges));
    each(parts.collect(), share_out, |_, (mut next, numbers)| {
        for number in numbers {
            if *number != NOWHERE {
                let next = &mut next[*number as usize];
                *number = *next;
                *next += 1;
            }
        }
    })?;
    let layout = GroupLayout::Positions(positions);
    Ok(Some(Groups::new(keys.rows(), firsts, starts, layout)))
}

/// The keys of a range of rows, and how many rows each of them has.
struct CountedKeys<K> {
    table: Table<K>,
    counts: Vec<IdxSize>,
}

/// Numbers the rows of a range by their keys. Returns `None` if there are too many keys, in this range or in another one.
fn number<Ks: Keys>(
    keys: &Ks,
    drop_nulls: bool,
    rows: Range<usize>,
    numbers: &mut [MaybeUninit<IdxSize>],
    most: usize,
    too_many: &AtomicBool,
) -> Option<CountedKeys<Ks::Key>> {
    let mut table = Table::new();
    let mut counts: Vec<IdxSize> = Vec::new();
    let mut block = KeyBlock::new();
    let first = rows.start;
    for rows in blocks(rows) {
        // Relaxed, since a late answer only costs some work.
        if table.len() > most || too_many.load(Ordering::Relaxed) {
            return None;
        }
        let (start, slots) = (
            rows.start,
            &mut numbers[rows.start - first..rows.end - first],
        );
        let (block, present) = block.read(keys, rows);
        // At most as many keys are new as the block has rows.
        counts.resize(table.len() + block.len(), 0);
        let slots = slots.iter_mut().zip(block).enumerate();
        let Some(present) = present else {
            for (i, (slot, key)) in slots {
                let number = table.number(keys, *key, start + i);
                counts[number as usize] += 1;
                slot.write(number);
            }
            continue;
        };
        for (i, (slot, key)) in slots {
            let number = match present.has_key(i) {
                true => table.number(keys, *key, start + i),
                false if drop_nulls => {
                    slot.write(NOWHERE);
                    continue;
                }
                false => table.number_of_keyless(start + i),
            };
            counts[number as usize] += 1;
            slot.write(number);
        }
    }
    counts.truncate(table.len());
    (table.len() <= most).then_some(CountedKeys { table, counts })
}

/// Returns the first row of each group, where each group starts, and where the rows of each group begin in each range, by the
/// range's own numbers.
fn merge<Ks: Keys>(
    keys: &Ks,
    tables: Vec<CountedKeys<Ks::Key>>,
) -> (Vec<IdxSize>, Vec<IdxSize>, Vec<Vec<IdxSize>>) {
    let mut all = Table::new();
    let mut lens: Vec<IdxSize> = Vec::new();
    // The ranges are in the order of their rows, and so are the keys within each range; so all keys are in that order.
    let mut groups: Vec<Vec<IdxSize>> = Vec::with_capacity(tables.len());
    for CountedKeys { table, counts } in &tables {
        let entries = table.keys.iter().zip(&table.firsts).zip(counts);
        let numbers = entries.enumerate().map(|(number, ((key, first), count))| {
            let is_keyless = table.keyless == Some(number as IdxSize);
            let group = match is_keyless {
                true => all.number_of_keyless(*first as usize),
                false => all.number(keys, *key, *first as usize),
            };
            if group as usize == lens.len() {
                lens.push(0);
            }
            lens[group as usize] += count;
            group
        });
        groups.push(numbers.collect());
    }
    let starts = super::starts_of(&lens);
    let mut next = starts.clone();
    for (groups, CountedKeys { counts, .. }) in groups.iter_mut().zip(&tables) {
        for (group, count) in groups.iter_mut().zip(counts) {
            let next = &mut next[*group as usize];
            *group = *next;
            *next += count;
        }
    }
    (all.firsts, starts, groups)
}
