//! Ceilings of the formats. A chain's own limits (genesis, configuration) may be lower, never higher.

/// Bytes of a signed transaction.
pub const TX_BYTES_MAX: usize = 66_000;
/// Bytes of a transaction's payload.
pub const PAYLOAD_BYTES_MAX: usize = 65_536;
/// Bytes of a `name8` text.
pub const NAME_BYTES_MAX: usize = 32;
/// Smallest signed transaction: both names of one byte, no payload.
pub const TX_BYTES_MIN: usize = 1 + 32 + 20 + 8 + 8 + 2 + 2 + 4 + 64;
/// Transactions in a batch.
pub const BATCH_TX_COUNT_MAX: usize = 4_096;
/// Bytes of a batch's body.
pub const BATCH_BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a batch's header.
pub const BATCH_HEADER_BYTES: usize = 133;
/// Bytes of a whole batch.
pub const BATCH_BYTES_MAX: usize = BATCH_HEADER_BYTES + 64 + BATCH_BODY_BYTES_MAX;
/// Bytes of a block header.
pub const HEADER_BYTES: usize = 357;
/// Batches in a value.
pub const VALUE_BATCH_COUNT_MAX: usize = 1_024;
/// Bytes of one batch reference in a value.
pub const BATCH_REF_BYTES: usize = 60;
/// Bytes of a whole value.
pub const VALUE_BYTES_MAX: usize = HEADER_BYTES + 2 + VALUE_BATCH_COUNT_MAX * BATCH_REF_BYTES;
/// Validators in a set (its count is a `u16`).
pub const VALIDATOR_COUNT_MAX: usize = 65_535;
/// Summed power of a validator set.
pub const TOTAL_POWER_MAX: u64 = 1 << 32;
/// Events in a receipt.
pub const EVENT_COUNT_MAX: usize = 64;
/// Bytes of an event's data.
pub const EVENT_DATA_BYTES_MAX: usize = 16_384;
/// Roles of an account.
pub const ROLE_COUNT_MAX: usize = 16;

const _: () = assert!(1 + 32 + 20 + 8 + 8 + 2 * (1 + NAME_BYTES_MAX) + 4 + PAYLOAD_BYTES_MAX + 64 <= TX_BYTES_MAX);
const _: () = assert!(4 + TX_BYTES_MAX <= BATCH_BODY_BYTES_MAX);
