//! Items by their number, for workers that take them in any order, each once.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::slice;

use crate::run::quietly_drop;

/// Items that lie in memory.
pub(super) enum Source<T> {
    /// They are ours.
    Owned(Vec<T>),
    /// They are references to values that lie one after the other.
    Lent(Lent),
}

/// So many values of so many bytes.
#[derive(Clone, Copy)]
pub(super) struct Lent {
    first: *const u8,
    size: usize,
    len: usize,
}

// SAFETY: it is a vector of `T`, or stands for one of references `T`.
unsafe impl<T: Send> Send for Source<T> {}

impl<T> Source<T> {
    /// Collects the items; those that a slice of numbers lends are left where they are, since to write down where each of
    /// them lies can take longer than the closure does.
    pub(super) fn of<I>(items: I) -> Self
    where
        I: IntoIterator<Item = T>,
    {
        let items = items.into_iter();
        match lent(&items) {
            Some(lent) => Source::Lent(lent),
            None => Source::Owned(items.collect()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Source::Owned(items) => items.len(),
            Source::Lent(lent) => lent.len,
        }
    }

    /// Lets its items be taken.
    pub(super) fn open(self) -> Open<T> {
        Open(match self {
            Source::Owned(items) => Items::Owned(ManuallyDrop::new(items)),
            Source::Lent(lent) => Items::Lent(lent),
        })
    }
}

impl<T> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Items of which some may have been taken. Its own drop drops none.
pub(super) struct Open<T>(Items<T>);

enum Items<T> {
    Owned(ManuallyDrop<Vec<T>>),
    Lent(Lent),
}

// SAFETY: through a shared reference a `T` can only be taken, by the one who takes it: it is sent there.
unsafe impl<T: Send> Sync for Open<T> {}
// SAFETY: as for `Source`.
unsafe impl<T: Send> Send for Open<T> {}

impl<T> Open<T> {
    /// Takes an item.
    ///
    /// # Safety
    /// There are more items than so, and this one was not taken before.
    #[inline(always)]
    pub(super) unsafe fn take(&self, item: usize) -> T {
        match &self.0 {
            // SAFETY: the caller vouches for the place; what is read is not dropped there, since it was taken.
            Items::Owned(items) => unsafe { items.as_ptr().add(item).read() },
            // SAFETY: the value lies within the slice. `T` is a reference to such a value: `lent` has seen that.
            Items::Lent(lent) => unsafe {
                let place = lent.first.add(item * lent.size);
                mem::transmute_copy::<*const u8, T>(&place)
            },
        }
    }

    /// Drops the items that were not taken.
    ///
    /// # Safety
    /// Just the items in these ranges, which are ascending and do not overlap, were taken.
    pub(super) unsafe fn drop_all_but(self, taken: &[Range<usize>]) {
        let Items::Owned(items) = self.0 else {
            return;
        };
        let mut items = ManuallyDrop::into_inner(items);
        let len = items.len();
        // SAFETY: 0 is no more than the capacity; what is left is dropped below, item by item.
        unsafe { items.set_len(0) };
        if !mem::needs_drop::<T>() {
            return;
        }
        let first = items.as_mut_ptr();
        for item in gaps(taken, len).flatten() {
            // SAFETY: it is within the vector, and was not taken.
            quietly_drop(unsafe { first.add(item).read() });
        }
    }
}

/// What lies between ranges, up to `end`.
fn gaps(ranges: &[Range<usize>], end: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = ranges.iter().map(|range| range.start).chain([end]);
    let ends = [0].into_iter().chain(ranges.iter().map(|range| range.end));
    ends.zip(starts).map(|(end, start)| end..start)
}

/// Where the values lie that an iterator over a slice of numbers lends.
fn lent<I>(items: &I) -> Option<Lent> {
    macro_rules! any_of {
        ($($Number:ty)*) => {$(
            if typeid::of::<I>() == typeid::of::<slice::Iter<'static, $Number>>() {
                let items: *const I = items;
                // SAFETY: it is that type, but for the lifetime, of which nothing is kept: the pointer is followed only to
                // make the very references that the iterator would give.
                let items = unsafe { &*items.cast::<slice::Iter<'_, $Number>>() }.as_slice();
                return Some(Lent {
                    first: items.as_ptr().cast(),
                    size: size_of::<$Number>(),
                    len: items.len(),
                });
            }
        )*};
    }
    any_of!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 bool char);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_numbers_is_lent_and_all_else_is_owned() {
        let numbers = vec![3u64, 1, 4];
        let source = Source::of(&numbers[1..]);
        assert!(matches!(&source, Source::Lent(lent) if (lent.size, lent.len) == (8, 2)));
        let open = source.open();
        // SAFETY: each is taken once, and there are two.
        let taken: Vec<&u64> = (0..2).map(|item| unsafe { open.take(item) }).collect();
        assert_eq!(taken, [&1, &4]);

        assert!(matches!(Source::of(&["a", "b"]), Source::Owned(_)));
        assert!(matches!(Source::of(numbers.clone()), Source::Owned(_)));
        assert!(matches!(
            Source::of(numbers.iter().copied()),
            Source::Owned(_)
        ));
        assert!(matches!(Source::of(numbers.iter().rev()), Source::Owned(_)));
    }

    #[test]
    fn gaps_are_what_ranges_leave() {
        let gaps_of =
            |ranges: &[Range<usize>]| -> Vec<usize> { gaps(ranges, 6).flatten().collect() };
        assert_eq!(gaps_of(&[]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(gaps_of(&[0..6]), []);
        assert_eq!(gaps_of(&[1..2, 2..3, 5..6]), [0, 3, 4]);
    }
}
