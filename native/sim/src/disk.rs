//! What survives a crash: the synced log, the sign floor, the stored blocks.

use std::collections::BTreeMap;
use std::rc::Rc;

use hn_consensus::record_height;
use hn_primitives::{Account, Hash32};

use crate::random::Random;

/// A decided block as a host keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub block_hash: Hash32,
    pub proposer: Account,
    pub value: Rc<[u8]>,
    pub certificate: Rc<[u8]>,
}

/// The disk of one node.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    synced: Vec<Vec<u8>>,
    unsynced: Vec<Vec<u8>>,
    pub floor: u64,
    pub blocks: BTreeMap<u64, Stored>,
}

impl Disk {
    pub(crate) fn append(&mut self, record: Vec<u8>) {
        self.unsynced.push(record);
    }

    pub(crate) fn sync(&mut self) {
        self.synced.append(&mut self.unsynced);
    }

    /// Commit a block and drop the records that it made useless.
    pub(crate) fn store(&mut self, height: u64, block: Stored) {
        self.blocks.insert(height, block);
        self.synced
            .retain(|record| record_height(record).is_some_and(|of| of > height));
    }

    pub(crate) fn tip(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// A crash keeps a random prefix of what was not synced; a torn record is cut by the log's own check.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        let kept = random.between(0, self.unsynced.len() as u64) as usize;
        self.unsynced.truncate(kept);
        self.sync();
    }

    pub(crate) fn wipe_log(&mut self) {
        self.synced.clear();
        self.unsynced.clear();
    }

    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        self.synced.clone()
    }
}
