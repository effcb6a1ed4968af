//! The items that a worker was handed and that other workers can still take over.
//!
//! If items may take long, each of them is claimed before it is done. So a worker that finds nothing more in the queue takes
//! over items that another worker has not claimed, and no item waits behind one that takes long, wherever that is.

use std::ops::Range;

use crate::sync::atomic::{AtomicU64, Ordering};

/// For each seat, the items that it was handed and has not claimed: the first one in the upper half of a word, the end in the
/// lower half.
///
/// The order of the changes to a word determines who has an item, and the data of the items were shared before. So a relaxed
/// order is enough.
#[derive(Debug)]
pub(super) struct Claims(Vec<AtomicU64>);

/// The word of a seat whose items cannot be taken over, since their numbers are too large.
const UNSHARED: u64 = u64::MAX;

impl Claims {
    pub(super) fn new(seats: usize) -> Self {
        Claims((0..seats).map(|_| AtomicU64::new(UNSHARED)).collect())
    }

    /// Offers the items that a seat was handed to other workers.
    pub(super) fn offer(&self, seat: usize, items: &Range<usize>) {
        if let Some(word) = self.0.get(seat) {
            word.store(pack(items).unwrap_or(UNSHARED), Ordering::Relaxed);
        }
    }

    /// Claims the first of the items that a seat was handed; returns false if another worker has taken it over.
    #[inline]
    pub(super) fn claim(&self, seat: usize) -> bool {
        let Some(word) = self.0.get(seat) else {
            return true;
        };
        let claimed = |is: u64| match unpack(is) {
            _ if is == UNSHARED => Some(is),
            items if items.is_empty() => None,
            items => pack(&(items.start + 1..items.end)),
        };
        let order = Ordering::Relaxed;
        word.fetch_update(order, order, claimed).is_ok()
    }

    /// Takes back the items that a seat was handed and has not claimed, if other workers could have taken some of them over.
    pub(super) fn withdraw(&self, seat: usize) -> Option<Range<usize>> {
        let was = self.0.get(seat)?.swap(UNSHARED, Ordering::Relaxed);
        (was != UNSHARED).then(|| unpack(was))
    }

    /// Takes over the upper half of the items that some seat has not claimed, at least one item, unless they are all of no use
    /// since they are at or after `end`.
    pub(super) fn take_over(&self, end: usize) -> Option<Range<usize>> {
        self.0.iter().find_map(|word| {
            let middle = |items: &Range<usize>| items.start + items.len() / 2;
            let halved = |is: u64| {
                let items = unpack(is);
                let has_some = is != UNSHARED && !items.is_empty() && items.start < end;
                has_some
                    .then(|| pack(&(items.start..middle(&items))))
                    .flatten()
            };
            let order = Ordering::Relaxed;
            let was = unpack(word.fetch_update(order, order, halved).ok()?);
            Some(middle(&was)..was.end)
        })
    }
}

fn pack(items: &Range<usize>) -> Option<u64> {
    let (start, end) = (
        u32::try_from(items.start).ok()?,
        u32::try_from(items.end).ok()?,
    );
    Some(u64::from(start) << 32 | u64::from(end))
}

fn unpack(word: u64) -> Range<usize> {
    (word >> 32) as usize..(word as u32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_claimed_or_taken_over() {
        let claims = Claims::new(2);
        assert_eq!(claims.take_over(usize::MAX), None);
        claims.offer(0, &(5..10));
        assert!(claims.claim(0));
        assert_eq!(claims.take_over(5), None);
        assert_eq!(claims.take_over(usize::MAX), Some(8..10));
        assert_eq!(claims.take_over(usize::MAX), Some(7..8));
        assert!(claims.claim(0));
        assert!(!claims.claim(0));
        assert_eq!(claims.withdraw(0), Some(7..7));
        assert_eq!(claims.withdraw(0), None);
    }

    #[test]
    fn large_numbers_and_further_seats_are_not_shared() {
        let claims = Claims::new(1);
        let large = u32::MAX as usize;
        claims.offer(0, &(large..large + 2));
        claims.offer(1, &(0..2));
        assert!(claims.claim(0) && claims.claim(0) && claims.claim(1));
        assert_eq!(claims.take_over(usize::MAX), None);
        assert_eq!((claims.withdraw(0), claims.withdraw(1)), (None, None));
    }

    #[test]
    fn each_item_is_had_once() {
        let claims = Claims::new(1);
        claims.offer(0, &(0..10_000));
        let mut taken = std::thread::scope(|scope| {
            let thief = scope.spawn(|| {
                let mut taken = Vec::new();
                while let Some(items) = claims.take_over(usize::MAX) {
                    taken.extend(items);
                }
                taken
            });
            let mut own = 0;
            while claims.claim(0) {
                own += 1;
            }
            let mut taken = thief.join().unwrap();
            taken.extend(0..own);
            taken
        });
        taken.sort_unstable();
        assert_eq!(taken, (0..10_000).collect::<Vec<_>>());
    }
}
