//! Signing and verifying, behind a trait so that the simulator can run a cheaper scheme through the same engine.

use std::sync::Arc;

use hn_crypto::sm2::{BatchItem, KeyCache, SecretKey, VerifyStatus, verify_batch};
use hn_primitives::Sig64;

/// A signature scheme. Signing must be deterministic: a replay reproduces the bytes.
pub trait Signatures: Send {
    /// Signature of this node's key; `None` when the node has no key.
    fn sign(&mut self, message: &[u8]) -> Option<Sig64>;

    /// One verdict an item, in order.
    fn verify(&mut self, items: &[BatchItem<'_>]) -> Vec<bool>;
}

/// SM2 with the tables of known keys.
pub struct Sm2Signatures {
    key: Option<SecretKey>,
    cache: Arc<KeyCache>,
}

impl Sm2Signatures {
    /// `cache` may be shared with the other engines and the pool of a process.
    pub fn new(key: Option<SecretKey>, cache: Arc<KeyCache>) -> Self {
        Self { key, cache }
    }
}

impl Signatures for Sm2Signatures {
    fn sign(&mut self, message: &[u8]) -> Option<Sig64> {
        self.key.as_ref().map(|key| key.sign(message))
    }

    fn verify(&mut self, items: &[BatchItem<'_>]) -> Vec<bool> {
        verify_batch(&self.cache, items)
            .into_iter()
            .map(|status| status == VerifyStatus::Valid)
            .collect()
    }
}
