//! Indexes of compressed archives for Python: which files are one archive, and the pass
//! over it, with its progress and Ctrl-C.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use textbook_core::index::Progress;
use textbook_core::store::{self, IndexOptions, IndexSummary, Sum};

use crate::errors::to_pyerr;
use crate::watch::{Title, watched};

/// Builds the index of the archive in these parts, or finds that it is there.
#[pyfunction]
#[pyo3(signature = (
    parts, *, index, rebuild, threads, sums=None, save_every=2.0, progress=true
))]
#[allow(clippy::too_many_arguments, reason = "keywords of one Python function")]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn index_archive(
    py: Python<'_>,
    parts: Vec<PathBuf>,
    index: Option<PathBuf>,
    rebuild: bool,
    threads: usize,
    sums: Option<HashMap<OsString, Vec<u8>>>,
    save_every: f64,
    progress: bool,
) -> PyResult<Bound<'_, PyDict>> {
    let Some(first) = parts.first().cloned() else {
        return Err(PyValueError::new_err("an archive has at least one part"));
    };
    let save_every = Duration::try_from_secs_f64(save_every)
        .map_err(|error| PyValueError::new_err(format!("save_every: {error}")))?;
    let sums = sums.map(|sums| {
        let sums = sums.into_iter().map(|(name, sum)| Ok((name, Sum::try_from(sum)?)));
        sums.collect::<Result<_, Vec<u8>>>()
    });
    let sums = sums.transpose().map_err(|_| PyValueError::new_err("a SHA-256 sum has 32 bytes"))?;
    let options = IndexOptions { threads, rebuild, path: index, save_every, sums };
    let title = Title { verb: "indexing", path: &first, shows_progress: progress };
    let state = Arc::new(Progress::default());
    let work = {
        let state = Arc::clone(&state);
        move || store::build_index(&parts, &options, &state)
    };
    describe(py, &watched(py, &title, &state, work)?)
}

/// The archives that these files are the parts of, and the files that are none.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn group_archives(
    py: Python<'_>,
    paths: Vec<PathBuf>,
) -> PyResult<(Vec<Vec<OsString>>, Vec<OsString>)> {
    let names = |paths: Vec<PathBuf>| paths.into_iter().map(PathBuf::into_os_string).collect();
    let (archives, others) = store::group_archives(&paths).map_err(|error| to_pyerr(py, &error))?;
    Ok((archives.into_iter().map(names).collect(), names(others)))
}

pub fn describe<'py>(py: Python<'py>, summary: &IndexSummary) -> PyResult<Bound<'py, PyDict>> {
    let info = PyDict::new(py);
    let parts: Vec<_> = summary.parts.iter().map(|part| part.as_os_str()).collect();
    info.set_item("parts", parts)?;
    info.set_item("bytes", summary.archive_bytes)?;
    info.set_item("members", summary.members)?;
    info.set_item("tar_bytes", summary.tar_bytes)?;
    info.set_item("index", summary.path.as_os_str())?;
    info.set_item("index_bytes", summary.bytes)?;
    info.set_item("confirmed", summary.is_confirmed)?;
    info.set_item("damage", (!summary.damage.is_empty()).then_some(&summary.damage))?;
    info.set_item("built_in_seconds", summary.seconds)?;
    info.set_item("resumed_at", summary.resumed_at)?;
    Ok(info)
}
