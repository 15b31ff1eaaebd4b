//! Execution of blocks: checks, native applications, bounds for the plugin host's results, receipts, writes and roots.
//!
//! Flow: see [`BlockExecution`]. The objects know no clock, file, socket or random source; state comes and goes as bytes.
//!
//! Invariants:
//! 1. Equal blocks on equal states give equal bytes: no map order, time, address or thread reaches a result.
//! 2. A failed transaction leaves a receipt and nothing else.
//! 3. Applications reach their own namespace only, so that they run independently of each other.

#![forbid(unsafe_code)]

mod absent;
mod application;
mod block;
mod check;
mod declared;
mod digests;
mod dispatch;
mod due;
mod error;
pub mod evidence;
mod foreign;
pub mod governance;
pub mod identity;
mod json;
pub mod limits;
mod overlay;
mod packed;
mod receipts;
mod result;
mod system;
mod writes;

pub use application::{ActionSpec, Failure, NativeApplication, Operation, TxContext};
pub use block::BlockExecution;
pub use dispatch::{ACTION_COUNT_MAX, Applications, NATIVE_PLUGIN, NATIVE_VERSION, NativeAction, native_actions};
pub use due::SYSTEM;
pub use error::ExecutionError;
pub use foreign::{ForeignEvent, ForeignGroup, ForeignResult, ForeignTx};
pub use json::Hex;
pub use overlay::{KeySink, Overlay};
pub use packed::ResultPacker;
pub use receipts::Receipts;
pub use result::{BlockInfo, BlockResult};
pub use system::{MigrationPage, PageEnd};
pub use writes::{StateKey, StateWrite, StateWrites};
