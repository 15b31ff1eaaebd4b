//! What can be wrong with packed bytes.

use hn_primitives::codes;
use thiserror::Error;

/// Packed bytes that do not come apart, or do not fit what they were packed with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackingError {
    /// A batch.
    #[error("packed batch: {0}")]
    Batch(&'static str),
    /// Receipts of a block.
    #[error("packed receipts: {0}")]
    Receipts(&'static str),
    /// zstd could not compress, which only lack of memory explains.
    #[error("zstd: {0}")]
    Compressor(&'static str),
}

impl PackingError {
    /// The public code: a batch comes from a peer, receipts from the node's own files.
    pub fn code(&self) -> u32 {
        match self {
            Self::Batch(_) => codes::BATCH_MALFORMED,
            Self::Receipts(_) => codes::STORAGE_CORRUPT,
            Self::Compressor(_) => codes::INTERNAL_ERROR,
        }
    }
}
