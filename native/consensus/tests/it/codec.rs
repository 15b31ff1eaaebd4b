//! Messages and evidence: one encoding each, nothing else decodes, nothing panics.

use hn_consensus::{
    Engine, Evidence, Input, Message, PolkaMessage, ProposalMessage, RoundMessage, RoundVote, VoteMessage,
};
use hn_consensus::{message_height, proposer, record_height};
use hn_primitives::VoteType;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::table::{account, config, set};

fn kind() -> impl Strategy<Value = VoteType> {
    prop_oneof![Just(VoteType::Prevote), Just(VoteType::Precommit)]
}

fn bytes<const N: usize>() -> impl Strategy<Value = [u8; N]> {
    vec(any::<u8>(), N).prop_map(|list| list.try_into().expect("the length"))
}

fn message() -> impl Strategy<Value = Message> {
    let vote = (kind(), any::<u64>(), 0..u32::MAX, bytes(), bytes(), bytes()).prop_map(
        |(kind, height, round, block_hash, signer, signature)| {
            Message::Vote(VoteMessage {
                kind,
                height,
                round,
                block_hash,
                signer,
                signature,
            })
        },
    );
    let proposal = (
        any::<u64>(),
        1..u32::MAX,
        any::<Option<u32>>(),
        bytes(),
        bytes(),
        vec(any::<u8>(), 0..500),
    )
        .prop_map(|(height, round, pol_round, signer, signature, value)| {
            let pol_round = pol_round.map(|pol_round| pol_round % round);
            Message::Proposal(ProposalMessage {
                height,
                round,
                pol_round,
                signer,
                signature,
                value: value.into(),
            })
        });
    let polka = (any::<u64>(), 0..u32::MAX, bytes::<32>(), vec((bytes(), bytes()), 1..5)).prop_map(
        |(height, round, mut block_hash, mut signatures)| {
            block_hash[0] |= 1;
            signatures.sort_by_key(|(signer, _): &([u8; 20], [u8; 64])| *signer);
            signatures.dedup_by_key(|(signer, _)| *signer);
            Message::Polka(PolkaMessage {
                height,
                round,
                block_hash,
                signatures,
            })
        },
    );
    let round = (
        any::<bool>(),
        any::<u64>(),
        0..u32::MAX,
        vec((kind(), bytes(), bytes(), bytes()), 1..5),
    )
        .prop_map(|(is_precommit, height, round, votes)| {
            let mut votes: Vec<RoundVote> = votes
                .into_iter()
                .map(|(kind, block_hash, signer, signature)| RoundVote {
                    kind: if is_precommit { VoteType::Precommit } else { kind },
                    block_hash,
                    signer,
                    signature,
                })
                .collect();
            votes.sort_by_key(|vote| vote.signer);
            votes.dedup_by_key(|vote| vote.signer);
            Message::Round(RoundMessage {
                is_precommit,
                height,
                round,
                votes,
            })
        });
    let decision =
        (vec(any::<u8>(), 0..500), vec(any::<u8>(), 0..300)).prop_map(|(value, certificate)| Message::Decision {
            value: value.into(),
            certificate,
        });
    prop_oneof![vote, proposal, polka, round, decision]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_message_survives_its_encoding(message in message()) {
        let bytes = message.encode();
        prop_assert_eq!(Message::decode(&bytes), Some(message));
    }

    #[test]
    fn a_prefix_or_a_longer_message_is_refused(message in message(), cut in any::<prop::sample::Index>()) {
        let mut bytes = message.encode();
        prop_assert_eq!(Message::decode(&bytes[..cut.index(bytes.len())]), None);
        bytes.push(0);
        prop_assert_eq!(Message::decode(&bytes), None);
    }

    #[test]
    fn what_decodes_encodes_back_to_the_same_bytes(message in message(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let mut bytes = message.encode();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Some(other) = Message::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn noise_never_panics(noise in vec(any::<u8>(), 0..400)) {
        let _ = Message::decode(&noise);
        let _ = Evidence::decode(&noise);
        let _ = record_height(&noise);
        let _ = message_height(&noise);
        let mut engine = Engine::new(config(Some(account(0))), None);
        engine.step(vec![Input::Replay(noise.clone()), Input::ReplayDone { floor_height: 0 }]);
        let mut engine = Engine::new(config(None), None);
        engine.step(vec![Input::ReplayDone { floor_height: 0 }, crate::table::start(1, 4)]);
        engine.step(vec![Input::Message { peer: account(1), bytes: noise.clone() }]);
        engine.step(vec![Input::Synced { height: 1, value: noise.clone(), certificate: noise }]);
        prop_assert!(!engine.is_halted());
    }

    #[test]
    fn the_height_of_a_message_is_its_field(message in message()) {
        let height = match &message {
            Message::Vote(vote) => vote.height,
            Message::Proposal(proposal) => proposal.height,
            Message::Polka(polka) => polka.height,
            Message::Round(round) => round.height,
            Message::Decision { .. } => return Ok(()),
        };
        prop_assert_eq!(message_height(&message.encode()), Some(height));
    }

    #[test]
    fn the_proposer_is_that_of_a_naive_list(
        count in 1u8..8,
        height in any::<u64>(),
        round in any::<u32>(),
        demoted in vec(0u8..8, 0..8),
    ) {
        let set = set(count);
        let demoted: Vec<_> = demoted.into_iter().map(account).collect();
        let accounts: Vec<_> = set.validators().iter().map(|validator| validator.account).collect();
        let (mut last, mut first): (Vec<_>, Vec<_>) = accounts.iter().copied().partition(|a| demoted.contains(a));
        if first.is_empty() {
            std::mem::swap(&mut first, &mut last);
        }
        let start = (height % first.len() as u64) as usize;
        first.rotate_left(start);
        first.extend(last);
        let expected = first[round as usize % first.len()];
        prop_assert_eq!(proposer(height, round, &set, &demoted), Some(expected));
    }
}

#[test]
fn every_round_of_a_cycle_has_another_proposer() {
    let set = set(7);
    let demoted = [account(2)];
    let cycle: std::collections::BTreeSet<_> = (0..7).map(|round| proposer(5, round, &set, &demoted)).collect();
    assert_eq!(cycle.len(), 7);
    assert_eq!(proposer(5, 6, &set, &demoted), Some(account(2)));
}
