//! The text in a compressed file for Python, piece by piece.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use textbook_core::index::Unpacked;

use crate::errors::to_pyerr;

/// An iterator of bytes.
#[pyclass(module = "textbook_fast._core")]
pub struct TextPieces(Unpacked);

#[pymethods]
impl TextPieces {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<TextPieces> {
        let opened = py.detach(|| Unpacked::open(&path));
        opened.map(TextPieces).map_err(|error| to_pyerr(py, &error))
    }

    #[getter]
    fn name(&self) -> &std::ffi::OsStr {
        self.0.name().as_os_str()
    }

    #[getter]
    fn length(&self) -> Option<u64> {
        self.0.length()
    }

    #[getter]
    fn progress(&self) -> (u64, u64) {
        self.0.progress()
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let unpacked = &mut self.0;
        let has_piece = py.detach(|| unpacked.advance()).map_err(|error| to_pyerr(py, &error))?;
        Ok(has_piece.then(|| PyBytes::new(py, self.0.piece())))
    }
}
