//! Results without a fixed width, which are built part by part and put in order at the end.

use crate::sync::{Mutex, PoisonError};
use std::fmt;

/// The most rows that memory is allocated for in advance in a part, which may be cut short.
pub(super) const ROOM: usize = 1 << 12;

/// The parts of a column, each with its first row.
pub(crate) struct Parts<P>(Mutex<Vec<(usize, P)>>);

impl<P> fmt::Debug for Parts<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl<P> Parts<P> {
    pub(crate) fn new() -> Self {
        Parts(Mutex::new(Vec::new()))
    }

    pub(crate) fn push(&self, start: usize, part: P) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.push((start, part));
    }

    /// Returns the parts in the order of their rows.
    pub(crate) fn into_ordered(self) -> impl Iterator<Item = P> {
        let mut parts = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        parts.sort_by_key(|(start, _)| *start);
        parts.into_iter().map(|(_, part)| part)
    }
}
