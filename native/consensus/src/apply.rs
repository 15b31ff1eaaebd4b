//! Log entries become inputs of the core: the one path, live and in replay.

use std::sync::Arc;

use hn_primitives::{Account, Certificate, Hash32, Sig64, ValidatorSet, VoteType, codes};
use malachitebft_core_consensus::{
    Error as CoreError, Input as CoreInput, LocallyProposedValue, Params, ProposedValue, State,
};
use malachitebft_core_types::{
    NilOrVal, Round, SignedMessage, ThresholdParam, ThresholdParams, Validity, ValueOrigin, ValuePayload,
    VoteExtensionPolicy,
};

use crate::certificates;
use crate::context::{Address, Block, BlockId, Context, Height, Proposal, Vote, core_kind, core_value};
use crate::effect::Effect;
use crate::engine::Engine;
use crate::message::{Message, PolkaMessage, ProposalMessage, RoundMessage, VoteMessage};
use crate::record::{Entry, Record};
use crate::statement::Statement;
use crate::store::{Decided, Pending, read_block};
use crate::translate::core_timeout;
use crate::validators::Validators;

impl Engine {
    /// Log an entry of the current height and apply it.
    pub(crate) fn feed(&mut self, entry: Entry, block: Option<Block>) {
        if self.shell.stop.is_some() || self.shell.store.decided.is_some() && !matches!(entry, Entry::Start { .. }) {
            return;
        }
        let is_certificate = matches!(entry, Entry::Message(Message::Polka(_) | Message::Round(_)));
        let record = Record {
            height: self.shell.height,
            entry,
        };
        if !(is_certificate && self.shell.faults.certificates_unlogged()) {
            self.shell.outbox.log(&record);
        }
        self.apply(record.entry, block);
    }

    /// Apply a logged entry. `block` is the decoded value of a proposal when the caller has it already.
    pub(crate) fn apply(&mut self, entry: Entry, block: Option<Block>) {
        match entry {
            Entry::Start {
                signing,
                own,
                demoted,
                validators,
            } => {
                self.begin_height(signing && own == self.shell.address, &demoted, &validators);
            }
            Entry::Message(Message::Vote(vote)) => self.apply_vote(vote),
            Entry::Message(Message::Proposal(proposal)) => self.apply_proposal(proposal, block),
            Entry::Message(Message::Polka(polka)) => self.apply_polka(&polka),
            Entry::Message(Message::Round(round)) => self.apply_round(&round),
            Entry::Propose { round, value } => self.apply_propose(round, &value, block),
            Entry::Validity { block_hash, valid } => self.apply_validity(&block_hash, valid),
            Entry::Timeout { timer, round } => {
                self.shell.timers.clear(timer, round);
                if let Some(timeout) = core_timeout(timer, round) {
                    self.drive(CoreInput::TimeoutElapsed(timeout));
                }
            }
            Entry::Decision { value, certificate } => self.apply_decision(value, certificate),
            Entry::Message(Message::Decision { value, certificate }) => {
                self.apply_certified(value, certificate, block);
            }
            // Indexed before a replay begins.
            Entry::Signed { .. } | Entry::Floor { .. } => {}
        }
    }

    fn begin_height(&mut self, signing: bool, demoted: &[Account], validators: &ValidatorSet) {
        let height = self.shell.height;
        let validators = Validators::new(validators.clone(), demoted);
        self.is_signing = signing && self.has_key;
        self.shell.validators = Some(validators.clone());
        self.shell.verifier.clear();
        self.shell.store.begin_height();
        self.shell.guard.prune(height);
        let limits = &self.intake.limits;
        self.shell.watch.prune(
            height.saturating_sub(limits.evidence_heights),
            limits.evidence_entries_max,
        );
        let mut threshold_params = ThresholdParams::default();
        if self.shell.faults.quorum_minus() {
            threshold_params.quorum = ThresholdParam::F_PLUS_ONE;
        }
        let params = Params {
            address: Address(self.shell.address),
            threshold_params,
            value_payload: ValuePayload::ProposalAndParts,
            enabled: self.is_signing,
        };
        // The core's own queue of future messages stays empty: the intake holds them.
        self.core = Some(State::new(Context, Height(height), validators.clone(), params, 1, 1));
        let policy = VoteExtensionPolicy::Disabled;
        self.drive(CoreInput::StartHeight(Height(height), validators, false, None, policy));
    }

    fn apply_vote(&mut self, vote: VoteMessage) {
        let statement = Statement::of_vote(&vote);
        self.adopt(statement, vote.signature, vote.encode());
        let core_vote = Vote {
            kind: core_kind(vote.kind),
            height: Height(vote.height),
            round: Round::new(vote.round),
            value: core_value(&vote.block_hash),
            signer: Address(vote.signer),
        };
        self.drive(CoreInput::Vote(SignedMessage::new(core_vote, vote.signature)));
    }

    /// A verified statement enters this height.
    fn adopt(&mut self, statement: Statement, signature: Sig64, bytes: Vec<u8>) {
        if statement.signer == self.shell.address && !self.shell.guard.learn(statement, signature) {
            let reason = format!("another signature of this key exists at height {}", statement.height);
            self.shell.halt(codes::SIGN_GUARD, reason);
        }
        self.shell.verifier.remember(statement, signature);
        self.shell.note_statement(statement, signature);
        self.shell.store.keep(&statement, bytes);
    }

    fn apply_proposal(&mut self, proposal: ProposalMessage, block: Option<Block>) {
        let Some(block) = block.or_else(|| self.replayed_block(&proposal.value)) else {
            return;
        };
        self.adopt(
            Statement::of_proposal(&proposal, block.id.0),
            proposal.signature,
            proposal.encode(),
        );
        if self
            .shell
            .store
            .propose(&block, proposal.round, proposal.pol_round, proposal.signer)
        {
            self.ask_validity(&block.id.0);
        }
        let core_proposal = Proposal {
            height: Height(proposal.height),
            round: Round::new(proposal.round),
            value: block,
            pol_round: proposal.pol_round.into(),
            signer: Address(proposal.signer),
        };
        self.drive(CoreInput::Proposal(SignedMessage::new(
            core_proposal,
            proposal.signature,
        )));
    }

    fn replayed_block(&mut self, value: &Arc<[u8]>) -> Option<Block> {
        let block = read_block(value, &self.shell.chain_id, self.shell.height);
        if let Err(code) = block {
            let reason = format!(
                "a logged value is malformed (code {code}) at height {}",
                self.shell.height
            );
            self.shell.halt(codes::CONSENSUS_LOG_CORRUPT, reason);
        }
        block.ok()
    }

    /// Ask the host about a block.
    pub(crate) fn ask_validity(&mut self, block_hash: &Hash32) {
        let Some(candidate) = self.shell.store.block(block_hash) else {
            return;
        };
        let effect = Effect::Validate {
            height: self.shell.height,
            round: candidate.round,
            block_hash: *block_hash,
            value: candidate.block.bytes.to_vec(),
            proposer: candidate.proposer,
            pol_round: candidate.pol_round,
        };
        self.shell.outbox.push(effect);
    }

    fn apply_polka(&mut self, polka: &PolkaMessage) {
        let prevote = |signer| Statement::vote(VoteType::Prevote, polka.height, polka.round, polka.block_hash, signer);
        self.shell
            .verifier
            .begin_certificate(polka.signatures.iter().map(|(signer, sig)| (prevote(*signer), *sig)));
        self.drive(CoreInput::PolkaCertificate(certificates::polka_to_core(polka)));
        self.shell.verifier.end_certificate();
    }

    fn apply_round(&mut self, round: &RoundMessage) {
        let signed = round.votes.iter().map(|vote| {
            (
                Statement::vote(vote.kind, round.height, round.round, vote.block_hash, vote.signer),
                vote.signature,
            )
        });
        self.shell.verifier.begin_certificate(signed);
        self.drive(CoreInput::RoundCertificate(certificates::round_to_core(round)));
        self.shell.verifier.end_certificate();
    }

    fn apply_propose(&mut self, round: u32, value: &Arc<[u8]>, block: Option<Block>) {
        let Some(block) = block.or_else(|| self.replayed_block(value)) else {
            return;
        };
        self.shell.awaiting = None;
        self.shell.store.propose(&block, round, None, self.shell.address);
        self.shell.store.judge(&block.id.0, true);
        let height = Height(self.shell.height);
        self.drive(CoreInput::Propose(LocallyProposedValue {
            height,
            round: Round::new(round),
            value: block,
        }));
    }

    fn apply_validity(&mut self, block_hash: &Hash32, valid: bool) {
        if let Some(candidate) = self.shell.store.judge(block_hash, valid) {
            let value = ProposedValue {
                height: Height(self.shell.height),
                round: Round::new(candidate.round),
                valid_round: candidate.pol_round.into(),
                proposer: Address(candidate.proposer),
                value: candidate.block,
                validity: Validity::from_bool(valid),
            };
            self.drive(CoreInput::ProposedValue(value, ValueOrigin::Consensus));
        }
        // A replay finds the decision in the log, or decides when the log ends.
        if !self.shell.outbox.is_replaying {
            self.decide_pending();
        }
    }

    /// Hand on the certified block that waited for its batches, once they are here.
    pub(crate) fn decide_pending(&mut self) {
        let Some(pending) = self.shell.store.pending.clone() else {
            return;
        };
        let verdict = self
            .shell
            .store
            .block(&pending.block_hash)
            .and_then(|candidate| candidate.verdict);
        if verdict.is_some() {
            self.decide_certified(&pending.block_hash, pending.value, pending.certificate);
        }
    }

    /// A decision of a peer: it stands, but it is handed on only when the host holds its batches.
    fn apply_certified(&mut self, value: Arc<[u8]>, certificate: Vec<u8>, block: Option<Block>) {
        let Some(block) = block.or_else(|| self.replayed_block(&value)) else {
            return;
        };
        let Some(decoded) = self.replayed_certificate(&certificate) else {
            return;
        };
        let Ok(header) = hn_primitives::Value::decode(&value).map(|value| value.header) else {
            return;
        };
        let round = decoded.round();
        self.shell.store.propose(&block, round, Some(round), header.proposer);
        let block_hash = block.id.0;
        self.shell.store.pending = Some(Pending {
            block_hash,
            value,
            certificate,
        });
        self.ask_validity(&block_hash);
    }

    fn replayed_certificate(&mut self, bytes: &[u8]) -> Option<Certificate> {
        let decoded = Certificate::decode(bytes).ok();
        if decoded.is_none() {
            self.shell.halt(
                codes::CONSENSUS_LOG_CORRUPT,
                "a logged certificate does not decode".to_owned(),
            );
        }
        decoded
    }

    fn apply_decision(&mut self, value: Arc<[u8]>, certificate: Vec<u8>) {
        let Some(decoded) = self.replayed_certificate(&certificate) else {
            return;
        };
        let decided = Decided {
            height: self.shell.height,
            block_hash: *decoded.block_hash(),
            value,
            certificate,
        };
        self.shell.finish(decoded.round(), decided);
    }

    /// Run one input through the core.
    fn drive(&mut self, input: CoreInput<Context>) {
        let Some(core) = self.core.as_mut() else { return };
        let shell = &mut self.shell;
        let result: Result<(), CoreError<Context>> = malachitebft_core_consensus::process!(
            input: input,
            state: core,
            metrics: &(),
            with: effect => shell.answer(effect)
        );
        if let Err(error) = result
            && shell.stop.is_none()
        {
            shell.halt(
                codes::ENGINE_FAILED,
                format!("consensus core: {error} (height={})", shell.height),
            );
        }
        self.check_invalid_quorum();
    }

    /// The core merely logs a quorum of precommits for a block that this node calls invalid; going on would be wrong.
    fn check_invalid_quorum(&mut self) {
        let Some(core) = self.core.as_ref() else { return };
        let total = core.validator_set().total();
        let is_decided = self
            .shell
            .store
            .blocks()
            .filter(|block| block.verdict == Some(false))
            .any(|candidate| {
                let value = NilOrVal::Val(BlockId(candidate.block.id.0));
                core.driver.votes().all_rounds().values().any(|round| {
                    3 * round
                        .votes()
                        .get_weight(malachitebft_core_types::VoteType::Precommit, &value)
                        > 2 * total
                })
            });
        if is_decided {
            self.halt_invalid();
        }
    }
}
