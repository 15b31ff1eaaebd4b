//! Hashes what is stale, level by level over many pages, so that the hash kernel gets long runs.

use super::page::bits;
use super::pages::Pages;
use crate::Hashing;
use hn_crypto::sm3::TaggedHasher;
use hn_primitives::{Hash32, ZERO_HASH, tag};

/// Pages that are hashed together: few enough to stay in a core's cache, enough to fill lanes and threads.
pub const RUN_PAGES: usize = 256;

/// The nodes of each level of a page, the lowest first.
const LEVELS: [u16; 4] = [0xff00, 0x00f0, 0x000c, 0x0002];

/// One run of the hash kernel: pairs in, hashes out, and the units where they belong.
#[derive(Debug, Default)]
pub struct Run {
    pairs: Vec<[u8; 64]>,
    targets: Vec<u32>,
    hashes: Vec<Hash32>,
}

impl Run {
    fn push(&mut self, target: u32, left: &Hash32, right: &Hash32) {
        let mut pair = [0; 64];
        let (l, r) = pair.split_at_mut(32);
        l.copy_from_slice(left);
        r.copy_from_slice(right);
        self.pairs.push(pair);
        self.targets.push(target);
    }

    fn flush(&mut self, hashing: Hashing, tag: &TaggedHasher, pages: &mut Pages) {
        if self.hashes.len() < self.pairs.len() {
            self.hashes.resize(self.pairs.len(), ZERO_HASH);
        }
        let hashes = &mut self.hashes[..self.pairs.len()];
        hashing.fixed(tag, &self.pairs, hashes);
        for (target, hash) in self.targets.iter().zip(hashes.iter()) {
            pages.put_unit(*target, hash);
        }
        self.pairs.clear();
        self.targets.clear();
    }

    /// Hashes the leaves of pages that came from a store.
    pub fn leaves(&mut self, hashing: Hashing, pages: &mut Pages, numbers: &[u32]) {
        for page in numbers {
            let (head, block) = (pages.head(*page), pages.block(*page));
            for at in bits(head.leaves) {
                let leaf = head.leaf_place(at);
                self.push(
                    head.block + head.slot_place(at) as u32,
                    &block[leaf].0,
                    &block[leaf + 1].0,
                );
            }
        }
        self.flush(hashing, &tag::STATE_LEAF, pages);
    }

    /// Hashes the stale nodes of pages, none of which is below another.
    pub fn nodes(&mut self, hashing: Hashing, pages: &mut Pages, numbers: &[u32]) {
        for level in LEVELS {
            for page in numbers {
                let (head, block) = (pages.head(*page), pages.block(*page));
                let hash = |number| head.hash_place(number).map_or(&ZERO_HASH, |place| &block[place].0);
                for number in bits(head.stale & head.nodes & level) {
                    let target = head.block + head.node_place(number) as u32;
                    self.push(target, hash(2 * number), hash(2 * number + 1));
                }
            }
            self.flush(hashing, &tag::STATE_NODE, pages);
        }
        for page in numbers {
            pages.head_mut(*page).stale = 0;
        }
    }
}
