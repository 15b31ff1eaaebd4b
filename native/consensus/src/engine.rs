//! The engine: one consensus core, the five duties around it, one entry point.
//!
//! Life: replay records → `ReplayDone` → `Start(h)` … `Decide(h)` → `Start(h + 1)`. Every input that reaches the core does
//! so as a log record through [`Engine::apply`], live and in replay alike, so a replay is the same computation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hn_crypto::sm2::{KeyCache, SecretKey, address};
use hn_primitives::{Account, Hash32, ValidatorSet, codes};
use malachitebft_core_consensus::State;

use crate::certificates;
use crate::config::EngineConfig;
use crate::context::Context;
use crate::effect::{Effect, Input};
use crate::evidence::Watch;
use crate::faults::Faults;
use crate::guard::SignGuard;
use crate::intake::Intake;
use crate::outbox::Outbox;
use crate::record::{Entry, Record};
use crate::shell::Shell;
use crate::signatures::{Signatures, Sm2Signatures};
use crate::statement::Verifier;
use crate::store::{Store, read_block};
use crate::timers::{TimerKind, Timers};

/// The peer of an [`Effect::PeerFault`] that is caused by [`Input::Synced`], which names none.
pub const SYNC_PEER: Account = [0; 20];

/// Bytes of comb tables an engine keeps when it has no shared cache (21 validators need about 2 MiB).
const KEY_CACHE_BYTES: usize = 8 << 20;

enum Life {
    Loading(Vec<Record>),
    Running,
    Halted,
}

/// Consensus of one chain: no thread, clock, random source, file or socket.
pub struct Engine {
    pub(crate) core: Option<State<Context>>,
    pub(crate) shell: Shell,
    pub(crate) intake: Intake,
    life: Life,
    /// Signs at the current height.
    pub(crate) is_signing: bool,
    pub(crate) has_key: bool,
    /// (height, round, step) after the last step, to notice progress.
    mark: (u64, u32, u8),
    /// Re-gossips since anything moved.
    pub(crate) attempt: u32,
}

impl Engine {
    /// An engine that signs with SM2, or follows when `signer` or the address is `None`. A key that does not belong to the
    /// address stops the engine at its first step.
    pub fn new(config: EngineConfig, signer: Option<SecretKey>) -> Self {
        Self::with_key_cache(config, signer, Arc::new(KeyCache::new(KEY_CACHE_BYTES)))
    }

    /// As [`Engine::new`], with the comb tables of the process.
    pub fn with_key_cache(config: EngineConfig, signer: Option<SecretKey>, cache: Arc<KeyCache>) -> Self {
        let account = signer.as_ref().map(|key| address(key.public_key()));
        let is_foreign = account.is_some() && config.address.is_some() && account != config.address;
        let has_key = signer.is_some();
        let mut engine = Self::with_signatures(config, Box::new(Sm2Signatures::new(signer, cache)), has_key);
        if is_foreign {
            engine.shell.halt(
                codes::SIGN_GUARD,
                "the signing key belongs to another account".to_owned(),
            );
        }
        engine
    }

    /// An engine with another signature scheme; `has_key` tells whether it can sign.
    pub fn with_signatures(config: EngineConfig, signatures: Box<dyn Signatures>, has_key: bool) -> Self {
        let shell = Shell {
            chain_id: config.chain_id,
            address: config.address.unwrap_or_default(),
            timeouts: config.timeouts,
            faults: Faults::none(),
            height: 0,
            round: 0,
            validators: None,
            awaiting: None,
            verifier: Verifier::new(config.chain_id, signatures),
            guard: SignGuard::default(),
            timers: Timers::default(),
            store: Store::default(),
            watch: Watch::default(),
            outbox: Outbox::default(),
            stop: None,
        };
        Self {
            core: None,
            shell,
            intake: Intake::new(config.limits),
            life: Life::Loading(Vec::new()),
            is_signing: false,
            has_key: has_key && config.address.is_some(),
            mark: (0, 0, 0),
            attempt: 0,
        }
    }

    /// Plant bugs.
    #[cfg(feature = "mutations")]
    pub fn set_faults(&mut self, faults: Faults) {
        self.shell.faults = faults;
    }

    /// Feed inputs in order, get effects in order. After a [`Effect::Halt`] every step is empty.
    pub fn step(&mut self, inputs: Vec<Input>) -> Vec<Effect> {
        if matches!(self.life, Life::Halted) {
            return Vec::new();
        }
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run(inputs))) {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            self.shell.stop = None;
            self.shell
                .halt(codes::ENGINE_FAILED, format!("panic in the consensus core: {text}"));
        }
        if let Some(stop) = self.shell.stop.take() {
            self.life = Life::Halted;
            self.core = None;
            self.shell.outbox = Outbox::default();
            return vec![Effect::Halt {
                code: stop.code,
                reason: stop.reason,
            }];
        }
        self.shell.outbox.drain(self.shell.faults.barrier_ignored())
    }

    /// Whether a [`Effect::Halt`] was handed out.
    pub fn is_halted(&self) -> bool {
        matches!(self.life, Life::Halted)
    }

    fn run(&mut self, inputs: Vec<Input>) {
        let mut messages = Vec::new();
        for input in inputs {
            match input {
                Input::Message { peer, bytes } => messages.push((peer, bytes)),
                Input::Messages(batch) => messages.extend(batch),
                other => {
                    self.receive(std::mem::take(&mut messages));
                    self.handle(other);
                }
            }
        }
        self.receive(messages);
        self.note_progress();
    }

    fn handle(&mut self, input: Input) {
        if self.shell.stop.is_some() {
            return;
        }
        match (&mut self.life, input) {
            (Life::Loading(records), Input::Replay(bytes)) => match Record::decode(&bytes) {
                Some(record) => records.push(record),
                None => self
                    .shell
                    .halt(codes::CONSENSUS_LOG_CORRUPT, "a log record does not decode".to_owned()),
            },
            (Life::Loading(records), Input::ReplayDone { floor_height }) => {
                let records = std::mem::take(records);
                self.life = Life::Running;
                self.replay(records, floor_height);
            }
            (
                Life::Running,
                Input::Start {
                    height,
                    validators,
                    proposer_demoted,
                },
            ) => {
                self.start(height, validators, proposer_demoted);
            }
            (Life::Running, Input::Propose { height, round, value }) => self.propose(height, round, value.into()),
            (
                Life::Running,
                Input::Validity {
                    height,
                    block_hash,
                    valid,
                },
            ) => self.judge(height, block_hash, valid),
            (Life::Running, Input::Timer { id, generation }) => match self.shell.timers.find(id, generation) {
                Some((TimerKind::Rebroadcast, _)) => self.tick(),
                Some((timer, round)) => self.feed(Entry::Timeout { timer, round }, None),
                None => {}
            },
            (
                Life::Running,
                Input::Synced {
                    height,
                    value,
                    certificate,
                },
            ) => {
                self.sync(height, value.into(), certificate);
            }
            (Life::Running, Input::PeerBehind { peer, height, round }) => self.serve(peer, height, round),
            // A record after the log is complete, or anything before: the host's order is wrong, nothing is lost.
            _ => {}
        }
    }

    fn start(&mut self, height: u64, validators: ValidatorSet, demoted: Vec<Account>) {
        if height <= self.shell.height {
            return;
        }
        let is_member = validators.index_of(&self.shell.address).is_some();
        let may_sign = self.shell.guard.may_sign(height) || self.shell.faults.floor_ignored();
        let signing = self.has_key && is_member && may_sign;
        if signing
            && !self.shell.faults.floor_ignored()
            && let Some(floor) = self.shell.guard.reserve(height)
        {
            let entry = Entry::Floor {
                own: self.shell.address,
            };
            self.shell.outbox.log(&Record { height: floor, entry });
            self.shell.outbox.reserve_floor(floor);
        }
        let own = self.shell.address;
        let entry = Entry::Start {
            signing,
            own,
            demoted,
            validators: Arc::new(validators),
        };
        self.shell.height = height;
        self.feed(entry, None);
        let waiting = self.intake.take_future(height);
        self.receive_future(waiting);
    }

    fn propose(&mut self, height: u64, round: u32, value: Arc<[u8]>) {
        let is_asked = height == self.shell.height && self.shell.awaiting == Some(round);
        if !is_asked || self.shell.store.decided.is_some() {
            return;
        }
        match read_block(&value, &self.shell.chain_id, height) {
            Ok(block) => self.feed(Entry::Propose { round, value }, Some(block)),
            Err(code) => self
                .shell
                .halt(code, format!("the node's own value is malformed at height {height}")),
        }
    }

    fn judge(&mut self, height: u64, block_hash: Hash32, valid: bool) {
        if height == self.shell.height && self.shell.store.block(&block_hash).is_some() {
            self.feed(Entry::Validity { block_hash, valid }, None);
        }
    }

    fn sync(&mut self, height: u64, value: Arc<[u8]>, certificate: Vec<u8>) {
        if height.checked_add(1) == Some(self.shell.height) {
            return self.shell.store.remember_previous(height, value, certificate);
        }
        if height != self.shell.height || self.shell.store.decided.is_some() {
            return;
        }
        let Some(validators) = self.shell.validators.clone() else {
            return;
        };
        let quorums = self.shell.quorums();
        let chain_id = self.shell.chain_id;
        let checked = read_block(&value, &chain_id, height).and_then(|block| {
            let verifier = &mut self.shell.verifier;
            certificates::verify_commit(
                verifier,
                &validators,
                quorums,
                &chain_id,
                height,
                &block.id.0,
                &certificate,
            )
            .map(|_| block)
        });
        match checked {
            Ok(block) => self.decide_certified(&block.id.0, value, certificate),
            Err(code) => self.shell.outbox.fault(SYNC_PEER, code),
        }
    }

    /// A quorum committed this block and its batches are here.
    pub(crate) fn decide_certified(&mut self, block_hash: &Hash32, value: Arc<[u8]>, certificate: Vec<u8>) {
        if self
            .shell
            .store
            .block(block_hash)
            .is_some_and(|candidate| candidate.verdict == Some(false))
        {
            self.halt_invalid();
        } else {
            self.feed(Entry::Decision { value, certificate }, None);
        }
    }

    pub(crate) fn halt_invalid(&mut self) {
        let reason = format!(
            "a quorum committed a block at height {} that this node calls invalid",
            self.shell.height
        );
        self.shell.halt(codes::INVALID_VALUE_DECIDED, reason);
    }

    /// Restart the re-gossip clock when the height, round or step moved.
    fn note_progress(&mut self) {
        let Some(core) = self.core.as_ref() else { return };
        let mark = (self.shell.height, self.shell.round, core.driver.step() as u8);
        if mark == self.mark {
            return;
        }
        if (mark.0, mark.1) != (self.mark.0, self.mark.1) {
            self.intake.reset_quotas();
        }
        self.mark = mark;
        self.attempt = 0;
        self.set_rebroadcast();
    }

    pub(crate) fn set_rebroadcast(&mut self) {
        if self.shell.store.decided.is_none() && self.core.is_some() {
            let ms = self.shell.timeouts.rebroadcast(self.attempt);
            let started = self.shell.timers.set(TimerKind::Rebroadcast, self.shell.round, ms);
            self.shell.outbox.extend(started);
        }
    }
}
