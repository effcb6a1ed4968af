//! Keys of any length: long text, and rows of several or nested columns in Polars' row encoding.

use std::hash::{BuildHasher, Hasher};

use polars::prelude::{Column, PlFixedStateQuality, Series};
use polars_arrow::array::{BinaryArray, BinaryViewArray};
use polars_arrow::bitmap::Bitmap;
use polars_core::chunked_array::ops::row_encode::_get_rows_encoded_unordered;

use super::ShareOut;
use super::keys::Keys;
use super::memory::{BLOCK, each};
use crate::error::Result;

/// Keys that are compared by their hashes first, and then byte by byte.
#[derive(Debug)]
pub(super) struct Hashed {
    bytes: KeyBytes,
    rows: usize,
    validity: Option<Bitmap>,
}

#[derive(Debug)]
enum KeyBytes {
    Text(BinaryViewArray),
    /// The chunks, and how many rows each of them has except the last.
    Encoded(Vec<BinaryArray<i64>>, usize),
}

impl Hashed {
    /// Makes keys of a column of text or of bytes; `None` for a column of another dtype.
    pub(super) fn text(series: &Series, validity: Option<Bitmap>) -> Option<Self> {
        let binary = match series.str() {
            Ok(text) => text.as_binary(),
            Err(_) => series.binary().ok()?.clone(),
        };
        let binary = binary.rechunk();
        let text = binary.downcast_iter().next()?.clone();
        Some(Hashed {
            rows: text.len(),
            bytes: KeyBytes::Text(text),
            validity,
        })
    }

    /// Makes keys of whole rows of several columns.
    pub(super) fn encoded(
        columns: &[Column],
        rows: usize,
        validity: Option<Bitmap>,
        workers: usize,
        share_out: ShareOut<'_>,
    ) -> Result<Self> {
        let len = rows
            .div_ceil(workers * 4)
            .max(32 * BLOCK)
            .next_multiple_of(BLOCK);
        let starts = (0..rows).step_by(len).collect();
        let chunks = each(starts, share_out, |_, start| {
            let part = columns.iter().map(|column| column.slice(start as i64, len));
            let part: Vec<Column> = part.collect();
            Ok(_get_rows_encoded_unordered(&part)?.into_array())
        })?;
        let chunks = chunks.into_iter().collect::<Result<_>>()?;
        Ok(Hashed {
            bytes: KeyBytes::Encoded(chunks, len),
            rows,
            validity,
        })
    }
}

impl Keys for Hashed {
    type Key = u64;
    const EXACT: bool = false;

    fn rows(&self) -> usize {
        self.rows
    }

    fn validity(&self) -> Option<&Bitmap> {
        self.validity.as_ref()
    }

    fn read(&self, start: usize, keys: &mut [u64]) {
        let state = PlFixedStateQuality::default();
        let hash = |bytes: &[u8]| {
            let mut hasher = state.build_hasher();
            hasher.write(bytes);
            hasher.finish()
        };
        match &self.bytes {
            KeyBytes::Text(text) => {
                let rows = start..start + keys.len();
                keys.iter_mut()
                    .zip(rows)
                    .for_each(|(key, row)| *key = hash(text.value(row)));
            }
            KeyBytes::Encoded(chunks, len) => {
                for (i, key) in keys.iter_mut().enumerate() {
                    let row = start + i;
                    *key = hash(chunks[row / len].value(row % len));
                }
            }
        }
    }

    #[inline(always)]
    fn hash(key: u64) -> u64 {
        key
    }

    #[inline]
    fn same(&self, row: usize, other: usize) -> bool {
        match &self.bytes {
            KeyBytes::Text(text) => text.value(row) == text.value(other),
            KeyBytes::Encoded(chunks, len) => {
                let value = |row: usize| chunks[row / len].value(row % len);
                value(row) == value(other)
            }
        }
    }
}
