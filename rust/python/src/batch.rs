//! The images of many samples in one array: sizes first, then every image is decoded and
//! transformed straight into its part of the array's memory.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use numpy::ndarray::ArrayView1;
use numpy::{PyArray1, PyReadwriteArray1};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyList;

use textbook_core::decode::ImageFailure;
use textbook_core::pool;
use textbook_core::prepare::{self, Preview};
use textbook_core::transform::Transform as Core;
use textbook_jpeg::JpegError;

use crate::images::{ImageStore, damage_named, image_error, pixel_limit};
use crate::transform::{Memory, Transform};

/// Memory of the core's cache as a uint8 array of unspecified content.
#[pyfunction]
pub fn take_memory(py: Python<'_>, length: usize) -> PyResult<Bound<'_, PyArray1<u8>>> {
    let memory = py.detach(|| {
        let _pass = pool::enter();
        Memory::take(length)
    });
    let owner = Bound::new(py, memory)?;
    let view = ArrayView1::from(owner.get().bytes());
    // SAFETY: the array's memory is the buffer's, whose heap storage never moves and is
    // never written or freed while `owner` lives; the array keeps `owner` as its base
    // object. Nothing else ever refers to that buffer, so Python may write to it through
    // the array.
    #[allow(unsafe_code, reason = "an array over memory that Rust owns")]
    Ok(unsafe { PyArray1::borrow_from_array(&view, owner.clone().into_any()) })
}

/// An image that was read, and what is known of it.
type Read = Result<(Vec<u8>, Preview), ImageFailure>;

/// Encoded images on their way into one array.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Batch {
    paths: Vec<String>,
    transform: Arc<Core>,
    images: Mutex<Option<Arc<Vec<Read>>>>,
}

#[pymethods]
impl Batch {
    /// Reads images, and their headers.
    #[new]
    fn new(
        py: Python<'_>,
        store: &Bound<'_, ImageStore>,
        paths: Vec<String>,
        transform: &Bound<'_, Transform>,
        threads: usize,
    ) -> PyResult<Batch> {
        let limit = pixel_limit(py)?;
        let store = store.get().store();
        let transform = Arc::clone(&transform.get().0);
        let (wanted, of_task) = (paths.clone(), Arc::clone(&transform));
        let preview = move |bytes: &mut Vec<u8>| {
            let preview = Preview::of(bytes, &of_task, limit)?;
            Ok((std::mem::take(bytes), preview))
        };
        let images = py.detach(|| prepare::read_many(store, wanted, threads, preview));
        let images = Mutex::new(Some(Arc::new(images)));
        Ok(Batch { paths, transform, images })
    }

    /// The height and width of what each image will be, or its `ImageError`.
    #[getter]
    fn sizes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let sizes = PyList::empty(py);
        for (path, image) in self.paths.iter().zip(self.images()?.iter()) {
            match image {
                Ok((_, preview)) => {
                    sizes.append((preview.shape.size.height, preview.shape.size.width))?;
                }
                Err(failure) => sizes.append(image_error(py, path, failure).into_value(py))?,
            }
        }
        Ok(sizes)
    }

    /// Writes each image to the bytes from its start on; one without a start is left out.
    /// Gives None or an `ImageError` for each, `(error,)` of one that was filled all the
    /// same, and lets go of what was read.
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn fill<'py>(
        &self,
        py: Python<'py>,
        mut out: PyReadwriteArray1<'py, u8>,
        starts: Vec<Option<usize>>,
        threads: usize,
        truncated: &str,
    ) -> PyResult<Bound<'py, PyList>> {
        let damage = damage_named(truncated)?;
        let images = self.images()?;
        let memory =
            out.as_slice_mut().map_err(|_| PyValueError::new_err("out must be contiguous"))?;
        let ranges = images.iter().zip(&starts).map(|(image, &start)| {
            let (Ok((_, preview)), Some(start)) = (image, start) else { return Some(0..0) };
            Some(start..start.checked_add(preview.shape.bytes)?)
        });
        let slots =
            ranges.collect::<Option<Vec<_>>>().and_then(|ranges| Slots::new(memory, ranges));
        let slots = slots.ok_or_else(|| {
            PyValueError::new_err("the images' places are not apart, or not inside of out")
        })?;
        let (read, transform) = (Arc::clone(&images), Arc::clone(&self.transform));
        let fill = move |index: usize| -> Result<Option<JpegError>, ImageFailure> {
            let Ok((bytes, preview)) = &read[index] else { return Ok(None) };
            match slots.take(index) {
                Some(slot) if !slot.is_empty() => {
                    prepare::prepare_into(bytes, preview, &transform, damage, slot)
                }
                _ => Ok(None),
            }
        };
        // `run` returns when all items have ended; until then `out` is borrowed here.
        let results = py.detach(|| pool::run(threads, images.len(), fill));
        self.images.lock().unwrap_or_else(PoisonError::into_inner).take();
        let errors = PyList::empty(py);
        for (path, result) in self.paths.iter().zip(results) {
            match result.unwrap_or_else(|panic| Err(panic.into())) {
                Ok(None) => errors.append(py.None())?,
                Ok(Some(damage)) => {
                    let error = image_error(py, path, &ImageFailure::Jpeg(damage));
                    errors.append((error.into_value(py),))?;
                }
                Err(failure) => errors.append(image_error(py, path, &failure).into_value(py))?,
            }
        }
        Ok(errors)
    }
}

impl Batch {
    fn images(&self) -> PyResult<Arc<Vec<Read>>> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        images.clone().ok_or_else(|| PyRuntimeError::new_err("the batch was filled before"))
    }
}

/// Parts of one piece of memory, each of which is handed out once, to any thread.
struct Slots {
    start: *mut u8,
    ranges: Vec<Range<usize>>,
    are_taken: Vec<AtomicBool>,
}

// SAFETY: the pointer is only used by `take`, which gives each part to one caller.
#[expect(unsafe_code, reason = "parts of one array for several threads")]
unsafe impl Send for Slots {}
// SAFETY: as above; which parts are taken is kept in atomics.
#[expect(unsafe_code, reason = "parts of one array for several threads")]
unsafe impl Sync for Slots {}

impl Slots {
    /// None where parts overlap or do not lie in the memory. The memory has to stay
    /// exclusively borrowed until every part that was taken is let go: `Batch::fill` holds
    /// its borrow until `pool::run` has ended all items, and parts do not leave the items.
    fn new(memory: &mut [u8], ranges: Vec<Range<usize>>) -> Option<Slots> {
        let mut sorted: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).collect();
        sorted.sort_unstable_by_key(|range| range.start);
        let are_apart = sorted.windows(2).all(|pair| pair[0].end <= pair[1].start);
        let are_inside = sorted.last().is_none_or(|last| last.end <= memory.len());
        let are_taken = ranges.iter().map(|_| AtomicBool::new(false)).collect();
        let start = memory.as_mut_ptr();
        (are_apart && are_inside).then_some(Slots { start, ranges, are_taken })
    }

    /// A part, if it was not taken before.
    #[expect(clippy::mut_from_ref, reason = "each part is given once")]
    fn take(&self, index: usize) -> Option<&mut [u8]> {
        let range = self.ranges.get(index)?;
        if range.is_empty() || self.are_taken[index].swap(true, Ordering::SeqCst) {
            return None;
        }
        // SAFETY: the range lies in memory that is exclusively borrowed while parts are in
        // use, and overlaps no other (both proved or demanded by `new`); it is given out
        // once, so no two references to it exist.
        #[expect(unsafe_code, reason = "parts of one array for several threads")]
        Some(unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) })
    }
}
