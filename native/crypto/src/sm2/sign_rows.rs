//! The first nonce of many signatures, in lanes.

use super::scalar::Scalar;
use crate::sm3::{DIGEST_BYTES, Lanes};
use zeroize::{Zeroizing, optimization_barrier};

/// Rows of bytes that are overwritten when dropped.
pub(super) struct Rows<const N: usize>(pub(super) Vec<[u8; N]>);

impl<const N: usize> Rows<N> {
    pub(super) fn zeros(count: usize) -> Self {
        Self(vec![[0; N]; count])
    }
}

impl<const N: usize> Drop for Rows<N> {
    fn drop(&mut self) {
        self.0.as_flattened_mut().fill(0);
        // Keeps the compiler from dropping the write to memory that is about to be freed.
        optimization_barrier(self.0.as_slice());
    }
}

/// The first candidate for k of each (d, e), as [`super::sign_nonce::NonceStream`] finds them. 20 compressions each, in
/// lanes.
pub(super) fn first_candidates<'a>(
    lanes: Lanes,
    items: impl ExactSizeIterator<Item = (&'a Scalar, &'a [u8; 32])>,
) -> Rows<DIGEST_BYTES> {
    /// V ‖ step ‖ d ‖ h1.
    const SEED_BYTES: usize = 3 * DIGEST_BYTES + 1;
    let count = items.len();
    let mut seeds = Rows::<SEED_BYTES>::zeros(count);
    for (seed, (d, e)) in seeds.0.iter_mut().zip(items) {
        seed[..32].fill(1);
        seed[33..65].copy_from_slice(&*Zeroizing::new(d.to_bytes()));
        seed[65..].copy_from_slice(&Scalar::from_bytes_reduced(e).to_bytes());
    }
    // Two of each, since a call reads one and writes the other.
    let (mut key, mut next_key) = (Rows::zeros(count), Rows::zeros(count));
    let (mut v, mut next_v) = (Rows(vec![[1; DIGEST_BYTES]; count]), Rows::zeros(count));
    for step in [0, 1] {
        for (seed, v) in seeds.0.iter_mut().zip(&v.0) {
            seed[..32].copy_from_slice(v);
            seed[32] = step;
        }
        lanes.hmac_fixed(&key.0, &seeds.0, &mut next_key.0);
        lanes.hmac_fixed(&next_key.0, &v.0, &mut next_v.0);
        std::mem::swap(&mut key, &mut next_key);
        std::mem::swap(&mut v, &mut next_v);
    }
    lanes.hmac_fixed(&key.0, &v.0, &mut next_v.0);
    next_v
}
