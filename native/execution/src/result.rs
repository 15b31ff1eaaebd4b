//! What goes into the execution of a block, and what comes out.

use std::ops::Range;
use std::sync::Arc;

use hn_primitives::codec::put_name;
use hn_primitives::{Account, Hash32, Name, codes};

use crate::receipts::Receipts;

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

/// A key in the namespace of an application, kept as the row key `u8 length ‖ application ‖ key` under which the database
/// holds it and whose hash is its place in the state tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StateKey(Arc<[u8]>);

impl StateKey {
    /// The key `key` of `application`.
    pub fn new(application: &Name, key: &[u8]) -> Self {
        let mut row = Vec::with_capacity(1 + application.as_bytes().len() + key.len());
        put_name(&mut row, application);
        row.extend_from_slice(key);
        Self(row.into())
    }

    /// A key by its row key, which begins with the name of an application.
    pub(crate) fn from_row(row: Arc<[u8]>) -> Self {
        Self(row)
    }

    /// The row key.
    pub fn row(&self) -> &[u8] {
        &self.0
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        let (length, rest) = self.0.split_first().unwrap_or((&0, &[]));
        rest.split_at_checked(usize::from(*length)).unwrap_or_default()
    }

    /// The application.
    pub fn application(&self) -> &str {
        std::str::from_utf8(self.parts().0).unwrap_or_default()
    }

    /// The key inside its namespace.
    pub fn key(&self) -> &[u8] {
        self.parts().1
    }
}

/// A changed key with its value after the block, `None` = deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateWrite {
    /// The key.
    pub key: StateKey,
    /// The value.
    pub value: Option<Vec<u8>>,
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
    pub writes: Vec<StateWrite>,
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
    /// The writes of one application, such as those of `identity` for [`hn_pool::Accounts::update`].
    pub fn writes_of(&self, application: &str) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let own = self
            .applications
            .iter()
            .find(|(name, _)| name.as_bytes() == application.as_bytes());
        let writes = own.and_then(|(_, range)| self.writes.get(range.clone()));
        let writes = writes.unwrap_or_default().iter();
        writes.map(|write| (write.key.key(), write.value.as_deref()))
    }

    /// The value that this block gave a key; `None` when it did not write or deleted it.
    pub fn written(&self, application: &str, key: &[u8]) -> Option<&[u8]> {
        let own = self
            .applications
            .iter()
            .find(|(name, _)| name.as_bytes() == application.as_bytes());
        let writes = self.writes.get(own?.1.clone())?;
        let place = writes.binary_search_by(|write| write.key.key().cmp(key)).ok()?;
        writes.get(place)?.value.as_deref()
    }

    /// Position and code of each receipt that is no success, in block order.
    pub fn failed(&self) -> impl Iterator<Item = (u32, u32)> {
        let places = (0u32..).zip(self.codes.iter().copied());
        places.filter(|(_, code)| *code != codes::OK)
    }
}
