//! Chaining values in lanes, and what a vector kernel does with them.

use super::super::compress::expand;
use super::super::{BLOCK_BYTES, DIGEST_BYTES, digest_of};
use zeroize::{Zeroize, optimization_barrier};

/// Chaining values, word by word: `words[i][lane]`.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(in crate::sm3) struct States<const L: usize> {
    pub words: [[u32; L]; 8],
}

impl<const L: usize> States<L> {
    /// Every lane at the same chaining value.
    pub fn all(words: &[u32; 8]) -> Self {
        Self {
            words: words.map(|word| [word; L]),
        }
    }

    /// Starts one lane anew.
    pub fn set(&mut self, lane: usize, words: &[u32; 8]) {
        for (row, word) in self.words.iter_mut().zip(words) {
            row[lane] = *word;
        }
    }

    /// The chaining value of one lane.
    pub fn get(&self, lane: usize) -> [u32; 8] {
        self.words.map(|row| row[lane])
    }
}

/// A block that is the same in every lane, expanded once: the padding behind a whole number of blocks.
pub(in crate::sm3) struct Expanded {
    /// W_0..W_68.
    pub w: [u32; 68],
    /// W'_j = W_j ^ W_{j+4}.
    pub w1: [u32; 64],
}

impl Expanded {
    /// Expands a block.
    pub const fn new(block: &[u8; BLOCK_BYTES]) -> Self {
        let w = expand(block);
        let mut w1 = [0; 64];
        let mut j = 0;
        while j < 64 {
            w1[j] = w[j] ^ w[j + 4];
            j += 1;
        }
        Self { w, w1 }
    }
}

/// A kernel of `L` lanes. A value of an implementing type exists only where the processor has the instructions.
pub(super) trait Core<const L: usize>: Copy {
    /// Compresses the first `count` blocks of each run into its lane.
    ///
    /// Panics when a run is shorter: the caller counted wrong.
    fn compress(self, states: &mut States<L>, runs: &[&[[u8; BLOCK_BYTES]]; L], count: usize);

    /// Compresses one expanded block into every lane of one or two groups.
    fn compress_expanded(self, states: &mut States<L>, second: Option<&mut States<L>>, block: &Expanded);

    /// The digests of all lanes.
    fn digests(self, states: &States<L>) -> [[u8; DIGEST_BYTES]; L] {
        let mut out = [[0; DIGEST_BYTES]; L];
        for (lane, out) in out.iter_mut().enumerate() {
            *out = digest_of(&states.get(lane));
        }
        out
    }
}

impl<const L: usize> Zeroize for States<L> {
    fn zeroize(&mut self) {
        // One wide store a row instead of a volatile one a word; the barrier keeps it.
        self.words.as_flattened_mut().fill(0);
        optimization_barrier(&self.words);
    }
}
