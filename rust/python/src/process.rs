//! What Python needs to know and to do about the process: threads, fork, SIMD.

use std::path::PathBuf;

use pyo3::prelude::*;

use textbook_core::buffers;
use textbook_core::pool::{self, Side};
use textbook_core::source::sync_filesystem_of;

use crate::errors::to_pyerr;

/// How many CPUs affinity and cgroup quota leave to this process.
#[pyfunction]
pub fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(pool::MAX_THREADS)
}

/// The instruction set in use: "scalar", "avx2" or "avx512".
#[pyfunction]
pub fn simd_level() -> &'static str {
    textbook_simd::Level::active().name()
}

/// Bytes of freed pixel memory that wait to be used again.
#[pyfunction]
pub fn kept_bytes(py: Python<'_>) -> usize {
    py.detach(|| {
        let _pass = pool::enter();
        buffers::kept_bytes()
    })
}

/// Gives that memory back to the system.
#[pyfunction]
pub fn free_kept(py: Python<'_>) {
    py.detach(|| {
        let _pass = pool::enter();
        buffers::free_kept();
    });
}

/// Writes everything that waits on the file system of this file or folder to its disk.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn sync_filesystem(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    py.detach(|| sync_filesystem_of(&path)).map_err(|error| to_pyerr(py, &error))
}

#[pyfunction]
pub fn before_fork(py: Python<'_>) {
    py.detach(pool::before_fork);
}

#[pyfunction]
pub fn after_fork_in_parent() {
    pool::after_fork(Side::Parent);
}

#[pyfunction]
pub fn after_fork_in_child() {
    pool::after_fork(Side::Child);
}
