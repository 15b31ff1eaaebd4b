//! Seeds in, verdicts out.

use std::sync::{Arc, OnceLock};

use hn_crypto::sm2::KeyCache;

use crate::random::{Random, mix};
use crate::scenario::{Profile, Scenario};
use crate::world::World;

/// What one seed did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The first broken invariant.
    pub failure: Option<String>,
    /// Hash of everything that happened; equal for equal seeds.
    pub trace: u64,
    /// Height that every honest node holds.
    pub height: u64,
    /// Highest round any node was in.
    pub highest_round: u32,
    /// Pieces of evidence against byzantine identities.
    pub evidence: u64,
    /// Decisions of honest nodes.
    pub decisions: u64,
    /// Events that were handled.
    pub events: u64,
}

/// What a range of seeds did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Seeds that ran.
    pub seeds: u64,
    /// Seeds with a broken invariant.
    pub failures: u64,
    /// The first of them.
    pub first_failure: Option<u64>,
    /// What was broken in the first one, and the command that repeats it; empty when nothing was.
    pub report: String,
    /// Hash over all traces, order included.
    pub trace: u64,
    /// Decisions of honest nodes.
    pub decisions: u64,
    /// Highest round any node was in.
    pub highest_round: u32,
    /// Pieces of evidence against byzantine identities.
    pub evidence: u64,
    /// Events that were handled.
    pub events: u64,
}

/// Planted bugs; nothing in a build without the feature `mutations`.
#[cfg(feature = "mutations")]
pub type Plant = hn_consensus::Faults;
/// Planted bugs; nothing in a build without the feature `mutations`.
#[cfg(not(feature = "mutations"))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Plant {}

/// Run one seed of a profile.
pub fn run_seed(seed: u64, profile: Profile, plant: Plant) -> Outcome {
    let mut random = Random::new(seed ^ mix(profile as u64 + 1));
    let scenario = Scenario::draw(&mut random, profile);
    let mut world = World::new(scenario, random, key_cache());
    #[cfg(feature = "mutations")]
    world.set_faults(plant);
    #[cfg(not(feature = "mutations"))]
    let Plant {} = plant;
    world.run();
    Outcome {
        seed,
        failure: world.checker.failure().cloned(),
        trace: world.trace,
        height: world.common_height(),
        highest_round: world.highest_round,
        evidence: world.checker.evidence,
        decisions: world.checker.decisions,
        events: world.events,
    }
}

fn key_cache() -> Arc<KeyCache> {
    static CACHE: OnceLock<Arc<KeyCache>> = OnceLock::new();
    CACHE.get_or_init(|| Arc::new(KeyCache::new(16 << 20))).clone()
}

/// Run `count` seeds from `start` on. Cost: about 10 ms a seed (n = 4 to 10), five times that with real SM2.
pub fn run_seeds(start: u64, count: u64, profile: Profile) -> Summary {
    run_planted(start, count, profile, Plant::default(), false)
}

/// As [`run_seeds`], with planted bugs; stops at the first failure when asked to.
pub fn run_planted(start: u64, count: u64, profile: Profile, plant: Plant, is_stopping: bool) -> Summary {
    let mut summary = Summary::default();
    for seed in start..start.saturating_add(count) {
        let outcome = run_seed(seed, profile, plant);
        summary.seeds += 1;
        summary.trace = mix(summary.trace ^ outcome.trace);
        summary.decisions += outcome.decisions;
        summary.highest_round = summary.highest_round.max(outcome.highest_round);
        summary.evidence += outcome.evidence;
        summary.events += outcome.events;
        if let Some(failure) = outcome.failure {
            summary.failures += 1;
            if summary.first_failure.is_none() {
                summary.first_failure = Some(seed);
                let name = profile.name();
                summary.report = format!(
                    "seed {seed} ({name}): {failure}\nrepeat with: cargo run --release -p hn-sim --example sim -- \
                     --profile {name} --seed {seed} --count 1"
                );
            }
            if is_stopping {
                break;
            }
        }
    }
    summary
}
