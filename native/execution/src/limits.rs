//! Bounds of what one transaction may change and report. All counts or bytes: a time never decides a result.

pub use hn_primitives::{EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX};

/// Results of the due work of one application in one block: one that takes the items out of its index, and one for each of them.
pub const DUE_RESULT_COUNT_MAX: usize = 1 + 64;
/// Distinct keys one transaction may write.
pub const TX_WRITE_COUNT_MAX: usize = 64;
/// Keys one transaction of a native application may declare.
pub const TX_DECLARED_KEY_COUNT_MAX: usize = 64;
/// Keys one page of a migration may write.
pub const MIGRATION_WRITE_COUNT_MAX: usize = 4_096;
/// Bytes of one state key, without the application's name.
pub const KEY_BYTES_MAX: usize = 256;
/// Bytes of one state value.
pub const VALUE_BYTES_MAX: usize = 65_536;
