//! Fields of SM2.

use crate::Plan;
use crate::clock::Clock;
use hn_crypto::kernel;
use hn_crypto::sm2::{
    BatchItem, KeyCache, PublicKey, SecretKey, SignItem, build_base_table, generate_batch, sign_digests, verify_batch,
    verify_batch_hinted, verify_single, verify_with_hint,
};
use hn_crypto::sm3::sm3;
use rayon::prelude::*;
use std::hint::black_box;

/// Signatures of a batch.
const BATCH: usize = 1_024;
/// Signatures of a bulk check.
const BULK: usize = 8_192;
/// Accounts that sign.
const KEYS: usize = 64;

/// Signed messages of some accounts, one after the other.
struct Signed {
    keys: Vec<PublicKey>,
    messages: Vec<[u8; 32]>,
    signatures: Vec<[u8; 64]>,
}

fn secrets(count: usize) -> Vec<SecretKey> {
    let seeds: Vec<[u8; 32]> = (0..count as u64).map(|i| sm3(&i.to_be_bytes())).collect();
    generate_batch(&seeds)
}

fn messages(count: usize) -> Vec<[u8; 32]> {
    (0..count as u64).map(|i| sm3(&(i | 1 << 40).to_be_bytes())).collect()
}

impl Signed {
    fn new(count: usize, key_count: usize) -> Self {
        let secrets = secrets(key_count);
        let messages = messages(count);
        let items: Vec<SignItem<'_>> = messages
            .iter()
            .zip(secrets.iter().cycle())
            .map(|(message, key)| (key, key.public_key().digest(message)))
            .collect();
        let signatures = sign_digests(&items);
        Self {
            keys: secrets.iter().map(|key| key.public_key().clone()).collect(),
            messages,
            signatures,
        }
    }

    fn items(&self) -> Vec<BatchItem<'_>> {
        let signed = self.messages.iter().zip(&self.signatures);
        signed
            .zip(self.keys.iter().cycle())
            .map(|((message, signature), key)| (key, &message[..], signature))
            .collect()
    }
}

/// Accounts whose tables are ready, batches of 1,024, hashing of the messages included.
pub fn verify_known_per_s(clock: &Clock, _: &Plan) -> f64 {
    let signed = Signed::new(BATCH, KEYS);
    let cache = KeyCache::default();
    cache.prepare(&signed.keys);
    let items = signed.items();
    clock.per_s(BATCH, || drop(black_box(verify_batch(&cache, black_box(&items)))))
}

/// As many keys as signatures, and no tables.
pub fn verify_unknown_per_s(clock: &Clock, _: &Plan) -> f64 {
    let signed = Signed::new(BATCH, BATCH);
    let cache = KeyCache::new(0);
    let items = signed.items();
    clock.per_s(BATCH, || drop(black_box(verify_batch(&cache, black_box(&items)))))
}

/// 8,192 signatures of 8,192 keys in one call, without tables, by the randomised batch; hashing of the messages
/// included. The hints (one bit a signature, from the first verification) are there beforehand.
pub fn verify_batch_unknown_per_s(clock: &Clock, _: &Plan) -> f64 {
    let signed = Signed::new(BULK, BULK);
    let items = signed.items();
    let hints: Vec<bool> = items
        .par_iter()
        .map(|(key, message, signature)| verify_with_hint(key, message, signature).1)
        .collect();
    clock.per_s(BULK, || drop(black_box(verify_batch_hinted(black_box(&items), &hints))))
}

/// The rule itself: one signature, no table, no vector.
pub fn verify_single_us(clock: &Clock, _: &Plan) -> f64 {
    let signed = Signed::new(KEYS, KEYS);
    let items = signed.items();
    let seconds = clock.best_s(|| {
        for (key, message, signature) in &items {
            black_box(verify_single(key, message, signature));
        }
    });
    1e6 * seconds / items.len() as f64
}

/// Batches of 1,024 by as many accounts as a load generator has.
pub fn sign_per_s(clock: &Clock, _: &Plan) -> f64 {
    let secrets = secrets(KEYS);
    let digests = messages(BATCH);
    let items: Vec<SignItem<'_>> = secrets.iter().cycle().zip(digests).collect();
    clock.per_s(BATCH, || drop(black_box(sign_digests(black_box(&items)))))
}

/// One signature at a time, as a vote is signed.
pub fn sign_single_us(clock: &Clock, _: &Plan) -> f64 {
    let secrets = secrets(1);
    let digests = messages(16);
    let seconds = clock.best_s(|| {
        for (key, e) in secrets.iter().cycle().zip(&digests) {
            black_box(key.sign_digest(e));
        }
    });
    1e6 * seconds / digests.len() as f64
}

/// Secret key, inverse for signing, public key and its ZA.
pub fn keygen_per_s(clock: &Clock, _: &Plan) -> f64 {
    let seeds = messages(BATCH);
    clock.per_s(BATCH, || drop(black_box(generate_batch(black_box(&seeds)))))
}

/// The table of one key, when 64 are built in one call.
pub fn table_build_us(clock: &Clock, _: &Plan) -> f64 {
    let signed = Signed::new(KEYS, KEYS);
    1e6 * clock.best_s(|| KeyCache::default().prepare(black_box(&signed.keys))) / KEYS as f64
}

/// The table of G, as the first signature of a process, or its start, builds it.
pub fn g_tables_ms(clock: &Clock, _: &Plan) -> f64 {
    let kernel = kernel::selected();
    1e3 * clock.best_s(|| {
        black_box(build_base_table(black_box(kernel)));
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hn_crypto::sm2::VerifyStatus;
    use std::collections::HashSet;

    fn all_valid(cache: &KeyCache, signed: &Signed) -> bool {
        let verdicts = verify_batch(cache, &signed.items());
        verdicts.iter().all(|status| *status == VerifyStatus::Valid)
    }

    #[test]
    fn known_keys_have_their_last_tables_before_the_clock_starts() {
        let signed = Signed::new(BATCH, KEYS);
        for kernel in kernel::available() {
            let cache = KeyCache::for_kernel(kernel, hn_crypto::sm2::CACHE_BYTES_DEFAULT);
            cache.prepare(&signed.keys);
            let (count, bytes) = (cache.len(), cache.bytes());
            assert_eq!(count, KEYS);
            // Wider tables are earned by a few hundred uses; these keys have them already.
            assert!((0..32).all(|_| all_valid(&cache, &signed)));
            assert_eq!((cache.len(), cache.bytes()), (count, bytes), "{kernel}");
        }
    }

    #[test]
    fn unknown_keys_never_meet_a_table() {
        let signed = Signed::new(BATCH, BATCH);
        let keys: HashSet<&[u8]> = signed.keys.iter().map(|key| &key.as_bytes()[..]).collect();
        assert_eq!(keys.len(), BATCH);
        let cache = KeyCache::new(0);
        assert!((0..4).all(|_| all_valid(&cache, &signed)));
        assert!(cache.is_empty());
    }
}
