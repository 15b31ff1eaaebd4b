//! The pool's bookkeeping under its lock: entries by id, the queue by arrival, expiry, quotas and sealed batches.
//!
//! Invariants:
//! 1. Every entry is in `expiry`, and either in `queue` (pending) or counted by one sealed batch.
//! 2. `bytes` is the sum over the entries, `account_bytes` the same by sender; no entry of zero bytes is kept there.
//! 3. An entry keeps its arrival number when it returns from a lost batch, so that it stands before newer ones.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hn_primitives::{Account, Hash32, KeyedMap, codes};

use crate::account::Accounts;
use crate::limits::PoolLimits;
use crate::pool::TxStatus;

/// One transaction in the pool.
pub(crate) struct Entry {
    pub bytes: Arc<[u8]>,
    pub sender: Account,
    pub valid_until_height: u64,
    pub arrival: u64,
    /// Number of the own batch that holds it.
    pub sealed: Option<u64>,
}

/// An own batch that is not committed yet.
pub(crate) struct SealedBatch {
    /// Known once the batch is built.
    pub digest: Option<Hash32>,
    /// Last height known when it was sealed.
    pub height: u64,
    /// Its transactions; those committed or expired since are no longer entries.
    pub tx_ids: Vec<Hash32>,
    /// How many of them are still entries.
    pub left: usize,
}

#[derive(Default)]
pub(crate) struct Table {
    pub entries: KeyedMap<Hash32, Entry>,
    /// Pending ids by arrival.
    pub queue: BTreeMap<u64, Hash32>,
    /// Every id by (last valid height, arrival).
    expiry: BTreeMap<(u64, u64), Hash32>,
    account_bytes: KeyedMap<Account, u64>,
    pub bytes: u64,
    pub pending_bytes: u64,
    pub sealed: BTreeMap<u64, SealedBatch>,
    dropped: VecDeque<(Hash32, u32)>,
    next_arrival: u64,
    next_batch: u64,
    pub height: u64,
}

impl Table {
    /// The code that refuses a transaction of `len` bytes before its signature is looked at; 0 when there is room.
    pub fn refusal(&self, limits: &PoolLimits, tx_id: &Hash32, sender: &Account, len: usize) -> u32 {
        let len = len as u64;
        if self.entries.contains_key(tx_id) {
            codes::TX_DUPLICATE
        } else if self.account_bytes.get(sender).copied().unwrap_or(0).saturating_add(len) > limits.account_bytes_max {
            codes::ACCOUNT_QUOTA_EXCEEDED
        } else if self.bytes.saturating_add(len) > limits.pool_bytes_max
            || self.entries.len() as u64 >= limits.pool_tx_count_max
        {
            codes::MEMPOOL_FULL
        } else {
            0
        }
    }

    /// Appends a checked transaction to the queue. The caller has asked [`Table::refusal`] under the same lock.
    pub fn insert(&mut self, tx_id: Hash32, sender: Account, valid_until_height: u64, bytes: Arc<[u8]>) {
        let arrival = self.next_arrival;
        self.next_arrival += 1;
        let len = bytes.len() as u64;
        self.bytes += len;
        self.pending_bytes += len;
        *self.account_bytes.entry(sender).or_default() += len;
        self.queue.insert(arrival, tx_id);
        self.expiry.insert((valid_until_height, arrival), tx_id);
        self.entries.insert(
            tx_id,
            Entry {
                bytes,
                sender,
                valid_until_height,
                arrival,
                sealed: None,
            },
        );
    }

    /// Forgets a transaction; unknown ids change nothing.
    pub fn remove(&mut self, tx_id: &Hash32) {
        let Some(entry) = self.entries.remove(tx_id) else {
            return;
        };
        let len = entry.bytes.len() as u64;
        self.bytes -= len;
        self.expiry.remove(&(entry.valid_until_height, entry.arrival));
        if let Some(held) = self.account_bytes.get_mut(&entry.sender) {
            *held -= len;
            if *held == 0 {
                self.account_bytes.remove(&entry.sender);
            }
        }
        let Some(number) = entry.sealed else {
            self.pending_bytes -= len;
            self.queue.remove(&entry.arrival);
            return;
        };
        if let Some(batch) = self.sealed.get_mut(&number) {
            batch.left -= 1;
            if batch.left == 0 {
                self.sealed.remove(&number);
            }
        }
    }

    /// Forgets a transaction and reports it with `code`.
    fn drop_tx(&mut self, limits: &PoolLimits, tx_id: Hash32, code: u32) {
        self.remove(&tx_id);
        if self.dropped.len() as u64 >= limits.dropped_count_max {
            self.dropped.pop_front();
        }
        self.dropped.push_back((tx_id, code));
    }

    /// Takes the reported drops, oldest first.
    pub fn drain_dropped(&mut self) -> Vec<(Hash32, u32)> {
        self.dropped.drain(..).collect()
    }

    /// Drops every transaction that no later block may include.
    pub fn expire(&mut self, limits: &PoolLimits) {
        while let Some((key, tx_id)) = self.expiry.first_key_value() {
            if key.0 > self.height {
                break;
            }
            let tx_id = *tx_id;
            self.drop_tx(limits, tx_id, codes::TX_EXPIRED);
        }
    }

    /// Moves the oldest pending transactions, at most a batch full, out of the queue. `None` when nothing is pending.
    pub fn take_oldest(&mut self, limits: &PoolLimits) -> Option<u64> {
        let mut tx_ids = Vec::new();
        let mut body_bytes = 0;
        let number = self.next_batch;
        while let Some((arrival, tx_id)) = self.queue.first_key_value() {
            let (arrival, tx_id) = (*arrival, *tx_id);
            let Some(entry) = self.entries.get_mut(&tx_id) else {
                self.queue.remove(&arrival);
                continue;
            };
            let len = entry.bytes.len() as u64;
            if tx_ids.len() as u64 >= limits.batch_tx_count_max || body_bytes + len + 4 > limits.batch_bytes_max {
                break;
            }
            body_bytes += len + 4;
            self.pending_bytes -= len;
            entry.sealed = Some(number);
            self.queue.remove(&arrival);
            tx_ids.push(tx_id);
        }
        if tx_ids.is_empty() {
            return None;
        }
        self.next_batch += 1;
        let left = tx_ids.len();
        self.sealed.insert(
            number,
            SealedBatch {
                digest: None,
                height: self.height,
                tx_ids,
                left,
            },
        );
        Some(number)
    }

    /// The transactions of an own batch, in its order, with their ids. The caller has taken them under the same lock.
    pub fn sealed_txs(&self, number: u64) -> (Vec<Hash32>, Vec<Arc<[u8]>>) {
        let tx_ids = self
            .sealed
            .get(&number)
            .map(|batch| batch.tx_ids.as_slice())
            .unwrap_or_default();
        tx_ids
            .iter()
            .filter_map(|tx_id| Some((*tx_id, self.entries.get(tx_id)?.bytes.clone())))
            .unzip()
    }

    /// Names an own batch, unless all its transactions were committed or dropped meanwhile.
    pub fn set_digest(&mut self, number: u64, digest: Hash32) {
        if let Some(batch) = self.sealed.get_mut(&number) {
            batch.digest = Some(digest);
        }
    }

    /// Where a transaction stands; one whose batch is being built is still pending.
    pub fn status(&self, tx_id: &Hash32) -> TxStatus {
        let Some(entry) = self.entries.get(tx_id) else {
            return TxStatus::Unknown;
        };
        let digest = entry
            .sealed
            .and_then(|number| self.sealed.get(&number))
            .and_then(|batch| batch.digest);
        digest.map_or(TxStatus::Pending, TxStatus::Sealed)
    }

    /// Returns the transactions of own batches that stayed uncommitted for `requeue_blocks` heights to the queue.
    /// Those whose sender may no longer write are dropped.
    pub fn requeue(&mut self, limits: &PoolLimits, accounts: &Accounts) {
        while let Some((number, batch)) = self.sealed.first_key_value() {
            if batch.height.saturating_add(limits.requeue_blocks) > self.height {
                break;
            }
            for tx_id in self.unseal(*number) {
                let account = self.entries.get(&tx_id).and_then(|entry| accounts.get(&entry.sender));
                match account {
                    None => self.drop_tx(limits, tx_id, codes::ACCOUNT_UNKNOWN),
                    Some(account) if !account.active => self.drop_tx(limits, tx_id, codes::ACCOUNT_REVOKED),
                    Some(_) => {}
                }
            }
        }
    }

    /// The number of the own batch of this digest.
    pub fn number_of(&self, digest: &Hash32) -> Option<u64> {
        let found = self
            .sealed
            .iter()
            .find(|(_, batch)| batch.digest.as_ref() == Some(digest));
        found.map(|(number, _)| *number)
    }

    /// Forgets an own batch; what is left of it becomes pending again. Returns those ids.
    pub fn unseal(&mut self, number: u64) -> Vec<Hash32> {
        let Some(mut batch) = self.sealed.remove(&number) else {
            return Vec::new();
        };
        batch.tx_ids.retain(|tx_id| {
            let Some(entry) = self.entries.get_mut(tx_id).filter(|entry| entry.sealed == Some(number)) else {
                return false;
            };
            entry.sealed = None;
            self.pending_bytes += entry.bytes.len() as u64;
            self.queue.insert(entry.arrival, *tx_id);
            true
        });
        batch.tx_ids
    }
}
