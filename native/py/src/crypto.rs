//! SM3, SM4-GCM, SM2 keys, signatures in bulk.

use crate::error::{array, key as key_error, parameter, raise};
use hn_crypto::{pem, sm2, sm3, sm4};
use hn_primitives::codes;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

/// Above this many bytes of input a hash call releases the GIL.
const RELEASE_BYTES: usize = 16 << 10;
/// Items of one verification or signing call.
const BATCH_COUNT_MAX: usize = 100_000;

/// Tables for keys that Python code verifies with outside of a node (SDK, handshakes).
static KEYS: LazyLock<sm2::KeyCache> = LazyLock::new(|| sm2::KeyCache::new(32 << 20));

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PySm3>()?;
    m.add_class::<PySecretKey>()?;
    m.add_function(wrap_pyfunction!(py_sm3, m)?)?;
    m.add_function(wrap_pyfunction!(sm3_batch, m)?)?;
    m.add_function(wrap_pyfunction!(hmac_sm3, m)?)?;
    m.add_function(wrap_pyfunction!(tagged_hash, m)?)?;
    m.add_function(wrap_pyfunction!(sm4_gcm_seal, m)?)?;
    m.add_function(wrap_pyfunction!(sm4_gcm_open, m)?)?;
    m.add_function(wrap_pyfunction!(public_key_from_pem, m)?)?;
    m.add_function(wrap_pyfunction!(public_key_to_pem, m)?)?;
    m.add_function(wrap_pyfunction!(account_of, m)?)?;
    m.add_function(wrap_pyfunction!(verify, m)?)?;
    m.add_function(wrap_pyfunction!(verify_batch, m)?)?;
    m.add_function(wrap_pyfunction!(verify_with_hint, m)?)?;
    m.add_function(wrap_pyfunction!(verify_batch_hinted, m)?)
}

/// Runs `work` without the GIL when there is enough of it.
fn released<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    if bytes >= RELEASE_BYTES {
        py.detach(work)
    } else {
        work()
    }
}

fn bounded(what: &str, count: usize) -> PyResult<()> {
    if count > BATCH_COUNT_MAX {
        return Err(parameter(format!(
            "{what}: got {count} items, want at most {BATCH_COUNT_MAX}"
        )));
    }
    Ok(())
}

#[pyfunction(name = "sm3")]
fn py_sm3<'py>(py: Python<'py>, data: PyBackedBytes) -> Bound<'py, PyBytes> {
    let digest = released(py, data.len(), || sm3::sm3(&data));
    PyBytes::new(py, &digest)
}

#[pyfunction]
fn sm3_batch<'py>(py: Python<'py>, messages: Vec<PyBackedBytes>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    bounded("messages", messages.len())?;
    let digests = py.detach(|| {
        let slices: Vec<&[u8]> = messages.iter().map(|m| &**m).collect();
        sm3::sm3_batch(&slices)
    });
    Ok(digests.iter().map(|d| PyBytes::new(py, d)).collect())
}

#[pyfunction]
fn hmac_sm3<'py>(py: Python<'py>, key: &[u8], data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &sm3::hmac_sm3(key, data))
}

#[pyfunction]
fn tagged_hash<'py>(py: Python<'py>, tag: &str, data: PyBackedBytes) -> PyResult<Bound<'py, PyBytes>> {
    if tag.is_empty() || tag.len() > 64 {
        return Err(parameter(format!("tag: got {} bytes, want 1-64", tag.len())));
    }
    let hasher = sm3::TaggedHasher::new(tag);
    Ok(PyBytes::new(py, &released(py, data.len(), || hasher.hash(&[&data]))))
}

#[pyfunction]
fn sm4_gcm_seal<'py>(
    py: Python<'py>,
    key: &[u8],
    nonce: &[u8],
    aad: PyBackedBytes,
    plain: PyBackedBytes,
) -> PyResult<Bound<'py, PyBytes>> {
    let (key, nonce) = (Zeroizing::new(array("key", key)?), array("nonce", nonce)?);
    let sealed = released(py, plain.len(), || sm4::gcm_seal(&key, &nonce, &aad, &plain));
    Ok(PyBytes::new(py, &sealed))
}

#[pyfunction]
fn sm4_gcm_open<'py>(
    py: Python<'py>,
    key: &[u8],
    nonce: &[u8],
    aad: PyBackedBytes,
    sealed: PyBackedBytes,
) -> PyResult<Bound<'py, PyBytes>> {
    let (key, nonce) = (Zeroizing::new(array("key", key)?), array("nonce", nonce)?);
    let plain = released(py, sealed.len(), || sm4::gcm_open(&key, &nonce, &aad, &sealed));
    Ok(PyBytes::new(py, &plain.map_err(|e| parameter(e.to_string()))?))
}

/// Incremental SM3.
#[pyclass(name = "Sm3")]
struct PySm3(sm3::Sm3);

#[pymethods]
impl PySm3 {
    #[new]
    fn new() -> Self {
        Self(sm3::Sm3::new())
    }

    fn update(&mut self, py: Python<'_>, data: PyBackedBytes) {
        let hasher = &mut self.0;
        released(py, data.len(), || hasher.update(&data));
    }

    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.clone().finalize())
    }
}

/// SM2 private key.
#[pyclass(name = "SecretKey", frozen)]
pub struct PySecretKey(pub Arc<sm2::SecretKey>);

#[pymethods]
impl PySecretKey {
    #[staticmethod]
    fn generate(seed: &[u8]) -> PyResult<Self> {
        let seed = Zeroizing::new(array::<32>("seed", seed)?);
        Ok(Self(Arc::new(sm2::generate(&seed))))
    }

    #[staticmethod]
    #[pyo3(signature = (pem, passphrase=None))]
    fn from_pem(py: Python<'_>, pem: PyBackedStr, passphrase: Option<PyBackedStr>) -> PyResult<Self> {
        let key = match passphrase {
            None => pem::secret_key_from_pem(&pem),
            Some(pass) => py.detach(|| pem::secret_key_from_encrypted_pem(&pem, pass.as_bytes())),
        };
        Ok(Self(Arc::new(key.map_err(|e| key_error(&e))?)))
    }

    fn to_pem(&self) -> String {
        pem::secret_key_to_pem(&self.0).to_string()
    }

    fn to_encrypted_pem(
        &self,
        py: Python<'_>,
        passphrase: PyBackedStr,
        salt: &[u8],
        iv: &[u8],
        rounds: u32,
    ) -> PyResult<String> {
        let (salt, iv) = (array("salt", salt)?, array("iv", iv)?);
        let key = &self.0;
        py.detach(|| pem::secret_key_to_encrypted_pem(key, passphrase.as_bytes(), &salt, &iv, rounds))
            .map_err(|e| key_error(&e))
    }

    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.public_key().as_bytes())
    }

    fn account<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &sm2::address(self.0.public_key()))
    }

    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.sign(message))
    }

    fn sign_batch<'py>(&self, py: Python<'py>, messages: Vec<PyBackedBytes>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        bounded("messages", messages.len())?;
        let key = &self.0;
        let signatures = py.detach(|| {
            let slices: Vec<&[u8]> = messages.iter().map(|m| &**m).collect();
            sm2::sign_batch(key, &slices)
        });
        Ok(signatures.iter().map(|s| PyBytes::new(py, s)).collect())
    }

    fn __repr__(&self) -> String {
        format!("<SecretKey of account {}>", hex(&sm2::address(self.0.public_key())))
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A checked public key.
pub fn public_key(bytes: &[u8]) -> PyResult<sm2::PublicKey> {
    sm2::PublicKey::from_bytes(bytes).map_err(|e| raise(codes::PUBLIC_KEY_INVALID, e.to_string()))
}

#[pyfunction]
fn public_key_from_pem<'py>(py: Python<'py>, pem: &str) -> PyResult<Bound<'py, PyBytes>> {
    let key = pem::public_key_from_pem(pem).map_err(|e| key_error(&e))?;
    Ok(PyBytes::new(py, key.as_bytes()))
}

#[pyfunction]
fn public_key_to_pem(key: &[u8]) -> PyResult<String> {
    Ok(pem::public_key_to_pem(&public_key(key)?))
}

#[pyfunction]
fn account_of<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &sm2::address(&public_key(key)?)))
}

#[pyfunction]
fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> PyResult<bool> {
    let (key, signature) = (public_key(key)?, array("signature", signature)?);
    Ok(matches!(
        sm2::verify_single(&key, message, &signature),
        sm2::VerifyStatus::Valid
    ))
}

#[pyfunction]
fn verify_batch<'py>(
    py: Python<'py>,
    public_keys: Vec<PyBackedBytes>,
    messages: Vec<PyBackedBytes>,
    signatures: Vec<PyBackedBytes>,
) -> PyResult<Bound<'py, PyBytes>> {
    let signatures = same_counts("verify_batch", &public_keys, &messages, &signatures)?;
    let statuses = py.detach(|| {
        statuses(&public_keys, &messages, &signatures, |items, _| {
            sm2::verify_batch(&KEYS, items)
        })
    });
    Ok(PyBytes::new(py, &statuses))
}

/// The signatures, when there are as many as keys and messages.
fn same_counts(
    what: &str,
    public_keys: &[PyBackedBytes],
    messages: &[PyBackedBytes],
    signatures: &[PyBackedBytes],
) -> PyResult<Vec<[u8; 64]>> {
    bounded("public_keys", public_keys.len())?;
    if messages.len() != public_keys.len() || signatures.len() != public_keys.len() {
        return Err(parameter(format!(
            "{what}: got {} keys, {} messages and {} signatures, want the same count",
            public_keys.len(),
            messages.len(),
            signatures.len()
        )));
    }
    signatures.iter().map(|s| array("signature", s)).collect()
}

/// One status an item; `verify` gets the items whose key is sound, with their places.
fn statuses(
    public_keys: &[PyBackedBytes],
    messages: &[PyBackedBytes],
    signatures: &[[u8; 64]],
    verify: impl FnOnce(&[sm2::BatchItem<'_>], &[usize]) -> Vec<sm2::VerifyStatus>,
) -> Vec<u8> {
    // A key costs as much to check as a signature, and most batches have few keys.
    let mut checked: HashMap<&[u8], Option<sm2::PublicKey>> = HashMap::new();
    for key in public_keys {
        checked
            .entry(key)
            .or_insert_with(|| sm2::PublicKey::from_bytes(key).ok());
    }
    let mut items: Vec<sm2::BatchItem<'_>> = Vec::with_capacity(public_keys.len());
    let mut places = Vec::with_capacity(public_keys.len());
    for (at, ((key, message), signature)) in public_keys.iter().zip(messages).zip(signatures).enumerate() {
        if let Some(Some(key)) = checked.get(&**key) {
            items.push((key, message, signature));
            places.push(at);
        }
    }
    let mut out = vec![sm2::VerifyStatus::BadKey as u8; public_keys.len()];
    for (at, status) in places.iter().zip(verify(&items, &places)) {
        out[*at] = status as u8;
    }
    out
}

#[pyfunction]
fn verify_with_hint(py: Python<'_>, key: &[u8], message: PyBackedBytes, signature: &[u8]) -> PyResult<(u8, u8)> {
    let (key, signature) = (public_key(key)?, array("signature", signature)?);
    let (status, hint) = py.detach(|| sm2::verify_with_hint(&key, &message, &signature));
    Ok((status as u8, u8::from(hint)))
}

#[pyfunction]
fn verify_batch_hinted<'py>(
    py: Python<'py>,
    public_keys: Vec<PyBackedBytes>,
    messages: Vec<PyBackedBytes>,
    signatures: Vec<PyBackedBytes>,
    hints: PyBackedBytes,
) -> PyResult<Bound<'py, PyBytes>> {
    let signatures = same_counts("verify_batch_hinted", &public_keys, &messages, &signatures)?;
    if hints.len() != public_keys.len() {
        return Err(parameter(format!(
            "hints: got {} bytes, want {}, one an item",
            hints.len(),
            public_keys.len()
        )));
    }
    if let Some(hint) = hints.iter().find(|hint| **hint > 1) {
        return Err(parameter(format!("hints: got a byte {hint}, want 0 or 1")));
    }
    let statuses = py.detach(|| {
        statuses(&public_keys, &messages, &signatures, |items, places| {
            let hints: Vec<bool> = places.iter().map(|at| hints[*at] == 1).collect();
            // There is one hint an item, so this cannot fail.
            sm2::verify_batch_hinted(items, &hints).unwrap_or_else(|_| sm2::verify_batch(&KEYS, items))
        })
    });
    Ok(PyBytes::new(py, &statuses))
}
