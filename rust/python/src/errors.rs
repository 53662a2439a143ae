//! The one place where errors of the Rust crates become exceptions of
//! `textbook_fast.errors`. Knows no dataset: the Python layer adds the sample.

use std::io::ErrorKind;

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use textbook_core::Error;

/// An instance of the class `name` of `textbook_fast.errors`, with its context.
pub fn exception(py: Python<'_>, name: &str, message: &str, context: &Bound<'_, PyDict>) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let class = py.import("textbook_fast.errors")?.getattr(name)?.cast_into::<PyType>()?;
        Ok(PyErr::from_value(class.call((message,), Some(context))?))
    };
    build().unwrap_or_else(|error| error)
}

/// The exception for an error of the core.
pub fn to_pyerr(py: Python<'_>, error: &Error) -> PyErr {
    let message = error.to_string();
    let context = PyDict::new(py);
    let built = (|| -> PyResult<&str> {
        Ok(match error {
            Error::Io { path, source, .. } => {
                context.set_item("path", path.as_os_str())?;
                context.set_item("errno", source.raw_os_error())?;
                match source.kind() {
                    ErrorKind::NotFound => "SourceNotFoundError",
                    ErrorKind::PermissionDenied => "SourcePermissionError",
                    _ => "SourceError",
                }
            }
            Error::Format { path, offset, .. } => {
                context.set_item("path", path.as_os_str())?;
                context.set_item("offset", offset)?;
                "FormatError"
            }
            Error::Truncated { path, length, records, end_of_last } => {
                context.set_item("path", path.as_os_str())?;
                context.set_item("offset", length)?;
                context.set_item("records", records)?;
                context.set_item("end_of_last", end_of_last)?;
                "TruncatedError"
            }
            Error::Record { offset, .. } => {
                context.set_item("offset", offset)?;
                "RecordError"
            }
            Error::RecordAt { path, place, position, offset, reason } => {
                context.set_item("path", path.as_os_str())?;
                context.set_item("position", place)?;
                context.set_item("sample", position)?;
                context.set_item("offset", offset)?;
                context.set_item("reason", reason)?;
                "RecordError"
            }
            Error::IndexMissing { path, command, .. } => {
                context.set_item("path", path.as_os_str())?;
                context.set_item("command", command)?;
                "IndexMissingError"
            }
            Error::SourceChanged { path, .. } | Error::ArchiveChanged { path, .. } => {
                context.set_item("path", path.as_os_str())?;
                "SourceChangedError"
            }
            _ => "",
        })
    })();
    match built {
        Ok("") if matches!(error, Error::Stopped) => PyKeyboardInterrupt::new_err(()),
        Ok("") => PyRuntimeError::new_err(message),
        Ok(name) => exception(py, name, &message, &context),
        Err(error) => error,
    }
}
