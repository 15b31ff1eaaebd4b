//! Prints the cost of the hot paths, one core when pinned (`RAYON_NUM_THREADS=1`, `taskset -c 0`):
//! `cargo run --release -p hn-merkle --example speed [keys in the tree, in millions …]`.

use hn_merkle::state_tree::value_hash;
use hn_merkle::{Applied, Hashing, StateTree, block_tree};
use hn_primitives::{Hash32, ZERO_HASH, tag};
use std::time::{Duration, Instant};

/// Keys that one block changes.
const BLOCK_KEYS: usize = 10_000;
/// Keys of a batch while a tree is filled.
const FILL_KEYS: usize = 500_000;
/// Batches of each kind; the best counts, other load being present.
const ROUNDS: usize = 12;

type Update = (Hash32, Option<Hash32>);

fn main() {
    let mut sizes: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![1, 10];
    }
    println!(
        "kernel={:?} threads={}",
        hn_crypto::kernel::selected(),
        rayon::current_num_threads()
    );
    block_trees();
    for millions in sizes {
        state_tree(millions * 1_000_000);
    }
}

fn block_trees() {
    let leaves = keys(0..1_000_000);
    let root = block_tree::root(&leaves);
    let best = best_of(ROUNDS, || assert_eq!(block_tree::root(&leaves), root));
    println!("merkle_1M_leaves_ms={:.1}", best.as_secs_f64() * 1e3);
    let txs = vec![[7u8; 300]; 2_000];
    let best = best_of(ROUNDS, || _ = std::hint::black_box(block_tree::root(&txs)));
    println!("merkle_2000_leaves_of_300B_us={:.0}", best.as_secs_f64() * 1e6);
    let indices: Vec<usize> = (0..1_000).map(|i| i * 997).collect();
    let best = best_of(3, || _ = std::hint::black_box(block_tree::prove(&leaves, &indices)));
    println!("merkle_1000_proofs_of_1M_ms={:.1}", best.as_secs_f64() * 1e3);
}

fn state_tree(count: usize) {
    let label = format!("keys={}M", count / 1_000_000);
    let mut tree = StateTree::with_root(usize::MAX, ZERO_HASH).hashed_by(Hashing::Shared);
    let start = Instant::now();
    for first in (0..count).step_by(FILL_KEYS) {
        let updates: Vec<Update> = keys(first..first + FILL_KEYS)
            .into_iter()
            .map(|key| (key, Some([1; 32])))
            .collect();
        assert!(tree.apply(&updates).is_ok());
    }
    let filled = start.elapsed().as_secs_f64();
    println!("{label} state_tree_fill_per_s={:.0}", count as f64 / filled);
    println!(
        "{label} state_tree_memory_bytes_per_key={:.0}",
        tree.cache_bytes() as f64 / count as f64
    );

    let mut applied = Applied::default();
    // A stride without a common factor with the count: every round changes keys of its own.
    let pick = |round: usize| keys((0..BLOCK_KEYS).map(|i| (round * BLOCK_KEYS + i) * 7_919 % count));
    let mut measure = |name: &str, batches: Vec<Vec<Update>>| {
        let (mut best, mut bytes, mut rows, mut done) = (Duration::MAX, 0, 0, 0);
        for batch in &batches {
            let start = Instant::now();
            assert!(tree.apply_into(batch, &mut applied).is_ok());
            best = best.min(start.elapsed());
            bytes += applied.bytes_len();
            rows += applied.pages().len();
            done += batch.len();
        }
        println!(
            "{label} state_tree_{name}_per_s={:.0}",
            BLOCK_KEYS as f64 / best.as_secs_f64()
        );
        let each = |total: usize| total as f64 / done as f64;
        println!(
            "{label} state_tree_{name}_bytes_per_key={:.0} rows_per_key={:.2}",
            each(bytes),
            each(rows)
        );
    };
    let updates = |round: usize| {
        pick(round)
            .into_iter()
            .map(|key| (key, Some(value_hash(&[round as u8]))))
            .collect()
    };
    measure("updates", (0..ROUNDS).map(updates).collect());
    let fresh = |round: usize| count + round * BLOCK_KEYS..count + (round + 1) * BLOCK_KEYS;
    let inserts = |round: usize| keys(fresh(round)).into_iter().map(|key| (key, Some([2; 32]))).collect();
    measure("inserts", (0..ROUNDS).map(inserts).collect());
    let deletes = |round: usize| keys(fresh(round)).into_iter().map(|key| (key, None)).collect();
    measure("deletes", (0..ROUNDS).map(deletes).collect());
}

/// Key hashes of numbers.
fn keys(numbers: impl IntoIterator<Item = usize>) -> Vec<Hash32> {
    let messages: Vec<[u8; 8]> = numbers.into_iter().map(|i| (i as u64).to_be_bytes()).collect();
    let mut out = vec![ZERO_HASH; messages.len()];
    tag::STATE_KEY.hash_fixed(&messages, &mut out);
    out
}

fn best_of(rounds: usize, mut run: impl FnMut()) -> Duration {
    let timed = (0..rounds).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed()
    });
    timed.min().unwrap_or_default()
}
