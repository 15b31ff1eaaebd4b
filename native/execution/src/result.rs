//! What goes into the execution of a block, and what comes out.

use hn_primitives::{Account, Hash32, Name};

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

/// A key in the namespace of an application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateKey {
    /// The application.
    pub application: Name,
    /// The key inside its namespace.
    pub key: Vec<u8>,
}

/// A changed key with its value after the block, `None` = deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWrite {
    /// The application.
    pub application: Name,
    /// The key inside its namespace.
    pub key: Vec<u8>,
    /// The value.
    pub value: Option<Vec<u8>>,
}

/// Everything a block leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockResult {
    /// Ids, in block order.
    pub tx_ids: Vec<Hash32>,
    /// Code of each receipt. The index by id must skip `TX_DUPLICATE`: the first occurrence keeps its place.
    pub codes: Vec<u32>,
    /// Encoded receipts, in block order.
    pub receipts: Vec<Vec<u8>>,
    /// Block tree over the receipts.
    pub receipts_root: Hash32,
    /// Changed keys, ascending by (application, key).
    pub writes: Vec<StateWrite>,
    /// (key hash, value hash or deleted) of each write, in the order of `writes`.
    pub state_updates: Vec<(Hash32, Option<Hash32>)>,
    /// Block tree over the outbox, which is empty today.
    pub outbox_root: Hash32,
}

impl BlockResult {
    /// The writes of one application, such as those of `identity` for [`hn_pool::Accounts::update`].
    pub fn writes_of(&self, application: &str) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.writes
            .iter()
            .filter(move |write| write.application.as_str() == application)
            .map(|write| (write.key.as_slice(), write.value.as_deref()))
    }
}
