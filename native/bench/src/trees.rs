//! Fields of the block tree and the state tree.

use crate::Plan;
use crate::clock::Clock;
use hn_crypto::kernel;
use hn_crypto::sm3::{Lanes, Midstate};
use hn_merkle::{Applied, Hashing, NeedPages, StateTree, block_tree};
use rayon::prelude::*;
use std::hint::black_box;

/// Leaves of the block tree.
const LEAVES: u64 = 1 << 20;
/// Keys of an update.
const UPDATE_KEYS: u64 = 10_000;
/// Keys of an update while the tree grows to its size.
const GROW_KEYS: usize = 100_000;
/// Rounds of new values; each takes other keys.
const ROUNDS: u64 = 16;
/// All pages stay in memory: the store is measured elsewhere.
const CACHE_BYTES: usize = 64 << 30;

type Hash = [u8; 32];

/// The widest lanes of the processor: preparation is not measured, so it need not wait for a narrow kernel.
fn widest() -> Lanes {
    let kernels = kernel::available();
    let lanes = kernels.into_iter().rev().find_map(|kernel| Lanes::on(kernel).ok());
    lanes.unwrap_or_else(Lanes::selected)
}

/// Hashes of numbers under a label.
fn hashes(label: u8, numbers: impl Iterator<Item = u64>) -> Vec<Hash> {
    let messages: Vec<[u8; 9]> = numbers
        .map(|i| {
            let mut message = [label; 9];
            message[..8].copy_from_slice(&i.to_be_bytes());
            message
        })
        .collect();
    let mut out = vec![[0; 32]; messages.len()];
    widest().hash_fixed(&Midstate::START, &messages, &mut out);
    out
}

/// Root of 2^20 leaves of 32 bytes.
pub fn merkle_1m_leaves_ms(clock: &Clock, _: &Plan) -> f64 {
    let leaves = hashes(1, 0..LEAVES);
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

/// A tree of so many keys. Sorted batches visit every page once, which grows it several times faster than batches of keys
/// from everywhere.
fn grown(keys: u64) -> Result<StateTree, NeedPages> {
    let mut sorted = hashes(2, 0..keys);
    sorted.par_sort_unstable();
    let mut tree = StateTree::with_root(CACHE_BYTES, [0; 32]).hashed_by(Hashing::Here(widest()));
    let mut applied = Applied::default();
    for part in sorted.chunks(GROW_KEYS) {
        let updates: Vec<(Hash, Option<Hash>)> = part.iter().map(|key| (*key, Some(*key))).collect();
        tree.apply_into(&updates, &mut applied)?;
    }
    Ok(tree.hashed_by(Hashing::Shared))
}

/// 0 when the tree asked for pages that it never had.
fn updates_per_s(clock: &Clock, keys: u64) -> f64 {
    let Ok(mut tree) = grown(keys) else { return 0.0 };
    let count = UPDATE_KEYS.min(keys);
    // Other keys and values in every round, so that no page is warm from the round before.
    let rounds: Vec<Vec<(Hash, Option<Hash>)>> = (0..ROUNDS)
        .map(|round| {
            let chosen = hashes(2, (0..count).map(|i| (i * (keys / count) + round * 7) % keys));
            let values = hashes(3, round * count..(round + 1) * count);
            let mut updates: Vec<_> = chosen.into_iter().zip(values.into_iter().map(Some)).collect();
            updates.sort_unstable();
            updates
        })
        .collect();
    let mut applied = Applied::default();
    let mut sound = true;
    let mut turns = rounds.iter().cycle();
    let per_s = clock.per_s(count as usize, || {
        if let Some(updates) = turns.next() {
            sound &= tree.apply_into(black_box(updates), &mut applied).is_ok();
        }
    });
    if sound { per_s } else { 0.0 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing test panics")]
mod tests {
    use super::*;
    use crate::clock::Reading;

    #[test]
    fn a_tree_grown_in_order_is_the_tree_of_its_keys() {
        let keys = 1_000 + GROW_KEYS as u64;
        let grown = grown(keys).unwrap();
        let mut other = StateTree::with_root(CACHE_BYTES, [0; 32]);
        for key in hashes(2, 0..keys).chunks(7_001) {
            let updates: Vec<_> = key.iter().map(|key| (*key, Some(*key))).collect();
            other.apply(&updates).unwrap();
        }
        assert_eq!(grown.root(), other.root());
        assert!(updates_per_s(&Clock::new(std::time::Duration::ZERO, Reading::Wall), keys) > 0.0);
    }
}
