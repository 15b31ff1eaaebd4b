//! One id with its place on the chain, and the secret hash that orders ids.

use hn_primitives::Hash32;

/// Bytes of an entry in a part.
pub const ENTRY_BYTES: usize = 40;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 80;

const INDEX_BITS: u32 = 24;

/// Height (below 2^40) and index in its block (below 2^24) of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

impl Place {
    /// `None` when a number is out of range.
    pub fn new(height: u64, index: u32) -> Option<Self> {
        let fits = height >> (64 - INDEX_BITS) == 0 && index >> INDEX_BITS == 0;
        fits.then(|| Self(height << INDEX_BITS | u64::from(index)))
    }

    /// Height of the block.
    pub fn height(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// Index in the block.
    pub fn index(self) -> u32 {
        (self.0 & ((1 << INDEX_BITS) - 1)) as u32
    }
}

/// An id and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub id: Hash32,
    pub place: Place,
}

impl Entry {
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.place.0.to_be_bytes());
    }

    pub fn get(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (mut id, mut place) = ([0; 32], [0; 8]);
        id.copy_from_slice(&bytes[..32]);
        place.copy_from_slice(&bytes[32..]);
        Self {
            id,
            place: Place(u64::from_be_bytes(place)),
        }
    }
}

/// Key of the hash that orders ids: random, chosen once for a database, told to nobody.
///
/// Multilinear hashing (Carter and Wegman): the sum of word times key over 128 bits, of which the upper half is strongly
/// universal: for whatever ids somebody finds without the key, hashes are spread evenly.
#[derive(Clone)]
pub struct Salt([u128; 5]);

impl Salt {
    /// Five random numbers.
    pub fn new(bytes: &[u8; SALT_BYTES]) -> Self {
        let mut keys = [0; 5];
        for (key, chunk) in keys.iter_mut().zip(bytes.as_chunks::<16>().0) {
            *key = u128::from_be_bytes(*chunk);
        }
        Self(keys)
    }

    /// Hash of an id.
    pub(crate) fn hash(&self, id: &Hash32) -> u64 {
        let [first, keys @ ..] = &self.0;
        let mut sum = *first;
        for (key, word) in keys.iter().zip(id.as_chunks::<8>().0) {
            sum = sum.wrapping_add(key.wrapping_mul(u128::from(u64::from_le_bytes(*word))));
        }
        (sum >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_place_keeps_its_numbers_and_refuses_others() {
        for (height, index) in [(0, 0), (1, 2), ((1 << 40) - 1, (1 << 24) - 1)] {
            let place = Place::new(height, index).unwrap();
            assert_eq!((place.height(), place.index()), (height, index));
            let entry = Entry { id: [7; 32], place };
            let mut bytes = Vec::new();
            entry.put(&mut bytes);
            assert_eq!(Entry::get(bytes.as_slice().try_into().unwrap()), entry);
        }
        assert_eq!(Place::new(1 << 40, 0), None);
        assert_eq!(Place::new(0, 1 << 24), None);
    }

    #[test]
    fn test_hash_depends_on_every_word_and_on_the_salt() {
        let salt = Salt::new(&std::array::from_fn(|i| (i * 37 + 11) as u8));
        let other = Salt::new(&std::array::from_fn(|i| (i * 41 + 3) as u8));
        let plain = salt.hash(&[0; 32]);
        assert_ne!(plain, other.hash(&[0; 32]));
        for at in 0..32 {
            let mut id = [0; 32];
            id[at] = 1;
            assert_ne!(salt.hash(&id), plain, "byte {at}");
        }
    }
}
