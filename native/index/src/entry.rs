//! One id with its place on the chain, and the secret tag that stands for it.

use hn_primitives::Hash32;

/// Bytes of an entry in a part.
pub const ENTRY_BYTES: usize = 24;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 160;

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

/// What stands for an id: 128 bits of it under the salt. `hash` orders entries and names their part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag {
    pub hash: u64,
    pub check: u64,
}

/// An id, by its tag, and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub tag: Tag,
    pub place: Place,
}

impl Entry {
    pub fn put(&self, out: &mut Vec<u8>) {
        for number in [self.tag.hash, self.tag.check, self.place.0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }

    pub fn get(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let mut numbers = [0; 3];
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *number = u64::from_be_bytes(*bytes);
        }
        let [hash, check, place] = numbers;
        Self {
            tag: Tag { hash, check },
            place: Place(place),
        }
    }
}

/// Key of the tags: random, chosen once for a database, told to nobody.
///
/// Multilinear hashing (Carter and Wegman), twice: the sum of word times key over 128 bits, of which the upper half is
/// strongly universal. Whatever ids somebody finds without the key, two of them have the same tag with probability
/// 2^-128, which is less than that of a fault in memory; who reads the key on one node must still find a collision of 128
/// bits, and would deceive that node alone.
#[derive(Clone)]
pub struct Salt([[u128; 5]; 2]);

impl Salt {
    /// Ten random numbers.
    pub fn new(bytes: &[u8; SALT_BYTES]) -> Self {
        let mut keys = [[0; 5]; 2];
        for (key, chunk) in keys.iter_mut().flatten().zip(bytes.as_chunks::<16>().0) {
            *key = u128::from_be_bytes(*chunk);
        }
        Self(keys)
    }

    /// Tag of an id.
    pub(crate) fn tag(&self, id: &Hash32) -> Tag {
        let [hash, check] = self.0.each_ref().map(|[first, keys @ ..]| {
            let mut sum = *first;
            for (key, word) in keys.iter().zip(id.as_chunks::<8>().0) {
                sum = sum.wrapping_add(key.wrapping_mul(u128::from(u64::from_le_bytes(*word))));
            }
            (sum >> 64) as u64
        });
        Tag { hash, check }
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
            let tag = Tag {
                hash: 7,
                check: u64::MAX,
            };
            let entry = Entry { tag, place };
            let mut bytes = Vec::new();
            entry.put(&mut bytes);
            assert_eq!(Entry::get(bytes.as_slice().try_into().unwrap()), entry);
        }
        assert_eq!(Place::new(1 << 40, 0), None);
        assert_eq!(Place::new(0, 1 << 24), None);
    }

    #[test]
    fn test_tag_depends_on_every_word_and_on_the_salt() {
        let salt = Salt::new(&std::array::from_fn(|i| (i * 37 + 11) as u8));
        let other = Salt::new(&std::array::from_fn(|i| (i * 41 + 3) as u8));
        let plain = salt.tag(&[0; 32]);
        assert_ne!(plain.hash, plain.check);
        for (half, otherwise) in [
            (plain.hash, other.tag(&[0; 32]).hash),
            (plain.check, other.tag(&[0; 32]).check),
        ] {
            assert_ne!(half, otherwise);
        }
        for at in 0..32 {
            let mut id = [0; 32];
            id[at] = 1;
            let tag = salt.tag(&id);
            assert!(tag.hash != plain.hash && tag.check != plain.check, "byte {at}");
        }
    }
}
