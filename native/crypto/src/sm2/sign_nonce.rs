//! Nonces of signatures: RFC 6979 §3.2 over HMAC-SM3 with key = d and h1 = e mod n.

use super::scalar::Scalar;
use crate::sm3::HmacSm3;
use zeroize::Zeroizing;

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
