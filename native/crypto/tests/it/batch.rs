//! Batches and the table cache: the verdicts are those of `verify_single`, whatever the size, mix or cache.

use crate::bytes::seed;
use hn_crypto::kernel;
use hn_crypto::sm2::{
    BatchItem, CACHE_BYTES_DEFAULT, KeyCache, PreparedKey, PublicKey, SecretKey, VerifyStatus, generate, sign_batch,
    verify_batch, verify_single,
};
use hn_crypto::sm3::{sm3, sm3_batch};

const N: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";

fn keys(count: u64) -> Vec<SecretKey> {
    (0..count).map(|i| generate(&seed("batch", i))).collect()
}

/// Message and signature of item `index`; every kind of defect occurs, and every eighth item is sound in any case.
fn item(keys: &[SecretKey], index: usize) -> (PublicKey, Vec<u8>, [u8; 64]) {
    let key = &keys[index * 7 % keys.len()];
    let message = seed("message", index as u64)[..index % 33].to_vec();
    let mut signature = key.sign(&message);
    match index % 8 {
        1 => signature[index % 64] ^= 1 << (index / 64 % 8),
        3 => signature[..32].copy_from_slice(&crate::bytes::hex::<32>(N)),
        4 => signature[32..].fill(0),
        6 => signature = keys[(index * 7 + 1) % keys.len()].sign(&message),
        _ => {}
    }
    (key.public_key().clone(), message, signature)
}

#[test]
fn every_batch_size_agrees_with_single_verification() {
    let keys = keys(5);
    let sizes = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 255, 256, 257, 511, 512, 513, 1025];
    let owned: Vec<_> = (0..1025).map(|index| item(&keys, index)).collect();
    let items: Vec<BatchItem<'_>> = owned
        .iter()
        .map(|(pk, message, signature)| (pk, &message[..], signature))
        .collect();
    let want: Vec<VerifyStatus> = items.iter().map(|(pk, m, s)| verify_single(pk, m, s)).collect();
    assert_eq!(want[0], VerifyStatus::Valid);
    for status in [
        VerifyStatus::Valid,
        VerifyStatus::BadSignature,
        VerifyStatus::OutOfRange,
    ] {
        assert!(want.iter().filter(|got| **got == status).count() > 100);
    }
    for kernel in kernel::available() {
        let caches = [0, PreparedKey::BYTES, CACHE_BYTES_DEFAULT].map(|bytes| KeyCache::for_kernel(kernel, bytes));
        for cache in &caches {
            for size in sizes {
                assert_eq!(
                    verify_batch(cache, &items[..size]),
                    want[..size],
                    "size {size}, {} tables, kernel {kernel}",
                    cache.len()
                );
            }
        }
        assert_eq!(caches.each_ref().map(KeyCache::len), [0, 1, 5]);
    }
}

#[test]
fn equal_items_get_equal_verdicts() {
    let keys = keys(1);
    let signature = keys[0].sign(b"again");
    let items = vec![(keys[0].public_key(), &b"again"[..], &signature); 200];
    let cache = KeyCache::default();
    assert!(
        verify_batch(&cache, &items)
            .iter()
            .all(|status| *status == VerifyStatus::Valid)
    );
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_table_is_earned_by_the_third_use() {
    let keys = keys(2);
    let signature = keys[0].sign(b"m");
    let cache = KeyCache::default();
    for uses in 1..=4 {
        assert_eq!(
            verify_batch(&cache, &[(keys[0].public_key(), b"m", &signature)]),
            [VerifyStatus::Valid]
        );
        assert_eq!(cache.len(), usize::from(uses >= 3), "after use {uses}");
    }
    assert_eq!(cache.bytes(), PreparedKey::BYTES);
}

#[test]
fn a_key_that_is_named_again_is_prepared_once() {
    let named = |key: &SecretKey, count| vec![key.public_key().clone(); count];
    let keys = keys(3);
    let repeated: Vec<PublicKey> = keys.iter().flat_map(|key| named(key, 3)).collect();
    let cache = KeyCache::new(3 * PreparedKey::BYTES);
    cache.prepare(&repeated);
    assert_eq!(cache.len(), 3, "no room goes to a second table of a key");
    // Room for three wide tables, not for nine.
    let once = KeyCache::new(12 * PreparedKey::BYTES);
    once.prepare(&keys.iter().flat_map(|key| named(key, 1)).collect::<Vec<_>>());
    let cache = KeyCache::new(12 * PreparedKey::BYTES);
    cache.prepare(&repeated);
    assert_eq!((cache.len(), cache.bytes()), (3, once.bytes()));
    assert!(once.bytes() > 3 * PreparedKey::BYTES);
}

#[test]
fn the_cache_keeps_its_bound_and_its_busy_keys() {
    let keys = keys(12);
    let public: Vec<PublicKey> = keys.iter().map(|key| key.public_key().clone()).collect();
    let signatures: Vec<[u8; 64]> = keys.iter().map(|key| key.sign(b"m")).collect();
    let once = |cache: &KeyCache, at: usize| verify_batch(cache, &[(&public[at], b"m", &signatures[at])]);
    let cache = KeyCache::new(3 * PreparedKey::BYTES + 100);
    cache.prepare(&public);
    assert_eq!(cache.len(), 3);
    // Rare keys do not displace the tables: nine keys, a few uses each.
    for _ in 0..10 {
        (0..12).for_each(|at| assert_eq!(once(&cache, at), [VerifyStatus::Valid]));
    }
    assert_eq!(cache.len(), 3);
    assert!(cache.bytes() <= 3 * PreparedKey::BYTES);
    // A busy key does, and the bound holds.
    (0..40).for_each(|_| assert_eq!(once(&cache, 11), [VerifyStatus::Valid]));
    assert_eq!(cache.len(), 3);
    assert!(KeyCache::new(0).is_empty());
}

#[test]
fn batches_from_many_threads_share_a_cache() {
    let keys = keys(6);
    let owned: Vec<_> = (0..120).map(|index| item(&keys, index)).collect();
    let items: Vec<BatchItem<'_>> = owned
        .iter()
        .map(|(pk, message, signature)| (pk, &message[..], signature))
        .collect();
    let want: Vec<VerifyStatus> = items.iter().map(|(pk, m, s)| verify_single(pk, m, s)).collect();
    let cache = KeyCache::new(2 * PreparedKey::BYTES);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(verify_batch(&cache, &items), want));
        }
    });
    assert!(cache.len() <= 2);
}

#[test]
fn batches_of_hashes_and_signatures_equal_single_ones() {
    let key = &keys(1)[0];
    let messages: Vec<Vec<u8>> = (0..300usize).map(|i| vec![i as u8; i * 5 % 200]).collect();
    let views: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    for count in [0, 1, 33, 127, 128, 129, 300] {
        let want: Vec<[u8; 32]> = views[..count].iter().map(|m| sm3(m)).collect();
        assert_eq!(sm3_batch(&views[..count]), want);
    }
    for count in [0, 1, 40] {
        let want: Vec<[u8; 64]> = views[..count].iter().map(|m| key.sign(m)).collect();
        assert_eq!(sign_batch(key, &views[..count]), want);
    }
}
