//! Proof of one item of a list.

use super::seal;
use hn_primitives::codec::put_count8;
use hn_primitives::{CodecError, Fault, Hash32, Object, Reader, tag};

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
