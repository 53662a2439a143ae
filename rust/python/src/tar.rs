//! Tar files for Python, as they are: their members, one after the other.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use textbook_core::index::Progress;
use textbook_core::source::{Access, Source};
use textbook_core::store::{End, Kind, audit, scan};

use crate::errors::to_pyerr;
use crate::images::ImageStore;
use crate::watch::{Title, watched};

struct Listed {
    name: Vec<u8>,
    link: Vec<u8>,
    kind: &'static str,
    place: (u64, u64, u64),
}

/// All members: `(name, kind, link, start, data, size)`, and what is wrong at the end.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn list_tar(py: Python<'_>, path: PathBuf) -> PyResult<(Bound<'_, PyList>, Option<String>)> {
    let source = Source::open(&path, Access::Read).map_err(|error| to_pyerr(py, &error))?;
    let state = Arc::new(Progress::default());
    let title = Title { verb: "walking", path: &path, shows_progress: true };
    let work = {
        let state = Arc::clone(&state);
        move || {
            let mut listed = Vec::new();
            let end = scan(&source, &state, |member| {
                let (name, link) = (member.name.to_vec(), member.link.to_vec());
                let place = (member.start, member.data, member.size);
                listed.push(Listed { name, link, kind: kind_name(member.kind), place });
                Ok(())
            })?;
            Ok((listed, end))
        }
    };
    let (listed, end) = watched(py, &title, &state, work)?;
    let members = PyList::empty(py);
    for Listed { name, link, kind, place } in listed {
        let (start, data, size) = place;
        let (name, link) = (PyBytes::new(py, &name), PyBytes::new(py, &link));
        members.append((name, kind, link, start, data, size))?;
    }
    let damage = match end {
        End::Marked | End::Unmarked => None,
        End::Damaged(fault) => Some(fault.to_string()),
    };
    Ok((members, damage))
}

/// What is odd in an archive: `(kind, offset, reason)`.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn audit_tar(py: Python<'_>, path: PathBuf) -> PyResult<Vec<(&'static str, u64, String)>> {
    let state = Arc::new(Progress::default());
    let title = Title { verb: "walking", path: &path, shows_progress: true };
    let work = {
        let (path, state) = (path.clone(), Arc::clone(&state));
        move || audit(&path, &state)
    };
    let faults = watched(py, &title, &state, work)?;
    Ok(faults.into_iter().map(|fault| (fault.kind, fault.offset, fault.reason)).collect())
}

/// What is odd in a compressed archive of a store: `(kind, path, offset, reason)`.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn audit_tar_gz(
    py: Python<'_>,
    store: &ImageStore,
    first: PathBuf,
) -> PyResult<Vec<(&'static str, OsString, u64, String)>> {
    let Some(archive) = store.store().compressed(&first) else { return Ok(Vec::new()) };
    let state = Arc::new(Progress::default());
    let title = Title { verb: "walking", path: &first, shows_progress: true };
    let work = {
        let state = Arc::clone(&state);
        move || archive.audit(&state)
    };
    let faults = watched(py, &title, &state, work)?.into_iter();
    Ok(faults.map(|(path, fault)| (fault.kind, path.into(), fault.offset, fault.reason)).collect())
}

pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::HardLink => "hard link",
        Kind::SymbolicLink => "symbolic link",
        Kind::Directory => "folder",
        Kind::Sparse => "sparse",
        Kind::Special => "special",
    }
}
