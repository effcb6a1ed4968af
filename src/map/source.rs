//! Items that workers take by number, in any order, each item once.
//!
//! The items of any iterator can be collected. But writing 8 bytes for each item takes longer than a fast closure does, so the
//! items of a slice of numbers and of a range are made from their number.

use std::fmt;
use std::mem::{self, ManuallyDrop};
use std::ops::Range;
use std::slice;

use crate::run::quietly_drop;

/// The items of a call.
pub(super) enum ItemSource<T> {
    /// Items in a vector that this owns.
    Owned(Vec<T>),
    /// Items that are made from their number.
    Made(Made),
}

/// A number of items that are made.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pattern: Pattern,
    len: usize,
}

/// How an item is made from its number.
#[derive(Clone, Copy)]
enum Pattern {
    /// References to values of `size` bytes each, which lie one after the other.
    Borrowed { first: *const u8, size: usize },
    /// Consecutive integers; `first` has the first one in its lowest bytes.
    ItemKind { first: u64 },
}

// SAFETY: it is a vector of `T`, or stands for one.
unsafe impl<T: Send> Send for ItemSource<T> {}

impl<T> ItemSource<T> {
    /// Collects the items, unless they can be made.
    pub(super) fn of<I>(items: I) -> Self
    where
        I: IntoIterator<Item = T>,
    {
        let items = items.into_iter();
        match made(&items) {
            Some(made) => ItemSource::Made(made),
            None => ItemSource::Owned(items.collect()),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            ItemSource::Owned(items) => items.len(),
            ItemSource::Made(made) => made.len,
        }
    }

    /// Opens the items for taking.
    pub(super) fn open(self) -> Open<T> {
        match self {
            ItemSource::Owned(items) => Open::Owned(ManuallyDrop::new(items)),
            ItemSource::Made(made) => Open::Made(made),
        }
    }
}

impl<T> fmt::Debug for ItemSource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Items of which some may have been taken. Dropping it drops no item.
pub(super) enum Open<T> {
    Owned(ManuallyDrop<Vec<T>>),
    Made(Made),
}

// SAFETY: through a shared reference a `T` can only be taken, and it is sent to the thread that takes it.
unsafe impl<T: Send> Sync for Open<T> {}
// SAFETY: as for `ItemSource`.
unsafe impl<T: Send> Send for Open<T> {}

/// A loop that takes items by their number; it is compiled once for each way to take them.
pub(super) trait Loop<T> {
    type Out;

    /// # Safety
    /// `take` must be called only for items that exist and were not taken before.
    unsafe fn run(self, take: impl Fn(usize) -> T) -> Self::Out;
}

impl<T> Open<T> {
    /// Runs a loop with the way to take these items.
    ///
    /// # Safety
    /// The loop must take only items that exist and were not taken before.
    #[inline(always)]
    pub(super) unsafe fn run<L: Loop<T>>(&self, taker: L) -> L::Out {
        // SAFETY (of all below): `made` has checked that `T` is a reference to such values, or such an integer; the caller promises
        // that the numbers are valid.
        match self {
            Open::Owned(items) => {
                let first = items.as_ptr();
                // SAFETY: the vector does not drop the item that is read, since it counts as taken.
                unsafe { taker.run(move |item| first.add(item).read()) }
            }
            Open::Made(Made {
                pattern: Pattern::Borrowed { first, size },
                ..
            }) => {
                let (first, size) = (*first, *size);
                // SAFETY: the value lies within the slice. With a constant size, the compiler can vectorise.
                unsafe {
                    match size {
                        8 => taker.run(move |item| reinterpret(first.add(item * 8))),
                        size => taker.run(move |item| reinterpret(first.add(item * size))),
                    }
                }
            }
            Open::Made(Made {
                pattern: Pattern::ItemKind { first },
                ..
            }) => {
                let first = *first;
                // SAFETY: the type has this many bytes, and any bytes are a valid integer.
                unsafe {
                    taker.run(move |item| {
                        let number = first.wrapping_add(item as u64);
                        match size_of::<T>() {
                            1 => reinterpret(number as u8),
                            2 => reinterpret(number as u16),
                            4 => reinterpret(number as u32),
                            _ => reinterpret(number),
                        }
                    })
                }
            }
        }
    }

    /// Drops the items that were not taken.
    ///
    /// # Safety
    /// Exactly the items in these ranges were taken; the ranges must be ascending and must not overlap.
    pub(super) unsafe fn drop_all_but(self, taken: &[Range<usize>]) {
        let Open::Owned(items) = self else {
            return;
        };
        let mut items = ManuallyDrop::into_inner(items);
        let len = items.len();
        // SAFETY: 0 is no more than the capacity, and the items that are left are dropped below, one by one.
        unsafe { items.set_len(0) };
        if !mem::needs_drop::<T>() {
            return;
        }
        let first = items.as_mut_ptr();
        for item in gaps(taken, len).flatten() {
            // SAFETY: the item is within the vector, and was not taken.
            quietly_drop(unsafe { first.add(item).read() });
        }
    }
}

/// Returns the ranges between these ranges, up to `end`.
fn gaps(ranges: &[Range<usize>], end: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = ranges.iter().map(|range| range.start).chain([end]);
    let ends = [0].into_iter().chain(ranges.iter().map(|range| range.end));
    ends.zip(starts).map(|(end, start)| end..start)
}

/// Returns a value as one of another type.
///
/// # Safety
/// The value must be of that type.
#[inline(always)]
unsafe fn reinterpret<V, T>(value: V) -> T {
    // The sizes differ only in code that is never reached.
    assert!(size_of::<V>() == size_of::<T>());
    // SAFETY: the caller promises that the types are the same.
    unsafe { mem::transmute_copy::<V, T>(&value) }
}

/// Returns how to make the items of an iterator over a slice of numbers, or of a range of integers.
fn made<I>(items: &I) -> Option<Made> {
    /// Returns the iterator as a `J`, if it is one.
    fn is<I, J>(items: &I) -> Option<&J>
    where
        J: 'static,
    {
        let items: *const I = items;
        // SAFETY: the types are the same except for lifetimes. Of what `J` borrows, only the address is kept, and it is used to
        // make the same items that the iterator would give.
        (typeid::of::<I>() == typeid::of::<J>()).then(|| unsafe { &*items.cast::<J>() })
    }
    macro_rules! lent {
        ($($Number:ty)*) => {$(
            if let Some(items) = is::<I, slice::Iter<'static, $Number>>(items) {
                let (first, size) = (items.as_slice().as_ptr().cast(), size_of::<$Number>());
                return Some(Made {
                    pattern: Pattern::Borrowed { first, size },
                    len: items.len(),
                });
            }
        )*};
    }
    macro_rules! counted {
        ($($Integer:ty)*) => {$(
            if let Some(range) = is::<I, Range<$Integer>>(items)
                && let (len, Some(_)) = range.size_hint()
            {
                return Some(Made {
                    pattern: Pattern::ItemKind { first: range.start as u64 },
                    len,
                });
            }
        )*};
    }
    lent!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 bool char);
    counted!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects items in their order.
    struct All(usize);

    impl<T> Loop<T> for All {
        type Out = Vec<T>;

        unsafe fn run(self, take: impl Fn(usize) -> T) -> Vec<T> {
            (0..self.0).map(take).collect()
        }
    }

    fn taken<T>(source: ItemSource<T>) -> (bool, Vec<T>) {
        let (made, len) = (matches!(source, ItemSource::Made(_)), source.len());
        let open = source.open();
        // SAFETY: each item is taken once; then all are taken, and dropping the rest only frees the vector's memory.
        let items = unsafe {
            let items = open.run(All(len));
            let taken = 0..len;
            open.drop_all_but(std::slice::from_ref(&taken));
            items
        };
        (made, items)
    }

    #[test]
    fn items_are_those_of_the_iterator() {
        let numbers = [3u64, 1, 4];
        assert_eq!(taken(ItemSource::of(&numbers[1..])), (true, vec![&1, &4]));
        assert_eq!(
            taken(ItemSource::of(&[1.5f32, 2.5])),
            (true, vec![&1.5, &2.5])
        );
        assert_eq!(taken(ItemSource::of(-2i8..2)), (true, vec![-2, -1, 0, 1]));
        assert_eq!(
            taken(ItemSource::of(65_000..65_002u16)),
            (true, vec![65_000, 65_001])
        );
        assert_eq!(taken(ItemSource::of(-1..1i32)), (true, vec![-1, 0]));
        let end = u64::MAX;
        assert_eq!(taken(ItemSource::of(end - 1..end)), (true, vec![end - 1]));
        #[expect(clippy::reversed_empty_ranges)]
        let empty = 5..2;
        assert_eq!(taken(ItemSource::of(empty)), (true, Vec::<i64>::new()));

        assert_eq!(taken(ItemSource::of(["a", "b"])), (false, vec!["a", "b"]));
        assert_eq!(taken(ItemSource::of(&["a"])), (false, vec![&"a"]));
        assert_eq!(taken(ItemSource::of(numbers)), (false, vec![3, 1, 4]));
        assert_eq!(
            taken(ItemSource::of(numbers.iter().copied())),
            (false, vec![3, 1, 4])
        );
        assert_eq!(
            taken(ItemSource::of(numbers.iter().rev())),
            (false, vec![&4, &1, &3])
        );
        assert_eq!(taken(ItemSource::of(0..=2u64)), (false, vec![0, 1, 2]));
    }

    #[test]
    fn gaps_are_what_ranges_leave() {
        let gaps_of =
            |ranges: &[Range<usize>]| -> Vec<usize> { gaps(ranges, 6).flatten().collect() };
        assert_eq!(gaps_of(&[]), [0, 1, 2, 3, 4, 5]);
        assert!(gaps_of(&[0..2, 2..6]).is_empty());
        assert_eq!(gaps_of(&[1..2, 2..3, 5..6]), [0, 3, 4]);
    }
}
