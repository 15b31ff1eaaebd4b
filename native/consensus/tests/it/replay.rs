//! Restart at every record: the same state, the same signatures, and the height still decides.

use hn_consensus::{Effect, Engine, Input, Message, record_height};
use hn_primitives::codes;

use crate::table::{Seat, account, config, key, proposer_index, start, start_all, table, talk};

fn engine(index: u8) -> Engine {
    Engine::new(config(Some(account(index))), Some(key(index)))
}

fn replayed(index: u8, log: &[Vec<u8>]) -> (Engine, Vec<Effect>) {
    let mut engine = engine(index);
    let mut inputs: Vec<Input> = log.iter().cloned().map(Input::Replay).collect();
    inputs.push(Input::ReplayDone { floor_height: 0 });
    let effects = engine.step(inputs);
    (engine, effects)
}

#[test]
fn a_replay_reproduces_the_state_after_every_input() {
    let mut seats = table();
    let mut checked = 0;
    for height in 1..=3 {
        let mut sent = start_all(&mut seats, height);
        while let Some((from, to, bytes)) = sent.pop_front() {
            for seat in &mut seats {
                let is_addressed =
                    to == hn_consensus::SendTo::All || to == hn_consensus::SendTo::Peer(account(seat.index));
                if seat.index == from || !is_addressed {
                    continue;
                }
                let out = seat.feed(Input::Message {
                    peer: account(from),
                    bytes: bytes.clone(),
                });
                sent.extend(out.into_iter().map(|(to, bytes)| (seat.index, to, bytes)));
                let (twin, _) = replayed(seat.index, &seat.log);
                assert_eq!(
                    twin.state_digest(),
                    seat.engine.state_digest(),
                    "seat {} height {height}",
                    seat.index
                );
                assert_eq!(
                    (twin.height(), twin.round()),
                    (seat.engine.height(), seat.engine.round())
                );
                checked += 1;
            }
        }
    }
    assert!(checked > 60);
}

#[test]
fn every_prefix_of_a_log_restarts_and_contradicts_nothing() {
    let mut seats = table();
    for height in 1..=2 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
    }
    for seat in &seats {
        let signed: Vec<Vec<u8>> = sent_by(&seat.effects);
        for length in 0..=seat.log.len() {
            let (mut twin, effects) = replayed(seat.index, &seat.log[..length]);
            assert!(!twin.is_halted());
            for bytes in sent_by(&effects) {
                assert!(signed.contains(&bytes), "prefix {length} says something new");
            }
            // Nothing but the heights of the prefix is known; the next start goes on from there.
            let next = twin.height() + 1;
            twin.step(vec![start(next, 4)]);
            assert!(!twin.is_halted());
        }
    }
}

fn sent_by(effects: &[Effect]) -> Vec<Vec<u8>> {
    let own = effects.iter().filter_map(|effect| match effect {
        Effect::Send { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    own.filter(|bytes| !matches!(Message::decode(bytes), Some(Message::Round(_) | Message::Polka(_))))
        .collect()
}

#[test]
fn a_value_is_asked_for_again_only_while_nothing_was_proposed() {
    let index = proposer_index(1, 0, 4);
    let mut idle = engine(index);
    idle.step(vec![Input::ReplayDone { floor_height: 0 }]);
    let log: Vec<Vec<u8>> = records(&idle.step(vec![start(1, 4)]));
    let (_, effects) = replayed(index, &log);
    assert!(effects.contains(&Effect::GetValue { height: 1, round: 0 }));

    let mut seat = Seat::new(index);
    seat.feed(start(1, 4));
    let (_, effects) = replayed(index, &seat.log);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::GetValue { .. })));
    let kinds: Vec<u8> = sent_by(&effects).iter().map(|bytes| bytes[0]).collect();
    assert!(
        kinds.contains(&1) && kinds.contains(&2),
        "own vote and proposal go out again: {kinds:?}"
    );
}

#[test]
fn an_unanswered_question_and_a_running_wait_are_taken_up_again() {
    let mut seats = table();
    let proposer = proposer_index(1, 0, 4);
    let sent = start_all(&mut seats, 1);
    let other = (0..4).find(|index| *index != proposer).expect("another");
    let mut quiet = engine(other);
    quiet.step(vec![Input::ReplayDone { floor_height: 0 }]);
    let mut log = records(&quiet.step(vec![start(1, 4)]));
    let messages = sent
        .iter()
        .map(|(from, _, bytes)| (account(*from), bytes.clone()))
        .collect();
    log.extend(records(&quiet.step(vec![Input::Messages(messages)])));
    let (_, effects) = replayed(other, &log);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Validate { height: 1, .. }))
    );
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::SetTimer { id: 0, .. }))
    );
}

#[test]
fn damaged_and_shuffled_logs_stop_the_node() {
    let mut seats = table();
    for height in 1..=2 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
    }
    let log = &seats[0].log;
    let is_corrupt = |effects: &[Effect]| {
        matches!(
            effects,
            [Effect::Halt {
                code: codes::CONSENSUS_LOG_CORRUPT | codes::SIGN_GUARD,
                ..
            }]
        )
    };
    for position in 0..log.len() {
        let mut damaged = log.clone();
        damaged[position].pop();
        assert!(is_corrupt(&replayed(0, &damaged).1), "record {position} cut");
        let mut longer = log.clone();
        longer[position].push(0);
        assert!(is_corrupt(&replayed(0, &longer).1), "record {position} padded");
    }
    let mut doubled = log.clone();
    doubled.extend(log.iter().cloned());
    assert!(is_corrupt(&replayed(0, &doubled).1));
}

#[test]
fn records_know_their_height() {
    let mut seats = table();
    for height in 1..=2 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
    }
    let mut heights: Vec<u64> = seats[0]
        .log
        .iter()
        .map(|record| record_height(record).expect("a height"))
        .collect();
    assert_eq!(heights.remove(0), 16, "the floor reservation outlives its heights");
    assert!(heights.is_sorted() && heights.first() == Some(&1) && heights.last() == Some(&2));
    assert_eq!(record_height(&[]), None);
    assert_eq!(record_height(&[2; 40]), None);
}

fn records(effects: &[Effect]) -> Vec<Vec<u8>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Log(record) => Some(record.clone()),
            _ => None,
        })
        .collect()
}
