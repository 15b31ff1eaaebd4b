//! What a validator can sign, and the memory of which signatures were verified.

use std::collections::BTreeMap;

use hn_crypto::sm2::BatchItem;
use hn_primitives::{Account, Hash32, Sig64, VoteType, ZERO_HASH, proposal_sign_bytes, vote_sign_bytes};

use crate::message::{ProposalMessage, VoteMessage};
use crate::signatures::Signatures;
use crate::validators::Validators;

/// The step of a signed statement; one honest signature at most for each (height, round, step).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Prevote,
    Precommit,
    Proposal,
}

/// A vote or proposal without its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Statement {
    pub height: u64,
    pub round: u32,
    pub step: Step,
    pub signer: Account,
    pub block_hash: Hash32,
    /// Of a proposal.
    pub pol_round: Option<u32>,
}

impl Statement {
    pub(crate) fn vote(kind: VoteType, height: u64, round: u32, block_hash: Hash32, signer: Account) -> Self {
        let step = match kind {
            VoteType::Prevote => Step::Prevote,
            VoteType::Precommit => Step::Precommit,
        };
        Self {
            height,
            round,
            step,
            signer,
            block_hash,
            pol_round: None,
        }
    }

    pub(crate) fn of_vote(vote: &VoteMessage) -> Self {
        Self::vote(vote.kind, vote.height, vote.round, vote.block_hash, vote.signer)
    }

    pub(crate) fn of_proposal(proposal: &ProposalMessage, block_hash: Hash32) -> Self {
        Self {
            height: proposal.height,
            round: proposal.round,
            step: Step::Proposal,
            signer: proposal.signer,
            block_hash,
            pol_round: proposal.pol_round,
        }
    }

    /// The bytes that are signed (formats §8).
    pub(crate) fn sign_bytes(&self, chain_id: &Hash32) -> Vec<u8> {
        let kind = match self.step {
            Step::Prevote => VoteType::Prevote,
            Step::Precommit => VoteType::Precommit,
            Step::Proposal => {
                return proposal_sign_bytes(chain_id, self.height, self.round, self.pol_round, &self.block_hash)
                    .to_vec();
            }
        };
        let block_hash = (self.block_hash != ZERO_HASH).then_some(&self.block_hash);
        vote_sign_bytes(chain_id, kind, self.height, self.round, block_hash).to_vec()
    }
}

/// Verifies statements and remembers those of the current height that were fed to the core.
pub(crate) struct Verifier {
    chain_id: Hash32,
    signatures: Box<dyn Signatures>,
    verified: BTreeMap<Statement, Sig64>,
    /// Signatures of the certificate that is being fed; forgotten after it.
    passing: BTreeMap<Statement, Sig64>,
    /// Signatures verified since the engine was built.
    pub verifications: u64,
}

impl Verifier {
    pub(crate) fn new(chain_id: Hash32, signatures: Box<dyn Signatures>) -> Self {
        Self {
            chain_id,
            signatures,
            verified: BTreeMap::new(),
            passing: BTreeMap::new(),
            verifications: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.verified.clear();
        self.passing.clear();
    }

    pub(crate) fn remember(&mut self, statement: Statement, signature: Sig64) {
        self.verified.insert(statement, signature);
    }

    pub(crate) fn begin_certificate(&mut self, signed: impl IntoIterator<Item = (Statement, Sig64)>) {
        self.passing = signed.into_iter().collect();
    }

    pub(crate) fn end_certificate(&mut self) {
        self.passing.clear();
    }

    pub(crate) fn sign(&mut self, statement: &Statement) -> Option<Sig64> {
        self.signatures.sign(&statement.sign_bytes(&self.chain_id))
    }

    /// Whether exactly this signature was verified before.
    pub(crate) fn knows(&self, statement: &Statement, signature: &Sig64) -> bool {
        self.verified.get(statement) == Some(signature) || self.passing.get(statement) == Some(signature)
    }

    /// One verdict an item; a signer outside the set is false. Cost: one verification for each item not known.
    pub(crate) fn verify(&mut self, validators: &Validators, items: &[(Statement, Sig64)]) -> Vec<bool> {
        let mut verdicts: Vec<bool> = items
            .iter()
            .map(|(statement, sig)| self.knows(statement, sig))
            .collect();
        let mut messages = Vec::new();
        for (index, (statement, signature)) in items.iter().enumerate() {
            if verdicts.get(index) == Some(&false)
                && let Some(key) = validators.public_key(&statement.signer)
            {
                messages.push((index, key, statement.sign_bytes(&self.chain_id), signature));
            }
        }
        if messages.is_empty() {
            return verdicts;
        }
        let batch: Vec<BatchItem<'_>> = messages
            .iter()
            .map(|(_, key, message, signature)| (*key, message.as_slice(), *signature))
            .collect();
        self.verifications += batch.len() as u64;
        for ((index, ..), valid) in messages.iter().zip(self.signatures.verify(&batch)) {
            if let Some(verdict) = verdicts.get_mut(*index) {
                *verdict = valid;
            }
        }
        verdicts
    }

    pub(crate) fn verify_each(&mut self, validators: &Validators, items: &[(Statement, Sig64)]) -> bool {
        self.verify(validators, items).into_iter().all(|valid| valid)
    }
}
