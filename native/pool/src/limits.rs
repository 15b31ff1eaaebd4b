//! Bounds of the pool.

use hn_primitives::{BATCH_BODY_BYTES_MAX, BATCH_TX_COUNT_MAX, TX_BYTES_MAX};

use crate::error::PoolError;

/// Bounds of the pool; checked once by [`crate::Pool::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Bytes of all transactions in the pool, sealed ones included.
    pub pool_bytes_max: u64,
    /// Number of all transactions in the pool, sealed ones included.
    pub pool_tx_count_max: u64,
    /// Bytes that one account's transactions may take of the pool.
    pub account_bytes_max: u64,
    /// Transactions in one batch.
    pub batch_tx_count_max: u64,
    /// Bytes of one batch's body, the length prefixes included.
    pub batch_bytes_max: u64,
    /// How many heights a transaction may be valid ahead.
    pub valid_blocks_max: u64,
    /// Heights after which the transactions of an uncommitted own batch return to the queue.
    pub requeue_blocks: u64,
    /// Dropped transactions kept for [`crate::Pool::drain_dropped`]; the oldest give way.
    pub dropped_count_max: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            pool_bytes_max: 64 << 20,
            pool_tx_count_max: 131_072,
            account_bytes_max: 16 << 20,
            batch_tx_count_max: 1_000,
            batch_bytes_max: 256 << 10,
            valid_blocks_max: 100_000,
            requeue_blocks: 20,
            dropped_count_max: 65_536,
        }
    }
}

impl PoolLimits {
    /// Checks each limit against the formats' ceilings and against each other.
    ///
    /// # Errors
    /// [`PoolError::LimitInvalid`] naming the first limit out of its range.
    pub fn check(&self) -> Result<(), PoolError> {
        // The largest transaction has to fit, else it would stay at the head of the queue for ever.
        let tx_bytes = TX_BYTES_MAX as u64 + 4;
        let ranges = [
            (
                "batch_tx_count_max",
                self.batch_tx_count_max,
                1,
                BATCH_TX_COUNT_MAX as u64,
                "1 to 4,096",
            ),
            (
                "batch_bytes_max",
                self.batch_bytes_max,
                tx_bytes,
                BATCH_BODY_BYTES_MAX as u64,
                "66,004 (one transaction) to 1,048,576",
            ),
            (
                "account_bytes_max",
                self.account_bytes_max,
                tx_bytes,
                u64::MAX,
                "at least 66,004 (one transaction)",
            ),
            (
                "pool_bytes_max",
                self.pool_bytes_max,
                self.account_bytes_max,
                u64::MAX,
                "at least account_bytes_max",
            ),
            (
                "pool_tx_count_max",
                self.pool_tx_count_max,
                1,
                1 << 24,
                "1 to 16,777,216",
            ),
            ("valid_blocks_max", self.valid_blocks_max, 1, u64::MAX, "at least 1"),
            ("requeue_blocks", self.requeue_blocks, 1, u64::MAX, "at least 1"),
            (
                "dropped_count_max",
                self.dropped_count_max,
                1,
                1 << 24,
                "1 to 16,777,216",
            ),
        ];
        for (name, value, min, max, want) in ranges {
            if value < min || value > max {
                return Err(PoolError::LimitInvalid(name, value, want));
            }
        }
        Ok(())
    }
}
