//! Prints the cost of the hot paths: `cargo run --release -p hn-merkle --example speed [keys in the tree]`.

use hn_crypto::sm2::generate;
use hn_merkle::state_tree::value_hash;
use hn_merkle::{StateTree, block_tree};
use hn_primitives::{Batch, CodecError, Name, TxBody, ZERO_HASH, decode_batch};
use std::time::Instant;

const BATCH_TXS: usize = 2_000;
const BLOCK_KEYS: u64 = 4_000;

fn main() -> Result<(), CodecError> {
    let tree_keys = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(200_000u64);
    let key = generate(&[1; 32]);
    let mut txs = Vec::with_capacity(BATCH_TXS);
    for nonce in 0..BATCH_TXS as u64 {
        let body = TxBody {
            chain_id: [1; 32],
            sender: [2; 20],
            nonce,
            valid_until_height: 9,
            application: Name::new("evidence")?,
            action: Name::new("preserve")?,
            payload: vec![7; 140],
        };
        txs.push(body.sign(&key).encode());
    }
    let batch = Batch::build([1; 32], [3; 20], 1, &txs, block_tree::root, |d| key.sign(d))?;
    let start = Instant::now();
    const ROUNDS: usize = 20;
    for _ in 0..ROUNDS {
        std::hint::black_box(decode_batch(batch.bytes.clone())?);
    }
    let bytes = batch.bytes.len() / BATCH_TXS;
    report(
        &format!("primitives.decode_batch/tx_bytes={bytes}"),
        start,
        ROUNDS * BATCH_TXS,
    );
    let start = Instant::now();
    for _ in 0..ROUNDS {
        std::hint::black_box(block_tree::root(&batch.txs));
    }
    report(&format!("merkle.block_root/n={BATCH_TXS}"), start, ROUNDS * BATCH_TXS);

    let mut tree = StateTree::with_root(4 << 30, ZERO_HASH);
    let update = |i: u64| (value_hash(&i.to_be_bytes()), Some(value_hash(&(i + 1).to_be_bytes())));
    let start = Instant::now();
    let mut pages = 0;
    let mut page_bytes = 0;
    for first in (0..tree_keys).step_by(BLOCK_KEYS as usize) {
        let updates: Vec<_> = (first..first + BLOCK_KEYS).map(update).collect();
        if let Ok(applied) = tree.apply(&updates) {
            pages = applied.pages.len();
            page_bytes = applied
                .pages
                .iter()
                .filter_map(|(_, bytes)| bytes.as_ref())
                .map(Vec::len)
                .sum();
        }
    }
    report(
        &format!("merkle.state_apply_insert/tree={tree_keys}"),
        start,
        tree_keys as usize,
    );
    println!(
        "  last block: {pages} pages, {page_bytes} bytes; cache {} MiB",
        tree.cache_bytes() >> 20
    );
    let start = Instant::now();
    let stride = (tree_keys / BLOCK_KEYS).max(1);
    let updates: Vec<_> = (0..BLOCK_KEYS).map(|i| (update(i * stride).0, Some([5; 32]))).collect();
    let changed = tree.apply(&updates).map_or(0, |applied| applied.pages.len());
    report(
        &format!("merkle.state_apply_update/tree={tree_keys}"),
        start,
        updates.len(),
    );
    println!("  {changed} pages changed");
    Ok(())
}

fn report(label: &str, start: Instant, count: usize) {
    println!(
        "{label}: {:.3} us each",
        start.elapsed().as_secs_f64() * 1e6 / count as f64
    );
}
