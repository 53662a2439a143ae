//! Passes over the records of open files, for Python: simple fields, videos, counts, a copy
//! with other paths.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{IntoPyArray, PyReadonlyArray1};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyList, PyString};

use textbook_core::clips::{self, Ocr};
use textbook_core::index::Progress;
use textbook_core::parts::Parts;
use textbook_core::rewrite::{self, Check, Rewrite};
use textbook_core::statistics::{self, Counts};
use textbook_core::videos::{self, Share, Value};

use crate::errors::to_pyerr;
use crate::files::Files;
use crate::record::Record;
use crate::watch::{Title, watched};

/// The positions of a view, each of which has to exist; None for all.
pub fn positions_of(
    parts: &Parts,
    view: Option<PyReadonlyArray1<'_, i64>>,
) -> PyResult<Option<Vec<usize>>> {
    let Some(view) = view else { return Ok(None) };
    let check = |&position: &i64| {
        let checked = usize::try_from(position).ok().filter(|&checked| checked < parts.len());
        checked.ok_or_else(|| PyIndexError::new_err(format!("there is no record {position}")))
    };
    view.as_array().iter().map(check).collect::<PyResult<Vec<_>>>().map(Some)
}

fn title<'a>(parts: &'a Parts, verb: &'static str) -> Title<'a> {
    let path = parts.files().first().map(|part| part.source.path());
    Title { verb, path: path.unwrap_or(std::path::Path::new("nothing")), shows_progress: true }
}

/// A string; what is no UTF-8 in it is replaced.
fn to_string<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    PyString::new(py, &String::from_utf8_lossy(bytes))
}

fn to_object<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::None => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Int(value) => value.into_pyobject(py)?.into_any(),
        Value::Float(value) => PyFloat::new(py, *value).into_any(),
        Value::Text(text) => to_string(py, text).into_any(),
    })
}

/// For each name, the values of that field in all records.
#[pyfunction]
pub fn simple_fields<'py>(
    py: Python<'py>,
    files: &Bound<'py, Files>,
    names: Vec<String>,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let parts = files.get().parts();
    let progress = Arc::new(Progress::default());
    let work = {
        let (parts, progress) = (Arc::clone(parts), Arc::clone(&progress));
        move || videos::columns(&parts, names, threads, &progress)
    };
    let columns = watched(py, &title(parts, "reading"), &progress, work)?;
    let lists = PyList::empty(py);
    for column in columns {
        let list = PyList::empty(py);
        for value in column {
            list.append(to_object(py, &value)?)?;
        }
        lists.append(list)?;
    }
    Ok(lists)
}

/// The places in the view of the samples that show the wanted videos: all of a sample's
/// videos have to be among them, or any.
#[pyfunction]
pub fn samples_of_videos<'py>(
    py: Python<'py>,
    files: &Bound<'py, Files>,
    view: Option<PyReadonlyArray1<'py, i64>>,
    wanted: Vec<String>,
    share: &str,
    threads: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let parts = files.get().parts();
    let positions = positions_of(parts, view)?;
    let share = if share == "any" { Share::Any } else { Share::All };
    let wanted: Vec<Vec<u8>> = wanted.into_iter().map(String::into_bytes).collect();
    let progress = Arc::new(Progress::default());
    let work = {
        let (parts, progress) = (Arc::clone(parts), Arc::clone(&progress));
        move || videos::of_videos(&parts, positions.as_deref(), wanted, share, threads, &progress)
    };
    let found = watched(py, &title(parts, "looking for videos in"), &progress, work)?;
    let found = found.into_iter().map(i64::try_from).collect::<Result<Vec<i64>, _>>()?;
    Ok(found.into_pyarray(py).into_any())
}

/// What the samples of views hold, one view after another, as arrays and numbers.
#[pyfunction]
pub fn count_samples<'py>(
    py: Python<'py>,
    views: Vec<(Bound<'py, Files>, Option<PyReadonlyArray1<'py, i64>>)>,
    threads: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let mut counts = Counts::default();
    for (files, view) in views {
        let parts = files.get().parts();
        let positions = positions_of(parts, view)?;
        let progress = Arc::new(Progress::default());
        let work = {
            let (parts, progress) = (Arc::clone(parts), Arc::clone(&progress));
            move || statistics::count(&parts, positions.as_deref(), threads, &progress)
        };
        counts.append(watched(py, &title(parts, "counting"), &progress, work)?);
    }
    to_dict(py, counts)
}

fn to_dict(py: Python<'_>, counts: Counts) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("images", counts.images.into_pyarray(py))?;
    dict.set_item("texts", counts.texts.into_pyarray(py))?;
    dict.set_item("text_num", counts.text_num.into_pyarray(py))?;
    dict.set_item("token_num", counts.token_num.into_pyarray(py))?;
    dict.set_item("characters", counts.characters.into_pyarray(py))?;
    dict.set_item("ocr_characters", counts.ocr_characters.into_pyarray(py))?;
    dict.set_item("ocr_texts", counts.ocr_texts)?;
    dict.set_item("other_images", counts.other_images)?;
    dict.set_item("videos", counts.videos.len())?;
    let seconds: Vec<f64> = counts.clips.values().map(|clip| clip.seconds).collect();
    let keyframes: Vec<i64> = counts.clips.values().map(|clip| i64::from(clip.keyframes)).collect();
    dict.set_item("clip_seconds", seconds.into_pyarray(py))?;
    dict.set_item("clip_keyframes", keyframes.into_pyarray(py))?;
    Ok(dict)
}

/// Paths that were rewritten, kept, missing; and some of those: their position and path.
type Rewritten = (u64, u64, u64, Vec<(usize, String)>);

/// Copies a file with other paths.
#[pyfunction]
#[pyo3(signature = (files, out, *, old_prefix, new_root, check, threads))]
pub fn rewrite_paths(
    py: Python<'_>,
    files: &Bound<'_, Files>,
    out: PathBuf,
    old_prefix: Option<String>,
    new_root: String,
    check: &str,
    threads: usize,
) -> PyResult<Rewritten> {
    let check = match check {
        "skip" => Check::Skip,
        "count" => Check::Count,
        // "raise": the caller does.
        _ => Check::Require,
    };
    let parts = files.get().parts();
    let progress = Arc::new(Progress::default());
    let work = {
        let (parts, progress) = (Arc::clone(parts), Arc::clone(&progress));
        let wanted = Arc::new(Rewrite { old_prefix, new_root, check });
        move || rewrite::rewrite(&parts, &out, &wanted, threads, &progress)
    };
    let report = watched(py, &title(parts, "rewriting"), &progress, work)?;
    Ok((report.rewritten, report.kept, report.missing, report.examples))
}

/// The interleaved record of a record of clips; None where it is none.
#[pyfunction]
#[pyo3(signature = (record, *, ocr, separator))]
pub fn interleave_clips(
    py: Python<'_>,
    record: &Bound<'_, Record>,
    ocr: bool,
    separator: Option<&str>,
) -> PyResult<Option<Record>> {
    let record = record.get().inner();
    if !clips::is_of_clips(record).map_err(|error| to_pyerr(py, &error))? {
        return Ok(None);
    }
    let ocr = if ocr { Ocr::With } else { Ocr::Without };
    let bytes = clips::interleave(record, clips::Options { ocr, separator });
    Ok(Some(Record::from_bytes(bytes.map_err(|error| to_pyerr(py, &error))?)))
}
