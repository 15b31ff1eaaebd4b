//! SM3 (GB/T 32905-2016): streaming hash, domain-tagged hashes, batches, HMAC and key derivation.
//!
//! Which call for which work (all give the digests of the plain streaming hash; `out[i]` belongs to `messages[i]`):
//!
//! | work | call | compressions a message |
//! |---|---|---|
//! | one message | [`sm3`], [`Sm3`] | ⌈(n + 9) / 64⌉ |
//! | messages of mixed lengths | [`sm3_many`], [`sm3_batch`] | ⌈(n + 9) / 64⌉ |
//! | messages of one length N, contiguous `[[u8; N]]` | [`sm3_fixed`] | ⌈(N + 9) / 64⌉ |
//! | SM2's e = SM3(ZA ‖ 32-byte id), as `[[u8; 64]]` | [`sm3_fixed`] | 2, the second constant |
//! | tree nodes under a tag | [`TaggedHasher::hash_pairs`], [`TaggedHasher::hash_pairs_into`] | 2, the second constant |
//! | leaves of one length under a tag (32-byte ids) | [`TaggedHasher::hash_fixed`] | ⌈(N + 9) / 64⌉ (N ≤ 55: one) |
//! | keys, values, leaves of mixed lengths under a tag | [`TaggedHasher::hash_many`] | ⌈(n + 9) / 64⌉ |
//! | HMAC under 32-byte keys, one a message (nonces) | [`hmac_sm3_fixed`] | 4 + ⌊(N + 8) / 64⌋ |
//! | the same on one thread, on a chosen kernel | [`Lanes`] from a [`Midstate`] | the same |
//!
//! `sm3_*` and `TaggedHasher` cut large calls over the rayon pool; [`hmac_sm3_fixed`] and [`Lanes`] do not. None of
//! them allocates for a message; fill whole batches (16 messages and more a call), not single ones.

mod batch;
mod compress;
mod hmac;
#[cfg(test)]
mod lane_tests;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod stream;
mod tagged;

pub use batch::{sm3_batch, sm3_fixed, sm3_many};
pub use hmac::{HmacSm3, hmac_sm3, hmac_sm3_fixed, kdf, pbkdf2_hmac_sm3};
pub use lanes::{Lanes, Midstate};
pub use tagged::{TaggedHasher, tag_block};

use crate::kernel::{self, Kernel};
use compress::{IV, compress_blocks};
use std::slice;
use zeroize::Zeroize;

/// Bytes a compression takes.
pub const BLOCK_BYTES: usize = 64;
/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;

/// Streaming SM3. Messages are at most 2^61 − 1 bytes.
#[derive(Clone)]
pub struct Sm3 {
    state: [u32; 8],
    /// Bytes hashed so far, those in `buffer` included.
    length: u64,
    buffer: [u8; BLOCK_BYTES],
    /// Bytes waiting in `buffer`, always below 64.
    filled: usize,
}

impl Default for Sm3 {
    fn default() -> Self {
        Self::new()
    }
}

impl Sm3 {
    /// A hasher that has seen no byte.
    pub const fn new() -> Self {
        Self::from_midstate(IV, 0)
    }

    /// Continues from a chaining value after `bytes_len` bytes, which must be a multiple of 64.
    ///
    /// # Panics
    /// When `bytes_len` is not a multiple of 64: the value would be no SM3 state (a programming error).
    pub const fn from_midstate(state: [u32; 8], bytes_len: u64) -> Self {
        assert!(
            bytes_len.is_multiple_of(BLOCK_BYTES as u64),
            "midstate must end at a block border"
        );
        Self {
            state,
            length: bytes_len,
            buffer: [0; BLOCK_BYTES],
            filled: 0,
        }
    }

    /// Takes the next bytes of the message.
    pub fn update(&mut self, data: &[u8]) {
        self.update_on(kernel::selected(), data);
    }

    /// [`Self::update`] on a kernel that the processor has.
    fn update_on(&mut self, kernel: Kernel, data: &[u8]) {
        self.length = self.length.wrapping_add(data.len() as u64);
        let mut rest = data;
        if self.filled > 0 {
            let take = rest.len().min(BLOCK_BYTES - self.filled);
            let (head, tail) = rest.split_at(take);
            self.buffer[self.filled..self.filled + take].copy_from_slice(head);
            self.filled += take;
            rest = tail;
            if self.filled < BLOCK_BYTES {
                return;
            }
            compress_blocks(kernel, &mut self.state, slice::from_ref(&self.buffer));
            self.filled = 0;
        }
        let (blocks, tail) = rest.as_chunks::<BLOCK_BYTES>();
        compress_blocks(kernel, &mut self.state, blocks);
        self.buffer[..tail.len()].copy_from_slice(tail);
        self.filled = tail.len();
    }

    /// Pads and returns the digest (GB/T 32905 §5.2).
    pub fn finalize(mut self) -> [u8; DIGEST_BYTES] {
        let bits = self.length.wrapping_mul(8);
        let kernel = kernel::selected();
        self.buffer[self.filled] = 0x80;
        self.buffer[self.filled + 1..].fill(0);
        if self.filled >= BLOCK_BYTES - 8 {
            compress_blocks(kernel, &mut self.state, slice::from_ref(&self.buffer));
            self.buffer.fill(0);
        }
        self.buffer[BLOCK_BYTES - 8..].copy_from_slice(&bits.to_be_bytes());
        compress_blocks(kernel, &mut self.state, slice::from_ref(&self.buffer));
        digest_of(&self.state)
    }
}

impl Zeroize for Sm3 {
    fn zeroize(&mut self) {
        self.state.zeroize();
        self.buffer.zeroize();
        self.length.zeroize();
        self.filled.zeroize();
    }
}

/// The chaining value as big-endian bytes.
fn digest_of(state: &[u32; 8]) -> [u8; DIGEST_BYTES] {
    let mut out = [0; DIGEST_BYTES];
    for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    out
}

/// Digest of one message.
pub fn sm3(data: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sm3::new();
    hasher.update(data);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn update_in_any_split_equals_one_call() {
        let data: Vec<u8> = (0..300u32).map(|i| (i * 7 + 3) as u8).collect();
        for length in 0..data.len() {
            let whole = sm3(&data[..length]);
            for split in [0, 1, 31, 55, 56, 63, 64, 65, 119, 128, 200] {
                let split = split.min(length);
                let mut hasher = Sm3::new();
                hasher.update(&data[..split]);
                hasher.update(&data[split..length]);
                assert_eq!(hasher.finalize(), whole, "length {length} split {split}");
            }
        }
    }

    #[test]
    fn midstate_continues_the_message() {
        let data = [0x5a; 200];
        let mut head = Sm3::new();
        head.update(&data[..128]);
        let mut tail = Sm3::from_midstate(head.state, 128);
        tail.update(&data[128..]);
        assert_eq!(tail.finalize(), sm3(&data));
    }
}
