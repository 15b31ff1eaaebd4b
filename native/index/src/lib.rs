//! Where each committed transaction stands: id → (height, index), without a row a transaction.
//!
//! Ids are hashes, so a database that keeps them in order pays for sorting each one, again and again. Here the newest are
//! a hash table in memory, which the receipts of the last blocks can rebuild; every [`Limits::segment_ids`] of them become
//! a sorted, immutable *segment*, and [`FAN_IN`] segments of a level become one of the next, a little with every block.
//!
//! The crate does no input or output. A segment is a set of rows that the caller keeps in a database, written together
//! with the block that completes it; what a search or a merge must read is asked for by key:
//!
//! | row | key | value |
//! |---|---|---|
//! | part | u64 segment ‖ 1 ‖ u32 part | entries in order of their tag, each u64 hash ‖ u64 check ‖ u40 height ‖ u24 index |
//! | filter | u64 segment ‖ 2 ‖ u32 chunk | Bloom filter over [`CHUNK_PARTS`] parts, 4,096 bytes |
//! | segment | u64 segment ‖ 3 ‖ u32 0 | u8 version ‖ u8 level ‖ u8 bits ‖ u64 first ‖ u64 last height ‖ u64 count |
//!
//! A tag of 128 bits under a secret salt stands for an id: nobody can choose ids that fall together, or that are taken for
//! one another.
#![forbid(unsafe_code)]

mod entry;
mod error;
mod filter;
mod index;
mod merge;
mod search;
mod segment;

pub use entry::{ENTRY_BYTES, Place, SALT_BYTES, Salt};
pub use error::IndexError;
pub use filter::CHUNK_PARTS;
pub use index::{Changes, FAN_IN, Limits, Range, Row, TxIndex};
pub use search::Search;
