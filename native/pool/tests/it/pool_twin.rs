//! The pool against a twin that keeps one plain list and searches it for everything.

use crate::fixture::{CHAIN, HEIGHT, account, accounts, body, key, limits, record, spoiled};
use hn_pool::{Pool, PoolLimits, TxStatus, decode_txs};
use hn_primitives::{Account, Hash32, codes};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::LazyLock;

struct Sample {
    id: Hash32,
    sender: u8,
    account: Account,
    valid_until: u64,
    good: Vec<u8>,
    bad: Vec<u8>,
}

/// 30 transactions of three accounts: small and large ones, short- and long-lived ones.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(|| {
    let sample = |i: u8| {
        let (sender, valid_until) = (i % 3, HEIGHT + u64::from(i * 7 % 25));
        let tx = body(
            sender,
            i.into(),
            valid_until,
            [10, 9_000, 25_000, 60_000][usize::from(i % 4)],
        )
        .sign(&key(sender));
        let (good, bad) = (tx.encode(), spoiled(&tx).encode());
        Sample {
            id: tx.body.tx_id(),
            sender,
            account: account(sender),
            valid_until,
            good,
            bad,
        }
    };
    (0..30).map(sample).collect()
});

#[derive(Debug, Clone)]
enum Op {
    /// (sample, good signature, committed)
    Admit(Vec<(usize, bool, bool)>),
    Seal,
    /// Samples on the chain, heights to advance.
    Commit(BTreeSet<usize>, u64),
    Activate(u8, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let item = (0..30usize, prop::bool::weighted(0.85), prop::bool::weighted(0.05));
    prop_oneof![
        4 => prop::collection::vec(item, 1..7).prop_map(Op::Admit),
        2 => Just(Op::Seal),
        2 => (prop::collection::btree_set(0..30usize, 0..5), 1..3u64).prop_map(|(set, n)| Op::Commit(set, n)),
        1 => (0..3u8, any::<bool>()).prop_map(|(i, active)| Op::Activate(i, active)),
    ]
}

struct TwinTx {
    sample: usize,
    batch: Option<usize>,
}

/// Transactions in order of arrival, batches in order of sealing.
struct Twin {
    limits: PoolLimits,
    height: u64,
    active: [bool; 3],
    txs: Vec<TwinTx>,
    batches: Vec<(Hash32, u64)>,
    dropped: Vec<(Hash32, u32)>,
}

impl Twin {
    fn refusal(&self, sample: usize) -> u32 {
        let len = |sample: usize| SAMPLES[sample].good.len() as u64;
        let held = |account: Option<u8>| -> u64 {
            let own = |tx: &&TwinTx| account.is_none_or(|account| SAMPLES[tx.sample].sender == account);
            self.txs.iter().filter(own).map(|tx| len(tx.sample)).sum()
        };
        if self.txs.iter().any(|tx| tx.sample == sample) {
            codes::TX_DUPLICATE
        } else if held(Some(SAMPLES[sample].sender)) + len(sample) > self.limits.account_bytes_max {
            codes::ACCOUNT_QUOTA_EXCEEDED
        } else if held(None) + len(sample) > self.limits.pool_bytes_max
            || self.txs.len() as u64 == self.limits.pool_tx_count_max
        {
            codes::MEMPOOL_FULL
        } else {
            0
        }
    }

    fn admit(&mut self, items: &[(usize, bool, bool)]) -> Vec<u32> {
        let before: Vec<u32> = items.iter().map(|item| self.refusal(item.0)).collect();
        let mut answers = Vec::new();
        for ((sample, good, committed), before) in items.iter().zip(before) {
            let s = &SAMPLES[*sample];
            answers.push(if !self.active[usize::from(s.sender)] {
                codes::ACCOUNT_REVOKED
            } else if s.valid_until <= self.height {
                codes::TX_EXPIRED
            } else if s.valid_until > self.height + self.limits.valid_blocks_max {
                codes::VALIDITY_TOO_FAR
            } else if *committed {
                codes::TX_DUPLICATE
            } else if before != 0 {
                before
            } else if !good {
                codes::SIGNATURE_INVALID
            } else {
                let now = self.refusal(*sample);
                if now == 0 {
                    self.txs.push(TwinTx {
                        sample: *sample,
                        batch: None,
                    });
                }
                now
            });
        }
        answers
    }

    fn next_batch(&self) -> Vec<usize> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for (i, tx) in self.txs.iter().enumerate().filter(|(_, tx)| tx.batch.is_none()) {
            bytes += SAMPLES[tx.sample].good.len() as u64 + 4;
            if bytes > self.limits.batch_bytes_max || taken.len() as u64 == self.limits.batch_tx_count_max {
                break;
            }
            taken.push(i);
        }
        taken
    }

    fn commit(&mut self, samples: &BTreeSet<usize>, heights: u64) {
        self.height += heights;
        self.txs.retain(|tx| !samples.contains(&tx.sample));
        let mut expired: Vec<usize> = (0..self.txs.len()).collect();
        expired.retain(|i| SAMPLES[self.txs[*i].sample].valid_until <= self.height);
        expired.sort_by_key(|i| SAMPLES[self.txs[*i].sample].valid_until);
        self.dropped.extend(
            expired
                .iter()
                .map(|i| (SAMPLES[self.txs[*i].sample].id, codes::TX_EXPIRED)),
        );
        self.txs.retain(|tx| SAMPLES[tx.sample].valid_until > self.height);
        for (number, (_, sealed_at)) in self.batches.iter().enumerate() {
            if sealed_at + self.limits.requeue_blocks > self.height {
                continue;
            }
            let (active, dropped) = (&self.active, &mut self.dropped);
            self.txs.retain_mut(|tx| {
                let s = &SAMPLES[tx.sample];
                if tx.batch != Some(number) {
                    return true;
                }
                tx.batch = None;
                if !active[usize::from(s.sender)] {
                    dropped.push((s.id, codes::ACCOUNT_REVOKED));
                }
                active[usize::from(s.sender)]
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn prop_pool_equals_the_list(ops in prop::collection::vec(op(), 1..40)) {
        let limits = PoolLimits {
            account_bytes_max: 150_000,
            pool_bytes_max: 330_000,
            pool_tx_count_max: 18,
            batch_tx_count_max: 4,
            batch_bytes_max: 90_000,
            valid_blocks_max: 20,
            requeue_blocks: 3,
            ..limits()
        };
        let (pool, accounts) = (Pool::new(limits).unwrap(), accounts());
        let (txs, batches, dropped) = (Vec::new(), Vec::new(), Vec::new());
        let mut twin = Twin { limits, height: HEIGHT, active: [true; 3], txs, batches, dropped };
        for op in ops {
            match op {
                Op::Admit(items) => {
                    let bytes = |item: &(usize, bool, bool)| {
                        let s = &SAMPLES[item.0];
                        if item.1 { s.good.as_slice() } else { s.bad.as_slice() }
                    };
                    let decoded = decode_txs(&CHAIN, &items.iter().map(bytes).collect::<Vec<_>>());
                    let committed: Vec<bool> = items.iter().map(|item| item.2).collect();
                    prop_assert_eq!(pool.admit(&decoded, &accounts, &committed, twin.height), twin.admit(&items));
                }
                Op::Seal => {
                    let want = twin.next_batch();
                    let batch = pool.seal(&CHAIN, &key(10), twin.batches.len() as u64);
                    let got: Vec<_> = batch.iter().flat_map(|batch| batch.txs.iter().map(|tx| tx.tx_id)).collect();
                    prop_assert_eq!(got, want.iter().map(|i| SAMPLES[twin.txs[*i].sample].id).collect::<Vec<_>>());
                    if let Some(batch) = batch {
                        want.into_iter().for_each(|i| twin.txs[i].batch = Some(twin.batches.len()));
                        twin.batches.push((batch.digest, twin.height));
                    }
                }
                Op::Commit(samples, heights) => {
                    twin.commit(&samples, heights);
                    let ids: Vec<_> = samples.iter().map(|i| SAMPLES[*i].id).collect();
                    pool.on_commit(twin.height, &ids, &accounts);
                    prop_assert_eq!(pool.drain_dropped(), std::mem::take(&mut twin.dropped));
                }
                Op::Activate(i, active) => {
                    twin.active[usize::from(i)] = active;
                    accounts.update([(account(i), Some(record(i, active)))]).unwrap();
                }
            }
            compare(&pool, &twin)?;
        }
    }
}

fn compare(pool: &Pool, twin: &Twin) -> Result<(), TestCaseError> {
    let len = |tx: &TwinTx| SAMPLES[tx.sample].good.len() as u64;
    let pending = || twin.txs.iter().filter(|tx| tx.batch.is_none());
    prop_assert_eq!(pool.count(), twin.txs.len());
    prop_assert_eq!(pool.bytes(), twin.txs.iter().map(len).sum::<u64>());
    prop_assert_eq!(pool.pending_count(), pending().count());
    prop_assert_eq!(pool.pending_bytes(), pending().map(len).sum::<u64>());
    let open: BTreeSet<usize> = twin.txs.iter().filter_map(|tx| tx.batch).collect();
    prop_assert_eq!(pool.sealed_batch_count(), open.len());
    for (i, sample) in SAMPLES.iter().enumerate() {
        let want = match twin.txs.iter().find(|tx| tx.sample == i) {
            None => TxStatus::Unknown,
            Some(TwinTx { batch: None, .. }) => TxStatus::Pending,
            Some(TwinTx {
                batch: Some(number), ..
            }) => TxStatus::Sealed(twin.batches[*number].0),
        };
        prop_assert_eq!(pool.status(&sample.id), want);
    }
    prop_assert!(SAMPLES.iter().all(|sample| sample.account == account(sample.sender)));
    Ok(())
}
