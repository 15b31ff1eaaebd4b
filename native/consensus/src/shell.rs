//! Everything around the core that its effects may touch, and the answers to those effects.
//!
//! The core asks for signatures, verdicts, timers and publications; it is answered inside the call. Its own wishes about
//! a log are ignored: the engine logs every input itself.

use hn_primitives::{Account, Hash32, Sig64, codes};
use malachitebft_core_consensus::{
    ConsensusMsg, Effect as CoreEffect, LivenessMsg, Resumable, Resume, SignedConsensusMsg,
};
use malachitebft_core_types::{CommitCertificate, SignedMessage, SignedProposal, SignedVote, Timeout};

use crate::certificates::{self, Quorums};
use crate::config::Timeouts;
use crate::context::Context;
use crate::effect::{Effect, SendTo};
use crate::evidence::{Evidence, Watch};
use crate::faults::Faults;
use crate::guard::{SignGuard, Verdict};
use crate::message::{Message, ProposalMessage};
use crate::outbox::Outbox;
use crate::record::{Entry, Record};
use crate::statement::{Statement, Verifier};
use crate::store::{Decided, Store};
use crate::timers::{TimerKind, Timers};
use crate::translate::{
    proposal_statement, signed_proposal, signed_vote, timer_kind, verdict, vote_message, vote_statement,
};
use crate::validators::Validators;

/// Why an engine stopped.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub code: u32,
    pub reason: String,
}

/// The engine without its core.
pub(crate) struct Shell {
    pub chain_id: Hash32,
    pub address: Account,
    pub timeouts: Timeouts,
    pub faults: Faults,
    pub height: u64,
    pub round: u32,
    pub validators: Option<Validators>,
    /// Round in which a value was asked for and not given.
    pub awaiting: Option<u32>,
    pub verifier: Verifier,
    pub guard: SignGuard,
    pub timers: Timers,
    pub store: Store,
    pub watch: Watch,
    pub outbox: Outbox,
    pub stop: Option<Stop>,
}

/// Effects are never refused without a stop; the core then gives up the input.
type Answer = Result<Resume<Context>, ()>;

impl Shell {
    pub(crate) fn quorums(&self) -> Quorums {
        Quorums {
            is_minus: self.faults.quorum_minus(),
        }
    }

    /// Stop for good; the first reason counts.
    pub(crate) fn halt(&mut self, code: u32, reason: String) {
        self.stop.get_or_insert(Stop { code, reason });
    }

    pub(crate) fn log(&mut self, entry: Entry) {
        let height = self.height;
        self.outbox.log(&Record { height, entry });
    }

    /// Answer one effect of the core.
    pub(crate) fn answer(&mut self, effect: CoreEffect<Context>) -> Answer {
        if self.stop.is_some() {
            return Err(());
        }
        match effect {
            CoreEffect::CancelAllTimeouts(r) => {
                for kind in [TimerKind::Propose, TimerKind::Prevote, TimerKind::Precommit] {
                    let cancelled = self.timers.cancel(kind);
                    self.outbox.extend(cancelled);
                }
                Ok(r.resume_with(()))
            }
            CoreEffect::CancelTimeout(timeout, r) => {
                if let Some(kind) = timer_kind(&timeout) {
                    let cancelled = self.timers.cancel(kind);
                    self.outbox.extend(cancelled);
                }
                Ok(r.resume_with(()))
            }
            CoreEffect::ScheduleTimeout(timeout, r) => {
                self.schedule(&timeout);
                Ok(r.resume_with(()))
            }
            CoreEffect::StartRound(_, round, _, _, r) => {
                self.round = round.as_u32().unwrap_or(0);
                self.awaiting = None;
                Ok(r.resume_with(()))
            }
            CoreEffect::PublishConsensusMsg(SignedConsensusMsg::Vote(vote), r) => {
                self.publish_vote(&vote);
                Ok(r.resume_with(()))
            }
            CoreEffect::PublishConsensusMsg(SignedConsensusMsg::Proposal(proposal), r) => {
                self.publish_proposal(&proposal);
                Ok(r.resume_with(()))
            }
            CoreEffect::PublishLivenessMsg(message, r) => {
                let message = match message {
                    LivenessMsg::Vote(vote) => Some(Message::Vote(vote_message(&vote))),
                    LivenessMsg::PolkaCertificate(polka) => certificates::polka_from_core(&polka).map(Message::Polka),
                    LivenessMsg::SkipRoundCertificate(round) => {
                        certificates::round_from_core(&round).map(Message::Round)
                    }
                };
                self.outbox.extend(message.map(|message| Effect::Send {
                    to: SendTo::All,
                    bytes: message.encode(),
                }));
                Ok(r.resume_with(()))
            }
            // Sent again by the engine's own re-gossip; the value travels inside the proposal.
            CoreEffect::RepublishVote(_, r) => Ok(r.resume_with(())),
            CoreEffect::RepublishRoundCertificate(_, r) => Ok(r.resume_with(())),
            CoreEffect::RestreamProposal(.., r) => Ok(r.resume_with(())),
            CoreEffect::GetValue(height, round, _, r) => {
                self.awaiting = round.as_u32();
                self.outbox.push(Effect::GetValue {
                    height: height.0,
                    round: round.as_u32().unwrap_or(0),
                });
                Ok(r.resume_with(()))
            }
            CoreEffect::Decide(certificate, _, r) => {
                self.decide(&certificate)?;
                Ok(r.resume_with(()))
            }
            CoreEffect::Finalize(_, _, evidence, r) => {
                for (_, pairs) in evidence.votes.iter() {
                    for (a, b) in pairs {
                        self.note_evidence(signed_vote(a), signed_vote(b));
                    }
                }
                for (_, pairs) in evidence.proposals.iter() {
                    for (a, b) in pairs {
                        self.note_evidence(signed_proposal(a), signed_proposal(b));
                    }
                }
                Ok(r.resume_with(()))
            }
            CoreEffect::SignVote(vote, r) => {
                let signature = self.sign(vote_statement(&vote))?;
                Ok(r.resume_with(SignedMessage::new(vote, signature)))
            }
            CoreEffect::SignProposal(proposal, r) => {
                let signature = self.sign(proposal_statement(&proposal))?;
                Ok(r.resume_with(SignedMessage::new(proposal, signature)))
            }
            CoreEffect::VerifySignature(message, _, r) => {
                let statement = match &message.message {
                    ConsensusMsg::Vote(vote) => vote_statement(vote),
                    ConsensusMsg::Proposal(proposal) => proposal_statement(proposal),
                };
                Ok(r.resume_with(self.verify(&[(statement, message.signature)])))
            }
            CoreEffect::VerifyCommitCertificate(certificate, validators, _, r) => {
                let quorums = self.quorums();
                let valid = certificates::verify_core_commit(&mut self.verifier, &validators, quorums, &certificate);
                Ok(r.resume_with(verdict(valid)))
            }
            // Blocks of block sync are applied beside the core.
            CoreEffect::VerifyExtendedCommitCertificate(.., r) => Ok(r.resume_with(verdict(false))),
            CoreEffect::CertVerifiedSyncValue(_, _, r) => Ok(r.resume_with(())),
            CoreEffect::CertRejectedSyncValue(_, _, _, r) => Ok(r.resume_with(())),
            CoreEffect::VerifyPolkaCertificate(polka, validators, _, r) => {
                let signed = certificates::polka_from_core(&polka)
                    .and_then(|polka| certificates::polka_statements(&validators, self.quorums(), &polka));
                Ok(r.resume_with(verdict(signed.is_some_and(|signed| self.verify(&signed)))))
            }
            CoreEffect::VerifyRoundCertificate(round, validators, _, r) => {
                let signed = certificates::round_from_core(&round)
                    .and_then(|round| certificates::round_statements(&validators, self.quorums(), &round));
                Ok(r.resume_with(verdict(signed.is_some_and(|signed| self.verify(&signed)))))
            }
            CoreEffect::WalAppend(_, _, r) => Ok(r.resume_with(())),
            // Extensions are disabled at every height.
            CoreEffect::ExtendVote(.., r) => Ok(r.resume_with(None)),
            CoreEffect::VerifyVoteExtension(.., r) => Ok(r.resume_with(Err(
                malachitebft_core_consensus::VoteExtensionError::InvalidVoteExtension,
            ))),
        }
    }

    fn verify(&mut self, signed: &[(Statement, Sig64)]) -> bool {
        self.validators
            .as_ref()
            .is_some_and(|validators| self.verifier.verify_each(validators, signed))
    }

    fn schedule(&mut self, timeout: &Timeout) {
        let (Some(kind), Some(round)) = (timer_kind(timeout), timeout.round.as_u32()) else {
            return;
        };
        let ms = match kind {
            TimerKind::Propose => self.timeouts.propose(round),
            _ => self.timeouts.vote(round),
        };
        let started = self.timers.set(kind, round, ms);
        self.outbox.extend(started);
    }

    /// Sign through the guard, log the signature, remember it as verified.
    fn sign(&mut self, statement: Statement) -> Result<Sig64, ()> {
        let signature = match self.guard.request(&statement) {
            Verdict::Conflict if !self.faults.guard_off() => {
                let reason = format!(
                    "sign guard: asked for a second {:?} at height {} round {}",
                    statement.step, statement.height, statement.round
                );
                self.halt(codes::SIGN_GUARD, reason);
                return Err(());
            }
            Verdict::Reuse(signature) => signature,
            _ => {
                let Some(signature) = self.verifier.sign(&statement) else {
                    self.halt(codes::ENGINE_FAILED, "asked to sign without a key".to_owned());
                    return Err(());
                };
                self.guard.learn(statement, signature);
                if !self.faults.guard_off() {
                    self.log(Entry::Signed { statement, signature });
                }
                signature
            }
        };
        self.verifier.remember(statement, signature);
        self.note_statement(statement, signature);
        Ok(signature)
    }

    /// Tell the watch about a verified statement.
    pub(crate) fn note_statement(&mut self, statement: Statement, signature: Sig64) {
        if let Some(evidence) = self.watch.record(statement, signature) {
            self.outbox.push(Effect::Evidence(evidence.encode()));
        }
    }

    fn note_evidence(&mut self, a: (Statement, Sig64), b: (Statement, Sig64)) {
        if Evidence::new(a, b).is_some() {
            self.note_statement(a.0, a.1);
            self.note_statement(b.0, b.1);
        }
    }

    fn publish_vote(&mut self, vote: &SignedVote<Context>) {
        let bytes = vote_message(vote).encode();
        self.store.keep(&vote_statement(&vote.message), bytes.clone());
        self.outbox.send_all(bytes);
    }

    fn publish_proposal(&mut self, proposal: &SignedProposal<Context>) {
        let message = ProposalMessage {
            height: proposal.message.height.0,
            round: proposal.message.round.as_u32().unwrap_or(0),
            pol_round: proposal.message.pol_round.as_u32(),
            signer: proposal.message.signer.0,
            signature: proposal.signature,
            value: proposal.message.value.bytes.clone(),
        };
        let bytes = message.encode();
        self.store.keep(&proposal_statement(&proposal.message), bytes.clone());
        self.outbox.send_all(bytes);
    }

    fn decide(&mut self, certificate: &CommitCertificate<Context>) -> Result<(), ()> {
        let block_hash = certificate.value_id.0;
        let encoded = self.validators.as_ref().and_then(|validators| {
            certificates::commit_from_core(validators, &self.chain_id, certificate).map(|c| (c.round(), c.encode()))
        });
        let value = self
            .store
            .block(&block_hash)
            .map(|candidate| candidate.block.bytes.clone());
        let (Some((round, certificate)), Some(value)) = (encoded, value) else {
            self.halt(
                codes::ENGINE_FAILED,
                format!("decided an unknown block at height {}", self.height),
            );
            return Err(());
        };
        self.finish(
            round,
            Decided {
                height: self.height,
                block_hash,
                value,
                certificate,
            },
        );
        Ok(())
    }

    /// An own vote that the core remembers, as a message.
    pub(crate) fn own_message(&self, vote: &SignedVote<Context>) -> Option<Vec<u8>> {
        self.store
            .message(&vote_statement(&vote.message))
            .map(|bytes| bytes.to_vec())
    }

    /// The height is over: hand the block on, wait for the next start.
    pub(crate) fn finish(&mut self, round: u32, decided: Decided) {
        for kind in [
            TimerKind::Propose,
            TimerKind::Prevote,
            TimerKind::Precommit,
            TimerKind::Rebroadcast,
        ] {
            let cancelled = self.timers.cancel(kind);
            self.outbox.extend(cancelled);
        }
        self.awaiting = None;
        self.store.pending = None;
        self.outbox.push(Effect::Decide {
            height: decided.height,
            round,
            block_hash: decided.block_hash,
            value: decided.value.to_vec(),
            certificate: decided.certificate.clone(),
        });
        self.store.decided = Some(decided);
    }
}
