//! What Python handlers of plugins see of a transaction, and how their results leave.

use crate::execution::failure;
use hn_execution::{ForeignResult, ResultPacker};
use hn_primitives::codes;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyList, PyString, PyTuple};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTxContext>()?;
    m.add_function(wrap_pyfunction!(pack_results, m)?)?;
    m.add_function(wrap_pyfunction!(unpack_results, m)?)
}

/// Bytes of an ordinary packed result; only room is made by it.
const RESULT_BYTES: usize = 1_024;

/// Bounds of one transaction, as the plugin API states them.
#[derive(FromPyObject)]
struct Limits {
    #[pyo3(item)]
    steps: u32,
    #[pyo3(item)]
    writes: usize,
    #[pyo3(item)]
    key_bytes: usize,
    #[pyo3(item)]
    value_bytes: usize,
    #[pyo3(item)]
    events: usize,
    #[pyo3(item)]
    event_name_bytes: usize,
    #[pyo3(item)]
    event_entity_bytes: usize,
    #[pyo3(item)]
    event_data_bytes: usize,
}

/// The transaction that is being handled; one object stands at one transaction of a block after the other.
#[pyclass(name = "TxContext")]
struct PyTxContext {
    #[pyo3(get)]
    height: Py<PyAny>,
    #[pyo3(get)]
    block_time_ms: Py<PyAny>,
    #[pyo3(get)]
    tx_id: Py<PyAny>,
    #[pyo3(get)]
    sender: Py<PyAny>,
    /// Value or None of each key that was fetched or written in this block.
    values: Py<PyDict>,
    writes: Py<PyDict>,
    events: Vec<(Py<PyString>, Py<PyString>, Py<PyBytes>)>,
    steps: u32,
    limits: Limits,
    /// Called for a key that was not fetched.
    read: Py<PyAny>,
    /// Account → (organisation, roles).
    sender_of: Py<PyAny>,
    /// Canonical JSON of anything an event may hold, with its checks.
    encode: Py<PyAny>,
    /// Sorted JSON of a mapping that passed the checks.
    encode_plain: Py<PyAny>,
    /// Exception class (code, rule).
    refused: Py<PyAny>,
    packer: ResultPacker,
    result_count: usize,
}

impl PyTxContext {
    fn refusal(&self, py: Python<'_>, code: u32, rule: Option<&Bound<'_, PyAny>>) -> PyErr {
        let made = match rule {
            Some(rule) => self.refused.bind(py).call1((code, rule)),
            None => self.refused.bind(py).call1((code,)),
        };
        made.map_or_else(|error| error, PyErr::from_value)
    }

    fn beyond(&self, py: Python<'_>) -> PyErr {
        self.refusal(py, codes::WRITE_LIMIT_EXCEEDED, None)
    }

    fn step(&mut self, py: Python<'_>) -> PyResult<()> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > self.limits.steps {
            return Err(self.beyond(py));
        }
        Ok(())
    }

    fn write(&mut self, key: &Bound<'_, PyBytes>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = key.py();
        self.step(py)?;
        let writes = self.writes.bind(py);
        let size = key.as_bytes().len();
        let room = writes.len() < self.limits.writes && (1..=self.limits.key_bytes).contains(&size);
        if !room && !writes.contains(key)? {
            return Err(self.beyond(py));
        }
        writes.set_item(key, value)
    }

    fn encoded<'py>(&self, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let py = data.py();
        let plain = data.cast_exact::<PyDict>().is_ok_and(|data| {
            data.iter()
                .all(|(key, value)| key.is_exact_instance_of::<PyString>() && is_plain(&value))
        });
        let encode = if plain { &self.encode_plain } else { &self.encode };
        Ok(encode.bind(py).call1((data,))?.cast_into::<PyBytes>()?)
    }
}

fn is_plain(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_none()
}

/// Bytes themselves, not of a type derived from them.
fn exact_bytes<'a, 'py>(value: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    value
        .cast_exact::<PyBytes>()
        .map_err(|_| PyTypeError::new_err("keys and values are bytes"))
}

#[pymethods]
impl PyTxContext {
    #[new]
    #[allow(clippy::too_many_arguments)] // what a block and its host give to handlers
    fn new(
        py: Python<'_>,
        height: Py<PyAny>,
        block_time_ms: Py<PyAny>,
        values: Py<PyDict>,
        limits: Limits,
        read: Py<PyAny>,
        sender_of: Py<PyAny>,
        encode: Py<PyAny>,
        encode_plain: Py<PyAny>,
        refused: Py<PyAny>,
    ) -> Self {
        let nothing = PyBytes::new(py, b"").into_any().unbind();
        Self {
            height,
            block_time_ms,
            tx_id: nothing.clone_ref(py),
            sender: nothing,
            values,
            writes: PyDict::new(py).unbind(),
            events: Vec::new(),
            steps: 0,
            limits,
            read,
            sender_of,
            encode,
            encode_plain,
            refused,
            packer: ResultPacker::default(),
            result_count: 0,
        }
    }

    #[getter]
    fn organisation(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.sender_of
            .bind(py)
            .call1((&self.sender,))?
            .get_item(0)
            .map(Bound::unbind)
    }

    #[getter]
    fn roles(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.sender_of
            .bind(py)
            .call1((&self.sender,))?
            .get_item(1)
            .map(Bound::unbind)
    }

    #[pyo3(signature = (key, /))]
    fn get(&mut self, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = key.py();
        self.step(py)?;
        let key = key.cast::<PyBytes>()?;
        let writes = self.writes.bind(py);
        if !writes.is_empty()
            && let Some(value) = writes.get_item(key)?
        {
            return Ok(value.unbind());
        }
        let values = self.values.bind(py);
        if let Some(value) = values.get_item(key)? {
            return Ok(value.unbind());
        }
        if key.as_bytes().len() > self.limits.key_bytes {
            return Err(self.beyond(py));
        }
        let value = self.read.bind(py).call1((key,))?;
        values.set_item(key, &value)?;
        Ok(value.unbind())
    }

    fn put(&mut self, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (key, bytes) = (exact_bytes(key)?, exact_bytes(value)?);
        if bytes.as_bytes().len() > self.limits.value_bytes {
            return Err(self.beyond(key.py()));
        }
        self.write(key, value)
    }

    fn delete(&mut self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let none = key.py().None();
        self.write(exact_bytes(key)?, none.bind(key.py()))
    }

    fn emit(&mut self, name: &Bound<'_, PyAny>, entity: &Bound<'_, PyAny>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = name.py();
        self.step(py)?;
        if !name.is_truthy()? {
            return Err(PyValueError::new_err("an event needs a name"));
        }
        let data = self.encoded(data)?;
        if self.events.len() >= self.limits.events || data.as_bytes().len() > self.limits.event_data_bytes {
            return Err(self.beyond(py));
        }
        let name = name.cast::<PyString>()?;
        if name.to_str()?.len() > self.limits.event_name_bytes {
            return Err(self.beyond(py));
        }
        let entity = entity.cast::<PyString>()?;
        if entity.to_str()?.len() > self.limits.event_entity_bytes {
            return Err(self.beyond(py));
        }
        self.events
            .push((name.clone().unbind(), entity.clone().unbind(), data.unbind()));
        Ok(())
    }

    fn require(&self, rule_id: &Bound<'_, PyAny>, condition: &Bound<'_, PyAny>) -> PyResult<()> {
        if condition.is_truthy()? {
            return Ok(());
        }
        Err(self.refusal(rule_id.py(), codes::RULE_VIOLATION, Some(rule_id)))
    }

    fn fail(&self, rule_id: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(self.refusal(rule_id.py(), codes::RULE_VIOLATION, Some(rule_id)))
    }

    /// Stands at the next transaction, with nothing written yet.
    fn _begin(&mut self, py: Python<'_>, tx_id: Py<PyAny>, sender: Py<PyAny>) {
        self.tx_id = tx_id;
        self.sender = sender;
        self.steps = 0;
        self.events.clear();
        let writes = self.writes.bind(py);
        if !writes.is_empty() {
            writes.clear();
        }
    }

    /// Ends the transaction: its writes are seen by the later ones of the block.
    fn _commit(&mut self, py: Python<'_>, tx_index: u32) -> PyResult<()> {
        let (writes, values) = (self.writes.bind(py), self.values.bind(py));
        let counts = (writes.len(), self.events.len());
        self.packer
            .result(tx_index, codes::OK, u64::from(self.steps), "", counts);
        for (key, value) in writes.iter() {
            let bytes = if value.is_none() {
                None
            } else {
                Some(value.cast::<PyBytes>()?)
            };
            self.packer
                .write(key.cast::<PyBytes>()?.as_bytes(), bytes.map(PyBytesMethods::as_bytes));
            values.set_item(key, &value)?;
        }
        for (name, entity, data) in &self.events {
            let (name, entity) = (name.bind(py).to_str()?, entity.bind(py).to_str()?);
            self.packer.event(name, entity, data.bind(py).as_bytes());
        }
        self.result_count += 1;
        Ok(())
    }

    /// Ends a transaction that failed; nothing of it is left.
    fn _refuse(&mut self, tx_index: u32, code: u32, rule: &str) {
        self.packer.result(tx_index, code, 0, rule, (0, 0));
        self.result_count += 1;
    }

    /// Transactions ended so far.
    #[getter]
    fn _result_count(&self) -> usize {
        self.result_count
    }

    /// The results since the last call, packed.
    fn _take<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut self.packer).finish())
    }
}

/// Packs results in one pass over the host's objects, without a copy in between.
#[pyfunction]
fn pack_results<'py>(py: Python<'py>, results: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyBytes>> {
    let mut packer = ResultPacker::with_capacity(RESULT_BYTES * results.len());
    for row in results.iter() {
        let row = row.cast_into::<PyTuple>()?;
        let (writes, events) = (row.get_item(4)?, row.get_item(5)?);
        let (writes, events) = (writes.cast::<PyList>()?, events.cast::<PyList>()?);
        let rule = row.get_item(2)?;
        packer.result(
            row.get_item(0)?.extract()?,
            row.get_item(1)?.extract()?,
            row.get_item(3)?.extract()?,
            rule.cast::<PyString>()?.to_str()?,
            (writes.len(), events.len()),
        );
        for write in writes.iter() {
            let write = write.cast_into::<PyTuple>()?;
            let (key, value) = (write.get_item(0)?, write.get_item(1)?);
            let value = if value.is_none() {
                None
            } else {
                Some(value.cast::<PyBytes>()?)
            };
            packer.write(key.cast::<PyBytes>()?.as_bytes(), value.map(PyBytesMethods::as_bytes));
        }
        for event in events.iter() {
            let event = event.cast_into::<PyTuple>()?;
            let (name, entity, data) = (event.get_item(0)?, event.get_item(1)?, event.get_item(2)?);
            packer.event(
                name.cast::<PyString>()?.to_str()?,
                entity.cast::<PyString>()?.to_str()?,
                data.cast::<PyBytes>()?.as_bytes(),
            );
        }
    }
    Ok(PyBytes::new(py, &packer.finish()))
}

type WriteRow<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);
type EventRow<'py> = (String, String, Bound<'py, PyBytes>);
type ResultRow<'py> = (u32, u32, String, u64, Vec<WriteRow<'py>>, Vec<EventRow<'py>>);

#[pyfunction]
fn unpack_results<'py>(py: Python<'py>, packed: &[u8]) -> PyResult<Vec<ResultRow<'py>>> {
    let results = ForeignResult::unpack(packed).map_err(|e| failure(&e))?;
    let bytes = |bytes: &[u8]| PyBytes::new(py, bytes);
    let rows = results.into_iter().map(|result| {
        let writes = result.writes.iter();
        let writes = writes.map(|(key, value)| (bytes(key), value.as_deref().map(bytes)));
        let events = result.events.into_iter();
        let events = events.map(|event| (event.name, event.entity, bytes(&event.data)));
        let (writes, events) = (writes.collect(), events.collect());
        (result.tx_index, result.code, result.rule, result.steps, writes, events)
    });
    Ok(rows.collect())
}
