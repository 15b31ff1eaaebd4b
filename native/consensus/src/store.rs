//! What the engine keeps of the current height beside the core: blocks, signed messages to send again, the decision.

use std::collections::BTreeMap;
use std::sync::Arc;

use hn_merkle::block_tree;
use hn_primitives::{Account, BatchRef, Certificate, Hash32, Sig64, Value, codes};

use crate::context::{Block, BlockId};
use crate::statement::{Statement, Step};

/// Where a message is kept: (round, step, signer, block, pol round).
type Slot = (u32, Step, Account, Hash32, Option<u32>);

/// Proposals kept for one round: the first and one that conflicts with it, as in the core.
pub(crate) const PROPOSALS_PER_ROUND: usize = 2;

/// Read a value and check what binds it to its header.
///
/// # Errors
/// The code of the first broken rule: encoding, chain, height, batches root.
pub(crate) fn read_block(bytes: &Arc<[u8]>, chain_id: &Hash32, height: u64) -> Result<Block, u32> {
    let value = Value::decode(bytes).map_err(|_| codes::PROPOSAL_MALFORMED)?;
    if value.header.chain_id != *chain_id {
        return Err(codes::HEADER_CHAIN);
    }
    if value.header.height != height {
        return Err(codes::HEADER_HEIGHT);
    }
    let leaves: Vec<_> = value.batches.iter().map(BatchRef::encode).collect();
    if block_tree::root(&leaves) != value.header.batches_root {
        return Err(codes::HEADER_BATCHES_ROOT);
    }
    Ok(Block {
        id: BlockId(value.block_hash()),
        proposer: value.header.proposer,
        bytes: bytes.clone(),
    })
}

/// A block of the current height.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub block: Block,
    /// Round and pol round of the newest proposal for it.
    pub round: u32,
    pub pol_round: Option<u32>,
    /// Who proposed it in that round.
    pub proposer: Account,
    /// The host's answer.
    pub verdict: Option<bool>,
}

/// A decided block.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    pub height: u64,
    pub block_hash: Hash32,
    pub value: Arc<[u8]>,
    pub certificate: Vec<u8>,
}

/// A certified block that waits for its batches.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub block_hash: Hash32,
    pub value: Arc<[u8]>,
    pub certificate: Vec<u8>,
}

/// Blocks and signed messages of the current height.
#[derive(Debug, Default)]
pub(crate) struct Store {
    blocks: BTreeMap<Hash32, Candidate>,
    /// Encoded votes and proposals.
    messages: BTreeMap<Slot, Arc<[u8]>>,
    /// A decision a peer sent, until its batches are here.
    pub pending: Option<Pending>,
    /// The decision of the current height.
    pub decided: Option<Decided>,
    /// The decision of the height before, for peers that lack it.
    pub previous: Option<Decided>,
}

impl Store {
    /// Forget the height; its decision stays for one more.
    pub(crate) fn begin_height(&mut self) {
        let previous = self.decided.take();
        *self = Self {
            previous,
            ..Self::default()
        };
    }

    /// Take the block before the open height from the host: after a restart nothing else knows it.
    pub(crate) fn remember_previous(&mut self, height: u64, value: Arc<[u8]>, certificate: Vec<u8>) {
        if self.previous.as_ref().is_none_or(|previous| previous.height != height) {
            self.previous = Certificate::decode(&certificate).ok().map(|decoded| {
                let block_hash = *decoded.block_hash();
                Decided {
                    height,
                    block_hash,
                    value,
                    certificate,
                }
            });
        }
    }

    pub(crate) fn block(&self, block_hash: &Hash32) -> Option<&Candidate> {
        self.blocks.get(block_hash)
    }

    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Candidate> {
        self.blocks.values()
    }

    /// Note that a block was proposed; true when the host has to be asked about it.
    pub(crate) fn propose(&mut self, block: &Block, round: u32, pol_round: Option<u32>, proposer: Account) -> bool {
        let candidate = self.blocks.entry(block.id.0).or_insert_with(|| Candidate {
            block: block.clone(),
            round,
            pol_round,
            proposer,
            verdict: None,
        });
        if round >= candidate.round {
            (candidate.round, candidate.pol_round, candidate.proposer) = (round, pol_round, proposer);
        }
        candidate.verdict != Some(true)
    }

    /// Record the host's answer; `None` when the block is unknown or the answer changes nothing.
    pub(crate) fn judge(&mut self, block_hash: &Hash32, valid: bool) -> Option<Candidate> {
        let candidate = self.blocks.get_mut(block_hash)?;
        if candidate.verdict == Some(true) || candidate.verdict == Some(valid) {
            return None;
        }
        candidate.verdict = Some(valid);
        Some(candidate.clone())
    }

    /// Keep a signed message for re-gossip.
    pub(crate) fn keep(&mut self, statement: &Statement, bytes: Vec<u8>) {
        let key = (
            statement.round,
            statement.step,
            statement.signer,
            statement.block_hash,
            statement.pol_round,
        );
        self.messages.entry(key).or_insert_with(|| bytes.into());
    }

    pub(crate) fn message(&self, statement: &Statement) -> Option<&Arc<[u8]>> {
        let key = (
            statement.round,
            statement.step,
            statement.signer,
            statement.block_hash,
            statement.pol_round,
        );
        self.messages.get(&key)
    }

    /// Proposals kept for a round.
    pub(crate) fn proposal_count(&self, round: u32) -> usize {
        self.round(round)
            .filter(|((_, step, ..), _)| *step == Step::Proposal)
            .count()
    }

    /// Whether exactly this signature over exactly this value is kept.
    pub(crate) fn has_proposal(&self, round: u32, signature: &Sig64, value: &[u8]) -> bool {
        self.round(round).any(|((_, step, ..), bytes)| {
            // signature at 37..101, value from 105 to the end: the layout of a proposal message
            *step == Step::Proposal
                && bytes.get(37..101) == Some(signature.as_slice())
                && bytes.get(105..) == Some(value)
        })
    }

    /// Messages of one round: proposals, then votes.
    pub(crate) fn round_messages(&self, round: u32) -> impl Iterator<Item = &Arc<[u8]>> {
        let proposals = self.round(round).filter(|((_, step, ..), _)| *step == Step::Proposal);
        let votes = self.round(round).filter(|((_, step, ..), _)| *step != Step::Proposal);
        proposals.chain(votes).map(|(_, bytes)| bytes)
    }

    /// Rounds that have messages, newest first.
    pub(crate) fn rounds(&self) -> Vec<u32> {
        let mut rounds: Vec<u32> = self.messages.keys().map(|key| key.0).collect();
        rounds.dedup();
        rounds.reverse();
        rounds
    }

    /// Messages of one signer, in order of rounds.
    pub(crate) fn signed_by<'a>(&'a self, signer: &'a Account) -> impl Iterator<Item = &'a Arc<[u8]>> {
        self.messages
            .iter()
            .filter(move |(key, _)| key.2 == *signer)
            .map(|(_, bytes)| bytes)
    }

    fn round(&self, round: u32) -> impl Iterator<Item = (&Slot, &Arc<[u8]>)> {
        let start = (round, Step::Prevote, [0; 20], [0; 32], None);
        self.messages.range(start..).take_while(move |(key, _)| key.0 == round)
    }
}
