//! The keys that the transactions of one application declared in a block: each once, numbered in the order of their first
//! declaration, their row keys behind each other in one buffer.

use std::hash::BuildHasher;
use std::ops::Range;

use hn_primitives::Name;
use hn_primitives::codec::put_name;
use hn_primitives::keyed::Keyed;

/// A place of the table: part of a row key's hash, and its number counted from 1; 0 is free.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    hash: u32,
    number: u32,
}

/// Places of the first table; a power of two.
const PLACES_MIN: usize = 64;

/// Declared keys; see the module.
pub(crate) struct DeclaredKeys {
    /// What every row key begins with.
    prefix: Vec<u8>,
    rows: Vec<u8>,
    /// Where each row key ends.
    ends: Vec<usize>,
    /// A power of two, of which at most half are taken; a key is at the first place from its hash on that is not another's.
    places: Vec<Place>,
    hashing: Keyed,
}

impl DeclaredKeys {
    pub fn new(application: &Name) -> Self {
        let mut prefix = Vec::new();
        put_name(&mut prefix, application);
        Self {
            prefix,
            rows: Vec::new(),
            ends: Vec::new(),
            places: vec![Place::default(); PLACES_MIN],
            hashing: Keyed::default(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all row keys together.
    pub fn byte_count(&self) -> usize {
        self.rows.len()
    }

    /// Row key of key `number`.
    pub fn row(&self, number: usize) -> &[u8] {
        let start = match number.checked_sub(1) {
            Some(before) => self.ends.get(before).copied(),
            None => Some(0),
        };
        let bounds = start.zip(self.ends.get(number));
        bounds
            .and_then(|(start, end)| self.rows.get(start..*end))
            .unwrap_or_default()
    }

    /// Row keys in the order of their numbers.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.count()).map(|number| self.row(number))
    }

    /// Key `number` inside its namespace.
    pub fn key(&self, number: usize) -> &[u8] {
        self.row(number).get(self.prefix.len()..).unwrap_or_default()
    }

    /// The number of a key, a new one for one that was not there. A block declares far fewer than 2^32.
    pub fn declare(&mut self, key: &[u8]) -> usize {
        let start = self.rows.len();
        self.rows.extend_from_slice(&self.prefix);
        self.rows.extend_from_slice(key);
        let hash = self.hash(start..self.rows.len());
        let (place, number) = self.look(hash, key);
        if let Some(number) = number {
            self.rows.truncate(start);
            return number;
        }
        self.ends.push(self.rows.len());
        if let Some(free) = self.places.get_mut(place) {
            *free = Place {
                hash,
                number: self.ends.len() as u32,
            };
        }
        if 2 * self.ends.len() > self.places.len() {
            self.grow();
        }
        self.ends.len() - 1
    }

    fn hash(&self, row: Range<usize>) -> u32 {
        let row = self.rows.get(row).unwrap_or_default();
        (self.hashing.hash_one(row) >> 32) as u32
    }

    /// The place of a key, and its number when it is there.
    fn look(&self, hash: u32, key: &[u8]) -> (usize, Option<usize>) {
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let place = self.places.get(at).copied().unwrap_or_default();
            let Some(number) = (place.number as usize).checked_sub(1) else {
                return (at, None);
            };
            if place.hash == hash && self.key(number) == key {
                return (at, Some(number));
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mask = 2 * self.places.len() - 1;
        let before = std::mem::replace(&mut self.places, vec![Place::default(); mask + 1]);
        for place in before.into_iter().filter(|place| place.number > 0) {
            let mut at = place.hash as usize & mask;
            while self.places.get(at).is_some_and(|other| other.number > 0) {
                at = (at + 1) & mask;
            }
            if let Some(free) = self.places.get_mut(at) {
                *free = place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_numbers_are_those_of_a_list(declared in proptest::collection::vec(proptest::collection::vec(0u8..4, 0..5), 0..400)) {
            let mut keys = DeclaredKeys::new(&Name::new("demo").unwrap());
            let mut list: Vec<Vec<u8>> = Vec::new();
            for key in &declared {
                let want = list.iter().position(|other| other == key).unwrap_or_else(|| {
                    list.push(key.clone());
                    list.len() - 1
                });
                prop_assert_eq!(keys.declare(key), want);
            }
            prop_assert_eq!(keys.count(), list.len());
            let rows: Vec<Vec<u8>> = list.iter().map(|key| [b"\x04demo", key.as_slice()].concat()).collect();
            prop_assert!(keys.rows().eq(rows.iter().map(Vec::as_slice)));
            prop_assert_eq!(keys.byte_count(), rows.concat().len());
            for (number, key) in list.iter().enumerate() {
                prop_assert_eq!(keys.key(number), key.as_slice());
            }
            prop_assert!(keys.row(list.len()).is_empty());
        }
    }
}
