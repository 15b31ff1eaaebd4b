//! Batches of other validators: everything that their bytes alone decide.
//!
//! A batch is valid or not for ever, whatever the state: an account is the hash of its key, so a registered account fixes
//! the key, and a revoked one keeps it. Only where no account is registered yet the signature stays open; such
//! transactions are reported, and [`verify_batch_txs`] looks at them again when the batch is proposed. What is
//! unknown then fails in execution with `ACCOUNT_UNKNOWN`, on every node alike.

use std::sync::Arc;

use hn_crypto::sm2::{self, BatchItem, VerifyStatus};
use hn_merkle::block_tree;
use hn_primitives::{Batch, Hash32, Sig64, ValidatorSet};

use crate::account::{AccountState, Accounts};
use crate::error::BatchError;

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
    if batch.header.chain_id != *chain_id {
        return Err(BatchError::WrongChain);
    }
    let author = validators
        .index_of(&batch.header.author)
        .and_then(|index| validators.public_key(index))
        .ok_or(BatchError::AuthorUnknown)?;
    let item = (author, batch.digest.as_slice(), &batch.author_signature);
    if sm2::verify_batch(accounts.key_cache(), &[item]) != [VerifyStatus::Valid] {
        return Err(BatchError::SignatureInvalid);
    }
    if block_tree::root(&batch.txs) != batch.header.txs_root {
        return Err(BatchError::RootMismatch);
    }
    if let Some(index) = batch.txs.iter().position(|tx| !tx.same_chain) {
        return Err(BatchError::TxInvalid { index: index as u32 });
    }
    verify_txs(batch, 0..batch.txs.len() as u32, accounts, verified)
}

/// Verifies the transactions `indices` of a batch, those that [`verify_batch`] or an earlier call reported; returns the
/// ones that are still unknown.
///
/// # Errors
/// [`BatchError::TxInvalid`] for the first bad signature or an index beyond the batch.
pub fn verify_batch_txs(batch: &Batch, indices: &[u32], accounts: &Accounts) -> Result<Vec<u32>, BatchError> {
    verify_txs(batch, indices.iter().copied(), accounts, &|_, _| false)
}

fn verify_txs(
    batch: &Batch,
    indices: impl Iterator<Item = u32>,
    accounts: &Accounts,
    verified: &dyn Fn(&Hash32, &Sig64) -> bool,
) -> Result<Vec<u32>, BatchError> {
    let mut unknown = Vec::new();
    let mut open: Vec<(u32, Arc<AccountState>, &Hash32, &Sig64)> = Vec::new();
    {
        let view = accounts.read();
        for index in indices {
            let invalid = BatchError::TxInvalid { index };
            let tx = batch.txs.get(index as usize).ok_or(invalid.clone())?;
            let Some(account) = view.get(&tx.sender) else {
                unknown.push(index);
                continue;
            };
            let signature = tx.signature().of(&batch.bytes).first_chunk().ok_or(invalid)?;
            open.push((index, account.clone(), &tx.tx_id, signature));
        }
    }
    // After the view is dropped: `verified` takes the pool's lock, whose holders look up accounts.
    open.retain(|(_, _, tx_id, signature)| !verified(tx_id, signature));
    let items: Vec<BatchItem<'_>> = open
        .iter()
        .map(|(_, account, tx_id, signature)| (&account.public_key, tx_id.as_slice(), *signature))
        .collect();
    let verdicts = sm2::verify_batch(accounts.key_cache(), &items);
    match open
        .iter()
        .zip(verdicts)
        .find(|(_, verdict)| *verdict != VerifyStatus::Valid)
    {
        Some(((index, ..), _)) => Err(BatchError::TxInvalid { index: *index }),
        None => Ok(unknown),
    }
}
