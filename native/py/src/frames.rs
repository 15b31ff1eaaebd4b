//! The framing of submitted batches, without a look at what the frames hold.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_function(wrap_pyfunction!(frame_count, m)?)
}

/// Count of `u32 length ‖ bytes` repeated; `None` for broken framing or more than `count_max`.
#[pyfunction]
fn frame_count(data: PyBackedBytes, count_max: usize) -> Option<usize> {
    let mut rest: &[u8] = &data;
    let mut count = 0;
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        rest = tail.get(u32::from_be_bytes(*length) as usize..)?;
        count += 1;
        if count > count_max {
            return None;
        }
    }
    rest.is_empty().then_some(count)
}
