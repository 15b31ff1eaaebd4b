//! The byte strings that validators sign. The tag is plain ASCII text: ZA fills the first bytes of the hash.

use crate::{Hash32, ZERO_HASH};

/// The step a vote belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum VoteType {
    /// First vote of a round.
    Prevote = 1,
    /// Second vote of a round; a quorum of them is the certificate.
    Precommit = 2,
}

/// Bytes of a vote's message.
pub const VOTE_SIGN_BYTES: usize = 87;
/// Bytes of a proposal's message.
pub const PROPOSAL_SIGN_BYTES: usize = 94;

/// The message of a vote; `block_hash: None` votes nil.
pub fn vote_sign_bytes(
    chain_id: &Hash32,
    vote_type: VoteType,
    height: u64,
    round: u32,
    block_hash: Option<&Hash32>,
) -> [u8; VOTE_SIGN_BYTES] {
    join(&[
        b"hn/vote/v1",
        chain_id,
        &[vote_type as u8],
        &height.to_be_bytes(),
        &round.to_be_bytes(),
        block_hash.unwrap_or(&ZERO_HASH),
    ])
}

/// The message of a proposal; `pol_round: None` is written as `ff ff ff ff`, a round no engine reaches.
pub fn proposal_sign_bytes(
    chain_id: &Hash32,
    height: u64,
    round: u32,
    pol_round: Option<u32>,
    block_hash: &Hash32,
) -> [u8; PROPOSAL_SIGN_BYTES] {
    join(&[
        b"hn/proposal/v1",
        chain_id,
        &height.to_be_bytes(),
        &round.to_be_bytes(),
        &pol_round.unwrap_or(u32::MAX).to_be_bytes(),
        block_hash,
    ])
}

/// Lays parts one after another into an array that they fill exactly (callers of this crate guarantee the sum).
pub(crate) fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let mut rest: &mut [u8] = &mut out;
    for part in parts {
        let Some((head, tail)) = std::mem::take(&mut rest).split_at_mut_checked(part.len()) else {
            break;
        };
        head.copy_from_slice(part);
        rest = tail;
    }
    debug_assert!(rest.is_empty(), "parts do not fill the array");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_their_lengths_and_fields() {
        let vote = vote_sign_bytes(&[7; 32], VoteType::Precommit, 1, 2, None);
        assert_eq!(&vote[..10], b"hn/vote/v1");
        assert_eq!(vote[42], 2);
        assert_eq!(&vote[43..55], &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(&vote[55..], &[0; 32]);
        let proposal = proposal_sign_bytes(&[7; 32], 1, 2, None, &[9; 32]);
        assert_eq!(&proposal[..14], b"hn/proposal/v1");
        assert_eq!(&proposal[58..62], &[0xff; 4]);
        assert_eq!(&proposal[62..], &[9; 32]);
    }
}
