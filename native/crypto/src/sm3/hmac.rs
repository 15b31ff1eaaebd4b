//! HMAC-SM3 (GB/T 15852.2, RFC 2104 shape), PBKDF2 over it (RFC 8018 §5.2), and the KDF of GB/T 32918.4 §5.4.3.

use super::{BLOCK_BYTES, DIGEST_BYTES, Lanes, Sm3, sm3};
use crate::CryptoError;
use zeroize::{Zeroize, Zeroizing};

/// Streaming HMAC-SM3; the key's two chaining values are computed once, so clones are cheap. Zeroised on drop.
#[derive(Clone)]
pub struct HmacSm3 {
    inner: Sm3,
    outer: Sm3,
}

impl HmacSm3 {
    /// Keys of any length; longer than 64 bytes are hashed first.
    pub fn new(key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0u8; BLOCK_BYTES]);
        if key.len() > BLOCK_BYTES {
            let digest = Zeroizing::new(sm3(key));
            block[..DIGEST_BYTES].copy_from_slice(&*digest);
        } else {
            block[..key.len()].copy_from_slice(key);
        }
        let mut inner = Sm3::new();
        let mut outer = Sm3::new();
        block.iter_mut().for_each(|byte| *byte ^= 0x36);
        inner.update(&*block);
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5c);
        outer.update(&*block);
        Self { inner, outer }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }

    /// The 32-byte tag.
    pub fn finalize(self) -> [u8; DIGEST_BYTES] {
        let digest = Zeroizing::new(self.inner.clone().finalize());
        let mut outer = self.outer.clone();
        outer.update(&*digest);
        outer.finalize()
    }

    /// Tag of the parts joined, leaving `self` for the next message.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; DIGEST_BYTES] {
        let mut mac = self.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize()
    }
}

impl Drop for HmacSm3 {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// HMAC-SM3 of one message.
pub fn hmac_sm3(key: &[u8], data: &[u8]) -> [u8; DIGEST_BYTES] {
    HmacSm3::new(key).tag(&[data])
}

/// HMAC-SM3 of messages of one length, each under its own 32-byte key: deterministic nonces in bulk.
///
/// # Panics
/// When `keys`, `messages` and `out` differ in count.
pub fn hmac_sm3_fixed<const N: usize>(
    keys: &[[u8; DIGEST_BYTES]],
    messages: &[[u8; N]],
    out: &mut [[u8; DIGEST_BYTES]],
) {
    Lanes::selected().hmac_fixed(keys, messages, out);
}

/// Key derivation of SM2 encryption and key agreement: fills `out` with SM3(shared ‖ counter), counter from 1, 32 bits.
///
/// # Errors
/// `Bounds` when `out` is longer than 2^32 − 1 digests.
pub fn kdf(shared: &[u8], out: &mut [u8]) -> Result<(), CryptoError> {
    let blocks = out.len().div_ceil(DIGEST_BYTES) as u64;
    bounded("kdf blocks", blocks, 0, u64::from(u32::MAX))?;
    let mut base = Sm3::new();
    base.update(shared);
    for (counter, chunk) in (1u32..).zip(out.chunks_mut(DIGEST_BYTES)) {
        let mut hasher = base.clone();
        hasher.update(&counter.to_be_bytes());
        let digest = Zeroizing::new(hasher.finalize());
        chunk.copy_from_slice(&digest[..chunk.len()]);
    }
    base.zeroize();
    Ok(())
}

/// PBKDF2-HMAC-SM3: fills `out`. Cost: `rounds` × 4 compressions for each 32 bytes.
///
/// # Errors
/// `Bounds` when `rounds` is 0 or `out` is longer than 2^32 − 1 digests.
pub fn pbkdf2_hmac_sm3(pass: &[u8], salt: &[u8], rounds: u32, out: &mut [u8]) -> Result<(), CryptoError> {
    bounded("pbkdf2 rounds", u64::from(rounds), 1, u64::from(u32::MAX))?;
    bounded(
        "pbkdf2 blocks",
        out.len().div_ceil(DIGEST_BYTES) as u64,
        0,
        u64::from(u32::MAX),
    )?;
    let mac = HmacSm3::new(pass);
    for (index, chunk) in (1u32..).zip(out.chunks_mut(DIGEST_BYTES)) {
        let mut u = Zeroizing::new(mac.tag(&[salt, &index.to_be_bytes()]));
        let mut total = u.clone();
        for _ in 1..rounds {
            *u = mac.tag(&[&*u]);
            total.iter_mut().zip(u.iter()).for_each(|(a, b)| *a ^= b);
        }
        chunk.copy_from_slice(&total[..chunk.len()]);
    }
    Ok(())
}

fn bounded(what: &'static str, got: u64, min: u64, max: u64) -> Result<(), CryptoError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(CryptoError::Bounds { what, got, min, max })
    }
}
