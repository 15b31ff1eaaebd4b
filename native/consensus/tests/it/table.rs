//! Engines around a table: messages are passed by hand, nothing is lost unless a test loses it.

use std::collections::VecDeque;

use hn_consensus::{Effect, Engine, EngineConfig, Input, Limits, Message, SendTo, Timeouts};
use hn_crypto::sm2::{PublicKey, SecretKey, generate};
use hn_merkle::block_tree;
use hn_primitives::{Account, BatchRef, Hash32, Header, ValidatorSet, Value, account_of};

pub const CHAIN: Hash32 = [7; 32];

pub fn key(index: u8) -> SecretKey {
    generate(&[index + 1; 32])
}

pub fn public(index: u8) -> PublicKey {
    key(index).public_key().clone()
}

pub fn account(index: u8) -> Account {
    account_of(&public(index))
}

pub fn set(count: u8) -> ValidatorSet {
    let members: Vec<_> = (0..count).map(|index| (public(index).to_bytes(), 1)).collect();
    ValidatorSet::new(0, &members).expect("a valid set")
}

pub fn config(address: Option<Account>) -> EngineConfig {
    EngineConfig {
        chain_id: CHAIN,
        address,
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    }
}

pub fn fresh(index: u8) -> Engine {
    let mut engine = Engine::new(config(Some(account(index))), Some(key(index)));
    assert!(engine.step(vec![Input::ReplayDone { floor_height: 0 }]).is_empty());
    engine
}

pub fn start(height: u64, count: u8) -> Input {
    Input::Start {
        height,
        validators: set(count),
        proposer_demoted: Vec::new(),
    }
}

/// A value of `height`; `salt` makes it another one.
pub fn value(height: u64, proposer: Account, salt: u8) -> Vec<u8> {
    let batches = vec![BatchRef {
        digest: [salt; 32],
        author: proposer,
        seq: 1,
    }];
    let header = Header {
        chain_id: CHAIN,
        height,
        time_ms: 1_000 + height,
        proposer,
        parent_hash: [1; 32],
        batches_root: block_tree::root(&[batches[0].encode()]),
        tx_root: [salt; 32],
        validators_hash: [2; 32],
        next_validators_hash: [2; 32],
        plugins_hash: [3; 32],
        receipts_root: [4; 32],
        state_root: [5; 32],
        outbox_root: [6; 32],
    };
    Value { header, batches }.encode()
}

pub fn block_hash(value: &[u8]) -> Hash32 {
    Value::decode(value).expect("a value").block_hash()
}

/// The index of the validator that proposes at (height, round) among `count`.
pub fn proposer_index(height: u64, round: u32, count: u8) -> u8 {
    let first = hn_consensus::proposer(height, round, &set(count), &[]).expect("a proposer");
    (0..count).find(|index| account(*index) == first).expect("a member")
}

/// What an engine did, with everything it was fed logged as on a disk.
pub struct Seat {
    pub engine: Engine,
    pub index: u8,
    pub log: Vec<Vec<u8>>,
    pub effects: Vec<Effect>,
    pub decisions: Vec<Effect>,
}

impl Seat {
    pub fn new(index: u8) -> Self {
        Self {
            engine: fresh(index),
            index,
            log: Vec::new(),
            effects: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Step, keep the log, answer values and validity at once; the sent messages come back.
    pub fn feed(&mut self, input: Input) -> Vec<(SendTo, Vec<u8>)> {
        let mut inputs = VecDeque::from([input]);
        let mut sent = Vec::new();
        while let Some(input) = inputs.pop_front() {
            for effect in self.engine.step(vec![input]) {
                self.effects.push(effect.clone());
                match effect {
                    Effect::Log(record) => self.log.push(record),
                    Effect::Send { to, bytes } => sent.push((to, bytes)),
                    Effect::GetValue { height, round } => {
                        let value = value(height, account(self.index), round as u8);
                        inputs.push_back(Input::Propose { height, round, value });
                    }
                    Effect::Validate { height, block_hash, .. } => {
                        inputs.push_back(Input::Validity {
                            height,
                            block_hash,
                            valid: true,
                        });
                    }
                    Effect::Decide { .. } => self.decisions.push(effect),
                    _ => {}
                }
            }
        }
        sent
    }
}

/// Pass messages among seats until nobody speaks; `passes(from, to, message)` decides what arrives.
pub fn talk(seats: &mut [Seat], mut sent: VecDeque<(u8, SendTo, Vec<u8>)>, passes: impl Fn(u8, u8, &Message) -> bool) {
    while let Some((from, to, bytes)) = sent.pop_front() {
        let message = Message::decode(&bytes).expect("engines send canonical messages");
        assert_eq!(message.encode(), bytes);
        for seat in seats.iter_mut().filter(|seat| seat.index != from) {
            let is_addressed = to == SendTo::All || to == SendTo::Peer(account(seat.index));
            if is_addressed && passes(from, seat.index, &message) {
                let answers = seat.feed(Input::Message {
                    peer: account(from),
                    bytes: bytes.clone(),
                });
                sent.extend(answers.into_iter().map(|(to, bytes)| (seat.index, to, bytes)));
            }
        }
    }
}

pub fn start_all(seats: &mut [Seat], height: u64) -> VecDeque<(u8, SendTo, Vec<u8>)> {
    let count = 4;
    let mut sent = VecDeque::new();
    for seat in seats.iter_mut() {
        let out = seat.feed(start(height, count));
        sent.extend(out.into_iter().map(|(to, bytes)| (seat.index, to, bytes)));
    }
    sent
}

pub fn table() -> Vec<Seat> {
    (0..4).map(Seat::new).collect()
}

/// The newest timer of a kind that was set.
pub fn last_timer(effects: &[Effect], wanted: u32) -> Option<Input> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::SetTimer { id, generation, .. } if *id == wanted => Some(Input::Timer {
            id: *id,
            generation: *generation,
        }),
        _ => None,
    })
}
