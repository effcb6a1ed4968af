//! A part with rows of its neighbours around it.

use std::ops::Range;

/// A part's own rows, and those that its closure is given.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Halo {
    own: Range<usize>,
    /// The own rows and those beside them, as far as there are any.
    pub(crate) around: Range<usize>,
}

impl Halo {
    /// Of a part of so many rows, with so many before and after it.
    pub(crate) fn new(own: Range<usize>, (before, after): (usize, usize), rows: usize) -> Self {
        let start = own.start.saturating_sub(before);
        let end = own.end.saturating_add(after).min(rows);
        Halo {
            own,
            around: start..end,
        }
    }

    /// The own rows, counted from the first that is given.
    pub(crate) fn core(&self) -> Range<usize> {
        self.own.start - self.around.start..self.own.end - self.around.start
    }

    /// Of a result that has so many rows, those that are the part's own; or what is wrong with it.
    pub(crate) fn rows_kept(&self, height: usize) -> Result<Range<usize>, String> {
        match height {
            height if height == self.around.len() => Ok(self.core()),
            height if height == self.own.len() => Ok(0..height),
            height => Err(format!(
                "the result has {height} rows, and the part {}, or {} with its overlap; return as many as one of these",
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
