//! Validator sets: order, power, quorum.

use crate::fixture::{KEYS, validators};
use hn_primitives::*;

#[test]
fn a_set_is_the_same_in_whatever_order_it_is_given() {
    let mut members: Vec<_> = KEYS.iter().map(|key| (key.public_key().to_bytes(), 2)).collect();
    let set = ValidatorSet::new(1, &members).unwrap();
    members.reverse();
    assert_eq!(ValidatorSet::new(1, &members), Ok(set.clone()));
    assert!(
        set.validators()
            .windows(2)
            .all(|pair| pair[0].account < pair[1].account)
    );
    for (index, validator) in set.validators().iter().enumerate() {
        assert_eq!(set.index_of(&validator.account), Some(index));
        assert_eq!(
            set.public_key(index).map(|key| (key.to_bytes(), account_of(key))),
            Some((validator.key, validator.account))
        );
        assert_eq!(set.get(index), Some(validator));
    }
    assert_eq!(set.index_of(&[0; 20]), None);
    assert_eq!((set.count(), set.total_power(), set.epoch()), (8, 16, 1));
}

#[test]
fn quorums_are_more_than_two_thirds() {
    for (powers, quorum) in [
        (&[1][..], 1),
        (&[1, 1], 2),
        (&[1, 1, 1], 3),
        (&[1; 4], 3),
        (&[1; 7], 5),
        (&[3, 1], 3),
    ] {
        assert_eq!(validators(powers).0.quorum(), quorum, "{powers:?}");
    }
    let largest = validators(&[1 << 32]).0;
    assert_eq!(largest.quorum(), (2 << 32) / 3 + 1);
}

#[test]
fn bad_sets_are_refused() {
    let key = |index: usize| KEYS[index].public_key().to_bytes();
    let mut off_curve = key(0);
    off_curve[1] ^= 1;
    for (label, members) in [
        ("empty", vec![]),
        ("power 0", vec![(key(0), 0)]),
        ("total too high", vec![(key(0), 1 << 32), (key(1), 1)]),
        ("overflow", vec![(key(0), u64::MAX), (key(1), u64::MAX)]),
        ("twice", vec![(key(0), 1), (key(0), 1)]),
        ("off the curve", vec![(off_curve, 1)]),
    ] {
        assert_eq!(
            ValidatorSet::new(0, &members).unwrap_err().code(),
            codes::GENESIS_INVALID,
            "{label}"
        );
    }
    let bytes = validators(&[1, 1]).0.encode();
    let swapped = [&bytes[..10], &bytes[83..], &bytes[10..83]].concat();
    assert_eq!(
        ValidatorSet::decode(&swapped).unwrap_err().fault,
        Fault::Order("validators")
    );
    let mut counted = bytes;
    counted[9] = 3;
    assert_eq!(
        ValidatorSet::decode(&counted).unwrap_err().fault,
        Fault::Mismatch("count")
    );
}
