//! The positions of columns by their names.

/// Finds columns by their names, in a time that does not grow with their number.
///
/// It is a hash table with at least twice as many places as there are columns: a name has the place that its hash gives, or the
/// next place that was free. The hash has no secret key, so names can be constructed that all have the same place; a search
/// among them is then as slow as comparing them one by one. The table has only the numbers of columns, so that it stays in the
/// fastest cache; the keys are stored with the other data of the columns.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// The column at each place, or [`FREE`]. The number of places is a power of two, and greater than that of columns.
    places: Box<[u32]>,
    /// The shift that reduces a hash to a place.
    shift: u32,
}

/// Something that can be found by its key.
pub(super) trait Named {
    fn key(&self) -> Key;

    fn name(&self) -> &str;
}

const FREE: u32 = u32::MAX;

impl NameIndex {
    /// Makes the index. Of several columns with the same name, the first is found.
    pub(super) fn new<N: Named>(columns: &[N]) -> Self {
        let len = (columns.len() * 2).next_power_of_two().max(2);
        let shift = u64::BITS - len.trailing_zeros();
        let mut places = vec![FREE; len];
        for (column, named) in columns.iter().enumerate() {
            let mut at = named.key().start(shift);
            while places[at] != FREE {
                at = (at + 1) & (len - 1);
            }
            places[at] = u32::try_from(column).expect("no frame has so many columns");
        }
        NameIndex {
            places: places.into(),
            shift,
        }
    }

    /// Returns the position of the column of that name.
    #[inline]
    pub(super) fn find<N: Named>(&self, name: &str, columns: &[N]) -> Option<usize> {
        let key = Key::of(name);
        let mut at = key.start(self.shift);
        // At least half of the places are free, so the loop ends.
        loop {
            let column = self.places[at] as usize;
            let named = columns.get(column)?;
            if named.key() == key && (name.len() <= SHORT || named.name() == name) {
                return Some(column);
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }
}

/// Returns the position of the column of that name, searched for by comparing the key with that of one column after the other.
#[inline(always)]
pub(super) fn position<N: Named>(name: &str, columns: &[N]) -> Option<usize> {
    let key = Key::of(name);
    let is_it = |named: &N| named.key() == key && (name.len() <= SHORT || named.name() == name);
    columns.iter().position(is_it)
}

/// The length in bytes up to which a key contains the whole name.
const SHORT: usize = 16;

/// The part of a name that is compared first. For a short name it is the whole name, so that equal keys are equal names; for
/// any other it is the length and a hash.
///
/// For a short name it takes a few instructions to make; for a name that is a constant, the compiler makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    words: [u64; 2],
    len: usize,
}

impl Key {
    #[inline(always)]
    pub(super) fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let len = name.len();
        let words = match len {
            0 => [0, 0],
            // The first, the middle and the last byte are all bytes of the name.
            1..=3 => [
                u64::from(name[0]) | u64::from(name[len / 2]) << 8 | u64::from(name[len - 1]) << 16,
                0,
            ],
            // The two words overlap.
            4..=7 => [word4(name, 0), word4(name, len - 4)],
            8..=SHORT => [word8(name, 0), word8(name, len - 8)],
            _ => [hash_of_long(name), 0],
        };
        Key { words, len }
    }

    /// Returns the first place that the key may have.
    #[inline]
    fn start(self, shift: u32) -> usize {
        let [a, b] = self.words;
        // The highest bits of the product depend on all bits of the factor.
        ((a ^ b.rotate_left(29) ^ self.len as u64).wrapping_mul(A) >> shift) as usize
    }
}

/// An odd number whose bits have no pattern: the fraction of the golden ratio.
const A: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn mix(a: u64, b: u64) -> u64 {
    const B: u64 = 0xd6e8_feb8_6659_fd93;
    let product = u128::from(a ^ A) * u128::from(b ^ B);
    product as u64 ^ (product >> 64) as u64
}

#[inline(never)]
fn hash_of_long(name: &[u8]) -> u64 {
    let mut hash = 0;
    let mut at = 0;
    while at + 16 < name.len() {
        hash = mix(hash ^ word8(name, at), word8(name, at + 8));
        at += 16;
    }
    let last = name.len() - 16;
    mix(hash ^ word8(name, last), word8(name, last + 8))
}

#[inline]
fn word4(bytes: &[u8], at: usize) -> u64 {
    let word = bytes[at..at + 4].try_into().expect("they are four");
    u64::from(u32::from_le_bytes(word))
}

#[inline]
fn word8(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("they are eight"))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Named for String {
        fn key(&self) -> Key {
            Key::of(self)
        }

        fn name(&self) -> &str {
            self
        }
    }

    fn find(names: &[String], name: &str) -> Option<usize> {
        let found = NameIndex::new(names).find(name, names);
        assert_eq!(position(name, names), found);
        found
    }

    #[test]
    fn finds_what_a_search_finds() {
        for columns in [0, 1, 3, 4, 5, 8, 9, 100, 1000] {
            // These are names of every length up to 70, others that differ from them in one byte, and some names twice.
            let name = |i: usize| {
                let text = format!("{}{i}", "é".repeat(i % 35));
                text.chars().rev().collect::<String>()
            };
            let names: Vec<String> = (0..columns).map(|i| name(i * 2 / 3 * 2)).collect();
            for i in 0..2 * columns + 3 {
                let searched = names.iter().position(|one| *one == name(i));
                assert_eq!(find(&names, &name(i)), searched, "{columns} columns, {i}");
            }
            assert_eq!(find(&names, ""), names.iter().position(String::is_empty));
        }
    }

    #[test]
    fn finds_among_names_that_all_have_one_place() {
        let names: Vec<String> = (0..200_000)
            .map(|i| format!("c{i}"))
            .filter(|name| Key::of(name).start(u64::BITS - 10) == 1)
            .collect();
        assert!(names.len() > 100);
        for (column, name) in names.iter().enumerate() {
            assert_eq!(find(&names, name), Some(column));
        }
        assert_eq!(find(&names, "c"), None);
    }

    #[test]
    fn spreads_names_that_are_much_alike() {
        for name in [
            |i: usize| format!("c{i}"),
            |i: usize| format!("column_{i:05}"),
            |i: usize| format!("{i}_a_name_that_is_longer_than_sixteen_bytes"),
            |i: usize| format!("a_name_that_is_longer_than_sixteen_bytes_{i}"),
        ] {
            let mut taken = vec![0; 2048];
            for i in 0..1000 {
                taken[Key::of(&name(i)).start(u64::BITS - 11)] += 1;
            }
            // When 1,000 names are spread over 2,048 places, 4 or more of them seldom have the same place.
            assert!(taken.iter().all(|names| *names < 8), "{}", name(0));
        }
    }
}
