//! Binary Merkle tree over a list of byte strings (formats §4): transactions, receipts, batches of a block.

use hn_primitives::codec::put_count8;
use hn_primitives::{CodecError, Fault, Hash32, Object, Reader, ZERO_HASH, tag};

/// Root of a list. Cost: O(n) hashes.
pub fn root<T: AsRef<[u8]>>(leaves: &[T]) -> Hash32 {
    let mut level = hash_leaves(leaves);
    while level.len() > 1 {
        level = parents(&level);
    }
    seal(leaves.len() as u64, level.first().unwrap_or(&ZERO_HASH))
}

/// Proofs for some positions of a list; `None` when one is beyond its end. Cost: the tree is built once, O(n) hashes.
pub fn prove<T: AsRef<[u8]>>(leaves: &[T], indices: &[usize]) -> Option<Vec<InclusionProof>> {
    if indices.iter().any(|index| *index >= leaves.len()) {
        return None;
    }
    let mut levels = vec![hash_leaves(leaves)];
    while let Some(next) = levels
        .last()
        .filter(|level| level.len() > 1)
        .map(|level| parents(level))
    {
        levels.push(next);
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

fn hash_leaves<T: AsRef<[u8]>>(leaves: &[T]) -> Vec<Hash32> {
    leaves.iter().map(|leaf| tag::LEAF.hash(&[leaf.as_ref()])).collect()
}

/// The level above; an odd last node is promoted unchanged.
fn parents(level: &[Hash32]) -> Vec<Hash32> {
    let mut above = Vec::with_capacity(level.len().div_ceil(2));
    tag::NODE.hash_pairs(level, &mut above);
    above.extend(level.as_chunks::<2>().1);
    above
}

/// The root of a tree whose top node is `top`.
fn seal(count: u64, top: &Hash32) -> Hash32 {
    tag::ROOT.hash(&[&count.to_be_bytes(), top])
}

/// Proof that a byte string is item `index` of a list of `count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// Position, from 0.
    pub index: u64,
    /// Length of the list.
    pub count: u64,
    /// From the leaf up, where the node has a sibling.
    pub siblings: Vec<Hash32>,
}

impl InclusionProof {
    /// `index ‖ count ‖ sibling_count ‖ siblings`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17 + 32 * self.siblings.len());
        out.extend_from_slice(&self.index.to_be_bytes());
        out.extend_from_slice(&self.count.to_be_bytes());
        put_count8(&mut out, self.siblings.len());
        for sibling in &self.siblings {
            out.extend_from_slice(sibling);
        }
        out
    }

    /// Reads a proof; index and count must ask for exactly the siblings that follow.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §4, code `PROOF_MALFORMED`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Proof, bytes);
        let index = reader.u64("index")?;
        let count = reader.u64("count")?;
        if index >= count {
            return Err(reader.fail(Fault::Range {
                field: "index",
                got: index,
            }));
        }
        let sibling_count = usize::from(reader.u8("sibling_count")?);
        if sibling_count != sides(index, count).flatten().count() {
            return Err(reader.fail(Fault::NotCanonical("siblings")));
        }
        let mut siblings = Vec::with_capacity(sibling_count);
        for _ in 0..sibling_count {
            siblings.push(reader.array("sibling")?);
        }
        reader.finish()?;
        Ok(Self { index, count, siblings })
    }

    /// Whether `data` stands at `index` under `root`.
    pub fn verify(&self, data: &[u8], root: &Hash32) -> bool {
        if self.index >= self.count {
            return false;
        }
        let mut node = tag::LEAF.hash(&[data]);
        let mut siblings = self.siblings.iter();
        for side in sides(self.index, self.count).flatten() {
            let Some(sibling) = siblings.next() else { return false };
            node = match side {
                Side::Left => tag::NODE.hash_pair(sibling, &node),
                Side::Right => tag::NODE.hash_pair(&node, sibling),
            };
        }
        siblings.next().is_none() && seal(self.count, &node) == *root
    }
}

/// Where the sibling stands.
enum Side {
    Left,
    Right,
}

/// For each level from the leaves up: the side of the sibling, `None` where the node is promoted. At most 64 levels.
fn sides(index: u64, count: u64) -> impl Iterator<Item = Option<Side>> {
    let levels = std::iter::successors(Some((index, count)), |(index, count)| {
        Some((index / 2, count.div_ceil(2)))
    });
    levels.take_while(|(_, count)| *count > 1).map(|(index, count)| {
        if index % 2 == 1 {
            Some(Side::Left)
        } else {
            (index + 1 < count).then_some(Side::Right)
        }
    })
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
