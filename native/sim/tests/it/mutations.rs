//! Every planted bug must be found within its budget of seeds, or the simulator proves nothing.

use hn_sim::{Plant, Profile, Summary, run_planted};

fn find(plant: Plant, profile: Profile, budget: u64) -> Summary {
    let summary = run_planted(1, budget, profile, plant, true);
    assert!(
        summary.failures > 0,
        "{plant:?} survived {budget} seeds of {}",
        profile.name()
    );
    summary
}

#[test]
fn a_log_without_certificates_is_found() {
    find(
        Plant {
            certificates_unlogged: true,
            ..Plant::default()
        },
        Profile::Mixed,
        400,
    );
}

#[test]
fn ignored_barriers_are_found() {
    let summary = find(
        Plant {
            barrier_ignored: true,
            ..Plant::default()
        },
        Profile::Crash,
        400,
    );
    assert!(summary.report.contains("equivocation"), "{}", summary.report);
}

#[test]
fn a_smaller_quorum_is_found() {
    find(
        Plant {
            quorum_minus: true,
            ..Plant::default()
        },
        Profile::Mixed,
        20,
    );
}

#[test]
fn missing_regossip_is_found() {
    let summary = find(
        Plant {
            no_regossip: true,
            ..Plant::default()
        },
        Profile::Mixed,
        400,
    );
    assert!(summary.report.contains("stall"), "{}", summary.report);
}

#[test]
fn an_ignored_sign_floor_is_found() {
    let summary = find(
        Plant {
            floor_ignored: true,
            ..Plant::default()
        },
        Profile::Crash,
        2_000,
    );
    assert!(
        summary.report.contains("equivocation") || summary.report.contains("halted"),
        "{}",
        summary.report
    );
}
