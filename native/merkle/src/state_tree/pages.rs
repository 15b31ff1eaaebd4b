//! The cached pages: reading and changing them in place.

use super::arena::{Arena, Unit};
use super::page::{Head, NO_PAGE, VACANT, bits};
use hn_primitives::{Hash32, ZERO_HASH};
use std::sync::atomic::Ordering;

/// A leaf with its hash.
#[derive(Debug, Clone, Copy)]
pub struct Leaf {
    pub key: Hash32,
    pub value: Hash32,
    pub hash: Hash32,
}

/// New content of a slot.
#[derive(Debug, Clone, Copy)]
pub enum Slot {
    /// No leaf.
    Empty,
    /// One leaf.
    Leaf(Leaf),
    /// A page of at least two leaves: its number, `NO_PAGE` when it is not cached, and its hash.
    Branch(u32, Hash32),
}

/// A page with a place for everything.
#[derive(Debug)]
struct Wide {
    hashes: [Hash32; 16],
    nodes: [Hash32; 16],
    leaves: [[Hash32; 2]; 16],
    children: [u32; 16],
}

/// The pages by number.
#[derive(Debug)]
pub struct Pages {
    heads: Vec<Head>,
    vacant: Vec<u32>,
    arena: Arena,
    wide: Box<Wide>,
    /// Bytes of the pages in use.
    bytes: usize,
}

impl Pages {
    pub fn new() -> Self {
        Self {
            heads: Vec::new(),
            vacant: Vec::new(),
            arena: Arena::new(),
            wide: Box::new(Wide {
                hashes: [ZERO_HASH; 16],
                nodes: [ZERO_HASH; 16],
                leaves: [[ZERO_HASH; 2]; 16],
                children: [NO_PAGE; 16],
            }),
            bytes: 0,
        }
    }

    /// Bytes of heads and blocks in use.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn head(&self, page: u32) -> &Head {
        &self.heads[page as usize]
    }

    pub fn head_mut(&mut self, page: u32) -> &mut Head {
        &mut self.heads[page as usize]
    }

    /// Numbers of the pages in use.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let in_use = self.heads.iter().zip(0..).filter(|(head, _)| head.depth != VACANT);
        in_use.map(|(_, number)| number)
    }

    /// Pins a page for the operation `tick`.
    pub fn pin(&self, page: u32, tick: u64) {
        self.head(page).used.store(tick, Ordering::Relaxed);
    }

    /// A new page without leaves.
    pub fn add(&mut self, parent: u32, slot: u8, depth: u8, tick: u64) -> u32 {
        self.bytes += size_of::<Head>();
        let head = Head::new(parent, slot, depth, tick);
        if let Some(number) = self.vacant.pop() {
            *self.head_mut(number) = head;
            number
        } else {
            self.heads.push(head);
            (self.heads.len() - 1) as u32
        }
    }

    /// Takes a page away; the slot above is the caller's.
    pub fn remove(&mut self, page: u32) {
        let Head { block, units, .. } = *self.head(page);
        if units > 0 {
            self.arena.give(block, units.into());
        }
        self.bytes -= size_of::<Head>() + usize::from(units) * size_of::<Unit>();
        *self.head_mut(page) = Head::new(NO_PAGE, 0, VACANT, 0);
        self.vacant.push(page);
    }

    /// The block of a page.
    pub fn block(&self, page: u32) -> &[Unit] {
        let head = self.head(page);
        self.arena.block(head.block, head.units.into())
    }

    fn block_mut(&mut self, page: u32) -> (&mut Head, &mut [Unit]) {
        let head = &mut self.heads[page as usize];
        let block = self.arena.block_mut(head.block, head.units.into());
        (head, block)
    }

    /// The cached page below a slot that is a page.
    pub fn child(&self, page: u32, at: u8) -> Option<u32> {
        let (unit, place) = self.head(page).child_place(at);
        let number = word(&self.block(page)[unit], place);
        (number != NO_PAGE).then_some(number)
    }

    /// Sets the number of the page below a slot that is a page.
    pub fn link(&mut self, page: u32, at: u8, child: u32) {
        let (head, block) = self.block_mut(page);
        let (unit, place) = head.child_place(at);
        set_word(&mut block[unit], place, child);
    }

    /// Whether a page below is cached.
    pub fn has_children(&self, page: u32) -> bool {
        bits(self.head(page).branches()).any(|at| self.child(page, at).is_some())
    }

    /// Key hash and value hash of a slot that is a leaf.
    pub fn leaf_data(&self, page: u32, at: u8) -> (&Hash32, &Hash32) {
        let (place, block) = (self.head(page).leaf_place(at), self.block(page));
        (&block[place].0, &block[place + 1].0)
    }

    /// A slot that is a leaf.
    pub fn leaf(&self, page: u32, at: u8) -> Leaf {
        let (key, value) = self.leaf_data(page, at);
        Leaf {
            key: *key,
            value: *value,
            hash: self.block(page)[self.head(page).slot_place(at)].0,
        }
    }

    /// Changes the value of a slot that is a leaf.
    pub fn set_value(&mut self, page: u32, at: u8, value: &Hash32, leaf_hash: &Hash32) {
        let (head, block) = self.block_mut(page);
        block[head.leaf_place(at) + 1].0 = *value;
        block[head.slot_place(at)].0 = *leaf_hash;
        head.mark(at);
    }

    /// Sets the hash of an occupied slot; the nodes above become stale.
    pub fn set_hash(&mut self, page: u32, at: u8, hash: &Hash32) {
        let (head, block) = self.block_mut(page);
        block[head.slot_place(at)].0 = *hash;
        head.mark(at);
    }

    /// Hash of subtree `number`; the page must be fresh.
    pub fn hash(&self, page: u32, number: u8) -> &Hash32 {
        let place = self.head(page).hash_place(number);
        place.map_or(&ZERO_HASH, |place| &self.block(page)[place].0)
    }

    /// Sets the unit at an address.
    pub fn put_unit(&mut self, address: u32, hash: &Hash32) {
        *self.arena.unit_mut(address) = *hash;
    }

    /// Fills and empties slots; the nodes above become stale. Cost: the page is unpacked and packed once.
    pub fn change(&mut self, page: u32, changes: &[(u8, Slot)]) {
        self.unpack(page);
        let head = &self.heads[page as usize];
        let (mut occupied, mut leaves) = (head.occupied, head.leaves);
        let wide = &mut *self.wide;
        for (at, slot) in changes {
            let (flag, place) = (1u16 << at, usize::from(*at));
            leaves &= !flag;
            occupied |= flag;
            match slot {
                Slot::Empty => occupied &= !flag,
                Slot::Leaf(leaf) => {
                    leaves |= flag;
                    wide.hashes[place] = leaf.hash;
                    wide.leaves[place] = [leaf.key, leaf.value];
                }
                Slot::Branch(child, hash) => {
                    wide.hashes[place] = *hash;
                    wide.children[place] = *child;
                }
            }
        }
        self.pack(page, occupied, leaves);
        let head = self.head_mut(page);
        for (at, _) in changes {
            head.mark(*at);
        }
    }

    fn unpack(&mut self, page: u32) {
        let head = &self.heads[page as usize];
        let block = self.arena.block(head.block, head.units.into());
        let wide = &mut *self.wide;
        for (at, unit) in bits(head.occupied).zip(&block[head.slots_start()..]) {
            wide.hashes[usize::from(at)] = unit.0;
        }
        for (number, unit) in bits(head.nodes).zip(&block[head.nodes_start()..]) {
            wide.nodes[usize::from(number)] = unit.0;
        }
        for (at, leaf) in bits(head.leaves).zip(block[head.leaves_start()..].as_chunks::<2>().0) {
            wide.leaves[usize::from(at)] = [leaf[0].0, leaf[1].0];
        }
        for (at, rank) in bits(head.branches()).zip(0..) {
            wide.children[usize::from(at)] = word(&block[rank / 8], rank % 8);
        }
    }

    fn pack(&mut self, page: u32, occupied: u16, leaves: u16) {
        let head = &mut self.heads[page as usize];
        let held = usize::from(head.units);
        let units = Arena::rounded(head.shape(occupied, leaves));
        if units != held {
            if held > 0 {
                self.arena.give(head.block, held);
            }
            head.block = if units > 0 { self.arena.take(units) } else { 0 };
            head.units = units as u8;
            self.bytes += units * size_of::<Unit>();
            self.bytes -= held * size_of::<Unit>();
        }
        let block = self.arena.block_mut(head.block, units);
        let wide = &*self.wide;
        for (at, unit) in bits(occupied).zip(&mut block[head.slots_start()..]) {
            unit.0 = wide.hashes[usize::from(at)];
        }
        for (number, unit) in bits(head.nodes).zip(&mut block[head.nodes_start()..]) {
            unit.0 = wide.nodes[usize::from(number)];
        }
        for (at, leaf) in bits(leaves).zip(block[head.leaves_start()..].as_chunks_mut::<2>().0) {
            let [key, value] = &wide.leaves[usize::from(at)];
            (leaf[0].0, leaf[1].0) = (*key, *value);
        }
        for (at, rank) in bits(head.branches()).zip(0..) {
            set_word(&mut block[rank / 8], rank % 8, wide.children[usize::from(at)]);
        }
    }

    /// Reads a word of each cache line of the pages, so that they come from memory at the same time, not one by one.
    pub fn warm(&self, pages: impl Iterator<Item = u32>) {
        let lines = |page| self.block(page).iter().step_by(2);
        std::hint::black_box(pages.flat_map(lines).fold(0, |sum, unit| sum ^ unit.0[0]));
    }

    /// [`Pages::warm`] for heads and links to the pages below alone.
    pub fn warm_links(&self, pages: impl Iterator<Item = u32> + Clone) {
        let heads = pages.clone().fold(0, |sum, page| sum ^ self.head(page).block);
        let with_links = pages.filter(|page| self.head(*page).branches() != 0);
        std::hint::black_box(with_links.fold(heads, |sum, page| sum ^ word(&self.block(page)[0], 0)));
    }

    /// Gives memory back when more than half of it is in freed blocks. Cost: copies all pages, which the freeing paid.
    pub fn compact(&mut self) {
        const SLACK_UNITS: usize = 1 << 16;
        if self.arena.free_units() <= self.arena.units() / 2 + SLACK_UNITS {
            return;
        }
        let mut packed = Arena::new();
        for head in self.heads.iter_mut().filter(|head| head.units > 0) {
            let units = usize::from(head.units);
            let block = packed.take(units);
            packed
                .block_mut(block, units)
                .copy_from_slice(self.arena.block(head.block, units));
            head.block = block;
        }
        self.arena = packed;
    }
}

/// A number out of a unit of numbers.
fn word(unit: &Unit, place: usize) -> u32 {
    u32::from_le_bytes(unit.0.as_chunks::<4>().0[place])
}

fn set_word(unit: &mut Unit, place: usize, number: u32) {
    unit.0.as_chunks_mut::<4>().0[place] = number.to_le_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compaction_keeps_the_pages_and_gives_memory_back() {
        let mut pages = Pages::new();
        let leaf = |seed: usize| {
            let key = std::array::from_fn(|i| (seed >> (8 * (i % 4))) as u8);
            let (value, hash) = ([3; 32], [4; 32]);
            Slot::Leaf(Leaf { key, value, hash })
        };
        let fill = |pages: &mut Pages, seed: usize| {
            let page = pages.add(NO_PAGE, 0, 1, 1);
            let slots: Vec<_> = (0..16u8)
                .filter(|at| (seed >> (at % 7)) & 1 == 0)
                .map(|at| (at, leaf(seed)))
                .collect();
            pages.change(page, &slots);
            page
        };
        let numbers: Vec<u32> = (0..20_000).map(|seed| fill(&mut pages, seed)).collect();
        let full = (pages.bytes(), pages.arena.units());
        pages.compact();
        assert_eq!((pages.bytes(), pages.arena.units()), full, "nothing to gain");
        for page in numbers.iter().filter(|page| **page % 8 != 0) {
            pages.remove(*page);
        }
        let kept = pages.bytes();
        pages.compact();
        assert!(pages.bytes() == kept && pages.arena.units() < full.1 / 4 && pages.arena.free_units() < 1 << 16);
        for (seed, page) in (0..).zip(&numbers).filter(|(_, page)| **page % 8 == 0) {
            for at in 0..16u8 {
                let occupied = pages.head(*page).leaves >> at & 1 == 1;
                assert_eq!(occupied, (seed >> (at % 7)) & 1 == 0);
                if occupied {
                    let (found, Slot::Leaf(want)) = (pages.leaf(*page, at), leaf(seed)) else {
                        continue;
                    };
                    assert_eq!((found.key, found.value, found.hash), (want.key, want.value, want.hash));
                }
            }
        }
        // Numbers and blocks are used again.
        let again = fill(&mut pages, 1);
        assert!(numbers.contains(&again));
    }
}
