//! Naive twins, written down from formats §4 and §5 without regard for speed.

use hn_crypto::sm3::{sm3, tag_block};
use hn_merkle::state_tree::Terminal;
use hn_merkle::{InclusionProof, StateProof};
use hn_primitives::{Hash32, ZERO_HASH};

/// H(tag, data).
pub fn hash(tag: &str, data: &[&[u8]]) -> Hash32 {
    let mut message = tag_block(tag).to_vec();
    data.iter().for_each(|part| message.extend_from_slice(part));
    sm3(&message)
}

/// Top of a block tree: the left part is the largest power of two below the count, which is what promotion amounts to.
fn block_top(leaves: &[Vec<u8>]) -> Hash32 {
    match leaves {
        [] => ZERO_HASH,
        [only] => hash("hn/leaf/v1", &[only]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            hash("hn/node/v1", &[&block_top(left), &block_top(right)])
        }
    }
}

/// Root of a block tree.
pub fn block_root(leaves: &[Vec<u8>]) -> Hash32 {
    hash(
        "hn/root/v1",
        &[&(leaves.len() as u64).to_be_bytes(), &block_top(leaves)],
    )
}

/// Inclusion proof by the same recursion.
pub fn block_proof(leaves: &[Vec<u8>], index: usize) -> InclusionProof {
    fn siblings(leaves: &[Vec<u8>], index: usize, out: &mut Vec<Hash32>) {
        if leaves.len() > 1 {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let (inside, at, other) = if index < left.len() {
                (left, index, right)
            } else {
                (right, index - left.len(), left)
            };
            siblings(inside, at, out);
            out.push(block_top(other));
        }
    }
    let mut out = Vec::new();
    siblings(leaves, index, &mut out);
    InclusionProof {
        index: index as u64,
        count: leaves.len() as u64,
        siblings: out,
    }
}

/// Key hash and value hash.
type Leaf = (Hash32, Hash32);

fn key_bit(key: &Hash32, level: usize) -> bool {
    key[level / 8] & (0x80 >> (level % 8)) != 0
}

/// Splits leaves sorted by key at a level.
fn split(leaves: &[Leaf], level: usize) -> (&[Leaf], &[Leaf]) {
    leaves.split_at(leaves.partition_point(|(key, _)| !key_bit(key, level)))
}

/// Root of the subtree that holds `leaves` (sorted by key) at `level`.
pub fn state_root(leaves: &[Leaf], level: usize) -> Hash32 {
    match leaves {
        [] => ZERO_HASH,
        [(key, value)] => hash("hn/state-leaf/v1", &[key, value]),
        _ => {
            let (left, right) = split(leaves, level);
            hash(
                "hn/state-node/v1",
                &[&state_root(left, level + 1), &state_root(right, level + 1)],
            )
        }
    }
}

/// State proof by the same recursion.
pub fn state_proof(leaves: &[Leaf], key: &Hash32) -> StateProof {
    let mut siblings = Vec::new();
    let mut inside = leaves;
    let terminal = loop {
        match inside {
            [] => break Terminal::Empty,
            [(own, _)] if own == key => break Terminal::Own,
            [(key_hash, value_hash)] => {
                break Terminal::Other {
                    key_hash: *key_hash,
                    value_hash: *value_hash,
                };
            }
            _ => {
                let level = siblings.len();
                let (left, right) = split(inside, level);
                let (way, other) = if key_bit(key, level) {
                    (right, left)
                } else {
                    (left, right)
                };
                siblings.push(Some(state_root(other, level + 1)).filter(|hash| *hash != ZERO_HASH));
                inside = way;
            }
        }
    };
    StateProof { siblings, terminal }
}
