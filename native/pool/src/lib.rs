//! The transaction pool and everything around it: who may write, what is admitted, what a batch and a value must be.
//!
//! Flow of own transactions: bytes → [`decode_txs`] → [`Pool::admit`] → [`Pool::seal`] → batch.
//! Flow of others' batches: bytes → decoder → [`verify_batch`] → stored; proposed → [`verify_batch_txs`],
//! [`decode_value`], [`check_value`], [`check_value_batches`].
//!
//! Invariants:
//! 1. A signature is verified once a transaction and node, in wide batches, through the key cache of [`Accounts`].
//! 2. What is refused has one code; nothing about a refused transaction stays in memory.
//! 3. All objects are thread-safe through `&self`; none knows a clock, file, socket or random source.

#![forbid(unsafe_code)]

mod account;
mod decode;
mod error;
mod limits;
mod payload;
mod personal;
mod pool;
mod table;
mod value;
mod verify;

pub use account::{AccountState, Accounts, AccountsView};
pub use decode::{DECODE_BYTES_MAX, DECODE_TX_COUNT_MAX, DecodedTx, DecodedTxs, decode_groups, decode_txs};
pub use error::{BatchError, PoolError, ValueError};
pub use limits::PoolLimits;
pub use payload::{PersonalHit, PersonalScan, find_in_text};
pub use personal::{HASH_DIGITS, Personal, find_personal};
pub use pool::{Pool, TxStatus};
pub use value::{Expected, build_value, check_value, check_value_batches, decode_value};
pub use verify::{verify_batch, verify_batch_txs, verify_batches};
