//! The golden vectors of trees, proofs and bundles. Shared as those of the formats are.

use crate::scenario::{NOTE, build, failing_bundles, hex};
use hn_merkle::bundle::verify;
use hn_merkle::state_tree::{StateTree, key_hash, value_hash};
use hn_merkle::{Bundle, block_tree};
use hn_primitives::ZERO_HASH;
use serde_json::{Value as Json, json};

/// `tests/vectors/merkle.json`.
pub fn merkle() -> Json {
    let block_trees: Vec<Json> = [0usize, 1, 2, 3, 4, 5, 7, 8, 13]
        .map(|count| {
            let leaves: Vec<Vec<u8>> = (0..count).map(|i| vec![i as u8; i]).collect();
            let indices: Vec<usize> = (0..count).collect();
            let proofs = block_tree::prove(&leaves, &indices).unwrap();
            json!({
                "leaves": leaves.iter().map(|leaf| hex(leaf)).collect::<Vec<_>>(),
                "root": hex(&block_tree::root(&leaves)),
                "proofs": proofs.iter().map(|proof| json!({
                    "index": proof.index, "encoding": hex(&proof.encode()),
                })).collect::<Vec<_>>(),
            })
        })
        .to_vec();
    let state_trees: Vec<Json> = [0u32, 1, 2, 3, 17, 40].map(state_tree).to_vec();
    let scenario = build();
    let chain_id = scenario.genesis.chain_id();
    let bundles: Vec<Json> = [scenario.bundle(1), scenario.bundle(4), scenario.early_bundle()]
        .iter()
        .map(bundle_json)
        .collect();
    let failing: Vec<Json> = failing_bundles(&scenario)
        .iter()
        .map(|(label, bytes, code)| {
            assert_eq!(
                verify(bytes, Some(&chain_id)).map_err(|error| error.code()).err(),
                Some(*code),
                "{label}"
            );
            json!({"name": label, "encoding": hex(bytes), "code": code})
        })
        .collect();
    json!({
        "note": NOTE,
        "block_trees": block_trees,
        "state_trees": state_trees,
        "trusted_chain_id": hex(&chain_id),
        "bundles": bundles,
        "bundles_must_fail": failing,
    })
}

fn state_tree(count: u32) -> Json {
    let entries: Vec<(Vec<u8>, Vec<u8>)> = (0..count)
        .map(|i| (format!("key {i}").into_bytes(), format!("value {i}").into_bytes()))
        .collect();
    let mut tree = StateTree::with_root(1 << 20, ZERO_HASH);
    let updates: Vec<_> = entries
        .iter()
        .map(|(key, value)| (key_hash("evidence", key), Some(value_hash(value))))
        .collect();
    let root = tree.apply(&updates).unwrap().root;
    let entry_json = |(key, value): &(Vec<u8>, Vec<u8>)| {
        json!({
            "application": "evidence", "key": hex(key), "value": hex(value),
            "key_hash": hex(&key_hash("evidence", key)), "value_hash": hex(&value_hash(value)),
        })
    };
    let absent = (0..6).map(|i| (format!("absent {i}").into_bytes(), None));
    let present = entries.iter().take(6).map(|(key, value)| (key.clone(), Some(value)));
    let proofs: Vec<Json> = present
        .chain(absent)
        .map(|(key, value)| {
            let proof = tree.prove(&key_hash("evidence", &key)).unwrap();
            json!({
                "application": "evidence", "key": hex(&key), "value": value.map(|value| hex(value)),
                "encoding": hex(&proof.encode()),
            })
        })
        .collect();
    json!({"entries": entries.iter().map(entry_json).collect::<Vec<_>>(), "root": hex(&root), "proofs": proofs})
}

fn bundle_json(bundle: &Bundle) -> Json {
    let report = bundle.verify(None).unwrap();
    json!({
        "encoding": hex(&bundle.encode()),
        "report": {
            "chain_id": hex(&report.chain_id), "heights": report.heights, "block_hash": hex(&report.block_hash),
            "signer_count": report.signer_count, "validator_count": report.validator_count,
            "signer_power": report.signer_power, "total_power": report.total_power,
            "txs": report.txs.iter().map(|tx| json!({
                "tx_id": hex(&tx.tx_id), "height": tx.height, "index": tx.index,
            })).collect::<Vec<_>>(),
            "receipts": report.receipts.iter().map(|receipt| json!({
                "tx_id": hex(&receipt.tx_id), "code": receipt.code, "height": receipt.height, "index": receipt.index,
            })).collect::<Vec<_>>(),
            "states": report.states.iter().map(|state| json!({
                "application": state.application.as_str(), "key": hex(&state.key),
                "value": state.value.as_ref().map(|value| hex(value)), "height": state.height,
            })).collect::<Vec<_>>(),
        },
    })
}
