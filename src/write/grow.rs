//! Growing columns: any number of rows for each input row, gathered part by part, and stacked in input order at the end.

use std::fmt;

use polars_arrow::array::Array;
use polars_arrow::bitmap::MutableBitmap;
use polars_arrow::compute::concatenate::concatenate;

use super::returns::{Dtypes, Misfit};
use super::sinks::Sinks;
use super::{Finished, Writer};
use crate::error::Result;
use crate::sealed::Sealed;

/// The columns that the rows of a part are pushed onto: one column, or several side by side.
#[doc(hidden)]
pub trait Growing: Sealed + Send + Sized {
    /// Whether the dtypes are known without the values.
    const FIXED: bool;

    /// The rows of a part once all of them are there.
    type Grown: Send;

    fn new() -> Self;

    /// Returns the number of rows; for several columns, that of the first.
    fn rows(&self) -> usize;

    /// Removes all rows after the first `rows`.
    fn truncate(&mut self, rows: usize);

    fn push_null(&mut self);

    /// The same as [`Sinks::fit`].
    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool;

    /// Finishes the rows of a part; the worker that pushed them does this.
    fn close(self) -> Result<Self::Grown>;

    /// Stacks the columns of parts in order. Where the dtypes are fixed, there is one chunk for each of the `groups`, which are
    /// numbers of consecutive parts.
    fn stack(parts: Vec<Self::Grown>, groups: &[usize], columns: &mut Vec<Finished>) -> Result<()>;
}

/// A part with fewer rows is joined with small neighbours; the other parts stay as they are, and become chunks of the output.
const SMALL: usize = 1 << 14;

/// Returns how many parts make each chunk, given the numbers of rows of the parts.
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

/// Makes one column of a fixed dtype, with a chunk for each group of its parts.
pub(super) fn in_groups(parts: Vec<Finished>, groups: &[usize]) -> Result<Finished> {
    let dtype = parts[0].dtype.clone();
    // A fixed dtype is the same in every part.
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

/// Which rows are not null, in a column that may have nulls; nothing is stored before the first null.
#[derive(Debug, Default)]
pub(super) struct Present(Option<MutableBitmap>);

impl Present {
    /// Adds a row that is not null.
    #[inline(always)]
    pub(super) fn push(&mut self) {
        if let Some(bits) = &mut self.0 {
            bits.push(true);
        }
    }

    /// Adds a null after `rows` rows.
    pub(super) fn push_null(&mut self, rows: usize) {
        let bits = self
            .0
            .get_or_insert_with(|| MutableBitmap::from_len_set(rows));
        bits.push(false);
    }

    /// Returns the number of rows, if any of them is null.
    pub(super) fn len(&self) -> Option<usize> {
        self.0.as_ref().map(MutableBitmap::len)
    }

    /// Removes all rows after the first `rows`.
    pub(super) fn truncate(&mut self, rows: usize) {
        if let Some(bits) = &mut self.0 {
            bits.resize(rows.min(bits.len()), false);
        }
    }

    /// Returns how many rows are not null; there are `all` if there are no nulls.
    fn count(&self, all: usize) -> usize {
        self.0.as_ref().map_or(all, MutableBitmap::set_bits)
    }

    /// Adds the rows of another after these. `before` and `after` are the numbers of rows of the two, for the one that has no
    /// nulls.
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

/// Rows in the form in which their sinks take them, which are written once their number is known.
#[doc(hidden)]
pub struct Gathered<S: Sinks> {
    /// The rows that are not null.
    items: Vec<S::Item>,
    present: Present,
}

impl<S: Sinks> fmt::Debug for Gathered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").finish_non_exhaustive()
    }
}

/// The gathered rows of a part.
#[doc(hidden)]
pub enum GatheredPart<S: Sinks> {
    Written(Vec<Finished>),
    /// Rows whose dtype is known only when all of them are there.
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

    /// Returns the rows as columns.
    fn write(self) -> Result<Vec<Finished>> {
        let rows = self.rows();
        let sink = S::new(rows, self.present.0.is_some());
        let mut columns = Vec::new();
        let mut items = self.items.into_iter();
        // SAFETY: one writer has all rows, and writes each of them in order, so all are written. The sink is nullable if a row
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

/// The end of a list of columns.
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

/// A column and the columns after it.
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
