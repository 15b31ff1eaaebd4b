//! Signing (GB/T 32918.2 §6.1) with a deterministic nonce: RFC 6979 §3.2 over HMAC-SM3, key = d, h1 = e mod n.
//! Nothing branches on or indexes memory with d or k; a rejected candidate (probability 2^−32) reveals only itself.

use super::comb::sign_table;
use super::key::SecretKey;
use super::scalar::Scalar;
use crate::sm3::HmacSm3;
use rayon::prelude::*;
use zeroize::Zeroizing;

/// Messages a rayon task signs at least.
const PARALLEL_COUNT_MIN: usize = 16;

/// The candidates for k, in the order of RFC 6979 §3.2.
struct NonceStream {
    mac: HmacSm3,
    v: Zeroizing<[u8; 32]>,
    fresh: bool,
}

impl NonceStream {
    fn new(secret: &[u8; 32], e: &[u8; 32]) -> Self {
        let h1 = Scalar::from_bytes_reduced(e).to_bytes();
        let mut v = Zeroizing::new([1u8; 32]);
        let mut mac = HmacSm3::new(&[0; 32]);
        for step in [0u8, 1] {
            let key = Zeroizing::new(mac.tag(&[&*v, &[step], secret, &h1]));
            mac = HmacSm3::new(&*key);
            *v = mac.tag(&[&*v]);
        }
        Self { mac, v, fresh: true }
    }

    /// The next candidate in [1, n−1].
    fn next(&mut self) -> Zeroizing<Scalar> {
        loop {
            if !self.fresh {
                let key = Zeroizing::new(self.mac.tag(&[&*self.v, &[0]]));
                self.mac = HmacSm3::new(&*key);
                *self.v = self.mac.tag(&[&*self.v]);
            }
            self.fresh = false;
            *self.v = self.mac.tag(&[&*self.v]);
            if let Some(k) = Scalar::from_bytes(&self.v).filter(|k| !k.is_zero()) {
                return Zeroizing::new(k);
            }
        }
    }
}

impl SecretKey {
    /// Signs SM3(ZA ‖ message) with the default ID; returns r ‖ s. The same input gives the same bytes.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.sign_digest(&self.public_key().digest(message))
    }

    /// Signs a digest e; returns r ‖ s. Constant time in the key.
    pub fn sign_digest(&self, e: &[u8; 32]) -> [u8; 64] {
        let mut nonces = NonceStream::new(&self.to_bytes(), e);
        loop {
            if let Some(signature) = self.sign_with_nonce(e, &nonces.next()) {
                return signature;
            }
        }
    }

    /// §6.1 steps A4–A6 for a given k; `None` when the standard asks for another k.
    pub(crate) fn sign_with_nonce(&self, e: &[u8; 32], k: &Scalar) -> Option<[u8; 64]> {
        let x1 = sign_table().multiply_secret(k).to_affine().x;
        let r = Scalar::from_bytes_reduced(e).add(&Scalar::from_words_reduced(&x1.to_words()));
        let sum = Zeroizing::new(r.add(k));
        // s = (1+d)⁻¹·(k − r·d) = (1+d)⁻¹·(k + r) − r.
        let s = self.factor().mul(&sum).sub(&r);
        if r.is_zero() || sum.is_zero() || s.is_zero() {
            return None;
        }
        let mut out = [0; 64];
        out[..32].copy_from_slice(&r.to_bytes());
        out[32..].copy_from_slice(&s.to_bytes());
        Some(out)
    }
}

/// Signatures of many messages by one key, in their order; large batches use the rayon pool.
pub fn sign_batch(key: &SecretKey, messages: &[&[u8]]) -> Vec<[u8; 64]> {
    messages
        .par_iter()
        .with_min_len(PARALLEL_COUNT_MIN)
        .map(|message| key.sign(message))
        .collect()
}
