//! Bloom filter in blocks of one cache line, in chunks that are read and kept together.

/// Parts that one chunk covers.
pub const CHUNK_PARTS: u32 = 8;
/// log2 of [`CHUNK_PARTS`].
pub(crate) const CHUNK_PART_BITS: u32 = 3;
/// Bytes of a chunk.
pub(crate) const CHUNK_BYTES: usize = 4096;

const BLOCK_BITS: u32 = 6;
const WORDS: usize = CHUNK_BYTES / 8;
const BITS_AN_ID: u32 = 7;

/// 64 blocks of 512 bits. With 128–256 ids a part an id has 16–32 bits, and one in a thousand others or fewer is taken for
/// one of them.
#[derive(Clone)]
pub(crate) struct Chunk(Box<[u64; WORDS]>);

impl Chunk {
    pub fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != WORDS || !rest.is_empty() {
            return None;
        }
        let mut chunk = Self::new();
        for (word, bytes) in chunk.0.iter_mut().zip(words) {
            *word = u64::from_le_bytes(*bytes);
        }
        Some(chunk)
    }

    pub fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// hash: of the id; chunk_bits: log2 of the segment's chunks, whose number its upper bits are.
    pub fn insert(&mut self, hash: u64, chunk_bits: u32) {
        let start = block(hash, chunk_bits);
        let mut bits = bits(hash);
        for _ in 0..BITS_AN_ID {
            self.0[start + (bits & 7) as usize] |= 1 << (bits >> 3 & 63);
            bits >>= 9;
        }
    }

    pub fn contains(&self, hash: u64, chunk_bits: u32) -> bool {
        let start = block(hash, chunk_bits);
        let mut bits = bits(hash);
        let mut all = true;
        for _ in 0..BITS_AN_ID {
            all &= self.0[start + (bits & 7) as usize] >> (bits >> 3 & 63) & 1 == 1;
            bits >>= 9;
        }
        all
    }
}

/// First word of the hash's block: the bits after those that name the chunk.
fn block(hash: u64, chunk_bits: u32) -> usize {
    let after = hash.checked_shl(chunk_bits).unwrap_or(0);
    (after >> (64 - BLOCK_BITS)) as usize * 8
}

/// Bits to set, from the lower half of the hash, which neither part nor block depend on while a segment has fewer than
/// 2^32 blocks.
fn bits(hash: u64) -> u64 {
    (hash & 0xffff_ffff).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hash >> 7 & 0xff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Salt;

    fn hash(number: u64) -> u64 {
        let salt = Salt::new(&std::array::from_fn(|i| (i * 89 + 5) as u8));
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
        salt.tag(&id).hash
    }

    #[test]
    fn test_chunk_knows_what_it_was_given_and_little_else() {
        for (chunk_bits, count) in [(0, 1024), (0, 2048), (9, 2048)] {
            let mut chunk = Chunk::new();
            // A chunk holds hashes whose upper bits agree.
            let own = |number: u64| hash(number) >> chunk_bits;
            for number in 0..count {
                chunk.insert(own(number), chunk_bits);
            }
            assert!((0..count).all(|number| chunk.contains(own(number), chunk_bits)));
            let wrong = (count..count + 100_000).filter(|number| chunk.contains(own(*number), chunk_bits));
            let wrong = wrong.count();
            assert!(wrong < 500, "{wrong} of 100,000 at {count} ids");
            let again = Chunk::decode(&chunk.encode()).unwrap();
            assert_eq!(again.0, chunk.0);
        }
        assert!(Chunk::decode(&[0; CHUNK_BYTES - 1]).is_none());
        assert!(Chunk::decode(&[0; CHUNK_BYTES + 8]).is_none());
    }
}
