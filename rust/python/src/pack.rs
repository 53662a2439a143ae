//! Packs for Python: a tar in the making, and the members of archives in their order.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use textbook_core::Error;
use textbook_core::index::Progress;
use textbook_core::pack::{Batches, Pack};
use textbook_core::source::{Access, Source};
use textbook_core::store::{End, Kind, Scan, Step};

use crate::errors::to_pyerr;
use crate::images::ImageStore;
use crate::tar::kind_name;

/// A tar in the making. Used by one thread at a time.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct PackWriter(Mutex<Option<Pack>>);

impl PackWriter {
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Pack) -> textbook_core::Result<R> + Send,
    ) -> PyResult<R> {
        let result = py.detach(|| {
            let mut pack = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            pack.as_mut().map(work)
        });
        let result = result.ok_or_else(|| PyValueError::new_err("the pack is finished"))?;
        result.map_err(|error| to_pyerr(py, &error))
    }
}

#[pymethods]
impl PackWriter {
    /// `None` where the pack is finished already.
    #[staticmethod]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn open(py: Python<'_>, out: PathBuf, plan: u64, stride: u64) -> PyResult<Option<PackWriter>> {
        let pack = py.detach(|| Pack::open(&out, plan, stride));
        let pack = pack.map_err(|error| to_pyerr(py, &error))?;
        Ok(pack.map(|pack| PackWriter(Mutex::new(Some(pack)))))
    }

    #[getter]
    fn resumed(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |pack| Ok(pack.resumed()))
    }

    #[getter]
    fn length(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |pack| Ok(pack.length()))
    }

    fn wants(&self, py: Python<'_>, name: &[u8]) -> PyResult<bool> {
        self.with(py, |pack| pack.wants(name))
    }

    fn add(&self, py: Python<'_>, name: &[u8], data: &[u8]) -> PyResult<()> {
        self.with(py, |pack| pack.add(name, data))
    }

    /// Reads the next members of an archive on so many threads and adds them: how many
    /// there were, and why others are left out. `None` at the end.
    fn add_next(
        &self,
        py: Python<'_>,
        members: &ArchiveMembers,
        threads: usize,
    ) -> PyResult<Option<(usize, Vec<String>)>> {
        self.with(py, |pack| {
            let mut batches = members.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(batch) = batches.read_next(pack.left_to_pass(), threads)? else {
                return Ok(None);
            };
            pack.add_batch(&batch)?;
            Ok(Some((batch.len(), batch.left_out)))
        })
    }

    /// Gives up the file, for others to go on with.
    fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The path of the index.
    fn finish(&self, py: Python<'_>) -> PyResult<OsString> {
        let index = py.detach(|| {
            let pack = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            pack.map(|pack| pack.finish(&Progress::default()))
        });
        let index = index.ok_or_else(|| PyValueError::new_err("the pack is finished"))?;
        index.map(PathBuf::into_os_string).map_err(|error| to_pyerr(py, &error))
    }
}

/// The members of a compressed archive, in their order. Used by one thread at a time.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct ArchiveMembers(Mutex<Batches>);

#[pymethods]
impl ArchiveMembers {
    /// `wanted`: by what the members that are wanted are known; all where it is `None`.
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn new(
        py: Python<'_>,
        store: &ImageStore,
        first: PathBuf,
        bytes: u64,
        wanted: Option<HashSet<Vec<u8>>>,
    ) -> PyResult<ArchiveMembers> {
        let Some(archive) = store.store().compressed(&first) else {
            let message = format!("{} is no compressed archive of the store", first.display());
            return Err(PyValueError::new_err(message));
        };
        archive.check_is_whole().map_err(|error| to_pyerr(py, &error))?;
        Ok(ArchiveMembers(Mutex::new(Batches::new(archive, bytes, wanted))))
    }
}

/// The members of a tar, in their order. Used by one thread at a time.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct TarReader(Arc<Source>, Mutex<Scan>);

/// A name, and what has to be read for it.
struct Found {
    name: Vec<u8>,
    kind: Kind,
    data: u64,
    size: u64,
}

type NextMember<'py> = (Bound<'py, PyBytes>, &'static str, u64, u64);

#[pymethods]
impl TarReader {
    #[new]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<TarReader> {
        let source = Source::open(&path, Access::Read).map_err(|error| to_pyerr(py, &error))?;
        Ok(TarReader(Arc::new(source), Mutex::new(Scan::default())))
    }

    /// The next member that is no folder: its name, kind, and where its data lies. `None` at
    /// the end; an archive that is cut or broken is an error.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<NextMember<'py>>> {
        let step = py.detach(|| {
            let mut scan = self.1.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let step = scan.next(&self.0, |member| {
                    let (name, kind) = (member.name.to_vec(), member.kind);
                    Ok(Found { name, kind, data: member.data, size: member.size })
                })?;
                if !matches!(&step, Step::Member(Found { kind: Kind::Directory, .. })) {
                    return Ok(step);
                }
            }
        });
        match step.map_err(|error| to_pyerr(py, &error))? {
            Step::Member(Found { name, kind, data, size }) => {
                let kind = kind_name(kind);
                Ok(Some((PyBytes::new(py, &name), kind, data, size)))
            }
            Step::End(End::Damaged(fault)) => {
                let (path, offset, reason) = (self.0.path().into(), fault.offset, fault.reason);
                Err(to_pyerr(py, &Error::Format { path, offset, reason }))
            }
            Step::End(_) => Ok(None),
        }
    }

    /// The data of a member.
    fn read<'py>(&self, py: Python<'py>, data: u64, size: u64) -> PyResult<Bound<'py, PyBytes>> {
        let mut bytes = Vec::new();
        let end = data.saturating_add(size);
        py.detach(|| self.0.read_into(data..end, &mut bytes))
            .map_err(|error| to_pyerr(py, &error))?;
        Ok(PyBytes::new(py, &bytes))
    }
}
