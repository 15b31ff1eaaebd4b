//! Bundles: what verifies, and every way to fail.

use crate::scenario::{build, failing_bundles};
use hn_merkle::Bundle;
use hn_merkle::bundle::verify;
use hn_primitives::codes;
use proptest::prelude::*;
use std::sync::LazyLock;

/// Without the absent key: a changed key can be absent just as truly.
static GOOD: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bundle = build().bundle(1);
    bundle.items.truncate(3);
    bundle.encode()
});

#[test]
fn a_good_bundle_reports_what_it_proves() {
    let scenario = build();
    let chain_id = scenario.genesis.chain_id();
    let bytes = scenario.bundle(1).encode();
    let report = verify(&bytes, Some(&chain_id)).unwrap();
    assert_eq!(verify(&bytes, None), Ok(report.clone()));
    assert_eq!(report.chain_id, chain_id);
    assert_eq!(report.heights, [3, 4]);
    assert_eq!((report.signer_count, report.validator_count), (3, 4));
    assert_eq!((report.signer_power, report.total_power), (3, 4));
    assert_eq!(report.block_hash, scenario.headers[3].block_hash());
    let tx_id = scenario.txs[1].body.tx_id();
    assert_eq!(
        (report.txs[0].tx_id, report.txs[0].height, report.txs[0].index),
        (tx_id, 3, 1)
    );
    let receipt = report.receipts[0];
    assert_eq!(
        (receipt.tx_id, receipt.code, receipt.height, receipt.index),
        (tx_id, 0, 3, 1)
    );
    assert_eq!(report.states[0].value.as_ref(), Some(&scenario.entries[1].1));
    assert_eq!((report.states[0].height, report.states[1].height), (3, 3));
    assert_eq!(report.states[1].value, None);
    let failed = verify(&scenario.bundle(4).encode(), Some(&chain_id)).unwrap();
    assert_eq!(failed.receipts[0].code, codes::RULE_VIOLATION);
    let early = verify(&scenario.early_bundle().encode(), Some(&chain_id)).unwrap();
    assert_eq!((early.heights, early.states[0].height), (vec![1, 2], 1));
}

#[test]
fn bad_bundles_fail_with_their_codes() {
    let scenario = build();
    let chain_id = scenario.genesis.chain_id();
    for (label, bytes, code) in failing_bundles(&scenario) {
        let error = verify(&bytes, Some(&chain_id)).expect_err(label);
        assert_eq!(error.code(), code, "{label}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn changed_bundles_never_verify_as_the_same(at in any::<prop::sample::Index>(), bit in 0u8..8, cut in any::<prop::sample::Index>()) {
        let mut flipped = GOOD.clone();
        let at = at.index(flipped.len());
        flipped[at] ^= 1 << bit;
        if let Ok(bundle) = Bundle::decode(&flipped) {
            prop_assert_eq!(bundle.encode(), flipped);
            let original = Bundle::decode(&GOOD).unwrap();
            if let Ok(report) = bundle.verify(Some(&original.genesis.chain_id())) {
                // Only the sender's signature is not covered: inclusion proves that the validators accepted it.
                prop_assert_eq!(Ok(report), original.verify(None));
                let same = |bundle: &Bundle| (bundle.headers.clone(), bundle.certificate.clone(), bundle.items[1..].to_vec());
                prop_assert_eq!(same(&bundle), same(&original));
            }
        }
        prop_assert!(Bundle::decode(&GOOD[..cut.index(GOOD.len())]).is_err());
    }
}
