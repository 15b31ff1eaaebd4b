//! The index of committed transactions; its rows come from and go to the database.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hn_index::{Changes, IndexError, Limits, Search, TxIndex};
use hn_primitives::codes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::error::{array, parameter, raise};

type Row<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTxIndex>()?;
    m.add_class::<PyTxSearch>()
}

fn damaged(error: &IndexError) -> PyErr {
    raise(codes::STORAGE_CORRUPT, error.to_string())
}

fn keys<'py>(py: Python<'py>, keys: &[Vec<u8>]) -> Vec<Bound<'py, PyBytes>> {
    keys.iter().map(|key| PyBytes::new(py, key)).collect()
}

fn pairs<'py>(py: Python<'py>, pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<Row<'py>> {
    let pairs = pairs.iter();
    pairs
        .map(|(first, second)| (PyBytes::new(py, first), PyBytes::new(py, second)))
        .collect()
}

fn borrowed(rows: &[Option<PyBackedBytes>]) -> Vec<Option<&[u8]>> {
    rows.iter().map(|row| row.as_deref()).collect()
}

/// Ranges to delete, then rows to put.
type PyChanges<'py> = (Vec<Row<'py>>, Vec<Row<'py>>);

fn changes<'py>(py: Python<'py>, changes: &Changes) -> PyChanges<'py> {
    (pairs(py, &changes.ranges), pairs(py, &changes.rows))
}

/// Where committed transactions stand.
#[pyclass(name = "TxIndex", frozen)]
pub struct PyTxIndex(TxIndex);

#[pymethods]
impl PyTxIndex {
    #[new]
    #[pyo3(signature = (salt, rows, filter_bytes_max, segment_ids=65_536, segment_blocks=65_536))]
    fn new(
        salt: &[u8],
        rows: Vec<(PyBackedBytes, PyBackedBytes)>,
        filter_bytes_max: usize,
        segment_ids: usize,
        segment_blocks: u64,
    ) -> PyResult<Self> {
        if segment_ids == 0 || segment_blocks == 0 {
            return Err(parameter("segment_ids, segment_blocks: got 0, want at least 1"));
        }
        let limits = Limits {
            segment_ids,
            segment_blocks,
            filter_bytes_max,
        };
        let rows = rows.iter().map(|(key, value)| (&**key, &**value));
        TxIndex::new(&array("salt", salt)?, limits, rows)
            .map(Self)
            .map_err(|e| damaged(&e))
    }

    #[getter]
    fn next_height(&self) -> u64 {
        self.0.next_height()
    }

    #[getter]
    fn counts(&self) -> (usize, usize) {
        self.0.counts()
    }

    #[getter]
    fn filter_bytes(&self) -> usize {
        self.0.filter_bytes()
    }

    fn add(&self, py: Python<'_>, height: u64, receipts_packed: PyBackedBytes) -> PyResult<()> {
        py.detach(|| self.0.add(height, &receipts_packed))
            .map_err(|e| damaged(&e))
    }

    fn seal<'py>(&self, py: Python<'py>) -> PyChanges<'py> {
        changes(py, &py.detach(|| self.0.seal()))
    }

    fn wanted<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        keys(py, &self.0.wanted())
    }

    fn merge<'py>(&self, py: Python<'py>, rows: Vec<Option<PyBackedBytes>>) -> PyResult<PyChanges<'py>> {
        let merged = py.detach(|| self.0.merge(&borrowed(&rows)));
        Ok(changes(py, &merged.map_err(|e| damaged(&e))?))
    }

    fn written(&self, py: Python<'_>) {
        py.detach(|| self.0.written());
    }

    fn search(slf: Bound<'_, Self>, tx_ids_packed: &[u8]) -> PyResult<PyTxSearch> {
        let (ids, []) = tx_ids_packed.as_chunks::<32>() else {
            let got = tx_ids_packed.len();
            return Err(parameter(format!(
                "tx_ids_packed: got {got} bytes, want a multiple of 32"
            )));
        };
        let search = slf.get().0.search(ids.to_vec());
        Ok(PyTxSearch {
            index: slf.unbind(),
            search: Mutex::new(search),
        })
    }
}

/// A search on its way; one thread.
#[pyclass(name = "TxSearch", frozen)]
pub struct PyTxSearch {
    index: Py<PyTxIndex>,
    search: Mutex<Search>,
}

impl PyTxSearch {
    fn lock(&self) -> MutexGuard<'_, Search> {
        self.search.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyTxSearch {
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let index = &self.index.get().0;
        let wanted = py.detach(|| self.lock().step(index));
        Ok(keys(py, &wanted.map_err(|e| damaged(&e))?))
    }

    fn supply(&self, py: Python<'_>, rows: Vec<Option<PyBackedBytes>>) -> PyResult<()> {
        let index = &self.index.get().0;
        py.detach(|| self.lock().supply(index, &borrowed(&rows)))
            .map_err(|e| damaged(&e))
    }

    fn flags<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let search = self.lock();
        let flags: Vec<u8> = search.places().iter().map(|place| u8::from(place.is_some())).collect();
        PyBytes::new(py, &flags)
    }

    fn places(&self) -> Vec<Option<(u64, u32)>> {
        let search = self.lock();
        let places = search.places().iter();
        places
            .map(|place| place.map(|place| (place.height(), place.index())))
            .collect()
    }
}
