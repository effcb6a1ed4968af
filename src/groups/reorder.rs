//! Moves columns into group order, and back.

use std::ops::Range;

use polars::prelude::{DataType, IdxCa, IdxSize, PlSmallStr, Series};
use polars_arrow::array::{Array, BinaryViewArrayGeneric, BooleanArray, PrimitiveArray, ViewType};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

use super::chunks::ArrayChunks;
use super::layout::{GroupLayout, NOWHERE};
use super::memory::{Unfilled, each, ranges, split};
use super::{Groups, SHORTEST, ShareOut};
use crate::error::Result;

/// Returns a column in group order.
pub(super) fn reorder(
    groups: &Groups,
    column: &Series,
    workers: usize,
    share_out: ShareOut<'_>,
) -> Result<Series> {
    if groups.grouped_rows() == 0 {
        return Ok(column.clear());
    }
    let moves = match &groups.layout {
        GroupLayout::AsIs => return Ok(column.rechunk()),
        GroupLayout::Positions(positions) => Moves::To(positions, groups.grouped_rows()),
        GroupLayout::Rows(rows) => Moves::From(rows),
    };
    let mover = Mover {
        moves,
        workers,
        share_out,
    };
    if let Some(moved) = mover.column(column)? {
        return Ok(moved);
    }
    let rows = groups.list_rows(workers, share_out)?.unwrap_or_default();
    Ok(column.rechunk().take_slice(rows)?)
}

/// Returns a column that is in group order in the order of the input.
pub(super) fn restore(
    groups: &Groups,
    column: &Series,
    workers: usize,
    share_out: ShareOut<'_>,
) -> Result<Series> {
    let (name, height) = (column.name(), groups.height());
    if groups.grouped_rows() == 0 {
        return Ok(Series::full_null(name.clone(), height, column.dtype()));
    }
    let positions = || {
        let positions = groups.list_positions(workers, share_out)?;
        Ok::<_, crate::Error>(positions.unwrap_or_default())
    };
    let moves = match &groups.layout {
        GroupLayout::AsIs => return Ok(column.rechunk()),
        // Otherwise, nobody would write the rows that are in no group.
        GroupLayout::Rows(rows) if rows.len() < height => Moves::From(positions()?),
        GroupLayout::Rows(rows) => Moves::To(rows, height),
        GroupLayout::Positions(positions) => Moves::From(positions),
    };
    let mover = Mover {
        moves,
        workers,
        share_out,
    };
    if let Some(moved) = mover.column(column)? {
        return Ok(moved);
    }
    let (positions, column) = (positions()?, column.rechunk());
    if groups.grouped_rows() == height {
        return Ok(column.take_slice(positions)?);
    }
    let validity = positions.iter().map(|position| *position != NOWHERE);
    let validity: Bitmap = validity.collect();
    let somewhere = positions.iter().map(|position| match *position {
        NOWHERE => 0,
        position => position,
    });
    let somewhere: Vec<IdxSize> = somewhere.collect();
    let index = PrimitiveArray::new(IdxSize::PRIMITIVE.into(), somewhere.into(), Some(validity));
    Ok(column.take(&IdxCa::with_chunk(PlSmallStr::EMPTY, index))?)
}

/// The direction in which values move. No place is named twice ([`GroupLayout`]).
#[derive(Clone, Copy, Debug)]
enum Moves<'a> {
    /// The place from which each value of the output comes; the value is null if the place is past the end.
    From(&'a [IdxSize]),
    /// The place to which each value of the input goes, which is nowhere if it is past the end, and the number of values of the
    /// output, each of which has an input.
    To(&'a [IdxSize], usize),
}

struct Mover<'a> {
    moves: Moves<'a>,
    workers: usize,
    share_out: ShareOut<'a>,
}

impl Mover<'_> {
    /// Moves a column; `None` if its values have no fixed width.
    fn column(&self, column: &Series) -> Result<Option<Series>> {
        macro_rules! native {
            ($T:ty) => {
                self.native::<$T>(column)?
            };
        }
        let moved = match column.dtype().to_physical() {
            DataType::Boolean => self.boolean(column)?,
            DataType::Int8 => native!(i8),
            DataType::Int16 => native!(i16),
            DataType::Int32 => native!(i32),
            DataType::Int64 => native!(i64),
            DataType::Int128 => native!(i128),
            DataType::UInt8 => native!(u8),
            DataType::UInt16 => native!(u16),
            DataType::UInt32 => native!(u32),
            DataType::UInt64 => native!(u64),
            DataType::UInt128 => native!(u128),
            DataType::Float32 => native!(f32),
            DataType::Float64 => native!(f64),
            DataType::String => self.views::<str>(column)?,
            DataType::Binary => self.views::<[u8]>(column)?,
            _ => None,
        };
        let Some(array) = moved else { return Ok(None) };
        let moved = Series::from_chunk_and_dtype(column.name().clone(), array, column.dtype())?;
        Ok(Some(moved))
    }

    fn native<T: NativeType>(&self, column: &Series) -> Result<Option<Box<dyn Array>>> {
        // Values that are read in any order are read from a single slice.
        let whole;
        let column = match self.moves {
            Moves::From(_) => {
                whole = column.rechunk();
                &whole
            }
            Moves::To(..) => column,
        };
        let Some(chunks) = ArrayChunks::<PrimitiveArray<T>>::of(column) else {
            return Ok(None);
        };
        let values = self.values(column.len(), |rows| {
            let pieces = chunks.pieces(rows);
            pieces.map(|(array, rows)| &array.values().as_slice()[rows])
        })?;
        let validity = self.validity(column)?;
        let array = PrimitiveArray::new(T::PRIMITIVE.into(), values.into(), validity);
        Ok(Some(Box::new(array)))
    }

    fn boolean(&self, column: &Series) -> Result<Option<Box<dyn Array>>> {
        let whole = column.rechunk();
        let Some(array) = whole.chunks()[0].as_any().downcast_ref::<BooleanArray>() else {
            return Ok(None);
        };
        let values = self.bits(Some(array.values()))?;
        let array = BooleanArray::new(array.dtype().clone(), values, self.validity(&whole)?);
        Ok(Some(Box::new(array)))
    }

    /// Moves text or bytes: the views move, and the buffers that they point to stay.
    fn views<V: ViewType + ?Sized>(&self, column: &Series) -> Result<Option<Box<dyn Array>>> {
        let whole = column.rechunk();
        let array = whole.chunks()[0].as_any();
        let Some(array) = array.downcast_ref::<BinaryViewArrayGeneric<V>>() else {
            return Ok(None);
        };
        let views = self.values(array.len(), |rows| std::iter::once(&array.views()[rows]))?;
        let validity = self.validity(&whole)?;
        // SAFETY: each view is one of the array's views, whose buffers these are, or that of an empty text.
        let array = unsafe {
            BinaryViewArrayGeneric::<V>::new_unchecked_unknown_md(
                array.dtype().clone(),
                views.into(),
                array.data_buffers().clone(),
                validity,
                None,
            )
        };
        Ok(Some(Box::new(array)))
    }

    fn len(&self) -> usize {
        match self.moves {
            Moves::From(from) => from.len(),
            Moves::To(_, len) => len,
        }
    }

    fn ranges(&self, rows: usize) -> Vec<Range<usize>> {
        ranges(rows, self.workers, SHORTEST)
    }

    /// Moves values. `slices` are the slices of rows; if values come [from](Moves::From) any place, all rows are one slice.
    fn values<'s, T, S>(
        &self,
        rows: usize,
        slices: impl Fn(Range<usize>) -> S + Sync,
    ) -> Result<Vec<T>>
    where
        T: Copy + Default + Send + Sync + 's,
        S: Iterator<Item = &'s [T]>,
    {
        let mut moved = Unfilled::new(self.len());
        match self.moves {
            Moves::From(from) => {
                let values = slices(0..rows).next().unwrap_or_default();
                let ranges = self.ranges(from.len());
                let parts = ranges.iter().cloned().zip(split(moved.as_slice(), &ranges));
                each(parts.collect(), self.share_out, |_, (places, slots)| {
                    for (slot, from) in slots.iter_mut().zip(&from[places]) {
                        slot.write(values.get(*from as usize).copied().unwrap_or_default());
                    }
                })?;
            }
            Moves::To(to, _) => {
                let place = moved.scatter();
                each(self.ranges(to.len()), self.share_out, |_, rows| {
                    let mut to = &to[rows.clone()];
                    for values in slices(rows) {
                        let now;
                        (now, to) = to.split_at(values.len());
                        for (value, to) in values.iter().zip(now) {
                            // SAFETY: no two values go to the same place (`Moves`).
                            unsafe { place.set(*to as usize, *value) };
                        }
                    }
                })?;
            }
        }
        // SAFETY: each slot was written to: one after the other, or because each value of the output has an input (`Moves`).
        Ok(unsafe { moved.assume_full() })
    }

    /// Returns which values are not null after they were moved, or `None` if none is null.
    fn validity(&self, column: &Series) -> Result<Option<Bitmap>> {
        let validity = match column.null_count() {
            0 => None,
            _ => column.rechunk_validity(),
        };
        let may_be_missing = matches!(self.moves, Moves::From(from) if from.len() > column.len());
        if validity.is_none() && !may_be_missing {
            return Ok(None);
        }
        let validity = self.bits(validity.as_ref())?;
        Ok((validity.unset_bits() > 0).then_some(validity))
    }

    /// Moves bits; without `bits`, all are set.
    fn bits(&self, bits: Option<&Bitmap>) -> Result<Bitmap> {
        let len = self.len();
        let bit = |row: usize| bits.is_none_or(|bits| bits.get_bit(row));
        let mut bytes = Unfilled::<u8>::new(len.div_ceil(8));
        let ranges = self.ranges(len);
        // A range begins at a whole byte.
        let eighths: Vec<_> = ranges
            .iter()
            .map(|r| r.start / 8..r.end.div_ceil(8))
            .collect();
        let parts = ranges
            .iter()
            .cloned()
            .zip(split(bytes.as_slice(), &eighths));
        let parts = parts.collect();
        match self.moves {
            Moves::From(from) => {
                let rows = bits.map_or(NOWHERE as usize, Bitmap::len);
                each(parts, self.share_out, |_, (places, slots)| {
                    for (slot, from) in slots.iter_mut().zip(from[places].chunks(8)) {
                        let from = from.iter().map(|from| *from as usize);
                        let bits = from.map(|from| from < rows && bit(from));
                        slot.write(packed(bits));
                    }
                })?;
            }
            Moves::To(to, _) => {
                // Bits that share a byte may belong to different writers.
                let mut flags = Unfilled::<bool>::new(len);
                let place = flags.scatter();
                each(self.ranges(to.len()), self.share_out, |_, rows| {
                    for row in rows {
                        // SAFETY: no two values go to the same place (`Moves`).
                        unsafe { place.set(to[row] as usize, bit(row)) };
                    }
                })?;
                // SAFETY: each value of the output has an input (`Moves`).
                let flags = unsafe { flags.assume_full() };
                each(parts, self.share_out, |_, (places, slots)| {
                    for (slot, flags) in slots.iter_mut().zip(flags[places].chunks(8)) {
                        slot.write(packed(flags.iter().copied()));
                    }
                })?;
            }
        }
        // SAFETY: each byte was written to, one after the other.
        let bytes = unsafe { bytes.assume_full() };
        Ok(Bitmap::from_u8_vec(bytes, len))
    }
}

/// Packs up to eight bits into a byte.
#[inline(always)]
fn packed(bits: impl Iterator<Item = bool>) -> u8 {
    bits.enumerate()
        .fold(0, |byte, (i, bit)| byte | u8::from(bit) << i)
}
