//! Seeds of every profile. `HN_SIM_SEEDS` sets how many run in all (default 2,000).

use hn_sim::{Plant, Profile, run_seed, run_seeds};

/// Share of a profile in the total, in permille.
const SHARES: [(Profile, u64); 6] = [
    (Profile::Mixed, 400),
    (Profile::Crash, 220),
    (Profile::Twins, 130),
    (Profile::Liar, 130),
    (Profile::Rotate, 100),
    (Profile::Sm2, 20),
];

fn run_share(profile: Profile) {
    let total: u64 = std::env::var("HN_SIM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2_000);
    let permille = SHARES
        .iter()
        .find(|(of, _)| *of == profile)
        .map_or(0, |(_, permille)| *permille);
    let summary = run_seeds(1, (total * permille / 1_000).max(1), profile);
    assert_eq!(
        summary.failures, 0,
        "{} of {} seeds failed; {}",
        summary.failures, summary.seeds, summary.report
    );
    assert!(
        summary.decisions >= summary.seeds * 8,
        "the seeds hardly decided anything: {summary:?}"
    );
}

#[test]
fn mixed_faults_keep_every_invariant() {
    run_share(Profile::Mixed);
}

#[test]
fn crashes_keep_every_invariant() {
    run_share(Profile::Crash);
}

#[test]
fn twins_keep_every_invariant() {
    run_share(Profile::Twins);
}

#[test]
fn a_liar_keeps_every_invariant() {
    run_share(Profile::Liar);
}

#[test]
fn a_set_that_rotates_keeps_every_invariant() {
    run_share(Profile::Rotate);
}

#[test]
fn real_signatures_keep_every_invariant() {
    run_share(Profile::Sm2);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for (_, profile) in Profile::NAMES {
        for seed in [3, 77] {
            let first = run_seed(seed, profile, Plant::default());
            assert_eq!(
                first,
                run_seed(seed, profile, Plant::default()),
                "{} {seed}",
                profile.name()
            );
        }
    }
}

#[test]
fn different_seeds_give_different_traces() {
    let trace = |seed| run_seed(seed, Profile::Crash, Plant::default()).trace;
    assert_ne!(trace(1), trace(2));
}

#[test]
fn scenarios_reach_many_rounds_and_find_equivocators() {
    let summary = run_seeds(1, 60, Profile::Twins);
    assert!(summary.highest_round >= 5, "too calm: {summary:?}");
    assert!(summary.evidence > 0, "twins left no evidence: {summary:?}");
}

#[test]
fn profiles_are_known_by_name() {
    for (name, profile) in Profile::NAMES {
        assert_eq!(Profile::from_name(name), Some(profile));
        assert_eq!(profile.name(), name);
    }
    assert_eq!(Profile::from_name("calm"), None);
}
