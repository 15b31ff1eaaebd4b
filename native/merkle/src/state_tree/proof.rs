//! Proofs that a key is present with a value, or absent (formats §5).

use hn_primitives::codec::{bit, put_bitmap};
use hn_primitives::{CodecError, Fault, Hash32, Object, Reader, ZERO_HASH, tag};

/// Levels of the tree.
pub const DEPTH_MAX: usize = 256;

/// What stands at the end of the key's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Terminal {
    /// An empty subtree: the key is absent.
    Empty,
    /// The key's own leaf: present, with the value that the verifier is given.
    Own,
    /// Another leaf that shares the path: the key is absent.
    Other {
        /// Its key hash.
        key_hash: Hash32,
        /// Its value hash.
        value_hash: Hash32,
    },
}

/// Proof for one key against a state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProof {
    /// One for each level from the root down to the terminal; `None` stands for an empty subtree.
    pub siblings: Vec<Option<Hash32>>,
    /// The end of the path.
    pub terminal: Terminal,
}

impl StateProof {
    /// `u16 depth ‖ bitmap ‖ siblings ‖ u8 terminal ‖ terminal data`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(100 + 32 * self.siblings.len());
        out.extend_from_slice(&u16::try_from(self.siblings.len()).unwrap_or(u16::MAX).to_be_bytes());
        put_bitmap(&mut out, self.siblings.iter().map(Option::is_some));
        for sibling in self.siblings.iter().flatten() {
            out.extend_from_slice(sibling);
        }
        match &self.terminal {
            Terminal::Empty => out.push(0),
            Terminal::Own => out.push(1),
            Terminal::Other { key_hash, value_hash } => {
                out.push(2);
                out.extend_from_slice(key_hash);
                out.extend_from_slice(value_hash);
            }
        }
        out
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// `PROOF_MALFORMED`: depth over 256, unused bits, a sibling of zeros, an unknown terminal, trailing bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Proof, bytes);
        let depth = reader.count16("depth", DEPTH_MAX)?;
        let bitmap = reader.bitmap("bitmap", depth)?;
        let mut siblings = Vec::with_capacity(depth);
        for level in 0..depth {
            siblings.push(if bit(bitmap, level) {
                let sibling = reader.array("sibling")?;
                if sibling == ZERO_HASH {
                    return Err(reader.fail(Fault::NotCanonical("sibling")));
                }
                Some(sibling)
            } else {
                None
            });
        }
        let terminal = match reader.u8("terminal")? {
            0 => Terminal::Empty,
            1 => Terminal::Own,
            2 => Terminal::Other {
                key_hash: reader.array("other_key_hash")?,
                value_hash: reader.array("other_value_hash")?,
            },
            other => {
                return Err(reader.fail(Fault::Range {
                    field: "terminal",
                    got: other.into(),
                }));
            }
        };
        reader.finish()?;
        Ok(Self { siblings, terminal })
    }

    /// Whether the proof shows, under `root`, that the key has the value, or with `None` that it is absent.
    /// Cost: at most 257 hashes.
    pub fn verify(&self, root: &Hash32, key_hash: &Hash32, value_hash: Option<&Hash32>) -> bool {
        let depth = self.siblings.len();
        let end = match (&self.terminal, value_hash) {
            (Terminal::Own, Some(value_hash)) => leaf_hash(key_hash, value_hash),
            (Terminal::Empty, None) => ZERO_HASH,
            (
                Terminal::Other {
                    key_hash: other,
                    value_hash,
                },
                None,
            ) if other != key_hash && (0..depth).all(|level| key_bit(other, level) == key_bit(key_hash, level)) => {
                leaf_hash(other, value_hash)
            }
            _ => return false,
        };
        // A subtree of one leaf is that leaf, at whatever depth: an end beside an empty sibling is not the shortest form.
        if depth > DEPTH_MAX || self.siblings.last() == Some(&None) || self.siblings.contains(&Some(ZERO_HASH)) {
            return false;
        }
        let top = self
            .siblings
            .iter()
            .enumerate()
            .rev()
            .fold(end, |node, (level, sibling)| {
                let sibling = sibling.as_ref().unwrap_or(&ZERO_HASH);
                if key_bit(key_hash, level) {
                    tag::STATE_NODE.hash_pair(sibling, &node)
                } else {
                    tag::STATE_NODE.hash_pair(&node, sibling)
                }
            });
        top == *root
    }
}

/// Bit `level` of a key, from the most significant.
pub fn key_bit(key: &Hash32, level: usize) -> bool {
    key.get(level / 8).is_some_and(|byte| byte >> (7 - level % 8) & 1 == 1)
}

fn leaf_hash(key_hash: &Hash32, value_hash: &Hash32) -> Hash32 {
    tag::STATE_LEAF.hash_pair(key_hash, value_hash)
}
