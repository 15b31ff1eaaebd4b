//! Bounded intake: bytes of peers become verified log entries, or nothing.
//!
//! Order of the checks, cheapest first: quota of the peer → strict decode → window of heights and rounds → known signer
//! → already known? → signatures, all of a batch at once. A validator can make this engine keep two votes a (round,
//! type), two proposals a round, and a few messages a future height; certificates are kept only when they are valid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hn_primitives::{Account, Sig64, codes};

use crate::config::Limits;
use crate::context::Block;
use crate::engine::Engine;
use crate::evidence::Sighting;
use crate::message::{MESSAGE_BYTES_MAX, Message};
use crate::record::Entry;
use crate::statement::{Statement, Step};
use crate::store::PROPOSALS_PER_ROUND;
use crate::validators::Validators;

/// Peers with a quota account; more than this cannot be connected.
const PEERS_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    messages: u64,
    bytes: u64,
    verifications: u64,
    is_over: bool,
}

/// Quotas, messages of future heights, and who was helped since the last tick.
#[derive(Debug)]
pub(crate) struct Intake {
    pub limits: Limits,
    usage: BTreeMap<Account, Usage>,
    future: BTreeMap<u64, BTreeMap<Statement, (Account, Message)>>,
    served: BTreeSet<(Account, u64)>,
}

/// When a message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A height that is over: only good for evidence.
    Past,
    /// The open height.
    Now,
    /// A height to come.
    Future,
}

/// A message whose signatures are about to be verified.
pub(crate) struct Claim {
    pub peer: Account,
    pub place: Place,
    pub message: Message,
    pub block: Option<Block>,
    pub signed: Vec<(Statement, Sig64)>,
}

impl Intake {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            usage: BTreeMap::new(),
            future: BTreeMap::new(),
            served: BTreeSet::new(),
        }
    }

    pub(crate) fn reset_quotas(&mut self) {
        self.usage.clear();
        self.served.clear();
    }

    /// Whether this peer was not helped with this height since the last tick.
    pub(crate) fn may_serve(&mut self, peer: Account, height: u64) -> bool {
        self.served.len() < PEERS_MAX && self.served.insert((peer, height))
    }

    /// Messages kept for future heights.
    pub(crate) fn future_count(&self) -> usize {
        self.future.values().map(BTreeMap::len).sum()
    }

    pub(crate) fn has_future(&self, height: u64) -> bool {
        self.future.get(&height).is_some_and(|messages| !messages.is_empty())
    }

    /// The messages kept for `height`, which starts now; those of lower heights go.
    pub(crate) fn take_future(&mut self, height: u64) -> Vec<(Statement, Account, Message)> {
        let mut rest = self.future.split_off(&height);
        let taken = rest.remove(&height).unwrap_or_default();
        self.future = rest;
        taken
            .into_iter()
            .map(|(statement, (peer, message))| (statement, peer, message))
            .collect()
    }

    /// Charge a peer; `Some(true)` once when it goes over its quota, `Some(false)` while it is over.
    fn charge(&mut self, peer: Account, messages: u64, bytes: u64, verifications: u64) -> Option<bool> {
        if self.usage.len() >= PEERS_MAX && !self.usage.contains_key(&peer) {
            return Some(false);
        }
        let usage = self.usage.entry(peer).or_default();
        usage.messages = usage.messages.saturating_add(messages);
        usage.bytes = usage.bytes.saturating_add(bytes);
        usage.verifications = usage.verifications.saturating_add(verifications);
        let is_over = usage.messages > self.limits.peer_messages_max
            || usage.bytes > self.limits.peer_bytes_max
            || usage.verifications > self.limits.peer_verifications_max;
        is_over.then(|| !std::mem::replace(&mut usage.is_over, true))
    }

    fn keep_future(&mut self, statement: Statement, peer: Account, message: &Message) {
        if self.has_room(&statement) {
            self.future
                .entry(statement.height)
                .or_default()
                .insert(statement, (peer, message.clone()));
        }
    }

    fn has_room(&self, statement: &Statement) -> bool {
        let Some(kept) = self.future.get(&statement.height) else {
            return true;
        };
        let same_signer = kept.keys().filter(|s| s.signer == statement.signer);
        let is_proposal = statement.step == Step::Proposal;
        let count = same_signer
            .filter(|s| (s.step == Step::Proposal) == is_proposal)
            .count();
        !kept.contains_key(statement) && count < if is_proposal { 1 } else { self.limits.future_votes_max }
    }
}

impl Engine {
    /// Take messages of peers.
    pub(crate) fn receive(&mut self, batch: Vec<(Account, Vec<u8>)>) {
        if batch.is_empty() || self.shell.stop.is_some() {
            return;
        }
        let Some(validators) = self.shell.validators.clone() else {
            return;
        };
        let mut claims = Vec::new();
        for (peer, bytes) in batch {
            if let Some(message) = self.admit(peer, &bytes)
                && let Some(claim) = self.claim(&validators, peer, message)
                && !self.is_over_quota(peer, 0, 0, claim.signed.len() as u64)
            {
                claims.push(claim);
            }
        }
        self.verify_claims(&validators, claims);
    }

    /// Messages that were verified when they arrived, for the height that starts now.
    pub(crate) fn receive_future(&mut self, waiting: Vec<(Statement, Account, Message)>) {
        let Some(validators) = self.shell.validators.clone() else {
            return;
        };
        let mut claims = Vec::new();
        for (statement, peer, message) in waiting {
            // An account is the hash of its key, so a signature verified under another set stays verified.
            let signature = match &message {
                Message::Vote(vote) => vote.signature,
                Message::Proposal(proposal) => proposal.signature,
                _ => continue,
            };
            self.shell.verifier.remember(statement, signature);
            claims.extend(self.claim(&validators, peer, message));
        }
        self.verify_claims(&validators, claims);
    }

    fn verify_claims(&mut self, validators: &Validators, claims: Vec<Claim>) {
        let signed: Vec<_> = claims.iter().flat_map(|claim| claim.signed.iter().copied()).collect();
        let mut verdicts = self.shell.verifier.verify(validators, &signed).into_iter();
        for claim in claims {
            // Take every verdict of the claim even after a bad one: the next claim's follow.
            let is_valid = verdicts
                .by_ref()
                .take(claim.signed.len())
                .fold(true, |all, valid| all & valid);
            if is_valid {
                self.accept(claim);
            } else {
                self.shell.outbox.fault(claim.peer, codes::MESSAGE_SIGNATURE);
            }
        }
    }

    fn is_over_quota(&mut self, peer: Account, messages: u64, bytes: u64, verifications: u64) -> bool {
        let charged = self.intake.charge(peer, messages, bytes, verifications);
        if charged == Some(true) {
            self.shell.outbox.fault(peer, codes::PEER_QUOTA_EXCEEDED);
        }
        charged.is_some()
    }

    fn admit(&mut self, peer: Account, bytes: &[u8]) -> Option<Message> {
        if self.is_over_quota(peer, 1, bytes.len() as u64, 0) {
            return None;
        }
        let message = Some(bytes)
            .filter(|bytes| bytes.len() <= MESSAGE_BYTES_MAX)
            .and_then(Message::decode);
        if message.is_none() {
            self.shell.outbox.fault(peer, codes::MESSAGE_MALFORMED);
        }
        message
    }

    /// Where a (height, round) belongs; `None` outside every window.
    pub(crate) fn place(&self, height: u64, round: u32) -> Option<Place> {
        let limits = &self.intake.limits;
        let current = self.shell.height;
        if height < current || height == current && self.shell.store.decided.is_some() {
            (height.saturating_add(limits.evidence_heights) >= current).then_some(Place::Past)
        } else if height == current {
            (round <= self.shell.round.saturating_add(limits.rounds_ahead_max)).then_some(Place::Now)
        } else {
            (height - current <= limits.heights_ahead_max && round <= limits.rounds_ahead_max).then_some(Place::Future)
        }
    }

    fn claim(&mut self, validators: &Validators, peer: Account, message: Message) -> Option<Claim> {
        match message {
            Message::Vote(vote) => self.claim_vote(validators, peer, vote),
            Message::Proposal(proposal) => self.claim_proposal(validators, peer, proposal),
            Message::Polka(polka) => self.claim_polka(validators, peer, polka),
            Message::Round(round) => self.claim_round(validators, peer, round),
            Message::Decision { value, certificate } => self.claim_decision(validators, peer, value, certificate),
        }
    }

    /// Whether a statement is worth verifying at its place; notices peers that repeat a height that is over.
    pub(crate) fn is_wanted(&mut self, peer: Account, place: Place, statement: &Statement) -> bool {
        match (place, self.shell.watch.sight(statement)) {
            (Place::Past, Sighting::Known) => {
                if peer == statement.signer && statement.height.saturating_add(1) >= self.shell.height {
                    self.serve(peer, statement.height, statement.round);
                }
                false
            }
            (Place::Past, sighting) => sighting == Sighting::Conflicting,
            (Place::Now, sighting) => matches!(sighting, Sighting::Fresh | Sighting::Conflicting),
            (Place::Future, _) => self.intake.has_room(statement),
        }
    }

    /// Act on a message whose signatures are valid. Earlier claims of the same batch may have changed everything.
    fn accept(&mut self, claim: Claim) {
        let Claim {
            peer,
            place,
            message,
            block,
            signed,
        } = claim;
        if self.shell.stop.is_some() {
            return;
        }
        if place == Place::Now && self.shell.store.decided.is_some() {
            return;
        }
        match message {
            Message::Vote(_) | Message::Proposal(_) => {
                for (statement, signature) in signed {
                    self.accept_statement(peer, place, statement, signature, &message, block.clone());
                }
            }
            Message::Polka(_) | Message::Round(_) => self.feed(Entry::Message(message), None),
            Message::Decision { value, certificate } => {
                if let Some(block) = block {
                    self.accept_decision(block, value, certificate);
                }
            }
        }
    }

    fn accept_statement(
        &mut self,
        peer: Account,
        place: Place,
        statement: Statement,
        signature: Sig64,
        message: &Message,
        block: Option<Block>,
    ) {
        let sighting = self.shell.watch.sight(&statement);
        match (place, sighting) {
            (Place::Future, _) => self.intake.keep_future(statement, peer, message),
            (Place::Now, Sighting::Fresh) => self.feed(Entry::Message(message.clone()), block),
            (_, Sighting::Conflicting) => {
                if statement.signer == self.shell.address && self.is_signing {
                    let reason = format!("another node signs with this node's key (height={})", statement.height);
                    self.shell.halt(codes::SIGN_GUARD, reason);
                    return;
                }
                // A second proposal may be the one that others decide on: the core takes up to two a round.
                let is_useful = place == Place::Now
                    && statement.step == Step::Proposal
                    && self.shell.store.proposal_count(statement.round) < PROPOSALS_PER_ROUND;
                if is_useful {
                    self.feed(Entry::Message(message.clone()), block);
                } else {
                    self.shell.note_statement(statement, signature);
                }
            }
            _ => {}
        }
    }

    /// A decision of a peer: handed on at once when its block was checked here, kept until then otherwise.
    fn accept_decision(&mut self, block: Block, value: Arc<[u8]>, certificate: Vec<u8>) {
        let verdict = self
            .shell
            .store
            .block(&block.id.0)
            .and_then(|candidate| candidate.verdict);
        if verdict.is_some() {
            self.decide_certified(&block.id.0, value, certificate);
        } else if self.shell.store.pending.is_none() {
            self.feed(Entry::Message(Message::Decision { value, certificate }), Some(block));
        }
    }
}
