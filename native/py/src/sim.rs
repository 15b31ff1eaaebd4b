//! The simulator, for tests and for `hnnode` users who want to rerun a seed. It has no planted bugs in this build.

use crate::error::parameter;
use hn_sim::{Profile, run_seeds};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Seeds of one call; a longer run is many calls.
const SEEDS_MAX: u64 = 1_000_000;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(simulate, m)?)
}

#[pyfunction]
fn simulate<'py>(py: Python<'py>, seed_start: u64, count: u64, profile: &str) -> PyResult<Bound<'py, PyDict>> {
    let Some(chosen) = Profile::from_name(profile) else {
        let known: Vec<&str> = Profile::NAMES.iter().map(|(name, _)| *name).collect();
        return Err(parameter(format!(
            "profile: got {profile}, want one of {}",
            known.join(", ")
        )));
    };
    if count > SEEDS_MAX {
        return Err(parameter(format!("count: got {count}, want at most {SEEDS_MAX}")));
    }
    let summary = py.detach(|| run_seeds(seed_start, count, chosen));
    let out = PyDict::new(py);
    out.set_item("seeds", summary.seeds)?;
    out.set_item("failures", summary.failures)?;
    out.set_item("first_failure", summary.first_failure)?;
    out.set_item("report", summary.report)?;
    out.set_item("trace", summary.trace)?;
    out.set_item("decisions", summary.decisions)?;
    Ok(out)
}
