//! Columns for Python: one value of every record, as arrays.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;

use textbook_core::columns::{self, Column, Name, Values};
use textbook_core::index::Progress;
use textbook_core::record::Record;

use crate::errors::to_pyerr;
use crate::files::Files;
use crate::watch::{Title, watched};

/// Values, where there are none, and where they are broken.
type Found<'py> = (Bound<'py, PyAny>, Bound<'py, PyArray1<u64>>, Bound<'py, PyArray1<u64>>);

fn name_of(kind: &str, name: &str) -> Name {
    match kind {
        "images" => Name::Images,
        "vid" => Name::Vid,
        "bytes" => Name::Bytes,
        _ => Name::Field(name.to_owned()),
    }
}

fn to_arrays(py: Python<'_>, column: Column) -> PyResult<Found<'_>> {
    let values = match column.values {
        Values::Ints(list) => list.into_pyarray(py).into_any(),
        Values::Floats(list) => list.into_pyarray(py).into_any(),
        Values::Bools(list) => list.into_pyarray(py).into_any(),
        Values::Texts(list) => list.into_pyobject(py)?.into_any(),
    };
    Ok((values, column.missing.into_pyarray(py), column.faulty.into_pyarray(py)))
}

/// The column of each file.
#[pyfunction]
pub fn read_columns<'py>(
    py: Python<'py>,
    files: &Bound<'py, Files>,
    kind: &str,
    name: &str,
    threads: usize,
) -> PyResult<Vec<Found<'py>>> {
    let parts = Arc::clone(files.get().parts());
    let title_path =
        parts.files().first().map_or_else(PathBuf::new, |part| part.source.path().into());
    let title = Title { verb: "reading a column of", path: &title_path, shows_progress: true };
    let progress = Arc::new(Progress::default());
    let work = {
        let (name, progress) = (name_of(kind, name), Arc::clone(&progress));
        move || columns::columns(&parts, &name, threads, &progress)
    };
    let found = watched(py, &title, &progress, work)?;
    found.into_iter().map(|column| to_arrays(py, column)).collect()
}

/// Raises what is wrong with one record's value, if anything is.
#[pyfunction]
pub fn check_column(
    py: Python<'_>,
    files: &Bound<'_, Files>,
    kind: &str,
    name: &str,
    position: usize,
) -> PyResult<()> {
    let parts = files.get().parts();
    if position >= parts.len() {
        return Err(PyIndexError::new_err(format!("there is no record {position}")));
    }
    let (number, place) = parts.locate(position);
    let part = &parts.files()[number];
    let mut bytes = Vec::new();
    let read = part.index.read(place, &part.source, &mut bytes);
    let checked = read.and_then(|()| columns::check(&Record::new(bytes), &name_of(kind, name)));
    checked.map_err(|error| to_pyerr(py, &error))
}
