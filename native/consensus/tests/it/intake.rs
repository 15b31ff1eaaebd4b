//! Hostile and late peers: what is refused, what is kept, what becomes evidence, and who is helped.

use hn_consensus::{
    Effect, Engine, Evidence, Input, Message, PolkaMessage, RoundMessage, RoundVote, SYNC_PEER, SendTo, VoteMessage,
};
use hn_primitives::{Hash32, VoteType, ZERO_HASH, codes, vote_sign_bytes};

use crate::table::{
    CHAIN, Seat, account, block_hash, config, fresh, key, last_timer, proposer_index, public, start, start_all, table,
    talk, value,
};

fn vote(index: u8, kind: VoteType, height: u64, round: u32, block_hash: Hash32) -> VoteMessage {
    let hash = (block_hash != ZERO_HASH).then_some(&block_hash);
    let signature = key(index).sign(&vote_sign_bytes(&CHAIN, kind, height, round, hash));
    VoteMessage {
        kind,
        height,
        round,
        block_hash,
        signer: account(index),
        signature,
    }
}

fn prevote(index: u8, height: u64, round: u32, block_hash: Hash32) -> Vec<u8> {
    vote(index, VoteType::Prevote, height, round, block_hash).encode()
}

fn send(engine: &mut Engine, from: u8, bytes: Vec<u8>) -> Vec<Effect> {
    engine.step(vec![Input::Message {
        peer: account(from),
        bytes,
    }])
}

fn fault(effects: &[Effect]) -> Option<u32> {
    effects.iter().find_map(|effect| match effect {
        Effect::PeerFault { code, .. } => Some(*code),
        _ => None,
    })
}

fn started() -> Engine {
    let mut engine = fresh(0);
    engine.step(vec![start(1, 4)]);
    engine
}

#[test]
fn malformed_bytes_are_the_senders_fault() {
    let mut engine = started();
    let good = prevote(1, 1, 0, [9; 32]);
    let mut longer = good.clone();
    longer.push(0);
    for bytes in [
        Vec::new(),
        vec![0],
        vec![9; 130],
        good[..129].to_vec(),
        longer,
        vec![2; 4_000_000],
    ] {
        assert_eq!(fault(&send(&mut engine, 1, bytes)), Some(codes::MESSAGE_MALFORMED));
    }
    assert_eq!(fault(&send(&mut engine, 1, good)), None);
}

#[test]
fn strangers_and_bad_signatures_are_refused() {
    let mut engine = started();
    assert_eq!(
        fault(&send(&mut engine, 1, prevote(8, 1, 0, ZERO_HASH))),
        Some(codes::MESSAGE_SIGNER_UNKNOWN)
    );
    let mut forged = vote(1, VoteType::Prevote, 1, 0, ZERO_HASH);
    forged.block_hash = [3; 32];
    assert_eq!(
        fault(&send(&mut engine, 1, forged.encode())),
        Some(codes::MESSAGE_SIGNATURE)
    );
    let mut foreign = vote(1, VoteType::Prevote, 1, 0, ZERO_HASH);
    foreign.signature = key(1).sign(&vote_sign_bytes(&[8; 32], VoteType::Prevote, 1, 0, None));
    assert_eq!(
        fault(&send(&mut engine, 1, foreign.encode())),
        Some(codes::MESSAGE_SIGNATURE),
        "another chain"
    );
    let mut other_type = vote(1, VoteType::Prevote, 1, 0, ZERO_HASH);
    other_type.kind = VoteType::Precommit;
    assert_eq!(
        fault(&send(&mut engine, 1, other_type.encode())),
        Some(codes::MESSAGE_SIGNATURE),
        "another type"
    );
}

#[test]
fn rounds_and_heights_outside_the_window_cost_nothing() {
    let mut engine = started();
    for (height, round) in [(1, 11), (1, u32::MAX - 1), (4, 0), (u64::MAX, 0), (2, 11)] {
        assert!(
            send(&mut engine, 1, prevote(1, height, round, ZERO_HASH)).is_empty(),
            "{height} {round}"
        );
    }
    assert_eq!(engine.stats().verifications, 0);
    assert_eq!(engine.stats().future_messages, 0);
}

#[test]
fn votes_of_future_heights_are_bounded_and_used() {
    let mut engine = started();
    for round in 0..10 {
        send(&mut engine, 1, prevote(1, 2, round, ZERO_HASH));
    }
    assert_eq!(engine.stats().future_messages, 4);
    assert!(engine.has_future(2) && !engine.has_future(3));
    let verified = engine.stats().verifications;
    let effects = engine.step(vec![start(2, 4)]);
    assert_eq!(engine.stats().verifications, verified, "verified when they arrived");
    let logged = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Log(record) if record[1] == 2))
        .count();
    assert_eq!(logged, 4);
    assert_eq!(engine.stats().future_messages, 0);
}

#[test]
fn two_votes_for_one_step_become_evidence_once() {
    let mut engine = started();
    send(&mut engine, 2, prevote(1, 1, 0, [1; 32]));
    let effects = send(&mut engine, 3, prevote(1, 1, 0, [2; 32]));
    let [Effect::Evidence(bytes)] = effects
        .iter()
        .filter(|e| matches!(e, Effect::Evidence(_)))
        .collect::<Vec<_>>()[..]
    else {
        panic!("want one piece of evidence: {effects:?}");
    };
    let evidence = Evidence::decode(bytes).expect("evidence");
    assert_eq!(
        (evidence.signer(), evidence.height(), evidence.round()),
        (&account(1), 1, 0)
    );
    assert_eq!(evidence.encode(), *bytes);
    assert!(evidence.verify(&CHAIN, &public(1)) && !evidence.verify(&CHAIN, &public(2)));
    assert!(!evidence.verify(&[8; 32], &public(1)));
    let verified = engine.stats().verifications;
    assert!(send(&mut engine, 3, prevote(1, 1, 0, [4; 32])).is_empty());
    assert_eq!(engine.stats().verifications, verified, "a third one teaches nothing");
}

#[test]
fn a_conflicting_vote_of_a_height_that_is_over_is_still_evidence() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    seats[0].feed(start(2, 4));
    let effects = send(&mut seats[0].engine, 2, prevote(1, 1, 0, [2; 32]));
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Evidence(_))),
        "{effects:?}"
    );
    assert!(
        send(&mut seats[0].engine, 2, prevote(1, 1, 7, [2; 32])).is_empty(),
        "nothing to compare with"
    );
}

#[test]
fn a_peer_over_its_quota_is_named_once_and_not_heard_until_the_next_tick() {
    let mut configuration = config(Some(account(0)));
    configuration.limits.peer_messages_max = 10;
    let mut engine = Engine::new(configuration, Some(key(0)));
    engine.step(vec![Input::ReplayDone { floor_height: 0 }]);
    let effects = engine.step(vec![start(1, 4)]);
    let noise: Vec<_> = (0..50).map(|_| (account(1), prevote(1, 1, 0, ZERO_HASH))).collect();
    let faults = engine.step(vec![Input::Messages(noise)]);
    assert_eq!(
        faults
            .iter()
            .filter(|effect| matches!(effect, Effect::PeerFault { .. }))
            .count(),
        1
    );
    assert_eq!(fault(&faults), Some(codes::PEER_QUOTA_EXCEEDED));
    let late = prevote(2, 1, 0, ZERO_HASH);
    assert!(send(&mut engine, 1, late.clone()).is_empty());
    engine.step(vec![last_timer(&effects, 3).expect("a rebroadcast timer")]);
    assert!(!send(&mut engine, 1, late).is_empty(), "heard again");
}

#[test]
fn certificates_need_their_quorum_and_every_signature() {
    let prevotes = |count: u8| PolkaMessage {
        height: 1,
        round: 0,
        block_hash: [9; 32],
        signatures: {
            let mut list: Vec<_> = (1..=count)
                .map(|index| (account(index), vote(index, VoteType::Prevote, 1, 0, [9; 32]).signature))
                .collect();
            list.sort_by_key(|(signer, _)| *signer);
            list
        },
    };
    let mut engine = started();
    assert_eq!(
        fault(&send(&mut engine, 1, prevotes(2).encode())),
        Some(codes::CERTIFICATE_QUORUM)
    );
    let mut bad = prevotes(3);
    bad.signatures[1].1[5] ^= 1;
    assert_eq!(
        fault(&send(&mut engine, 1, bad.encode())),
        Some(codes::MESSAGE_SIGNATURE)
    );
    assert_eq!(fault(&send(&mut engine, 1, prevotes(3).encode())), None);

    // More than a third of the power in a later round moves the node there, however far it is.
    let skip = |count: u8| RoundMessage {
        is_precommit: false,
        height: 1,
        round: 70,
        votes: {
            let mut list: Vec<_> = (1..=count)
                .map(|index| {
                    let vote = vote(index, VoteType::Prevote, 1, 70, ZERO_HASH);
                    RoundVote {
                        kind: vote.kind,
                        block_hash: vote.block_hash,
                        signer: vote.signer,
                        signature: vote.signature,
                    }
                })
                .collect();
            list.sort_by_key(|vote| vote.signer);
            list
        },
    };
    assert_eq!(
        fault(&send(&mut engine, 1, skip(1).encode())),
        Some(codes::CERTIFICATE_QUORUM)
    );
    send(&mut engine, 1, skip(2).encode());
    assert_eq!(engine.round(), 70);
}

#[test]
fn a_value_that_its_header_does_not_bind_is_refused() {
    let proposer = proposer_index(1, 0, 4);
    let mut seat = Seat::new(proposer);
    let sent = seat.feed(start(1, 4));
    let bytes = sent
        .iter()
        .map(|(_, bytes)| bytes)
        .find(|bytes| bytes[0] == 2)
        .expect("a proposal");
    let Some(Message::Proposal(proposal)) = Message::decode(bytes) else {
        panic!("a proposal")
    };
    let other = (0..4).find(|index| *index != proposer).expect("another");
    let mut engine = fresh(other);
    engine.step(vec![start(1, 4)]);
    let with_value = |value: Vec<u8>| {
        let mut altered = proposal.clone();
        altered.value = value.into();
        Message::Proposal(altered).encode()
    };
    let mut other_batch = proposal.value.to_vec();
    other_batch[357 + 2] ^= 1;
    assert_eq!(
        fault(&send(&mut engine, 1, with_value(other_batch))),
        Some(codes::HEADER_BATCHES_ROOT)
    );
    let other_height = value(2, account(proposer), 0);
    assert_eq!(
        fault(&send(&mut engine, 1, with_value(other_height))),
        Some(codes::HEADER_HEIGHT)
    );
    assert_eq!(
        fault(&send(&mut engine, 1, with_value(vec![1; 400]))),
        Some(codes::PROPOSAL_MALFORMED)
    );
    let other_block = value(1, account(proposer), 77);
    assert_eq!(
        fault(&send(&mut engine, 1, with_value(other_block))),
        Some(codes::MESSAGE_SIGNATURE)
    );
    assert!(
        send(&mut engine, 1, bytes.clone())
            .iter()
            .any(|effect| matches!(effect, Effect::Validate { .. }))
    );
}

#[test]
fn a_peer_one_height_behind_gets_the_decision_and_waits_for_its_batches() {
    let mut seats = table();
    let others: Vec<u8> = (0..4).filter(|index| *index != proposer_index(1, 0, 4)).collect();
    let (late, helper) = (others[0], others[1]);
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, to, _| to != late);
    let helper = &mut seats[usize::from(helper)];
    helper.feed(start(2, 4));
    let ask = Input::PeerBehind {
        peer: account(late),
        height: 1,
        round: 0,
    };
    let effects = helper.engine.step(vec![ask.clone()]);
    let Some(Effect::Send { to, bytes }) = effects.last() else {
        panic!("want one decision: {effects:?}")
    };
    assert_eq!(*to, SendTo::Peer(account(late)));
    assert!(helper.engine.step(vec![ask]).is_empty(), "once between two ticks");
    let engine = &mut seats[usize::from(late)].engine;
    let asked = send(engine, 0, bytes.clone());
    assert!(
        !asked.iter().any(|effect| matches!(effect, Effect::Decide { .. })),
        "its batches are not here"
    );
    let question = asked.iter().find_map(|effect| match effect {
        Effect::Validate {
            block_hash,
            pol_round: Some(_),
            ..
        } => Some(*block_hash),
        _ => None,
    });
    let block_hash = question.expect("a question");
    let answer = Input::Validity {
        height: 1,
        block_hash,
        valid: true,
    };
    assert!(
        engine
            .step(vec![answer])
            .iter()
            .any(|effect| matches!(effect, Effect::Decide { height: 1, .. }))
    );
}

#[test]
fn a_restarted_node_helps_with_the_block_its_host_reminds_it_of() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    let Some(Effect::Decide { value, certificate, .. }) = seats[0].decisions.last().cloned() else {
        panic!("want a decision");
    };
    let mut engine = fresh(1);
    engine.step(vec![
        start(2, 4),
        Input::Synced {
            height: 1,
            value,
            certificate,
        },
    ]);
    let effects = engine.step(vec![Input::PeerBehind {
        peer: account(3),
        height: 1,
        round: 0,
    }]);
    assert!(matches!(effects.as_slice(), [Effect::Send { .. }]), "{effects:?}");
}

#[test]
fn block_sync_decides_with_a_valid_certificate_only() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    let Some(Effect::Decide { value, certificate, .. }) = seats[0].decisions.last().cloned() else {
        panic!("want a decision");
    };
    let mut engine = started();
    let synced = |value: &[u8], certificate: &[u8]| Input::Synced {
        height: 1,
        value: value.to_vec(),
        certificate: certificate.to_vec(),
    };
    let mut forged = certificate.clone();
    *forged.last_mut().expect("bytes") ^= 1;
    let effects = engine.step(vec![synced(&value, &forged)]);
    let want = Effect::PeerFault {
        peer: SYNC_PEER,
        code: codes::CERTIFICATE_SIGNATURE,
    };
    assert_eq!(effects, [want]);
    let other = crate::table::value(1, account(0), 99);
    let effects = engine.step(vec![synced(&other, &certificate)]);
    assert_eq!(fault(&effects), Some(codes::CERTIFICATE_BLOCK));
    let effects = engine.step(vec![synced(&value, &certificate)]);
    assert!(
        effects
            .iter()
            .any(|e| matches!(e, Effect::Decide { block_hash: hash, .. } if *hash == block_hash(&value)))
    );
}

#[test]
fn a_stalled_height_is_said_again_with_back_off() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| false);
    let proposer = proposer_index(1, 0, 4) as usize;
    let seat = &mut seats[proposer];
    let mut waits = Vec::new();
    for _ in 0..6 {
        let timer = last_timer(&seat.effects, 3).expect("a rebroadcast timer");
        let before = seat.effects.len();
        let sent = seat.feed(timer);
        let kinds: Vec<u8> = sent.iter().map(|(_, bytes)| bytes[0]).collect();
        assert!(kinds.contains(&2) && kinds.contains(&1), "proposal and vote: {kinds:?}");
        waits.extend(seat.effects[before..].iter().filter_map(|effect| match effect {
            Effect::SetTimer { id: 3, ms, .. } => Some(*ms),
            _ => None,
        }));
    }
    assert_eq!(waits, [1_000, 2_000, 4_000, 4_000, 4_000, 4_000]);
}
