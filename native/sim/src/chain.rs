//! The application side of a host: values, their checks, decided blocks, the next height.

use std::rc::Rc;

use hn_consensus::{Engine, Input, proposer};
use hn_merkle::block_tree;
use hn_primitives::{Account, BatchRef, Hash32, Header, ValidatorSet, Value};

use crate::disk::Stored;
use crate::host::BAD_ROOT;
use crate::node::{Node, Packet};
use crate::scenario::Byzantine;
use crate::world::{Event, World};

/// Heights for which a dead proposer stays demoted.
const DEMOTION_HEIGHTS: u64 = 5;

impl World {
    pub(crate) fn propose(&mut self, index: usize, height: u64, round: u32) {
        let Some(parent_hash) = self.parent_hash(index, height) else {
            return;
        };
        let Some(validators_hash) = self.set_of(height).map(hn_primitives::ValidatorSet::hash) else {
            return;
        };
        let Some(account) = self.nodes.get(index).map(|node| node.account) else {
            return;
        };
        let batches: Vec<BatchRef> = (0..self.random.below(3))
            .map(|seq| BatchRef {
                digest: self.random.bytes(),
                author: account,
                seq,
            })
            .collect();
        let leaves: Vec<_> = batches.iter().map(BatchRef::encode).collect();
        let is_bad = self.nodes.get(index).is_some_and(|node| !node.is_honest) && self.random.chance(200);
        let header = Header {
            chain_id: self.chain_id,
            height,
            time_ms: self.now_ms(),
            proposer: account,
            parent_hash,
            batches_root: block_tree::root(&leaves),
            tx_root: if is_bad { BAD_ROOT } else { self.random.bytes() },
            validators_hash,
            next_validators_hash: validators_hash,
            plugins_hash: [0; 32],
            receipts_root: [0; 32],
            state_root: [0; 32],
            outbox_root: [0; 32],
        };
        let value = Value { header, batches }.encode();
        self.feed(index, vec![Input::Propose { height, round, value }]);
    }

    /// Answer after a while; batches that are missing mean a long while.
    pub(crate) fn validate(&mut self, index: usize, height: u64, block_hash: Hash32, value: &[u8]) {
        let parent = self.parent_hash(index, height);
        let is_missing = !self.is_healed && self.random.chance(self.scenario.missing_batches);
        let delay_us = if is_missing {
            self.random.between(500_000, 5_000_000)
        } else {
            self.random.between(0, self.scenario.validity_ms_max * 1_000)
        };
        let Some(node) = self.nodes.get_mut(index) else { return };
        if !node.asked.insert(block_hash) {
            return;
        }
        let header = Value::decode(value).map(|value| value.header);
        let is_valid = header.is_ok_and(|header| Some(header.parent_hash) == parent && header.tx_root != BAD_ROOT);
        node.unanswered.insert(block_hash, (height, is_valid));
        let life = node.incarnation;
        self.after(
            delay_us,
            Event::Validity {
                node: index,
                life,
                block_hash,
            },
        );
    }

    pub(crate) fn answer(&mut self, index: usize, block_hash: Hash32) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        if let Some((height, valid)) = node.unanswered.remove(&block_hash) {
            self.feed(
                index,
                vec![Input::Validity {
                    height,
                    block_hash,
                    valid,
                }],
            );
        }
    }

    pub(crate) fn decide(
        &mut self,
        index: usize,
        height: u64,
        block_hash: Hash32,
        value: Vec<u8>,
        certificate: Vec<u8>,
    ) {
        self.note(index, 4, &block_hash);
        let Some(node) = self.nodes.get(index) else { return };
        let is_next = height == node.tip() + 1;
        if node.is_honest {
            let cache = self.scenario.is_sm2.then(|| self.key_cache.clone());
            if let Some(set) = self.set_of(height).cloned() {
                let chain_id = self.chain_id;
                self.checker
                    .on_decide(&chain_id, &set, cache.as_deref(), height, &block_hash, &certificate);
            }
            self.checker.decisions += u64::from(is_next);
            if height > self.nodes.get(index).map_or(0, Node::tip) + 1 {
                self.checker
                    .fail(format!("node {index} decides height {height} out of order"));
            }
        }
        let Ok(decoded) = Value::decode(&value) else { return };
        let block = Stored {
            block_hash,
            proposer: decoded.header.proposer,
            value: value.into(),
            certificate: certificate.into(),
        };
        let Some(node) = self.nodes.get_mut(index) else { return };
        if !is_next {
            // Repeated by a replay: the block is stored already.
            return;
        }
        node.chain.insert(height, block);
        node.asked.clear();
        node.unanswered.clear();
        let life = node.incarnation;
        let storing = self.random.between(500, 40_000);
        self.after(
            storing,
            Event::Stored {
                node: index,
                life,
                height,
            },
        );
        let is_behind = self
            .nodes
            .get(index)
            .is_some_and(|node| node.peer_heights.values().any(|h| *h > height + 1));
        let pace = if is_behind {
            0
        } else {
            self.random.between(0, self.scenario.pace_ms_max * 1_000)
        };
        self.after(pace, Event::Start { node: index, life });
    }

    pub(crate) fn store(&mut self, index: usize, height: u64) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        if height == node.disk.tip() + 1
            && let Some(block) = node.chain.get(&height).cloned()
        {
            node.disk.store(height, block);
        }
        // Blocks are stored in order; a later one that came first follows now.
        if node.chain.contains_key(&(node.disk.tip() + 1)) {
            let (next, life) = (node.disk.tip() + 1, node.incarnation);
            self.after(
                1_000,
                Event::Stored {
                    node: index,
                    life,
                    height: next,
                },
            );
        }
        self.start(index);
    }

    /// Start the next height unless storage lags too far.
    pub(crate) fn start(&mut self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        let height = node.tip() + 1;
        let is_started = node.engine.as_ref().is_none_or(|engine| engine.height() >= height);
        if is_started || node.disk.tip() + 1 + self.scenario.lag_heights_max < height {
            return;
        }
        let proposer_demoted = self.demoted_at(index, height);
        let Some(validators) = self.set_of(height).cloned() else {
            return;
        };
        self.feed(
            index,
            vec![Input::Start {
                height,
                validators,
                proposer_demoted,
            }],
        );
        self.remind(index);
        let ahead = self.nodes.get(index).and_then(|node| {
            node.peer_heights
                .iter()
                .find(|(_, of)| **of > height + 1)
                .map(|(peer, _)| *peer)
        });
        if let Some(peer) = ahead {
            self.transmit(index, peer, Packet::Request { height });
        }
    }

    /// Tell an engine the block before its open height, so that it can help peers which lack it.
    pub(crate) fn remind(&mut self, index: usize) {
        let Some(node) = self.nodes.get(index) else { return };
        let height = node.engine.as_ref().map_or(0, Engine::height).saturating_sub(1);
        if let Some(block) = node.chain.get(&height) {
            let (value, certificate) = (block.value.to_vec(), block.certificate.to_vec());
            self.feed(
                index,
                vec![Input::Synced {
                    height,
                    value,
                    certificate,
                }],
            );
        }
    }

    /// The set in force at a height.
    pub(crate) fn set_of(&self, height: u64) -> Option<&ValidatorSet> {
        let rotations = self.sets.len() as u64 - 1;
        let index = height.checked_rem(rotations).map_or(0, |index| index as usize + 1);
        self.sets.get(index)
    }

    /// First choices of recent heights that did not propose; a function of the chain alone.
    pub(crate) fn demoted_at(&self, node: usize, height: u64) -> Vec<Account> {
        let Some(chain) = self.nodes.get(node).map(|node| &node.chain) else {
            return Vec::new();
        };
        let mut demoted: Vec<Account> = chain
            .range(height.saturating_sub(DEMOTION_HEIGHTS)..height)
            .filter_map(|(at, block)| {
                let first = proposer(*at, 0, self.set_of(*at)?, &[])?;
                (first != block.proposer).then_some(first)
            })
            .collect();
        demoted.sort_unstable();
        demoted.dedup();
        demoted
    }

    /// The hash that a header of `height` has to name.
    pub(crate) fn parent_hash(&self, node: usize, height: u64) -> Option<Hash32> {
        if height <= 1 {
            return Some(self.chain_id);
        }
        self.nodes
            .get(node)?
            .chain
            .get(&(height - 1))
            .map(|block| block.block_hash)
    }

    pub(crate) fn deliver_block(&mut self, from: usize, to: usize, height: u64) {
        let Some(block) = self.nodes.get(from).and_then(|node| node.chain.get(&height)) else {
            return;
        };
        let (value, mut certificate) = (block.value.clone(), block.certificate.clone());
        let is_liar = self.scenario.byzantine == Byzantine::Liar && self.nodes.get(from).is_some_and(|n| !n.is_honest);
        if is_liar {
            let mut forged = certificate.to_vec();
            let at = self.random.below(forged.len() as u64) as usize;
            forged.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
            certificate = Rc::from(forged);
        }
        self.transmit(
            from,
            to,
            Packet::Block {
                height,
                value,
                certificate,
            },
        );
    }
}
