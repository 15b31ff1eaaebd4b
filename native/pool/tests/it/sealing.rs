use crate::fixture::{CHAIN, HEIGHT, account, accounts, admit, body, key, limits, record, tx, validators};
use hn_pool::{Pool, PoolLimits, TxStatus, verify_batch};
use hn_primitives::codes;

#[test]
fn test_seal_takes_the_oldest_within_count_and_bytes() {
    let limits = PoolLimits {
        batch_tx_count_max: 3,
        batch_bytes_max: 70_000,
        ..limits()
    };
    let (pool, accounts) = (Pool::new(limits).unwrap(), accounts());
    assert!(pool.seal(&CHAIN, &key(10), 1).is_none());
    let large = body(0, 9, HEIGHT + 9, 50_000).sign(&key(0));
    let larger = body(1, 9, HEIGHT + 9, 60_000).sign(&key(1));
    let txs = [tx(0, 1), tx(1, 2), tx(0, 3), tx(2, 4), large, larger];
    let items: Vec<_> = txs.iter().map(|tx| tx.encode()).collect();
    assert_eq!(admit(&pool, &accounts, &items), [0; 6]);
    let ids: Vec<_> = txs.iter().map(|tx| tx.body.tx_id()).collect();
    // Three by number, then two that a third one's bytes leave no room for, then one that fills nothing.
    for (seq, want, fills) in [(1, &ids[..3], true), (2, &ids[3..5], true), (3, &ids[5..], false)] {
        assert_eq!(pool.fills_batch(), fills);
        let batch = pool.seal(&CHAIN, &key(10), seq).unwrap();
        assert_eq!(batch.txs.iter().map(|tx| tx.tx_id).collect::<Vec<_>>(), want);
        assert_eq!((batch.header.seq, batch.header.author), (seq, account(10)));
        assert_eq!(
            verify_batch(&batch, &CHAIN, &validators(), &accounts, &|_, _| false),
            Ok(vec![])
        );
        assert!(want.iter().all(|id| pool.status(id) == TxStatus::Sealed(batch.digest)));
    }
    assert!(pool.seal(&CHAIN, &key(10), 4).is_none());
    assert!(!pool.fills_batch());
    assert_eq!(
        (
            pool.count(),
            pool.pending_count(),
            pool.pending_bytes(),
            pool.sealed_batch_count()
        ),
        (6, 0, 0, 3)
    );
    pool.on_commit(HEIGHT + 1, &ids, &accounts);
    assert_eq!((pool.count(), pool.bytes(), pool.sealed_batch_count()), (0, 0, 0));
    assert_eq!(pool.drain_dropped(), []);
}

#[test]
fn test_lost_batch_returns_before_newer_ones_unless_expired_or_revoked() {
    let limits = PoolLimits {
        requeue_blocks: 5,
        ..limits()
    };
    let (pool, accounts) = (Pool::new(limits).unwrap(), accounts());
    let short = body(0, 2, HEIGHT + 3, 0).sign(&key(0));
    let old = [tx(0, 1), short, tx(1, 3), tx(2, 4)];
    let items: Vec<_> = old.iter().map(|tx| tx.encode()).collect();
    assert_eq!(admit(&pool, &accounts, &items), [0; 4]);
    pool.seal(&CHAIN, &key(10), 1).unwrap();
    assert_eq!(admit(&pool, &accounts, &[tx(0, 5).encode()]), [0]);
    // One of them came onto the chain through another validator.
    pool.on_commit(HEIGHT + 1, &[old[3].body.tx_id()], &accounts);
    accounts.update([(account(1), Some(record(1, false)))]).unwrap();
    for height in HEIGHT + 2..HEIGHT + 5 {
        pool.on_commit(height, &[], &accounts);
        assert_eq!(pool.pending_count(), 1);
    }
    assert_eq!(pool.drain_dropped(), [(old[1].body.tx_id(), codes::TX_EXPIRED)]);
    pool.on_commit(HEIGHT + 5, &[], &accounts);
    assert_eq!(pool.drain_dropped(), [(old[2].body.tx_id(), codes::ACCOUNT_REVOKED)]);
    assert_eq!(pool.drain_dropped(), []);
    let batch = pool.seal(&CHAIN, &key(10), 2).unwrap();
    let sealed: Vec<_> = batch.txs.iter().map(|tx| tx.tx_id).collect();
    assert_eq!(sealed, [old[0].body.tx_id(), tx(0, 5).body.tx_id()]);
}

#[test]
fn test_dropped_report_is_bounded_and_keeps_the_newest() {
    let limits = PoolLimits {
        dropped_count_max: 2,
        ..limits()
    };
    let (pool, accounts) = (Pool::new(limits).unwrap(), accounts());
    let txs: Vec<_> = (0..3).map(|i| body(0, i, HEIGHT + 1 + i, 0).sign(&key(0))).collect();
    let items: Vec<_> = txs.iter().map(|tx| tx.encode()).collect();
    assert_eq!(admit(&pool, &accounts, &items), [0; 3]);
    pool.on_commit(HEIGHT + 9, &[], &accounts);
    let want: Vec<_> = txs[1..].iter().map(|tx| (tx.body.tx_id(), codes::TX_EXPIRED)).collect();
    assert_eq!(pool.drain_dropped(), want);
    assert_eq!((pool.count(), pool.bytes(), pool.pending_bytes()), (0, 0, 0));
}

#[test]
fn test_verified_needs_the_same_signature() {
    let (pool, accounts) = (Pool::new(limits()).unwrap(), accounts());
    let signed = tx(0, 1);
    let id = signed.body.tx_id();
    assert!(!pool.verified(&id, &signed.signature));
    assert_eq!(admit(&pool, &accounts, &[signed.encode()]), [0]);
    assert!(pool.verified(&id, &signed.signature));
    assert!(!pool.verified(&id, &[1; 64]));
    assert_eq!(pool.get(&id).as_deref(), Some(signed.encode().as_slice()));
    assert!(pool.get(&[0; 32]).is_none());
}
