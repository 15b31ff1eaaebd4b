//! Admission: submitted transactions and the pool.

use crate::crypto::PySecretKey;
use crate::error::{array, packed, parameter, raise};
use crate::packing::damaged;
use crate::plane::{PyAccounts, PyBatch};
use hn_pool::{Accounts, DecodedTxs, PersonalHit, PersonalScan, Pool, PoolLimits, TxStatus};
use hn_primitives::{Batch, Hash32, KeyedSet, TxView, codes};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Submissions that one call gathers.
const GATHER_COUNT_MAX: usize = 1 << 16;
/// Bytes of the submissions that one call gathers.
const GATHER_BYTES_MAX: usize = 64 << 20;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyDecodedTxs>()?;
    m.add_class::<PyPersonalScan>()?;
    m.add_class::<PyPool>()?;
    m.add_function(wrap_pyfunction!(ids_among, m)?)?;
    m.add_function(wrap_pyfunction!(set_threads, m)?)
}

/// Those of `ids` that stand in `joined`, in the order of `joined`.
#[pyfunction]
fn ids_among<'py>(py: Python<'py>, joined: PyBackedBytes, ids: Vec<PyBackedBytes>) -> Vec<Bound<'py, PyBytes>> {
    let found = py.detach(|| {
        let wanted: KeyedSet<&[u8]> = ids.iter().map(|id| &**id).collect();
        let joined = joined.as_chunks::<32>().0.iter();
        joined
            .filter(|id| wanted.contains(id.as_slice()))
            .copied()
            .collect::<Vec<Hash32>>()
    });
    found.iter().map(|id| PyBytes::new(py, id)).collect()
}

/// Threads of one call at most.
const THREADS_MAX: usize = 1024;

/// Starts the pool over which large calls are cut, with `count` threads.
#[pyfunction]
fn set_threads(count: usize) -> PyResult<()> {
    if !(1..=THREADS_MAX).contains(&count) {
        return Err(parameter(format!("threads: got {count}, want 1-{THREADS_MAX}")));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    pool.build_global()
        .map_err(|error| parameter(format!("threads: {error}")))
}

/// Submitted transactions, decoded.
#[pyclass(name = "DecodedTxs", frozen)]
pub struct PyDecodedTxs(DecodedTxs);

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

    /// Several bodies of frames, decoded together; with each body's count, or −1 when its framing is broken.
    #[staticmethod]
    #[pyo3(signature = (bodies, chain_id, personal=None))]
    fn decode_frames_many(
        py: Python<'_>,
        bodies: Vec<PyBackedBytes>,
        chain_id: &[u8],
        personal: Option<PyRef<'_, PyPersonalScan>>,
    ) -> PyResult<(Self, Vec<i64>)> {
        let chain_id = array("chain_id", chain_id)?;
        bounded(bodies.len(), bodies.iter().map(|body| body.len()).sum())?;
        let personal: Option<&PersonalScan> = personal.as_ref().map(|scan| &scan.0);
        Ok(py.detach(|| {
            let groups: Vec<Option<Vec<&[u8]>>> = bodies.iter().map(|body| split_frames(body)).collect();
            let count = |items: &Option<Vec<&[u8]>>| items.as_ref().map_or(-1, |items| items.len() as i64);
            let counts = groups.iter().map(count).collect();
            (
                Self(hn_pool::decode_groups(
                    &chain_id,
                    groups.iter().flatten().map(Vec::as_slice),
                    personal,
                )),
                counts,
            )
        }))
    }

    /// Many submissions as one, their items behind each other.
    #[staticmethod]
    fn concat(py: Python<'_>, parts: Vec<PyRef<'_, PyDecodedTxs>>) -> PyResult<Self> {
        let parts: Vec<&DecodedTxs> = parts.iter().map(|part| &part.0).collect();
        bounded(parts.len(), parts.iter().map(|part| part.bytes_len()).sum())?;
        Ok(Self(py.detach(|| DecodedTxs::concat(&parts))))
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

    fn tx_ids_packed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        packed(py, self.0.tx_ids().map(Option::unwrap_or_default))
    }

    fn codes(&self) -> Vec<u32> {
        self.0
            .items()
            .iter()
            .map(|item| item.as_ref().err().copied().unwrap_or(0))
            .collect()
    }

    fn personal(&self) -> Vec<(usize, &'static str, &str)> {
        let hits = self.0.hits().iter();
        hits.map(|(i, hit)| (*i, hit.kind.name(), hit.field.as_str())).collect()
    }
}

/// What the door looks for in payloads.
#[pyclass(name = "PersonalScan", frozen)]
pub struct PyPersonalScan(PersonalScan);

#[pymethods]
impl PyPersonalScan {
    #[new]
    #[pyo3(signature = (exempt=Vec::new()))]
    fn new(exempt: Vec<(String, String, Vec<String>)>) -> Self {
        Self(PersonalScan::new(exempt))
    }

    fn find(&self, application: &str, action: &str, payload: &[u8]) -> Option<(&'static str, String)> {
        self.0.find(application, action, payload).map(told)
    }

    fn find_in_tx(&self, tx: &[u8]) -> Option<(&'static str, String)> {
        let view = TxView::decode(tx).ok()?;
        let hit = self.0.find(view.application(), view.action(), view.payload());
        hit.map(told)
    }

    #[staticmethod]
    fn find_in_text(text: &str) -> Option<&'static str> {
        hn_pool::find_in_text(text.as_bytes()).map(hn_pool::Personal::name)
    }
}

fn told(hit: PersonalHit) -> (&'static str, String) {
    (hit.kind.name(), hit.field)
}

/// Refuses more than one native call gathers.
fn bounded(count: usize, bytes: usize) -> PyResult<()> {
    if count > GATHER_COUNT_MAX || bytes > GATHER_BYTES_MAX {
        return Err(parameter(format!(
            "submissions: got {count} of {bytes} bytes, want at most {GATHER_COUNT_MAX} of {GATHER_BYTES_MAX}"
        )));
    }
    Ok(())
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
    pub pool: Pool,
    chain_id: Hash32,
    /// Signatures verified with this pool.
    pub verified: AtomicU64,
}

impl PyPool {
    fn admit_all(&self, txs: &DecodedTxs, accounts: &Accounts, committed: &[u8], height: u64) -> Vec<u32> {
        let flags: Vec<bool> = committed.iter().map(|flag| *flag != 0).collect();
        let answers = self.pool.admit(txs, accounts, &flags, height);
        let admitted = answers.iter().filter(|code| **code == 0).count();
        self.verified.fetch_add(admitted as u64, Ordering::Relaxed);
        answers
    }
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
        py.detach(|| self.admit_all(&txs.0, &accounts.0, &committed, height))
    }

    fn admit_packed<'py>(
        &self,
        py: Python<'py>,
        txs: &PyDecodedTxs,
        accounts: &PyAccounts,
        committed: PyBackedBytes,
        height: u64,
    ) -> PyResult<(Bound<'py, PyBytes>, usize)> {
        let answers = py.detach(|| self.admit_all(&txs.0, &accounts.0, &committed, height));
        let admitted = answers.iter().filter(|code| **code == 0).count();
        Ok((packed(py, answers.iter().map(|code| code.to_be_bytes()))?, admitted))
    }

    fn seal(&self, py: Python<'_>, author: &PySecretKey, seq: u64) -> PyResult<Option<PyBatch>> {
        let key = &author.0;
        let sealed = py.detach(|| {
            let batch = self.pool.seal(&self.chain_id, key, seq).map(PyBatch::new);
            batch.map(|batch| batch.pack().map(|_| ()).map(|()| batch)).transpose()
        });
        sealed.map_err(|e| damaged(&e))
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

    fn fills_batch(&self) -> bool {
        self.pool.fills_batch()
    }

    fn verified_count(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }
}
