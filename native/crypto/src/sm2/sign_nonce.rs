//! Nonces of signatures: RFC 6979 §3.2 over HMAC-SM3 with key = d and h1 = e mod n, one at a time or in lanes.

use super::scalar::Scalar;
use crate::sm3::{BLOCK_BYTES, DIGEST_BYTES, HmacSm3, Lanes, Midstate};
use zeroize::{Zeroizing, optimization_barrier};

/// The candidates for k of one signature, in their order.
pub(super) struct NonceStream {
    mac: HmacSm3,
    v: Zeroizing<[u8; 32]>,
    fresh: bool,
}

impl NonceStream {
    pub(super) fn new(secret: &[u8; 32], e: &[u8; 32]) -> Self {
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
    pub(super) fn next(&mut self) -> Zeroizing<Scalar> {
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

/// HMAC-SM3 of messages of one length, each under its own key. M is 64 + the length of a message: `messages` come with 64
/// bytes of room in front. Cost: ⌈(M + 9) / 64⌉ + 2 compressions each.
pub(super) fn hmac_rows<const M: usize>(
    lanes: Lanes,
    keys: &Rows<DIGEST_BYTES>,
    messages: &mut Rows<M>,
) -> Rows<DIGEST_BYTES> {
    let mut inner = Rows::<DIGEST_BYTES>::zeros(keys.0.len());
    for (message, key) in messages.0.iter_mut().zip(&keys.0) {
        write_pad(message, key, 0x36);
    }
    lanes.hash_fixed(&Midstate::START, &messages.0, &mut inner.0);
    let mut outer = Rows::<{ BLOCK_BYTES + DIGEST_BYTES }>::zeros(keys.0.len());
    for ((message, key), digest) in outer.0.iter_mut().zip(&keys.0).zip(&inner.0) {
        write_pad(message, key, 0x5c);
        message[BLOCK_BYTES..].copy_from_slice(digest);
    }
    lanes.hash_fixed(&Midstate::START, &outer.0, &mut inner.0);
    inner
}

/// The first block of an HMAC hash: the key, filled up with zeros, and the pad.
fn write_pad(message: &mut [u8], key: &[u8; DIGEST_BYTES], pad: u8) {
    for (byte, key) in message.iter_mut().zip(key) {
        *byte = key ^ pad;
    }
    if let Some(rest) = message.get_mut(DIGEST_BYTES..BLOCK_BYTES) {
        rest.fill(pad);
    }
}

/// The first candidate for k of each (d, e), as [`NonceStream`] finds them. 19 compressions each, in lanes.
pub(super) fn first_candidates<'a>(
    lanes: Lanes,
    jobs: impl ExactSizeIterator<Item = (&'a Scalar, &'a [u8; 32])>,
) -> Rows<DIGEST_BYTES> {
    /// V ‖ step ‖ d ‖ h1.
    const SEED_BYTES: usize = 3 * DIGEST_BYTES + 1;
    let count = jobs.len();
    let mut seeds = Rows::<{ BLOCK_BYTES + SEED_BYTES }>::zeros(count);
    for (seed, (d, e)) in seeds.0.iter_mut().zip(jobs) {
        let seed = &mut seed[BLOCK_BYTES..];
        seed[..32].fill(1);
        seed[33..65].copy_from_slice(&*Zeroizing::new(d.to_bytes()));
        seed[65..].copy_from_slice(&Scalar::from_bytes_reduced(e).to_bytes());
    }
    let mut v = Rows::<{ BLOCK_BYTES + DIGEST_BYTES }>::zeros(count);
    v.0.iter_mut().for_each(|v| v[BLOCK_BYTES..].fill(1));
    let mut key = hmac_rows(lanes, &Rows::zeros(count), &mut seeds);
    let mut next = hmac_rows(lanes, &key, &mut v);
    put(&mut v, &next);
    for (seed, v) in seeds.0.iter_mut().zip(&v.0) {
        seed[BLOCK_BYTES..BLOCK_BYTES + 32].copy_from_slice(&v[BLOCK_BYTES..]);
        seed[BLOCK_BYTES + 32] = 1;
    }
    key = hmac_rows(lanes, &key, &mut seeds);
    next = hmac_rows(lanes, &key, &mut v);
    put(&mut v, &next);
    hmac_rows(lanes, &key, &mut v)
}

/// Sets the messages behind their room to `digests`.
fn put(messages: &mut Rows<{ BLOCK_BYTES + DIGEST_BYTES }>, digests: &Rows<DIGEST_BYTES>) {
    for (message, digest) in messages.0.iter_mut().zip(&digests.0) {
        message[BLOCK_BYTES..].copy_from_slice(digest);
    }
}
