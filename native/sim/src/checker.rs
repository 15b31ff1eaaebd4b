//! Invariants, checked at every step; the first breach ends the seed.

use std::collections::BTreeMap;

use hn_consensus::{Evidence, Message};
use hn_crypto::sm2::KeyCache;
use hn_primitives::{Account, Certificate, Hash32, ValidatorSet, Value, VoteType, vote_sign_bytes};

use crate::scheme::sign_cheap;

/// What an honest key may sign once: (account, height, round, step).
type Slot = (Account, u64, u32, u8);

/// Collects what nodes do and says what went wrong first.
#[derive(Default)]
pub(crate) struct Checker {
    blocks: BTreeMap<u64, Hash32>,
    signed: BTreeMap<Slot, (Hash32, Option<u32>)>,
    failure: Option<String>,
    /// Decisions of honest nodes, repeated ones not counted.
    pub decisions: u64,
    /// Evidence against byzantine identities.
    pub evidence: u64,
}

impl Checker {
    pub(crate) fn fail(&mut self, text: String) {
        self.failure.get_or_insert(text);
    }

    pub(crate) fn failure(&self) -> Option<&String> {
        self.failure.as_ref()
    }

    /// No honest key signs two things for one step.
    pub(crate) fn on_send(&mut self, account: &Account, bytes: &[u8]) {
        let (slot, content) = match Message::decode(bytes) {
            Some(Message::Vote(vote)) if vote.signer == *account => (
                (vote.signer, vote.height, vote.round, vote.kind as u8),
                (vote.block_hash, None),
            ),
            Some(Message::Proposal(proposal)) if proposal.signer == *account => {
                let Ok(value) = Value::decode(&proposal.value) else {
                    return;
                };
                let content = (value.block_hash(), proposal.pol_round);
                ((proposal.signer, proposal.height, proposal.round, 3), content)
            }
            Some(_) => return,
            None => return self.fail("an honest node sent a malformed message".to_owned()),
        };
        let first = *self.signed.entry(slot).or_insert(content);
        if first != content {
            let (_, height, round, step) = slot;
            self.fail(format!(
                "honest equivocation at height {height} round {round} step {step}"
            ));
        }
    }

    /// One block a height, proven by a certificate of the right set.
    pub(crate) fn on_decide(
        &mut self,
        chain_id: &Hash32,
        validators: &ValidatorSet,
        cache: Option<&KeyCache>,
        height: u64,
        block_hash: &Hash32,
        certificate: &[u8],
    ) {
        let first = *self.blocks.entry(height).or_insert(*block_hash);
        if first != *block_hash {
            self.fail(format!("fork at height {height}"));
        }
        let Ok(certificate) = Certificate::decode(certificate) else {
            return self.fail(format!("malformed certificate at height {height}"));
        };
        let is_valid = match cache {
            Some(cache) => certificate
                .verify_cached(cache, validators, chain_id, height, block_hash)
                .is_ok(),
            None => is_valid_cheap(&certificate, chain_id, validators, height, block_hash),
        };
        if !is_valid {
            self.fail(format!("invalid certificate at height {height}"));
        }
    }

    pub(crate) fn on_evidence(&mut self, bytes: &[u8], is_byzantine: impl Fn(&Account) -> bool) {
        match Evidence::decode(bytes) {
            Some(evidence) if is_byzantine(evidence.signer()) => self.evidence += 1,
            Some(evidence) => {
                self.fail(format!(
                    "evidence against an honest node (height {} round {})",
                    evidence.height(),
                    evidence.round()
                ));
            }
            None => self.fail("malformed evidence".to_owned()),
        }
    }
}

fn is_valid_cheap(
    certificate: &Certificate,
    chain_id: &Hash32,
    validators: &ValidatorSet,
    height: u64,
    block_hash: &Hash32,
) -> bool {
    let message = vote_sign_bytes(
        chain_id,
        VoteType::Precommit,
        height,
        certificate.round(),
        Some(block_hash),
    );
    certificate.chain_id() == chain_id
        && certificate.height() == height
        && certificate.block_hash() == block_hash
        && usize::from(certificate.validator_count()) == validators.count()
        && certificate.power(validators) >= validators.quorum()
        && certificate.signatures().iter().all(|(index, signature)| {
            validators
                .public_key(usize::from(*index))
                .is_some_and(|key| sign_cheap(key, &message) == *signature)
        })
}
