//! Pages of the state tree: those that changed together, those that wait, and those in files.

use hn_merkle::PageId;
use hn_merkle::state_tree::{Layer, Layers};
use hn_pages::{Merge, MergedFile, PageFiles, PageSource, PagesError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{codec, raise};

type Page<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyPageLayer>()?;
    m.add_class::<PyPageLayers>()?;
    m.add_class::<PyPageFiles>()?;
    m.add_class::<PyPageSource>()?;
    m.add_class::<PyPageMerge>()?;
    m.add_class::<PyMergedFile>()
}

fn rows<'py>(py: Python<'py>, layer: &Layer, start: usize, count: usize) -> Vec<Page<'py>> {
    let row = |(id, page): (&PageId, Option<&[u8]>)| {
        let page = page.map(|bytes| PyBytes::new(py, bytes));
        (PyBytes::new(py, &id.encode()), page)
    };
    layer.pages().skip(start).take(count).map(row).collect()
}

/// Pages that changed together.
#[pyclass(name = "PageLayer", frozen)]
pub struct PyPageLayer(pub Arc<Layer>);

#[pymethods]
impl PyPageLayer {
    #[new]
    fn new(pages: Vec<(PyBackedBytes, Option<PyBackedBytes>)>) -> PyResult<Self> {
        let pages = pages
            .iter()
            .map(|(id, page)| Ok((PageId::decode(id).map_err(codec)?, page.as_deref())))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self(Arc::new(Layer::new(pages))))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[pyo3(signature = (start=0, count=usize::MAX))]
    fn rows<'py>(&self, py: Python<'py>, start: usize, count: usize) -> Vec<Page<'py>> {
        rows(py, &self.0, start, count)
    }

    #[getter]
    fn byte_count(&self) -> usize {
        self.0.byte_count()
    }
}

/// Changed pages that wait to be written.
#[pyclass(name = "PageLayers", frozen)]
pub struct PyPageLayers(Layers);

#[pymethods]
impl PyPageLayers {
    #[new]
    fn new() -> Self {
        Self(Layers::default())
    }

    fn with_layer(&self, py: Python<'_>, layer: &PyPageLayer) -> Self {
        Self(py.detach(|| self.0.with(Arc::clone(&layer.0))))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn byte_count(&self) -> usize {
        self.0.byte_count()
    }

    fn merged(&self, py: Python<'_>) -> PyPageLayer {
        PyPageLayer(py.detach(|| Arc::new(self.0.merged())))
    }
}

/// Pages in files.
#[pyclass(name = "PageFiles", frozen)]
struct PyPageFiles(PageFiles);

/// So many bytes that nobody else holds are let go of by a thread.
const CLOSED_ASIDE_BYTES: u64 = 32 << 20;

/// Who closes the last handle of a deleted file waits until the kernel has given up its cache: half a second a gigabyte, not to be
/// spent with the interpreter held.
fn close_aside(source: PageSource) {
    if source.files().byte_count_of_last_holder() >= CLOSED_ASIDE_BYTES {
        // Without a thread it is done here and now.
        let _ = std::thread::Builder::new().spawn(move || drop(source));
    }
}

impl Drop for PyPageFiles {
    fn drop(&mut self) {
        close_aside(PageSource::new(Vec::new(), std::mem::take(&mut self.0)));
    }
}

fn failed(error: &PagesError) -> PyErr {
    raise(error.code(), error.to_string())
}

#[pymethods]
impl PyPageFiles {
    #[new]
    fn new(py: Python<'_>, directory: PathBuf, height: Option<u64>) -> PyResult<Self> {
        let files = py.detach(|| PageFiles::open(&directory, height));
        files.map(Self).map_err(|e| failed(&e))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn height(&self) -> Option<u64> {
        self.0.height()
    }

    #[getter]
    fn byte_count(&self) -> u64 {
        self.0.byte_count()
    }

    fn with_layers(&self, py: Python<'_>, changed: &PyPageLayers, height: u64) -> PyResult<Self> {
        let files = py.detach(|| self.0.with(&changed.0, height));
        files.map(Self).map_err(|e| failed(&e))
    }

    fn merge(&self, py: Python<'_>, through: u64) -> PyResult<Option<PyPageMerge>> {
        let merge = py.detach(|| self.0.merge(through)).map_err(|e| failed(&e))?;
        Ok(merge.map(|merge| PyPageMerge(Mutex::new(Some(merge)))))
    }

    fn taking(&self, merged: &PyMergedFile) -> Self {
        Self(self.0.taking(&merged.0))
    }

    fn has(&self, merged: &PyMergedFile) -> bool {
        self.0.has(&merged.0)
    }

    fn discard(&self, py: Python<'_>, later: &Self) -> PyResult<()> {
        py.detach(|| self.0.discard(&later.0)).map_err(|e| failed(&e))
    }
}

/// Pages of one height.
#[pyclass(name = "PageSource", frozen)]
pub struct PyPageSource(pub PageSource);

impl Drop for PyPageSource {
    fn drop(&mut self) {
        close_aside(std::mem::take(&mut self.0));
    }
}

#[pymethods]
impl PyPageSource {
    #[new]
    #[pyo3(signature = (files, *layers))]
    fn new(files: &PyPageFiles, layers: Vec<PyRef<'_, PyPageLayers>>) -> Self {
        let layers = layers.iter().map(|layers| layers.0.clone()).collect();
        Self(PageSource::new(layers, files.0.clone()))
    }

    fn taking(&self, merged: &PyMergedFile) -> Self {
        Self(self.0.over(self.0.files().taking(&merged.0)))
    }

    fn read<'py>(&self, py: Python<'py>, page_ids: Vec<PyBackedBytes>) -> PyResult<Vec<Option<Bound<'py, PyBytes>>>> {
        let ids = page_ids.iter().map(|id| PageId::decode(id).map_err(codec));
        let ids = ids.collect::<PyResult<Vec<_>>>()?;
        // Ascending, each once, and where each asked one is among them.
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let owned = |pages: &[Option<&[u8]>]| pages.iter().map(|page| page.map(<[u8]>::to_vec)).collect::<Vec<_>>();
        let pages = py.detach(|| self.0.read(&sorted, owned)).map_err(|e| failed(&e))?;
        let page = |id: &PageId| sorted.binary_search(id).ok().and_then(|at| pages.get(at)?.as_deref());
        Ok(ids
            .iter()
            .map(|id| page(id).map(|page| PyBytes::new(py, page)))
            .collect())
    }
}

/// What `PageMerge.step` gives up at: some milliseconds.
const STEP_BYTES: usize = 1 << 20;

/// Page files that become one.
#[pyclass(name = "PageMerge", frozen)]
struct PyPageMerge(Mutex<Option<Merge>>);

/// What became of them.
#[pyclass(name = "MergedFile", frozen)]
struct PyMergedFile(MergedFile);

#[pymethods]
impl PyMergedFile {
    fn discard(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.discard()).map_err(|e| failed(&e))
    }
}

#[pymethods]
impl PyPageMerge {
    fn step(&self, py: Python<'_>) -> PyResult<Option<PyMergedFile>> {
        let merged = py.detach(|| {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Taken out, so that a failure drops it with what it wrote.
            let Some(mut merge) = held.take() else {
                return Ok(None);
            };
            if merge.step(STEP_BYTES)? {
                return merge.finish().map(Some);
            }
            *held = Some(merge);
            Ok(None)
        });
        Ok(merged.map_err(|e| failed(&e))?.map(PyMergedFile))
    }

    fn stop(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
