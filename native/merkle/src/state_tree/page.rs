//! A page: four levels of the tree. Its 16 slots hold what lies below; the hashes of its 15 nodes are kept in memory.
//!
//! Nodes are numbered as in a heap: 1 is the top, node n has the children 2n and 2n + 1, slot s is number 16 + s.

use super::page_id::{PAGE_DEPTH_MAX, PageId, step};
use hn_primitives::{CodecError, Fault, Hash32, Object, Reader, ZERO_HASH, tag};
use std::sync::atomic::{AtomicU64, Ordering};

/// What lies below a page's slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The only leaf there.
    Leaf {
        /// Key hash.
        key: Hash32,
        /// Value hash.
        value: Hash32,
        /// Hash of the leaf; meaningful once the page is fresh.
        hash: Hash32,
    },
    /// At least two leaves, in the page below.
    Page {
        /// Hash of that page's top.
        hash: Hash32,
    },
}

/// What a node of a page stands for.
#[derive(Debug, PartialEq, Eq)]
pub enum Subtree<'a> {
    /// No leaf.
    Empty,
    /// One leaf: key hash and value hash.
    Leaf(&'a Hash32, &'a Hash32),
    /// At least two leaves.
    Branch,
}

/// Four levels of the tree.
#[derive(Debug)]
pub struct Page {
    /// Bit s: slot s is not empty.
    occupied: u16,
    /// Bit s: slot s is a leaf.
    leaves: u16,
    /// The slots that are not empty, ascending.
    slots: Vec<Slot>,
    /// Hashes of the branch nodes; entry 0 is unused.
    nodes: Box<[Hash32; 16]>,
    /// Bit n: node n must be hashed again.
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
            slots: self.slots.clone(),
            nodes: self.nodes.clone(),
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
            slots: Vec::new(),
            nodes: Box::new([ZERO_HASH; 16]),
            stale_nodes: 0,
            stale_leaves: 0,
            used: AtomicU64::new(0),
        }
    }

    /// Bytes in memory, its share of the cache included.
    pub fn bytes(&self) -> usize {
        size_of::<(PageId, Self)>() + 16 * 32 + self.slots.capacity() * size_of::<Slot>()
    }

    /// Slot `at`; `None` when it is empty.
    pub fn slot(&self, at: u8) -> Option<&Slot> {
        if self.occupied >> at & 1 == 0 {
            None
        } else {
            self.slots.get(self.rank(at))
        }
    }

    /// Count of occupied slots before `at`.
    fn rank(&self, at: u8) -> usize {
        (self.occupied & ((1u16 << at) - 1)).count_ones() as usize
    }

    /// Puts a slot or empties it; the hashes above it become stale.
    pub fn set(&mut self, at: u8, slot: Option<Slot>) {
        let (rank, flag) = (self.rank(at), 1u16 << at);
        let was_occupied = self.occupied & flag != 0;
        self.leaves &= !flag;
        self.stale_leaves &= !flag;
        match slot {
            Some(slot) => {
                if matches!(slot, Slot::Leaf { .. }) {
                    self.leaves |= flag;
                    self.stale_leaves |= flag;
                }
                self.occupied |= flag;
                match self.slots.get_mut(rank) {
                    Some(old) if was_occupied => *old = slot,
                    _ => self.slots.insert(rank, slot),
                }
            }
            None if was_occupied => {
                self.occupied &= !flag;
                self.slots.remove(rank);
            }
            None => {}
        }
        self.mark_stale(at);
    }

    /// Takes the new hash of the page below slot `at`; the nodes above are stale already or become so.
    pub fn set_child_hash(&mut self, at: u8, new: Hash32) {
        let rank = self.rank(at);
        if let Some(Slot::Page { hash }) = self.slots.get_mut(rank) {
            *hash = new;
            self.mark_stale(at);
        }
    }

    fn mark_stale(&mut self, at: u8) {
        let mut node = (16 + at) >> 1;
        while node > 0 {
            self.stale_nodes |= 1 << node;
            node >>= 1;
        }
    }

    /// What node or slot number `number` (1–31) stands for.
    pub fn subtree(&self, number: u8) -> Subtree<'_> {
        let level = 7 - (number.max(1).leading_zeros() as u8);
        let width = 16u32 >> level;
        let start = u32::from(number - (1 << level)) * width;
        let range = (((1u32 << width) - 1) << start) as u16;
        let inside = self.occupied & range;
        if inside == 0 {
            return Subtree::Empty;
        }
        match self.slot(inside.trailing_zeros() as u8) {
            Some(Slot::Leaf { key, value, .. }) if inside.is_power_of_two() => Subtree::Leaf(key, value),
            _ => Subtree::Branch,
        }
    }

    /// Hash of node or slot number `number`; the page must be fresh.
    pub fn hash(&self, number: u8) -> Hash32 {
        match self.subtree(number) {
            Subtree::Empty => ZERO_HASH,
            Subtree::Branch if number < 16 => self.nodes.get(usize::from(number)).copied().unwrap_or_default(),
            _ => self.first_slot_hash(number),
        }
    }

    /// Hash of the first slot below node or slot number `number`.
    fn first_slot_hash(&self, number: u8) -> Hash32 {
        let level = 7 - (number.max(1).leading_zeros() as u8);
        let start = u32::from(number - (1 << level)) * (16u32 >> level);
        let first = (u32::from(self.occupied) >> start).trailing_zeros() + start;
        match self.slot(first as u8) {
            Some(Slot::Leaf { hash, .. } | Slot::Page { hash }) => *hash,
            None => ZERO_HASH,
        }
    }

    /// The bytes in a store: `u8 1 ‖ u16 occupied ‖ u16 leaves`, then a slot after the other, a leaf as
    /// `key_hash ‖ value_hash`, a page as its hash.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(5 + 64 * self.slots.len());
        out.push(1);
        out.extend_from_slice(&self.occupied.to_be_bytes());
        out.extend_from_slice(&self.leaves.to_be_bytes());
        for slot in &self.slots {
            match slot {
                Slot::Leaf { key, value, .. } => {
                    out.extend_from_slice(key);
                    out.extend_from_slice(value);
                }
                Slot::Page { hash } => out.extend_from_slice(hash),
            }
        }
        out
    }

    /// Reads the page `id`; all hashes are stale afterwards.
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
        page.slots.reserve_exact(occupied.count_ones() as usize);
        for at in (0..16).filter(|at| occupied >> at & 1 == 1) {
            let slot = if leaves >> at & 1 == 1 {
                let key: Hash32 = reader.array("key_hash")?;
                if !id.covers(&key) || step(&key, id.depth()) != at {
                    return Err(reader.fail(Fault::Mismatch("key_hash")));
                }
                Slot::Leaf {
                    key,
                    value: reader.array("value_hash")?,
                    hash: ZERO_HASH,
                }
            } else {
                Slot::Page {
                    hash: reader.array("page_hash")?,
                }
            };
            page.set(at, Some(slot));
        }
        reader.finish()?;
        Ok(page)
    }
}

/// Hashes every stale leaf and node of the pages, level by level over all of them, so that the hash kernel gets long runs.
pub fn refresh<'p>(pages: impl Iterator<Item = &'p mut Page>) {
    let mut pages: Vec<&mut Page> = pages.collect();
    let mut inputs: Vec<Hash32> = Vec::new();
    let mut hashes: Vec<Hash32> = Vec::new();

    for page in &pages {
        for at in (0..16).filter(|at| page.stale_leaves >> at & 1 == 1) {
            if let Some(Slot::Leaf { key, value, .. }) = page.slot(at) {
                inputs.extend([*key, *value]);
            }
        }
    }
    tag::STATE_LEAF.hash_pairs(&inputs, &mut hashes);
    let mut results = hashes.iter();
    for page in &mut pages {
        let stale = std::mem::take(&mut page.stale_leaves);
        for at in (0..16).filter(|at| stale >> at & 1 == 1) {
            let rank = page.rank(at);
            if let (Some(Slot::Leaf { hash, .. }), Some(new)) = (page.slots.get_mut(rank), results.next()) {
                *hash = *new;
            }
        }
    }

    for level in (0..4).rev() {
        inputs.clear();
        hashes.clear();
        for page in &pages {
            for node in page.stale_branches(level) {
                inputs.extend([page.hash(2 * node), page.hash(2 * node + 1)]);
            }
        }
        tag::STATE_NODE.hash_pairs(&inputs, &mut hashes);
        let mut results = hashes.iter();
        for page in &mut pages {
            for node in page.stale_branches(level) {
                if let (Some(place), Some(new)) = (page.nodes.get_mut(usize::from(node)), results.next()) {
                    *place = *new;
                }
            }
        }
    }
    for page in &mut pages {
        page.stale_nodes = 0;
    }
}

impl Page {
    /// The stale nodes of a level (0 is the top) that are branches.
    fn stale_branches(&self, level: u8) -> impl Iterator<Item = u8> + use<> {
        let nodes = (1u8 << level)..(2u8 << level);
        let stale = nodes.filter(|node| self.stale_nodes >> node & 1 == 1 && self.subtree(*node) == Subtree::Branch);
        let mask = stale.fold(0u16, |mask, node| mask | 1 << node);
        (0..16).filter(move |node| mask >> node & 1 == 1)
    }
}
