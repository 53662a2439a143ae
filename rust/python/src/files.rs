//! Open JSON files for Python: their offset indexes, and their records by position.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use textbook_core::Error;
use textbook_core::index::{self, Layout, LongPass, Options, Origin, Progress};
use textbook_core::parts::{Part, Parts};
use textbook_core::source::{Access, Identity, Source};

use crate::errors::to_pyerr;
use crate::record::Record;
use crate::watch::{Title, watched};

type IdentityTuple = (u64, u64, u64, i64);

/// Files that are one sequence of records.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Files {
    parts: Arc<Parts>,
}

impl Files {
    pub fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }
}

#[pymethods]
impl Files {
    #[new]
    #[pyo3(signature = (paths, *, access, recover, threads, expected=None, read_sidecar=true, write_sidecar=true, allows_long_pass=false, save_every=2.0, progress=true))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "keywords")]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn new(
        py: Python<'_>,
        paths: Vec<PathBuf>,
        access: &str,
        recover: bool,
        threads: usize,
        expected: Option<Vec<IdentityTuple>>,
        read_sidecar: bool,
        write_sidecar: bool,
        allows_long_pass: bool,
        save_every: f64,
        progress: bool,
    ) -> PyResult<Files> {
        let access = if access == "read" { Access::Read } else { Access::Map };
        let level = textbook_simd::Level::active();
        let options = Options { threads, recover, read_sidecar, write_sidecar, level };
        let save_every = Duration::try_from_secs_f64(save_every)
            .map_err(|error| PyValueError::new_err(format!("save_every: {error}")))?;
        let long =
            if allows_long_pass { LongPass::Allowed { save_every } } else { LongPass::Refused };
        let mut parts = Parts::default();
        for (number, path) in paths.into_iter().enumerate() {
            let source = Source::open(&path, access).map_err(|error| to_pyerr(py, &error))?;
            if let Some(was) = expected.as_ref().and_then(|expected| expected.get(number)) {
                let (device, inode, size, mtime_ns) = *was;
                let was = Identity { device, inode, size, mtime_ns };
                if let Some(what) = source.identity().difference(&was) {
                    let path = path.clone();
                    return Err(to_pyerr(py, &Error::SourceChanged { path, what }));
                }
            }
            let title = Title { verb: "indexing", path: &path, shows_progress: progress };
            let state = Arc::new(Progress::default());
            let work = {
                let state = Arc::clone(&state);
                move || index::open(source, options, long, &state)
            };
            let (source, index) = watched(py, &title, &state, work)?;
            parts.push(source, index);
        }
        Ok(Files { parts: Arc::new(parts) })
    }

    fn __len__(&self) -> usize {
        self.parts.len()
    }

    #[getter]
    fn paths(&self) -> Vec<&std::ffi::OsStr> {
        self.parts.files().iter().map(|part| part.source.path().as_os_str()).collect()
    }

    #[getter]
    fn identities(&self) -> Vec<IdentityTuple> {
        let of = |part: &Part| {
            let Identity { device, inode, size, mtime_ns } = part.source.identity();
            (device, inode, size, mtime_ns)
        };
        self.parts.files().iter().map(of).collect()
    }

    #[getter]
    fn index_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let infos = PyList::empty(py);
        for part in self.parts.files() {
            infos.append(info(py, part)?)?;
        }
        Ok(infos)
    }

    /// The number of the file that holds the record at `position`, and its position there.
    fn locate(&self, position: usize) -> PyResult<(usize, usize)> {
        if position >= self.parts.len() {
            return Err(PyIndexError::new_err(format!("there is no record {position}")));
        }
        Ok(self.parts.locate(position))
    }

    /// A hash of each file's length and of pieces of its content, and its records.
    fn fingerprints(&self, py: Python<'_>) -> PyResult<Vec<(u64, u64, usize)>> {
        let of = |part: &Part| {
            let hash = textbook_core::index::content_hash(&part.source)?;
            Ok((part.source.size(), hash, part.index.len()))
        };
        let found = py.detach(|| self.parts.files().iter().map(of).collect::<Result<_, Error>>());
        found.map_err(|error| to_pyerr(py, &error))
    }

    /// The record at `position`, the number of its file, and its position there.
    fn record(&self, py: Python<'_>, position: usize) -> PyResult<(Record, usize, usize)> {
        if position >= self.parts.len() {
            return Err(PyIndexError::new_err(format!("there is no record {position}")));
        }
        let (number, place) = self.parts.locate(position);
        let part = &self.parts.files()[number];
        let mut bytes = Vec::new();
        let mut read = || part.index.read(place, &part.source, &mut bytes);
        // A map answers at once; a network file system may take its time.
        let read = if part.source.mapped().is_some() { read() } else { py.detach(read) };
        read.map_err(|error| to_pyerr(py, &error))?;
        Ok((Record::from_bytes(bytes), number, place))
    }
}

fn info<'py>(py: Python<'py>, part: &Part) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("path", part.source.path().as_os_str())?;
    info.set_item("bytes", part.source.file_size())?;
    info.set_item("text_bytes", part.source.size())?;
    info.set_item("packing", part.source.packing())?;
    info.set_item("samples", part.index.len())?;
    let layout = match part.index.layout() {
        Layout::Array => "array",
        Layout::Lines => "lines",
    };
    info.set_item("layout", layout)?;
    let (seconds, resumed_at, sidecar, warning) = match part.index.origin() {
        Origin::Built { seconds, resumed_at, kept, warning } => {
            (Some(*seconds), *resumed_at, kept.clone(), warning.clone())
        }
        Origin::Sidecar(path) => (None, 0, Some(path.clone()), None),
    };
    info.set_item("built_in_seconds", seconds)?;
    info.set_item("resumed_at", resumed_at)?;
    info.set_item("sidecar", sidecar.map(PathBuf::into_os_string))?;
    info.set_item("warning", warning)?;
    Ok(info)
}
