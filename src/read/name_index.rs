//! The positions of columns by their names.

/// How many columns are searched one by one, which is quicker for so few.
const FEW: usize = 4;

/// Finds columns by their names, in a time that does not grow with their number.
///
/// A table of twice as many places as there are columns, or more: a name's place is that of its hash, or the next that was
/// free. The hash has no secret, so names can be made that all have one place; searching them is then as slow as one by one.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// A power of two; empty where there are few columns.
    places: Box<[Place]>,
}

/// The column whose name has a hash with these upper bits.
#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u32,
    column: u32,
}

const FREE: u32 = u32::MAX;

impl NameIndex {
    /// Of several columns with one name, the first is found.
    pub(super) fn new<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> Self {
        let columns = names.len();
        // More columns than `u32` counts do not fit into memory.
        if columns <= FEW || u32::try_from(columns).is_err() {
            return NameIndex {
                places: Box::default(),
            };
        }
        let free = Place {
            hash: 0,
            column: FREE,
        };
        let mut places = vec![free; (columns * 2).next_power_of_two()];
        for (column, name) in names.enumerate() {
            let hash = hash(name.as_bytes());
            let mut at = start(hash, places.len());
            while places[at].column != FREE {
                at = (at + 1) & (places.len() - 1);
            }
            places[at] = Place {
                hash: tag(hash),
                column: column as u32,
            };
        }
        NameIndex {
            places: places.into(),
        }
    }

    /// The position of the column of that name, of `columns` columns, of which `name_of` gives the names.
    #[inline]
    pub(super) fn find<'n>(
        &self,
        name: &str,
        columns: usize,
        name_of: impl Fn(usize) -> &'n str,
    ) -> Option<usize> {
        if self.places.is_empty() {
            return (0..columns).find(|column| name_of(*column) == name);
        }
        let hash = hash(name.as_bytes());
        let mut at = start(hash, self.places.len());
        // At least half of the places are free.
        loop {
            let place = self.places[at];
            if place.column == FREE {
                return None;
            }
            if place.hash == tag(hash) && name_of(place.column as usize) == name {
                return Some(place.column as usize);
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }
}

#[inline]
fn start(hash: u64, places: usize) -> usize {
    hash as usize & (places - 1)
}

#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A hash of a few instructions for a name of up to 16 bytes; of a name that is known when the program is compiled, it is
/// known then too.
#[inline]
fn hash(name: &[u8]) -> u64 {
    const A: u64 = 0x9e37_79b9_7f4a_7c15;
    const B: u64 = 0xd6e8_feb8_6659_fd93;
    let len = name.len();
    let mix = |a: u64, b: u64| {
        let product = u128::from(a ^ A) * u128::from(b ^ B);
        product as u64 ^ (product >> 64) as u64
    };
    let (a, b) = match len {
        0 => (0, 0),
        1..=3 => {
            let bytes = [name[0], name[len / 2], name[len - 1], 0];
            (u64::from(u32::from_le_bytes(bytes)), 0)
        }
        4..=7 => (word4(name, 0), word4(name, len - 4)),
        8..=16 => (word8(name, 0), word8(name, len - 8)),
        _ => return mix(long(name, mix), len as u64),
    };
    mix(a ^ (len as u64).rotate_left(56), b)
}

/// The last 16 bytes, and those before them 16 by 16.
#[inline(never)]
fn long(name: &[u8], mix: impl Fn(u64, u64) -> u64) -> u64 {
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

    fn find(names: &[String], name: &str) -> Option<usize> {
        let index = NameIndex::new(names.iter().map(String::as_str));
        index.find(name, names.len(), |column| &names[column])
    }

    #[test]
    fn finds_what_a_search_finds() {
        for columns in [0, 1, 3, 4, 5, 8, 9, 100, 1000] {
            // Of every length to 70, with others that differ in one byte, and some twice.
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
            .filter(|name| hash(name.as_bytes()) & 1023 == 1)
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
                taken[start(hash(name(i).as_bytes()), 2048)] += 1;
            }
            // Of 1,000 names thrown at 2,048 places, 4 or more seldom fall on one.
            assert!(taken.iter().all(|names| *names < 8), "{}", name(0));
        }
    }
}
