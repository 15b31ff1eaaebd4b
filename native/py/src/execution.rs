//! Execution of a block: the native part, and the hand-over to Python plugins.

use crate::error::{array, codec, packed, parameter, raise};
use crate::merkle::PyStateTree;
use crate::objects::PyValidatorSet;
use crate::pages::PyPageSource;
use crate::plane::{PyAccounts, PyBatch};
use hn_execution::governance::record::Proposal;
use hn_execution::governance::vote_message;
use hn_execution::{
    Applications, BlockExecution, BlockInfo, BlockResult, ExecutionError, MigrationPage, PageEnd, StateKey,
};
use hn_merkle::StateTree;
use hn_primitives::{Batch, Hash32, Name};
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDispatchTable>()?;
    m.add_class::<PyBlockExecution>()?;
    m.add_class::<PyBlockResult>()?;
    m.add_class::<PyStateRows>()?;
    m.add_class::<PyStateRowsIter>()?;
    m.add_function(wrap_pyfunction!(native_actions, m)?)?;
    m.add_function(wrap_pyfunction!(plugin_vote_message, m)?)?;
    m.add_function(wrap_pyfunction!(state_key, m)?)
}

pub fn failure(error: &ExecutionError) -> PyErr {
    raise(error.code(), error.to_string())
}

#[pyfunction]
fn native_actions() -> Vec<(&'static str, &'static str, Vec<&'static str>, &'static str)> {
    hn_execution::native_actions()
        .into_iter()
        .map(|a| (a.application, a.action, a.roles.to_vec(), a.schema_json))
        .collect()
}

#[pyfunction]
fn state_key<'py>(py: Python<'py>, application: &str, key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let application = Name::new(application).map_err(codec)?;
    Ok(PyBytes::new(py, &StateKey::encode(&application, key)))
}

#[pyfunction]
fn plugin_vote_message<'py>(
    py: Python<'py>,
    chain_id: &[u8],
    proposal: &[u8],
    approve: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let chain_id = array("chain_id", chain_id)?;
    let message = Proposal::decode(proposal).and_then(|proposal| vote_message(&chain_id, &proposal, approve));
    let message = message.ok_or_else(|| parameter("proposal: not as governance writes it"))?;
    Ok(PyBytes::new(py, &message))
}

/// The applications of a chain.
#[pyclass(name = "DispatchTable", frozen)]
struct PyDispatchTable(Arc<Applications>);

#[pymethods]
impl PyDispatchTable {
    #[new]
    #[pyo3(signature = (foreign, closed = Vec::new(), governance = None))]
    fn new(
        foreign: Vec<(String, String, Vec<String>)>,
        closed: Vec<(String, u32)>,
        governance: Option<PyRef<'_, PyValidatorSet>>,
    ) -> PyResult<Self> {
        let mut applications = Applications::native().map_err(|e| failure(&e))?;
        for (application, action, roles) in &foreign {
            let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
            let added = applications.add_foreign(application, action, &roles);
            added.map_err(|e| failure(&e))?;
        }
        for (application, code) in &closed {
            applications.close(application, *code).map_err(|e| failure(&e))?;
        }
        if let Some(validators) = governance {
            let added = applications.add_governance(Arc::clone(&validators.0));
            added.map_err(|e| failure(&e))?;
        }
        Ok(Self(Arc::new(applications)))
    }
}

type ForeignTxRow<'py> = (
    u32,
    Bound<'py, PyBytes>,
    Bound<'py, PyBytes>,
    String,
    Bound<'py, PyBytes>,
);

/// One block on its way.
#[pyclass(name = "BlockExecution", frozen)]
struct PyBlockExecution(Mutex<Option<BlockExecution>>);

impl PyBlockExecution {
    /// Runs one step; the object is spent after `finish`.
    fn step<T>(&self, work: impl FnOnce(&mut BlockExecution) -> Result<T, ExecutionError>) -> PyResult<T> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match guard.as_mut() {
            Some(execution) => work(execution).map_err(|e| failure(&e)),
            None => Err(failure(&ExecutionError::OutOfOrder("the block is finished"))),
        }
    }
}

#[pymethods]
impl PyBlockExecution {
    #[new]
    #[allow(clippy::too_many_arguments)] // the facts of a block
    fn new(
        chain_id: &[u8],
        height: u64,
        time_ms: u64,
        proposer: &[u8],
        valid_blocks_max: u64,
        batches: Vec<PyRef<'_, PyBatch>>,
        accounts: &PyAccounts,
        dispatch: &PyDispatchTable,
    ) -> PyResult<Self> {
        let info = BlockInfo {
            chain_id: array("chain_id", chain_id)?,
            height,
            time_ms,
            proposer: array("proposer", proposer)?,
            valid_blocks_max,
        };
        let batches: Vec<Arc<Batch>> = batches.iter().map(|batch| Arc::clone(&batch.batch)).collect();
        let execution = BlockExecution::begin(info, batches, &accounts.0, Arc::clone(&dispatch.0));
        Ok(Self(Mutex::new(Some(execution))))
    }

    fn tx_ids<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let ids = self.step(|execution| Ok(execution.tx_ids()))?;
        Ok(ids.iter().map(|id| PyBytes::new(py, id)).collect())
    }

    fn tx_ids_packed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let ids = self.step(|execution| Ok(execution.tx_ids()))?;
        packed(py, ids.into_iter())
    }

    fn set_committed(&self, py: Python<'_>, flags: PyBackedBytes) -> PyResult<()> {
        py.detach(|| {
            let flags: Vec<bool> = flags.iter().map(|flag| *flag != 0).collect();
            self.step(|execution| execution.set_committed(&flags))
        })
    }

    fn prove_absent(&self, py: Python<'_>, tree: &PyStateTree, source: &PyPageSource) -> PyResult<()> {
        let mut failed = None;
        py.detach(|| {
            let mut look = |tree: &mut StateTree, keys: &[Hash32]| {
                source.0.absent(tree, keys).unwrap_or_else(|error| {
                    failed = Some(error);
                    vec![false; keys.len()]
                })
            };
            self.step(|execution| tree.with(|tree| execution.prove_absent(|keys| look(tree, keys))))
        })?;
        failed.map_or(Ok(()), |error| Err(raise(error.code(), error.to_string())))
    }

    fn native_keys<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        self.step(|execution| {
            let keys = execution.native_keys()?;
            Ok(keys.iter().map(|key| PyBytes::new(py, key.row())).collect())
        })
    }

    fn supply(&self, values: Vec<Option<PyBackedBytes>>) -> PyResult<()> {
        let values = values.iter().map(|value| value.as_ref().map(|v| v.to_vec())).collect();
        self.step(|execution| execution.supply(values))
    }

    #[pyo3(signature = (application, writes, rows, *, cursor = None, reached = None, fault = None))]
    fn migrate(
        &self,
        application: String,
        writes: Vec<(PyBackedBytes, Option<PyBackedBytes>)>,
        rows: u64,
        cursor: Option<PyBackedBytes>,
        reached: Option<u32>,
        fault: Option<String>,
    ) -> PyResult<()> {
        let end = match (cursor, reached, fault) {
            (Some(cursor), None, None) => PageEnd::Cursor(cursor.to_vec()),
            (None, Some(reached), None) => PageEnd::Passed { reached },
            (None, None, Some(fault)) => PageEnd::Failed(fault),
            _ => return Err(PyValueError::new_err("want one of cursor, reached, fault")),
        };
        let writes = writes
            .iter()
            .map(|(key, value)| (key.to_vec(), value.as_ref().map(|value| value.to_vec())))
            .collect();
        self.step(|execution| {
            execution.migrate(MigrationPage {
                application,
                writes,
                rows,
                end,
            })
        })
    }

    fn run_native(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.step(BlockExecution::run_native))
    }

    fn foreign_groups<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Vec<ForeignTxRow<'py>>)>> {
        self.step(|execution| {
            let groups = execution.foreign_groups()?;
            Ok(groups
                .iter()
                .map(|group| {
                    let txs = group.txs.iter().map(|tx| {
                        (
                            tx.tx_index,
                            PyBytes::new(py, tx.tx_id),
                            PyBytes::new(py, tx.sender),
                            tx.action.to_owned(),
                            PyBytes::new(py, tx.payload),
                        )
                    });
                    (group.application.to_owned(), txs.collect())
                })
                .collect())
        })
    }

    fn complete(&self, py: Python<'_>, application: &str, packed: PyBackedBytes) -> PyResult<()> {
        py.detach(|| self.step(|execution| execution.complete(application, &packed)))
    }

    fn is_open(&self, application: &str) -> PyResult<bool> {
        self.step(|execution| Ok(execution.is_open(application)))
    }

    fn complete_due(&self, py: Python<'_>, application: &str, packed: PyBackedBytes) -> PyResult<()> {
        py.detach(|| self.step(|execution| execution.complete_due(application, &packed)))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<PyBlockResult> {
        let execution = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let finished = match execution {
            Some(execution) => py.detach(|| execution.finish()),
            None => Err(ExecutionError::OutOfOrder("the block is finished")),
        };
        finished.map(PyBlockResult).map_err(|e| failure(&e))
    }
}

/// Everything a block leaves behind.
#[pyclass(name = "BlockResult", frozen)]
pub struct PyBlockResult(pub BlockResult);

type Write<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

#[pymethods]
impl PyBlockResult {
    #[getter]
    fn receipts_root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.receipts_root)
    }

    #[getter]
    fn outbox_root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.outbox_root)
    }

    #[getter]
    fn tx_ids<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.0.tx_ids.iter().map(|id| PyBytes::new(py, id)).collect()
    }

    #[getter]
    fn receipts<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.0
            .receipts
            .iter()
            .map(|receipt| PyBytes::new(py, receipt))
            .collect()
    }

    #[getter]
    fn receipts_packed<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.receipts.row())
    }

    #[getter]
    fn tx_ids_packed<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.tx_ids.as_flattened())
    }

    #[getter]
    fn codes(&self) -> Vec<u32> {
        self.0.codes.clone()
    }

    fn written<'py>(&self, py: Python<'py>, application: &str, key: &[u8]) -> Option<Bound<'py, PyBytes>> {
        self.0.written(application, key).map(|value| PyBytes::new(py, value))
    }

    #[getter]
    fn failed(&self) -> Vec<(u32, u32)> {
        self.0.failed().collect()
    }

    #[getter]
    fn failed_count(&self) -> usize {
        self.0.failed().count()
    }

    #[getter]
    fn succeeded_count(&self) -> usize {
        self.0.codes.len() - self.0.failed().count()
    }

    #[getter]
    fn writes(slf: Py<Self>) -> PyStateRows {
        PyStateRows(slf)
    }

    #[getter]
    fn due_count(&self) -> usize {
        self.0.due_count
    }

    #[getter]
    fn update_count(&self) -> usize {
        self.0.state_updates.len()
    }
}

/// The writes of a block as a sequence. Its rows become objects one at a time, when they are asked for, and none lives
/// longer than its user: ten thousand rows at once are memory that no cache holds.
#[pyclass(name = "StateRows", frozen, sequence)]
struct PyStateRows(Py<PyBlockResult>);

impl PyStateRows {
    fn row<'py>(&self, py: Python<'py>, index: usize) -> Option<Write<'py>> {
        let write = self.0.get().0.writes.get(index)?;
        let value = write.value.map(|value| PyBytes::new(py, value));
        Some((PyBytes::new(py, write.key.row()), value))
    }
}

#[pymethods]
impl PyStateRows {
    fn __len__(&self) -> usize {
        self.0.get().0.writes.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Write<'py>> {
        self.row(py, index)
            .ok_or_else(|| PyIndexError::new_err("row index out of range"))
    }

    fn __iter__(slf: Py<Self>) -> PyStateRowsIter {
        PyStateRowsIter {
            rows: slf,
            next: AtomicUsize::new(0),
        }
    }
}

/// One pass over the rows.
#[pyclass(name = "StateRowsIter", frozen)]
struct PyStateRowsIter {
    rows: Py<PyStateRows>,
    next: AtomicUsize,
}

#[pymethods]
impl PyStateRowsIter {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> Option<Write<'py>> {
        self.rows.get().row(py, self.next.fetch_add(1, Ordering::Relaxed))
    }
}
