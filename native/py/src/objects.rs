//! Decoded objects as frozen Python classes: attributes are read, never set.

use crate::error::{array, codec};
use hn_crypto::sm2::KeyCache;
use hn_primitives::{Certificate, Header, Receipt, SignedTx, ValidatorSet, Value};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::Arc;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTx>()?;
    m.add_class::<PyHeader>()?;
    m.add_class::<PyValue>()?;
    m.add_class::<PyReceipt>()?;
    m.add_class::<PyValidatorSet>()?;
    m.add_class::<PyCertificate>()
}

/// Getters that hand out bytes.
macro_rules! bytes_getters {
    ($type:ty { $($name:ident => $access:expr),* $(,)? }) => {
        #[pymethods]
        impl $type {
            $(#[getter]
            fn $name<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
                let access: fn(&Self) -> &[u8] = $access;
                PyBytes::new(py, access(self))
            })*
        }
    };
}

/// A signed transaction.
#[pyclass(name = "Tx", frozen)]
struct PyTx {
    signed: SignedTx,
    tx_id: [u8; 32],
}

bytes_getters!(PyTx {
    tx_id => |s| &s.tx_id,
    chain_id => |s| &s.signed.body.chain_id,
    sender => |s| &s.signed.body.sender,
    payload => |s| &s.signed.body.payload,
    signature => |s| &s.signed.signature,
});

#[pymethods]
impl PyTx {
    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        let signed = SignedTx::decode(data).map_err(codec)?;
        let tx_id = signed.body.tx_id();
        Ok(Self { signed, tx_id })
    }

    #[getter]
    fn nonce(&self) -> u64 {
        self.signed.body.nonce
    }

    #[getter]
    fn valid_until_height(&self) -> u64 {
        self.signed.body.valid_until_height
    }

    #[getter]
    fn application(&self) -> &str {
        self.signed.body.application.as_str()
    }

    #[getter]
    fn action(&self) -> &str {
        self.signed.body.action.as_str()
    }
}

/// A block header.
#[pyclass(name = "Header", frozen)]
#[derive(Clone)]
struct PyHeader {
    header: Header,
    block_hash: [u8; 32],
}

bytes_getters!(PyHeader {
    block_hash => |s| &s.block_hash,
    chain_id => |s| &s.header.chain_id,
    proposer => |s| &s.header.proposer,
    parent_hash => |s| &s.header.parent_hash,
    batches_root => |s| &s.header.batches_root,
    tx_root => |s| &s.header.tx_root,
    validators_hash => |s| &s.header.validators_hash,
    next_validators_hash => |s| &s.header.next_validators_hash,
    plugins_hash => |s| &s.header.plugins_hash,
    receipts_root => |s| &s.header.receipts_root,
    state_root => |s| &s.header.state_root,
    outbox_root => |s| &s.header.outbox_root,
});

impl PyHeader {
    fn new(header: Header) -> Self {
        let block_hash = header.block_hash();
        Self { header, block_hash }
    }
}

#[pymethods]
impl PyHeader {
    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        Ok(Self::new(Header::decode(data).map_err(codec)?))
    }

    #[getter]
    fn height(&self) -> u64 {
        self.header.height
    }

    #[getter]
    fn time_ms(&self) -> u64 {
        self.header.time_ms
    }
}

/// Header and batch references.
#[pyclass(name = "Value", frozen)]
struct PyValue {
    value: Value,
    header_bytes: [u8; hn_primitives::HEADER_BYTES],
    block_hash: [u8; 32],
}

bytes_getters!(PyValue {
    header_bytes => |s| &s.header_bytes,
    block_hash => |s| &s.block_hash,
});

type BatchReference<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, u64);

#[pymethods]
impl PyValue {
    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        let value = Value::decode(data).map_err(codec)?;
        let header_bytes = value.header.encode();
        let block_hash = value.header.block_hash();
        Ok(Self {
            value,
            header_bytes,
            block_hash,
        })
    }

    #[getter]
    fn header(&self) -> PyHeader {
        PyHeader {
            header: self.value.header,
            block_hash: self.block_hash,
        }
    }

    #[getter]
    fn batches<'py>(&self, py: Python<'py>) -> Vec<BatchReference<'py>> {
        self.value
            .batches
            .iter()
            .map(|b| (PyBytes::new(py, &b.digest), PyBytes::new(py, &b.author), b.seq))
            .collect()
    }
}

/// The result of a transaction.
#[pyclass(name = "Receipt", frozen)]
struct PyReceipt(Receipt);

bytes_getters!(PyReceipt {
    tx_id => |s| &s.0.tx_id,
    write_set_digest => |s| &s.0.write_set_digest,
});

#[pymethods]
impl PyReceipt {
    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        Ok(Self(Receipt::decode(data).map_err(codec)?))
    }

    #[getter]
    fn code(&self) -> u32 {
        self.0.code
    }

    #[getter]
    fn rule(&self) -> &str {
        self.0.rule.as_str()
    }

    #[getter]
    fn steps(&self) -> u64 {
        self.0.steps
    }

    #[getter]
    fn events<'py>(&self, py: Python<'py>) -> Vec<(String, String, Bound<'py, PyBytes>)> {
        self.0
            .events
            .iter()
            .map(|e| (e.name.to_string(), e.entity.to_string(), PyBytes::new(py, &e.data)))
            .collect()
    }
}

/// A validator set and the tables of its keys.
#[pyclass(name = "ValidatorSet", frozen)]
pub struct PyValidatorSet(pub Arc<ValidatorSet>, pub Arc<KeyCache>);

impl PyValidatorSet {
    fn new_from(set: ValidatorSet) -> Self {
        // 86 KiB a key; a set of 64 keeps all its tables, a larger one its most used.
        let cache = KeyCache::new(64 * 88 * 1024);
        let keys: Vec<_> = (0..set.count()).filter_map(|i| set.public_key(i).cloned()).collect();
        cache.prepare(&keys);
        Self(Arc::new(set), Arc::new(cache))
    }
}

type ValidatorRow<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, u64);

#[pymethods]
impl PyValidatorSet {
    #[new]
    fn new(epoch: u64, validators: Vec<(PyBackedBytes, u64)>) -> PyResult<Self> {
        let members: Vec<([u8; 65], u64)> = validators
            .iter()
            .map(|(key, power)| Ok((array("public key", key)?, *power)))
            .collect::<PyResult<_>>()?;
        Ok(Self::new_from(ValidatorSet::new(epoch, &members).map_err(codec)?))
    }

    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        Ok(Self::new_from(ValidatorSet::decode(data).map_err(codec)?))
    }

    fn encode<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.encode())
    }

    #[getter]
    fn hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.hash())
    }

    #[getter]
    fn epoch(&self) -> u64 {
        self.0.epoch()
    }

    #[getter]
    fn quorum(&self) -> u64 {
        self.0.quorum()
    }

    #[getter]
    fn total_power(&self) -> u64 {
        self.0.total_power()
    }

    #[getter]
    fn validators<'py>(&self, py: Python<'py>) -> Vec<ValidatorRow<'py>> {
        self.0
            .validators()
            .iter()
            .map(|v| (PyBytes::new(py, &v.account), PyBytes::new(py, &v.key), v.power))
            .collect()
    }

    fn index_of(&self, account: &[u8]) -> PyResult<Option<usize>> {
        Ok(self.0.index_of(&array("account", account)?))
    }
}

/// A commit certificate.
#[pyclass(name = "Certificate", frozen)]
struct PyCertificate(Certificate);

bytes_getters!(PyCertificate {
    block_hash => |s| s.0.block_hash(),
});

#[pymethods]
impl PyCertificate {
    #[staticmethod]
    fn decode(data: &[u8]) -> PyResult<Self> {
        Ok(Self(Certificate::decode(data).map_err(codec)?))
    }

    #[getter]
    fn height(&self) -> u64 {
        self.0.height()
    }

    #[getter]
    fn round(&self) -> u32 {
        self.0.round()
    }

    #[getter]
    fn signers(&self) -> Vec<u16> {
        self.0.signatures().iter().map(|(index, _)| *index).collect()
    }
}
