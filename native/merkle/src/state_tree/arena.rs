//! Memory of the cached pages: blocks of 32-byte units, cut from large chunks and used again when freed.

use hn_primitives::{Hash32, ZERO_HASH};

/// Units of a chunk: 2 MiB. The first chunk grows as needed, so that a small tree stays small.
const CHUNK_BITS: u32 = 16;
const CHUNK_UNITS: usize = 1 << CHUNK_BITS;
/// Blocks are multiples of this: a cache line.
const STEP: usize = 2;
/// Units of the largest block.
pub const BLOCK_UNITS_MAX: usize = 66;
const CLASSES: usize = BLOCK_UNITS_MAX / STEP + 1;

/// A hash, aligned so that none lies across two cache lines.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub struct Unit(pub Hash32);

/// The blocks. An address is the number of a unit.
#[derive(Debug)]
pub struct Arena {
    chunks: Vec<Vec<Unit>>,
    /// Addresses of freed blocks by their size in steps.
    free: [Vec<u32>; CLASSES],
    free_units: usize,
}

impl Arena {
    pub fn new() -> Self {
        Self {
            chunks: vec![Vec::new()],
            free: std::array::from_fn(|_| Vec::new()),
            free_units: 0,
        }
    }

    /// The size of a block that holds `units`.
    pub const fn rounded(units: usize) -> usize {
        units.next_multiple_of(STEP)
    }

    /// Units in chunks.
    pub fn units(&self) -> usize {
        (self.chunks.len() - 1) * CHUNK_UNITS + self.last_len()
    }

    /// Units in freed blocks.
    pub const fn free_units(&self) -> usize {
        self.free_units
    }

    fn last_len(&self) -> usize {
        self.chunks.last().map_or(0, Vec::len)
    }

    /// A block of `units` (rounded, at most `BLOCK_UNITS_MAX`) with any content.
    pub fn take(&mut self, units: usize) -> u32 {
        let class = units / STEP;
        if let Some(at) = self.free[class].pop() {
            self.free_units -= units;
            return at;
        }
        // Cut larger blocks only when much lies idle: fresh memory keeps the classes apart.
        if self.free_units > self.units() / 4 {
            for larger in class + 1..CLASSES {
                if let Some(at) = self.free[larger].pop() {
                    self.free_units -= larger * STEP;
                    self.give(at + units as u32, larger * STEP - units);
                    return at;
                }
            }
        }
        let used = self.last_len();
        if used + units > CHUNK_UNITS {
            let rest = CHUNK_UNITS - used;
            let at = self.grow(rest);
            if rest > 0 {
                self.give(at, rest);
            }
            self.chunks.push(Vec::with_capacity(CHUNK_UNITS));
        }
        self.grow(units)
    }

    /// Appends units to the last chunk, which must have room.
    fn grow(&mut self, units: usize) -> u32 {
        let chunk = self.chunks.len() - 1;
        let used = self.chunks[chunk].len();
        self.chunks[chunk].resize(used + units, Unit(ZERO_HASH));
        ((chunk << CHUNK_BITS) | used) as u32
    }

    /// Takes back a block of `units`.
    pub fn give(&mut self, at: u32, units: usize) {
        self.free_units += units;
        self.free[units / STEP].push(at);
    }

    /// The first `units` of a block.
    pub fn block(&self, at: u32, units: usize) -> &[Unit] {
        let from = at as usize % CHUNK_UNITS;
        &self.chunks[(at >> CHUNK_BITS) as usize][from..from + units]
    }

    /// As [`Arena::block`], to change.
    pub fn block_mut(&mut self, at: u32, units: usize) -> &mut [Unit] {
        let from = at as usize % CHUNK_UNITS;
        &mut self.chunks[(at >> CHUNK_BITS) as usize][from..from + units]
    }

    /// One unit.
    pub fn unit_mut(&mut self, at: u32) -> &mut Hash32 {
        &mut self.chunks[(at >> CHUNK_BITS) as usize][at as usize % CHUNK_UNITS].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_never_overlap_and_freed_ones_come_back() {
        let mut arena = Arena::new();
        let mut held: Vec<(u32, usize, u8)> = Vec::new();
        let mut state = 7u32;
        for round in 0..60_000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let roll = (state >> 16) as usize;
            // Grows, then shrinks to nothing twice.
            if (round / 15_000).is_multiple_of(2) || held.is_empty() {
                let units = Arena::rounded(1 + roll % BLOCK_UNITS_MAX);
                let at = arena.take(units);
                let mark = roll as u8;
                arena.block_mut(at, units).fill(Unit([mark; 32]));
                held.push((at, units, mark));
            } else {
                let (at, units, mark) = held.swap_remove(roll % held.len());
                assert!(arena.block(at, units).iter().all(|unit| unit.0 == [mark; 32]));
                arena.give(at, units);
            }
        }
        let in_use: usize = held.iter().map(|(_, units, _)| units).sum();
        assert_eq!(arena.units(), in_use + arena.free_units());
        assert!(
            held.iter()
                .all(|(at, units, mark)| { arena.block(*at, *units).iter().all(|unit| unit.0 == [*mark; 32]) })
        );
    }
}
