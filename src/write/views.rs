//! Growing columns of text and bytes: each value is copied once, to its final place.

use polars_arrow::array::View;

use super::grow::{Growing, Present, in_groups};
use super::returns::{Dtypes, Misfit, fit};
use super::text::{FULL, ViewSink, check_length, view_column};
use super::{Finished, Refused};
use crate::error::Result;
use crate::sealed::Sealed;

/// A growing column of text, or of bytes.
#[doc(hidden)]
#[derive(Debug)]
pub struct GrowViews<const TEXT: bool> {
    views: Vec<View>,
    /// The buffers that have no more room.
    full: Vec<Vec<u8>>,
    buffer: Vec<u8>,
    present: Present,
}

impl GrowViews<true> {
    #[inline(always)]
    pub(super) fn push_text(&mut self, text: &str) -> Result<(), Refused> {
        self.push(text.as_bytes())
    }
}

impl GrowViews<false> {
    #[inline(always)]
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.push(bytes)
    }
}

impl<const TEXT: bool> GrowViews<TEXT> {
    #[inline(always)]
    fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let view = match bytes.len() <= View::MAX_INLINE_SIZE as usize {
            true => View::new_inline(bytes),
            false => self.put(bytes)?,
        };
        self.views.push(view);
        self.present.push();
        Ok(())
    }

    /// Copies bytes that are too long for a view into a buffer.
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<View, Refused> {
        check_length(bytes)?;
        if self.buffer.len() + bytes.len() > FULL && !self.buffer.is_empty() {
            self.full.push(std::mem::take(&mut self.buffer));
        }
        // The offset fits: a buffer that is not empty stays below FULL until it gets its last value.
        let (buffer, offset) = (self.full.len() as u32, self.buffer.len() as u32);
        let view = View::new_from_bytes(bytes, buffer, offset);
        self.buffer.extend_from_slice(bytes);
        Ok(view)
    }
}

impl<const TEXT: bool> Sealed for GrowViews<TEXT> {}

impl<const TEXT: bool> Growing for GrowViews<TEXT> {
    const FIXED: bool = true;
    type Grown = Finished;

    fn new() -> Self {
        GrowViews {
            views: Vec::new(),
            full: Vec::new(),
            buffer: Vec::new(),
            present: Present::default(),
        }
    }

    #[inline(always)]
    fn rows(&self) -> usize {
        self.views.len()
    }

    fn truncate(&mut self, rows: usize) {
        let taken = self.views.get(rows..).unwrap_or_default();
        let current = self.full.len() as u32;
        let mut taken = taken.iter().filter(|view| !view.is_inline());
        // Bytes in a buffer that was full before stay there: no view points to them.
        if let Some(first) = taken.find(|view| view.buffer_idx == current) {
            self.buffer.truncate(first.offset as usize);
        }
        self.views.truncate(rows);
        self.present.truncate(rows);
    }

    fn push_null(&mut self) {
        self.present.push_null(self.views.len());
        self.views.push(View::default());
    }

    fn fit(dtypes: Dtypes<'_>, first: usize, misfits: &mut Vec<Misfit>) -> bool {
        let dtype = dtypes.get(first);
        match TEXT {
            true => fit::<ViewSink<String>>(dtype, first, misfits),
            false => fit::<ViewSink<Vec<u8>>>(dtype, first, misfits),
        }
    }

    fn close(mut self) -> Result<Finished> {
        self.views.shrink_to_fit();
        if !self.buffer.is_empty() {
            self.buffer.shrink_to_fit();
            self.full.push(self.buffer);
        }
        let validity = self.present.into_bitmap();
        // SAFETY: each view that is not inline was made with the number of the buffer and the offset at which its bytes were
        // put (`put`), and no bytes before these are taken out of it (`truncate`); the bytes of text were a `str`
        // (`push_text`).
        Ok(unsafe { view_column(TEXT, self.views, self.full, validity) })
    }

    fn stack(
        mut parts: Vec<Finished>,
        groups: &[usize],
        columns: &mut Vec<Finished>,
    ) -> Result<()> {
        let mut groups = groups;
        if parts.is_empty() {
            parts.push(Self::new().close()?);
            groups = &[1];
        }
        columns.push(in_groups(parts, groups)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(column: Finished) -> Vec<Option<String>> {
        let column = column.into_column("t".into());
        let texts = column.str().unwrap().iter();
        texts.map(|text| text.map(ToString::to_string)).collect()
    }

    #[test]
    fn what_is_taken_back_leaves_the_rest() {
        let long = |n: usize| format!("a text that is longer than a view {n}");
        let mut rows = GrowViews::<true>::new();
        let mut expected = Vec::new();
        for n in 0..100 {
            let mark = rows.rows();
            for text in [long(n), "short".into(), long(n + 1)] {
                rows.push_text(&text).unwrap();
            }
            rows.push_null();
            if n % 3 == 0 {
                rows.truncate(mark);
            } else {
                expected.extend([Some(long(n)), Some("short".into()), Some(long(n + 1)), None]);
            }
        }
        let held: usize = expected.iter().flatten().map(String::len).sum();
        assert!(rows.buffer.len() <= held);
        assert_eq!(texts(rows.close().unwrap()), expected);
    }

    #[test]
    fn a_full_buffer_is_put_away() {
        let huge = "x".repeat(FULL - 10);
        let mut rows = GrowViews::<true>::new();
        rows.push_text(&huge).unwrap();
        let mark = rows.rows();
        rows.push_text("the first text of another buffer").unwrap();
        rows.truncate(mark);
        rows.push_text("what is there in its place, and is longer")
            .unwrap();
        rows.push_text(&huge).unwrap();
        assert_eq!(
            texts(rows.close().unwrap()),
            [
                Some(huge.clone()),
                Some("what is there in its place, and is longer".into()),
                Some(huge)
            ]
        );
    }
}
