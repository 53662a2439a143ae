//! Images for Python: stores, decoding, and pixels as NumPy arrays. The arrays'
//! memory is the core's own and goes back to its cache when Python frees them.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyArrayDyn;
use numpy::ndarray::ArrayViewD;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyList};

use textbook_core::Error;
use textbook_core::decode::{ImageFailure, Picture};
use textbook_core::index::Progress;
use textbook_core::keyframe_name::KeyframeName;
use textbook_core::prepare::{self, Made, Recipe};
use textbook_core::source::Identity;
use textbook_core::store::{self, Stores};
use textbook_jpeg::{Damage, Size};

use crate::errors::{exception, to_pyerr};
use crate::transform::{self, Transform};
use crate::watch::{Title, watched};

/// The owner of an array's memory.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Pixels(Picture);

/// The array of a picture.
pub fn to_array(py: Python<'_>, picture: Picture) -> PyResult<Bound<'_, PyAny>> {
    let Size { height, width, channels } = picture.size;
    let shape = [height, width, channels];
    // A gray picture has no axis of colors.
    let shape = if channels == 1 { &shape[..2] } else { &shape[..] };
    let owner = Bound::new(py, Pixels(picture))?;
    let pixels = owner.get();
    let view = ArrayViewD::from_shape(shape, &pixels.0.pixels)
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    // SAFETY: the array's memory is the picture's buffer, whose heap storage never
    // moves and is never written or freed while `owner` lives; the array keeps
    // `owner` as its base object. Nothing else ever refers to that buffer, so
    // Python may write to it through the array.
    #[allow(unsafe_code, reason = "an array over memory that Rust owns")]
    let array = unsafe { PyArrayDyn::borrow_from_array(&view, owner.clone().into_any()) };
    Ok(array.into_any())
}

/// What became of an image, as an array (or `Patches`). Of one that is broken and was filled,
/// `(array, error)`; the error names its path.
pub fn made_to_array(
    py: Python<'_>,
    mut made: Made,
    path: impl FnOnce() -> PyResult<String>,
) -> PyResult<Bound<'_, PyAny>> {
    let damage = made.take_damage();
    let array = match made {
        Made::Picture(picture) => to_array(py, picture)?,
        Made::Prepared(prepared, transform) => transform::to_array(py, prepared, &transform)?,
    };
    let Some(damage) = damage else { return Ok(array) };
    let error = image_error(py, &path()?, &ImageFailure::Jpeg(damage)).into_value(py);
    Ok((array, error).into_pyobject(py)?.into_any())
}

/// What is done about broken data, in the words of Python's interface, which has checked it.
pub fn damage_named(truncated: &str) -> PyResult<Damage> {
    match truncated {
        "raise" => Ok(Damage::Refuse),
        "fill" => Ok(Damage::Fill),
        _ => Err(PyValueError::new_err("there is no such choice for truncated")),
    }
}

/// `textbook_fast.MAX_IMAGE_PIXELS` as it is now.
pub fn pixel_limit(py: Python<'_>) -> PyResult<Option<u64>> {
    let value = py.import("textbook_fast")?.getattr("MAX_IMAGE_PIXELS")?;
    value.extract().map_err(|_| {
        PyTypeError::new_err(format!(
            "textbook_fast.MAX_IMAGE_PIXELS must be a non-negative integer or None, not {value}"
        ))
    })
}

/// The bytes of a bytes-like object: immutable ones as they are, others copied, so
/// that nobody changes them while they are decoded without the GIL.
pub enum Encoded {
    Bytes(PyBackedBytes),
    Copy(Vec<u8>),
}

impl Encoded {
    pub fn new(data: &Bound<'_, PyAny>) -> PyResult<Encoded> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return Ok(Encoded::Bytes(bytes.clone().into()));
        }
        let buffer = PyBuffer::<u8>::get(data).map_err(|_| {
            let kind = data.get_type();
            PyTypeError::new_err(format!("JPEG data is bytes-like (of unsigned bytes), not {kind}"))
        })?;
        Ok(Encoded::Copy(buffer.to_vec(data.py())?))
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        match self {
            Encoded::Bytes(bytes) => bytes,
            Encoded::Copy(bytes) => bytes,
        }
    }
}

pub fn jpeg_error(py: Python<'_>, failure: &ImageFailure, index: Option<usize>) -> PyErr {
    let context = PyDict::new(py);
    let message = match index {
        Some(index) => format!("image {index}: {failure}"),
        None => failure.to_string(),
    };
    let offset = match failure {
        ImageFailure::Jpeg(error) => error.offset(),
        _ => None,
    };
    let filled = context
        .set_item("kind", failure.kind())
        .and_then(|()| context.set_item("offset", offset))
        .and_then(|()| context.set_item("index", index));
    match filled {
        Ok(()) => exception(py, "JpegError", &message, &context),
        Err(error) => error,
    }
}

pub fn image_error(py: Python<'_>, path: &str, failure: &ImageFailure) -> PyErr {
    let name = match failure.kind() {
        "missing" => "ImageNotFoundError",
        _ => "ImageError",
    };
    let context = PyDict::new(py);
    let reason = failure.to_string();
    let filled = context
        .set_item("image", path)
        .and_then(|()| context.set_item("reason", &reason))
        .and_then(|()| context.set_item("kind", failure.kind()));
    match filled {
        Ok(()) => exception(py, name, &format!("image {path:?}: {reason}"), &context),
        Err(error) => error,
    }
}

/// The parts of a keyframe's name: `(vid, start_seconds, end_seconds, number)`.
#[pyfunction]
pub fn parse_keyframe_name(path: &str) -> Option<(&str, f64, f64, u64)> {
    let name = KeyframeName::parse(path)?;
    Some((name.vid, name.start_seconds, name.end_seconds, name.number))
}

/// The folder above `<vid>/<name>` or `<name>` of an absolute path of a keyframe.
#[pyfunction]
pub fn image_root_of(path: &str) -> Option<&str> {
    store::root_of(path)
}

type IdentityTuple = (u64, u64, u64, i64);
type ArchiveTuple = (PathBuf, IdentityTuple);

/// Encoded images by their paths in the JSON.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct ImageStore(Arc<Stores>);

impl ImageStore {
    pub fn store(&self) -> &Arc<Stores> {
        &self.0
    }
}

#[pymethods]
impl ImageStore {
    #[new]
    #[pyo3(signature = (roots, *, expected=None, progress=true))]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn new(
        py: Python<'_>,
        roots: Vec<PathBuf>,
        expected: Option<Vec<ArchiveTuple>>,
        progress: bool,
    ) -> PyResult<ImageStore> {
        let first = roots.first().cloned().unwrap_or_default();
        let title = Title { verb: "walking", path: &first, shows_progress: progress };
        let state = Arc::new(Progress::default());
        let work = {
            let state = Arc::clone(&state);
            move || Stores::open(roots, &state)
        };
        let store = watched(py, &title, &state, work)?;
        for (path, identity) in store.archives() {
            let was = expected.iter().flatten().find(|(other, _)| other == path);
            let Some((_, (device, inode, size, mtime_ns))) = was.cloned() else { continue };
            if let Some(what) = identity.difference(&Identity { device, inode, size, mtime_ns }) {
                return Err(to_pyerr(py, &Error::SourceChanged { path: path.to_owned(), what }));
            }
        }
        Ok(ImageStore(Arc::new(store)))
    }

    /// Folders as they are: archives in them are not looked for.
    #[staticmethod]
    fn of_folders(py: Python<'_>, roots: Vec<PathBuf>) -> PyResult<ImageStore> {
        let store = py.detach(|| Stores::of_folders(roots));
        Ok(ImageStore(Arc::new(store.map_err(|error| to_pyerr(py, &error))?)))
    }

    /// The archives among the places, and which files they were.
    #[getter]
    fn archives(&self) -> Vec<(&std::ffi::OsStr, IdentityTuple)> {
        let of = |identity| {
            let Identity { device, inode, size, mtime_ns } = identity;
            (device, inode, size, mtime_ns)
        };
        self.0.archives().map(|(path, identity)| (path.as_os_str(), of(identity))).collect()
    }

    /// The folders and archives that images are looked for in.
    #[getter]
    fn places(&self) -> Vec<&std::ffi::OsStr> {
        self.0.places().map(std::path::Path::as_os_str).collect()
    }

    /// What is known of the indexes of compressed archives.
    #[getter]
    fn archive_infos<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.0.summaries().map(|summary| crate::archives::describe(py, &summary)).collect()
    }

    /// What is wrong with archives as a whole, though they can be read from.
    #[getter]
    fn damages(&self) -> Vec<String> {
        self.0.damages().collect()
    }

    #[getter]
    fn roots(&self) -> Vec<&std::ffi::OsStr> {
        self.0.roots().iter().map(|root| root.as_os_str()).collect()
    }

    fn has(&self, py: Python<'_>, path: &str) -> bool {
        py.detach(|| self.0.has(path))
    }

    fn read<'py>(&self, py: Python<'py>, path: &str) -> PyResult<Bound<'py, PyBytes>> {
        let mut bytes = Vec::new();
        match py.detach(|| self.0.read(path, &mut bytes)) {
            Ok(()) => Ok(PyBytes::new(py, &bytes)),
            Err(error) => Err(image_error(py, path, &error.into())),
        }
    }
}

/// The encoded images of these paths; an `ImageError` stands in the place of what cannot be
/// had.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn read_images<'py>(
    py: Python<'py>,
    store: &Bound<'py, ImageStore>,
    paths: Vec<String>,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let (store, wanted) = (store.get().store(), paths.clone());
    let take = |bytes: &mut Vec<u8>| Ok(std::mem::take(bytes));
    let images = py.detach(|| prepare::read_many(store, wanted, threads, take));
    listed(py, &paths, images, |bytes| Ok(PyBytes::new(py, &bytes).into_any()))
}

/// What was made of each image as Python has it; an `ImageError` stands in the place of what
/// cannot be had.
pub fn listed<'py, T>(
    py: Python<'py>,
    paths: &[String],
    images: Vec<Result<T, ImageFailure>>,
    to_python: impl Fn(T) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let results = PyList::empty(py);
    for (path, image) in paths.iter().zip(images) {
        match image {
            Ok(made) => results.append(to_python(made)?)?,
            Err(failure) => results.append(image_error(py, path, &failure).into_value(py))?,
        }
    }
    Ok(results)
}

/// The images of these paths as arrays, transformed where that is asked for, None where a
/// path is None; an `ImageError` stands in the place of what cannot be had, and of what is
/// broken and was filled there is `(array, error)`.
#[pyfunction]
#[pyo3(signature = (store, paths, threads, transform=None, truncated="raise"))]
#[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
pub fn load_images<'py>(
    py: Python<'py>,
    store: &Bound<'py, ImageStore>,
    paths: Vec<Option<String>>,
    threads: usize,
    transform: Option<&Bound<'py, Transform>>,
    truncated: &str,
) -> PyResult<Bound<'py, PyList>> {
    let recipe = Recipe {
        transform: transform.map(|transform| Arc::clone(&transform.get().0)),
        limit: pixel_limit(py)?,
        damage: damage_named(truncated)?,
    };
    let store = &store.get().0;
    let wanted: Vec<String> = paths.iter().flatten().cloned().collect();
    let mut images = py.detach(|| prepare::load_many(store, wanted, &recipe, threads)).into_iter();
    let results = PyList::empty(py);
    for path in &paths {
        let Some(path) = path else {
            results.append(py.None())?;
            continue;
        };
        match images.next() {
            Some(Ok(made)) => {
                results.append(made_to_array(py, made, || Ok(path.clone()))?)?;
            }
            Some(Err(failure)) => results.append(image_error(py, path, &failure).into_value(py))?,
            None => unreachable!("one image for each path"),
        }
    }
    Ok(results)
}
