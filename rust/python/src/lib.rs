//! The Python module `textbook_fast._core`: conversion and error mapping only.
#![allow(missing_docs, reason = "documented for Python in python/textbook_fast/_core.pyi")]

mod errors;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
