//! SM4-GCM (NIST SP 800-38D, RFC 8998): 96-bit nonces, 128-bit tags.

use super::block::{BLOCK_BYTES, LANES, RoundKeys};
use super::ghash::Ghash;
use super::modes::xor;
use crate::CryptoError;
use zeroize::Zeroize;

/// Bytes of the tag behind the cipher text.
pub const TAG_BYTES: usize = 16;
/// Longest plain text: the 32-bit block counter must not come round.
pub const PLAIN_BYTES_MAX: u64 = (1 << 36) - 32;

/// Encrypts and authenticates; returns cipher text ‖ tag. A nonce must never be used twice under one key.
///
/// # Panics
/// When `plain` is longer than [`PLAIN_BYTES_MAX`] (64 GiB): going on would repeat the key stream.
pub fn gcm_seal(key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
    assert!(
        plain.len() as u64 <= PLAIN_BYTES_MAX,
        "gcm plain text: got {} bytes",
        plain.len()
    );
    let mut out = Vec::with_capacity(plain.len() + TAG_BYTES);
    out.extend_from_slice(plain);
    let mut stream = Stream::new(key, nonce);
    stream.apply(&mut out);
    let tag = stream.tag(aad, &out);
    out.extend_from_slice(&tag);
    out
}

/// Checks and decrypts what [`gcm_seal`] returned. Nothing is decrypted before the tag is right.
///
/// # Errors
/// `Decrypt` when the input is shorter than a tag, too long, or the tag does not match.
pub fn gcm_open(key: &[u8; 16], nonce: &[u8; 12], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (cipher, tag) = sealed.split_last_chunk::<TAG_BYTES>().ok_or(CryptoError::Decrypt)?;
    if cipher.len() as u64 > PLAIN_BYTES_MAX {
        return Err(CryptoError::Decrypt);
    }
    let mut stream = Stream::new(key, nonce);
    let want = stream.tag(aad, cipher);
    let difference = want.iter().zip(tag).fold(0, |sum, (a, b)| sum | (a ^ b));
    if difference != 0 {
        return Err(CryptoError::Decrypt);
    }
    let mut out = cipher.to_vec();
    stream.apply(&mut out);
    Ok(out)
}

/// Key stream and tag of one message. The first pass of the block function yields the hash key E(0), the tag mask
/// E(J0) and the first 62 blocks of the stream.
struct Stream {
    keys: RoundKeys,
    nonce: [u8; 12],
    first: [[u8; BLOCK_BYTES]; LANES],
}

impl Stream {
    fn new(key: &[u8; 16], nonce: &[u8; 12]) -> Self {
        let keys = RoundKeys::new(key);
        let mut first = [[0; BLOCK_BYTES]; LANES];
        for (count, block) in (1u32..).zip(first.iter_mut().skip(1)) {
            *block = counter_block(nonce, count);
        }
        keys.apply(&mut first);
        Self {
            keys,
            nonce: *nonce,
            first,
        }
    }

    fn apply(&mut self, data: &mut [u8]) {
        let split = data.len().min((LANES - 2) * BLOCK_BYTES);
        let (head, tail) = data.split_at_mut(split);
        xor(head, self.first[2..].as_flattened());
        // Counters: J0 has 1, the stream starts at 2.
        let mut count = LANES as u32;
        for chunk in tail.chunks_mut(LANES * BLOCK_BYTES) {
            let mut stream = [[0; BLOCK_BYTES]; LANES];
            let used = &mut stream[..chunk.len().div_ceil(BLOCK_BYTES)];
            for block in used.iter_mut() {
                *block = counter_block(&self.nonce, count);
                count = count.wrapping_add(1);
            }
            self.keys.apply(used);
            xor(chunk, stream.as_flattened());
            stream.zeroize();
        }
    }

    fn tag(&self, aad: &[u8], cipher: &[u8]) -> [u8; TAG_BYTES] {
        let mut hash = Ghash::new(&self.first[0]);
        hash.update(aad);
        hash.update(cipher);
        let bits = |length: usize| (length as u64).wrapping_mul(8);
        hash.block(&(u128::from(bits(aad.len())) << 64 | u128::from(bits(cipher.len()))).to_be_bytes());
        let mut tag = hash.finish();
        xor(&mut tag, &self.first[1]);
        tag
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.first.zeroize();
    }
}

fn counter_block(nonce: &[u8; 12], count: u32) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    block[..12].copy_from_slice(nonce);
    block[12..].copy_from_slice(&count.to_be_bytes());
    block
}
