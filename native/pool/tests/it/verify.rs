use crate::fixture::{
    CHAIN, HEIGHT, account, accounts, admit, batch, body, key, limits, record, spoiled, tx, validators,
};
use hn_pool::{BatchError, Pool, verify_batch, verify_batch_txs, verify_batches};
use hn_primitives::{Batch, account_of, codes, decode_batch};
use proptest::prelude::*;
use std::cell::Cell;

fn verdict(batch: &Batch) -> Result<Vec<u32>, u32> {
    verify_batch(batch, &CHAIN, &validators(), &accounts(), &|_, _| false).map_err(|error| error.code())
}

#[test]
fn test_good_batch_reports_unknown_senders_only() {
    assert_eq!(
        verdict(&batch(10, 1, &[tx(0, 1), tx(1, 1), tx(3, 1)])),
        Ok(vec![]),
        "a revoked account keeps its key"
    );
    assert_eq!(verdict(&batch(11, 1, &[tx(8, 1), tx(1, 1), tx(9, 1)])), Ok(vec![0, 2]));
}

#[test]
fn test_each_fault_has_its_code() {
    assert_eq!(verdict(&batch(1, 1, &[tx(0, 1)])), Err(codes::BATCH_AUTHOR_UNKNOWN));
    let good = batch(10, 1, &[tx(0, 1), tx(1, 1)]);
    let mut other = good.clone();
    other.author_signature[9] ^= 1;
    assert_eq!(verdict(&other), Err(codes::BATCH_SIGNATURE_INVALID));
    let wrong = verify_batch(&good, &[1; 32], &validators(), &accounts(), &|_, _| false);
    assert_eq!(wrong.map_err(|error| error.code()), Err(codes::WRONG_CHAIN));
    let author = key(10);
    let encoded = [tx(0, 1).encode()];
    let lying = Batch::build(
        CHAIN,
        account_of(author.public_key()),
        1,
        &encoded,
        |_| [1; 32],
        |d| author.sign(d),
    )
    .unwrap();
    assert!(
        decode_batch(lying.bytes.clone()).is_ok(),
        "the decoder leaves the root to the verifier"
    );
    assert_eq!(verdict(&lying), Err(codes::BATCH_ROOT_MISMATCH));
    assert_eq!(
        verdict(&batch(10, 1, &[tx(0, 1), spoiled(&tx(1, 1))])),
        Err(codes::BATCH_TX_INVALID)
    );
    let mut foreign = body(0, 1, HEIGHT, 0);
    foreign.chain_id = [9; 32];
    assert_eq!(
        verdict(&batch(10, 1, &[tx(0, 1), foreign.sign(&key(0))])),
        Err(codes::BATCH_TX_INVALID)
    );
    // Validity does not depend on the state: expired and revoked ones are for execution.
    assert_eq!(verdict(&batch(10, 1, &[body(3, 1, 0, 0).sign(&key(3))])), Ok(vec![]));
}

#[test]
fn test_first_bad_signature_is_named_wherever_it_stands() {
    let txs: Vec<_> = (0..9).map(|i| tx(i % 3, i.into())).collect();
    for bad in 0..9 {
        let mut txs = txs.clone();
        txs[bad] = spoiled(&txs[bad]);
        let error = verify_batch(&batch(12, 3, &txs), &CHAIN, &validators(), &accounts(), &|_, _| false);
        assert_eq!(error, Err(BatchError::TxInvalid { index: bad as u32 }));
    }
}

#[test]
fn test_verified_transactions_are_not_verified_again_but_others_are() {
    let asked = Cell::new(0);
    let batch = batch(10, 1, &[spoiled(&tx(0, 1)), tx(1, 1)]);
    let trust = |id: &[u8; 32], signature: &[u8; 64]| {
        asked.set(asked.get() + 1);
        *id == tx(0, 1).body.tx_id() && *signature == spoiled(&tx(0, 1)).signature
    };
    assert_eq!(
        verify_batch(&batch, &CHAIN, &validators(), &accounts(), &trust),
        Ok(vec![])
    );
    assert_eq!(asked.get(), 2);
    let distrust =
        |id: &[u8; 32], signature: &[u8; 64]| *id == tx(0, 1).body.tx_id() && *signature == tx(0, 1).signature;
    let verdict = verify_batch(&batch, &CHAIN, &validators(), &accounts(), &distrust);
    assert_eq!(
        verdict,
        Err(BatchError::TxInvalid { index: 0 }),
        "the id alone proves nothing"
    );
}

#[test]
fn test_unknown_senders_are_checked_once_registered() {
    let accounts = accounts();
    let batch = batch(10, 1, &[tx(5, 1), tx(0, 1), spoiled(&tx(6, 1)), tx(7, 1)]);
    let open = verify_batch(&batch, &CHAIN, &validators(), &accounts, &|_, _| false).unwrap();
    assert_eq!(open, [0, 2, 3]);
    accounts.update([(account(5), Some(record(5, true)))]).unwrap();
    let open = verify_batch_txs(&batch, &open, &accounts).unwrap();
    assert_eq!(open, [2, 3]);
    accounts.update([(account(6), Some(record(6, true)))]).unwrap();
    assert_eq!(
        verify_batch_txs(&batch, &open, &accounts),
        Err(BatchError::TxInvalid { index: 2 })
    );
    assert_eq!(
        verify_batch_txs(&batch, &[4], &accounts),
        Err(BatchError::TxInvalid { index: 4 })
    );
    assert_eq!(verify_batch_txs(&batch, &[], &accounts), Ok(vec![]));
}

/// A batch of ten transactions with the fault number `fault`; 0 to 4 have none.
fn faulty(fault: u8, at: usize) -> Batch {
    let mut txs: Vec<_> = (0..10).map(|i| tx(i % 5, u64::from(i) + 100 * at as u64)).collect();
    match fault {
        5 => txs[at % 10].signature[1] ^= 1,
        6 => txs[9].body.chain_id = [9; 32],
        7 => return batch(1, 1, &txs),
        8 => {
            let mut batch = batch(11, 1, &txs);
            batch.author_signature[0] ^= 1;
            return batch;
        }
        9 => {
            let mut batch = batch(12, 1, &txs);
            batch.header.txs_root[0] ^= 1;
            return batch;
        }
        10 => {
            let mut batch = batch(12, 1, &txs);
            batch.header.chain_id = [1; 32];
            return batch;
        }
        _ => {}
    }
    batch(10 + fault % 4, at as u64, &txs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn prop_batches_verified_together_equal_those_verified_alone(faults in proptest::collection::vec(0u8..11, 0..6)) {
        let (accounts, validators) = (accounts(), validators());
        let pool = Pool::new(limits()).unwrap();
        let held: Vec<_> = (0..10u8).filter(|i| i % 5 < 2).map(|i| tx(i % 5, u64::from(i)).encode()).collect();
        prop_assert!(admit(&pool, &accounts, &held).iter().all(|code| *code == 0));
        let batches: Vec<_> = faults.iter().enumerate().map(|(at, fault)| faulty(*fault, at)).collect();
        let alone: Vec<_> = batches
            .iter()
            .map(|batch| verify_batch(batch, &CHAIN, &validators, &accounts, &|id, signature| pool.verified(id, signature)))
            .collect();
        let plain: Vec<&Batch> = batches.iter().collect();
        let together = |pool| verify_batches(&plain, &CHAIN, &validators, &accounts, pool);
        prop_assert_eq!(&together(None), &alone);
        prop_assert_eq!(&together(Some(&pool)), &alone);
        let items: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.txs.iter().map(|tx| (&tx.tx_id, tx.signature().of(&batch.bytes).first_chunk().unwrap())))
            .collect();
        let want: Vec<bool> = items.iter().map(|(id, signature)| pool.verified(id, signature)).collect();
        prop_assert_eq!(pool.verified_many(&items), want);
    }
}
