//! Values: what a proposer builds and what a validator checks before it votes. One code a rule, in a fixed order.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use hn_merkle::block_tree;
use hn_primitives::{Account, Batch, BatchRef, Fault, Hash32, Header, VALUE_BATCH_COUNT_MAX, ValidatorSet, Value};

use crate::error::ValueError;

/// What the own node knows about the block that a value wants to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The chain.
    pub chain_id: Hash32,
    /// The next height.
    pub height: u64,
    /// Proposer of the round; `None` for a re-proposal, which keeps the proposer of an earlier round.
    pub proposer: Option<Account>,
    /// Hash of the last block; the chain id for block 1.
    pub parent_hash: Hash32,
    /// Time of the last block (genesis: of the chain), Unix milliseconds.
    pub parent_time_ms: u64,
    /// The own clock, Unix milliseconds; `None` for a re-proposal.
    pub now_ms: Option<u64>,
    /// How far a header may be ahead of the own clock.
    pub clock_skew_ms_max: u64,
    /// Hash of this height's set.
    pub validators_hash: Hash32,
    /// Hash of the next height's set.
    pub next_validators_hash: Hash32,
    /// Hash of the installed applications.
    pub plugins_hash: Hash32,
    /// Own results of the last block.
    pub receipts_root: Hash32,
    /// Own state root after the last block.
    pub state_root: Hash32,
    /// Own outbox root of the last block.
    pub outbox_root: Hash32,
    /// Bytes of all batches of a block, whole encodings.
    pub block_bytes_max: u64,
    /// Transactions of a block.
    pub block_tx_count_max: u64,
}

/// Completes `header_template` by `batches_root` and `tx_root` and lists the batches in the given order.
/// Cost: one Merkle root over the batches, one over their transactions.
pub fn build_value(header_template: &Header, batches: &[Arc<Batch>]) -> Value {
    let refs: Vec<BatchRef> = batches
        .iter()
        .map(|batch| BatchRef {
            digest: batch.digest,
            author: batch.header.author,
            seq: batch.header.seq,
        })
        .collect();
    let header = Header {
        batches_root: batches_root(&refs),
        tx_root: tx_root(batches),
        ..*header_template
    };
    Value { header, batches: refs }
}

/// Decodes a proposed value; the first check of all.
///
/// # Errors
/// [`ValueError::Version`] for another header version, [`ValueError::Malformed`] for everything else.
pub fn decode_value(bytes: &[u8]) -> Result<Value, ValueError> {
    Value::decode(bytes).map_err(|error| match error.fault {
        Fault::Version(got) => ValueError::Version { got },
        _ => ValueError::Malformed(error),
    })
}

/// Checks everything about a value that does not need its batches; [`check_value_batches`] does the rest.
///
/// # Errors
/// The first broken rule, in this order: chain, height, proposer, parent, time, batch list (count, no digest twice, seq
/// rising for an author), batches root, validators, next validators, plugins, results of the block before.
/// [`ValueError::TimeAhead`] means "check again later", everything else is final. [`decode_value`] comes before.
pub fn check_value(value: &Value, expected: &Expected) -> Result<(), ValueError> {
    let header = &value.header;
    ensure(header.chain_id == expected.chain_id, ValueError::Chain)?;
    ensure(
        header.height == expected.height,
        ValueError::Height {
            got: header.height,
            want: expected.height,
        },
    )?;
    ensure(
        expected.proposer.is_none_or(|proposer| proposer == header.proposer),
        ValueError::Proposer,
    )?;
    ensure(header.parent_hash == expected.parent_hash, ValueError::Parent)?;
    check_time(header.time_ms, expected)?;
    check_refs(&value.batches)?;
    ensure(
        header.batches_root == batches_root(&value.batches),
        ValueError::BatchesRoot,
    )?;
    ensure(
        header.validators_hash == expected.validators_hash,
        ValueError::Validators,
    )?;
    ensure(
        header.next_validators_hash == expected.next_validators_hash,
        ValueError::NextValidators,
    )?;
    ensure(header.plugins_hash == expected.plugins_hash, ValueError::Plugins)?;
    ensure(
        header.receipts_root == expected.receipts_root,
        ValueError::Results("receipts_root"),
    )?;
    ensure(
        header.state_root == expected.state_root,
        ValueError::Results("state_root"),
    )?;
    ensure(
        header.outbox_root == expected.outbox_root,
        ValueError::Results("outbox_root"),
    )
}

/// Checks a value against its batches, which the caller holds verified and durable, in the value's order.
///
/// `last_seq` holds the seq of each author's last committed batch; an author without one may start anywhere.
///
/// # Errors
/// In this order: batch list (one batch a reference; digest, author and seq as the batch says; author a validator; seq
/// above the author's last committed one; bytes and transactions within the block's bounds), transaction root.
pub fn check_value_batches(
    value: &Value,
    batches: &[Arc<Batch>],
    expected: &Expected,
    validators: &ValidatorSet,
    last_seq: &BTreeMap<Account, u64>,
) -> Result<(), ValueError> {
    let list = |holds, what| ensure(holds, ValueError::BatchList(what));
    list(value.batches.len() == batches.len(), "count differs from the batches")?;
    check_refs(&value.batches)?;
    let (mut bytes, mut tx_count) = (0, 0);
    for (reference, batch) in value.batches.iter().zip(batches) {
        list(reference.digest == batch.digest, "digest differs from the batch")?;
        list(reference.author == batch.header.author, "author differs from the batch")?;
        list(reference.seq == batch.header.seq, "seq differs from the batch")?;
        list(
            validators.index_of(&reference.author).is_some(),
            "author is no validator",
        )?;
        list(
            last_seq.get(&reference.author).is_none_or(|last| reference.seq > *last),
            "seq is committed already",
        )?;
        bytes += batch.bytes.len() as u64;
        tx_count += batch.txs.len() as u64;
    }
    list(bytes <= expected.block_bytes_max, "more bytes than a block may have")?;
    list(
        tx_count <= expected.block_tx_count_max,
        "more transactions than a block may have",
    )?;
    ensure(
        value.header.batches_root == batches_root(&value.batches),
        ValueError::BatchesRoot,
    )?;
    ensure(value.header.tx_root == tx_root(batches), ValueError::TxRoot)
}

fn ensure(holds: bool, error: ValueError) -> Result<(), ValueError> {
    if holds { Ok(()) } else { Err(error) }
}

fn check_time(time_ms: u64, expected: &Expected) -> Result<(), ValueError> {
    let parent_time_ms = expected.parent_time_ms;
    ensure(
        time_ms > parent_time_ms,
        ValueError::Time {
            time_ms,
            parent_time_ms,
        },
    )?;
    let latest = expected
        .now_ms
        .map(|now| now.saturating_add(expected.clock_skew_ms_max));
    match latest {
        Some(latest) if time_ms > latest => Err(ValueError::TimeAhead {
            wait_ms: time_ms - latest,
        }),
        _ => Ok(()),
    }
}

/// What the references tell by themselves.
fn check_refs(refs: &[BatchRef]) -> Result<(), ValueError> {
    ensure(
        refs.len() <= VALUE_BATCH_COUNT_MAX,
        ValueError::BatchList("more than 1,024 batches"),
    )?;
    let mut digests = HashSet::with_capacity(refs.len());
    let mut last_seq = BTreeMap::new();
    for reference in refs {
        ensure(digests.insert(reference.digest), ValueError::BatchList("digest twice"))?;
        let rises = last_seq
            .insert(reference.author, reference.seq)
            .is_none_or(|last| reference.seq > last);
        ensure(rises, ValueError::BatchList("seq does not rise"))?;
    }
    Ok(())
}

fn batches_root(refs: &[BatchRef]) -> Hash32 {
    let leaves: Vec<_> = refs.iter().map(BatchRef::encode).collect();
    block_tree::root(&leaves)
}

fn tx_root(batches: &[Arc<Batch>]) -> Hash32 {
    let tx_ids: Vec<&Hash32> = batches
        .iter()
        .flat_map(|batch| &batch.txs)
        .map(|tx| &tx.tx_id)
        .collect();
    block_tree::root(&tx_ids)
}
