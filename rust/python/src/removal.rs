//! Packs whose archive's parts are removed on the way, for Python.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use textbook_core::Result;
use textbook_core::index::Progress;
use textbook_core::pack::PartRemoval as Removal;

use crate::errors::to_pyerr;
use crate::watch::{Title, watched};

/// A pack in the making, and the archive that it takes the place of. Used once.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct PartRemoval(Mutex<Option<Removal>>);

impl PartRemoval {
    fn look<R>(&self, look: impl FnOnce(&Removal) -> R) -> PyResult<R> {
        let removal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        removal.as_ref().map(look).ok_or_else(used)
    }
}

fn names(paths: Vec<PathBuf>) -> Vec<OsString> {
    paths.into_iter().map(PathBuf::into_os_string).collect()
}

fn used() -> PyErr {
    PyValueError::new_err("it was run before")
}

/// Looks at an index of millions of members, while the caller may press Ctrl-C.
fn looked<T: Send + 'static>(
    py: Python<'_>,
    path: &Path,
    look: impl FnOnce(&Progress) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let state = Arc::new(Progress::default());
    let title = Title { verb: "looking at", path, shows_progress: false };
    let of_work = Arc::clone(&state);
    watched(py, &title, &state, move || look(&of_work))
}

#[pymethods]
impl PartRemoval {
    /// What is to be done with the archive in these parts. Nothing is written or removed.
    #[staticmethod]
    fn begin(
        py: Python<'_>,
        out: PathBuf,
        parts: Vec<PathBuf>,
        index: Option<PathBuf>,
    ) -> PyResult<PartRemoval> {
        let path = out.clone();
        let look =
            move |progress: &Progress| Removal::begin(&out, &parts, index.as_deref(), progress);
        looked(py, &path, look).map(|removal| PartRemoval(Mutex::new(Some(removal))))
    }

    /// What an earlier run began; `None` where there is nothing to go on with.
    #[staticmethod]
    fn resume(py: Python<'_>, out: PathBuf) -> PyResult<Option<PartRemoval>> {
        let path = out.clone();
        let removal = looked(py, &path, move |progress| Removal::resume(&out, progress))?;
        Ok(removal.map(|removal| PartRemoval(Mutex::new(Some(removal)))))
    }

    /// Takes away what is left of an archive whose parts are gone and whose pack has its
    /// name; whether that is so.
    #[staticmethod]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn clear_finished(py: Python<'_>, out: PathBuf) -> PyResult<bool> {
        py.detach(|| Removal::clear_finished(&out)).map_err(|error| to_pyerr(py, &error))
    }

    /// All parts of the archive.
    #[getter]
    fn all_parts(&self) -> PyResult<Vec<OsString>> {
        self.look(|removal| names(removal.all_parts().to_vec()))
    }

    /// The parts that are still there.
    #[getter]
    fn parts(&self) -> PyResult<Vec<OsString>> {
        self.look(|removal| names(removal.parts()))
    }

    /// The length that the tar will have.
    #[getter]
    fn bytes(&self) -> PyResult<u64> {
        self.look(Removal::bytes)
    }

    /// How many bytes have to be free now.
    fn bytes_needed(&self, stride: u64) -> PyResult<u64> {
        self.look(|removal| removal.bytes_needed(stride))
    }

    /// Packs and removes.
    fn run<'py>(
        &self,
        py: Python<'py>,
        threads: usize,
        stride: u64,
        progress: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let removal = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let removal = removal.ok_or_else(used)?;
        let path = removal.all_parts().first().cloned().unwrap_or_default();
        let title = Title { verb: "packing", path: &path, shows_progress: progress };
        let state = Arc::new(Progress::default());
        let work = {
            let state = Arc::clone(&state);
            move || removal.run(threads, stride, &state)
        };
        let report = watched(py, &title, &state, work)?;
        let described = PyDict::new(py);
        described.set_item("index", report.index.into_os_string())?;
        described.set_item("members", report.members)?;
        described.set_item("resumed", report.resumed)?;
        described.set_item("bytes", report.bytes)?;
        described.set_item("removed", names(report.removed))?;
        Ok(described)
    }
}
