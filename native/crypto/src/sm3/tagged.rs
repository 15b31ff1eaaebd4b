//! Domain-tagged SM3: the tag is one full zero-padded block whose chaining value is kept.

use super::batch::{fixed_from, many_from};
use super::compress::{compress_blocks, compress_expanded, expand};
use super::lanes::Midstate;
use super::{BLOCK_BYTES, DIGEST_BYTES, Sm3, digest_of};
use crate::kernel;
use std::slice;

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
    midstate: Midstate,
}

impl TaggedHasher {
    /// Hashes the tag block once. Panics as [`tag_block`] does.
    pub fn new(tag: &str) -> Self {
        Self {
            midstate: Midstate::START.after(&tag_block(tag)),
        }
    }

    /// A streaming hasher that has already taken the tag block.
    pub fn start(&self) -> Sm3 {
        self.midstate.stream()
    }

    /// The state behind the tag block, for [`super::Lanes`].
    pub fn midstate(&self) -> &Midstate {
        &self.midstate
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
        let mut state = self.midstate.words();
        compress_blocks(kernel::selected(), &mut state, slice::from_ref(&block));
        compress_expanded(&mut state, &PAIR_PADDING);
        digest_of(&state)
    }

    /// Appends `hash_pair` of each consecutive pair to `out`; a last node without partner is left to the caller.
    pub fn hash_pairs(&self, nodes: &[[u8; DIGEST_BYTES]], out: &mut Vec<[u8; DIGEST_BYTES]>) {
        let start = out.len();
        out.resize(start + nodes.len() / 2, [0; DIGEST_BYTES]);
        if let Some(fresh) = out.get_mut(start..) {
            self.hash_pairs_into(nodes, fresh);
        }
    }

    /// Writes `hash_pair` of each consecutive pair; a last node without partner is left to the caller.
    ///
    /// # Panics
    /// When `out` has another count than `nodes.len() / 2`.
    pub fn hash_pairs_into(&self, nodes: &[[u8; DIGEST_BYTES]], out: &mut [[u8; DIGEST_BYTES]]) {
        let (pairs, _) = nodes.as_flattened().as_chunks::<{ 2 * DIGEST_BYTES }>();
        fixed_from(&self.midstate, pairs, out);
    }

    /// Writes `hash(&[message])` of each message of one length, e.g. 32-byte leaves: one compression each.
    ///
    /// # Panics
    /// When `out` has another count than `messages`.
    pub fn hash_fixed<const N: usize>(&self, messages: &[[u8; N]], out: &mut [[u8; DIGEST_BYTES]]) {
        fixed_from(&self.midstate, messages, out);
    }

    /// Writes `hash(&[message])` of each message; lengths may differ.
    ///
    /// # Panics
    /// When `out` has another count than `messages`.
    pub fn hash_many(&self, messages: &[&[u8]], out: &mut [[u8; DIGEST_BYTES]]) {
        many_from(&self.midstate, messages, out);
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
