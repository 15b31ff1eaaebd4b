//! The updates of one call: sorted, one a key, their leaves hashed in one run.

use crate::Hashing;
use hn_primitives::{Hash32, ZERO_HASH, tag};

/// A key hash and its new value hash; `None` deletes.
pub type Update = (Hash32, Option<Hash32>);

/// Sorted updates; buffers stay for the next call.
#[derive(Debug, Default)]
pub struct Batch {
    /// The first eight bytes of the key and the place in the call.
    order: Vec<(u64, usize)>,
    /// Key hash and value hash, which is zeros for a delete.
    pairs: Vec<[u8; 64]>,
    puts: Vec<bool>,
    leaf_hashes: Vec<Hash32>,
}

impl Batch {
    /// Takes updates; of several of one key the last counts. Cost: sorts 16 bytes an update.
    pub fn fill(&mut self, updates: &[Update]) {
        self.order.clear();
        self.order
            .extend(updates.iter().zip(0..).map(|((key, _), at)| (prefix(key), at)));
        self.order.sort_unstable_by(|a, b| {
            let by_key = || updates[a.1].0.cmp(&updates[b.1].0);
            a.0.cmp(&b.0).then_with(by_key).then(a.1.cmp(&b.1))
        });
        self.pairs.clear();
        self.puts.clear();
        let mut last: Option<&Hash32> = None;
        for (_, at) in &self.order {
            let (key, value) = &updates[*at];
            if last == Some(key) {
                self.pairs.pop();
                self.puts.pop();
            }
            last = Some(key);
            let mut pair = [0; 64];
            let (left, right) = pair.split_at_mut(32);
            left.copy_from_slice(key);
            right.copy_from_slice(value.as_ref().unwrap_or(&ZERO_HASH));
            self.pairs.push(pair);
            self.puts.push(value.is_some());
        }
    }

    /// Hashes the leaves of all updates.
    pub fn hash(&mut self, hashing: Hashing) {
        self.leaf_hashes.resize(self.pairs.len(), ZERO_HASH);
        hashing.fixed(&tag::STATE_LEAF, &self.pairs, &mut self.leaf_hashes);
    }

    /// Keys with their values, ascending by key.
    pub fn pairs(&self) -> &[[u8; 64]] {
        &self.pairs
    }

    pub fn key(&self, at: usize) -> &Hash32 {
        key_of(&self.pairs[at])
    }

    /// The new value and the leaf's hash; `None` deletes.
    pub fn put(&self, at: usize) -> Option<(&Hash32, &Hash32)> {
        self.puts[at].then(|| (&self.pairs[at].as_chunks::<32>().0[1], &self.leaf_hashes[at]))
    }
}

/// The first half of a pair.
pub fn key_of(pair: &[u8; 64]) -> &Hash32 {
    &pair.as_chunks::<32>().0[0]
}

/// The first eight bytes of a key, which decide its place nearly always.
pub fn prefix(key: &Hash32) -> u64 {
    u64::from_be_bytes(key.as_chunks::<8>().0[0])
}
