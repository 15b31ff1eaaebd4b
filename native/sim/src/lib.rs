//! Deterministic simulation of consensus: the real engine, virtual time, seeded faults, invariants at every step.
//!
//! Flow: seed → [`Profile`] → scenario → nodes, network, disks → events in virtual time until the heal and some heights
//! beyond it → [`Outcome`]. Faults: loss, duplicates, reordering, delay spikes, partitions (one-way too), crashes at effect
//! boundaries with an unsynced log tail, a lost log, slow and missing batches, Twins, a sender that alters and forges.
//!
//! Invariants that end a seed:
//! - one block a height, proven by a certificate of the right set; heights decided in order
//! - no honest key signs two things for one step, on the wire and as evidence; the sign guard never fires, no halt
//! - an honest node never blames an honest peer
//! - the replay after a clean kill reproduces the state exactly
//! - after the heal every honest node commits the agreed number of heights in bounded time
//!
//! Nothing here depends on the machine: a seed gives the same trace everywhere.

#![forbid(unsafe_code)]

mod chain;
mod checker;
mod disk;
mod host;
mod liar;
mod node;
mod random;
mod run;
mod scenario;
mod scheme;
mod weather;
mod world;

pub use random::Random;
pub use run::{Outcome, Plant, Summary, run_planted, run_seed, run_seeds};
pub use scenario::Profile;
