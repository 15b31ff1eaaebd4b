//! What goes into the execution of a block, and what comes out.

use std::ops::Range;

use hn_primitives::{Account, Hash32, Name, codes};

use crate::receipts::Receipts;
use crate::writes::StateWrites;

/// What the header and the genesis say about the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockInfo {
    /// The chain.
    pub chain_id: Hash32,
    /// Its height.
    pub height: u64,
    /// Its time, Unix milliseconds.
    pub time_ms: u64,
    /// Its proposer.
    pub proposer: Account,
    /// How many heights a transaction may be valid ahead (genesis).
    pub valid_blocks_max: u64,
}

/// Everything a block leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockResult {
    /// The block's height.
    pub height: u64,
    /// Ids, in block order.
    pub tx_ids: Vec<Hash32>,
    /// Code of each receipt.
    pub codes: Vec<u32>,
    /// Encoded receipts, in block order.
    pub receipts: Receipts,
    /// Block tree over the receipts.
    pub receipts_root: Hash32,
    /// Changed keys, ascending by (application, key).
    pub writes: StateWrites,
    /// Which of them are whose.
    pub applications: Vec<(Name, Range<usize>)>,
    /// (key hash, value hash or deleted) of each write, in the order of `writes`.
    pub state_updates: Vec<(Hash32, Option<Hash32>)>,
    /// Items of due work that left a receipt in the state.
    pub due_count: usize,
    /// Block tree over the outbox, which is empty today.
    pub outbox_root: Hash32,
}

impl BlockResult {
    /// Which of the writes are those of one application; none when it has none.
    fn range_of(&self, application: &str) -> Range<usize> {
        let own = self
            .applications
            .iter()
            .find(|(name, _)| name.as_bytes() == application.as_bytes());
        own.map_or(0..0, |(_, range)| range.clone())
    }

    /// The writes of one application, such as those of `identity` for [`hn_pool::Accounts::update`].
    pub fn writes_of(&self, application: &str) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let writes = self.writes.range(self.range_of(application));
        writes.map(|write| (write.key.key(), write.value))
    }

    /// The value that this block gave a key; `None` when it did not write or deleted it.
    pub fn written(&self, application: &str, key: &[u8]) -> Option<&[u8]> {
        self.writes.find(self.range_of(application), key)?.value
    }

    /// Position and code of each receipt that is no success, in block order.
    pub fn failed(&self) -> impl Iterator<Item = (u32, u32)> {
        let places = (0u32..).zip(self.codes.iter().copied());
        places.filter(|(_, code)| *code != codes::OK)
    }
}
