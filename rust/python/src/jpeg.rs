//! JPEG bytes for Python: what a header says, and pixels of one file or of many.

use std::ops::Range;

use numpy::{PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use textbook_core::decode::{self, ImageFailure};
use textbook_jpeg::{Color, ColorSpace, JpegError, Options, Scale};

use crate::images::{Encoded, damage_named, jpeg_error, pixel_limit, to_array};

/// What is wanted, in the words of Python's interface, which has checked them.
fn options(
    color: &str,
    scale: u8,
    rows: Option<(usize, usize)>,
    truncated: &str,
) -> PyResult<Options> {
    let unknown = |what: &str| PyValueError::new_err(format!("there is no such {what}"));
    Ok(Options {
        color: match color {
            "rgb" => Color::Rgb,
            "gray" => Color::Gray,
            _ => return Err(unknown("color")),
        },
        scale: match scale {
            1 => Scale::Full,
            2 => Scale::Half,
            4 => Scale::Quarter,
            8 => Scale::Eighth,
            _ => return Err(unknown("scale")),
        },
        rows: rows.map(|(start, end)| Range { start, end }),
        damage: damage_named(truncated)?,
    })
}

/// The error that says what is broken, for a picture that was made all the same.
pub fn damage_of(
    py: Python<'_>,
    damage: Option<JpegError>,
    index: Option<usize>,
) -> Bound<'_, PyAny> {
    match damage {
        None => py.None().into_bound(py),
        Some(error) => {
            let error = jpeg_error(py, &ImageFailure::Jpeg(error), index);
            error.into_value(py).into_bound(py).into_any()
        }
    }
}

/// `(array, error)`: the error is None, or says of what kind of broken data a picture was
/// made all the same.
#[pyfunction]
#[pyo3(signature = (data, color, scale, rows, truncated, out=None))]
pub fn decode_jpeg<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    color: &str,
    scale: u8,
    rows: Option<(usize, usize)>,
    truncated: &str,
    out: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let options = options(color, scale, rows, truncated)?;
    let limit = pixel_limit(py)?;
    let encoded = Encoded::new(data)?;
    let bytes = encoded.as_ref();
    let Some(out) = out else {
        let picture = py.detach(|| {
            let _pass = textbook_core::pool::enter();
            decode::decode(bytes, &options, limit)
        });
        let mut picture = picture.map_err(|failure| jpeg_error(py, &failure, None))?;
        let damage = damage_of(py, picture.damage.take(), None);
        return Ok((to_array(py, picture)?, damage));
    };
    let mut array: PyReadwriteArrayDyn<'py, u8> = out
        .cast::<PyArrayDyn<u8>>()
        .map_err(|_| PyTypeError::new_err("out must be a uint8 array"))?
        .try_readwrite()
        .map_err(|_| PyValueError::new_err("out must be writable and not in use elsewhere"))?;
    let shape = array.shape().to_vec();
    let pixels =
        array.as_slice_mut().map_err(|_| PyValueError::new_err("out must be C-contiguous"))?;
    let decoded = py.detach(|| {
        let _pass = textbook_core::pool::enter();
        let size = options.size(&textbook_jpeg::read_header(bytes)?);
        let wanted = [size.height, size.width, size.channels];
        let wanted = &wanted[..if size.channels == 1 { 2 } else { 3 }];
        if shape != wanted {
            return Ok(Err(wanted.to_vec()));
        }
        decode::decode_into(bytes, &options, limit, pixels).map(Ok)
    });
    match decoded {
        Ok(Ok(damage)) => Ok((out.clone(), damage_of(py, damage, None))),
        Ok(Err(wanted)) => {
            let (shape, wanted) = (PyTuple::new(py, shape)?, PyTuple::new(py, wanted)?);
            let message = format!("out has the shape {shape}, the image needs {wanted}");
            Err(PyValueError::new_err(message))
        }
        Err(failure) => Err(jpeg_error(py, &failure, None)),
    }
}

/// `(array, error)` of each in order; where there is no picture, None and its `JpegError`.
#[pyfunction]
pub fn decode_jpegs<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyList>,
    color: &str,
    scale: u8,
    truncated: &str,
    threads: usize,
) -> PyResult<Bound<'py, PyList>> {
    let options = options(color, scale, None, truncated)?;
    let limit = pixel_limit(py)?;
    // Copies, for a hundredth of what decoding costs: a reference to a Python object that a
    // thread of the pool let go of would go through a lock of PyO3's, which a fork could meet.
    let copy = |item: Bound<'py, PyAny>| Ok(Encoded::new(&item)?.as_ref().to_vec());
    let encoded = data.iter().map(copy).collect::<PyResult<Vec<Vec<u8>>>>()?;
    let pictures = py.detach(|| decode::decode_many(encoded, &options, limit, threads));
    let results = PyList::empty(py);
    for (index, picture) in pictures.into_iter().enumerate() {
        match picture {
            Ok(mut picture) => {
                let damage = damage_of(py, picture.damage.take(), Some(index));
                results.append((to_array(py, picture)?, damage))?;
            }
            Err(failure) => {
                let error = jpeg_error(py, &failure, Some(index)).into_value(py);
                results.append((py.None(), error))?;
            }
        }
    }
    Ok(results)
}

/// `(width, height, color space, sampling factors, is progressive, restart interval,
/// orientation, comment)`.
#[pyfunction]
#[allow(clippy::type_complexity, reason = "a tuple for one caller, which gives it names")]
pub fn read_jpeg_header<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
) -> PyResult<(
    u32,
    u32,
    &'static str,
    Bound<'py, PyTuple>,
    bool,
    u16,
    Option<u8>,
    Option<Bound<'py, PyBytes>>,
)> {
    let encoded = Encoded::new(data)?;
    let header = textbook_jpeg::read_header(encoded.as_ref())
        .map_err(|error| jpeg_error(py, &ImageFailure::Jpeg(error), None))?;
    let color_space = match header.color_space() {
        ColorSpace::Gray => "gray",
        ColorSpace::YCbCr => "ycbcr",
        ColorSpace::Rgb => "rgb",
        ColorSpace::Cmyk => "cmyk",
        ColorSpace::Ycck => "ycck",
    };
    let factors = header.components.iter().map(|one| (one.horizontal, one.vertical));
    Ok((
        header.width,
        header.height,
        color_space,
        PyTuple::new(py, factors.collect::<Vec<_>>())?,
        header.is_progressive,
        header.restart_interval,
        header.orientation,
        header.comment.as_deref().map(|comment| PyBytes::new(py, comment)),
    ))
}
