//! Rows that grow: any number of them for each input row, gathered part by part, and stacked in input order at the end.

use std::fmt;

use polars_arrow::array::Array;
use polars_arrow::bitmap::MutableBitmap;
use polars_arrow::compute::concatenate::concatenate;

use super::returns::{Dtypes, Misfit};
use super::sinks::Sinks;
use super::{Finished, Writer};
use crate::error::Result;
use crate::sealed::Sealed;

/// The columns that a part's rows are pushed onto: one, or several side by side.
#[doc(hidden)]
pub trait Growing: Sealed + Send + Sized {
    /// Whether the dtypes are known without the values.
    const FIXED: bool;

    /// What a part's rows are when all are there.
    type Grown: Send;

    fn new() -> Self;

    /// How many rows there are; of several columns, what the first one has.
    fn rows(&self) -> usize;

    /// Takes back all rows but the first ones.
    fn truncate(&mut self, rows: usize);

    fn push_null(&mut self);

    /// As [`Sinks::fit`].
    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool;

    /// Puts the rows away; the worker that pushed them does it.
    fn close(self) -> Result<Self::Grown>;

    /// The columns of parts, one after the other. Where the dtypes are fixed, there is a chunk for each group: so many parts,
    /// the first ones first.
    fn stack(parts: Vec<Self::Grown>, groups: &[usize], columns: &mut Vec<Finished>) -> Result<()>;
}

/// A part of fewer rows is joined with small neighbours; the others stay as they are, and are chunks of the output.
const SMALL: usize = 1 << 14;

/// How many parts make each chunk, of parts of so many rows.
pub(super) fn groups(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut after_small = false;
    for length in lengths {
        let is_small = length < SMALL;
        match groups.last_mut() {
            Some(group) if is_small && after_small => *group += 1,
            _ => groups.push(1),
        }
        after_small = is_small;
    }
    groups
}

/// One column of a fixed dtype, a chunk for each group of its parts.
pub(super) fn in_groups(parts: Vec<Finished>, groups: &[usize]) -> Result<Finished> {
    let dtype = parts[0].dtype.clone();
    // A fixed dtype is every part's.
    assert!(parts.iter().all(|part| part.dtype == dtype));
    let mut arrays = parts.into_iter().flat_map(|part| part.chunks);
    let mut chunks = Vec::with_capacity(groups.len());
    for group in groups {
        let mut group: Vec<_> = arrays.by_ref().take(*group).collect();
        chunks.push(match group.len() {
            1 => group.swap_remove(0),
            _ => {
                let group: Vec<&dyn Array> = group.iter().map(|array| &**array).collect();
                concatenate(&group)?
            }
        });
    }
    Ok(Finished { dtype, chunks })
}

/// Which rows are there, of a column that may have nulls: nothing is kept before the first null.
#[derive(Debug, Default)]
pub(super) struct Present(Option<MutableBitmap>);

impl Present {
    /// Counts a row that is there.
    #[inline(always)]
    pub(super) fn push(&mut self) {
        if let Some(bits) = &mut self.0 {
            bits.push(true);
        }
    }

    /// Counts a null, after so many rows.
    pub(super) fn push_null(&mut self, rows: usize) {
        let bits = self
            .0
            .get_or_insert_with(|| MutableBitmap::from_len_set(rows));
        bits.push(false);
    }

    /// How many rows there are, if any is null.
    pub(super) fn len(&self) -> Option<usize> {
        self.0.as_ref().map(MutableBitmap::len)
    }

    /// Takes back all rows but the first ones.
    pub(super) fn truncate(&mut self, rows: usize) {
        if let Some(bits) = &mut self.0 {
            bits.resize(rows.min(bits.len()), false);
        }
    }

    /// How many rows are there, of which `all` would be if there were no nulls.
    fn count(&self, all: usize) -> usize {
        self.0.as_ref().map_or(all, MutableBitmap::set_bits)
    }

    /// Counts the rows of another after these; each has so many that are there.
    fn append(&mut self, before: usize, other: Present, after: usize) {
        match (&mut self.0, &other.0) {
            (None, None) => {}
            (Some(bits), None) => bits.extend_constant(after, true),
            (_, Some(others)) => {
                let bits = self
                    .0
                    .get_or_insert_with(|| MutableBitmap::from_len_set(before));
                others.iter().for_each(|is_there| bits.push(is_there));
            }
        }
    }

    pub(super) fn into_bitmap(self) -> Option<polars_arrow::bitmap::Bitmap> {
        let bits = self.0.filter(|bits| bits.unset_bits() > 0);
        bits.map(MutableBitmap::freeze)
    }
}

/// Rows kept as their sinks take them, and written when it is known how many there are.
#[doc(hidden)]
pub struct Gathered<S: Sinks> {
    /// Those that are not null.
    items: Vec<S::Item>,
    present: Present,
}

impl<S: Sinks> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

/// A part's gathered rows.
#[doc(hidden)]
pub enum GatheredPart<S: Sinks> {
    Written(Vec<Finished>),
    /// Their dtype shows only when all are there.
    Kept(Gathered<S>),
}

impl<S: Sinks> fmt::Debug for GatheredPart<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatheredPart").finish_non_exhaustive()
    }
}

impl<S: Sinks> Gathered<S> {
    #[inline(always)]
    pub(super) fn push(&mut self, item: S::Item) {
        self.items.push(item);
        self.present.push();
    }

    /// The rows as columns.
    fn write(self) -> Result<Vec<Finished>> {
        let rows = self.rows();
        let sink = S::new(rows, self.present.0.is_some());
        let mut columns = Vec::new();
        let mut items = self.items.into_iter();
        // SAFETY: one writer for all rows, which writes each in order; so all are written. The sink is nullable where a row
        // can be null.
        unsafe {
            let mut writer = sink.writer(0, rows);
            match &self.present.0 {
                None => items
                    .enumerate()
                    .for_each(|(row, item)| writer.write(row, item)),
                Some(bits) => {
                    for (row, is_there) in bits.iter().enumerate() {
                        match is_there.then(|| items.next()).flatten() {
                            Some(item) => writer.write(row, item),
                            None => writer.write_null(row),
                        }
                    }
                }
            }
            writer.finish();
            sink.finish(&mut columns)?;
        }
        Ok(columns)
    }
}

impl<S: Sinks> Sealed for Gathered<S> {}

impl<S: Sinks> Growing for Gathered<S> {
    const FIXED: bool = S::FIXED;
    type Grown = GatheredPart<S>;

    fn new() -> Self {
        Gathered {
            items: Vec::new(),
            present: Present::default(),
        }
    }

    #[inline(always)]
    fn rows(&self) -> usize {
        self.present.len().unwrap_or(self.items.len())
    }

    fn truncate(&mut self, rows: usize) {
        self.present.truncate(rows);
        let items = self.present.count(rows);
        self.items.truncate(items);
    }

    fn push_null(&mut self) {
        self.present.push_null(self.items.len());
    }

    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool {
        S::fit(dtypes, first, misfits)
    }

    fn close(self) -> Result<GatheredPart<S>> {
        Ok(match S::FIXED {
            true => GatheredPart::Written(self.write()?),
            false => GatheredPart::Kept(self),
        })
    }

    fn stack(
        parts: Vec<GatheredPart<S>>,
        groups: &[usize],
        columns: &mut Vec<Finished>,
    ) -> Result<()> {
        let mut kept = Self::new();
        let mut written: Vec<Vec<Finished>> = Vec::new();
        for part in parts {
            match part {
                GatheredPart::Kept(part) => {
                    let (before, after) = (kept.items.len(), part.items.len());
                    kept.present.append(before, part.present, after);
                    kept.items.extend(part.items);
                }
                GatheredPart::Written(part) => {
                    written.resize_with(part.len(), Vec::new);
                    let both = written.iter_mut().zip(part);
                    both.for_each(|(column, part)| column.push(part));
                }
            }
        }
        if written.is_empty() {
            columns.extend(kept.write()?);
        }
        for parts in written {
            columns.push(in_groups(parts, groups)?);
        }
        Ok(())
    }
}

/// No more columns.
#[doc(hidden)]
#[derive(Debug)]
pub struct GrowNil;

impl Sealed for GrowNil {}

impl Growing for GrowNil {
    const FIXED: bool = true;
    type Grown = ();

    fn new() -> Self {
        GrowNil
    }

    fn rows(&self) -> usize {
        0
    }

    fn truncate(&mut self, _: usize) {}

    fn push_null(&mut self) {}

    fn fit(_: Dtypes<'_>, _: usize, _: &mut Vec<Misfit>) -> bool {
        true
    }

    fn close(self) -> Result<()> {
        Ok(())
    }

    fn stack(_: Vec<()>, _: &[usize], _: &mut Vec<Finished>) -> Result<()> {
        Ok(())
    }
}

/// A column and those after it.
#[doc(hidden)]
#[derive(Debug)]
pub struct GrowCons<A, B>(pub(super) A, pub(super) B);

impl<A, B> Sealed for GrowCons<A, B> {}

impl<A: Growing, B: Growing> Growing for GrowCons<A, B> {
    const FIXED: bool = A::FIXED && B::FIXED;
    type Grown = (A::Grown, B::Grown);

    fn new() -> Self {
        GrowCons(A::new(), B::new())
    }

    #[inline(always)]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    fn truncate(&mut self, rows: usize) {
        self.0.truncate(rows);
        self.1.truncate(rows);
    }

    fn push_null(&mut self) {
        self.0.push_null();
        self.1.push_null();
    }

    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool {
        let is_own = A::fit(dtypes, first, misfits);
        B::fit(dtypes, first + 1, misfits) && is_own
    }

    fn close(self) -> Result<Self::Grown> {
        Ok((self.0.close()?, self.1.close()?))
    }

    fn stack(parts: Vec<Self::Grown>, groups: &[usize], columns: &mut Vec<Finished>) -> Result<()> {
        let (first, rest) = parts.into_iter().unzip();
        A::stack(first, groups, columns)?;
        B::stack(rest, groups, columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parts_are_joined_with_their_neighbours() {
        let of = |lengths: &[usize]| groups(lengths.iter().copied());
        assert_eq!(of(&[]), [0usize; 0]);
        assert_eq!(of(&[1, 2, 3]), [3]);
        assert_eq!(of(&[SMALL, 1, SMALL - 1, SMALL, SMALL, 1]), [1, 2, 1, 1, 1]);
    }
}
