//! SM4-GCM (NIST SP 800-38D, RFC 8998): 96-bit nonces, 128-bit tags.

use super::block::{BLOCK_BYTES, FIRST_BLOCKS_MAX, RoundKeys, xor};
use super::engine::Engine;
use super::ghash::Ghash;
use crate::CryptoError;
use crate::kernel::{self, Kernel};
use zeroize::Zeroize;

/// Bytes of the tag behind the cipher text.
pub const TAG_BYTES: usize = 16;
/// Longest plain text: the 32-bit block counter must not come round.
pub const PLAIN_BYTES_MAX: u64 = (1 << 36) - 32;

/// Bytes that are encrypted and then hashed at once, so that the hash finds them in the first cache.
const STEP_BYTES: usize = 8 << 10;

/// Encrypts and authenticates; returns cipher text ‖ tag. A nonce must never be used twice under one key.
///
/// # Panics
/// When `plain` is longer than [`PLAIN_BYTES_MAX`] (64 GiB): going on would repeat the key stream.
pub fn gcm_seal(key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    gcm_seal_with(kernel::selected(), key, nonce, aad, plain)
}

/// [`gcm_seal`] by a given kernel: the widest form that it allows and the processor has.
///
/// # Panics
/// As [`gcm_seal`].
pub fn gcm_seal_with(kernel: Kernel, key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(plain.len() + TAG_BYTES);
    out.extend_from_slice(plain);
    let tag = gcm_seal_in_place(kernel, key, nonce, aad, &mut out);
    out.extend_from_slice(&tag);
    out
}

/// Encrypts in place and returns the tag.
///
/// # Panics
/// As [`gcm_seal`].
pub fn gcm_seal_in_place(
    kernel: Kernel,
    key: &[u8; 16],
    nonce: &[u8; 12],
    aad: &[u8],
    data: &mut [u8],
) -> [u8; TAG_BYTES] {
    assert!(
        data.len() as u64 <= PLAIN_BYTES_MAX,
        "gcm plain text: got {} bytes",
        data.len()
    );
    let mut message = Message::new(Engine::of(kernel), key, nonce, aad, data.len());
    let (head, tail) = data.split_at_mut(message.head_bytes(data.len()));
    message.xor_head(head);
    message.hash.update(head);
    let mut counter = message.tail_counter;
    for step in tail.chunks_mut(STEP_BYTES) {
        message.keys.xor_stream(counter, step);
        message.hash.update(step);
        counter = counter.wrapping_add((STEP_BYTES / BLOCK_BYTES) as u128);
    }
    message.tag(aad.len(), data.len())
}

/// Checks and decrypts what [`gcm_seal`] returned. Nothing is decrypted before the tag is right.
///
/// # Errors
/// `Decrypt` when the input is shorter than a tag, too long, or the tag does not match.
pub fn gcm_open(key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    gcm_open_with(kernel::selected(), key, nonce, aad, sealed)
}

/// [`gcm_open`] by a given kernel: the widest form that it allows and the processor has.
///
/// # Errors
/// As [`gcm_open`].
pub fn gcm_open_with(
    kernel: Kernel,
    key: &[u8; 16],
    nonce: &[u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let (cipher, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(CryptoError::Decrypt)?;
    let mut out = cipher.to_vec();
    gcm_open_in_place(kernel, key, nonce, aad, &mut out, tag)?;
    Ok(out)
}

/// Checks `tag` and decrypts in place. After an error `data` is the cipher text as it was.
///
/// # Errors
/// `Decrypt` when the input is too long or the tag does not match.
pub fn gcm_open_in_place(
    kernel: Kernel,
    key: &[u8; 16],
    nonce: &[u8; 12],
    aad: &[u8],
    data: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), CryptoError> {
    if data.len() as u64 > PLAIN_BYTES_MAX {
        return Err(CryptoError::Decrypt);
    }
    let mut message = Message::new(Engine::of(kernel), key, nonce, aad, data.len());
    let (head, tail) = data.split_at(message.head_bytes(data.len()));
    message.hash.update(head);
    message.hash.update(tail);
    let want = message.tag(aad.len(), data.len());
    let difference = want.iter().zip(tag).fold(0, |sum, (a, b)| sum | (a ^ b));
    if difference != 0 {
        return Err(CryptoError::Decrypt);
    }
    let (head, tail) = data.split_at_mut(message.head_bytes(data.len()));
    message.xor_head(head);
    message.keys.xor_stream(message.tail_counter, tail);
    Ok(())
}

/// One message: keys, hash that has taken the additional data, and what the first pass of the block function gave.
struct Message {
    keys: RoundKeys,
    hash: Ghash,
    /// Hash key E(0), tag mask E(J0), and the begin of the stream; in memory order.
    first: [u128; FIRST_BLOCKS_MAX],
    /// How many of `first` there are.
    count: usize,
    /// Counter block behind `first`.
    tail_counter: u128,
}

impl Message {
    fn new(engine: Engine, key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], bytes: usize) -> Self {
        let keys = RoundKeys::new(engine, key);
        let mut first = [0; FIRST_BLOCKS_MAX];
        let count = keys.first_pass(nonce, &mut first);
        let mut hash = Ghash::new(engine, &first[0].to_ne_bytes(), aad.len().max(bytes));
        hash.update(aad);
        let mut block = [0; BLOCK_BYTES];
        block[..12].copy_from_slice(nonce);
        Self {
            keys,
            hash,
            first,
            count,
            // J0 has counter 1 and stands at 1, so the stream goes on with `count`.
            tail_counter: u128::from_be_bytes(block) | count as u128,
        }
    }

    /// Bytes of a message of `bytes` bytes that the first pass covers.
    fn head_bytes(&self, bytes: usize) -> usize {
        bytes.min((self.count - 2) * BLOCK_BYTES)
    }

    fn xor_head(&self, head: &mut [u8]) {
        for (bytes, stream) in head.chunks_mut(BLOCK_BYTES).zip(&self.first[2..]) {
            xor(bytes, &stream.to_ne_bytes());
        }
    }

    /// The tag, once the cipher text has been hashed.
    fn tag(&mut self, aad_bytes: usize, bytes: usize) -> [u8; TAG_BYTES] {
        let bits = |length: usize| u128::from((length as u64).wrapping_mul(8));
        self.hash.update(&(bits(aad_bytes) << 64 | bits(bytes)).to_be_bytes());
        let mut tag = self.hash.finish();
        xor(&mut tag, &self.first[1].to_ne_bytes());
        tag
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        self.first[..self.count].zeroize();
    }
}
