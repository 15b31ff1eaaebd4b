//! What a host does: carries out effects in order, answers the engine's questions, keeps blocks, helps peers.

use std::rc::Rc;

use hn_consensus::{Effect, Engine, Input, Message, SYNC_PEER, SendTo};
use hn_merkle::block_tree;
use hn_primitives::{BatchRef, Hash32, Header, Value};

use crate::disk::Stored;
use crate::node::Packet;
use crate::scenario::Byzantine;
use crate::world::{Event, World};

/// A transaction root that every honest node calls invalid.
pub(crate) const BAD_ROOT: Hash32 = [0xBD; 32];

impl World {
    pub(crate) fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, packet } => self.deliver(from, to, packet),
            Event::Drain { node, life } if self.is_alive(node, life) => self.drain(node),
            Event::Timer {
                node,
                life,
                id,
                generation,
            } if self.is_alive(node, life) => {
                self.feed(node, vec![Input::Timer { id, generation }]);
            }
            Event::Value {
                node,
                life,
                height,
                round,
            } if self.is_alive(node, life) => {
                self.propose(node, height, round);
            }
            Event::Validity { node, life, block_hash } if self.is_alive(node, life) => self.answer(node, block_hash),
            Event::Start { node, life } if self.is_alive(node, life) => self.start(node),
            Event::Stored { node, life, height } if self.is_alive(node, life) => self.store(node, height),
            Event::Synced { node, life } if self.is_alive(node, life) => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.disk.sync();
                    node.is_syncing = false;
                }
                self.pump(node);
            }
            Event::Status { node, life } if self.is_alive(node, life) => self.beat(node),
            Event::PlanCrash => self.plan_crash(),
            Event::Restart { node } => self.boot(node),
            Event::Repartition => self.repartition(),
            Event::Heal => self.heal(),
            // Events of a life that ended.
            _ => {}
        }
    }

    fn is_alive(&self, node: usize, life: u32) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|node| node.incarnation == life && node.engine.is_some())
    }

    /// Step an engine and carry out what it wants.
    pub(crate) fn feed(&mut self, index: usize, inputs: Vec<Input>) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let Some(engine) = node.engine.as_mut() else { return };
        let effects = engine.step(inputs);
        self.highest_round = self.highest_round.max(engine.round());
        node.queue.extend(effects);
        self.pump(index);
    }

    /// Carry out effects until a barrier, a crash or the end.
    pub(crate) fn pump(&mut self, index: usize) {
        loop {
            let Some(node) = self.nodes.get_mut(index) else { return };
            if node.is_syncing || node.engine.is_none() || node.queue.is_empty() {
                return;
            }
            match node.crash_after {
                Some(0) => return self.crash(index),
                Some(left) => node.crash_after = Some(left - 1),
                None => {}
            }
            let Some(effect) = node.queue.pop_front() else { return };
            self.carry_out(index, effect);
            if self.checker.failure().is_some() {
                return;
            }
        }
    }

    fn carry_out(&mut self, index: usize, effect: Effect) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        let life = node.incarnation;
        match effect {
            Effect::Log(record) => {
                node.disk.append(record.clone());
                self.note(index, 2, &record);
            }
            Effect::Barrier => {
                node.is_syncing = true;
                let delay = self.random.between(0, self.scenario.fsync_us_max);
                self.after(delay, Event::Synced { node: index, life });
            }
            Effect::ReserveSignFloor { height } => node.disk.floor = node.disk.floor.max(height),
            Effect::Send { to, bytes } => self.send(index, to, bytes),
            Effect::SetTimer { id, generation, ms } => {
                self.after(
                    ms * 1_000,
                    Event::Timer {
                        node: index,
                        life,
                        id,
                        generation,
                    },
                );
            }
            Effect::CancelTimer { .. } => {}
            Effect::GetValue { height, round } => {
                let delay = self.random.between(0, 20_000);
                self.after(
                    delay,
                    Event::Value {
                        node: index,
                        life,
                        height,
                        round,
                    },
                );
            }
            Effect::Validate {
                height,
                block_hash,
                value,
                ..
            } => self.validate(index, height, block_hash, &value),
            Effect::Decide {
                height,
                block_hash,
                value,
                certificate,
                ..
            } => {
                self.decide(index, height, block_hash, value, certificate);
            }
            Effect::Evidence(bytes) => {
                if node.is_honest {
                    let nodes = &self.nodes;
                    let is_byzantine =
                        |account: &[u8; 20]| nodes.iter().any(|node| node.account == *account && !node.is_honest);
                    self.checker.on_evidence(&bytes, is_byzantine);
                }
            }
            Effect::PeerFault { peer, code } => {
                let is_honest_peer = self.nodes.iter().any(|node| node.account == peer && node.is_honest);
                let is_honest = self.nodes.get(index).is_some_and(|node| node.is_honest);
                let is_lied_to = peer == SYNC_PEER && self.scenario.byzantine == Byzantine::None;
                if is_honest && (is_honest_peer || is_lied_to) {
                    self.checker
                        .fail(format!("node {index} blames an honest peer with code {code}"));
                }
            }
            Effect::Halt { code, reason } => {
                if node.is_honest {
                    self.checker
                        .fail(format!("node {index} halted with code {code}: {reason}"));
                }
            }
        }
    }

    fn send(&mut self, index: usize, to: SendTo, bytes: Vec<u8>) {
        let Some(node) = self.nodes.get(index) else { return };
        if node.is_honest {
            self.checker.on_send(&node.account, &bytes);
        }
        self.note(index, 3, &bytes);
        let mut peers = self.peers_of(index);
        if let SendTo::Peer(account) = to {
            peers.retain(|peer| self.nodes.get(*peer).is_some_and(|node| node.account == account));
        }
        let is_liar = self.scenario.byzantine == Byzantine::Liar && self.nodes.get(index).is_some_and(|n| !n.is_honest);
        let shared: Rc<[u8]> = bytes.into();
        for peer in peers {
            if is_liar {
                for altered in self.lie(index, &shared) {
                    self.transmit(index, peer, Packet::Consensus(altered));
                }
            } else {
                self.transmit(index, peer, Packet::Consensus(shared.clone()));
            }
        }
    }

    fn deliver(&mut self, from: usize, to: usize, packet: Packet) {
        let Some(sender) = self.nodes.get(from).map(|node| node.account) else {
            return;
        };
        let Some(node) = self.nodes.get_mut(to) else { return };
        if node.engine.is_none() {
            return;
        }
        match packet {
            Packet::Consensus(bytes) => {
                // Twins do not listen to each other: what one signed would stop the other.
                if !node.is_honest && is_signed_by(&bytes, &node.account) {
                    return;
                }
                node.inbox.push((sender, bytes.to_vec()));
                if !node.is_drain_set {
                    node.is_drain_set = true;
                    let life = node.incarnation;
                    let delay = self.random.between(0, 1_000);
                    self.after(delay, Event::Drain { node: to, life });
                }
            }
            Packet::Status { height, round } => {
                node.peer_heights.insert(from, height);
                let mine = node.height();
                if height > mine + 1 || height > mine && self.scenario.is_gap_synced {
                    self.transmit(to, from, Packet::Request { height: mine });
                } else if height <= mine {
                    self.feed(
                        to,
                        vec![Input::PeerBehind {
                            peer: sender,
                            height,
                            round,
                        }],
                    );
                }
            }
            Packet::Request { height } => self.deliver_block(to, from, height),
            Packet::Block {
                height,
                value,
                certificate,
            } => {
                let (value, certificate) = (value.to_vec(), certificate.to_vec());
                self.feed(
                    to,
                    vec![Input::Synced {
                        height,
                        value,
                        certificate,
                    }],
                );
            }
        }
    }

    fn drain(&mut self, index: usize) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        node.is_drain_set = false;
        let batch = std::mem::take(&mut node.inbox);
        self.feed(index, vec![Input::Messages(batch)]);
    }

    fn beat(&mut self, index: usize) {
        let Some(node) = self.nodes.get_mut(index) else { return };
        // Group commit: records that no barrier waits for become durable within a beat too.
        node.disk.sync();
        let round = node.engine.as_ref().map_or(0, Engine::round);
        let (height, life) = (node.height(), node.incarnation);
        for peer in self.peers_of(index) {
            self.transmit(index, peer, Packet::Status { height, round });
        }
        self.after(250_000, Event::Status { node: index, life });
    }

    fn propose(&mut self, index: usize, height: u64, round: u32) {
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
        let digests: Vec<&Hash32> = batches.iter().map(|batch| &batch.digest).collect();
        let is_bad = self.nodes.get(index).is_some_and(|node| !node.is_honest) && self.random.chance(200);
        let header = Header {
            chain_id: self.chain_id,
            height,
            time_ms: self.now_ms(),
            proposer: account,
            parent_hash,
            batches_root: block_tree::root(&digests),
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
    fn validate(&mut self, index: usize, height: u64, block_hash: Hash32, value: &[u8]) {
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

    fn answer(&mut self, index: usize, block_hash: Hash32) {
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

    fn decide(&mut self, index: usize, height: u64, block_hash: Hash32, value: Vec<u8>, certificate: Vec<u8>) {
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
            if height > node_tip(self, index) + 1 {
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

    fn store(&mut self, index: usize, height: u64) {
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

    /// Start the next height unless storage lags too far.
    fn start(&mut self, index: usize) {
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
}

fn node_tip(world: &World, index: usize) -> u64 {
    world.nodes.get(index).map_or(0, crate::node::Node::tip)
}

/// Whether a vote or proposal carries this account's signature.
fn is_signed_by(bytes: &[u8], account: &[u8; 20]) -> bool {
    match Message::decode(bytes) {
        Some(Message::Vote(vote)) => vote.signer == *account,
        Some(Message::Proposal(proposal)) => proposal.signer == *account,
        _ => false,
    }
}
