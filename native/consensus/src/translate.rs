//! Votes, proposals and timeouts of the core in the product's words.

use hn_primitives::{Sig64, ZERO_HASH};
use malachitebft_core_types::{CertificateError, NilOrVal, Round, SignedProposal, SignedVote, Timeout, TimeoutKind};

use crate::context::{Context, Proposal, Vote, wire_kind, wire_value};
use crate::message::VoteMessage;
use crate::statement::{Statement, Step};
use crate::timers::TimerKind;

pub(crate) fn verdict(valid: bool) -> Result<(), CertificateError<Context>> {
    if valid {
        Ok(())
    } else {
        Err(CertificateError::VerificationError(None))
    }
}

pub(crate) fn timer_kind(timeout: &Timeout) -> Option<TimerKind> {
    match timeout.kind {
        TimeoutKind::Propose => Some(TimerKind::Propose),
        TimeoutKind::Prevote => Some(TimerKind::Prevote),
        TimeoutKind::Precommit => Some(TimerKind::Precommit),
        // Re-gossip has its own pace, and the host paces blocks.
        TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => None,
    }
}

pub(crate) fn core_timeout(timer: TimerKind, round: u32) -> Option<Timeout> {
    let round = Round::new(round);
    match timer {
        TimerKind::Propose => Some(Timeout::propose(round)),
        TimerKind::Prevote => Some(Timeout::prevote(round)),
        TimerKind::Precommit => Some(Timeout::precommit(round)),
        TimerKind::Rebroadcast => None,
    }
}

pub(crate) fn vote_statement(vote: &Vote) -> Statement {
    let block_hash = match &vote.value {
        NilOrVal::Nil => ZERO_HASH,
        NilOrVal::Val(id) => id.0,
    };
    Statement::vote(
        wire_kind(vote.kind),
        vote.height.0,
        vote.round.as_u32().unwrap_or(u32::MAX),
        block_hash,
        vote.signer.0,
    )
}

pub(crate) fn proposal_statement(proposal: &Proposal) -> Statement {
    Statement {
        height: proposal.height.0,
        round: proposal.round.as_u32().unwrap_or(u32::MAX),
        step: Step::Proposal,
        signer: proposal.signer.0,
        block_hash: proposal.value.id.0,
        pol_round: proposal.pol_round.as_u32(),
    }
}

pub(crate) fn signed_vote(vote: &SignedVote<Context>) -> (Statement, Sig64) {
    (vote_statement(&vote.message), vote.signature)
}

pub(crate) fn signed_proposal(proposal: &SignedProposal<Context>) -> (Statement, Sig64) {
    (proposal_statement(&proposal.message), proposal.signature)
}

pub(crate) fn vote_message(vote: &SignedVote<Context>) -> VoteMessage {
    VoteMessage {
        kind: wire_kind(vote.message.kind),
        height: vote.message.height.0,
        round: vote.message.round.as_u32().unwrap_or(u32::MAX),
        block_hash: wire_value(&vote.message.value),
        signer: vote.message.signer.0,
        signature: vote.signature,
    }
}
