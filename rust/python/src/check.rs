//! The doctor for Python: findings and counts, some chunks of records at a time, so that
//! the caller can print, show how far it is, and stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use textbook_core::check::{Depth, Finding, Plan, Report, Severity, check};
use textbook_core::parts::{Chunk, Parts};

use crate::errors::to_pyerr;
use crate::files::Files;
use crate::images::{ImageStore, pixel_limit};

/// A pass over all records, piece by piece.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Checker {
    parts: Arc<Parts>,
    chunks: Arc<Vec<Chunk>>,
    plan: Plan,
    next: AtomicUsize,
}

#[pymethods]
impl Checker {
    #[new]
    #[pyo3(signature = (files, store, *, depth, threads))]
    fn new(
        py: Python<'_>,
        files: &Bound<'_, Files>,
        store: Option<&Bound<'_, ImageStore>>,
        depth: &str,
        threads: usize,
    ) -> PyResult<Checker> {
        let parts = Arc::clone(files.get().parts());
        let chunks = Arc::new(parts.chunks(None));
        let store = store.map(|store| Arc::clone(store.get().store()));
        let depth = if depth == "pixels" { Depth::Pixels } else { Depth::Header };
        let plan = Plan { store, depth, limit: pixel_limit(py)?, threads };
        Ok(Checker { parts, chunks, plan, next: AtomicUsize::new(0) })
    }

    /// Findings and counts of the next chunks; `None` when all have been looked at.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let first = self.next.fetch_add(self.plan.threads, Ordering::Relaxed);
        let range = first..first.saturating_add(self.plan.threads).min(self.chunks.len());
        if range.is_empty() {
            return Ok(None);
        }
        let checked = py.detach(|| check(&self.parts, &self.chunks, range, &self.plan));
        let report = checked.map_err(|error| to_pyerr(py, &error))?;
        to_dict(py, report).map(Some)
    }
}

fn to_dict(py: Python<'_>, report: Report) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    let findings = PyList::empty(py);
    for finding in report.findings {
        findings.append(to_tuple(py, finding)?)?;
    }
    dict.set_item("findings", findings)?;
    dict.set_item("samples", report.samples)?;
    dict.set_item("images", report.images)?;
    dict.set_item("found", report.found)?;
    dict.set_item("bytes", report.bytes)?;
    dict.set_item("sizes", report.sizes)?;
    dict.set_item("prefixes", report.prefixes)?;
    Ok(dict)
}

/// `(severity, kind, sample, file, offset, item, image, reason)`
fn to_tuple(py: Python<'_>, finding: Finding) -> PyResult<Bound<'_, PyAny>> {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Notice => "notice",
    };
    let Finding { kind, sample, file, offset, item, image, reason, .. } = finding;
    let tuple = (severity, kind, sample, file, offset, item, image, reason).into_pyobject(py)?;
    Ok(tuple.into_any())
}
