//! The product's types as the consensus core wants to see them.
//!
//! A value is its encoding together with its block hash; equality and order are those of the hash. The proposer order
//! travels inside the validator set, so selection stays pure. Proposal parts and vote extensions are not used.

use core::fmt;
use std::sync::Arc;

use hn_primitives::{Account, Hash32, Sig64, ZERO_HASH};
use malachitebft_core_types as core_types;
use malachitebft_core_types::{LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType};

use crate::validators::{Validator, Validators};

/// The type family of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context;

/// Height of a block; the first one is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core_types::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// Account of a validator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address(pub Account);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl core_types::Address for Address {}

/// Hash of a header: the identity of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockId(pub Hash32);

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// What is agreed on: the encoding of a value and its identity.
#[derive(Clone)]
pub(crate) struct Block {
    pub id: BlockId,
    pub bytes: Arc<[u8]>,
    /// Who made it first, as its header says.
    pub proposer: Account,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Block {}

impl PartialOrd for Block {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Block {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl core_types::Value for Block {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        self.id
    }
}

/// A prevote or precommit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    pub kind: VoteType,
    pub height: Height,
    pub round: Round,
    pub value: NilOrVal<BlockId>,
    pub signer: Address,
}

impl core_types::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.signer
    }

    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _extension: SignedExtension<Context>) -> Self {
        self
    }
}

/// A proposal; `pol_round` is the round whose polka allows a re-proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub height: Height,
    pub round: Round,
    pub value: Block,
    pub pol_round: Round,
    pub signer: Address,
}

impl core_types::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Block {
        &self.value
    }

    fn take_value(self) -> Block {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Address {
        &self.signer
    }
}

/// Values travel inside the proposal: there are no parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoPart;

impl core_types::ProposalPart<Context> for NoPart {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// SM2 as bytes: the core never computes with keys, it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scheme;

impl core_types::SigningScheme for Scheme {
    type DecodingError = &'static str;
    type Signature = Sig64;
    type PublicKey = [u8; 65];
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Sig64, Self::DecodingError> {
        bytes.try_into().map_err(|_| "a signature is 64 bytes")
    }

    fn encode_signature(signature: &Sig64) -> Vec<u8> {
        signature.to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<[u8; 65], Self::DecodingError> {
        bytes.try_into().map_err(|_| "a public key is 65 bytes")
    }

    fn encode_public_key(public_key: &[u8; 65]) -> Vec<u8> {
        public_key.to_vec()
    }
}

impl core_types::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = LinearTimeouts;
    type Value = Block;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Scheme;

    fn select_proposer<'a>(&self, validator_set: &'a Validators, height: Height, round: Round) -> &'a Validator {
        validator_set.select(height.0, round.as_u32().unwrap_or(0))
    }

    fn new_proposal(&self, height: Height, round: Round, value: Block, pol_round: Round, address: Address) -> Proposal {
        Proposal {
            height,
            round,
            value,
            pol_round,
            signer: address,
        }
    }

    fn new_prevote(&self, height: Height, round: Round, value: NilOrVal<BlockId>, address: Address) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height,
            round,
            value,
            signer: address,
        }
    }

    fn new_precommit(&self, height: Height, round: Round, value: NilOrVal<BlockId>, address: Address) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height,
            round,
            value,
            signer: address,
        }
    }
}

/// The core's name of a vote type.
pub(crate) fn core_kind(kind: hn_primitives::VoteType) -> VoteType {
    match kind {
        hn_primitives::VoteType::Prevote => VoteType::Prevote,
        hn_primitives::VoteType::Precommit => VoteType::Precommit,
    }
}

/// The product's name of a vote type.
pub(crate) fn wire_kind(kind: VoteType) -> hn_primitives::VoteType {
    match kind {
        VoteType::Prevote => hn_primitives::VoteType::Prevote,
        VoteType::Precommit => hn_primitives::VoteType::Precommit,
    }
}

/// The core's name of a block hash; zeros are nil.
pub(crate) fn core_value(block_hash: &Hash32) -> NilOrVal<BlockId> {
    if *block_hash == ZERO_HASH {
        NilOrVal::Nil
    } else {
        NilOrVal::Val(BlockId(*block_hash))
    }
}

/// The product's name of a vote's value; nil is zeros.
pub(crate) fn wire_value(value: &NilOrVal<BlockId>) -> Hash32 {
    match value {
        NilOrVal::Nil => ZERO_HASH,
        NilOrVal::Val(id) => id.0,
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            use fmt::Write;
            let _ = write!(text, "{byte:02x}");
            text
        })
}
