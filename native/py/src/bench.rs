//! Measuring loops of `hnnode bench crypto`, and the kernel that they and everything else run on.

use crate::error::parameter;
use hn_bench::{Plan, fields as all_fields};
use hn_crypto::kernel::{self, Kernel};
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Forces a kernel for tests and incident work.
const KERNEL_VARIABLE: &str = "HN_CRYPTO_KERNEL";

/// Chooses the kernel before anything uses it.
///
/// # Errors
/// `ImportError` when the variable names a kernel that does not exist or that this processor lacks.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    if let Some(name) = std::env::var_os(KERNEL_VARIABLE) {
        let name = name.to_string_lossy();
        let forced = name.parse::<Kernel>().and_then(kernel::force);
        forced.map_err(|error| PyImportError::new_err(format!("{KERNEL_VARIABLE}={name}: {error}")))?;
    }
    m.add("BENCH_FIELDS", all_fields().collect::<Vec<_>>())?;
    m.add_function(wrap_pyfunction!(crypto_kernel, m)?)?;
    m.add_function(wrap_pyfunction!(crypto_kernels, m)?)?;
    m.add_function(wrap_pyfunction!(measure, m)?)
}

#[pyfunction]
fn crypto_kernel() -> &'static str {
    kernel::selected().name()
}

#[pyfunction]
fn crypto_kernels() -> Vec<&'static str> {
    kernel::available().into_iter().map(Kernel::name).collect()
}

#[pyfunction(name = "bench")]
fn measure<'py>(
    py: Python<'py>,
    fields: Vec<String>,
    seconds: f64,
    threads: usize,
    state_keys: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let plan = Plan {
        seconds,
        threads,
        fields,
        state_keys,
    };
    let readings = py
        .detach(|| hn_bench::run(&plan))
        .map_err(|error| parameter(error.to_string()))?;
    let out = PyDict::new(py);
    for reading in readings {
        out.set_item(reading.field, reading.value)?;
    }
    Ok(out)
}
