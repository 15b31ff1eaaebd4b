use crate::fixture::{CHAIN, HEIGHT, account, accounts, admit, body, key, limits, record, spoiled, tx};
use hn_pool::{DECODE_TX_COUNT_MAX, Pool, PoolLimits, TxStatus, decode_txs};
use hn_primitives::{SignedTx, codes};

fn code_of(signed: &SignedTx) -> u32 {
    let pool = Pool::new(limits()).unwrap();
    let code = admit(&pool, &accounts(), &[signed.encode()])[0];
    let known = pool.status(&signed.body.tx_id()) != TxStatus::Unknown;
    assert_eq!((known, pool.count() == 1), (code == 0, code == 0));
    code
}

#[test]
fn test_admit_answers_each_code() {
    assert_eq!(code_of(&tx(0, 1)), 0);
    assert_eq!(
        code_of(&body(9, 1, HEIGHT + 1, 0).sign(&key(9))),
        codes::ACCOUNT_UNKNOWN
    );
    assert_eq!(code_of(&tx(3, 1)), codes::ACCOUNT_REVOKED);
    assert_eq!(code_of(&body(0, 1, HEIGHT, 0).sign(&key(0))), codes::TX_EXPIRED);
    assert_eq!(code_of(&body(0, 1, HEIGHT + 1, 0).sign(&key(0))), 0);
    let far = HEIGHT + limits().valid_blocks_max;
    assert_eq!(code_of(&body(0, 1, far, 0).sign(&key(0))), 0);
    assert_eq!(code_of(&body(0, 1, far + 1, 0).sign(&key(0))), codes::VALIDITY_TOO_FAR);
    assert_eq!(code_of(&body(0, 1, u64::MAX, 0).sign(&key(0))), codes::VALIDITY_TOO_FAR);
    assert_eq!(code_of(&spoiled(&tx(0, 1))), codes::SIGNATURE_INVALID);
    assert_eq!(
        code_of(&body(0, 1, HEIGHT + 1, 0).sign(&key(1))),
        codes::SIGNATURE_INVALID,
        "another account's key"
    );
    let mut zero = tx(0, 1);
    zero.signature = [0; 64];
    assert_eq!(code_of(&zero), codes::SIGNATURE_OUT_OF_RANGE);
    let mut chain = body(0, 1, HEIGHT + 1, 0);
    chain.chain_id = [8; 32];
    assert_eq!(code_of(&chain.sign(&key(0))), codes::WRONG_CHAIN);
}

#[test]
fn test_admit_answers_malformed_and_oversized_items_alone() {
    let (pool, accounts) = (Pool::new(limits()).unwrap(), accounts());
    let good = tx(0, 1).encode();
    let mut trailing = good.clone();
    trailing.push(0);
    let items = [
        Vec::new(),
        good[..good.len() - 1].to_vec(),
        trailing,
        vec![1; 66_001],
        good,
    ];
    let want = [
        codes::TX_MALFORMED,
        codes::TX_MALFORMED,
        codes::TX_MALFORMED,
        codes::TX_TOO_LARGE,
        0,
    ];
    assert_eq!(admit(&pool, &accounts, &items), want);
    assert_eq!(pool.count(), 1);
}

#[test]
fn test_decode_answers_what_lies_behind_the_bounds_of_one_call() {
    let item = tx(0, 1).encode();
    let items = vec![item.as_slice(); DECODE_TX_COUNT_MAX + 1];
    let txs = decode_txs(&CHAIN, &items);
    assert_eq!(txs.count(), DECODE_TX_COUNT_MAX + 1);
    assert_eq!(txs.items().last(), Some(&Err(codes::BATCH_TOO_LARGE)));
    assert_eq!(
        txs.tx_ids().filter(|id| *id == Some(tx(0, 1).body.tx_id())).count(),
        DECODE_TX_COUNT_MAX
    );
    let large = body(0, 1, HEIGHT + 1, 65_536).sign(&key(0)).encode();
    let txs = decode_txs(&CHAIN, &vec![large.as_slice(); 300]);
    let fits = (16 << 20) / large.len();
    assert_eq!(
        txs.items().iter().position(|item| *item == Err(codes::BATCH_TOO_LARGE)),
        Some(fits)
    );
    // A small one behind them still finds room: the bound is on what is kept.
    assert_eq!(txs.items().iter().filter(|item| item.is_ok()).count(), fits);
}

#[test]
fn test_admit_refuses_duplicates_in_pool_call_chain_and_batches() {
    let (pool, accounts) = (Pool::new(limits()).unwrap(), accounts());
    let (first, second) = (tx(0, 1), tx(1, 2));
    let items = [spoiled(&first).encode(), first.encode(), first.encode()];
    assert_eq!(
        admit(&pool, &accounts, &items),
        [codes::SIGNATURE_INVALID, 0, codes::TX_DUPLICATE]
    );
    assert_eq!(admit(&pool, &accounts, &[first.encode()]), [codes::TX_DUPLICATE]);
    assert!(pool.seal(&CHAIN, &key(10), 1).is_some());
    assert_eq!(
        admit(&pool, &accounts, &[first.encode()]),
        [codes::TX_DUPLICATE],
        "sealed, not committed"
    );
    let (one, two) = (first.encode(), second.encode());
    let decoded = decode_txs(&CHAIN, &[&two, &one]);
    assert_eq!(
        pool.admit(&decoded, &accounts, &[true, false], HEIGHT),
        [codes::TX_DUPLICATE; 2]
    );
    pool.on_commit(HEIGHT + 1, &[first.body.tx_id()], &accounts);
    assert_eq!(
        admit(&pool, &accounts, &[first.encode()]),
        [0],
        "forgotten: the chain's index knows it now"
    );
}

#[test]
fn test_quotas_count_bytes_and_a_bad_signature_takes_no_room() {
    let large = |sender: u8, nonce| body(sender, nonce, HEIGHT + 9, 40_000).sign(&key(sender));
    let limits = PoolLimits {
        account_bytes_max: 70_000,
        pool_bytes_max: 100_000,
        ..limits()
    };
    let (pool, accounts) = (Pool::new(limits).unwrap(), accounts());
    let items = [
        spoiled(&large(0, 1)).encode(),
        large(0, 2).encode(),
        large(0, 3).encode(),
    ];
    assert_eq!(
        admit(&pool, &accounts, &items),
        [codes::SIGNATURE_INVALID, 0, codes::ACCOUNT_QUOTA_EXCEEDED]
    );
    let items = [large(1, 4).encode(), large(2, 5).encode(), tx(2, 6).encode()];
    assert_eq!(admit(&pool, &accounts, &items), [0, codes::MEMPOOL_FULL, 0]);
    assert!(pool.bytes() <= 100_000);
    pool.seal(&CHAIN, &key(10), 1).unwrap();
    assert_eq!(
        admit(&pool, &accounts, &[large(0, 3).encode()]),
        [codes::ACCOUNT_QUOTA_EXCEEDED],
        "sealed still counts"
    );
    pool.on_commit(HEIGHT + 1, &[large(0, 2).body.tx_id()], &accounts);
    assert_eq!(admit(&pool, &accounts, &[large(0, 3).encode()]), [0]);
    let full = PoolLimits {
        pool_tx_count_max: 1,
        ..limits
    };
    let pool = Pool::new(full).unwrap();
    assert_eq!(
        admit(&pool, &accounts, &[tx(0, 1).encode(), tx(1, 1).encode()]),
        [0, codes::MEMPOOL_FULL]
    );
}

#[test]
fn test_new_accounts_and_revocations_count_from_the_next_call() {
    let (pool, accounts) = (Pool::new(limits()).unwrap(), accounts());
    assert_eq!(admit(&pool, &accounts, &[tx(5, 1).encode()]), [codes::ACCOUNT_UNKNOWN]);
    accounts
        .update([
            (account(5), Some(record(5, true))),
            (account(0), Some(record(0, false))),
        ])
        .unwrap();
    let items = [tx(5, 1).encode(), tx(0, 1).encode()];
    assert_eq!(admit(&pool, &accounts, &items), [0, codes::ACCOUNT_REVOKED]);
}

#[test]
fn test_limits_are_checked_one_by_one() {
    let good = PoolLimits::default();
    assert!(good.check().is_ok());
    let bad = [
        PoolLimits {
            batch_tx_count_max: 0,
            ..good
        },
        PoolLimits {
            batch_tx_count_max: 4_097,
            ..good
        },
        PoolLimits {
            batch_bytes_max: 66_003,
            ..good
        },
        PoolLimits {
            batch_bytes_max: (1 << 20) + 1,
            ..good
        },
        PoolLimits {
            account_bytes_max: 66_003,
            ..good
        },
        PoolLimits {
            pool_bytes_max: good.account_bytes_max - 1,
            ..good
        },
        PoolLimits {
            pool_tx_count_max: 0,
            ..good
        },
        PoolLimits {
            valid_blocks_max: 0,
            ..good
        },
        PoolLimits {
            requeue_blocks: 0,
            ..good
        },
        PoolLimits {
            dropped_count_max: 0,
            ..good
        },
    ];
    for limits in bad {
        assert_eq!(
            Pool::new(limits).err().map(|error| error.code()),
            Some(codes::CONFIG_INVALID),
            "{limits:?}"
        );
    }
}
