//! The way of one transaction to its handler and to its receipt.

use std::ops::Range;
use std::sync::Arc;

use hn_pool::AccountState;
use hn_primitives::{Batch, Hash32, ReceiptHead, Span, TxEntry, ZERO_HASH, codes};

use crate::application::{Failure, Operation, TxContext};
use crate::dispatch::{Applications, Handler};
use crate::overlay::{Committed, Namespace};
use crate::result::BlockInfo;

/// Where a transaction is: its batch in the block, its index in the batch.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub batch: usize,
    pub index: usize,
}

impl Place {
    /// The transaction and its batch.
    pub fn locate(self, batches: &[Arc<Batch>]) -> Option<(&Batch, &TxEntry)> {
        let batch = batches.get(self.batch)?;
        Some((batch, batch.txs.get(self.index)?))
    }
}

/// How far a block has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Begun,
    Checked,
    Supplied,
    Ran,
}

/// How far a transaction has come.
pub(crate) enum Outcome {
    /// Not checked yet.
    Open,
    /// Waits for its native handler.
    Native {
        application: usize,
        action: &'static str,
        operation: Box<dyn Operation>,
        declared: Range<usize>,
    },
    /// Waits for the plugin host.
    Foreign { application: usize },
    /// Has its receipt, a part of the block's log of receipts.
    Done { code: u32, receipt: Range<usize> },
}

/// The checks that every transaction passes before its application is looked up.
pub(crate) fn screen<'a>(
    info: &BlockInfo,
    tx: &TxEntry,
    account: Option<&'a AccountState>,
    duplicate: bool,
) -> Result<&'a AccountState, Failure> {
    let code = match account {
        _ if !tx.same_chain => codes::WRONG_CHAIN,
        _ if info.height > tx.valid_until_height => codes::TX_EXPIRED,
        _ if tx.valid_until_height - info.height > info.valid_blocks_max => codes::VALIDITY_TOO_FAR,
        None => codes::ACCOUNT_UNKNOWN,
        Some(account) if !account.active => codes::ACCOUNT_REVOKED,
        Some(_) if duplicate => codes::TX_DUPLICATE,
        Some(account) => return Ok(account),
    };
    Err(Failure::new(code))
}

/// Looks the handler up; a native one decodes the payload and declares its keys.
pub(crate) fn prepare(
    info: &BlockInfo,
    (batch, tx): (&Batch, &TxEntry),
    account: &AccountState,
    applications: &Applications,
    namespaces: &mut [Namespace],
) -> Result<Outcome, Failure> {
    let (application, action) = (tx.application.of(&batch.bytes), tx.action.of(&batch.bytes));
    let (application, handler) = applications.resolve(application, action, account)?;
    match (handler, namespaces.get_mut(application)) {
        (Handler::Native(native, action), Some(namespace)) => {
            let mut keys = namespace.overlay.declare();
            let operation = native.prepare(&context(info, (batch, tx), account, action), &mut keys)?;
            Ok(Outcome::Native {
                application,
                action,
                operation,
                declared: keys.finish(),
            })
        }
        _ => Ok(Outcome::Foreign { application }),
    }
}

pub(crate) fn context<'a>(
    info: &'a BlockInfo,
    (batch, tx): (&'a Batch, &'a TxEntry),
    account: &'a AccountState,
    action: &'static str,
) -> TxContext<'a> {
    TxContext {
        chain_id: &info.chain_id,
        height: info.height,
        time_ms: info.time_ms,
        proposer: &info.proposer,
        tx_id: &tx.tx_id,
        sender: &tx.sender,
        account,
        action,
        payload: tx.payload.of(&batch.bytes),
    }
}

/// A name inside a batch; the decoder checked that it is one.
pub(crate) fn text(batch: &Batch, span: Span) -> &str {
    std::str::from_utf8(span.of(&batch.bytes)).unwrap_or_default()
}

/// Writes the receipt of a native transaction that failed to the log.
pub(crate) fn failed(log: &mut Vec<u8>, tx_id: &Hash32, failure: Failure) -> Outcome {
    // A rule id is a constant of the program that fits the field.
    let rule = if failure.rule.len() > usize::from(u8::MAX) {
        ""
    } else {
        failure.rule
    };
    let head = ReceiptHead {
        tx_id,
        code: failure.code,
        rule,
        steps: 0,
        write_set_digest: &ZERO_HASH,
        event_count: 0,
    };
    logged(log, failure.code, |log| head.put(log))
}

/// Writes the receipt of a native transaction that succeeded to the log; the digest of its writes comes later.
pub(crate) fn succeeded(log: &mut Vec<u8>, tx_id: &Hash32, committed: &Committed<'_>) -> Outcome {
    let head = ReceiptHead {
        tx_id,
        code: codes::OK,
        rule: "",
        steps: 0,
        write_set_digest: &ZERO_HASH,
        event_count: committed.event_count,
    };
    logged(log, codes::OK, |log| {
        head.put(log);
        log.extend_from_slice(committed.events);
    })
}

/// Appends a receipt to the log.
pub(crate) fn logged(log: &mut Vec<u8>, code: u32, write: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let start = log.len();
    write(log);
    Outcome::Done {
        code,
        receipt: start..log.len(),
    }
}
