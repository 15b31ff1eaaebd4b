//! Counter mode and cipher block chaining (GB/T 17964).

use super::block::{BLOCK_BYTES, RoundKeys, xor};
use super::engine::Engine;
use crate::CryptoError;
use crate::kernel::{self, Kernel};
use zeroize::Zeroize;

fn round_keys(key: &[u8; 16]) -> RoundKeys {
    RoundKeys::new(Engine::of(kernel::selected()), key)
}

/// A single block under the key; for many, use a mode.
pub fn encrypt_block(key: &[u8; 16], block: &[u8; 16]) -> [u8; 16] {
    let mut blocks = [*block];
    round_keys(key).apply(&mut blocks);
    blocks[0]
}

/// Encrypts or decrypts in place with the key stream E(counter), E(counter + 1), …; the counter is 128 bits, big-endian.
pub fn ctr(key: &[u8; 16], counter: &[u8; 16], data: &mut [u8]) {
    ctr_with(kernel::selected(), key, counter, data);
}

/// [`ctr`] by a given kernel: the widest form that it allows and the processor has.
pub fn ctr_with(kernel: Kernel, key: &[u8; 16], counter: &[u8; 16], data: &mut [u8]) {
    RoundKeys::new(Engine::of(kernel), key).xor_stream(u128::from_be_bytes(*counter), data);
}

/// CBC with PKCS#7 padding. The caller brings a fresh random `iv`. Sequential: up to 4 µs a block; meant for key files.
pub fn cbc_encrypt(key: &[u8; 16], iv: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    let keys = round_keys(key);
    let padding = BLOCK_BYTES - plain.len() % BLOCK_BYTES;
    let mut out = Vec::with_capacity(plain.len() + padding);
    out.extend_from_slice(plain);
    out.resize(plain.len() + padding, padding as u8);
    let mut previous = *iv;
    for block in out.as_chunks_mut::<BLOCK_BYTES>().0 {
        xor(block, &previous);
        keys.apply(std::slice::from_mut(block));
        previous = *block;
    }
    out
}

/// Reverses [`cbc_encrypt`].
///
/// # Errors
/// `Decrypt` when the length is no positive multiple of 16 or the padding is wrong; which of both is not told.
pub fn cbc_decrypt(key: &[u8; 16], iv: &[u8; 16], cipher: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (blocks, rest) = cipher.as_chunks::<BLOCK_BYTES>();
    if blocks.is_empty() || !rest.is_empty() {
        return Err(CryptoError::Decrypt);
    }
    let mut plain = blocks.to_vec();
    round_keys(key).reversed().apply(&mut plain);
    for (block, previous) in plain.iter_mut().zip(std::iter::once(iv).chain(blocks)) {
        xor(block, previous);
    }
    let mut out = plain.into_flattened();
    let padding = out.last().copied().unwrap_or(0);
    let length = out.len().wrapping_sub(usize::from(padding));
    // All of the last block is looked at, whatever the padding says.
    let wrong = (1u8..)
        .zip(out.iter().rev().take(BLOCK_BYTES))
        .fold(0, |wrong, (position, byte)| {
            wrong | (u8::from(position <= padding).wrapping_neg() & (byte ^ padding))
        });
    if padding == 0 || usize::from(padding) > BLOCK_BYTES || wrong != 0 {
        out.zeroize();
        return Err(CryptoError::Decrypt);
    }
    out.truncate(length);
    Ok(out)
}
