//! How batches and receipts rest in files and travel: without what can be computed again.
//!
//! - A **batch** is one zstd frame. Its author packs it once; peers, batch log and block sync pass the same bytes on.
//! - **Receipts** of a block leave out the ids, which are hashes of the transactions, and are packed in groups with the
//!   transactions of the group as dictionary: events mostly repeat what was asked for.
//!
//! Packed bytes are no part of any format of the chain: digests, ids and roots are over the plain bytes, which come back
//! exactly. Two nodes may hold other packed bytes of the same batch.
#![forbid(unsafe_code)]

mod batch;
mod error;
mod frame;
mod receipts;

pub use batch::{PACKED, pack_batch, plain_size, unpack_batch};
pub use error::PackingError;
pub use receipts::{GROUP_TXS, pack_receipts, unpack_receipt, unpack_receipts};
