//! Domain-tagged SM3: the tag is one full zero-padded block whose chaining value is kept.

use super::compress::{IV, compress, compress_expanded, expand};
use super::{BLOCK_BYTES, DIGEST_BYTES, Sm3, digest_of};
use rayon::prelude::*;

/// Nodes a rayon task hashes at least.
const PARALLEL_PAIRS_MIN: usize = 256;

/// Expanded words of the padding block behind tag (64 bytes) and pair (64 bytes): constant, so computed at build time.
const PAIR_PADDING: [u32; 68] = {
    let mut block = [0u8; BLOCK_BYTES];
    block[0] = 0x80;
    let bits = (2 * BLOCK_BYTES as u64 * 8).to_be_bytes();
    let mut i = 0;
    while i < 8 {
        block[BLOCK_BYTES - 8 + i] = bits[i];
        i += 1;
    }
    expand(&block)
};

/// The tag as one block: its bytes, then zeros.
///
/// # Panics
/// When the tag is empty or longer than 64 bytes. Tags are constants of the program; in a `const` this is a build error.
pub const fn tag_block(tag: &str) -> [u8; BLOCK_BYTES] {
    let bytes = tag.as_bytes();
    assert!(
        !bytes.is_empty() && bytes.len() <= BLOCK_BYTES,
        "tag must have 1..=64 bytes"
    );
    let mut out = [0; BLOCK_BYTES];
    let mut i = 0;
    while i < bytes.len() {
        out[i] = bytes[i];
        i += 1;
    }
    out
}

/// Hashes under one tag: SM3(tag_block(tag) ‖ parts…). Two tags never share a digest input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaggedHasher {
    midstate: [u32; 8],
}

impl TaggedHasher {
    /// Hashes the tag block once. Panics as [`tag_block`] does.
    pub fn new(tag: &str) -> Self {
        let mut midstate = IV;
        compress(&mut midstate, &tag_block(tag));
        Self { midstate }
    }

    /// A streaming hasher that has already taken the tag block.
    pub fn start(&self) -> Sm3 {
        Sm3::from_midstate(self.midstate, BLOCK_BYTES as u64)
    }

    /// SM3(tag block ‖ parts joined). The caller makes the parts' borders unambiguous.
    pub fn hash(&self, parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
        let mut hasher = self.start();
        for part in parts {
            hasher.update(part);
        }
        hasher.finalize()
    }

    /// SM3(tag block ‖ l ‖ r): two compressions, the second over a constant block.
    pub fn hash_pair(&self, l: &[u8; DIGEST_BYTES], r: &[u8; DIGEST_BYTES]) -> [u8; DIGEST_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..DIGEST_BYTES].copy_from_slice(l);
        block[DIGEST_BYTES..].copy_from_slice(r);
        let mut state = self.midstate;
        compress(&mut state, &block);
        compress_expanded(&mut state, &PAIR_PADDING);
        digest_of(&state)
    }

    /// Appends `hash_pair` of each consecutive pair to `out`; a last node without partner is left to the caller.
    /// Cost: two compressions a pair; from 512 pairs on the rayon pool shares the work.
    pub fn hash_pairs(&self, nodes: &[[u8; DIGEST_BYTES]], out: &mut Vec<[u8; DIGEST_BYTES]>) {
        let (pairs, _) = nodes.as_chunks::<2>();
        if pairs.len() < 2 * PARALLEL_PAIRS_MIN {
            out.extend(pairs.iter().map(|[l, r]| self.hash_pair(l, r)));
        } else {
            out.par_extend(
                pairs
                    .par_iter()
                    .with_min_len(PARALLEL_PAIRS_MIN)
                    .map(|[l, r]| self.hash_pair(l, r)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sm3;
    use super::*;

    #[test]
    fn tagged_hash_is_the_plain_hash_of_block_and_parts() {
        let hasher = TaggedHasher::new("hn/test/v1");
        let mut plain = tag_block("hn/test/v1").to_vec();
        plain.extend_from_slice(b"abcdef");
        assert_eq!(hasher.hash(&[b"abc", b"", b"def"]), sm3(&plain));
    }

    #[test]
    fn pair_paths_agree_with_the_general_one() {
        let hasher = TaggedHasher::new("hn/node/v1");
        let nodes: Vec<[u8; 32]> = (0..2051u32).map(|i| sm3(&i.to_le_bytes())).collect();
        for count in [0, 1, 2, 3, 7, 31, 32, 33, 34, 64, 65, 1023, 1024, 1025, 2051] {
            let mut out = vec![[9; 32]];
            hasher.hash_pairs(&nodes[..count], &mut out);
            let want: Vec<_> = nodes[..count]
                .chunks_exact(2)
                .map(|c| hasher.hash(&[&c[0], &c[1]]))
                .collect();
            assert_eq!(out[0], [9; 32]);
            assert_eq!(&out[1..], &want[..], "{count} nodes");
        }
    }

    #[test]
    #[should_panic(expected = "1..=64")]
    fn an_empty_tag_is_refused() {
        tag_block("");
    }
}
