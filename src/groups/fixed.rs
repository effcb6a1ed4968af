//! Keys of fixed width: numbers, values that are stored as numbers, short text, and several of them packed into one key.

use std::fmt;
use std::ops::Range;

use polars::prelude::{DataType, Series};
use polars_arrow::array::{
    Array, BinaryViewArray, BooleanArray, PrimitiveArray, Utf8ViewArray, View,
};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::types::NativeType;

use super::chunks::ArrayChunks;
use super::keys::{Keys, Word};
use super::memory::{blocks, each, ranges};
use super::{SHORTEST, ShareOut};
use crate::error::Result;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Columns whose values together fit into one word.
pub(super) struct Packed<'a> {
    columns: Vec<Column<'a>>,
    rows: usize,
    validity: Option<Bitmap>,
}

/// One column of a packed key.
struct Column<'a> {
    codes: Box<dyn KeyCodes + 'a>,
    /// The rows that have a value, if null is a value too.
    validity: Option<Bitmap>,
    bits: u32,
}

impl<'a> Packed<'a> {
    /// The number of bits of the widest key.
    pub(super) const MOST_BITS: u32 = 128;

    /// Packs columns into one key, if they fit. `validity` says which rows have a key; without it, every row has a key, and
    /// nulls are values.
    pub(super) fn new(
        series: &[&'a Series],
        rows: usize,
        nulls_are_values: bool,
        validity: Option<Bitmap>,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Option<Self>> {
        let mut columns = Vec::with_capacity(series.len());
        let mut bits = 0;
        for series in series {
            let Some((codes, width)) = codes(series, workers, share_out)? else {
                return Ok(None);
            };
            let validity = match nulls_are_values && series.null_count() > 0 {
                true => series.rechunk_validity(),
                false => None,
            };
            let width = width + u32::from(validity.is_some());
            columns.push(Column {
                codes,
                validity,
                bits: width,
            });
            bits += width;
            if bits > Self::MOST_BITS {
                return Ok(None);
            }
        }
        Ok(Some(Packed {
            columns,
            rows,
            validity,
        }))
    }

    /// Returns how many bits a key has.
    pub(super) fn bits(&self) -> u32 {
        self.columns.iter().map(|column| column.bits).sum()
    }

    fn read<W: Pack>(&self, start: usize, keys: &mut [W]) {
        for (i, column) in self.columns.iter().enumerate() {
            if i == 0 {
                W::read(&*column.codes, start, keys);
                column.mark(start, keys);
                continue;
            }
            // Every column but the first is read separately, and then packed behind the columns before it.
            let mut codes = [W::default(); 64];
            for (j, keys) in keys.chunks_mut(64).enumerate() {
                let (start, codes) = (start + j * 64, &mut codes[..keys.len()]);
                W::read(&*column.codes, start, codes);
                column.mark(start, codes);
                for (key, code) in keys.iter_mut().zip(codes) {
                    *key = key.packed(column.bits, *code);
                }
            }
        }
    }
}

impl Column<'_> {
    /// Where null is a value, it is ordered before all others.
    fn mark<W: Pack>(&self, start: usize, codes: &mut [W]) {
        if let Some(validity) = &self.validity {
            for (i, code) in codes.iter_mut().enumerate() {
                *code = match validity.get_bit(start + i) {
                    true => W::of(1 << (self.bits - 1)).or(*code),
                    false => W::default(),
                };
            }
        }
    }
}

impl fmt::Debug for Packed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed")
            .field("rows", &self.rows)
            .field("bits", &self.bits())
            .finish_non_exhaustive()
    }
}

/// Packed keys of one word.
#[derive(Debug)]
pub(super) struct Narrow<'a>(pub(super) Packed<'a>);

/// Packed keys of two words.
#[derive(Debug)]
pub(super) struct Wide<'a>(pub(super) Packed<'a>);

macro_rules! packed_keys {
    ($Keys:ident $Word:ty) => {
        impl Keys for $Keys<'_> {
            type Key = $Word;
            const EXACT: bool = true;

            fn rows(&self) -> usize {
                self.0.rows
            }

            fn validity(&self) -> Option<&Bitmap> {
                self.0.validity.as_ref()
            }

            fn read(&self, start: usize, keys: &mut [$Word]) {
                self.0.read(start, keys);
            }

            #[inline(always)]
            fn hash(key: $Word) -> u64 {
                Pack::hash(key)
            }

            fn same(&self, _: usize, _: usize) -> bool {
                true
            }
        }
    };
}

packed_keys!(Narrow u64);
packed_keys!(Wide u128);

/// The word that a key is packed into.
trait Pack: Word {
    fn or(self, other: Self) -> Self;
    fn packed(self, bits: u32, code: Self) -> Self;
    fn hash(self) -> u64;
    fn read(codes: &dyn KeyCodes, start: usize, out: &mut [Self]);
}

impl Pack for u64 {
    #[inline(always)]
    fn or(self, other: u64) -> u64 {
        self | other
    }

    #[inline(always)]
    fn packed(self, bits: u32, code: u64) -> u64 {
        (self << bits) | code
    }

    #[inline(always)]
    fn hash(self) -> u64 {
        folded(self ^ SEEDS[0], SEEDS[1])
    }

    fn read(codes: &dyn KeyCodes, start: usize, out: &mut [u64]) {
        codes.read(start, out);
    }
}

impl Pack for u128 {
    #[inline(always)]
    fn or(self, other: u128) -> u128 {
        self | other
    }

    #[inline(always)]
    fn packed(self, bits: u32, code: u128) -> u128 {
        (self << bits) | code
    }

    #[inline(always)]
    fn hash(self) -> u64 {
        let low = folded(self as u64 ^ SEEDS[0], SEEDS[1]);
        folded(low ^ (self >> 64) as u64, SEEDS[2])
    }

    fn read(codes: &dyn KeyCodes, start: usize, out: &mut [u128]) {
        codes.read_wide(start, out);
    }
}

/// Digits of pi and of the golden ratio; those that are factors are odd.
const SEEDS: [u64; 3] = [
    0x243F_6A88_85A3_08D3,
    0x9E37_79B9_7F4A_7C15,
    0xA409_3822_299F_31D1,
];

/// Combines both halves of a product, so that each bit depends on every bit of the value.
#[inline(always)]
fn folded(value: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(by);
    product as u64 ^ (product >> 64) as u64
}

/// The values of a column as numbers, which are equal where the values are the same key, and are in the same order.
trait KeyCodes: Sync {
    fn read(&self, start: usize, out: &mut [u64]);
    fn read_wide(&self, start: usize, out: &mut [u128]);
}

/// Returns the codes of a column and their width in bits, if the values have a fixed width.
fn codes<'a>(
    series: &'a Series,
    workers: usize,
    share_out: ShareOut<'_>,
) -> Result<Option<(Box<dyn KeyCodes + 'a>, u32)>> {
    macro_rules! native {
        ($T:ty) => {
            chunked::<PrimitiveArray<$T>>(series, <$T as Code>::BITS)
        };
    }
    Ok(match series.dtype().to_physical() {
        DataType::Boolean => chunked::<BooleanArray>(series, 1),
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
        DataType::String => short_text::<Utf8ViewArray>(series, workers, share_out)?,
        DataType::Binary => short_text::<BinaryViewArray>(series, workers, share_out)?,
        _ => None,
    })
}

/// Returns the codes of text, if all of it is short enough to be stored in its views.
fn short_text<'a, A: FixedChunk + Views + 'static>(
    series: &'a Series,
    workers: usize,
    share_out: ShareOut<'_>,
) -> Result<Option<(Box<dyn KeyCodes + 'a>, u32)>> {
    let Some(chunks) = ArrayChunks::<A>::of(series) else {
        return Ok(None);
    };
    let is_too_long = AtomicBool::new(false);
    let ranges = ranges(series.len(), workers, SHORTEST);
    let longest = each(ranges, share_out, |_, rows| {
        let mut longest = 0;
        for rows in blocks(rows) {
            for (chunk, rows) in chunks.pieces(rows) {
                let lengths = chunk.all()[rows].iter().map(|view| view.length);
                longest = lengths.fold(longest, u32::max);
            }
            // Relaxed, since a late answer only costs some work.
            if longest > View::MAX_INLINE_SIZE {
                is_too_long.store(true, Ordering::Relaxed);
            }
            if is_too_long.load(Ordering::Relaxed) {
                break;
            }
        }
        longest
    })?;
    let longest = longest.into_iter().max().unwrap_or(0);
    Ok(match longest <= View::MAX_INLINE_SIZE {
        true => chunked::<A>(series, longest * 8 + LENGTH_BITS),
        false => None,
    })
}

/// How many bits the length of a short text takes.
const LENGTH_BITS: u32 = 4;

fn chunked<A: FixedChunk + 'static>(
    series: &Series,
    bits: u32,
) -> Option<(Box<dyn KeyCodes + '_>, u32)> {
    let chunks = ArrayChunks::<A>::of(series)?;
    Some((Box::new(Chunked { chunks, bits }), bits))
}

struct Chunked<'a, A> {
    chunks: ArrayChunks<'a, A>,
    bits: u32,
}

impl<A: FixedChunk + 'static> Chunked<'_, A> {
    #[inline(always)]
    fn read_words<W: Word>(&self, start: usize, mut out: &mut [W]) {
        for (array, rows) in self.chunks.pieces(start..start + out.len()) {
            let (now, rest) = out.split_at_mut(rows.len());
            let codes = array.codes(rows, self.bits);
            now.iter_mut()
                .zip(codes)
                .for_each(|(key, code)| *key = W::of(code));
            out = rest;
        }
    }
}

impl<A: FixedChunk + 'static> KeyCodes for Chunked<'_, A> {
    fn read(&self, start: usize, out: &mut [u64]) {
        self.read_words(start, out);
    }

    fn read_wide(&self, start: usize, out: &mut [u128]) {
        self.read_words(start, out);
    }
}

trait FixedChunk: Array {
    fn codes(&self, rows: Range<usize>, bits: u32) -> impl Iterator<Item = u128>;
}

impl<T: Code + NativeType> FixedChunk for PrimitiveArray<T> {
    #[inline(always)]
    fn codes(&self, rows: Range<usize>, _: u32) -> impl Iterator<Item = u128> {
        let values = &self.values().as_slice()[rows];
        values.iter().map(|value| value.code())
    }
}

impl FixedChunk for BooleanArray {
    #[inline(always)]
    fn codes(&self, rows: Range<usize>, _: u32) -> impl Iterator<Item = u128> {
        let bits = self.values();
        rows.map(|i| u128::from(bits.get_bit(i)))
    }
}

impl FixedChunk for Utf8ViewArray {
    #[inline(always)]
    fn codes(&self, rows: Range<usize>, bits: u32) -> impl Iterator<Item = u128> {
        view_codes(&self.views()[rows], bits)
    }
}

impl FixedChunk for BinaryViewArray {
    #[inline(always)]
    fn codes(&self, rows: Range<usize>, bits: u32) -> impl Iterator<Item = u128> {
        view_codes(&self.views()[rows], bits)
    }
}

/// The views of an array.
trait Views {
    fn all(&self) -> &[View];
}

impl Views for Utf8ViewArray {
    fn all(&self) -> &[View] {
        self.views()
    }
}

impl Views for BinaryViewArray {
    fn all(&self) -> &[View] {
        self.views()
    }
}

/// Returns the bytes, of which the first is the most significant, and then the length. The bytes of a view after its text are 0
/// (the Arrow specification requires this, and Polars' own comparisons rely on it).
#[inline(always)]
fn view_codes(views: &[View], bits: u32) -> impl Iterator<Item = u128> {
    // If no text has a byte, there is nothing to shift out.
    let unused = (128 - (bits - LENGTH_BITS)).min(127);
    views.iter().map(move |view| {
        let view = view.as_u128();
        let (length, bytes) = (view as u32, view >> 32);
        (bytes.swap_bytes() >> unused) << LENGTH_BITS | u128::from(length)
    })
}

/// A value as a number with the same order.
trait Code: Copy {
    const BITS: u32;
    fn code(self) -> u128;
}

macro_rules! unsigned {
    ($($T:ident)*) => {$(
        impl Code for $T {
            const BITS: u32 = <$T>::BITS;

            #[inline(always)]
            fn code(self) -> u128 {
                self as u128
            }
        }
    )*};
}

unsigned!(u8 u16 u32 u64 u128);

macro_rules! signed {
    ($($T:ident $Unsigned:ident),*) => {$(
        impl Code for $T {
            const BITS: u32 = <$T>::BITS;

            #[inline(always)]
            fn code(self) -> u128 {
                (self ^ <$T>::MIN) as $Unsigned as u128
            }
        }
    )*};
}

signed!(i8 u8, i16 u16, i32 u32, i64 u64, i128 u128);

macro_rules! float {
    ($($T:ident $Unsigned:ident),*) => {$(
        impl Code for $T {
            const BITS: u32 = <$Unsigned>::BITS;

            /// −0.0 is the same as 0.0; all NaN are the same, and are ordered last.
            #[inline(always)]
            fn code(self) -> u128 {
                const SIGN: $Unsigned = 1 << ($Unsigned::BITS - 1);
                let value = if self.is_nan() { $T::NAN } else { self + 0.0 };
                let bits = value.to_bits();
                (if bits & SIGN == 0 { bits | SIGN } else { !bits }) as u128
            }
        }
    )*};
}

float!(f32 u32, f64 u64);
