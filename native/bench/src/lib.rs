//! Speed of the cryptography and of the trees, measured without Python in the way (`hnnode bench crypto`, `cargo bench`).
//!
//! Flow: [`Plan`] → [`run`] → one [`Reading`] a field. A reading is the best of the runs that fit into the time given:
//! other load on the machine makes runs slower, never faster. With one thread it counts processor time, as `openssl speed` does,
//! with more the time on the wall.
//!
//! Invariants:
//! 1. Inputs are derived from constants; a field does the same work on every machine and kernel.
//! 2. What a field measures runs on the process's kernel, in a pool of exactly the threads that the plan names.

#![deny(unsafe_code)]

mod clock;
mod measures;
mod signatures;
mod trees;

use clock::Clock;
use measures::MEASURES;
use std::time::Duration;

/// Names of all fields, in the order of reports.
pub fn fields() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|(name, _)| *name)
}

/// Threads of one run at most.
pub const THREADS_MAX: usize = 1024;
/// Time of one field at most.
pub const SECONDS_MAX: f64 = 600.0;
/// Keys of a measured state tree at most; 10 million take about 2 GB.
pub const STATE_KEYS_MAX: u64 = 20_000_000;

/// What to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Time given to each field, preparation not included.
    pub seconds: f64,
    /// Threads of the pool; with one, everything stays on one core.
    pub threads: usize,
    /// Names of fields, see [`fields`].
    pub fields: Vec<String>,
    /// Keys in the tree of `state_tree_updates_per_s`.
    pub state_keys: u64,
}

/// One measured value; its unit is in the name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Name of the field.
    pub field: &'static str,
    /// Operations or megabytes (10^6 bytes) a second, milliseconds, or microseconds, as the name says.
    pub value: f64,
}

/// A plan that cannot be carried out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BenchError {
    /// A field nobody knows.
    #[error("field: got {0}, want one of {known}", known = fields().collect::<Vec<_>>().join(", "))]
    Field(String),
    /// A number outside its bounds.
    #[error("{what}: got {got}, want {min}-{max}")]
    Bounds {
        /// Which number.
        what: &'static str,
        /// What it was.
        got: f64,
        /// Least allowed.
        min: f64,
        /// Most allowed.
        max: f64,
    },
    /// No threads could be started.
    #[error("threads: {0}")]
    Threads(String),
}

fn bounded(what: &'static str, got: f64, min: f64, max: f64) -> Result<(), BenchError> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(BenchError::Bounds { what, got, min, max })
    }
}

/// Measures the fields of the plan, in their order.
///
/// # Errors
/// [`BenchError`] before any work, when the plan is wrong.
pub fn run(plan: &Plan) -> Result<Vec<Reading>, BenchError> {
    bounded("seconds", plan.seconds, 0.0, SECONDS_MAX)?;
    bounded("threads", plan.threads as f64, 1.0, THREADS_MAX as f64)?;
    bounded("state keys", plan.state_keys as f64, 1.0, STATE_KEYS_MAX as f64)?;
    let chosen = plan
        .fields
        .iter()
        .map(|name| {
            let field = MEASURES.iter().find(|(field, _)| field == name);
            field.copied().ok_or_else(|| BenchError::Field(name.clone()))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(plan.threads)
        .build()
        .map_err(|error| BenchError::Threads(error.to_string()))?;
    let reading = if plan.threads == 1 {
        clock::Reading::Processor
    } else {
        clock::Reading::Wall
    };
    let clock = Clock::new(Duration::from_secs_f64(plan.seconds), reading);
    Ok(pool.install(|| {
        chosen
            .into_iter()
            .map(|(field, measure)| Reading {
                field,
                value: measure(&clock, plan),
            })
            .collect()
    }))
}
