//! The data plane: accounts, batches, and the checks of a proposed value.

use crate::error::{array, codec, packed, parameter, raise};
use crate::execution::PyBlockResult;
use crate::objects::PyValidatorSet;
use crate::packing::damaged;
use crate::pool::PyPool;
use hn_crypto::sm2::KeyCache;
use hn_packing::{PACKED, PackingError, pack_batch, unpack_batch};
use hn_pool::{Accounts, BatchError, Expected};
use hn_primitives::{Account, Batch, Header, codes, decode_batch, decode_batches};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyAccounts>()?;
    m.add_class::<PyBatch>()?;
    m.add_class::<PyExpected>()?;
    m.add_function(wrap_pyfunction!(verify_batches, m)?)?;
    m.add_function(wrap_pyfunction!(recheck_batches, m)?)?;
    m.add_function(wrap_pyfunction!(build_value, m)?)?;
    m.add_function(wrap_pyfunction!(check_value, m)?)?;
    m.add_function(wrap_pyfunction!(check_value_batches, m)?)
}

/// Registered accounts.
#[pyclass(name = "Accounts", frozen)]
pub struct PyAccounts(pub Arc<Accounts>);

#[pymethods]
impl PyAccounts {
    #[new]
    fn new(key_cache_bytes_max: usize) -> Self {
        Self(Arc::new(Accounts::new(KeyCache::new(key_cache_bytes_max))))
    }

    fn load(&self, records: Vec<(PyBackedBytes, PyBackedBytes)>) -> PyResult<()> {
        let loaded = self.0.load(records);
        loaded.map(|_| ()).map_err(|e| raise(e.code(), e.to_string()))
    }

    fn add(&self, records: Vec<(PyBackedBytes, PyBackedBytes)>) -> PyResult<()> {
        let added = self
            .0
            .update(records.into_iter().map(|(account, record)| (account, Some(record))));
        added.map_err(|e| raise(e.code(), e.to_string()))
    }

    fn apply(&self, result: &PyBlockResult) -> PyResult<()> {
        let updated = self.0.update(result.0.writes_of("identity"));
        updated.map_err(|e| raise(e.code(), e.to_string()))
    }

    /// The account record.
    fn get<'py>(&self, py: Python<'py>, account: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let account = array("account", account)?;
        let Some(state) = self.0.get(&account) else {
            return Ok(None);
        };
        let record = hn_primitives::AccountRecord {
            key: *state.public_key.as_bytes(),
            active: state.active,
            since_height: state.since_height,
            organisation: hn_primitives::Text16::new(state.organisation.to_string()).map_err(codec)?,
            roles: state.roles.clone(),
        };
        Ok(Some(PyBytes::new(py, &record.encode())))
    }

    fn count(&self) -> usize {
        self.0.count()
    }
}

/// A decoded batch.
#[pyclass(name = "Batch", frozen)]
pub struct PyBatch {
    pub batch: Arc<Batch>,
    /// Transactions whose sender was unknown when their signatures were last looked at.
    unknown: Mutex<Vec<u32>>,
    /// As it came, or packed when first asked for.
    packed: OnceLock<Arc<[u8]>>,
}

impl PyBatch {
    pub fn new(batch: Batch) -> Self {
        Self {
            batch: Arc::new(batch),
            unknown: Mutex::new(Vec::new()),
            packed: OnceLock::new(),
        }
    }

    /// Packs the batch, unless it is. Without the interpreter: about 0.5 ms for a thousand transactions.
    pub fn pack(&self) -> Result<&Arc<[u8]>, PackingError> {
        if let Some(packed) = self.packed.get() {
            return Ok(packed);
        }
        let packed = pack_batch(&self.batch.bytes)?;
        Ok(self.packed.get_or_init(|| Arc::from(packed)))
    }

    fn with_packed(self, bytes: &[u8]) -> Self {
        if bytes.first() == Some(&PACKED) {
            self.packed.get_or_init(|| Arc::from(bytes));
        }
        self
    }

    /// Verifies the transactions whose sender was unknown so far; 0, or the code that makes the batch invalid.
    fn recheck(&self, accounts: &Accounts) -> u32 {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.is_empty() {
            return 0;
        }
        match hn_pool::verify_batch_txs(&self.batch, &unknown, accounts) {
            Ok(still_unknown) => {
                *unknown = still_unknown;
                0
            }
            Err(error) => error.code(),
        }
    }
}

#[pymethods]
impl PyBatch {
    #[staticmethod]
    fn decode(py: Python<'_>, data: PyBackedBytes) -> PyResult<Self> {
        let decoded = py.detach(|| decode_batch(&*data));
        Ok(Self::new(decoded.map_err(codec)?))
    }

    #[staticmethod]
    fn unpack(py: Python<'_>, data: PyBackedBytes) -> PyResult<Self> {
        let unpacked = py.detach(|| unpack_batch(&data).map(decode_batch));
        let batch = unpacked.map_err(|e| damaged(&e))?.map_err(codec)?;
        Ok(Self::new(batch).with_packed(&data))
    }

    #[staticmethod]
    fn unpack_many<'py>(py: Python<'py>, data: Vec<PyBackedBytes>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let unpacked: Vec<Result<Self, u32>> = py.detach(|| {
            let plain: Vec<_> = data.iter().map(|bytes| unpack_batch(bytes)).collect();
            let decoded = decode_batches(plain.iter().flatten().map(Arc::clone));
            let mut decoded = decoded.into_iter().map(|batch| batch.map_err(|e| e.code()));
            let batch = |(plain, bytes): (&Result<_, PackingError>, &PyBackedBytes)| {
                plain.as_ref().map_err(PackingError::code)?;
                let batch = decoded.next().unwrap_or(Err(codes::BATCH_MALFORMED))?;
                Ok(Self::new(batch).with_packed(bytes))
            };
            plain.iter().zip(&data).map(batch).collect()
        });
        let object = |batch: Result<Self, u32>| match batch {
            Ok(batch) => Ok(Bound::new(py, batch)?.into_any()),
            Err(code) => Ok(code.into_pyobject(py)?.into_any()),
        };
        unpacked.into_iter().map(object).collect()
    }

    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.batch.digest)
    }

    #[getter]
    fn author<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.batch.header.author)
    }

    #[getter]
    fn seq(&self) -> u64 {
        self.batch.header.seq
    }

    #[getter]
    fn tx_count(&self) -> u32 {
        self.batch.header.tx_count
    }

    #[getter]
    fn size(&self) -> usize {
        self.batch.bytes.len()
    }

    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.batch.bytes)
    }

    #[getter]
    fn packed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let packed = py.detach(|| self.pack()).map_err(|e| damaged(&e))?;
        Ok(PyBytes::new(py, packed))
    }

    fn tx_ids<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.batch.txs.iter().map(|tx| PyBytes::new(py, &tx.tx_id)).collect()
    }

    fn tx_ids_packed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        packed(py, self.batch.txs.iter().map(|tx| tx.tx_id))
    }

    fn tx<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyBytes>> {
        match self.batch.txs.get(index) {
            Some(entry) => Ok(PyBytes::new(py, entry.span().of(&self.batch.bytes))),
            None => Err(parameter(format!(
                "index: got {index}, want below {}",
                self.batch.txs.len()
            ))),
        }
    }

    fn valid_until_max(&self) -> u64 {
        self.batch.txs.iter().map(|tx| tx.valid_until_height).max().unwrap_or(0)
    }
}

#[pyfunction]
#[pyo3(signature = (batches, chain_id, validators, accounts, pool))]
fn verify_batches(
    py: Python<'_>,
    batches: Vec<PyRef<'_, PyBatch>>,
    chain_id: &[u8],
    validators: &PyValidatorSet,
    accounts: &PyAccounts,
    pool: Option<&PyPool>,
) -> PyResult<Vec<u32>> {
    let chain_id = array("chain_id", chain_id)?;
    let batches: Vec<&PyBatch> = batches.iter().map(|batch| &**batch).collect();
    let (set, table) = (&validators.0, &accounts.0);
    Ok(py.detach(|| {
        let plain: Vec<&Batch> = batches.iter().map(|batch| &*batch.batch).collect();
        let verdicts = hn_pool::verify_batches(&plain, &chain_id, set, table, pool.map(|pool| &pool.pool));
        let code = |(batch, verdict): (&&PyBatch, Result<Vec<u32>, BatchError>)| match verdict {
            Ok(unknown) => {
                if let Some(pool) = pool {
                    let verified = batch.batch.txs.len() - unknown.len();
                    pool.verified.fetch_add(verified as u64, Ordering::Relaxed);
                }
                *batch.unknown.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
                0
            }
            Err(error) => error.code(),
        };
        batches.iter().zip(verdicts).map(code).collect()
    }))
}

#[pyfunction]
fn recheck_batches(py: Python<'_>, batches: Vec<PyRef<'_, PyBatch>>, accounts: &PyAccounts) -> Vec<u32> {
    let batches: Vec<&PyBatch> = batches.iter().map(|batch| &**batch).collect();
    let table = &accounts.0;
    py.detach(|| batches.iter().map(|batch| batch.recheck(table)).collect())
}

#[pyfunction]
#[allow(clippy::too_many_arguments)] // the fields of a header, in order
fn build_value<'py>(
    py: Python<'py>,
    chain_id: &[u8],
    height: u64,
    time_ms: u64,
    proposer: &[u8],
    parent_hash: &[u8],
    validators_hash: &[u8],
    next_validators_hash: &[u8],
    plugins_hash: &[u8],
    receipts_root: &[u8],
    state_root: &[u8],
    outbox_root: &[u8],
    batches: Vec<PyRef<'_, PyBatch>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let template = Header {
        chain_id: array("chain_id", chain_id)?,
        height,
        time_ms,
        proposer: array("proposer", proposer)?,
        parent_hash: array("parent_hash", parent_hash)?,
        batches_root: [0; 32],
        tx_root: [0; 32],
        validators_hash: array("validators_hash", validators_hash)?,
        next_validators_hash: array("next_validators_hash", next_validators_hash)?,
        plugins_hash: array("plugins_hash", plugins_hash)?,
        receipts_root: array("receipts_root", receipts_root)?,
        state_root: array("state_root", state_root)?,
        outbox_root: array("outbox_root", outbox_root)?,
    };
    let batches: Vec<Arc<Batch>> = batches.iter().map(|batch| Arc::clone(&batch.batch)).collect();
    let encoded = py.detach(|| hn_pool::build_value(&template, &batches).encode());
    Ok(PyBytes::new(py, &encoded))
}

/// What the node knows about the block that a value wants to become.
#[pyclass(name = "Expected", frozen)]
struct PyExpected(Expected);

#[pymethods]
impl PyExpected {
    #[new]
    #[allow(clippy::too_many_arguments)] // in the order of the checks
    fn new(
        chain_id: &[u8],
        height: u64,
        proposer: Option<&[u8]>,
        parent_hash: &[u8],
        parent_time_ms: u64,
        now_ms: Option<u64>,
        clock_skew_ms_max: u64,
        validators_hash: &[u8],
        next_validators_hash: &[u8],
        plugins_hash: &[u8],
        receipts_root: &[u8],
        state_root: &[u8],
        outbox_root: &[u8],
        block_bytes_max: u64,
        block_tx_count_max: u64,
    ) -> PyResult<Self> {
        Ok(Self(Expected {
            chain_id: array("chain_id", chain_id)?,
            height,
            proposer: proposer.map(|account| array("proposer", account)).transpose()?,
            parent_hash: array("parent_hash", parent_hash)?,
            parent_time_ms,
            now_ms,
            clock_skew_ms_max,
            validators_hash: array("validators_hash", validators_hash)?,
            next_validators_hash: array("next_validators_hash", next_validators_hash)?,
            plugins_hash: array("plugins_hash", plugins_hash)?,
            receipts_root: array("receipts_root", receipts_root)?,
            state_root: array("state_root", state_root)?,
            outbox_root: array("outbox_root", outbox_root)?,
            block_bytes_max,
            block_tx_count_max,
        }))
    }
}

#[pyfunction]
fn check_value(value: &[u8], expected: &PyExpected) -> (u32, u64) {
    match hn_pool::decode_value(value) {
        Err(error) => (error.code(), 0),
        Ok(value) => match hn_pool::check_value(&value, &expected.0) {
            Ok(()) => (0, 0),
            Err(error) => (error.code(), error.wait_ms().unwrap_or(0)),
        },
    }
}

#[pyfunction]
fn check_value_batches(
    py: Python<'_>,
    value: &[u8],
    expected: &PyExpected,
    batches: Vec<PyRef<'_, PyBatch>>,
    validators: &PyValidatorSet,
    accounts: &PyAccounts,
    last_seqs: Vec<(PyBackedBytes, u64)>,
) -> PyResult<u32> {
    let value = match hn_pool::decode_value(value) {
        Ok(value) => value,
        Err(error) => return Ok(error.code()),
    };
    let last_seq = last_seqs
        .iter()
        .map(|(author, seq)| Ok((array("author", author)?, *seq)))
        .collect::<PyResult<BTreeMap<Account, u64>>>()?;
    let batches: Vec<&PyBatch> = batches.iter().map(|batch| &**batch).collect();
    let (set, table, expected) = (&validators.0, &accounts.0, &expected.0);
    Ok(py.detach(|| {
        let plain: Vec<Arc<Batch>> = batches.iter().map(|batch| Arc::clone(&batch.batch)).collect();
        if let Err(error) = hn_pool::check_value_batches(&value, &plain, expected, set, &last_seq) {
            return error.code();
        }
        batches
            .iter()
            .map(|batch| batch.recheck(table))
            .find(|code| *code != 0)
            .unwrap_or(0)
    }))
}
