//! Batches of other validators: everything that their bytes alone decide.
//!
//! A batch is valid or not for ever, whatever the state: an account is the hash of its key, so a registered account fixes
//! the key, and a revoked one keeps it. Only where no account is registered yet the signature stays open; such
//! transactions are reported, and [`verify_batch_txs`] looks at them again when the batch is proposed. What is
//! unknown then fails in execution with `ACCOUNT_UNKNOWN`, on every node alike.

use std::sync::Arc;

use hn_crypto::sm2::{self, BatchItem, PublicKey, VerifyStatus};
use hn_merkle::block_tree;
use hn_primitives::{Batch, Hash32, Sig64, ValidatorSet};

use crate::account::{AccountState, Accounts};
use crate::error::BatchError;
use crate::pool::Pool;

/// Checks a decoded batch of the chain `chain_id` and returns the indices of its transactions whose sender is unknown.
///
/// `verified` says that a transaction with exactly this id and signature was verified before (such as
/// [`crate::Pool::verified`]). The id alone would not do: it does not cover the signature, and a batch that one node
/// accepts and another refuses would split the validators.
///
/// Cost: one Merkle root, and one signature verification a transaction that is not verified yet.
///
/// # Errors
/// In this order: another chain, unknown author, bad author signature, wrong `txs_root`, first invalid transaction.
/// (`signatures_hash` and all lengths were checked by the decoder.)
pub fn verify_batch(
    batch: &Batch,
    chain_id: &Hash32,
    validators: &ValidatorSet,
    accounts: &Accounts,
    verified: &dyn Fn(&Hash32, &Sig64) -> bool,
) -> Result<Vec<u32>, BatchError> {
    let known = |items: &[Signed<'_>]| items.iter().map(|(id, signature)| verified(id, signature)).collect();
    let mut verdicts = verify_all(&[batch], chain_id, validators, accounts, &known);
    verdicts.pop().unwrap_or(Ok(Vec::new()))
}

/// [`verify_batch`] of each, the signatures of all verified together, so that lanes are full and inversions shared; those
/// that `pool` admitted itself are not verified again.
pub fn verify_batches(
    batches: &[&Batch],
    chain_id: &Hash32,
    validators: &ValidatorSet,
    accounts: &Accounts,
    pool: Option<&Pool>,
) -> Vec<Result<Vec<u32>, BatchError>> {
    let known = |items: &[Signed<'_>]| pool.map_or_else(Vec::new, |pool| pool.verified_many(items));
    verify_all(batches, chain_id, validators, accounts, &known)
}

/// Id and signature of a transaction.
type Signed<'a> = (&'a Hash32, &'a Sig64);
/// Which of many were verified before; what is missing at the end was not.
type Known<'a> = &'a dyn Fn(&[Signed<'_>]) -> Vec<bool>;

fn verify_all(
    batches: &[&Batch],
    chain_id: &Hash32,
    validators: &ValidatorSet,
    accounts: &Accounts,
    known: Known<'_>,
) -> Vec<Result<Vec<u32>, BatchError>> {
    let authors: Vec<Result<&PublicKey, BatchError>> = batches
        .iter()
        .map(|batch| author_of(batch, chain_id, validators))
        .collect();
    // Before anything that costs more: who is no validator shall not make others work.
    let items: Vec<BatchItem<'_>> = batches
        .iter()
        .zip(&authors)
        .filter_map(|(batch, author)| {
            let author = author.as_ref().ok()?;
            Some((*author, batch.digest.as_slice(), &batch.author_signature))
        })
        .collect();
    let mut signed = sm2::verify_batch(accounts.key_cache(), &items).into_iter();
    let mut verdicts: Vec<Result<Vec<u32>, BatchError>> = Vec::with_capacity(batches.len());
    for (batch, author) in batches.iter().zip(authors) {
        verdicts.push(author.and_then(|_| {
            if signed.next() != Some(VerifyStatus::Valid) {
                return Err(BatchError::SignatureInvalid);
            }
            if block_tree::root(&batch.txs) != batch.header.txs_root {
                return Err(BatchError::RootMismatch);
            }
            match batch.txs.iter().position(|tx| !tx.same_chain) {
                Some(index) => Err(BatchError::TxInvalid { index: index as u32 }),
                None => Ok(Vec::new()),
            }
        }));
    }
    let mut open = OpenTxs::default();
    {
        let view = accounts.read();
        for (at, (batch, verdict)) in batches.iter().zip(&mut verdicts).enumerate() {
            if verdict.is_ok() {
                *verdict = open.add(at, batch, 0..batch.txs.len() as u32, |sender| view.get(sender).cloned());
            }
        }
    }
    open.skip(known);
    open.verify(accounts, &mut verdicts);
    verdicts
}

fn author_of<'a>(batch: &Batch, chain_id: &Hash32, validators: &'a ValidatorSet) -> Result<&'a PublicKey, BatchError> {
    if batch.header.chain_id != *chain_id {
        return Err(BatchError::WrongChain);
    }
    validators
        .index_of(&batch.header.author)
        .and_then(|index| validators.public_key(index))
        .ok_or(BatchError::AuthorUnknown)
}

/// Verifies the transactions `indices` of a batch, those that [`verify_batch`] or an earlier call reported; returns the
/// ones that are still unknown.
///
/// # Errors
/// [`BatchError::TxInvalid`] for the first bad signature or an index beyond the batch.
pub fn verify_batch_txs(batch: &Batch, indices: &[u32], accounts: &Accounts) -> Result<Vec<u32>, BatchError> {
    let mut open = OpenTxs::default();
    let view = accounts.read();
    let mut verdicts = [open.add(0, batch, indices.iter().copied(), |sender| view.get(sender).cloned())];
    drop(view);
    open.verify(accounts, &mut verdicts);
    let [verdict] = verdicts;
    verdict
}

/// A transaction whose signature is to be verified: of which batch, where in it.
struct OpenTx<'a> {
    batch: usize,
    index: u32,
    account: Arc<AccountState>,
    signed: Signed<'a>,
}

/// Transactions of many batches whose signatures are verified in one call.
#[derive(Default)]
struct OpenTxs<'a>(Vec<OpenTx<'a>>);

impl<'a> OpenTxs<'a> {
    /// Adds transactions of batch number `at` and returns those whose sender is unknown.
    fn add(
        &mut self,
        at: usize,
        batch: &'a Batch,
        indices: impl ExactSizeIterator<Item = u32>,
        account_of: impl Fn(&hn_primitives::Account) -> Option<Arc<AccountState>>,
    ) -> Result<Vec<u32>, BatchError> {
        let mut unknown = Vec::new();
        self.0.reserve(indices.len());
        for index in indices {
            let invalid = || BatchError::TxInvalid { index };
            let tx = batch.txs.get(index as usize).ok_or_else(invalid)?;
            let Some(account) = account_of(&tx.sender) else {
                unknown.push(index);
                continue;
            };
            let signature = tx.signature().of(&batch.bytes).first_chunk().ok_or_else(invalid)?;
            self.0.push(OpenTx {
                batch: at,
                index,
                account,
                signed: (&tx.tx_id, signature),
            });
        }
        Ok(unknown)
    }

    /// Leaves out what was verified before. Not while a view of the accounts is held: `known` takes the pool's lock, whose
    /// holders look up accounts.
    fn skip(&mut self, known: Known<'_>) {
        let items: Vec<Signed<'_>> = self.0.iter().map(|open| open.signed).collect();
        let mut known = known(&items).into_iter();
        self.0.retain(|_| !known.next().unwrap_or(false));
    }

    /// Verifies what is left; a batch's verdict becomes its first bad signature.
    fn verify(self, accounts: &Accounts, verdicts: &mut [Result<Vec<u32>, BatchError>]) {
        let items: Vec<BatchItem<'_>> = self
            .0
            .iter()
            .map(|open| (&open.account.public_key, open.signed.0.as_slice(), open.signed.1))
            .collect();
        let statuses = sm2::verify_batch(accounts.key_cache(), &items);
        for (open, status) in self.0.iter().zip(statuses) {
            if let (Some(verdict @ Ok(_)), true) = (verdicts.get_mut(open.batch), status != VerifyStatus::Valid) {
                *verdict = Err(BatchError::TxInvalid { index: open.index });
            }
        }
    }
}
