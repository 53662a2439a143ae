//! Open JSON files for Python: their offset indexes, and their records by position.
//! A long pass shows its progress and stops on Ctrl-C.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use textbook_core::Error;
use textbook_core::index::{Layout, OffsetIndex, Options, Origin, Progress};
use textbook_core::source::{Access, Identity, Source};

use crate::errors::to_pyerr;
use crate::record::Record;

/// A pass that is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(50);

type IdentityTuple = (u64, u64, u64, i64);

struct Part {
    source: Arc<Source>,
    index: OffsetIndex,
    /// The position of its first record in all files together.
    first: usize,
}

/// Files that are one sequence of records.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Files {
    parts: Vec<Part>,
    length: usize,
}

#[pymethods]
impl Files {
    #[new]
    #[pyo3(signature = (paths, *, access, recover, threads, expected=None, read_sidecar=true, write_sidecar=true, progress=true))]
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
        progress: bool,
    ) -> PyResult<Files> {
        let access = if access == "read" { Access::Read } else { Access::Map };
        let level = textbook_simd::Level::active();
        let options = Options { threads, recover, read_sidecar, write_sidecar, level };
        let mut files = Files { parts: Vec::new(), length: 0 };
        for (number, path) in paths.into_iter().enumerate() {
            let source = Source::open(&path, access).map_err(|error| to_pyerr(py, &error))?;
            if let Some(was) = expected.as_ref().and_then(|expected| expected.get(number)) {
                let (device, inode, size, mtime_ns) = *was;
                let was = Identity { device, inode, size, mtime_ns };
                if let Some(what) = source.identity().difference(&was) {
                    return Err(to_pyerr(py, &Error::SourceChanged { path, what }));
                }
            }
            let source = Arc::new(source);
            let index = watched(py, &source, options, progress)?;
            let first = files.length;
            files.length += index.len();
            files.parts.push(Part { source, index, first });
        }
        Ok(files)
    }

    fn __len__(&self) -> usize {
        self.length
    }

    #[getter]
    fn paths(&self) -> Vec<&std::ffi::OsStr> {
        self.parts.iter().map(|part| part.source.path().as_os_str()).collect()
    }

    #[getter]
    fn identities(&self) -> Vec<IdentityTuple> {
        let of = |part: &Part| {
            let Identity { device, inode, size, mtime_ns } = part.source.identity();
            (device, inode, size, mtime_ns)
        };
        self.parts.iter().map(of).collect()
    }

    #[getter]
    fn index_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let infos = PyList::empty(py);
        for part in &self.parts {
            infos.append(info(py, part)?)?;
        }
        Ok(infos)
    }

    /// The record at `position`, the number of its file, and its position there.
    fn record(&self, py: Python<'_>, position: usize) -> PyResult<(Record, usize, usize)> {
        if position >= self.length {
            return Err(PyIndexError::new_err(format!("there is no record {position}")));
        }
        // The last part that begins at or before the position; parts may be empty.
        let number = self.parts.partition_point(|part| part.first <= position) - 1;
        let part = &self.parts[number];
        let place = position - part.first;
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
    info.set_item("bytes", part.source.size())?;
    info.set_item("samples", part.index.len())?;
    let layout = match part.index.layout() {
        Layout::Array => "array",
        Layout::Lines => "lines",
    };
    info.set_item("layout", layout)?;
    let (seconds, sidecar, warning) = match part.index.origin() {
        Origin::Built { seconds, kept, warning } => (Some(*seconds), kept.clone(), warning.clone()),
        Origin::Sidecar(path) => (None, Some(path.clone()), None),
    };
    info.set_item("built_in_seconds", seconds)?;
    info.set_item("sidecar", sidecar.map(PathBuf::into_os_string))?;
    info.set_item("warning", warning)?;
    Ok(info)
}

/// Opens or builds the index while this thread looks after Ctrl-C and the progress bar.
fn watched(
    py: Python<'_>,
    source: &Arc<Source>,
    options: Options,
    shows_progress: bool,
) -> PyResult<OffsetIndex> {
    let progress = Arc::new(Progress::default());
    let (sender, mut receiver) = channel();
    let worker = {
        let (source, progress) = (Arc::clone(source), Arc::clone(&progress));
        let body = move || {
            // The watcher is gone only if it panicked.
            let _ = sender.send(OffsetIndex::open(&source, options, &progress));
        };
        std::thread::Builder::new().name("textbook_fast index".to_owned()).spawn(body)
    };
    let worker = worker.map_err(|source| {
        let path = PathBuf::from("a thread");
        to_pyerr(py, &Error::Io { path, action: "start", source })
    })?;
    let begin = Instant::now();
    let mut bar = None;
    let mut interrupted = None;
    let result = loop {
        let answer;
        (answer, receiver) = py.detach(move || (receiver.recv_timeout(TICK), receiver));
        match answer {
            Ok(result) => break Some(result),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupted.is_none()
            && let Err(error) = py.check_signals()
        {
            progress.stop();
            interrupted = Some(error);
        }
        if shows_progress && begin.elapsed() > PATIENCE {
            show(bar.get_or_insert_with(|| new_bar(source)), &progress);
        }
    };
    let joined = py.detach(|| worker.join());
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    match (interrupted, result, joined) {
        (Some(interrupt), ..) => Err(interrupt),
        (None, Some(Ok(index)), _) => Ok(index),
        (None, Some(Err(error)), _) => Err(to_pyerr(py, &error)),
        (None, None, _) => {
            let message = "the pass over the file panicked".to_owned();
            Err(to_pyerr(py, &Error::Bug { path: source.path().to_owned(), message }))
        }
    }
}

/// On standard error, and only on a terminal.
fn new_bar(source: &Source) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(source.size()), ProgressDrawTarget::stderr());
    let template = "indexing {msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    let name = source.path().file_name().unwrap_or_default();
    bar.set_message(name.to_string_lossy().into_owned());
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let (done, total) = progress.bytes();
    bar.set_length(total);
    bar.set_position(done);
}
