//! Round keys of SM4 (GB/T 32907-2016) and the portable block function on bit planes: 64 blocks at a time, in constant
//! time. A rotation is a renaming of planes.

use super::engine::Engine;
use super::sbox::{substitute, substitute_word};
#[cfg(target_arch = "x86_64")]
use super::{aes, gfni};
use zeroize::Zeroize;

/// Bytes of a block, a key and an initial value.
pub const BLOCK_BYTES: usize = 16;
/// Blocks that one portable pass handles.
const LANES: usize = 64;
/// Blocks that [`RoundKeys::first_pass`] makes at most.
pub(super) const FIRST_BLOCKS_MAX: usize = LANES;

/// System parameter FK.
pub(super) const FK: [u32; 4] = [0xa3b1_bac6, 0x56aa_3350, 0x677d_9197, 0xb270_22dc];

/// Constant CK of a round: bytes (4i + j)·7 mod 256.
pub(super) const fn ck(round: u32) -> u32 {
    let b = 28 * round;
    u32::from_be_bytes([b as u8, (b + 7) as u8, (b + 14) as u8, (b + 21) as u8])
}

/// One 32-bit word of each lane: plane i holds bit i.
type Word = [u64; 32];

/// Round keys and the form of the block function that uses them. Zeroised on drop.
pub(super) struct RoundKeys {
    words: [u32; 32],
    engine: Engine,
}

impl RoundKeys {
    /// Key schedule (§7.3).
    pub(super) fn new(engine: Engine, key: &[u8; BLOCK_BYTES]) -> Self {
        let words = match engine {
            Engine::Portable => key_schedule(key),
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes => unsafe { aes::key_schedule(key) },
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni => unsafe { gfni::key_schedule(key) },
        };
        Self { words, engine }
    }

    /// The same keys in the order of decryption.
    pub(super) fn reversed(mut self) -> Self {
        self.words.reverse();
        self
    }

    /// Replaces blocks by their images.
    pub(super) fn apply(&self, blocks: &mut [[u8; BLOCK_BYTES]]) {
        match self.engine {
            Engine::Portable => {
                for chunk in blocks.chunks_mut(LANES) {
                    apply_lanes(&self.words, chunk);
                }
            }
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes => unsafe { aes::apply(&self.words, blocks) },
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni => unsafe { gfni::apply(&self.words, blocks) },
        }
    }

    /// E(0), E(nonce ‖ 1), E(nonce ‖ 2), … in one pass, each as its bytes in memory order; returns how many.
    pub(super) fn first_pass(&self, nonce: &[u8; 12], out: &mut [u128; FIRST_BLOCKS_MAX]) -> usize {
        match self.engine {
            Engine::Portable => {
                let mut blocks = [[0; BLOCK_BYTES]; LANES];
                for (count, block) in (1u32..).zip(blocks.iter_mut().skip(1)) {
                    block[..12].copy_from_slice(nonce);
                    block[12..].copy_from_slice(&count.to_be_bytes());
                }
                apply_lanes(&self.words, &mut blocks);
                *out = blocks.map(u128::from_ne_bytes);
                blocks.zeroize();
                LANES
            }
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes => unsafe { aes::first_pass(&self.words, nonce, out) },
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni => unsafe { gfni::first_pass(&self.words, nonce, out) },
        }
    }

    /// data ^= E(counter) ‖ E(counter + 1) ‖ …; the counter is 128 bits and may come round.
    pub(super) fn xor_stream(&self, counter: u128, data: &mut [u8]) {
        match self.engine {
            Engine::Portable => {
                let mut next = counter;
                for chunk in data.chunks_mut(LANES * BLOCK_BYTES) {
                    let mut stream = [[0; BLOCK_BYTES]; LANES];
                    let used = &mut stream[..chunk.len().div_ceil(BLOCK_BYTES)];
                    for block in used.iter_mut() {
                        *block = next.to_be_bytes();
                        next = next.wrapping_add(1);
                    }
                    apply_lanes(&self.words, used);
                    xor(chunk, stream.as_flattened());
                    stream.zeroize();
                }
            }
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Aes => unsafe { aes::xor_stream(&self.words, counter, data) },
            // SAFETY: `Engine::of` returns this form only where its instructions exist.
            #[cfg(target_arch = "x86_64")]
            Engine::Gfni => unsafe { gfni::xor_stream(&self.words, counter, data) },
        }
    }
}

/// data ^= mask, as far as data reaches.
pub(super) fn xor(data: &mut [u8], mask: &[u8]) {
    for (byte, mask) in data.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn key_schedule(key: &[u8; BLOCK_BYTES]) -> [u32; 32] {
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
    keys
}

/// The block function on up to 64 blocks.
fn apply_lanes(keys: &[u32; 32], blocks: &mut [[u8; BLOCK_BYTES]]) {
    let [mut x0, mut x1] = load(blocks, 0);
    let [mut x2, mut x3] = load(blocks, 1);
    for keys in keys.as_chunks::<4>().0 {
        round(&mut x0, &x1, &x2, &x3, keys[0]);
        round(&mut x1, &x2, &x3, &x0, keys[1]);
        round(&mut x2, &x3, &x0, &x1, keys[2]);
        round(&mut x3, &x0, &x1, &x2, keys[3]);
    }
    // The output is X35, X34, X33, X32 (§7.1).
    store(blocks, 0, &x3, &x2);
    store(blocks, 1, &x1, &x0);
}

impl Drop for RoundKeys {
    fn drop(&mut self) {
        self.words.zeroize();
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
        let keys = RoundKeys::new(Engine::Portable, &[7; 16]);
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
