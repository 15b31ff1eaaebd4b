//! A byzantine sender: it alters, forges, repeats and truncates what its engine wants to say.

use std::rc::Rc;
use std::sync::Arc;

use hn_consensus::{Message, VoteMessage};
use hn_primitives::{Value, ZERO_HASH, proposal_sign_bytes, vote_sign_bytes};

use crate::host::BAD_ROOT;
use crate::scheme::{identities, sign_cheap};
use crate::world::World;

impl World {
    /// What one peer gets instead of `bytes`.
    pub(crate) fn lie(&mut self, index: usize, bytes: &Rc<[u8]>) -> Vec<Rc<[u8]>> {
        match self.random.below(8) {
            0 => vec![bytes.clone(), self.altered(index, bytes)],
            1 => vec![self.altered(index, bytes)],
            2 => Vec::new(),
            3 => vec![self.damaged(bytes)],
            _ => vec![bytes.clone()],
        }
    }

    /// A message with another content and a valid signature of the liar.
    fn altered(&mut self, index: usize, bytes: &[u8]) -> Rc<[u8]> {
        let Some(identity) = self.nodes.get(index).and_then(|node| identities().get(node.identity)) else {
            return bytes.into();
        };
        let message = match Message::decode(bytes) {
            Some(Message::Vote(mut vote)) if vote.signer == identity.account => {
                vote.block_hash = if self.random.chance(500) {
                    ZERO_HASH
                } else {
                    self.random.bytes()
                };
                vote.round = vote.round.saturating_add(self.random.below(3) as u32 * 9);
                vote.height += self.random.below(2) * self.random.below(4);
                self.resign(&mut vote, identity);
                Message::Vote(vote)
            }
            Some(Message::Proposal(mut proposal)) if proposal.signer == identity.account => {
                let Ok(mut value) = Value::decode(&proposal.value) else {
                    return bytes.into();
                };
                value.header.tx_root = if self.random.chance(300) {
                    BAD_ROOT
                } else {
                    self.random.bytes()
                };
                let (height, round) = (proposal.height, proposal.round);
                let pol_round = proposal.pol_round;
                let message = proposal_sign_bytes(&self.chain_id, height, round, pol_round, &value.block_hash());
                proposal.signature = sign_cheap(&identity.public, &message);
                proposal.value = Arc::from(value.encode());
                Message::Proposal(proposal)
            }
            Some(Message::Polka(mut polka)) => {
                polka.round = polka.round.saturating_add(1);
                Message::Polka(polka)
            }
            Some(Message::Round(mut round)) => {
                let kept = round.votes.len() / 2 + 1;
                round.votes.truncate(kept);
                Message::Round(round)
            }
            Some(Message::Decision { value, mut certificate }) => {
                certificate.truncate(certificate.len().saturating_sub(64));
                Message::Decision { value, certificate }
            }
            _ => return bytes.into(),
        };
        message.encode().into()
    }

    fn resign(&self, vote: &mut VoteMessage, identity: &crate::scheme::Identity) {
        let block_hash = (vote.block_hash != ZERO_HASH).then_some(&vote.block_hash);
        let message = vote_sign_bytes(&self.chain_id, vote.kind, vote.height, vote.round, block_hash);
        vote.signature = sign_cheap(&identity.public, &message);
    }

    /// One flipped bit, or a cut.
    fn damaged(&mut self, bytes: &[u8]) -> Rc<[u8]> {
        let mut out = bytes.to_vec();
        let at = self.random.below(out.len() as u64) as usize;
        if self.random.chance(300) {
            out.truncate(at);
        } else {
            let bit = 1 << self.random.below(8);
            out.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
        }
        out.into()
    }
}
