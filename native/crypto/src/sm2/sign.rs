//! Signing (GB/T 32918.2 §6.1) with a deterministic nonce. Nothing branches on or indexes memory with d or k; a rejected
//! candidate (probability 2^−32) reveals only itself.

use super::comb::sign_table;
use super::key::SecretKey;
use super::scalar::Scalar;
use super::sign_nonce::NonceStream;
#[cfg(target_arch = "x86_64")]
use super::{ifma::secret::multiples_of_g, sign_rows::first_candidates};
use crate::kernel::{self, Kernel};
use crate::sm3::Lanes;
use rayon::prelude::*;
use zeroize::Zeroizing;

/// Signatures that a rayon task makes at least and at most: enough to share an inversion, few enough for the caches.
const PART_COUNT_MIN: usize = 64;
const PART_COUNT_MAX: usize = 512;

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
        self.sign_with_point(e, k, &x1.to_words())
    }

    /// Steps A5 and A6 for k and the x of k·G.
    fn sign_with_point(&self, e: &[u8; 32], k: &Scalar, x1: &[u64; 4]) -> Option<[u8; 64]> {
        let r = Scalar::from_bytes_reduced(e).add(&Scalar::from_words_reduced(x1));
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

/// A signature to make: the key and the digest e.
pub type SignItem<'a> = (&'a SecretKey, [u8; 32]);

/// Signatures of many messages by one key, in their order and the same bytes as [`SecretKey::sign`]; large batches use the
/// rayon pool.
pub fn sign_batch(key: &SecretKey, messages: &[&[u8]]) -> Vec<[u8; 64]> {
    let items: Vec<SignItem<'_>> = key
        .public_key()
        .digests(messages)
        .into_iter()
        .map(|e| (key, e))
        .collect();
    sign_digests(&items)
}

/// Signatures of digests by keys of their own, in their order and the same bytes as [`SecretKey::sign_digest`]; large
/// batches use the rayon pool. Constant time in the keys.
pub fn sign_digests(items: &[SignItem<'_>]) -> Vec<[u8; 64]> {
    sign_digests_with(kernel::selected(), items)
}

/// [`sign_digests`] by a given kernel: the widest form that it allows and the processor has.
pub fn sign_digests_with(kernel: Kernel, items: &[SignItem<'_>]) -> Vec<[u8; 64]> {
    let part = part_count(items.len());
    if items.len() <= part {
        return sign_part(kernel, items);
    }
    items
        .par_chunks(part)
        .flat_map_iter(|items| sign_part(kernel, items))
        .collect()
}

/// Items a task: equal parts for all threads, whole groups of sixteen.
pub(super) fn part_count(count: usize) -> usize {
    count
        .div_ceil(rayon::current_num_threads())
        .next_multiple_of(16)
        .clamp(PART_COUNT_MIN, PART_COUNT_MAX)
}

fn sign_part(kernel: Kernel, items: &[SignItem<'_>]) -> Vec<[u8; 64]> {
    match (kernel, Lanes::on(kernel)) {
        #[cfg(target_arch = "x86_64")]
        (Kernel::Ifma, Ok(lanes)) => sign_lanes(lanes, items),
        _ => items.iter().map(|(key, e)| key.sign_digest(e)).collect(),
    }
}

/// All nonces, then all multiples of G, then the rest one by one. What the lanes cannot do (probability 2^−32: the first
/// candidate is refused) is signed alone, by the same rules. `lanes` must be those of the IFMA kernel.
#[cfg(target_arch = "x86_64")]
fn sign_lanes(lanes: Lanes, items: &[SignItem<'_>]) -> Vec<[u8; 64]> {
    let candidates = first_candidates(lanes, items.iter().map(|(key, e)| (key.secret(), e)));
    let mut nonces = Zeroizing::new(Vec::with_capacity(items.len()));
    // A refused candidate is replaced by 1, and its result is not used.
    nonces.extend(candidates.0.iter().map(|bytes| {
        Scalar::from_bytes(bytes)
            .filter(|k| !k.is_zero())
            .unwrap_or(Scalar::ONE)
    }));
    // SAFETY: lanes of the IFMA kernel exist only where its instructions do.
    let points = unsafe { multiples_of_g(&nonces) };
    let results = items.iter().zip(nonces.iter()).zip(&points);
    results
        .map(|(((key, e), k), point)| {
            let point = point.as_ref().filter(|_| *k != Scalar::ONE);
            point
                .and_then(|point| key.sign_with_point(e, k, &point.x))
                .unwrap_or_else(|| key.sign_digest(e))
        })
        .collect()
}
