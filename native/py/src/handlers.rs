//! What Python handlers of plugins see of a transaction, and what it leaves.

use crate::declared;
use crate::scan::{self, Row, Wanted, Written};
use hn_execution::ResultPacker;
use hn_primitives::codes;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFrozenSet, PyString};

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyTxContext>()
}

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
    #[pyo3(item)]
    scan_rows: usize,
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
    /// Keys that earlier transactions of the block wrote.
    written: Written,
    events: Vec<(Py<PyString>, Py<PyString>, Py<PyBytes>)>,
    steps: u32,
    limits: Limits,
    /// Called for a key that was not fetched.
    read: Py<PyAny>,
    /// (prefix, after, count) → rows after the block before.
    read_rows: Py<PyAny>,
    /// (application, key) → value after the block before.
    read_foreign: Py<PyAny>,
    /// Applications that may be read.
    reads: Py<PyFrozenSet>,
    /// (application, key) → value, of those that were read.
    foreign_values: Py<PyDict>,
    /// Bytes that values which were read, not fetched before or written, may still take here; any other is read again.
    reads_room: usize,
    /// Account → (organisation, roles).
    sender_of: Py<PyAny>,
    /// Canonical JSON of anything an event may hold, with its checks.
    encode: Py<PyAny>,
    /// Sorted JSON of a mapping that passed the checks.
    encode_plain: Py<PyAny>,
    /// Name → (decoder of its data, kinds by field or None, count of those it needs) of each event that was declared.
    declared: Py<PyDict>,
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
                .all(|(key, value)| key.is_exact_instance_of::<PyString>() && declared::is_plain(&value))
        });
        let encode = if plain { &self.encode_plain } else { &self.encode };
        Ok(encode.bind(py).call1((data,))?.cast_into::<PyBytes>()?)
    }
}

/// Bytes of values that one application's transactions of a block read one by one and that are kept for those behind.
const READS_KEPT_BYTES_MAX: usize = 16 << 20;
/// What a kept value takes beside its key and itself.
const KEPT_OVERHEAD_BYTES: usize = 256;

/// Takes the room of a value that was read; false when there is not enough.
fn has_room(room: &mut usize, key: &Bound<'_, PyBytes>, value: &Bound<'_, PyAny>) -> bool {
    let size = value.cast::<PyBytes>().map_or(0, |bytes| bytes.as_bytes().len());
    let left = room.checked_sub(KEPT_OVERHEAD_BYTES + key.as_bytes().len() + size);
    *room = left.unwrap_or(*room);
    left.is_some()
}

fn not_declared() -> PyErr {
    PyValueError::new_err("the application is not declared with registry.reads")
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
        reader: &Bound<'_, PyAny>,
        reads: Py<PyFrozenSet>,
        encode: Py<PyAny>,
        encode_plain: Py<PyAny>,
        declared: Py<PyDict>,
        refused: Py<PyAny>,
    ) -> PyResult<Self> {
        let nothing = PyBytes::new(py, b"").into_any().unbind();
        let call = |name| reader.getattr(name).map(Bound::unbind);
        Ok(Self {
            height,
            block_time_ms,
            tx_id: nothing.clone_ref(py),
            sender: nothing,
            values,
            writes: PyDict::new(py).unbind(),
            written: Written::default(),
            events: Vec::new(),
            steps: 0,
            limits,
            read: call("get")?,
            read_rows: call("scan")?,
            read_foreign: call("foreign")?,
            reads,
            foreign_values: PyDict::new(py).unbind(),
            reads_room: READS_KEPT_BYTES_MAX,
            sender_of: call("sender")?,
            encode,
            encode_plain,
            declared,
            refused,
            packer: ResultPacker::default(),
            result_count: 0,
        })
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
        if has_room(&mut self.reads_room, key, &value) {
            values.set_item(key, &value)?;
        }
        Ok(value.unbind())
    }

    #[pyo3(signature = (prefix, limit, after=None))]
    fn scan<'py>(
        &mut self,
        prefix: &Bound<'py, PyAny>,
        limit: usize,
        after: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Row<'py>>> {
        let py = prefix.py();
        self.step(py)?;
        let prefix = exact_bytes(prefix)?.as_bytes();
        let after = after.map(exact_bytes).transpose()?.map(PyBytesMethods::as_bytes);
        if !(1..=self.limits.scan_rows).contains(&limit) {
            return Err(PyValueError::new_err("a scan asks for 1 to PAGE_LIMIT_MAX rows"));
        }
        if prefix.len() > self.limits.key_bytes {
            return Err(self.beyond(py));
        }
        let after = after.filter(|after| *after >= prefix);
        if after.is_some_and(|after| !after.starts_with(prefix)) {
            return Ok(Vec::new());
        }
        let wanted = Wanted {
            prefix,
            after,
            limit,
            budget: self.limits.steps.saturating_sub(self.steps),
            page_max: self.limits.scan_rows,
        };
        let (host, values, own) = (self.read_rows.bind(py), self.values.bind(py), self.writes.bind(py));
        let found = scan::scan(host, values, own, &mut self.written, &wanted)?;
        self.steps = self.steps.saturating_add(found.looked);
        if found.looked > wanted.budget {
            return Err(self.beyond(py));
        }
        Ok(found.rows)
    }

    fn foreign(&mut self, application: &Bound<'_, PyAny>, key: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let py = key.py();
        self.step(py)?;
        let key = exact_bytes(key)?;
        let application = application.cast_exact::<PyString>().map_err(|_| not_declared())?;
        if !self.reads.bind(py).contains(application)? {
            return Err(not_declared());
        }
        if key.as_bytes().len() > self.limits.key_bytes {
            return Err(self.beyond(py));
        }
        let (known, place) = (self.foreign_values.bind(py), (application, key));
        if let Some(value) = known.get_item(place)? {
            return Ok(value.unbind());
        }
        let value = self.read_foreign.bind(py).call1(place)?;
        if has_room(&mut self.reads_room, key, &value) {
            known.set_item(place, &value)?;
        }
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
        let given = data;
        let data = self.encoded(given)?;
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
        declared::check(self.declared.bind(py), name, given, &data)?;
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
            let key = key.cast::<PyBytes>()?;
            self.packer.write(key.as_bytes(), bytes.map(PyBytesMethods::as_bytes));
            self.written.add(key);
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

    /// Steps of the transaction so far.
    #[getter]
    fn _steps(&self) -> u32 {
        self.steps
    }

    /// Bytes of the results so far, packed.
    #[getter]
    fn _packed_bytes(&self) -> usize {
        self.packer.size()
    }

    /// The results since the last call, packed.
    fn _take<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut self.packer).finish())
    }
}
