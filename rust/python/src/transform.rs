//! Transforms for Python: settings in, arrays out. The checks of the settings are in
//! `textbook_fast.transforms`.

use std::sync::Arc;

use numpy::ndarray::ArrayView1;
use numpy::{PyArray1, PyArray3, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use textbook_core::buffers::Buffer;
use textbook_core::prepare::{self, Prepared};
use textbook_core::transform::{
    Filter, Fit, Float, Frame, Layout, Resize, Settings, Size, Steps, Transform as Core, Values,
};

use crate::images::{Encoded, damage_named, jpeg_error, pixel_limit};
use crate::jpeg::damage_of;

/// The owner of an array's memory.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Memory(Buffer);

impl Memory {
    /// Only for threads that have passed the pool's gate.
    pub fn take(length: usize) -> Memory {
        Memory(Buffer::take(length))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What is done to each picture.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Transform(pub Arc<Core>);

fn size((height, width): (usize, usize)) -> Size {
    Size { height, width }
}

/// A kind and its numbers, as Python hands them over.
type Named = (String, Vec<usize>);

fn unknown(what: &str, (name, numbers): &Named) -> PyErr {
    PyValueError::new_err(format!("there is no {what} {name:?} with {} numbers", numbers.len()))
}

fn resize_of(named: &Named) -> PyResult<Resize> {
    Ok(match (named.0.as_str(), named.1.as_slice()) {
        ("keep", []) => Resize::Keep,
        ("exact", &[height, width]) => Resize::Exact(Size { height, width }),
        ("cover", &[height, width]) => Resize::Cover(Size { height, width }),
        ("contain", &[height, width]) => Resize::Contain(Size { height, width }),
        ("within", &[shortest, longest]) => Resize::Within { shortest, longest },
        ("budget", &[min_pixels, max_pixels, multiple]) => {
            Resize::PixelBudget { min_pixels, max_pixels, multiple }
        }
        _ => return Err(unknown("resize", named)),
    })
}

fn frame_of(named: &Named) -> PyResult<Frame> {
    Ok(match (named.0.as_str(), named.1.as_slice()) {
        ("none", []) => Frame::None,
        ("crop", &[height, width]) => Frame::Crop(Size { height, width }),
        ("pad", &[height, width]) => Frame::Pad(Size { height, width }),
        _ => return Err(unknown("frame", named)),
    })
}

fn layout_of(named: &Named) -> PyResult<Layout> {
    Ok(match (named.0.as_str(), named.1.as_slice()) {
        ("HWC", []) => Layout::Hwc,
        ("CHW", []) => Layout::Chw,
        ("patches", &[side, merge, temporal]) => Layout::Patches { side, merge, temporal },
        _ => return Err(unknown("layout", named)),
    })
}

fn filter_of(name: &str) -> PyResult<Filter> {
    Ok(match name {
        "nearest" => Filter::Nearest,
        "bilinear" => Filter::Bilinear,
        "bicubic" => Filter::Bicubic,
        "lanczos" => Filter::Lanczos,
        _ => return Err(PyValueError::new_err(format!("there is no filter {name:?}"))),
    })
}

/// The numbers that bytes become: their type, 768 of them, and the steps that make them.
type Normalization = (String, Vec<u8>, f64, [f32; 3], [f32; 3]);

fn values_of((dtype, table, factor, mean, std): Normalization) -> PyResult<Values> {
    let float = match dtype.as_str() {
        "float32" => Float::F32,
        "float16" => Float::F16,
        _ => return Err(PyValueError::new_err(format!("there is no float {dtype:?}"))),
    };
    let values = Values::new(float, table, &Steps { factor, mean, std });
    values.ok_or_else(|| PyValueError::new_err("the table does not have 768 numbers"))
}

#[pymethods]
impl Transform {
    #[new]
    #[pyo3(signature = (
        *, squared, resize, frame, filter, color, layout, normalization, oriented, reducing_gap
    ))]
    #[expect(clippy::too_many_arguments, reason = "keywords, which one dataclass fills in")]
    #[expect(clippy::needless_pass_by_value, reason = "as Python hands them over")]
    fn new(
        squared: bool,
        resize: Named,
        frame: Named,
        filter: &str,
        color: [u8; 3],
        layout: Named,
        normalization: Option<Normalization>,
        oriented: bool,
        reducing_gap: Option<f64>,
    ) -> PyResult<Transform> {
        let fit =
            Fit { is_squared: squared, resize: resize_of(&resize)?, frame: frame_of(&frame)? };
        let settings = Settings {
            fit,
            filter: filter_of(filter)?,
            color,
            layout: layout_of(&layout)?,
            values: normalization.map(values_of).transpose()?,
            is_oriented: oriented,
            reducing_gap,
        };
        Ok(Transform(Arc::new(Core::new(settings))))
    }

    /// The height and width of what becomes of a picture.
    fn output_size(&self, py: Python<'_>, height: usize, width: usize) -> PyResult<(usize, usize)> {
        let shape = self.0.shape(size((height, width)), pixel_limit(py)?);
        let shape = shape.map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok((shape.size.height, shape.size.width))
    }

    /// Transforms an array of shape (height, width, 3).
    fn apply<'py>(
        &self,
        py: Python<'py>,
        array: &Bound<'py, PyArray3<u8>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let &[height, width, _] = array.shape() else {
            return Err(PyTypeError::new_err("the array has to have three dimensions"));
        };
        let limit = pixel_limit(py)?;
        let pixels = array
            .try_readonly()
            .map_err(|_| PyValueError::new_err("the array is being written to elsewhere"))?;
        let pixels = pixels
            .as_slice()
            .map_err(|_| PyValueError::new_err("the array has to be C-contiguous"))?;
        let transform = &*self.0;
        let prepared = py.detach(|| {
            let _pass = textbook_core::pool::enter();
            prepare::prepare_pixels(pixels, size((height, width)), transform, limit)
        });
        let prepared = prepared.map_err(|error| {
            PyValueError::new_err(format!("the image cannot be transformed: {error}"))
        })?;
        to_array(py, prepared, transform)
    }

    /// Decodes and transforms one JPEG. Gives a `JpegError` beside it where it is broken and
    /// was filled, else None.
    fn decode<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        truncated: &str,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let damage = damage_named(truncated)?;
        let limit = pixel_limit(py)?;
        let encoded = Encoded::new(data)?;
        let (bytes, transform) = (encoded.as_ref(), &*self.0);
        let prepared = py.detach(|| {
            let _pass = textbook_core::pool::enter();
            prepare::prepare(bytes, transform, limit, damage)
        });
        let mut prepared = prepared.map_err(|failure| jpeg_error(py, &failure, None))?;
        let damage = damage_of(py, prepared.damage.take(), None);
        Ok((to_array(py, prepared, transform)?, damage))
    }

    /// Whether floats are calculated; None for bytes.
    #[getter]
    fn is_calculated(&self) -> Option<bool> {
        self.0.settings().values.as_ref().map(Values::are_calculated)
    }
}

/// The array of what the transform made, or for patches a `Patches` with their grid.
pub fn to_array<'py>(
    py: Python<'py>,
    prepared: Prepared,
    transform: &Core,
) -> PyResult<Bound<'py, PyAny>> {
    let settings = transform.settings();
    let Size { height, width } = prepared.size;
    let owner = Bound::new(py, Memory(prepared.bytes))?;
    let view = ArrayView1::from(owner.get().bytes());
    // SAFETY: the array's memory is the buffer's, whose heap storage never moves and is
    // never written or freed while `owner` lives; the array keeps `owner` as its base
    // object. Nothing else ever refers to that buffer, so Python may write to it through
    // the array.
    #[allow(unsafe_code, reason = "an array over memory that Rust owns")]
    let array = unsafe { PyArray1::borrow_from_array(&view, owner.clone().into_any()) };
    let dtype = match settings.values.as_ref().map(Values::float) {
        None => "uint8",
        Some(Float::F32) => "float32",
        Some(Float::F16) => "float16",
    };
    let array = array.call_method1("view", (dtype,))?;
    match settings.layout {
        Layout::Hwc => array.call_method1("reshape", (height, width, 3)),
        Layout::Chw => array.call_method1("reshape", (3, height, width)),
        Layout::Patches { side, temporal, .. } => {
            let grid = (1, height / side, width / side);
            let numbers = 3 * temporal * side * side;
            let array = array.call_method1("reshape", (grid.1 * grid.2, numbers))?;
            let class = py.import("textbook_fast.transforms")?.getattr("Patches")?;
            class.call1(PyTuple::new(py, [array, grid.into_pyobject(py)?.into_any()])?)
        }
    }
}
