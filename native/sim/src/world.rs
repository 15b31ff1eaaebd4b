//! Virtual time: a queue of events, a network between nodes, faults until the heal, and the judgement after it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use hn_consensus::{Engine, EngineConfig, Input, Limits, Timeouts};
use hn_crypto::sm2::{KeyCache, SecretKey};
use hn_primitives::{Hash32, ValidatorSet};

use crate::checker::Checker;
use crate::node::{Node, Packet};
use crate::random::{Random, fold};
use crate::scenario::{Byzantine, Scenario};
use crate::scheme::{KeyedHash, identities};

/// Virtual time after the heal within which every honest node must have committed its heights.
const LIVENESS_US: u64 = 90_000_000;
/// Events of one seed; more means that messages breed messages.
const EVENTS_MAX: u64 = 4_000_000;
/// Waits about as long as a healthy height takes.
const TIMEOUTS: Timeouts = Timeouts {
    propose_ms: 300,
    propose_step_ms: 150,
    vote_ms: 100,
    vote_step_ms: 60,
    rebroadcast_ms: 200,
    cap_ms: 3_000,
};

/// Waits shorter than the network's delay: many rounds.
const TIMEOUTS_HASTY: Timeouts = Timeouts {
    propose_ms: 40,
    propose_step_ms: 20,
    vote_ms: 15,
    vote_step_ms: 10,
    rebroadcast_ms: 100,
    cap_ms: 2_000,
};

/// What can happen next. `life` is the incarnation the event belongs to.
pub(crate) enum Event {
    Deliver {
        from: usize,
        to: usize,
        packet: Packet,
    },
    Drain {
        node: usize,
        life: u32,
    },
    Timer {
        node: usize,
        life: u32,
        id: u32,
        generation: u64,
    },
    Value {
        node: usize,
        life: u32,
        height: u64,
        round: u32,
    },
    Validity {
        node: usize,
        life: u32,
        block_hash: Hash32,
    },
    Start {
        node: usize,
        life: u32,
    },
    Stored {
        node: usize,
        life: u32,
        height: u64,
    },
    Synced {
        node: usize,
        life: u32,
    },
    Status {
        node: usize,
        life: u32,
    },
    PlanCrash,
    Restart {
        node: usize,
    },
    Repartition,
    Heal,
}

struct Timed {
    at: u64,
    sequence: u64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// One running seed.
pub(crate) struct World {
    pub scenario: Scenario,
    pub random: Random,
    pub nodes: Vec<Node>,
    pub chain_id: Hash32,
    pub checker: Checker,
    pub is_healed: bool,
    pub key_cache: Arc<KeyCache>,
    /// Running hash of everything that happened.
    pub trace: u64,
    pub events: u64,
    pub highest_round: u32,
    now: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<Timed>>,
    /// `[from][to]`: nothing passes.
    pub blocked: Vec<Vec<bool>>,
    pub sets: Vec<ValidatorSet>,
    pub goal: u64,
    #[cfg(feature = "mutations")]
    faults: hn_consensus::Faults,
}

impl World {
    pub(crate) fn new(scenario: Scenario, random: Random, key_cache: Arc<KeyCache>) -> Self {
        let keys: Vec<([u8; 65], u64)> = identities()
            .iter()
            .zip(&scenario.powers)
            .map(|(identity, power)| (identity.public.to_bytes(), *power))
            .collect();
        // Set 0 holds everybody; set i leaves validator i − 1 out.
        let without = |left_out: Option<usize>| {
            let kept = keys
                .iter()
                .enumerate()
                .filter(|(index, _)| Some(*index) != left_out)
                .map(|(_, key)| *key);
            ValidatorSet::new(0, &kept.collect::<Vec<_>>()).ok()
        };
        let rotations = if scenario.is_rotating { scenario.validators } else { 0 };
        let sets = std::iter::once(None)
            .chain((0..rotations).map(Some))
            .filter_map(without)
            .collect();
        let mut nodes: Vec<Node> = Vec::new();
        let mut add = |identity: usize, is_honest: bool| {
            if let Some(known) = identities().get(identity) {
                nodes.push(Node::new(identity, known.account, is_honest));
            }
        };
        (0..scenario.validators).for_each(|identity| add(identity, identity >= scenario.byzantine_count));
        if scenario.byzantine == Byzantine::Twins {
            (0..scenario.byzantine_count).for_each(|identity| add(identity, false));
        }
        if scenario.has_follower {
            add(scenario.validators, true);
        }
        let count = nodes.len();
        Self {
            scenario,
            random,
            nodes,
            chain_id: [0x48; 32],
            checker: Checker::default(),
            is_healed: false,
            key_cache,
            trace: 0,
            events: 0,
            highest_round: 0,
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            blocked: vec![vec![false; count]; count],
            sets,
            goal: u64::MAX,
            #[cfg(feature = "mutations")]
            faults: hn_consensus::Faults::default(),
        }
    }

    #[cfg(feature = "mutations")]
    pub(crate) fn set_faults(&mut self, faults: hn_consensus::Faults) {
        self.faults = faults;
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.now / 1_000
    }

    /// Heights that every honest node holds.
    pub(crate) fn common_height(&self) -> u64 {
        self.nodes
            .iter()
            .filter(|node| node.is_honest)
            .map(Node::tip)
            .min()
            .unwrap_or(0)
    }

    /// Run until the goal is reached or an invariant is broken.
    pub(crate) fn run(&mut self) {
        for node in 0..self.nodes.len() {
            self.boot(node);
        }
        if self.scenario.crash_every_ms > 0 {
            self.after(self.scenario.crash_every_ms * 1_000, Event::PlanCrash);
        }
        if self.scenario.partition_every_ms > 0 {
            self.after(self.scenario.partition_every_ms * 1_000, Event::Repartition);
        }
        self.after(self.scenario.heal_ms * 1_000, Event::Heal);
        while let Some(Reverse(timed)) = self.queue.pop() {
            self.now = timed.at;
            self.events += 1;
            self.handle(timed.event);
            if self.checker.failure().is_some() {
                return;
            }
            if self.is_healed && self.common_height() >= self.goal {
                return;
            }
            if self.events > EVENTS_MAX {
                return self
                    .checker
                    .fail(format!("livelock: {EVENTS_MAX} events at {} ms", self.now_ms()));
            }
            if self.is_healed && self.now > self.scenario.heal_ms * 1_000 + LIVENESS_US {
                let text = self.stall_text();
                return self.checker.fail(text);
            }
        }
        self.checker.fail("the world ran out of events".to_owned());
    }

    fn stall_text(&self) -> String {
        let mut text = format!(
            "stall: goal {} not reached {} s after the heal;",
            self.goal,
            LIVENESS_US / 1_000_000
        );
        for (index, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.is_honest) {
            let status = node
                .engine
                .as_ref()
                .map_or_else(|| "down".to_owned(), Engine::status_text);
            text.push_str(&format!(" [{index}] tip {} {status};", node.tip()));
        }
        text
    }

    pub(crate) fn after(&mut self, delay_us: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse(Timed {
            at: self.now + delay_us,
            sequence: self.sequence,
            event,
        }));
    }

    /// Fold something into the trace.
    pub(crate) fn note(&mut self, node: usize, tag: u8, bytes: &[u8]) {
        let seed = self.trace ^ self.now.rotate_left(17) ^ ((node as u64) << 8) ^ u64::from(tag);
        self.trace = fold(seed, bytes);
    }

    /// Start a node: a fresh engine and the log of its disk.
    pub(crate) fn boot(&mut self, index: usize) {
        let config = |account| EngineConfig {
            chain_id: self.chain_id,
            address: account,
            timeouts: if self.scenario.is_hasty {
                TIMEOUTS_HASTY
            } else {
                TIMEOUTS
            },
            limits: Limits::default(),
        };
        let Some(node) = self.nodes.get_mut(index) else { return };
        let Some(identity) = identities().get(node.identity) else {
            return;
        };
        let is_validator = node.identity < self.scenario.validators;
        let config = config(is_validator.then_some(node.account));
        let mut engine = if self.scenario.is_sm2 {
            let key = if is_validator {
                SecretKey::from_bytes(&identity.secret).ok()
            } else {
                None
            };
            Engine::with_key_cache(config, key, self.key_cache.clone())
        } else {
            let scheme = KeyedHash::new(is_validator.then_some(&identity.public));
            Engine::with_signatures(config, Box::new(scheme), is_validator)
        };
        #[cfg(feature = "mutations")]
        if node.is_honest {
            engine.set_faults(self.faults);
        }
        node.chain = node.disk.blocks.clone();
        let mut inputs: Vec<Input> = node.disk.records().into_iter().map(Input::Replay).collect();
        inputs.push(Input::ReplayDone {
            floor_height: node.disk.floor,
        });
        let effects = engine.step(inputs);
        if let Some(digest) = node.digest.take()
            && engine.state_digest() != digest
        {
            self.checker
                .fail(format!("replay of node {index} differs from the run it repeats"));
        }
        node.engine = Some(engine);
        node.queue.extend(effects);
        let life = node.incarnation;
        self.pump(index);
        self.remind(index);
        self.after(1_000, Event::Start { node: index, life });
        let beat = self.random.between(1_000, 250_000);
        self.after(beat, Event::Status { node: index, life });
    }

    /// Send one packet over one link.
    pub(crate) fn transmit(&mut self, from: usize, to: usize, packet: Packet) {
        let is_blocked = self
            .blocked
            .get(from)
            .and_then(|row| row.get(to))
            .copied()
            .unwrap_or(false);
        let scenario = &self.scenario;
        let (loss, duplicate, spike, delay_max) = if self.is_healed {
            (0, 0, 0, 10)
        } else {
            (scenario.loss, scenario.duplicate, scenario.spike, scenario.delay_ms_max)
        };
        if is_blocked || self.random.chance(loss) {
            return;
        }
        let copies = 1 + usize::from(self.random.chance(duplicate));
        for _ in 0..copies {
            let slow = if self.random.chance(spike) { 20 } else { 1 };
            let delay = self.random.between(200, delay_max * 1_000 * slow);
            self.after(
                delay,
                Event::Deliver {
                    from,
                    to,
                    packet: packet.clone(),
                },
            );
        }
    }

    /// Nodes other than `from` and its twin.
    pub(crate) fn peers_of(&self, from: usize) -> Vec<usize> {
        let identity = self.nodes.get(from).map(|node| node.identity);
        (0..self.nodes.len())
            .filter(|to| self.nodes.get(*to).map(|node| node.identity) != identity)
            .collect()
    }
}
