//! Results of plugins' transactions as rows of Python objects.

use crate::execution::failure;
use hn_execution::{ForeignResult, ResultPacker};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(pack_results, m)?)?;
    m.add_function(wrap_pyfunction!(unpack_results, m)?)?;
    m.add_function(wrap_pyfunction!(results_match, m)?)
}

/// Bytes of an ordinary packed result; only room is made by it.
const RESULT_BYTES: usize = 1_024;

/// Packs results in one pass over the host's objects, without a copy in between.
#[pyfunction]
fn pack_results<'py>(py: Python<'py>, results: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyBytes>> {
    let mut packer = ResultPacker::with_capacity(RESULT_BYTES * results.len());
    for row in results.iter() {
        let row = row.cast_into::<PyTuple>()?;
        let (writes, events) = (row.get_item(4)?, row.get_item(5)?);
        let (writes, events) = (writes.cast::<PyList>()?, events.cast::<PyList>()?);
        let rule = row.get_item(2)?;
        packer.result(
            row.get_item(0)?.extract()?,
            row.get_item(1)?.extract()?,
            row.get_item(3)?.extract()?,
            rule.cast::<PyString>()?.to_str()?,
            (writes.len(), events.len()),
        );
        for write in writes.iter() {
            let write = write.cast_into::<PyTuple>()?;
            let (key, value) = (write.get_item(0)?, write.get_item(1)?);
            let value = if value.is_none() {
                None
            } else {
                Some(value.cast::<PyBytes>()?)
            };
            packer.write(key.cast::<PyBytes>()?.as_bytes(), value.map(PyBytesMethods::as_bytes));
        }
        for event in events.iter() {
            let event = event.cast_into::<PyTuple>()?;
            let (name, entity, data) = (event.get_item(0)?, event.get_item(1)?, event.get_item(2)?);
            packer.event(
                name.cast::<PyString>()?.to_str()?,
                entity.cast::<PyString>()?.to_str()?,
                data.cast::<PyBytes>()?.as_bytes(),
            );
        }
    }
    Ok(PyBytes::new(py, &packer.finish()))
}

type WriteRow<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);
type EventRow<'py> = (String, String, Bound<'py, PyBytes>);
type ResultRow<'py> = (u32, u32, String, u64, Vec<WriteRow<'py>>, Vec<EventRow<'py>>);

#[pyfunction]
fn unpack_results<'py>(py: Python<'py>, packed: &[u8]) -> PyResult<Vec<ResultRow<'py>>> {
    let results = ForeignResult::unpack(packed).map_err(|e| failure(&e))?;
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    let rows = results.into_iter().map(|result| {
        let writes = result.writes.iter();
        let writes = writes.map(|(key, value)| (bytes(key), value.as_deref().map(bytes)));
        let events = result.events.into_iter();
        let events = events.map(|event| (event.name, event.entity, bytes(&event.data)));
        let (writes, events) = (writes.collect(), events.collect());
        (result.tx_index, result.code, result.rule, result.steps, writes, events)
    });
    Ok(rows.collect())
}

/// Whether packed results are well-formed and of just these transactions.
#[pyfunction]
fn results_match(packed: &[u8], tx_indices: Vec<u32>) -> bool {
    ForeignResult::matches(packed, &tx_indices)
}
