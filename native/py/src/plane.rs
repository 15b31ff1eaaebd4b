//! The data plane: accounts, batches, the pool, and the checks of a proposed value.

use crate::crypto::PySecretKey;
use crate::error::{array, codec, parameter, raise};
use crate::execution::PyBlockResult;
use crate::objects::PyValidatorSet;
use hn_crypto::sm2::KeyCache;
use hn_pool::{Accounts, DecodedTxs, Expected, Pool, PoolLimits, TxStatus};
use hn_primitives::{Account, Batch, Hash32, Header, codes, decode_batch};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyAccounts>()?;
    m.add_class::<PyBatch>()?;
    m.add_class::<PyDecodedTxs>()?;
    m.add_class::<PyPool>()?;
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
}

impl PyBatch {
    fn new(batch: Batch) -> Self {
        Self {
            batch: Arc::new(batch),
            unknown: Mutex::new(Vec::new()),
        }
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

    fn tx_ids<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.batch.txs.iter().map(|tx| PyBytes::new(py, &tx.tx_id)).collect()
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
        let known = |id: &Hash32, signature: &[u8; 64]| pool.is_some_and(|pool| pool.pool.verified(id, signature));
        batches
            .iter()
            .map(
                |batch| match hn_pool::verify_batch(&batch.batch, &chain_id, set, table, &known) {
                    Ok(unknown) => {
                        if let Some(pool) = pool {
                            let verified = batch.batch.txs.len() - unknown.len();
                            pool.verified.fetch_add(verified as u64, Ordering::Relaxed);
                        }
                        *batch.unknown.lock().unwrap_or_else(PoisonError::into_inner) = unknown;
                        0
                    }
                    Err(error) => error.code(),
                },
            )
            .collect()
    }))
}

#[pyfunction]
fn recheck_batches(py: Python<'_>, batches: Vec<PyRef<'_, PyBatch>>, accounts: &PyAccounts) -> Vec<u32> {
    let batches: Vec<&PyBatch> = batches.iter().map(|batch| &**batch).collect();
    let table = &accounts.0;
    py.detach(|| batches.iter().map(|batch| batch.recheck(table)).collect())
}

/// Submitted transactions, decoded.
#[pyclass(name = "DecodedTxs", frozen)]
struct PyDecodedTxs(DecodedTxs);

#[pymethods]
impl PyDecodedTxs {
    #[staticmethod]
    fn decode(py: Python<'_>, items: Vec<PyBackedBytes>, chain_id: &[u8]) -> PyResult<Self> {
        let chain_id = array("chain_id", chain_id)?;
        Ok(Self(py.detach(|| {
            let slices: Vec<&[u8]> = items.iter().map(|item| &**item).collect();
            hn_pool::decode_txs(&chain_id, &slices)
        })))
    }

    #[staticmethod]
    fn decode_frames(py: Python<'_>, data: PyBackedBytes, chain_id: &[u8]) -> PyResult<Self> {
        let chain_id = array("chain_id", chain_id)?;
        let decoded = py.detach(|| split_frames(&data).map(|items| hn_pool::decode_txs(&chain_id, &items)));
        match decoded {
            Some(decoded) => Ok(Self(decoded)),
            None => Err(raise(
                codes::REQUEST_MALFORMED,
                "frames: a length runs past the end of the body",
            )),
        }
    }

    fn __len__(&self) -> usize {
        self.0.count()
    }

    fn tx_ids<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.0
            .tx_ids()
            .map(|id| PyBytes::new(py, &id.unwrap_or_default()))
            .collect()
    }

    fn codes(&self) -> Vec<u32> {
        self.0
            .items()
            .iter()
            .map(|item| item.as_ref().err().copied().unwrap_or(0))
            .collect()
    }
}

/// The items of `u32 length ‖ bytes` repeated; `None` when the last one is cut off.
fn split_frames(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (item, tail) = tail.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        items.push(item);
        rest = tail;
    }
    Some(items)
}

/// The transaction pool.
#[pyclass(name = "Pool", frozen)]
pub struct PyPool {
    pool: Pool,
    chain_id: Hash32,
    verified: AtomicU64,
}

#[pymethods]
impl PyPool {
    #[new]
    #[allow(clippy::too_many_arguments)] // one bound each
    fn new(
        chain_id: &[u8],
        pool_bytes_max: u64,
        pool_tx_count_max: u64,
        account_bytes_max: u64,
        batch_tx_count_max: u64,
        batch_bytes_max: u64,
        valid_blocks_max: u64,
        requeue_blocks: u64,
    ) -> PyResult<Self> {
        let limits = PoolLimits {
            pool_bytes_max,
            pool_tx_count_max,
            account_bytes_max,
            batch_tx_count_max,
            batch_bytes_max,
            valid_blocks_max,
            requeue_blocks,
            ..PoolLimits::default()
        };
        Ok(Self {
            pool: Pool::new(limits).map_err(|e| raise(e.code(), e.to_string()))?,
            chain_id: array("chain_id", chain_id)?,
            verified: AtomicU64::new(0),
        })
    }

    fn admit(
        &self,
        py: Python<'_>,
        txs: &PyDecodedTxs,
        accounts: &PyAccounts,
        committed: PyBackedBytes,
        height: u64,
    ) -> Vec<u32> {
        let table = &accounts.0;
        py.detach(|| {
            let flags: Vec<bool> = committed.iter().map(|flag| *flag != 0).collect();
            let answers = self.pool.admit(&txs.0, table, &flags, height);
            let admitted = answers.iter().filter(|code| **code == 0).count();
            self.verified.fetch_add(admitted as u64, Ordering::Relaxed);
            answers
        })
    }

    fn seal(&self, py: Python<'_>, author: &PySecretKey, seq: u64) -> Option<PyBatch> {
        let key = &author.0;
        py.detach(|| self.pool.seal(&self.chain_id, key, seq)).map(PyBatch::new)
    }

    fn on_commit(&self, py: Python<'_>, height: u64, batches: Vec<PyRef<'_, PyBatch>>, accounts: &PyAccounts) {
        let batches: Vec<Arc<Batch>> = batches.iter().map(|batch| Arc::clone(&batch.batch)).collect();
        let table = &accounts.0;
        py.detach(|| {
            let ids: Vec<Hash32> = batches
                .iter()
                .flat_map(|batch| batch.txs.iter().map(|tx| tx.tx_id))
                .collect();
            self.pool.on_commit(height, &ids, table);
        });
    }

    fn requeue(&self, digest: &[u8]) -> PyResult<()> {
        self.pool.requeue(&array("digest", digest)?);
        Ok(())
    }

    fn status(&self, tx_id: &[u8]) -> PyResult<&'static str> {
        Ok(match self.pool.status(&array("tx_id", tx_id)?) {
            TxStatus::Unknown => "unknown",
            TxStatus::Pending => "pending",
            TxStatus::Sealed(_) => "sealed",
        })
    }

    fn sealed_in<'py>(&self, py: Python<'py>, tx_id: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        Ok(match self.pool.status(&array("tx_id", tx_id)?) {
            TxStatus::Sealed(digest) => Some(PyBytes::new(py, &digest)),
            _ => None,
        })
    }

    fn drain_dropped<'py>(&self, py: Python<'py>) -> Vec<(Bound<'py, PyBytes>, u32)> {
        let dropped = self.pool.drain_dropped();
        dropped.iter().map(|(id, code)| (PyBytes::new(py, id), *code)).collect()
    }

    fn bytes_used(&self) -> u64 {
        self.pool.bytes()
    }

    fn count(&self) -> usize {
        self.pool.pending_count()
    }

    fn verified_count(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }
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
