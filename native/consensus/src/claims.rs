//! What each kind of message has to satisfy before its signatures are worth verifying.

use std::sync::Arc;

use hn_primitives::{Account, Certificate, Sig64, codes};

use crate::certificates;
use crate::context::BlockId;
use crate::engine::Engine;
use crate::intake::{Claim, Place};
use crate::message::{Message, PolkaMessage, ProposalMessage, RoundMessage, VoteMessage};
use crate::statement::Statement;
use crate::store::read_block;
use crate::validators::Validators;

impl Engine {
    pub(crate) fn claim_vote(&mut self, validators: &Validators, peer: Account, vote: VoteMessage) -> Option<Claim> {
        let place = self.place(vote.height, vote.round)?;
        if validators.member(&vote.signer).is_none() {
            self.blame_stranger(peer, place);
            return None;
        }
        let statement = Statement::of_vote(&vote);
        let signed = vec![(statement, vote.signature)];
        self.is_wanted(peer, place, &statement).then_some(Claim {
            peer,
            place,
            message: Message::Vote(vote),
            block: None,
            signed,
        })
    }

    /// A signer outside the set of the open height is a fault; of another height it may be another set.
    fn blame_stranger(&mut self, peer: Account, place: Place) {
        if place == Place::Now {
            self.shell.outbox.fault(peer, codes::MESSAGE_SIGNER_UNKNOWN);
        }
    }

    pub(crate) fn claim_proposal(
        &mut self,
        validators: &Validators,
        peer: Account,
        proposal: ProposalMessage,
    ) -> Option<Claim> {
        let place = self.place(proposal.height, proposal.round)?;
        let is_known_signer = match place {
            Place::Now => validators
                .proposer(proposal.height, proposal.round)
                .is_some_and(|v| v.address.0 == proposal.signer),
            _ => validators.member(&proposal.signer).is_some(),
        };
        if !is_known_signer {
            self.blame_stranger(peer, place);
            return None;
        }
        if place == Place::Now
            && self
                .shell
                .store
                .has_proposal(proposal.round, &proposal.signature, &proposal.value)
        {
            return None;
        }
        let block = match read_block(&proposal.value, &self.shell.chain_id, proposal.height) {
            Ok(block) => block,
            Err(code) => {
                self.shell.outbox.fault(peer, code);
                return None;
            }
        };
        // A rule about the round refuses the message, never the value: a verdict on a value must be the same on all nodes.
        if proposal.pol_round.is_none() && block.proposer != proposal.signer {
            self.shell.outbox.fault(peer, codes::HEADER_PROPOSER);
            return None;
        }
        let statement = Statement::of_proposal(&proposal, block.id.0);
        let signed = vec![(statement, proposal.signature)];
        self.is_wanted(peer, place, &statement).then_some(Claim {
            peer,
            place,
            message: Message::Proposal(proposal),
            block: Some(block),
            signed,
        })
    }

    fn is_open(&self, height: u64) -> bool {
        height == self.shell.height && self.shell.store.decided.is_none()
    }

    pub(crate) fn claim_polka(&mut self, validators: &Validators, peer: Account, polka: PolkaMessage) -> Option<Claim> {
        let id = BlockId(polka.block_hash);
        let is_known = self
            .core
            .as_ref()
            .is_none_or(|core| core.driver.polka_certificate(polka.round.into(), &id).is_some());
        if !self.is_open(polka.height) || is_known {
            return None;
        }
        let signed = certificates::polka_statements(validators, self.shell.quorums(), &polka);
        self.claim_certificate(peer, Message::Polka(polka), signed)
    }

    pub(crate) fn claim_round(&mut self, validators: &Validators, peer: Account, round: RoundMessage) -> Option<Claim> {
        let entered = if round.is_precommit {
            round.round.saturating_add(1)
        } else {
            round.round
        };
        if !self.is_open(round.height) || entered <= self.shell.round {
            return None;
        }
        let signed = certificates::round_statements(validators, self.shell.quorums(), &round);
        self.claim_certificate(peer, Message::Round(round), signed)
    }

    fn claim_certificate(
        &mut self,
        peer: Account,
        message: Message,
        signed: Option<Vec<(Statement, Sig64)>>,
    ) -> Option<Claim> {
        if signed.is_none() {
            self.shell.outbox.fault(peer, codes::CERTIFICATE_QUORUM);
        }
        signed.map(|signed| Claim {
            peer,
            place: Place::Now,
            message,
            block: None,
            signed,
        })
    }

    pub(crate) fn claim_decision(
        &mut self,
        validators: &Validators,
        peer: Account,
        value: Arc<[u8]>,
        certificate: Vec<u8>,
    ) -> Option<Claim> {
        let decoded = Certificate::decode(&certificate);
        let height = self.shell.height;
        if decoded.as_ref().is_ok_and(|decoded| !self.is_open(decoded.height())) || self.shell.store.pending.is_some() {
            return None;
        }
        let checked = decoded.map_err(|_| codes::CERTIFICATE_MALFORMED).and_then(|decoded| {
            let block = read_block(&value, &self.shell.chain_id, height)?;
            let quorums = self.shell.quorums();
            let chain_id = &self.shell.chain_id;
            certificates::commit_statements(validators, quorums, chain_id, height, &block.id.0, &decoded)
                .map(|signed| (block, signed))
        });
        match checked {
            Ok((block, signed)) => {
                let message = Message::Decision { value, certificate };
                Some(Claim {
                    peer,
                    place: Place::Now,
                    message,
                    block: Some(block),
                    signed,
                })
            }
            Err(code) => {
                self.shell.outbox.fault(peer, code);
                None
            }
        }
    }
}
