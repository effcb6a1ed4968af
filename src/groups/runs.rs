//! The method for rows whose groups are side by side already: sorted keys, and keys that each have a single run.

use std::ops::Range;

use polars::prelude::IdxSize;

use super::keys::{KeyBlock, Keys, Table};
use super::layout::GroupLayout;
use super::memory::{blocks, each};
use super::{Groups, ShareOut};
use crate::error::Result;
use crate::sync::atomic::{AtomicBool, Ordering};

/// The average length of runs from which on unordered keys are looked up, since there are few of them then.
const LONG: usize = 8;

/// Returns the groups, or `None` if the rows of some group are not side by side, or if it would take long to show that they
/// are.
pub(super) fn group<Ks: Keys>(
    keys: &Ks,
    drop_nulls: bool,
    ranges: &[Range<usize>],
    share_out: ShareOut<'_>,
) -> Result<Option<Groups>> {
    let given_up = AtomicBool::new(false);
    let runs = each(ranges.to_vec(), share_out, |_, rows| {
        let runs = find(keys, rows, &given_up);
        if runs.is_none() {
            given_up.store(true, Ordering::Relaxed);
        }
        runs
    })?;
    let Some(runs) = runs.into_iter().collect::<Option<Vec<_>>>() else {
        return Ok(None);
    };
    let Some(runs) = join(keys, runs) else {
        return Ok(None);
    };
    let is_apart = runs.is_ordered() || (is_long(&runs, keys.rows()) && is_distinct(keys, &runs));
    Ok((is_apart && runs.keyless <= 1).then(|| runs.into_groups(keys.rows(), drop_nulls)))
}

/// Runs of rows with equal keys.
#[derive(Debug)]
struct KeyRuns<K> {
    starts: Vec<IdxSize>,
    /// How many runs have no key, and where the last such run is in `starts`.
    keyless: usize,
    keyless_at: usize,
    /// The first key, and its row.
    first: Option<(K, usize)>,
    last: Option<K>,
    /// Whether the last row has a key.
    ends_with_key: bool,
    /// Whether each key is greater than those before it, or less.
    ascends: bool,
    descends: bool,
}

impl<K: Copy + Ord> KeyRuns<K> {
    fn new(is_ordered: bool) -> Self {
        KeyRuns {
            starts: Vec::new(),
            keyless: 0,
            keyless_at: 0,
            first: None,
            last: None,
            ends_with_key: false,
            ascends: is_ordered,
            descends: is_ordered,
        }
    }

    fn is_ordered(&self) -> bool {
        self.ascends || self.descends
    }

    /// Begins another run, with this key.
    fn begin(&mut self, key: K, row: usize) {
        self.starts.push(row as IdxSize);
        match self.last {
            // An equal key after a run without a key is a key that comes back.
            Some(last) => self.compare(last, key),
            None => self.first = Some((key, row)),
        }
        self.last = Some(key);
        self.ends_with_key = true;
    }

    fn compare(&mut self, last: K, next: K) {
        self.ascends &= last < next;
        self.descends &= last > next;
    }

    fn begin_keyless(&mut self, row: usize) {
        self.keyless += 1;
        self.keyless_at = self.starts.len();
        self.starts.push(row as IdxSize);
        self.ends_with_key = false;
    }

    fn into_groups(mut self, rows: usize, drop_nulls: bool) -> Groups {
        if !drop_nulls || self.keyless == 0 {
            return Groups::side_by_side(rows, self.starts);
        }
        let first = self.starts.remove(self.keyless_at);
        let firsts = self.starts;
        let end = firsts.get(self.keyless_at).copied();
        let end = end.unwrap_or(rows as IdxSize);
        let (hole, last) = (end - first, rows as IdxSize);
        let before = firsts[..self.keyless_at].iter().copied();
        let after = firsts[self.keyless_at..].iter().map(|start| start - hole);
        let starts = before.chain(after).chain([last - hole]).collect();
        let layout = GroupLayout::Rows((0..first).chain(end..last).collect());
        Groups::new(rows, firsts, starts, layout)
    }
}

/// Returns whether the runs are so long that few keys need to be looked up.
fn is_long<K>(runs: &KeyRuns<K>, rows: usize) -> bool {
    runs.starts.len() <= rows / LONG
}

/// Finds the runs of a range. Returns `None` if they are short and unordered, or if those of another range are.
fn find<Ks: Keys>(
    keys: &Ks,
    rows: Range<usize>,
    given_up: &AtomicBool,
) -> Option<KeyRuns<Ks::Key>> {
    // The order of hashes has no meaning.
    let mut runs = KeyRuns::new(Ks::EXACT);
    let mut block = KeyBlock::new();
    let first = rows.start;
    for rows in blocks(rows) {
        let start = rows.start;
        let end = rows.end;
        let (block, present) = block.read(keys, rows);
        for (i, stretch) in block.chunks(64).enumerate() {
            let start = start + i * 64;
            if present.is_none()
                && Ks::EXACT
                && runs.ends_with_key
                && let Some(last) = runs.last
                && stretch.iter().fold(true, |all, key| all & (*key == last))
            {
                continue;
            }
            for (j, key) in stretch.iter().enumerate() {
                let row = start + j;
                if present.is_none_or(|present| present.has_key(i * 64 + j)) {
                    let goes_on = runs.ends_with_key
                        && runs.last == Some(*key)
                        && (Ks::EXACT || keys.same(row - 1, row));
                    if !goes_on {
                        runs.begin(*key, row);
                    }
                } else if runs.ends_with_key || runs.starts.is_empty() {
                    runs.begin_keyless(row);
                }
            }
        }
        let is_hopeless = !runs.is_ordered() && !is_long(&runs, end - first);
        // Relaxed, since a late answer only costs some work.
        if is_hopeless || runs.keyless > 1 || given_up.load(Ordering::Relaxed) {
            return None;
        }
    }
    Some(runs)
}

/// Joins the runs of adjacent ranges to those of one range. Returns `None` if several runs have no key.
fn join<Ks: Keys>(keys: &Ks, ranges: Vec<KeyRuns<Ks::Key>>) -> Option<KeyRuns<Ks::Key>> {
    let len: usize = ranges.iter().map(|runs| runs.starts.len()).sum();
    let mut ranges = ranges.into_iter();
    let mut all = ranges.next()?;
    all.starts.reserve_exact(len - all.starts.len());
    for next in ranges {
        let start = next.starts[0] as usize;
        let starts_with_key = next.first.is_some_and(|(_, row)| row == start);
        let goes_on = match starts_with_key {
            true => {
                all.ends_with_key
                    && all.last == next.first.map(|(key, _)| key)
                    && (Ks::EXACT || keys.same(start - 1, start))
            }
            false => !all.ends_with_key,
        };
        if let (Some(last), Some((first, _))) = (all.last, next.first)
            && !(goes_on && starts_with_key)
        {
            all.compare(last, first);
        }
        all.ascends &= next.ascends;
        all.descends &= next.descends;
        let keyless_anew = next.keyless - usize::from(goes_on && !starts_with_key);
        if keyless_anew > 0 {
            all.keyless_at = all.starts.len() + next.keyless_at - usize::from(goes_on);
        }
        all.keyless += keyless_anew;
        if all.keyless > 1 {
            return None;
        }
        all.starts
            .extend_from_slice(&next.starts[usize::from(goes_on)..]);
        all.last = next.last.or(all.last);
        all.ends_with_key = next.ends_with_key;
    }
    Some(all)
}

/// Returns whether no key has two runs.
fn is_distinct<Ks: Keys>(keys: &Ks, runs: &KeyRuns<Ks::Key>) -> bool {
    let mut table = Table::new();
    table.reset(runs.starts.len());
    let mut key = [Ks::Key::default()];
    let mut starts = runs.starts.iter().enumerate();
    starts.all(|(run, start)| {
        if runs.keyless > 0 && run == runs.keyless_at {
            return true;
        }
        let (row, known) = (*start as usize, table.len());
        keys.read(row, &mut key);
        table.number(keys, key[0], row) as usize == known
    })
}
