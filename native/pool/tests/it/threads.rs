use crate::fixture::{CHAIN, HEIGHT, account, accounts, admit, batch, key, limits, record, tx, validators};
use hn_pool::{Pool, verify_batch};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Admission, sealing, commits, batch verification and account updates at once: nothing is lost, doubled or stuck.
#[test]
fn test_threads_share_pool_and_accounts() {
    let (pool, accounts) = (Pool::new(limits()).unwrap(), accounts());
    let items: Vec<Vec<u8>> = (0..90).map(|i| tx((i % 3) as u8, i).encode()).collect();
    let ids: BTreeSet<_> = (0..90).map(|i| tx((i % 3) as u8, i).body.tx_id()).collect();
    let foreign = batch(11, 1, &(0..9).map(|i| tx((i % 3) as u8, i)).collect::<Vec<_>>());
    let done = AtomicBool::new(false);
    let (admitted, sealed) = std::thread::scope(|scope| {
        let admitters: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let chunks = items.chunks(10);
                    chunks
                        .map(|chunk| admit(&pool, &accounts, chunk).iter().filter(|code| **code == 0).count())
                        .sum::<usize>()
                })
            })
            .collect();
        let sealer = scope.spawn(|| {
            let (mut sealed, mut seq) = (Vec::new(), 0);
            while !done.load(Ordering::Acquire) || pool.pending_count() > 0 {
                seq += 1;
                sealed.extend(
                    pool.seal(&CHAIN, &key(10), seq)
                        .into_iter()
                        .flat_map(|b| b.txs.into_iter().map(|t| t.tx_id)),
                );
            }
            sealed
        });
        let committer = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                pool.on_commit(HEIGHT, &[], &accounts);
            }
        });
        let updater = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                accounts.update([(account(9), Some(record(9, true)))]).unwrap();
            }
        });
        for _ in 0..20 {
            let verified = |id: &[u8; 32], signature: &[u8; 64]| pool.verified(id, signature);
            assert_eq!(
                verify_batch(&foreign, &CHAIN, &validators(), &accounts, &verified),
                Ok(vec![])
            );
        }
        let admitted: usize = admitters
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<usize>();
        done.store(true, Ordering::Release);
        committer.join().unwrap();
        updater.join().unwrap();
        (admitted, sealer.join().unwrap())
    });
    assert_eq!(admitted, 90, "each id was admitted once");
    assert_eq!(sealed.len(), 90, "each id was sealed once");
    assert_eq!(sealed.into_iter().collect::<BTreeSet<_>>(), ids);
    assert_eq!(pool.count(), 90);
}
