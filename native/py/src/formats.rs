//! Encodings: transactions, genesis, account records, plugin set.

use crate::crypto::PySecretKey;
use crate::error::{array, codec, parameter};
use crate::objects::PyValidatorSet;
use hn_primitives::{AccountRecord, Certificate, ChainRole, Genesis, Name, PluginEntry, Text8, Text16, TxBody};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use rayon::prelude::*;

/// Transactions of one `build_txs` call.
const BUILD_COUNT_MAX: usize = 1_000_000;

type IdAndTx<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);
type AccountFacts<'py> = (Bound<'py, PyBytes>, bool, u64, String, Vec<String>);
type PluginRow = (String, String, u16, u32, Vec<u8>, String, String, Vec<u8>);

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(encode_tx_body, m)?)?;
    m.add_function(wrap_pyfunction!(sign_tx, m)?)?;
    m.add_function(wrap_pyfunction!(build_txs, m)?)?;
    m.add_function(wrap_pyfunction!(verify_certificate, m)?)?;
    m.add_function(wrap_pyfunction!(encode_genesis, m)?)?;
    m.add_function(wrap_pyfunction!(genesis_chain_id, m)?)?;
    m.add_function(wrap_pyfunction!(encode_account_record, m)?)?;
    m.add_function(wrap_pyfunction!(decode_account_record, m)?)?;
    m.add_function(wrap_pyfunction!(plugins_hash, m)?)
}

/// A checked name.
pub fn name(text: &str) -> PyResult<Name> {
    Name::new(text).map_err(codec)
}

#[pyfunction]
#[allow(clippy::too_many_arguments)] // the fields of the format, in order
fn encode_tx_body<'py>(
    py: Python<'py>,
    chain_id: &[u8],
    sender: &[u8],
    nonce: u64,
    valid_until_height: u64,
    application: &str,
    action: &str,
    payload: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let body = TxBody {
        chain_id: array("chain_id", chain_id)?,
        sender: array("sender", sender)?,
        nonce,
        valid_until_height,
        application: name(application)?,
        action: name(action)?,
        payload: payload.to_vec(),
    };
    let encoded = body.encode();
    TxBody::decode(&encoded).map_err(codec)?;
    Ok(PyBytes::new(py, &encoded))
}

#[pyfunction]
fn sign_tx<'py>(py: Python<'py>, key: &PySecretKey, body: &[u8]) -> PyResult<IdAndTx<'py>> {
    let signed = TxBody::decode(body).map_err(codec)?.sign(&key.0);
    Ok((
        PyBytes::new(py, &signed.body.tx_id()),
        PyBytes::new(py, &signed.encode()),
    ))
}

#[pyfunction]
#[allow(clippy::too_many_arguments)] // the fields of the format, in order
fn build_txs<'py>(
    py: Python<'py>,
    key: &PySecretKey,
    chain_id: &[u8],
    nonce_start: u64,
    valid_until_height: u64,
    application: &str,
    action: &str,
    payloads: Vec<PyBackedBytes>,
) -> PyResult<Vec<IdAndTx<'py>>> {
    if payloads.len() > BUILD_COUNT_MAX {
        return Err(parameter(format!(
            "payloads: got {}, want at most {BUILD_COUNT_MAX}",
            payloads.len()
        )));
    }
    let chain_id = array("chain_id", chain_id)?;
    let (application, action) = (name(application)?, name(action)?);
    let sender = hn_primitives::account_of(key.0.public_key());
    let key = &key.0;
    let built: Vec<([u8; 32], Vec<u8>)> = py.detach(|| {
        payloads
            .par_iter()
            .enumerate()
            .with_min_len(16)
            .map(|(index, payload)| {
                let body = TxBody {
                    chain_id,
                    sender,
                    nonce: nonce_start.wrapping_add(index as u64),
                    valid_until_height,
                    application,
                    action,
                    payload: payload.to_vec(),
                };
                let signed = body.sign(key);
                (signed.body.tx_id(), signed.encode())
            })
            .collect()
    });
    Ok(built
        .iter()
        .map(|(id, tx)| (PyBytes::new(py, id), PyBytes::new(py, tx)))
        .collect())
}

#[pyfunction]
fn verify_certificate(
    py: Python<'_>,
    certificate: PyBackedBytes,
    validators: &PyValidatorSet,
    chain_id: &[u8],
    height: u64,
    block_hash: &[u8],
) -> PyResult<u32> {
    let (chain_id, block_hash) = (array("chain_id", chain_id)?, array("block_hash", block_hash)?);
    let set = &validators.0;
    let keys = &validators.1;
    Ok(py.detach(|| {
        let decoded = match Certificate::decode(&certificate) {
            Ok(decoded) => decoded,
            Err(error) => return error.code(),
        };
        match decoded.verify_cached(keys, set, &chain_id, height, &block_hash) {
            Ok(()) => 0,
            Err(error) => error.code(),
        }
    }))
}

#[pyfunction]
#[allow(clippy::too_many_arguments)] // the fields of the format, in order
fn encode_genesis<'py>(
    py: Python<'py>,
    chain_name: &str,
    role: u8,
    time_ms: u64,
    validators_hash: &[u8],
    plugins_hash: &[u8],
    state_root: &[u8],
    block_bytes_max: u32,
    block_tx_count_max: u32,
    valid_blocks_max: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let genesis = Genesis {
        chain_name: name(chain_name)?,
        role: ChainRole::try_from(role).map_err(|fault| parameter(fault.to_string()))?,
        time_ms,
        validators_hash: array("validators_hash", validators_hash)?,
        plugins_hash: array("plugins_hash", plugins_hash)?,
        state_root: array("state_root", state_root)?,
        block_bytes_max,
        block_tx_count_max,
        valid_blocks_max,
    };
    Ok(PyBytes::new(py, &genesis.encode()))
}

#[pyfunction]
fn genesis_chain_id<'py>(py: Python<'py>, genesis: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &Genesis::decode(genesis).map_err(codec)?.chain_id()))
}

#[pyfunction]
fn encode_account_record<'py>(
    py: Python<'py>,
    public_key: &[u8],
    active: bool,
    since_height: u64,
    organisation: String,
    roles: Vec<String>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut roles: Vec<Name> = roles.iter().map(|role| name(role)).collect::<PyResult<_>>()?;
    roles.sort_unstable();
    let record = AccountRecord {
        key: *crate::crypto::public_key(public_key)?.as_bytes(),
        active,
        since_height,
        organisation: Text16::new(organisation).map_err(codec)?,
        roles,
    };
    let encoded = record.encode();
    AccountRecord::decode(&encoded).map_err(codec)?;
    Ok(PyBytes::new(py, &encoded))
}

#[pyfunction]
fn decode_account_record<'py>(py: Python<'py>, record: &[u8]) -> PyResult<AccountFacts<'py>> {
    let record = AccountRecord::decode(record).map_err(codec)?;
    Ok((
        PyBytes::new(py, &record.key),
        record.active,
        record.since_height,
        record.organisation.to_string(),
        record.roles.iter().map(|role| role.as_str().to_owned()).collect(),
    ))
}

#[pyfunction]
fn plugins_hash<'py>(py: Python<'py>, entries: Vec<PluginRow>) -> PyResult<Bound<'py, PyBytes>> {
    let entries: Vec<PluginEntry> = entries
        .into_iter()
        .map(
            |(plugin, version, api_version, state_version, code_hash, application, action, schema_hash)| {
                Ok(PluginEntry {
                    plugin: name(&plugin)?,
                    version: Text8::new(version).map_err(codec)?,
                    api_version,
                    state_version,
                    code_hash: array("code_hash", &code_hash)?,
                    application: name(&application)?,
                    action: name(&action)?,
                    schema_hash: array("schema_hash", &schema_hash)?,
                })
            },
        )
        .collect::<PyResult<_>>()?;
    Ok(PyBytes::new(py, &hn_primitives::plugins_hash(&entries).map_err(codec)?))
}
