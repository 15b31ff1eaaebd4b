//! Block trees, the state tree and proof bundles.

use crate::error::{array, codec, parameter, raise};
use crate::formats::name;
use crate::pages::PyPageLayer;
use hn_merkle::bundle::Item;
use hn_merkle::state_tree::{Layer, Update};
use hn_merkle::{Applied, Bundle, InclusionProof, NeedPages, PageId, StateProof, StateTree, block_tree, state_tree};
use hn_pages::LoadError;
use hn_primitives::{Certificate, Genesis, Hash32, Header, Receipt, SignedTx, ValidatorSet};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Leaves of one call.
const LEAVES_MAX: usize = 1 << 22;

type ItemRow = (u8, u8, PyBackedBytes, PyBackedBytes, PyBackedBytes, PyBackedBytes);

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyStateTree>()?;
    m.add_class::<PyBundleReport>()?;
    m.add_function(wrap_pyfunction!(empty_root, m)?)?;
    m.add_function(wrap_pyfunction!(block_root, m)?)?;
    m.add_function(wrap_pyfunction!(block_proof, m)?)?;
    m.add_function(wrap_pyfunction!(verify_inclusion, m)?)?;
    m.add_function(wrap_pyfunction!(state_key_hash, m)?)?;
    m.add_function(wrap_pyfunction!(state_value_hash, m)?)?;
    m.add_function(wrap_pyfunction!(verify_state_proof, m)?)?;
    m.add_function(wrap_pyfunction!(build_bundle, m)?)?;
    m.add_function(wrap_pyfunction!(verify_bundle, m)?)
}

fn bounded(leaves: &[PyBackedBytes]) -> PyResult<()> {
    if leaves.len() > LEAVES_MAX {
        return Err(parameter(format!(
            "leaves: got {}, want at most {LEAVES_MAX}",
            leaves.len()
        )));
    }
    Ok(())
}

#[pyfunction]
fn empty_root(py: Python<'_>) -> Bound<'_, PyBytes> {
    let none: [&[u8]; 0] = [];
    PyBytes::new(py, &block_tree::root(&none))
}

#[pyfunction]
fn block_root<'py>(py: Python<'py>, leaves: Vec<PyBackedBytes>) -> PyResult<Bound<'py, PyBytes>> {
    bounded(&leaves)?;
    let root = py.detach(|| block_tree::root(&leaves));
    Ok(PyBytes::new(py, &root))
}

#[pyfunction]
fn block_proof<'py>(py: Python<'py>, leaves: Vec<PyBackedBytes>, index: usize) -> PyResult<Bound<'py, PyBytes>> {
    bounded(&leaves)?;
    let proof = py.detach(|| block_tree::prove(&leaves, &[index]).and_then(|proofs| proofs.into_iter().next()));
    match proof {
        Some(proof) => Ok(PyBytes::new(py, &proof.encode())),
        None => Err(parameter(format!("index: got {index}, want below {}", leaves.len()))),
    }
}

#[pyfunction]
fn verify_inclusion(proof: &[u8], data: &[u8], root: &[u8]) -> PyResult<bool> {
    let root = array("root", root)?;
    Ok(InclusionProof::decode(proof).map_err(codec)?.verify(data, &root))
}

#[pyfunction]
fn state_key_hash<'py>(py: Python<'py>, application: &str, key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    name(application)?;
    Ok(PyBytes::new(py, &state_tree::key_hash(application, key)))
}

#[pyfunction]
fn state_value_hash<'py>(py: Python<'py>, value: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &state_tree::value_hash(value))
}

#[pyfunction]
fn verify_state_proof(proof: &[u8], root: &[u8], key_hash: &[u8], value: Option<&[u8]>) -> PyResult<bool> {
    let (root, key_hash) = (array("root", root)?, array("key_hash", key_hash)?);
    let proof = StateProof::decode(proof).map_err(codec)?;
    let value_hash = value.map(state_tree::value_hash);
    Ok(proof.verify(&root, &key_hash, value_hash.as_ref()))
}

/// The state tree and what its last update changed.
#[pyclass(name = "StateTree", frozen)]
pub struct PyStateTree(Mutex<Tree>);

struct Tree {
    tree: StateTree,
    changed: Arc<Layer>,
}

impl Tree {
    fn apply(&mut self, updates: &[Update]) -> Result<(), NeedPages> {
        let mut applied = Applied::with_room_of(&self.changed);
        self.tree.apply_into(updates, &mut applied)?;
        self.changed = Arc::new(Layer::of(applied));
        Ok(())
    }
}

impl PyStateTree {
    fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works with the tree.
    pub fn with<T>(&self, work: impl FnOnce(&mut StateTree) -> T) -> T {
        work(&mut self.lock().tree)
    }

    /// Applies updates; the page ids that are needed first, or nothing when done.
    pub fn update<'py>(&self, py: Python<'py>, updates: &[Update]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let outcome = py.detach(|| self.lock().apply(updates));
        Ok(match outcome {
            Ok(()) => Vec::new(),
            Err(needed) => page_ids(py, &needed),
        })
    }
}

fn page_ids<'py>(py: Python<'py>, needed: &NeedPages) -> Vec<Bound<'py, PyBytes>> {
    needed.0.iter().map(|id| PyBytes::new(py, &id.encode())).collect()
}

fn hashes(what: &str, items: &[PyBackedBytes]) -> PyResult<Vec<Hash32>> {
    items.iter().map(|item| array(what, item)).collect()
}

#[pymethods]
impl PyStateTree {
    #[new]
    fn new(cache_bytes_max: usize) -> Self {
        Self(Mutex::new(Tree {
            tree: StateTree::new(cache_bytes_max),
            changed: Arc::default(),
        }))
    }

    fn missing<'py>(&self, py: Python<'py>, key_hashes: Vec<PyBackedBytes>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let keys = hashes("key_hash", &key_hashes)?;
        let missing = py.detach(|| self.lock().tree.missing(&keys));
        Ok(page_ids(py, &NeedPages(missing)))
    }

    fn load(&self, py: Python<'_>, pages: Vec<(PyBackedBytes, Option<PyBackedBytes>)>) -> PyResult<()> {
        let pages = pages
            .iter()
            .map(|(id, page)| Ok((PageId::decode(id).map_err(codec)?, page.as_deref())))
            .collect::<PyResult<Vec<_>>>()?;
        py.detach(|| self.lock().tree.load_from(pages))
            .map_err(|e| raise(e.code(), e.to_string()))
    }

    fn apply<'py>(
        &self,
        py: Python<'py>,
        updates: &crate::execution::PyBlockResult,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        self.update(py, &updates.0.state_updates)
    }

    /// As `apply`, with the pages that are needed from `source`.
    fn apply_from(
        &self,
        py: Python<'_>,
        updates: &crate::execution::PyBlockResult,
        source: &crate::pages::PyPageSource,
    ) -> PyResult<()> {
        let outcome = py.detach(|| {
            let mut held = self.lock();
            while let Err(needed) = held.apply(&updates.0.state_updates) {
                source.0.load(&mut held.tree, &needed.0)?;
            }
            Ok::<_, LoadError>(())
        });
        outcome.map_err(|e| raise(e.code(), e.to_string()))
    }

    fn apply_pairs<'py>(
        &self,
        py: Python<'py>,
        updates: Vec<(PyBackedBytes, Option<PyBackedBytes>)>,
    ) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let updates = updates
            .iter()
            .map(|(key, value)| {
                let value = value.as_ref().map(|v| array("value_hash", v)).transpose()?;
                Ok((array("key_hash", key)?, value))
            })
            .collect::<PyResult<Vec<_>>>()?;
        self.update(py, &updates)
    }

    fn changed_pages(&self, py: Python<'_>) -> PyPageLayer {
        PyPageLayer(py.detach(|| Arc::clone(&self.lock().changed)))
    }

    #[getter]
    fn cache_bytes(&self, py: Python<'_>) -> usize {
        py.detach(|| self.lock().tree.cache_bytes())
    }

    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        match self.lock().tree.root() {
            Ok(root) => Ok(PyBytes::new(py, &root)),
            Err(_) => Err(parameter(
                "state tree: root page is not loaded, call missing([]) and load first",
            )),
        }
    }

    fn prove<'py>(&self, py: Python<'py>, key_hash: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let key = array("key_hash", key_hash)?;
        match self.lock().tree.prove(&key) {
            Ok(proof) => Ok(PyBytes::new(py, &proof.encode()).into_any()),
            Err(needed) => Ok(PyList::new(py, page_ids(py, &needed))?.into_any()),
        }
    }
}

#[pyfunction]
fn build_bundle<'py>(
    py: Python<'py>,
    genesis: &[u8],
    validators: &[u8],
    headers: Vec<PyBackedBytes>,
    certificate: &[u8],
    items: Vec<ItemRow>,
) -> PyResult<Bound<'py, PyBytes>> {
    let items = items.iter().map(item).collect::<PyResult<Vec<_>>>()?;
    let bundle = Bundle {
        genesis: Genesis::decode(genesis).map_err(codec)?,
        validators: ValidatorSet::decode(validators).map_err(codec)?,
        hand_offs: Vec::new(),
        headers: headers
            .iter()
            .map(|header| Header::decode(header).map_err(codec))
            .collect::<PyResult<_>>()?,
        certificate: Certificate::decode(certificate).map_err(codec)?,
        items,
    };
    Ok(PyBytes::new(py, &bundle.encode()))
}

fn item((kind, header_index, a, b, c, proof): &ItemRow) -> PyResult<Item> {
    let header_index = *header_index;
    let inclusion = || InclusionProof::decode(proof).map_err(codec);
    match kind {
        1 => Ok(Item::Tx {
            header_index,
            tx: SignedTx::decode(a).map_err(codec)?,
            proof: inclusion()?,
        }),
        2 => Ok(Item::Receipt {
            header_index,
            receipt: Receipt::decode(a).map_err(codec)?,
            proof: inclusion()?,
        }),
        3 | 4 => Ok(Item::State {
            header_index,
            application: name(std::str::from_utf8(a).map_err(|_| parameter("application: not UTF-8"))?)?,
            key: b.to_vec(),
            value: (*kind == 3).then(|| c.to_vec()),
            proof: StateProof::decode(proof).map_err(codec)?,
        }),
        other => Err(parameter(format!("item kind: got {other}, want 1-4"))),
    }
}

/// What a verified bundle proves.
#[pyclass(name = "BundleReport", frozen)]
struct PyBundleReport {
    bundle: Bundle,
    report: hn_merkle::BundleReport,
}

type Positioned<'py> = (u64, u64, Bound<'py, PyBytes>);
type StateRow<'py> = (u64, String, Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

#[pymethods]
impl PyBundleReport {
    #[getter]
    fn chain_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.report.chain_id)
    }

    #[getter]
    fn chain_name(&self) -> &str {
        self.report.chain_name.as_str()
    }

    #[getter]
    fn heights(&self) -> Vec<u64> {
        self.report.heights.clone()
    }

    #[getter]
    fn block_hashes<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.bundle
            .headers
            .iter()
            .map(|h| PyBytes::new(py, &h.block_hash()))
            .collect()
    }

    #[getter]
    fn times_ms(&self) -> Vec<u64> {
        self.bundle.headers.iter().map(|h| h.time_ms).collect()
    }

    #[getter]
    fn signer_count(&self) -> usize {
        self.report.signer_count
    }

    #[getter]
    fn validator_count(&self) -> usize {
        self.report.validator_count
    }

    #[getter]
    fn signer_power(&self) -> u64 {
        self.report.signer_power
    }

    #[getter]
    fn total_power(&self) -> u64 {
        self.report.total_power
    }

    #[getter]
    fn txs<'py>(&self, py: Python<'py>) -> Vec<Positioned<'py>> {
        let signed = self.bundle.items.iter().filter_map(|item| match item {
            Item::Tx { tx, .. } => Some(tx.encode()),
            _ => None,
        });
        let reports = self.report.txs.iter();
        reports
            .zip(signed)
            .map(|(r, tx)| (r.height, r.index, PyBytes::new(py, &tx)))
            .collect()
    }

    #[getter]
    fn receipts<'py>(&self, py: Python<'py>) -> Vec<Positioned<'py>> {
        let encoded = self.bundle.items.iter().filter_map(|item| match item {
            Item::Receipt { receipt, .. } => Some(receipt.encode()),
            _ => None,
        });
        let reports = self.report.receipts.iter();
        reports
            .zip(encoded)
            .map(|(r, receipt)| (r.height, r.index, PyBytes::new(py, &receipt)))
            .collect()
    }

    #[getter]
    fn states<'py>(&self, py: Python<'py>) -> Vec<StateRow<'py>> {
        self.report
            .states
            .iter()
            .map(|s| {
                let value = s.value.as_ref().map(|v| PyBytes::new(py, v));
                (
                    s.height,
                    s.application.as_str().to_owned(),
                    PyBytes::new(py, &s.key),
                    value,
                )
            })
            .collect()
    }
}

#[pyfunction]
#[pyo3(signature = (bundle, chain_id=None))]
fn verify_bundle(py: Python<'_>, bundle: PyBackedBytes, chain_id: Option<&[u8]>) -> PyResult<PyBundleReport> {
    let trusted: Option<Hash32> = chain_id.map(|id| array("chain_id", id)).transpose()?;
    py.detach(|| {
        let bundle = Bundle::decode(&bundle)?;
        let report = bundle.verify(trusted.as_ref())?;
        Ok(PyBundleReport { bundle, report })
    })
    .map_err(|error: hn_merkle::BundleError| raise(error.code(), error.to_string()))
}
