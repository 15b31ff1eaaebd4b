//! Batches and receipts as they rest in files and travel.

use hn_packing::PackingError;
use hn_primitives::Batch;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::raise;
use crate::plane::PyBatch;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(unpack_batch, m)?)?;
    m.add_function(wrap_pyfunction!(plain_size, m)?)?;
    m.add_function(wrap_pyfunction!(pack_receipts, m)?)?;
    m.add_function(wrap_pyfunction!(unpack_receipts, m)?)?;
    m.add_function(wrap_pyfunction!(unpack_receipt, m)?)
}

pub fn damaged(error: &PackingError) -> PyErr {
    raise(error.code(), error.to_string())
}

#[pyfunction]
fn unpack_batch<'py>(py: Python<'py>, data: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
    let plain = py.detach(|| hn_packing::unpack_batch(&data));
    Ok(PyBytes::new(py, &plain.map_err(|e| damaged(&e))?))
}

#[pyfunction]
fn plain_size(data: &[u8]) -> usize {
    hn_packing::plain_size(data)
}

#[pyfunction]
fn pack_receipts<'py>(
    py: Python<'py>,
    row: PyBackedBytes,
    batches: Vec<PyRef<'_, PyBatch>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let batches: Vec<&Batch> = batches.iter().map(|batch| &*batch.batch).collect();
    let packed = py.detach(|| hn_packing::pack_receipts(&row, &batches));
    Ok(PyBytes::new(py, &packed.map_err(|e| damaged(&e))?))
}

#[pyfunction]
fn unpack_receipts<'py>(
    py: Python<'py>,
    packed: PyBackedBytes,
    batches: Vec<PyBackedBytes>,
) -> PyResult<Bound<'py, PyBytes>> {
    let row = py.detach(|| {
        let batches: Vec<&[u8]> = batches.iter().map(|batch| &**batch).collect();
        hn_packing::unpack_receipts(&packed, &batches)
    });
    Ok(PyBytes::new(py, &row.map_err(|e| damaged(&e))?))
}

#[pyfunction]
fn unpack_receipt<'py>(
    py: Python<'py>,
    packed: PyBackedBytes,
    tx_counts: Vec<usize>,
    batch: PyBackedBytes,
    index: usize,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let receipt = py.detach(|| hn_packing::unpack_receipt(&packed, &tx_counts, &batch, index));
    Ok(receipt
        .map_err(|e| damaged(&e))?
        .map(|receipt| PyBytes::new(py, &receipt)))
}
