//! Seeds that once showed a bug: the bug is planted again and found, the engine as it is passes the same seed.

use hn_sim::{Plant, Profile, run_seed};

fn assert_found(profile: Profile, seed: u64, plant: Plant, expected: &str) {
    let broken = run_seed(seed, profile, plant).failure.unwrap_or_default();
    assert!(
        broken.contains(expected),
        "seed {seed} with {plant:?}: {broken:?}, want {expected}"
    );
    let sound = run_seed(seed, profile, Plant::default());
    assert_eq!(sound.failure, None, "seed {seed} without a planted bug");
}

/// Certificates that moved a node forward were not in its log: after the restart it voted again, differently.
#[test]
fn false_equivocation_after_restart() {
    let plant = Plant {
        certificates_unlogged: true,
        guard_off: true,
        ..Plant::default()
    };
    for seed in [80, 121, 434, 527] {
        assert_found(Profile::Mixed, seed, plant, "honest equivocation");
    }
}

/// A proposal was lost, the nodes that had it went on, and nobody said it again.
#[test]
fn permanent_stall_when_a_proposal_is_lost() {
    let plant = Plant {
        no_regossip: true,
        ..Plant::default()
    };
    for seed in [26, 28, 48, 51] {
        assert_found(Profile::Mixed, seed, plant, "stall");
    }
}
