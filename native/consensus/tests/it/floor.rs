//! The sign floor: what a lost, old or foreign log may still sign.

use hn_consensus::{Effect, Engine, FLOOR_STRIDE, Input};
use hn_primitives::codes;

use crate::table::{Seat, account, config, fresh, key, start, start_all, table, talk};

fn reopened(index: u8, log: &[Vec<u8>], floor_height: u64) -> (Engine, Vec<Effect>) {
    let mut engine = Engine::new(config(Some(account(index))), Some(key(index)));
    let mut inputs: Vec<Input> = log.iter().cloned().map(Input::Replay).collect();
    inputs.push(Input::ReplayDone { floor_height });
    let effects = engine.step(inputs);
    (engine, effects)
}

fn reserved(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::ReserveSignFloor { height } => Some(*height),
            _ => None,
        })
        .collect()
}

#[test]
fn the_floor_is_reserved_before_the_first_signature_and_once_a_stride() {
    let mut seats = table();
    for height in 1..=FLOOR_STRIDE + 2 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
    }
    for seat in &seats {
        assert_eq!(reserved(&seat.effects), [FLOOR_STRIDE, 2 * FLOOR_STRIDE]);
        let first_send = seat
            .effects
            .iter()
            .position(|effect| matches!(effect, Effect::Send { .. }));
        let first_floor = seat
            .effects
            .iter()
            .position(|effect| matches!(effect, Effect::ReserveSignFloor { .. }));
        assert!(first_floor < first_send);
    }
}

#[test]
fn a_lost_log_signs_nothing_up_to_the_floor() {
    let (mut engine, _) = reopened(0, &[], 16);
    engine.step(vec![start(16, 4)]);
    assert!(!engine.stats().is_signing);
    let effects = engine.step(vec![start(17, 4)]);
    assert!(engine.stats().is_signing);
    assert_eq!(reserved(&effects), [32]);
}

#[test]
fn the_newest_log_signs_on_inside_the_reserved_heights() {
    let mut seats = table();
    for height in 1..=3 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
    }
    let (mut engine, effects) = reopened(0, &seats[0].log, FLOOR_STRIDE);
    assert_eq!(
        effects
            .iter()
            .filter(|effect| matches!(effect, Effect::Decide { .. }))
            .count(),
        3
    );
    let effects = engine.step(vec![start(4, 4)]);
    assert!(engine.stats().is_signing);
    assert!(reserved(&effects).is_empty(), "height 4 is reserved already");
}

#[test]
fn an_older_log_than_the_floor_signs_nothing_not_even_at_its_own_heights() {
    let mut seat = Seat::new(0);
    seat.feed(start(1, 4));
    let (engine, effects) = reopened(0, &seat.log, 2 * FLOOR_STRIDE);
    assert_eq!(engine.height(), 1);
    assert!(!engine.stats().is_signing);
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send { .. } | Effect::GetValue { .. }))
    );
}

#[test]
fn a_dropped_prefix_of_the_log_does_not_matter() {
    let mut seats = table();
    for height in 1..=3 {
        let sent = start_all(&mut seats, height);
        talk(&mut seats, sent, |_, _, _| true);
    }
    let kept: Vec<Vec<u8>> = seats[0]
        .log
        .iter()
        .filter(|record| hn_consensus::record_height(record).is_some_and(|height| height > 2))
        .cloned()
        .collect();
    let (mut engine, _) = reopened(0, &kept, FLOOR_STRIDE);
    assert_eq!(engine.height(), 3);
    engine.step(vec![start(4, 4)]);
    assert!(engine.stats().is_signing);
}

#[test]
fn an_own_signature_from_elsewhere_stops_a_signing_node() {
    // Two nodes with one key: each sees what the other signed and stops before it contradicts it.
    let mut seats = table();
    let sent = start_all(&mut seats, 1);
    talk(&mut seats, sent, |_, _, _| true);
    let mut clone = fresh(0);
    clone.step(vec![start(1, 4)]);
    let own_votes: Vec<_> = seats[0]
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Send { bytes, .. } if bytes.first() == Some(&1) => Some((account(1), bytes.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(own_votes.len(), 2);
    clone.step(vec![Input::Messages(own_votes)]);
    // The clone would now prevote nil on its propose timer, against the prevote it has just seen.
    let propose_timer = Input::Timer { id: 0, generation: 1 };
    let effects = clone.step(vec![propose_timer]);
    assert!(
        matches!(
            effects.as_slice(),
            [Effect::Halt {
                code: codes::SIGN_GUARD,
                ..
            }]
        ),
        "{effects:?}"
    );
}

#[test]
fn inputs_before_the_log_is_complete_do_nothing() {
    let mut engine = Engine::new(config(Some(account(0))), Some(key(0)));
    assert!(engine.step(vec![start(1, 4)]).is_empty());
    assert_eq!(engine.height(), 0);
}
