//! Python module `hnnode_native`: the only crate that knows PyO3. Types and texts are described in `hnnode_native.pyi`.
//!
//! Every function converts, calls one crate below, and converts back; calls that may take long release the GIL.

mod bench;
mod consensus;
mod crypto;
mod declared;
mod error;
mod execution;
mod formats;
mod frames;
mod handlers;
mod index;
mod merkle;
mod objects;
mod packing;
mod pages;
mod plane;
mod pool;
mod results;
mod scan;
mod sim;

use pyo3::prelude::*;

/// Compiled core of hnnode.
#[pymodule]
fn hnnode_native(m: &Bound<'_, PyModule>) -> PyResult<()> {
    error::register(m)?;
    bench::register(m)?;
    crypto::register(m)?;
    formats::register(m)?;
    frames::register(m)?;
    handlers::register(m)?;
    objects::register(m)?;
    index::register(m)?;
    merkle::register(m)?;
    pages::register(m)?;
    packing::register(m)?;
    plane::register(m)?;
    pool::register(m)?;
    results::register(m)?;
    execution::register(m)?;
    consensus::register(m)?;
    sim::register(m)?;
    m.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}
