//! The one exception of the module and how errors of the crates become it.

use hn_primitives::codes;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

static NATIVE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Adds `NativeError`, `CODES` and `LIMITS`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    let namespace = PyDict::new(py);
    namespace.set_item("code", codes::INTERNAL_ERROR)?;
    namespace.set_item("__module__", "hnnode_native")?;
    let base = py.get_type::<pyo3::exceptions::PyException>();
    let class = py.get_type::<PyType>().call1(("NativeError", (base,), namespace))?;
    let class: Bound<'_, PyType> = class.cast_into()?;
    m.add("NativeError", &class)?;
    let _ = NATIVE_ERROR.set(py, class.unbind());
    m.add(
        "CODES",
        codes::ALL
            .iter()
            .copied()
            .collect::<std::collections::BTreeMap<&str, u32>>(),
    )?;
    let limits = PyDict::new(py);
    for (name, value) in [
        ("tx_bytes_max", hn_primitives::TX_BYTES_MAX),
        ("payload_bytes_max", hn_primitives::PAYLOAD_BYTES_MAX),
        ("name_bytes_max", hn_primitives::NAME_BYTES_MAX),
        ("batch_tx_count_max", hn_primitives::BATCH_TX_COUNT_MAX),
        ("batch_body_bytes_max", hn_primitives::BATCH_BODY_BYTES_MAX),
        ("batch_bytes_max", hn_primitives::BATCH_BYTES_MAX),
        ("value_batch_count_max", hn_primitives::VALUE_BATCH_COUNT_MAX),
        ("value_bytes_max", hn_primitives::VALUE_BYTES_MAX),
        ("event_count_max", hn_primitives::EVENT_COUNT_MAX),
        ("event_data_bytes_max", hn_primitives::EVENT_DATA_BYTES_MAX),
        ("role_count_max", hn_primitives::ROLE_COUNT_MAX),
    ] {
        limits.set_item(name, value)?;
    }
    m.add("LIMITS", limits)
}

/// A `NativeError` with its code.
pub fn raise(code: u32, text: impl Into<String>) -> PyErr {
    Python::attach(|py| {
        let Some(class) = NATIVE_ERROR.get(py) else {
            return pyo3::exceptions::PyRuntimeError::new_err("hnnode_native is not initialised");
        };
        let made = class
            .bind(py)
            .call1((text.into(),))
            .and_then(|instance| instance.setattr("code", code).map(|()| instance));
        match made {
            Ok(instance) => PyErr::from_value(instance),
            Err(error) => error,
        }
    })
}

/// A wrong length or value that the caller passed.
pub fn parameter(text: impl Into<String>) -> PyErr {
    raise(codes::PARAMETER_INVALID, text)
}

/// Maps a codec error.
pub fn codec(error: hn_primitives::CodecError) -> PyErr {
    raise(error.code(), error.to_string())
}

/// Maps a crypto error: the caller's key files and keys.
pub fn key(error: &hn_crypto::CryptoError) -> PyErr {
    raise(codes::KEY_FILE_INVALID, error.to_string())
}

/// Exactly `N` bytes.
pub fn array<const N: usize>(what: &str, bytes: &[u8]) -> PyResult<[u8; N]> {
    bytes
        .try_into()
        .map_err(|_| parameter(format!("{what}: got {} bytes, want {N}", bytes.len())))
}

/// Items of one size behind each other, written once.
pub fn packed<'py, const N: usize>(
    py: Python<'py>,
    items: impl ExactSizeIterator<Item = [u8; N]>,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, N * items.len(), |out| {
        for (place, item) in out.as_chunks_mut::<N>().0.iter_mut().zip(items) {
            *place = item;
        }
        Ok(())
    })
}
