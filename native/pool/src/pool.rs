//! The pool: transactions between admission and commit, in order of arrival.
//!
//! Flow: [`crate::decode_txs`] → [`Pool::admit`] → [`Pool::seal`] → (batch proposed, decided) → [`Pool::on_commit`].
//!
//! Invariants:
//! 1. A transaction in the pool has a valid signature of an account that was registered and active when it came.
//! 2. It counts against the bounds, and as a duplicate, until it is committed or dropped; sealing changes nothing.
//! 3. A dropped transaction is reported once by [`Pool::drain_dropped`], unless so many drop that the report overflows.
//! 4. The pool lives in memory only: after a restart clients submit again, which is harmless.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hn_crypto::sm2::{self, BatchItem, SecretKey, VerifyStatus};
use hn_merkle::block_tree;
use hn_primitives::{Batch, Hash32, Sig64, account_of, codes};

use crate::account::{AccountState, Accounts};
use crate::decode::{DecodedTx, DecodedTxs};
use crate::error::PoolError;
use crate::limits::PoolLimits;
use crate::table::Table;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxStatus {
    /// Not in the pool: never admitted, committed, or dropped.
    Unknown,
    /// Waits for a batch.
    Pending,
    /// In the own batch of this digest, not committed yet.
    Sealed(Hash32),
}

/// The transaction pool of one chain. Thread-safe: every method takes `&self`; signatures are verified, and batches
/// hashed and signed, outside the lock.
pub struct Pool {
    limits: PoolLimits,
    table: Mutex<Table>,
}

/// A transaction on its way through admission: position in the call, itself, its sender's record.
type Candidate<'a> = (usize, &'a DecodedTx, Arc<AccountState>);

impl Pool {
    /// An empty pool.
    ///
    /// # Errors
    /// [`PoolError::LimitInvalid`] for the first limit out of its range.
    pub fn new(limits: PoolLimits) -> Result<Self, PoolError> {
        limits.check()?;
        Ok(Self {
            limits,
            table: Mutex::default(),
        })
    }

    /// The bounds given to [`Pool::new`].
    pub fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    // Nothing between taking and releasing the lock can panic half-way, so a poisoned lock holds a sound table.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits the good ones of `txs`; returns one code an item, 0 = admitted.
    ///
    /// `committed[i]` says that item `i` is on the chain already (a missing entry: it is not); `height` is the last
    /// committed height, so that `height + 1` is the first block that can hold the transaction.
    ///
    /// Order of the checks: the code of the decoding, `PERSONAL_DATA`, `ACCOUNT_UNKNOWN`, `ACCOUNT_REVOKED`, `TX_EXPIRED`,
    /// `VALIDITY_TOO_FAR`, `TX_DUPLICATE`, `ACCOUNT_QUOTA_EXCEEDED`, `MEMPOOL_FULL`, `SIGNATURE_INVALID` or
    /// `SIGNATURE_OUT_OF_RANGE`. A bad signature takes no room, also not from its account.
    /// Cost: O(n); one signature verification for each item that passes everything before it.
    pub fn admit(&self, txs: &DecodedTxs, accounts: &Accounts, committed: &[bool], height: u64) -> Vec<u32> {
        let mut answers = vec![codes::OK; txs.count()];
        let mut candidates = self.screen(txs, accounts, committed, height, &mut answers);
        {
            let table = self.table();
            candidates.retain(|(i, tx, _)| {
                let code = table.refusal(&self.limits, &tx.tx_id, &tx.sender, txs.bytes(tx).len());
                refuse(&mut answers, *i, code)
            });
        }
        verify(txs, accounts, &mut candidates, &mut answers);
        let verified: Vec<(usize, &DecodedTx, Arc<[u8]>)> = candidates
            .into_iter()
            .map(|(i, tx, _)| (i, tx, txs.bytes(tx).into()))
            .collect();
        let mut table = self.table();
        table.height = table.height.max(height);
        for (i, tx, bytes) in verified {
            // Again: the same id may stand twice in this call, and other calls may have run meanwhile.
            let code = table.refusal(&self.limits, &tx.tx_id, &tx.sender, bytes.len());
            if refuse(&mut answers, i, code) {
                table.insert(tx.tx_id, tx.sender, tx.valid_until_height, bytes);
            }
        }
        answers
    }

    /// The checks that need neither the pool's lock nor a signature.
    fn screen<'a>(
        &self,
        txs: &'a DecodedTxs,
        accounts: &Accounts,
        committed: &[bool],
        height: u64,
        answers: &mut [u32],
    ) -> Vec<Candidate<'a>> {
        let mut candidates = Vec::with_capacity(txs.count());
        let view = accounts.read();
        for ((i, item), answer) in txs.items().iter().enumerate().zip(answers) {
            let tx = match item {
                Ok(tx) => tx,
                Err(code) => {
                    *answer = *code;
                    continue;
                }
            };
            let account = view.get(&tx.sender);
            *answer = match account {
                _ if tx.is_personal => codes::PERSONAL_DATA,
                None => codes::ACCOUNT_UNKNOWN,
                Some(account) if !account.active => codes::ACCOUNT_REVOKED,
                Some(_) if tx.valid_until_height <= height => codes::TX_EXPIRED,
                Some(_) if tx.valid_until_height - height > self.limits.valid_blocks_max => codes::VALIDITY_TOO_FAR,
                Some(_) if committed.get(i).copied().unwrap_or(false) => codes::TX_DUPLICATE,
                Some(account) => {
                    candidates.push((i, tx, account.clone()));
                    codes::OK
                }
            };
        }
        candidates
    }

    /// Seals the oldest pending transactions into a batch; `None` when there are none.
    ///
    /// They stay in the pool, as sealed, until [`Pool::on_commit`] reports them. `seq` has to be larger than that of
    /// every batch `author` sealed before.
    /// Cost: one Merkle root over the ids, one hash over the signatures, one signature, all outside the lock.
    pub fn seal(&self, chain_id: &Hash32, author: &SecretKey, seq: u64) -> Option<Batch> {
        let (number, (ids, txs)) = {
            let mut table = self.table();
            let number = table.take_oldest(&self.limits)?;
            (number, table.sealed_txs(number))
        };
        let account = account_of(author.public_key());
        let txs = (ids.as_slice(), txs.as_slice());
        let batch = Batch::build_identified(*chain_id, account, seq, txs, block_tree::root, |digest| {
            author.sign(digest)
        });
        let mut table = self.table();
        match batch {
            Ok(batch) => {
                table.set_digest(number, batch.digest);
                Some(batch)
            }
            Err(_) => {
                table.unseal(number);
                None
            }
        }
    }

    /// Follows a committed block: forgets its transactions, drops the expired ones, and returns the transactions of own
    /// batches that stayed uncommitted for `requeue_blocks` heights to the queue, where they stand before newer ones.
    ///
    /// `accounts` is the table after the block: requeued transactions of senders that may no longer write are dropped.
    pub fn on_commit(&self, height: u64, tx_ids: &[Hash32], accounts: &Accounts) {
        let mut table = self.table();
        table.height = table.height.max(height);
        for tx_id in tx_ids {
            table.remove(tx_id);
        }
        table.expire(&self.limits);
        table.requeue(&self.limits, accounts);
    }

    /// Returns the transactions of an own batch that can never be committed (a later seq was) to the queue at once.
    /// An unknown digest changes nothing. Cost: O(own uncommitted batches).
    pub fn requeue(&self, digest: &Hash32) {
        let mut table = self.table();
        if let Some(number) = table.number_of(digest) {
            table.unseal(number);
        }
    }

    /// Takes the report of dropped transactions, oldest first: id, and the code that says why.
    pub fn drain_dropped(&self) -> Vec<(Hash32, u32)> {
        self.table().drain_dropped()
    }

    /// Where a transaction stands.
    pub fn status(&self, tx_id: &Hash32) -> TxStatus {
        self.table().status(tx_id)
    }

    /// Whether the pool holds this transaction with exactly this signature, which it then has verified.
    pub fn verified(&self, tx_id: &Hash32, signature: &Sig64) -> bool {
        self.table()
            .entries
            .get(tx_id)
            .is_some_and(|entry| entry.bytes.last_chunk::<64>() == Some(signature))
    }

    /// [`Pool::verified`] of many, under one lock.
    pub fn verified_many(&self, items: &[(&Hash32, &Sig64)]) -> Vec<bool> {
        let table = self.table();
        let held = |(tx_id, signature): &(&Hash32, &Sig64)| {
            let entry = table.entries.get(*tx_id);
            entry.is_some_and(|entry| entry.bytes.last_chunk::<64>() == Some(*signature))
        };
        items.iter().map(held).collect()
    }

    /// The signed transaction, while the pool holds it.
    pub fn get(&self, tx_id: &Hash32) -> Option<Arc<[u8]>> {
        self.table().entries.get(tx_id).map(|entry| entry.bytes.clone())
    }

    /// Bytes of all transactions, sealed ones included.
    pub fn bytes(&self) -> u64 {
        self.table().bytes
    }

    /// Number of all transactions, sealed ones included.
    pub fn count(&self) -> usize {
        self.table().entries.len()
    }

    /// Bytes of the transactions that wait for a batch.
    pub fn pending_bytes(&self) -> u64 {
        self.table().pending_bytes
    }

    /// Number of the transactions that wait for a batch.
    pub fn pending_count(&self) -> usize {
        self.table().queue.len()
    }

    /// Whether what waits for a batch fills one: its transactions reach the count, or with their lengths do not fit the bytes.
    pub fn fills_batch(&self) -> bool {
        let table = self.table();
        let count = table.queue.len() as u64;
        count >= self.limits.batch_tx_count_max || table.pending_bytes + 4 * count > self.limits.batch_bytes_max
    }

    /// Number of own batches that are not fully committed.
    pub fn sealed_batch_count(&self) -> usize {
        self.table().sealed.len()
    }
}

/// Notes a refusal; true when there is none.
fn refuse(answers: &mut [u32], i: usize, code: u32) -> bool {
    if let Some(answer) = answers.get_mut(i) {
        *answer = code;
    }
    code == codes::OK
}

/// Verifies the candidates' signatures in one batch and keeps the good ones.
fn verify(txs: &DecodedTxs, accounts: &Accounts, candidates: &mut Vec<Candidate<'_>>, answers: &mut [u32]) {
    let items: Vec<BatchItem<'_>> = candidates
        .iter()
        .filter_map(|(_, tx, account)| {
            let signature = txs.bytes(tx).last_chunk()?;
            Some((&account.public_key, tx.tx_id.as_slice(), signature))
        })
        .collect();
    let mut verdicts = sm2::verify_batch(accounts.key_cache(), &items).into_iter();
    candidates.retain(|(i, _, _)| {
        let code = match verdicts.next() {
            Some(VerifyStatus::Valid) => codes::OK,
            Some(VerifyStatus::OutOfRange) => codes::SIGNATURE_OUT_OF_RANGE,
            Some(VerifyStatus::BadSignature | VerifyStatus::BadKey) | None => codes::SIGNATURE_INVALID,
        };
        refuse(answers, *i, code)
    });
}
