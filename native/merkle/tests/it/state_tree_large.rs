//! The paged tree against the twin in batches that are cut into parts, with keys that crowd, and a cache of any size.

use crate::state_tree::Store;
use crate::twin;
use hn_merkle::state_tree::value_hash;
use hn_merkle::{Applied, StateTree};
use hn_primitives::{Hash32, ZERO_HASH};
use std::collections::BTreeMap;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Half of the keys spread, half behind common prefixes of one to 62 half bytes.
fn keys(count: usize, numbers: &mut Numbers) -> Vec<Hash32> {
    let prefixes: Vec<(Hash32, usize)> = [1usize, 2, 5, 17, 60]
        .map(|length| (value_hash(&[length as u8]), length))
        .to_vec();
    let mut keys: Vec<Hash32> = (0..count)
        .map(|i| {
            let mut key = value_hash(&(i as u64).to_be_bytes());
            if i % 2 == 0 {
                let (prefix, length) = prefixes[numbers.below(prefixes.len())];
                key[..length / 2].copy_from_slice(&prefix[..length / 2]);
                key[length / 2] = prefix[length / 2] & 0xf0 | key[length / 2] & 0x0f;
            }
            key
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn check(key_count: usize, batch: usize, rounds: usize, cache_bytes_max: usize) {
    let mut numbers = Numbers(key_count as u64);
    let keys = keys(key_count, &mut numbers);
    let mut model: BTreeMap<Hash32, Hash32> = BTreeMap::new();
    let mut store = Store::default();
    let mut tree = StateTree::with_root(cache_bytes_max, ZERO_HASH);
    for round in 0..rounds {
        // More and more deletes, so that the tree grows and then shrinks to little.
        let updates: Vec<_> = (0..batch)
            .map(|_| {
                let value = (numbers.below(rounds) >= round).then(|| [numbers.below(3) as u8; 32]);
                (keys[numbers.below(keys.len())], value)
            })
            .collect();
        for (key, value) in &updates {
            match value {
                Some(value) => model.insert(*key, *value),
                None => model.remove(key),
            };
        }
        let leaves: Vec<_> = model.iter().map(|(key, value)| (*key, *value)).collect();
        let root = store.apply(&mut tree, &updates);
        assert_eq!(
            root,
            twin::state_root(&leaves, 0),
            "{key_count} keys, cache {cache_bytes_max}, round {round}"
        );

        let all: Vec<_> = leaves.iter().map(|(key, value)| (*key, Some(*value))).collect();
        let mut fresh = Store::default();
        fresh.apply(&mut StateTree::with_root(0, ZERO_HASH), &all);
        assert!(fresh.pages == store.pages, "pages depend on the content alone");
        if round % 3 == 2 {
            tree = StateTree::with_root(cache_bytes_max, root);
        }
        for _ in 0..8 {
            let key = keys[numbers.below(keys.len())];
            let proof = store.prove(&mut tree, &key);
            assert_eq!(proof, twin::state_proof(&leaves, &key));
            assert!(proof.verify(&root, &key, model.get(&key)));
        }
    }
}

#[test]
fn batches_in_parts_equal_the_twin_with_any_cache() {
    for cache_bytes_max in [0, 100_000, usize::MAX] {
        check(3_000, 2_500, 7, cache_bytes_max);
        check(700, 40, 9, cache_bytes_max);
    }
    check(12_000, 20_000, 4, 1 << 20);
}

#[test]
fn a_tree_that_knows_its_depth_asks_for_whole_paths() {
    let keys: Vec<Hash32> = (0..5_000u32).map(|i| value_hash(&i.to_be_bytes())).collect();
    let fill: Vec<_> = keys.iter().map(|key| (*key, Some([1; 32]))).collect();
    let mut store = Store::default();
    let root = store.apply(&mut StateTree::with_root(0, ZERO_HASH), &fill);
    let mut tree = StateTree::with_root(0, root);
    // A new tree learns on its way: each round asks for one page more than is certain where all slots are pages.
    store.rounds = 0;
    store.prove(&mut tree, &keys[0]);
    assert!(store.rounds <= 3, "{}", store.rounds);
    for key in &keys[1..20] {
        store.prove(&mut tree, key);
    }
    let (rounds, loads) = (store.rounds, store.loads);
    for key in &keys[1_000..2_000] {
        // The cache of no size keeps the root page alone; the paths are four pages deep.
        store.prove(&mut tree, key);
    }
    let (rounds, loads) = (store.rounds - rounds, store.loads - loads);
    assert!(rounds <= 1_200, "{rounds} rounds for 1,000 paths");
    assert!(loads <= 4_500, "{loads} pages for 1,000 paths");
    // What was known of the way is not asked for again.
    let asked = tree.missing(&keys);
    assert!(asked.is_sorted_by(|a, b| a < b));
}

#[test]
fn the_buffers_of_a_result_serve_again() {
    let mut tree = StateTree::with_root(usize::MAX, ZERO_HASH);
    let mut twin = StateTree::with_root(usize::MAX, ZERO_HASH);
    let mut applied = Applied::default();
    let mut numbers = Numbers(5);
    for _ in 0..20 {
        let count = numbers.below(50);
        let updates: Vec<_> = (0..count)
            .map(|_| {
                let key = value_hash(&[numbers.below(60) as u8]);
                (key, (numbers.below(3) > 0).then_some([count as u8; 32]))
            })
            .collect();
        tree.apply_into(&updates, &mut applied).unwrap();
        let fresh = twin.apply(&updates).unwrap();
        assert!(applied.root == fresh.root && applied.pages().eq(fresh.pages()));
        let bytes: usize = applied.pages().filter_map(|(_, page)| page).map(<[u8]>::len).sum();
        assert_eq!(applied.bytes_len(), bytes);
    }
    let before = applied.clone();
    assert!(StateTree::new(0).apply_into(&[], &mut applied).is_err() && applied == before);
}
