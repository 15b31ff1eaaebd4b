//! Fields of the block tree and the state tree.

use crate::Plan;
use crate::clock::Clock;
use hn_crypto::sm3::sm3_fixed;
use hn_merkle::{StateTree, block_tree};
use std::hint::black_box;

/// Leaves of the block tree.
const LEAVES: u64 = 1 << 20;
/// Keys of an update.
const UPDATE_KEYS: u64 = 10_000;
/// Keys of an update while the tree grows to its size.
const GROW_KEYS: u64 = 100_000;
/// All pages stay in memory: the store is measured elsewhere.
const CACHE_BYTES: usize = 64 << 30;

type Hash = [u8; 32];

/// Hashes of `first..first + count` under a label.
fn hashes(label: u8, first: u64, count: u64) -> Vec<Hash> {
    let messages: Vec<[u8; 9]> = (first..first + count)
        .map(|i| {
            let mut message = [label; 9];
            message[..8].copy_from_slice(&i.to_be_bytes());
            message
        })
        .collect();
    let mut out = vec![[0; 32]; messages.len()];
    sm3_fixed(&messages, &mut out);
    out
}

/// Root of 2^20 leaves of 32 bytes.
pub fn merkle_1m_leaves_ms(clock: &Clock, _: &Plan) -> f64 {
    let leaves = hashes(1, 0, LEAVES);
    1e3 * clock.best_s(|| {
        black_box(block_tree::root(black_box(&leaves)));
    })
}

/// As [`state_tree_updates_per_s`], in a tree of a million keys.
pub fn state_tree_1m_updates_per_s(clock: &Clock, _: &Plan) -> f64 {
    updates_per_s(clock, 1_000_000)
}

/// New values for 10,000 keys spread over the tree of the plan, pages for the database included.
pub fn state_tree_updates_per_s(clock: &Clock, plan: &Plan) -> f64 {
    updates_per_s(clock, plan.state_keys)
}

fn updates_per_s(clock: &Clock, keys: u64) -> f64 {
    let mut tree = StateTree::with_root(CACHE_BYTES, [0; 32]);
    for first in (0..keys).step_by(GROW_KEYS as usize) {
        let count = GROW_KEYS.min(keys - first);
        let updates: Vec<(Hash, Option<Hash>)> = hashes(2, first, count)
            .into_iter()
            .map(|key| (key, Some(key)))
            .collect();
        if tree.apply(&updates).is_err() {
            return 0.0;
        }
    }
    let count = UPDATE_KEYS.min(keys);
    let mut round = 0;
    let mut updates: Vec<(Hash, Option<Hash>)> = Vec::new();
    let mut best = f64::INFINITY;
    // Fresh keys and values a round, made outside of the measured part.
    clock.best_s(|| {
        round += 1;
        updates.clear();
        let values = hashes(3, round * count, count);
        for (i, value) in (0..count).zip(values) {
            let at = (i * (keys / count) + round * 7) % keys;
            updates.extend(hashes(2, at, 1).into_iter().map(|key| (key, Some(value))));
        }
        updates.sort_unstable();
        let start = std::time::Instant::now();
        if black_box(tree.apply(&updates)).is_ok() {
            best = best.min(start.elapsed().as_secs_f64());
        }
    });
    updates.len() as f64 / best
}
