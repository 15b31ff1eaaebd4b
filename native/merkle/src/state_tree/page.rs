//! A page: four levels of the tree. Its 16 slots hold what lies below, each an empty subtree, one leaf or a page.
//!
//! Subtrees are numbered as in a heap: 1 is the top, n has the children 2n and 2n + 1, slot s is number 16 + s.

use super::page_id::{PAGE_DEPTH_MAX, PageId, step};
use hn_primitives::{CodecError, Fault, Hash32, Object, Reader, ZERO_HASH, tag};
use std::sync::atomic::{AtomicU64, Ordering};

/// The slots below each subtree number, as bits.
const SLOTS_BELOW: [u16; 32] = {
    let mut below = [0u16; 32];
    let mut number = 31;
    while number > 0 {
        below[number] = if number >= 16 {
            1 << (number - 16)
        } else {
            below[2 * number] | below[2 * number + 1]
        };
        number -= 1;
    }
    below
};

/// What a slot, or any subtree of a page, stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subtree {
    /// No leaf.
    Empty,
    /// One leaf: key hash and value hash.
    Leaf(Hash32, Hash32),
    /// At least two leaves; in a slot: they are in the page below.
    Branch,
}

/// Four levels of the tree.
#[derive(Debug)]
pub struct Page {
    /// Bit s: slot s is not empty.
    occupied: u16,
    /// Bit s: slot s is a leaf.
    leaves: u16,
    /// Key hash and value hash of the leaves, ascending by slot.
    leaf_data: Vec<(Hash32, Hash32)>,
    /// Hash of every subtree; number 0 is unused.
    hashes: Box<[Hash32; 32]>,
    /// Bit n: subtree n < 16 must be hashed again.
    stale_nodes: u16,
    /// Bit s: leaf s must be hashed again.
    stale_leaves: u16,
    /// The tick of the last operation that came by.
    pub used: AtomicU64,
}

impl Clone for Page {
    fn clone(&self) -> Self {
        Self {
            occupied: self.occupied,
            leaves: self.leaves,
            leaf_data: self.leaf_data.clone(),
            hashes: self.hashes.clone(),
            stale_nodes: self.stale_nodes,
            stale_leaves: self.stale_leaves,
            used: AtomicU64::new(self.used.load(Ordering::Relaxed)),
        }
    }
}

impl Page {
    /// A page without leaves.
    pub fn empty() -> Self {
        Self {
            occupied: 0,
            leaves: 0,
            leaf_data: Vec::new(),
            hashes: Box::new([ZERO_HASH; 32]),
            stale_nodes: 0,
            stale_leaves: 0,
            used: AtomicU64::new(0),
        }
    }

    /// Bytes in memory, its share of the cache included.
    pub fn bytes(&self) -> usize {
        size_of::<(PageId, Self)>() + size_of::<[Hash32; 32]>() + self.leaf_data.capacity() * 64
    }

    /// What slot `at` (below 16) stands for.
    pub fn slot(&self, at: u8) -> Subtree {
        self.subtree(16 + at)
    }

    /// What subtree `number` (1–31) stands for.
    pub fn subtree(&self, number: u8) -> Subtree {
        let inside = self.inside(number);
        if inside == 0 {
            Subtree::Empty
        } else if let Some((key, value)) = self
            .leaf_data
            .get(self.rank(inside))
            .filter(|_| self.is_lone_leaf(inside))
        {
            Subtree::Leaf(*key, *value)
        } else {
            Subtree::Branch
        }
    }

    /// Hash of subtree `number`; the page must be fresh.
    pub fn hash(&self, number: u8) -> Hash32 {
        self.hashes.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// The occupied slots below subtree `number`.
    fn inside(&self, number: u8) -> u16 {
        self.occupied & SLOTS_BELOW.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// Whether these slots are one, and a leaf.
    const fn is_lone_leaf(&self, slots: u16) -> bool {
        slots.is_power_of_two() && self.leaves & slots != 0
    }

    /// Count of leaves before the first of these slots, at least one.
    const fn rank(&self, slots: u16) -> usize {
        let before = (1u32 << slots.trailing_zeros()) - 1;
        (self.leaves as u32 & before).count_ones() as usize
    }

    /// Fills or empties slot `at`; the hashes above it become stale. The hash of a page below follows by
    /// [`Page::set_child_hash`].
    pub fn set(&mut self, at: u8, slot: Subtree) {
        let flag = 1u16 << at;
        let rank = self.rank(flag);
        if self.leaves & flag != 0 {
            self.leaf_data.remove(rank);
        }
        self.leaves &= !flag;
        self.stale_leaves &= !flag;
        self.occupied |= flag;
        match slot {
            Subtree::Empty => {
                self.occupied &= !flag;
                self.put_hash(16 + at, ZERO_HASH);
            }
            Subtree::Leaf(key, value) => {
                self.leaf_data.insert(rank, (key, value));
                self.leaves |= flag;
                self.stale_leaves |= flag;
            }
            Subtree::Branch => {}
        }
        self.mark_stale(at);
    }

    /// Takes the new hash of the page below slot `at`.
    pub fn set_child_hash(&mut self, at: u8, hash: Hash32) {
        self.put_hash(16 + at, hash);
        self.mark_stale(at);
    }

    fn put_hash(&mut self, number: u8, hash: Hash32) {
        if let Some(place) = self.hashes.get_mut(usize::from(number)) {
            *place = hash;
        }
    }

    fn mark_stale(&mut self, at: u8) {
        let mut number = (16 + at) >> 1;
        while number > 0 {
            self.stale_nodes |= 1 << number;
            number >>= 1;
        }
    }

    /// The bytes in a store: `u8 1 ‖ u16 occupied ‖ u16 leaves`, then a slot after the other, a leaf as
    /// `key_hash ‖ value_hash`, a page as its hash.
    pub fn encode(&self) -> Vec<u8> {
        let page_count = (self.occupied & !self.leaves).count_ones() as usize;
        let mut out = Vec::with_capacity(5 + 64 * self.leaf_data.len() + 32 * page_count);
        out.push(1);
        out.extend_from_slice(&self.occupied.to_be_bytes());
        out.extend_from_slice(&self.leaves.to_be_bytes());
        for at in bits(self.occupied) {
            match self.slot(at) {
                Subtree::Leaf(key, value) => {
                    out.extend_from_slice(&key);
                    out.extend_from_slice(&value);
                }
                _ => out.extend_from_slice(&self.hash(16 + at)),
            }
        }
        out
    }

    /// Reads the page `id`; the hashes of leaves and nodes are stale afterwards.
    ///
    /// # Errors
    /// `STORAGE_CORRUPT`: the page could not have been written by this tree at this place.
    pub fn decode(id: &PageId, bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Page, bytes);
        reader.version()?;
        let occupied = reader.u16("occupied")?;
        let leaves = reader.u16("leaves")?;
        let pages = occupied & !leaves;
        let lone = *id != PageId::ROOT && pages == 0 && leaves.count_ones() < 2;
        if occupied == 0 || leaves & !occupied != 0 || lone || (id.depth() == PAGE_DEPTH_MAX && pages != 0) {
            return Err(reader.fail(Fault::NotCanonical("slots")));
        }
        let mut page = Self::empty();
        page.leaf_data.reserve_exact(leaves.count_ones() as usize);
        for at in bits(occupied) {
            if leaves >> at & 1 == 1 {
                let (key, value) = (reader.array("key_hash")?, reader.array("value_hash")?);
                if !id.covers(&key) || step(&key, id.depth()) != at {
                    return Err(reader.fail(Fault::Mismatch("key_hash")));
                }
                page.set(at, Subtree::Leaf(key, value));
            } else {
                page.set(at, Subtree::Branch);
                page.set_child_hash(at, reader.array("page_hash")?);
            }
        }
        reader.finish()?;
        Ok(page)
    }
}

/// The positions of the set bits, ascending.
fn bits(mut mask: u16) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = mask.trailing_zeros() as u8;
        mask &= mask.checked_sub(1)?;
        Some(lowest)
    })
}

/// Hashes every stale leaf and node of the pages, level by level over all of them, so that the hash kernel gets long runs.
pub fn refresh<'p>(pages: impl Iterator<Item = &'p mut Page>) {
    let mut pages: Vec<&mut Page> = pages.collect();
    let mut run = Run::default();

    for (index, page) in pages.iter_mut().enumerate() {
        for at in bits(std::mem::take(&mut page.stale_leaves)) {
            if let Some((key, value)) = page.leaf_data.get(page.rank(1 << at)) {
                run.push(index, 16 + at, *key, *value);
            }
        }
    }
    tag::STATE_LEAF.hash_pairs(&run.inputs, &mut run.hashes);
    run.deliver(&mut pages);

    for level in [0xff00u16, 0x00f0, 0x000c, 0x0002] {
        for (index, page) in pages.iter_mut().enumerate() {
            for number in bits(page.stale_nodes & level) {
                let inside = page.inside(number);
                if inside == 0 {
                    page.put_hash(number, ZERO_HASH);
                } else if page.is_lone_leaf(inside) {
                    page.put_hash(number, page.hash(16 + inside.trailing_zeros() as u8));
                } else {
                    run.push(index, number, page.hash(2 * number), page.hash(2 * number + 1));
                }
            }
        }
        tag::STATE_NODE.hash_pairs(&run.inputs, &mut run.hashes);
        run.deliver(&mut pages);
    }
    for page in &mut pages {
        page.stale_nodes = 0;
    }
}

/// One run of the hash kernel: pairs in, hashes out, and where each belongs.
#[derive(Default)]
struct Run {
    inputs: Vec<Hash32>,
    hashes: Vec<Hash32>,
    targets: Vec<(usize, u8)>,
}

impl Run {
    fn push(&mut self, page: usize, number: u8, left: Hash32, right: Hash32) {
        self.inputs.extend([left, right]);
        self.targets.push((page, number));
    }

    fn deliver(&mut self, pages: &mut [&mut Page]) {
        for ((index, number), hash) in self.targets.drain(..).zip(self.hashes.drain(..)) {
            if let Some(page) = pages.get_mut(index) {
                page.put_hash(number, hash);
            }
        }
        self.inputs.clear();
    }
}
