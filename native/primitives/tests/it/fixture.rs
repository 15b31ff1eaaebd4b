//! Fixed keys and small builders.

use hn_crypto::sm2::{SecretKey, generate};
use hn_primitives::{Batch, Name, TxBody, TxEntry, ValidatorSet, ZERO_HASH};
use std::sync::LazyLock;

/// Keys from fixed seeds.
pub static KEYS: LazyLock<Vec<SecretKey>> = LazyLock::new(|| (1..=8u8).map(|seed| generate(&[seed; 32])).collect());

/// Name of a literal.
pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The first `powers.len()` keys as a set, and for each index of the set its secret key.
pub fn validators(powers: &[u64]) -> (ValidatorSet, Vec<&'static SecretKey>) {
    let members: Vec<_> = KEYS
        .iter()
        .zip(powers)
        .map(|(key, power)| (key.public_key().to_bytes(), *power))
        .collect();
    let set = ValidatorSet::new(3, &members).unwrap();
    let of = |bytes: &[u8; 65]| KEYS.iter().find(|key| key.public_key().to_bytes() == *bytes).unwrap();
    let secrets = set.validators().iter().map(|validator| of(&validator.key)).collect();
    (set, secrets)
}

/// A signed transaction's encoding.
pub fn signed_tx(nonce: u64, payload: &[u8]) -> Vec<u8> {
    let body = TxBody {
        chain_id: [7; 32],
        sender: [8; 20],
        nonce,
        valid_until_height: 100,
        application: name("evidence"),
        action: name("preserve"),
        payload: payload.to_vec(),
    };
    body.sign(&KEYS[0]).encode()
}

/// A batch with a stand-in for the root, which decoding does not check.
pub fn batch(txs: &[Vec<u8>]) -> Batch {
    let root = |entries: &[TxEntry]| entries.last().map_or(ZERO_HASH, |entry| entry.tx_id);
    Batch::build([7; 32], [9; 20], 5, txs, root, |digest| KEYS[1].sign(digest)).unwrap()
}
