//! The consensus engine: inputs in, effects out.

use crate::crypto::PySecretKey;
use crate::error::{array, raise};
use crate::objects::PyValidatorSet;
use hn_consensus::{Effect, Engine, EngineConfig, Input, Limits, SendTo, Timeouts};
use hn_crypto::sm2::SecretKey;
use hn_primitives::{Account, codes};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict};
use std::sync::{Arc, Mutex, PoisonError};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyEffect>()?;
    m.add_class::<PyEngine>()?;
    m.add_function(wrap_pyfunction!(message_height, m)?)?;
    m.add_function(wrap_pyfunction!(record_height, m)?)?;
    m.add_function(wrap_pyfunction!(proposer, m)?)
}

/// One thing the host must do; fields that a kind does not use keep their defaults.
#[pyclass(name = "Effect", frozen)]
#[derive(Default)]
struct PyEffect {
    #[pyo3(get)]
    kind: &'static str,
    data: Vec<u8>,
    certificate: Vec<u8>,
    to: Option<Account>,
    #[pyo3(get)]
    height: u64,
    #[pyo3(get)]
    round: u32,
    #[pyo3(get)]
    pol_round: i64,
    block_hash: [u8; 32],
    #[pyo3(get)]
    timer_id: u32,
    #[pyo3(get)]
    generation: u64,
    #[pyo3(get)]
    ms: u64,
    #[pyo3(get)]
    code: u32,
    #[pyo3(get)]
    reason: String,
}

#[pymethods]
impl PyEffect {
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.data)
    }

    #[getter]
    fn certificate<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.certificate)
    }

    #[getter]
    fn to<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.to.map(|account| PyBytes::new(py, &account))
    }

    #[getter]
    fn block_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.block_hash)
    }

    fn __repr__(&self) -> String {
        format!("<Effect {} height={} round={}>", self.kind, self.height, self.round)
    }
}

impl From<Effect> for PyEffect {
    fn from(effect: Effect) -> Self {
        let none = Self::default;
        match effect {
            Effect::Log(data) => Self {
                kind: "log",
                height: hn_consensus::record_height(&data).unwrap_or(0),
                data,
                ..none()
            },
            Effect::Barrier => Self {
                kind: "barrier",
                ..none()
            },
            Effect::ReserveSignFloor { height } => Self {
                kind: "reserve_sign_floor",
                height,
                ..none()
            },
            Effect::Send { to, bytes } => Self {
                kind: "send",
                to: match to {
                    SendTo::All => None,
                    SendTo::Peer(account) => Some(account),
                },
                data: bytes,
                ..none()
            },
            Effect::SetTimer { id, generation, ms } => Self {
                kind: "set_timer",
                timer_id: id,
                generation,
                ms,
                ..none()
            },
            Effect::CancelTimer { id } => Self {
                kind: "cancel_timer",
                timer_id: id,
                ..none()
            },
            Effect::GetValue { height, round } => Self {
                kind: "get_value",
                height,
                round,
                ..none()
            },
            Effect::Validate {
                height,
                round,
                block_hash,
                value,
                proposer,
                pol_round,
            } => Self {
                kind: "validate",
                height,
                round,
                block_hash,
                data: value,
                to: Some(proposer),
                pol_round: pol_round.map_or(-1, i64::from),
                ..none()
            },
            Effect::Decide {
                height,
                round,
                block_hash,
                value,
                certificate,
            } => Self {
                kind: "decide",
                height,
                round,
                block_hash,
                data: value,
                certificate,
                ..none()
            },
            Effect::Evidence(data) => Self {
                kind: "evidence",
                data,
                ..none()
            },
            Effect::PeerFault { peer, code } => Self {
                kind: "peer_fault",
                to: Some(peer),
                code,
                ..none()
            },
            Effect::Halt { code, reason } => Self {
                kind: "halt",
                code,
                reason,
                ..none()
            },
        }
    }
}

/// Consensus of one chain.
#[pyclass(name = "Engine", frozen)]
struct PyEngine {
    engine: Mutex<Engine>,
    sign_floor: u64,
}

impl PyEngine {
    fn step(&self, py: Python<'_>, inputs: Vec<Input>) -> PyResult<Vec<PyEffect>> {
        let effects = py.detach(|| {
            let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            if engine.is_halted() {
                return None;
            }
            Some(engine.step(inputs))
        });
        match effects {
            Some(effects) => Ok(effects.into_iter().map(PyEffect::from).collect()),
            None => Err(raise(codes::ENGINE_FAILED, "consensus engine: halted, takes no input")),
        }
    }
}

/// An own copy of the key for the engine; both are wiped when dropped.
fn copy_key(key: &PySecretKey) -> PyResult<SecretKey> {
    SecretKey::from_bytes(&key.0.to_bytes()).map_err(|e| crate::error::key(&e))
}

#[pymethods]
impl PyEngine {
    #[new]
    #[allow(clippy::too_many_arguments)] // one waiting time each
    fn new(
        chain_id: &[u8],
        key: Option<&PySecretKey>,
        sign_floor: u64,
        propose_ms: u64,
        propose_step_ms: u64,
        vote_ms: u64,
        vote_step_ms: u64,
        rebroadcast_ms: u64,
        cap_ms: u64,
    ) -> PyResult<Self> {
        let config = EngineConfig {
            chain_id: array("chain_id", chain_id)?,
            address: key.map(|key| hn_primitives::account_of(key.0.public_key())),
            timeouts: Timeouts {
                propose_ms,
                propose_step_ms,
                vote_ms,
                vote_step_ms,
                rebroadcast_ms,
                cap_ms,
            },
            limits: Limits::default(),
        };
        let signer = key.map(copy_key).transpose()?;
        Ok(Self {
            engine: Mutex::new(Engine::new(config, signer)),
            sign_floor,
        })
    }

    fn replay(&self, py: Python<'_>, records: Vec<PyBackedBytes>) -> PyResult<Vec<PyEffect>> {
        let mut inputs: Vec<Input> = records.iter().map(|record| Input::Replay(record.to_vec())).collect();
        inputs.push(Input::ReplayDone {
            floor_height: self.sign_floor,
        });
        self.step(py, inputs)
    }

    fn start(
        &self,
        py: Python<'_>,
        height: u64,
        validators: &PyValidatorSet,
        demoted: Vec<PyBackedBytes>,
    ) -> PyResult<Vec<PyEffect>> {
        let proposer_demoted = demoted.iter().map(|a| array("account", a)).collect::<PyResult<_>>()?;
        let validators = Arc::unwrap_or_clone(Arc::clone(&validators.0));
        self.step(
            py,
            vec![Input::Start {
                height,
                validators,
                proposer_demoted,
            }],
        )
    }

    fn messages(&self, py: Python<'_>, items: Vec<(PyBackedBytes, PyBackedBytes)>) -> PyResult<Vec<PyEffect>> {
        let messages = items
            .iter()
            .map(|(peer, bytes)| Ok((array("peer", peer)?, bytes.to_vec())))
            .collect::<PyResult<_>>()?;
        self.step(py, vec![Input::Messages(messages)])
    }

    fn propose(&self, py: Python<'_>, height: u64, round: u32, value: Vec<u8>) -> PyResult<Vec<PyEffect>> {
        self.step(py, vec![Input::Propose { height, round, value }])
    }

    fn validity(&self, py: Python<'_>, height: u64, block_hash: &[u8], valid: bool) -> PyResult<Vec<PyEffect>> {
        let block_hash = array("block_hash", block_hash)?;
        self.step(
            py,
            vec![Input::Validity {
                height,
                block_hash,
                valid,
            }],
        )
    }

    fn timer(&self, py: Python<'_>, timer_id: u32, generation: u64) -> PyResult<Vec<PyEffect>> {
        self.step(
            py,
            vec![Input::Timer {
                id: timer_id,
                generation,
            }],
        )
    }

    fn synced(&self, py: Python<'_>, height: u64, value: Vec<u8>, certificate: Vec<u8>) -> PyResult<Vec<PyEffect>> {
        self.step(
            py,
            vec![Input::Synced {
                height,
                value,
                certificate,
            }],
        )
    }

    fn peer_behind(&self, py: Python<'_>, peer: &[u8], height: u64, round: u32) -> PyResult<Vec<PyEffect>> {
        let peer = array("peer", peer)?;
        self.step(py, vec![Input::PeerBehind { peer, height, round }])
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let (stats, text) = {
            let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
            (engine.stats(), engine.status_text())
        };
        let out = PyDict::new(py);
        out.set_item("height", stats.height)?;
        out.set_item("round", stats.round)?;
        out.set_item("step", stats.step)?;
        out.set_item("signing", u32::from(stats.is_signing))?;
        out.set_item("verified", stats.verifications)?;
        out.set_item("votes", stats.votes)?;
        out.set_item("future_messages", stats.future_messages)?;
        out.set_item("stalled_ticks", stats.stalled_ticks)?;
        out.set_item("text", text)?;
        Ok(out)
    }

    #[getter]
    fn height(&self) -> u64 {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).height()
    }

    #[getter]
    fn round(&self) -> u32 {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).round()
    }
}

#[pyfunction]
fn message_height(message: &[u8]) -> Option<u64> {
    hn_consensus::message_height(message)
}

#[pyfunction]
fn record_height(record: &[u8]) -> Option<u64> {
    hn_consensus::record_height(record)
}

#[pyfunction]
fn proposer<'py>(
    py: Python<'py>,
    height: u64,
    round: u32,
    validators: &PyValidatorSet,
    demoted: Vec<PyBackedBytes>,
) -> PyResult<Bound<'py, PyBytes>> {
    let demoted: Vec<Account> = demoted.iter().map(|a| array("account", a)).collect::<PyResult<_>>()?;
    match hn_consensus::proposer(height, round, &validators.0, &demoted) {
        Some(account) => Ok(PyBytes::new(py, &account)),
        None => Err(raise(codes::GENESIS_INVALID, "proposer: the validator set is empty")),
    }
}
