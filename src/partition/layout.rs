//! The places of each column's chunks, and the blocks of rows that are in one chunk of every column.
//!
//! The columns of a frame may be chunked differently. A closure is run block by block: the rows of a block are side by side in
//! one chunk of every column used, so the innermost loop indexes plain slices and does not look up chunks.

use std::ops::Range;

/// The most rows in a block. A block costs little, but it makes the memory's prefetcher start again in every column.
pub(crate) const BLOCK: usize = 1 << 16;

/// The most rows in a block whose values are converted before they are read: few enough that they stay in the fastest cache.
pub(crate) const CONVERTED_BLOCK: usize = 1 << 12;

/// The place where a block begins in one column.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockStart {
    /// The position of the chunk among the column's chunks that are not empty.
    pub(crate) chunk: usize,
    /// The first row within the chunk.
    pub(crate) offset: usize,
}

/// The ends of one column's chunks.
#[derive(Debug)]
pub(crate) enum ChunkEnds {
    /// The ends as row numbers, ascending.
    At(Vec<usize>),
    /// A scalar column: one chunk of this many equal rows stands for every block.
    Repeated(usize),
}

/// The chunks of every column used.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) rows: usize,
    /// The most rows in a block.
    pub(crate) block: usize,
    pub(crate) columns: Vec<ChunkEnds>,
}

impl Layout {
    /// Walks the blocks of `rows`.
    pub(crate) fn blocks(&self, rows: Range<usize>) -> Cursor<'_> {
        debug_assert!(rows.end <= self.rows);
        let mut places = vec![BlockStart::default(); self.columns.len()];
        for (place, column) in places.iter_mut().zip(&self.columns) {
            if let ChunkEnds::At(ends) = column {
                let chunk = ends.partition_point(|end| *end <= rows.start);
                let start = if chunk == 0 { 0 } else { ends[chunk - 1] };
                *place = BlockStart {
                    chunk,
                    offset: rows.start - start,
                };
            }
        }
        Cursor {
            layout: self,
            rows,
            last: 0,
            places,
        }
    }
}

/// Walks blocks of rows; it is not an iterator, since it lends the places.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    layout: &'a Layout,
    rows: Range<usize>,
    last: usize,
    places: Vec<BlockStart>,
}

impl Cursor<'_> {
    /// Returns the next block: its first row, how many rows it has, and where it begins in each column.
    pub(crate) fn next(&mut self) -> Option<(usize, usize, &[BlockStart])> {
        self.advance();
        if self.rows.is_empty() {
            return None;
        }
        let row = self.rows.start;
        let mut len = self.rows.len().min(self.layout.block);
        for (place, column) in self.places.iter().zip(&self.layout.columns) {
            len = len.min(match column {
                ChunkEnds::At(ends) => ends[place.chunk] - row,
                ChunkEnds::Repeated(rows) => *rows,
            });
        }
        self.last = len;
        Some((row, len, &self.places))
    }

    /// Moves past the last block.
    fn advance(&mut self) {
        let len = std::mem::take(&mut self.last);
        self.rows.start += len;
        for (place, column) in self.places.iter_mut().zip(&self.layout.columns) {
            if let ChunkEnds::At(ends) = column {
                place.offset += len;
                if ends
                    .get(place.chunk)
                    .is_some_and(|end| *end <= self.rows.start)
                {
                    *place = BlockStart {
                        chunk: place.chunk + 1,
                        offset: 0,
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_where_any_column_s_chunk_ends() {
        let layout = Layout {
            rows: 10,
            block: BLOCK,
            columns: vec![
                ChunkEnds::At(vec![3, 10]),
                ChunkEnds::At(vec![5, 6, 10]),
                ChunkEnds::Repeated(2),
            ],
        };
        let mut cursor = layout.blocks(1..9);
        let mut seen = Vec::new();
        while let Some((row, len, places)) = cursor.next() {
            let places: Vec<_> = places.iter().map(|p| (p.chunk, p.offset)).collect();
            seen.push((row, len, places));
        }
        assert_eq!(
            seen,
            [
                (1, 2, vec![(0, 1), (0, 1), (0, 0)]),
                (3, 2, vec![(1, 0), (0, 3), (0, 0)]),
                (5, 1, vec![(1, 2), (1, 0), (0, 0)]),
                (6, 2, vec![(1, 3), (2, 0), (0, 0)]),
                (8, 1, vec![(1, 5), (2, 2), (0, 0)]),
            ]
        );
    }

    #[test]
    fn no_columns_still_have_rows() {
        let layout = Layout {
            rows: 5,
            block: 3,
            columns: vec![],
        };
        let mut cursor = layout.blocks(0..5);
        assert_eq!(cursor.next().map(|(row, len, _)| (row, len)), Some((0, 3)));
        assert_eq!(cursor.next().map(|(row, len, _)| (row, len)), Some((3, 2)));
        assert!(cursor.next().is_none());
    }
}
