//! The identities of a simulation, and a signature scheme that costs nanoseconds.

use std::sync::OnceLock;

use hn_consensus::Signatures;
use hn_crypto::sm2::{BatchItem, PublicKey, generate};
use hn_primitives::{Account, Sig64, account_of};

use crate::random::{fold, mix};

/// Identities that exist; a scenario uses the first ones.
pub(crate) const IDENTITIES_MAX: usize = 11;

/// One identity: a real SM2 key, so that sets and accounts are real too.
pub(crate) struct Identity {
    pub secret: [u8; 32],
    pub public: PublicKey,
    pub account: Account,
}

/// The identities, made once a process.
pub(crate) fn identities() -> &'static [Identity] {
    static IDENTITIES: OnceLock<Vec<Identity>> = OnceLock::new();
    IDENTITIES.get_or_init(|| {
        (0..IDENTITIES_MAX)
            .map(|index| {
                let key = generate(&[index as u8 + 1; 32]);
                let public = key.public_key().clone();
                Identity {
                    secret: *key.to_bytes(),
                    account: account_of(&public),
                    public,
                }
            })
            .collect()
    })
}

/// A keyed hash in the place of SM2: deterministic, distinct for every (key, message), not secure.
pub(crate) struct KeyedHash {
    key: Option<u64>,
}

impl KeyedHash {
    pub(crate) fn new(public: Option<&PublicKey>) -> Self {
        Self {
            key: public.map(key_of),
        }
    }
}

/// Signature of the holder of `public` in the cheap scheme.
pub(crate) fn sign_cheap(public: &PublicKey, message: &[u8]) -> Sig64 {
    expand(fold(key_of(public), message))
}

fn key_of(public: &PublicKey) -> u64 {
    fold(0x5eed, public.as_bytes())
}

fn expand(digest: u64) -> Sig64 {
    let mut out = [0; 64];
    for (index, chunk) in out.chunks_exact_mut(8).enumerate() {
        chunk.copy_from_slice(&mix(digest.wrapping_add(index as u64)).to_be_bytes());
    }
    out
}

impl Signatures for KeyedHash {
    fn sign(&mut self, message: &[u8]) -> Option<Sig64> {
        self.key.map(|key| expand(fold(key, message)))
    }

    fn verify(&mut self, items: &[BatchItem<'_>]) -> Vec<bool> {
        items
            .iter()
            .map(|(key, message, signature)| sign_cheap(key, message) == **signature)
            .collect()
    }
}
