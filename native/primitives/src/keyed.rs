//! Hash maps over bytes that strangers choose: ids, accounts, state keys.
//!
//! The hasher takes 16 bytes a step through one wide multiplication under a key of this process, several times faster
//! than the standard one on short keys. It is no cryptographic hash: what keeps an attacker from aiming many entries at
//! one place is that the key is random, different in each process, and never leaves it. All bytes count, so that ids
//! ground to share a part gain nothing.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

/// A map whose keys are bytes.
pub type KeyedMap<K, V> = HashMap<K, V, Keyed>;
/// A set of bytes.
pub type KeyedSet<K> = HashSet<K, Keyed>;

/// The key of this process; every value is fine, an even factor is made odd.
static KEY: LazyLock<(u64, u64)> = LazyLock::new(|| {
    let random = RandomState::new();
    (random.hash_one(0u8), random.hash_one(1u8) | 1)
});

/// Makes hashers under the key of this process.
#[derive(Debug, Clone, Copy)]
pub struct Keyed {
    start: u64,
    factor: u64,
}

impl Default for Keyed {
    fn default() -> Self {
        let (start, factor) = *KEY;
        Self { start, factor }
    }
}

impl BuildHasher for Keyed {
    type Hasher = KeyedHasher;

    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher {
            state: self.start,
            factor: self.factor,
        }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub struct KeyedHasher {
    state: u64,
    factor: u64,
}

impl KeyedHasher {
    /// Both halves of the product count, so that every input bit reaches every output bit.
    fn mix(&mut self, low: u64, high: u64) {
        let product = u128::from(low ^ self.state) * u128::from(high ^ self.factor);
        self.state = (product as u64) ^ ((product >> 64) as u64) ^ self.state.rotate_left(23);
    }
}

impl Hasher for KeyedHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut take = |chunk: &[u8; 16]| {
            let [low, high] = chunk.as_chunks::<8>().0 else { return };
            self.mix(u64::from_le_bytes(*low), u64::from_le_bytes(*high));
        };
        let (chunks, rest) = bytes.as_chunks::<16>();
        chunks.iter().for_each(&mut take);
        if !rest.is_empty() {
            let mut last = [0; 16];
            last[..rest.len()].copy_from_slice(rest);
            take(&last);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.mix(number, 0);
    }

    // The length that a slice puts in front of its bytes: it tells a short end from one with zeros.
    fn write_usize(&mut self, number: usize) {
        self.state ^= (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        let product = u128::from(self.state) * u128::from(self.factor);
        (product as u64) ^ ((product >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_the_length_reach_the_hash() {
        let keyed = Keyed::default();
        let mut seen = HashSet::new();
        for length in 0..70usize {
            let bytes = vec![0u8; length];
            assert!(
                seen.insert(keyed.hash_one(bytes.as_slice())),
                "zeros of length {length}"
            );
            for at in 0..length {
                for bit in 0..8 {
                    let mut other = bytes.clone();
                    other[at] ^= 1 << bit;
                    assert!(
                        seen.insert(keyed.hash_one(other.as_slice())),
                        "length {length} byte {at} bit {bit}"
                    );
                }
            }
        }
    }

    #[test]
    fn ids_that_share_most_bytes_spread_over_all_places() {
        // As a table of 4,096 places sees them: the low bits choose the place.
        let keyed = Keyed::default();
        for at in [0, 7, 8, 15, 16, 24, 31] {
            let mut places = vec![0u32; 4_096];
            for i in 0..40_960u32 {
                let mut id = [7u8; 32];
                for (byte, new) in (at..).zip(i.to_le_bytes()) {
                    id[byte % 32] = new;
                }
                places[(keyed.hash_one(id) & 4_095) as usize] += 1;
            }
            assert!(
                places.iter().all(|count| *count < 45),
                "at {at}: {:?}",
                places.iter().max()
            );
        }
    }
}
