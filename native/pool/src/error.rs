//! What this crate refuses, one enum a subject, each variant with one permanent code.

use hn_primitives::{CodecError, codes};
use thiserror::Error;

/// Faults of configuration or of the caller's stored state; never caused by a transaction or a peer.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum PoolError {
    /// A limit is zero, or contradicts another one or a ceiling of the formats.
    #[error("pool limit {0}: got {1}, want {2}")]
    LimitInvalid(&'static str, u64, &'static str),
    /// An account record in the state does not decode, or does not belong to its key.
    #[error("account record of {account}: {reason}")]
    AccountRecordInvalid {
        /// The state key, in hexadecimal.
        account: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl PoolError {
    /// The permanent code of this error.
    pub fn code(&self) -> u32 {
        match self {
            Self::LimitInvalid(..) => codes::CONFIG_INVALID,
            Self::AccountRecordInvalid { .. } => codes::STORAGE_CORRUPT,
        }
    }
}

/// Why a received batch is refused; its author answers for every variant.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum BatchError {
    /// The header names another chain.
    #[error("batch of another chain")]
    WrongChain,
    /// The author is no validator.
    #[error("batch author is no validator")]
    AuthorUnknown,
    /// The author's signature over the digest does not verify.
    #[error("batch author signature invalid")]
    SignatureInvalid,
    /// `txs_root` differs from the transactions.
    #[error("batch txs_root differs from its transactions")]
    RootMismatch,
    /// A transaction names another chain or carries a signature that its sender's key refuses.
    #[error("batch transaction {index} invalid")]
    TxInvalid {
        /// Position in the batch.
        index: u32,
    },
}

impl BatchError {
    /// The permanent code of this error.
    pub fn code(&self) -> u32 {
        match self {
            Self::WrongChain => codes::WRONG_CHAIN,
            Self::AuthorUnknown => codes::BATCH_AUTHOR_UNKNOWN,
            Self::SignatureInvalid => codes::BATCH_SIGNATURE_INVALID,
            Self::RootMismatch => codes::BATCH_ROOT_MISMATCH,
            Self::TxInvalid { .. } => codes::BATCH_TX_INVALID,
        }
    }
}

/// Why a proposed value is not acceptable, in the order in which the checks are made.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ValueError {
    /// The bytes are no value.
    #[error(transparent)]
    Malformed(CodecError),
    /// The header has a version that this program does not know.
    #[error("header version: got {got}, want 1")]
    Version {
        /// Version found.
        got: u8,
    },
    /// The header names another chain.
    #[error("header of another chain")]
    Chain,
    /// The header belongs to another height.
    #[error("header height: got {got}, want {want}")]
    Height {
        /// Height found.
        got: u64,
        /// Height expected.
        want: u64,
    },
    /// The header's proposer is not the proposer of this round.
    #[error("header proposer is not the proposer of the round")]
    Proposer,
    /// The parent hash is not the hash of the last decided block.
    #[error("header parent differs from the last block")]
    Parent,
    /// The time does not lie after the parent's.
    #[error("header time {time_ms} ms is not after the parent's {parent_time_ms} ms")]
    Time {
        /// Time found.
        time_ms: u64,
        /// The parent's.
        parent_time_ms: u64,
    },
    /// The time lies too far ahead of the own clock: wait and check again, the value is not invalid.
    #[error("header time is {wait_ms} ms too early to be judged")]
    TimeAhead {
        /// Milliseconds to wait before the value may be checked again.
        wait_ms: u64,
    },
    /// The batch list breaks a bound, repeats a batch, does not rise in seq, or differs from the batches.
    #[error("batch list: {0}")]
    BatchList(&'static str),
    /// `batches_root` differs from the list.
    #[error("header batches_root differs from its batch list")]
    BatchesRoot,
    /// `tx_root` differs from the transactions of the batches.
    #[error("header tx_root differs from its batches")]
    TxRoot,
    /// `validators_hash` differs from the set of this height.
    #[error("header validators_hash differs")]
    Validators,
    /// `next_validators_hash` differs from the set of the next height.
    #[error("header next_validators_hash differs")]
    NextValidators,
    /// `plugins_hash` differs from the installed applications.
    #[error("header plugins_hash differs")]
    Plugins,
    /// The results of the block before differ from the own ones.
    #[error("header results differ in {0}")]
    Results(&'static str),
}

impl ValueError {
    /// The permanent code of this error. [`ValueError::TimeAhead`] shares `HEADER_TIME`; see [`ValueError::wait_ms`].
    pub fn code(&self) -> u32 {
        match self {
            Self::Malformed(_) => codes::PROPOSAL_MALFORMED,
            Self::Version { .. } => codes::HEADER_VERSION,
            Self::Chain => codes::HEADER_CHAIN,
            Self::Height { .. } => codes::HEADER_HEIGHT,
            Self::Proposer => codes::HEADER_PROPOSER,
            Self::Parent => codes::HEADER_PARENT,
            Self::Time { .. } | Self::TimeAhead { .. } => codes::HEADER_TIME,
            Self::BatchList(_) => codes::BATCH_LIST_INVALID,
            Self::BatchesRoot => codes::HEADER_BATCHES_ROOT,
            Self::TxRoot => codes::HEADER_TX_ROOT,
            Self::Validators => codes::HEADER_VALIDATORS,
            Self::NextValidators => codes::HEADER_NEXT_VALIDATORS,
            Self::Plugins => codes::HEADER_PLUGINS,
            Self::Results(_) => codes::HEADER_RESULTS,
        }
    }

    /// How long to wait before checking again, for a value that is early rather than invalid.
    pub fn wait_ms(&self) -> Option<u64> {
        match self {
            Self::TimeAhead { wait_ms } => Some(*wait_ms),
            _ => None,
        }
    }
}
