//! A page: four levels of the tree. Its 16 slots hold what lies below, each an empty subtree, one leaf or a page.
//!
//! Subtrees are numbered as in a heap: 1 is the top, n has the children 2n and 2n + 1, slot s is number 16 + s. A page
//! is a head of fixed size and a block of units, packed in this order:
//!
//! | units | content |
//! |---|---|
//! | ⌈b / 8⌉ | numbers of the cached pages below, `u32` each, for the b slots that are pages |
//! | one an occupied slot | its hash |
//! | one a hashed node | its hash; nodes above one leaf alone, or none, are not hashed |
//! | two a leaf | key hash, value hash |

use std::sync::atomic::AtomicU64;

/// A page number that stands for none.
pub const NO_PAGE: u32 = u32::MAX;
/// The depth of a head that is not in use.
pub const VACANT: u8 = u8::MAX;

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

/// The nodes above a slot, as bits.
const fn nodes_above(at: u8) -> u16 {
    let number = 16 + at as u32;
    1 << (number >> 1) | 1 << (number >> 2) | 1 << (number >> 3) | 1 << (number >> 4)
}

/// Place and shape of a cached page.
#[derive(Debug)]
pub struct Head {
    /// The tick of the last operation that came by.
    pub used: AtomicU64,
    /// Address of the block.
    pub block: u32,
    /// The page above, `NO_PAGE` for the root and for a page that is not linked yet.
    pub parent: u32,
    /// Bit s: slot s is not empty.
    pub occupied: u16,
    /// Bit s: slot s is a leaf.
    pub leaves: u16,
    /// Bit n: subtree n < 16 is hashed.
    pub nodes: u16,
    /// Bit n: subtree n < 16 must be hashed again. Not zero for a page that changed.
    pub stale: u16,
    /// Units of the block.
    pub units: u8,
    hashes_at: u8,
    nodes_at: u8,
    leaves_at: u8,
    /// Steps from the root.
    pub depth: u8,
    /// The slot of the page above.
    pub slot: u8,
}

impl Head {
    /// The head of a page without leaves and without a block.
    pub const fn new(parent: u32, slot: u8, depth: u8, tick: u64) -> Self {
        Self {
            used: AtomicU64::new(tick),
            block: 0,
            parent,
            occupied: 0,
            leaves: 0,
            nodes: 0,
            stale: 0,
            units: 0,
            hashes_at: 0,
            nodes_at: 0,
            leaves_at: 0,
            depth,
            slot,
        }
    }

    /// Sets the shape; returns the units that a block of it takes.
    pub fn shape(&mut self, occupied: u16, leaves: u16) -> usize {
        self.occupied = occupied;
        self.leaves = leaves;
        self.nodes = hashed_nodes(occupied, leaves);
        let hashes_at = (occupied & !leaves).count_ones().div_ceil(8);
        let nodes_at = hashes_at + occupied.count_ones();
        let leaves_at = nodes_at + self.nodes.count_ones();
        self.hashes_at = hashes_at as u8;
        self.nodes_at = nodes_at as u8;
        self.leaves_at = leaves_at as u8;
        (leaves_at + 2 * leaves.count_ones()) as usize
    }

    /// The slots that are pages.
    pub const fn branches(&self) -> u16 {
        self.occupied & !self.leaves
    }

    /// Marks the nodes above a slot.
    pub const fn mark(&mut self, at: u8) {
        self.stale |= nodes_above(at);
    }

    /// Whether the page holds less than two leaves.
    pub const fn is_sparse(&self) -> bool {
        self.branches() == 0 && self.leaves & self.leaves.wrapping_sub(1) == 0
    }

    /// Place in the block of the hash of an occupied slot.
    pub const fn slot_place(&self, at: u8) -> usize {
        self.hashes_at as usize + rank(self.occupied, 1 << at)
    }

    /// Place of the hash of a hashed node.
    pub const fn node_place(&self, number: u8) -> usize {
        self.nodes_at as usize + rank(self.nodes, 1 << number)
    }

    /// Place of a leaf's key hash; its value hash is the next.
    pub const fn leaf_place(&self, at: u8) -> usize {
        self.leaves_at as usize + 2 * rank(self.leaves, 1 << at)
    }

    /// Place of the unit that holds the number of the page below a slot, and the place therein.
    pub const fn child_place(&self, at: u8) -> (usize, usize) {
        let rank = rank(self.branches(), 1 << at);
        (rank / 8, rank % 8)
    }

    /// Place of the first slot's hash; those of the other occupied slots follow.
    pub const fn slots_start(&self) -> usize {
        self.hashes_at as usize
    }

    /// Place of the first hashed node; the others follow.
    pub const fn nodes_start(&self) -> usize {
        self.nodes_at as usize
    }

    /// Place of the first leaf; the others follow.
    pub const fn leaves_start(&self) -> usize {
        self.leaves_at as usize
    }

    /// Place of the hash of subtree `number`: of the node, or of the only leaf below; `None` when nothing is below.
    pub const fn hash_place(&self, number: u8) -> Option<usize> {
        if number < 16 && self.nodes >> number & 1 == 1 {
            return Some(self.node_place(number));
        }
        let inside = self.occupied & SLOTS_BELOW[number as usize & 31];
        if inside == 0 {
            None
        } else {
            Some(self.slot_place(inside.trailing_zeros() as u8))
        }
    }

    /// The slot that holds the only leaf below subtree `number`.
    pub const fn lone_leaf(&self, number: u8) -> Option<u8> {
        let inside = self.occupied & SLOTS_BELOW[number as usize & 31];
        if inside.is_power_of_two() && inside & self.leaves != 0 {
            Some(inside.trailing_zeros() as u8)
        } else {
            None
        }
    }
}

/// Count of the bits of `mask` below `bit`.
const fn rank(mask: u16, bit: u16) -> usize {
    (mask & (bit - 1)).count_ones() as usize
}

/// The nodes with at least two leaves below.
const fn hashed_nodes(occupied: u16, leaves: u16) -> u16 {
    let mut some = (occupied as u32) << 16;
    let mut hashed = ((occupied & !leaves) as u32) << 16;
    let mut number = 15;
    while number > 0 {
        let below = some >> (2 * number) & 3;
        some |= ((below != 0) as u32) << number;
        hashed |= ((below == 3 || hashed >> (2 * number) & 3 != 0) as u32) << number;
        number -= 1;
    }
    hashed as u16
}

/// The positions of the set bits, ascending.
pub fn bits(mut mask: u16) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let lowest = mask.trailing_zeros() as u8;
        mask &= mask.checked_sub(1)?;
        Some(lowest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_tree::arena::{Arena, BLOCK_UNITS_MAX};

    #[test]
    fn every_shape_places_its_units_without_gap_or_overlap() {
        assert_eq!(size_of::<Head>(), 32);
        for shape in 0..=u16::MAX {
            // A second word from the first covers all kinds of mixtures.
            let leaves = shape & shape.rotate_left(5).wrapping_mul(0x9e37);
            let mut head = Head::new(NO_PAGE, 0, 0, 1);
            let units = head.shape(shape, leaves);
            assert!(Arena::rounded(units) <= BLOCK_UNITS_MAX);
            let mut places: Vec<usize> = bits(shape).map(|at| head.slot_place(at)).collect();
            places.extend(bits(head.nodes).map(|number| head.node_place(number)));
            places.extend(bits(leaves).flat_map(|at| [head.leaf_place(at), head.leaf_place(at) + 1]));
            let first = head.branches().count_ones().div_ceil(8) as usize;
            assert!(places.into_iter().eq(first..units), "{shape:04x} {leaves:04x}");
            for number in 1..16u8 {
                let inside = shape & SLOTS_BELOW[usize::from(number)];
                let hashed = inside.count_ones() > 1 || inside & !leaves != 0;
                assert_eq!(head.nodes >> number & 1 == 1, hashed);
                assert_eq!(head.lone_leaf(number).is_some(), inside != 0 && !hashed);
            }
        }
    }
}
