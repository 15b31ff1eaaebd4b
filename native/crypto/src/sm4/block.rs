//! SM4 (GB/T 32907-2016) on bit planes: 64 blocks at a time, in constant time. A rotation is a renaming of planes.

use super::sbox::{substitute, substitute_word};
use zeroize::Zeroize;

/// Bytes of a block, a key and an initial value.
pub const BLOCK_BYTES: usize = 16;
/// Blocks that one pass handles.
pub(super) const LANES: usize = 64;

/// System parameter FK.
const FK: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];

/// Constant CK of a round: bytes (4i + j)·7 mod 256.
const fn ck(round: u32) -> u32 {
    let b = 28 * round;
    u32::from_be_bytes([b as u8, (b + 7) as u8, (b + 14) as u8, (b + 21) as u8])
}

/// One 32-bit word of each lane: plane i holds bit i.
type Word = [u64; 32];

/// Round keys. Zeroised on drop.
pub(super) struct RoundKeys([u32; 32]);

impl RoundKeys {
    /// Key schedule (§7.3).
    pub(super) fn new(key: &[u8; BLOCK_BYTES]) -> Self {
        let mut k = FK;
        for (word, bytes) in k.iter_mut().zip(key.as_chunks::<4>().0) {
            *word ^= u32::from_be_bytes(*bytes);
        }
        let mut keys = [0; 32];
        for (round, out) in (0u32..).zip(&mut keys) {
            let b = substitute_word(k[1] ^ k[2] ^ k[3] ^ ck(round));
            *out = k[0] ^ b ^ b.rotate_left(13) ^ b.rotate_left(23);
            k = [k[1], k[2], k[3], *out];
        }
        k.zeroize();
        Self(keys)
    }

    /// The same keys in the order of decryption.
    pub(super) fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }

    /// Replaces up to 64 blocks by their images.
    pub(super) fn apply(&self, blocks: &mut [[u8; BLOCK_BYTES]]) {
        for chunk in blocks.chunks_mut(LANES) {
            self.apply_lanes(chunk);
        }
    }

    fn apply_lanes(&self, blocks: &mut [[u8; BLOCK_BYTES]]) {
        let [mut x0, mut x1] = load(blocks, 0);
        let [mut x2, mut x3] = load(blocks, 1);
        for keys in self.0.as_chunks::<4>().0 {
            round(&mut x0, &x1, &x2, &x3, keys[0]);
            round(&mut x1, &x2, &x3, &x0, keys[1]);
            round(&mut x2, &x3, &x0, &x1, keys[2]);
            round(&mut x3, &x0, &x1, &x2, keys[3]);
        }
        // The output is X35, X34, X33, X32 (§7.1).
        store(blocks, 0, &x3, &x2);
        store(blocks, 1, &x1, &x0);
    }
}

impl Drop for RoundKeys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// x0 ^= L(S(x1 ^ x2 ^ x3 ^ key)).
#[inline(always)]
fn round(x0: &mut Word, x1: &Word, x2: &Word, x3: &Word, key: u32) {
    let mut b = [0; 32];
    for byte in 0..4 {
        let mut input = [0; 8];
        for (bit, plane) in input.iter_mut().enumerate() {
            let i = 8 * byte + bit;
            *plane = x1[i] ^ x2[i] ^ x3[i] ^ 0u64.wrapping_sub(u64::from(key >> i & 1));
        }
        b[8 * byte..8 * byte + 8].copy_from_slice(&substitute(&input));
    }
    for (i, plane) in x0.iter_mut().enumerate() {
        // Bit i of (b <<< k) is bit i − k of b.
        *plane ^= b[i] ^ b[(i + 30) % 32] ^ b[(i + 22) % 32] ^ b[(i + 14) % 32] ^ b[(i + 8) % 32];
    }
}

/// Words 2·half and 2·half + 1 of all lanes as planes; missing lanes are zero.
fn load(blocks: &[[u8; BLOCK_BYTES]], half: usize) -> [Word; 2] {
    let mut rows = [0; LANES];
    for (row, block) in rows.iter_mut().zip(blocks) {
        let (halves, _) = block.as_chunks::<8>();
        *row = halves.get(half).map_or(0, |bytes| u64::from_be_bytes(*bytes));
    }
    transpose(&mut rows);
    let mut words = [[0; 32]; 2];
    // The earlier word is the upper half of the big-endian 64 bits.
    words[0].copy_from_slice(&rows[32..]);
    words[1].copy_from_slice(&rows[..32]);
    words
}

/// The reverse of [`load`].
fn store(blocks: &mut [[u8; BLOCK_BYTES]], half: usize, first: &Word, second: &Word) {
    let mut rows = [0; LANES];
    rows[32..].copy_from_slice(first);
    rows[..32].copy_from_slice(second);
    transpose(&mut rows);
    for (row, block) in rows.iter().zip(blocks) {
        if let Some(bytes) = block.as_chunks_mut::<8>().0.get_mut(half) {
            *bytes = row.to_be_bytes();
        }
    }
}

/// Transposes a 64 × 64 bit matrix: bit i of row j becomes bit j of row i.
fn transpose(rows: &mut [u64; LANES]) {
    let mut width = 32;
    let mut mask = 0xffff_ffffu64;
    while width > 0 {
        let mut at = 0;
        while at < LANES {
            let swap = ((rows[at] >> width) ^ rows[at + width]) & mask;
            rows[at] ^= swap << width;
            rows[at + width] ^= swap;
            // The next row whose index has the bit `width` clear.
            at = (at + width + 1) & !width;
        }
        width /= 2;
        mask ^= mask << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transpose_moves_every_bit() {
        let source: [u64; 64] = std::array::from_fn(|i| (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut rows = source;
        transpose(&mut rows);
        for (i, row) in rows.iter().enumerate() {
            for (j, original) in source.iter().enumerate() {
                assert_eq!(row >> j & 1, original >> i & 1);
            }
        }
    }

    #[test]
    fn lanes_do_not_touch_each_other() {
        let keys = RoundKeys::new(&[7; 16]);
        for count in [1, 2, 63, 64, 65, 130] {
            let mut blocks: Vec<[u8; 16]> = (0..count).map(|i| [i as u8; 16]).collect();
            keys.apply(&mut blocks);
            for (i, block) in blocks.iter().enumerate() {
                let mut single = [[i as u8; 16]];
                keys.apply(&mut single);
                assert_eq!(*block, single[0]);
            }
        }
    }
}
