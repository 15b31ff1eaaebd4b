//! Binary Merkle tree over a list of byte strings (formats §4): transactions, receipts, batches of a block.
//!
//! The leaves are cut into runs that fit a core's cache; each run is hashed in lanes up to a few nodes, on all threads
//! of the pool when there are many runs. The levels above are hashed as a whole.

mod proof;

pub use proof::InclusionProof;

use crate::Hashing;
use hn_crypto::sm3::Lanes;
use hn_primitives::{Hash32, ZERO_HASH, tag};
use rayon::prelude::*;

/// Levels that a run is hashed up on its own.
const RUN_LEVELS: u32 = 7;
/// Nodes that are left of a full run: one vector of lanes, so that no level of a run is hashed in part.
const RUN_NODES: usize = 16;
/// Leaves of a run: with its buffers it takes 192 KiB.
const RUN_LEAVES: usize = RUN_NODES << RUN_LEVELS;
/// Lists below this length are hashed by the calling thread, but for the leaves when they are long.
const PARALLEL_LEAVES_MIN: usize = 2 * RUN_LEAVES;

/// Root of a list. Cost: a hash for each leaf and each node but the promoted ones, in lanes; memory 192 KiB a thread
/// and half a byte a leaf at most.
pub fn root<T: AsRef<[u8]> + Sync>(leaves: &[T]) -> Hash32 {
    root_by(Hashing::Shared, leaves)
}

/// [`root`] hashed as the caller says, for tests and measurements.
pub fn root_by<T: AsRef<[u8]> + Sync>(hashing: Hashing, leaves: &[T]) -> Hash32 {
    let mut nodes = vec![ZERO_HASH; leaves.len().div_ceil(1 << RUN_LEVELS)];
    let parallel = leaves.len() >= PARALLEL_LEAVES_MIN && rayon::current_num_threads() > 1;
    if hashing == Hashing::Shared && parallel {
        let here = Hashing::Here(Lanes::selected());
        leaves
            .par_chunks(RUN_LEAVES)
            .zip(nodes.par_chunks_mut(RUN_NODES))
            .for_each_init(Buffers::default, |buffers, (run, nodes)| {
                buffers.reduce(here, run, nodes)
            });
    } else {
        let mut buffers = Buffers::default();
        for (run, nodes) in leaves.chunks(RUN_LEAVES).zip(nodes.chunks_mut(RUN_NODES)) {
            buffers.reduce(hashing, run, nodes);
        }
    }
    let mut above = vec![ZERO_HASH; nodes.len().div_ceil(2)];
    let mut count = nodes.len();
    while count > 1 {
        let next = count.div_ceil(2);
        hash_parents(hashing, &nodes[..count], &mut above[..next]);
        std::mem::swap(&mut nodes, &mut above);
        count = next;
    }
    seal(leaves.len() as u64, nodes.first().unwrap_or(&ZERO_HASH))
}

/// Proofs for some positions of a list; `None` when one is beyond its end. Cost: the tree is built once, O(n) hashes and
/// 64 bytes of memory a leaf.
pub fn prove<T: AsRef<[u8]>>(leaves: &[T], indices: &[usize]) -> Option<Vec<InclusionProof>> {
    if indices.iter().any(|index| *index >= leaves.len()) {
        return None;
    }
    let mut hashes = vec![ZERO_HASH; leaves.len()];
    hash_leaves(Hashing::Shared, leaves, &mut Vec::new(), &mut hashes);
    let mut levels = vec![hashes];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        let mut above = vec![ZERO_HASH; level.len().div_ceil(2)];
        hash_parents(Hashing::Shared, level, &mut above);
        levels.push(above);
    }
    let proof = |index: &usize| InclusionProof {
        index: *index as u64,
        count: leaves.len() as u64,
        // The last level is the top; a promoted node has no sibling at its level.
        siblings: levels
            .iter()
            .enumerate()
            .filter_map(|(i, level)| level.get((index >> i) ^ 1))
            .copied()
            .collect(),
    };
    Some(indices.iter().map(proof).collect())
}

/// What one thread needs to hash runs.
#[derive(Default)]
struct Buffers {
    messages: Vec<Hash32>,
    level: Vec<Hash32>,
    above: Vec<Hash32>,
}

impl Buffers {
    /// Hashes a run of at most `RUN_LEAVES` leaves up `RUN_LEVELS` levels. A run starts at a multiple of its length, so
    /// a node is promoted in it exactly when it is in the whole list.
    fn reduce<T: AsRef<[u8]>>(&mut self, hashing: Hashing, leaves: &[T], nodes: &mut [Hash32]) {
        let mut count = leaves.len();
        if self.level.len() < count {
            self.level.resize(count, ZERO_HASH);
            self.above.resize(count, ZERO_HASH);
        }
        hash_leaves(hashing, leaves, &mut self.messages, &mut self.level[..count]);
        for _ in 0..RUN_LEVELS {
            let next = count.div_ceil(2);
            hash_parents(hashing, &self.level[..count], &mut self.above[..next]);
            std::mem::swap(&mut self.level, &mut self.above);
            count = next;
        }
        nodes.copy_from_slice(&self.level[..count]);
    }
}

/// Hashes leaves; those that all are hashes themselves take the path for one length, through `messages`.
fn hash_leaves<T: AsRef<[u8]>>(hashing: Hashing, leaves: &[T], messages: &mut Vec<Hash32>, out: &mut [Hash32]) {
    messages.clear();
    messages.extend(leaves.iter().map_while(|leaf| <Hash32>::try_from(leaf.as_ref()).ok()));
    if messages.len() == leaves.len() {
        hashing.fixed(&tag::LEAF, messages, out);
    } else {
        let slices: Vec<&[u8]> = leaves.iter().map(AsRef::as_ref).collect();
        hashing.many(&tag::LEAF, &slices, out);
    }
}

/// Hashes the level above; an odd last node is promoted unchanged.
fn hash_parents(hashing: Hashing, level: &[Hash32], above: &mut [Hash32]) {
    let (pairs, _) = level.as_flattened().as_chunks::<64>();
    let (hashed, promoted) = above.split_at_mut(pairs.len());
    hashing.fixed(&tag::NODE, pairs, hashed);
    promoted.copy_from_slice(level.as_chunks::<2>().1);
}

/// The root of a tree whose top node is `top`.
fn seal(count: u64, top: &Hash32) -> Hash32 {
    tag::ROOT.hash(&[&count.to_be_bytes(), top])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_of_every_small_list_proves_itself_alone() {
        for count in 0..=33usize {
            let leaves: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; i]).collect();
            let root = root(&leaves);
            let indices: Vec<usize> = (0..count).collect();
            let proofs = prove(&leaves, &indices).unwrap();
            for (index, proof) in proofs.iter().enumerate() {
                assert_eq!(&InclusionProof::decode(&proof.encode()).unwrap(), proof);
                for (other, leaf) in leaves.iter().enumerate() {
                    assert_eq!(
                        proof.verify(leaf, &root),
                        other == index,
                        "count {count} index {index} leaf {other}"
                    );
                }
            }
            assert!(prove(&leaves, &[count]).is_none());
        }
    }

    #[test]
    fn the_empty_list_has_its_own_root() {
        let empty: [&[u8]; 0] = [];
        assert_eq!(root(&empty), tag::ROOT.hash(&[&[0; 8], &[0; 32]]));
        assert_ne!(root(&empty), root(&[b""]));
    }

    #[test]
    fn huge_counts_neither_overflow_nor_allocate() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(u64::MAX - 1).to_be_bytes());
        bytes.extend_from_slice(&u64::MAX.to_be_bytes());
        bytes.push(255);
        assert!(InclusionProof::decode(&bytes).is_err());
    }
}
