//! One simulated host with its engine, disk and queues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use hn_consensus::{Effect, Engine};
use hn_primitives::{Account, Hash32};

use crate::disk::{Disk, Stored};

/// What travels between hosts.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    /// A message of an engine.
    Consensus(Rc<[u8]>),
    /// Where the sender is.
    Status { height: u64, round: u32 },
    /// Ask for a block.
    Request { height: u64 },
    /// A block.
    Block {
        height: u64,
        value: Rc<[u8]>,
        certificate: Rc<[u8]>,
    },
}

/// A host. `engine` is `None` while it is down.
pub(crate) struct Node {
    pub identity: usize,
    pub account: Account,
    pub is_honest: bool,
    pub engine: Option<Engine>,
    /// Rises with every crash; events of an older life are dropped.
    pub incarnation: u32,
    /// Effects that wait for their turn, perhaps behind a barrier.
    pub queue: VecDeque<Effect>,
    pub is_syncing: bool,
    pub disk: Disk,
    /// Decided blocks, stored or not.
    pub chain: BTreeMap<u64, Stored>,
    pub inbox: Vec<(Account, Vec<u8>)>,
    pub is_drain_set: bool,
    /// Blocks that were asked about and not answered, with the answer.
    pub unanswered: BTreeMap<Hash32, (u64, bool)>,
    pub asked: BTreeSet<Hash32>,
    /// Effects until the planned crash.
    pub crash_after: Option<u64>,
    pub is_wiped: bool,
    /// Height that each node showed last.
    pub peer_heights: BTreeMap<usize, u64>,
    /// Digest that the replay after a clean kill must reproduce.
    pub digest: Option<Hash32>,
}

impl Node {
    pub(crate) fn new(identity: usize, account: Account, is_honest: bool) -> Self {
        Self {
            identity,
            account,
            is_honest,
            engine: None,
            incarnation: 0,
            queue: VecDeque::new(),
            is_syncing: false,
            disk: Disk::default(),
            chain: BTreeMap::new(),
            inbox: Vec::new(),
            is_drain_set: false,
            unanswered: BTreeMap::new(),
            asked: BTreeSet::new(),
            crash_after: None,
            is_wiped: false,
            peer_heights: BTreeMap::new(),
            digest: None,
        }
    }

    /// Highest decided height.
    pub(crate) fn tip(&self) -> u64 {
        self.chain.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// Height the node works on.
    pub(crate) fn height(&self) -> u64 {
        let engine = self.engine.as_ref().map_or(0, Engine::height);
        engine.max(self.tip() + 1)
    }
}
