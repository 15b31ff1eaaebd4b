//! Messages between engines: one canonical encoding each, refused when a byte is missing, left over or out of range.
//!
//! Integers are big-endian, fields follow each other without padding, `none` for a round is `ff ff ff ff`.
//!
//! | kind | layout |
//! |---|---|
//! | 1 vote | `u8 1 ‖ u8 type (1 prevote, 2 precommit) ‖ u64 height ‖ u32 round ‖ hash block (nil: zeros) ‖ account ‖ signature` (130 bytes) |
//! | 2 proposal | `u8 2 ‖ u64 height ‖ u32 round ‖ u32 pol_round ‖ account ‖ signature ‖ bytes32 value` |
//! | 3 polka certificate | `u8 3 ‖ u8 1 ‖ u64 height ‖ u32 round ‖ hash block ‖ u16 count ‖ count × (account ‖ signature)` |
//! | 3 round certificate | `u8 3 ‖ u8 2 (skip) or 3 (precommit) ‖ u64 height ‖ u32 round ‖ u16 count ‖ count × (u8 type ‖ hash block ‖ account ‖ signature)` |
//! | 4 decision | `u8 4 ‖ bytes32 value ‖ bytes32 commit certificate` |
//!
//! Signers of a certificate ascend by account. What a signature covers is in formats §8; a polka certificate consists of
//! prevotes for its block, a round certificate of the votes it lists.

use std::sync::Arc;

use hn_primitives::{Account, Hash32, Sig64, VALUE_BYTES_MAX, VoteType};

use crate::cursor::{Cursor, put_bytes32};

/// Longest commit certificate that is read (1,024 validators).
pub(crate) const CERTIFICATE_BYTES_MAX: usize = 79 + 128 + 1_024 * 64;
/// Longest message.
pub const MESSAGE_BYTES_MAX: usize = 9 + VALUE_BYTES_MAX + CERTIFICATE_BYTES_MAX;
/// Most signatures in a certificate that is read; the set's size bounds it further.
const SIGNERS_MAX: u16 = 1_024;
/// The block hash that means "no block".
pub const NIL: Hash32 = [0; 32];
const ROUND_NONE: u32 = u32::MAX;

const KIND_VOTE: u8 = 1;
const KIND_PROPOSAL: u8 = 2;
const KIND_CERTIFICATE: u8 = 3;
const KIND_DECISION: u8 = 4;
const CERTIFICATE_POLKA: u8 = 1;
const CERTIFICATE_SKIP: u8 = 2;
const CERTIFICATE_PRECOMMIT: u8 = 3;

/// A signed vote; `block_hash` of zeros is a vote for nil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteMessage {
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Height voted at.
    pub height: u64,
    /// Round voted in.
    pub round: u32,
    /// Block voted for, or zeros.
    pub block_hash: Hash32,
    /// Account of the validator.
    pub signer: Account,
    /// Over the vote of formats §8.
    pub signature: Sig64,
}

/// A signed proposal with the whole value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalMessage {
    /// Height proposed at.
    pub height: u64,
    /// Round proposed in.
    pub round: u32,
    /// Round of the polka that allows a re-proposal; lower than `round`.
    pub pol_round: Option<u32>,
    /// Proposer of (height, round), not necessarily of the header.
    pub signer: Account,
    /// Over the proposal of formats §8.
    pub signature: Sig64,
    /// Encoding of formats §7.
    pub value: Arc<[u8]>,
}

/// A quorum of prevotes for one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolkaMessage {
    /// Height of the prevotes.
    pub height: u64,
    /// Round of the prevotes.
    pub round: u32,
    /// Block they are for.
    pub block_hash: Hash32,
    /// Signers, ascending.
    pub signatures: Vec<(Account, Sig64)>,
}

/// One vote inside a round certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundVote {
    /// Prevote or precommit.
    pub kind: VoteType,
    /// Block voted for, or zeros.
    pub block_hash: Hash32,
    /// Account of the validator.
    pub signer: Account,
    /// Over the vote of formats §8.
    pub signature: Sig64,
}

/// Votes that justify a new round: more than a third of the power in that round (skip), or a quorum of precommits in
/// the round before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundMessage {
    /// True when it holds precommits of the round that ended.
    pub is_precommit: bool,
    /// Height of the votes.
    pub height: u64,
    /// Round of the votes.
    pub round: u32,
    /// One vote a signer, ascending by account.
    pub votes: Vec<RoundVote>,
}

/// Everything engines tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Kind 1.
    Vote(VoteMessage),
    /// Kind 2.
    Proposal(ProposalMessage),
    /// Kind 3, type 1.
    Polka(PolkaMessage),
    /// Kind 3, types 2 and 3.
    Round(RoundMessage),
    /// Kind 4: a decided value and its commit certificate, for a node one height behind.
    Decision {
        /// Encoding of formats §7.
        value: Arc<[u8]>,
        /// Encoding of formats §8.
        certificate: Vec<u8>,
    },
}

impl Message {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Vote(vote) => vote.encode(),
            Self::Proposal(proposal) => proposal.encode(),
            Self::Polka(polka) => polka.encode(),
            Self::Round(round) => round.encode(),
            Self::Decision { value, certificate } => encode_decision(value, certificate),
        }
    }

    /// The message, or `None` when `bytes` is not exactly one canonical encoding.
    ///
    /// Cost: O(bytes); nothing is hashed or verified.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let message = match cursor.u8()? {
            KIND_VOTE => Self::Vote(VoteMessage::read(&mut cursor)?),
            KIND_PROPOSAL => Self::Proposal(ProposalMessage::read(&mut cursor)?),
            KIND_CERTIFICATE => match cursor.u8()? {
                CERTIFICATE_POLKA => Self::Polka(PolkaMessage::read(&mut cursor)?),
                CERTIFICATE_SKIP => Self::Round(RoundMessage::read(&mut cursor, false)?),
                CERTIFICATE_PRECOMMIT => Self::Round(RoundMessage::read(&mut cursor, true)?),
                _ => return None,
            },
            KIND_DECISION => {
                let value = cursor.bytes32(VALUE_BYTES_MAX)?.into();
                Self::Decision {
                    value,
                    certificate: cursor.bytes32(CERTIFICATE_BYTES_MAX)?.to_vec(),
                }
            }
            _ => return None,
        };
        cursor.end()?;
        Some(message)
    }
}

/// Encoding of a decision message.
pub(crate) fn encode_decision(value: &[u8], certificate: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(9 + value.len() + certificate.len());
    out.push(KIND_DECISION);
    put_bytes32(&mut out, value);
    put_bytes32(&mut out, certificate);
    out
}

impl VoteMessage {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(130);
        out.extend_from_slice(&[KIND_VOTE, self.kind as u8]);
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.block_hash);
        out.extend_from_slice(&self.signer);
        out.extend_from_slice(&self.signature);
        out
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        Some(Self {
            kind: vote_type(cursor)?,
            height: cursor.u64()?,
            round: round(cursor)?,
            block_hash: cursor.array()?,
            signer: cursor.array()?,
            signature: cursor.array()?,
        })
    }
}

impl ProposalMessage {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(105 + self.value.len());
        out.push(KIND_PROPOSAL);
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.pol_round.unwrap_or(ROUND_NONE).to_be_bytes());
        out.extend_from_slice(&self.signer);
        out.extend_from_slice(&self.signature);
        put_bytes32(&mut out, &self.value);
        out
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let height = cursor.u64()?;
        let round = round(cursor)?;
        let pol_round = match cursor.u32()? {
            ROUND_NONE => None,
            pol_round if pol_round < round => Some(pol_round),
            _ => return None,
        };
        Some(Self {
            height,
            round,
            pol_round,
            signer: cursor.array()?,
            signature: cursor.array()?,
            value: cursor.bytes32(VALUE_BYTES_MAX)?.into(),
        })
    }
}

impl PolkaMessage {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(48 + self.signatures.len() * 84);
        out.extend_from_slice(&[KIND_CERTIFICATE, CERTIFICATE_POLKA]);
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.round.to_be_bytes());
        out.extend_from_slice(&self.block_hash);
        put_count(&mut out, self.signatures.len());
        for (signer, signature) in &self.signatures {
            out.extend_from_slice(signer);
            out.extend_from_slice(signature);
        }
        out
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (height, round, block_hash) = (cursor.u64()?, round(cursor)?, cursor.array()?);
        if block_hash == NIL {
            return None;
        }
        let signatures = read_signers(cursor, |cursor| Some((cursor.array()?, cursor.array()?)), |vote| vote.0)?;
        Some(Self {
            height,
            round,
            block_hash,
            signatures,
        })
    }
}

impl RoundMessage {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.votes.len() * 117);
        out.extend_from_slice(&[
            KIND_CERTIFICATE,
            if self.is_precommit {
                CERTIFICATE_PRECOMMIT
            } else {
                CERTIFICATE_SKIP
            },
        ]);
        out.extend_from_slice(&self.height.to_be_bytes());
        out.extend_from_slice(&self.round.to_be_bytes());
        put_count(&mut out, self.votes.len());
        for vote in &self.votes {
            out.push(vote.kind as u8);
            out.extend_from_slice(&vote.block_hash);
            out.extend_from_slice(&vote.signer);
            out.extend_from_slice(&vote.signature);
        }
        out
    }

    fn read(cursor: &mut Cursor<'_>, is_precommit: bool) -> Option<Self> {
        let (height, round) = (cursor.u64()?, round(cursor)?);
        let vote = |cursor: &mut Cursor<'_>| {
            Some(RoundVote {
                kind: vote_type(cursor)?,
                block_hash: cursor.array()?,
                signer: cursor.array()?,
                signature: cursor.array()?,
            })
        };
        let votes = read_signers(cursor, vote, |vote| vote.signer)?;
        if is_precommit && votes.iter().any(|vote| vote.kind != VoteType::Precommit) {
            return None;
        }
        Some(Self {
            is_precommit,
            height,
            round,
            votes,
        })
    }
}

fn vote_type(cursor: &mut Cursor<'_>) -> Option<VoteType> {
    match cursor.u8()? {
        1 => Some(VoteType::Prevote),
        2 => Some(VoteType::Precommit),
        _ => None,
    }
}

/// A round: the value that stands for "none" is refused.
fn round(cursor: &mut Cursor<'_>) -> Option<u32> {
    cursor.u32().filter(|round| *round != ROUND_NONE)
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

/// A counted list with strictly ascending signers, at least one.
fn read_signers<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Option<T>,
    signer: impl Fn(&T) -> Account,
) -> Option<Vec<T>> {
    let count = cursor.u16()?;
    if count == 0 || count > SIGNERS_MAX {
        return None;
    }
    let mut list: Vec<T> = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let item = read(cursor)?;
        if list.last().is_some_and(|last| signer(last) >= signer(&item)) {
            return None;
        }
        list.push(item);
    }
    Some(list)
}

/// Height a message speaks about, read without checking anything else; `None` when it is too short or of no kind.
pub fn message_height(bytes: &[u8]) -> Option<u64> {
    let start = match *bytes.first()? {
        KIND_VOTE | KIND_CERTIFICATE => 2,
        KIND_PROPOSAL => 1,
        // kind, length of the value, then the header's version and chain id.
        KIND_DECISION => 1 + 4 + 1 + 32,
        _ => return None,
    };
    let field = bytes.get(start..)?.first_chunk()?;
    Some(u64::from_be_bytes(*field))
}
