//! Thumbnails, sizes and likeness of images, for Python.

use std::sync::Arc;

use numpy::{PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyFloat, PyList};

use textbook_core::pictures::{measure_many, similarities, thumbnail};
use textbook_core::similarity::{Gray, WINDOW};

use crate::images::{ImageStore, image_error, jpeg_error, listed, pixel_limit};

/// A JPEG of at most `width` x `height` pixels of an encoded image.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn make_thumbnail(
    py: Python<'_>,
    data: PyBackedBytes,
    width: usize,
    height: usize,
) -> PyResult<Bound<'_, PyBytes>> {
    let limit = pixel_limit(py)?;
    let made = py.detach(|| {
        let _pass = textbook_core::pool::enter();
        thumbnail(&data, (width, height), limit)
    });
    Ok(PyBytes::new(py, &made.map_err(|failure| jpeg_error(py, &failure, None))?))
}

/// `(bytes, width, height)` of each image, or the `ImageError` why it cannot be had.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn measure_images<'py>(
    py: Python<'py>,
    store: &Bound<'py, ImageStore>,
    paths: Vec<String>,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let store = Arc::clone(store.get().store());
    let measured = py.detach(|| measure_many(&store, paths.clone(), threads));
    listed(py, &paths, measured, |it| (it.bytes, it.width, it.height).into_bound_py_any(py))
}

/// The mean SSIM of all pairs of each sample's images, or the `ImageError` why not.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn compare_images<'py>(
    py: Python<'py>,
    store: &Bound<'py, ImageStore>,
    samples: Vec<Vec<String>>,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let limit = pixel_limit(py)?;
    let store = Arc::clone(store.get().store());
    let compared = py.detach(|| similarities(&store, samples.clone(), limit, threads));
    let results = PyList::empty(py);
    for (paths, result) in samples.iter().zip(compared) {
        match result {
            Ok(value) => results.append(PyFloat::new(py, value))?,
            Err((number, failure)) => {
                let path = paths.get(number).map_or("", String::as_str);
                results.append(image_error(py, path, &failure).into_value(py))?;
            }
        }
    }
    Ok(results)
}

/// SSIM of two gray pictures, uint8 arrays of one shape (height, width).
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn ssim(
    py: Python<'_>,
    a: PyReadonlyArray2<'_, u8>,
    b: PyReadonlyArray2<'_, u8>,
) -> PyResult<f64> {
    if a.shape() != b.shape() {
        let shapes = format!("{:?} and {:?}", a.shape(), b.shape());
        return Err(PyValueError::new_err(format!("the pictures have the shapes {shapes}")));
    }
    let gray = |array: &PyReadonlyArray2<'_, u8>| {
        let view = array.as_array();
        let rows = array.as_slice().map_or_else(|_| view.iter().copied().collect(), <[u8]>::to_vec);
        Gray::new(view.ncols(), view.nrows(), rows).ok_or_else(|| {
            let reason = format!("a picture needs at least {WINDOW} x {WINDOW} pixels");
            PyValueError::new_err(reason)
        })
    };
    let (a, b) = (gray(&a)?, gray(&b)?);
    Ok(py.detach(|| a.ssim(&b)).unwrap_or(f64::NAN))
}
