//! A part with the neighbouring rows around it.

use std::ops::Range;

/// The rows that belong to a part, and the rows that its closure is given.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Halo {
    own: Range<usize>,
    /// The part's own rows and those beside them, as far as there are any.
    pub(crate) around: Range<usize>,
}

impl Halo {
    /// Makes the halo of a part in a frame of `rows` rows, with up to `before` rows before it and `after` rows after it.
    pub(crate) fn new(own: Range<usize>, (before, after): (usize, usize), rows: usize) -> Self {
        let start = own.start.saturating_sub(before);
        let end = own.end.saturating_add(after).min(rows);
        Halo {
            own,
            around: start..end,
        }
    }

    /// Returns the part's own rows, counted from the first row that is given.
    pub(crate) fn core(&self) -> Range<usize> {
        self.own.start - self.around.start..self.own.end - self.around.start
    }

    /// Returns which of a result's `height` rows are the part's own, or what is wrong with that height.
    pub(crate) fn rows_kept(&self, height: usize) -> Result<Range<usize>, String> {
        match height {
            height if height == self.around.len() => Ok(self.core()),
            height if height == self.own.len() => Ok(0..height),
            height => Err(format!(
                "the result has {height} rows, but the part has {}, or {} with its overlap; return one of these two numbers of rows",
                self.own.len(),
                self.around.len(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halo(
        own: Range<usize>,
        overlap: (usize, usize),
        rows: usize,
    ) -> (Range<usize>, Range<usize>) {
        let halo = Halo::new(own, overlap, rows);
        (halo.around.clone(), halo.core())
    }

    #[test]
    fn it_ends_where_the_frame_ends() {
        assert_eq!(halo(4..6, (1, 2), 10), (3..8, 1..3));
        assert_eq!(halo(0..6, (3, 9), 10), (0..10, 0..6));
        assert_eq!(halo(4..6, (usize::MAX, usize::MAX), 10), (0..10, 4..6));
        assert_eq!(halo(4..6, (0, 0), 10), (4..6, 0..2));
        assert_eq!(halo(10..10, (2, 2), 10), (8..10, 2..2));
        assert_eq!(halo(0..0, (2, 2), 0), (0..0, 0..0));
    }

    #[test]
    fn a_result_is_cut_or_kept() {
        let halo = Halo::new(4..6, (1, 2), 10);
        assert_eq!(halo.rows_kept(5), Ok(1..3));
        assert_eq!(halo.rows_kept(2), Ok(0..2));
        assert!(halo.rows_kept(3).unwrap_err().contains("has 3 rows"));
    }
}
