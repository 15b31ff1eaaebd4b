//! What a host does: carries out effects in order, answers the engine's questions, keeps blocks, helps peers.

use std::rc::Rc;

use hn_consensus::{Effect, Engine, Input, Message, SYNC_PEER, SendTo};
use hn_primitives::Hash32;

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
}

/// Whether a vote or proposal carries this account's signature.
fn is_signed_by(bytes: &[u8], account: &[u8; 20]) -> bool {
    match Message::decode(bytes) {
        Some(Message::Vote(vote)) => vote.signer == *account,
        Some(Message::Proposal(proposal)) => proposal.signer == *account,
        _ => false,
    }
}
