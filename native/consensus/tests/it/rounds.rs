//! Heights among four engines with real signatures.

use hn_consensus::{Effect, Engine, Input, Message, SendTo};
use hn_primitives::{Certificate, codes};

use crate::table::{
    CHAIN, Seat, account, block_hash, config, fresh, key, last_timer, proposer_index, set, start, start_all, table,
    talk, value,
};

#[test]
fn four_validators_decide_heights_with_valid_certificates() {
    let mut seats = table();
    for height in 1..=5 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
        for seat in &seats {
            let Some(Effect::Decide {
                height: decided,
                block_hash: hash,
                value,
                certificate,
                ..
            }) = seat.decisions.last()
            else {
                panic!("seat {} did not decide", seat.index);
            };
            assert_eq!((*decided, *hash), (height, block_hash(value)));
            let certificate = Certificate::decode(certificate).expect("a certificate");
            certificate
                .verify(&set(4), &CHAIN, height, hash)
                .expect("a valid certificate");
        }
    }
}

#[test]
fn a_single_validator_decides_alone_in_one_step_each() {
    let mut seat = Seat::new(0);
    for height in 1..=3 {
        seat.feed(start(height, 1));
        assert_eq!(seat.decisions.len() as u64, height);
    }
}

#[test]
fn records_and_barrier_come_before_anything_visible() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    for seat in &seats {
        let mut is_durable = true;
        for effect in &seat.effects {
            match effect {
                Effect::Log(_) => is_durable = false,
                Effect::Barrier => is_durable = true,
                Effect::Send { .. } | Effect::Decide { .. } | Effect::ReserveSignFloor { .. } => {
                    assert!(is_durable, "{effect:?} left before its records were durable");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn an_own_signature_is_not_verified_and_a_known_vote_not_twice() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent.clone(), |_, _, _| true);
    // At most three prevotes, three precommits and one proposal of others.
    for seat in &seats {
        assert!(seat.engine.stats().verifications <= 7, "{:?}", seat.engine.stats());
    }
    let before = seats[0].engine.stats().verifications;
    talk(&mut seats, sent, |_, _, _| true);
    assert_eq!(seats[0].engine.stats().verifications, before);
}

#[test]
fn a_dead_proposer_costs_one_round() {
    let mut seats = table();
    let dead = proposer_index(1, 0, 4);
    let sent = start_all(&mut seats, 1);
    let alive = |from: u8, to: u8, _: &Message| from != dead && to != dead;
    talk(&mut seats, sent, alive);
    for kind in [0, 2] {
        let mut sent = std::collections::VecDeque::new();
        for seat in seats.iter_mut().filter(|seat| seat.index != dead) {
            if let Some(timer) = last_timer(&seat.effects, kind) {
                let out = seat.feed(timer);
                sent.extend(out.into_iter().map(|(to, bytes)| (seat.index, to, bytes)));
            }
        }
        talk(&mut seats, sent, alive);
    }
    for seat in seats.iter().filter(|seat| seat.index != dead) {
        assert!(
            matches!(
                seat.decisions.last(),
                Some(Effect::Decide {
                    height: 1,
                    round: 1,
                    ..
                })
            ),
            "{}",
            seat.index
        );
    }
}

#[test]
fn a_follower_decides_without_saying_a_word() {
    let mut seats = table();
    let mut follower = Engine::new(config(None), None);
    follower.step(vec![Input::ReplayDone { floor_height: 0 }, start(1, 4)]);
    let mut sent = start_all(&mut seats, 1);
    let mut heard = Vec::new();
    while let Some((from, _, bytes)) = sent.pop_front() {
        heard.push((account(from), bytes.clone()));
        talk(&mut seats, [(from, SendTo::All, bytes)].into(), |_, _, _| true);
        for seat in &seats {
            for effect in &seat.effects {
                if let Effect::Send { bytes, .. } = effect {
                    heard.push((account(seat.index), bytes.clone()));
                }
            }
        }
    }
    let mut effects = follower.step(vec![Input::Messages(heard)]);
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Validate { height, block_hash, .. } => Some((*height, *block_hash)),
        _ => None,
    });
    let (height, block_hash) = asked.expect("a question");
    effects.extend(follower.step(vec![Input::Validity {
        height,
        block_hash,
        valid: true,
    }]));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Decide { height: 1, .. }))
    );
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Send { .. })));
    assert!(!follower.stats().is_signing);
}

#[test]
fn missing_batches_are_no_answer_and_a_late_one_still_decides() {
    let mut seats = table();
    let mut late = fresh(9);
    late.step(vec![start(1, 4)]);
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    let messages: Vec<_> = seats
        .iter()
        .flat_map(|seat| {
            seat.effects.iter().filter_map(|effect| match effect {
                Effect::Send { bytes, .. } => Some((account(seat.index), bytes.clone())),
                _ => None,
            })
        })
        .collect();
    let effects = late.step(vec![Input::Messages(messages)]);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Decide { .. })));
    assert!(late.status_text().contains("height 1"), "{}", late.status_text());
    let hash = block_hash(&value(1, account(proposer_index(1, 0, 4)), 0));
    let effects = late.step(vec![Input::Validity {
        height: 1,
        block_hash: hash,
        valid: true,
    }]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Decide { .. })));
}

#[test]
fn a_quorum_for_a_block_called_invalid_stops_the_node() {
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    let mut odd = fresh(9);
    odd.step(vec![start(1, 4)]);
    let hash = block_hash(&value(1, account(proposer_index(1, 0, 4)), 0));
    let mut is_asked = false;
    let mut halted = None;
    for seat in &seats {
        for effect in &seat.effects {
            let Effect::Send { bytes, .. } = effect else { continue };
            let message = Input::Message {
                peer: account(seat.index),
                bytes: bytes.clone(),
            };
            let mut out = odd.step(vec![message]);
            if out.iter().any(|effect| matches!(effect, Effect::Validate { .. })) {
                is_asked = true;
                out.extend(odd.step(vec![Input::Validity {
                    height: 1,
                    block_hash: hash,
                    valid: false,
                }]));
            }
            halted = halted.or(out.into_iter().find(|effect| matches!(effect, Effect::Halt { .. })));
        }
    }
    assert!(is_asked);
    assert!(
        matches!(
            halted,
            Some(Effect::Halt {
                code: codes::INVALID_VALUE_DECIDED,
                ..
            })
        ),
        "{halted:?}"
    );
    assert!(odd.is_halted() && odd.step(vec![start(2, 4)]).is_empty());
}

#[test]
fn a_second_value_for_one_request_is_ignored() {
    let index = proposer_index(1, 0, 4);
    let mut engine = fresh(index);
    let effects = engine.step(vec![start(1, 4)]);
    assert!(effects.contains(&Effect::GetValue { height: 1, round: 0 }));
    let propose = |salt| Input::Propose {
        height: 1,
        round: 0,
        value: value(1, account(index), salt),
    };
    assert!(
        engine
            .step(vec![propose(1)])
            .iter()
            .any(|effect| matches!(effect, Effect::Send { .. }))
    );
    assert!(engine.step(vec![propose(2)]).is_empty());
}

#[test]
fn a_key_of_another_account_stops_the_engine() {
    let mut engine = Engine::new(config(Some(account(0))), Some(key(1)));
    let effects = engine.step(vec![Input::ReplayDone { floor_height: 0 }]);
    assert!(matches!(
        effects.as_slice(),
        [Effect::Halt {
            code: codes::SIGN_GUARD,
            ..
        }]
    ));
}

#[test]
fn status_text_names_who_is_missing() {
    let mut seats = table();
    let proposer = proposer_index(1, 0, 4);
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, message| {
        matches!(message, Message::Proposal(_))
    });
    let text = seats[proposer as usize].engine.status_text();
    assert!(text.contains("1 of 3 prevote power, missing: "), "{text}");
}
